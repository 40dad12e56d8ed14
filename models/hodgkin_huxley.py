"""Hodgkin-Huxley neuron with Traub & Miles kinetics and exponentially decaying synaptic conductances."""

from __future__ import annotations

import math
from typing import Any

from snn.maths import exp, expm1
from snn.plugin import Model, param, state
from snn.units import ms, mV, nS, pF, uS


def exprel(x: float) -> float:
    """(exp(x) - 1) / x, with its limit 1 at 0. A tiny stand-in for 0 gives exactly that, without a branch."""
    y = x if x != 0.0 else 1e-30
    return expm1(y) / y


def rates(v: float) -> tuple[float, float, float, float, float, float]:
    """Opening and closing rates (Hz) of m, h and n at `v` (V) above v_shift: alpha_m, beta_m, alpha_h, ..., beta_n.

    In mV and 1/ms: alpha_m = 0.32 (13 - v) / (exp((13 - v) / 4) - 1), beta_m = 0.28 (v - 40) / (exp((v - 40) / 5) - 1),
    alpha_h = 0.128 exp((17 - v) / 18), beta_h = 4 / (1 + exp((40 - v) / 5)),
    alpha_n = 0.032 (15 - v) / (exp((15 - v) / 5) - 1), beta_n = 0.5 exp((10 - v) / 40).
    """
    u = v / mV
    return (
        1280.0 / exprel((13.0 - u) / 4.0),
        1400.0 / exprel((u - 40.0) / 5.0),
        128.0 * exp((17.0 - u) / 18.0),
        4000.0 / (1.0 + exp((40.0 - u) / 5.0)),
        160.0 / exprel((15.0 - u) / 5.0),
        500.0 * exp((10.0 - u) / 40.0),
    )


class HodgkinHuxley(Model):
    """Hodgkin-Huxley neuron of hippocampal pyramidal cells, as in the COBAHH benchmark.

    c_m dv/dt = g_leak (e_leak - v) + g_na m^3 h (e_na - v) + g_k n^4 (e_k - v) + g_exc (e_exc - v) + g_inh (e_inh - v)
    + i_drive;  dx/dt = alpha_x(v - v_shift) (1 - x) - beta_x(v - v_shift) x for the gates m, h, n (see :func:`rates`);
    tau_exc dg_exc/dt = -g_exc;  tau_inh likewise;  an arrival of weight w adds w to the conductance of its port.

    A spike is counted when v is above v_thresh and the last one is at least t_ref ago. It resets nothing, and the cell
    is not held while it is refractory. Gates start at their steady state for -60 mV. With e_leak = -60 mV, the default
    and that of Brian2's COBAHH example, a cell without input fires by itself; with -65 mV it rests. Weights are in
    siemens, positive on both ports. A step is exponential Euler for all variables, as in Brian2.

    References
    ----------
    Traub & Miles (1991) Neuronal Networks of the Hippocampus, Cambridge; as in Brette et al. (2007) J. Comput.
    Neurosci. 23, 349, benchmark 3: 200 pF of 20 000 um^2.
    """

    c_m: float = param(200 * pF, unit="F", above=0, doc="membrane capacitance")
    g_leak: float = param(10 * nS, unit="S", above=0, doc="leak conductance")
    g_na: float = param(20 * uS, unit="S", min=0, doc="largest sodium conductance")
    g_k: float = param(6 * uS, unit="S", min=0, doc="largest potassium conductance")
    e_leak: float = param(-60 * mV, unit="V", doc="reversal potential of the leak")
    e_na: float = param(50 * mV, unit="V", doc="reversal potential of sodium")
    e_k: float = param(-90 * mV, unit="V", doc="reversal potential of potassium")
    v_shift: float = param(-63 * mV, unit="V", doc="shift of the rates; sets the threshold")
    v_thresh: float = param(-20 * mV, unit="V", doc="potential above which a spike is counted")
    t_ref: float = param(3 * ms, unit="s", min=0, doc="time after a spike in which none is counted")
    e_exc: float = param(0.0, unit="V", doc="reversal potential of excitation")
    e_inh: float = param(-80 * mV, unit="V", doc="reversal potential of inhibition")
    tau_exc: float = param(5 * ms, unit="s", above=0, doc="decay of excitatory conductance")
    tau_inh: float = param(10 * ms, unit="s", above=0, doc="decay of inhibitory conductance")
    i_drive: float = param(0.0, unit="A", doc="constant current")
    v = state("cell", -60 * mV, unit="V", doc="membrane potential")
    m = state("cell", 0.0268633, doc="activation of sodium")
    h = state("cell", 0.991306, doc="availability of sodium")
    n = state("cell", 0.060434, doc="activation of potassium")
    g_exc = state("cell", 0.0, unit="S", doc="excitatory conductance")
    g_inh = state("cell", 0.0, unit="S", doc="inhibitory conductance")
    refractory = "t_ref"
    injected = "i_drive"
    receives_while_held = True
    reference = "Traub & Miles (1991); Brette et al. (2007)"

    def step(self, cell: Any, dt: float) -> None:
        v, m, h, n = cell.v, cell.m, cell.h, cell.n
        a_m, b_m, a_h, b_h, a_n, b_n = rates(v - self.v_shift)
        na, k = self.g_na * m * m * m * h, self.g_k * n * n * n * n
        g = self.g_leak + na + k + cell.g_exc + cell.g_inh
        i = self.g_leak * self.e_leak + na * self.e_na + k * self.e_k + self.i_drive
        v_inf = (i + cell.g_exc * self.e_exc + cell.g_inh * self.e_inh) / g
        m_inf, h_inf, n_inf = a_m / (a_m + b_m), a_h / (a_h + b_h), a_n / (a_n + b_n)
        cell.v = v_inf + (v - v_inf) * exp(-g / self.c_m * dt)
        cell.m = m_inf + (m - m_inf) * exp(-(a_m + b_m) * dt)
        cell.h = h_inf + (h - h_inf) * exp(-(a_h + b_h) * dt)
        cell.n = n_inf + (n - n_inf) * exp(-(a_n + b_n) * dt)
        cell.g_exc *= math.exp(-dt / self.tau_exc)
        cell.g_inh *= math.exp(-dt / self.tau_inh)

    def hold(self, cell: Any, dt: float) -> None:
        self.step(cell, dt)

    def receive(self, cell: Any, port: int, w: float) -> None:
        if port == 0:
            cell.g_exc += w
        else:
            cell.g_inh += w

    def receive_held(self, cell: Any, port: int, w: float) -> None:
        self.receive(cell, port, w)

    def above(self, cell: Any) -> bool:
        return bool(cell.v > self.v_thresh)

    def fire(self, cell: Any) -> None:
        pass

    def brian2(self) -> dict[str, Any]:
        return {
            "model": """dv/dt = (g_leak * (e_leak - v) + g_na * (m * m * m) * h * (e_na - v)
                                 + g_k * (n * n * n * n) * (e_k - v)
                                 + g_exc * (e_exc - v) + g_inh * (e_inh - v) + i_drive) / c_m : volt
                        dm/dt = alpha_m * (1 - m) - beta_m * m : 1
                        dh/dt = alpha_h * (1 - h) - beta_h * h : 1
                        dn/dt = alpha_n * (1 - n) - beta_n * n : 1
                        dg_exc/dt = -g_exc / tau_exc : siemens
                        dg_inh/dt = -g_inh / tau_inh : siemens
                        alpha_m = 0.32 * 4 / exprel((13 * mV - v + v_shift) / (4 * mV)) / ms : Hz
                        beta_m = 0.28 * 5 / exprel((v - v_shift - 40 * mV) / (5 * mV)) / ms : Hz
                        alpha_h = 0.128 * exp((17 * mV - v + v_shift) / (18 * mV)) / ms : Hz
                        beta_h = 4 / (1 + exp((40 * mV - v + v_shift) / (5 * mV))) / ms : Hz
                        alpha_n = 0.032 * 5 / exprel((15 * mV - v + v_shift) / (5 * mV)) / ms : Hz
                        beta_n = 0.5 * exp((10 * mV - v + v_shift) / (40 * mV)) / ms : Hz""",
            "threshold": "v > v_thresh",
            "reset": None,
            "refractory": "t_ref",
            "method": "exponential_euler",
            "on_pre": {"exc": "g_exc_post += w", "inh": "g_inh_post += w"},
            "weight_unit": "siemens",
            "namespace": self.brian2_namespace(),
        }
