"""Counting what one call of a rule's hook does, by running it on numbers that keep count."""

from __future__ import annotations

import math
from typing import Any

from .plugin import Rule

_ROW, _SYNAPSE = 0, 1


class _Tally(dict[str, int]):
    def __init__(self) -> None:
        super().__init__(add=0, mul=0, exp=0, syn=0, cell=0, w_read=0, w_write=0)


class _Number(float):
    """A float that counts the operations it takes part in, if its value differs between the synapses of a row."""

    level: int
    tally: _Tally

    def __new__(cls, value: float, level: int, tally: _Tally) -> _Number:
        self = super().__new__(cls, value)
        self.level, self.tally = level, tally
        return self

    def _count(self, op: str, value: float, other: Any = 0.0) -> _Number:
        level = max(self.level, getattr(other, "level", _ROW))
        if level == _SYNAPSE:
            self.tally[op] += 1
        return _Number(value, level, self.tally)

    def __add__(self, o: Any) -> _Number:
        return self._count("add", float(self) + float(o), o)

    def __sub__(self, o: Any) -> _Number:
        return self._count("add", float(self) - float(o), o)

    def __rsub__(self, o: Any) -> _Number:
        return self._count("add", float(o) - float(self), o)

    def __mul__(self, o: Any) -> _Number:
        return self._count("mul", float(self) * float(o), o)

    def __truediv__(self, o: Any) -> _Number:
        return self._count("exp", float(self) / (float(o) or 1.0), o)

    def __rtruediv__(self, o: Any) -> _Number:
        return self._count("exp", float(o) / (float(self) or 1.0), o)

    def __pow__(self, o: Any, mod: None = None) -> Any:
        return self._count("exp", float(self) ** float(o), o)

    def __neg__(self) -> _Number:
        return _Number(-float(self), self.level, self.tally)

    def __abs__(self) -> _Number:
        return _Number(abs(float(self)), self.level, self.tally)

    def __lt__(self, o: Any) -> bool:
        self._count("add", 0.0, o)
        return float(self) < float(o)

    def __gt__(self, o: Any) -> bool:
        self._count("add", 0.0, o)
        return float(self) > float(o)

    def __le__(self, o: Any) -> bool:
        return not self > o

    def __ge__(self, o: Any) -> bool:
        return not self < o

    __radd__, __rmul__ = __add__, __mul__
    __hash__ = float.__hash__


class _Record:
    """A record that counts reads and writes of its fields; within one call a field is fetched once."""

    _values: dict[str, float]
    _how: tuple[int, str, _Tally]
    _seen: tuple[set[str], set[str]]

    def __init__(self, values: dict[str, float], level: int, kind: str, tally: _Tally) -> None:
        object.__setattr__(self, "_values", values)
        object.__setattr__(self, "_how", (level, kind, tally))
        object.__setattr__(self, "_seen", (set(), set()))

    def _kind(self, name: str, write: bool) -> str:
        if name == "w":
            return "w_write" if write else "w_read"
        return self._how[1]

    def __getattr__(self, name: str) -> Any:
        level, _, tally = self._how
        read, written = self._seen
        if name not in read and name not in written and level == _SYNAPSE:
            tally[self._kind(name, False)] += 1
        read.add(name)
        return _Number(self._values[name], level, tally)

    def __setattr__(self, name: str, value: float) -> None:
        level, _, tally = self._how
        if name not in self._seen[1] and level == _SYNAPSE:
            tally[self._kind(name, True)] += 1
        self._seen[1].add(name)
        self._values[name] = float(value)


def tally(rule: Rule, hook: str) -> dict[str, int]:
    """Operations of one call: add, mul, exp (also divisions), words of syn and cell state, w_read, w_write.

    In on_pre, on_post, on_signal and on_end, what depends on the row only (the time, the presynaptic record) is
    computed once per row and is not charged to each synapse; in pre_spike and post_spike everything counts, and
    a decaying trace is charged its exponential.
    """
    counts = _Tally()
    per_neuron = hook in ("pre_spike", "post_spike")
    # A post spike updates a column: there the postsynaptic record is the shared one.
    pre_level = _SYNAPSE if hook in ("on_post", "pre_spike") else _ROW
    post_level = _ROW if hook == "on_post" else _SYNAPSE

    def record(kind: str, level: int, *extra: str) -> _Record:
        values = {name: 0.5 for name in (*extra, *rule.states(kind))}
        return _Record(values, level, "syn" if kind == "syn" else "cell", counts)

    syn, pre = record("syn", _SYNAPSE, "w"), record("pre", pre_level)
    post = record("post", post_level, *(("v",) if "post.v" in rule.reads else ()))
    t = _Number(1e-3, _SYNAPSE if per_neuron else _ROW, counts)
    arguments: dict[str, tuple[Any, ...]] = {
        "on_pre": (syn, pre, post, t),
        "on_post": (syn, pre, post, t),
        "pre_spike": (pre, t),
        "post_spike": (post, t),
        "on_signal": (syn, pre, post, _Number(0.5, _SYNAPSE, counts), t),
        "on_end": (syn, pre, post, t),
    }
    getattr(rule, hook)(*arguments[hook])
    if hook == "on_signal":
        counts["cell"] += 1  # the signal itself is fetched
    if per_neuron:
        counts["exp"] += sum(
            st.decay is not None and math.isfinite(getattr(rule, st.decay))
            for st in rule.states(hook.split("_")[0]).values()
        )
    return dict(counts)
