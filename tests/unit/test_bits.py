"""Bits against digits and comparisons in plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snn.engine import bits
from snn.engine.jit import callable_kernel


def lowest(word):
    return bits.lowest_bit(word)


def at_least(array, k, least):
    return bits.lanes_at_least(array, k, least)


@pytest.mark.parametrize("above", [0, 0xA5A5A5A5A5A5A5A5])
def test_lowest_bit_is_the_last_one_of_the_digits(above):
    found = callable_kernel(lowest)
    for k in range(64):
        word = (1 << k | above >> k << k) & (2**64 - 1)
        assert found(np.uint64(word)) == bin(word)[::-1].index("1")


def test_lanes_at_least_are_those_that_numpy_finds():
    found, rng = callable_kernel(at_least), np.random.default_rng(0)
    # Whole numbers, so that many are equal to the bound.
    values = rng.integers(-3, 4, 3 * bits.LANES).astype(float)
    values[5] = math.nan
    for k in range(2 * bits.LANES + 1):
        here = values[k : k + bits.LANES] >= 2.0
        assert found(values, k, 2.0) == sum(1 << i for i in np.flatnonzero(here).tolist())
