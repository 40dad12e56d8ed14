"""When a readout is read within a presentation, and what it then says."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .arguments import duration_of
from .engine import present
from .errors import ParameterError
from .grid import Grid
from .network import Population


@dataclass
class Schedule:
    """When a readout is read within a presentation, and what of it.

    Attributes
    ----------
    code : int
        present.POTENTIALS, COUNTS, TRACE, FIRST.
    steps, first_taught : int
        How often, and from which time on there are errors.
    every, tau : float, s
        Time between two, and time constant of a trace or of first spikes.
    ticks : int
        Time steps of the grid between two; 0 in continuous time.
    """

    code: int
    steps: int
    first_taught: int
    every: float
    tau: float
    ticks: int


_CODES = {
    "potential": present.POTENTIALS,
    "counts": present.COUNTS,
    "trace": present.TRACE,
    "first": present.FIRST,
}


def schedule(
    readout: Population,
    duration: float,
    every: float | None,
    teach_from: float,
    code: str | None,
    tau: float,
    grid: Grid | None,
) -> Schedule:
    """A presentation's schedule.

    Raises
    ------
    ParameterError
        Where times do not fit each other, or the code does not fit the readout.
    """
    fires = bool(getattr(readout.model, "threshold", False))
    if code is None:
        code = "potential" if not fires else "counts" if every is None else "trace"
    if code not in _CODES:
        raise ParameterError(f"present: code is {code!r}; give one of {', '.join(_CODES)}.")
    if code != "potential" and not fires:
        raise ParameterError(
            f"present: code is {code!r}, but readout {readout.name!r} with model {readout.model!r} never fires. "
            "Give code='potential', or a readout with a threshold."
        )
    if code == "trace" and every is None:
        raise ParameterError("present: code is 'trace', which is read in bins; give every, in seconds.")
    tau = duration_of("present: tau_read", tau)
    teach_from = duration_of("present: teach_from", teach_from)
    if tau == 0.0:
        raise ParameterError("present: tau_read is 0; give a positive time in seconds.")
    ticks = 0 if grid is None else grid.whole("present: duration", duration)
    if every is None:
        if teach_from > 0.0:
            raise ParameterError(
                f"present: teach_from is {teach_from:g} s, but there is one error, at the end; give every."
            )
        return Schedule(_CODES[code], 1, 0, duration, tau, ticks)
    every = duration_of("present: every", every)
    steps = round(duration / every) if every > 0.0 else 0
    if steps < 1 or abs(steps * every - duration) > 1e-9 * duration:
        raise ParameterError(
            f"present: every is {every:g} s, which does not divide the duration, {duration:g} s. "
            f"Give {duration / max(1, steps):g}, or another part of it."
        )
    if grid is not None:
        ticks = grid.whole("present: every", every)
    if teach_from >= duration:
        raise ParameterError(
            f"present: teach_from is {teach_from:g} s and the presentation ends at {duration:g} s; give less."
        )
    # The error at (k + 1) every is the first at or after that time.
    first = max(0, math.ceil(teach_from / every - 1e-9) - 1)
    return Schedule(_CODES[code], steps, first, every, tau, ticks)
