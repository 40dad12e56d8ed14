"""A plugin's methods tried out in plain Python before anything is compiled, so that errors are in the user's line."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import textwrap
import traceback
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from .engine.digest import called, methods
from .engine.jit import COMPILED
from .engine.types import Fields, PluginAt, View, seen_by
from .errors import ParameterError, PluginError
from .plugin import Credit, Current, GivenSpikes, Model, Plugin, Rule, Source


def _call(plugin: Plugin, name: str, *args: Any) -> Any:
    """Call a method in plain Python; an undeclared name becomes an error in the user's own line."""
    # Bound to the plugin, or to what a single neuron sees of it.
    method = getattr(plugin, name)
    cls = type(plugin._plugin if isinstance(plugin, PluginAt) else plugin)
    if not hasattr(method, "__func__"):
        raise PluginError(f"{cls.__name__}.{name} is no method with self; write it as def {name}(self, ...).")
    if COMPILED:
        for place in _raises(method.__func__, cls):
            raise PluginError(
                f"{type(plugin).__name__}.{name} ({place}) raises an error, which cannot leave compiled code. Let "
                f"param(min=..., max=...) check parameters; NUMBA_DISABLE_JIT=1 runs such methods, for a debugger."
            )
    try:
        result = method(*args)
    except (AttributeError, NameError, TypeError) as error:
        frames = traceback.extract_tb(error.__traceback__)
        frame = next((f for f in reversed(frames) if f.name == name), frames[-1])
        raise _does_not_run(plugin, name, f"{frame.filename}:{frame.lineno}", error) from error
    except OverflowError as error:
        whole = plugin._plugin if isinstance(plugin, PluginAt) else plugin
        raise ParameterError(
            f"{cls.__name__}.{name} comes to numbers too large for a float ({error}) with {whole!r}. Make its "
            "parameters smaller; they are in SI units."
        ) from error
    code, owners = method.__code__, (plugin, *args)
    for k, field, line in _named(method.__func__):
        if isinstance(owners[k], (Plugin, PluginAt, View)):
            try:
                getattr(owners[k], field)
            except AttributeError as error:
                raise _does_not_run(plugin, name, f"{code.co_filename}:{line}", error) from error
    for field, place in _constants(method.__func__, cls, set()):
        if isinstance(inspect.getattr_static(cls, field, None), staticmethod):
            raise PluginError(
                f"{cls.__name__}.{name} ({place}) calls self.{field}, a static method; write it with self, or as a "
                "function of the module."
            )
        raise PluginError(
            f"{cls.__name__}.{name} ({place}) uses self.{field}, which is neither a parameter nor a method: compiled "
            f"code knows no other. Make it a parameter, {field}: float = param(...), or a global of the module."
        )
    return result


def _does_not_run(plugin: Plugin, name: str, place: str, error: Exception) -> PluginError:
    return PluginError(
        f"{type(plugin).__name__}.{name} ({place}) does not run: {error}. "
        f"Declare it with state(...) or param(...), or correct the name."
    )


@functools.cache
def _named(function: Any) -> list[tuple[int, str, int]]:
    """(number of the argument, field, line) of every field of an argument that a method names, in any branch."""
    code = function.__code__
    try:
        nodes = list(ast.walk(ast.parse(textwrap.dedent(inspect.getsource(function)))))
    except (OSError, SyntaxError):  # a method without a file
        return []
    rebound = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    number = {name: k for k, name in enumerate(code.co_varnames[: code.co_argcount]) if name not in rebound}
    return [
        (number[n.value.id], n.attr, code.co_firstlineno + n.lineno - 1)
        for n in nodes
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id in number
        # A file that has been edited since it was imported says what the method does not.
        if n.attr in code.co_names
    ]


def _raises(method: Any, cls: type) -> Iterator[str]:
    """Where a method, or a function or method that it reaches, has a `raise` or an `assert`."""
    for code in called(method, cls):
        for step in dis.get_instructions(code):
            if step.opname == "RAISE_VARARGS":
                yield f"{code.co_filename}:{step.positions.lineno if step.positions else '?'}"


def _constants(method: Any, cls: type[Plugin], seen: set[Any]) -> Iterator[tuple[str, str]]:
    """(name, place) of what a method, or another that it names, reads of `self` beside parameters and methods."""
    seen.add(method)
    own = methods(cls)
    for k, field, line in _named(method):
        if k == 0 and field not in own and field not in cls.params_declared:
            yield field, f"{method.__code__.co_filename}:{line}"
        elif k == 0 and field in own and own[field] not in seen:
            yield from _constants(own[field], cls, seen)


def _record(plugin: Plugin, kind: str, *extra: str) -> View:
    names = [*extra, *plugin.states(kind)]
    inits = [plugin.states_declared[n].init if n in plugin.states_declared else 0.5 for n in names]
    return View(Fields(*((n, -1) for n in names)), tuple(np.array([x]) for x in inits), 0, ())


def dry_run(plugin: Plugin) -> None:
    """Call every method of a plugin once in plain Python on made-up records, before anything is compiled.

    Raises
    ------
    PluginError
        Naming the method, file and line that reads or writes something undeclared.
    """
    if isinstance(plugin, Rule):
        own = [n for n, value in vars(type(plugin)).items() if isinstance(value, types.FunctionType)]
        if own and not any(map(plugin.overrides, plugin.hooks)):
            raise PluginError(
                f"{type(plugin).__name__} has no method that the engine calls; it has {', '.join(own)}. What is "
                f"called: {', '.join(plugin.hooks)}."
            )
        for hook, arguments in plugin.hooks.items():
            if plugin.overrides(hook):
                v = ("v",) if "post.v" in plugin.reads and hook in plugin.sees_v else ()
                more = {"syn": ("w",), "post": v}
                known: dict[str, Any] = {"signal": 0.5, "w": 0.5, "t": 0.0}
                known |= {kind: _record(plugin, kind, *more.get(kind, ())) for kind in plugin.state_kinds}
                _call(plugin, hook, *(known[argument] for argument in arguments))
    elif isinstance(plugin, (Model, Source)):
        seen = seen_by(plugin, 0) if plugin.per_neuron() else plugin
        cell = _record(plugin, "cell")
        try:
            if isinstance(plugin, Model):
                for name, args in (
                    ("step", (cell, 1e-5)),
                    ("noise", (cell, 1e-5, 0.5)),
                    ("hazard", (cell,)),
                    ("advance", (cell, 1e-3)),
                    ("receive", (cell, 0, 0.0)),
                    ("hold", (cell, 1e-3)),
                    ("receive_held", (cell, 0, 0.0)),
                    ("time_to_threshold", (cell,)),
                    ("above", (cell,)),
                    ("fire", (cell,)),
                ):
                    # A model has a closed form, a step, or both.
                    if hasattr(type(plugin), name) or name in ("receive", "fire"):
                        _call(seen, name, *args)
            elif not isinstance(plugin, GivenSpikes):
                _call(seen, "next_spike", cell, -1.0, 0.5)
        except PluginError as error:
            raise PluginError(str(error).replace("PluginAt", type(plugin).__name__)) from error
    elif isinstance(plugin, Credit):
        _call(plugin, "feedback", 0.5, 0.5)
        for method, given in (
            ("learn", (0.5, 0.5, 0.5)),
            ("mirror", (0.5, 0.5, 0.5)),
            ("perturb", (0.5,)),
            ("expect", (0.5, 0.5)),
        ):
            if plugin.overrides(method):
                _call(plugin, method, *given)
    elif isinstance(plugin, Current):
        _call(seen_by(plugin, 0) if plugin.per_neuron() else plugin, "value", _record(plugin, "cell"), 0.0, 1e-4, 0.5)
