"""How compiled kernels see plugins and their state.

Three things have both a plain Python and a compiled meaning, so that the same kernel source runs with and without
Numba: a plugin instance (a struct of its parameters, whose type carries the digest of its code), `at(plugin, j)` (the
plugin as neuron j sees it, with per-neuron parameters resolved), and `view(fields, arrays, k, g)` (one record of state
kept in separate contiguous arrays, with the decay of its traces applied on reading and writing).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
from numba import jit, types
from numba.core import cgutils
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    NativeValue,
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    lower_setattr_generic,
    models,
    overload_method,
    register_model,
    typeof_impl,
    unbox,
)
from numba.np.arrayobj import populate_array

from ..plugin import Plugin
from . import maths as _maths  # noqa: F401  (what models may call is known from here on)
from .digest import digest, is_function, is_module, methods, plain, plugin_digest, reached
from .jit import COMPILED, OPTIONS, inlined, specialise

# ---------------------------------------------------------------------------------------------- plugin instances


class PluginType(types.Type):
    """A plugin instance in a kernel; equal across processes as long as the code means the same."""

    def __init__(self, name: str, code: str, fields: tuple[tuple[str, str], ...], at: bool) -> None:
        # No reference to the class: the index of the disk cache must stay readable when a class is gone.
        self.qualname, self.code, self.fields, self.at = name, code, fields, at
        super().__init__(f"{name}[{code}]({','.join(f'{n}:{k}' for n, k in fields)}){'@' if at else ''}")

    @property
    def key(self) -> tuple[Any, ...]:
        return (self.qualname, self.code, self.fields, self.at)

    def method(self, name: str) -> Any:
        return _METHODS[self.qualname, self.code].get(name)


_METHODS: dict[tuple[str, str], dict[str, Any]] = {}
# Numbers, flags, and arrays: a value for each neuron, a series for all of them, a series for each.
FIELD = {
    "f": types.float64,
    "b": types.boolean,
    "a": types.Array(types.float64, 1, "C"),
    "s": types.Array(types.float64, 1, "C"),
    "t": types.Array(types.float64, 2, "C"),
}
# What a neuron sees of its own.
_OWN = {"a": types.float64, "t": types.Array(types.float64, 1, "A")}


# Compiled copies of functions, by the function and the digest of what it meant when the copy was made.
_COPIES: dict[tuple[Any, str], Any] = {}


def _compiled(function: Any) -> Any:
    """A compiled copy of a function and of those that it reaches, for what all of them mean now.

    Numba reads globals when it compiles, which may be later, and not again when they change. What its author has
    compiled keeps its options.
    """
    original, key = plain(function), (function, digest(function))
    if key in _COPIES:
        return _COPIES[key]
    scope, code = dict(original.__globals__), original.__code__
    cells = {n: CellType(c.cell_contents) for n, c in zip(code.co_freevars, original.__closure__ or (), strict=True)}
    copy = FunctionType(code, scope, original.__name__, original.__defaults__, tuple(cells.values()))
    copy.__kwdefaults__ = original.__kwdefaults__
    _COPIES[key] = inlined(copy) if function is original else jit(**function.targetoptions)(copy)
    modules: dict[str, ModuleType] = {}
    for name, value in sorted(reached(function).items()):
        if is_module(value):
            made: Any = ModuleType(value.__name__)
            vars(made).update(vars(value))
            modules[name] = made
        elif is_function(value) and not hasattr(value, "specialised"):
            made = _compiled(value)
        else:
            continue
        module, _, last = name.rpartition(".")
        if module:
            setattr(modules[module], last, made)
        elif name in cells:
            cells[name].cell_contents = made
        else:
            scope[name] = made
    return _COPIES[key]


def digests_of(classes: Iterable[type[Plugin]]) -> dict[type[Plugin], str]:
    """Find out anew what plugin classes mean: globals that their methods read may have changed.

    Returns
    -------
    dict
        Their digests, for :func:`recall`.
    """
    found = {}
    for cls in set(classes):
        cls._digest = None  # type: ignore[attr-defined]
        known(cls)
        found[cls] = cls._digest  # type: ignore[attr-defined]
    return found


def recall(digests: dict[type[Plugin], str]) -> None:
    """Let plugin classes mean what they did when these digests were found."""
    for cls, found in digests.items():
        cls._digest = found  # type: ignore[attr-defined]


def known(cls: type[Plugin]) -> tuple[str, str]:
    """Name and digest of a plugin class, whose methods kernels can call from here on."""
    if cls.__dict__.get("_digest") is None:
        cls._digest = plugin_digest(cls)  # type: ignore[attr-defined]
    name, code = f"{cls.__module__}.{cls.__qualname__}", cls._digest  # type: ignore[attr-defined]
    if (name, code) not in _METHODS:
        _METHODS[name, code] = {m: _compiled(f) for m, f in methods(cls).items()}
        for method in _METHODS[name, code]:
            _register_method(method)
    return name, code


def plugin_type(plugin: Plugin) -> PluginType:
    """The Numba type of a plugin instance."""
    name, code = known(type(plugin))
    kinds = tuple((n, _kind(plugin, n, v)) for n, v in plugin.params().items() if v is not None)
    return PluginType(name, code, kinds, False)


def _kind(plugin: Plugin, name: str, value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return "b" if isinstance(value, bool) else "f"
    if not plugin.params_declared[name].series:
        return "a"
    return "s" if value.ndim == 1 else "t"


@typeof_impl.register(Plugin)
def _typeof_plugin(plugin: Plugin, context: Any) -> PluginType:
    return plugin_type(plugin)


@register_model(PluginType)
class _PluginModel(models.StructModel):
    def __init__(self, manager: Any, fe_type: PluginType) -> None:
        members = [(name, FIELD[kind]) for name, kind in fe_type.fields]
        super().__init__(manager, fe_type, [*members, ("j_", types.intp)])


@unbox(PluginType)
def _unbox_plugin(typ: PluginType, obj: Any, c: Any) -> NativeValue:
    struct = cgutils.create_struct_proxy(typ)(c.context, c.builder)
    for name, kind in typ.fields:
        attribute = c.pyapi.object_getattr_string(obj, name)
        setattr(struct, name, c.unbox(FIELD[kind], attribute).value)
        c.pyapi.decref(attribute)
    return NativeValue(struct._getvalue())


@infer_getattr
class _PluginAttributes(AttributeTemplate):
    key = PluginType

    def generic_resolve(self, typ: PluginType, attr: str) -> Any:
        kind = dict(typ.fields).get(attr)
        if kind is None:
            return None
        return _OWN.get(kind, FIELD[kind]) if typ.at else FIELD[kind]


@lower_getattr_generic(PluginType)
def _plugin_getattr(context: Any, builder: Any, typ: PluginType, val: Any, attr: str) -> Any:
    struct = cgutils.create_struct_proxy(typ)(context, builder, value=val)
    value = getattr(struct, attr)
    if dict(typ.fields)[attr] == "a" and typ.at:
        array = context.make_array(FIELD["a"])(context, builder, value)
        return builder.load(cgutils.gep_inbounds(builder, array.data, struct.j_))
    if dict(typ.fields)[attr] == "t" and typ.at:
        table = context.make_array(FIELD["t"])(context, builder, value)
        column = context.make_array(_OWN["t"])(context, builder)
        populate_array(
            column,
            data=cgutils.gep_inbounds(builder, table.data, struct.j_),
            shape=cgutils.pack_array(builder, [cgutils.unpack_tuple(builder, table.shape)[0]]),
            strides=cgutils.pack_array(builder, [cgutils.unpack_tuple(builder, table.strides)[0]]),
            itemsize=table.itemsize,
            meminfo=None,
        )
        return column._getvalue()
    return value


_registered: set[str] = set()


def _register_method(name: str) -> None:
    if name in _registered:
        return
    _registered.add(name)

    @overload_method(PluginType, name, jit_options=OPTIONS)
    def _method(self, *args):
        function = self.method(name)
        if function is None:
            return None
        return lambda self, *args: function(self, *args)


@intrinsic
def _at(context: Any, plugin: Any, j: Any) -> Any:
    if not any(kind in _OWN for _, kind in plugin.fields):
        return plugin(plugin, j), lambda context, builder, sig, args: args[0]
    seen = PluginType(plugin.qualname, plugin.code, plugin.fields, True)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        source = cgutils.create_struct_proxy(plugin)(context, builder, value=args[0])
        target = cgutils.create_struct_proxy(seen)(context, builder)
        for name, _ in plugin.fields:
            setattr(target, name, getattr(source, name))
        target.j_ = context.cast(builder, args[1], sig.args[1], types.intp)
        return target._getvalue()

    return seen(plugin, j), codegen


class PluginAt:
    """A plugin as one neuron sees it, in plain Python."""

    def __init__(self, plugin: Plugin, j: int) -> None:
        self._plugin, self._j = plugin, j

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._plugin, name)
        if isinstance(value, np.ndarray):
            series = self._plugin.params_declared[name].series
            return value if series and value.ndim == 1 else value[:, self._j] if series else float(value[self._j])
        function = getattr(value, "__func__", None)
        return value if function is None else MethodType(function, self)


def seen_by(plugin: Any, j: int) -> Any:
    """The plugin as neuron `j` sees it: parameters that are arrays read as that neuron's value."""
    return PluginAt(plugin, j)


# The same in kernels: (plugin, j) -> plugin. An overload would be one more function to compile for each type.
at: Any = _at if COMPILED else seen_by


# --------------------------------------------------------------------------------------------------- state records


class Fields:
    """Names of the arrays of a record, each with the index of its decay factor (-1: none).

    `apart` are the fields of all records that are used together: arrays under two of these names never overlap.
    """

    def __init__(self, *fields: tuple[str, int], apart: tuple[str, ...] = ()) -> None:
        self.fields, self.apart = tuple(fields), apart

    def __repr__(self) -> str:
        return f"Fields{self.fields}"


class FieldsType(types.Type):
    def __init__(self, fields: tuple[tuple[str, int], ...], apart: tuple[str, ...]) -> None:
        self.fields, self.apart = fields, apart
        super().__init__(f"Fields{fields}{apart}")

    @property
    def key(self) -> Any:
        return self.name


register_model(FieldsType)(models.OpaqueModel)


@typeof_impl.register(Fields)
def _typeof_fields(value: Fields, context: Any) -> FieldsType:
    return FieldsType(value.fields, value.apart)


@unbox(FieldsType)
def _unbox_fields(typ: Any, obj: Any, c: Any) -> NativeValue:
    return NativeValue(c.context.get_dummy_value())


class ViewType(types.Type):
    def __init__(self, fields: FieldsType, arrays: Any, factors: Any) -> None:
        self.fields, self.arrays, self.factors = fields, arrays, factors
        self.lookup = {name: (i, g) for i, (name, g) in enumerate(fields.fields)}
        super().__init__(f"View({fields},{arrays},{factors})")

    @property
    def key(self) -> Any:
        return (self.fields, self.arrays, self.factors)


# Where the members of structs are, as a name beside those of fields.
MEMBERS = "(members)"


def in_memory(access: Any, name: str, apart: tuple[str, ...] = ()) -> Any:
    """Tell the compiler that a load or store of `name` meets none of the others of `apart`, nor a struct's members.

    Else a loop over synapses reads everything again after each store, and is not run at vector speed where too many
    pairs of arrays would have to be compared first (on_pre of ThreeFactor, in sampled profiles on a busy machine: about
    2 ns a synapse while its loop read a member of a struct, 0.7 ns at vector speed).
    """
    module = access.module
    domain = module.add_metadata(["snn"])
    scope = {n: module.add_metadata([n, domain]) for n in (*apart, MEMBERS, name)}
    access.set_metadata("alias.scope", module.add_metadata([scope[name]]))
    if apart:
        access.set_metadata("noalias", module.add_metadata([s for n, s in scope.items() if n != name]))
    return access


@register_model(ViewType)
class _ViewModel(models.StructModel):
    def __init__(self, manager: Any, fe_type: ViewType) -> None:
        super().__init__(manager, fe_type, [("arrays", fe_type.arrays), ("k", types.intp), ("g", fe_type.factors)])


@infer_getattr
class _ViewAttributes(AttributeTemplate):
    key = ViewType

    def generic_resolve(self, typ: ViewType, attr: str) -> Any:
        return types.float64 if attr in typ.lookup else None


def _element(context: Any, builder: Any, typ: ViewType, val: Any, attr: str) -> tuple[Any, Any, Any]:
    i, g = typ.lookup[attr]
    struct = cgutils.create_struct_proxy(typ)(context, builder, value=val)
    array_type = typ.arrays[i]
    array = context.make_array(array_type)(context, builder, builder.extract_value(struct.arrays, i))
    factor = builder.extract_value(struct.g, g) if g >= 0 else None
    return cgutils.gep_inbounds(builder, array.data, struct.k), array_type.dtype, factor


@lower_getattr_generic(ViewType)
def _view_getattr(context: Any, builder: Any, typ: ViewType, val: Any, attr: str) -> Any:
    pointer, dtype, factor = _element(context, builder, typ, val, attr)
    found = in_memory(builder.load(pointer), attr, typ.fields.apart)
    value = context.cast(builder, found, dtype, types.float64)
    return value if factor is None else builder.fmul(value, factor)


@lower_setattr_generic(ViewType)
def _view_setattr(context: Any, builder: Any, sig: Any, args: Any, attr: str) -> None:
    typ, value_type = sig.args
    pointer, dtype, factor = _element(context, builder, typ, args[0], attr)
    value = context.cast(builder, args[1], value_type, types.float64)
    if factor is not None:
        value = builder.fdiv(value, factor)
    in_memory(builder.store(context.cast(builder, value, types.float64, dtype), pointer), attr, typ.fields.apart)


@intrinsic
def _view(context: Any, fields: Any, arrays: Any, k: Any, g: Any) -> Any:
    typ = ViewType(fields, arrays, g)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        struct = cgutils.create_struct_proxy(typ)(context, builder)
        struct.arrays, struct.g = args[1], args[3]
        struct.k = context.cast(builder, args[2], sig.args[2], types.intp)
        return struct._getvalue()

    return typ(fields, arrays, k, g), codegen


class View:
    """One record of state in plain Python; the compiled twin is :class:`ViewType`."""

    __slots__ = ("_arrays", "_g", "_k", "_lookup")

    def __init__(self, fields: Fields, arrays: tuple[np.ndarray, ...], k: int, g: tuple[float, ...]) -> None:
        object.__setattr__(self, "_lookup", {name: (i, f) for i, (name, f) in enumerate(fields.fields)})
        object.__setattr__(self, "_arrays", arrays)
        object.__setattr__(self, "_k", k)
        object.__setattr__(self, "_g", g)

    def __getattr__(self, name: str) -> Any:
        try:
            i, g = self._lookup[name]
        except KeyError:
            raise AttributeError(f"{name!r} is not declared; declared: {', '.join(self._lookup)}") from None
        value = float(self._arrays[i][self._k])
        return value if g < 0 else value * self._g[g]

    def __contains__(self, name: str) -> bool:
        return name in self._lookup

    def __setattr__(self, name: str, value: float) -> None:
        try:
            i, g = self._lookup[name]
        except KeyError:
            raise AttributeError(f"{name!r} is not declared; declared: {', '.join(self._lookup)}") from None
        self._arrays[i][self._k] = value if g < 0 else value / self._g[g]


# Record k of state kept in one array per field, decaying fields scaled by their factor in g: (fields, arrays, k, g).
view: Any = _view if COMPILED else View


def decays(taus: tuple[float, ...], dt: float) -> tuple[float, ...]:
    """exp(-dt / tau) of every time constant."""
    return tuple(math.exp(-dt / tau) for tau in taus)


@specialise(decays)
def _decays_overload(taus, dt):
    n = len(taus)
    if n == 0:
        return lambda taus, dt: ()
    if n == 1:
        return lambda taus, dt: (math.exp(-dt / taus[0]),)
    if n == 2:
        return lambda taus, dt: (math.exp(-dt / taus[0]), math.exp(-dt / taus[1]))
    return lambda taus, dt: (math.exp(-dt / taus[0]),) + decays(taus[1:], dt)  # noqa: RUF005
