"""Leaky integrate-and-fire neuron with a threshold that each spike raises, and delta synapses."""

from __future__ import annotations

import math
from typing import Any

from snn.crossing import first_crossing
from snn.plugin import Model, param, state
from snn.units import ms


class ALIF(Model):
    """Leaky integrate-and-fire with delta synapses and an adaptive threshold.

    tau_m dv/dt = -(v - v_rest) + drive;  tau_adapt dtheta/dt = -theta;  an arrival of weight w: v += w;
    v >= v_thresh + theta: spike, v = v_reset, theta += jump.

    Weights and potentials share one unit, as in LIF. Both ports add the signed weight. During the refractory time v
    stays, arrivals are lost and theta goes on. With v - v_thresh - theta a sum of two exponentials, the model runs in
    continuous time and on the grid.

    References
    ----------
    Bellec et al. (2018) NeurIPS 31; Benda & Herz (2003) Neural Comput. 15, 2523.
    """

    tau_m: float = param(20 * ms, unit="s", above=0, doc="membrane time constant")
    tau_adapt: float = param(200 * ms, unit="s", above=0, doc="decay of the threshold's rise")
    v_rest: float = param(0.0, unit="V", doc="resting potential")
    v_thresh: float = param(1.0, unit="V", doc="threshold at rest")
    v_reset: float = param(0.0, unit="V", doc="potential after a spike")
    jump: float = param(0.2, unit="V", min=0, doc="rise of the threshold with each spike")
    t_ref: float = param(0.0, unit="s", min=0, doc="absolute refractory time")
    drive: float = param(0.0, unit="V", doc="constant drive, resistance times current")
    v = state("cell", 0.0, unit="V", doc="membrane potential")
    theta = state("cell", 0.0, unit="V", doc="rise of the threshold")
    refractory = "t_ref"
    injected = "drive"
    reference = "Bellec et al. (2018)"

    def advance(self, cell: Any, dt: float) -> None:
        v_inf = self.v_rest + self.drive
        cell.v = v_inf + (cell.v - v_inf) * math.exp(-dt / self.tau_m)
        self.hold(cell, dt)

    def hold(self, cell: Any, dt: float) -> None:
        cell.theta *= math.exp(-dt / self.tau_adapt)

    def receive(self, cell: Any, port: int, w: float) -> None:
        cell.v += w

    def above(self, cell: Any) -> bool:
        return bool(cell.v >= self.v_thresh + cell.theta)

    def time_to_threshold(self, cell: Any) -> float:
        if cell.v >= self.v_thresh + cell.theta:
            return 0.0
        v_inf = self.v_rest + self.drive
        # After 60 of the longer time constant nothing moves any more in double precision.
        end = 60.0 * max(self.tau_m, self.tau_adapt)
        rates = (1.0 / self.tau_m, 1.0 / self.tau_adapt)
        return first_crossing(v_inf - self.v_thresh, (cell.v - v_inf, -cell.theta), rates, 0.0, end)

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset
        cell.theta += self.jump

    def brian2(self) -> dict[str, Any]:
        return {
            "model": """dv/dt = (v_rest + drive - v) / tau_m : volt (unless refractory)
                        dtheta/dt = -theta / tau_adapt : volt""",
            "threshold": "v >= v_thresh + theta",
            "reset": "v = v_reset; theta += jump",
            "refractory": "t_ref",
            "method": "exact",
            "on_pre": {
                "exc": "v_post += w * int(not_refractory_post)",
                "inh": "v_post += w * int(not_refractory_post)",
            },
            "weight_unit": "volt",
            "namespace": self.brian2_namespace(),
        }
