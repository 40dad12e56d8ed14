"""Recurrent networks that learn by e-prop."""

from __future__ import annotations

import numpy as np
import pytest

from models import Latency
from models.recurrent import RecurrentNetwork
from rules import DFA, DeltaSum, EProp
from snn import NetworkError, ParameterError, ms
from snn.events import Events


def delayed(n, seed):
    """Which of two inputs fired, asked for 60 ms later, three membrane time constants."""
    draws = np.random.default_rng(seed)
    y = draws.integers(0, 2, n)
    samples = []
    for k in range(n):
        cue, ask = np.sort(draws.uniform(0.0, 0.02, 8)), np.sort(draws.uniform(0.08, 0.1, 10))
        samples.append((np.r_[np.full(8, y[k]), np.full(10, 2)], np.r_[cue, ask]))
    return Events.from_lists(samples, 3), y


def network(rule, seed=0, **more):
    own = {
        "leaky": 10, "adaptive": 30, "readout_rule": DeltaSum(eta=0.01), "credit": DFA(scale=0.5), "duration": 0.1,
        "every": 5 * ms, "teach_from": 80 * ms, "tau_adapt": 0.1, "jump": 0.5, "w_in": (2.0, 2.0), "t_ref": 3 * ms,
    }  # fmt: skip
    return RecurrentNetwork(3, 2, rule=rule, seed=seed, **own | more)


@pytest.mark.parametrize("steps", [None, 100])
def test_a_cue_is_remembered_by_thresholds(steps):
    x, y = delayed(300, 0)
    x_new, y_new = delayed(100, 1)
    net = network({"eta": 0.003}, steps=steps)
    assert (net.sim.engine, net.sim.grid and net.sim.grid.dt) == (("grid", 0.1 / steps) if steps else ("exact", None))
    passes = net.fit(x, y, 3)
    assert net.show(x_new, y_new).accuracy > 0.9, [p.accuracy for p in passes]
    # Without adaptive neurons nothing lasts as long.
    leaky = network({"eta": 0.003}, leaky=40, adaptive=0, w_rec=(0.0, 0.0), steps=steps)
    leaky.fit(x, y, 3)
    assert leaky.show(x_new, y_new).accuracy < 0.75


def test_training_is_the_same_each_time_and_targets_are_taken_as_well():
    x = np.random.default_rng(0).random((3, 3))
    aims = np.sin(np.linspace(0, 6, 20))[None, :, None] * np.ones((3, 1, 2))
    weights = []
    for _ in range(2):
        coder = Latency(t_last=30 * ms, period=10 * ms)
        net = network({"eta": 1e-3}, encoder=coder, teach_from=0.0, readout_rule=DeltaSum(eta=1e-3))
        passes = net.fit(x, aims, 60)
        weights.append([net.sim.weights(p) for p in net.projections])
    assert passes[-1].loss.mean() < 0.8 * passes[0].loss.mean()
    assert all(np.array_equal(a, b) for a, b in zip(*weights, strict=True))


def test_frozen_synapses_stay_and_a_network_needs_neurons():
    x, y = delayed(10, 0)
    net = network(None)
    before = {p.name: net.sim.weights(p) for p in net.projections}
    net.fit(x, y, 1)
    changed = {p.name for p in net.projections if not np.array_equal(net.sim.weights(p), before[p.name])}
    assert changed == {p.name for p in net.projections if p.target is net.readout}
    assert network(None, credit=None).credit is None
    with pytest.raises(NetworkError, match=r"Add net\.credit"):
        network({}, credit=None)
    with pytest.raises(ParameterError, match=r"rule is EProp\(\); give parameters of EProp in a dict"):
        network(EProp())
    with pytest.raises(ParameterError, match="at least one recurrent neuron"):
        network(None, leaky=0, adaptive=0)
    with pytest.raises(ParameterError, match="steps is 2.5; give a whole number of time steps"):
        network(None, steps=2.5)
    # 100 ms in 50 steps: 3 ms are no whole number of 2 ms; 5, 3 and 1 ms are of 1 ms.
    with pytest.raises(ParameterError, match=r"a step is 0.002 s, of which every = 0.005 s is no.*give steps=100"):
        network(None, steps=50)
    with pytest.raises(ParameterError, match="of which t_ref = 0.00314159 s is no multiple; change one of them"):
        network(None, steps=100, t_ref=3.14159265 * ms)
