"""Rules in volts: neurons that rest far from 0 V learn as those that rest at 0."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF, Latency, Readout
from rules import DFA, Delta, EProp, ThreeFactor
from snn import Network, Simulator, all_to_all, ms, mV


def trained(rule, cell, unit):
    """Outputs, and weights in units of the distance from rest to threshold."""
    draws = np.random.default_rng(1)
    net = Network(1)
    inputs = net.population("inputs", Latency(t_last=10 * ms, low=0.1, period=6 * ms), 5)
    cells = net.population("cells", cell, 6, init={"v": cell.v_rest})
    readout = net.population("readout", Readout(), 2)
    into = net.connect(inputs, cells, all_to_all(), weight=unit * draws.normal(0.5, 0.2, (5, 6)), rule=rule)
    net.connect(cells, readout, all_to_all(), weight=draws.normal(0.3, 0.3, (6, 2)), rule=Delta(eta=0.02))
    net.credit(DFA(scale=0.5), error=readout, to=cells)
    sim = Simulator(net)
    start = sim.weights(into)
    x, y = draws.uniform(0, 1, (8, 5)), draws.integers(0, 2, 8)
    shown = sim.present(x, y, into=inputs, readout=readout, duration=30 * ms)
    assert np.abs(sim.weights(into) - start).max() > 1e-3 * unit
    return shown.outputs, sim.weights(into) / unit


@pytest.mark.parametrize("v_thresh", [-50 * mV, 0.0])
@pytest.mark.parametrize("rule", [ThreeFactor, EProp])
def test_learning_is_the_same_in_volts(rule, v_thresh):
    unit = 20 * mV
    plain = trained(rule(eta=0.02, width=0.5), LIF(), 1.0)
    # The pseudo-derivative of EProp is one by the potential.
    eta = 0.02 * (unit**2 if rule is EProp else unit)
    cell = LIF(v_rest=v_thresh - unit, v_reset=v_thresh - unit, v_thresh=v_thresh)
    for a, b in zip(plain, trained(rule(eta=eta, width=0.5), cell, unit), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)
