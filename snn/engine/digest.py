"""A stable fingerprint of what a plugin's code does, so that cached machine code is reused and never stale."""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import types as pytypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numba import types

from ..errors import PluginError
from ..plugin import Credit, Model, Plugin, Rule, Source

_BASES = {Plugin, Rule, Model, Source, Credit, object}
# Methods that never run inside a kernel, by the base class that declares them.
_OUTSIDE = {Plugin: {"brian2", "modes"}, Credit: {"draw"}}


def methods(cls: type) -> dict[str, pytypes.FunctionType]:
    """Every function that `cls` or one of its own base classes defines for the kernels, by name."""
    found: dict[str, pytypes.FunctionType] = {}
    outside = {name for base, names in _OUTSIDE.items() if issubclass(cls, base) for name in names}
    for base in reversed(cls.__mro__):
        if base in (Plugin, object):
            continue
        for name, value in vars(base).items():
            if isinstance(value, pytypes.FunctionType) and not name.startswith("__") and name not in outside:
                if base in _BASES and name not in ("hold", "receive_held", "above"):
                    continue
                found[name] = value
    return found


def _codes(code: pytypes.CodeType) -> Iterator[pytypes.CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, pytypes.CodeType):
            yield from _codes(const)


@functools.cache
def _names(code: pytypes.CodeType) -> frozenset[str]:
    """Every name in a function's code that is not local."""
    return frozenset(name for inner in _codes(code) for name in inner.co_names)


@functools.cache
def _paths(code: pytypes.CodeType) -> frozenset[tuple[str, ...]]:
    """Globals and closure cells that a function's code loads, each with the attributes that it reads of them at once.

    Attributes of anything else are left out: cell.v does not read the script's global v.
    """
    found: list[tuple[str, ...]] = []
    for inner in _codes(code):
        follows = False
        for step in dis.get_instructions(inner):
            if step.opname in ("LOAD_GLOBAL", "LOAD_DEREF"):
                found.append((step.argval,))
                follows = True
            elif follows and step.opname in ("LOAD_ATTR", "LOAD_METHOD"):
                found[-1] += (step.argval,)
            elif step.opname != "EXTENDED_ARG":
                follows = False
    return frozenset(found)


def plain(value: Any) -> Any:
    """The Python function that a compiled one was made of; anything else as it is."""
    return getattr(getattr(value, "_dispatcher", value), "py_func", value)


def _is_ours(value: Any, kind: type) -> bool:
    """Whether a value is of a kind, and of none of the libraries that change with their version only."""
    home = value.__name__ if isinstance(value, pytypes.ModuleType) else getattr(value, "__module__", None)
    return isinstance(value, kind) and str(home).partition(".")[0] not in ("math", "numpy", "numba")


def is_function(value: Any) -> bool:
    """Whether a value is a function, compiled or not, that kernels can be made of."""
    return _is_ours(plain(value), pytypes.FunctionType)


def is_module(value: Any) -> bool:
    """Whether a value is a module that is looked into."""
    return _is_ours(value, pytypes.ModuleType)


def reached(function: Any) -> dict[str, Any]:
    """Globals and closure cells that a function names, and as ``"module.name"``, at any depth, what it names there."""
    function = plain(function)
    code = function.__code__
    cells = dict(zip(code.co_freevars, function.__closure__ or (), strict=True))
    found: dict[str, Any] = {}

    def put(name: str, value: Any, path: tuple[str, ...], within: tuple[Any, ...] = ()) -> None:
        found[name] = value
        if is_module(value) and value not in within:
            # A module that has been given another name: anything that the code names may be read of it.
            for attribute in path[:1] or sorted(_names(code)):
                if hasattr(value, attribute):
                    put(f"{name}.{attribute}", getattr(value, attribute), path[1:], (*within, value))

    for root, *attributes in _paths(code):
        if root in cells:
            put(root, cells[root].cell_contents, tuple(attributes))
        elif root in function.__globals__:
            put(root, function.__globals__[root], tuple(attributes))
    return found


def called(function: Any, cls: type, seen: set[Any] | None = None) -> Iterator[pytypes.CodeType]:
    """Code of a function and of all that it reaches, also as methods of a plugin class; each once."""
    function, seen = plain(function), set() if seen is None else seen
    if function in seen:
        return
    seen.add(function)
    yield from _codes(function.__code__)
    names = _names(function.__code__)
    for value in (*reached(function).values(), *(getattr(cls, name, None) for name in names)):
        if is_function(value):
            yield from called(value, cls, seen)


def digest(*functions: Any, extra: str = "") -> str:
    """Sixteen hexadecimal digits that change when any of the functions, or anything they reach, changes meaning.

    Covers bytecode, constants, names, defaults and, recursively, every Python function, compiled function and plain
    constant reached through globals, closures and attributes of modules; not comments or line numbers.

    Raises
    ------
    PluginError
        If one of them reads a global array, list, dict or set.
    """
    h = hashlib.sha256(extra.encode())
    seen: dict[Any, int] = {}

    def note(*words: Any) -> None:
        h.update(repr(words).encode())

    def visit(function: Any) -> None:
        known = function in seen
        note(seen.setdefault(function, len(seen)))
        if known:
            return
        for code in _codes(function.__code__):
            h.update(code.co_code)
            consts = [c for c in code.co_consts if not isinstance(c, pytypes.CodeType)]
            if code is function.__code__ and consts and consts[0] == function.__doc__:
                consts = consts[1:]
            note(code.co_names, code.co_varnames, code.co_freevars, consts)
        read(function, "defaults", (*(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items())))
        for name, value in sorted(reached(function).items()):
            read(function, name, value)

    def read(function: Any, name: str, value: Any) -> None:
        note(name, type(value).__qualname__)
        if isinstance(value, tuple):
            for element in value:
                read(function, name, element)
        elif isinstance(value, (np.ndarray, list, dict, set)):
            raise PluginError(
                f"{function.__qualname__} reads the global {name!r}, a {type(value).__name__}: compiled code would "
                f"freeze its present content. Make it a parameter or a state of the plugin."
            )
        elif isinstance(value, (int, float, complex, str, bytes, np.generic, enum.Enum, types.Type)):
            note(value)
        elif isinstance(value, enum.EnumMeta):
            note(*value.__members__.items())
        elif is_function(value):
            visit(plain(value))
        else:
            note(getattr(value, "__module__", ""), getattr(value, "__name__", ""))

    for function in functions:
        visit(plain(function))
    return h.hexdigest()[:16]


@functools.cache
def engine_digest() -> str:
    """Fingerprint of this package's kernels, part of every cache key: an upgraded engine never meets old code."""
    folder = Path(__file__).parent
    h = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        h.update(path.read_bytes())
    return h.hexdigest()[:16]


def plugin_digest(cls: type[Plugin]) -> str:
    """Fingerprint of a plugin class: its methods, its declared parameters and state, and the engine's own code."""
    layout = repr((sorted(cls.params_declared), [(s.name, s.kind, s.decay) for s in cls.states_declared.values()]))
    return digest(*methods(cls).values(), extra=layout + engine_digest())
