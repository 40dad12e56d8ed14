"""Random numbers: streams named by their purpose, and the distributions that weights and delays are drawn from.

Every stream depends on the network's seed and on its own name alone, so that adding a recorder, a projection or a
thread changes no number elsewhere. One exception: on the grid, sources that nobody records are drawn as numbers of
arrivals where each drives neurons of its own; recorded, they are drawn spike by spike.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .describe import Described
from .errors import ParameterError
from .values import flag, numbers

_MASK = 2**64 - 1

_LEAST_ACCEPTED = 0.01
"""Smallest share of draws that may fall between the bounds of a truncated distribution: less is a mistake in its
parameters, and redrawing costs the inverse."""


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
    return (bits_at(key, counter) >> 11) * 2.0**-53


def bits_at(key: int, counter: int) -> int:
    """The 64 bits that :func:`uniform_at` makes its number of."""
    z = (key + (counter + 1) * 0x9E3779B97F4A7C15) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


class Distribution(Described, ABC):
    """Base of the distributions that weights, delays and initial states can be drawn from."""

    @abstractmethod
    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """Draw `n` values; float64 (n,)."""

    def draw(self, key: int, n: int, dtype: Any = np.float64) -> np.ndarray:
        """Draw the weights or delays of `n` synapses from the stream `key`; (n,) of `dtype`.

        The library's own distributions draw them in compiled code on all cores, value k from number k of the stream
        (:func:`uniform_at`), so that beside the values themselves nothing is held. Any other one is sampled.
        """
        return self.sample(np.random.Generator(np.random.Philox(key=key)), n).astype(dtype, copy=False)


@dataclass(frozen=True, repr=False)
class Normal(Distribution):
    """A normal distribution, truncated or clipped; made by :func:`normal`."""

    mean: float
    sd: float
    low: float = -math.inf
    high: float = math.inf
    redraw: bool = True

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return _bounded(lambda size: rng.normal(self.mean, self.sd, size), n, self.low, self.high, self.redraw)

    def draw(self, key: int, n: int, dtype: Any = np.float64) -> np.ndarray:
        from . import wire

        p_low, share = _between(self.mean, self.sd, self.low, self.high) if self.redraw else (0.0, 1.0)
        return wire.draw_values(wire.NORMAL, key, (self.mean, self.sd, p_low, share, self.low, self.high), n, dtype)


@dataclass(frozen=True, repr=False)
class Uniform(Distribution):
    """A uniform distribution; made by :func:`uniform`."""

    low: float
    high: float

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return rng.uniform(self.low, self.high, n)

    def draw(self, key: int, n: int, dtype: Any = np.float64) -> np.ndarray:
        from . import wire

        return wire.draw_values(wire.UNIFORM, key, (self.low, self.high - self.low, 0.0, 1.0, 0.0, 0.0), n, dtype)


@dataclass(frozen=True, repr=False)
class Lognormal(Distribution):
    """A lognormal distribution, truncated or clipped; made by :func:`lognormal`."""

    median: float
    sigma: float
    low: float = 0.0
    high: float = math.inf
    redraw: bool = True

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        return _bounded(
            lambda size: self.median * np.exp(self.sigma * rng.standard_normal(size)),
            n,
            self.low,
            self.high,
            self.redraw,
        )

    def draw(self, key: int, n: int, dtype: Any = np.float64) -> np.ndarray:
        from . import wire

        p_low, share = self.share_between if self.redraw else (0.0, 1.0)
        return wire.draw_values(
            wire.LOGNORMAL, key, (self.median, self.sigma, p_low, share, self.low, self.high), n, dtype
        )

    @property
    def share_between(self) -> tuple[float, float]:
        """Probability of a value below `low`, and of one from `low` to `high`, before truncation."""
        low, high = (math.log(x / self.median) if x > 0 else -math.inf for x in (self.low, self.high))
        return _between(0.0, self.sigma, low, high)


def normal(mean: float, sd: float, low: float | None = None, high: float | None = None, redraw: bool = True) -> Normal:
    """Normal distribution; values outside [low, high] are drawn again, or set to the bound.

    Parameters
    ----------
    mean, sd : float
        Of the distribution before truncation; sd >= 0.
    low, high : float, optional
        Bounds, inclusive.
    redraw : bool
        True: the distribution is truncated. False: it is clipped, so that a bound has the probability of all that
        lies beyond it.

    Raises
    ------
    ParameterError
        Where less than 1 % of the draws would fall between the bounds of a truncated distribution.
    """
    mean, sd = _finite("normal", "mean", mean), _finite("normal", "sd", sd, least=0.0)
    made = Normal(mean, sd, *_bounds("normal", low, high, -math.inf), flag("normal.redraw", redraw))
    _check_share(made, "mean", _between(mean, sd, made.low, made.high)[1])
    return made


def uniform(low: float, high: float) -> Uniform:
    """Uniform distribution on [low, high)."""
    low = _finite("uniform", "low", low)
    return Uniform(low, _finite("uniform", "high", high, least=low))


def lognormal(
    median: float, sigma: float, low: float | None = None, high: float | None = None, redraw: bool = True
) -> Lognormal:
    """Lognormal distribution: median * exp(sigma * xi) with standard normal xi.

    Parameters
    ----------
    median : float, > 0
    sigma : float, >= 0
        Standard deviation of the logarithm (natural).
    low, high : float, optional
        Bounds, inclusive.
    redraw : bool
        True: values outside the bounds are drawn again (truncated). False: they are set to the bound (clipped).

    Raises
    ------
    ParameterError
        Where less than 1 % of the draws would fall between the bounds of a truncated distribution.
    """
    median = _finite("lognormal", "median", median, least=0.0)
    if median == 0:
        raise ParameterError("lognormal.median is 0; give a number above 0.")
    sigma = _finite("lognormal", "sigma", sigma, least=0.0)
    made = Lognormal(median, sigma, *_bounds("lognormal", low, high, 0.0), flag("lognormal.redraw", redraw))
    _check_share(made, "median", made.share_between[1])
    return made


def _bounded(draw: Callable[[int], np.ndarray], n: int, low: float, high: float, redraw: bool) -> np.ndarray:
    """Values between bounds, from a function that draws any number of them."""
    values = draw(n)
    if not redraw:
        return np.clip(values, low, high)
    outside = np.arange(n)
    while (outside := outside[(values[outside] < low) | (values[outside] > high)]).size:
        values[outside] = draw(outside.size)
    return values


def _between(mean: float, sd: float, low: float, high: float) -> tuple[float, float]:
    """Probability that a normal variable lies below `low`, and that it lies from `low` to `high`."""
    if sd == 0:
        return 0.0, float(low <= mean <= high)
    below, upto = (0.5 * math.erfc((mean - x) / (sd * math.sqrt(2.0))) for x in (low, high))
    return below, upto - below


def _bounds(kind: str, low: float | None, high: float | None, least: float) -> tuple[float, float]:
    lower = least if low is None else _finite(kind, "low", low, least)
    return lower, math.inf if high is None else _finite(kind, "high", high)


def _check_share(made: Normal | Lognormal, centre: str, share: float) -> None:
    if made.redraw and share < _LEAST_ACCEPTED:
        raise ParameterError(
            f"{made}: {max(share, 0.0):.2g} of the draws fall between low and high. Move {centre} or widen the bounds, "
            "or clip with redraw=False."
        )
    if made.low > made.high:
        raise ParameterError(f"{made}: low is above high. Exchange the bounds.")


def _finite(kind: str, name: str, value: float, least: float = -math.inf) -> float:
    made = numbers(f"{kind}.{name}", value, "a number")
    if made.ndim:
        raise ParameterError(f"{kind}.{name} is {value!r}; give one number.")
    number = float(made)
    if not math.isfinite(number):
        raise ParameterError(f"{kind}.{name} is {number}; give a finite number.")
    if number < least:
        raise ParameterError(f"{kind}.{name} is {number:g}; it must be at least {least:g}.")
    return number
