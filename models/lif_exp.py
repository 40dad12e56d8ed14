"""Leaky integrate-and-fire neuron with exponentially decaying synaptic currents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn.plugin import Model, Modes, param, state
from snn.units import ms

# Closer time constants than this (relative) use the limit of equal ones: the partial fractions would cancel.
_CLOSE = 1e-3


def response(tau_m: float, tau: float, dt: float) -> float:
    """Potential after `dt` from a unit synaptic potential that decays with tau.

    tau / (tau - tau_m) (exp(-dt/tau) - exp(-dt/tau_m)), as a form that stays exact where tau is close to tau_m:
    (exp(x) - 1) / x is (u - 1) / log(u) with u = exp(x), whose rounding cancels (Kahan; Higham 2002, sec. 1.14.1). With
    the slower of the two decays in front, x <= 0, and nothing overflows; where u is so small that log(u) is lost, x
    needs no such care. Only exp and log are called, which the compiler takes out of the loop over cells.
    """
    x = -dt * abs(tau - tau_m) / (tau * tau_m)
    u = math.exp(x)
    mean = 1.0 if u == 1.0 else (u - 1.0) / (math.log(u) if u > 0.1 else x)
    return dt / tau_m * math.exp(-dt / max(tau, tau_m)) * mean


def rise_time(
    v0: float, e0: float, i0: float, v_inf: float, v_thresh: float, taus: tuple[float, float, float]
) -> float:
    """Seconds until tau_m dv/dt = v_inf - v + e + i brings v from v0 to v_thresh; e and i decay with tau_e and tau_i.

    Walks as :func:`snn.crossing.first_crossing` does, on v itself, so that equal time constants need no care. With
    D = v_inf + e + i, v'' = (D' - v') / tau_m; on [a, b] each term of D' is monotone, and v' is at least
    min(v'(a), 0) + (b - a) min(D', 0) / tau_m, which bounds v'' from above.

    Parameters
    ----------
    v0, e0, i0, v_inf, v_thresh : float, V
    taus : (tau_m, tau_e, tau_i), s
    """
    tau_m, tau_e, tau_i = taus
    if max(v0, v_inf + max(e0, 0.0) + max(i0, 0.0)) < v_thresh:
        # v never passes the largest value that it is driven to: most questions end here.
        return math.inf
    # After 60 of the longest time constants nothing moves any more in double precision.
    end = 60.0 * max(tau_m, tau_e, tau_i)
    tiny = 4e-16 * (abs(v_inf) + abs(v0) + abs(v_thresh))
    a = 0.0
    span = end
    while True:
        v = v_inf + (v0 - v_inf) * math.exp(-a / tau_m)
        v += e0 * response(tau_m, tau_e, a) + i0 * response(tau_m, tau_i, a)
        f = v - v_thresh
        if f >= 0.0:
            return a
        if a >= end:
            return math.inf
        b = min(a + span, end)
        e = e0 * math.exp(-a / tau_e)
        i = i0 * math.exp(-a / tau_i)
        slope = (v_inf + e + i - v) / tau_m
        e_a, i_a = -e / tau_e, -i / tau_i
        e_b, i_b = e_a * math.exp((a - b) / tau_e), i_a * math.exp((a - b) / tau_i)
        most = max(e_a, e_b) + max(i_a, i_b)
        least = min(e_a, e_b) + min(i_a, i_b)
        bend = (most - min(slope, 0.0) - (b - a) * min(least, 0.0) / tau_m) / tau_m
        disc = slope * slope - 2.0 * bend * f
        step = math.inf
        if disc >= 0.0 and slope + math.sqrt(disc) > 0.0:
            step = -2.0 * f / (slope + math.sqrt(disc))
        if step > b - a:
            a = b
            span = 2.0 * span
        elif step <= 4e-16 * a or (-f <= tiny and slope > 0.0):
            return a + step
        else:
            a += step
            span = min(span, 4.0 * step)


class LIFExp(Model):
    """Leaky integrate-and-fire with exponential excitatory and inhibitory currents and a constant drive.

    tau_m dv/dt = -(v - v_rest) + drive + r_m (i_exc + i_inh);  tau_exc di_exc/dt = -i_exc;  tau_inh likewise;
    an arrival of weight w adds w to the current of its port;  v >= v_thresh: spike, v = v_reset.

    Weights are in amperes when `r_m` is in ohms; with the default r_m = 1 they are in the unit of v. During the
    refractory time v stays at v_reset and the currents go on, as with Brian2's ``(unless refractory)`` on v.

    References
    ----------
    Rotter & Diesmann (1999) Biol. Cybern. 81, 381, section 3.1; CUBA network: Vogels & Abbott (2005).
    """

    tau_m: float = param(20 * ms, unit="s", above=0, doc="membrane time constant")
    tau_exc: float = param(5 * ms, unit="s", above=0, doc="decay of excitatory current")
    tau_inh: float = param(10 * ms, unit="s", above=0, doc="decay of inhibitory current")
    r_m: float = param(1.0, above=0, doc="membrane resistance (ohm), or 1 for weights in the unit of v")
    v_rest: float = param(0.0, unit="V", doc="resting potential")
    v_thresh: float = param(1.0, unit="V", doc="threshold")
    v_reset: float = param(0.0, unit="V", doc="potential after a spike")
    t_ref: float = param(0.0, unit="s", min=0, doc="absolute refractory time")
    drive: float = param(0.0, unit="V", doc="constant drive, resistance times current")
    v = state("cell", 0.0, unit="V", doc="membrane potential")
    i_exc = state("cell", 0.0, unit="A", doc="excitatory current")
    i_inh = state("cell", 0.0, unit="A", doc="inhibitory current")
    refractory = "t_ref"
    injected = "drive"
    receives_while_held = True
    reference = "Rotter & Diesmann (1999)"

    def advance(self, cell: Any, dt: float) -> None:
        v_inf = self.v_rest + self.drive
        cell.v = (
            v_inf
            + (cell.v - v_inf) * math.exp(-dt / self.tau_m)
            + self.r_m * cell.i_exc * response(self.tau_m, self.tau_exc, dt)
            + self.r_m * cell.i_inh * response(self.tau_m, self.tau_inh, dt)
        )
        cell.i_exc *= math.exp(-dt / self.tau_exc)
        cell.i_inh *= math.exp(-dt / self.tau_inh)

    def hold(self, cell: Any, dt: float) -> None:
        cell.i_exc *= math.exp(-dt / self.tau_exc)
        cell.i_inh *= math.exp(-dt / self.tau_inh)

    def receive(self, cell: Any, port: int, w: float) -> None:
        if port == 0:
            cell.i_exc += w
        else:
            cell.i_inh += w

    def receive_held(self, cell: Any, port: int, w: float) -> None:
        self.receive(cell, port, w)

    def above(self, cell: Any) -> bool:
        return bool(cell.v >= self.v_thresh)

    def time_to_threshold(self, cell: Any) -> float:
        v_inf, taus = self.v_rest + self.drive, (self.tau_m, self.tau_exc, self.tau_inh)
        return rise_time(cell.v, self.r_m * cell.i_exc, self.r_m * cell.i_inh, v_inf, self.v_thresh, taus)

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset

    def modes(self) -> Modes | None:
        taus = (self.tau_m, self.tau_exc, self.tau_inh, self.r_m)
        if any(isinstance(tau, np.ndarray) for tau in taus):
            return None
        gain = [0.0, 0.0]
        for k, tau in enumerate((self.tau_exc, self.tau_inh)):
            if abs(tau / self.tau_m - 1.0) <= _CLOSE:
                return None
            gain[k] = self.r_m * tau / (tau - self.tau_m)
        return Modes(
            np.array([self.tau_m, self.tau_exc, self.tau_inh]),
            np.array([[-gain[0], gain[0], 0.0], [-gain[1], 0.0, gain[1]]]),
            self.v_rest + self.drive,
            self.v_thresh,
            self.v_reset,
            self.t_ref,
        )

    def brian2(self) -> dict[str, Any]:
        seconds, volts = ("tau_m", "tau_exc", "tau_inh", "t_ref"), ("v_rest", "v_thresh", "v_reset", "drive")
        return {
            "model": """dv/dt = (v_rest + drive + r_m * (i_exc + i_inh) - v) / tau_m : volt (unless refractory)
                        di_exc/dt = -i_exc / tau_exc : amp
                        di_inh/dt = -i_inh / tau_inh : amp""",
            "threshold": "v >= v_thresh",
            "reset": "v = v_reset",
            "refractory": "t_ref",
            "method": "exact",
            "on_pre": {"exc": "i_exc_post += w", "inh": "i_inh_post += w"},
            "weight_unit": "amp",
            "namespace": {
                **{k: (getattr(self, k), "second") for k in seconds},
                **{k: (getattr(self, k), "volt") for k in volts},
                "r_m": (self.r_m, "ohm"),
            },
        }
