"""One-dimensional arrays of structs, made so that kernels which use them compile quickly.

Numba asks fourteen overloads (of strings, lists, dictionaries, ...) before it finds out what an element of an array is,
and its code for an element looks at the sign of the index. Elements are most of what kernels are made of, and they
count from the front.
"""

from __future__ import annotations

import operator
from typing import Any, ClassVar

from numba import types
from numba.core import cgutils
from numba.core.datamodel.models import ArrayModel
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model
from numba.np.arrayobj import load_item, store_item

from .jit import COMPILED


class VectorType(types.Array):
    """A contiguous array whose indices are never negative."""

    def __init__(self, dtype: Any) -> None:
        super().__init__(dtype, 1, "C", name=f"Vector({dtype})")

    def copy(self, dtype: Any = None, ndim: Any = None, layout: Any = None, readonly: Any = None) -> Any:
        if ndim in (None, 1) and layout in (None, "C") and not readonly:
            return VectorType(self.dtype if dtype is None else dtype)
        return super().copy(dtype, ndim, layout, readonly)


register_model(VectorType)(ArrayModel)


# Those for one target are asked before those for any.
@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):
    key = operator.getitem
    metadata: ClassVar = {"target": "cpu"}

    def generic(self, args: Any, kws: Any) -> Any:
        array, index = args
        if isinstance(array, VectorType) and isinstance(index, types.Integer):
            return signature(array.dtype, array, index)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):
    key = operator.setitem
    metadata: ClassVar = {"target": "cpu"}

    def generic(self, args: Any, kws: Any) -> Any:
        array, index, value = args
        if isinstance(array, VectorType) and isinstance(index, types.Integer):
            return signature(types.none, array, index, array.dtype)
        return None


@infer_global(bool)
class _Truth(AbstractTemplate):
    key = bool
    metadata: ClassVar = {"target": "cpu"}

    def generic(self, args: Any, kws: Any) -> Any:
        return signature(types.boolean, types.boolean) if args == (types.boolean,) else None


def _pointer(context: Any, builder: Any, array: Any, value: Any, index: Any) -> Any:
    """Where an element of an array is."""
    data = context.data_model_manager[array].get_field_position("data")
    return cgutils.gep_inbounds(builder, builder.extract_value(value, data), index)


def _place(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    """Where the element of args[0] at args[1] is."""
    index = context.cast(builder, args[1], sig.args[1], types.intp)
    return _pointer(context, builder, sig.args[0], args[0], index)


@lower_builtin(operator.getitem, VectorType, types.Integer)
def _get_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return load_item(context, builder, sig.args[0], _place(context, builder, sig, args))


@lower_builtin(operator.setitem, VectorType, types.Integer, types.Any)
def _set_item(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    value = context.cast(builder, args[2], sig.args[2], sig.args[0].dtype)
    store_item(context, builder, sig.args[0], value, _place(context, builder, sig, args))
    return context.get_dummy_value()


@intrinsic
def _copied(context: Any, to: Any, i: Any, values: Any, j: Any) -> Any:
    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        there = context.cast(builder, args[1], sig.args[1], types.intp)
        here = context.cast(builder, args[3], sig.args[3], types.intp)
        for f, (target, source) in enumerate(zip(sig.args[0], sig.args[2], strict=True)):
            at = _pointer(context, builder, source, builder.extract_value(args[2], f), here)
            value = load_item(context, builder, source, at)
            at = _pointer(context, builder, target, builder.extract_value(args[0], f), there)
            store_item(context, builder, target, value, at)
        return context.get_dummy_value()

    return types.none(to, i, values, j), codegen


def _copy(to: Any, i: int, values: Any, j: int) -> None:
    for target, source in zip(to, values, strict=True):
        target[i] = source[j]


# Copy record j of a tuple of arrays to place i of another tuple.
copy_record: Any = _copied if COMPILED else _copy
