"""Choosing code by the kind of a struct, or by what a plugin overrides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .jit import choose, nothing
from .types import Fields, PluginType


class Kind(Fields):
    """A tag that says how a struct is laid out: its member `kind`."""

    def __init__(self, name: str) -> None:
        super().__init__((name, -1))
        self.name = name


def by_kind(**implementations: Callable[..., Any]) -> Callable[..., Any]:
    """A function that runs the implementation named by the kind of its first argument."""

    def chosen(first: Any, *rest: Any) -> Any:
        return implementations[first.kind.name](first, *rest)

    @choose(chosen)
    def _choose(first, *rest):
        return implementations[first.kind]

    return chosen


def optional(name: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls the plugin's method `name`, or does `otherwise` (with the plugin) where it has none."""

    def call(plugin: Any, *args: Any) -> Any:
        method = getattr(plugin, name, None)
        return otherwise(plugin, *args) if method is None else method(*args)

    @choose(call)
    def _call(plugin, *args):
        assert isinstance(plugin, PluginType)
        method = plugin.method(name)
        return otherwise if method is None else method.py_func

    return call


def hook(name: str) -> Callable[..., Any]:
    """A function that calls the plugin's method `name`, and does nothing where the plugin has none."""
    return optional(name, nothing)


def with_hooks(*names: str, of: str = "rule") -> Callable[[Any], Any]:
    """Decorate a function of a struct that has nothing to do where a plugin in it overrides none of the hooks.

    Nothing is compiled for it then.
    """

    def decorate(function: Any) -> Any:
        def call(g: Any, *args: Any) -> None:
            if any(hasattr(getattr(g, of), name) for name in names):
                function(g, *args)

        @choose(call)
        def _call(g, *args):
            declared = any(g.lookup[of][0].method(name) is not None for name in names)
            return function if declared else nothing

        return call

    return decorate
