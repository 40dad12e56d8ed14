"""What plugin authors need: the plain-Python twin of the engine, and certificates for rules and models.

    from snn.testing import check_rule
    def test_rule():
        check_rule(SoftSTDP)

The twin runs a declared network with one event queue and the plugins' own uncompiled methods. It is slow and written
to be read: where the compiled engine and the twin differ, the engine is wrong.
"""

from __future__ import annotations

import ast
import heapq
import inspect
import math
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .errors import NetworkError, ParameterError, PluginError, SimulationError, SnnError
from .plugin import Credit, GivenSpikes, Model, Modes, Plugin, Rule, Source, param, state
from .units import Hz, ms

# What a rule that reads the potential sees while the cell is refractory: below every threshold.
HELD = -1e30

# Kinds of events in their order within one instant.
_RELEASE, _SOURCE, _ARRIVAL, _CROSSING, _DEFERRED = range(5)

# What is counted by projection.
_COUNTED = ("rows", "deliveries", "lost", "on_pre", "on_post")

# More spikes of one neuron at one instant than any reset can explain.
_MOST_AT_ONCE = 10_000


class Record:
    """One neuron's or synapse's declared state as plain floats, refusing every name that is not declared.

    Parameters
    ----------
    owner : str
        Class that declared the state, for messages.
    kind : str
        What its methods call this record: cell, syn, pre or post.
    values : dict of float
        Every field with its value at time 0.
    taus : dict of float, optional
        Time constants (s) of the fields that decay by themselves. Such a field is
        value(t) = value(t_last) exp(-(t - t_last) / tau), t_last being the time it was last written.
    single : bool
        Whether "syn" fields are kept in single precision, as in a projection with dtype="float32".
    """

    __slots__ = ("_kind", "_last", "_now", "_owner", "_shown", "_single", "_start", "_taus", "_values")

    _owner: str
    _kind: str
    _single: bool
    _taus: dict[str, float]
    _last: dict[str, float]
    _now: float
    _shown: dict[str, float]
    _values: dict[str, float]
    _start: dict[str, float]

    def __init__(
        self, owner: str, kind: str, values: Mapping[str, float], taus: Mapping[str, float] | None = None,
        single: bool = False,
    ) -> None:  # fmt: skip
        put = object.__setattr__
        put(self, "_owner", owner)
        put(self, "_kind", kind)
        put(self, "_single", single)
        put(self, "_taus", dict(taus or {}))
        put(self, "_last", dict.fromkeys(self._taus, 0.0))
        put(self, "_now", 0.0)
        put(self, "_shown", {})
        put(self, "_values", {})
        put(self, "_start", dict(values))
        for name, value in values.items():
            self._values[name] = self._rounded(value)

    def at(self, t: float) -> Record:
        """The same record with its decaying fields seen at time `t` (s)."""
        object.__setattr__(self, "_now", t)
        return self

    def show(self, name: str, value: float | None) -> None:
        """Let methods read a value that is not part of the record; None takes it away again."""
        if value is None:
            self._shown.pop(name, None)
        else:
            self._shown[name] = float(value)

    def values(self) -> dict[str, float]:
        """Every field's present value."""
        return {name: getattr(self, name) for name in self._values}

    def copy(self) -> Record:
        """An independent record with the same present values."""
        other = Record(self._owner, self._kind, self._values, self._taus, self._single)
        other._last.update(self._last)
        other._start.update(self._start)
        return other.at(self._now)

    def fresh(self) -> Record:
        """A record as this one was at time 0."""
        return Record(self._owner, self._kind, self._start, self._taus, self._single)

    def _rounded(self, value: Any) -> float:
        return float(np.float32(value)) if self._single else float(value)

    def _unknown(self, name: str) -> PluginError:
        return PluginError(
            f"{self._owner} uses {self._kind}.{name}, which is not declared. "
            f"Declared: {', '.join(self._values) or 'nothing'}. Add {name} = state({self._kind!r}) to the class."
        )

    def __getattr__(self, name: str) -> float:
        if name.startswith("__"):
            raise AttributeError(name)
        if name in self._shown:
            return self._shown[name]
        if name not in self._values:
            raise self._unknown(name)
        tau = self._taus.get(name, math.inf)
        return self._values[name] * math.exp(-(self._now - self._last.get(name, self._now)) / tau)

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in self._values:
            raise self._unknown(name)
        self._values[name] = self._rounded(value)
        if name in self._taus:
            self._last[name] = self._now

    def __repr__(self) -> str:
        return f"{self._kind}({', '.join(f'{name}={value!r}' for name, value in self.values().items())})"


@dataclass
class TwinResult:
    """What a run of the twin did.

    Parameters
    ----------
    spikes : list of (float, str, int)
        Time (s), population and neuron of every spike, in the order in which they happened.
    weights : dict of (n_syn,) float
        Weights at the end by projection, in order of (source, target).
    states : dict of dict
        By population and variable: (n,) values at the end, or (n_t, n) where times were asked for.
    synapses : dict of dict
        By projection and variable: (n_syn,) "syn" states of the rule at the end.
    counts : dict of dict
        ``spikes`` by population; by projection ``rows`` (a spike reaching one delay group), ``deliveries``
        (synapses reached), ``lost`` (deliveries to refractory cells), ``on_pre`` and ``on_post`` (calls).
    """

    spikes: list[tuple[float, str, int]]
    weights: dict[str, np.ndarray]
    states: dict[str, dict[str, np.ndarray]]
    synapses: dict[str, dict[str, np.ndarray]]
    counts: dict[str, dict[str, int]]

    def times(self, population: str, neuron: int | None = None) -> np.ndarray:
        """Spike times (s) of a population or of one of its neurons, in order."""
        return np.array([t for t, name, i in self.spikes if name == population and neuron in (None, i)], dtype=float)


@dataclass
class _Cell:
    """A neuron: its plugin with its own parameter values, its record, and when the record was last brought up."""

    population: str
    index: int
    plugin: Any
    record: Record
    t_last: float = 0.0
    t_release: float = -math.inf
    held: bool = False
    version: int = 0
    t_spike: float = -math.inf
    at_once: int = 0
    drawn: int = 0


@dataclass
class _Row:
    """The synapses of one source neuron that share a delay, in order of target, and their presynaptic record."""

    source: int
    delay: float
    synapses: list[int]
    pre: Record
    carried: bool = False


@dataclass
class _Path:
    """A projection laid out plainly."""

    name: str
    index: int
    source: str
    target: str
    port: int
    rule: Rule | None
    targets: np.ndarray
    syn: list[Record]
    rows: dict[int, list[_Row]]
    row_of: list[_Row]
    incoming: list[list[int]]
    post: list[Record]
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))


def resolved_rule(rule: Rule, model: Model) -> Rule:
    """The rule with the parameters that it inherits from the postsynaptic model filled in."""
    inherited = {}
    for name, declared in rule.params_declared.items():
        if declared.inherit and getattr(rule, name) is None:
            value = model.params().get(declared.inherit)
            if not isinstance(value, float):
                raise PluginError(
                    f"{type(rule).__name__}.{name} is taken from {type(model).__name__}.{declared.inherit}, which is "
                    f"{value!r}. Give {type(rule).__name__}({name}=...)."
                )
            inherited[name] = value
    return rule.replace(**inherited) if inherited else rule


def _one(plugin: Plugin, i: int) -> Any:
    """The plugin as neuron `i` sees it: arrays of per-neuron parameters replaced by that neuron's value."""
    own = {name: float(value[i]) for name, value in plugin.params().items() if isinstance(value, np.ndarray)}
    return plugin.replace(**own) if own else plugin


class Twin:
    """A network that runs slowly, by the plugins' plain methods, event by event.

    Everything happens in the order of one queue. Within one instant: refractory periods end; sources fire; arrivals in
    order of projection, source and delay, each row delivered in order of target before its `on_pre` run, then
    `pre_spike`; then threshold checks in order of neuron, each firing followed by its post-spike plasticity. An
    arrival that a spike causes without delay goes before the next threshold check.

    Parameters
    ----------
    network : Network
    ties : {"pre_first", "post_first"}
        "post_first" runs `on_pre` and `pre_spike` of an instant after its post-spike plasticity. Delivery is the same.
    """

    def __init__(self, network: Any, ties: str = "pre_first") -> None:
        if ties not in ("pre_first", "post_first"):
            raise ParameterError(f"ties is {ties!r}; give 'pre_first' or 'post_first'.")
        from .random import Streams

        self.network, self.ties, self.t = network, ties, 0.0
        self.spikes: list[tuple[float, str, int]] = []
        self._streams = Streams(network.seed)
        self._queue: list[tuple[float, int, int, int, float, int, Any]] = []
        self._pushed = 0
        self._cells: list[_Cell] = []
        self._first: dict[str, int] = {}
        for population in network.populations.values():
            self._first[population.name] = len(self._cells)
            self._cells += self._make_cells(population)
        self._start_records = [cell.record.copy() for cell in self._cells]
        self._shown = 0
        self._paths = [self._make_path(projection) for projection in network.projections.values()]
        self._outgoing: dict[str, list[_Path]] = {name: [] for name in network.populations}
        self._plastic: dict[str, list[_Path]] = {name: [] for name in network.populations}
        for path in self._paths:
            self._outgoing[path.source].append(path)
            if path.rule is not None:
                self._plastic[path.target].append(path)
        self._start()

    def _start(self) -> None:
        """Put the first event of every neuron into the queue."""
        for cell in self._cells:
            if isinstance(cell.plugin, GivenSpikes):
                ids, times = cell.plugin.spikes
                for t in times[ids == cell.index]:
                    self._push(float(t), _SOURCE, self._gid(cell), 0, 0.0, cell)
            elif isinstance(cell.plugin, Source):
                self._draw(cell, -1.0)
            else:
                self._predict(cell)

    def _make_cells(self, population: Any) -> list[_Cell]:
        model, name = population.model, population.name
        columns = {}
        for variable, declared in model.states_declared.items():
            value = population.init.get(variable, declared.init)
            if hasattr(value, "sample"):
                value = value.sample(self._streams.generator("init", name, variable), population.size)
            columns[variable] = np.broadcast_to(np.asarray(value, dtype=float), (population.size,))
        cells = []
        for i in range(population.size):
            values = {variable: float(column[i]) for variable, column in columns.items()}
            cells.append(_Cell(name, i, _one(model, i), Record(type(model).__name__, "cell", values)))
        return cells

    def _make_path(self, projection: Any) -> _Path:
        from .connect import expand

        n_pre, n_post = len(projection.source), len(projection.target)
        made = expand(projection, self._streams)
        if made.dense:
            sources, targets = np.repeat(np.arange(n_pre), n_post), np.tile(np.arange(n_post), n_pre)
        else:
            sources, targets = np.asarray(made.source), np.asarray(made.target)
        n = sources.size
        weights = np.broadcast_to(np.asarray(made.weight, dtype=float).ravel(), (n,))
        delays = np.broadcast_to(np.asarray(made.delay, dtype=float).ravel(), (n,))

        model = projection.target.model
        rule = None if projection.rule is None else resolved_rule(projection.rule, model)
        owner = "a projection" if rule is None else type(rule).__name__

        def fresh(kind: str, **more: float) -> Record:
            states = {} if rule is None else rule.states(kind)
            taus = {s: getattr(rule, d.decay) for s, d in states.items() if d.decay is not None}
            values = {s: d.init for s, d in states.items()} | more
            return Record(owner, kind, values, taus, kind == "syn" and projection.dtype == "float32")

        rows: dict[int, list[_Row]] = {}
        row_of: list[_Row] = []
        incoming: list[list[int]] = [[] for _ in range(n_post)]
        for k in range(n):
            i, delay = int(sources[k]), float(delays[k])
            row = next((r for r in rows.setdefault(i, []) if r.delay == delay), None)
            if row is None:
                row = _Row(i, delay, [], fresh("pre"))
                rows[i].append(row)
            row.synapses.append(k)
            row_of.append(row)
            incoming[int(targets[k])].append(k)
        for group in rows.values():
            group.sort(key=lambda r: r.delay)
        return _Path(
            name=projection.name,
            index=projection.index,
            source=projection.source.name,
            target=projection.target.name,
            port=model.ports.index(projection.port),
            rule=rule,
            targets=targets,
            syn=[fresh("syn", w=float(w)) for w in weights],
            rows=rows,
            row_of=row_of,
            incoming=incoming,
            post=[fresh("post") for _ in range(n_post)],
        )

    # The queue

    def _push(self, t: float, kind: int, first: int, second: int, third: float, what: Any) -> None:
        heapq.heappush(self._queue, (t, kind, first, second, third, self._pushed, what))
        self._pushed += 1

    def run(self, duration: float, sample: Iterable[float] = ()) -> list[dict[str, dict[str, np.ndarray]]]:
        """Run on for `duration` seconds, events at the end itself excluded.

        Parameters
        ----------
        duration : float, s
        sample : iterable of float, s
            Increasing times at which the cells' states are returned, as they are before the events of that instant.

        Returns
        -------
        list of dict
            :meth:`states` at each time of `sample`.
        """
        end = self.t + duration
        waiting, samples = list(sample), []
        while self._queue and self._queue[0][0] < end:
            while waiting and waiting[0] <= self._queue[0][0]:
                self.t = waiting.pop(0)
                samples.append(self.states())
            t, kind, *_, what = heapq.heappop(self._queue)
            self.t = t
            if kind == _RELEASE:
                self._release(what)
            elif kind == _SOURCE:
                self._fire_source(what)
            elif kind == _ARRIVAL:
                self._arrive(*what)
            elif kind == _DEFERRED:
                self._learn_pre(*what)
            else:
                cell, version = what
                if version == cell.version:
                    self._fire(cell)
        while waiting and waiting[0] <= end:
            self.t = waiting.pop(0)
            samples.append(self.states())
        self.t = end
        return samples

    # Cells

    def _gid(self, cell: _Cell) -> int:
        """Number of the neuron among all of the network."""
        return self._first[cell.population] + cell.index

    def _bring(self, cell: _Cell) -> None:
        """Bring a cell's state to the present."""
        if self.t > cell.t_last:
            move = cell.plugin.hold if cell.held else cell.plugin.advance
            move(cell.record, self.t - cell.t_last)
        cell.t_last = self.t

    def _predict(self, cell: _Cell) -> None:
        """Forget the cell's predicted crossing and predict the next."""
        cell.version += 1
        if cell.held or not cell.plugin.threshold:
            return
        wait = float(cell.plugin.time_to_threshold(cell.record))
        if math.isnan(wait) or wait < 0.0:
            raise SimulationError(
                f"{type(cell.plugin).__name__}.time_to_threshold gave {wait} for neuron {cell.index} of "
                f"{cell.population!r} at t = {self.t:g} s; return seconds from now, 0 or more, inf for never."
            )
        if wait < math.inf:
            self._push(self.t + wait, _CROSSING, self._gid(cell), 0, 0.0, (cell, cell.version))

    def _count_spike(self, cell: _Cell) -> None:
        cell.at_once = cell.at_once + 1 if cell.t_spike == self.t else 1
        cell.t_spike = self.t
        if cell.at_once > _MOST_AT_ONCE:
            raise SimulationError(
                f"Neuron {cell.index} of {cell.population!r} fires without end at t = {self.t:g} s. "
                f"Let {type(cell.plugin).__name__} come to rest below its threshold after a spike."
            )
        self.spikes.append((self.t, cell.population, cell.index))

    def _fire(self, cell: _Cell) -> None:
        self._bring(cell)
        self._count_spike(cell)
        cell.plugin.fire(cell.record)
        t_ref = getattr(cell.plugin, cell.plugin.refractory) if cell.plugin.refractory else 0.0
        if t_ref > 0.0:
            cell.held = True
            self._push(self.t + t_ref, _RELEASE, self._gid(cell), 0, 0.0, cell)
        self._predict(cell)
        self._emit(cell)
        self._learn_post(cell)

    def _release(self, cell: _Cell) -> None:
        self._bring(cell)
        cell.held = False
        self._predict(cell)

    def _draw(self, cell: _Cell, t: float) -> None:
        """Ask a source neuron for its next spike after `t`, with the next number of its own stream."""
        from .random import uniform_at

        key = (self._streams.key("source", cell.population) + cell.index) % 2**64
        t_next = float(cell.plugin.next_spike(cell.record, t, uniform_at(key, cell.drawn)))
        cell.drawn += 1
        if not t_next >= max(t, 0.0):
            raise SimulationError(
                f"{type(cell.plugin).__name__}.next_spike gave {t_next} s after a spike at {t} s for neuron "
                f"{cell.index} of {cell.population!r}; return a time not before that, or inf for no more spikes."
            )
        if t_next < math.inf:
            self._push(t_next, _SOURCE, self._gid(cell), 0, 0.0, cell)

    def _fire_source(self, cell: _Cell) -> None:
        self._count_spike(cell)
        self._emit(cell)
        if not isinstance(cell.plugin, GivenSpikes):
            self._draw(cell, self.t)

    # Synapses

    def _emit(self, cell: _Cell) -> None:
        """Send a spike on its way along every row of the neuron."""
        for path in self._outgoing[cell.population]:
            for row in path.rows.get(cell.index, []):
                self._push(self.t + row.delay, _ARRIVAL, path.index, row.source, row.delay, (path, row))

    def _arrive(self, path: _Path, row: _Row) -> None:
        path.counts["rows"] += 1
        row.carried = True
        for k in row.synapses:
            cell = self._cells[self._first[path.target] + int(path.targets[k])]
            self._bring(cell)
            path.counts["deliveries"] += 1
            path.counts["lost"] += cell.held
            receive = cell.plugin.receive_held if cell.held else cell.plugin.receive
            receive(cell.record, path.port, path.syn[k].w)
            self._predict(cell)
        if path.rule is None:
            return
        if self.ties == "post_first":
            self._push(self.t, _DEFERRED, path.index, row.source, row.delay, (path, row))
        else:
            self._learn_pre(path, row)

    def _learn_pre(self, path: _Path, row: _Row) -> None:
        for k in row.synapses:
            self._visit(path, "on_pre", k)
        if path.rule is not None and path.rule.overrides("pre_spike"):
            path.rule.pre_spike(row.pre.at(self.t), self.t)  # type: ignore[attr-defined]

    def _learn_post(self, cell: _Cell) -> None:
        for path in self._plastic[cell.population]:
            for k in path.incoming[cell.index]:
                self._visit(path, "on_post", k)
            if path.rule is not None and path.rule.overrides("post_spike"):
                path.rule.post_spike(path.post[cell.index].at(self.t), self.t)  # type: ignore[attr-defined]

    def _visit(self, path: _Path, hook: str, k: int, *more: float) -> None:
        """Call one hook of the rule on synapse `k`."""
        if path.rule is None or not path.rule.overrides(hook):
            return
        cell = self._cells[self._first[path.target] + int(path.targets[k])]
        pre, post = path.row_of[k].pre.at(self.t), path.post[cell.index].at(self.t)
        if hook in path.counts:
            path.counts[hook] += 1
        if hook == "on_pre" and "post.v" in path.rule.reads:
            self._bring(cell)
            post.show("v", HELD if cell.held else getattr(cell.record, cell.plugin.potential))
        getattr(path.rule, hook)(path.syn[k], pre, post, *more, self.t)
        post.show("v", None)

    def signal(self, population: str, values: Any) -> None:
        """A learning signal reaches a population now: `on_signal` on each synapse whose axon has spoken since the last.

        Parameters
        ----------
        population : str
        values : (n,) array_like
            The signal of each neuron.
        """
        n = self.network.populations[population].size
        signals = np.broadcast_to(np.asarray(values, dtype=float), (n,))
        for path in self._plastic[population]:
            for k, row in enumerate(path.row_of):
                if row.carried:
                    self._visit(path, "on_signal", k, float(signals[path.targets[k]]))
            for row in path.row_of:
                row.carried = False

    def end(self) -> None:
        """A presentation ends now: `on_end` on every synapse."""
        for path in self._paths:
            for k in range(len(path.syn)):
                self._visit(path, "on_end", k)

    def present(self, samples: Any, labels: Sequence[int], *, into: str, readout: str, duration: float) -> np.ndarray:
        """Show samples one after the other and learn after each: the plain form of `Simulator.present`.

        For each sample: cells and traces go back to their start and the clock to 0; the sample becomes `x` of the
        encoder; the network runs; error = softmax(v) - onehot(label) at the readout; every signal is formed with the
        weights as they are; then `on_signal` and `on_end`. Synapses keep their weights and "syn" states.

        Parameters
        ----------
        samples : (n, size of `into`) array_like
        labels : (n,) sequence of int
        into, readout : str
            Populations.
        duration : float, s
            Of each presentation.

        Returns
        -------
        (n, size of `readout`) float64
            The readout's potentials at the end of each presentation.
        """
        outputs = []
        for values, label in zip(np.asarray(samples, dtype=np.float32), labels, strict=True):
            self._restart(into, values)
            self.run(duration)
            cells = self._of(readout)
            for cell in cells:
                self._bring(cell)
            v = np.array([HELD if c.held else getattr(c.record, c.plugin.potential) for c in cells])
            error = np.exp(v - v.max()) / np.exp(v - v.max()).sum()
            error[label] -= 1.0
            signals = {readout: error}
            for link in self.network.credits:
                if link.error.name == readout:
                    signals[link.to.name] = self._credit(link, error)
            for population, signal in signals.items():
                self.signal(population, signal)
            self.end()
            outputs.append(v)
        return np.array(outputs)

    def _of(self, population: str) -> list[_Cell]:
        first = self._first[population]
        return self._cells[first : first + self.network.populations[population].size]

    def _restart(self, into: str, values: np.ndarray) -> None:
        """Everything but the synapses back to its start; every presentation draws from its own part of the streams."""
        self.t = 0.0
        self._queue.clear()
        for cell, record in zip(self._cells, self._start_records, strict=True):
            cell.record, cell.t_last, cell.held, cell.t_spike = record.copy(), 0.0, False, -math.inf
            cell.drawn = self._shown << 24
        for cell, x in zip(self._of(into), values, strict=True):
            cell.record.x = float(x)
        for path in self._paths:
            for row in path.row_of:
                row.pre, row.carried = row.pre.fresh(), False
            path.post = [post.fresh() for post in path.post]
        self._shown += 1
        self._start()

    def _credit(self, link: Any, error: np.ndarray) -> np.ndarray:
        """Learning signal L_j = sum_k feedback(w_jk, b_jk) e_k at the population that a credit link leads to."""
        to, readout = link.to.name, link.error.name
        n, n_out = link.to.size, error.size
        w = np.full((n, n_out), math.nan)
        for path in self._paths:
            if path.source == to and path.target == readout:
                for k, row in enumerate(path.row_of):
                    w[row.source, path.targets[k]] = path.syn[k].w
        b = self._streams.generator("credit", to, readout).normal(size=n * n_out).reshape(n, n_out)
        return np.array(
            [
                sum(link.pathway.feedback(float(w[j, k]), float(b[j, k])) * float(error[k]) for k in range(n_out))
                for j in range(n)
            ]
        )

    # Results

    def states(self) -> dict[str, dict[str, np.ndarray]]:
        """Every model's cell states at the present time by population and variable, each (n,)."""
        found: dict[str, dict[str, np.ndarray]] = {}
        for name, population in self.network.populations.items():
            if isinstance(population.model, Source):
                continue
            first = self._first[name]
            copies = []
            for cell in self._cells[first : first + population.size]:
                # On a copy, so that looking changes no rounding.
                record = cell.record.copy()
                if self.t > cell.t_last:
                    (cell.plugin.hold if cell.held else cell.plugin.advance)(record, self.t - cell.t_last)
                copies.append(record.values())
            found[name] = {s: np.array([values[s] for values in copies]) for s in population.model.states_declared}
        return found

    def weights(self, projection: str) -> np.ndarray:
        """Weights (n_syn,) of a projection now, in order of (source, target)."""
        path = next(p for p in self._paths if p.name == projection)
        return np.array([syn.w for syn in path.syn], dtype=float)

    def result(self, states: dict[str, dict[str, np.ndarray]] | None = None) -> TwinResult:
        """What has happened up to now."""
        spikes = dict.fromkeys(self.network.populations, 0)
        for _, name, _ in self.spikes:
            spikes[name] += 1
        counts = {"spikes": spikes} | {what: {p.name: p.counts[what] for p in self._paths} for what in _COUNTED}
        synapses = {
            p.name: {s: np.array([getattr(syn, s) for syn in p.syn]) for s in p.rule.states("syn")}
            for p in self._paths
            if p.rule is not None
        }
        return TwinResult(
            spikes=list(self.spikes),
            weights={p.name: self.weights(p.name) for p in self._paths},
            states=self.states() if states is None else states,
            synapses=synapses,
            counts=counts,
        )


def simulate(
    network: Any, duration: float, record_states: Sequence[float] | None = None, ties: str = "pre_first"
) -> TwinResult:
    """Run a network by the plain-Python twin.

    Parameters
    ----------
    network : Network
    duration : float, s
        The run covers [0, duration).
    record_states : sequence of float, s, optional
        Increasing times at which every cell state is sampled, before the events of that instant. None keeps the
        values at the end only.
    ties : {"pre_first", "post_first"}
        Which plasticity goes first where an arrival and a postsynaptic spike coincide.

    Returns
    -------
    TwinResult
    """
    twin = Twin(network, ties)
    if record_states is None:
        twin.run(duration)
        return twin.result()
    samples = twin.run(duration, record_states)
    gathered = {
        name: {s: np.array([sample[name][s] for sample in samples]) for s in variables}
        for name, variables in twin.states().items()
    }
    return twin.result(gathered)


# Parts of certification networks


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
    from .connect import all_to_all, one_to_one
    from .network import Network

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


# Certificates


class CheckFailed(SnnError, AssertionError):
    """A plugin does not keep its contract; `report` holds every check."""

    report: Report | None = None


class Check(NamedTuple):
    """One line of a report."""

    check: str
    passed: bool
    detail: str


@dataclass
class Report:
    """What was checked about a plugin."""

    subject: str
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return all(check.passed for check in self.checks)

    def run(self, name: str, body: Callable[..., str], *arguments: Any) -> None:
        """Run one check; an error of this package fails it, any other error is the plugin's own and fails it too."""
        try:
            self.checks.append(Check(name, True, body(*arguments)))
        except Exception as error:
            words = str(error) if isinstance(error, SnnError) else f"{type(error).__name__}: {error}"
            self.checks.append(Check(name, False, words))

    def conclude(self) -> Report:
        """This report, or CheckFailed if a check did not pass."""
        if not self.passed:
            failed = CheckFailed(str(self))
            failed.report = self
            raise failed
        return self

    def __str__(self) -> str:
        width = max((len(c.check) for c in self.checks), default=0)
        head = f"{self.subject}: {sum(c.passed for c in self.checks)} of {len(self.checks)} checks passed"
        lines = [f"  {'ok  ' if c.passed else 'FAIL'}  {c.check:<{width}}  {c.detail}" for c in self.checks]
        return "\n".join([head, *lines])


def _instance(plugin: Any, base: type, values: Mapping[str, Any]) -> Any:
    if isinstance(plugin, type) and issubclass(plugin, base):
        return plugin(**values)
    if isinstance(plugin, base):
        return plugin.replace(**values) if values else plugin  # type: ignore[attr-defined]
    raise PluginError(f"{plugin!r} is not a {base.__name__}; give the class or an instance of it.")


def _require(truth: bool, words: str) -> None:
    if not truth:
        raise CheckFailed(words)


def _arguments(plugin: Plugin, method: str, expected: Sequence[str]) -> None:
    """Refuse a method whose arguments do not have the agreed number."""
    found = list(inspect.signature(getattr(type(plugin), method)).parameters)
    name = type(plugin).__name__
    _require(
        len(found) == len(expected),
        f"{name}.{method}({', '.join(found)}) takes {len(found)} arguments; write {method}({', '.join(expected)}).",
    )


def _read_source(plugin: Plugin, method: str, records: Mapping[int, tuple[str, set[str]]]) -> None:
    """Refuse names that a method's text uses and nobody declared, also on branches that a trial would not take.

    Parameters
    ----------
    plugin : Plugin
    method : str
    records : dict
        By position of the argument: kind of the record and the names of its fields.
    """
    function = getattr(type(plugin), method)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        return  # Typed at a prompt or made at run time: the trial on records has to do.
    if not isinstance(tree.body[0], ast.FunctionDef) or tree.body[0].name != function.__name__:
        return  # The file has been edited since it was imported.
    arguments = list(inspect.signature(function).parameters)
    name = type(plugin).__name__
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        if node.value.id not in arguments:
            continue
        place = arguments.index(node.value.id)
        where = f"{name}.{method} (line {node.lineno + function.__code__.co_firstlineno - 1})"
        if place == 0:
            _require(
                not isinstance(node.ctx, ast.Store),
                f"{where} writes self.{node.attr}; parameters stay as they are. Declare a state in place of it.",
            )
            _require(
                node.attr in plugin.params_declared or hasattr(type(plugin), node.attr),
                f"{where} uses self.{node.attr}, which is not a parameter. Add {node.attr}: float = param(...).",
            )
        elif place in records:
            kind, fields = records[place]
            _require(
                node.attr in fields,
                f"{where} uses {node.value.id}.{node.attr}, which is not declared. Declared: "
                f"{', '.join(sorted(fields)) or 'nothing'}. Add {node.attr} = state({kind!r}) to the class.",
            )


def _round_trip(plugin: Plugin) -> str:
    """A plugin's repr can be typed back."""
    if any(isinstance(value, np.ndarray) for value in plugin.params().values()):
        return "has arrays: repr is for reading only"
    again = eval(repr(plugin), {type(plugin).__name__: type(plugin), "inf": math.inf})
    _require(again.params() == plugin.params(), f"{plugin!r} does not give its parameters back when typed in.")
    return repr(plugin)


_HOOK_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "on_pre": ("self", "syn", "pre", "post", "t"),
    "on_post": ("self", "syn", "pre", "post", "t"),
    "pre_spike": ("self", "pre", "t"),
    "post_spike": ("self", "post", "t"),
    "on_signal": ("self", "syn", "pre", "post", "signal", "t"),
    "on_end": ("self", "syn", "pre", "post", "t"),
}


def _bounds_of(rule: Rule) -> tuple[float, float]:
    if rule.bounds is None:
        return -math.inf, math.inf
    return float(getattr(rule, rule.bounds[0])), float(getattr(rule, rule.bounds[1]))


def _start_weights(rule: Rule) -> tuple[float, float, float]:
    """Lowest, middle and highest weight to start from."""
    low, high = _bounds_of(rule)
    low = low if math.isfinite(low) else min(0.0, high - 1.0)
    high = high if math.isfinite(high) else max(1.0, low + 1.0)
    return low, 0.5 * (low + high), high


class _Watched(Twin):
    """A twin that looks at every weight and state right after a rule has touched it."""

    def _visit(self, path: _Path, hook: str, k: int, *more: float) -> None:
        super()._visit(path, hook, k, *more)
        if path.rule is None:
            return
        low, high = _bounds_of(path.rule)
        name, syn = type(path.rule).__name__, path.syn[k]
        for variable, value in syn.values().items():
            _require(
                math.isfinite(value),
                f"{name}.{hook} made syn.{variable} {value} at t = {self.t:.6g} s. Guard the division or logarithm.",
            )
        # A rounding of one part in 2**40 at a soft bound is no escape.
        slack = 1e-12 * max(abs(low) if math.isfinite(low) else 0.0, abs(high) if math.isfinite(high) else 0.0)
        _require(
            low - slack <= syn.w <= high + slack,
            f"{name}.{hook} took a weight to {syn.w:.9g}, out of [{low:g}, {high:g}], at t = {self.t:.6g} s. "
            f"Write syn.w = min(self.{path.rule.bounds[1] if path.rule.bounds else 'w_max'}, max(...)).",
        )


def _same(ours: np.ndarray, theirs: np.ndarray, what: str, relative: float = 1e-12) -> float:
    """Largest relative difference, or CheckFailed."""
    a, b = np.asarray(ours, dtype=float).ravel(), np.asarray(theirs, dtype=float).ravel()
    _require(a.shape == b.shape, f"{what}: the twin has {a.size} values, the compiled engine {b.size}.")
    if not a.size:
        return 0.0
    scale = max(float(np.max(np.abs(a))), 1e-300)
    worst = float(np.max(np.abs(a - b))) / scale
    k = int(np.argmax(np.abs(a - b)))
    _require(
        bool(worst <= relative),
        f"{what}: value {k} is {float(a[k])!r} in the twin and {float(b[k])!r} compiled (relative {worst:.2g}). "
        f"Use only math functions and float arithmetic in the methods, and declare everything they remember.",
    )
    return worst


def _compiled(network: Any, ties: str = "pre_first") -> Any:
    from .simulator import Simulator

    return Simulator(network, ties=ties)


def check_rule(
    rule: Any,
    *,
    window: Callable[[float], float] | None = None,
    window_weight: float | None = None,
    compiled: bool = True,
    seed: int = 1,
    **values: Any,
) -> Report:
    """Certify a plasticity rule: state, bounds, ties, bursts, delays, and that compiled and plain runs agree.

    Parameters
    ----------
    rule : Rule or subclass of it
    window : callable, optional
        The published change of weight by one pair as a function of t_post - t_arrival (s); checked at +-1, 5, 10, 20
        and 40 ms, to 1e-9 of its largest value.
    window_weight : float, optional
        Weight before the pair; default the middle of the bounds.
    compiled : bool
        False leaves the compiled engine out, for a debugger.
    seed : int
        Of the networks' random trains; every message about one names it.
    **values
        Parameters of the rule.

    Returns
    -------
    Report
        Prints as a table; `checks` holds (check, passed, detail).

    Raises
    ------
    CheckFailed
        If a check did not pass, with the whole table and what to do.
    """
    subject: Rule = _instance(rule, Rule, values)
    report = Report(repr(subject))
    report.run("declaration", _check_rule_declaration, subject)
    report.run("repr", _round_trip, subject)
    if not report.passed:
        return report.conclude()
    report.run("declared state only", _check_rule_records, resolved_rule(subject, Follower()))
    if not report.passed:
        return report.conclude()
    report.run("bounds", _check_rule_bounds, subject, seed)
    if window is not None:
        weight = _start_weights(subject)[1] if window_weight is None else window_weight
        report.run("window", _check_rule_window, subject, window, weight)
    for name, make, duration in _rule_networks(subject, seed):
        for ties in ("pre_first", "post_first"):
            report.run(f"{name}, {ties}", _check_rule_run, make, duration, ties, compiled)
    report.run("presentations", _check_rule_presentations, subject, compiled, seed)
    return report.conclude()


def _check_rule_declaration(rule: Rule) -> str:
    name = type(rule).__name__
    hooks = [hook for hook in rule.hooks if rule.overrides(hook)]
    _require(bool(hooks), f"{name} has none of {', '.join(rule.hooks)}, so it never does anything. Write one of them.")
    for hook in hooks:
        _arguments(rule, hook, _HOOK_ARGUMENTS[hook])
    if rule.bounds is not None:
        for bound in rule.bounds:
            _require(
                bound in rule.params_declared,
                f"{name}.bounds names {bound!r}, which is not a parameter. Add {bound}: float = param(...).",
            )
        low, high = _bounds_of(rule)
        _require(low < high, f"{name}.bounds are {low:g} and {high:g}; the first must be the lower.")
    for read in rule.reads:
        _require(read == "post.v", f"{name}.reads names {read!r}; what a rule can read beyond its state is 'post.v'.")
    return "hooks " + ", ".join(hooks)


def _check_rule_records(rule: Rule) -> str:
    """Every hook runs on plain records, uses declared names only, gives the same twice and leaves numbers finite."""
    owner = type(rule).__name__
    fields = {kind: set(rule.states(kind)) for kind in ("syn", "pre", "post")}
    fields["syn"].add("w")
    calls = 0
    for hook in rule.hooks:
        if not rule.overrides(hook):
            continue
        arguments = _HOOK_ARGUMENTS[hook]
        shown = {"v"} if hook == "on_pre" and "post.v" in rule.reads else set()
        readable = fields | {"post": fields["post"] | shown}
        _read_source(rule, hook, {i: (a, readable[a]) for i, a in enumerate(arguments) if a in fields})
        for w in _start_weights(rule):
            for level in (0.0, 0.3, 2.0):
                for signal in (-1.0, 0.0, 1.0):
                    results = []
                    for _ in range(2):
                        known: dict[str, Any] = {"signal": signal, "t": 0.1}
                        for kind, names in fields.items():
                            known[kind] = Record(owner, kind, dict.fromkeys(names, level))
                        known["syn"].w = w
                        for name in shown:
                            known["post"].show(name, level)
                        getattr(rule, hook)(*(known[argument] for argument in arguments[1:]))
                        results.append([known[kind].values() for kind in fields])
                        calls += 1
                    _require(
                        results[0] == results[1],
                        f"{owner}.{hook} gave two results for the same records; let it depend on its arguments only.",
                    )
                    if hook == "on_post":
                        # The engine applies on_post to a synapse only when the synapse is next looked at.
                        _require(
                            all(set(found.values()) <= {level} for found in results[0][1:]),
                            f"{owner}.{hook} writes to pre or post, which other synapses share. "
                            f"Do it in pre_spike or post_spike.",
                        )
                    for record in results[0]:
                        for variable, value in record.items():
                            _require(
                                math.isfinite(value),
                                f"{owner}.{hook} made {variable} {value} from w = {w:g} and states of {level:g}. "
                                f"Guard the division or logarithm.",
                            )
    return f"{calls} calls"


def _check_rule_bounds(rule: Rule, seed: int) -> str:
    events = 0
    for n, weight in enumerate(_start_weights(rule)):
        net = network_with(
            rule, pre=Train(rate=40 * Hz, start=0.0), n_pre=6, teacher=Train(rate=40 * Hz, start=0.0), n_post=3,
            weight=weight, seed=seed + n,
        )  # fmt: skip
        twin = _Watched(net)
        draws = np.random.default_rng(seed + n)
        for _ in range(20):
            twin.run(250 * ms)
            if rule.needs_signal:
                twin.signal("post", draws.normal(size=3))
            twin.end()
        counts = twin.result().counts
        events += counts["on_pre"]["plastic"] + counts["on_post"]["plastic"] + counts["deliveries"]["plastic"]
    low, high = _bounds_of(rule)
    return f"[{low:g}, {high:g}] kept over {events} events" if rule.bounds else f"finite over {events} events"


def _check_rule_window(rule: Rule, window: Callable[[float], float], weight: float) -> str:
    lags = [sign * lag * ms for lag in (1, 5, 10, 20, 40) for sign in (-1, 1)]
    expected = [window(lag) for lag in lags]
    largest = max(abs(change) for change in expected)
    for lag, change in zip(lags, expected, strict=True):
        net = network_with(
            rule, pre=Train(start=100 * ms), teacher=Train(start=100 * ms + lag), weight=weight, delay=0.0
        )
        found = float(simulate(net, 0.2).weights["plastic"][0]) - weight
        _require(
            abs(found - change) <= 1e-9 * largest,
            f"A pair with t_post - t_arrival = {lag / ms:g} ms changes the weight by {found:.9g}; the window says "
            f"{change:.9g}. Check amplitudes, time constants and which trace each hook reads.",
        )
    return f"{len(lags)} lags"


def _rule_networks(rule: Rule, seed: int) -> list[tuple[str, Callable[[], Any], float]]:
    """Little networks that between them hold every situation a rule can meet: (name, maker, duration)."""
    low, middle, high = _start_weights(rule)

    def net(pre: Train, n_pre: int, teacher: Train, n_post: int, cell: Model | None = None, **more: Any) -> Any:
        return network_with(
            rule, model=cell, pre=pre, n_pre=n_pre, teacher=teacher, n_post=n_post, weight=middle, readout=2, seed=seed,
            **more,
        )  # fmt: skip

    def simultaneous() -> Any:
        # An arrival (5 ms + 1 ms after its spike) and the teacher's spike are the same double.
        pre = _trains(2, start=5 * ms, interval=10 * ms, count=8)
        return net(pre, 2, _trains(2, start=5 * ms + 1 * ms, interval=5 * ms, count=16), 2)

    def bursts() -> Any:
        pre = _trains(3, start=np.array([2.0, 30.0, 60.0]) * ms, interval=1 * ms, count=12)
        return net(pre, 3, _trains(2, start=np.array([35.0, 5.0]) * ms, interval=1.7 * ms, count=9), 2)

    def delays() -> Any:
        several = np.array([0.5, 1.0, 1.0, 2.0, 3.0, 0.5, 0.0, 1.5, 2.0, 2.0, 2.0, 7.0]) * ms
        return net(_trains(3, rate=60 * Hz), 3, _trains(4, rate=60 * Hz), 4, delay=several)

    def poisson() -> Any:
        cell = Follower(coupling=0.3 / max(abs(low), abs(high)), t_ref=2 * ms)
        return net(_trains(8, rate=40 * Hz), 8, _trains(4, rate=20 * Hz), 4, cell)

    return [
        ("simultaneous spikes", simultaneous, 0.2),
        ("bursts", bursts, 0.15),
        ("several delays", delays, 0.5),
        ("Poisson trains", poisson, 1.0),
    ]


def _check_rule_run(make: Callable[[], Any], duration: float, ties: str, compiled: bool) -> str:
    """Weights of the compiled engine are the twin's."""
    twin = Twin(make(), ties)
    twin.run(duration)
    ours = twin.result()
    calls = ours.counts["on_pre"]["plastic"] + ours.counts["on_post"]["plastic"]
    if not compiled:
        return f"{calls} calls, plain only"
    sim = _compiled(make(), ties)
    sim.run(duration)
    worst = _same(ours.weights["plastic"], sim.weights("plastic"), f"weights after {duration:g} s")
    return f"{calls} calls, largest relative difference {worst:.1g}"


def _check_rule_presentations(rule: Rule, compiled: bool, seed: int) -> str:
    """Samples in a row, with a reset before each and a learning signal after it, leave the twin's weights."""
    low, middle, high = _start_weights(rule)

    def make() -> Any:
        cell = Follower(coupling=0.3 / max(abs(low), abs(high)), t_ref=1 * ms)
        return network_with(
            rule, model=cell, pre=_trains(6, latency=20 * ms), n_pre=6, teacher=_trains(4, rate=60 * Hz), n_post=4,
            weight=middle, readout=2, seed=seed,
        )  # fmt: skip

    samples = np.random.default_rng(seed).uniform(-0.3, 1.0, (8, 6)).clip(0.0)
    labels = [0, 1, 1, 0, 1, 0, 0, 1]
    twin = Twin(make())
    outputs = twin.present(samples, labels, into="pre", readout="readout", duration=30 * ms)
    ours = twin.weights("plastic")
    moved = int(np.count_nonzero(ours != middle))
    if not compiled:
        return f"{len(labels)} samples, {moved} of {ours.size} weights moved, plain only"
    net = make()
    sim = _compiled(net)
    shown = sim.present(
        samples, labels, into=net.populations["pre"], readout=net.populations["readout"], duration=30 * ms
    )
    _same(outputs, shown.outputs, "readouts")
    worst = _same(ours, sim.weights("plastic"), f"weights after {len(labels)} presentations")
    return f"{len(labels)} samples, {moved} of {ours.size} weights moved, largest relative difference {worst:.1g}"


# Models

_MODEL_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "advance": ("self", "cell", "dt"),
    "receive": ("self", "cell", "port", "w"),
    "time_to_threshold": ("self", "cell"),
    "fire": ("self", "cell"),
    "hold": ("self", "cell", "dt"),
    "receive_held": ("self", "cell", "port", "w"),
}


class _Bench:
    """A model on the bench: fresh cells, its time scale, and how strong an arrival has to be to matter."""

    def __init__(self, model: Model, weight: float | None, seed: int) -> None:
        self.model: Any = _one(model, 0)
        self.name = type(model).__name__
        self.rng = np.random.default_rng(seed)
        times = [
            getattr(self.model, name)
            for name, declared in model.params_declared.items()
            if declared.unit == "s" and name != model.refractory
        ]
        self.span = max((t for t in times if 0 < t < 10.0), default=10 * ms)
        self.port = 0
        self.weight = self._find_weight() if weight is None else weight
        self.signs = [self._sign(port) for port in range(len(model.ports))]

    def cell(self) -> Record:
        """A cell as it starts; as after a spike where the default start is above threshold."""
        declared = self.model.states_declared
        cell = Record(self.name, "cell", {variable: d.init for variable, d in declared.items()})
        if self.time(cell) == 0.0:
            self.model.fire(cell)
        return cell

    def v(self, cell: Record) -> float:
        return float(getattr(cell, self.model.potential))

    @property
    def v_thresh(self) -> float | None:
        value = self.model.params().get("v_thresh")
        return None if value is None else float(value)

    def _find_weight(self) -> float:
        """The arrival (within a factor of two) that just brings a cell to threshold."""
        params = self.model.params()
        if self.model.threshold and self.model.time_to_threshold(self.cell()) == math.inf:
            for port in range(len(self.model.ports)):
                for k in range(-50, 50):
                    cell = self.cell()
                    self.model.receive(cell, port, 2.0**k)
                    if self.model.time_to_threshold(cell) < math.inf:
                        self.port = port
                        return 2.0**k
        if "v_thresh" in params and "v_reset" in params:
            return abs(float(params["v_thresh"]) - float(params["v_reset"])) or 1.0
        return 1.0

    def _sign(self, port: int) -> float:
        """An inhibitory port that adds what it is given gets negative weights."""
        if not self.model.ports[port].startswith("inh"):
            return 1.0
        rest, struck = self.cell(), self.cell()
        self.model.receive(struck, port, self.weight)
        for cell in (rest, struck):
            self.model.advance(cell, 0.1 * self.span)
        return -1.0 if self.v(struck) > self.v(rest) else 1.0

    def stir(self, cell: Record, arrivals: int) -> Record:
        """Bring a cell into some state that it can really have, short of firing."""
        for _ in range(arrivals):
            before = cell.copy()
            port = int(self.rng.integers(len(self.signs)))
            self.model.receive(cell, port, self.signs[port] * self.weight * float(self.rng.uniform(0.05, 0.6)))
            wait = self.time(cell)
            if wait == 0.0:
                cell = before
                wait = self.time(cell)
            step = float(self.rng.exponential(0.3 * self.span))
            self.model.advance(cell, min(step, 0.5 * wait))
        return cell

    def time(self, cell: Record) -> float:
        return float(self.model.time_to_threshold(cell)) if self.model.threshold else math.inf

    def size(self, cell: Record) -> dict[str, float]:
        return {variable: max(abs(value), 1e-3 * self.weight) for variable, value in cell.values().items()}


def check_model(
    model: Any, *, weight: float | None = None, compiled: bool = True, seed: int = 1, **values: Any
) -> Report:
    """Certify a neuron model: its closed forms agree with one another, with its modes and with the compiled engine.

    Parameters
    ----------
    model : Model or subclass of it
    weight : float, optional
        An arrival that is about enough to make the cell fire; found by trial if not given.
    compiled : bool
        False leaves the compiled engine out, for a debugger.
    seed : int
        Of the random states and trains.
    **values
        Parameters of the model.

    Returns
    -------
    Report

    Raises
    ------
    CheckFailed
        If a check did not pass, with the whole table and what to do.
    """
    subject: Model = _instance(model, Model, values)
    report = Report(repr(subject))
    report.run("declaration", _check_model_declaration, subject)
    report.run("repr", _round_trip, subject)
    if not report.passed:
        return report.conclude()

    def on_bench(check: Callable[..., str], *arguments: Any) -> str:
        return check(_Bench(subject, weight, seed), *arguments)

    report.run("advance composes", on_bench, _check_composes, "advance")
    report.run("hold composes", on_bench, _check_composes, "hold")
    if subject.threshold:
        report.run("time to threshold", on_bench, _check_time_to_threshold)
        report.run("fire", on_bench, _check_fire)
    report.run("held arrivals", on_bench, _check_held)
    if subject.modes() is not None:
        report.run("modes", on_bench, _check_modes)
    if not report.passed:
        return report.conclude()
    report.run("driven network", on_bench, _check_model_run, subject, compiled, seed)
    return report.conclude()


def _check_model_declaration(model: Model) -> str:
    name = type(model).__name__
    _require(bool(model.ports), f"{name}.ports is empty; name at least one place where arrivals land.")
    _require(
        model.potential in model.states_declared,
        f'{name}.potential is {model.potential!r}, which is not a state. Add {model.potential} = state("cell").',
    )
    if model.refractory is not None:
        _require(
            model.refractory in model.params_declared,
            f"{name}.refractory is {model.refractory!r}, which is not a parameter. "
            f'Add {model.refractory}: float = param(0.0, unit="s", min=0).',
        )
    for method, arguments in _MODEL_ARGUMENTS.items():
        if not model.threshold and method in ("time_to_threshold", "fire"):
            continue
        _require(hasattr(model, method), f"{name} has no {method}({', '.join(arguments)}). Write it.")
        _arguments(model, method, arguments)
        _read_source(model, method, {1: ("cell", set(model.states_declared))})
    return f"ports {', '.join(model.ports)}; states {', '.join(model.states_declared)}"


def _check_composes(bench: _Bench, method: str) -> str:
    """Two steps are one long step: advance(a) then advance(b) is advance(a + b)."""
    worst = 0.0
    move = getattr(bench.model, method)
    for _ in range(60):
        cell = bench.stir(bench.cell(), 4)
        a, b = (float(bench.rng.uniform(0, bench.span)) for _ in range(2))
        once, twice = cell.copy(), cell.copy()
        move(once, a + b)
        move(twice, a)
        move(twice, b)
        still = cell.copy()
        move(still, 0.0)
        for variable, size in bench.size(cell).items():
            size = max(size, abs(getattr(once, variable)))
            error = abs(getattr(once, variable) - getattr(twice, variable)) / size
            _require(
                error <= 1e-12,
                f"{bench.name}.{method}({a!r}) then {method}({b!r}) leaves {variable} = {getattr(twice, variable)!r}, "
                f"one step of the sum {getattr(once, variable)!r}, from {cell!r}. Write the exact solution.",
            )
            _require(
                abs(getattr(still, variable) - getattr(cell, variable)) <= 1e-12 * size,
                f"{bench.name}.{method}(0) changes {variable} of {cell!r}. A step of no time changes nothing.",
            )
            worst = max(worst, error)
    return f"60 states, largest relative error {worst:.1g}"


def _check_time_to_threshold(bench: _Bench) -> str:
    """The announced time is the first crossing: at threshold then, below it at every moment before."""
    finite = 0
    for n in range(80):
        cell = bench.stir(bench.cell(), n % 6)
        if n % 2:
            bench.model.receive(cell, bench.port, bench.weight * float(bench.rng.uniform(0.3, 2.0)))
        wait = bench.time(cell)
        _require(wait >= 0.0, f"{bench.name}.time_to_threshold gave {wait} for {cell!r}; return 0 or more, or inf.")
        finite += wait < math.inf
        if wait == 0.0:
            continue
        horizon = wait if wait < math.inf else 20 * bench.span
        for share in np.linspace(0.0, 1.0, 201)[:-1]:
            later = cell.copy()
            bench.model.advance(later, float(share) * horizon)
            # Near the crossing the potential is within rounding of the threshold, and either side is right.
            if bench.v_thresh is not None and share < 0.999:
                _require(
                    bench.v(later) < bench.v_thresh,
                    f"{bench.name} is at {bench.v(later)!r}, above its threshold, {share * horizon:.9g} s after "
                    f"{cell!r}, but time_to_threshold said {wait!r}. Return the first crossing.",
                )
            left = bench.time(later)
            expected = wait - float(share) * horizon if wait < math.inf else math.inf
            _require(
                left == expected or abs(left - expected) <= 1e-7 * (bench.span + wait),
                f"{bench.name}.time_to_threshold said {wait!r} s for {cell!r}, and {share * horizon:.9g} s later "
                f"{left!r} s; expected {expected!r}. Return the first crossing of the advanced state.",
            )
        if wait == math.inf:
            continue
        there = cell.copy()
        bench.model.advance(there, wait)
        if bench.v_thresh is not None:
            size = max(abs(bench.v_thresh), abs(bench.v(cell)), bench.weight)
            _require(
                abs(bench.v(there) - bench.v_thresh) <= 1e-9 * size,
                f"{bench.name} is at {bench.v(there)!r} after the {wait!r} s that time_to_threshold gave for {cell!r}; "
                f"the threshold is {bench.v_thresh!r}.",
            )
        else:
            _require(
                bench.time(there) <= 1e-7 * (bench.span + wait),
                f"{bench.name} still needs {bench.time(there)!r} s after the {wait!r} s that it announced.",
            )
    _require(
        finite > 0,
        f"No trial state of {bench.name} reaches its threshold. Give weight= an arrival that is enough to fire.",
    )
    return f"{finite} crossings, 80 states"


def _about_to_fire(bench: _Bench, n: int) -> Record:
    """A cell at its threshold, reached in the way in which this model reaches it."""
    cell = bench.stir(bench.cell(), n % 5)
    for _ in range(200):
        wait = bench.time(cell)
        if wait < math.inf:
            bench.model.advance(cell, wait)
            return cell
        bench.model.receive(cell, bench.port, 0.7 * bench.weight)
    raise CheckFailed(
        f"{bench.name} does not fire after 200 arrivals of {0.7 * bench.weight:g}. Give weight= a larger."
    )


def _check_fire(bench: _Bench) -> str:
    soft = bool(bench.model.params().get("soft_reset", False))
    for n in range(20):
        cell = _about_to_fire(bench, n)
        before = cell.copy()
        bench.model.fire(cell)
        if soft:
            _require(bench.v(cell) < bench.v(before), f"{bench.name}.fire does not lower the potential of {before!r}.")
            continue
        _require(
            bench.time(cell) > 0.0,
            f"{bench.name}.fire leaves the cell at threshold ({cell!r}), so it would fire without end. Reset it below, "
            f"or declare soft_reset: bool = param(True) where what is left over may make it fire again.",
        )
    return "soft reset" if soft else "below threshold after each of 20 spikes"


def _check_held(bench: _Bench) -> str:
    """A refractory cell takes arrivals without an error and stays finite, also when it is released above threshold."""
    model, taken = bench.model, False
    for n in range(20):
        cell = _about_to_fire(bench, n) if model.threshold else bench.stir(bench.cell(), n % 5)
        if model.threshold:
            model.fire(cell)
        before = cell.copy()
        v = bench.v(cell)
        for port in range(len(model.ports)):
            model.receive_held(cell, port, bench.signs[port] * bench.weight)
        taken = taken or cell.values() != before.values()
        model.hold(cell, 0.3 * bench.span)
        _require(
            all(math.isfinite(value) for value in cell.values().values()),
            f"{bench.name}.hold or receive_held left {cell!r}; keep it finite.",
        )
        if model.modes() is not None:
            _require(
                bench.v(cell) == v,
                f"{bench.name}.hold moves {model.potential} from {v!r} to {bench.v(cell)!r}; "
                f"a model with modes() holds it.",
            )
    return "integrated" if taken else "lost"


def _check_modes(bench: _Bench) -> str:
    """v = v_inf + sum of modes follows the cell through arrivals, spikes and refractoriness."""
    model, modes = bench.model, bench.model.modes()
    taus, gains = np.asarray(modes.taus, dtype=float), np.asarray(modes.gains, dtype=float)
    v_inf, v_thresh, v_reset = (float(np.asarray(x)) for x in (modes.v_inf, modes.v_thresh, modes.v_reset))
    shape = (len(model.ports), taus.size)
    _require(gains.shape == shape, f"{bench.name}.modes().gains has shape {gains.shape}; expected {shape}.")
    t_ref = float(getattr(model, model.refractory)) if model.refractory else 0.0
    _require(
        float(np.asarray(modes.t_ref)) == t_ref,
        f"{bench.name}.modes().t_ref is {modes.t_ref}; the parameter {model.refractory} is {t_ref}.",
    )
    worst, spikes = 0.0, 0

    def agree(cell: Record, x: np.ndarray, after: str) -> None:
        nonlocal worst
        v = v_inf + float(x.sum())
        size = max(abs(v_inf), float(np.abs(x).max()), bench.weight)
        error = abs(v - bench.v(cell)) / size
        worst = max(worst, error)
        _require(
            error <= 1e-10,
            f"{bench.name}.modes() give v = {v!r} after {after}, the methods {bench.v(cell)!r}. "
            f"Check taus, gains and v_inf against advance, receive and fire.",
        )

    for _ in range(20):
        cell, x = bench.cell(), np.zeros(taus.size)
        x[0] = bench.v(cell) - v_inf
        for _ in range(12):
            port = int(bench.rng.integers(len(model.ports)))
            w = bench.signs[port] * bench.weight * float(bench.rng.uniform(0.05, 0.8))
            model.receive(cell, port, w)
            x = x + w * gains[port]
            agree(cell, x, "an arrival")
            wait = bench.time(cell)
            step = min(wait, float(bench.rng.exponential(0.3 * bench.span)))
            model.advance(cell, step)
            x = x * np.exp(-step / taus)
            agree(cell, x, f"{step:g} s")
            if wait > step:
                continue
            spikes += 1
            model.fire(cell)
            if modes.soft_reset:
                x[0] -= v_thresh - v_reset
            else:
                x[0] = v_reset - v_inf - x[1:].sum()
            agree(cell, x, "a spike")
            v = bench.v(cell)
            rest = float(bench.rng.uniform(0, 0.2 * bench.span))
            model.receive_held(cell, port, w)
            model.hold(cell, rest)
            x[1:] = (x[1:] + w * gains[port, 1:]) * np.exp(-rest / taus[1:])
            x[0] = v - v_inf - x[1:].sum()
            if bench.time(cell) > 0.0:
                model.advance(cell, 1e-2 * bench.span)
                x = x * np.exp(-1e-2 * bench.span / taus)
            agree(cell, x, "a refractory period")
    return f"{spikes} spikes, largest relative error {worst:.1g}"


def _check_model_run(bench: _Bench, model: Model, compiled: bool, seed: int) -> str:
    """Spikes of the compiled engine are the twin's, to 1e-12 s."""
    from .connect import all_to_all
    from .network import Network

    duration, n = 20 * bench.span, 4
    arrays = [value.size for value in model.params().values() if isinstance(value, np.ndarray)]
    n = arrays[0] if arrays else n

    def make(strength: float) -> Any:
        net = Network(seed=seed)
        cells = net.population("cells", model, n)
        for port, sign in zip(model.ports, bench.signs, strict=True):
            source = net.population(f"to {port}", Train(rate=2.0 / bench.span, start=0.0), 5)
            weight = sign * bench.weight * strength * (0.3 if sign < 0 else 1.0)
            net.connect(source, cells, all_to_all(), weight=weight, delay=0.7 * ms, port=port, name=f"drive {port}")
        net.connect(
            cells, cells, all_to_all(self_connections=False),
            weight=0.05 * bench.weight, delay=1.3 * ms, port=model.ports[0], name="recurrent",
        )  # fmt: skip
        return net

    strength = 0.3
    ours = simulate(make(strength), duration)
    while model.threshold and ours.counts["spikes"]["cells"] < 5 and strength < 100.0:
        strength *= 2.0
        ours = simulate(make(strength), duration)
    spikes = ours.counts["spikes"]["cells"]
    _require(
        spikes > 0 or not model.threshold,
        f"{bench.name} stays silent under arrivals of {strength * bench.weight:g}. Give weight= a larger.",
    )
    if not compiled:
        return f"{spikes} spikes, plain only"
    theirs = _compiled(make(strength)).run(duration).spikes["cells"]
    worst = 0.0
    for i in range(n):
        a, b = ours.times("cells", i), np.asarray(theirs.times)[np.asarray(theirs.ids) == i]
        _require(
            a.size == b.size,
            f"{bench.name}: neuron {i} fires {a.size} times in the twin and {b.size} times compiled.",
        )
        if a.size:
            worst = max(worst, float(np.max(np.abs(a - b))))
    _require(
        worst <= 1e-12,
        f"{bench.name}: compiled and plain spike times differ by {worst:.2g} s. Use only math functions and float "
        f"arithmetic in the methods.",
    )
    return f"{spikes} spikes, largest difference {worst:.1g} s"
