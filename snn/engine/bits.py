"""Bits of whole numbers, and comparisons that make them."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import COMPILED

LANES = 16


def _lowest(bits: Any) -> int:
    return (int(bits) & -int(bits)).bit_length() - 1


@intrinsic
def _lowest_bit(context: Any, bits: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


# Number of the lowest bit that is set, of a uint64 that is not 0: (bits) -> int.
lowest_bit: Any = _lowest_bit if COMPILED else _lowest


def _at_least(array: Any, k: int, least: float) -> int:
    return sum(1 << i for i in range(LANES) if array[k + i] >= least)


@intrinsic
def _lanes_at_least(context: Any, array: Any, k: Any, least: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        lanes, number = ir.VectorType(ir.DoubleType(), LANES), ir.IntType(32)
        pointer = builder.bitcast(cgutils.gep_inbounds(builder, data, args[1]), lanes.as_pointer())
        anything = ir.Constant(lanes, ir.Undefined)
        first = builder.insert_element(anything, args[2], number(0))
        every = builder.shuffle_vector(first, anything, ir.Constant(ir.VectorType(number, LANES), [0] * LANES))
        found = builder.fcmp_ordered(">=", builder.load(pointer, align=8), every)
        return builder.zext(builder.bitcast(found, ir.IntType(LANES)), ir.IntType(64))

    return types.uint64(array, types.intp, types.float64), codegen


# Which of the LANES elements from number k on of a contiguous float64 array are at least so large, as bits of a
# uint64: (array, k, least) -> int.
lanes_at_least: Any = _lanes_at_least if COMPILED else _at_least
