"""From declarations to the flat arrays that the engine runs on."""

from __future__ import annotations

import math
import time
from collections.abc import Collection
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .current import Switch, current_structs, driven
from .driver import driver_struct, driver_type
from .dry_run import dry_run
from .engine import cells, currents, ring, rows, stepped
from .engine.beside import offer
from .engine.exact import advance
from .engine.grid import advance_grid
from .engine.group import row_group
from .engine.jit import bind
from .engine.struct import Links, Struct, signature
from .engine.types import Fields, View, seen_by
from .errors import NetworkError, PluginError
from .grid import Grid, drizzle_block, drizzles_of, grid_block
from .layout import BuiltProjection, NoRule, cut_rows, group_struct
from .network import Network, Population
from .plugin import GivenSpikes, Model, Modes, Plugin, Rule, Source
from .random import Distribution, Streams
from .rings import expected_synapses, make_rings, ring_group, ring_rows
from .stability import check_step
from .synapses import expand


def resolve_rule(rule: Rule, model: Model) -> Rule:
    """The rule with parameters that were left None taken from the postsynaptic model.

    Raises
    ------
    PluginError
        If the model has no such parameter, or has it per neuron.
    """
    values = {}
    for name, declared in rule.params_declared.items():
        if getattr(rule, name) is not None:
            continue
        wanted = declared.inherit or ""
        value = getattr(model, wanted, None)
        if not isinstance(value, float):
            has = "has it per neuron" if isinstance(value, np.ndarray) else "has no such parameter"
            raise PluginError(
                f"{type(rule).__name__}.{name} is taken from {type(model).__name__}.{wanted}, but the model {has}. "
                f"Give {type(rule).__name__}({name}=...)."
            )
        values[name] = value
    # Always a copy: what a simulator changes does not reach the declaration.
    made = rule.replace(**values)
    if made.bounds is not None:
        low, high = (getattr(made, name) for name in made.bounds)
        if low > high:
            raise PluginError(
                f"{type(rule).__name__}: {made.bounds[0]} is {low:g}, above {made.bounds[1]}, which is {high:g}."
            )
    return made


_KERNELS = cells.BLOCKS | stepped.BLOCKS | ring.BLOCKS | currents.BLOCKS


def _group_kernel(group: Struct) -> Any:
    return ring.ring_group if group.kind is ring.RING else row_group


def _offer_blocks(blocks: list[Struct]) -> None:
    """Their kernels will be needed."""
    for block in blocks:
        offer(_KERNELS[block.kind.name], signature(block.type_, driver_type()))


@dataclass
class Part:
    """An engine and its structs: all of a network, or a part of the neurons of every block."""

    engine: Struct
    blocks: list[Struct]
    groups: list[Struct]
    links: tuple[Links, ...]

    @classmethod
    def of(cls, engine: Struct, blocks: list[Struct], groups: list[Struct]) -> Part:
        """Let an engine know its structs."""
        _offer_blocks(blocks)
        for group in groups:
            offer(_group_kernel(group), signature(group.type_, driver_type()))
        links = (
            Links([_KERNELS[b.kind.name] for b in blocks], blocks, engine),
            Links([_group_kernel(g) for g in groups], groups, engine),
        )
        engine.block_kernels, engine.blocks = links[0].kernels, links[0].structs
        engine.group_kernels, engine.groups = links[1].kernels, links[1].structs
        return cls(engine, blocks, groups, links)


@dataclass
class Pathway:
    """What a credit link keeps from presentation to presentation.

    Attributes
    ----------
    feedback : (n_to * n_error,) float64
        Feedback weights b_jk, row by row.
    expected : (1,) float64
        Expected reward; nan before the first.
    count : (3,) int64
        Up to now: neurons that a readout of its own has heard, neurons whose feedback weights have learned, moments of
        noise; each neuron once for each presentation.
    """

    feedback: np.ndarray
    expected: np.ndarray
    count: np.ndarray


@dataclass
class Built:
    """Everything the kernels read and write."""

    network: Network
    grid: Grid | None
    parts: list[Part]
    """Engines that share the network; the first one stands for all where they are alike, as its clock does."""
    offset: dict[str, int]
    projections: dict[str, BuiltProjection]
    drizzled: set[int]
    """Groups whose arrivals are drawn as numbers."""
    currents: list[Struct]
    switch: Switch | None
    """Changes injected currents on the exact engine."""
    compile_s: float
    """Time that kernels have taken to compile, or to be read from disk."""
    pathways: dict[str, Pathway] = field(default_factory=dict)
    """What credit links have learned, by name; made when learning begins."""
    pool: Executor | None = None
    """Threads on which several engines run, from the first run on."""
    _bound: dict[Any, Any] = field(default_factory=dict)

    @property
    def engine(self) -> Struct:
        return self.parts[0].engine

    @property
    def blocks(self) -> list[Struct]:
        return self.parts[0].blocks

    @property
    def groups(self) -> list[Struct]:
        return self.parts[0].groups

    @property
    def links(self) -> tuple[Links, ...]:
        return self.parts[0].links

    @property
    def drawn(self) -> list[str]:
        """Populations whose spikes are drawn as numbers of arrivals."""
        return [p.projection.source.name for p in self.projections.values() if p.group in self.drizzled]

    def bound(self, entry: Any, *arguments: Any) -> Any:
        """A compiled entry for this network's engines; argument types must be the same at each call."""
        if entry not in self._bound:
            began = time.perf_counter()
            self._bound[entry] = bind(entry, self.engine, *arguments)
            self.compile_s += time.perf_counter() - began
        return self._bound[entry]

    def call(self, entry: Any, *arguments: Any) -> Any:
        """Run a compiled entry on this network's first engine."""
        return self.bound(entry, *arguments)(self.engine, *arguments)

    def refresh(self) -> None:
        """Let kernels see what has been changed in rules and models."""
        for part in self.parts:
            for struct in (*part.blocks, *part.groups):
                struct.refresh()
        for struct in self.currents:
            struct.refresh()

    def redraw(self, names: Collection[str]) -> None:
        """Draw the next spikes of sources anew, as their parameters have changed."""
        for k, name in enumerate(self.network.populations):
            if name in names:
                for part in self.parts:
                    part.links[0].ask(k, cells.REDRAW, 0, part.engine.now)

    def settle(self) -> None:
        """Bring every weight and the reference times of traces up to date, and all counters to the first engine's."""
        for part in self.parts:
            part.links[1].every(rows.SETTLE, 0, part.engine.now)
        for part in self.parts[1:]:
            for k, (g, mine) in enumerate(zip(self.groups, part.groups, strict=True)):
                # Each has counted every row, but only its own synapses.
                first = rows.N_ARRIVALS if k in self.drizzled else rows.N_ARRIVALS + 1
                g.count[first:] += mine.count[first:]
                mine.count[:] = 0

    def put_weights(self, p: BuiltProjection) -> None:
        """Let kernels see other arrays of weights, or another way to keep them."""
        source = list(self.offset).index(p.projection.source.name)
        for part in self.parts:
            group = part.groups[p.group]
            group.w, group.w_kind, group.syn = p.weight, p.w_kind, (p.weight, *group.syn[1:])
            if p.group in self.drizzled:
                part.blocks[source].weight = float(p.weight[0])


def _spread(value: Any, n: int) -> np.ndarray:
    return np.ascontiguousarray(np.broadcast_to(np.asarray(value, float), (n,)).copy())


def initial_state(population: Population, streams: Streams) -> tuple[np.ndarray, ...]:
    """Start value of every declared state of a population, membrane potential first."""
    model = population.model
    names = list(model.states("cell"))
    if isinstance(model, Model) and model.potential in names:
        names.sort(key=lambda n: n != model.potential)
    out = []
    for name in names:
        given = population.init.get(name, model.states_declared[name].init)
        if isinstance(given, Distribution):
            given = given.sample(streams.generator("init", population.name, name), len(population))
        out.append(_spread(given, len(population)))
    return tuple(out)


def _fields(names: list[str]) -> Fields:
    return Fields(*((name, -1) for name in names))


def _is_modal(model: Model, modes: Modes) -> bool:
    """Whether the engine can run a model by its modes: a state for each, and port p feeds the membrane and mode p + 1.

    Where a reset keeps the overshoot, cells of several modes are not held at v_reset.
    """
    k = modes.taus.size
    if len(model.states("cell")) != k or (k > 1 and modes.soft_reset and np.any(np.asarray(modes.t_ref) > 0.0)):
        return False
    return k == 1 or np.array_equal(modes.gains[:, 1:] != 0.0, np.eye(len(modes.gains), k - 1, dtype=bool))


def _block(
    population: Population, g0: int, states: tuple[np.ndarray, ...], streams: Streams, grid: Grid | None
) -> Struct:
    model, n = population.model, len(population)
    names = sorted(model.states("cell"), key=lambda s: s != getattr(model, "potential", None))
    span = {"g0": g0, "g1": g0 + n, "lo": 0, "hi": n}
    own = {"fields": _fields(names), "states": states}
    if isinstance(model, GivenSpikes):
        return Struct(kind=cells.GIVEN if grid is None else stepped.GRID_GIVEN, **span, **own)
    if isinstance(model, Source):
        return Struct(
            kind=cells.SOURCE if grid is None else stepped.GRID_SOURCE,
            model=model,
            **span,
            **own,
            start=tuple(s.copy() for s in states),
            next_t=np.full(n, math.inf),
            last_t=np.full(n, -1.0),
            memoryless=model.memoryless,
            fired=np.zeros(n, np.int64),
            key=np.array([streams.key("source", population.name)], np.uint64),
        )
    if grid is not None:
        return grid_block(population, {**span, **own}, streams, grid)
    assert isinstance(model, Model)
    modes = model.modes()
    if modes is None or not _is_modal(model, modes):
        return Struct(
            kind=cells.CLOSED,
            model=model,
            **span,
            **own,
            t_ref=_spread(getattr(model, model.refractory) if model.refractory else 0.0, n),
            t_last=np.zeros(n),
            held=np.zeros(n),
            start=tuple(s.copy() for s in states),
        )
    v_inf, gap = _spread(modes.v_inf, n), _spread(modes.v_thresh, n) - _spread(modes.v_inf, n)
    common = {
        **span,
        "v_inf": v_inf,
        "gap": gap,
        "v_reset": _spread(modes.v_reset, n),
        "t_ref": _spread(modes.t_ref, n),
        "soft": bool(modes.soft_reset),
    }
    k = modes.taus.size
    if k == 1 and np.all(modes.gains == 1.0):
        return Struct(
            kind=cells.ONE,
            **common,
            x=np.zeros(n),
            start=np.zeros(n),
            kept=np.zeros(n),
            tau=float(modes.taus[0]),
            end=1.0,
            uniform=bool(np.all(gap == gap[0])),
        )
    return Struct(
        kind=cells.THREE if k == 3 else cells.MANY,
        **common,
        # The last column holds the crossing that has been confirmed.
        x=np.full((n, k + 1), -1.0),
        start=np.full((n, k + 1), -1.0),
        taus=modes.taus.copy(),
        rates=1.0 / modes.taus,
        gains=np.ascontiguousarray(modes.gains),
        f=np.ones(k),
        d=np.ones(k),
        add=np.zeros(k),
    )


_MODAL = (cells.THREE, cells.MANY)


def mode_taus(block: Struct) -> list[float]:
    """Time constants (s) of a block's modes; none where the model is run by its closed form."""
    if block.kind is cells.ONE:
        return [block.tau]
    return [float(tau) for tau in block.taus] if block.kind in _MODAL else []


def load_state(block: Struct, states: tuple[np.ndarray, ...]) -> None:
    """Put state values, as the model names them, into a block whose window starts now."""
    if block.kind is cells.ONE:
        block.x[:] = states[0] - block.v_inf
        block.start[:] = block.x
    elif block.kind in _MODAL:
        # State k > 0 is a current whose potential is its gain times the current: port k - 1 feeds mode k.
        x, gains = block.x, block.gains
        rest = np.zeros(x.shape[0])
        for k in range(1, block.taus.size):
            x[:, k] = states[k] * gains[k - 1, k]
            rest += x[:, k]
        x[:, 0] = states[0] - block.v_inf - rest
        block.start[:] = x
    else:
        for own, given in zip(block.states, states, strict=True):
            own[:] = given
        if block.kind is cells.CLOSED:
            block.t_last[:] = 0.0
            block.held[:] = 0.0


def read_state(block: Struct, variable: str, names: list[str], t: float, w0: float, ids: Any) -> np.ndarray:
    """Present value of one state variable of some neurons."""
    if block.kind is cells.ONE:
        x = block.x[ids]
        held = block.kept[ids] if block.soft else block.v_reset[ids]
        return np.where(x < 0.5 * cells.HELD, held, block.v_inf[ids] + x * math.exp((w0 - t) / block.tau))
    if block.kind in _MODAL:
        x = block.x[ids, :-1] * np.exp((w0 - t) / block.taus)
        k = names.index(variable)
        if k > 0:
            return x[:, k] / block.gains[k - 1, k]
        return np.where(x[:, 0] < 0.5 * cells.HELD, block.v_reset[ids], block.v_inf[ids] + x.sum(axis=1))
    if block.kind not in (cells.CLOSED,):
        return block.states[names.index(variable)][ids].copy()
    # Any closed form: a copy of each cell is moved to the present by the model's own method.
    out = []
    for j in np.atleast_1d(np.arange(block.g1 - block.g0)[ids]):
        cell = View(block.fields, tuple(np.array([s[j]]) for s in block.states), 0, ())
        seen = seen_by(block.model, int(j))
        (seen.hold if block.held[j] else seen.advance)(cell, t - block.t_last[j])
        out.append(getattr(cell, variable))
    return np.array(out)


def plugins_of(network: Network) -> list[Plugin]:
    """Every plugin of a network."""
    rules = [p.rule for p in network.projections.values() if p.rule is not None]
    models, currents = [p.model for p in network.populations.values()], [i.current for i in network.currents]
    return [*models, *rules, *currents, *(link.pathway for link in network.credits)]


def build(
    network: Network,
    *,
    ties: str = "pre_first",
    window: float | None = None,
    grid: Grid | None = None,
    recorded: Collection[str] = (),
) -> Built:
    """Make the engine's arrays from a network's declarations.

    Parameters
    ----------
    grid : Grid, optional
        For the grid engine; None builds for the exact engine.
    recorded : names of populations whose spikes are wanted one by one

    Raises
    ------
    NetworkError, PluginError, ParameterError
        If the declarations cannot be run; nothing has been simulated yet.
    """
    network.check(on_grid=grid is not None)
    offer(advance if grid is None else advance_grid, signature(driver_type(), driver_type()))
    streams, offset = Streams(network.seed), _offsets(network)
    _try_out(network, grid)
    initial = {name: initial_state(p, streams) for name, p in network.populations.items()}
    drizzles = {} if grid is None else drizzles_of(network, recorded)
    populations = {name: driven(p) for name, p in network.populations.items()}
    by_name = {
        name: _block(p, offset[name], tuple(s.copy() for s in initial[name]), streams, grid)
        for name, p in populations.items()
    }
    _offer_blocks([b for name, b in by_name.items() if name not in drizzles])
    models = {name: p.model for name, p in populations.items()}
    injected = current_structs(network, models, streams, grid.dt if grid else 0.0)
    for name, block in by_name.items():
        load_state(block, initial[name])

    projections, row_delay, spans = _wire(network, offset, streams, grid)
    rings = make_rings(list(projections.values()), by_name)
    groups = _groups(projections, by_name, rings, grid)
    blocks = list(by_name.values())
    names = list(network.populations)
    for name, projection in drizzles.items():
        assert grid is not None
        p = projections[projection.name]
        block, count = by_name[projection.target.name], groups[p.group].count
        blocks[names.index(name)] = drizzle_block(
            projection, float(p.weight[0]), offset[name], block, count, streams, grid
        )
    blocks += rings.values()
    if grid is not None:
        # Currents follow the cells in every tick.
        blocks += injected

    engine = driver_struct(
        sizes=[len(p) for p in network.populations.values()],
        n_blocks=len(blocks),
        group_r1=[g.r1 for g in groups],
        plastic=[
            [built.group for built in projections.values() if built.projection.target is p and _learns(built.rule)]
            for p in network.populations.values()
        ],
        ringed=[
            [p.group for p in projections.values() if p.projection.source is source and p.ticks is not None]
            for source in network.populations.values()
        ],
        row_delay=row_delay,
        spans=spans,
        given=_given_spikes(network, offset, grid),
        window=_window(row_delay, window, blocks) if grid is None else grid.dt,
        on_grid=grid is not None,
        known=[grid is None and isinstance(m, Source) for m in models.values()],
        post_first=ties == "post_first",
        reads_fired=any("post.v" in p.rule.reads and _learns(p.rule) for p in projections.values()),
    )
    began = time.perf_counter()
    part = Part.of(engine, blocks, groups)
    switch = None
    if injected and not grid:
        into = dict.fromkeys(i.population.name for i in network.currents)
        switch = Switch(network, {names.index(name): models[name] for name in into}, injected)
        switch.follow([(engine, blocks)])
    compile_s = time.perf_counter() - began
    drizzled = {projections[p.name].group for p in drizzles.values()}
    return Built(network, grid, [part], offset, projections, drizzled, [] if grid else injected, switch, compile_s)


def _offsets(network: Network) -> dict[str, int]:
    """Number of the first neuron of each population."""
    offset, total = {}, 0
    for name, population in network.populations.items():
        offset[name] = total
        total += len(population)
    if total >= 2**31:
        raise NetworkError(f"The network has {total} neurons; ids are 32-bit, so at most {2**31 - 1}.")
    return offset


def _try_out(network: Network, grid: Grid | None) -> None:
    """Find out what is wrong with models, currents and pathways while it can be said in their own words."""
    for population in network.populations.values():
        dry_run(population.model)
        if grid is not None:
            check_step(population, grid.dt)
    for injection in network.currents:
        dry_run(injection.current)
    for link in network.credits:
        dry_run(link.pathway)


def _wire(
    network: Network, offset: dict[str, int], streams: Streams, grid: Grid | None
) -> tuple[dict[str, BuiltProjection], np.ndarray, list[tuple[np.ndarray, np.ndarray, np.ndarray]]]:
    """Draw the synapses of every projection.

    Returns
    -------
    projections : dict
    row_delay : (n_rows,) float64, s
        Of all rows but those of rings.
    spans : list
        Of each projection with such rows: neurons, the first row of each and one more than its last.
    """
    expected = expected_synapses(network)
    projections: dict[str, BuiltProjection] = {}
    delays, spans, n_rows = [np.zeros(0)], [], 0
    for name, projection in network.projections.items():
        rule = NoRule() if projection.rule is None else resolve_rule(projection.rule, projection.target.model)  # type: ignore[arg-type]
        dry_run(rule)
        synapses = expand(projection, streams)
        built = ring_rows(projection, synapses, rule, grid, expected)
        if built is None:
            built, delay, first = cut_rows(projection, synapses, rule, grid)
            gids = offset[projection.source.name] + np.arange(len(projection.source))
            spans.append((gids, n_rows + first[:-1], n_rows + first[1:]))
            delays.append(delay)
            n_rows += delay.size
        built.group = len(projections)
        projections[name] = built
    return projections, np.concatenate(delays), spans


def _groups(
    projections: dict[str, BuiltProjection], by_name: dict[str, Struct], rings: dict[Any, Struct], grid: Grid | None
) -> list[Struct]:
    """The structs of all projections, whose rows are counted on from one to the next."""
    groups: list[Struct] = []
    r0 = 0
    for p in projections.values():
        ring, learner = rings.get(p.end), p.projection.teaches
        block = by_name[p.end[0]]
        if learner is not None:
            kind = rows.TEACHING if grid is None else rows.TEACHING_GRID
            block = Struct(kind=kind, learner=groups[projections[learner.name].group])
        groups.append(group_struct(p, block, r0) if p.ticks is None or ring is None else ring_group(p, ring, r0))
        r0 = groups[-1].r1
    return groups


def _given_spikes(network: Network, offset: dict[str, int], grid: Grid | None) -> tuple[np.ndarray, np.ndarray]:
    """Times (s, or ticks) and neurons of all spikes that sources are given, in order."""
    times, ids = [np.zeros(0)], [np.zeros(0, np.int32)]
    for name, population in network.populations.items():
        if isinstance(population.model, GivenSpikes):
            own, t = population.model.spikes
            if own.size and (own.min() < 0 or own.max() >= len(population)):
                raise NetworkError(
                    f"SpikeTimes of population {name!r} names neuron "
                    f"{own.max() if own.max() >= len(population) else own.min()}; it has {len(population)} neurons, 0 "
                    f"to {len(population) - 1}."
                )
            times.append(t)
            ids.append((own.astype(np.int64) + offset[name]).astype(np.int32))
    t, i = np.concatenate(times), np.concatenate(ids)
    if grid is not None:
        t = grid.holding(t)
    order = np.lexsort((i, t))
    return t[order], i[order]


def _window(row_delay: np.ndarray, asked: float | None, blocks: list[Struct]) -> float:
    """Length of a window of continuous time (s)."""
    window = asked
    if window is None:
        positive = row_delay[row_delay > 0]
        # The shortest delay, so that arrivals are known when a window opens, within what keeps predictions cheap.
        window = float(np.clip(positive.min(), 0.25e-3, 2e-3)) if positive.size else 5e-3
    # Values are projected back to the window's start by exp(window / tau): far more than 20 time constants would
    # overflow, or pass for the mark of a refractory cell.
    shortest = min((tau for block in blocks for tau in mode_taus(block)), default=math.inf)
    return _few_digits(min(window, 20.0 * shortest))


def _few_digits(window: float) -> float:
    """The longest window of 20 binary digits that is not longer.

    Times at which windows begin are then not rounded, and where no delay is shorter than a window, no spike arrives in
    the one that it was fired in because its arrival was.
    """
    digits, exponent = math.frexp(window)
    return math.ldexp(math.floor(math.ldexp(digits, 20)), exponent - 20)


def _learns(rule: Rule) -> bool:
    return rule.overrides("on_post") or rule.overrides("post_spike")


def start(built: Built) -> None:
    """Draw the first spike of every source, and set injected currents."""
    built.links[0].every(cells.RESET)
    if built.switch is not None:
        built.switch.start()
