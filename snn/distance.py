"""Probability of a connection as a function of distance, and positions in nested boxes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cache

import numpy as np

from .describe import Described
from .errors import ParameterError
from .values import is_real

_LEAF = 32
"""Most neurons in a smallest box."""


class Profile(Described, ABC):
    """Base of profiles: a probability that does not grow with distance."""

    @property
    @abstractmethod
    def constants(self) -> tuple[int, float, float, float]:
        """Kind (0 Gaussian, 1 exponential, 2 boxcar), scale, p_max and cutoff, as the kernels take them."""

    def at(self, distance: np.ndarray) -> np.ndarray:
        """Probabilities at these distances; float64 of the same shape."""
        kind, scale, p_max, cutoff = self.constants
        fall = (np.exp(-0.5 * (distance / scale) ** 2), np.exp(-distance / scale), np.ones_like(distance))[kind]
        return np.where(distance <= cutoff, p_max * fall, 0.0)


@dataclass(frozen=True, repr=False)
class Gaussian(Profile):
    """Made by :func:`gaussian`."""

    sigma: float
    p_max: float = 1.0
    cutoff: float = math.inf

    @property
    def constants(self) -> tuple[int, float, float, float]:
        return 0, self.sigma, self.p_max, self.cutoff


@dataclass(frozen=True, repr=False)
class Exponential(Profile):
    """Made by :func:`exponential`."""

    length: float
    p_max: float = 1.0
    cutoff: float = math.inf

    @property
    def constants(self) -> tuple[int, float, float, float]:
        return 1, self.length, self.p_max, self.cutoff


@dataclass(frozen=True, repr=False)
class Boxcar(Profile):
    """Made by :func:`boxcar`."""

    radius: float
    p_max: float = 1.0

    @property
    def constants(self) -> tuple[int, float, float, float]:
        return 2, 1.0, self.p_max, self.radius


def gaussian(sigma: float, p_max: float = 1.0, cutoff: float = math.inf) -> Gaussian:
    """Probability p_max exp(-d^2 / (2 sigma^2)) at distance d, and 0 beyond `cutoff`.

    Parameters
    ----------
    sigma : float, > 0, in the unit of the positions
    p_max : float, in [0, 1]
    cutoff : float, > 0, in the unit of the positions
    """
    return Gaussian(*_checked("gaussian", "sigma", sigma, p_max, cutoff))


def exponential(length: float, p_max: float = 1.0, cutoff: float = math.inf) -> Exponential:
    """Probability p_max exp(-d / length) at distance d, and 0 beyond `cutoff`.

    Parameters
    ----------
    length : float, > 0, in the unit of the positions
    p_max : float, in [0, 1]
    cutoff : float, > 0, in the unit of the positions
    """
    return Exponential(*_checked("exponential", "length", length, p_max, cutoff))


def boxcar(radius: float, p_max: float = 1.0) -> Boxcar:
    """Probability `p_max` up to distance `radius`, inclusive, and 0 beyond.

    Parameters
    ----------
    radius : float, > 0, in the unit of the positions
    p_max : float, in [0, 1]
    """
    return Boxcar(*_checked("boxcar", "radius", radius, p_max, math.inf)[:2])


def distances(x: np.ndarray, y: np.ndarray, period: np.ndarray) -> np.ndarray:
    """Euclidean distances between positions (..., d); along an axis of finite period, the shorter way round."""
    gap = np.abs(x - y)
    return np.sqrt((np.minimum(gap, period - gap) ** 2).sum(axis=-1))


@dataclass(frozen=True, eq=False)
class Boxes:
    """Positions in nested boxes (a k-d tree), listed so that a box comes before those inside it.

    Parameters
    ----------
    ids : (n,) int32
        Neurons, so that each box holds a stretch of them.
    begin, end : (m,) int64
        The stretch of each box.
    after : (m,) int64
        The next box that is not inside this one; the box after it where none is inside.
    low, high : (m, d) float64
        Corners.
    """

    ids: np.ndarray
    begin: np.ndarray
    end: np.ndarray
    after: np.ndarray
    low: np.ndarray
    high: np.ndarray


def boxes(x: np.ndarray) -> Boxes:
    """Cut positions (n, d) at the median of their widest axis until few are left in a box.

    References
    ----------
    Bentley (1975) Commun. ACM 18, 509.
    """
    ids = np.arange(len(x), dtype=np.int32)
    begins, ends, afters, lows, highs = [], [], [], [], []
    pending = [(0, len(x))]
    while pending:
        begin, end = pending.pop()
        inside = x[ids[begin:end]]
        low, high = inside.min(axis=0), inside.max(axis=0)
        begins.append(begin)
        ends.append(end)
        afters.append(len(begins) - 1 + _n_boxes(end - begin))
        lows.append(low)
        highs.append(high)
        if end - begin > _LEAF:
            # Stable, so that equal positions are cut alike on every machine.
            ids[begin:end] = ids[begin:end][np.argsort(inside[:, np.argmax(high - low)], kind="stable")]
            half = begin + (end - begin) // 2
            pending += [(half, end), (begin, half)]
    return Boxes(ids, np.array(begins), np.array(ends), np.array(afters), np.array(lows), np.array(highs))


@cache
def _n_boxes(n: int) -> int:
    """Boxes that `n` positions are cut into, all sizes together."""
    return 1 if n <= _LEAF else 1 + _n_boxes(n // 2) + _n_boxes(n - n // 2)


def _checked(kind: str, name: str, scale: float, p_max: float, cutoff: float) -> tuple[float, float, float]:
    for field, value in ((name, scale), ("p_max", p_max), ("cutoff", cutoff)):
        if field == "p_max":
            if not is_real(value) or not 0 <= value <= 1:
                raise ParameterError(f"{kind}.p_max is {value!r}; give a probability from 0 to 1.")
        elif not is_real(value) or not value > 0 or (field == name and math.isinf(value)):
            raise ParameterError(f"{kind}.{field} is {value!r}; give a length above 0, in the unit of the positions.")
    return float(scale), float(p_max), float(cutoff)
