"""Declarations as text and as JSON: what a reader sees, and what is kept beside every result."""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from .plugin import Plugin

LISTED_VALUES = 64
"""Longest array that is listed in full; longer ones are described by shape, range and digest."""


class Described:
    """Base of frozen dataclasses that read as the call that makes them: `normal(mean=0.5, sd=0.1)`."""

    @property
    def kind(self) -> str:
        """Name of the function that makes it: the class name in lower case with underscores."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    def fields(self) -> dict[str, Any]:
        """Values that differ from their default."""
        values = {f.name: (getattr(self, f.name), f.default) for f in fields(self)}  # type: ignore[arg-type]
        return {name: value for name, (value, default) in values.items() if default is MISSING or value != default}

    def __repr__(self) -> str:
        return f"{self.kind}({', '.join(f'{name}={text(value)}' for name, value in self.fields().items())})"


def text(value: Any) -> str:
    """A value as it is typed; an array as its shape and range."""
    if isinstance(value, np.ndarray):
        span = f", {value.min():g} to {value.max():g}" if value.size else ""
        return f"<{' x '.join(map(str, value.shape))} values{span}>"
    return repr(value)


def plain(value: Any) -> Any:
    """The same value in terms that JSON knows; infinities become text, as JSON has no word for them."""
    if isinstance(value, Plugin):
        units = {name: declared.unit for name, declared in value.params_declared.items()}
        return {
            "class": f"{type(value).__module__}.{type(value).__qualname__}",
            "parameters": {name: {"value": plain(x), "unit": units[name]} for name, x in value.params().items()},
        }
    if isinstance(value, Described):
        return {"kind": value.kind, **{name: plain(x) for name, x in value.fields().items()}}
    if isinstance(value, np.ndarray) and value.size <= LISTED_VALUES:
        return plain(value.tolist())
    if isinstance(value, np.ndarray):
        return {
            "shape": list(value.shape),
            "min": plain(value.min().item()),
            "max": plain(value.max().item()),
            "sha256": hashlib.sha256(np.ascontiguousarray(value).data).hexdigest(),
        }
    if isinstance(value, (list, tuple)):
        return [plain(x) for x in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value
