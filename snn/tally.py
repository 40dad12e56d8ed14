"""Counting what one call of a rule's hook does, by running it on numbers that keep count.

A hook runs in passes: on_pre, on_signal and on_end along the synapses of one source neuron (a row), on_post along
those of one target (a column). What belongs to the neuron that all of them share is fetched and computed once per pass;
what belongs to a synapse or to the neuron at its other end, once per synapse:

- a division by parameters alone is a multiplication by their reciprocal, known beforehand;
- functions of `math` and NumPy that are no operators, and other divisions, are an "exp"; comparisons, also those that a
  function makes, and rounding to a whole number an "add"; `max` and `min` compare once;
- a state that decays is kept as a scaled trace: one exponential per pass for its factor, and one multiplication for
  each value read or written; the potential likewise, by the factor that its delivery has computed already;
- a field is fetched once and stored once in a call;
- where a branch depends on state, all ways through the hook are tried, and the largest count of each operation is
  taken: an upper bound, and :attr:`Tally.at_most` says of what; comparisons after the tenth of a call fall as for one
  half.
"""

from __future__ import annotations

import builtins
import math
import operator
import types
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .engine.digest import is_function, plain, reached
from .plugin import Credit, Plugin, Rule

_SHARED, _EACH = 0, 1
_BRANCHES = 10  # comparisons of a call of which both outcomes are tried
_LIBRARIES = ("math", "numpy", "scipy")
_COUNTED = ("add", "mul", "exp", "syn", "far", "near", "w_read", "w_write")


@dataclass
class Tally:
    """What a hook does.

    Attributes
    ----------
    shared, each : dict of str to int
        Once per pass and once per synapse (of pre_spike and post_spike: all of it once per spike, under `each`).
        ``add``, ``mul``, ``exp``; words accessed: ``syn`` the rule's own synapse states, ``w_read`` and ``w_write`` the
        weight, ``near`` state of the neuron that the pass starts from, ``far`` state of those it leads to.
    at_most : set of str
        Those whose counts depend on how branches fall, and are upper bounds.
    """

    shared: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    each: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    at_most: set[str] = field(default_factory=set)
    _fall: list[bool] = field(default_factory=list)  # outcomes of comparisons, those that are tried first
    _compared: int = 0

    def count(self, level: int, what: str) -> None:
        """Count one operation or word."""
        (self.each if level == _EACH else self.shared)[what] += 1

    def branch(self, outcome: bool) -> bool:
        """How a comparison falls: as is to be tried, else as it does for the numbers at hand."""
        if self._compared == len(self._fall):
            self._fall.append(outcome)
        self._compared += 1
        return self._fall[self._compared - 1]


def _dearest(run: Callable[[Tally], None]) -> Tally:
    """Largest counts of all ways in which the branches of what runs can fall."""
    ways: list[Tally] = []
    untried: list[list[bool]] = [[]]
    while untried:
        first = untried.pop()
        way = Tally(_fall=list(first))
        run(way)
        untried += [[*way._fall[:k], not way._fall[k]] for k in range(len(first), min(way._compared, _BRANCHES))]
        ways.append(way)
    most = Tally()
    for level in ("shared", "each"):
        for what in _COUNTED:
            counts = {getattr(way, level)[what] for way in ways}
            getattr(most, level)[what] = max(counts)
            if len(counts) > 1:
                most.at_most.add(what)
    return most


def _plain(x: Any) -> float:
    # Not float(x): a _Number is one already, and arithmetic on it would count.
    return float.__float__(x) if isinstance(x, float) else float(x)


class _Number(float):
    """A float that counts the operations it takes part in, once per pass or once per synapse."""

    level: int
    tally: Tally

    def __new__(cls, value: float, level: int, tally: Tally) -> _Number:
        self = super().__new__(cls, value)
        self.level, self.tally = level, tally
        return self

    def _count(self, op: str, value: float, other: Any = 0.0) -> _Number:
        level = max(self.level, getattr(other, "level", _SHARED))
        self.tally.count(level, op)
        return _Number(value, level, self.tally)

    def __add__(self, o: Any) -> _Number:
        return self._count("add", _plain(self) + _plain(o), o)

    def __sub__(self, o: Any) -> _Number:
        return self._count("add", _plain(self) - _plain(o), o)

    def __rsub__(self, o: Any) -> _Number:
        return self._count("add", _plain(o) - _plain(self), o)

    def __mul__(self, o: Any) -> _Number:
        return self._count("mul", _plain(self) * _plain(o), o)

    def __truediv__(self, o: Any) -> _Number:
        known = not isinstance(o, _Number)
        return self._count("mul" if known else "exp", _plain(self) / (_plain(o) or 1.0), o)

    def __rtruediv__(self, o: Any) -> _Number:
        return self._count("exp", _plain(o) / (_plain(self) or 1.0), o)

    def __pow__(self, o: Any, mod: None = None) -> Any:
        return self._count("exp", _tried(math.pow, self, o), o)

    def __rpow__(self, o: Any, mod: None = None) -> Any:
        return self._count("exp", _tried(math.pow, o, self), o)

    def __floordiv__(self, o: Any) -> _Number:
        return self._count("exp", _plain(self) // (_plain(o) or 1.0), o)

    def __mod__(self, o: Any) -> _Number:
        return self._count("exp", _plain(self) % (_plain(o) or 1.0), o)

    def __rfloordiv__(self, o: Any) -> _Number:
        return self._count("exp", _plain(o) // (_plain(self) or 1.0), o)

    def __rmod__(self, o: Any) -> _Number:
        return self._count("exp", _plain(o) % (_plain(self) or 1.0), o)

    def __pos__(self) -> _Number:
        return self

    def __neg__(self) -> _Number:
        return _Number(-_plain(self), self.level, self.tally)

    def __abs__(self) -> _Number:
        return _Number(abs(_plain(self)), self.level, self.tally)

    def _compare(self, outcome: bool, o: Any = 0.0) -> bool:
        self._count("add", 0.0, o)
        return self.tally.branch(outcome)

    def __bool__(self) -> bool:
        return self._compare(_plain(self) != 0.0)

    def __lt__(self, o: Any) -> bool:
        return self._compare(_plain(self) < _plain(o), o)

    def __gt__(self, o: Any) -> bool:
        return self._compare(_plain(self) > _plain(o), o)

    def __le__(self, o: Any) -> bool:
        return not self > o

    def __ge__(self, o: Any) -> bool:
        return not self < o

    def __eq__(self, o: object) -> bool:
        return self._compare(_plain(self) == (_plain(o) if isinstance(o, float) else o), o)

    def __ne__(self, o: object) -> bool:
        return not self == o

    __radd__, __rmul__ = __add__, __mul__
    __hash__ = float.__hash__


class _Record:
    """A record that counts reads and writes of its fields; within one call a field is fetched once."""

    _values: dict[str, float]
    _how: tuple[int, str, Tally, frozenset[str]]
    _seen: tuple[set[str], set[str]]

    def __init__(self, values: dict[str, float], level: int, kind: str, tally: Tally, scaled: frozenset[str]) -> None:
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_how", (level, kind, tally, scaled))
        object.__setattr__(self, "_seen", (set(), set()))

    def _access(self, name: str, write: bool) -> None:
        level, kind, tally, scaled = self._how
        tally.count(level, ("w_write" if write else "w_read") if name == "w" else kind)
        if name in scaled:
            tally.count(level, "mul")

    def __getattr__(self, name: str) -> Any:
        read, written = self._seen
        if name not in read and name not in written:
            self._access(name, False)
        read.add(name)
        return _Number(self._values[name], self._how[0], self._how[2])

    def __setattr__(self, name: str, value: float) -> None:
        if name not in self._seen[1]:
            self._access(name, True)
        self._seen[1].add(name)
        self._values[name] = _plain(value)


def _tried(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function makes of numbers; one half where they are beyond its domain, as any other number would do."""
    try:
        return function(*(_plain(x) for x in arguments))
    except (ValueError, ArithmeticError):
        return 0.5


def _counting(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a library that counts itself where it is given a number that keeps count."""

    def call(*arguments: Any) -> Any:
        counted = [x for x in arguments if isinstance(x, _Number)]
        if not counted:
            return function(*arguments)
        value, most = _tried(function, *arguments), max(counted, key=lambda x: x.level)
        if isinstance(value, (bool, np.bool_)):
            return most._compare(bool(value))
        if isinstance(value, (int, np.integer)):
            most._count("add", 0.0)
            return value
        return most._count("exp", value)

    return call


def _same(x: Any = 0.0) -> Any:
    """A float made of a number: one that keeps count goes on with it."""
    return x if isinstance(x, float) else float(x)


# What libraries write as a function and Python as an operator. The sign of a number costs nothing, as in abs().
_OPERATORS: dict[Any, Callable[..., Any]] = {
    math.fabs: abs,
    np.absolute: abs,
    np.fabs: abs,
    np.negative: operator.neg,
    np.positive: operator.pos,
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.square: lambda x: x * x,
    np.divide: operator.truediv,
    np.reciprocal: lambda x: 1.0 / x,
    np.floor_divide: operator.floordiv,
    np.remainder: operator.mod,
    np.maximum: max,
    np.minimum: min,
    np.fmax: max,
    np.fmin: min,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.equal: operator.eq,
    np.not_equal: operator.ne,
    float: _same,
    np.float64: _same,
    np.float32: _same,
}


class _Module:
    """A module whose functions count."""

    def __init__(self, module: types.ModuleType, known: dict[int, types.FunctionType]) -> None:
        self._module, self._known = module, known

    def __getattr__(self, name: str) -> Any:
        return _counterpart(getattr(self._module, name), self._known)


class _Counted:
    """A plugin whose methods, and the helpers that they call, see counting functions in place of those of libraries."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin, self._known = plugin, dict[int, types.FunctionType]()

    def __getattr__(self, name: str) -> Any:
        found = next((vars(cls)[name] for cls in type(self._plugin).__mro__ if name in vars(cls)), None)
        if isinstance(found, types.FunctionType):
            value: Any = types.MethodType(_counted(found, self._known), self)
        else:
            value = getattr(self._plugin, name)
        vars(self)[name] = value  # every way through a hook asks for it
        return value


def _counted(function: types.FunctionType, known: dict[int, types.FunctionType]) -> types.FunctionType:
    """A copy of a function whose names mean what counts, and so on for the functions that it calls."""
    if id(function) in known:
        return known[id(function)]
    names: dict[str, Any] = {"__builtins__": builtins, "float": _same}
    cells = tuple(types.CellType() for _ in function.__closure__ or ())
    made = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, cells or None)
    made.__kwdefaults__ = function.__kwdefaults__
    known[id(function)] = made
    for name, value in reached(function).items():
        if name in function.__globals__:
            names[name] = _counterpart(value, known)
    for cell, own in zip(cells, function.__closure__ or (), strict=True):
        cell.cell_contents = _counterpart(own.cell_contents, known)
    return made


def _counterpart(value: Any, known: dict[int, types.FunctionType]) -> Any:
    """What counts in the place of something that a function names."""
    if isinstance(value, types.ModuleType):
        return _Module(value, known)
    if isinstance(value, np.generic):
        return value.item()  # which leaves it to the other operand to count
    if is_function(value):
        return _counted(plain(value), known)
    if not callable(value):
        return value
    if isinstance(value, Hashable) and value in _OPERATORS:
        return _OPERATORS[value]
    library = isinstance(value, np.ufunc) or str(getattr(value, "__module__", "")).partition(".")[0] in _LIBRARIES
    return _counting(value) if library and not isinstance(value, type) else value


def tally(rule: Rule, hook: str) -> Tally:
    """Operations and accesses of one hook of a rule; see the top of this module."""
    method = getattr(_Counted(rule), hook)
    return _dearest(lambda counts: _call(rule, hook, method, counts))


def _call(rule: Rule, hook: str, method: Callable[..., Any], counts: Tally) -> None:
    """Count one call of a hook."""
    per_spike = hook in ("pre_spike", "post_spike", "post_signal")
    column = hook == "on_post"

    def decaying(kind: str) -> frozenset[str]:
        states = rule.states(kind).items()
        return frozenset(s for s, st in states if st.decay is not None and math.isfinite(getattr(rule, st.decay)))

    def record(kind: str, *extra: str) -> _Record:
        near = (kind == "post") if column else (kind == "pre")
        level = _SHARED if near and not per_spike else _EACH
        values = {name: 0.5 for name in (*extra, *rule.states(kind))}
        where = "syn" if kind == "syn" else "near" if near or per_spike else "far"
        return _Record(values, level, where, counts, decaying(kind) | set(extra) - {"w"})

    syn, pre = record("syn", "w"), record("pre")
    post = record("post", *(("v",) if "post.v" in rule.reads and hook in rule.sees_v else ()))
    t = _Number(1e-3, _EACH if per_spike else _SHARED, counts)
    each = _Number(0.5, _EACH, counts)
    known = {"syn": syn, "pre": pre, "post": post, "signal": each, "w": each, "t": t}
    method(*(known[argument] for argument in rule.hooks[hook]))
    if hook in ("post_signal", "on_signal"):
        counts.count(_EACH, "far")  # the signal itself is fetched
    for kind, used in (("pre", pre), ("post", post)):
        # The factors of the decaying states that were touched.
        for _ in decaying(kind) & (used._seen[0] | used._seen[1]):
            counts.count(_EACH if per_spike else _SHARED, "exp")


def tally_credit(pathway: Credit, method: str) -> Tally:
    """Operations of one of the optional methods of a credit pathway; what it fetches and stores is counted elsewhere.

    `learn` and `mirror` run along the feedback weights of one neuron: x is shared by them. `perturb` runs once for each
    neuron, `expect` once.
    """
    run = getattr(_Counted(pathway), method)

    def call(counts: Tally) -> None:
        each, shared = _Number(0.5, _EACH, counts), _Number(0.5, _SHARED, counts)
        arguments = {
            "learn": (each, shared, each),
            "mirror": (each, shared, each),
            "perturb": (each,),
            "expect": (each, each),
        }
        run(*arguments[method])

    return _dearest(call)
