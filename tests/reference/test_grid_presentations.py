"""Presentations on the grid engine: against its plain twin, and against the exact engine as their limit."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF, EscapeLIF, Latency, Playback, Poisson, Rate, Readout, SpikeTimes
from models.classifier import LatencyClassifier
from models.error_neurons import ErrorNeuronClassifier
from rules import DFA, PATHWAYS, Delta, DeltaSum, EProp, ErrorNeurons, PairSTDP, Reward, ThreeFactor
from snn import (
    Model,
    Network,
    ParameterError,
    RecordingError,
    SimulationError,
    Simulator,
    Spikes,
    all_to_all,
    fixed_probability,
    from_arrays,
    ms,
    one_to_one,
    param,
    state,
)
from snn.events import Events
from snn.testing import GridTwin
from tests.reference.test_grid_engine import Unstable
from tests.rules.test_credit import network
from tests.rules.test_eprop import CELLS, earliest, firing, recurrent, trace

DT = 0.25 * ms


def as_twin(net, twin, sim):
    """Weights of the simulator are those of the twin, and are not those that they were."""
    start = Simulator(net, engine="grid", dt=twin.dt)
    for projection in net.projections:
        w = sim.weights(projection)
        np.testing.assert_allclose(w, twin.weights(projection), rtol=1e-9, atol=1e-9)
        if net.projections[projection].rule is not None:
            assert np.abs(w - start.weights(projection)).max() > 1e-5


@pytest.mark.parametrize("name", [n for n in PATHWAYS if n not in ("frozen", "uniform", "sign-symmetric")])
@pytest.mark.parametrize("ties", ["pre_first", "post_first"])
def test_learning_through_a_pathway_equals_the_plain_twin(name, ties):
    pathway = Reward(scale=0.1) if name == "reward" else PATHWAYS[name]()
    net, samples, labels = network([pathway, pathway])
    twin = GridTwin(net, DT, ties)
    outputs = twin.present(samples, labels, into="inputs", readout="readout", duration=15 * ms)
    sim, pop = Simulator(net, engine="grid", dt=DT, ties=ties), net.populations
    shown = sim.present(samples, labels, into=pop["inputs"], readout=pop["readout"], duration=15 * ms)
    assert min(shown.spikes["first"], shown.spikes["second"]) > 10
    # Samples are float32 in both; all else is double.
    np.testing.assert_allclose(shown.outputs, outputs, rtol=1e-9, atol=1e-9)
    as_twin(net, twin, sim)
    for link, kept in zip(net.credits, twin.lessons.feedback, strict=True):
        if pathway.overrides("learn") or pathway.overrides("mirror"):
            np.testing.assert_allclose(sim.feedback(link), kept, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", CELLS)
def test_errors_within_a_presentation_equal_the_plain_twin(kind):
    cell, rule = CELLS[kind]
    net, samples, draws = recurrent(cell, rule, DeltaSum(eta=0.02), DFA(scale=0.5))
    targets = draws.normal(0, 1, (4, 8, 2))
    twin = GridTwin(net, DT)
    want = twin.present(samples, into="inputs", readout="readout", duration=40 * ms, targets=targets, steps=8)
    sim, pop = Simulator(net, engine="grid", dt=DT), net.populations
    shown = sim.present(
        samples, targets=targets, into=pop["inputs"], readout=pop["readout"], duration=40 * ms, every=5 * ms
    )
    assert shown.spikes["cells"] > 30
    np.testing.assert_allclose(shown.over_time, want, rtol=1e-9, atol=1e-9)
    as_twin(net, twin, sim)


@pytest.mark.parametrize(("code", "output"), [("first", earliest), ("trace", trace), ("counts", None)])
def test_what_a_readout_that_fires_says_equals_the_plain_twin(code, output):
    net, samples, _ = firing(EProp, 0.005)
    labels, steps = [0, 1, 0, 1], 10 if code == "trace" else 1
    twin = GridTwin(net, DT)
    want = twin.present(samples, labels, into="inputs", readout="readout", duration=40 * ms, steps=steps, output=output)
    sim, pop = Simulator(net, engine="grid", dt=DT), net.populations
    how = {"every": 4 * ms} if steps > 1 else {}
    shown = sim.present(
        samples, labels, into=pop["inputs"], readout=pop["readout"], duration=40 * ms, code=code,
        tau_read=5 * ms if code == "first" else 8 * ms, **how,
    )  # fmt: skip
    assert shown.spikes["readout"] > 4
    np.testing.assert_allclose(shown.outputs if steps == 1 else shown.over_time, want, rtol=1e-9)
    as_twin(net, twin, sim)


class Noisy(Model):
    """A leaky integrator in noise that goes on to take currents while it is refractory."""

    tau_m: float = param(10 * ms, unit="s", above=0)
    v_rest: float = param(0.0)
    v_thresh: float = param(1.0)
    t_ref: float = param(2 * ms, unit="s", min=0)
    v = state("cell", 0.0)
    i = state("cell", 0.0)
    refractory = "t_ref"

    def step(self, cell, dt):
        cell.v += dt / self.tau_m * (cell.i - cell.v)
        cell.i -= dt / self.tau_m * cell.i

    def hold(self, cell, dt):
        cell.i -= dt / self.tau_m * cell.i

    def noise(self, cell, dt, xi):
        cell.v += 2.0 * (dt / self.tau_m) ** 0.5 * xi

    def receive(self, cell, port, w):
        cell.i += w

    def receive_held(self, cell, port, w):
        cell.i += 0.5 * w

    def above(self, cell):
        return cell.v >= self.v_thresh

    def fire(self, cell):
        cell.v = 0.0


def noisy(cell, seed=2):
    """Rate-coded inputs, cells that fire by chance, noise of their own, a ring of delays among them."""
    draws = np.random.default_rng(seed)
    net = Network(seed)
    inputs = net.population("inputs", Rate(rate_max=400.0), 4)
    noise = net.population("noise", Poisson(rate=300.0), 8)
    cells = net.population("cells", cell, 8)
    readout = net.population("readout", Readout(tau_m=20 * ms), 2)
    net.connect(inputs, cells, all_to_all(), weight=draws.normal(0.3, 0.2, (4, 8)), rule=ThreeFactor(eta=0.01))
    net.connect(noise, cells, one_to_one(), weight=0.3)
    delay = DT * draws.integers(0, 16, 64)
    net.connect(cells, cells, all_to_all(), weight=draws.normal(0.0, 0.3, (8, 8)), delay=delay, name="ring")
    net.connect(cells, readout, all_to_all(), weight=draws.normal(0.0, 0.3, (8, 2)), rule=Delta(eta=0.02))
    net.credit(DFA(scale=0.5), error=readout, to=cells)
    return net, draws.uniform(0, 1, (5, 4)), draws.integers(0, 2, 5)


def show(sim, samples, labels, **how):
    p = sim.network.populations
    return sim.present(samples, labels, **({"into": p["inputs"], "readout": p["readout"], "duration": 30 * ms} | how))


@pytest.mark.parametrize("cell", [Noisy(), EscapeLIF(t_ref=1 * ms), LIF(t_ref=3 * ms)], ids=lambda m: type(m).__name__)
def test_chance_and_delays_equal_the_plain_twin(cell):
    net, samples, labels = noisy(cell)
    twin = GridTwin(net, DT)
    want = twin.present(samples, labels, into="inputs", readout="readout", duration=30 * ms)
    sim = Simulator(net, engine="grid", dt=DT)
    assert sim.built.projections["ring"].ticks is not None
    shown = show(sim, samples, labels)
    assert shown.spikes["cells"] > 50
    np.testing.assert_allclose(shown.outputs, want, rtol=1e-9, atol=1e-9)
    as_twin(net, twin, sim)
    # What a ring holds when a presentation ends has not arrived, and is not counted.
    counts = twin.result().counts
    assert shown.synaptic_events == sum(counts["deliveries"].values())
    assert shown.spikes == counts["spikes"]


def test_playing_spikes_trains_the_network_that_their_source_does():
    """Spikes of one tick in any order, several of a neuron in one tick, a sample without any."""
    draws = np.random.default_rng(4)
    lists = [(draws.integers(0, 6, n), draws.uniform(0, 18 * ms, n)) for n in (40, 0, 70, 25)]
    lists[2] = (np.append(lists[2][0], [3] * 3000), np.append(lists[2][1], [5.3 * ms] * 3000))

    def made(inputs_model):
        net = Network(1)
        inputs = net.population("inputs", inputs_model, 6)
        cells = net.population("cells", LIF(soft_reset=True), 5)
        readout = net.population("readout", Readout(), 2)
        weight = np.random.default_rng(0).normal(0.3, 0.2, (6, 5))
        net.connect(inputs, cells, all_to_all(), weight=weight, rule=ThreeFactor())
        net.connect(cells, readout, all_to_all(), weight=weight[:5, :2], rule=Delta())
        net.credit(DFA(), error=readout, to=cells)
        return net

    sim = Simulator(made(Playback()), engine="grid", dt=DT, record=[])
    shown = show(sim, Events.from_lists(lists, 6), [0, 1, 1, 0], duration=20 * ms, record=True)
    assert shown.spikes["inputs"] == 40 + 3070 + 25
    weights = None
    for k, (ids, times) in enumerate(lists):
        net = made(SpikeTimes(ids, times))
        label = net.population("label", Latency(), 1)
        net.connect(label, net.populations["readout"], weight=1.0)
        other = Simulator(net, engine="grid", dt=DT, record=[])
        if weights is not None:
            for name, w in weights.items():
                other.set_weights(name, w)
        one = show(other, [[0.0]], [[0, 1, 1, 0][k]], into=label, duration=20 * ms)
        assert one.outputs[0].tobytes() == shown.outputs[k].tobytes()
        weights = {name: other.weights(name) for name in sim.network.projections}
    for name, w in weights.items():
        assert sim.weights(name).tobytes() == w.tobytes()
    times = shown.spike_times["inputs"].times - 20 * ms * np.repeat(np.arange(4), [40, 0, 3070, 25])
    want = np.concatenate([np.sort(np.floor(t / DT)) for _, t in lists])
    np.testing.assert_allclose(times / DT, want, atol=1e-6)


def test_learning_approaches_that_of_the_exact_engine_linearly():
    def trained(**engine):
        net, samples, draws = recurrent(
            LIF(t_ref=2 * ms), EProp(eta=0.002, width=3.0), DeltaSum(eta=0.002), DFA(scale=0.5)
        )
        sim, pop = Simulator(net, record=[], **engine), net.populations
        shown = sim.present(
            samples, targets=draws.normal(0, 1, (4, 8, 2)), into=pop["inputs"], readout=pop["readout"],
            duration=40 * ms, every=5 * ms,
        )  # fmt: skip
        assert shown.spikes["cells"] > 20
        return shown.outputs, np.concatenate([sim.weights(p) for p in net.projections])

    exact = trained()
    steps = [0.1 * ms / 4**k for k in range(4)]
    errors = np.array(
        [[np.abs(a - b).mean() for a, b in zip(trained(engine="grid", dt=dt), exact, strict=True)] for dt in steps]
    )
    # First order: a sixty-fourth of the step, a sixty-fourth of the error, give or take where crossings fall in a step.
    assert (errors[-1] < 1.5 / 64 * errors[0]).all()
    assert (errors[-1] > 0).all()


@pytest.fixture(scope="module")
def alone():
    """The same network for each: outputs of five samples learned from, and weights."""
    net, samples, labels = noisy(Noisy())
    sim = Simulator(net, engine="grid", dt=DT, record=[])
    shown = show(sim, samples, labels)
    return net, samples, labels, shown.outputs.tobytes(), [sim.weights(p).tobytes() for p in net.projections]


def test_bits_are_the_same_again_and_for_any_number_of_threads(alone):
    net, samples, labels, outputs, weights = alone
    for threads in (1, 2, 3):
        sim = Simulator(net, engine="grid", dt=DT, record=[], threads=threads)
        sim.run(7 * ms)
        assert show(sim, samples, labels).outputs.tobytes() == outputs
        assert [sim.weights(p).tobytes() for p in net.projections] == weights
        sim.run(7 * ms)
    one = show(sim, samples, labels, learn=False)
    other = Simulator(net, engine="grid", dt=DT, record=[])
    show(other, samples, labels)
    assert show(other, samples, labels, learn=False, threads=3).outputs.tobytes() == one.outputs.tobytes()
    assert other.t == pytest.approx(300 * ms, rel=1e-12)


def test_a_presentation_depends_on_its_number_and_on_nothing_that_was_shown_before(alone):
    net, samples, _, _, _ = alone
    outputs = []
    for order in ([0, 1, 2, 3], [4, 4, 2, 3]):
        sim = Simulator(net, engine="grid", dt=DT, record=[])
        show(sim, samples, None, learn=False, order=order[:1])
        outputs.append(show(sim, samples, None, learn=False, order=order[1:]).outputs)
    np.testing.assert_array_equal(outputs[0][1:], outputs[1][1:])
    # The same sample meets other noise in each presentation.
    again = show(sim, samples, None, learn=False, order=[3, 3]).outputs
    assert (again[0] != again[1]).all() and (again[0] != outputs[0][2]).all()


def test_a_checkpoint_between_presentations_goes_on_bit_by_bit(alone, tmp_path):
    net, samples, labels, outputs, weights = alone
    first = Simulator(net, engine="grid", dt=DT, record=[])
    begun = show(first, samples, labels, order=[0, 1]).outputs
    first.checkpoint(tmp_path / "point.h5")
    second = Simulator(net, engine="grid", dt=DT, record=[], threads=2)
    second.restore(tmp_path / "point.h5")
    assert second.t == first.t
    rest = show(second, samples, labels, order=[2, 3, 4]).outputs
    assert np.concatenate([begun, rest]).tobytes() == outputs
    assert [second.weights(p).tobytes() for p in net.projections] == weights
    # And a run that follows.
    show(first, samples, labels, order=[2, 3, 4])
    spikes = [sim.run(20 * ms).ledger.counts for sim in (first, second)]
    assert spikes[0] == spikes[1]


def test_recorded_spikes_are_those_of_the_twin():
    net, samples, labels = noisy(Noisy())
    twin = GridTwin(net, DT)
    began = []
    for s, y in zip(samples, labels, strict=True):
        began.append(len(twin.spikes))
        twin.present([s], [y], into="inputs", readout="readout", duration=30 * ms)
    shift = np.repeat(np.arange(5), np.diff([*began, len(twin.spikes)])) * 30 * ms
    sim = Simulator(net, engine="grid", dt=DT)
    shown = show(sim, samples, labels, record=True)
    for name in ("inputs", "noise", "cells"):
        mine = [(t + d, i) for (t, population, i), d in zip(twin.spikes, shift, strict=True) if population == name]
        mine.sort()
        assert [i for _, i in mine] == shown.spike_times[name].ids.tolist()
        np.testing.assert_allclose(shown.spike_times[name].times, [t for t, _ in mine], rtol=1e-12)


def test_many_spikes_do_not_fit_into_memory_at_once_and_are_all_recorded():
    """More spikes than the engine keeps, within a presentation and over several."""
    net = Network(1)
    # Sums of it are not rounded.
    step = 2.0**-10
    inputs = net.population("inputs", Latency(t_last=0.0, low=0.0, period=step), 3000)
    readout = net.population("readout", Readout(), 1)
    net.connect(inputs, readout, all_to_all(), weight=1.0)
    sim = Simulator(net, engine="grid", dt=step, record=[])
    x, how = np.ones((3, 3000)), {"learn": False, "duration": 30 * step}
    shown = show(sim, x, None, record=True, **how)
    assert (shown.outputs == 3000 * 30).all()
    found = shown.spike_times["inputs"]
    assert found.times.size == 3 * 30 * 3000
    assert np.unique(found.times / step, return_counts=True)[1].tolist() == [3000] * 90
    assert show(sim, x, None, **how).outputs.tobytes() == shown.outputs.tobytes()


def test_poisson_arrivals_drawn_as_numbers_differ_between_presentations():
    net, samples, labels = noisy(LIF())
    sim = Simulator(net, engine="grid", dt=DT, record=[])
    assert sim.built.blocks[1].kind.name == "drizzle"
    shown = [show(sim, samples, labels, learn=False) for _ in range(40)]
    # 8 neurons at 300 Hz in 5 x 30 ms: 360 arrivals with s.d. 19, no two alike for long.
    n = np.array([s.spikes["noise"] for s in shown])
    assert n.mean() == pytest.approx(360, abs=4 * 19 / np.sqrt(40))
    assert 10 < n.std() < 30
    with pytest.raises(RecordingError, match=r"population 'noise' are drawn as numbers.*record=\[Spikes\(noise\)\]"):
        show(sim, samples, labels, record=True)
    noise = net.populations["noise"]
    kept = Simulator(net, engine="grid", dt=DT, record=[Spikes(noise)])
    assert len(show(kept, samples, labels, record=True).spike_times["noise"]) > 200


def test_stdp_learns_in_presentations_and_not_while_they_evaluate():
    net = Network(3)
    inputs = net.population("inputs", Rate(rate_max=300.0), 6)
    cells = net.population("cells", LIF(), 4)
    readout = net.population("readout", Readout(), 2)
    net.connect(inputs, cells, fixed_probability(0.7), weight=0.5, delay=1 * ms, rule=PairSTDP(w_max=1.0))
    net.connect(cells, readout, all_to_all(), weight=0.1)
    samples = np.random.default_rng(0).uniform(0, 1, (4, 6))
    twin = GridTwin(net, DT)
    twin.present(samples, [0] * 4, into="inputs", readout="readout", duration=30 * ms)
    sim = Simulator(net, engine="grid", dt=DT)
    before = sim.weights("inputs->cells")
    shown = show(sim, samples, [0] * 4, learn=False)
    assert np.array_equal(sim.weights("inputs->cells"), before) and shown.ledger.updates == 0
    again = Simulator(net, engine="grid", dt=DT)
    show(again, samples, [0] * 4)
    np.testing.assert_allclose(again.weights("inputs->cells"), twin.weights("inputs->cells"), rtol=1e-9)
    assert np.abs(again.weights("inputs->cells") - before).max() > 1e-3


def test_error_neurons_learn_as_their_plain_twin():
    rules = ErrorNeurons(eta=0.002, rate_cost=0.05), ErrorNeurons(eta=0.002)
    net = ErrorNeuronClassifier(
        (8, 6, 3), *rules, seed=4, scale=0.1, steps=200, jitter=0.0, w_in=(1.2, 0.8), w_out=(0.6, 1.0)
    )
    draws = np.random.default_rng(0)
    x, y = draws.uniform(0, 1, (6, 8)), draws.integers(0, 3, 6)
    twin = GridTwin(net.network, net.duration / 200)
    outputs = twin.present(x, y, into="input", readout="readout", duration=net.duration, labels_into="label")
    shown = net.show(x, y, learn=True)
    np.testing.assert_array_equal(shown.outputs, outputs)
    assert shown.spikes["over"] > 5
    for p in net.projections:
        # Weights are float32.
        np.testing.assert_allclose(net.sim.weights(p), twin.weights(p.name), rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------------------------------------------- bad input


class Exploding(Unstable):
    """A cell that arrivals drive out of the numbers."""

    v = state("cell", 0.0)

    def step(self, cell, dt):
        cell.v = cell.v * cell.v * 1e200


def test_a_potential_that_is_no_number_names_the_sample_and_spoils_no_other():
    net = Network(1)
    inputs = net.population("inputs", Latency(t_last=4 * ms), 1)
    readout = net.population("readout", Exploding(), 1)
    net.connect(inputs, readout, all_to_all(), weight=1.0)
    sim = Simulator(net, dt=1 * ms)
    x = [[0.0], [0.0], [0.5]]
    with pytest.raises(
        SimulationError, match=r"'v' of neuron 0 of population 'readout'.*from t = 0.004 s of sample 2 on"
    ):
        show(sim, x, learn=False, labels=None, order=[0, 2, 1])
    assert show(sim, x, learn=False, labels=None, order=[0, 1]).outputs.tolist() == [[0.0], [0.0]]


def test_times_between_steps_are_refused():
    net, samples, labels = noisy(LIF())
    sim = Simulator(net, engine="grid", dt=DT, round_delays=True)
    with pytest.raises(
        ParameterError, match=r"present: duration is 0.0301 s, 120.4 time steps of 0.00025 s; .* 0.03 s"
    ):
        show(sim, samples, labels, duration=30.1 * ms)
    with pytest.raises(ParameterError, match=r"present: every is 0.001875 s, 7.5 time steps"):
        show(sim, samples, labels, every=30 * ms / 16)


def test_a_classifier_runs_in_steps_and_says_what_it_cannot():
    rules = ThreeFactor(), Delta()
    net = LatencyClassifier((4, 5, 2), *rules, DFA(), steps=40)
    assert net.sim.engine == "grid" and net.sim.grid.dt == pytest.approx(net.duration / 40)
    with pytest.raises(ParameterError, match="steps is 0; give a whole number of time steps"):
        LatencyClassifier((4, 5, 2), *rules, DFA(), steps=0)


def test_a_run_after_presentations_is_afresh_and_plays_what_is_left():
    """Given spikes at 5, 40, 100 ms; presentations take 60 ms, so that 100 ms is 40 ms after them."""
    net = Network(1)
    inputs = net.population("inputs", Latency(), 1)
    given = net.population("given", SpikeTimes([0, 0, 0], [5 * ms, 40 * ms, 100 * ms]), 1)
    readout = net.population("readout", Readout(), 1)
    net.connect(inputs, readout, weight=1.0)
    net.connect(given, readout, from_arrays([0], [0]), weight=0.5, delay=1 * ms)
    sim = Simulator(net, engine="grid", dt=0.5 * ms)
    shown = show(sim, [[0.0], [0.9]], None, learn=False)
    assert shown.outputs.tolist() == [[0.5], [1.5]]
    result = sim.run(50 * ms)
    np.testing.assert_allclose(result.spikes["given"].times, [100 * ms], rtol=1e-12)
    assert sim.state("readout", "v").tolist() == [0.5]
