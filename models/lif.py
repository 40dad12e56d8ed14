"""Leaky integrate-and-fire neuron whose arrivals are jumps of the membrane (delta synapses)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn.plugin import Model, Modes, param, state
from snn.units import ms


class LIF(Model):
    """Leaky integrate-and-fire with delta synapses and a constant drive.

    tau_m dv/dt = -(v - v_rest) + drive;  an arrival of weight w: v += w;  v >= v_thresh: spike, v = v_reset.

    Weights and potentials share one unit: volts, or dimensionless with the default threshold 1. Both ports add the
    signed weight. Arrivals are lost during the refractory time.

    References
    ----------
    Lapicque (1907); exact solution between arrivals as in Rotter & Diesmann (1999) Biol. Cybern. 81, 381.
    """

    tau_m: float = param(20 * ms, unit="s", above=0, finite=False, doc="membrane time constant; inf: no leak")
    v_rest: float = param(0.0, unit="V", doc="resting potential")
    v_thresh: float = param(1.0, unit="V", doc="threshold")
    v_reset: float = param(0.0, unit="V", doc="potential after a spike")
    t_ref: float = param(0.0, unit="s", min=0, doc="absolute refractory time")
    drive: float = param(0.0, unit="V", doc="constant drive, resistance times current")
    soft_reset: bool = param(False, doc="True: a spike subtracts v_thresh - v_reset")
    v = state("cell", 0.0, unit="V", doc="membrane potential")
    refractory = "t_ref"
    injected = "drive"
    reference = "Lapicque (1907)"

    def advance(self, cell: Any, dt: float) -> None:
        v_inf = self.v_rest + self.drive
        cell.v = v_inf + (cell.v - v_inf) * math.exp(-dt / self.tau_m)

    def receive(self, cell: Any, port: int, w: float) -> None:
        cell.v += w

    def above(self, cell: Any) -> bool:
        return bool(cell.v >= self.v_thresh)

    def time_to_threshold(self, cell: Any) -> float:
        if cell.v >= self.v_thresh:
            return 0.0
        v_inf = self.v_rest + self.drive
        if v_inf <= self.v_thresh or self.tau_m == math.inf:
            return math.inf
        return self.tau_m * math.log((cell.v - v_inf) / (self.v_thresh - v_inf))

    def fire(self, cell: Any) -> None:
        if self.soft_reset:
            cell.v -= self.v_thresh - self.v_reset
        else:
            cell.v = self.v_reset

    def modes(self) -> Modes | None:
        if isinstance(self.tau_m, np.ndarray):
            return None
        return Modes(
            np.array([self.tau_m]),
            np.ones((2, 1)),
            self.v_rest + self.drive,
            self.v_thresh,
            self.v_reset,
            self.t_ref,
            self.soft_reset,
        )

    def brian2(self) -> dict[str, Any]:
        return {
            "model": "dv/dt = (v_rest + drive - v) / tau_m : volt (unless refractory)",
            "threshold": "v >= v_thresh",
            "reset": "v -= v_thresh - v_reset" if self.soft_reset else "v = v_reset",
            "refractory": "t_ref",
            "method": "exact",
            "on_pre": {
                "exc": "v_post += w * int(not_refractory_post)",
                "inh": "v_post += w * int(not_refractory_post)",
            },
            "weight_unit": "volt",
            "namespace": self.brian2_namespace(),
        }
