"""Bits of whole numbers against their digits in plain Python."""

from __future__ import annotations

import numpy as np
import pytest

from snn.engine import bits
from snn.engine.jit import callable_kernel


def lowest(word):
    return bits.lowest_bit(word)


@pytest.mark.parametrize("above", [0, 0xA5A5A5A5A5A5A5A5])
def test_lowest_bit_is_the_last_one_of_the_digits(above):
    found = callable_kernel(lowest)
    for k in range(64):
        word = (1 << k | above >> k << k) & (2**64 - 1)
        assert found(np.uint64(word)) == bin(word)[::-1].index("1")
