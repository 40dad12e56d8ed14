"""Asking the processor for memory that will be needed soon: short rows are scattered, and their order is known."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import COMPILED


def _nothing(array: Any, k: int) -> None:
    pass


@intrinsic
def _prefetch(context: Any, array: Any, k: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        pointer = builder.bitcast(cgutils.gep_inbounds(builder, data, args[1]), ir.IntType(8).as_pointer())
        flag = ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(ir.VoidType(), [pointer.type, flag, flag, flag]),
            "llvm.prefetch.p0i8",
        )
        # Read, keep in all caches, data.
        builder.call(function, [pointer, flag(0), flag(3), flag(1)])
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


# Begin to load element k of an array, (array, k) -> None; changes nothing.
prefetch: Any = _prefetch if COMPILED else _nothing
