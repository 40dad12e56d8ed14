"""Parts of certification networks: a source, a cell with a teacher, a readout, a pathway, and all of them wired."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..errors import NetworkError
from ..plugin import Credit, Model, Modes, Rule, Source, param, state
from ..units import ms


class Train(Source):
    """Spikes for certificates: `count` even ones from `start`, or Poisson ones, or one for each presented value.

    One class for all three, so that networks that differ in their input share one compiled kernel.
    """

    start: float = param(10 * ms, unit="s", min=0, doc="time of the first spike; Poisson: before which nothing fires")
    interval: float = param(10 * ms, unit="s", above=0, doc="time between spikes")
    count: float = param(1.0, min=0, doc="number of spikes")
    rate: float = param(0.0, unit="Hz", min=0, doc="above 0: Poisson spikes of this rate")
    latency: float = param(0.0, unit="s", min=0, doc="above 0: a value x > 0 fires once, at latency (1 - x)")
    x = state("cell", doc="value of the sample that is presented")

    def next_spike(self, cell: Any, t: float, u: float) -> float:
        if self.latency > 0.0:
            return (1.0 - cell.x) * self.latency if t < 0.0 and cell.x > 0.0 else math.inf
        if self.rate > 0.0:
            return max(t, self.start) - math.log(1.0 - u) / self.rate
        # start + k interval, not t + interval: spikes that are meant to coincide do so to the last bit.
        k = 0.0 if t < 0.0 else math.floor((t - self.start) / self.interval + 1.5)
        return self.start + k * self.interval if k < self.count else math.inf


def _trains(n: int, **values: Any) -> Train:
    """A :class:`Train` whose parameters are arrays throughout, whatever they are given as."""
    given = {name: np.broadcast_to(v, (n,)).copy() for name, v in ({"start": 0.0} | values).items()}
    return Train(**{name: np.full(n, d.default) for name, d in Train.params_declared.items()} | given)


class Follower(Model):
    """A leaky cell that a teacher makes fire: tau_m v' = -v; arrivals add coupling w (exc) or w (teacher) to v."""

    tau_m: float = param(20 * ms, unit="s", above=0, doc="membrane time constant")
    v_rest: float = param(0.0, doc="resting potential")
    v_thresh: float = param(1.0, doc="threshold")
    v_reset: float = param(0.0, doc="potential after a spike")
    t_ref: float = param(0.0, unit="s", min=0, doc="absolute refractory time")
    coupling: float = param(0.0, doc="effect of a weight on the potential")
    v = state("cell", doc="membrane potential")

    ports = ("exc", "teacher")
    refractory = "t_ref"

    def advance(self, cell: Any, dt: float) -> None:
        cell.v = self.v_rest + (cell.v - self.v_rest) * math.exp(-dt / self.tau_m)

    def receive(self, cell: Any, port: int, w: float) -> None:
        if port == 0:
            cell.v += self.coupling * w
        else:
            cell.v += w

    def time_to_threshold(self, cell: Any) -> float:
        return 0.0 if cell.v >= self.v_thresh else math.inf

    def fire(self, cell: Any) -> None:
        cell.v = self.v_reset

    def modes(self) -> Modes:
        return Modes(
            taus=np.array([self.tau_m]),
            gains=np.array([[self.coupling], [1.0]]),
            v_inf=self.v_rest,
            v_thresh=self.v_thresh,
            v_reset=self.v_reset,
            t_ref=self.t_ref,
        )


class Sum(Model):
    """A readout that adds up what arrives and never fires."""

    v = state("cell", doc="sum of what has arrived")
    threshold = False

    def advance(self, cell: Any, dt: float) -> None:
        pass

    def receive(self, cell: Any, port: int, w: float) -> None:
        cell.v += w

    def time_to_threshold(self, cell: Any) -> float:
        return math.inf

    def fire(self, cell: Any) -> None:
        pass


class Broadcast(Credit):
    """Every readout's error reaches every neuron through a fixed random number."""

    carries = "B fixed"

    def feedback(self, w: float, b: float) -> float:
        return b


def network_with(
    rule: Rule | None = None,
    *,
    model: Model | None = None,
    pre: Source | None = None,
    n_pre: int = 1,
    teacher: Source | None = None,
    n_post: int = 1,
    connector: Any = None,
    weight: Any = 0.5,
    delay: Any = 1 * ms,
    dtype: str = "float64",
    readout: int = 0,
    seed: int = 1,
) -> Any:
    """A little network around one projection: sources "pre" -> cells "post", the projection named "plastic".

    Parameters
    ----------
    rule : Rule, optional
    model : Model, optional
        Of "post"; default :class:`Follower`, which fires when its teacher does.
    pre, teacher : Source, optional
        Presynaptic spikes, by default one at 10 ms; spikes that the followers repeat at once, by default none.
    n_pre, n_post : int
    connector, weight, delay, dtype
        Of the projection; default all-to-all.
    readout : int
        Size of a readout of "post", from which errors are broadcast to it; 2 where the rule needs a signal.
    seed : int

    Returns
    -------
    Network
    """
    from ..connect import all_to_all, one_to_one
    from ..network import Network

    net = Network(seed=seed)
    cell = Follower() if model is None else model
    sources = net.population("pre", Train() if pre is None else pre, n_pre)
    cells = net.population("post", cell, n_post)
    net.connect(
        sources, cells, all_to_all() if connector is None else connector,
        weight=weight, delay=delay, rule=rule, dtype=dtype, name="plastic",
    )  # fmt: skip
    if teacher is not None:
        if "teacher" not in cell.ports:
            raise NetworkError(f"{type(cell).__name__} has no port 'teacher'. Leave teacher out, or use Follower.")
        teachers = net.population("teacher", teacher, n_post)
        net.connect(teachers, cells, one_to_one(), weight=2.0, delay=0.0, port="teacher", name="teach")
    needs_signal = rule is not None and rule.needs_signal
    if readout or needs_signal:
        sums = net.population("readout", Sum(), readout or 2)
        net.connect(cells, sums, all_to_all(), weight=np.full((n_post, len(sums)), 0.1), delay=1 * ms, name="read")
        if needs_signal:
            net.credit(Broadcast(), error=sums, to=cells)
    return net
