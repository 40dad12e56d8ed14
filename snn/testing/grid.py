"""The plain-Python twin of the grid engine: one tick after the other, by the plugins' own uncompiled methods."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..plugin import GivenSpikes, Model, Source
from ..random import uniform_at
from .lessons import normal_at
from .twin import _SOURCE, Twin, _Cell, _Path, _Row


class GridTwin(Twin):
    """A network that runs slowly in time steps, in the order of the grid engine.

    In tick n, from n dt on: every cell is moved by dt, and those above threshold fire, as do sources whose time has
    come; spikes set out, and a delay of d ticks brings them to their rows in tick n + d; all rows that are due deliver,
    in order of projection, source and delay; then they learn, in the same order; then the neurons that have fired
    learn, in order; then these are reset. A cell whose refractory time is R ticks is held in the R - 1 ticks after that
    of its spike; of one that loses arrivals while it is held, those of the spike's own tick are lost too.

    Poisson populations are sources here, and rings are rows, which add the same terms in another order.

    Parameters
    ----------
    network : Network
    dt : float, s
        Delays and refractory times are multiples of it.
    ties : {"pre_first", "post_first"}
    """

    def __init__(self, network: Any, dt: float, ties: str = "pre_first") -> None:
        self.dt = dt
        super().__init__(network, ties)

    def _start(self) -> None:
        self.tick = 0
        self._due: dict[int, list[tuple[int, int, float, _Path, _Row]]] = {}
        self._until: dict[int, int] = {}
        for cell in self._cells:
            if isinstance(cell.plugin, GivenSpikes):
                ids, times = cell.plugin.spikes
                for t in times[ids == cell.index]:
                    # The middle of the step that holds it, with a little slack for products like 3 * 0.1 ms.
                    self._push((math.floor(t / self.dt + 1e-3) + 0.5) * self.dt, _SOURCE, self._gid(cell), 0, 0.0, cell)
            elif isinstance(cell.plugin, Source):
                self._draw(cell, -1.0)

    def run(self, duration: float, sample: Iterable[float] = ()) -> list[dict[str, dict[str, np.ndarray]]]:
        """Run on for `duration`; states are sampled before the ticks that begin at these times."""
        last, waiting, samples = round((self.t + duration) / self.dt), list(sample), []
        while True:
            if waiting and round(waiting[0] / self.dt) == self.tick:
                waiting.pop(0)
                samples.append(self.states())
            if self.tick >= last:
                return samples
            self._tick()
            self.tick += 1
            self.t = self.tick * self.dt
            for cell in self._cells:
                cell.t_last = self.t
                cell.held = self._until.get(self._gid(cell), 0) > self.tick

    def _tick(self) -> None:
        fired = self._sources() + [cell for cell in self._cells if isinstance(cell.plugin, Model) and self._fires(cell)]
        fired.sort(key=self._gid)
        before = {self._gid(cell): cell.record.copy() for cell in fired}
        for cell in fired:
            self._count_spike(cell)
            if isinstance(cell.plugin, Model):
                cell.v_fired = getattr(cell.record, cell.plugin.potential)
            self._emit(cell)
        due = [what[3:] for what in sorted(self._due.pop(self.tick, []), key=lambda what: what[:3])]
        for row in due:
            self._arrive(*row)
        learning = [row for row in due if row[0].rule is not None]
        if self.ties == "post_first":
            self._learn_posts(fired)
        for row in learning:
            self._learn_pre(*row)
        if self.ties == "pre_first":
            self._learn_posts(fired)
        for cell in fired:
            if isinstance(cell.plugin, Model):
                self._reset(cell, before[self._gid(cell)])

    def _sources(self) -> list[_Cell]:
        """Sources that fire in this tick, as often as they do, each asked for its next spike."""
        fired = []
        while self._queue and self._queue[0][0] < (self.tick + 1 - 1e-3) * self.dt:
            t, *_, cell = heapq.heappop(self._queue)
            fired.append(cell)
            if not isinstance(cell.plugin, GivenSpikes):
                self._draw(cell, t)
        return fired

    def _fires(self, cell: _Cell) -> bool:
        """Move a cell by one tick; whether it fires."""
        plugin, record = cell.plugin, cell.record
        if cell.held:
            plugin.hold(record, self.dt)
            return False
        (plugin.step if hasattr(plugin, "step") else plugin.advance)(record, self.dt)
        number = (max(0, self._shown - 1) << 32) + self.tick
        if hasattr(plugin, "noise"):
            key = self._streams.key("noise", cell.population) + cell.index
            plugin.noise(record, self.dt, normal_at(key, number))
        if hasattr(plugin, "hazard"):
            key = (self._streams.key("hazard", cell.population) + cell.index) % 2**64
            return bool(uniform_at(key, number) < -math.expm1(-plugin.hazard(record) * self.dt))
        return bool(plugin.threshold and plugin.above(record))

    def _reset(self, cell: _Cell, before: Any) -> None:
        """What a spike does to its cell at the end of the tick; `before` is its record at the spike."""
        plugin = cell.plugin
        ticks = round(getattr(plugin, plugin.refractory) / self.dt) if plugin.refractory else 0
        takes = plugin.receives_while_held or type(plugin).receive_held is not Model.receive_held
        if ticks > 0 and not takes:
            cell.record = before
        plugin.fire(cell.record)
        self._until[self._gid(cell)] = self.tick + ticks

    def _emit(self, cell: _Cell) -> None:
        for path in self._outgoing[cell.population]:
            for row in path.rows.get(cell.index, []):
                due = self.tick + round(row.delay / self.dt)
                self._due.setdefault(due, []).append((path.index, row.source, row.delay, path, row))

    def _arrive(self, path: _Path, row: _Row) -> None:
        self._deliver(path, row)

    def _learn_posts(self, fired: list[_Cell]) -> None:
        for cell in fired:
            self._learn_post(cell)

    def _bring(self, cell: _Cell) -> None:
        """Cells are moved once in a tick."""

    def _predict(self, cell: _Cell) -> None:
        """Thresholds are tested once in a tick."""


__all__ = ["GridTwin"]
