"""Leaky integrate-and-fire neuron with exponentially decaying synaptic conductances."""

from __future__ import annotations

import math
from typing import Any

from snn.maths import exp
from snn.plugin import Model, param, state
from snn.units import ms, mV, nS, pF


class LIFCond(Model):
    """Leaky integrate-and-fire with exponential conductances: inputs pull towards a reversal potential.

    c_m dv/dt = g_leak (v_rest - v) + g_exc (e_exc - v) + g_inh (e_inh - v) + i_drive;
    tau_exc dg_exc/dt = -g_exc;  tau_inh likewise;  an arrival of weight w adds w to the conductance of its port;
    v >= v_thresh: spike, v = v_reset.

    Weights are in siemens, positive on both ports. During the refractory time v stays and the conductances go on. A
    step is exponential Euler, as in Brian2: the conductances of its beginning hold for all of it.

    References
    ----------
    Vogels & Abbott (2005) J. Neurosci. 25, 10786; with the constants of the COBA benchmark of Brette et al. (2007)
    J. Comput. Neurosci. 23, 349, benchmark 1.
    """

    c_m: float = param(200 * pF, unit="F", above=0, doc="membrane capacitance")
    g_leak: float = param(10 * nS, unit="S", above=0, doc="leak conductance")
    v_rest: float = param(-60 * mV, unit="V", doc="resting potential")
    v_thresh: float = param(-50 * mV, unit="V", doc="threshold")
    v_reset: float = param(-60 * mV, unit="V", doc="potential after a spike")
    t_ref: float = param(5 * ms, unit="s", min=0, doc="absolute refractory time")
    e_exc: float = param(0.0, unit="V", doc="reversal potential of excitation")
    e_inh: float = param(-80 * mV, unit="V", doc="reversal potential of inhibition")
    tau_exc: float = param(5 * ms, unit="s", above=0, doc="decay of excitatory conductance")
    tau_inh: float = param(10 * ms, unit="s", above=0, doc="decay of inhibitory conductance")
    i_drive: float = param(0.0, unit="A", doc="constant current")
    v = state("cell", -60 * mV, unit="V", doc="membrane potential")
    g_exc = state("cell", 0.0, unit="S", doc="excitatory conductance")
    g_inh = state("cell", 0.0, unit="S", doc="inhibitory conductance")
    refractory = "t_ref"
    injected = "i_drive"
    receives_while_held = True
    reference = "Vogels & Abbott (2005)"

    def step(self, cell: Any, dt: float) -> None:
        g = self.g_leak + cell.g_exc + cell.g_inh
        v_inf = (self.g_leak * self.v_rest + cell.g_exc * self.e_exc + cell.g_inh * self.e_inh + self.i_drive) / g
        cell.v = v_inf + (cell.v - v_inf) * exp(-g / self.c_m * dt)
        self.hold(cell, dt)

    def hold(self, cell: Any, dt: float) -> None:
        cell.g_exc *= math.exp(-dt / self.tau_exc)
        cell.g_inh *= math.exp(-dt / self.tau_inh)

    def receive(self, cell: Any, port: int, w: float) -> None:
        if port == 0:
            cell.g_exc += w
        else:
            cell.g_inh += w

    def receive_held(self, cell: Any, port: int, w: float) -> None:
        self.receive(cell, port, w)

    def above(self, cell: Any) -> bool:
        return bool(cell.v >= self.v_thresh)

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset

    def brian2(self) -> dict[str, Any]:
        return {
            "model": """dv/dt = (g_leak * (v_rest - v) + g_exc * (e_exc - v) + g_inh * (e_inh - v) + i_drive) / c_m
                                : volt (unless refractory)
                        dg_exc/dt = -g_exc / tau_exc : siemens
                        dg_inh/dt = -g_inh / tau_inh : siemens""",
            "threshold": "v >= v_thresh",
            "reset": "v = v_reset",
            "refractory": "t_ref",
            "method": "exponential_euler",
            "on_pre": {"exc": "g_exc_post += w", "inh": "g_inh_post += w"},
            "weight_unit": "siemens",
            "namespace": self.brian2_namespace(),
        }
