"""The grid engine against a plain loop in NumPy, and against the exact engine as its limit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models import LIF, Latency, LIFExp, Poisson, Readout, Regular, SpikeTimes
from rules import ErrorNeurons, PairSTDP
from snn import (
    Hz,
    Network,
    NetworkError,
    ParameterError,
    SimulationError,
    Simulator,
    Spikes,
    State,
    all_to_all,
    driver,
    fixed_out_degree,
    fixed_probability,
    from_arrays,
    ms,
    one_to_one,
    uniform,
)
from snn.plugin import Model, param, state
from snn.testing import GridTwin
from tests.unit.test_checkpoint import network

DT = 0.1 * ms
N = 20


def wiring(seed=1, fan=6):
    rng = np.random.default_rng(seed)
    source = np.repeat(np.arange(N), fan)
    target = np.concatenate([rng.permutation(N)[:fan] for _ in range(N)])
    weight = rng.normal(0.05, 0.2, source.size)
    ticks = rng.integers(0, 25, source.size)
    order = np.lexsort((target, source))
    return source[order], target[order], weight[order], ticks[order]


def plain(start, drive, ref, source, target, weight, ticks, steps):
    """Spikes (tick, neuron) of LIF cells in the documented order: move, threshold, deliver, reset."""
    v, until = start.copy(), np.zeros(N, int)
    due = [[] for _ in range(steps + 30)]
    spikes = []
    for n in range(steps):
        held = until > n
        v = np.where(held, v, drive + (v - drive) * np.exp(-DT / (20 * ms)))
        fired = np.flatnonzero((v >= 1.0) & ~held)
        spikes += [(n, int(j)) for j in fired]
        deaf = held.copy()
        deaf[fired] = ref > 0
        for j in fired:
            for k in np.flatnonzero(source == j):
                due[n + ticks[k]].append(k)
        for k in due[n]:
            if not deaf[target[k]]:
                v[target[k]] += weight[k]
        v[fired] = 0.0
        until[fired] = n + ref
    return spikes, v


@pytest.mark.parametrize("ref", [0, 1, 20])
@pytest.mark.parametrize("fan", [6, 15], ids=["rows", "ring"])
def test_spikes_and_potentials_are_those_of_a_plain_loop(ref, fan):
    source, target, weight, ticks = wiring(fan=fan)
    start = np.linspace(0, 0.9, N)
    expected, v = plain(start, 1.2, ref, source, target, weight, ticks, 2000)
    net = Network(1)
    cells = net.population("cells", LIF(drive=1.2, t_ref=ref * DT), N, init={"v": start})
    net.connect(cells, cells, from_arrays(source, target), weight=weight, delay=ticks * DT)
    sim = Simulator(net, engine="grid", dt=DT)
    assert (sim.built.projections["cells->cells"].ticks is not None) == (fan == 15)
    spikes = sim.run(2000 * DT, progress=False).spikes["cells"]
    assert len(expected) > 100
    assert list(zip(np.rint(spikes.times / DT).astype(int).tolist(), spikes.ids.tolist(), strict=True)) == expected
    # The order of sums differs within a tick: rounding.
    np.testing.assert_allclose(sim.state("cells", "v"), v, rtol=0, atol=1e-12)


def test_a_run_with_plasticity_equals_the_plain_twin():
    net = network()
    twin = GridTwin(net, DT)
    twin.run(0.04)
    sim = Simulator(net, engine="grid", dt=DT, round_delays=True)
    result = sim.run(0.04, progress=False)
    assert len(result.spikes["cells"]) > 40
    for name, found in result.spikes.items():
        expected = sorted((round(t / DT), i) for t, population, i in twin.spikes if population == name)
        ticks = np.rint(found.times / DT).astype(int)
        assert sorted(zip(ticks.tolist(), found.ids.tolist(), strict=True)) == expected
    for name in net.projections:
        np.testing.assert_allclose(sim.weights(name), twin.weights(name), rtol=1e-9)
    np.testing.assert_allclose(sim.state("cells", "v"), twin.states()["cells"]["v"], rtol=1e-9, atol=1e-12)


def test_many_short_runs_are_one_run():
    def sim():
        net = Network(2)
        cells = net.population("cells", LIFExp(drive=1.1, t_ref=2 * ms), N, init={"v": uniform(0, 0.9)})
        noise = net.population("noise", Poisson(rate=300.0), N)
        net.connect(noise, cells, from_arrays(range(N), range(N)), weight=0.3, delay=1 * ms)
        net.connect(cells, cells, all_to_all(self_connections=False), weight=-0.1, delay=1.5 * ms, port="inh")
        return Simulator(net, engine="grid", dt=DT)

    whole = sim().run(0.2, progress=False).spikes["cells"]
    parted = sim()
    parts = [parted.run(0.02, progress=False).spikes["cells"] for _ in range(10)]
    assert len(whole.times) > 50
    np.testing.assert_allclose(np.concatenate([p.times for p in parts]), whole.times, rtol=1e-14)
    assert np.concatenate([p.ids for p in parts]).tolist() == whole.ids.tolist()


@pytest.mark.parametrize("model", [LIF(drive=1.3, t_ref=2 * ms), LIFExp(drive=1.3, t_ref=2 * ms)])
def test_first_spikes_approach_those_of_the_exact_engine_linearly(model):
    def net():
        net = Network(1)
        given = net.population("given", SpikeTimes(np.arange(N), np.linspace(1, 9, N) * ms), N)
        cells = net.population("cells", model, N, init={"v": np.linspace(0, 0.5, N)})
        net.connect(given, cells, from_arrays(range(N), range(N)), weight=0.1)
        return net

    def first(**engine):
        spikes = Simulator(net(), **engine).run(0.06, progress=False).spikes["cells"]
        return np.array([spikes.times[spikes.ids == j][0] for j in range(N)])

    exact = first()
    errors = [np.abs(first(engine="grid", dt=dt) - exact).mean() for dt in (DT, DT / 4, DT / 16)]
    # First order: a quarter of the step, a quarter of the error, give or take where crossings fall in a step.
    assert errors[0] < DT
    assert errors[1] < 0.45 * errors[0]
    assert errors[2] < 0.45 * errors[1]


def test_plasticity_sees_the_same_events_as_in_the_exact_engine():
    """Spikes on the grid, so far apart and so strong that both engines fire at the same ticks."""
    rng = np.random.default_rng(3)
    pre = np.sort(rng.choice(np.arange(1, 400), 60, replace=False)) * 5 * DT
    post = np.sort(rng.choice(np.arange(1, 400), 60, replace=False)) * 5 * DT

    def weight(**engine):
        net = Network(1)
        source, force = (net.population(n, SpikeTimes([0] * 60, t), 1) for n, t in (("pre", pre), ("force", post)))
        target = net.population("post", LIF(tau_m=0.1 * ms, v_thresh=1.5), 1)
        net.connect(force, target, weight=5.0)
        net.connect(source, target, weight=0.5, rule=PairSTDP(a_plus=0.02, a_minus=0.021), name="plastic", delay=DT)
        sim = Simulator(net, **engine)
        sim.run(0.21, progress=False)
        return sim.weights("plastic")[0], len(post)

    # A forced spike comes one tick later on the grid, where an arrival is tested in the next tick.
    early = post.copy()
    exact = weight()[0]
    post = early - DT
    assert weight(engine="grid", dt=DT)[0] == pytest.approx(exact, rel=1e-9)  # times as products: rounding


@pytest.mark.parametrize(
    ("connector", "kind"), [(from_arrays(range(500), range(500)), "grid source"), (one_to_one(), "drizzle")]
)
def test_poisson_drive_has_the_rate_and_the_variance_of_spikes(connector, kind):
    net = Network(1)
    noise = net.population("noise", Poisson(rate=20_000.0), 500)
    cells = net.population("cells", LIF(tau_m=10 * ms), 500)
    net.connect(noise, cells, connector, weight=0.001)
    sim = Simulator(net, engine="grid", dt=DT, record=[State(cells, "v", every=50 * ms)])
    assert sim.built.blocks[0].kind.name == kind
    # Shot noise: mean w rate tau, variance w^2 rate tau / 2; arrivals of a tick share one decay: a relative dt / 2 tau.
    mean, var = 0.001 * 20_000 * 0.01, 0.001**2 * 20_000 * 0.01 / 2
    v = sim.run(0.5, progress=False).states["cells", "v"].values[2:].ravel()
    assert v.mean() == pytest.approx(mean, abs=0.01 * mean + 4 * np.sqrt(var / v.size))
    assert v.var() == pytest.approx(var, rel=0.01 + 4 * np.sqrt(2 / v.size))


def drizzled(weight, recorded=False, **how):
    """Cells below threshold with Poisson arrivals, which are drawn as numbers unless their spikes are recorded."""
    net = Network(1)
    noise = net.population("noise", Poisson(rate=200.0), 300)
    cells = net.population("cells", LIF(tau_m=10 * ms), 300)
    net.connect(noise, cells, one_to_one(), weight=weight, name="rain")
    sim = Simulator(net, engine="grid", dt=DT, record=[Spikes(noise)] if recorded else [], **how)
    assert sim.built.drawn == ([] if recorded else ["noise"])
    return sim


def potential(sim, duration):
    sim.run(duration, progress=False)
    return sim.state("cells", "v")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("restored", [False, True])
def test_new_weights_reach_arrivals_that_are_drawn_as_numbers(threads, restored, tmp_path):
    """Potentials are linear: what has arrived with one weight decays, what arrives then has the other."""
    one, other = drizzled(0.005), drizzled(0.015)
    early, late = potential(one, 10 * ms), (potential(other, 10 * ms), potential(other, 20 * ms))
    sim = drizzled(0.005, threads=threads)
    np.testing.assert_array_equal(potential(sim, 10 * ms), early)
    sim.set_weights("rain", np.full(300, 0.015))
    if restored:
        sim.checkpoint(tmp_path / "half.h5")
        sim = drizzled(0.005, threads=threads)
        sim.restore(tmp_path / "half.h5")
    assert sim.weights("rain").tolist() == [0.015] * 300
    found = potential(sim, 20 * ms)
    assert late[1].std() > 0.01
    np.testing.assert_allclose(found, late[1] + (early - late[0]) * np.exp(-2.0), rtol=1e-12)  # rounding


def test_new_weights_of_drawn_arrivals_hold_in_presentations_and_after_them():
    def sim(weight):
        net = Network(3)
        inputs, noise = (
            net.population("inputs", Latency(t_last=8 * ms), 2),
            net.population("noise", Poisson(rate=500.0), 2),
        )
        sums = net.population("sums", Readout(), 2)
        net.connect(inputs, sums, all_to_all(), weight=0.5, delay=1 * ms)
        net.connect(noise, sums, one_to_one(), weight=weight, name="rain")
        return Simulator(net, engine="grid", dt=DT, record=[])

    declared, changed = sim(0.75), sim(0.25)
    changed.set_weights("rain", [0.75, 0.75])
    for one in (declared, changed):
        one.shown = one.present(
            np.full((4, 2), 0.5), into="inputs", readout="sums", duration=20 * ms, learn=False, threads=2
        )
    assert len(np.unique(declared.shown.outputs)) > 4
    np.testing.assert_array_equal(changed.shown.outputs, declared.shown.outputs)
    for one in (declared, changed):
        one.run(20 * ms, progress=False)
    assert changed.state("sums", "v").max() >= 0.75
    np.testing.assert_array_equal(changed.state("sums", "v"), declared.state("sums", "v"))


def test_weights_that_differ_are_refused_where_arrivals_are_drawn_as_numbers():
    weights = np.linspace(0.01, 0.02, 300)
    sim = drizzled(0.005)
    with pytest.raises(
        ParameterError, match=r"'rain' go from 0.01 to 0.02.*'noise' are drawn.*record=\[Spikes\(noise\)\]"
    ):
        sim.set_weights("rain", weights)
    assert sim.weights("rain").tolist() == [0.005] * 300
    sim = drizzled(0.005, recorded=True)
    sim.set_weights("rain", weights)
    result = sim.run(10 * ms, progress=False)
    spikes = result.spikes["noise"]
    decayed = np.exp((spikes.times - 10 * ms + DT) / (10 * ms))
    # They arrive when their tick has been passed through, so that those of the last tick have not decayed.
    expected = weights * np.bincount(spikes.ids, weights=decayed, minlength=300)
    np.testing.assert_allclose(sim.state("cells", "v"), expected, rtol=1e-12)


def test_a_checkpoint_with_drawn_arrivals_needs_the_same_recorders(tmp_path):
    drawn, made = drizzled(0.005), drizzled(0.005, recorded=True)
    for k, (ours, theirs) in enumerate([(drawn, made), (made, drawn)]):
        theirs.checkpoint(tmp_path / f"{k}.h5")
        with pytest.raises(NetworkError, match="spikes of noise not recorded and drawn as numbers of arrivals"):
            ours.restore(tmp_path / f"{k}.h5")


@pytest.mark.parametrize("threads", [1, 2])
def test_sources_that_fire_more_than_a_step_has_room_for_end_the_run(threads):
    """50 sources at 1 MHz have 5000 spikes in 0.1 ms, and 1000 in 0.02 ms."""

    def sim(dt):
        net = Network(1)
        noise, cells = net.population("noise", Poisson(rate=1e6), 50), net.population("cells", LIF(), 50)
        net.connect(noise, cells, weight=1e-6)
        return Simulator(net, engine="grid", dt=dt, threads=threads)

    said = "Neuron .* of population 'noise' has a spike due at .* had no room.* 0.0001 s. Choose a shorter dt"
    with pytest.raises(SimulationError, match=said):
        sim(DT).run(5 * ms, progress=False)
    fired = len(sim(DT / 5).run(5 * ms, progress=False).spikes["noise"])
    assert abs(fired - 250_000) < 4 * np.sqrt(250_000)  # s.d. of a Poisson count


def test_sources_that_fire_more_than_a_step_has_room_for_end_a_presentation():
    net = Network(1)
    inputs, noise = net.population("inputs", Latency(), 1), net.population("noise", Poisson(rate=1e6), 50)
    sums = net.population("sums", Readout(), 2)
    net.connect(inputs, sums, weight=0.1)
    net.connect(noise, sums, weight=1e-6)
    sim = Simulator(net, engine="grid", dt=DT, record=[])
    with pytest.raises(SimulationError, match="population 'noise' has a spike due at"):
        sim.present([[0.5]], into=inputs, readout=sums, duration=20 * ms, learn=False)


class Unstable(Model):
    """A model without closed form that leaves the numbers behind."""

    rate: float = param(1e6, doc="growth")
    v = state("cell", 1.0)

    def step(self, cell, dt):
        cell.v = -self.rate * cell.v * cell.v

    def receive(self, cell, port, w):
        cell.v += w

    def above(self, cell):
        return False

    def fire(self, cell):
        pass


class Reckless(Unstable):
    """The same, firing by chance."""

    def hazard(self, cell):
        return 0.0


@pytest.mark.parametrize("model", [Unstable(), Reckless()], ids=lambda m: type(m).__name__)
def test_a_model_without_closed_form_runs_on_the_grid_and_stops_at_the_first_nan(model):
    net = Network(1)
    name = type(model).__name__
    net.population("wild", model, 3)
    sim = Simulator(net)
    assert (sim.engine, sim.engine_reason) == ("grid", f"{name} of population 'wild' has no closed form")
    said = rf"'v' of neuron 0 of population 'wild' \({name}\) is not a finite number"
    with pytest.raises(SimulationError, match=said):
        sim.run(0.1, progress=False)


def test_delays_between_steps_are_refused_unless_rounding_is_wanted():
    def net():
        net = Network(1)
        cells = net.population("cells", LIF(), 2)
        net.connect(cells, cells, weight=0.1, delay=0.13 * ms)
        return net

    with pytest.raises(ParameterError, match=r"delay of projection 'cells->cells'.*1.3 time steps.*round_delays=True"):
        Simulator(net(), engine="grid", dt=DT)
    assert Simulator(net(), engine="grid", dt=DT, round_delays=True).built.engine.row_delay.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("delay", [0.0, 0.7 * ms])
def test_rows_that_follow_from_neurons_are_those_that_are_looked_up(monkeypatch, delay):
    """Every neuron has one row of one delay in one projection, but not in the other; then all rows are looked up."""

    def spikes():
        net = Network(4)
        cells = net.population("cells", LIF(drive=1.05, t_ref=1 * ms), 50, init={"v": uniform(0, 0.99)})
        net.connect(cells, cells, fixed_out_degree(10), weight=0.02, delay=delay)
        net.connect(cells, cells, fixed_probability(0.05), weight=-0.05, delay=1.3 * ms)
        sim = Simulator(net, engine="grid", dt=0.1 * ms)
        return sim.built.engine.even_row.size, sim.run(0.2).spikes["cells"]

    n_even, ours = spikes()
    monkeypatch.setattr(driver, "_even", lambda sizes, spans, row_delay: ([[] for _ in sizes], spans))
    n_none, looked_up = spikes()
    assert (n_even, n_none) == (1, 0) and len(ours) > 100
    assert np.array_equal(ours.times, looked_up.times) and np.array_equal(ours.ids, looked_up.ids)


@pytest.mark.parametrize("period", [0.3 * ms, 1 * ms])
def test_regular_sources_fire_every_so_many_ticks(period):
    net = Network(1)
    cells = net.population("cells", Regular(period=period), 1)
    fired = Simulator(net, engine="grid", dt=DT).run(1.0).spikes[cells.name].times
    assert np.array_equal(np.rint(fired / DT), np.arange(math.ceil(1.0 / period)) * round(period / DT))


def test_poisson_spikes_that_teach_are_drawn_as_spikes():
    def learned(record):
        net = Network(1)
        inputs = net.population("inputs", Regular(period=10 * ms), 2)
        teachers = net.population("teachers", Poisson(rate=500 * Hz), 2)
        cells = net.population("cells", LIF(), 2)
        taught = net.connect(inputs, cells, weight=0.1, rule=ErrorNeurons(low=-5.0, high=5.0, eta=0.01))
        net.connect(teachers, cells, one_to_one(), weight=0.05, teaches=taught)
        sim = Simulator(net, engine="grid", dt=DT, record=[Spikes(teachers)] if record else [])
        sim.run(0.2)
        return sim.weights(taught)

    assert np.array_equal(learned(True), learned(False))
    assert (learned(False) < 0.1).all()


def test_poisson_populations_that_start_at_times_of_their_own_run():
    net = Network(1)
    inputs = net.population("inputs", Poisson(rate=1000 * Hz, start=np.array([0.0, 0.1])), 2)
    cells = net.population("cells", LIF(), 2)
    net.connect(inputs, cells, one_to_one(), weight=0.01)
    sim = Simulator(net, engine="grid", dt=DT, record=[Spikes(cells)])
    sim.run(0.05)
    assert sim.state(cells, "v")[1] == 0.0 < sim.state(cells, "v")[0]


class Shaken(Model):
    """Counts its spikes, which come by chance, and keeps the last number of its noise."""

    v = state("cell", unit="V")
    xi = state("cell")
    potential = "v"
    ports = ("exc",)

    def step(self, cell, dt):
        pass

    def receive(self, cell, port, w):
        pass

    def noise(self, cell, dt, xi):
        cell.xi = xi

    def above(self, cell):
        return False

    def hazard(self, cell):
        return 5000.0

    def fire(self, cell):
        cell.v += 1.0


def test_noise_and_escapes_are_independent():
    net = Network(1)
    cells = net.population("cells", Shaken(), 4000)
    sim = Simulator(net, engine="grid", dt=DT, record=[])
    noise, count = [], [np.zeros(4000)]
    for _ in range(9):
        sim.run(DT)
        noise.append(np.abs(sim.state(cells, "xi")))
        count.append(sim.state(cells, "v"))
    fired = np.diff(count, axis=0)
    # Standard errors of a correlation of 4000 pairs: 0.016.
    for n in range(9):
        for m in range(9):
            assert abs(np.corrcoef(noise[m], fired[n])[0, 1]) < 0.08


def test_lengths_and_intervals_that_are_no_whole_steps_are_refused():
    net = Network(1)
    cells = net.population("cells", LIF(), 2)
    with pytest.raises(ParameterError, match=r"run: duration is 0.00025 s, 2.5 time steps"):
        Simulator(net, engine="grid", dt=DT).run(0.25 * ms)
    with pytest.raises(ParameterError, match=r"every of State.* is 0.00025 s, 2.5 time steps"):
        Simulator(net, engine="grid", dt=DT, record=[State(cells, "v", every=0.25 * ms)])
