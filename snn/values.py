"""What kind of value an argument is."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from .errors import ParameterError


def is_real(value: Any) -> bool:
    """Whether a value is one number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def flag(where: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{where} is {value!r}; give True or False.")
    return bool(value)
