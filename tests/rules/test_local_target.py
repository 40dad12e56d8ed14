"""Local targets: the change of one synapse against an ODE solver, what makes no change, and the classifier's twin."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from models import LIF, Latency, SpikeTimes, TwoCompartmentLIF
from models.error_neurons import LocalTargetClassifier
from rules import LocalTarget
from snn import Network, PluginError, Simulator, ms
from snn.testing import Twin, check_rule

CELL = TwoCompartmentLIF(tau_m=30 * ms, tau_dend=12 * ms, coupling=0.5)


def taught(nudge, rule, weight=0.3, inputs=(1, 8, 20), cell=CELL, **how):
    """One synapse; a spike of an error neuron reaches the dendrite at 6 ms, inputs arrive 1 ms after they fired."""
    net = Network(0)
    sources = net.population("inputs", SpikeTimes([0] * len(inputs), np.array(inputs) * ms), 1)
    errors = net.population("errors", SpikeTimes([0], [5 * ms]), 1)
    cells = net.population("cells", cell, 1)
    net.connect(sources, cells, weight=weight, delay=1 * ms, rule=rule)
    net.connect(errors, cells, weight=nudge, delay=1 * ms, port="error")
    return Simulator(net, **how)


def changes(nudge, eta, width, weight=0.3, arrivals=(2 * ms, 9 * ms, 21 * ms), error=6 * ms):
    """Weight in the end where nothing fires; nudged soma and its prediction from the ODEs of the documentation."""

    def slope(t, y):
        v, u, p = y
        return (-v + 0.5 * (u - v)) / (30 * ms), -u / (12 * ms), -1.5 * p / (30 * ms)

    def phi(v):
        return (v - 1.0) / (width + abs(v - 1.0))

    y, now = np.zeros(3), 0.0
    for t in sorted([*arrivals, error]):
        y = solve_ivp(slope, (now, t), y, rtol=1e-11, atol=1e-14).y[:, -1] if t > now else y
        now = t
        if t == error:
            y[1] += nudge
        else:
            y[[0, 2]] += weight
            weight += eta * (phi(y[0]) - phi(y[2]))
    return weight


@pytest.mark.parametrize("engine", ["exact", "grid"])
@pytest.mark.parametrize("nudge", [0.4, -0.4])
def test_a_nudge_is_learned_at_the_arrivals_that_come_after_it(engine, nudge):
    how = {"dt": 0.5 * ms} if engine == "grid" else {}
    sim = taught(nudge, LocalTarget(eta=0.05, width=0.4), engine=engine, **how)
    assert sim.run(30 * ms).spikes["cells"].times.size == 0
    expected = changes(nudge, 0.05, 0.4)
    assert sim.weights("inputs->cells")[0] == pytest.approx(expected, rel=1e-9)  # the reference's
    assert np.sign(expected - 0.3) == np.sign(nudge)


def test_a_weak_nudge_teaches_by_the_slope_of_phi():
    """To first order the change is eta phi'(p) (v - p), with the v - p that an error spike makes in a silent neuron."""
    eta, width, nudge = 1.0, 0.4, 1e-5
    sim = taught(nudge, LocalTarget(eta=eta, width=width), inputs=(8,))
    sim.run(15 * ms)
    tau, lag = 20 * ms, 3 * ms
    response = 0.5 / 1.5 * 12 * ms / (12 * ms - tau) * (math.exp(-lag / (12 * ms)) - math.exp(-lag / tau))
    expected = eta * width / (width + 0.7) ** 2 * nudge * response
    assert sim.weights("inputs->cells")[0] - 0.3 == pytest.approx(expected, rel=1e-4)


def test_without_nudges_a_neuron_that_fires_is_as_predicted():
    rng = np.random.default_rng(0)
    spikes = np.sort(rng.uniform(0, 400, 200))
    sim = taught(0.0, LocalTarget(eta=0.1), inputs=spikes)
    assert sim.run(0.5).spikes["cells"].times.size > 20
    assert sim.weights("inputs->cells")[0] == pytest.approx(0.3, rel=1e-13)


def test_firing_has_to_pay():
    """One spike, at the second arrival; the third finds the prediction above the soma by what is left of the cost."""
    rule = LocalTarget(eta=0.1, width=0.5, rate_cost=0.2)
    sim = taught(0.0, rule, weight=0.6, inputs=(1, 2, 12))
    assert sim.run(20 * ms).spikes["cells"].times == pytest.approx([3 * ms])
    ahead = 0.2 * math.exp(-0.5)
    expected = 0.6 + 0.1 * (rule.replace(v_thresh=1.0).phi(0.6) - rule.replace(v_thresh=1.0).phi(0.6 + ahead))
    assert sim.weights("inputs->cells")[0] == pytest.approx(expected, rel=1e-12)


def test_the_time_constant_is_the_somas():
    assert CELL.tau_soma == 20 * ms
    with pytest.raises(PluginError, match=r"LocalTarget.tau is taken from LIF.tau_soma, but the model has no such"):
        net = Network(0)
        net.connect(net.population("a", Latency(), 1), net.population("b", LIF(), 1), rule=LocalTarget())
        Simulator(net)


def test_the_rule_passes_certification():
    check_rule(LocalTarget(tau=20 * ms, rate_cost=0.01))


def small(**how):
    rules = LocalTarget(eta=0.02, rate_cost=0.01), LocalTarget(eta=0.02)
    return LocalTargetClassifier((8, 6, 3), *rules, seed=4, scale=0.5, jitter=0.0, **how)


def test_training_equals_the_plain_twin():
    draws = np.random.default_rng(0)
    x, y = draws.uniform(0, 1, (12, 8)), draws.integers(0, 3, 12)
    net = small()
    before = [net.sim.weights(p) for p in net.projections]
    shown = net.show(x, y, learn=True)
    twin = Twin(small().network)
    outputs = twin.present(x, y, into="input", readout="readout", duration=net.duration, labels_into="label")
    assert shown.spikes["over"] + shown.spikes["under"] > 20
    np.testing.assert_array_equal(shown.outputs, outputs)
    for p, w in zip(net.projections, before, strict=True):
        assert np.abs(net.sim.weights(p) - w).max() > 1e-3
        # Weights are float32 in both.
        np.testing.assert_allclose(net.sim.weights(p), twin.weights(p.name), rtol=1e-6, atol=1e-7)


def test_outputs_that_are_nudged_come_closer_to_the_label():
    """Nothing learns; the stronger the nudge, the fewer errors are left."""
    draws = np.random.default_rng(1)
    x, y = draws.uniform(0, 1, (20, 8)), draws.integers(0, 3, 20)
    frozen = LocalTarget(eta=0.0)
    errors = []
    for nudge in (0.0, 4.0, 12.0):
        net = LocalTargetClassifier((8, 6, 3), frozen, frozen, seed=4, scale=0.0, nudge=nudge)
        shown = net.show(x, y, learn=True)
        errors.append(shown.spikes["under"] + shown.spikes["over"])
    assert errors[0] > errors[1] > errors[2]
