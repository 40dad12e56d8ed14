"""A stable fingerprint of what a plugin's code does, so that cached machine code is reused and never stale."""

from __future__ import annotations

import dis
import functools
import hashlib
import types as pytypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import PluginError
from ..plugin import Credit, Model, Plugin, Rule, Source

_BASES = {Plugin, Rule, Model, Source, Credit, object}
# Methods that describe a plugin and never run inside a kernel.
_DESCRIPTIVE = {"brian2", "modes"}


def methods(cls: type) -> dict[str, pytypes.FunctionType]:
    """Every function that `cls` or one of its own base classes defines for the kernels, by name."""
    found: dict[str, pytypes.FunctionType] = {}
    for base in reversed(cls.__mro__):
        if base in (Plugin, object):
            continue
        for name, value in vars(base).items():
            if isinstance(value, pytypes.FunctionType) and not name.startswith("__") and name not in _DESCRIPTIVE:
                if base in _BASES and name not in ("hold", "receive_held", "above"):
                    continue
                found[name] = value
    return found


def _codes(code: pytypes.CodeType) -> Iterator[pytypes.CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, pytypes.CodeType):
            yield from _codes(const)


def reached(function: Any) -> dict[str, Any]:
    """Globals, closure cells and `module.name` constants that a function names."""
    function = getattr(function, "py_func", function)
    codes = list(_codes(function.__code__))
    # Attributes are among a code's names too: cell.v does not read the script's global v.
    named = {i.argval for code in codes for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    found = {name: function.__globals__[name] for name in named if name in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        found[name] = cell.cell_contents
    for value in list(found.values()):
        if isinstance(value, pytypes.ModuleType) and not value.__name__.startswith(("math", "numpy", "numba")):
            names = {name for code in codes for name in code.co_names}
            found |= {f"{value.__name__}.{n}": getattr(value, n) for n in names if hasattr(value, n)}
    return found


def digest(*functions: Any, extra: str = "") -> str:
    """Sixteen hexadecimal digits that change when any of the functions, or anything they reach, changes meaning.

    Covers bytecode, constants, names, defaults and, recursively, every Python function, compiled function and plain
    constant reached through globals, closures and module attributes; not comments or line numbers.
    """
    h = hashlib.sha256(extra.encode())
    seen: set[int] = set()

    def visit(function: Any) -> None:
        function = getattr(function, "py_func", function)
        if id(function) in seen:
            return
        seen.add(id(function))
        for code in _codes(function.__code__):
            h.update(code.co_code)
            consts = [c for c in code.co_consts if not isinstance(c, pytypes.CodeType)]
            if code is function.__code__ and consts and consts[0] == function.__doc__:
                consts = consts[1:]
            h.update(repr((code.co_names, code.co_varnames, code.co_freevars, consts)).encode())
        h.update(repr(function.__defaults__).encode())
        for name, value in sorted(reached(function).items()):
            if isinstance(value, pytypes.FunctionType) or hasattr(value, "py_func"):
                h.update(name.encode())
                visit(value)
            elif isinstance(value, (int, float, str, bool, tuple)):
                h.update(f"{name}={value!r}".encode())
            elif isinstance(value, (np.ndarray, list, dict, set)):
                raise PluginError(
                    f"{function.__qualname__} reads the global {name!r}, a {type(value).__name__}: compiled code would "
                    f"freeze its present content. Make it a parameter or a state of the plugin."
                )

    for function in functions:
        visit(function)
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
