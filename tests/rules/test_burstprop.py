"""Burst-dependent plasticity: by hand, its published curve, the neuron that bursts, and the classifier's twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit

from models import LIF, BurstLIF, Poisson, SpikeTimes
from models.burst_classifier import BurstClassifier
from models.tasks import load
from rules import BurstProp
from snn import Hz, Network, PluginError, Simulator, ms, one_to_one
from snn.testing import Twin, check_rule


def test_the_rule_passes_certification():
    check_rule(BurstProp(t_burst=8 * ms, p_rest=0.3, n_mean=20.0))


@pytest.mark.parametrize("engine", ["exact", "grid"])
def test_events_weaken_and_bursts_strengthen_as_by_hand(engine):
    """An event, a burst of two spikes, and one of three, in which the input fires once more."""
    post = np.array([10, 40, 45, 60, 66, 72])
    net = Network(0)
    inputs = net.population("inputs", SpikeTimes([0] * 3, np.array([1, 30, 62]) * ms), 1)
    teacher = net.population("teacher", SpikeTimes([0] * post.size, post * ms), 1)
    cells = net.population("cells", LIF(), 1)
    net.connect(teacher, cells, weight=1.5)
    rule = BurstProp(eta=0.1, tau_x=20 * ms, n_mean=5.0, t_burst=8 * ms, p_rest=0.25)
    net.connect(inputs, cells, weight=0.01, rule=rule)
    how = {"dt": 0.5 * ms} if engine == "grid" else {}
    sim = Simulator(net, engine=engine, **how)
    assert sim.run(0.1).spikes["cells"].times.size == post.size
    # On the grid a neuron fires a step after the arrival that brings it to threshold.
    lag = 0.5 if engine == "grid" else 0.0
    since = ((9,), (39, 10), (59, 30))
    x = [sum(math.exp(-(t + lag) / 20) for t in times) for times in since]
    mean, w = 0.25, 0.01
    for trace, burst in zip(x, (False, True, True), strict=True):
        w -= 0.1 * mean * trace
        mean -= mean / 5
        if burst:
            w += 0.1 * trace
            mean += 1 / 5
    assert sim.weights("inputs->cells")[0] == pytest.approx(w, rel=1e-12)


U = np.linspace(-1.0, 2.0, 13)
# So soon after the refractory time of 4 ms hardly any spike is the input's doing.
LATEST = 4.001 * ms


def driven(seconds, **how):
    """Neurons whose dendrites rest at U, each with a synapse of its own that learns, and events at random."""
    net = Network(3)
    n = U.size
    inputs, teacher = (net.population(name, Poisson(rate=40 * Hz), n) for name in ("inputs", "teacher"))
    cells = net.population("cells", BurstLIF(u_rest=U, t_burst=LATEST, u_burst=0.4, width=0.5), n, init={"u": U})
    net.connect(teacher, cells, one_to_one(), weight=1.5)
    rule = BurstProp(eta=1e-6, tau_x=20 * ms, p_rest=0.4, **how)
    net.connect(inputs, cells, one_to_one(), weight=0.0, rule=rule, name="learns")
    sim = Simulator(net)
    spikes = sim.run(seconds).spikes["cells"]
    gaps = [np.diff(spikes.times[spikes.ids == j], prepend=-1.0) for j in range(n)]
    events = np.array([np.sum(gap > LATEST) for gap in gaps])
    bursts = np.array([np.sum((gap <= LATEST) & (np.roll(gap, 1) > LATEST)) for gap in gaps])
    return sim, events, bursts


@pytest.fixture(scope="module")
def run():
    return driven(60.0, n_mean=math.inf)


def test_the_share_of_bursts_is_the_sigmoid_of_the_dendrite(run):
    _, events, bursts = run
    p = expit((U - 0.4) / 0.5)
    assert events.min() > 1000
    # Four standard deviations of as many independent draws, seed 3.
    assert np.all(np.abs(bursts / events - p) < 4 * np.sqrt(p * (1 - p) / events))


def test_weights_change_linearly_with_burst_probability_less_its_mean(run):
    """Payeur et al. (2021) fig. 2: depression below the mean, potentiation above, nothing at it."""
    sim, events, _ = run
    change = sim.weights("learns") / (1e-6 * events * 40 * 20e-3)  # the mean trace is rate times tau
    p = expit((U - 0.4) / 0.5)
    # The trace at one event has a s.d. of 0.8, as has the change that a burst of probability p makes of it.
    assert np.abs(change - (p - 0.4)).max() < 4 * 1.2 * np.sqrt(0.25 / events.min())
    slope, offset = np.polyfit(p - 0.4, change, 1)
    assert slope == pytest.approx(1.0, abs=0.1) and offset == pytest.approx(0.0, abs=0.03)


def test_what_has_become_usual_changes_nothing(run):
    """The same trains, and a mean that has followed the bursts after some fifty events."""
    sim, *_ = driven(60.0, n_mean=50.0)
    fixed, moving = np.abs(run[0].weights("learns")), np.abs(sim.weights("learns"))
    far = np.abs(expit((U - 0.4) / 0.5) - 0.4) > 0.2
    assert far.sum() > 5 and moving[far].max() < 0.2 * fixed[far].min()


def test_an_error_that_an_event_causes_decides_on_its_burst():
    """A nudge 1 ms after the event, or 1 ms after the refractory time: the first comes in time."""
    for late, spikes in ((1 * ms, 2), (5 * ms, 1)):
        net = Network(0)
        teacher = net.population("teacher", SpikeTimes([0], [10 * ms]), 1)
        nudge = net.population("nudge", SpikeTimes([0], [10 * ms + late]), 1)
        cells = net.population("cells", BurstLIF(t_ref=4 * ms, u_burst=10.0, width=0.1), 1)
        net.connect(teacher, cells, weight=1.5)
        net.connect(nudge, cells, weight=50.0, port="error")
        times = Simulator(net).run(40 * ms).spikes["cells"].times
        assert times == pytest.approx([10 * ms, 14 * ms][:spikes])


def test_the_bursts_have_no_brian2_form():
    with pytest.raises(PluginError, match="BurstLIF does not state a Brian2 form"):
        BurstLIF().brian2()


def small(hidden=(6,), **how):
    rules = BurstProp(eta=0.002, n_mean=20.0), BurstProp(eta=0.005, n_mean=20.0)
    how = {"seed": 4, "scale": 2.0, "jitter": 0.0, "period": 4 * ms, "label_period": 6 * ms} | how
    return BurstClassifier((8, *hidden, 3), *rules, **how)


def samples(n):
    draws = np.random.default_rng(0)
    return draws.uniform(0, 1, (n, 8)), draws.integers(0, 3, n)


@pytest.mark.parametrize("hidden", [(6,), (5, 4)], ids=str)
def test_training_equals_the_plain_twin(hidden):
    x, y = samples(12)
    net = small(hidden)
    before = [net.sim.weights(p) for p in net.projections]
    shown = net.show(x, y, learn=True)
    twin = Twin(small(hidden).network)
    outputs = twin.present(x, y, into="input", readout="readout", duration=net.duration, labels_into="label")
    assert shown.spikes["bursts of readout"] > 5 and shown.spikes["bursts of hidden"] > 20
    np.testing.assert_array_equal(shown.outputs, outputs)
    for p, w in zip(net.projections, before, strict=True):
        assert np.abs(net.sim.weights(p) - w).max() > 1e-3
        # Weights and means are float32 in both.
        np.testing.assert_allclose(net.sim.weights(p), twin.weights(p.name), rtol=1e-5, atol=1e-6)


def test_relays_fire_for_events_and_for_bursts():
    """Counted from the spikes of the neurons themselves, sample by sample."""
    x, y = samples(30)
    # Third spikes, which the input may make, find a relay that can fire again.
    net = small(t_burst=3.001 * ms)
    spikes = net.show(x, y, learn=True, record=True).spike_times
    for layer in ("hidden", "readout"):
        own, found = spikes[layer], {"events": 0, "bursts": 0}
        for j in range(own.ids.max() + 1):
            times = own.times[own.ids == j]
            fresh = np.diff(np.floor(times / net.duration + 1e-9), prepend=-1.0) > 0
            event = fresh | (np.diff(times, prepend=-1.0) > net.bursting.t_burst)
            found["events"] += event.sum()
            found["bursts"] += np.sum(~event & np.roll(event, 1))
        for kind, n in found.items():
            assert spikes[f"{kind} of {layer}"].times.size == n > 10


def test_the_label_makes_bursts_likelier_and_other_outputs_lose_them():
    x, y = samples(60)
    net = small(w_out=(2.0, 0.2))
    spikes = net.show(x, y, learn=True, record=True).spike_times
    share = []
    for wanted in (True, False):
        counts = [
            np.sum((y[np.floor(s.times / net.duration + 1e-9).astype(int)] == s.ids) == wanted)
            for s in (spikes["bursts of readout"], spikes["events of readout"])
        ]
        share.append(counts[0] / counts[1])
    assert share[0] > 1.5 * net.bursting.p_rest and share[1] < 0.5 * net.bursting.p_rest


def test_a_hidden_layer_that_learns_beats_one_that_does_not():
    """500 images of five digits in five passes, and the others; only the hidden learning rate differs."""
    task = load("digits")
    few = task.train_y < 5
    x, y = task.train_x[few], task.train_y[few]
    right = []
    for eta in (0.0, 2e-4):
        net = BurstClassifier(
            (64, 10, 5), BurstProp(eta=eta), BurstProp(eta=0.001), seed=1, scale=3.0, label_period=12 * ms,
            w_in=(0.3, 0.8), w_out=(1.0, 0.5), t_last=100 * ms, duration=100 * ms, period=7 * ms, low=0.05,
        )  # fmt: skip
        net.fit(x[:500], y[:500], 5)
        right.append(net.show(x[500:], y[500:]).accuracy)
    # Three standard errors of the difference of two shares of some 220 images are at most 0.15.
    assert right[1] > right[0] + 0.15
