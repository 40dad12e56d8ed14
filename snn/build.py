"""From declarations to the flat arrays that the engine runs on."""

from __future__ import annotations

import math
import sys
import time
import traceback
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .connect import OneToOne, Synapses, expand
from .current import Switch, current_structs, driven
from .engine import cells, currents, rows, stepped
from .engine.jit import bind
from .engine.rng import poisson_table
from .engine.struct import Links, Struct, table
from .engine.types import Fields, View, at
from .errors import NetworkError, ParameterError, PluginError
from .network import Network, Population, Projection
from .plugin import Credit, Current, GivenSpikes, Model, Plugin, Rule, Source
from .random import Distribution, Streams
from .stability import check_step


class NoRule(Rule):
    """Stands for "no plasticity": it has no hooks, so the engine compiles none."""


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
        value = model.params().get(wanted)
        if not isinstance(value, float):
            has = "has it per neuron" if isinstance(value, np.ndarray) else "has no such parameter"
            raise PluginError(
                f"{type(rule).__name__}.{name} is taken from {type(model).__name__}.{wanted}, but the model {has}. "
                f"Give {type(rule).__name__}({name}=...)."
            )
        values[name] = value
    # Always a copy: what a simulator changes does not reach the declaration.
    return rule.replace(**values)


def _call(plugin: Plugin, name: str, *args: Any) -> Any:
    """Call a method in plain Python; an undeclared name becomes an error in the user's own line."""
    try:
        return getattr(plugin, name)(*args)
    except (AttributeError, NameError, TypeError) as error:
        frame = traceback.extract_tb(sys.exc_info()[2])[-1]
        own = [f for f in traceback.extract_tb(sys.exc_info()[2]) if f.name == name]
        frame = own[-1] if own else frame
        raise PluginError(
            f"{type(plugin).__name__}.{name} ({frame.filename}:{frame.lineno}) does not run: {error}. "
            f"Declare it with state(...) or param(...), or correct the name."
        ) from error


def _record(plugin: Plugin, kind: str, *extra: str) -> View:
    names = [*extra, *plugin.states(kind)]
    inits = [plugin.states_declared[n].init if n in plugin.states_declared else 0.5 for n in names]
    return View(Fields(*((n, -1) for n in names)), tuple(np.array([x]) for x in inits), 0, ())


def dry_run(plugin: Plugin) -> None:
    """Call every method of a plugin once in plain Python on made-up records, before anything is compiled.

    Raises
    ------
    PluginError
        Naming the method, file and line that reads or writes something undeclared.
    """
    if isinstance(plugin, Rule):
        v = ("v",) if "post.v" in plugin.reads else ()
        syn, pre, post = _record(plugin, "syn", "w"), _record(plugin, "pre"), _record(plugin, "post", *v)
        for name, args in {
            "on_pre": (syn, pre, post, 0.0),
            "on_post": (syn, pre, _record(plugin, "post"), 0.0),
            "pre_spike": (pre, 0.0),
            "post_spike": (_record(plugin, "post"), 0.0),
            "on_signal": (syn, pre, _record(plugin, "post"), 0.5, 0.0),
            "on_end": (syn, pre, _record(plugin, "post"), 0.0),
            "on_teach": (_record(plugin, "post"), 0.5, 0.0),
            "gain": (_record(plugin, "post"), 0.0),
        }.items():
            if plugin.overrides(name):
                _call(plugin, name, *args)
    elif isinstance(plugin, (Model, Source)):
        seen = at(plugin, 0) if plugin.per_neuron() else plugin
        cell = _record(plugin, "cell")
        try:
            if isinstance(plugin, Model):
                for name, args in (
                    ("step", (cell, 1e-5)),
                    ("noise", (cell, 1e-5, 0.5)),
                    ("hazard", (cell,)),
                    ("advance", (cell, 1e-3)),
                    ("receive", (cell, 0, 0.0)),
                    ("hold", (cell, 1e-3)),
                    ("receive_held", (cell, 0, 0.0)),
                    ("time_to_threshold", (cell,)),
                    ("above", (cell,)),
                    ("fire", (cell,)),
                ):
                    # A model has a closed form, a step, or both.
                    if hasattr(type(plugin), name) or name in ("receive", "fire"):
                        _call(seen, name, *args)
            elif not isinstance(plugin, GivenSpikes):
                _call(seen, "next_spike", cell, -1.0, 0.5)
        except PluginError as error:
            raise PluginError(str(error).replace("PluginAt", type(plugin).__name__)) from error
    elif isinstance(plugin, Credit):
        _call(plugin, "feedback", 0.5, 0.5)
        for name, args in (
            ("learn", (0.5, 0.5, 0.5)),
            ("mirror", (0.5, 0.5, 0.5)),
            ("perturb", (0.5,)),
            ("expect", (0.5, 0.5)),
        ):
            if plugin.overrides(name):
                _call(plugin, name, *args)
    elif isinstance(plugin, Current):
        _call(at(plugin, 0) if plugin.per_neuron() else plugin, "value", _record(plugin, "cell"), 0.0, 1e-4, 0.5)


@dataclass
class BuiltProjection:
    """Where a projection's synapses are: its group, and the order in which the user sees them."""

    projection: Projection
    rule: Rule
    group: int
    row_source: np.ndarray
    ptr: np.ndarray
    target: np.ndarray
    """Of every synapse in the engine's order; empty where dense."""
    weight: np.ndarray
    """One for the projection, one for each row or one for each synapse: as `w_kind` says."""
    w_kind: int
    order: np.ndarray | None
    """weights()[order] is the engine's order; None where both agree."""
    dense: bool

    @property
    def n_synapses(self) -> int:
        return int(self.ptr[-1])

    def _as_declared(self, values: np.ndarray) -> np.ndarray:
        if self.order is None:
            return values
        out = np.empty_like(values)
        out[self.order] = values
        return out

    def sources_targets(self) -> tuple[np.ndarray, np.ndarray]:
        """Source and target of every synapse in the user's order, sorted by (source, target)."""
        if self.dense:
            n_pre, n_post = len(self.projection.source), len(self.projection.target)
            return np.repeat(np.arange(n_pre), n_post), np.tile(np.arange(n_post), n_pre)
        source = np.repeat(self.row_source, np.diff(self.ptr))
        return self._as_declared(source), self._as_declared(self.target.astype(np.int64))

    def by_synapse(self) -> np.ndarray:
        """The weight of every synapse in the engine's order; a view where that is how they are kept."""
        if self.w_kind == rows.BY_SYNAPSE:
            return self.weight
        if self.w_kind == rows.BY_ROW:
            return np.repeat(self.weight, np.diff(self.ptr))
        return np.full(self.n_synapses, self.weight[0])

    def weights(self) -> np.ndarray:
        """A copy of the weights in the user's order, float64 (n_synapses,)."""
        return self._as_declared(self.by_synapse().astype(float))


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
    engine: Struct
    grid: Grid | None
    blocks: list[Struct]
    groups: list[Struct]
    links: tuple[Links, ...]
    offset: dict[str, int]
    projections: dict[str, BuiltProjection]
    currents: list[Struct]
    switch: Switch | None
    """Changes injected currents on the exact engine."""
    compile_s: float
    """Time that kernels have taken to compile, or to be read from disk."""
    pathways: dict[str, Pathway] = field(default_factory=dict)
    """What credit links have learned, by name; made when learning begins."""
    _bound: dict[Any, Any] = field(default_factory=dict)

    def call(self, entry: Any, *arguments: Any) -> Any:
        """Run a compiled entry on this network's engine; argument types must be the same at each call."""
        if entry not in self._bound:
            began = time.perf_counter()
            self._bound[entry] = bind(entry, self.engine, *arguments)
            self.compile_s += time.perf_counter() - began
        return self._bound[entry](self.engine, *arguments)

    def refresh(self) -> None:
        """Let kernels see what has been changed in rules and models."""
        for struct in (*self.blocks, *self.groups, *self.currents):
            struct.refresh()

    def settle(self) -> None:
        """Bring every weight up to date."""
        self.links[1].every(rows.SETTLE)


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
        nearest = np.rint(ticks)
        off = np.abs(ticks - nearest) > 1e-6 * np.maximum(1.0, ticks)
        if off.any() and not self.round_delays:
            bad, near = np.atleast_1d(ticks)[np.atleast_1d(off)][0], np.atleast_1d(nearest)[np.atleast_1d(off)][0]
            raise ParameterError(
                f"{where} of {bad * self.dt:g} s is {bad:g} time steps of {self.dt:g} s; the nearest is "
                f"{near * self.dt:g} s. Choose dt to divide it, or give Simulator(..., round_delays=True)."
            )
        return nearest


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


def _drizzles(network: Network, recorded: Collection[str]) -> dict[str, Projection]:
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
            and isinstance(out[0].weight, float)
            and population.model.start == 0.0  # type: ignore[union-attr]
        ):
            found[name] = out[0]
    return found


def _grid_block(population: Population, common: dict[str, Any], streams: Streams, grid: Grid) -> Struct:
    model, n = population.model, len(population)
    assert isinstance(model, Model)
    t_ref = getattr(model, model.refractory) if model.refractory else 0.0
    ticks = grid.ticks(f"{type(model).__name__}.{model.refractory} of population {population.name!r}:", t_ref)
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
        n_held=0,
        n_fired=0,
        input=stepped.KEPT if model.receives_while_held else stepped.OWN if own else stepped.LOST,
        threshold=bool(model.threshold),
        noisy=hasattr(model, "noise"),
        escapes=hasattr(model, "hazard"),
        key=np.array([streams.key("noise", population.name)], np.uint64),
    )


def _block(
    population: Population, g0: int, states: tuple[np.ndarray, ...], streams: Streams, grid: Grid | None
) -> Struct:
    model, n = population.model, len(population)
    names = sorted(model.states("cell"), key=lambda s: s != getattr(model, "potential", None))
    span = {"g0": g0, "g1": g0 + n}
    own = {"fields": _fields(names), "states": states}
    if isinstance(model, GivenSpikes):
        return Struct(kind=cells.GIVEN, **span, **own)
    if isinstance(model, Source):
        return Struct(
            kind=cells.SOURCE if grid is None else stepped.GRID_SOURCE,
            model=model,
            **span,
            **own,
            start=tuple(s.copy() for s in states),
            next_t=np.full(n, math.inf),
            last_t=np.full(n, -1.0),
            fired=np.zeros(n, np.int64),
            key=np.array([streams.key("source", population.name)], np.uint64),
        )
    if grid is not None:
        return _grid_block(population, {**span, **own}, streams, grid)
    assert isinstance(model, Model)
    modes = model.modes()
    if modes is None:
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
        seen = at(block.model, int(j))
        (seen.hold if block.held[j] else seen.advance)(cell, t - block.t_last[j])
        out.append(getattr(cell, variable))
    return np.array(out)


def _group(built: BuiltProjection, block: Struct, r0: int, log: int = 4096) -> Struct:
    projection, rule = built.projection, built.rule
    n_rows, n_post, n_syn = built.ptr.size - 1, len(projection.target), built.n_synapses
    dtype = np.dtype(projection.dtype)
    plastic = not isinstance(rule, NoRule)
    reads_v = "post.v" in rule.reads

    def decaying(kind: str) -> tuple[Fields, tuple[float, ...], np.ndarray]:
        fields: list[tuple[str, int]] = []
        taus: list[float] = []
        every: list[float] = []
        for name, st in rule.states(kind).items():
            tau = float(getattr(rule, st.decay)) if st.decay else math.inf
            fields.append((name, len(taus) if st.decay else -1))
            taus += [tau] if st.decay else []
            every.append(tau)
        return Fields(*fields), tuple(taus), np.array(every, float)

    f_pre, taus_pre, every_pre = decaying("pre")
    f_post, taus_post, every_post = decaying("post")
    # Potentials of the targets, and the stack on which a row sorts the log: at most one entry for each logged spike.
    v = np.zeros(max(n_post, log + 1) if plastic else 1)
    if reads_v:
        f_post = Fields(*f_post.fields, ("v", -1))
        every_post = np.append(every_post, math.inf)
    syn, pre, post = rule.states("syn"), rule.states("pre"), rule.states("post")
    size = (n_rows, n_post, n_syn) if plastic else (0, 0, 0)
    n_log = log if plastic else 1
    return Struct(
        kind=rows.DENSE if built.dense else rows.SPARSE,
        rule=rule,
        block=block,
        port=projection.target.model.ports.index(projection.port),  # type: ignore[union-attr]
        r0=r0,
        r1=r0 + n_rows,
        ptr=built.ptr,
        tgt=built.target,
        w=built.weight,
        w_kind=built.w_kind,
        f_syn=Fields(("w", -1), *((name, -1) for name in syn)),
        syn=(built.weight, *(np.full(size[2], st.init, dtype) for st in syn.values())),
        f_pre=f_pre,
        pre=tuple(np.full(size[0], st.init) for st in pre.values()),
        f_post=f_post,
        post=(*(np.full(size[1], st.init) for st in post.values()), *((v,) if reads_v else ())),
        taus_pre=taus_pre,
        taus_post=taus_post,
        every_pre=every_pre,
        every_post=every_post,
        init_pre=np.array([st.init for st in pre.values()]),
        init_post=np.array([st.init for st in post.values()] + [0.0] * reads_v),
        tau_min=min([math.inf, *taus_pre, *taus_post]),
        t0=0.0,
        reads_v=reads_v,
        v=v,
        log_n=0,
        log_t=np.zeros(n_log),
        log_j=np.zeros(n_log, np.int32),
        log_prev=np.zeros(n_log, np.int32),
        log_g=np.zeros((n_log, max(1, len(taus_pre)))),
        log_post=tuple(np.zeros(log) for _ in post),
        f_log=_fields(list(post)),
        last=np.full(size[1], -1, np.int32),
        cursor=np.zeros(size[0], np.int32),
        active=np.zeros(size[0], np.uint8),
        active_rows=np.zeros(size[0], np.int32),
        n_active=0,
        count=np.zeros(6, np.int64),
        signal=np.zeros(n_post if rule.needs_signal else 0),
        delta=np.zeros(0),
    )


def _compact(weight: np.ndarray, ptr: np.ndarray) -> tuple[np.ndarray, int]:
    """Weights that never change, kept once for the projection or for each row where that says it all."""
    changes = np.flatnonzero(weight[1:] != weight[:-1]) + 1
    if changes.size == 0 and weight.size:
        return weight[:1].copy(), rows.ALIKE
    if weight.size >= 4 * ptr.size and changes.size < ptr.size and np.isin(changes, ptr).all():
        return np.append(weight, weight[:1])[ptr[:-1]], rows.BY_ROW
    return weight, rows.BY_SYNAPSE


def _rows(
    projection: Projection, synapses: Synapses, rule: Rule, grid: Grid | None
) -> tuple[BuiltProjection, np.ndarray, np.ndarray]:
    """Cut a projection into rows; returns it with each row's delay and the number of the first row of each source.

    Delays are in seconds, or in ticks of the grid.
    """
    if grid is not None:
        ticks = grid.ticks(f"The delay of projection {projection.name!r}", synapses.delay)
        synapses.delay = float(ticks) if isinstance(synapses.delay, float) else ticks
    n_pre, n_post = len(projection.source), len(projection.target)
    dtype = np.dtype(projection.dtype)
    order = None
    dense = synapses.dense and isinstance(synapses.delay, float)
    n_syn = n_pre * n_post if synapses.dense else synapses.target.size
    plastic = not isinstance(rule, NoRule)
    if isinstance(synapses.weight, np.ndarray):
        weight, w_kind = np.ascontiguousarray(synapses.weight, dtype), rows.BY_SYNAPSE
    elif plastic:
        weight, w_kind = np.full(n_syn, synapses.weight, dtype), rows.BY_SYNAPSE
    else:
        weight, w_kind = np.array([synapses.weight], dtype), rows.ALIKE
    if dense:
        ptr = np.arange(n_pre + 1, dtype=np.int64) * n_post
        delay = np.full(n_pre, synapses.delay)
        row_source = np.arange(n_pre)
        target = np.zeros(0, np.uint32)
    else:
        if synapses.dense or synapses.ptr is None:
            fan_out = np.full(n_pre, n_post) if synapses.dense else np.bincount(synapses.source, minlength=n_pre)
        else:
            fan_out = np.diff(synapses.ptr)
        target = np.tile(np.arange(n_post, dtype=np.uint32), n_pre) if synapses.dense else synapses.target
        if isinstance(synapses.delay, float):
            # Sources without synapses have no row: their spikes have nowhere to arrive.
            row_source = np.flatnonzero(fan_out)
            ptr = np.r_[0, np.cumsum(fan_out[row_source])]
            delay = np.full(row_source.size, synapses.delay)
        else:
            source = np.repeat(np.arange(n_pre, dtype=np.int32), fan_out)
            order = np.lexsort((target, synapses.delay, source))
            target, delays = target[order], synapses.delay[order]
            starts = np.r_[True, (np.diff(source) != 0) | (np.diff(delays) != 0)] if n_syn else np.zeros(0, bool)
            new = np.flatnonzero(starts)
            ptr = np.r_[new, n_syn].astype(np.int64)
            delay, row_source = delays[new], source[new].astype(np.int64)
            if w_kind == rows.BY_SYNAPSE:
                weight = weight[order]
        target = np.ascontiguousarray(target).view(np.uint32)
        if not plastic and w_kind == rows.BY_SYNAPSE:
            weight, w_kind = _compact(weight, ptr)
    built = BuiltProjection(projection, rule, -1, row_source, ptr, target, weight, w_kind, order, dense)
    first = np.searchsorted(row_source, np.arange(n_pre + 1)).astype(np.int64)
    return built, delay, first


def _queues(capacity: int, n_rec: int) -> dict[str, np.ndarray]:
    """The engine's queues that may have to grow."""

    def times(n: int) -> np.ndarray:
        return np.zeros(n)

    def ids(n: int) -> np.ndarray:
        return np.zeros(n, np.int32)

    return {
        "pool_t": times(capacity), "pool_r": ids(capacity), "pool_end": ids(capacity), "pool_next": ids(capacity),
        "free": np.arange(capacity, dtype=np.int32),
        "cur_t": times(capacity), "cur_r": ids(capacity), "side_t": times(capacity), "side_r": ids(capacity),
        "src_t": times(capacity), "src_i": ids(capacity), "tmp_t": times(capacity), "tmp_i": ids(capacity),
        "pending_r": ids(capacity), "due": ids(capacity), "buckets": np.zeros(capacity + 2, np.int64),
        "rec_t": times(n_rec), "rec_i": ids(n_rec),
    }  # fmt: skip


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
    streams = Streams(network.seed)
    offset, total = {}, 0
    for name, population in network.populations.items():
        offset[name] = total
        total += len(population)
        dry_run(population.model)
        if grid is not None:
            check_step(population, grid.dt)
    for injection in network.currents:
        dry_run(injection.current)
    if total >= 2**31:
        raise NetworkError(f"The network has {total} neurons; ids are 32-bit, so at most {2**31 - 1}.")
    initial = {name: initial_state(p, streams) for name, p in network.populations.items()}
    drizzles = {} if grid is None else _drizzles(network, recorded)
    populations = {name: driven(p) for name, p in network.populations.items()}
    blocks = [
        _block(p, offset[name], tuple(s.copy() for s in initial[name]), streams, grid)
        for name, p in populations.items()
    ]
    models = {name: p.model for name, p in populations.items()}
    injected = current_structs(network, models, streams, grid.dt if grid else 0.0)
    by_name = dict(zip(network.populations, blocks, strict=True))
    for name, block in by_name.items():
        load_state(block, initial[name])

    projections: dict[str, BuiltProjection] = {}
    groups: list[Struct] = []
    delays, spans, r0 = [], [], 0
    for name, projection in network.projections.items():
        rule = NoRule() if projection.rule is None else resolve_rule(projection.rule, projection.target.model)  # type: ignore[arg-type]
        dry_run(rule)
        built, delay, first = _rows(projection, expand(projection, streams), rule, grid)
        built.group = len(groups)
        block = by_name[projection.target.name]
        if projection.teaches is not None:
            block = Struct(kind=rows.TEACHING, learner=groups[projections[projection.teaches.name].group])
        groups.append(_group(built, block, r0))
        delays.append(delay)
        spans.append(
            (offset[projection.source.name] + np.arange(len(projection.source)), r0 + first[:-1], r0 + first[1:])
        )
        r0 += delay.size
        projections[name] = built
    for link in network.credits:
        dry_run(link.pathway)
    names = list(network.populations)
    for name, projection in drizzles.items():
        assert grid is not None
        model: Any = network.populations[name].model
        mean = np.atleast_1d(np.asarray(model.rate * grid.dt, float)).copy()
        if mean.max() > 700.0:
            raise ParameterError(
                f"Poisson.rate of population {name!r} is {mean.max() / grid.dt:g} Hz, more than 700 spikes in a time "
                f"step of {grid.dt:g} s. Choose a shorter dt."
            )
        cumulated, guide = poisson_table(float(mean[0]))
        blocks[names.index(name)] = Struct(
            kind=stepped.DRIZZLE,
            g0=offset[name],
            g1=offset[name] + len(projection.source),
            fields=Fields(),
            states=(),
            target=by_name[projection.target.name],
            port=projection.target.model.ports.index(projection.port),  # type: ignore[union-attr]
            weight=float(projections[projection.name].weight[0]),
            mean=mean,
            cumulated=cumulated,
            guide=guide,
            key=np.array([streams.key("source", name)], np.uint64),
            count=groups[projections[projection.name].group].count,
        )

    row_delay = np.concatenate(delays) if delays else np.zeros(0)
    gid = np.concatenate([s[0] for s in spans]) if spans else np.zeros(0, np.int64)
    begin = np.concatenate([s[1] for s in spans]) if spans else np.zeros(0, np.int64)
    end = np.concatenate([s[2] for s in spans]) if spans else np.zeros(0, np.int64)
    order = np.argsort(gid, kind="stable")
    out_ptr = np.searchsorted(gid[order], np.arange(total + 1)).astype(np.int64)
    fan = np.bincount(gid, weights=end - begin, minlength=total) if gid.size else np.zeros(total)
    max_rows = int(fan.max()) if total else 0

    given = [
        (p.model.spikes[1], p.model.spikes[0].astype(np.int64) + offset[name], name, len(p), p.model.spikes[0])
        for name, p in network.populations.items()
        if isinstance(p.model, GivenSpikes)
    ]
    for _, _, name, size, ids in given:
        if ids.size and (ids.min() < 0 or ids.max() >= size):
            raise NetworkError(
                f"SpikeTimes of population {name!r} names neuron {ids.max() if ids.max() >= size else ids.min()}; "
                f"it has {size} neurons, 0 to {size - 1}."
            )
    given_t = np.concatenate([g[0] for g in given]) if given else np.zeros(0)
    given_i = np.concatenate([g[1] for g in given]).astype(np.int32) if given else np.zeros(0, np.int32)
    by_time = np.lexsort((given_i, given_t))

    if grid is not None:
        window = grid.dt
    elif window is None:
        positive = row_delay[row_delay > 0]
        # The shortest delay, so that arrivals are known when a window opens, within what keeps predictions cheap.
        window = float(np.clip(positive.min(), 0.25e-3, 2e-3)) if positive.size else 5e-3
    # Values are projected back to the window's start by exp(window / tau): far more than 20 time constants would
    # overflow, or pass for the mark of a refractory cell.
    shortest = min((tau for block in blocks for tau in mode_taus(block)), default=math.inf)
    if grid is None:
        window = min(window, 20.0 * shortest)
    slots = float(row_delay.max(initial=0.0)) / (window if grid is None else 1.0)
    bins = 1 << (math.ceil(slots) + 1).bit_length()
    if grid is not None:
        # As Brian2 finds the step of a time: a little slack for products like 3 * 0.1 ms.
        given_t = np.floor(given_t / grid.dt + 1e-3)
    branches = np.bincount(gid, minlength=total) if gid.size else np.zeros(total, int)
    plastic = [
        [built.group for built in projections.values() if built.projection.target is p and _learns(built.rule)]
        for p in network.populations.values()
    ]
    capacity = max(1024, 2 * max_rows + 16)
    engine = Struct(
        now=0.0, w0=0.0, w1=0.0, last_w0=0.0, pending_t=0.0, h=window, per_h=1.0 / window, phase=0, window=0,
        n_cross=0, i_open=0, n_open=0, n_release=0, i_rest=0, n_rest=0, n_side=0, i_cur=0, n_cur=0, n_free=capacity,
        n_rec=0, i_given=0, given_shift=0.0, n_pending=0, i_src=0, n_src=0,
        post_first=ties == "post_first", watching=False, frozen=False,
        max_rows=max_rows, max_spans=int(branches.max(initial=0)),
        n_blocks=len(blocks), n_groups=len(groups),
        block_of=np.repeat(np.arange(len(blocks), dtype=np.int32), [len(p) for p in network.populations.values()]),
        block_g0=np.array([b.g0 for b in blocks], np.int64),
        group_r1=np.array([g.r1 for g in groups], np.int64),
        plastic_ptr=np.cumsum([0, *map(len, plastic)]).astype(np.int64),
        plastic=np.array([g for some in plastic for g in some], np.int64),
        block_kernels=table(len(blocks)), blocks=table(len(blocks)),
        group_kernels=table(len(groups)), groups=table(len(groups)),
        row_delay=row_delay, out_ptr=out_ptr,
        out_r0=begin[order].astype(np.int64), out_r1=end[order].astype(np.int64),
        given_t=given_t[by_time], given_i=given_i[by_time],
        counts=np.zeros(total, np.int64), next_t=np.full(total, math.inf),
        watch_row=np.zeros(row_delay.size, np.uint8), watch_cell=np.zeros(total, np.uint8),
        bin_head=np.full(bins, -1, np.int32), bin_tail=np.full(bins, -1, np.int32),
        cross_t=np.zeros(total), cross_i=np.zeros(total, np.int32), cross_at=np.full(total, -1, np.int32),
        open_t=np.zeros(total), open_i=np.zeros(total, np.int32),
        open_tmp_t=np.zeros(total), open_tmp_i=np.zeros(total, np.int32), open_buckets=np.zeros(total + 2, np.int64),
        rel_t=np.zeros(total + 1), rel_i=np.zeros(total + 1, np.int32),
        rest_t=np.zeros(total + 1), rest_i=np.zeros(total + 1, np.int32),
        tick=0, bad=-1, n_fired=0, fired=np.zeros(2 * total + 1024, np.int32),
        due_ptr=np.zeros(len(groups) + 1, np.int64),
        **_queues(capacity, max(65536, 4 * total + 2048)),
    )  # fmt: skip
    began = time.perf_counter()
    # On the grid currents follow the cells in every tick.
    alongside = injected if grid else []
    block_kernels = [(cells.BLOCKS | stepped.BLOCKS)[b.kind.name] for b in blocks]
    links = (
        Links([*block_kernels, *[currents.current_block] * len(alongside)], [*blocks, *alongside], engine),
        Links([rows.group] * len(groups), groups, engine),
    )
    engine.block_kernels, engine.blocks = links[0].kernels, links[0].structs
    engine.group_kernels, engine.groups = links[1].kernels, links[1].structs
    engine.n_blocks = len(links[0].alive)
    switch = None
    if injected and not grid:
        into = dict.fromkeys(i.population.name for i in network.currents)
        switch = Switch(network, engine, [(models[name], by_name[name]) for name in into], injected)
    compile_s = time.perf_counter() - began
    return Built(network, engine, grid, blocks, groups, links, offset, projections, injected, switch, compile_s)


def _learns(rule: Rule) -> bool:
    return rule.overrides("on_post") or rule.overrides("post_spike")


def grow(built: Built) -> None:
    """Double the engine's queues after it has asked for room."""
    e = built.engine
    size = e.pool_t.size
    for name, larger in _queues(2 * size, e.rec_t.size).items():
        old = getattr(e, name)
        larger[: old.size] = old
        setattr(e, name, larger)
    n = e.n_free
    e.free[n : n + size] = np.arange(size, 2 * size)
    e.n_free = n + size


def start(built: Built) -> None:
    """Draw the first spike of every source, and set injected currents."""
    built.links[0].every(cells.RESET)
    if built.switch is not None:
        built.switch.start()
