"""What :mod:`snn.maths` is in kernels: arithmetic without branches and calls, which vector instructions can do."""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from ..maths import exp, expm1
from .jit import inlined, specialise

_INTEGER = 1.5 * 2.0**52  # a number to which this is added is rounded to an integer, which is in its last bits
_LOG2_E, _LN2_HIGH, _LN2_LOW = 1.4426950408889634, 0.6931471803691238, 1.9082149292705877e-10
_C = tuple(1.0 / math.factorial(k) for k in range(14))
_MOST = 709.782712893384  # e to a larger power is no finite number


@intrinsic
def _power_of_two(context: Any, n: Any) -> Any:
    """2 to the power n, an integer from -1022 to 1023."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        word = ir.IntType(64)
        shifted = builder.fadd(args[0], ir.Constant(ir.DoubleType(), _INTEGER + 1023.0))
        bits = builder.shl(builder.bitcast(shifted, word), ir.Constant(word, 52))
        return builder.bitcast(bits, ir.DoubleType())

    return types.float64(types.float64), codegen


@inlined
def _reduced(x):
    """s = 2^(n - 1), as 2^n may be too large, and q = e^r - 1: x = n ln 2 + r with |r| <= ln(2) / 2, x from -708 on."""
    y = -708.0 if x < -708.0 else x
    n = (y * _LOG2_E + _INTEGER) - _INTEGER
    r = (y - n * _LN2_HIGH) - n * _LN2_LOW
    # What r^14 / 14! adds is below a tenth of a unit in the last place. Horner's scheme would make each step wait for
    # the one before; this is Estrin's.
    r2 = r * r
    r4 = r2 * r2
    low = (0.5 + _C[3] * r) * r2 + ((_C[4] + _C[5] * r) + (_C[6] + _C[7] * r) * r2) * r4
    high = (_C[8] + _C[9] * r) + (_C[10] + _C[11] * r) * r2 + (_C[12] + _C[13] * r) * r4
    return _power_of_two(n - 1.0), r + (low + high * (r4 * r4))


@specialise(exp)
def _exp(x):
    def quick(x):
        s, q = _reduced(x)
        p = math.inf if x > _MOST else 2.0 * (s * (1.0 + q))
        return 0.0 if x < -708.0 else p

    return quick


@specialise(expm1)
def _expm1(x):
    def quick(x):
        s, q = _reduced(x)
        return math.inf if x > _MOST else 2.0 * (s * q + (s - 0.5))

    return quick
