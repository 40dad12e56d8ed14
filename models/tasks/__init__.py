"""Classification tasks by name: `load("yin-yang")`, `load("mnist", data=folder)`, `load("randman:classes=5")`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from snn.errors import ParameterError

from .delayed import delayed_feedback
from .digits import digits
from .evidence import cue_accumulation, evidence_accumulation
from .idx import fashion_mnist, mnist
from .nmnist import nmnist_small
from .randman import randman
from .shd import shd
from .task import Task
from .yin_yang import yin_yang

TASKS: dict[str, Callable[..., Task]] = {
    "digits": digits,
    "yin-yang": yin_yang,
    "mnist": mnist,
    "fashion-mnist": fashion_mnist,
    "randman": randman,
    "delayed-feedback": delayed_feedback,
    "evidence": evidence_accumulation,
    "cue-accumulation": cue_accumulation,
    "nmnist-small": nmnist_small,
    "shd": shd,
}

__all__ = ["TASKS", "Task", "load"]


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def load(name: str, data: Any = None, download: bool = False, **options: Any) -> Task:
    """A task by its name.

    Parameters
    ----------
    name : str
        One of `TASKS`; options can follow it: ``"randman:classes=5,alpha=1.5"``.
    data : path, optional
        Folder of data files; by default SNN_DATA, ``../shared/data`` and the cache are looked at.
    download : bool
        Fetch the files where they are not found and the task can be downloaded.
    **options
        Of the task's own function.

    Raises
    ------
    ParameterError
        For names and options that do not exist.
    ExportError
        Where files are missing or unreadable.
    """
    plain, _, given = name.partition(":")
    if plain not in TASKS:
        raise ParameterError(f"There is no task {plain!r}; there are: {', '.join(TASKS)}.")
    for item in filter(None, given.split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise ParameterError(f"Task {name!r}: {item!r} is no option; write {plain}:name=value.")
        options[key] = _number(value)
    known = inspect.signature(TASKS[plain]).parameters
    unknown = next((key for key in options if key not in known or key in ("data", "download")), None)
    if unknown is not None:
        own = ", ".join(key for key in known if key not in ("data", "download")) or "none"
        raise ParameterError(f"Task {plain!r} has no option {unknown!r}; it has: {own}.")
    options |= {key: value for key, value in (("data", data), ("download", download)) if key in known}
    return TASKS[plain](**options)
