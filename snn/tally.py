"""Counting what one call of a rule's hook does, by running it on numbers that keep count.

A hook runs in passes: on_pre, on_signal and on_end along the synapses of one source neuron (a row), on_post along
those of one target (a column). What belongs to the neuron that all of them share is fetched and computed once per pass;
what belongs to a synapse or to the neuron at its other end, once per synapse:

- a division by parameters alone is a multiplication by their reciprocal, known beforehand;
- math functions and other divisions are an "exp", comparisons an "add"; `max` and `min` compare once;
- a state that decays is kept as a scaled trace: one exponential per pass for its factor, and one multiplication for
  each value read or written; the potential likewise, by the factor that its delivery has computed already;
- a field is fetched once and stored once in a call;
- a branch is taken as it falls for values of one half.
"""

from __future__ import annotations

import builtins
import inspect
import math
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .plugin import Credit, Plugin, Rule

_SHARED, _EACH = 0, 1
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
    """

    shared: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))
    each: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))

    def count(self, level: int, what: str) -> None:
        """Count one operation or word."""
        (self.each if level == _EACH else self.shared)[what] += 1


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
        return self._count("exp", _plain(self) ** _plain(o), o)

    def __rpow__(self, o: Any, mod: None = None) -> Any:
        return self._count("exp", _plain(o) ** _plain(self), o)

    def __floordiv__(self, o: Any) -> _Number:
        return self._count("exp", _plain(self) // (_plain(o) or 1.0), o)

    def __mod__(self, o: Any) -> _Number:
        return self._count("exp", _plain(self) % (_plain(o) or 1.0), o)

    def __neg__(self) -> _Number:
        return _Number(-_plain(self), self.level, self.tally)

    def __abs__(self) -> _Number:
        return _Number(abs(_plain(self)), self.level, self.tally)

    def __lt__(self, o: Any) -> bool:
        self._count("add", 0.0, o)
        return _plain(self) < _plain(o)

    def __gt__(self, o: Any) -> bool:
        self._count("add", 0.0, o)
        return _plain(self) > _plain(o)

    def __le__(self, o: Any) -> bool:
        return not self > o

    def __ge__(self, o: Any) -> bool:
        return not self < o

    def __eq__(self, o: object) -> bool:
        self._count("add", 0.0, o)
        return _plain(self) == (_plain(o) if isinstance(o, float) else o)

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


def _counting(function: Callable[..., Any]) -> Callable[..., Any]:
    """A math function that counts itself where it is given a number that keeps count."""

    def call(*arguments: Any) -> Any:
        value = function(*(_plain(x) for x in arguments))
        counted = [x for x in arguments if isinstance(x, _Number)]
        if not counted or not isinstance(value, float):
            return value
        most = max(counted, key=lambda x: x.level)
        # The sign of a number costs nothing, as in abs().
        return _Number(value, most.level, most.tally) if function is math.fabs else most._count("exp", value)

    return call


class _Math:
    """The module `math` whose functions count."""

    _functions: ClassVar[dict[str, Any]] = {
        name: _counting(value) if callable(value) else value for name, value in vars(math).items() if name[0] != "_"
    }

    def __getattr__(self, name: str) -> Any:
        return self._functions[name]


_COUNTING_MATH = _Math()
_COUNTERPART = {id(getattr(math, name)): f for name, f in _Math._functions.items() if callable(f)}


class _Counted:
    """A plugin whose methods, and the helpers that they call, see counting functions in place of those of `math`."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    def __getattr__(self, name: str) -> Any:
        found = inspect.getattr_static(type(self._plugin), name, None)
        if isinstance(found, types.FunctionType):
            return types.MethodType(_counted(found, {}), self)
        return getattr(self._plugin, name)


def _counted(function: types.FunctionType, known: dict[int, types.FunctionType]) -> types.FunctionType:
    """A copy of a function in whose names `math` counts, and so on for the functions that it calls."""
    if id(function) in known:
        return known[id(function)]
    names: dict[str, Any] = {"__builtins__": builtins}
    cells = tuple(types.CellType() for _ in function.__closure__ or ())
    made = types.FunctionType(function.__code__, names, function.__name__, function.__defaults__, cells or None)
    made.__kwdefaults__ = function.__kwdefaults__
    known[id(function)] = made
    for name in _names(function.__code__) & function.__globals__.keys():
        names[name] = _counterpart(function.__globals__[name], known)
    for cell, own in zip(cells, function.__closure__ or (), strict=True):
        cell.cell_contents = _counterpart(own.cell_contents, known)
    return made


def _names(code: types.CodeType) -> set[str]:
    inner = (_names(const) for const in code.co_consts if isinstance(const, types.CodeType))
    return set(code.co_names).union(*inner)


def _counterpart(value: Any, known: dict[int, types.FunctionType]) -> Any:
    if value is math:
        return _COUNTING_MATH
    function = getattr(value, "py_func", value)  # a helper under numba.njit
    if isinstance(function, types.FunctionType):
        return _counted(function, known)
    return _COUNTERPART.get(id(value), value)


def tally(rule: Rule, hook: str) -> Tally:
    """Operations and accesses of one hook of a rule; see the top of this module."""
    counts = Tally()
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
    getattr(_Counted(rule), hook)(*(known[argument] for argument in rule.hooks[hook]))
    if hook in ("post_signal", "on_signal"):
        counts.count(_EACH, "far")  # the signal itself is fetched
    for kind, used in (("pre", pre), ("post", post)):
        # The factors of the decaying states that were touched.
        for _ in decaying(kind) & (used._seen[0] | used._seen[1]):
            counts.count(_EACH if per_spike else _SHARED, "exp")
    return counts


def tally_credit(pathway: Credit, method: str) -> Tally:
    """Operations of one of the optional methods of a credit pathway; what it fetches and stores is counted elsewhere.

    `learn` and `mirror` run along the feedback weights of one neuron: x is shared by them. `perturb` runs once for each
    neuron, `expect` once.
    """
    counts = Tally()
    each, shared = _Number(0.5, _EACH, counts), _Number(0.5, _SHARED, counts)
    arguments = {
        "learn": (each, shared, each),
        "mirror": (each, shared, each),
        "perturb": (each,),
        "expect": (each, each),
    }
    getattr(_Counted(pathway), method)(*arguments[method])
    return counts
