"""The certificate of a plasticity rule."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..build import resolve_rule
from ..plugin import Model, Rule
from ..units import Hz, ms
from .checks import Report, _arguments, _compiled, _instance, _read_source, _require, _round_trip, _same
from .parts import Broadcast, Follower, Train, _trains, network_with
from .record import Record
from .twin import Twin, _Path, simulate


def _bounds_of(rule: Rule) -> tuple[float, float]:
    if rule.bounds is None:
        return -math.inf, math.inf
    return float(getattr(rule, rule.bounds[0])), float(getattr(rule, rule.bounds[1]))


def _start_weights(rule: Rule) -> tuple[float, float, float]:
    """Lowest, middle and highest weight to start from."""
    low, high = _bounds_of(rule)
    low = low if math.isfinite(low) else min(0.0, high - 1.0)
    high = high if math.isfinite(high) else max(1.0, low + 1.0)
    return low, 0.5 * (low + high), high


class _Watched(Twin):
    """A twin that looks at every weight and state right after a rule has touched it."""

    def _visit(self, path: _Path, hook: str, k: int, *more: float) -> None:
        super()._visit(path, hook, k, *more)
        if path.rule is None:
            return
        low, high = _bounds_of(path.rule)
        name, syn = type(path.rule).__name__, path.syn[k]
        for variable, value in syn.values().items():
            _require(
                math.isfinite(value),
                f"{name}.{hook} made syn.{variable} {value} at t = {self.t:.6g} s. Guard the division or logarithm.",
            )
        # A rounding of one part in 2**40 at a soft bound is no escape.
        slack = 1e-12 * max(abs(low) if math.isfinite(low) else 0.0, abs(high) if math.isfinite(high) else 0.0)
        _require(
            low - slack <= syn.w <= high + slack,
            f"{name}.{hook} took a weight to {syn.w:.9g}, out of [{low:g}, {high:g}], at t = {self.t:.6g} s. "
            f"Write syn.w = min(self.{path.rule.bounds[1] if path.rule.bounds else 'w_max'}, max(...)).",
        )


def check_rule(
    rule: Any,
    *,
    window: Callable[[float], float] | None = None,
    window_weight: float | None = None,
    compiled: bool = True,
    seed: int = 1,
    **values: Any,
) -> Report:
    """Certify a plasticity rule: state, bounds, ties, bursts, delays, and that compiled and plain runs agree.

    Every hook of the rule is tried, `on_teach` by spikes that teach and `gain` by a layer below.

    Parameters
    ----------
    rule : Rule or subclass of it
    window : callable, optional
        The published change of weight by one pair as a function of t_post - t_arrival (s); checked at +-1, 5, 10, 20
        and 40 ms, to 1e-9 of its largest value.
    window_weight : float, optional
        Weight before the pair; default the middle of the bounds.
    compiled : bool
        False leaves the compiled engine out, for a debugger.
    seed : int
        Of the networks' random trains; every message about one names it.
    **values
        Parameters of the rule.

    Returns
    -------
    Report
        Prints as a table; `checks` holds (check, passed, detail).

    Raises
    ------
    CheckFailed
        If a check did not pass, with the whole table and what to do.
    """
    subject: Rule = _instance(rule, Rule, values)
    report = Report(repr(subject))
    report.run("declaration", _check_rule_declaration, subject)
    report.run("repr", _round_trip, subject)
    if not report.passed:
        return report.conclude()
    report.run("declared state only", _check_rule_records, resolve_rule(subject, Follower()))
    if not report.passed:
        return report.conclude()
    report.run("bounds", _check_rule_bounds, subject, seed)
    if window is not None:
        weight = _start_weights(subject)[1] if window_weight is None else window_weight
        report.run("window", _check_rule_window, subject, window, weight)
    for name, make, duration in _rule_networks(subject, seed):
        for ties in ("pre_first", "post_first"):
            report.run(f"{name}, {ties}", _check_rule_run, make, duration, ties, compiled)
    report.run("presentations", _check_rule_presentations, subject, compiled, seed)
    return report.conclude()


def _check_rule_declaration(rule: Rule) -> str:
    name = type(rule).__name__
    hooks = [hook for hook in rule.hooks if rule.overrides(hook)]
    _require(bool(hooks), f"{name} has none of {', '.join(rule.hooks)}, so it never does anything. Write one of them.")
    for hook in hooks:
        _arguments(rule, hook, ("self", *rule.hooks[hook]))
    if rule.bounds is not None:
        for bound in rule.bounds:
            _require(
                bound in rule.params_declared,
                f"{name}.bounds names {bound!r}, which is not a parameter. Add {bound}: float = param(...).",
            )
        low, high = _bounds_of(rule)
        _require(low < high, f"{name}.bounds are {low:g} and {high:g}; the first must be the lower.")
    for read in rule.reads:
        _require(read == "post.v", f"{name}.reads names {read!r}; what a rule can read beyond its state is 'post.v'.")
    return "hooks " + ", ".join(hooks)


def _check_rule_records(rule: Rule) -> str:
    """Every hook runs on plain records, uses declared names only, gives the same twice and leaves numbers finite."""
    owner = type(rule).__name__
    fields = {kind: set(rule.states(kind)) for kind in ("syn", "pre", "post")}
    fields["syn"].add("w")
    calls = 0
    for hook, arguments in rule.hooks.items():
        if not rule.overrides(hook):
            continue
        shown = {"v"} if hook in rule.sees_v and "post.v" in rule.reads else set()
        readable = fields | {"post": fields["post"] | shown}
        _read_source(rule, hook, {i: (a, readable[a]) for i, a in enumerate(arguments, 1) if a in fields})
        for w in _start_weights(rule):
            for level in (0.0, 0.3, 2.0):
                for signal in (-1.0, 0.0, 1.0):
                    results = []
                    for _ in range(2):
                        known: dict[str, Any] = {"signal": signal, "w": signal, "t": 0.1}
                        for kind, names in fields.items():
                            known[kind] = Record(owner, kind, dict.fromkeys(names, level))
                        known["syn"].w = w
                        for name in shown:
                            known["post"].show(name, level)
                        given = getattr(rule, hook)(*(known[argument] for argument in arguments))
                        returned = {"what it returns": math.nan if given is None else given} if hook == "gain" else {}
                        results.append([*(known[kind].values() for kind in fields), returned])
                        calls += 1
                    _require(
                        results[0] == results[1],
                        f"{owner}.{hook} gave two results for the same records; let it depend on its arguments only.",
                    )
                    if hook == "on_post":
                        # The engine applies on_post to a synapse only when the synapse is next looked at.
                        _require(
                            all(set(found.values()) <= {level} for found in results[0][1:]),
                            f"{owner}.{hook} writes to pre or post, which other synapses share. "
                            f"Do it in pre_spike or post_spike.",
                        )
                    for record in results[0]:
                        for variable, value in record.items():
                            _require(
                                math.isfinite(value),
                                f"{owner}.{hook} made {variable} {value} from w = {w:g} and states of {level:g}. "
                                f"Guard the division or logarithm.",
                            )
    return f"{calls} calls"


def _check_rule_bounds(rule: Rule, seed: int) -> str:
    events = 0
    for n, weight in enumerate(_start_weights(rule)):
        net = network_with(
            rule, pre=Train(rate=40 * Hz, start=0.0), n_pre=6, teacher=Train(rate=40 * Hz, start=0.0), n_post=3,
            weight=weight, seed=seed + n,
        )  # fmt: skip
        twin = _Watched(net)
        draws = np.random.default_rng(seed + n)
        for _ in range(20):
            twin.run(250 * ms)
            if rule.needs_signal:
                twin.signal("post", draws.normal(size=3))
            twin.end()
        counts = twin.result().counts
        events += counts["on_pre"]["plastic"] + counts["on_post"]["plastic"] + counts["deliveries"]["plastic"]
    low, high = _bounds_of(rule)
    return f"[{low:g}, {high:g}] kept over {events} events" if rule.bounds else f"finite over {events} events"


def _check_rule_window(rule: Rule, window: Callable[[float], float], weight: float) -> str:
    lags = [sign * lag * ms for lag in (1, 5, 10, 20, 40) for sign in (-1, 1)]
    expected = [window(lag) for lag in lags]
    largest = max(abs(change) for change in expected)
    for lag, change in zip(lags, expected, strict=True):
        net = network_with(
            rule, pre=Train(start=100 * ms), teacher=Train(start=100 * ms + lag), weight=weight, delay=0.0
        )
        found = float(simulate(net, 0.2).weights["plastic"][0]) - weight
        _require(
            abs(found - change) <= 1e-9 * largest,
            f"A pair with t_post - t_arrival = {lag / ms:g} ms changes the weight by {found:.9g}; the window says "
            f"{change:.9g}. Check amplitudes, time constants and which trace each hook reads.",
        )
    return f"{len(lags)} lags"


def _rule_networks(rule: Rule, seed: int) -> list[tuple[str, Callable[[], Any], float]]:
    """Little networks that between them hold every situation a rule can meet: (name, maker, duration)."""
    low, middle, high = _start_weights(rule)

    def net(pre: Train, n_pre: int, teacher: Train, n_post: int, cell: Model | None = None, **more: Any) -> Any:
        return network_with(
            rule, model=cell, pre=pre, n_pre=n_pre, teacher=teacher, n_post=n_post, weight=middle, readout=2, seed=seed,
            **more,
        )  # fmt: skip

    def simultaneous() -> Any:
        # An arrival (5 ms + 1 ms after its spike) and the teacher's spike are the same double.
        pre = _trains(2, start=5 * ms, interval=10 * ms, count=8)
        return net(pre, 2, _trains(2, start=5 * ms + 1 * ms, interval=5 * ms, count=16), 2)

    def bursts() -> Any:
        pre = _trains(3, start=np.array([2.0, 30.0, 60.0]) * ms, interval=1 * ms, count=12)
        return net(pre, 3, _trains(2, start=np.array([35.0, 5.0]) * ms, interval=1.7 * ms, count=9), 2)

    def delays() -> Any:
        several = np.array([0.5, 1.0, 1.0, 2.0, 3.0, 0.5, 0.0, 1.5, 2.0, 2.0, 2.0, 7.0]) * ms
        return net(_trains(3, rate=60 * Hz), 3, _trains(4, rate=60 * Hz), 4, delay=several)

    def poisson() -> Any:
        cell = Follower(coupling=0.3 / max(abs(low), abs(high)), t_ref=2 * ms)
        return net(_trains(8, rate=40 * Hz), 8, _trains(4, rate=20 * Hz), 4, cell)

    def teaching() -> Any:
        made = net(_trains(3, rate=60 * Hz), 3, _trains(2, rate=40 * Hz), 2)
        errors = made.population("errors", _trains(2, rate=80 * Hz), 2)
        fixed, learner = np.array([[0.3, -0.2], [-0.1, 0.2]]), made.projections["plastic"]
        made.connect(errors, made.populations["post"], weight=fixed, delay=2 * ms, teaches=learner, name="errors")
        return made

    found = [
        ("simultaneous spikes", simultaneous, 0.2),
        ("bursts", bursts, 0.15),
        ("several delays", delays, 0.5),
        ("Poisson trains", poisson, 1.0),
    ]
    return [*found, ("teaching", teaching, 0.5)] if rule.overrides("on_teach") else found


def _check_rule_run(make: Callable[[], Any], duration: float, ties: str, compiled: bool) -> str:
    """Weights of the compiled engine are the twin's."""
    twin = Twin(make(), ties)
    twin.run(duration)
    ours = twin.result()
    calls = ours.counts["on_pre"]["plastic"] + ours.counts["on_post"]["plastic"]
    if not compiled:
        return f"{calls} calls, plain only"
    sim = _compiled(make(), ties)
    sim.run(duration)
    worst = _same(ours.weights["plastic"], sim.weights("plastic"), f"weights after {duration:g} s")
    return f"{calls} calls, largest relative difference {worst:.1g}"


def _check_rule_presentations(rule: Rule, compiled: bool, seed: int) -> str:
    """Samples in a row, with a reset before each and a learning signal after it, leave the twin's weights."""
    low, middle, high = _start_weights(rule)

    def make() -> Any:
        cell = Follower(coupling=0.3 / max(abs(low), abs(high)), t_ref=1 * ms)
        net = network_with(
            rule, model=cell, pre=_trains(6, latency=20 * ms), n_pre=6, teacher=_trains(4, rate=60 * Hz), n_post=4,
            weight=middle, readout=2, seed=seed,
        )  # fmt: skip
        if rule.overrides("gain") and rule.needs_signal:
            # A layer whose signal goes through the gain of the one above.
            below = net.population("below", cell, 3)
            net.connect(net.populations["pre"], below, weight=middle, delay=1 * ms, rule=rule, name="plastic below")
            net.credit(Broadcast(), error=net.populations["post"], to=below)
        return net

    samples = np.random.default_rng(seed).uniform(-0.3, 1.0, (8, 6)).clip(0.0)
    labels = [0, 1, 1, 0, 1, 0, 0, 1]
    twin = Twin(make())
    outputs = twin.present(samples, labels, into="pre", readout="readout", duration=30 * ms)
    plastic = [name for name in twin.network.projections if name.startswith("plastic")]
    ours = np.concatenate([twin.weights(name) for name in plastic])
    moved = int(np.count_nonzero(ours != middle))
    if not compiled:
        return f"{len(labels)} samples, {moved} of {ours.size} weights moved, plain only"
    net = make()
    sim = _compiled(net)
    shown = sim.present(
        samples, labels, into=net.populations["pre"], readout=net.populations["readout"], duration=30 * ms
    )
    _same(outputs, shown.outputs, "readouts")
    theirs = np.concatenate([sim.weights(name) for name in plastic])
    worst = _same(ours, theirs, f"weights after {len(labels)} presentations")
    return f"{len(labels)} samples, {moved} of {ours.size} weights moved, largest relative difference {worst:.1g}"
