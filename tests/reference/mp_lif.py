"""Recurrent LIF networks with delta synapses in 50-digit arithmetic: every crossing time by its closed form.

Independent of the package: scalars, one heap, no records, no plugins.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

import mpmath as mp


def spread(value: Any, n: int) -> list[Any]:
    """One exact number for each of `n` neurons or synapses, from one float or a sequence of floats."""
    values = list(value) if isinstance(value, Sequence) or hasattr(value, "__len__") else [value] * n
    assert len(values) == n, f"{len(values)} values for {n}"
    return [mp.mpf(float(v)) for v in values]


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
    At one instant: ends of refractoriness, arrivals (by source, synapse), then crossings (by neuron).

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
        tau, theta, reset, ref = spread(tau_m, n), spread(v_thresh, n), spread(v_reset, n), spread(t_ref, n)
        v_inf = [a + b for a, b in zip(spread(v_rest, n), spread(drive, n), strict=True)]
        w, d = spread(weight, len(source)), spread(delay, len(source))
        outgoing: list[list[int]] = [[] for _ in range(n)]
        for k in range(len(source)):
            outgoing[source[k]].append(k)
        v, last, held, version = spread(v0, n), [mp.mpf(0)] * n, [False] * n, [0] * n
        end, release, arrival, crossing = mp.mpf(float(duration)), 0, 1, 2
        # (time, kind, source or neuron, synapse or version, target, weight)
        queue: list[tuple[Any, int, int, int, int, Any]] = [
            (mp.mpf(float(t)), arrival, -1, k, j, mp.mpf(float(x))) for k, (t, j, x) in enumerate(given)
        ]
        heapq.heapify(queue)

        def bring(j: int, t: Any) -> None:
            if not held[j] and t > last[j]:
                v[j] = v_inf[j] + (v[j] - v_inf[j]) * mp.exp(-(t - last[j]) / tau[j])
            last[j] = t

        def predict(j: int, t: Any) -> None:
            version[j] += 1
            if v[j] >= theta[j]:
                wait = mp.mpf(0)
            elif v_inf[j] > theta[j]:
                wait = tau[j] * mp.log((v[j] - v_inf[j]) / (theta[j] - v_inf[j]))
            else:
                return
            heapq.heappush(queue, (t + wait, crossing, j, version[j], j, mp.mpf(0)))

        spikes: list[tuple[Any, int]] = []
        for j in range(n):
            predict(j, mp.mpf(0))
        while queue and queue[0][0] < end:
            t, kind, _, k, j, x = heapq.heappop(queue)
            if kind == crossing:
                if k != version[j]:
                    continue
                bring(j, t)
                spikes.append((t, j))
                v[j] = reset[j]
                version[j] += 1
                for s in outgoing[j]:
                    heapq.heappush(queue, (t + d[s], arrival, j, s, target[s], w[s]))
                if ref[j] > 0:
                    held[j] = True
                    heapq.heappush(queue, (t + ref[j], release, j, 0, j, mp.mpf(0)))
                else:
                    predict(j, t)
            elif kind == release:
                held[j], last[j] = False, t
                predict(j, t)
            elif not held[j]:
                bring(j, t)
                v[j] += x
                predict(j, t)
        return spikes
