"""What a simulator says about its synapses, whatever order and form the engine keeps them in."""

from __future__ import annotations

import copy
import math
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from models import LIF, Latency, LIFExp, Poisson, Readout, SpikeTimes, StepCurrent
from rules import PairSTDP
from snn import (
    Hz,
    Network,
    NetworkError,
    ParameterError,
    RecordingError,
    SimulationError,
    Simulator,
    State,
    Weights,
    all_to_all,
    fixed_probability,
    from_arrays,
    load,
    ms,
    normal,
    pA,
    uniform,
)
from snn.engine import rows
from snn.testing import simulate


def joined(weight, delay, n=12, k=6, **more):
    """n inputs that each reach k of n cells."""
    rng = np.random.default_rng(4)
    source = np.repeat(np.arange(n), k)
    target = np.concatenate([rng.permutation(n)[:k] for _ in range(n)])
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes(range(n), [1 * ms] * n), n)
    cells = net.population("cells", LIF(), n)
    net.connect(
        inputs, cells, from_arrays(source, target), weight=weight(source, target), delay=delay(source, target),
        name="p", **more,
    )  # fmt: skip
    return net, source, target


@pytest.mark.parametrize("delay", [lambda i, j: 1 * ms, lambda i, j: (1 + (7 * i + 3 * j) % 5) * ms])
@pytest.mark.parametrize(
    ("weight", "kind"),
    [
        (lambda i, j: 0.25, rows.ALIKE),
        (lambda i, j: 0.01 * (i + 1.0), rows.BY_ROW),
        (lambda i, j: 0.01 * (i + 1.0) + 0.001 * j, rows.BY_SYNAPSE),
    ],
)
def test_weights_and_synapses_agree_in_every_form(weight, kind, delay):
    net, source, target = joined(weight, delay)
    sim = Simulator(net)
    pairs = sorted(zip(source.tolist(), target.tolist(), strict=True))
    assert list(zip(*(side.tolist() for side in sim.synapses("p")), strict=True)) == pairs
    expected = [float(weight(i, j)) for i, j in pairs]
    assert sim.weights("p").tolist() == expected
    short_rows = callable(delay) and np.unique(delay(source, target)).size > 1
    assert sim.built.projections["p"].w_kind == (rows.BY_SYNAPSE if short_rows and kind == rows.BY_ROW else kind)
    sim.set_weights("p", 2.0 * np.array(expected))
    assert sim.weights("p").tolist() == [2.0 * w for w in expected]


@pytest.mark.parametrize("delay", [lambda i, j: 1 * ms, lambda i, j: (1 + (7 * i + 3 * j) % 5) * ms])
@pytest.mark.parametrize("more", [{}, {"rule": PairSTDP()}])
@pytest.mark.parametrize("options", [{}, {"engine": "grid"}, {"threads": 2}])
def test_delays_are_those_of_the_synapses(delay, more, options):
    net, _, _ = joined(lambda i, j: 0.01, delay, **more)
    sim = Simulator(net, **options)
    # Products of ticks and the time step are rounded.
    expected = [delay(int(i), int(j)) for i, j in zip(*sim.synapses("p"), strict=True)]
    np.testing.assert_allclose(sim.delays("p"), expected, rtol=1e-15)


def test_delays_of_dense_projections_and_rounded_ones():
    net = Network(1)
    cells = net.population("cells", LIF(), 3)
    given = np.arange(1, 10).reshape(3, 3) * 0.26 * ms
    net.connect(cells, cells, all_to_all(), delay=given, name="p")
    net.connect(cells, cells, all_to_all(self_connections=False), delay=2 * ms, name="one")
    assert Simulator(net).delays("p").tolist() == given.ravel().tolist()
    sim = Simulator(net, dt=0.1 * ms, round_delays=True)
    np.testing.assert_allclose(sim.delays("p"), np.round(given.ravel() / 1e-4) * 1e-4, rtol=1e-15)
    np.testing.assert_allclose(sim.delays("one"), [0.002] * 6, rtol=1e-15)


def test_times_between_two_time_steps_are_named_with_all_their_digits():
    def simulator(**more):
        net = Network(1)
        cells = net.population("c", LIF(t_ref=more.pop("t_ref", 0.0)), 1)
        net.connect(cells, cells, all_to_all(), name="p", **more)
        return Simulator(net, dt=0.1 * ms)

    quarter = "is 0.00025 s, 2.5 time steps of 0.0001 s; the nearest is 0.0002 s"
    for make, words in (
        (lambda: simulator(t_ref=0.25 * ms), f"LIF.t_ref of population 'c' {quarter}"),
        (lambda: simulator(delay=0.25 * ms), f"The delay of projection 'p' {quarter}"),
        (
            lambda: simulator().run(12.00005),
            "duration is 12.00005 s, 120000.5 time steps of 0.0001 s; the nearest is 12 s",
        ),
    ):
        with pytest.raises(ParameterError, match=words):
            make()


@pytest.mark.parametrize("made", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_simulator_is_no_value_to_copy_but_its_network_is(made):
    net, _, _ = joined(lambda i, j: 0.3, lambda i, j: 1 * ms)
    sim = Simulator(net)
    with pytest.raises(SimulationError, match="cannot be copied or pickled.*network.*checkpoint.*restore"):
        made(sim)
    again = Simulator(copy.deepcopy(sim.network))
    assert again.run(5 * ms).spikes["cells"].times.tolist() == sim.run(5 * ms).spikes["cells"].times.tolist()


def test_weights_kept_by_row_arrive_as_declared():
    net, source, target = joined(lambda i, j: 0.01 * (i + 1.0), lambda i, j: 1 * ms)
    sim = Simulator(net)
    sim.run(2.5 * ms, progress=False)
    arrived = np.bincount(target, weights=0.01 * (source + 1.0), minlength=12)
    # All inputs arrive at 2 ms and decay for half a millisecond; the sum's order differs.
    np.testing.assert_allclose(sim.state("cells", "v"), arrived * np.exp(-0.5 / 20), rtol=1e-14)


def test_the_same_network_runs_in_many_stretches_of_any_length():
    def net():
        net = Network(3)
        cells = net.population("cells", LIF(drive=1.3, t_ref=2 * ms), 5, init={"v": np.linspace(0, 0.8, 5)})
        net.connect(cells, cells, all_to_all(self_connections=False), weight=0.05, delay=1.5 * ms)
        return net

    whole = Simulator(net()).run(0.1, progress=False).spikes["cells"].times
    sim = Simulator(net())
    parts = [sim.run(0.1 / 64, progress=False).spikes["cells"].times for _ in range(64)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_star_import_has_what_scripts_begin_with():
    names: dict[str, object] = {}
    exec("from snn import *", names)
    assert names["Simulator"] is Simulator
    assert {"Ledger", "Network", "load", "mV", "ms", "param", "state"} <= names.keys()


def test_more_spikes_of_one_instant_than_the_queue_holds_wait_for_post_spikes():
    n = 1500
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes([0], [5 * ms]), 1)
    between, cells = net.population("between", LIF(), n), net.population("cells", LIF(), 2)
    net.connect(inputs, between, weight=2.0, delay=1 * ms)
    stdp = net.connect(between, cells, weight=1e-3, rule=PairSTDP(a_plus=0.0, a_minus=1e-4, w_max=1.0))
    sim = Simulator(net, ties="post_first")
    waits = sim.built.engine.pending_r.size
    result = sim.run(10 * ms)
    assert waits < n == len(result.spikes["between"])
    # 1.5 in all: the cells fire once, at the instant of every arrival, and before the arrivals learn.
    assert len(result.spikes["cells"]) == 2
    assert np.allclose(sim.weights(stdp), 1e-3 - 1e-4, rtol=1e-6)


@pytest.mark.parametrize("to_file", [False, True])
def test_a_run_that_ends_in_an_error_leaves_nothing_to_the_next(to_file, tmp_path):
    net = Network(1)
    net.population("cells", Poisson(rate=50 * Hz), 20)
    sim = Simulator(net, to=tmp_path / "run.h5" if to_file else None)

    def stop(share, text):
        if share > 0.0:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        sim.run(5.0, progress=stop)
    began = sim.t
    assert 0.0 < began < 5.0
    result = sim.run(1.0)
    times = result.spikes["cells"].times
    assert result.t_start == began <= times.min()
    assert times.size == sum(n for (_, _, op, _), n in result.ledger.counts.items() if op == "spike_emit")
    if to_file:
        sim.close()
        # What was recorded before is in the file.
        whole = Simulator(net).run(sim.t).spikes["cells"].times
        assert np.array_equal(load(tmp_path / "run.h5").spikes["cells"].times, whole)


def test_weights_of_random_synapses_are_chosen_by_slice_and_checked_by_number():
    net = Network(1)
    a = net.population("a", Poisson(rate=10 * Hz), 10)
    b = net.population("b", LIF(), 10)
    p = net.connect(a, b, fixed_probability(0.5), weight=uniform(0.0, 0.1), name="p")
    sim = Simulator(net, record=[Weights(p, synapses=slice(0, 5))])
    every = sim.weights(p)
    assert np.array_equal(sim.run(10 * ms).weights["p"].values, np.tile(every[:5], (2, 1)))
    with pytest.raises(RecordingError, match=f"synapse numbers go from 0 to {every.size - 1}"):
        Simulator(net, record=[Weights(p, synapses=[every.size])])
    with pytest.raises(RecordingError, match=f"mask of 3 values for {every.size}"):
        Simulator(net, record=[Weights(p, synapses=[True, False, True])])


@pytest.mark.parametrize("name", ["window", "dt"])
@pytest.mark.parametrize("value", [math.inf, 0.0, "1"])
def test_windows_and_steps_are_finite_times(name, value):
    net = Network(1)
    net.population("cells", LIF(drive=1.2), 3)
    with pytest.raises(ParameterError, match=rf"Simulator\.{name} is"):
        Simulator(net, engine="exact" if name == "window" else "grid", **{name: value})


R_M = 1e12  # ohm; 1 V from 1 pA


class Swapped(LIFExp):
    """The same model with its ports the other way round."""

    ports = ("inh", "exc")

    def receive(self, cell, port, w):
        if port == 0:
            cell.i_inh += w
        else:
            cell.i_exc += w

    def modes(self):
        found = super().modes()
        return replace(found, gains=found.gains[::-1])


class Soft(LIFExp):
    """Keeps the overshoot."""

    def fire(self, cell):
        cell.v -= self.v_thresh - self.v_reset

    def modes(self):
        return replace(super().modes(), soft_reset=True)


def driven_by_currents(model):
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes([0, 1], [1 * ms, 2 * ms]), 2)
    cells = net.population("cells", model, 1, init={"i_exc": 0.5 * pA})
    net.connect(inputs, cells, from_arrays([0], [0]), weight=9.0 * pA, port="exc", name="p")
    net.connect(inputs, cells, from_arrays([1], [0]), weight=0.3 * pA, port="inh", name="q")
    return net, cells


def test_the_order_of_ports_changes_nothing():
    found = []
    for model in (LIFExp(r_m=R_M), Swapped(r_m=R_M)):
        net, cells = driven_by_currents(model)
        sim = Simulator(net)
        times = sim.run(20 * ms).spikes["cells"].times
        found.append([*times, *(sim.state(cells, name)[0] for name in ("v", "i_exc", "i_inh"))])
    assert np.allclose(*found, rtol=1e-9)


def test_a_refractory_cell_of_several_modes_keeps_what_a_soft_reset_has_left():
    net, _ = driven_by_currents(Soft(t_ref=3 * ms, r_m=R_M, drive=1.3))
    fired = Simulator(net).run(40 * ms).spikes["cells"].times
    assert len(fired) > 1
    assert np.allclose(fired, [t for t, name, _ in simulate(net, 40 * ms).spikes if name == "cells"], atol=1e-9)


@pytest.mark.parametrize(("length", "every", "runs"), [(5 * ms, 1 * ms, 3080), (0.1, 0.1 * ms, 740)])
def test_samples_of_many_short_runs_are_those_of_one(length, every, runs):
    net = Network(1)
    cells = net.population("cells", LIF(drive=0.5), 1)
    sim = Simulator(net, engine="exact", record=[State(cells, "v", every=every)])
    times = np.concatenate([sim.run(length).states["cells", "v"].times for _ in range(runs)])
    assert np.array_equal(np.rint(times / every), np.arange(round(runs * length / every)))


def test_a_simulator_that_runs_already_is_not_run_by_others():
    net = Network(1)
    net.population("cells", LIF(drive=1.5), 2)
    sim = Simulator(net)

    def again(share, text):
        sim.run(1 * ms)

    with pytest.raises(SimulationError, match="is running already"):
        sim.run(1.0, progress=again)
    with ThreadPoolExecutor(1) as pool, sim._alone(), pytest.raises(SimulationError, match="is running already"):
        pool.submit(sim.run, 1 * ms).result()
    assert len(sim.run(0.1).spikes["cells"]) > 0


CHANGES = {
    "weight": (lambda net: setattr(net.projections["p"], "weight", 0.7), "weight of projection 'p'.*set_weights"),
    "delay": (lambda net: setattr(net.projections["p"], "delay", 5 * ms), "delay of projection 'p'"),
    "rule": (lambda net: setattr(net.projections["p"], "rule", PairSTDP()), "rule of projection 'p'"),
    "its learning rate": (lambda net: setattr(net.projections["p"].rule, "a_plus", 0.5), "rule.a_plus of.*set_rule"),
    "size": (lambda net: setattr(net.populations["cells"], "size", 7), "size of population 'cells'"),
    "name": (lambda net: setattr(net.populations["inputs"], "name", "x"), "name of population 'inputs'"),
    "model": (lambda net: setattr(net.populations["inputs"], "model", Poisson()), "model of population 'inputs'"),
    "seed": (lambda net: setattr(net, "seed", 7), "seed of the network"),
    "start": (lambda net: net.populations["cells"].init.__setitem__("v", 0.25), "init.'v'. of population 'cells'"),
    "current": (lambda net: net.currents[0].current.values.__setitem__(0, 0.3), "values of current '0 into cells'"),
}


@pytest.mark.parametrize("engine", ["exact", "grid"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_is_changed_after_the_simulator_was_made_is_refused(change, engine):
    net = Network(1)
    inputs, cells = net.population("inputs", Poisson(rate=50 * Hz), 4), net.population("cells", LIF(), 2)
    net.connect(inputs, cells, weight=0.1, delay=1 * ms, rule=PairSTDP(), name="p")
    net.inject(cells, StepCurrent([0.0], [0.5]))
    sim = Simulator(net, engine=engine)
    sim.run(10 * ms)
    what, words = CHANGES[change]
    what(net)
    with pytest.raises(NetworkError, match=rf"{words}"):
        sim.run(10 * ms)


def test_arrays_that_synapses_are_drawn_from_cannot_be_written_to():
    net, _, _ = joined(lambda i, j: 0.01 * (i + 1.0), lambda i, j: (1 + j) * ms)
    for array in (net.projections["p"].weight, net.projections["p"].delay):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1.0


@pytest.mark.parametrize("engine", ["exact", "grid"])
def test_a_change_of_the_seed_is_refused_by_presentations_too(engine):
    net = Network(1)
    inputs, cells = net.population("inputs", Latency(), 4), net.population("cells", Readout(), 2)
    net.connect(inputs, cells, weight=normal(0.0, 0.1))
    sim = Simulator(net, engine=engine)
    sim.present(np.ones((4, 4)), into=inputs, readout=cells, duration=30 * ms, learn=False)
    net.seed = 7
    with pytest.raises(NetworkError, match="seed of the network has changed from 1 to 7"):
        sim.present(np.ones((4, 4)), into=inputs, readout=cells, duration=30 * ms, learn=False, threads=2)
