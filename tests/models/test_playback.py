"""Samples that are spikes: the same spikes as a latency code's give the same network, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF, Playback, Readout, SpikeTimes
from models.bptt import BPTT
from models.classifier import LatencyClassifier
from rules import DFA, Delta, ThreeFactor
from snn import Network, NetworkError, ParameterError, Simulator, all_to_all, ms
from snn.events import Events

N_IN, T_LAST = 12, 20 * ms


@pytest.fixture(scope="module")
def samples():
    """Values, the spikes that a latency code makes of them, labels."""
    rng = np.random.default_rng(3)
    x = rng.random((40, N_IN)).astype(np.float32)
    x[5] = 0.0  # a sample without spikes
    fires = [np.flatnonzero(row > 0.1) for row in x]
    lists = [(i, (1.0 - row[i].astype(float)) * T_LAST) for row, i in zip(x, fires, strict=True)]
    return x, Events.from_lists(lists, N_IN), rng.integers(0, 3, 40)


def classifier(encoder=None):
    rules = ThreeFactor(eta=0.02), Delta(eta=0.01)
    return LatencyClassifier((N_IN, 10, 3), *rules, DFA(scale=0.1), seed=5, t_last=T_LAST, jitter=0.0, encoder=encoder)


def test_spikes_of_a_latency_code_train_the_same_network(samples):
    x, events, y = samples
    coded, played = classifier(), classifier(Playback())
    for net, shown in ((coded, x), (played, events)):
        net.fit(shown, y, epochs=2)
    for a, b in zip(coded.projections, played.projections, strict=True):
        assert coded.sim.weights(a).tobytes() == played.sim.weights(b).tobytes()
    one, two = played.show(events, y), played.show(events, y, threads=2)
    assert one.outputs.tobytes() == two.outputs.tobytes() == coded.show(x, y).outputs.tobytes()
    assert one.spikes["input"] == events.times.size and (one.outputs[5] == 0.0).all()


def test_order_chooses_samples_and_recorded_spikes_are_theirs(samples):
    _, events, _ = samples
    net = classifier(Playback())
    shown = net.show(events, order=[7, 5, 2], record=True).spike_times["input"]
    for place, sample in enumerate((7, 5, 2)):
        ids, times = events[sample]
        mine = (shown.times >= place * net.duration) & (shown.times < (place + 1) * net.duration)
        assert shown.ids[mine].tolist() == ids.tolist()
        assert shown.times[mine] - place * net.duration == pytest.approx(times, abs=1e-12)


def test_bptt_takes_the_same_spikes(samples):
    x, events, y = samples
    nets = [BPTT((N_IN, 10, 3), seed=5, t_last=T_LAST, low=0.1, jitter=0.0, eta=0.02) for _ in range(2)]
    for net, shown in zip(nets, (x, events), strict=True):
        net.fit(shown, y, epochs=2)
    # Spikes of one step are added by neuron there, in order of time here: equal to rounding.
    np.testing.assert_allclose(nets[0].weights[0], nets[1].weights[0], rtol=1e-9)
    assert nets[1].show(events, y).spikes["input"] == events.times.size
    with pytest.raises(ParameterError, match="spikes of 3 neurons; this network has 12 inputs"):
        nets[0].show(Events.from_lists([([0], [0.0])], 3))


def test_a_run_after_presentations_is_silent_where_samples_are_played(samples):
    _, events, y = samples
    net = classifier(Playback())
    net.show(events, y, learn=True)
    assert net.sim.run(50 * ms).ledger.total("spike_emit") == 0


def test_samples_and_encoders_that_do_not_fit_are_refused(samples):
    x, events, _ = samples
    with pytest.raises(ParameterError, match=r"model Playback\(\); give snn\.events\.Events"):
        classifier(Playback()).show(x)
    with pytest.raises(ParameterError, match=r"samples are Events, .* model Playback"):
        classifier().show(events)
    with pytest.raises(ParameterError, match="spikes of 3 neurons; population 'input' has 12"):
        classifier(Playback()).show(Events.from_lists([([0], [0.0])], 3))
    net = Network(1)
    inputs, other = net.population("input", Playback(), N_IN), net.population("clock", SpikeTimes([0], [1 * ms]), 1)
    cells, readout = net.population("cells", LIF(), 4), net.population("readout", Readout(), 3)
    for source, target in ((inputs, cells), (other, cells), (cells, readout)):
        net.connect(source, target, all_to_all(), weight=0.1)
    with pytest.raises(NetworkError, match="population 'clock' has given spikes of its own"):
        Simulator(net).present(events, into=inputs, readout=readout, duration=30 * ms, learn=False)
