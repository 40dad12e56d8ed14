"""In continuous time: the same bits for any number of threads, also across a checkpoint; what only one can do."""

from __future__ import annotations

import math
import os

import numpy as np
import pytest

from models import LIF, Latency, LIFExp, Poisson, Readout, SpikeTimes, StepCurrent, TwoCompartmentLIF
from rules import Delta, ErrorNeurons, PairSTDP
from snn import (
    Network,
    ParameterError,
    Simulator,
    Spikes,
    State,
    Weights,
    all_to_all,
    driver,
    fixed_probability,
    from_arrays,
    ms,
    one_to_one,
    uniform,
)
from snn import threads as sharing
from snn.plugin import Model, Modes, Rule, param, state

from .test_threads import everything_of

N = 301
DURATIONS = (0.0537, 0.06)


class Filtered(Model):
    """A leaky cell with one exponential current: two modes."""

    tau: float = param(20 * ms, above=0, doc="of the membrane")
    tau_i: float = param(5 * ms, above=0, doc="of the current")
    v = state("cell", 0.0)
    i = state("cell", 0.0)
    ports = ("exc",)

    def advance(self, cell, dt):
        gain = self.tau_i / (self.tau_i - self.tau)
        slow, fast = math.exp(-dt / self.tau), math.exp(-dt / self.tau_i)
        cell.v = 0.9 + (cell.v - 0.9 - gain * cell.i) * slow + gain * cell.i * fast
        cell.i *= fast

    def receive(self, cell, port, w):
        cell.i += w

    def time_to_threshold(self, cell):
        return math.inf

    def fire(self, cell):
        cell.v = 0.0

    def modes(self):
        gain = self.tau_i / (self.tau_i - self.tau)
        return Modes(np.array([self.tau, self.tau_i]), np.array([[-gain, gain]]), 0.9, 1.0, 0.0, 0.0)


class Wary(Rule):
    """Arrivals depress the more, the nearer the target is to threshold; each spike of the target shifts that."""

    rate: float = param(1e-4, doc="depression at v = 1")
    tau: float = param(4 * ms, above=0, doc="decay of the trace")
    x = state("pre", 0.0, decay="tau")
    y = state("post", 0.0, decay="tau")
    reads = ("post.v",)

    def on_pre(self, syn, pre, post, t):
        syn.w -= self.rate * (post.v - post.y)

    def on_post(self, syn, pre, post, t):
        syn.w += self.rate * pre.x * post.y

    def pre_spike(self, pre, t):
        pre.x += 1.0

    def post_spike(self, post, t):
        post.y += post.v


def everything():
    """Each kind of block, dense and sparse, static and plastic, taught, driven; many events of one instant."""
    net = Network(7)
    rng = np.random.default_rng(1)
    round_times = np.sort(rng.integers(0, 220, 400)) * 0.5 * ms
    given = net.population("given", SpikeTimes(rng.integers(0, 9, 400), round_times), 9)
    inputs = net.population("inputs", Poisson(rate=60.0), 50)
    alike = net.population("alike", LIF(drive=1.1, t_ref=2 * ms, soft_reset=True), N)
    cells = net.population("cells", LIF(drive=1.05), N, init={"v": uniform(0, 0.9)})
    uneven = net.population("uneven", LIF(drive=1.05, v_thresh=np.linspace(0.9, 1.1, 77), t_ref=1 * ms), 77)
    modal = net.population("modal", LIFExp(drive=1.05, t_ref=2 * ms), N, init={"v": uniform(0, 0.9)})
    filtered = net.population("filtered", Filtered(), 33)
    closed = net.population("closed", TwoCompartmentLIF(drive=1.3, t_ref=2 * ms), 33, init={"v": uniform(0, 0.9)})
    spread = uniform(0.5 * ms, 7 * ms)
    stdp = PairSTDP(w_max=0.3, tau_plus=1 * ms)
    learns = net.connect(inputs, cells, fixed_probability(0.3), weight=0.1, delay=spread, rule=ErrorNeurons(eta=1e-3))
    net.connect(given, cells, fixed_probability(0.2), weight=0.1, delay=1.5 * ms, teaches=learns)
    net.connect(given, alike, all_to_all(), weight=0.05, delay=0.5 * ms, rule=stdp)
    net.connect(alike, cells, fixed_probability(0.2), weight=-0.01, delay=spread, port="inh", dtype="float32")
    net.connect(cells, uneven, all_to_all(), weight=uniform(0, 0.02), delay=1 * ms, rule=stdp, dtype="float32")
    net.connect(inputs, uneven, fixed_probability(0.2), weight=0.1, delay=spread, rule=Wary())
    net.connect(inputs, modal, all_to_all(), weight=uniform(0, 0.1), delay=1 * ms, rule=Wary())
    net.connect(alike, modal, fixed_probability(0.2), weight=0.02, delay=1 * ms, rule=stdp)
    net.connect(modal, filtered, all_to_all(), weight=0.01, delay=1 * ms, rule=Wary())
    net.connect(inputs, closed, fixed_probability(0.5), weight=0.1, delay=1 * ms, rule=Wary())
    net.connect(alike, closed, all_to_all(), weight=0.001, delay=2 * ms, port="error")
    twice = from_arrays(rng.integers(0, 33, 500), rng.integers(0, 9, 500))
    net.connect(closed, alike, twice, weight=0.01, delay=1 * ms)
    for driven in (uneven, modal, closed):
        net.inject(driven, StepCurrent([10 * ms, 31.7 * ms], [0.2, -0.05]))
    return net


def recorders(net):
    cells, modal = net.populations["cells"], net.populations["modal"]
    return [
        *map(Spikes, net.populations.values()),
        State(cells, "v", every=0.7 * ms),
        State(modal, "i_exc", every=1.1 * ms, ids=[3, 299]),
        Weights(net.projections["alike->modal"], every=3 * ms),
    ]


def simulator(threads, ties="pre_first", window=None):
    net = everything()
    return Simulator(net, threads=threads, record=recorders(net), ties=ties, window=window)


def seen_of(sim, result):
    """All that a user can see, recordings included, as bits."""
    values = [d.values.tobytes() + d.times.tobytes() for d in (*result.states.values(), *result.weights.values())]
    return everything_of(sim, result) | {f"recording {k}": v for k, v in enumerate(values)}


def differing(seen, expected):
    return [name for name in expected if seen[name] != expected[name]]


@pytest.mark.parametrize(("ties", "window"), [("pre_first", None), ("post_first", 0.1 * ms)])
def test_any_number_of_threads_gives_the_same_bits(ties, window, monkeypatch):
    # So little room that spikes are taken out while some are still to be sent.
    monkeypatch.setattr(driver, "_LEAST_RECORDED", 0)
    one = simulator(1, ties, window)
    expected = []
    for duration in DURATIONS:
        result = one.run(duration, progress=False)
        expected.append(seen_of(one, result))
    spikes = result.spikes
    assert all(len(s.times) > 20 for s in spikes.values())
    # Neurons that are alike fire at one instant, and more spikes are in flight than there was room for.
    assert np.unique(spikes["alike"].times).size < len(spikes["alike"].times) / 5
    assert one.built.engine.pool_t.size > 1024
    assert {b.kind.name for b in one.built.blocks} == {"one", "three", "many", "closed", "source", "given"}
    for threads in (2, 3):
        sim = simulator(threads, ties, window)
        assert sim.built.engine.ahead == (1 if window is None else 5)
        assert (sim.threads, sim.threads_reason) == (threads, "asked for")
        seen = [seen_of(sim, sim.run(d, progress=False)) for d in DURATIONS]
        assert len(sim.built.parts) == threads
        assert [differing(*pair) for pair in zip(seen, expected, strict=True)] == [[], []]


def test_two_runs_are_one_run_on_two_threads():
    whole, parts = simulator(2), simulator(2)
    spikes = whole.run(0.08, progress=False).spikes
    halves = [parts.run(d, progress=False).spikes for d in (0.0333, 0.08 - 0.0333)]
    for name, s in spikes.items():
        assert np.concatenate([h[name].times for h in halves]).tobytes() == s.times.tobytes()
    assert parts.weights("alike->modal").tobytes() == whole.weights("alike->modal").tobytes()


def test_a_checkpoint_goes_on_with_any_number_of_threads(tmp_path):
    one = simulator(1)
    one.run(DURATIONS[0], progress=False)
    expected = seen_of(one, one.run(DURATIONS[1], progress=False))
    for saved in (1, 3):
        first = simulator(saved)
        first.run(DURATIONS[0], progress=False)
        first.checkpoint(tmp_path / f"{saved}.h5")
        for threads in (1, 2):
            sim = simulator(threads)
            sim.run(0.0113, progress=False)
            sim.restore(tmp_path / f"{saved}.h5")
            assert differing(seen_of(sim, sim.run(DURATIONS[1], progress=False)), expected) == []


def test_a_checkpoint_of_a_moment_when_engines_have_seen_different_times(tmp_path):
    """Reference times of traces move on with the events of each engine: only one of them has had any for a while."""

    def made(threads):
        net = Network(1)
        early = net.population("early", SpikeTimes([0, 0], [1 * ms, 3 * ms]), 1)
        late = net.population("late", SpikeTimes([0, 0], [61 * ms, 80 * ms]), 1)
        cells = net.population("cells", LIF(t_ref=1 * ms), 4)
        rule = PairSTDP(tau_plus=2 * ms, tau_minus=2 * ms, w_max=1.0)
        net.connect(early, cells, weight=0.3, delay=1 * ms, rule=rule)
        net.connect(late, cells, from_arrays([0], [3]), weight=2.0, delay=1 * ms)
        net.connect(net.population("again", SpikeTimes([0], [65 * ms]), 1), cells, weight=0.3, delay=1 * ms, rule=rule)
        return Simulator(net, threads=threads)

    one = made(1)
    one.run(0.1, progress=False)
    first = made(2)
    first.run(0.063, progress=False)
    first.checkpoint(tmp_path / "half.h5")
    for threads in (1, 2):
        sim = made(threads)
        sim.restore(tmp_path / "half.h5")
        sim.run(0.037, progress=False)
        for name in ("early->cells", "again->cells"):
            assert sim.weights(name).tobytes() == one.weights(name).tobytes()
            assert np.ptp(one.weights("again->cells")) > 0


def test_presentations_between_runs_are_the_same_for_any_number_of_threads():
    seen = []
    for threads in (1, 2):
        net = Network(1)
        inputs = net.population("inputs", Latency(t_last=8 * ms), 5)
        noise = net.population("noise", Poisson(rate=100.0), 8)
        cells = net.population("cells", LIF(tau_m=5 * ms), 21)
        sums = net.population("sums", Readout(), 3)
        net.connect(inputs, cells, all_to_all(), weight=uniform(0, 0.6), delay=1 * ms, rule=PairSTDP(w_max=1.0))
        net.connect(noise, cells, fixed_probability(0.5), weight=0.3, delay=1 * ms)
        net.connect(cells, sums, all_to_all(), weight=uniform(0, 0.1), delay=1 * ms, rule=Delta(eta=0.1))
        sim = Simulator(net, threads=threads)
        rng = np.random.default_rng(1)
        x, y = rng.random((6, 5)), rng.integers(0, 3, 6)
        for _ in range(2):
            result = sim.run(0.05, progress=False)
            assert len(result.spikes["cells"].times) > 20
            assert len(sim.built.parts) == threads
            seen.append(everything_of(sim, result))
            shown = sim.present(x, y, into=inputs, readout=sums, duration=30 * ms)
            assert shown.spikes["cells"] > 20
            seen.append({"outputs": shown.outputs.tobytes(), "ledger": str(shown.ledger.to_json())})
    assert seen[:4] == seen[4:]


def test_how_many_threads_are_taken_and_why(monkeypatch):
    def made(delay):
        net = Network(1)
        cells = net.population("cells", LIF(drive=1.1), 100)
        net.connect(cells, cells, all_to_all(), weight=0.001, delay=delay)
        sim = Simulator(net)
        assert len(sim.built.parts) == sim.threads
        return sim.threads, sim.threads_reason

    monkeypatch.setattr(sharing.wire, "threads", lambda: 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: range(4), raising=False)
    assert made(1 * ms) == (1, "100 neurons and 10000 synapses are too few for two threads")
    monkeypatch.setattr(sharing, "_WORTH_WINDOWS", 36)
    assert made(1 * ms) == (3, "100 neurons and 10000 synapses on 4 cores")
    few = "1.0 synapses for each source and delay are too few for two threads"
    assert made(uniform(1 * ms, 2 * ms)) == (1, few)
    monkeypatch.setattr(sharing.wire, "threads", lambda: 1)
    assert made(1 * ms) == (1, "there is one core")


def test_what_only_one_thread_can_do_is_refused_or_said():
    net = Network(1)
    cells = net.population("cells", LIF(drive=1.1), 10)
    net.connect(cells, net.population("others", LIF(), 10), one_to_one(), weight=0.1)
    why = r"a delay of projection 'cells->others', 0 s, is shorter than the engine's windows of 0.005 s, at whose ends"
    with pytest.raises(ParameterError, match=rf"threads is 2, but {why}.*threads=1, longer delays, or engine='grid'"):
        Simulator(net, threads=2)
    assert Simulator(net).threads_reason.startswith("a delay of projection 'cells->others', 0 s, is")
    assert Simulator(net, engine="grid", threads=2).threads == 2

    net = Network(1)
    cells = net.population("cells", LIF(drive=1.1), 10)
    net.connect(cells, cells, one_to_one(), weight=0.1, delay=0.1 * ms)
    with pytest.raises(ParameterError, match=r"threads is 2, but a delay.*Give threads=1, window=0.0001 or less, or"):
        Simulator(net, threads=2)
    assert Simulator(net, threads=2, window=0.1 * ms).threads == 2
    waits = State(cells, "v", on_events=True)
    with pytest.raises(ParameterError, match=r"threads is 2, but State\(.* waits for single events.*or every="):
        Simulator(net, threads=2, window=0.1 * ms, record=[waits])
    assert "waits for single events" in Simulator(net, window=0.1 * ms, record=[waits]).threads_reason


class Counting(Rule):
    """Keeps count of arrivals where every synapse of the source adds to it."""

    n = state("pre")

    def on_pre(self, syn, pre, post, t):
        pre.n += 1.0


def raise_count(pre):
    pre.n += 1.0


class CountingElsewhere(Rule):
    """The same by a function that a method of its own calls."""

    n = state("pre")

    def on_pre(self, syn, pre, post, t):
        self.count(pre)

    def count(self, pre):
        raise_count(pre)


@pytest.mark.parametrize("rule", [Counting(), CountingElsewhere()])
@pytest.mark.parametrize("engine", ["exact", "grid"])
def test_a_rule_that_changes_its_source_at_each_synapse_runs_on_one_thread(engine, rule):
    net = Network(1)
    inputs = net.population("inputs", Poisson(rate=60.0), 3)
    cells = net.population("cells", LIF(), 30_000)
    net.connect(inputs, cells, all_to_all(), weight=0.1, delay=1 * ms, rule=rule, name="counted")
    with pytest.raises(ParameterError, match=r"Counting\w*\.on_pre of .* may change pre\.n .*pre_spike"):
        Simulator(net, engine=engine, threads=2)
    sim = Simulator(net, engine=engine)
    assert sim.threads == 1 and "may change pre.n" in sim.threads_reason
