"""What certificates are made of: a report, and checks that rules and models share."""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..errors import PluginError, SnnError
from ..plugin import Plugin


class CheckFailed(SnnError, AssertionError):
    """A plugin does not keep its contract; `report` holds every check."""

    report: Report | None = None


class Check(NamedTuple):
    """One line of a report."""

    check: str
    passed: bool
    detail: str


@dataclass
class Report:
    """What was checked about a plugin."""

    subject: str
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def run(self, name: str, body: Callable[..., str], *arguments: Any) -> None:
        """Run one check; an error of this package fails it, any other error is the plugin's own and fails it too."""
        try:
            self.checks.append(Check(name, True, body(*arguments)))
        except Exception as error:
            words = str(error) if isinstance(error, SnnError) else f"{type(error).__name__}: {error}"
            self.checks.append(Check(name, False, words))

    def conclude(self) -> Report:
        """This report, or CheckFailed if a check did not pass."""
        if not self.passed:
            failed = CheckFailed(str(self))
            failed.report = self
            raise failed
        return self

    def __str__(self) -> str:
        width = max((len(c.check) for c in self.checks), default=0)
        head = f"{self.subject}: {sum(c.passed for c in self.checks)} of {len(self.checks)} checks passed"
        lines = [f"  {'ok  ' if c.passed else 'FAIL'}  {c.check:<{width}}  {c.detail}" for c in self.checks]
        return "\n".join([head, *lines])


def _instance(plugin: Any, base: type, values: Mapping[str, Any]) -> Any:
    if isinstance(plugin, type) and issubclass(plugin, base):
        return plugin(**values)
    if isinstance(plugin, base):
        return plugin.replace(**values) if values else plugin  # type: ignore[attr-defined]
    raise PluginError(f"{plugin!r} is not a {base.__name__}; give the class or an instance of it.")


def _require(truth: bool, words: str) -> None:
    if not truth:
        raise CheckFailed(words)


def _arguments(plugin: Plugin, method: str, expected: Sequence[str]) -> None:
    """Refuse a method whose arguments do not have the agreed number."""
    found = list(inspect.signature(getattr(type(plugin), method)).parameters)
    name = type(plugin).__name__
    _require(
        len(found) == len(expected),
        f"{name}.{method}({', '.join(found)}) takes {len(found)} arguments; write {method}({', '.join(expected)}).",
    )


def _read_source(plugin: Plugin, method: str, records: Mapping[int, tuple[str, set[str]]]) -> None:
    """Refuse names that a method's text uses and nobody declared, also on branches that a trial would not take.

    Parameters
    ----------
    plugin : Plugin
    method : str
    records : dict
        By position of the argument: kind of the record and the names of its fields.
    """
    function = getattr(type(plugin), method)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return  # Typed at a prompt or made at run time: the trial on records has to do.
    if not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].name != function.__name__:
        return  # The file has been edited since it was imported.
    arguments = list(inspect.signature(function).parameters)
    name = type(plugin).__name__
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        if node.value.id not in arguments:
            continue
        place = arguments.index(node.value.id)
        where = f"{name}.{method} (line {node.lineno + function.__code__.co_firstlineno - 1})"
        if place == 0:
            _require(
                not isinstance(node.ctx, ast.Store),
                f"{where} writes self.{node.attr}; parameters stay as they are. Declare a state in place of it.",
            )
            _require(
                node.attr in plugin.params_declared or hasattr(type(plugin), node.attr),
                f"{where} uses self.{node.attr}, which is not a parameter. Add {node.attr}: float = param(...).",
            )
        elif place in records:
            kind, fields = records[place]
            _require(
                node.attr in fields,
                f"{where} uses {node.value.id}.{node.attr}, which is not declared. Declared: "
                f"{', '.join(sorted(fields)) or 'nothing'}. Add {node.attr} = state({kind!r}) to the class.",
            )


def _round_trip(plugin: Plugin) -> str:
    """A plugin's repr can be typed back."""
    if any(isinstance(value, np.ndarray) for value in plugin.params().values()):
        return "has arrays: repr is for reading only"
    again = eval(repr(plugin), {type(plugin).__name__: type(plugin), "inf": math.inf})
    _require(again.params() == plugin.params(), f"{plugin!r} does not give its parameters back when typed in.")
    return repr(plugin)


def _same(ours: np.ndarray, theirs: np.ndarray, what: str, relative: float = 1e-12) -> float:
    """Largest relative difference, or CheckFailed."""
    a, b = np.asarray(ours, dtype=float).ravel(), np.asarray(theirs, dtype=float).ravel()
    _require(a.shape == b.shape, f"{what}: the twin has {a.size} values, the compiled engine {b.size}.")
    if not a.size:
        return 0.0
    scale = max(float(np.max(np.abs(a))), 1e-300)
    worst = float(np.max(np.abs(a - b))) / scale
    k = int(np.argmax(np.abs(a - b)))
    _require(
        bool(worst <= relative),
        f"{what}: value {k} is {float(a[k])!r} in the twin and {float(b[k])!r} compiled (relative {worst:.2g}). "
        f"Use only math functions and float arithmetic in the methods, and declare everything they remember.",
    )
    return worst


def _compiled(network: Any, ties: str = "pre_first") -> Any:
    from ..simulator import Simulator

    return Simulator(network, ties=ties)
