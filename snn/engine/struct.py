"""Structs: named values that kernels share by address, and calls of kernels by address.

A network is run by a few kernels that know nothing of each other's types: each sees its own struct (one block of
neurons, one group of synapses) as a pointer and is called through a pointer. A driver compiled once therefore serves
every network, and a kernel is compiled once for each kind of block or group, whatever network it is part of. Handing
the same values from function to function as nested tuples took 28 s to compile for the smallest network.

Every value lies in words of eight bytes: numbers in one, arrays in one for the address and one for each dimension,
plugins as their parameters, structs as an address, tags in none.
"""

from __future__ import annotations

import ctypes
import hashlib
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    lower_setattr_generic,
    models,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np.numpy_support import from_dtype

from ..plugin import Plugin
from .jit import COMPILED, entry_address
from .types import FIELD, MEMBERS, Fields, FieldsType, PluginType, in_memory, plugin_type
from .vector import VectorType

_WORD = ir.IntType(64)
_BYTES = ir.IntType(8).as_pointer()
_KERNEL = ctypes.CFUNCTYPE(
    ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_double
)


class StructType(types.Type):
    """A pointer to named values; equal where names, types and order are."""

    def __init__(self, members: tuple[tuple[str, Any], ...]) -> None:
        self.members = members
        self.lookup: dict[str, tuple[Any, int]] = {}
        at = 0
        for name, typ in members:
            self.lookup[name] = (typ, at)
            at += n_words(typ)
        self.size = at
        digest = hashlib.sha256(repr([(n, str(t)) for n, t in members]).encode()).hexdigest()[:16]
        super().__init__(f"Struct({digest})")

    @property
    def key(self) -> str:
        return self.name

    @property
    def kind(self) -> str:
        """Name of the tag that says how this struct is laid out."""
        return str(self.lookup["kind"][0].fields[0][0])


def n_words(typ: Any) -> int:
    """How many words a value of a type takes."""
    if isinstance(typ, FieldsType):
        return 0
    if isinstance(typ, PluginType):
        return sum(n_words(FIELD[kind]) for _, kind in typ.fields)
    if isinstance(typ, types.Array):
        return 1 + typ.ndim
    if isinstance(typ, types.BaseTuple):
        return sum(n_words(t) for t in typ)
    return 1


def type_of(value: Any) -> Any:
    """The type of a member."""
    if isinstance(value, Struct):
        return value.type_
    if isinstance(value, Fields):
        return FieldsType(value.fields, value.apart)
    if isinstance(value, Plugin):
        return plugin_type(value)
    if isinstance(value, np.ndarray):
        assert value.flags.c_contiguous
        dtype = from_dtype(value.dtype)
        return VectorType(dtype) if value.ndim == 1 else types.Array(dtype, value.ndim, "C")
    if isinstance(value, list):
        return types.pyobject  # a table without Numba
    if isinstance(value, tuple):
        return types.Tuple(tuple(type_of(v) for v in value))
    if isinstance(value, (bool, np.bool_)):
        return types.boolean
    return types.int64 if isinstance(value, (int, np.integer)) else types.float64


class Struct:
    """Named values; the compiled form is a pointer to them.

    Numbers live only in the words, which kernels write as well; everything else is also kept as the object it was.
    """

    type_: StructType
    words_: np.ndarray
    held_: dict[str, Any]

    def __init__(self, **members: Any) -> None:
        put = object.__setattr__
        put(self, "type_", StructType(tuple((name, type_of(value)) for name, value in members.items())))
        put(self, "words_", np.zeros(self.type_.size + 1, np.int64))
        put(self, "held_", {})
        for name, value in members.items():
            setattr(self, name, value)

    @property
    def address(self) -> int:
        return int(self.words_.ctypes.data)

    def twin(self, **changes: Any) -> Struct:
        """Another struct of the same type, some members changed; arrays are shared."""
        made, put = object.__new__(Struct), object.__setattr__
        put(made, "type_", self.type_)
        put(made, "words_", self.words_.copy())
        put(made, "held_", dict(self.held_))
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def refresh(self) -> None:
        """Take over what has been changed in plugins since they were put here."""
        for name, value in self.held_.items():
            if isinstance(value, Plugin):
                self._write(self.type_.lookup[name][1], value)

    def _write(self, at: int, value: Any) -> int:
        words = self.words_
        if isinstance(value, (Fields, list)):
            return at
        if isinstance(value, Plugin):
            for parameter in value.params().values():
                if parameter is not None:
                    at = self._write(at, parameter)
        elif isinstance(value, tuple):
            for element in value:
                at = self._write(at, element)
        elif isinstance(value, np.ndarray):
            words[at] = value.ctypes.data
            words[at + 1 : at + 1 + value.ndim] = value.shape
            at += 1 + value.ndim
        elif isinstance(value, Struct):
            words[at] = value.address
            at += 1
        elif isinstance(value, (bool, np.bool_, int, np.integer)):
            words[at] = int(value)
            at += 1
        else:
            words.view(np.float64)[at] = value
            at += 1
        return at

    def __setattr__(self, name: str, value: Any) -> None:
        typ, at = self.type_.lookup[name]
        if typ is types.float64:
            value = float(value)
        elif type_of(value) != typ:
            raise TypeError(f"{name} is {typ} and cannot become {type_of(value)}")
        self._write(at, value)
        if typ not in (types.float64, types.int64, types.boolean):
            self.held_[name] = value

    def __getattr__(self, name: str) -> Any:
        if name in self.held_:
            return self.held_[name]
        try:
            typ, at = self.type_.lookup[name]
        except KeyError:
            raise AttributeError(name) from None
        if typ is types.float64:
            return float(self.words_.view(np.float64)[at])
        return bool(self.words_[at]) if typ is types.boolean else int(self.words_[at])


register_model(StructType)(models.OpaqueModel)


@typeof_impl.register(Struct)
def _typeof_struct(value: Struct, context: Any) -> StructType:
    return value.type_


@unbox(StructType)
def _unbox_struct(typ: StructType, obj: Any, c: Any) -> NativeValue:
    attribute = c.pyapi.object_getattr_string(obj, "address")
    pointer = c.pyapi.long_as_voidptr(attribute)
    c.pyapi.decref(attribute)
    return NativeValue(pointer)


@infer_getattr
class _StructAttributes(AttributeTemplate):
    key = StructType

    def generic_resolve(self, typ: StructType, attr: str) -> Any:
        return typ.lookup[attr][0] if attr in typ.lookup else None


def _load(context: Any, builder: Any, words: Any, typ: Any, at: int) -> Any:
    """A member's value from its words."""

    def word(k: int, kind: Any = _WORD) -> Any:
        pointer = builder.gep(words, [ir.Constant(_WORD, k)])
        return in_memory(builder.load(builder.bitcast(pointer, kind.as_pointer())), MEMBERS)

    if isinstance(typ, FieldsType):
        return context.get_dummy_value()
    if isinstance(typ, PluginType):
        plugin = cgutils.create_struct_proxy(typ)(context, builder)
        for name, kind in typ.fields:
            setattr(plugin, name, _load(context, builder, words, FIELD[kind], at))
            at += n_words(FIELD[kind])
        return plugin._getvalue()
    if isinstance(typ, types.BaseTuple):
        values = []
        for element in typ:
            values.append(_load(context, builder, words, element, at))
            at += n_words(element)
        return context.make_tuple(builder, typ, values)
    if isinstance(typ, types.Array):
        item = context.get_abi_sizeof(context.get_data_type(typ.dtype))
        shape = [word(at + 1 + d) for d in range(typ.ndim)]
        strides = [ir.Constant(_WORD, item)]
        for n in shape[:0:-1]:
            strides.insert(0, builder.mul(strides[0], n))
        n_items = shape[0]
        for n in shape[1:]:
            n_items = builder.mul(n_items, n)
        parts = {
            "data": word(at, context.get_data_type(typ.dtype).as_pointer()),
            "shape": cgutils.pack_array(builder, shape),
            "strides": cgutils.pack_array(builder, strides),
            "nitems": n_items,
            "itemsize": ir.Constant(_WORD, item),
        }
        # Not through Numba's make_array, whose round trip over the stack costs more to compile than all of this.
        model = context.data_model_manager[typ]
        array = ir.Constant(model.get_value_type(), None)
        for name, part in parts.items():
            array = builder.insert_value(array, part, model.get_field_position(name))
        return array
    if isinstance(typ, StructType):
        return word(at, _BYTES)
    if typ is types.boolean:
        return builder.icmp_signed("!=", word(at), ir.Constant(_WORD, 0))
    return word(at, ir.DoubleType() if typ is types.float64 else _WORD)


@lower_getattr_generic(StructType)
def _struct_getattr(context: Any, builder: Any, typ: StructType, val: Any, attr: str) -> Any:
    member, at = typ.lookup[attr]
    return _load(context, builder, builder.bitcast(val, _WORD.as_pointer()), member, at)


@lower_setattr_generic(StructType)
def _struct_setattr(context: Any, builder: Any, sig: Any, args: Any, attr: str) -> None:
    typ, value_type = sig.args
    member, at = typ.lookup[attr]
    value = context.cast(builder, args[1], value_type, member)
    pointer = builder.gep(builder.bitcast(args[0], _WORD.as_pointer()), [ir.Constant(_WORD, at)])
    in_memory(builder.store(value, builder.bitcast(pointer, value.type.as_pointer())), MEMBERS)


# ------------------------------------------------------------------------------------------------ calls by address


def signature(struct: StructType, engine: StructType) -> tuple[Any, ...]:
    """Types of the arguments of a kernel: its struct, the engine, what to do, a number and a time."""
    return struct, engine, types.int64, types.int64, types.float64


class Links:
    """Addresses of kernels and of their structs, in the order in which the driver numbers them."""

    def __init__(self, functions: list[Any], structs: list[Struct], engine: Struct) -> None:
        kernels = [entry_address(f, signature(s.type_, engine.type_)) for f, s in zip(functions, structs, strict=True)]
        self.alive, self.engine, self._called = structs, engine, kernels
        self.kernels, self.structs = table(len(structs)), table(len(structs))
        for k, struct in enumerate(structs):
            self.kernels[k] = kernels[k]
            self.structs[k] = struct.address if COMPILED else struct

    def every(self, op: int, i: int = 0, t: float = 0.0) -> None:
        """Let every struct do something, called from Python."""
        for k in range(len(self.alive)):
            self.ask(k, op, i, t)

    def ask(self, k: int, op: int, i: int = 0, t: float = 0.0) -> None:
        """Let struct number k do something."""
        kernel, struct = self._called[k], self.alive[k]
        if COMPILED:
            _KERNEL(kernel)(struct.address, self.engine.address, op, i, t)
        else:
            kernel(struct, self.engine, op, i, t)


def table(n: int) -> Any:
    """Room for n addresses, or without Numba for what would be addressed."""
    return np.zeros(max(1, n), np.int64) if COMPILED else [None] * n


def _invoked(kernel: Any, struct: Any, engine: Any, op: int, i: int, t: float) -> float:
    return float(kernel(struct, engine, op, i, t))


@intrinsic
def _invoke(context: Any, kernel: Any, struct: Any, engine: Any, op: Any, i: Any, t: Any) -> Any:
    sig = types.float64(types.int64, types.int64, engine, types.int64, types.int64, types.float64)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        double = ir.DoubleType()
        function = ir.FunctionType(double, [_BYTES, _BYTES, _WORD, _WORD, double])
        pointer = builder.inttoptr(args[0], function.as_pointer())
        return builder.call(pointer, [builder.inttoptr(args[1], _BYTES), *args[2:]])

    return sig, codegen


# Call a kernel by its address on the struct at another address: (kernel, struct, engine, op, i, t) -> float.
invoke: Any = _invoke if COMPILED else _invoked


__all__ = ["Links", "Struct", "StructType", "invoke", "signature", "table"]
