"""Random numbers of the kernels against their distributions and against one another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from snn.engine import rng
from snn.engine.jit import callable_kernel
from snn.random import uniform_at

poisson, tabled, gaussian, lane_of = map(callable_kernel, (rng.poisson, rng.tabled, rng.gaussian, rng.lane_of))


@pytest.mark.parametrize("mean", [0.0, 1e-3, 0.7, 2.0, 31.0, 400.0])
def test_poisson_numbers_are_those_of_scipys_quantile(mean):
    u = np.array([uniform_at(3, k) for k in range(2000)])
    found = [poisson(x, mean) for x in u]
    # Sums of probabilities differ by rounding, so a number on the edge of two may go either way.
    assert np.mean(found == stats.poisson(mean).ppf(u)) > 0.999 if mean else found == [0] * 2000


@pytest.mark.parametrize("mean", [1e-3, 0.7, 2.0, 31.0, 400.0])
def test_the_table_gives_the_same_numbers(mean):
    cumulated, quick = rng.poisson_table(mean)
    keys = [np.uint64(k) for k in range(65536)]
    # All values of the 16 leading bits; the others are a number of the stream.
    expected = [poisson((c + uniform_at(c, 3)) / 65536, mean) for c in range(65536)]
    assert [tabled(c, keys[c], 3, cumulated, quick) for c in range(65536)] == expected
    # So few have to be looked at more closely.
    assert np.mean(quick < 0) < 0.04


def test_four_numbers_share_a_random_word():
    word = 0xABCD_1234_0000_FFFF
    assert [lane_of(np.uint64(word), k) for k in range(4)] == [0xFFFF, 0, 0x1234, 0xABCD]


def test_gaussian_numbers_are_standard_normal():
    values = [gaussian(np.uint64(7), k) for k in range(20_000)]
    # A true generator falls below this level once in a thousand; the key is fixed.
    assert stats.kstest(values, "norm").pvalue > 1e-3
    assert math.isfinite(max(values))
