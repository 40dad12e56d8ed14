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


def _intrinsic(write: int) -> Any:
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
            # Read or write, keep in all caches, data.
            builder.call(function, [pointer, flag(write), flag(3), flag(1)])
            return context.get_dummy_value()

        return types.void(array, types.intp), codegen

    return _prefetch


# Begin to load element k of an array, (array, k) -> None; changes nothing.
prefetch: Any = _intrinsic(0) if COMPILED else _nothing
# The same for one that will be written, which no other core has a say in then.
prefetch_to_write: Any = _intrinsic(1) if COMPILED else _nothing
