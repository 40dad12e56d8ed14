"""What kind of value an argument is, and what it is in SI base units."""

from __future__ import annotations

from contextlib import suppress
from numbers import Real
from typing import Any

import numpy as np

from .errors import ParameterError

# Units of parameters and states in Brian2's words.
BRIAN2_UNITS = {
    "1": "1",
    "s": "second",
    "V": "volt",
    "A": "amp",
    "F": "farad",
    "S": "siemens",
    "Hz": "hertz",
    "V/s": "volt / second",
    "S/V": "siemens / volt",
}


def is_real(value: Any) -> bool:
    """Whether a value is one number; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def flag(where: str, value: Any) -> bool:
    """True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise ParameterError(f"{where} is {value!r}; give True or False.")
    return bool(value)


def in_si(where: str, value: Any, unit: str = "") -> Any:
    """A value without its units, as numbers in SI base units; one that has none as it is.

    Quantities of Brian2, python-quantities, Pint and Astropy are known by what they can do.

    Parameters
    ----------
    where : str
        What the value belongs to, for the message.
    value : object
        Lists are looked through.
    unit : str
        That the value has to have; where it is none of `BRIAN2_UNITS`, any will do.

    Raises
    ------
    ParameterError
        For a value in another unit, or in units of a kind that is not known.
    """
    if isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.dtype == object and value.ndim):
        plain = all(issubclass(kind, Real) for kind in set(map(type, value)))
        return value if plain else [in_si(where, item, unit) for item in value]
    wanted = unit if unit in BRIAN2_UNITS else None
    if hasattr(value, "has_same_dimensions"):
        if _fits_brian2(value, wanted):
            return np.asarray(value)[()]
    elif hasattr(value, "units") or hasattr(value, "unit"):
        # Each library has errors of its own for units that do not fit.
        with suppress(Exception):
            return _converted(value, wanted)
    else:
        return value
    give = "a plain number" if unit == "1" else f"a number in {wanted or 'SI units'}"
    raise ParameterError(f"{where} is {value!s:.60}, which cannot be converted; give {give}.")


def _fits_brian2(value: Any, unit: str | None) -> bool:
    """Whether a quantity of Brian2, whose numbers are in SI base units, has a unit or is a plain number."""
    from brian2.equations.equations import dimensions_and_type_from_string

    if unit is None or value.is_dimensionless:
        return True
    return bool(value.dim == dimensions_and_type_from_string(BRIAN2_UNITS[unit])[0])


def _converted(value: Any, unit: str | None) -> Any:
    """The numbers of a quantity of python-quantities, Pint or Astropy in a unit; None: in SI base units."""
    if unit is not None:
        change = value.rescale if hasattr(value, "rescale") else value.to
        made = change("" if unit == "1" else unit)
    elif hasattr(value, "to_base_units"):
        made = value.to_base_units()
    else:
        made = value.simplified if hasattr(value, "simplified") else value.si
    return np.asarray(made.magnitude if hasattr(made, "magnitude") else made.value, dtype=float)[()]


def numbers(where: str, value: Any, wanted: str, unit: str = "") -> np.ndarray:
    """A float64 array of any shape in SI base units; maybe the one given.

    Parameters
    ----------
    where, value, unit
        As for :func:`in_si`.
    wanted : str
        What to give instead, for the message.

    Raises
    ------
    ParameterError
        For texts, rows that differ in length, and all else that is no numbers.
    """
    plain = in_si(where, value, unit)
    try:
        array = np.asarray(plain)
        if array.dtype.kind not in "biufO":
            raise TypeError(f"{array.dtype} is no number")
        return np.asarray(array, dtype=float)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{where} is {value!r}; give {wanted}.") from error
