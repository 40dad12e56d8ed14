"""The certificate of a neuron model."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..plugin import Model
from ..units import ms
from .checks import CheckFailed, Report, _arguments, _compiled, _instance, _read_source, _require, _round_trip
from .parts import Train
from .record import Record
from .twin import simulate

_MODEL_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "advance": ("self", "cell", "dt"),
    "receive": ("self", "cell", "port", "w"),
    "time_to_threshold": ("self", "cell"),
    "fire": ("self", "cell"),
    "hold": ("self", "cell", "dt"),
    "receive_held": ("self", "cell", "port", "w"),
}


class _Bench:
    """A model on the bench: fresh cells, its time scale, and how strong an arrival has to be to matter."""

    def __init__(self, model: Model, weight: float | None, seed: int) -> None:
        self.model: Any = model.of_neuron(0)
        self.name = type(model).__name__
        self.rng = np.random.default_rng(seed)
        times = [
            getattr(self.model, name)
            for name, declared in model.params_declared.items()
            if declared.unit == "s" and name != model.refractory
        ]
        self.span = max((t for t in times if 0 < t < 10.0), default=10 * ms)
        self.port = 0
        self.weight = self._find_weight() if weight is None else weight
        self.signs = [self._sign(port) for port in range(len(model.ports))]

    def cell(self) -> Record:
        """A cell as it starts; as after a spike where the default start is above threshold."""
        declared = self.model.states_declared
        cell = Record(self.name, "cell", {variable: d.init for variable, d in declared.items()})
        if self.time(cell) == 0.0:
            self.model.fire(cell)
        return cell

    def v(self, cell: Record) -> float:
        return float(getattr(cell, self.model.potential))

    @property
    def v_thresh(self) -> float | None:
        value = self.model.params().get("v_thresh")
        return None if value is None else float(value)

    def _find_weight(self) -> float:
        """The arrival (within a factor of two) that just brings a cell to threshold."""
        params = self.model.params()
        if self.model.threshold and self.model.time_to_threshold(self.cell()) == math.inf:
            for port in range(len(self.model.ports)):
                for k in range(-50, 50):
                    cell = self.cell()
                    self.model.receive(cell, port, 2.0**k)
                    if self.model.time_to_threshold(cell) < math.inf:
                        self.port = port
                        return 2.0**k
        if "v_thresh" in params and "v_reset" in params:
            return abs(float(params["v_thresh"]) - float(params["v_reset"])) or 1.0
        return 1.0

    def _sign(self, port: int) -> float:
        """An inhibitory port that adds what it is given gets negative weights."""
        if not self.model.ports[port].startswith("inh"):
            return 1.0
        rest, struck = self.cell(), self.cell()
        self.model.receive(struck, port, self.weight)
        for cell in (rest, struck):
            self.model.advance(cell, 0.1 * self.span)
        return -1.0 if self.v(struck) > self.v(rest) else 1.0

    def stir(self, cell: Record, arrivals: int) -> Record:
        """Bring a cell into some state that it can really have, short of firing."""
        for _ in range(arrivals):
            before = cell.copy()
            port = int(self.rng.integers(len(self.signs)))
            self.model.receive(cell, port, self.signs[port] * self.weight * float(self.rng.uniform(0.05, 0.6)))
            wait = self.time(cell)
            if wait == 0.0:
                cell = before
                wait = self.time(cell)
            step = float(self.rng.exponential(0.3 * self.span))
            self.model.advance(cell, min(step, 0.5 * wait))
        return cell

    def time(self, cell: Record) -> float:
        return float(self.model.time_to_threshold(cell)) if self.model.threshold else math.inf

    def size(self, cell: Record) -> dict[str, float]:
        return {variable: max(abs(value), 1e-3 * self.weight) for variable, value in cell.values().items()}


def check_model(
    model: Any, *, weight: float | None = None, compiled: bool = True, seed: int = 1, **values: Any
) -> Report:
    """Certify a neuron model: its closed forms agree with one another, with its modes and with the compiled engine.

    Parameters
    ----------
    model : Model or subclass of it
    weight : float, optional
        An arrival that is about enough to make the cell fire; found by trial if not given.
    compiled : bool
        False leaves the compiled engine out, for a debugger.
    seed : int
        Of the random states and trains.
    **values
        Parameters of the model.

    Returns
    -------
    Report

    Raises
    ------
    CheckFailed
        If a check did not pass, with the whole table and what to do.
    """
    subject: Model = _instance(model, Model, values)
    report = Report(repr(subject))
    report.run("declaration", _check_model_declaration, subject)
    report.run("repr", _round_trip, subject)
    if not report.passed:
        return report.conclude()

    def on_bench(check: Callable[..., str], *arguments: Any) -> str:
        return check(_Bench(subject, weight, seed), *arguments)

    report.run("advance composes", on_bench, _check_composes, "advance")
    report.run("hold composes", on_bench, _check_composes, "hold")
    if subject.threshold:
        report.run("time to threshold", on_bench, _check_time_to_threshold)
        report.run("fire", on_bench, _check_fire)
    report.run("held arrivals", on_bench, _check_held)
    if subject.modes() is not None:
        report.run("modes", on_bench, _check_modes)
    if not report.passed:
        return report.conclude()
    report.run("driven network", on_bench, _check_model_run, subject, compiled, seed)
    return report.conclude()


def _check_model_declaration(model: Model) -> str:
    name = type(model).__name__
    _require(bool(model.ports), f"{name}.ports is empty; name at least one place where arrivals land.")
    _require(
        model.potential in model.states_declared,
        f'{name}.potential is {model.potential!r}, which is not a state. Add {model.potential} = state("cell").',
    )
    if model.refractory is not None:
        _require(
            model.refractory in model.params_declared,
            f"{name}.refractory is {model.refractory!r}, which is not a parameter. "
            f'Add {model.refractory}: float = param(0.0, unit="s", min=0).',
        )
    for method, arguments in _MODEL_ARGUMENTS.items():
        if not model.threshold and method in ("time_to_threshold", "fire"):
            continue
        _require(hasattr(model, method), f"{name} has no {method}({', '.join(arguments)}). Write it.")
        _arguments(model, method, arguments)
        _read_source(model, method, {1: ("cell", set(model.states_declared))})
    return f"ports {', '.join(model.ports)}; states {', '.join(model.states_declared)}"


def _check_composes(bench: _Bench, method: str) -> str:
    """Two steps are one long step: advance(a) then advance(b) is advance(a + b)."""
    worst = 0.0
    move = getattr(bench.model, method)
    for _ in range(60):
        cell = bench.stir(bench.cell(), 4)
        a, b = (float(bench.rng.uniform(0, bench.span)) for _ in range(2))
        once, twice = cell.copy(), cell.copy()
        move(once, a + b)
        move(twice, a)
        move(twice, b)
        still = cell.copy()
        move(still, 0.0)
        for variable, size in bench.size(cell).items():
            size = max(size, abs(getattr(once, variable)))
            error = abs(getattr(once, variable) - getattr(twice, variable)) / size
            _require(
                error <= 1e-12,
                f"{bench.name}.{method}({a!r}) then {method}({b!r}) leaves {variable} = {getattr(twice, variable)!r}, "
                f"one step of the sum {getattr(once, variable)!r}, from {cell!r}. Write the exact solution.",
            )
            _require(
                abs(getattr(still, variable) - getattr(cell, variable)) <= 1e-12 * size,
                f"{bench.name}.{method}(0) changes {variable} of {cell!r}. A step of no time changes nothing.",
            )
            worst = max(worst, error)
    return f"60 states, largest relative error {worst:.1g}"


def _check_time_to_threshold(bench: _Bench) -> str:
    """The announced time is the first crossing: at threshold then, below it at every moment before."""
    finite = 0
    for n in range(80):
        cell = bench.stir(bench.cell(), n % 6)
        if n % 2:
            bench.model.receive(cell, bench.port, bench.weight * float(bench.rng.uniform(0.3, 2.0)))
        wait = bench.time(cell)
        _require(wait >= 0.0, f"{bench.name}.time_to_threshold gave {wait} for {cell!r}; return 0 or more, or inf.")
        finite += wait < math.inf
        if wait == 0.0:
            continue
        horizon = wait if wait < math.inf else 20 * bench.span
        for share in np.linspace(0.0, 1.0, 201)[:-1]:
            later = cell.copy()
            bench.model.advance(later, float(share) * horizon)
            # Near the crossing the potential is within rounding of the threshold, and either side is right.
            if bench.v_thresh is not None and share < 0.999:
                _require(
                    bench.v(later) < bench.v_thresh,
                    f"{bench.name} is at {bench.v(later)!r}, above its threshold, {share * horizon:.9g} s after "
                    f"{cell!r}, but time_to_threshold said {wait!r}. Return the first crossing.",
                )
            left = bench.time(later)
            expected = wait - float(share) * horizon if wait < math.inf else math.inf
            _require(
                left == expected or abs(left - expected) <= 1e-7 * (bench.span + wait),
                f"{bench.name}.time_to_threshold said {wait!r} s for {cell!r}, and {share * horizon:.9g} s later "
                f"{left!r} s; expected {expected!r}. Return the first crossing of the advanced state.",
            )
        if wait == math.inf:
            continue
        there = cell.copy()
        bench.model.advance(there, wait)
        if bench.v_thresh is not None:
            size = max(abs(bench.v_thresh), abs(bench.v(cell)), bench.weight)
            _require(
                abs(bench.v(there) - bench.v_thresh) <= 1e-9 * size,
                f"{bench.name} is at {bench.v(there)!r} after the {wait!r} s that time_to_threshold gave for {cell!r}; "
                f"the threshold is {bench.v_thresh!r}.",
            )
        else:
            _require(
                bench.time(there) <= 1e-7 * (bench.span + wait),
                f"{bench.name} still needs {bench.time(there)!r} s after the {wait!r} s that it announced.",
            )
    _require(
        finite > 0,
        f"No trial state of {bench.name} reaches its threshold. Give weight= an arrival that is enough to fire.",
    )
    return f"{finite} crossings, 80 states"


def _about_to_fire(bench: _Bench, n: int) -> Record:
    """A cell at its threshold, reached in the way in which this model reaches it."""
    cell = bench.stir(bench.cell(), n % 5)
    for _ in range(200):
        wait = bench.time(cell)
        if wait < math.inf:
            bench.model.advance(cell, wait)
            return cell
        bench.model.receive(cell, bench.port, 0.7 * bench.weight)
    raise CheckFailed(
        f"{bench.name} does not fire after 200 arrivals of {0.7 * bench.weight:g}. Give weight= a larger."
    )


def _check_fire(bench: _Bench) -> str:
    soft = bool(bench.model.params().get("soft_reset", False))
    for n in range(20):
        cell = _about_to_fire(bench, n)
        before = cell.copy()
        bench.model.fire(cell)
        if soft:
            _require(bench.v(cell) < bench.v(before), f"{bench.name}.fire does not lower the potential of {before!r}.")
            continue
        _require(
            bench.time(cell) > 0.0,
            f"{bench.name}.fire leaves the cell at threshold ({cell!r}), so it would fire without end. Reset it below, "
            f"or declare soft_reset: bool = param(True) where what is left over may make it fire again.",
        )
    return "soft reset" if soft else "below threshold after each of 20 spikes"


def _check_held(bench: _Bench) -> str:
    """A refractory cell takes arrivals without an error and stays finite, also when it is released above threshold."""
    model, taken = bench.model, False
    for n in range(20):
        cell = _about_to_fire(bench, n) if model.threshold else bench.stir(bench.cell(), n % 5)
        if model.threshold:
            model.fire(cell)
        before = cell.copy()
        v = bench.v(cell)
        for port in range(len(model.ports)):
            model.receive_held(cell, port, bench.signs[port] * bench.weight)
        taken = taken or cell.values() != before.values()
        model.hold(cell, 0.3 * bench.span)
        _require(
            all(math.isfinite(value) for value in cell.values().values()),
            f"{bench.name}.hold or receive_held left {cell!r}; keep it finite.",
        )
        if model.modes() is not None:
            _require(
                bench.v(cell) == v,
                f"{bench.name}.hold moves {model.potential} from {v!r} to {bench.v(cell)!r}; "
                f"a model with modes() holds it.",
            )
    return "integrated" if taken else "lost"


def _check_modes(bench: _Bench) -> str:
    """v = v_inf + sum of modes follows the cell through arrivals, spikes and refractoriness."""
    model, modes = bench.model, bench.model.modes()
    taus, gains = np.asarray(modes.taus, dtype=float), np.asarray(modes.gains, dtype=float)
    v_inf, v_thresh, v_reset = (float(np.asarray(x)) for x in (modes.v_inf, modes.v_thresh, modes.v_reset))
    shape = (len(model.ports), taus.size)
    _require(gains.shape == shape, f"{bench.name}.modes().gains has shape {gains.shape}; expected {shape}.")
    t_ref = float(getattr(model, model.refractory)) if model.refractory else 0.0
    _require(
        float(np.asarray(modes.t_ref)) == t_ref,
        f"{bench.name}.modes().t_ref is {modes.t_ref}; the parameter {model.refractory} is {t_ref}.",
    )
    worst, spikes = 0.0, 0

    def agree(cell: Record, x: np.ndarray, after: str) -> None:
        nonlocal worst
        v = v_inf + float(x.sum())
        size = max(abs(v_inf), float(np.abs(x).max()), bench.weight)
        error = abs(v - bench.v(cell)) / size
        worst = max(worst, error)
        _require(
            error <= 1e-10,
            f"{bench.name}.modes() give v = {v!r} after {after}, the methods {bench.v(cell)!r}. "
            f"Check taus, gains and v_inf against advance, receive and fire.",
        )

    for _ in range(20):
        cell, x = bench.cell(), np.zeros(taus.size)
        x[0] = bench.v(cell) - v_inf
        for _ in range(12):
            port = int(bench.rng.integers(len(model.ports)))
            w = bench.signs[port] * bench.weight * float(bench.rng.uniform(0.05, 0.8))
            model.receive(cell, port, w)
            x = x + w * gains[port]
            agree(cell, x, "an arrival")
            wait = bench.time(cell)
            step = min(wait, float(bench.rng.exponential(0.3 * bench.span)))
            model.advance(cell, step)
            x = x * np.exp(-step / taus)
            agree(cell, x, f"{step:g} s")
            if wait > step:
                continue
            spikes += 1
            model.fire(cell)
            if modes.soft_reset:
                x[0] -= v_thresh - v_reset
            else:
                x[0] = v_reset - v_inf - x[1:].sum()
            agree(cell, x, "a spike")
            v = bench.v(cell)
            rest = float(bench.rng.uniform(0, 0.2 * bench.span))
            model.receive_held(cell, port, w)
            model.hold(cell, rest)
            x[1:] = (x[1:] + w * gains[port, 1:]) * np.exp(-rest / taus[1:])
            x[0] = v - v_inf - x[1:].sum()
            if bench.time(cell) > 0.0:
                model.advance(cell, 1e-2 * bench.span)
                x = x * np.exp(-1e-2 * bench.span / taus)
            agree(cell, x, "a refractory period")
    return f"{spikes} spikes, largest relative error {worst:.1g}"


def _check_model_run(bench: _Bench, model: Model, compiled: bool, seed: int) -> str:
    """Spikes of the compiled engine are the twin's, to 1e-12 s."""
    from ..connect import all_to_all
    from ..network import Network

    duration, n = 20 * bench.span, 4
    for value in model.per_neuron().values():
        n = value.shape[-1]

    def make(strength: float) -> Any:
        net = Network(seed=seed)
        cells = net.population("cells", model, n)
        for port, sign in zip(model.ports, bench.signs, strict=True):
            source = net.population(f"to {port}", Train(rate=2.0 / bench.span, start=0.0), 5)
            weight = sign * bench.weight * strength * (0.3 if sign < 0 else 1.0)
            net.connect(source, cells, all_to_all(), weight=weight, delay=0.7 * ms, port=port, name=f"drive {port}")
        net.connect(
            cells, cells, all_to_all(self_connections=False),
            weight=0.05 * bench.weight, delay=1.3 * ms, port=model.ports[0], name="recurrent",
        )  # fmt: skip
        return net

    strength = 0.3
    ours = simulate(make(strength), duration)
    while model.threshold and ours.counts["spikes"]["cells"] < 5 and strength < 100.0:
        strength *= 2.0
        ours = simulate(make(strength), duration)
    spikes = ours.counts["spikes"]["cells"]
    _require(
        spikes > 0 or not model.threshold,
        f"{bench.name} stays silent under arrivals of {strength * bench.weight:g}. Give weight= a larger.",
    )
    if not compiled:
        return f"{spikes} spikes, plain only"
    theirs = _compiled(make(strength)).run(duration).spikes["cells"]
    worst = 0.0
    for i in range(n):
        a, b = ours.times("cells", i), np.asarray(theirs.times)[np.asarray(theirs.ids) == i]
        _require(
            a.size == b.size,
            f"{bench.name}: neuron {i} fires {a.size} times in the twin and {b.size} times compiled.",
        )
        if a.size:
            worst = max(worst, float(np.max(np.abs(a - b))))
    _require(
        worst <= 1e-12,
        f"{bench.name}: compiled and plain spike times differ by {worst:.2g} s. Use only math functions and float "
        f"arithmetic in the methods.",
    )
    return f"{spikes} spikes, largest difference {worst:.1g} s"
