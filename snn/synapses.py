"""The synapses of a projection, made from what it declares: pairs, weights and delays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from .connectors import sources
from .errors import ParameterError
from .plugin import check_unit
from .random import Distribution, Streams

if TYPE_CHECKING:
    from .network import Projection

_NONE = np.empty(0, np.int32)


class Synapses:
    """The synapses of one projection, sorted by (source, target).

    Parameters
    ----------
    source : (n,) int32 or None; empty where `dense`
        None: made from `ptr` when it is first read.
    target : (n,) int32; empty where `dense`
    dense : bool
    weight : float or (n,) array
        Arrays are the caller's to keep, in the projection's dtype.
    delay : float or (n,) float64, s
    ptr : (n_pre + 1,) int64, optional
        Where the rows of the sources begin, and the last one ends; all zero where `dense`.
    """

    def __init__(
        self,
        source: np.ndarray | None,
        target: np.ndarray,
        dense: bool,
        weight: float | np.ndarray,
        delay: float | np.ndarray,
        ptr: np.ndarray | None = None,
    ) -> None:
        self._source = source
        self.target = target
        self.dense = dense
        self.weight = weight
        self.delay = delay
        self.ptr = ptr

    @property
    def source(self) -> np.ndarray:
        """Source of each synapse; (n,) int32, empty where `dense`."""
        if self._source is None:
            self._source = _NONE if self.ptr is None else sources(self.ptr)
        return self._source


def expand(projection: Projection, streams: Streams) -> Synapses:
    """Make the synapses that a projection declares.

    Pairs, weights and delays are drawn from streams named after the projection, so that no other declaration
    changes them.

    Raises
    ------
    ParameterError
        If weights are not finite, delays are negative or not in seconds, or arrays do not fit the synapses.
    """
    n_pre, n_post = len(projection.source), len(projection.target)
    same = projection.source is projection.target
    edges = projection.connector.connect(n_pre, n_post, same, streams.key("connect", projection.name))

    def values(name: str, given: float | np.ndarray | Distribution, dtype: str) -> float | np.ndarray:
        if isinstance(given, float):
            return given
        where = f"of projection {projection.name!r}"
        n = n_pre * n_post if edges.dense else edges.target.size
        if isinstance(given, Distribution):
            drawn = given.draw(streams.key(name, projection.name), n, dtype)
            check_values(name, f"{where}, drawn from {given},", drawn)
            return drawn
        # Always a copy: plasticity must not write into the declaration.
        if given.shape == (n_pre, n_post):
            return given.astype(dtype).reshape(-1) if edges.dense else given[edges.source, edges.target].astype(dtype)
        if given.shape != (n,):
            raise ParameterError(
                f"{name} {where} has shape {given.shape}, expected {(n,)}, one value per synapse, or {(n_pre, n_post)}."
            )
        return given.astype(dtype) if edges.order is None else given[edges.order].astype(dtype, copy=False)

    weight = values("weight", projection.weight, projection.dtype)
    return Synapses(
        _NONE if edges.dense else None,
        edges.target,
        edges.dense,
        weight=weight,
        delay=values("delay", projection.delay, "float64"),
        ptr=edges.ptr,
    )


def check_values(name: str, where: str, values: Any) -> None:
    """Refuse weights that are not finite, and delays that are negative, not finite or not in seconds.

    Parameters
    ----------
    name : {"weight", "delay"}
    where : str
        What they belong to, for the message (``"of projection 'inputs->cells'"``).
    values : float or array
    """
    array = np.asarray(values)
    # The extremes tell whether anything is wrong, and take no memory; a NaN passes through both.
    low, high = (float(array.min()), float(array.max())) if array.size else (0.0, 0.0)
    remedy = ""
    if not (math.isfinite(low) and math.isfinite(high)):
        wrong, remedy = ~np.isfinite(array), "give finite numbers"
    elif name == "delay" and low < 0:
        wrong, remedy = array < 0, "a delay is 0 s or more (for a distribution, give low=0)"
    if remedy:
        index = np.unravel_index(np.argmax(wrong), array.shape)
        item = f"{name}[{', '.join(map(str, index))}]" if index else name
        unit = " s" if name == "delay" else ""
        raise ParameterError(f"{item} {where} is {array[index]:g}{unit}; {remedy}.")
    if name == "delay":
        # Few axons take a tenth of this; delays of 1 and 5 are milliseconds.
        check_unit(f"{name} {where}", high, "s", plausible=0.5)
