"""The loops that learning spends its time in are compiled to instructions that serve several synapses at once."""

from __future__ import annotations

from typing import Any

import pytest
from numba import float64, int64

from models import Readout, SpikeTimes
from snn import Network, Rule, Simulator, all_to_all, ms, param, state
from snn.engine import plasticity, signals
from snn.engine.jit import COMPILED, callable_kernel
from snn.engine.types import view


class ManyStates(Rule):
    """More arrays than a compiler compares pair by pair before it takes a loop for safe; each hook divides once."""

    eta: float = param(0.01, min=0)
    a, b, c = state("syn"), state("syn"), state("syn")
    x = state("pre")
    y, z = state("post"), state("post")
    reads = ("post.v",)

    def on_pre(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        syn.a += post.y
        syn.b += syn.a * pre.x
        syn.c = syn.b / (1.0 + abs(post.v))
        post.y += self.eta * syn.c
        post.z += syn.a

    def on_signal(self, syn: Any, pre: Any, post: Any, signal: float, t: float) -> None:
        syn.w += signal * pre.x * post.y / (1.0 + abs(post.z))
        syn.a = syn.b = syn.c = 0.0


@callable_kernel
def learn_from_arrival(g, lr, t, e):
    plasticity.row_on_pre(g, lr, view(g.f_pre, g.pre, lr, ()), t, e)


@callable_kernel
def learn_from_signal(g, t):
    signals.tell_synapses(g, t)


@pytest.mark.skipif(not COMPILED, reason="nothing is compiled")
def test_a_rule_of_many_states_runs_on_several_synapses_of_a_dense_row_at_once():
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes([0], [1 * ms]), 2)
    readout = net.population("readout", Readout(), 40)
    net.connect(inputs, readout, all_to_all(), weight=0.1, rule=ManyStates(), dtype="float32")
    built = Simulator(net).built
    g, e = built.groups[0], built.engine
    for kernel, signature in (
        (learn_from_arrival, (g.type_, int64, float64, e.type_)),
        (learn_from_signal, (g.type_, float64)),
    ):
        kernel.compile(signature)
        assert "fdiv <" in kernel.inspect_llvm(signature)
