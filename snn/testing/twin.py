"""The plain-Python twin of the engine: one event queue, and the plugins' own uncompiled methods."""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..build import resolve_rule
from ..errors import ParameterError, PluginError, SimulationError
from ..plugin import GivenSpikes, Rule, Source
from .lessons import Lessons, softmax
from .record import Record

# What a rule that reads the potential sees while the cell is refractory: below every threshold.
HELD = -1e30

# Kinds of events in their order within one instant.
_RELEASE, _SOURCE, _ARRIVAL, _CROSSING, _DEFERRED = range(5)

# What is counted by projection.
_COUNTED = ("rows", "deliveries", "lost", "on_pre", "on_post")

# More spikes of one neuron at one instant than any reset can explain.
_MOST_AT_ONCE = 10_000


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
    held: bool = False
    version: int = 0
    t_spike: float = -math.inf
    at_once: int = 0
    drawn: int = 0
    v_fired: float = 0.0


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
    teaches: _Path | None = None
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_COUNTED, 0))


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
        if network.currents:
            raise PluginError("The twin knows no injected currents. Leave them out, or give models a constant drive.")
        from ..random import Streams

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
        self.fired: Counter[tuple[str, int]] = Counter()
        """Spikes of each neuron since the presentation began."""
        self._paths: list[_Path] = []
        for projection in network.projections.values():
            self._paths.append(self._make_path(projection))
        self._outgoing: dict[str, list[_Path]] = {name: [] for name in network.populations}
        self._plastic: dict[str, list[_Path]] = {name: [] for name in network.populations}
        for path in self._paths:
            self._outgoing[path.source].append(path)
            if path.rule is not None:
                self._plastic[path.target].append(path)
        self.lessons = Lessons(self)
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
            cells.append(_Cell(name, i, model.of_neuron(i), Record(type(model).__name__, "cell", values)))
        return cells

    def _make_path(self, projection: Any) -> _Path:
        from ..synapses import expand

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
        rule = None if projection.rule is None else resolve_rule(projection.rule, model)
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
            teaches=None if projection.teaches is None else self._paths[projection.teaches.index],
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
        self.fired[cell.population, cell.index] += 1

    def _fire(self, cell: _Cell) -> None:
        self._bring(cell)
        self._count_spike(cell)
        cell.v_fired = getattr(cell.record, cell.plugin.potential)
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
        from ..random import uniform_at

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

    def _deliver(self, path: _Path, row: _Row) -> None:
        """A spike reaches the synapses of a row."""
        path.counts["rows"] += 1
        row.carried = True
        if path.teaches is not None:
            for k in row.synapses:
                post = path.teaches.post[int(path.targets[k])].at(self.t)
                path.teaches.rule.on_teach(post, path.syn[k].w, self.t)  # type: ignore[union-attr]
            return
        for k in row.synapses:
            cell = self._cells[self._first[path.target] + int(path.targets[k])]
            self._bring(cell)
            path.counts["deliveries"] += 1
            path.counts["lost"] += cell.held
            receive = cell.plugin.receive_held if cell.held else cell.plugin.receive
            receive(cell.record, path.port, path.syn[k].w)
            self._predict(cell)

    def _arrive(self, path: _Path, row: _Row) -> None:
        self._deliver(path, row)
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

    def _seen(self, path: _Path, cell: _Cell) -> Record:
        """What a rule keeps of a target, with its potential where the rule reads that."""
        post = path.post[cell.index].at(self.t)
        if path.rule is not None and "post.v" in path.rule.reads:
            post.show("v", HELD if cell.held else getattr(cell.record, cell.plugin.potential))
        return post

    def _learn_post(self, cell: _Cell) -> None:
        for path in self._plastic[cell.population]:
            for k in path.incoming[cell.index]:
                self._visit(path, "on_post", k)
            if path.rule is not None and path.rule.overrides("post_spike"):
                post = path.post[cell.index].at(self.t)
                if "post.v" in path.rule.reads:
                    post.show("v", cell.v_fired)
                path.rule.post_spike(post, self.t)  # type: ignore[attr-defined]
                post.show("v", None)

    def _visit(self, path: _Path, hook: str, k: int, *more: float) -> None:
        """Call one hook of the rule on synapse `k`."""
        if path.rule is None or not path.rule.overrides(hook):
            return
        cell = self._cells[self._first[path.target] + int(path.targets[k])]
        if hook == "on_pre":
            self._bring(cell)
        pre = path.row_of[k].pre.at(self.t)
        post = self._seen(path, cell) if hook == "on_pre" else path.post[cell.index].at(self.t)
        if hook in path.counts:
            path.counts[hook] += 1
        getattr(path.rule, hook)(path.syn[k], pre, post, *more, self.t)
        post.show("v", None)

    def signal(self, population: str, values: Any) -> None:
        """A learning signal reaches a population now: `post_signal` of each neuron, `on_signal` on its synapses.

        Of synapses, those whose axon has carried a spike since the presentation began.

        Parameters
        ----------
        population : str
        values : (n,) array_like
            The signal of each neuron.
        """
        n = self.network.populations[population].size
        signals = np.broadcast_to(np.asarray(values, dtype=float), (n,))
        for path in self._plastic[population]:
            if path.rule is not None and path.rule.overrides("post_signal"):
                for cell in self._of(population):
                    self._bring(cell)
                    post = self._seen(path, cell)
                    path.rule.post_signal(post, float(signals[cell.index]), self.t)  # type: ignore[attr-defined]
                    post.show("v", None)
            for k, row in enumerate(path.row_of):
                if row.carried:
                    self._visit(path, "on_signal", k, float(signals[path.targets[k]]))

    def end(self) -> None:
        """A presentation ends now: `on_end` on every synapse."""
        for path in self._paths:
            for k in range(len(path.syn)):
                self._visit(path, "on_end", k)

    def present(
        self,
        samples: Any,
        labels: Sequence[int] | None = None,
        *,
        into: str,
        readout: str,
        duration: float,
        labels_into: str | None = None,
        targets: Any = None,
        steps: int = 1,
        output: Any = None,
    ) -> np.ndarray:
        """Show samples one after the other and learn after each: the plain form of `Simulator.present`.

        For each sample: cells and traces go back to their start and the clock to 0; the sample becomes `x` of the
        encoder; the network runs; error = softmax(y) - onehot(label), or y - target, at the readout; every signal is
        formed with the weights as they are; then `on_signal`, and at the end `on_end`. Synapses keep their weights and
        "syn" states.

        Parameters
        ----------
        samples : (n, size of `into`) array_like
        labels : (n,) sequence of int
        into, readout : str
            Populations.
        labels_into : str, optional
            Encoder of the labels.
        duration : float, s
            Of each presentation.
        targets : (n, steps, size of `readout`) array_like, optional
            In place of labels.
        steps : int
            How many errors a presentation has, at equal distances.
        output : callable, optional
            output(spikes, v, t): outputs y of the readout from its spikes in this presentation, a list of (t, neuron),
            its potentials and the time; by default its potentials, or its spike counts where it fires.

        Returns
        -------
        (n, size of `readout`) float64, or (n, steps, size of `readout`) where there are several
            The outputs at every error.
        """
        outputs = []
        samples = np.asarray(samples, dtype=np.float32)
        for s, values in enumerate(samples):
            label = -1 if labels is None else labels[s]
            shown = {into: values}
            if labels_into is not None:
                shown[labels_into] = np.arange(self.network.populations[labels_into].size) == label
            began = len(self.spikes)
            self._restart(shown)
            cells = self._of(readout)
            for step in range(steps):
                self.run(duration * (step + 1) / steps - self.t)
                for cell in cells:
                    self._bring(cell)
                y = np.array([HELD if c.held else getattr(c.record, c.plugin.potential) for c in cells])
                if output is not None:
                    y = output([(t, i) for t, name, i in self.spikes[began:] if name == readout], y, self.t)
                elif cells[0].plugin.threshold:
                    y = np.array([self.fired[readout, c.index] for c in cells], float)
                outputs.append(y)
                if targets is None:
                    error = softmax(y)
                    reward = math.log(max(error[label], 1e-300))
                    error[label] -= 1.0
                else:
                    error, reward = np.nan_to_num(y - np.asarray(targets)[s, step]), math.nan
                signals = self.lessons.signals(readout, error, label, reward, self._shown - 1)
                for population, signal in signals.items():
                    self.signal(population, signal)
            self.end()
        shape = (len(samples), steps, -1) if steps > 1 else (len(samples), -1)
        return np.array(outputs).reshape(shape)

    def _of(self, population: str) -> list[_Cell]:
        first = self._first[population]
        return self._cells[first : first + self.network.populations[population].size]

    def _restart(self, shown: dict[str, np.ndarray]) -> None:
        """Everything but the synapses back to its start; every presentation draws from its own part of the streams."""
        self.t = 0.0
        self._queue.clear()
        for cell, record in zip(self._cells, self._start_records, strict=True):
            cell.record, cell.t_last, cell.held, cell.t_spike = record.copy(), 0.0, False, -math.inf
            cell.drawn = self._shown << 24
        for encoder, values in shown.items():
            for cell, x in zip(self._of(encoder), values, strict=True):
                cell.record.x = float(x)
        for path in self._paths:
            for row in path.row_of:
                row.pre, row.carried = row.pre.fresh(), False
            path.post = [post.fresh() for post in path.post]
        self.fired.clear()
        self.lessons.begin(self._shown)
        self._shown += 1
        self._start()

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
