"""Neurons that fire by themselves: Poisson trains, regular trains, given spike times, and encoders of samples."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from snn.errors import ParameterError
from snn.plugin import GivenSpikes, Source, check_unit, param, state
from snn.units import Hz, ms
from snn.values import numbers


class Poisson(Source):
    """Poisson trains: the interval to the next spike is -ln(1 - u) / rate."""

    rate: float = param(10 * Hz, unit="Hz", min=0, doc="mean rate, one number or one per neuron")
    start: float = param(0.0, unit="s", min=0, plausible=1e6, doc="time before which nothing fires")
    is_poisson = True
    memoryless = True

    def next_spike(self, cell: Any, t: float, u: float) -> float:
        if self.rate <= 0.0:
            return math.inf
        return max(t, self.start) - math.log(1.0 - u) / self.rate


class TimedPoisson(Source):
    """Poisson trains whose rate is given step by step: rate[k] from k step to (k + 1) step, the last one for ever.

    The next spike is where the rate, integrated from the last one on, reaches -ln(1 - u): exact whatever the engine.
    What Brian2 makes of ``PoissonGroup(n, rates="ta(t, i)")`` with a TimedArray, without its time steps.

    References
    ----------
    Cinlar (1975) Introduction to Stochastic Processes, ch. 4.7 (inversion of the integrated rate).
    """

    rate: Any = param((10 * Hz,), unit="Hz", min=0, series=True, doc="rates, (n_steps,) or (n_steps, n)")
    memoryless = True
    step: float = param(10 * ms, unit="s", above=0, plausible=1e3, doc="time that each rate holds")

    def next_spike(self, cell: Any, t: float, u: float) -> float:
        missing = -math.log(1.0 - u)
        now = max(t, 0.0)
        k = int(now / self.step)
        while k < self.rate.size - 1:
            end = (k + 1) * self.step
            gain = self.rate[k] * (end - now)
            if gain > missing:
                return now + missing / self.rate[k]
            # A step may end before `now` by rounding only: it then adds nothing.
            missing -= max(gain, 0.0)
            now = max(now, end)
            k += 1
        rate = self.rate[self.rate.size - 1]
        return now + missing / rate if rate > 0.0 else math.inf


class Regular(Source):
    """Spikes at start, start + period, start + 2 period, ..."""

    period: float = param(100 * ms, unit="s", above=0, plausible=1e3, doc="time between spikes")
    start: float = param(0.0, unit="s", min=0, plausible=1e6, doc="time of the first spike")

    def next_spike(self, cell: Any, t: float, u: float) -> float:
        if t < self.start:
            return self.start
        # From the start on, so that rounding errors do not add up.
        return self.start + (math.floor((t - self.start) / self.period + 1e-6) + 1.0) * self.period


class Latency(Source):
    """Latency code: a value x above `low` begins to fire the earlier, the larger it is, and goes on every `period`.

    t_1 = t_first + (1 - x) (t_last - t_first) + jitter u, with u uniform in [0, 1) and new for each presentation;
    t_(n+1) = t_n + period. With the default period = inf a value fires once; with a finite one the number of spikes
    until a presentation ends carries the value too.

    References
    ----------
    Eyherabide et al. (2008) Front. Comput. Neurosci. 2, 3 (a burst's number of spikes and its onset as a code).
    """

    t_first: float = param(0.0, unit="s", min=0, doc="time of the first spike of value 1")
    t_last: float = param(20 * ms, unit="s", min=0, doc="time of the first spike that value 0 would have")
    low: float = param(0.15, min=0, doc="values at or below do not fire")
    jitter: float = param(0.0, unit="s", min=0, doc="largest random delay of the first spike, and so of all")
    period: float = param(
        math.inf, unit="s", above=0, finite=False, plausible=1e3, doc="time between spikes; inf: one spike"
    )
    x = state("cell", 0.0, doc="value of the sample that is presented, 0 to 1")

    def at_mean(self) -> Latency:
        """The same code with the mean of the jitter in its place."""
        return self.replace(t_first=self.t_first + self.jitter / 2, t_last=self.t_last + self.jitter / 2, jitter=0.0)

    def next_spike(self, cell: Any, t: float, u: float) -> float:
        if t >= 0.0:
            return t + self.period
        if cell.x <= self.low:
            return math.inf
        return self.t_first + (1.0 - cell.x) * (self.t_last - self.t_first) + self.jitter * u


class Rate(Source):
    """Rate code: a Poisson train with rate x * rate_max while the sample is shown."""

    rate_max: float = param(100 * Hz, unit="Hz", above=0, doc="rate of value 1")
    x = state("cell", 0.0, doc="value of the sample that is presented, 0 to 1")

    def next_spike(self, cell: Any, t: float, u: float) -> float:
        if cell.x <= 0.0:
            return math.inf
        return max(t, 0.0) - math.log(1.0 - u) / (cell.x * self.rate_max)


class Playback(GivenSpikes):
    """Plays the spikes of the sample that is presented, of :class:`snn.events.Events`; silent in a run."""

    plays_samples = True

    def __init__(self) -> None:
        super().__init__()
        self._ids, self._times = np.zeros(0, np.int32), np.zeros(0)


class SpikeTimes(GivenSpikes):
    """Given spikes: neuron `ids[n]` fires at `times[n]` (s). The order does not matter.

    Raises
    ------
    ParameterError
        For ids that are no numbers of neurons, for times that are negative or not finite, and for shapes that differ.
    """

    def __init__(self, ids: ArrayLike, times: ArrayLike) -> None:
        super().__init__()
        i, t = np.asarray(ids), numbers("SpikeTimes.times", times, "numbers", "s")
        if i.shape != t.shape or i.ndim != 1:
            raise ParameterError(f"SpikeTimes: ids has shape {i.shape} and times {t.shape}; give one id for each time.")
        if i.size and not np.issubdtype(i.dtype, np.integer):
            raise ParameterError(f"SpikeTimes.ids has dtype {i.dtype}; give whole numbers.")
        if not np.isfinite(t).all() or (t < 0).any():
            bad = t[~(np.isfinite(t) & (t >= 0))][0]
            raise ParameterError(f"SpikeTimes.times contains {bad}; give finite times >= 0 in seconds.")
        if i.size and not 0 <= i.min() <= i.max() <= np.iinfo(np.int32).max:
            raise ParameterError(f"SpikeTimes.ids go from {i.min()} to {i.max()}; give numbers of neurons from 0 on.")
        check_unit("SpikeTimes.times", t, "s", plausible=1e6)
        order = np.lexsort((i, t))
        self._ids, self._times = i[order].astype(np.int32), t[order]

    def __repr__(self) -> str:
        return f"SpikeTimes(<{self._times.size} spikes>)"
