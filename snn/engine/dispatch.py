"""Choosing code by the kind of a struct, or by what a plugin overrides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .jit import inlined, specialise
from .types import Fields, PluginType


class Kind(Fields):
    """A tag that says how a struct is laid out: its member `kind`."""

    def __init__(self, name: str) -> None:
        super().__init__((name, -1))
        self.name = name


def by_kind(**implementations: Callable[..., Any]) -> Callable[..., Any]:
    """A function that runs the implementation named by the kind of its first argument."""
    compiled: dict[str, Any] = {}

    def chosen(first: Any, *rest: Any) -> Any:
        return implementations[first.kind.name](first, *rest)

    @specialise(chosen)
    def _choose(first, *rest):
        name = first.kind
        if name not in compiled:
            compiled[name] = inlined(implementations[name])
        function = compiled[name]
        return lambda first, *rest: function(first, *rest)

    return chosen


def optional(name: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls the plugin's method `name`, or does `otherwise` (with the plugin) where it has none."""
    other = inlined(otherwise)

    def call(plugin: Any, *args: Any) -> Any:
        method = getattr(plugin, name, None)
        return otherwise(plugin, *args) if method is None else method(*args)

    @specialise(call)
    def _call(plugin, *args):
        assert isinstance(plugin, PluginType)
        function = plugin.method(name)
        if function is None:
            return lambda plugin, *args: other(plugin, *args)
        return lambda plugin, *args: function(plugin, *args)

    return call


def hook(name: str) -> Callable[..., Any]:
    """A function that calls the plugin's method `name`, and does nothing where the plugin has none."""

    def call(rule: Any, *args: Any) -> None:
        method = getattr(rule, name, None)
        if method is not None:
            method(*args)

    @specialise(call)
    def _call(rule, *args):
        assert isinstance(rule, PluginType)
        function = rule.method(name)
        if function is None:
            return lambda rule, *args: None
        return lambda rule, *args: function(rule, *args)

    return call


def with_hooks(*names: str) -> Callable[[Any], Any]:
    """Decorate a function of a group that has nothing to do where the group's rule overrides none of the hooks.

    Nothing is compiled for it then.
    """

    def decorate(function: Any) -> Any:
        def call(g: Any, *args: Any) -> None:
            if any(hasattr(g.rule, name) for name in names):
                function(g, *args)

        compiled = inlined(function)

        @specialise(call)
        def _call(g, *args):
            if any(g.lookup["rule"][0].method(name) is not None for name in names):
                return lambda g, *args: compiled(g, *args)
            return lambda g, *args: None

        return call

    return decorate
