"""Recurrent LIF networks with exponential synaptic currents in many-digit arithmetic.

The potential between events is a sum of exponentials (times polynomials where time constants coincide). Its first
crossing is found without a step size: f has a zero between two zeros of (f exp(r t))', which has one term less, and so
on down to a constant; going back up, every zero is bracketed between neighbouring zeros of the level below.

Independent of the package, as :mod:`tests.reference.mp_events` is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import mpmath as mp

from tests.reference import mp_events
from tests.reference.mp_events import spread

# Terms by decay rate: rate -> coefficients of 1, t, t^2, ... of the polynomial in front of exp(-rate t).
Terms = dict[Any, list[Any]]


def value(terms: Terms, t: Any) -> Any:
    """sum_r p_r(t) exp(-r t)."""
    return mp.fsum(mp.polyval(p[::-1], t) * mp.exp(-rate * t) for rate, p in terms.items())


def _trimmed(terms: Terms) -> Terms:
    kept: Terms = {}
    for rate, p in terms.items():
        q = list(p)
        while q and q[-1] == 0:
            q.pop()
        if q:
            kept[rate] = q
    return kept


def _reduced(terms: Terms) -> Terms:
    """Derivative of f exp(r t) for one of the rates r of f: one coefficient less than f."""
    r = next(iter(terms))
    found: Terms = {}
    for rate, p in terms.items():
        shifted = rate - r
        slope = [(k + 1) * c for k, c in enumerate(p[1:])] + [mp.mpf(0)]
        found[shifted] = [b - shifted * c for b, c in zip(slope, p, strict=True)]
    found[mp.mpf(0)] = found[mp.mpf(0)][:-1]
    return _trimmed(found)


def _root(terms: Terms, a: Any, b: Any, rising: bool) -> Any:
    """The zero of f between a and b, where f changes sign once: bisection, finished by secant steps kept inside."""
    fa, fb = value(terms, a), value(terms, b)
    tiny = (b - a) * mp.power(10, 4 - mp.mp.dps)
    while b - a > tiny:
        c = a - fa * (b - a) / (fb - fa)
        for trial in (c - tiny / 4, c + tiny / 4, (a + b) / 2):
            if not a < trial < b:
                continue
            f = value(terms, trial)
            if (f >= 0) == rising:
                b, fb = trial, f
            else:
                a, fa = trial, f
    return (a + b) / 2


def zeros(terms: Terms, end: Any) -> list[Any]:
    """Every sign change of sum_r p_r(t) exp(-r t) in (0, end), in order."""
    terms = _trimmed(terms)
    if sum(len(p) for p in terms.values()) <= 1:
        # c t^m exp(-r t) does not change sign at positive times.
        return []
    edges = [mp.mpf(0), *zeros(_reduced(terms), end), end]
    found = []
    for a, b in itertools.pairwise(edges):
        fa, fb = value(terms, a), value(terms, b)
        if fa * fb < 0:
            found.append(_root(terms, a, b, rising=bool(fb > 0)))
    return found


def potential(v: Any, v_inf: Any, tau_m: Any, currents: Sequence[tuple[Any, Any]]) -> Terms:
    """Terms of v(t) for tau_m dv/dt = -(v - v_inf) + sum_k c_k exp(-t / tau_k).

    A current with tau_k != tau_m adds c_k tau_k / (tau_k - tau_m) (exp(-t/tau_k) - exp(-t/tau_m)); one with
    tau_k = tau_m adds c_k t / tau_m exp(-t/tau_m).

    Parameters
    ----------
    v, v_inf, tau_m : mpf
    currents : sequence of (mpf, mpf)
        c_k (in the unit of v) and tau_k (s).
    """
    terms: Terms = {mp.mpf(0): [v_inf], 1 / tau_m: [v - v_inf, mp.mpf(0)]}
    membrane = terms[1 / tau_m]
    for c, tau in currents:
        if tau == tau_m:
            membrane[1] += c / tau_m
            continue
        gain = c * tau / (tau - tau_m)
        membrane[0] -= gain
        terms.setdefault(1 / tau, [mp.mpf(0)])[0] += gain
    return terms


def first_crossing(v: Any, v_inf: Any, v_thresh: Any, tau_m: Any, currents: Sequence[tuple[Any, Any]], end: Any) -> Any:
    """Earliest t in [0, end) with v(t) >= v_thresh; inf if there is none."""
    if v >= v_thresh:
        return mp.mpf(0)
    terms = potential(v, v_inf, tau_m, currents)
    terms[mp.mpf(0)][0] -= v_thresh
    found = zeros(terms, end)
    return found[0] if found else mp.inf


class _Cells:
    """A membrane with two exponential currents."""

    def __init__(self, v: list[Any], v_inf: list[Any], tau: list[Any], theta: list[Any], reset: list[Any],
                 taus: tuple[list[Any], list[Any]], r: list[Any]) -> None:  # fmt: skip
        self.v, self.v_inf, self.tau, self.theta, self.to = v, v_inf, tau, theta, reset
        self.taus, self.r = taus, r
        self.current = [[mp.mpf(0), mp.mpf(0)] for _ in v]

    def driving(self, j: int) -> list[tuple[Any, Any]]:
        """The currents that are not zero, in the unit of v, with their time constants."""
        return [(self.r[j] * self.current[j][p], self.taus[p][j]) for p in (0, 1) if self.current[j][p] != 0]

    def advance(self, j: int, dt: Any, held: bool) -> None:
        if not held:
            self.v[j] = value(potential(self.v[j], self.v_inf[j], self.tau[j], self.driving(j)), dt)
        for p in (0, 1):
            self.current[j][p] *= mp.exp(-dt / self.taus[p][j])

    def receive(self, j: int, port: int, w: Any, held: bool) -> None:
        self.current[j][port] += w

    def wait(self, j: int, end: Any) -> Any:
        return first_crossing(self.v[j], self.v_inf[j], self.theta[j], self.tau[j], self.driving(j), end)

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
    port: Any = 0,
    tau_m: Any = 20e-3,
    tau_exc: Any = 5e-3,
    tau_inh: Any = 10e-3,
    r_m: Any = 1.0,
    v_rest: Any = 0.0,
    v_thresh: Any = 1.0,
    v_reset: Any = 0.0,
    t_ref: Any = 0.0,
    drive: Any = 0.0,
    v0: Any = 0.0,
    given: Sequence[tuple[float, int, int, float]] = (),
    digits: int = 30,
) -> list[tuple[Any, int]]:
    """Spikes of a network in [0, duration).

    tau_m dv/dt = -(v - v_rest) + drive + r_m (i_exc + i_inh);  i' = -i / tau;  an arrival of weight w adds w to the
    current of its port, also while refractory;  v >= v_thresh: spike, v = v_reset and held there during [t, t + t_ref).

    Parameters
    ----------
    n, source, target, weight, delay, duration
        As in :func:`tests.reference.mp_lif.simulate`.
    port : int or (n_syn,) int
        0: i_exc, 1: i_inh.
    tau_m, tau_exc, tau_inh, r_m, v_rest, v_thresh, v_reset, t_ref, drive, v0 : float or (n,) float
    given : sequence of (float, int, int, float)
        Arrivals from outside: time (s), target, port, weight.
    digits : int

    Returns
    -------
    list of (mpf, int)
        Time (s) and neuron of every spike, in order.
    """
    with mp.workdps(digits):
        v_inf = [a + b for a, b in zip(spread(v_rest, n), spread(drive, n), strict=True)]
        taus = spread(tau_exc, n), spread(tau_inh, n)
        cells = _Cells(
            spread(v0, n), v_inf, spread(tau_m, n), spread(v_thresh, n), spread(v_reset, n), taus, spread(r_m, n)
        )
        return mp_events.simulate(cells, n, source, target, weight, delay, port, t_ref, duration, given)
