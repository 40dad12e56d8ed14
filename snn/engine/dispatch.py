"""Choosing code by the type of a tuple's first element, and walking tuples of unlike groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .jit import kernel, specialise
from .types import Fields, PluginType


class Kind(Fields):
    """A tag that says how the rest of a tuple is laid out."""

    def __init__(self, name: str) -> None:
        super().__init__((name, -1))
        self.name = name


def by_kind(**implementations: Callable[..., Any]) -> Callable[..., Any]:
    """A function that runs the implementation named by the Kind at position 0 of its first argument."""
    compiled: dict[str, Any] = {}

    def chosen(first: Any, *rest: Any) -> Any:
        return implementations[first[0].name](first, *rest)

    @specialise(chosen)
    def _choose(first, *rest):
        name = first.types[0].fields[0][0]
        if name not in compiled:
            compiled[name] = kernel(implementations[name])
        function = compiled[name]
        return lambda first, *rest: function(first, *rest)

    return chosen


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


def has(*names: str) -> Callable[..., bool]:
    """A function that says whether a plugin has any of the methods; a constant in compiled code."""

    def test(rule: Any) -> bool:
        return any(hasattr(rule, name) for name in names)

    @specialise(test)
    def _test(rule):
        found = any(rule.method(name) is not None for name in names)
        return (lambda rule: True) if found else (lambda rule: False)

    return test
