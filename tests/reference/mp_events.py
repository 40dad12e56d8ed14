"""The event loop of the many-digit references: one heap, crossings that are forgotten when something else comes first.

Independent of the package: scalars, no records, no plugins.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any, Protocol

import mpmath as mp


def spread(value: Any, n: int) -> list[Any]:
    """One exact number for each of `n` neurons or synapses, from one float or a sequence of floats."""
    values = list(value) if isinstance(value, Sequence) or hasattr(value, "__len__") else [value] * n
    assert len(values) == n, f"{len(values)} values for {n}"
    return [mp.mpf(float(v)) for v in values]


class Cells(Protocol):
    """What a neuron model does; `held` says whether neuron `j` is refractory."""

    def advance(self, j: int, dt: Any, held: bool) -> None:
        """Move the state by `dt` > 0."""

    def receive(self, j: int, port: int, w: Any, held: bool) -> None:
        """An arrival of weight `w`."""

    def wait(self, j: int, end: Any) -> Any:
        """Time to the first crossing within `end`, or inf."""

    def fire(self, j: int) -> None:
        """The reset."""


def simulate(
    cells: Cells,
    n: int,
    source: Sequence[int],
    target: Sequence[int],
    weight: Any,
    delay: Any,
    port: Any,
    t_ref: Any,
    duration: float,
    given: Sequence[tuple[float, int, int, float]],
) -> list[tuple[Any, int]]:
    """Spikes (time, neuron) in [0, duration), in order, in the working precision of mpmath.

    At one instant: ends of refractoriness, arrivals (by source, synapse), then crossings (by neuron).

    Parameters
    ----------
    cells : Cells
    n : int
        Neurons.
    source, target : (n_syn,) int
    weight, delay, port : one value or (n_syn,)
    t_ref : float or (n,) float, s
    duration : float, s
    given : sequence of (float, int, int, float)
        Arrivals from outside: time (s), target, port, weight.
    """
    w, d, ref = spread(weight, len(source)), spread(delay, len(source)), spread(t_ref, n)
    ports = [int(p) for p in spread(port, len(source))]
    outgoing: list[list[int]] = [[] for _ in range(n)]
    for k in range(len(source)):
        outgoing[source[k]].append(k)
    last, held, version = [mp.mpf(0)] * n, [False] * n, [0] * n
    end, release, arrival, crossing = mp.mpf(float(duration)), 0, 1, 2
    # (time, kind, source or neuron, synapse or version, target, port, weight)
    queue: list[tuple[Any, int, int, int, int, int, Any]] = [
        (mp.mpf(float(t)), arrival, -1, k, j, p, mp.mpf(float(x))) for k, (t, j, p, x) in enumerate(given)
    ]
    heapq.heapify(queue)

    def bring(j: int, t: Any) -> None:
        if t > last[j]:
            cells.advance(j, t - last[j], held[j])
        last[j] = t

    def predict(j: int, t: Any) -> None:
        version[j] += 1
        wait = mp.inf if held[j] else cells.wait(j, end - t)
        if wait < mp.inf:
            heapq.heappush(queue, (t + wait, crossing, j, version[j], j, 0, mp.mpf(0)))

    spikes: list[tuple[Any, int]] = []
    for j in range(n):
        predict(j, mp.mpf(0))
    while queue and queue[0][0] < end:
        t, kind, _, k, j, p, x = heapq.heappop(queue)
        if kind == crossing and k != version[j]:
            continue
        bring(j, t)
        if kind == crossing:
            spikes.append((t, j))
            cells.fire(j)
            for s in outgoing[j]:
                heapq.heappush(queue, (t + d[s], arrival, j, s, target[s], ports[s], w[s]))
            if ref[j] > 0:
                held[j] = True
                heapq.heappush(queue, (t + ref[j], release, j, 0, j, 0, mp.mpf(0)))
        elif kind == release:
            held[j] = False
        else:
            cells.receive(j, p, x, held[j])
        predict(j, t)
    return spikes
