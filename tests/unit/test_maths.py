"""The exponentials of kernels against Python's own."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import snn.engine.maths  # noqa: F401  (tells the compiler of them)
from snn.engine.jit import OPTIONS, njit
from snn.maths import exp, expm1

compiled_exp, compiled_expm1 = njit(**OPTIONS)(lambda x: exp(x)), njit(**OPTIONS)(lambda x: expm1(x))
CASES = [(compiled_exp, math.exp, 1), (compiled_expm1, math.expm1, 2)]
ANY = st.one_of(st.floats(-707.9, 709.78), st.floats(-1.0, 1.0), st.floats(-1e-3, 1e-3))


@pytest.mark.parametrize(("ours", "pythons", "units"), CASES, ids=["exp", "expm1"])
@settings(deadline=None, max_examples=1000)
@given(x=ANY)
def test_they_are_within_units_in_the_last_place(ours, pythons, units, x):
    assert abs(ours(x) - pythons(x)) <= units * math.ulp(pythons(x))


@pytest.mark.parametrize(("ours", "pythons", "units"), CASES, ids=["exp", "expm1"])
def test_what_is_no_number_and_what_has_none(ours, pythons, units):
    assert math.isnan(ours(math.nan))
    assert ours(-math.inf) == ours(-750.0) == pythons(-math.inf)
    assert ours(math.inf) == ours(710.0) == math.inf
    assert ours(0.0) == ours(-0.0) == pythons(0.0)
    assert np.isfinite(ours(709.78))
