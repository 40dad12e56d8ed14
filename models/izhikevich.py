"""Izhikevich's quadratic neurons: the dimensionless one of 2003 and the one with physical units of 2007."""

from __future__ import annotations

from typing import Any

from snn.plugin import Model, param, state
from snn.units import Hz, V, ms, mV, nS, pA, pF

# Constants of the quadratic in SI: 0.04 /(ms mV), 5 /ms and 140 mV/ms.
_SQUARE, _LINEAR, _CONSTANT = 4e4, 5e3, 140.0

# Parameters of figure 2 of Izhikevich (2003): `Izhikevich(**KINDS["FS"])`.
KINDS: dict[str, dict[str, float]] = {
    "RS": {"a": 20 * Hz, "b": 200 * Hz, "v_reset": -65 * mV, "u_jump": 8 * V},
    "IB": {"a": 20 * Hz, "b": 200 * Hz, "v_reset": -55 * mV, "u_jump": 4 * V},
    "CH": {"a": 20 * Hz, "b": 200 * Hz, "v_reset": -50 * mV, "u_jump": 2 * V},
    "FS": {"a": 100 * Hz, "b": 200 * Hz, "v_reset": -65 * mV, "u_jump": 2 * V},
    "LTS": {"a": 20 * Hz, "b": 250 * Hz, "v_reset": -65 * mV, "u_jump": 2 * V},
    "TC": {"a": 20 * Hz, "b": 250 * Hz, "v_reset": -65 * mV, "u_jump": 0.05 * V},
    "RZ": {"a": 100 * Hz, "b": 260 * Hz, "v_reset": -65 * mV, "u_jump": 2 * V},
}


class Izhikevich(Model):
    """Izhikevich's neuron of 2003 with delta synapses.

    dv/dt = 0.04 v^2 + 5 v + 140 - u + drive;  du/dt = a (b v - u);  an arrival of weight w: v += w;
    v >= v_peak: spike, v = v_reset, u += u_jump.

    The paper has v in mV and time in ms; here all is in SI. Its u, d and I in mV/ms are numbers in V/s: u_jump = 8 and
    drive = 10 are d = 8 and I = 10; its a and b per ms are a = 20 Hz for 0.02 and b = 200 Hz for 0.2. Weights are in
    volts, negative on the port "inh". A step is Euler's, as in Brian2 (the paper halves the step of 1 ms for v only).
    Unless `init` says otherwise a cell starts as in the paper's program, with v = -65 mV and u = b v.

    References
    ----------
    Izhikevich (2003) IEEE Trans. Neural Netw. 14, 1569, eqs. 1-3; its kinds of neurons are in `KINDS`.
    """

    a: float = param(20 * Hz, unit="Hz", doc="rate of recovery")
    b: float = param(200 * Hz, unit="Hz", doc="sensitivity of recovery to the potential")
    v_reset: float = param(-65 * mV, unit="V", doc="potential after a spike, c in the paper")
    u_jump: float = param(8.0, unit="V/s", doc="recovery by each spike, d in the paper")
    v_peak: float = param(30 * mV, unit="V", doc="peak of the spike")
    drive: float = param(0.0, unit="V/s", doc="constant input, I in the paper")
    v = state("cell", -65 * mV, unit="V", doc="membrane potential")
    u = state("cell", -13.0, unit="V/s", doc="recovery")
    injected = "drive"
    reference = "Izhikevich (2003)"

    def at_rest(self) -> dict[str, Any]:
        return {"u": self.b * (-65 * mV)}

    def step(self, cell: Any, dt: float) -> None:
        v, u = cell.v, cell.u
        cell.v = v + dt * (_SQUARE * v * v + _LINEAR * v + _CONSTANT - u + self.drive)
        cell.u = u + dt * self.a * (self.b * v - u)

    def receive(self, cell: Any, port: int, w: float) -> None:
        cell.v += w

    def above(self, cell: Any) -> bool:
        return bool(cell.v >= self.v_peak)

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset
        cell.u += self.u_jump

    def brian2(self) -> dict[str, Any]:
        return {
            "model": """dv/dt = (4e4 / volt / second) * v**2 + (5e3 / second) * v + 140 * volt / second - u + drive
                                : volt
                        du/dt = a * (b * v - u) : volt / second""",
            "threshold": "v >= v_peak",
            "reset": "v = v_reset; u += u_jump",
            "refractory": False,
            "method": "euler",
            "on_pre": {"exc": "v_post += w", "inh": "v_post += w"},
            "weight_unit": "volt",
            "namespace": self.brian2_namespace(),
        }


class Izhikevich2007(Model):
    """Izhikevich's neuron of 2007, with physical units and exponentially decaying currents.

    c_m dv/dt = k (v - v_rest) (v - v_thresh) - u + i_exc + i_inh + i_drive;  du/dt = a (b (v - v_rest) - u);
    tau_exc di_exc/dt = -i_exc;  tau_inh likewise;  an arrival of weight w adds w to the current of its port;
    v >= v_peak: spike, v = v_reset, u += u_jump.

    Weights are in amperes, negative on the port "inh". A step is Euler's for all variables, as in Brian2.

    References
    ----------
    Izhikevich (2007) Dynamical Systems in Neuroscience, MIT Press, eqs. 8.5-8.6; constants of the regular spiking
    neuron of figure 8.12.
    """

    c_m: float = param(100 * pF, unit="F", above=0, doc="membrane capacitance")
    k: float = param(0.7 * nS / mV, unit="S/V", doc="curvature of the current-voltage relation")
    v_rest: float = param(-60 * mV, unit="V", doc="resting potential")
    v_thresh: float = param(-40 * mV, unit="V", doc="instantaneous threshold")
    v_peak: float = param(35 * mV, unit="V", doc="peak of the spike")
    v_reset: float = param(-50 * mV, unit="V", doc="potential after a spike, c in the book")
    a: float = param(30 * Hz, unit="Hz", doc="rate of recovery")
    b: float = param(-2 * nS, unit="S", doc="sensitivity of recovery to the potential")
    u_jump: float = param(100 * pA, unit="A", doc="recovery by each spike, d in the book")
    tau_exc: float = param(5 * ms, unit="s", above=0, doc="decay of excitatory current")
    tau_inh: float = param(10 * ms, unit="s", above=0, doc="decay of inhibitory current")
    i_drive: float = param(0.0, unit="A", doc="constant current")
    v = state("cell", -60 * mV, unit="V", doc="membrane potential")
    u = state("cell", 0.0, unit="A", doc="recovery current")
    i_exc = state("cell", 0.0, unit="A", doc="excitatory current")
    i_inh = state("cell", 0.0, unit="A", doc="inhibitory current")
    injected = "i_drive"
    reference = "Izhikevich (2007)"

    def step(self, cell: Any, dt: float) -> None:
        v, u = cell.v, cell.u
        i = cell.i_exc + cell.i_inh + self.i_drive
        cell.v = v + dt * (self.k * (v - self.v_rest) * (v - self.v_thresh) - u + i) / self.c_m
        cell.u = u + dt * self.a * (self.b * (v - self.v_rest) - u)
        cell.i_exc -= dt * cell.i_exc / self.tau_exc
        cell.i_inh -= dt * cell.i_inh / self.tau_inh

    def receive(self, cell: Any, port: int, w: float) -> None:
        if port == 0:
            cell.i_exc += w
        else:
            cell.i_inh += w

    def above(self, cell: Any) -> bool:
        return bool(cell.v >= self.v_peak)

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset
        cell.u += self.u_jump

    def brian2(self) -> dict[str, Any]:
        return {
            "model": """dv/dt = (k * (v - v_rest) * (v - v_thresh) - u + i_exc + i_inh + i_drive) / c_m : volt
                        du/dt = a * (b * (v - v_rest) - u) : amp
                        di_exc/dt = -i_exc / tau_exc : amp
                        di_inh/dt = -i_inh / tau_inh : amp""",
            "threshold": "v >= v_peak",
            "reset": "v = v_reset; u += u_jump",
            "refractory": False,
            "method": "euler",
            "on_pre": {"exc": "i_exc_post += w", "inh": "i_inh_post += w"},
            "weight_unit": "amp",
            "namespace": self.brian2_namespace(),
        }
