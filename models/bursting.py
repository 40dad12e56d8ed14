"""Leaky integrate-and-fire neuron whose dendrite decides which of its spikes become bursts."""

from __future__ import annotations

import math
from typing import Any

from snn.plugin import Model, param, state
from snn.units import ms

from .two_compartment import TwoCompartmentLIF


class BurstLIF(TwoCompartmentLIF):
    """TwoCompartmentLIF with bursts: the soma's input makes events, the potential u of the dendrite makes them bursts.

    A spike after more than t_burst of silence is an event. It becomes a burst, a second spike t_ref later, if then

        phi < P(u),   P(u) = 1 / (1 + exp(-(u - u_burst) / width)),

    where phi, 0 to 1, is the phase that an oscillation had at the event. The oscillation has nothing to do with when
    events come, and is much faster: an event's phase is as good as random, and P(u) is the share of events that are
    bursts. It stands in for the ensembles of the reference, and for random numbers. What decides is the dendrite at the
    end of the refractory time, so that an error that an event itself has caused comes in time. An after-depolarisation
    then lifts the soma to its threshold; arrivals at the soma that come before are lost, as in TwoCompartmentLIF.

    With coupling = 0 events know nothing of the dendrite: one spike train carries two signals, events and bursts. Where
    neurons of a population should not share a phase, `clock` starts at random: init={"clock": uniform(0, 1)}.

    References
    ----------
    Payeur, Guerguiev, Zenke, Richards & Naud (2021) Nat. Neurosci. 24, 1010 (events, and the probability that one is a
    burst); Naud & Sprekeler (2018) PNAS 115, E6329 (two signals in one train).
    """

    coupling: float = param(0.0, min=0, doc="conductance from the dendrite, relative to the soma's leak")
    t_ref: float = param(4 * ms, unit="s", above=0, doc="absolute refractory time, after which a burst goes on")
    t_burst: float = param(16 * ms, unit="s", above=0, doc="silence after which a spike is an event, at least t_ref")
    u_burst: float = param(0.5, unit="V", doc="potential of the dendrite at which half of the events are bursts")
    width: float = param(0.5, unit="V", above=0, doc="width of the sigmoid P(u)")
    period: float = param(1.618 * ms, unit="s", above=0, doc="period of the oscillation")
    recent = state("cell", 0.0, doc="1 at a spike, decays with t_burst")
    phase = state("cell", 1.0, doc="phi of the event that may become a burst; 1: there is none")
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
        cell.v = self.soma(cell, dt)
        cell.phase = 1.0
        self.hold(cell, dt)

    def hold(self, cell: Any, dt: float) -> None:
        cell.u = self.u_rest + (cell.u - self.u_rest) * math.exp(-dt / self.tau_dend)
        cell.recent *= math.exp(-dt / self.t_burst)
        cell.clock += dt / self.period
        if cell.phase < 1.0:
            # Nobody sees v before the refractory time ends: the last call decides.
            cell.v = self.v_thresh if cell.phase < self.burst_probability(cell.u) else self.v_reset

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset
        is_event = cell.recent < math.exp(-1.0)
        cell.phase = cell.clock - math.floor(cell.clock) if is_event else 1.0
        cell.recent = 1.0

    brian2 = Model.brian2
