"""Leaky integrate-and-fire neuron with alpha-function synaptic currents."""

from __future__ import annotations

import math
from typing import Any

from snn.plugin import Model, param, state
from snn.units import ms


def responses(tau_m: float, tau: float, dt: float) -> tuple[float, float]:
    """Potential after `dt` from synaptic potentials exp(-t / tau) and (t / tau) exp(-t / tau).

    With y = dt (1 / tau - 1 / tau_m): dt / tau_m exp(-dt / tau_m) times the integral over s from 0 to 1 of exp(-y s),
    and dt / tau of that with s exp(-y s), which is (1 - (1 + y) exp(-y)) / y^2, or its series where that would cancel
    (relative error below 1e-13). Both are computed, without a branch: what depends on parameters and dt only then
    leaves the loop over cells.
    """
    y = dt * (tau_m - tau) / (tau * tau_m)
    decay = math.exp(-y)
    small = abs(y) <= 0.1
    z = 1.0 if small else y
    # Terms (-y)^n / (n! (n + 2)).
    tail = 1.0 / 720 / 8 - y * (1.0 / 5040 / 9 - y / 40320 / 10)
    series = 1.0 / 2 - y * (1.0 / 3 - y * (1.0 / 8 - y * (1.0 / 30 - y * (1.0 / 144 - y * (1.0 / 840 - y * tail)))))
    ramp = series if small else (1.0 - (1.0 + y) * decay) / (z * z)
    scale = dt / tau_m * math.exp(-dt / tau_m)
    return scale * (decay + y * ramp), scale * (dt / tau) * ramp


class LIFAlpha(Model):
    """Leaky integrate-and-fire with alpha-function excitatory and inhibitory currents and a constant drive.

    tau_m dv/dt = -(v - v_rest) + drive + r_m (i_exc + i_inh);  tau_exc di_exc/dt = x_exc - i_exc;
    tau_exc dx_exc/dt = -x_exc;  inhibition likewise;  v >= v_thresh: spike, v = v_reset. An arrival of weight w adds
    e w to x of its port, and so the current w (t / tau) exp(1 - t / tau): w is its peak, after tau.

    Weights are in amperes when `r_m` is in ohms; with the default r_m = 1 they are in the unit of v; negative on the
    port "inh". During the refractory time v stays at v_reset and the currents go on. A step is the exact solution.

    References
    ----------
    Rotter & Diesmann (1999) Biol. Cybern. 81, 381.
    """

    tau_m: float = param(20 * ms, unit="s", above=0, doc="membrane time constant")
    tau_exc: float = param(2 * ms, unit="s", above=0, doc="time to the peak of excitatory current")
    tau_inh: float = param(2 * ms, unit="s", above=0, doc="time to the peak of inhibitory current")
    r_m: float = param(1.0, above=0, doc="membrane resistance (ohm), or 1 for weights in the unit of v")
    v_rest: float = param(0.0, unit="V", doc="resting potential")
    v_thresh: float = param(1.0, unit="V", doc="threshold")
    v_reset: float = param(0.0, unit="V", doc="potential after a spike")
    t_ref: float = param(0.0, unit="s", min=0, doc="absolute refractory time")
    drive: float = param(0.0, unit="V", doc="constant drive, resistance times current")
    v = state("cell", 0.0, unit="V", doc="membrane potential")
    i_exc = state("cell", 0.0, unit="A", doc="excitatory current")
    x_exc = state("cell", 0.0, unit="A", doc="what the excitatory current relaxes to")
    i_inh = state("cell", 0.0, unit="A", doc="inhibitory current")
    x_inh = state("cell", 0.0, unit="A", doc="what the inhibitory current relaxes to")
    refractory = "t_ref"
    injected = "drive"
    receives_while_held = True
    reference = "Rotter & Diesmann (1999)"

    def step(self, cell: Any, dt: float) -> None:
        v_inf = self.v_rest + self.drive
        i_e, x_e = responses(self.tau_m, self.tau_exc, dt)
        i_i, x_i = responses(self.tau_m, self.tau_inh, dt)
        synaptic = cell.i_exc * i_e + cell.x_exc * x_e + cell.i_inh * i_i + cell.x_inh * x_i
        cell.v = v_inf + (cell.v - v_inf) * math.exp(-dt / self.tau_m) + self.r_m * synaptic
        self.hold(cell, dt)

    def hold(self, cell: Any, dt: float) -> None:
        h_e, h_i = dt / self.tau_exc, dt / self.tau_inh
        cell.i_exc = (cell.i_exc + h_e * cell.x_exc) * math.exp(-h_e)
        cell.i_inh = (cell.i_inh + h_i * cell.x_inh) * math.exp(-h_i)
        cell.x_exc *= math.exp(-h_e)
        cell.x_inh *= math.exp(-h_i)

    def receive(self, cell: Any, port: int, w: float) -> None:
        if port == 0:
            cell.x_exc += math.e * w
        else:
            cell.x_inh += math.e * w

    def receive_held(self, cell: Any, port: int, w: float) -> None:
        self.receive(cell, port, w)

    def above(self, cell: Any) -> bool:
        return bool(cell.v >= self.v_thresh)

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset

    def brian2(self) -> dict[str, Any]:
        return {
            "model": """dv/dt = (v_rest + drive + r_m * (i_exc + i_inh) - v) / tau_m : volt (unless refractory)
                        di_exc/dt = (x_exc - i_exc) / tau_exc : amp
                        dx_exc/dt = -x_exc / tau_exc : amp
                        di_inh/dt = (x_inh - i_inh) / tau_inh : amp
                        dx_inh/dt = -x_inh / tau_inh : amp""",
            "threshold": "v >= v_thresh",
            "reset": "v = v_reset",
            "refractory": "t_ref",
            "method": "exact",
            "on_pre": {"exc": "x_exc_post += exp(1) * w", "inh": "x_inh_post += exp(1) * w"},
            "weight_unit": "amp",
            "namespace": {**self.brian2_namespace(), "r_m": (self.r_m, "ohm")},
        }
