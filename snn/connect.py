"""Connectors, as they are declared: which neuron of one population reaches which neuron of another."""

from __future__ import annotations

from typing import Any

import numpy as np

from .connectors import (
    AllToAll,
    DistanceDependent,
    FixedInDegree,
    FixedOutDegree,
    FixedProbability,
    FixedTotalNumber,
    FromArrays,
    FromSparse,
    OneToOne,
    SmallWorld,
)
from .distance import Profile
from .errors import ParameterError
from .plugin import is_whole
from .values import flag, is_real


def all_to_all(self_connections: bool = True) -> AllToAll:
    """Connect every source to every target.

    Parameters
    ----------
    self_connections : bool
        Whether a neuron reaches itself, where source and target are one population.
    """
    return AllToAll(flag("all_to_all.self_connections", self_connections))


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
        _probability("fixed_probability", p), flag("fixed_probability.self_connections", self_connections)
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
        flag("fixed_in_degree.self_connections", self_connections),
        flag("fixed_in_degree.multapses", multapses),
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
        flag("fixed_out_degree.self_connections", self_connections),
        flag("fixed_out_degree.multapses", multapses),
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
        flag("fixed_total_number.self_connections", self_connections),
        flag("fixed_total_number.multapses", multapses),
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
    return DistanceDependent(probability, x_pre, x_post, lengths, flag(f"{kind}.self_connections", self_connections))


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


def _probability(kind: str, p: Any) -> float:
    if not is_real(p) or not 0 <= p <= 1:
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
    values = (periodic,) * n_axes if is_real(periodic) else tuple(periodic) if np.iterable(periodic) else ()
    if len(values) != n_axes or not all(is_real(length) and length > 0 for length in values):
        raise ParameterError(
            f"distance_dependent.periodic is {periodic!r}; give one length above 0, or one for each of the "
            f"{n_axes} coordinates, inf for an open axis."
        )
    return tuple(float(length) for length in values)
