"""Bits of whole numbers."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from .jit import COMPILED


def _lowest(bits: Any) -> int:
    return (int(bits) & -int(bits)).bit_length() - 1


@intrinsic
def _lowest_bit(context: Any, bits: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), codegen


# Number of the lowest bit that is set, of a uint64 that is not 0: (bits) -> int.
lowest_bit: Any = _lowest_bit if COMPILED else _lowest
