"""Random numbers: streams named by their purpose, and the distributions that weights and delays are drawn from.

Every stream depends on the network's seed and on its own name alone, so that adding a recorder, a projection or a
thread changes no number elsewhere.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from .describe import Described
from .errors import ParameterError

_MASK = 2**64 - 1

_LEAST_ACCEPTED = 0.01
"""Smallest share of draws that may fall between the bounds of a distribution: redrawing costs its inverse."""


@dataclass(frozen=True)
class Streams:
    """The random streams of one network.

    Parameters
    ----------
    seed : int, >= 0
    """

    seed: int

    def _digest(self, names: tuple[str, ...]) -> bytes:
        return hashlib.sha256("/".join((str(self.seed), *names)).encode()).digest()

    def generator(self, *names: str) -> np.random.Generator:
        """A generator of its own for one purpose: `streams.generator("weight", "inputs->cells")`."""
        return np.random.Generator(np.random.Philox(key=int.from_bytes(self._digest(names)[:16], "little")))

    def key(self, *names: str) -> int:
        """A 64-bit key of its own for one purpose, for :func:`uniform_at`."""
        return int.from_bytes(self._digest(names)[:8], "little")


def uniform_at(key: int, counter: int) -> float:
    """Number `counter` of the stream `key`, uniform in [0, 1); needs no state, so any order gives the same numbers.

    z = key + (counter + 1) 0x9E3779B97F4A7C15 mod 2^64, mixed by the SplitMix64 finaliser; the top 53 bits count.

    Parameters
    ----------
    key : int, in [0, 2^64)
    counter : int, >= 0

    References
    ----------
    Steele, Lea & Flood (2014) OOPSLA, 453, fig. 17, with the constants of Stafford's variant 13.
    """
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((z ^ (z >> 31)) >> 11) * 2.0**-53


class Distribution(Described, ABC):
    """Base of the distributions that weights, delays and initial states can be drawn from."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw `n` values; float64 (n,)."""


@dataclass(frozen=True, repr=False)
class Normal(Distribution):
    """A normal distribution, truncated by redrawing; made by :func:`normal`."""

    mean: float
    sd: float
    low: float = -math.inf
    high: float = math.inf

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        values = rng.normal(self.mean, self.sd, n)
        outside = np.arange(n)
        while (outside := outside[(values[outside] < self.low) | (values[outside] > self.high)]).size:
            values[outside] = rng.normal(self.mean, self.sd, outside.size)
        return values


@dataclass(frozen=True, repr=False)
class Uniform(Distribution):
    """A uniform distribution; made by :func:`uniform`."""

    low: float
    high: float

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.uniform(self.low, self.high, n)


@dataclass(frozen=True, repr=False)
class Lognormal(Distribution):
    """A lognormal distribution; made by :func:`lognormal`."""

    median: float
    sigma: float

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return self.median * np.exp(self.sigma * rng.standard_normal(n))


def normal(mean: float, sd: float, low: float | None = None, high: float | None = None) -> Normal:
    """Normal distribution; values outside [low, high] are drawn again.

    Parameters
    ----------
    mean, sd : float
        Of the distribution before truncation; sd >= 0.
    low, high : float, optional
        Bounds, inclusive.

    Raises
    ------
    ParameterError
        Where less than 1 % of the draws would fall between the bounds.
    """
    mean, sd = _finite("normal", "mean", mean), _finite("normal", "sd", sd, least=0.0)
    made = Normal(
        mean,
        sd,
        -math.inf if low is None else _finite("normal", "low", low),
        math.inf if high is None else _finite("normal", "high", high),
    )
    share = _normal_cdf(made.high, mean, sd) - _normal_cdf(made.low, mean, sd)
    if sd == 0:
        share = float(made.low <= mean <= made.high)
    if share < _LEAST_ACCEPTED:
        raise ParameterError(
            f"{made}: {max(share, 0.0):.2g} of the draws fall between low and high. Move mean or widen the bounds."
        )
    return made


def uniform(low: float, high: float) -> Uniform:
    """Uniform distribution on [low, high)."""
    low = _finite("uniform", "low", low)
    return Uniform(low, _finite("uniform", "high", high, least=low))


def lognormal(median: float, sigma: float) -> Lognormal:
    """Lognormal distribution: median * exp(sigma * xi) with standard normal xi.

    Parameters
    ----------
    median : float, > 0
    sigma : float, >= 0
        Standard deviation of the logarithm (natural).
    """
    median = _finite("lognormal", "median", median, least=0.0)
    if median == 0:
        raise ParameterError("lognormal.median is 0; give a number above 0.")
    return Lognormal(median, _finite("lognormal", "sigma", sigma, least=0.0))


def _normal_cdf(x: float, mean: float, sd: float) -> float:
    return 0.5 * (1.0 + math.erf((x - mean) / (sd * math.sqrt(2.0)))) if sd > 0 else float(x >= mean)


def _finite(kind: str, name: str, value: float, least: float = -math.inf) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{kind}.{name} is {value!r}; give a number.") from error
    if not math.isfinite(number):
        raise ParameterError(f"{kind}.{name} is {number}; give a finite number.")
    if number < least:
        raise ParameterError(f"{kind}.{name} is {number:g}; it must be at least {least:g}.")
    return number
