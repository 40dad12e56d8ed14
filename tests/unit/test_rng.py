"""Random numbers of the kernels against their distributions and against one another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from snn.engine import rng
from snn.engine.jit import callable_kernel
from snn.random import uniform_at

poisson, tabled, gaussian = (callable_kernel(f) for f in (rng.poisson, rng.tabled, rng.gaussian))


@pytest.mark.parametrize("mean", [0.0, 1e-3, 0.7, 2.0, 31.0, 400.0])
def test_poisson_numbers_are_those_of_scipys_quantile(mean):
    u = np.array([uniform_at(3, k) for k in range(2000)])
    found = [poisson(x, mean) for x in u]
    # Sums of probabilities differ by rounding, so a number on the edge of two may go either way.
    assert np.mean(found == stats.poisson(mean).ppf(u)) > 0.999 if mean else found == [0] * 2000


@pytest.mark.parametrize("mean", [1e-3, 0.7, 2.0, 31.0, 400.0])
def test_the_table_gives_the_same_numbers(mean):
    cumulated, guide = rng.poisson_table(mean)
    u = [0.0, 1 - 2.0**-53, *(k / 1024 for k in range(1024)), *(uniform_at(5, k) for k in range(2000))]
    assert [tabled(x, cumulated, guide) for x in u] == [poisson(x, mean) for x in u]


def test_gaussian_numbers_are_standard_normal():
    values = [gaussian(np.uint64(7), k) for k in range(20_000)]
    # A true generator falls below this level once in a thousand; the key is fixed.
    assert stats.kstest(values, "norm").pvalue > 1e-3
    assert math.isfinite(max(values))
