"""Adaptive exponential integrate-and-fire neuron with exponentially decaying synaptic currents."""

from __future__ import annotations

from typing import Any

from snn.maths import exp
from snn.plugin import Model, param, state
from snn.units import ms, mV, nA, nS, pF


def slopes(
    v: float, i_adapt: float, i: float, leak: float, v_rest: float, v_thresh: float, delta: float, a: float
) -> tuple[float, float]:
    """c_m dv/dt and tau_adapt di_adapt/dt.

    The exponent stops at 10: the upstroke is then over within a step, and no stage of Runge-Kutta overflows.
    """
    x = min((v - v_thresh) / delta, 10.0)
    return leak * (v_rest - v) + leak * delta * exp(x) - i_adapt + i, a * (v - v_rest) - i_adapt


class AdEx(Model):
    """Adaptive exponential integrate-and-fire.

    c_m dv/dt = g_leak (v_rest - v) + g_leak delta_thresh exp((v - v_thresh) / delta_thresh) - i_adapt + i_exc + i_inh
    + i_drive;  tau_adapt di_adapt/dt = g_adapt (v - v_rest) - i_adapt;  tau_exc di_exc/dt = -i_exc;  tau_inh likewise;
    an arrival of weight w adds w to the current of its port;  v >= v_peak: spike, v = v_reset, i_adapt += i_jump.

    In the paper: C, g_L, E_L, V_T, Delta_T, a, tau_w, b and w (here i_adapt). Weights are in amperes, negative on the
    port "inh". During the refractory time v stays and all currents go on. A step is classical Runge-Kutta (rk4) for all
    variables, as in Brian2. From v_peak, by default v_thresh + 5 delta_thresh, the upstroke takes less than 0.1 ms.

    References
    ----------
    Brette & Gerstner (2005) J. Neurophysiol. 94, 3637, eqs. 1-3; constants of its table.
    """

    c_m: float = param(281 * pF, unit="F", above=0, doc="membrane capacitance")
    g_leak: float = param(30 * nS, unit="S", above=0, doc="leak conductance")
    v_rest: float = param(-70.6 * mV, unit="V", doc="resting potential")
    v_thresh: float = param(-50.4 * mV, unit="V", doc="effective threshold, where the upstroke begins")
    delta_thresh: float = param(2 * mV, unit="V", above=0, doc="slope factor: sharpness of the upstroke")
    v_peak: float = param(-40.4 * mV, unit="V", doc="potential at which a spike is counted and reset")
    v_reset: float = param(-70.6 * mV, unit="V", doc="potential after a spike")
    t_ref: float = param(0.0, unit="s", min=0, doc="absolute refractory time")
    g_adapt: float = param(4 * nS, unit="S", doc="adaptation by the subthreshold potential")
    tau_adapt: float = param(144 * ms, unit="s", above=0, doc="time constant of adaptation")
    i_jump: float = param(0.0805 * nA, unit="A", doc="adaptation by each spike")
    tau_exc: float = param(5 * ms, unit="s", above=0, doc="decay of excitatory current")
    tau_inh: float = param(10 * ms, unit="s", above=0, doc="decay of inhibitory current")
    i_drive: float = param(0.0, unit="A", doc="constant current")
    v = state("cell", -70.6 * mV, unit="V", doc="membrane potential")
    i_adapt = state("cell", 0.0, unit="A", doc="adaptation current")
    i_exc = state("cell", 0.0, unit="A", doc="excitatory current")
    i_inh = state("cell", 0.0, unit="A", doc="inhibitory current")
    refractory = "t_ref"
    injected = "i_drive"
    receives_while_held = True
    reference = "Brette & Gerstner (2005)"

    def step(self, cell: Any, dt: float) -> None:
        self.move(cell, dt, 1.0)

    def hold(self, cell: Any, dt: float) -> None:
        self.move(cell, dt, 0.0)

    def move(self, cell: Any, dt: float, free: float) -> None:
        """One step of Runge-Kutta; the potential moves where `free` is 1 and stays where it is 0."""
        fixed = (self.g_leak, self.v_rest, self.v_thresh, self.delta_thresh, self.g_adapt)
        h_v, h_a = free * dt / self.c_m, dt / self.tau_adapt
        # One factor for each stage of a decay: those of dx/dt = -x / tau at 0, 1/2, 1/2 and 1.
        e, i, h_e, h_i = cell.i_exc, cell.i_inh, dt / self.tau_exc, dt / self.tau_inh
        e_2, i_2 = e - 0.5 * h_e * e, i - 0.5 * h_i * i
        e_3, i_3 = e - 0.5 * h_e * e_2, i - 0.5 * h_i * i_2
        e_4, i_4 = e - h_e * e_3, i - h_i * i_3
        v, a = cell.v, cell.i_adapt
        v_1, a_1 = slopes(v, a, e + i + self.i_drive, *fixed)
        v_2, a_2 = slopes(v + 0.5 * h_v * v_1, a + 0.5 * h_a * a_1, e_2 + i_2 + self.i_drive, *fixed)
        v_3, a_3 = slopes(v + 0.5 * h_v * v_2, a + 0.5 * h_a * a_2, e_3 + i_3 + self.i_drive, *fixed)
        v_4, a_4 = slopes(v + h_v * v_3, a + h_a * a_3, e_4 + i_4 + self.i_drive, *fixed)
        cell.v = v + h_v / 6.0 * (v_1 + 2.0 * v_2 + 2.0 * v_3 + v_4)
        cell.i_adapt = a + h_a / 6.0 * (a_1 + 2.0 * a_2 + 2.0 * a_3 + a_4)
        cell.i_exc = e - h_e / 6.0 * (e + 2.0 * e_2 + 2.0 * e_3 + e_4)
        cell.i_inh = i - h_i / 6.0 * (i + 2.0 * i_2 + 2.0 * i_3 + i_4)

    def receive(self, cell: Any, port: int, w: float) -> None:
        if port == 0:
            cell.i_exc += w
        else:
            cell.i_inh += w

    def receive_held(self, cell: Any, port: int, w: float) -> None:
        self.receive(cell, port, w)

    def above(self, cell: Any) -> bool:
        return bool(cell.v >= self.v_peak)

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset
        cell.i_adapt += self.i_jump

    def brian2(self) -> dict[str, Any]:
        return {
            "model": """dv/dt = (g_leak * (v_rest - v)
                                 + g_leak * delta_thresh * exp(clip((v - v_thresh) / delta_thresh, -1000, 10))
                                 - i_adapt + i_exc + i_inh + i_drive) / c_m : volt (unless refractory)
                        di_adapt/dt = (g_adapt * (v - v_rest) - i_adapt) / tau_adapt : amp
                        di_exc/dt = -i_exc / tau_exc : amp
                        di_inh/dt = -i_inh / tau_inh : amp""",
            "threshold": "v >= v_peak",
            "reset": "v = v_reset; i_adapt += i_jump",
            "refractory": "t_ref",
            "method": "rk4",
            "on_pre": {"exc": "i_exc_post += w", "inh": "i_inh_post += w"},
            "weight_unit": "amp",
            "namespace": self.brian2_namespace(),
        }
