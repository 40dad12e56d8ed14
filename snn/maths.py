"""Functions for models whose compiled form lets loops over cells run at vector speed.

For arguments that differ from cell to cell; those that all cells share are better left to the module `math`, whose
functions then leave the loop over cells.
"""

from __future__ import annotations

import math


def exp(x: float) -> float:
    """e to the power x: in a kernel within a unit in the last place of `math.exp`, and 0 below x = -708."""
    return math.exp(x)


def expm1(x: float) -> float:
    """e to the power x, less 1, also where x is small: in a kernel within two units in the last place."""
    return math.expm1(x)
