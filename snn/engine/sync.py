"""Words that one thread writes and others wait for: what was written before the word is seen by whoever reads it."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from .jit import COMPILED


def _put(array: Any, k: int, value: int) -> None:
    array[k] = value


def _get(array: Any, k: int) -> int:
    return int(array[k])


def _pointer(context: Any, builder: Any, typ: Any, array: Any, k: Any) -> Any:
    return cgutils.gep_inbounds(builder, context.make_array(typ)(context, builder, array).data, k)


@intrinsic
def _publish(context: Any, array: Any, k: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], args[0], args[1])
        builder.store_atomic(args[2], pointer, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen


@intrinsic
def _published(context: Any, array: Any, k: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], args[0], args[1])
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(array, types.intp), codegen


# array[k] = value, after everything that was written before: (array, k, value) -> None.
publish: Any = _publish if COMPILED else _put
# array[k]; what is read afterwards is as new as that: (array, k) -> int.
published: Any = _published if COMPILED else _get


@intrinsic
def _let_others(context: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if binding.address_of_symbol("sched_yield") is not None:  # not on Windows
            function = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), codegen


# Give the core away for a moment if anybody else is waiting for it: () -> None.
let_others: Any = _let_others if COMPILED else partial(time.sleep, 0)
