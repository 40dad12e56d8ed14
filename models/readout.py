"""A readout that only integrates: the potential at the end of a presentation is the network's answer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn.plugin import Model, Modes, param, state


class Readout(Model):
    """Integrator without threshold: tau_m dv/dt = -v;  an arrival of weight w: v += w.

    With the default tau_m = inf, v is the weighted count of the spikes that have arrived.
    """

    tau_m: float = param(math.inf, unit="s", above=0, finite=False, doc="time constant of the leak; inf: none")
    v = state("cell", 0.0, doc="sum of what has arrived")
    threshold = False

    def advance(self, cell: Any, dt: float) -> None:
        cell.v *= math.exp(-dt / self.tau_m)

    def receive(self, cell: Any, port: int, w: float) -> None:
        cell.v += w

    def time_to_threshold(self, cell: Any) -> float:
        return math.inf

    def fire(self, cell: Any) -> None:
        pass

    def modes(self) -> Modes | None:
        if isinstance(self.tau_m, np.ndarray):
            return None
        return Modes(np.array([self.tau_m]), np.ones((2, 1)), 0.0, math.inf, 0.0, 0.0)
