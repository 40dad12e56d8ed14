"""Learning in presentations: it learns, it is reproducible, threads change nothing."""

from __future__ import annotations

import numpy as np
import pytest

from models import AdEx, Latency, Readout
from models.classifier import LatencyClassifier
from rules import DFA, Delta, KolenPollack, ThreeFactor
from snn import Network, NetworkError, ParameterError, Simulator, all_to_all, ms, nA, normal


@pytest.fixture(scope="module")
def digits():
    datasets = pytest.importorskip("sklearn.datasets")
    data = datasets.load_digits()
    return data.data / 16.0, data.target


def classifier():
    return LatencyClassifier((64, 30, 10), ThreeFactor(eta=0.02, width=2.0), Delta(eta=0.005), DFA(scale=0.1), seed=1)


def test_dfa_learns_digits_and_repeats_bit_for_bit(digits):
    x, y = digits
    one, two = classifier(), classifier()
    for net in (one, two):
        net.fit(x[:1200], y[:1200], epochs=4)
    # After 4 passes; an untrained hidden layer stays below 80 %.
    assert one.show(x[1200:], y[1200:]).accuracy > 0.85
    assert one.sim.weights(one.projections[0]).tobytes() == two.sim.weights(two.projections[0]).tobytes()
    serial, parallel = one.show(x[1200:], y[1200:]), one.show(x[1200:], y[1200:], threads=2)
    assert serial.outputs.tobytes() == parallel.outputs.tobytes()
    assert serial.spikes == parallel.spikes


def accuracy_of_adex(x, y, eta):
    """Share of the last 597 digits that 30 AdEx cells know after five passes over the others, in steps of 0.25 ms."""
    net, cell = Network(1), AdEx()
    rule = ThreeFactor(eta=eta * nA, tau=cell.c_m / cell.g_leak, width=0.2, rate_cost=0.001, rate_target=2.0)
    inputs = net.population("inputs", Latency(t_last=20 * ms, low=0.05, period=7 * ms), 64)
    hidden, readout = net.population("hidden", cell, 30), net.population("readout", Readout(), 10)
    net.connect(inputs, hidden, all_to_all(), weight=normal(0.02 * nA, 0.1 * nA), rule=rule)
    net.connect(hidden, readout, all_to_all(), weight=normal(0.0, 0.05), rule=Delta(eta=0.01))
    net.credit(DFA(scale=0.2), error=readout, to=hidden)
    sim, how = Simulator(net, dt=0.25 * ms, record=[]), {"into": inputs, "readout": readout, "duration": 30 * ms}
    assert sim.engine_reason == "AdEx of population 'hidden' has no closed form"
    for _ in range(5):
        sim.present(x[:1200], y[:1200], **how)
    return sim.present(x[1200:], y[1200:], learn=False, **how).accuracy


def test_neurons_without_a_closed_form_learn_digits_by_direct_feedback(digits):
    # Measured: 0.85, and 0.63 with the hidden layer as it was drawn.
    learned, frozen = (accuracy_of_adex(*digits, eta) for eta in (0.02, 0.0))
    assert learned > 0.75 and learned > frozen + 0.1


def test_eligibility_of_a_sample_is_the_double_sum(digits):
    """One sample without hidden spikes: the update against the sum over pairs of arrivals, in plain Python."""
    x, y = digits
    net = LatencyClassifier(
        (64, 3, 10), ThreeFactor(eta=1.0), Delta(eta=0.0), DFA(scale=1.0), seed=2, w_in=(0.1, 0.1), jitter=0.0
    )
    w = net.sim.weights(net.projections[0]).reshape(64, 3)
    shown = net.show(x[:1], y[:1], learn=True)
    assert shown.spikes["hidden"] == 0
    dw = net.sim.weights(net.projections[0]).reshape(64, 3) - w
    fires = np.flatnonzero(x[0] > 0.1)
    t = 20e-3 * (1 - x[0, fires].astype(np.float32).astype(float))
    order = np.lexsort((fires, t))
    fires, t, tau = fires[order], t[order], 50e-3
    error = np.full(10, 0.1)
    error[y[0]] -= 1.0
    from snn.random import Streams

    feedback = Streams(2).generator("credit", "hidden", "readout").normal(size=30).reshape(3, 10)
    for j in range(3):
        v, psi = 0.0, []
        for n, i in enumerate(fires):
            v = v * np.exp(-(t[n] - t[n - 1]) / tau) + w[i, j] if n else w[i, j]
            psi.append((1.0 + 2.0 * abs(v - 1.0)) ** -2)
        for n, i in enumerate(fires):
            e = sum(psi[m] * np.exp(-(t[m] - t[n]) / tau) for m in range(n, len(fires)))
            # Weights and eligibilities are kept in float32.
            assert dw[i, j] == pytest.approx(-(feedback[j] @ error) * e, rel=2e-4, abs=2e-5)


def test_a_second_training_begins_with_the_declared_rate_of_the_feedback(digits):
    x, y = digits
    net = LatencyClassifier((64, 5, 10), ThreeFactor(), Delta(eta=0.01), KolenPollack(eta=0.01), seed=1)
    link = net.network.credits[0]
    moved = []
    for _ in range(2):
        before = net.sim.feedback(link)
        net.fit(x[:60], y[:60], epochs=2)
        moved.append(np.abs(net.sim.feedback(link) - before).sum())
        assert net.credit.eta == 0.01
    # With the rate that the first training ended with, half as much and falling again, it would be far below.
    assert moved[1] > 0.4 * moved[0] > 0


def test_a_training_that_is_stopped_leaves_the_declared_rate_of_the_feedback(digits):
    class Stopping:
        def update(self, epoch):
            if epoch == 2:
                raise KeyboardInterrupt

    net = LatencyClassifier((64, 5, 10), ThreeFactor(), Delta(), KolenPollack(eta=0.02))
    with pytest.raises(KeyboardInterrupt):
        net.fit(digits[0][:20], digits[1][:20], epochs=4, meter=Stopping())
    assert net.credit.eta == 0.02


def test_an_encoder_that_is_given_keeps_its_times_and_is_left_alone():
    given = Latency(t_first=5 * ms, t_last=13 * ms, jitter=2 * ms)
    net = LatencyClassifier((4, 3, 2), None, Delta(), None, encoder=given)
    # 1 fires from t_first on, 0.5 half way to t_last.
    x, y = np.tile([1.0, 1.0, 0.5, 0.5], (50, 1)), np.zeros(50, int)
    seen = {}
    for learn in (True, False):
        shown = net.show(x, y, learn=learn, record=True)
        seen[learn] = np.concatenate(shown.spike_times["input"].times.reshape(50, 4) - 30 * ms * np.arange(50)[:, None])
        net.sim.presented = 0
    assert given.params() == Latency(t_first=5 * ms, t_last=13 * ms, jitter=2 * ms).params()
    seen = {learn: times.reshape(50, 2, 2) for learn, times in seen.items()}
    for k, first in enumerate((5 * ms, 9 * ms)):
        # Evenly between the earliest time and 2 ms later while learning, the middle in evaluation.
        learning = seen[True][:, k]
        assert learning.min() >= first - 1e-12 and learning.max() < first + 2 * ms
        assert np.std(learning) == pytest.approx(2 * ms / np.sqrt(12), rel=0.2)
        np.testing.assert_allclose(seen[False][:, k], first + 1 * ms, atol=1e-12)


def test_labels_out_of_range_are_refused(digits):
    x, _ = digits
    with pytest.raises(ParameterError, match=r"labels\[1\] is 10; readout .readout. has 10 neurons"):
        classifier().show(x[:2], [0, 10], learn=True)


def test_three_factor_rule_without_credit_is_refused():
    with pytest.raises(NetworkError, match=r"Add net\.credit"):
        LatencyClassifier((4, 3, 2), ThreeFactor(), Delta(), None)


def test_evaluation_between_two_trainings_changes_nothing(digits):
    x, y = digits
    one, two = classifier(), classifier()
    for net, evaluate in ((one, False), (two, True)):
        net.show(x[:50], y[:50], learn=True)
        if evaluate:
            before = net.sim.weights(net.projections[0])
            net.show(x[50:100], y[50:100])
            assert net.sim.weights(net.projections[0]).tobytes() == before.tobytes()
            net.sim.presented = 50  # the same stretch of the jitter's stream as without the evaluation
        net.show(x[100:150], y[100:150], learn=True)
    assert one.sim.weights(one.projections[0]).tobytes() == two.sim.weights(two.projections[0]).tobytes()


def test_variations_are_drawn_anew_for_each_pass_and_leave_the_samples_alone(digits):
    x, y = digits
    kept, seen = x[:40].copy(), []

    def vary(samples, rng):
        seen.append(rng.random())
        return samples * rng.uniform(0.5, 1.0, (len(samples), 1))

    one, two, plain = classifier(), classifier(), classifier()
    for net in (one, two):
        net.fit(x[:40], y[:40], epochs=2, vary=vary)
    plain.fit(x[:40], y[:40], epochs=2)
    w = [net.sim.weights(net.projections[0]).tobytes() for net in (one, two, plain)]
    assert w[0] == w[1] != w[2]
    assert seen[0] != seen[1] and seen[:2] == seen[2:]
    assert np.array_equal(x[:40], kept)
