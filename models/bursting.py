"""Leaky integrate-and-fire neuron whose dendrite decides which of its spikes become bursts."""

from __future__ import annotations

import math
from typing import Any

from snn.plugin import param, state
from snn.units import ms

from .lif_exp import response
from .two_compartment import TwoCompartmentLIF



class BurstLIF(TwoCompartmentLIF):
    """TwoCompartmentLIF with bursts: the soma's input makes events, the dendrite's potential u makes them bursts.

    A spike after more than t_burst of silence is an event. It becomes a burst, a second spike t_ref later, if
    phi < P(u) = 1 / (1 + exp(-(u - u_burst) / width)) at that time; phi is the phase, 0 to 1, of an oscillation.

    The oscillation, of period `period`, has nothing to do with when events come, and is much faster: where in it an
    event falls is as good as random, and P(u) is the share of events that are bursts. Ensembles and random numbers are
    not needed. The second spike is an after-depolarisation: it lifts the soma by as much as the reset has lowered it.

    With coupling = 0 events know nothing of the dendrite, and a spike train carries two signals, events and bursts.
    Populations of which neurons should not be in phase start `clock` at random, init={"clock": uniform(0, 1)}.

    References
    ----------
    Payeur, Guerguiev, Zenke, Richards & Naud (2021) Nat. Neurosci. 24, 1010 (events, bursts, their probability); Naud &
    Sprekeler (2018) PNAS 115, E6329 (two signals in one train).
    """

    coupling: float = param(0.0, min=0, doc="conductance from the dendrite, relative to the soma's leak")
    t_ref: float = param(4 * ms, unit="s", above=0, doc="absolute refractory time; also from a burst's spike to the next")
    t_burst: float = param(16 * ms, unit="s", above=0, doc="silence after which a spike is an event")
    u_burst: float = param(0.0, unit="V", doc="potential of the dendrite at which half of the events are bursts")
    width: float = param(0.5, unit="V", above=0, doc="width of the sigmoid")
    period: float = param(1.618 * ms, unit="s", above=0, doc="period of the oscillation")
    soft_reset: bool = param(False, doc="True: a spike subtracts v_thresh - v_reset")
    recent = state("cell", 0.0, doc="1 at a spike, decays with t_burst")
    low = state("cell", 0.0, unit="V", doc="potential of the soma after the last event's reset")
    gap = state("cell", 0.0, unit="V", doc="what that reset has taken from it; 0: no burst can follow any more")
    phase = state("cell", 0.0, doc="phase of the oscillation at the last event")
    clock = state("cell", 0.0, doc="periods of the oscillation")
    reference = "Payeur et al. (2021)"

    @property
    def p_rest(self) -> float:
        """Share of events that are bursts while the dendrite rests."""
        return self.burst_probability(self.u_rest)

    def burst_probability(self, u: float) -> float:
        # The logistic function, in a form that does not overflow.
        return 0.5 + 0.5 * math.tanh(0.5 * (u - self.u_burst) / self.width)

    def advance(self, cell: Any, dt: float) -> None:
        total = 1.0 + self.coupling
        tau, pull = self.tau_m / total, self.coupling / total * (cell.u - self.u_rest)
        v_inf = (self.v_rest + self.drive + self.coupling * self.u_rest) / total
        cell.v = v_inf + (cell.v - v_inf) * math.exp(-dt / tau) + pull * response(tau, self.tau_dend, dt)
        cell.gap = 0.0
        self.hold(cell, dt)

    def hold(self, cell: Any, dt: float) -> None:
        cell.u = self.u_rest + (cell.u - self.u_rest) * math.exp(-dt / self.tau_dend)
        cell.recent *= math.exp(-dt / self.t_burst)
        cell.clock += dt / self.period
        if cell.gap > 0.0:
            # The last moment of the refractory time decides.
            burst = cell.phase < self.burst_probability(cell.u)
            cell.v = max(cell.low + cell.gap, self.v_thresh) if burst else cell.low

    def fire(self, cell: Any) -> None:
        before = cell.v
        if self.soft_reset:
            cell.v -= self.v_thresh - self.v_reset
        else:
            cell.v = self.v_reset
        cell.low, cell.gap = cell.v, 0.0
        if cell.recent < math.exp(-1.0):
            cell.gap = before - cell.v
            cell.phase = cell.clock - math.floor(cell.clock)
        cell.recent = 1.0

    def brian2(self) -> dict[str, Any]:
        return super().brian2()
