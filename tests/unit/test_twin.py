"""The plain-Python twin does by hand-computed numbers what the documentation says, and certificates catch faults."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from models import LIF, LIFExp, Poisson, SpikeTimes
from rules import Delta, PairSTDP, ThreeFactor
from snn.connect import all_to_all, from_arrays, one_to_one
from snn.errors import PluginError, SimulationError
from snn.network import Network
from snn.plugin import Model, Rule, param, state
from snn.random import Streams, normal, uniform_at
from snn.testing import HELD, CheckFailed, Follower, Sum, Train, Twin, check_model, check_rule, network_with, simulate
from snn.testing.lessons import Lessons
from snn.units import Hz, ms

TAU = 20 * ms
A_PLUS, A_MINUS = 0.01, 0.012
RULE = PairSTDP(a_plus=A_PLUS, a_minus=A_MINUS, tau_plus=TAU, tau_minus=TAU)
# exp and log in another order of operations: a few units in the last place.
ROUNDING = 1e-14


def at(*times: float) -> SpikeTimes:
    """One source neuron with spikes at the given times (ms)."""
    return SpikeTimes([0] * len(times), [t * ms for t in times])


def inputs(net: Network, cells: Any, *arrivals: tuple[float, float], delay: float = 0.0, port: str = "exc") -> None:
    """Arrivals (time in s, weight) at neuron 0, each from a source of its own."""
    times, weights = zip(*arrivals, strict=True)
    n = len(arrivals)
    source = net.population(f"inputs {len(net.populations)}", SpikeTimes(range(n), times), n)
    net.connect(source, cells, from_arrays(range(n), [0] * n), weight=np.array(weights), delay=delay, port=port)


def pair(pre: tuple[float, ...], post: tuple[float, ...], ties: str = "pre_first", rule: Rule = RULE) -> float:
    """Weight change after presynaptic arrivals and postsynaptic spikes at the given times (ms), from 0.5."""
    net = network_with(rule, pre=at(*pre), teacher=at(*post), delay=0.0)
    return float(simulate(net, 1.0, ties=ties).weights["plastic"][0]) - 0.5


def trace(*lags: float) -> float:
    """Value of a trace after spikes that lie `lags` (ms) back."""
    return sum(math.exp(-lag * ms / TAU) for lag in lags)


# Order within an instant


@pytest.mark.parametrize(("later", "fires"), [(0.0, False), (1e-6, True)])
def test_all_arrivals_of_an_instant_come_before_the_threshold_is_checked(later, fires):
    net = Network(seed=1)
    cells = net.population("cells", LIF(), 1)
    inputs(net, cells, (5 * ms, 1.2), (5 * ms + later, -0.5), delay=1 * ms)
    assert bool(simulate(net, 0.1).times("cells").size) == fires


def test_inhibition_at_the_very_instant_of_a_crossing_puts_it_off():
    # From v = 0 towards 2 the threshold 1 is reached after tau ln 2; inhibition by 1 sends v back to 0 just then.
    t = TAU * math.log(2.0)
    net = Network(seed=1)
    cells = net.population("cells", LIF(tau_m=TAU, drive=2.0), 1)
    inputs(net, cells, (t, -1.0))
    assert simulate(net, 2.5 * t).times("cells") == pytest.approx([2 * t], abs=1e-15)


def test_cells_that_cross_together_fire_in_order_of_declaration_and_id():
    net = Network(seed=1)
    for name in ("b", "a"):
        net.population(name, LIF(tau_m=TAU, drive=2.0), 2)
    assert [(name, i) for _, name, i in simulate(net, 15 * ms).spikes] == [("b", 0), ("b", 1), ("a", 0), ("a", 1)]


@pytest.mark.parametrize("first", ["a", "b"])
def test_a_spike_without_delay_arrives_before_the_next_threshold_check(first):
    # a inhibits b without delay, and both cross at once: b is spared only if a is checked before it.
    net = Network(seed=1)
    made = {name: net.population(name, LIF(tau_m=TAU, drive=2.0), 1) for name in sorted("ab", reverse=first == "b")}
    net.connect(made["a"], made["b"], one_to_one(), weight=-0.5, delay=0.0)
    fired = [name for _, name, _ in simulate(net, 14 * ms).spikes]
    assert fired == (["a"] if first == "a" else ["b", "a"])


def test_a_chain_without_delays_fires_at_one_instant():
    net = Network(seed=1)
    c, b, a = (net.population(name, LIF(), 1) for name in "cba")
    inputs(net, a, (5 * ms, 2.0))
    net.connect(a, b, one_to_one(), weight=2.0, delay=0.0)
    net.connect(b, c, one_to_one(), weight=2.0, delay=0.0)
    assert simulate(net, 0.1).spikes[1:] == [(5 * ms, "a", 0), (5 * ms, "b", 0), (5 * ms, "c", 0)]


def test_intervals_are_half_open_and_runs_add_up():
    def make() -> Network:
        return network_with(RULE, pre=at(10, 20, 30), teacher=at(20, 25), delay=0.0)

    halves, whole = Twin(make()), Twin(make())
    halves.run(20 * ms)
    assert [t for t, _, _ in halves.spikes] == [10 * ms]
    halves.run(20 * ms)
    whole.run(40 * ms)
    assert halves.spikes == whole.spikes
    assert halves.weights("plastic") == whole.weights("plastic")


# Cells


def test_potential_between_arrivals_is_the_closed_form_and_sampling_disturbs_nothing():
    net = Network(seed=1)
    cells = net.population("cells", LIF(tau_m=TAU, drive=0.5), 1)
    inputs(net, cells, (10 * ms, 0.2))
    sampled = simulate(net, 0.05, record_states=[0.0, 10 * ms, 15 * ms])
    v10 = 0.5 * (1 - math.exp(-0.5))
    v15 = 0.5 + (v10 + 0.2 - 0.5) * math.exp(-0.25)
    # The sample at 10 ms is taken before the arrival of that instant.
    assert sampled.states["cells"]["v"][:, 0] == pytest.approx([0.0, v10, v15], abs=ROUNDING)
    inside = Twin(net)
    inside.run(0.05)
    outside = Twin(net)
    outside.run(0.05, sample=np.arange(0.0, 0.05, 1e-4))
    assert inside.states()["cells"]["v"].tolist() == outside.states()["cells"]["v"].tolist()


@pytest.mark.parametrize(("early", "lost", "fired"), [(0.0, 0, 2), (1e-9, 1, 1)])
def test_an_arrival_at_the_end_of_the_refractory_time_counts_and_one_just_before_is_lost(early, lost, fired):
    net = Network(seed=1)
    cells = net.population("cells", LIF(t_ref=2 * ms), 1)
    inputs(net, cells, (10 * ms, 1.5), (10 * ms + 2 * ms - early, 1.5))
    found = simulate(net, 0.1)
    assert sum(found.counts["lost"].values()) == lost
    assert found.times("cells").size == fired


def test_an_arrival_at_the_spike_itself_is_not_lost_without_a_refractory_time():
    net = Network(seed=1)
    cells = net.population("cells", LIF(), 1)
    inputs(net, cells, (10 * ms, 1.5), (10 * ms, 1.0))
    # Both arrive, then one check: one spike, and the reset forgets the rest.
    assert simulate(net, 0.1).times("cells").tolist() == [10 * ms]


def test_currents_go_on_while_the_potential_is_held():
    model = LIFExp(tau_m=TAU, tau_exc=5 * ms, t_ref=3 * ms)
    net = Network(seed=1)
    cells = net.population("cells", model, 1, init={"v": 1.0})
    inputs(net, cells, (1 * ms, 0.8))
    found = simulate(net, 0.1, record_states=[2 * ms, 3 * ms, 7 * ms])
    assert found.times("cells").tolist() == [0.0]
    i3 = 0.8 * math.exp(-2 / 5)
    v7 = i3 * 5 / (5 - 20) * (math.exp(-4 / 5) - math.exp(-4 / 20))
    assert found.states["cells"]["v"][:, 0] == pytest.approx([0.0, 0.0, v7], abs=ROUNDING)
    assert found.states["cells"]["i_exc"][1, 0] == pytest.approx(i3, abs=ROUNDING)


def test_a_soft_reset_fires_as_often_as_the_overshoot_allows():
    net = Network(seed=1)
    cells = net.population("cells", LIF(soft_reset=True), 1)
    inputs(net, cells, (10 * ms, 3.25))
    found = simulate(net, 10 * ms + 1e-12)
    assert found.times("cells").tolist() == [10 * ms] * 3
    assert found.states["cells"]["v"][0] == pytest.approx(0.25, abs=1e-9)


def test_a_cell_that_fires_without_end_is_an_error_that_names_it():
    net = Network(seed=1)
    cells = net.population("cells", LIF(v_reset=1.5), 1)
    inputs(net, cells, (10 * ms, 3.0))
    with pytest.raises(SimulationError, match="Neuron 0 of 'cells' fires without end"):
        simulate(net, 0.1)


def test_each_neuron_sees_its_own_parameters_and_start():
    tau, v0 = np.array([10.0, 20.0]) * ms, np.array([0.1, 0.3])
    net = Network(seed=1)
    net.population("cells", LIF(tau_m=tau, drive=2.0), 2, init={"v": v0})
    net.population("drawn", LIF(), 3, init={"v": normal(0.2, 0.05)})
    twin = Twin(net)
    drawn = twin.states()["drawn"]["v"]
    assert drawn.tolist() == normal(0.2, 0.05).sample(Streams(1).generator("init", "drawn", "v"), 3).tolist()
    twin.run(16 * ms)
    first = [next(t for t, name, i in twin.spikes if i == k and name == "cells") for k in (0, 1)]
    assert first == pytest.approx((tau * np.log((v0 - 2.0) / (1.0 - 2.0))).tolist(), abs=1e-16)


def test_sources_draw_from_their_own_counted_stream():
    net = Network(seed=5)
    net.population("noise", Poisson(rate=50 * Hz), 3)
    key, times, t = Streams(5).key("source", "noise") + 2, [], 0.0
    for k in range(100):
        t -= math.log(1.0 - uniform_at(key % 2**64, k)) / 50.0
        times.append(t)
    assert simulate(net, 1.0).times("noise", 2).tolist() == [t for t in times if t < 1.0]


# Plasticity


def test_pre_before_post_potentiates_by_the_trace_and_after_depresses():
    assert pair((10,), (15,)) == pytest.approx(A_PLUS * trace(5), abs=ROUNDING)
    assert pair((15,), (10,)) == pytest.approx(-A_MINUS * trace(5), abs=ROUNDING)


@pytest.mark.parametrize(
    ("pre", "post", "expected"),
    [
        ((10, 30), (15,), A_PLUS * trace(5) - A_MINUS * trace(15)),
        ((20,), (10, 28), -A_MINUS * trace(10) + A_PLUS * trace(8)),
        ((10, 14), (20,), A_PLUS * trace(10, 6)),
        ((10, 40), (15, 20), A_PLUS * (trace(5) + trace(10)) - A_MINUS * trace(25, 20)),
        ((20, 25), (10, 30), -A_MINUS * (trace(10) + trace(15)) + A_PLUS * trace(10, 5)),
        ((10, 20), (12, 22), A_PLUS * trace(2) - A_MINUS * trace(8) + A_PLUS * trace(12, 2)),
    ],
)
def test_sequences_of_three_and_four_spikes_add_up_all_pairs(pre, post, expected):
    assert pair(pre, post) == pytest.approx(expected, abs=ROUNDING)


def test_bounds_are_applied_at_each_step_not_at_the_end():
    # +0.8 is cut to the bound 1, then -0.9 trace(20) is taken from 1.
    rule = RULE.replace(a_plus=0.8 / trace(5), a_minus=0.9)
    assert pair((10, 35), (15,), rule=rule) == pytest.approx(0.5 - 0.9 * trace(20), abs=ROUNDING)


def test_pre_and_post_at_one_instant_potentiate_or_depress_as_ties_says():
    # Pre first: the post spike finds the new trace x = 1. Post first: the arrival finds y = 1.
    assert pair((10,), (10,)) == pytest.approx(A_PLUS, abs=ROUNDING)
    assert pair((10,), (10,), ties="post_first") == pytest.approx(-A_MINUS, abs=ROUNDING)


def test_a_tie_after_earlier_spikes_uses_the_traces_of_before():
    # Arrivals at 10 and 20, post spikes at 14 and 20.
    both = A_PLUS * trace(4) - A_MINUS * trace(6) + A_PLUS * trace(10)
    assert pair((10, 20), (14, 20)) == pytest.approx(both + A_PLUS, abs=ROUNDING)
    assert pair((10, 20), (14, 20), ties="post_first") == pytest.approx(both - A_MINUS, abs=ROUNDING)


@pytest.mark.parametrize("ties", ["pre_first", "post_first"])
def test_a_spike_delivers_the_weight_from_before_its_own_plasticity(ties):
    net = network_with(RULE, model=Follower(coupling=1.0), pre=at(15), teacher=at(10), delay=0.0)
    found = simulate(net, 20 * ms, record_states=[15 * ms + 1e-12], ties=ties)
    assert found.weights["plastic"][0] < 0.5
    assert found.states["post"]["v"][0, 0] == pytest.approx(0.5, abs=1e-9)


def test_an_arrival_that_makes_its_target_fire_is_a_tie():
    def change(ties: str) -> float:
        net = network_with(RULE, model=Follower(coupling=2.0), pre=at(10), delay=1 * ms)
        found = simulate(net, 20 * ms, ties=ties)
        assert found.times("post").tolist() == [10 * ms + 1 * ms]
        return float(found.weights["plastic"][0]) - 0.5

    assert change("pre_first") == pytest.approx(A_PLUS, abs=ROUNDING)
    assert change("post_first") == pytest.approx(-A_MINUS, abs=ROUNDING)


def test_each_delay_of_a_source_has_a_presynaptic_trace_of_its_own():
    # One spike at 10 ms reaches target 0 at 11 ms and targets 1 and 2 at 15 ms; targets fire at 14, 14 and 20 ms.
    post = SpikeTimes([0, 1, 2], [14 * ms, 14 * ms, 20 * ms])
    net = network_with(RULE, pre=at(10), teacher=post, n_post=3, delay=np.array([1.0, 5.0, 5.0]) * ms)
    found = simulate(net, 0.1)
    expected = [A_PLUS * trace(3), -A_MINUS * trace(1), A_PLUS * trace(5)]
    assert (found.weights["plastic"] - 0.5).tolist() == pytest.approx(expected, abs=ROUNDING)
    assert found.counts["rows"]["plastic"] == 2
    assert found.counts["deliveries"]["plastic"] == 3


def test_parallel_synapses_with_different_delays_learn_apart():
    # Arrivals at 11 and 15 ms, post spikes at 12 and 20 ms.
    pairs = from_arrays([0, 0], [0, 0])
    net = network_with(RULE, pre=at(10), teacher=at(12, 20), connector=pairs, delay=np.array([1.0, 5.0]) * ms)
    expected = [A_PLUS * (trace(1) + trace(9)), -A_MINUS * trace(3) + A_PLUS * trace(5)]
    assert (simulate(net, 0.1).weights["plastic"] - 0.5).tolist() == pytest.approx(expected, abs=ROUNDING)


class SeesPotential(Rule):
    """Notes the potential that it sees on arrival."""

    seen = state("syn")
    reads = ("post.v",)

    def on_pre(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        syn.seen = post.v


def test_a_rule_sees_the_potential_after_the_whole_row_and_minus_1e30_while_refractory():
    pairs = from_arrays([0, 0, 0], [0, 0, 1])
    net = network_with(
        SeesPotential(), model=Follower(coupling=1.0, t_ref=5 * ms), pre=at(10), teacher=SpikeTimes([1], [8 * ms]),
        n_post=2, connector=pairs, weight=np.array([0.25, 0.5, 0.25]), delay=0.0,
    )  # fmt: skip
    assert simulate(net, 20 * ms).synapses["plastic"]["seen"].tolist() == [0.75, 0.75, HELD]


def test_weights_in_single_precision_are_rounded_at_each_write():
    net = network_with(RULE, pre=at(10), teacher=at(15), delay=0.0, weight=0.1, dtype="float32")
    expected = np.float32(float(np.float32(0.1)) + A_PLUS * trace(5))
    assert simulate(net, 0.1).weights["plastic"][0] == float(expected)


def test_a_presentation_moves_the_weight_by_error_times_trace_and_starts_the_next_afresh():
    # Two readouts with equal weights: v = (w, w), so the error is (-1/2, 1/2) for label 0; each has seen one spike.
    net = Network(seed=1)
    source = net.population("in", Train(latency=TAU), 2)
    readout = net.population("out", Sum(), 2)
    net.connect(source, readout, all_to_all(), weight=0.3, delay=1 * ms, rule=Delta(eta=0.1, tau=math.inf), name="w")
    twin = Twin(net)
    outputs = twin.present([[1.0, 0.0], [1.0, 0.0]], [0, 1], into="in", readout="out", duration=30 * ms)
    assert outputs[0].tolist() == [0.3, 0.3]
    assert outputs[1] == pytest.approx([0.35, 0.25], abs=ROUNDING)
    # In the second, softmax of a difference of 0.1 gives readout 0 the probability 1 / (1 + exp(-0.1)).
    p = 1 / (1 + math.exp(-0.1))
    assert twin.weights("w") == pytest.approx([0.35 - 0.1 * p, 0.25 + 0.1 * p, 0.3, 0.3], abs=ROUNDING)


# Certificates


def test_an_undeclared_field_is_named_with_its_remedy():
    class Misspelt(Rule):
        x = state("pre")

        def on_post(self, syn: Any, pre: Any, post: Any, t: float) -> None:
            syn.w += pre.z

    with pytest.raises(PluginError, match=r"Misspelt uses pre.z, which is not declared.*z = state\('pre'\)"):
        simulate(network_with(Misspelt(), teacher=at(12)), 0.1)
    with pytest.raises(CheckFailed, match=r"Misspelt.on_post \(line \d+\) uses pre.z"):
        check_rule(Misspelt, compiled=False)


def test_check_rule_passes_a_sound_rule_with_its_published_window():
    def window(lag: float) -> float:
        return A_PLUS * math.exp(-lag / TAU) if lag > 0 else -A_MINUS * math.exp(lag / TAU)

    report = check_rule(RULE, window=window, compiled=False)
    assert report.passed
    assert {"declared state only", "bounds", "window", "bursts, post_first"} <= {check.check for check in report.checks}


def test_check_rule_refuses_a_wrong_window():
    with pytest.raises(CheckFailed, match=r"t_post - t_arrival = -1 ms changes the weight"):
        check_rule(RULE, window=lambda lag: A_PLUS * math.exp(-abs(lag) / TAU), compiled=False)


def test_check_rule_refuses_weights_that_leave_their_bounds():
    class Unbounded(PairSTDP):
        def on_post(self, syn: Any, pre: Any, post: Any, t: float) -> None:
            syn.w += self.a_plus * pre.x

    with pytest.raises(CheckFailed, match=r"Unbounded.on_post took a weight to 1\.\d+, out of \[0, 1\]"):
        check_rule(Unbounded, a_plus=0.1, compiled=False)


def test_check_rule_refuses_memory_outside_the_records():
    calls = []

    class Remembers(Rule):
        def on_pre(self, syn: Any, pre: Any, post: Any, t: float) -> None:
            calls.append(t)
            syn.w = 0.001 * len(calls)

    with pytest.raises(CheckFailed, match=r"Remembers.on_pre gave two results for the same records"):
        check_rule(Remembers, compiled=False)


class Taught(Rule):
    """Learns of nothing but what it is taught."""

    told = state("post")

    def on_teach(self, post: Any, w: float, t: float) -> None:
        post.told += w

    def on_pre(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        syn.w += 0.01 * post.told


def test_check_rule_tries_on_teach_by_spikes_that_teach():
    checks = [check.check for check in check_rule(Taught, compiled=False).checks]
    assert "teaching, pre_first" in checks and "teaching, post_first" in checks

    class OnlyTaught(Rule):
        told = state("post")

        def on_teach(self, post: Any, w: float, t: float) -> None:
            post.told += w

    assert check_rule(OnlyTaught, compiled=False).passed


def test_check_rule_refuses_on_teach_that_uses_what_is_not_declared():
    class Misspelt(Taught):
        def on_teach(self, post: Any, w: float, t: float) -> None:
            post.tol += w

    with pytest.raises(CheckFailed, match=r"Misspelt\.on_teach \(line \d+\) uses post\.tol"):
        check_rule(Misspelt, compiled=False)


def test_check_rule_refuses_a_gain_that_returns_nothing():
    class Silent(Rule):
        def gain(self, post: Any, t: float) -> None:
            pass

    with pytest.raises(CheckFailed, match=r"Silent\.gain made what it returns nan"):
        check_rule(Silent, compiled=False)


@pytest.mark.parametrize("factor", [1.0, 3.0])
def test_check_rule_sees_where_the_gain_of_compiled_and_plain_runs_differs(factor, monkeypatch):
    plain = Lessons.gain
    monkeypatch.setattr(Lessons, "gain", lambda self, name, signal: factor * plain(self, name, signal))
    if factor == 1.0:
        check_rule(ThreeFactor())
    else:
        with pytest.raises(CheckFailed, match="weights after 8 presentations"):
            check_rule(ThreeFactor())


def test_check_rule_refuses_a_hook_with_the_wrong_arguments():
    class Short(Rule):
        def on_pre(self, syn: Any, t: float) -> None:
            syn.w += 1.0

    with pytest.raises(CheckFailed, match=r"write on_pre\(self, syn, pre, post, t\)"):
        check_rule(Short, compiled=False)


@pytest.mark.parametrize("model", [LIF(drive=1.2, t_ref=2 * ms), LIF(soft_reset=True), LIFExp(), Follower(), Sum()])
def test_check_model_passes_sound_models(model):
    assert check_model(model, compiled=False).passed


class Faulty(LIF):
    """A LIF with faults to choose from."""

    fault: float = param(0.0, doc="which")

    def advance(self, cell: Any, dt: float) -> None:
        if self.fault == 1.0:
            cell.v += dt * (self.drive - cell.v) / self.tau_m
        else:
            LIF.advance(self, cell, dt)

    def time_to_threshold(self, cell: Any) -> float:
        wait = LIF.time_to_threshold(self, cell)
        return 1.001 * wait if self.fault == 2.0 else wait

    def fire(self, cell: Any) -> None:
        cell.v = self.v_thresh if self.fault == 3.0 else self.v_reset

    def receive(self, cell: Any, port: int, w: float) -> None:
        cell.v += 1.001 * w if self.fault == 4.0 else w


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (1.0, "Write the exact solution"),
        (2.0, "Return the first crossing"),
        (3.0, "it would fire without end"),
        (4.0, "Check taus, gains and v_inf"),
    ],
)
def test_check_model_finds_each_fault(fault, words):
    with pytest.raises(CheckFailed, match=words) as failed:
        check_model(Faulty, drive=1.2, fault=fault, compiled=False)
    assert failed.value.report is not None
    assert not failed.value.report.passed


def test_a_model_without_a_method_is_told_which():
    class Half(Model):
        v = state("cell")

        def advance(self, cell: Any, dt: float) -> None:
            pass

    with pytest.raises(CheckFailed, match=r"Half has no receive\(self, cell, port, w\)"):
        check_model(Half, compiled=False)
