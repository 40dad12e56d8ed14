"""Injected currents, between their declaration and the engines."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .engine import cells, currents
from .engine.struct import Links, Struct
from .engine.types import Fields
from .network import Network, Population
from .random import Streams


def driven(population: Population) -> Population:
    """A population into which currents are injected, as the engine needs it: with a drive for each neuron."""
    if not any(i.population is population for i in population.network.currents):
        return population
    model: Any = population.model
    constant = np.broadcast_to(getattr(model, model.injected), (len(population),))
    ours = copy.copy(population)
    ours.model = model.replace(**{model.injected: constant.copy()})
    return ours


def current_structs(network: Network, models: dict[str, Any], streams: Streams, dt: float) -> list[Struct]:
    """A struct for each current, in the order in which they are added up; `models` are those of driven populations."""
    made: list[Struct] = []
    seen: dict[str, int] = {}
    for injection in network.currents:
        name, n, current = injection.population.name, len(injection.population), injection.current
        drive = getattr(models[name], models[name].injected)
        seen[name] = seen.get(name, 0) + 1
        states = tuple(np.full(n, st.init) for st in current.states("cell").values())
        made.append(
            Struct(
                kind=currents.CURRENT,
                g0=0,
                g1=n,
                lo=0,
                hi=n,
                current=current,
                first=seen[name] == 1,
                noisy=current.noisy,
                dt=dt,
                base=drive.copy(),
                drive=drive,
                fields=Fields(*((state, -1) for state in current.states("cell"))),
                states=states,
                start=tuple(s.copy() for s in states),
                key=np.array([streams.key("current", name, str(seen[name]))], np.uint64),
            )
        )
    return made


@dataclass
class Switch:
    """Changes the drive on the exact engine, between two stretches of a run.

    Parameters
    ----------
    network : Network
    models : dict of int to Model
        Those of the populations with currents, by the number of the population's block.
    structs : list of Struct
        The currents.
    """

    network: Network
    models: dict[int, Any]
    structs: list[Struct]
    _engine: Struct = field(init=False)
    _currents: Links = field(init=False)
    _cells: list[Links] = field(init=False)

    def follow(self, parts: list[tuple[Struct, list[Struct]]]) -> None:
        """Change the drive of these engines with their blocks, which share all arrays of neurons."""
        self._engine = parts[0][0]
        self._currents = Links([currents.current_block] * len(self.structs), self.structs, self._engine)
        self._cells = []
        for engine, blocks in parts:
            mine = [blocks[k] for k in self.models]
            self._cells.append(Links([currents.CHANGED[b.kind.name] for b in mine], mine, engine))

    def next_change(self, t: float) -> float:
        """Time (s) of the first change after t."""
        currents: list[Any] = [i.current for i in self.network.currents]
        return min((current.next_change(t) for current in currents), default=math.inf)

    def start(self) -> None:
        """Set the drive that holds from time 0 on."""
        self._currents.every(cells.RESET)
        self.change(0.0)

    def change(self, t: float) -> None:
        """Set the drive that holds from time t on, the engines' present."""
        for links in self._cells:
            links.every(currents.BEFORE, 0, t)
        self._currents.every(currents.INJECT, 0, t)
        for model, *blocks in zip(self.models.values(), *(links.alive for links in self._cells), strict=True):
            if blocks[0].kind is not cells.CLOSED:
                _shift(blocks, model.modes(), t - self._engine.w0)
        for links in self._cells:
            links.every(currents.AFTER, 0, t)


def _shift(parts: list[Struct], modes: Any, since: float) -> None:
    """Move where the modes of a block relax to; potentials stay. `since` is the time (s) since the window's start."""
    block = parts[0]
    one = block.kind is cells.ONE
    x, tau = (block.x, block.tau) if one else (block.x[:, 0], float(block.taus[0]))
    moved = block.v_inf - modes.v_inf
    free = x > 0.5 * cells.HELD
    x[free] += moved[free] * math.exp(since / tau)
    block.v_inf[:] = modes.v_inf
    block.gap[:] = modes.v_thresh - modes.v_inf
    if one:
        uniform = bool(np.all(block.gap == block.gap[0]))
        for part in parts:
            part.uniform = uniform


__all__ = ["Switch", "current_structs", "driven"]
