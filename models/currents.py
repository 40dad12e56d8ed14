"""Currents that are injected into a population: steps, a timed array, and noise.

Values are in the unit of the population's constant drive (V, A or V/s), to which they are added.
"""

from __future__ import annotations

import math
from typing import Any

from numpy.typing import ArrayLike

from snn.errors import ParameterError
from snn.plugin import Current, param, state
from snn.units import ms


class StepCurrent(Current):
    """Steps: values[k] from times[k] until times[k + 1], the last one for ever; nothing before times[0].

    On the grid a step begins with the first tick that begins at its time or later.

    Raises
    ------
    ParameterError
        For times that do not increase, and for another number of values than of times.
    """

    times: Any = param((0.0,), unit="s", min=0, plausible=1e6, series=True, doc="begin of each step, (n_steps,)")
    values: Any = param((0.0,), unit="drive", series=True, doc="current of each step, (n_steps,) or (n_steps, n)")
    k = state("cell", 0.0, doc="number of steps that have begun")

    def __init__(self, times: ArrayLike, values: ArrayLike) -> None:
        super().__init__(times=times, values=values)
        if self.times.ndim != 1 or (self.times[1:] <= self.times[:-1]).any():
            raise ParameterError(f"StepCurrent.times is {times!r}; give increasing times, (n_steps,), in seconds.")
        if self.times.size != self.values.shape[0]:
            raise ParameterError(
                f"StepCurrent has {self.times.size} times and {self.values.shape[0]} values; give a value for each."
            )

    def value(self, cell: Any, t: float, dt: float, xi: float) -> float:
        k = int(cell.k)
        # Some slack, since a tick's time is a product.
        while k < self.times.size and self.times[k] <= t + 1e-6 * dt:
            k += 1
        cell.k = float(k)
        return self.values[k - 1] if k > 0 else 0.0

    def next_change(self, t: float) -> float:
        later = self.times[self.times > t]
        return float(later[0]) if later.size else math.inf


class TimedCurrent(Current):
    """A timed array: values[k] from k step to (k + 1) step, the last one for ever, as Brian2's TimedArray.

    On the grid the value at the beginning of a tick holds for the tick.
    """

    values: Any = param((0.0,), unit="drive", series=True, doc="currents, (n_steps,) or (n_steps, n)")
    step: float = param(1 * ms, unit="s", above=0, plausible=1e3, doc="time that each value holds")

    def value(self, cell: Any, t: float, dt: float, xi: float) -> float:
        # Some slack, since times are products: 3 * 0.1 ms belongs to step 3.
        k = int(t / self.step + 1e-6)
        return self.values[min(k, self.values.shape[0] - 1)]

    def next_change(self, t: float) -> float:
        k = int(t / self.step) + 1
        # A quotient may be rounded down: t = k step itself is no change after t.
        if k * self.step <= t:
            k += 1
        return k * self.step if k < self.values.shape[0] else math.inf


class WhiteNoise(Current):
    """White noise: mean + sigma xi(t), where <xi(t) xi(t')> = delta(t - t'). Needs the grid engine.

    Its mean over a step of dt is normal with standard deviation sigma / sqrt(dt). A membrane that integrates it with
    tau_m dv/dt = -v + I has the stationary variance sigma^2 / (2 tau_m).
    """

    sigma: float = param(0.0, unit="drive s^0.5", min=0, doc="intensity")
    mean: float = param(0.0, unit="drive", doc="mean current")
    noisy = True

    def value(self, cell: Any, t: float, dt: float, xi: float) -> float:
        return self.mean + self.sigma / math.sqrt(dt) * xi


class OrnsteinUhlenbeck(Current):
    """Noise with a memory: mean + x, where tau dx/dt = -x + sd sqrt(2 tau) xi(t). Needs the grid engine.

    x is normal with standard deviation sd at every time, the first included, and correlates with itself over a lag s as
    exp(-s / tau). Its value at the beginning of a tick, exact for any dt, holds for the tick.

    References
    ----------
    Uhlenbeck & Ornstein (1930) Phys. Rev. 36, 823; exact update: Gillespie (1996) Phys. Rev. E 54, 2084.
    """

    sd: float = param(0.0, unit="drive", min=0, doc="standard deviation")
    tau: float = param(5 * ms, unit="s", above=0, doc="correlation time")
    mean: float = param(0.0, unit="drive", doc="mean current")
    x = state("cell", 0.0, unit="drive", doc="deviation from the mean")
    noisy = True

    def value(self, cell: Any, t: float, dt: float, xi: float) -> float:
        kept = math.exp(-dt / self.tau) if t > 0.0 else 0.0
        cell.x = kept * cell.x + self.sd * math.sqrt(1.0 - kept * kept) * xi
        return self.mean + cell.x
