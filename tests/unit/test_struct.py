"""Structs in memory: what Python writes, kernels read, and the other way round."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF
from snn.engine.jit import callable_kernel
from snn.engine.struct import Struct


def sample() -> Struct:
    inner = Struct(x=np.arange(3.0), n=7)
    return Struct(
        scale=2.5,
        count=3,
        on=True,
        table=np.arange(6, dtype=np.float32).reshape(2, 3),
        taus=(0.01, 0.02),
        arrays=(np.ones(2), np.full(2, 4.0)),
        model=LIF(tau_m=0.03, v_rest=np.array([1.0, 2.0])),
        inner=inner,
    )


@callable_kernel
def read(s):
    total = s.scale + s.count + s.taus[1] + s.model.tau_m + s.model.v_rest[1] + s.table[1, 2] + s.arrays[1][0]
    return total + s.inner.x[2] + s.inner.n + (100.0 if s.on else 0.0)


@callable_kernel
def write(s):
    s.count += 1
    s.scale = 0.5
    s.on = False
    s.table[0, 1] = 9.0
    s.inner.n = 8


def test_kernels_read_every_kind_of_member():
    assert read(sample()) == pytest.approx(2.5 + 3 + 0.02 + 0.03 + 2.0 + 5.0 + 4.0 + 2.0 + 7 + 100.0, rel=1e-15)


def test_python_sees_what_kernels_write():
    s = sample()
    write(s)
    assert (s.count, s.scale, s.on, s.table[0, 1], s.inner.n) == (4, 0.5, False, 9.0, 8)


def test_an_array_can_be_replaced_by_one_of_its_type_only():
    s = sample()
    s.table = np.zeros((5, 3), np.float32)
    assert s.table.shape == (5, 3)
    with pytest.raises(TypeError, match="table"):
        s.table = np.zeros((5, 3))


def test_changed_parameters_of_a_plugin_reach_kernels_after_refresh():
    s = sample()
    before = read(s)
    s.model.tau_m = 0.05
    s.refresh()
    assert read(s) - before == pytest.approx(0.02, rel=1e-9)  # rounding of the sums


def test_structs_with_the_same_names_and_types_share_a_type():
    assert sample().type_ == sample().type_
    assert Struct(x=1.0).type_ != Struct(x=1).type_
    assert Struct(x=1.0).type_ != Struct(y=1.0).type_
