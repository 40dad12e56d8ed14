"""What connectors are: the pairs of neurons that each kind of them joins."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .describe import Described
from .distance import Profile, boxes, distances
from .errors import NetworkError

_LISTED_PAIRS = 2**22
"""Most pairs whose probabilities are added up to announce a number of synapses; of more, as many are sampled."""


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
        return sources(self.ptr)


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
            return Edges(np.zeros(n_pre + 1, np.int64), np.empty(0, np.int32), dense=True)
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
            return Edges(np.zeros(n_pre + 1, np.int64), np.empty(0, np.int32))
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


def sources(ptr: np.ndarray) -> np.ndarray:
    """Source of each synapse, from where the rows of the sources begin; (n,) int32."""
    return np.repeat(np.arange(ptr.size - 1, dtype=np.int32), np.diff(ptr))
