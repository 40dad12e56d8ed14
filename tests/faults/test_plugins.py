"""Mistakes in plugins are named in the author's own line, before anything is compiled."""

from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from models import LIF
from rules import DFA, PairSTDP
from snn import Network, ParameterError, PluginError, Rule, Simulator, all_to_all, ms, param, state
from snn.engine.jit import COMPILED

table = np.ones(3)
this_module = sys.modules[__name__]


class Misspelt(Rule):
    tau: float = param(20 * ms, unit="s", above=0)
    x = state("pre", decay="tau")

    def on_pre(self, syn, pre, post, t):
        syn.w += pre.trace


class WritesUndeclared(Rule):
    def on_signal(self, syn, pre, post, signal, t):
        syn.elig = signal


class ReadsUndeclaredParameter(Rule):
    y = state("post")

    def post_spike(self, post, t):
        post.y += self.gain


class ReadsThePotential(Rule):
    def on_pre(self, syn, pre, post, t):
        syn.w += post.v


class ReadsAnArray(Rule):
    def on_pre(self, syn, pre, post, t):
        syn.w += table[0]


def checked(w):
    assert w < 10.0, "too strong"
    return w


class Asserts(Rule):
    def on_pre(self, syn, pre, post, t):
        self.check(syn)

    def check(self, syn):
        syn.w = checked(syn.w)


class AssertsElsewhere(Rule):
    def on_pre(self, syn, pre, post, t):
        syn.w = this_module.checked(syn.w)


class RaisingCell(LIF):
    def fire(self, cell):
        if cell.v > 100.0:
            raise ValueError("runaway")
        super().fire(cell)


class MisspeltInABranch(Rule):
    y = state("post")

    def on_pre(self, syn, pre, post, t):
        if syn.w < 0.0:
            syn.w = self.wmin


class WritesUndeclaredInABranch(Rule):
    def on_pre(self, syn, pre, post, t):
        if syn.w > 1e6:
            post.trace = 1.0


class MisspeltHook(Rule):
    def onpre(self, syn, pre, post, t):
        syn.w *= 0.5


x = y = w = v = np.linspace(0.0, 1.0, 5)


class NamedLikeGlobals(Rule):
    """Its fields are called as the script's arrays above; none of these is read."""

    x = state("pre")
    y = state("post")

    def on_pre(self, syn, pre, post, t):
        syn.w += 0.0 * (pre.x + post.y)


def network(rule):
    net = Network(1)
    cells = net.population("cells", LIF(drive=1.2), 3)
    net.connect(cells, cells, all_to_all(), weight=0.1, delay=1 * ms, rule=rule)
    return net


def test_undeclared_state_is_named_with_the_line_and_what_is_declared():
    with pytest.raises(PluginError, match=r"Misspelt\.on_pre \(.*test_plugins\.py:\d+\).*'trace'.*declared: x"):
        Simulator(network(Misspelt()))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (WritesUndeclared(), r"WritesUndeclared\.on_signal \(.*test_plugins\.py:\d+\).*'elig'.*declared: w"),
        (ReadsUndeclaredParameter(), r"ReadsUndeclaredParameter\.post_spike \(.*test_plugins\.py:\d+\).*'gain'.*param"),
        (ReadsThePotential(), r"ReadsThePotential\.on_pre \(.*test_plugins\.py:\d+\).*'v'"),
    ],
)
def test_whatever_a_hook_uses_must_be_declared(rule, words):
    net = Network(1)
    cells = net.population("cells", LIF(), 2)
    outputs = net.population("outputs", LIF(), 2)
    net.connect(cells, outputs, all_to_all(), rule=rule)
    if rule.needs_signal:
        net.credit(DFA(), error=cells, to=outputs)
    with pytest.raises(PluginError, match=words):
        Simulator(net)


def test_global_array_is_refused_because_compiled_code_would_freeze_it():
    from snn.engine.digest import plugin_digest

    with pytest.raises(PluginError, match="global 'table'"):
        plugin_digest(ReadsAnArray)


def test_time_in_milliseconds_is_refused_with_the_likely_fix():
    with pytest.raises(ParameterError, match=r"PairSTDP\.tau_plus is 20 s.*Did you mean 20 \* ms"):
        PairSTDP(tau_plus=20)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_parameter_that_is_not_finite_is_refused(value):
    with pytest.raises(ParameterError, match=r"LIF\.drive"):
        LIF(drive=value)


def test_decay_must_name_a_parameter():
    with pytest.raises(PluginError, match="'tau_x', which is not a parameter"):

        class Bad(Rule):
            x = state("pre", decay="tau_x")


def test_digest_changes_with_the_code_and_not_with_comments(tmp_path, monkeypatch):
    from snn.engine.digest import digest

    def load(body):
        scope = {}
        exec(body, scope)
        return scope["f"]

    a = load("def f(x):\n    return g(x) + 1\ndef g(x):\n    return 2 * x\n")
    same = load("def f(x):\n    # a comment\n    return g(x) + 1\n\n\ndef g(x):\n    return 2 * x\n")
    helper = load("def f(x):\n    return g(x) + 1\ndef g(x):\n    return 3 * x\n")
    assert digest(a) == digest(same) != digest(helper)


def test_methods_that_raise_are_refused_where_they_would_be_compiled():
    """An error cannot leave compiled code: the engine would go on as if nothing had happened."""
    line = checked.__code__.co_firstlineno + 1
    for tau_m in (20 * ms, np.array([10.0, 20.0]) * ms):
        net = Network(1)
        net.population("cells", RaisingCell(tau_m=tau_m), 2)
        if COMPILED:
            with pytest.raises(PluginError, match=r"RaisingCell\.fire \(.*test_plugins\.py:\d+\) raises an error"):
                Simulator(net)
    for rule in (Asserts(), AssertsElsewhere()):
        if COMPILED:
            with pytest.raises(PluginError, match=rf"Asserts\w*\.on_pre \(.*test_plugins\.py:{line}\) raises an error"):
                Simulator(network(rule))
        else:
            Simulator(network(rule))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (MisspeltInABranch(), r"MisspeltInABranch\.on_pre \(.*test_plugins\.py:\d+\).*'wmin'"),
        (WritesUndeclaredInABranch(), r"WritesUndeclaredInABranch\.on_pre \(.*:\d+\).*'trace' is not declared"),
    ],
)
def test_misspelt_fields_are_named_also_in_branches_that_the_dry_run_does_not_take(rule, words):
    with pytest.raises(PluginError, match=words):
        Simulator(network(rule))


def test_fields_may_be_called_like_arrays_of_the_script():
    Simulator(network(NamedLikeGlobals())).run(2 * ms)


def test_a_rule_that_the_engine_would_never_call_is_refused():
    with pytest.raises(PluginError, match=r"MisspeltHook has no method that the engine calls; it has onpre.*on_pre"):
        Simulator(network(MisspeltHook()))
