"""What one call of a hook does, against counts taken by hand from its text."""

from __future__ import annotations

import math
import types
from math import exp

import numba
import numpy as np
import pytest

from rules import Delta, PairSTDP, ThreeFactor
from snn import Rule, ms, param, state
from snn.tally import tally


def done(rule, hook):
    """(once per pass, once per synapse), without zeros."""
    found = tally(rule, hook)
    return tuple({k: n for k, n in counts.items() if n} for counts in (found.shared, found.each))


def sigmoid(v):
    return 1.0 / (1.0 + math.exp(-v))


class Mixed(Rule):
    """One of everything that is easily miscounted."""

    tau: float = param(20 * ms, unit="s", above=0)
    c: float = param(2.0)
    e = state("syn")
    x = state("pre")
    y = state("post")

    def on_pre(self, syn, pre, post, t):
        syn.e = math.exp(-t / self.tau)

    def on_post(self, syn, pre, post, t):
        syn.w += sigmoid(post.y) * pre.x

    def on_signal(self, syn, pre, post, signal, t):
        syn.w -= self.slope(post.y) / self.c

    def on_end(self, syn, pre, post, t):
        syn.w = exp(post.y) ** 2 / pre.x

    def slope(self, v):
        return math.fabs(math.log(v) / v)


@pytest.mark.parametrize(
    ("hook", "shared", "each"),
    [
        # t / tau is a product with a known reciprocal; the exponential is the row's; e is stored at each synapse.
        ("on_pre", {"mul": 1, "exp": 1}, {"syn": 1}),
        # The column's own y goes through a helper: exponential, sum, division, once.
        ("on_post", {"near": 1, "exp": 2, "add": 1}, {"far": 1, "mul": 1, "add": 1, "w_read": 1, "w_write": 1}),
        # y and the signal are the target's; logarithm and division by v count alike, the absolute value is free.
        ("on_signal", {}, {"far": 2, "exp": 2, "mul": 1, "add": 1, "w_read": 1, "w_write": 1}),
        # Exponential (imported by its own name), power, division.
        ("on_end", {"near": 1}, {"far": 1, "exp": 3, "w_write": 1}),
    ],
)
def test_a_hook_is_counted_by_what_it_depends_on(hook, shared, each):
    assert done(Mixed(), hook) == (shared, each)


def psi(y):
    return math.exp(-y) * y


helpers = types.ModuleType("helpers")
helpers.psi, helpers.compiled, helpers.half = psi, numba.njit(psi), np.float64(0.5)


class Spelt(Rule):
    """w <- w + exp(-y) y, in several spellings."""

    y = state("post")

    def on_pre(self, syn, pre, post, t):
        syn.w += math.exp(-post.y) * post.y


class ByNumPy(Spelt):
    def on_pre(self, syn, pre, post, t):
        syn.w += np.exp(-post.y) * post.y


class ByUfuncs(Spelt):
    def on_pre(self, syn, pre, post, t):
        syn.w = np.add(syn.w, np.multiply(np.exp(np.negative(float(post.y))), post.y))


class ByModule(Spelt):
    def on_pre(self, syn, pre, post, t):
        syn.w += helpers.psi(post.y)


class ByCompiled(Spelt):
    def on_pre(self, syn, pre, post, t):
        syn.w += helpers.compiled(post.y)


@pytest.mark.parametrize("rule", [Spelt, ByNumPy, ByUfuncs, ByModule, ByCompiled])
def test_a_hook_costs_the_same_however_it_is_spelt(rule):
    assert done(rule(), "on_pre") == ({}, {"add": 1, "mul": 1, "exp": 1, "far": 1, "w_read": 1, "w_write": 1})


class Library(Rule):
    """What functions of NumPy cost."""

    y = state("post")

    def on_pre(self, syn, pre, post, t):
        # Comparison; comparison; logarithm, free sign, root; product with a constant.
        syn.w = np.minimum(np.maximum(syn.w, 0.0), 1.0)
        post.y = helpers.half * np.sqrt(np.abs(np.log(post.y)))

    def on_signal(self, syn, pre, post, signal, t):
        # A logarithm of what may be no such number counts all the same.
        syn.w = math.log(syn.w - post.y) + math.floor(signal)


class Window(Rule):
    """Changes weights only within a window, and along a way that 0.5 does not take."""

    top: float = param(1.0)
    y = state("post")

    def on_pre(self, syn, pre, post, t):
        if 0.6 < post.y < self.top:
            syn.w -= math.exp(-post.y)

    def on_post(self, syn, pre, post, t):
        # A parameter's branch is known; either way through a bound costs the same.
        if self.top > 0.0:
            syn.w = min(self.top, syn.w + pre.p if post.y > 0.5 else syn.w)

    def on_signal(self, syn, pre, post, signal, t):
        k = 1.0
        while signal > k:
            k += 1.0
        syn.w = k if math.isnan(signal) or not signal else math.log(0.1 - signal)

    p = state("pre")


def test_a_branch_on_state_is_counted_as_the_dearest_and_named():
    found = tally(Window(), "on_pre")
    # Both comparisons, exponential, difference; y once.
    assert {k: n for k, n in found.each.items() if n} == {
        "add": 3, "exp": 1, "far": 1, "w_read": 1, "w_write": 1,
    }  # fmt: skip
    # The second comparison too comes only after the first; y is always read.
    assert found.at_most == {"add", "exp", "w_read", "w_write"}
    found = tally(Window(), "on_post")
    assert (found.each["w_write"], found.each["far"], found.at_most) == (1, 1, {"add", "far"})
    # Ten comparisons at the most fall as they are told; then the loop ends as for one half.
    assert tally(Window(), "on_signal").each["w_write"] == 1


@pytest.mark.parametrize("rule", [PairSTDP(), Delta(tau=20 * ms), ThreeFactor(tau=20 * ms, v_thresh=1.0, v_rest=0.0)])
def test_rules_without_a_branch_on_state_are_counted_exactly(rule):
    hooks = [hook for hook in rule.hooks if rule.overrides(hook)]
    assert hooks and all(tally(rule, hook).at_most == set() for hook in hooks)


def test_functions_of_numpy_cost_what_they_do():
    assert done(Library(), "on_pre") == ({}, {"add": 2, "exp": 2, "mul": 1, "far": 2, "w_read": 1, "w_write": 1})
    assert done(Library(), "on_signal")[1] == {"add": 3, "exp": 1, "far": 2, "w_read": 1, "w_write": 1}


def test_three_factor_on_pre_pays_its_exponentials_once_per_row():
    # e += E a (*, +); r = c / (c + |v - theta|) (-, +, /); a += r r E' (*, *, +); v is scaled (*).
    # E, E': exp and * each. A division by what is not known beforehand costs as much as an exponential.
    shared, each = done(ThreeFactor(tau=20 * ms, v_thresh=1.0, v_rest=0.0), "on_pre")
    assert shared == {"mul": 2, "exp": 2}
    assert each == {"add": 4, "mul": 4, "exp": 1, "syn": 2, "far": 3}


def test_three_factor_pre_spike_pays_its_exponential():
    rule = ThreeFactor(tau=20 * ms, v_thresh=1.0, v_rest=0.0)
    assert done(rule, "pre_spike") == ({}, {"exp": 1, "mul": 1, "add": 1, "near": 2})


@pytest.mark.parametrize(("rate_cost", "more"), [(0.0, 0), (0.1, 1)])
def test_three_factor_pays_for_the_rate_where_it_has_a_cost(rate_cost, more):
    # eta L (s a - e): * * - *, subtracted. The rate's cost is a product and two sums, and fetches the target's count.
    shared, each = done(ThreeFactor(tau=20 * ms, v_thresh=1.0, v_rest=0.0, rate_cost=rate_cost), "on_signal")
    assert shared == {"near": 1}
    assert each == {"add": 2 + 2 * more, "mul": 3 + more, "syn": 2, "far": 2 + more, "w_read": 1, "w_write": 1}


def test_decaying_trace_costs_a_factor_per_row_and_a_product_per_synapse():
    # w - a y with y scaled (* * -), compared with the bound (+).
    shared, each = done(PairSTDP(), "on_pre")
    assert shared == {"exp": 1}
    assert each == {"mul": 2, "add": 2, "far": 1, "w_read": 1, "w_write": 1}


def test_trace_that_never_decays_costs_no_factor():
    assert done(Delta(tau=math.inf), "pre_spike") == ({}, {"add": 1, "near": 2})
    assert done(Delta(tau=20 * ms), "pre_spike") == ({}, {"add": 1, "near": 2, "mul": 2, "exp": 1})


def test_tally_leaves_the_rule_as_it_was():
    rule = Mixed()
    before = rule.params()
    tally(rule, "on_signal")
    assert rule.params() == before and math.exp(0.0) == 1.0
