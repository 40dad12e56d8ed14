"""Connectors: which neuron of one population reaches which neuron of another, with what weight and delay."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .describe import Described
from .distance import Profile, boxes, distances
from .errors import NetworkError, ParameterError
from .plugin import check_unit, is_whole
from .random import Distribution, Streams

if TYPE_CHECKING:
    from .network import Projection

_LISTED_PAIRS = 2**22
"""Most pairs whose probabilities are added up to announce a number of synapses; of more, as many are sampled."""

_NONE = np.empty(0, np.int32)


@dataclass(frozen=True, eq=False)
class Edges:
    """Connected pairs, sorted by (source, target): the rows of a sparse matrix (CSR).

    Parameters
    ----------
    ptr : (n_pre + 1,) int64
        Synapses ``ptr[i]`` to ``ptr[i + 1] - 1`` are those of source i; all zero where `dense`.
    target : (n,) int32; empty where `dense`
    dense : bool
        Every source reaches every target: synapse k joins source k // n_post to target k % n_post.
    order : (n,) int64 or None
        ``given[order]`` brings values from the caller's order to this one; None where the orders are the same.
    """

    ptr: np.ndarray
    target: np.ndarray
    dense: bool = False
    order: np.ndarray | None = None

    @property
    def source(self) -> np.ndarray:
        """Source of each synapse, made at each call; (n,) int32."""
        return _sources(self.ptr)


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
            self._source = _NONE if self.ptr is None else _sources(self.ptr)
        return self._source


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
    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        """The pairs, for sizes that pass :meth:`check`, drawn from the stream `key` (:func:`snn.random.uniform_at`)."""


@dataclass(frozen=True, repr=False)
class AllToAll(Connector):
    """Every source reaches every target; made by :func:`all_to_all`."""

    self_connections: bool = True

    def is_dense(self, same: bool) -> bool:
        return not _skips_self(self, same)

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return n_pre * (n_post - _skips_self(self, same))

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        if self.is_dense(same):
            return Edges(np.zeros(n_pre + 1, np.int64), _NONE, dense=True)
        from . import wire

        return Edges(np.arange(n_pre + 1) * (n_post - 1), wire.others(n_pre))


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

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        return Edges(np.arange(n_pre + 1), np.arange(n_pre, dtype=np.int32))


@dataclass(frozen=True, repr=False)
class FixedProbability(Connector):
    """Each pair is connected with probability p; made by :func:`fixed_probability`."""

    p: float
    self_connections: bool = True

    def count(self, n_pre: int, n_post: int, same: bool) -> float:
        return self.p * n_pre * (n_post - _skips_self(self, same))

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        from . import wire

        skip = _skips_self(self, same)
        if self.p == 0 or n_post == skip:
            return Edges(np.zeros(n_pre + 1, np.int64), _NONE)
        return Edges(*wire.bernoulli(key, self.p, n_pre, n_post, skip))


@dataclass(frozen=True, repr=False)
class FixedInDegree(Connector):
    """Each target receives k synapses from random sources; made by :func:`fixed_in_degree`."""

    k: int
    self_connections: bool = True
    multapses: bool = True

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        _check_enough(where, self, "k", "sources per target", n_pre - _skips_self(self, same))

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return self.k * n_post

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        from . import wire

        return Edges(*wire.in_degree(key, self.k, n_pre, n_post, _skips_self(self, same), not self.multapses))


@dataclass(frozen=True, repr=False)
class FixedOutDegree(Connector):
    """Each source makes k synapses onto random targets; made by :func:`fixed_out_degree`."""

    k: int
    self_connections: bool = True
    multapses: bool = True

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        _check_enough(where, self, "k", "targets per source", n_post - _skips_self(self, same))

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return self.k * n_pre

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        from . import wire

        ptr = np.arange(n_pre + 1) * self.k
        return Edges(ptr, wire.out_degree(key, ptr, n_post, _skips_self(self, same), not self.multapses))


@dataclass(frozen=True, repr=False)
class FixedTotalNumber(Connector):
    """n synapses between random pairs; made by :func:`fixed_total_number`."""

    n: int
    self_connections: bool = True
    multapses: bool = True

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        _check_enough(where, self, "n", "pairs", n_pre * (n_post - _skips_self(self, same)))

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return self.n

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        from . import wire

        return Edges(*wire.total_number(key, self.n, n_pre, n_post, _skips_self(self, same), not self.multapses))


@dataclass(frozen=True, repr=False)
class SmallWorld(Connector):
    """A ring of near neighbours with random shortcuts; made by :func:`small_world`."""

    k: int
    p: float

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        if not same:
            raise NetworkError(
                f"{where}: small_world puts the neurons of one population on a ring, but source and target differ. "
                "Connect a population to itself, or use another connector."
            )
        if self.k >= n_pre and self.k > 0:
            raise NetworkError(
                f"{where}: {self} needs {self.k} other neurons per neuron, but there are {n_pre - 1}. Lower k."
            )

    def count(self, n_pre: int, n_post: int, same: bool) -> int:
        return self.k * n_pre

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        from . import wire

        return Edges(np.arange(n_pre + 1) * self.k, wire.ring(key, self.k, self.p, n_pre))


@dataclass(frozen=True, eq=False, repr=False)
class DistanceDependent(Connector):
    """Each pair is connected with a probability that falls with distance; made by :func:`distance_dependent`."""

    probability: Profile
    source_positions: np.ndarray
    target_positions: np.ndarray
    periodic: tuple[float, ...] | None = None
    self_connections: bool = True

    def check(self, where: str, n_pre: int, n_post: int, same: bool) -> None:
        for side, x, size in (("source", self.source_positions, n_pre), ("target", self.target_positions, n_post)):
            if len(x) != size:
                raise NetworkError(
                    f"{where}: {side}_positions of distance_dependent has {len(x)} rows, but the {side} population "
                    f"has {size} neurons. Give one row per neuron."
                )
        if same and not np.array_equal(self.source_positions, self.target_positions):
            raise NetworkError(
                f"{where}: source_positions and target_positions of distance_dependent differ, but source and target "
                "are one population. Leave target_positions out."
            )

    def count(self, n_pre: int, n_post: int, same: bool) -> float:
        at_zero = float(self.probability.at(np.zeros(1))[0])
        return self._mean_count - _skips_self(self, same) * n_pre * at_zero

    @cached_property
    def _mean_count(self) -> float:
        """Sum of the probabilities of all pairs, or an estimate from a sample of them (standard error below 1 %)."""
        n_pre, n_post = len(self.source_positions), len(self.target_positions)
        if n_pre * n_post <= _LISTED_PAIRS:
            pairs = self.source_positions[:, None], self.target_positions
            return float(self.probability.at(distances(*pairs, self._period)).sum())
        rng = np.random.default_rng(0)
        i, j = rng.integers(n_pre, size=_LISTED_PAIRS), rng.integers(n_post, size=_LISTED_PAIRS)
        apart = distances(self.source_positions[i], self.target_positions[j], self._period)
        return n_pre * n_post * float(self.probability.at(apart).mean())

    @property
    def _period(self) -> np.ndarray:
        n_axes = self.source_positions.shape[1]
        return np.full(n_axes, math.inf) if self.periodic is None else np.array(self.periodic)

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        from . import wire

        x_pre, x_post = self.source_positions, self.target_positions
        skip = _skips_self(self, same)
        return Edges(
            *wire.by_distance(key, self.probability.constants, self._period, x_pre, x_post, boxes(x_pre), skip)
        )


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

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        from . import wire

        ptr, target, order = wire.sort_pairs(self.source, self.target, n_pre, n_post)
        return Edges(ptr, target, order=order)


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

    def connect(self, n_pre: int, n_post: int, same: bool, key: int) -> Edges:
        return Edges(np.searchsorted(self.source, np.arange(n_pre + 1, dtype=np.int32)), self.target)


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
    return FixedProbability(
        _probability("fixed_probability", p), _flag("fixed_probability", "self_connections", self_connections)
    )


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
    return FixedInDegree(
        _number("fixed_in_degree", "k", k, "synapses per target"),
        _flag("fixed_in_degree", "self_connections", self_connections),
        _flag("fixed_in_degree", "multapses", multapses),
    )


def fixed_out_degree(k: int, self_connections: bool = True, multapses: bool = True) -> FixedOutDegree:
    """Connect each source to `k` random targets.

    Parameters
    ----------
    k : int, >= 0
        Synapses per source neuron.
    self_connections : bool
        Whether a neuron may reach itself, where source and target are one population.
    multapses : bool
        Whether one source may reach a target several times.
    """
    return FixedOutDegree(
        _number("fixed_out_degree", "k", k, "synapses per source"),
        _flag("fixed_out_degree", "self_connections", self_connections),
        _flag("fixed_out_degree", "multapses", multapses),
    )


def fixed_total_number(n: int, self_connections: bool = True, multapses: bool = True) -> FixedTotalNumber:
    """Connect `n` random pairs, each pair equally likely.

    The number of synapses per source is multinomial with multapses, and hypergeometric without; so it is per target.

    Parameters
    ----------
    n : int, >= 0
        Synapses of the projection.
    self_connections : bool
        Whether a neuron may reach itself, where source and target are one population.
    multapses : bool
        Whether one source may reach a target several times.
    """
    return FixedTotalNumber(
        _number("fixed_total_number", "n", n, "synapses"),
        _flag("fixed_total_number", "self_connections", self_connections),
        _flag("fixed_total_number", "multapses", multapses),
    )


def small_world(k: int, p: float) -> SmallWorld:
    """Connect the neurons of one population as a small world.

    The neurons form a ring in the order of their ids. Each reaches its `k` nearest neighbours, k / 2 on either side.
    Then each synapse is rewired with probability `p`: its target becomes a random neuron that the source does not
    reach already, other than itself. Every source keeps k synapses. p = 0 is the ring, p = 1 a random graph.

    Watts & Strogatz rewire undirected edges; synapses have a direction, and each is rewired on its own.

    Parameters
    ----------
    k : int, even, >= 0
        Synapses per source neuron.
    p : float, in [0, 1]

    References
    ----------
    Watts & Strogatz (1998) Nature 393, 440.
    """
    k = _number("small_world", "k", k, "synapses per source")
    if k % 2:
        raise ParameterError(f"small_world.k is {k}; give an even number, half of it for each side of the ring.")
    return SmallWorld(k, _probability("small_world", p))


def distance_dependent(
    probability: Profile,
    source_positions: Any,
    target_positions: Any = None,
    periodic: Any = None,
    self_connections: bool = True,
) -> DistanceDependent:
    """Connect each pair with a probability that depends on its distance; no pair is connected twice.

    Candidates are drawn from boxes of neighbours at the rate of the nearest point of the box, and kept with the ratio
    of their own probability to it (thinning), so that the work follows the synapses, not the pairs.

    Parameters
    ----------
    probability : Profile
        One of gaussian(sigma, p_max), exponential(length, p_max), boxcar(radius, p_max).
    source_positions : (n_pre, d) array_like
        Where the source neurons are, in a unit of your choice; (n_pre,) for a line.
    target_positions : (n_post, d) array_like, optional
        Default: those of the sources.
    periodic : float or (d,) array_like, optional
        Lengths after which the axes close upon themselves, as on a torus; inf for an open axis. Default: all open.
    self_connections : bool
        Whether a neuron may reach itself, where source and target are one population.

    References
    ----------
    Lewis & Shedler (1979) Nav. Res. Logist. Q. 26, 403: thinning.
    """
    kind = "distance_dependent"
    if not isinstance(probability, Profile):
        raise ParameterError(
            f"{kind}.probability is {probability!r}; give a profile such as gaussian(sigma, p_max), "
            "exponential(length) or boxcar(radius)."
        )
    x_pre = _positions("source_positions", source_positions)
    x_post = x_pre if target_positions is None else _positions("target_positions", target_positions)
    n_axes = x_pre.shape[1]
    if x_post.shape[1] != n_axes:
        raise ParameterError(
            f"{kind}: source_positions have {n_axes} coordinates and target_positions {x_post.shape[1]}. "
            "Give both in the same space."
        )
    lengths = None if periodic is None else _lengths(periodic, n_axes)
    both = np.concatenate([x_pre, x_post])
    for axis, (span, length) in enumerate(zip(np.ptp(both, axis=0), lengths or (), strict=False)):
        if span > length:
            raise ParameterError(
                f"{kind}.periodic is {length:g} on axis {axis}, but positions span {span:g} there. "
                "Give the length of the whole axis, or wrap the positions."
            )
    return DistanceDependent(probability, x_pre, x_post, lengths, _flag(kind, "self_connections", self_connections))


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
        check_unit(f"{name} {where}", high, "s")


def _check_enough(where: str, connector: Any, number: str, what: str, available: int) -> None:
    """Refuse to draw more than there are, unless the same may be drawn again."""
    n = getattr(connector, number)
    if n > available and (available == 0 or not connector.multapses):
        raise NetworkError(
            f"{where}: {connector} needs {n} different {what}, but there are {available}. "
            f"Lower {number}, or allow multapses=True."
        )


def _skips_self(connector: Any, same: bool) -> bool:
    return same and not connector.self_connections


def _sources(ptr: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(ptr.size - 1, dtype=np.int32), np.diff(ptr))


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


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)


def _probability(kind: str, p: Any) -> float:
    if not _is_real(p) or not 0 <= p <= 1:
        raise ParameterError(f"{kind}.p is {p!r}; give a probability from 0 to 1.")
    return float(p)


def _number(kind: str, name: str, value: Any, what: str) -> int:
    if not is_whole(value, 0):
        raise ParameterError(f"{kind}.{name} is {value!r}; give a whole number of {what}, 0 or more.")
    return int(value)


def _positions(name: str, values: Any) -> np.ndarray:
    where = f"distance_dependent.{name}"
    try:
        array = np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{where} is {values!r}; give an array (neurons, coordinates).") from error
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or array.size == 0:
        raise ParameterError(f"{where} has shape {array.shape}; give an array (neurons, coordinates).")
    wrong = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if wrong.size:
        raise ParameterError(f"{where}[{wrong[0]}] is {array[wrong[0]].tolist()}; give finite numbers.")
    return array


def _lengths(periodic: Any, n_axes: int) -> tuple[float, ...]:
    values = (periodic,) * n_axes if _is_real(periodic) else tuple(periodic) if np.iterable(periodic) else ()
    if len(values) != n_axes or not all(_is_real(length) and length > 0 for length in values):
        raise ParameterError(
            f"distance_dependent.periodic is {periodic!r}; give one length above 0, or one for each of the "
            f"{n_axes} coordinates, inf for an open axis."
        )
    return tuple(float(length) for length in values)
