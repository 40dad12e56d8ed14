"""Leaky integrate-and-fire neuron that fires by chance, the more likely the higher its potential."""

from __future__ import annotations

import math
from typing import Any

from snn.maths import exp
from snn.plugin import Model, param, state
from snn.units import Hz, ms


class EscapeLIF(Model):
    """Leaky integrate-and-fire with delta synapses and exponential escape noise in place of a threshold.

    tau_m dv/dt = -(v - v_rest) + drive;  an arrival of weight w: v += w;
    fires at the rate rate_thresh exp((v - v_thresh) / delta_thresh): in a step of dt with probability
    1 - exp(-rate dt), with v at its end;  spike: v = v_reset.

    Weights and potentials share one unit, as in LIF. Both ports add the signed weight; arrivals are lost during the
    refractory time, in which the cell does not fire. A step is the exact solution.

    References
    ----------
    Gerstner, Kistler, Naud & Paninski (2014) Neuronal Dynamics, section 9.1; Jolivet et al. (2006) J. Comput. Neurosci.
    21, 35.
    """

    tau_m: float = param(20 * ms, unit="s", above=0, doc="membrane time constant")
    v_rest: float = param(0.0, unit="V", doc="resting potential")
    v_thresh: float = param(1.0, unit="V", doc="potential at which the rate is rate_thresh")
    v_reset: float = param(0.0, unit="V", doc="potential after a spike")
    rate_thresh: float = param(100 * Hz, unit="Hz", min=0, doc="rate at v_thresh")
    delta_thresh: float = param(0.1, unit="V", above=0, doc="potential that raises the rate by a factor e")
    t_ref: float = param(0.0, unit="s", min=0, doc="absolute refractory time")
    drive: float = param(0.0, unit="V", doc="constant drive, resistance times current")
    v = state("cell", 0.0, unit="V", doc="membrane potential")
    refractory = "t_ref"
    injected = "drive"
    reference = "Gerstner et al. (2014)"

    def step(self, cell: Any, dt: float) -> None:
        v_inf = self.v_rest + self.drive
        cell.v = v_inf + (cell.v - v_inf) * math.exp(-dt / self.tau_m)

    def hazard(self, cell: Any) -> float:
        return self.rate_thresh * exp((cell.v - self.v_thresh) / self.delta_thresh)

    def receive(self, cell: Any, port: int, w: float) -> None:
        cell.v += w

    def above(self, cell: Any) -> bool:
        # It has no threshold besides the hazard.
        return False

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset

    def brian2(self) -> dict[str, Any]:
        return {
            "model": "dv/dt = (v_rest + drive - v) / tau_m : volt (unless refractory)",
            "threshold": "rand() < 1 - exp(-dt * rate_thresh * exp((v - v_thresh) / delta_thresh))",
            "reset": "v = v_reset",
            "refractory": "t_ref",
            "method": "exact",
            "on_pre": {
                "exc": "v_post += w * int(not_refractory_post)",
                "inh": "v_post += w * int(not_refractory_post)",
            },
            "weight_unit": "volt",
            "namespace": self.brian2_namespace(),
        }
