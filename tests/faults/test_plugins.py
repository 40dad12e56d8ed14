"""Mistakes in plugins are named in the author's own line, before anything is compiled."""

from __future__ import annotations

import math
import sys
import warnings

import numpy as np
import pytest

from models import LIF, SpikeTimes
from rules import DFA, PairSTDP
from snn import Network, ParameterError, PluginError, Rule, Simulator, all_to_all, ms, normal, param, state
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


class ReadsAClassConstant(Rule):
    K = 3.0

    def on_pre(self, syn, pre, post, t):
        syn.w += self.K


class ReadsAPropertyElsewhere(LIF):
    @property
    def twice(self):
        return 2.0 * self.v_thresh

    def fire(self, cell):
        self.reset(cell)

    def reset(self, cell):
        cell.v = 0.0 * self.twice


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


def test_constants_of_the_class_are_refused_with_what_to_do_instead():
    with pytest.raises(PluginError, match=r"Constant\.on_pre \(.*\.py:\d+\) uses self\.K, .*K: float = param"):
        Simulator(network(ReadsAClassConstant()))
    for tau_m in (20 * ms, np.array([10.0, 20.0]) * ms):
        net = Network(1)
        net.population("cells", ReadsAPropertyElsewhere(tau_m=tau_m), 2)
        with pytest.raises(PluginError, match=r"Elsewhere\.fire \(.*test_plugins\.py:\d+\) uses self\.twice"):
            Simulator(net)


def test_a_value_in_a_subclass_is_the_new_default_of_a_parameter():
    class Strong(PairSTDP):
        a_plus = 0.3

    class Stronger(Strong):
        a_plus = 1

    assert (PairSTDP().a_plus, Strong().a_plus, Stronger().a_plus, Strong(a_plus=0.5).a_plus) == (0.005, 0.3, 1.0, 0.5)
    assert repr(Strong()) == "Strong()" and repr(Strong(a_plus=0.5)) == "Strong(a_plus=0.5)"


@pytest.mark.parametrize(("value", "words"), [(-1.0, "at least 0"), ("much", "give a number"), (math.nan, "finite")])
def test_a_new_default_is_checked_as_any_value(value, words):
    with pytest.raises(ParameterError, match=rf"Wrong\.a_plus is .*{words}"):
        type("Wrong", (PairSTDP,), {"a_plus": value})


def test_subclasses_do_not_share_the_array_that_is_their_default():
    class Driven(LIF):
        drive = np.array([1.0, 2.0])

    one, other = Driven(), Driven()
    one.drive[:] = 5.0
    np.testing.assert_array_equal(other.drive, [1.0, 2.0])


def test_a_value_under_the_name_of_a_state_is_refused():
    with pytest.raises(PluginError, match=r"Wrong\.x is 0\.5, and x is a state.*x = state\('pre'"):

        class Wrong(PairSTDP):
            x = 0.5


def plastic(weight, **bounds):
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes([0], [1 * ms]), 20)
    cells = net.population("cells", LIF(), 5)
    net.connect(inputs, cells, weight=weight, rule=PairSTDP(**bounds), name="p")
    return net


def test_weights_that_are_all_beyond_a_rules_bounds_are_refused():
    with pytest.raises(ParameterError, match=r"100 of 100 weights of projection 'p'.*w_min and w_max of PairSTDP"):
        Simulator(plastic(-0.1))


def test_some_weights_beyond_a_rules_bounds_are_warned_of():
    with pytest.warns(UserWarning, match=r"\d+ of 100 weights of projection 'p'.*jump there"):
        Simulator(plastic(normal(0.3, 0.1), w_max=0.3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_at_a_rules_bounds_pass_without_a_word(dtype):
    net = plastic(0.3, w_max=0.3)
    net.projections["p"].dtype = dtype
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Simulator(net)


class StaticHelper(Rule):
    @staticmethod
    def half(w):
        return 0.5 * w

    def on_pre(self, syn, pre, post, t):
        syn.w = self.half(syn.w)


class StaticHook(Rule):
    @staticmethod
    def on_pre(syn, pre, post, t):
        syn.w = 0.0


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (StaticHelper(), r"on_pre \(.*test_plugins\.py:\d+\) calls self\.half, a static method; write it with self"),
        (StaticHook(), r"StaticHook\.on_pre is no method with self"),
    ],
)
def test_static_methods_are_refused_with_what_to_write(rule, words):
    net = Network(1)
    inputs, cells = net.population("inputs", SpikeTimes([0], [1 * ms]), 2), net.population("cells", LIF(), 2)
    net.connect(inputs, cells, weight=0.1, rule=rule)
    with pytest.raises(PluginError, match=words):
        Simulator(net)
