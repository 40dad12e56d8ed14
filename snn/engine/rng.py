"""The counter-based random stream of the kernels; :func:`snn.random.uniform_at` is its plain twin."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import config

from ..random import bits_at
from .jit import kernel

# Cells that share one random word, each with 16 bits of it, and the leading ones of these that are looked up.
LANES = 4
_LOOKED_UP = 12


@kernel
def _mixed(key, counter):
    """Word `counter` (>= 0) of stream `key`: SplitMix64 (Steele, Lea & Flood 2014)."""
    z = np.uint64(key) + (np.uint64(counter) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _plain(key: Any, counter: Any) -> Any:
    return np.uint64(bits_at(int(key), int(counter)))


# Without the compiler, arithmetic on NumPy's unsigned scalars would warn of the overflow that it is meant to have.
random_word: Any = _plain if config.DISABLE_JIT else _mixed


@kernel
def uniform_u64(key, counter):
    """Number `counter` of stream `key`, uniform in [0, 1)."""
    # A signed number below 2^53 becomes a float in one instruction, an unsigned one does not.
    return np.float64(np.int64(random_word(key, counter) >> np.uint64(11))) * 1.1102230246251565e-16


@kernel
def lane_of(word, lane):
    """16 of the 64 bits of a word, as a number."""
    return np.int64((word >> np.uint64(16 * lane)) & np.uint64(0xFFFF))


@kernel
def refined(coarse, key, counter):
    """The uniform number with the leading 16 bits `coarse`; the others are number `counter` of stream `key`."""
    return (coarse + uniform_u64(key, counter)) * 1.52587890625e-05


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
def tabled(coarse, key, counter, cumulated, quick):
    """The same for the number :func:`refined` from `coarse`, which is refined only where that can matter."""
    n = np.int64(quick[coarse >> (16 - _LOOKED_UP)])
    if n < 0:
        u, n = refined(coarse, key, counter), ~n
        while n + 1 < cumulated.size and u >= cumulated[n]:
            n += 1
    return n


def poisson_table(mean: float) -> tuple[np.ndarray, np.ndarray]:
    """Cumulated probabilities, and the number for each value of the leading bits of u; ~n where it is n or more."""
    p = math.exp(-mean)
    cumulated = [p]
    while p > 0.0:
        p *= mean / len(cumulated)
        cumulated.append(cumulated[-1] + p)
    table, edges = np.array(cumulated), np.arange((1 << _LOOKED_UP) + 1) / (1 << _LOOKED_UP)
    least, most = np.searchsorted(table, edges[:-1], side="right"), np.searchsorted(table, edges[1:], side="left")
    return table, np.where(least == most, least, ~least).astype(np.int16)


@kernel
def gaussian(key, counter):
    """Number `counter` of a stream of standard normal numbers (Box & Muller 1958)."""
    u = uniform_u64(key, 2 * counter)
    v = uniform_u64(key, 2 * counter + 1)
    return math.sqrt(-2.0 * math.log(1.0 - u)) * math.cos(2.0 * math.pi * v)
