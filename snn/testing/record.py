"""Neurons' and synapses' state as plain floats."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import PluginError


class Record:
    """One neuron's or synapse's declared state as plain floats, refusing every name that is not declared.

    Parameters
    ----------
    owner : str
        Class that declared the state, for messages.
    kind : str
        What its methods call this record: cell, syn, pre or post.
    values : dict of float
        Every field with its value at time 0.
    taus : dict of float, optional
        Time constants (s) of the fields that decay by themselves. Such a field is
        value(t) = value(t_last) exp(-(t - t_last) / tau), t_last being the time it was last written.
    single : bool
        Whether "syn" fields are kept in single precision, as in a projection with dtype="float32".
    """

    __slots__ = ("_kind", "_last", "_now", "_owner", "_shown", "_single", "_start", "_taus", "_values")

    _owner: str
    _kind: str
    _single: bool
    _taus: dict[str, float]
    _last: dict[str, float]
    _now: float
    _shown: dict[str, float]
    _values: dict[str, float]
    _start: dict[str, float]

    def __init__(
        self, owner: str, kind: str, values: Mapping[str, float], taus: Mapping[str, float] | None = None,
        single: bool = False,
    ) -> None:  # fmt: skip
        put = object.__setattr__
        put(self, "_owner", owner)
        put(self, "_kind", kind)
        put(self, "_single", single)
        put(self, "_taus", dict(taus or {}))
        put(self, "_last", dict.fromkeys(self._taus, 0.0))
        put(self, "_now", 0.0)
        put(self, "_shown", {})
        put(self, "_values", {})
        put(self, "_start", dict(values))
        for name, value in values.items():
            self._values[name] = self._rounded(value)

    def at(self, t: float) -> Record:
        """The same record with its decaying fields seen at time `t` (s)."""
        object.__setattr__(self, "_now", t)
        return self

    def show(self, name: str, value: float | None) -> None:
        """Let methods read a value that is not part of the record; None takes it away again."""
        if value is None:
            self._shown.pop(name, None)
        else:
            self._shown[name] = float(value)

    def values(self) -> dict[str, float]:
        """Every field's present value."""
        return {name: getattr(self, name) for name in self._values}

    def copy(self) -> Record:
        """An independent record with the same present values."""
        other = Record(self._owner, self._kind, self._values, self._taus, self._single)
        other._last.update(self._last)
        other._start.update(self._start)
        return other.at(self._now)

    def fresh(self) -> Record:
        """A record as this one was at time 0."""
        return Record(self._owner, self._kind, self._start, self._taus, self._single)

    def _rounded(self, value: Any) -> float:
        return float(np.float32(value)) if self._single else float(value)

    def _unknown(self, name: str) -> PluginError:
        return PluginError(
            f"{self._owner} uses {self._kind}.{name}, which is not declared. "
            f"Declared: {', '.join(self._values) or 'nothing'}. Add {name} = state({self._kind!r}) to the class."
        )

    def __getattr__(self, name: str) -> float:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._shown:
            return self._shown[name]
        if name not in self._values:
            raise self._unknown(name)
        tau = self._taus.get(name, math.inf)
        return self._values[name] * math.exp(-(self._now - self._last.get(name, self._now)) / tau)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._values:
            raise self._unknown(name)
        self._values[name] = self._rounded(value)
        if name in self._taus:
            self._last[name] = self._now

    def __repr__(self) -> str:
        return f"{self._kind}({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"
