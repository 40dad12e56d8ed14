"""What the grid engine needs beside the declarations: time steps, and blocks of neurons that are moved by them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np

from .connectors import OneToOne
from .engine import stepped
from .engine.rng import poisson_table
from .engine.struct import Struct
from .engine.types import Fields, View, seen_by
from .errors import NetworkError, ParameterError
from .network import Network, Population, Projection
from .plugin import Model
from .random import Streams


def off_grid(ticks: np.ndarray) -> np.ndarray:
    """Which numbers of steps are not whole, to 1e-6 of them."""
    return np.abs(ticks - np.rint(ticks)) > 1e-6 * np.maximum(1.0, ticks)


@dataclass(frozen=True)
class Grid:
    """Time steps for the grid engine.

    Parameters
    ----------
    dt : float, s
    round_delays : bool
        True accepts delays and refractory times that are no multiples of dt, and rounds them to the nearest.
    """

    dt: float
    round_delays: bool = False

    def ticks(self, where: str, times: Any) -> np.ndarray:
        """Times as whole numbers of steps (float64)."""
        ticks = np.asarray(times, float) / self.dt
        nearest, off = np.rint(ticks), off_grid(ticks)
        if off.any() and not self.round_delays:
            bad, near = np.atleast_1d(ticks)[np.atleast_1d(off)][0], np.atleast_1d(nearest)[np.atleast_1d(off)][0]
            raise ParameterError(
                f"{self._between(where, bad, near)} Choose dt to divide it, or give Simulator(..., round_delays=True)."
            )
        return nearest

    def whole(self, where: str, time: float) -> int:
        """A positive time as a whole number of steps, which is never rounded."""
        ticks = time / self.dt
        nearest = max(1, round(ticks))
        if abs(ticks - nearest) > max(1e-6, 1e-9 * nearest):
            raise ParameterError(f"{self._between(where, ticks, nearest)} Give whole steps, or choose dt to divide it.")
        return nearest

    def _between(self, where: str, ticks: float, nearest: float) -> str:
        return (
            f"{where} is {ticks * self.dt:.10g} s, {ticks:.10g} time steps of {self.dt:g} s; the nearest is "
            f"{nearest * self.dt:.10g} s."
        )

    def holding(self, times: np.ndarray) -> np.ndarray:
        """Numbers (float64) of the steps that hold these times, found as Brian2 finds them."""
        return np.floor(times / self.dt + stepped.SLACK)


_PIECE = 256
"""Poisson numbers that are drawn at once; those that share a random word are drawn together."""


def choose_engine(network: Network, engine: str, dt: float | None) -> tuple[str, str]:
    """The engine that runs a network, and why.

    Raises
    ------
    ParameterError, NetworkError
        For an unknown engine, or the exact engine with a model that has no closed form.
    """
    if engine not in ("auto", "exact", "grid"):
        raise ParameterError(f"Simulator.engine is {engine!r}; give 'auto', 'exact' or 'grid'.")
    if engine == "grid":
        return "grid", "asked for"
    open_form = [
        f"{type(p.model).__name__} of population {name!r}"
        for name, p in network.populations.items()
        if isinstance(p.model, Model) and not hasattr(p.model, "time_to_threshold")
    ]
    restless = [
        f"{type(i.current).__name__} into population {i.population.name!r}"
        for i in network.currents
        if not hasattr(i.current, "next_change")
    ]
    why = [f"{what} has no closed form" for what in open_form] + [f"{what} changes all the time" for what in restless]
    if why and engine == "exact":
        raise NetworkError(f"{why[0]}, which the exact engine cannot follow. Use engine='grid'.")
    if why:
        return "grid", why[0]
    if engine == "auto" and dt is not None:
        return "grid", "a time step was given"
    if dt is not None:
        raise ParameterError("Simulator.dt is for the grid engine; leave it out, or give engine='grid'.")
    return "exact", "asked for" if engine == "exact" else "every model has a closed form"


def drizzles_of(network: Network, recorded: Collection[str]) -> dict[str, Projection]:
    """Poisson populations that need no spikes: each cell drives one other by a static synapse, all of one weight.

    Their arrivals are drawn as one number for each target and tick.
    """
    found = {}
    for name, population in network.populations.items():
        out = [p for p in network.projections.values() if p.source is population]
        if (
            getattr(population.model, "is_poisson", False)
            and name not in recorded
            and len(out) == 1
            and isinstance(out[0].connector, OneToOne)
            and out[0].rule is None
            and out[0].teaches is None
            and isinstance(out[0].weight, float)
            and np.all(population.model.start == 0.0)  # type: ignore[union-attr]
        ):
            found[name] = out[0]
    return found


def grid_block(population: Population, common: dict[str, Any], streams: Streams, grid: Grid) -> Struct:
    model, n = population.model, len(population)
    assert isinstance(model, Model)
    t_ref = getattr(model, model.refractory) if model.refractory else 0.0
    ticks = grid.ticks(f"{type(model).__name__}.{model.refractory} of population {population.name!r}", t_ref)
    own = type(model).receive_held is not Model.receive_held
    states = common["states"]
    if not states:
        raise NetworkError(f"{type(model).__name__} has no state; declare its potential with state('cell').")
    return Struct(
        kind=stepped.GRID,
        model=model,
        **common,
        saved=tuple(s.copy() for s in states),
        start=tuple(s.copy() for s in states),
        ref_ticks=np.ascontiguousarray(np.broadcast_to(ticks, (n,)).astype(np.int64)),
        until=np.zeros(n, np.int64),
        held=np.zeros(n, np.int32),
        fired=np.zeros(n, np.int32),
        v_fired=np.zeros(n),
        n_held=0,
        n_fired=0,
        input=stepped.KEPT if model.receives_while_held else stepped.OWN if own else stepped.LOST,
        threshold=bool(model.threshold),
        escapes=hasattr(model, "hazard"),
        key=np.array([streams.key("noise", population.name), streams.key("hazard", population.name)], np.uint64),
    )


def sums_up(model: Any, port: int) -> bool:
    """Whether arrivals of one tick may be added up: the model receives their sum as it does one after the other.

    And an arrival of 0 must change nothing.
    """
    names = model.states("cell")
    seen: Any = seen_by(model, 0) if any(isinstance(x, np.ndarray) for x in model.params().values()) else model

    def after(method: str, *weights: float) -> list[float]:
        cell = View(Fields(*((n, -1) for n in names)), tuple(np.array([0.5]) for _ in names), 0, ())
        for w in weights:
            getattr(seen, method)(cell, port, w)
        return [getattr(cell, n) for n in names]

    methods = ["receive"] + ["receive_held"] * (type(model).receive_held is not Model.receive_held)
    return all(
        np.allclose(after(m, 0.3, 0.4), after(m, 0.7), rtol=1e-9, atol=0.0) and after(m, 0.0) == after(m)
        for m in methods
    )


def drizzle_block(
    projection: Projection, weight: float, g0: int, target: Struct, count: np.ndarray, streams: Streams, grid: Grid
) -> Struct:
    """The block of a Poisson population that is drawn as numbers of arrivals at `target`."""
    source = projection.source
    model: Any = source.model
    mean = np.atleast_1d(np.asarray(model.rate * grid.dt, float)).copy()
    if mean.max() > 700.0:
        raise ParameterError(
            f"Poisson.rate of population {source.name!r} is {mean.max() / grid.dt:g} Hz, more than 700 spikes in a "
            f"time step of {grid.dt:g} s. Choose a shorter dt."
        )
    cumulated, quick = poisson_table(float(mean[0]))
    port = projection.target.model.ports.index(projection.port)  # type: ignore[union-attr]
    return Struct(
        kind=stepped.DRIZZLE,
        g0=g0,
        g1=g0 + len(source),
        lo=0,
        hi=len(source),
        fields=Fields(),
        states=(),
        target=target,
        port=port,
        weight=weight,
        mean=mean,
        cumulated=cumulated,
        quick=quick,
        drawn=np.zeros(_PIECE, np.int32),
        gentle=sums_up(projection.target.model, port),
        key=np.array([streams.key("source", source.name), streams.key("source", source.name, "fine")], np.uint64),
        count=count,
    )
