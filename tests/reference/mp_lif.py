"""Recurrent LIF networks with delta synapses in 50-digit arithmetic: every crossing time by its closed form.

Independent of the package, as :mod:`tests.reference.mp_events` is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mpmath as mp

from tests.reference import mp_events
from tests.reference.mp_events import spread


class _Cells:
    """Closed forms of a leaky membrane whose arrivals are jumps."""

    def __init__(self, v: list[Any], v_inf: list[Any], tau: list[Any], theta: list[Any], reset: list[Any]) -> None:
        self.v, self.v_inf, self.tau, self.theta, self.to = v, v_inf, tau, theta, reset

    def advance(self, j: int, dt: Any, held: bool) -> None:
        if not held:
            self.v[j] = self.v_inf[j] + (self.v[j] - self.v_inf[j]) * mp.exp(-dt / self.tau[j])

    def receive(self, j: int, port: int, w: Any, held: bool) -> None:
        if not held:
            self.v[j] += w

    def wait(self, j: int, end: Any) -> Any:
        if self.v[j] >= self.theta[j]:
            return mp.mpf(0)
        if self.v_inf[j] > self.theta[j]:
            return self.tau[j] * mp.log((self.v[j] - self.v_inf[j]) / (self.theta[j] - self.v_inf[j]))
        return mp.inf

    def fire(self, j: int) -> None:
        self.v[j] = self.to[j]


def simulate(
    n: int,
    source: Sequence[int],
    target: Sequence[int],
    weight: Any,
    delay: Any,
    duration: float,
    *,
    tau_m: Any = 20e-3,
    v_rest: Any = 0.0,
    v_thresh: Any = 1.0,
    v_reset: Any = 0.0,
    t_ref: Any = 0.0,
    drive: Any = 0.0,
    v0: Any = 0.0,
    given: Sequence[tuple[float, int, float]] = (),
    digits: int = 50,
) -> list[tuple[Any, int]]:
    """Spikes of a network in [0, duration).

    tau_m dv/dt = -(v - v_rest) + drive;  an arrival of weight w: v += w, lost while refractory;  v >= v_thresh: spike,
    v = v_reset, refractory during [t, t + t_ref).

    A crossing from v < v_thresh < v_inf = v_rest + drive comes after tau_m ln((v - v_inf) / (v_thresh - v_inf)).
    Parameters
    ----------
    n : int
        Neurons.
    source, target : (n_syn,) int
    weight : float or (n_syn,) float
    delay : float or (n_syn,) float, s
    duration : float, s
    tau_m, v_rest, v_thresh, v_reset, t_ref, drive, v0 : float or (n,) float
        Seconds; potentials in the unit of the weights.
    given : sequence of (float, int, float)
        Arrivals from outside: time (s), target, weight.
    digits : int
        Decimal digits of the arithmetic. Floats are taken as the exact binary numbers that they are.

    Returns
    -------
    list of (mpf, int)
        Time (s) and neuron of every spike, in order.
    """
    with mp.workdps(digits):
        v_inf = [a + b for a, b in zip(spread(v_rest, n), spread(drive, n), strict=True)]
        cells = _Cells(spread(v0, n), v_inf, spread(tau_m, n), spread(v_thresh, n), spread(v_reset, n))
        arrivals = [(t, j, 0, w) for t, j, w in given]
        return mp_events.simulate(cells, n, source, target, weight, delay, 0, t_ref, duration, arrivals)
