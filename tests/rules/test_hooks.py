"""What rules may be made of, and when their methods are called: each by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models import LIF, Latency, Readout, SpikeTimes
from snn import Network, NetworkError, Rule, Simulator, all_to_all, ms, param, state


class FourTraces(Rule):
    """on_post: w += a + 10 b + 100 c + 1000 d, each a trace of its own time constant."""

    tau_a: float = param(10 * ms, unit="s", above=0)
    tau_b: float = param(20 * ms, unit="s", above=0)
    tau_c: float = param(30 * ms, unit="s", above=0)
    tau_d: float = param(40 * ms, unit="s", above=0)
    a = state("pre", decay="tau_a")
    b = state("pre", decay="tau_b")
    c = state("pre", decay="tau_c")
    d = state("pre", decay="tau_d")

    def pre_spike(self, pre, t):
        pre.a += 1.0
        pre.b += 1.0
        pre.c += 1.0
        pre.d += 1.0

    def on_post(self, syn, pre, post, t):
        syn.w += pre.a + 10.0 * pre.b + 100.0 * pre.c + 1000.0 * pre.d


def test_a_rule_may_have_any_number_of_decaying_traces():
    net = Network(1)
    source = net.population("source", SpikeTimes([0], [1 * ms]), 1)
    teacher = net.population("teacher", SpikeTimes([0], [13 * ms]), 1)
    cell = net.population("cell", LIF(), 1)
    net.connect(source, cell, weight=0.0, delay=1 * ms, rule=FourTraces(), name="plastic")
    net.connect(teacher, cell, weight=2.0, delay=1 * ms)
    sim = Simulator(net)
    assert len(sim.run(20 * ms).spikes["cell"]) == 1
    expected = sum(10.0**k * math.exp(-12 / tau) for k, tau in enumerate((10, 20, 30, 40)))
    assert sim.weights("plastic")[0] == pytest.approx(expected, rel=1e-12)


class Remembers(Rule):
    """Each target remembers what it has been told; at the end of a presentation its synapses learn from that."""

    told = state("post")

    def post_signal(self, post, signal, t):
        post.told += signal

    def on_end(self, syn, pre, post, t):
        syn.w += post.told


def test_post_signal_is_called_for_rules_without_on_signal():
    net = Network(1)
    inputs, readout = net.population("inputs", Latency(), 3), net.population("readout", Readout(), 2)
    net.connect(inputs, readout, all_to_all(), weight=0.25, rule=Remembers(), name="plastic")
    sim = Simulator(net)
    # Silent inputs: both readouts are 0, and the errors softmax - onehot are -1/2 and 1/2.
    sim.present(np.zeros((1, 3)), [0], into=inputs, readout=readout, duration=30 * ms)
    np.testing.assert_array_equal(sim.weights("plastic").reshape(3, 2), [[-0.25, 0.75]] * 3)


def test_post_signal_alone_needs_a_credit_pathway():
    net = Network(1)
    cells = net.population("cells", LIF(), 2)
    net.connect(cells, cells, all_to_all(), delay=1 * ms, rule=Remembers())
    with pytest.raises(NetworkError, match="Remembers of projection 'cells->cells' needs a learning signal"):
        Simulator(net)
