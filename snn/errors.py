"""Errors that name the object, the field, the value and what to do about it."""

from __future__ import annotations

from typing import Any


class SnnError(Exception):
    """Base of every error that this package raises on purpose."""


class ParameterError(SnnError, ValueError):
    """A parameter, weight, delay or argument has a value that cannot be used."""


class NetworkError(SnnError, ValueError):
    """The declarations do not form a network that can be run."""


class PluginError(SnnError, TypeError):
    """A rule, model, source or credit pathway is declared or written wrongly."""


class RecordingError(SnnError, ValueError):
    """A recorder asks for something that does not exist."""


class ExportError(SnnError, OSError):
    """A file could not be written or read."""


class SimulationError(SnnError, RuntimeError):
    """A run had to stop."""


class Interrupted(KeyboardInterrupt):
    """Ctrl+C has ended a run between two of its windows.

    Attributes
    ----------
    result : Result
        What was recorded until then. The simulator is whole: it can be read, saved, and run on from its time `t`.
    """

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result = result
