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
def poisson(key, counter, mean):
    """Number `counter` of a stream of Poisson numbers, by inversion of one uniform number.

    For a large mean the sum of independent Poisson numbers of mean 16 at most is drawn, each from a counter of its own.
    """
    total = 0
    part = 0
    while mean > 0.0:
        piece = min(mean, 16.0)
        mean -= piece
        u = uniform_u64(key, counter * 64 + part)
        part += 1
        p = math.exp(-piece)
        cumulated = p
        n = 0
        while u >= cumulated and n < 200:
            n += 1
            p *= piece / n
            cumulated += p
        total += n
    return total


@kernel
def gaussian(key, counter):
    """Number `counter` of a stream of standard normal numbers (Box & Muller 1958)."""
    u = uniform_u64(key, 2 * counter)
    v = uniform_u64(key, 2 * counter + 1)
    return math.sqrt(-2.0 * math.log(1.0 - u)) * math.cos(2.0 * math.pi * v)
