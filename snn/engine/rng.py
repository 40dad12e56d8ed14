"""The counter-based random stream of the kernels; :func:`snn.random.uniform_at` is its plain twin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import config

from ..random import uniform_at
from .jit import kernel


@kernel
def _mixed(key, counter):
    """Number `counter` (>= 0) of stream `key`, uniform in [0, 1): SplitMix64 (Steele, Lea & Flood 2014)."""
    z = np.uint64(key) + (np.uint64(counter) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    # A signed number below 2^53 becomes a float in one instruction, an unsigned one does not.
    return np.float64(np.int64(z >> np.uint64(11))) * 1.1102230246251565e-16


def _plain(key: Any, counter: Any) -> float:
    return uniform_at(int(key), int(counter))


# Without the compiler, arithmetic on NumPy's unsigned scalars would warn of the overflow that it is meant to have.
uniform_u64: Any = _plain if config.DISABLE_JIT else _mixed


@kernel
def poisson(u, mean):
    """The Poisson number of mean `mean` (at most 700) to which the uniform number u belongs, by inversion."""
    p = math.exp(-mean)
    cumulated = p
    n = 0
    while u >= cumulated and p > 0.0:
        n += 1
        p *= mean / n
        cumulated += p
    return n


@kernel
def tabled(u, cumulated, guide):
    """The same from a table of the cumulated probabilities; guide[k] is the number of u = k / guide.size."""
    n = guide[int(u * guide.size)]
    while n + 1 < cumulated.size and u >= cumulated[n]:
        n += 1
    return n


def poisson_table(mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Cumulated probabilities and guide for :func:`tabled`, which then gives the numbers of :func:`poisson`."""
    p = math.exp(-mean)
    cumulated = [p]
    while p > 0.0:
        p *= mean / len(cumulated)
        cumulated.append(cumulated[-1] + p)
    table = np.array(cumulated)
    guide = np.searchsorted(table, np.arange(1024) / 1024, side="right")
    return table, guide.astype(np.int32)


@kernel
def gaussian(key, counter):
    """Number `counter` of a stream of standard normal numbers (Box & Muller 1958)."""
    u = uniform_u64(key, 2 * counter)
    v = uniform_u64(key, 2 * counter + 1)
    return math.sqrt(-2.0 * math.log(1.0 - u)) * math.cos(2.0 * math.pi * v)
