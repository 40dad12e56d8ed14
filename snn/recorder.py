"""What a run records: samples and spikes, taken while it goes on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from .build import Built
from .ledger import Ledger
from .provenance import provenance, rule_sources
from .record import Result, SpikeData, Spikes, State, StateData, WeightChanges, WeightData, Weights
from .threads import take_spikes

if TYPE_CHECKING:
    from .simulator import Simulator

# With a file, recordings in memory go there when they have this size, or this long after the last time.
_SPILL_BYTES = 2**22
_SPILL_SECONDS = 5.0
_SAMPLE_BYTES = 200  # of a sample beside its values: its time and its place in the list


@dataclass
class FileSpan:
    """What the runs into one file have covered.

    Attributes
    ----------
    t_start, end : float, s
    unrecorded : float, s
        Between them.
    ledger : Ledger
        Of all of them.
    """

    t_start: float
    end: float
    unrecorded: float = 0.0
    ledger: Ledger = field(default_factory=Ledger)


class Recorder:
    """Collects what a run records, or hands it to the file, piece by piece, so that little of it is in memory."""

    def __init__(self, simulator: Simulator, t_start: float) -> None:
        self.sim, self.built, self.writer = simulator, simulator.built, simulator._writer
        self.t_start, self.offset = t_start, simulator._offset
        self.raw: list[tuple[np.ndarray, np.ndarray]] = []
        self.samples: dict[int, list[tuple[float, np.ndarray]]] = {}
        self.next: dict[int, int] = {}
        self.last: dict[int, np.ndarray] = {}
        self.ends: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self.held, self.spilled = 0, time.perf_counter()
        self.before = {} if self.writer is None else self.writer.lengths()
        span = simulator._file_span or FileSpan(t_start, t_start)
        self.span = replace(span, unrecorded=span.unrecorded + (t_start - span.end))
        e = self.built.engine
        e.watch_row[:] = 0
        e.watch_cell[:] = 0
        e.watching = False
        for k, request in enumerate(simulator.requests):
            if isinstance(request, Spikes):
                continue
            self.samples[k] = []
            if isinstance(request, Weights):
                source, target = simulator.synapses(request.projection)
                chosen = request.indices(source.size)
                self.ends[k] = chosen, source[chosen], target[chosen]
            if request.every is not None:
                self.next[k] = _first_sample(t_start, request.every)
            elif isinstance(request, Weights) and not request.on_change:
                self._add(k, t_start, self._weights(k))
            if getattr(request, "on_events", False):
                self._watch(request.population, request.ids)
            if getattr(request, "on_change", False):
                self._watch(request.projection.target, None, request.projection)
                self.last[k] = self._weights(k)

    def _watch(self, population: Any, ids: Any, only: Any = None) -> None:
        """Stop after every event that can touch some neurons of a population."""
        b = self.built
        b.engine.watching = True
        o = b.offset[population.name]
        chosen = np.arange(len(population)) if ids is None else np.asarray(ids)
        b.engine.watch_cell[o + chosen] = 1
        for projection in b.projections.values():
            if projection.projection.target is population and (only is None or projection.projection is only):
                g = b.groups[projection.group]
                b.engine.watch_row[g.r0 : g.r1] = 1

    def _weights(self, r: int) -> np.ndarray:
        return self.sim.weights(self.sim.requests[r].projection)[self.ends[r][0]]

    def _due(self, r: int, t_end: float) -> float:
        """Engine's time of the next sample of a request; inf where it belongs to the next run."""
        k, every = self.next[r], self.sim.requests[r].every
        if k >= _first_sample(self.offset + t_end, every):
            return math.inf
        return max(float(k * every), self.t_start) - self.offset

    def next_sample(self, t_end: float) -> float:
        """Engine's time of the next sample that is due before t_end."""
        return min((self._due(r, t_end) for r in self.next), default=math.inf)

    def sample(self, t: float, t_end: float) -> None:
        """Take every sample that is due at the engine's time t (< t_end)."""
        for r, k in self.next.items():
            if self._due(r, t_end) <= t:
                request = self.sim.requests[r]
                self._add(r, k * request.every, self._value(r))
                self.next[r] = k + 1
        if self.writer is not None and time.perf_counter() - self.spilled > _SPILL_SECONDS:
            self.flush()

    def _add(self, r: int, t: float, value: np.ndarray) -> None:
        """Keep a sample, or bring all of them to the file when they are many."""
        self.samples[r].append((t, value))
        self.held += value.nbytes + _SAMPLE_BYTES
        if self.writer is not None and self.held > _SPILL_BYTES:
            self.flush()

    def _value(self, r: int) -> np.ndarray:
        request = self.sim.requests[r]
        if isinstance(request, State):
            return self.sim.state(request.population, request.variable, request.ids)
        return self._weights(r)

    def watched(self) -> None:
        """The engine has stopped after an event that a recorder waits for."""
        t = self.built.engine.now + self.offset
        for r, request in enumerate(self.sim.requests):
            if getattr(request, "on_events", False):
                self._add(r, t, self._value(r))
            elif getattr(request, "on_change", False):
                w = self._weights(r)
                changed = np.flatnonzero(w != self.last[r])
                if changed.size:
                    self._add(r, t, np.stack([changed.astype(float), w[changed]]))
                    self.last[r] = w

    def flush(self) -> None:
        """Take the spikes out of the engine's buffer; with a file, bring them and all samples there."""
        times, ids = take_spikes(self.built)
        self.raw.append((times + self.offset, ids))
        if self.writer is None:
            return
        for data in self._spikes(self.raw).values():
            self.writer.spikes(data.population, data.size, data.times, data.ids, recorded=data.recorded)
        for r in self.samples:
            self._write(self._data(r), self.sim.requests[r].every)
            self.samples[r] = []
        self.raw, self.held, self.spilled = [], 0, time.perf_counter()
        self.writer.span(self.span.t_start, self.sim.t - self.span.t_start, self.span.unrecorded)
        self.writer.flush()

    def _write(self, data: StateData | WeightData | WeightChanges, every: float | None) -> None:
        if isinstance(data, StateData):
            self.writer.state(data.population, data.variable, data.unit, data.ids, data.times, data.values, every)
        elif isinstance(data, WeightData):
            self.writer.weights(data.projection, data.sources, data.targets, data.times, data.values)
        else:
            self.writer.weight_changes(
                data.projection, data.times, data.synapses, data.sources, data.targets, data.values
            )

    def _spikes(self, raw: list[tuple[np.ndarray, np.ndarray]]) -> dict[str, SpikeData]:
        if not any(isinstance(request, Spikes) for request in self.sim.requests):
            return {}
        every = spikes_by_population(raw, self.built)
        found = {}
        for request in self.sim.requests:
            if isinstance(request, Spikes):
                data = every[request.population.name]
                if request.ids is not None:
                    keep = np.isin(data.ids, request.ids)
                    data = SpikeData(
                        data.population, data.size, data.times[keep], data.ids[keep], recorded=np.asarray(request.ids)
                    )
                found[request.population.name] = data
        return found

    def _data(self, r: int) -> StateData | WeightData | WeightChanges:
        """The samples of one request that are in memory."""
        request, taken = self.sim.requests[r], self.samples[r]
        times = np.array([t for t, _ in taken])
        if isinstance(request, State):
            pop = request.population
            ids = np.arange(len(pop)) if request.ids is None else np.asarray(request.ids)
            values = np.array([v for _, v in taken]).reshape(times.size, ids.size)
            return StateData(pop.name, request.variable, request.unit, times, ids, values)
        chosen, source, target = self.ends[r]
        name = request.projection.name
        if request.on_change:
            k = np.concatenate([v[0] for _, v in taken]).astype(np.int64) if taken else np.zeros(0, np.int64)
            w = np.concatenate([v[1] for _, v in taken]) if taken else np.zeros(0)
            t = np.repeat(times, [v.shape[1] for _, v in taken]) if taken else times
            return WeightChanges(name, t, chosen[k], source[k], target[k], w)
        values = np.array([v for _, v in taken]).reshape(times.size, chosen.size)
        return WeightData(name, times, source, target, values)

    def abandon(self) -> None:
        """The run ends in an error: what it has recorded goes to the file, if there is one, and to no later result."""
        self.flush()
        if self.writer is not None:
            self.sim._file_span = replace(self.span, end=self.sim.t)

    def result(self, duration: float, ledger: Ledger) -> Result:
        """Everything that was recorded."""
        for r, request in enumerate(self.sim.requests):
            if isinstance(request, Weights) and request.every is None and not request.on_change:
                self._add(r, self.t_start + duration, self._weights(r))
        network = self.sim.network
        known: dict[str, Any] = {
            "duration": duration,
            "t_start": self.t_start,
            "ledger": ledger,
            "provenance": provenance(network),
            "network": self.sim._described,
            "rules": rule_sources(network),
        }
        if self.writer is not None:
            from .io import FileResult

            self.sim._file_span = replace(self.span, end=self.sim.t, ledger=self.span.ledger + ledger)
            self.writer.ledger(self.sim._file_span.ledger.to_json())
            self.flush()
            rows = {path: (self.before.get(path, 0), n) for path, n in self.writer.lengths().items()}
            return FileResult(self.writer, rows, **known)
        states: dict[tuple[str, str], StateData] = {}
        weights: dict[str, WeightData | WeightChanges] = {}
        for r in self.samples:
            data = self._data(r)
            if isinstance(data, StateData):
                states[data.population, data.variable] = data
            else:
                weights[data.projection] = data
        return Result(spikes=self._spikes(self.raw), states=states, weights=weights, **known)


def _first_sample(t: float, every: float) -> int:
    """Number of the first sample that is due at t or later; what is so but for the rounding of a sum is due at t."""
    return math.ceil(t / every - 1e-6)


def spikes_by_population(recorded: list[tuple[np.ndarray, np.ndarray]], built: Built) -> dict[str, SpikeData]:
    """Pieces of what an engine has recorded, times (s) and neurons, in order of time."""
    t = np.concatenate([r[0] for r in recorded]) if recorded else np.zeros(0)
    g = np.concatenate([r[1] for r in recorded]).astype(np.int64) if recorded else np.zeros(0, np.int64)
    found = {}
    for name, o in built.offset.items():
        size = len(built.network.populations[name])
        mine = (g >= o) & (g < o + size)
        order = np.lexsort((g[mine], t[mine]))
        found[name] = SpikeData(name, size, t[mine][order], g[mine][order] - o)
    return found
