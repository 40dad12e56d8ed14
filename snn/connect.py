"""Connectors: which neuron of one population reaches which neuron of another, with what weight and delay."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .describe import Described
from .errors import NetworkError, ParameterError
from .plugin import check_unit
from .random import Distribution, Streams

if TYPE_CHECKING:
    from .network import Projection

_BLOCK = 2**22
"""Numbers drawn at a time: bounds the working memory (tens of MB), whatever the size of the network."""

_NONE = np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Edges:
    """Connected pairs, sorted by (source, target).

    Parameters
    ----------
    source, target : (n,) int32; empty where `dense`
    dense : bool
        Every source reaches every target: synapse k joins source k // n_post to target k % n_post.
    order : (n,) int64 or None
        ``given[order]`` brings values from the caller's order to this one; None where the orders are the same.
    """

    source: np.ndarray
    target: np.ndarray
    dense: bool = False
    order: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Synapses:
    """The synapses of one projection, sorted by (source, target).

    Parameters
    ----------
    source, target : (n,) int32; empty where `dense`
    dense : bool
    weight : float or (n,) float64
    delay : float or (n,) float64, s
    """

    source: np.ndarray
    target: np.ndarray
    dense: bool
    weight: float | np.ndarray
    delay: float | np.ndarray


class Connector(Described, ABC):
    """Base of connectors. `same` says that both sides are one population, where self connections are possible."""

    @property
    def weight(self) -> np.ndarray | None:
        """Weights that come with the pairs, in the caller's order, or None."""
        return None

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        """Raise NetworkError, beginning with `where`, if populations of these sizes cannot be connected so."""

    def is_dense(self, same: bool) -> bool:
        """Whether every source reaches every target, so that pairs need not be listed."""
        return False

    @abstractmethod
    def count(self, n_pre: int, n_post: int, same: bool) -> int | float:
        """Number of synapses: int where it is certain, float where it is an expectation."""

    @abstractmethod
    def connect(self, n_pre: int, n_post: int, same: bool, rng: np.random.Generator) -> Edges:
        """The pairs, for sizes that pass :meth:`check`."""


@dataclass(frozen=True, repr=False)
class AllToAll(Connector):
    """Every source reaches every target; made by :func:`all_to_all`."""

    self_connections: bool = True

    def is_dense(self, same: bool) -> bool:
        return not _skips_self(self, same)

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return n_pre * (n_post - _skips_self(self, same))

    def connect(self, n_pre: int, n_post: int, same: bool, rng: np.random.Generator) -> Edges:
        if self.is_dense(same):
            return Edges(_NONE, _NONE, dense=True)
        return Edges(*_pairs(np.arange(n_pre * (n_post - 1)), n_post - 1, skip_self=True))


@dataclass(frozen=True, repr=False)
class OneToOne(Connector):
    """Neuron i reaches neuron i; made by :func:`one_to_one`."""

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        if n_pre != n_post:
            raise NetworkError(
                f"{where}: one_to_one joins populations of one size, but these have {n_pre} and {n_post} neurons. "
                "Make the sizes equal, or use another connector."
            )

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return n_pre

    def connect(self, n_pre: int, n_post: int, same: bool, rng: np.random.Generator) -> Edges:
        return Edges(np.arange(n_pre, dtype=np.int32), np.arange(n_pre, dtype=np.int32))


@dataclass(frozen=True, repr=False)
class FixedProbability(Connector):
    """Each pair is connected with probability p; made by :func:`fixed_probability`."""

    p: float
    self_connections: bool = True

    def count(self, n_pre: int, n_post: int, same: bool) -> float:
        return self.p * n_pre * (n_post - _skips_self(self, same))

    def connect(self, n_pre: int, n_post: int, same: bool, rng: np.random.Generator) -> Edges:
        skip = _skips_self(self, same)
        n_columns = n_post - skip
        n_pairs = n_pre * n_columns
        if self.p == 0 or n_pairs == 0:
            return Edges(_NONE, _NONE)
        # The gaps between successes of a Bernoulli sequence are geometric: the work is one draw per synapse, not
        # per pair, and the pairs come out sorted and different.
        draws = min(_BLOCK, int(1.1 * n_pairs * self.p) + 16)
        last, sources, targets = -1, [], []
        while last < n_pairs:
            chosen = last + np.cumsum(np.minimum(rng.geometric(self.p, draws), n_pairs + 1))
            last = int(chosen[-1])
            source, target = _pairs(chosen[: np.searchsorted(chosen, n_pairs)], n_columns, skip)
            sources.append(source)
            targets.append(target)
        return Edges(np.concatenate(sources), np.concatenate(targets))


@dataclass(frozen=True, repr=False)
class FixedInDegree(Connector):
    """Each target receives k synapses from random sources; made by :func:`fixed_in_degree`."""

    k: int
    self_connections: bool = True
    multapses: bool = True

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        available = n_pre - _skips_self(self, same)
        if self.k > available and (available == 0 or not self.multapses):
            raise NetworkError(
                f"{where}: {self} needs {self.k} different sources per target, but there are {available}. "
                "Lower k, or allow multapses=True."
            )

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return self.k * n_post

    def connect(self, n_pre: int, n_post: int, same: bool, rng: np.random.Generator) -> Edges:
        if self.k == 0:
            return Edges(_NONE, _NONE)
        skip = _skips_self(self, same)
        draw = _repeatable if self.multapses else _distinct
        chosen = np.empty((n_post, self.k), np.int64)
        rows = max(1, _BLOCK // (4 * self.k))
        for start in range(0, n_post, rows):
            target = np.arange(start, min(start + rows, n_post))[:, None]
            source = draw(rng, len(target), self.k, n_pre - skip)
            if skip:
                source += source >= target
            chosen[start : start + rows] = source * n_post + target
        pairs = chosen.reshape(-1)
        pairs.sort()
        return Edges(*_pairs(pairs, n_post))


@dataclass(frozen=True, eq=False, repr=False)
class FromArrays(Connector):
    """Pairs that the caller lists; made by :func:`from_arrays`."""

    source: np.ndarray
    target: np.ndarray

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        for side, ids, size in (("source", self.source, n_pre), ("target", self.target, n_post)):
            wrong = np.flatnonzero(ids >= size)
            if wrong.size:
                raise NetworkError(
                    f"{where}: {side}[{wrong[0]}] of from_arrays is {ids[wrong[0]]}, but the {side} population has "
                    f"{size} neurons. Give ids from 0 to {size - 1}."
                )

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return self.source.size

    def connect(self, n_pre: int, n_post: int, same: bool, rng: np.random.Generator) -> Edges:
        pairs = self.source.astype(np.int64) * n_post + self.target
        if (pairs[1:] >= pairs[:-1]).all():
            return Edges(self.source, self.target)
        order = np.argsort(pairs, kind="stable")
        return Edges(self.source[order], self.target[order], order=order)


@dataclass(frozen=True, eq=False, repr=False)
class FromSparse(Connector):
    """The stored elements of a sparse matrix; made by :func:`from_sparse`."""

    source: np.ndarray
    target: np.ndarray
    values: np.ndarray
    shape: tuple[int, int]

    @property
    def weight(self) -> np.ndarray:
        return self.values

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        if self.shape != (n_pre, n_post):
            raise NetworkError(
                f"{where}: the matrix of from_sparse has shape {self.shape}, expected {(n_pre, n_post)}: "
                "(source neurons, target neurons). Transpose it, or change the sizes."
            )

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return self.source.size

    def connect(self, n_pre: int, n_post: int, same: bool, rng: np.random.Generator) -> Edges:
        return Edges(self.source, self.target)


def all_to_all(self_connections: bool = True) -> AllToAll:
    """Connect every source to every target.

    Parameters
    ----------
    self_connections : bool
        Whether a neuron reaches itself, where source and target are one population.
    """
    return AllToAll(_flag("all_to_all", "self_connections", self_connections))


def one_to_one() -> OneToOne:
    """Connect neuron i to neuron i of a population of the same size."""
    return OneToOne()


def fixed_probability(p: float, self_connections: bool = True) -> FixedProbability:
    """Connect each pair with probability `p`, independently; no pair is connected twice.

    Parameters
    ----------
    p : float, in [0, 1]
    self_connections : bool
        Whether a neuron may reach itself, where source and target are one population.
    """
    if isinstance(p, bool) or not isinstance(p, (int, float, np.integer, np.floating)) or not 0 <= p <= 1:
        raise ParameterError(f"fixed_probability.p is {p!r}; give a probability from 0 to 1.")
    return FixedProbability(float(p), _flag("fixed_probability", "self_connections", self_connections))


def fixed_in_degree(k: int, self_connections: bool = True, multapses: bool = True) -> FixedInDegree:
    """Connect each target to `k` random sources.

    Parameters
    ----------
    k : int, >= 0
        Synapses per target neuron.
    self_connections : bool
        Whether a neuron may reach itself, where source and target are one population.
    multapses : bool
        Whether one source may reach a target several times.
    """
    if isinstance(k, bool) or not isinstance(k, (int, np.integer)) or k < 0:
        raise ParameterError(f"fixed_in_degree.k is {k!r}; give a whole number of synapses per target, 0 or more.")
    return FixedInDegree(
        int(k),
        _flag("fixed_in_degree", "self_connections", self_connections),
        _flag("fixed_in_degree", "multapses", multapses),
    )


def from_arrays(source: Any, target: Any) -> FromArrays:
    """Connect the pairs (source[k], target[k]); pairs may repeat.

    Parameters
    ----------
    source, target : (n,) array_like of int
        Neuron ids, in any order. Weights and delays given as arrays are in the same order.
    """
    source, target = _ids("source", source), _ids("target", target)
    if source.size != target.size:
        raise ParameterError(
            f"from_arrays: source has {source.size} ids and target has {target.size}. Give one of each per synapse."
        )
    return FromArrays(source, target)


def from_sparse(matrix: Any) -> FromSparse:
    """Connect where a sparse matrix stores an element; its values are the weights unless others are given.

    Parameters
    ----------
    matrix : scipy.sparse array or matrix (n_pre, n_post)
        Elements stored twice are added up; a stored 0 is a synapse of weight 0. Weights and delays given as arrays
        are in the order of the rows.
    """
    if not hasattr(matrix, "tocsr") or len(matrix.shape) != 2:
        raise ParameterError(
            f"from_sparse.matrix is a {type(matrix).__name__}; give a two-dimensional scipy.sparse matrix, "
            "for instance scipy.sparse.csr_array(weights)."
        )
    rows = matrix.tocsr(copy=True)
    rows.sum_duplicates()
    source = np.repeat(np.arange(rows.shape[0], dtype=np.int32), np.diff(rows.indptr))
    n_pre, n_post = rows.shape
    return FromSparse(source, rows.indices.astype(np.int32), rows.data.astype(float), (int(n_pre), int(n_post)))


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
    edges = projection.connector.connect(n_pre, n_post, same, streams.generator("connect", projection.name))

    def values(name: str, given: float | np.ndarray | Distribution) -> float | np.ndarray:
        if isinstance(given, float):
            return given
        where = f"of projection {projection.name!r}"
        n = n_pre * n_post if edges.dense else edges.source.size
        if isinstance(given, Distribution):
            drawn = given.sample(streams.generator(name, projection.name), n)
            check_values(name, f"{where}, drawn from {given},", drawn)
            return drawn
        if given.shape == (n_pre, n_post):
            return given.flatten() if edges.dense else given[edges.source, edges.target]
        if given.shape != (n,):
            raise ParameterError(
                f"{name} {where} has shape {given.shape}, expected {(n,)}, one value per synapse, or {(n_pre, n_post)}."
            )
        # Always a copy: plasticity must not write into the declaration.
        return given.copy() if edges.order is None else given[edges.order]

    return Synapses(
        edges.source,
        edges.target,
        edges.dense,
        weight=values("weight", projection.weight),
        delay=values("delay", projection.delay),
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
    array = np.asarray(values, dtype=float)
    rules = [(~np.isfinite(array), "give finite numbers")]
    if name == "delay":
        rules.append((array < 0, "a delay is 0 s or more (for a distribution, give low=0)"))
    for wrong, remedy in rules:
        if wrong.any():
            index = np.unravel_index(np.argmax(wrong), array.shape)
            item = f"{name}[{', '.join(map(str, index))}]" if index else name
            unit = " s" if name == "delay" else ""
            raise ParameterError(f"{item} {where} is {array[index]:g}{unit}; {remedy}.")
    if name == "delay":
        check_unit(f"{name} {where}", array, "s")


def _skips_self(connector: Any, same: bool) -> bool:
    return same and not connector.self_connections


def _pairs(flat: np.ndarray, n_columns: int, skip_self: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Split positions in a matrix of `n_columns` columns; `skip_self`: its diagonal has been left out."""
    source, target = np.divmod(flat, n_columns)
    if skip_self:
        target += target >= source
    return source.astype(np.int32), target.astype(np.int32)


def _repeatable(rng: np.random.Generator, rows: int, k: int, n: int) -> np.ndarray:
    """Rows of k ids below n that may repeat; int64 (rows, k)."""
    return rng.integers(n, size=(rows, k))


def _distinct(rng: np.random.Generator, rows: int, k: int, n: int) -> np.ndarray:
    """Rows of k different ids below n, every set equally likely; int64 (rows, k)."""
    if 4 * k > n:
        return rng.permuted(np.broadcast_to(np.arange(n), (rows, n)), axis=1)[:, :k]
    ids = np.sort(rng.integers(n, size=(rows, k)), axis=1)
    # Redrawing only the repeats is drawing one at a time until k different ids are found, so it favours no set.
    pending = np.arange(rows)
    while pending.size:
        part = ids[pending]
        again = np.zeros(part.shape, bool)
        again[:, 1:] = part[:, 1:] == part[:, :-1]
        part[again] = rng.integers(n, size=int(again.sum()))
        part.sort(axis=1)
        ids[pending] = part
        pending = pending[again.any(axis=1)]
    return ids


def _ids(side: str, values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise ParameterError(
            f"from_arrays.{side} has dtype {array.dtype} and shape {array.shape}; give a one-dimensional array of ints."
        )
    for extreme in (array.min(), array.max()) if array.size else ():
        if not 0 <= extreme < 2**31:
            raise ParameterError(f"from_arrays.{side} holds {extreme}; give neuron ids from 0 to {2**31 - 1}.")
    return array.astype(np.int32)


def _flag(kind: str, name: str, value: Any) -> bool:
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{kind}.{name} is {value!r}; give True or False.")
    return bool(value)
