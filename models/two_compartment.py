"""Leaky integrate-and-fire neuron with a dendrite that takes error signals apart from the soma's input."""

from __future__ import annotations

import math
from typing import Any

from snn.plugin import Model, param, state
from snn.units import ms

from .lif_exp import response, rise_time


class TwoCompartmentLIF(Model):
    """Leaky soma that fires, and a leaky dendrite that nudges it.

    tau_m dv/dt = -(v - v_rest) + drive + coupling (u - v);  tau_dend du/dt = -(u - u_rest);  an arrival of weight w
    adds w to v on the ports "exc" and "inh", to u on the port "error";  v >= v_thresh: spike, v = v_reset.

    The dendrite pulls the soma towards its potential u and feels nothing of the soma, so that u is what a learning rule
    can read as the error. With coupling = 0 it does not disturb the soma at all. Weights and potentials share one unit,
    as in LIF. During the refractory time v stays and arrivals at the soma are lost; u goes on, and so do its arrivals.
    The exact solution serves continuous time and the grid.

    References
    ----------
    Urbanczik & Senn (2014) Neuron 81, 521; error at the dendrite as in Sacramento et al. (2018) NeurIPS 31.
    """

    tau_m: float = param(20 * ms, unit="s", above=0, doc="time constant of the soma without the dendrite")
    tau_dend: float = param(10 * ms, unit="s", above=0, doc="time constant of the dendrite")
    coupling: float = param(0.5, min=0, doc="conductance from the dendrite, relative to the soma's leak")
    v_rest: float = param(0.0, unit="V", doc="resting potential of the soma")
    u_rest: float = param(0.0, unit="V", doc="resting potential of the dendrite")
    v_thresh: float = param(1.0, unit="V", doc="threshold of the soma")
    v_reset: float = param(0.0, unit="V", doc="potential of the soma after a spike")
    t_ref: float = param(0.0, unit="s", min=0, doc="absolute refractory time")
    drive: float = param(0.0, unit="V", doc="constant drive of the soma, resistance times current")
    v = state("cell", 0.0, unit="V", doc="potential of the soma")
    u = state("cell", 0.0, unit="V", doc="potential of the dendrite")
    ports = ("exc", "inh", "error")
    refractory = "t_ref"
    injected = "drive"
    reference = "Urbanczik & Senn (2014)"

    @property
    def tau_soma(self) -> Any:
        """Time constant (s) with which the soma forgets its input while the dendrite pulls at it."""
        return self.tau_m / (1.0 + self.coupling)

    def soma(self, cell: Any, dt: float) -> float:
        total = 1.0 + self.coupling
        tau, pull = self.tau_m / total, self.coupling / total * (cell.u - self.u_rest)
        v_inf = (self.v_rest + self.drive + self.coupling * self.u_rest) / total
        v: float = v_inf + (cell.v - v_inf) * math.exp(-dt / tau) + pull * response(tau, self.tau_dend, dt)
        return v

    def advance(self, cell: Any, dt: float) -> None:
        cell.v = self.soma(cell, dt)
        self.hold(cell, dt)

    def hold(self, cell: Any, dt: float) -> None:
        cell.u = self.u_rest + (cell.u - self.u_rest) * math.exp(-dt / self.tau_dend)

    def receive(self, cell: Any, port: int, w: float) -> None:
        if port == 2:
            cell.u += w
        else:
            cell.v += w

    def receive_held(self, cell: Any, port: int, w: float) -> None:
        if port == 2:
            cell.u += w

    def above(self, cell: Any) -> bool:
        return bool(cell.v >= self.v_thresh)

    def time_to_threshold(self, cell: Any) -> float:
        total = 1.0 + self.coupling
        tau, pull = self.tau_m / total, self.coupling / total * (cell.u - self.u_rest)
        v_inf = (self.v_rest + self.drive + self.coupling * self.u_rest) / total
        return rise_time(cell.v, pull, 0.0, v_inf, self.v_thresh, (tau, self.tau_dend, self.tau_dend))

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset

    def brian2(self) -> dict[str, Any]:
        return {
            "model": """dv/dt = (v_rest + drive + coupling * (u - v) - v) / tau_m : volt (unless refractory)
                        du/dt = (u_rest - u) / tau_dend : volt""",
            "threshold": "v >= v_thresh",
            "reset": "v = v_reset",
            "refractory": "t_ref",
            "method": "exact",
            "on_pre": {
                "exc": "v_post += w * int(not_refractory_post)",
                "inh": "v_post += w * int(not_refractory_post)",
                "error": "u_post += w",
            },
            "weight_unit": "volt",
            "namespace": self.brian2_namespace(),
        }
