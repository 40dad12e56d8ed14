"""A plugin's methods tried out in plain Python before anything is compiled, so that errors are in the user's line."""

from __future__ import annotations

import ast
import dis
import inspect
import sys
import textwrap
import traceback
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from .engine.jit import COMPILED
from .engine.types import Fields, PluginAt, View, seen_by
from .errors import PluginError
from .plugin import Credit, Current, GivenSpikes, Model, Plugin, Rule, Source


def _call(plugin: Plugin, name: str, *args: Any) -> Any:
    """Call a method in plain Python; an undeclared name becomes an error in the user's own line."""
    if COMPILED:
        # Bound to the plugin, or to what a single neuron sees of it.
        for place in _raises(getattr(plugin, name).__func__, plugin, set()):
            raise PluginError(
                f"{type(plugin).__name__}.{name} ({place}) raises an error, which cannot leave compiled code. Let "
                f"param(min=..., max=...) check parameters; NUMBA_DISABLE_JIT=1 runs such methods, for a debugger."
            )
    try:
        result = getattr(plugin, name)(*args)
        _ask_all(getattr(plugin, name).__func__, plugin, *args)
        return result
    except _Undeclared as error:
        place = f"{type(plugin).__name__}.{name} ({error.place})"
        raise PluginError(
            f"{place} does not run: {error}. Declare it with state(...) or param(...), or correct the name."
        ) from error
    except (AttributeError, NameError, TypeError) as error:
        frame = traceback.extract_tb(sys.exc_info()[2])[-1]
        own = [f for f in traceback.extract_tb(sys.exc_info()[2]) if f.name == name]
        frame = own[-1] if own else frame
        raise PluginError(
            f"{type(plugin).__name__}.{name} ({frame.filename}:{frame.lineno}) does not run: {error}. "
            f"Declare it with state(...) or param(...), or correct the name."
        ) from error


class _Undeclared(AttributeError):
    """A name that a method asks for and that is not there; `place` is the file and line."""

    def __init__(self, error: AttributeError, place: str) -> None:
        super().__init__(*error.args)
        self.place = place


def _ask_all(function: Any, *args: Any) -> None:
    """Ask a method's arguments for every field that it names, also in branches that have not been taken."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):  # a method without a file
        return
    code = function.__code__
    owners = dict(zip(code.co_varnames[: code.co_argcount], args, strict=False))
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            owners.pop(node.id, None)
    for node in nodes:
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = owners.get(node.value.id)
            if isinstance(owner, (Plugin, PluginAt, View)):
                try:
                    getattr(owner, node.attr)
                except AttributeError as error:
                    raise _Undeclared(error, f"{code.co_filename}:{code.co_firstlineno + node.lineno - 1}") from None


def _raises(function: Any, plugin: Any, known: set[Any]) -> Iterator[str]:
    """Where a function, or a function or method that it names, has a `raise` or an `assert`."""
    function = getattr(function, "py_func", getattr(function, "__func__", function))
    if not isinstance(function, types.FunctionType) or function in known:
        return
    known.add(function)
    for step in dis.get_instructions(function):
        if step.opname == "RAISE_VARARGS":
            yield f"{function.__code__.co_filename}:{step.positions.lineno if step.positions else '?'}"
        elif step.opname == "LOAD_GLOBAL":
            yield from _raises(function.__globals__.get(step.argval), plugin, known)
        elif step.opname in ("LOAD_METHOD", "LOAD_ATTR"):
            yield from _raises(getattr(plugin, step.argval, None), plugin, known)


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
        v = ("v",) if "post.v" in plugin.reads else ()
        syn, pre, post = _record(plugin, "syn", "w"), _record(plugin, "pre"), _record(plugin, "post", *v)
        hooks = {
            "on_pre": (syn, pre, post, 0.0),
            "on_post": (syn, pre, _record(plugin, "post"), 0.0),
            "pre_spike": (pre, 0.0),
            "post_spike": (_record(plugin, "post", *v), 0.0),
            "post_signal": (_record(plugin, "post", *v), 0.5, 0.0),
            "on_signal": (syn, pre, _record(plugin, "post"), 0.5, 0.0),
            "on_end": (syn, pre, _record(plugin, "post"), 0.0),
            "on_teach": (_record(plugin, "post"), 0.5, 0.0),
            "gain": (_record(plugin, "post"), 0.0),
        }
        own = [n for n, value in vars(type(plugin)).items() if isinstance(value, types.FunctionType)]
        if own and not any(map(plugin.overrides, hooks)):
            raise PluginError(
                f"{type(plugin).__name__} has no method that the engine calls; it has {', '.join(own)}. What is "
                f"called: {', '.join(hooks)}."
            )
        for name, args in hooks.items():
            if plugin.overrides(name):
                _call(plugin, name, *args)
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
        for name, args in (
            ("learn", (0.5, 0.5, 0.5)),
            ("mirror", (0.5, 0.5, 0.5)),
            ("perturb", (0.5,)),
            ("expect", (0.5, 0.5)),
        ):
            if plugin.overrides(name):
                _call(plugin, name, *args)
    elif isinstance(plugin, Current):
        _call(seen_by(plugin, 0) if plugin.per_neuron() else plugin, "value", _record(plugin, "cell"), 0.0, 1e-4, 0.5)
