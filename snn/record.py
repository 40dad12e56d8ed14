"""What to record, and what a run gives back.

    requests = [Spikes(cells), State(cells, "v", every=0.1 * ms, ids=[0, 1]), Weights(projection, every=1.0)]

A request checks itself when it is made. The results are plain arrays in SI units.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ParameterError, RecordingError
from .plugin import check_unit
from .values import in_si, is_real

if TYPE_CHECKING:
    from .ledger import Ledger
    from .network import Population, Projection
    from .plot import Plots

_LONGEST_EVERY = {"State": 10.0, "Weights": 1000.0}  # s; weights of a long training are sampled rarely


def _check_population(request: str, population: Any) -> None:
    if hasattr(population, "source") and hasattr(population, "target"):
        raise RecordingError(
            f"{request} needs a population, but {population.name!r} is a projection. "
            f"Give {request}({population.target.name}, ...), or Weights(...) for its weights."
        )
    if not all(hasattr(population, attribute) for attribute in ("name", "size", "model")):
        raise RecordingError(f"{request} needs a population made by net.population(...), not {population!r}.")


def _indices(where: str, what: str, given: Any, size: int | None) -> np.ndarray:
    """Turn ids, a slice or a mask into indices.

    Parameters
    ----------
    where, what : str
        For messages: what the indices belong to, and what one of them is called.
    given : None, int, slice, (n,) int or (size,) bool
        None: all.
    size : int or None
        Number of things there are to choose from; None: not known yet, the upper end is not checked.
    """
    if given is None or (isinstance(given, slice) and size is None):
        return np.arange(size or 0)
    ids = np.arange(size)[given] if isinstance(given, slice) else np.atleast_1d(np.asarray(given))
    if ids.ndim != 1:
        raise RecordingError(f"{where} has shape {ids.shape}; give a list of {what} numbers.")
    if ids.dtype == bool:
        if size is not None and ids.size != size:
            raise RecordingError(f"{where} is a mask of {ids.size} values for {size}; give one value for each {what}.")
        ids = np.flatnonzero(ids)
    if ids.size == 0:
        raise RecordingError(f"{where} is empty; give at least one {what}, or leave it out to record all.")
    if ids.dtype.kind not in "iu":
        raise RecordingError(f"{where} holds {ids.flat[0]!r}; give whole numbers.")
    ids = ids.astype(np.int64)
    wrong = ids < 0 if size is None else (ids < 0) | (ids >= size)
    if wrong.any():
        last = "" if size is None else f" to {size - 1}"
        raise RecordingError(f"{where} holds {ids[wrong][0]}; {what} numbers go from 0{last}.")
    unique, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise RecordingError(f"{where} holds {unique[counts > 1][0]} more than once; give each {what} once.")
    return ids


def _every(where: str, kind: str, every: Any) -> float | None:
    """The time between two samples (s), or None as it is."""
    if every is None:
        return None
    try:
        every = in_si(where, every, "s")
        if not is_real(every):
            raise RecordingError(f"{where} is {every!r}; give the time between two samples in s, such as 0.1 * ms.")
        if not (every > 0 and np.isfinite(every)):
            raise RecordingError(f"{where} is {every:g} s; the time between two samples must be above 0.")
        check_unit(where, every, "s", _LONGEST_EVERY[kind])
    except ParameterError as error:
        raise RecordingError(str(error)) from error
    return every


@dataclass(frozen=True, eq=False)
class Spikes:
    """Record the spike times of a population.

    Parameters
    ----------
    population : Population
    ids : int, slice, (n,) int or (size,) bool, optional
        Which neurons; kept as (n,) int64. Default: all.
    """

    population: Population
    ids: Any = None

    def __post_init__(self) -> None:
        _check_population("Spikes", self.population)
        if self.ids is not None:
            object.__setattr__(self, "ids", self.indices())

    def indices(self) -> np.ndarray:
        """Ids of the recorded neurons, (n,) int64."""
        where = f"ids of Spikes of population {self.population.name!r}"
        return _indices(where, "neuron", self.ids, self.population.size)


@dataclass(frozen=True, eq=False)
class State:
    """Record a state variable of a population.

    Parameters
    ----------
    population : Population
    variable : str
        A state that the population's model declares, such as ``"v"``.
    every : float, s, optional
        Time between two samples; the first is taken at the start of the run.
    ids : int, slice, (n,) int or (size,) bool, optional
        Which neurons; kept as (n,) int64. Default: all.
    on_events : bool
        Sample whenever an event has changed one of the neurons, in place of `every`; exact engine only.
    """

    population: Population
    variable: str
    every: float | None = None
    ids: Any = None
    on_events: bool = False

    def __post_init__(self) -> None:
        _check_population("State", self.population)
        model = self.population.model
        declared = model.states_declared
        where = f"State of population {self.population.name!r}"
        if self.variable not in declared:
            known = f"It has: {', '.join(declared)}." if declared else "It declares none."
            raise RecordingError(f"{where} asks for {self.variable!r}, which {type(model).__name__} lacks. {known}")
        object.__setattr__(self, "every", _every(f"every of {where}", "State", self.every))
        if (self.every is None) == (not self.on_events):
            wrong = "neither every nor on_events" if self.every is None else "both every and on_events"
            raise RecordingError(f"{where} has {wrong}; give one of every=0.1 * ms and on_events=True.")
        if self.ids is not None:
            object.__setattr__(self, "ids", self.indices())

    @property
    def unit(self) -> str:
        """SI unit of the variable."""
        return self.population.model.states_declared[self.variable].unit

    def indices(self) -> np.ndarray:
        """Ids of the recorded neurons, (n,) int64."""
        where = f"ids of State of population {self.population.name!r}"
        return _indices(where, "neuron", self.ids, self.population.size)


@dataclass(frozen=True, eq=False)
class Weights:
    """Record the weights of a projection.

    Parameters
    ----------
    projection : Projection
    every : float, s, optional
        Time between two samples. Without it and `on_change`: at the start and at the end of the run.
    synapses : int, slice, (n,) int or (n_synapses,) bool, optional
        Which synapses, in order of source, then target. Default: all.
    on_change : bool
        Record each change of a weight with its time, in place of samples; exact engine only.
    """

    projection: Projection
    every: float | None = None
    synapses: Any = None
    on_change: bool = False

    def __post_init__(self) -> None:
        projection: Any = self.projection
        if not all(hasattr(projection, attribute) for attribute in ("name", "source", "target")):
            found = f"{projection.name!r} is a population" if hasattr(projection, "size") else f"got {projection!r}"
            raise RecordingError(f"Weights needs a projection made by net.connect(...); {found}.")
        where = f"Weights of projection {projection.name!r}"
        object.__setattr__(self, "every", _every(f"every of {where}", "Weights", self.every))
        if self.every is not None and self.on_change:
            raise RecordingError(f"{where} has both every and on_change; give one of every=1.0 and on_change=True.")
        count = getattr(projection, "n_synapses", None)
        indices = self.indices(count if isinstance(count, int) else None)
        # A slice or mask means nothing before the synapses are counted.
        if self.synapses is not None and isinstance(count, int):
            object.__setattr__(self, "synapses", indices)

    def indices(self, n_synapses: int | None) -> np.ndarray:
        """Indices of the recorded synapses, (n,) int64, once it is known how many there are.

        Parameters
        ----------
        n_synapses : int or None
            None: not known yet, as the connector is random; the upper end is not checked.
        """
        where = f"synapses of Weights of projection {self.projection.name!r}"
        return _indices(where, "synapse", self.synapses, n_synapses)


Request = Spikes | State | Weights


def check_requests(requests: Iterable[Any]) -> list[Request]:
    """Return the requests as a list, or raise RecordingError if one is none or if two would get the same name."""
    checked: list[Request] = []
    seen: set[tuple[str, ...]] = set()
    for request in requests:
        if isinstance(request, Spikes):
            key: tuple[str, ...] = ("Spikes of population", request.population.name)
        elif isinstance(request, State):
            key = ("State of population", request.population.name, request.variable)
        elif isinstance(request, Weights):
            key = ("Weights of projection", request.projection.name)
        else:
            raise RecordingError(f"record holds {request!r}; give Spikes(...), State(...) or Weights(...).")
        if key in seen:
            names = ", ".join(repr(name) for name in key[1:])
            raise RecordingError(f"{key[0]} {names} is requested twice; give one request with all that is needed.")
        seen.add(key)
        checked.append(request)
    return checked


def _column(values: Any, dtype: Any) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=dtype)


def _check_shape(where: str, values: np.ndarray, shape: tuple[int, ...]) -> None:
    if values.shape != shape:
        raise RecordingError(f"{where} has shape {values.shape}; expected {shape}.")


@dataclass(eq=False)
class SpikeData:
    """Spikes of a population.

    Parameters
    ----------
    population : str
    size : int
        Number of neurons in the population.
    times : (n_spikes,) float64, s
        In ascending order.
    ids : (n_spikes,) int64
        Neuron of each spike.
    recorded : (n,) int64, optional
        Ids of the neurons that were recorded. Default: all.
    """

    population: str
    size: int
    times: np.ndarray
    ids: np.ndarray
    recorded: np.ndarray | None = None

    def __post_init__(self) -> None:
        self.times, self.ids = _column(self.times, np.float64), _column(self.ids, np.int64)
        _check_shape(f"ids of the spikes of population {self.population!r}", self.ids, self.times.shape)
        if self.recorded is not None:
            self.recorded = _column(self.recorded, np.int64)

    def __len__(self) -> int:
        return self.times.size

    @property
    def n_recorded(self) -> int:
        """Number of neurons that were recorded."""
        return self.size if self.recorded is None else self.recorded.size

    def counts(self) -> np.ndarray:
        """Number of spikes of each neuron, (size,) int64; 0 for those that were not recorded."""
        return np.bincount(self.ids, minlength=self.size)

    def train(self, neuron: int) -> np.ndarray:
        """Spike times (s) of one neuron."""
        return self.times[self.ids == neuron]


@dataclass(eq=False)
class StateData:
    """Samples of a state variable.

    Parameters
    ----------
    population, variable : str
    unit : str
        SI unit of the values.
    times : (n_t,) float64, s
    ids : (n,) int64
    values : (n_t, n) float64
    """

    population: str
    variable: str
    unit: str
    times: np.ndarray
    ids: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        self.times, self.ids = _column(self.times, np.float64), _column(self.ids, np.int64)
        self.values = _column(self.values, np.float64)
        where = f"values of {self.variable!r} of population {self.population!r}"
        _check_shape(where, self.values, (self.times.size, self.ids.size))

    @property
    def every(self) -> float | None:
        """Time between two samples (s); None where samples are not at equal intervals or fewer than two."""
        steps = np.diff(self.times)
        # A grid t0 + k * every leaves rounding of at most a few ulp of the latest time in its differences.
        if steps.size == 0 or np.ptp(steps) > 4 * np.spacing(np.abs(self.times).max()):
            return None
        return float((self.times[-1] - self.times[0]) / steps.size)


@dataclass(eq=False)
class WeightData:
    """Samples of weights.

    Parameters
    ----------
    projection : str
    times : (n_t,) float64, s
    sources, targets : (n,) int64
        Ids of the two neurons of each synapse.
    values : (n_t, n) float64 or float32, as the projection keeps them
    """

    projection: str
    times: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        self.times = _column(self.times, np.float64)
        self.sources, self.targets = _column(self.sources, np.int64), _column(self.targets, np.int64)
        values = np.asarray(self.values)
        self.values = _column(values, np.float32 if values.dtype == np.float32 else np.float64)
        where = f"of the weights of projection {self.projection!r}"
        _check_shape(f"targets {where}", self.targets, self.sources.shape)
        _check_shape(f"values {where}", self.values, (self.times.size, self.sources.size))


@dataclass(eq=False)
class WeightChanges:
    """Each change of a weight.

    Parameters
    ----------
    projection : str
    times : (n,) float64, s
    synapses : (n,) int64
        Index of the synapse, in order of source, then target.
    sources, targets : (n,) int64
        Ids of the synapse's two neurons.
    values : (n,) float64
        The weight after the change.
    """

    projection: str
    times: np.ndarray
    synapses: np.ndarray
    sources: np.ndarray
    targets: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        self.times, self.values = _column(self.times, np.float64), _column(self.values, np.float64)
        for name in ("synapses", "sources", "targets"):
            setattr(self, name, _column(getattr(self, name), np.int64))
        for name in ("synapses", "sources", "targets", "values"):
            where = f"{name} of the weight changes of projection {self.projection!r}"
            _check_shape(where, getattr(self, name), self.times.shape)


@dataclass(eq=False)
class Result:
    """What a run has recorded, and what it was.

    Parameters
    ----------
    spikes : dict of SpikeData by population
    states : dict of StateData by (population, variable)
    weights : dict of WeightData or WeightChanges by projection
    duration, t_start : float, s
        The run covers [t_start, t_start + duration).
    unrecorded : float, s
        Part of it that lies between two runs into one file, such as presentations.
    ledger : Ledger or None
    provenance : dict
        Versions, seed, command.
    network : dict
        All declarations, as `Network.describe` gives them.
    rules : list of dict
        For each rule that ran: qualname, digest, source.
    """

    spikes: dict[str, SpikeData] = field(default_factory=dict)
    states: dict[tuple[str, str], StateData] = field(default_factory=dict)
    weights: dict[str, WeightData | WeightChanges] = field(default_factory=dict)
    duration: float = 0.0
    t_start: float = 0.0
    unrecorded: float = 0.0
    ledger: Ledger | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    rules: list[dict[str, Any]] = field(default_factory=list)

    def __repr__(self) -> str:
        return (
            f"Result({self.duration:g} s, spikes of {len(self.spikes)} populations, {len(self.states)} states, "
            f"weights of {len(self.weights)} projections)"
        )

    def summary(self) -> str:
        """Rates, ranges and weight changes as text for people."""
        left_out = f", {self.unrecorded:g} s of which are not recorded" if self.unrecorded > 0 else ""
        lines = [f"Result of {self.duration:g} s from t = {self.t_start:g} s{left_out}"]
        recorded = self.duration - self.unrecorded
        for name, s in self.spikes.items():
            n, total = s.n_recorded, len(s)
            rate = f"{total / n / recorded:.4g} Hz" if n and recorded > 0 else "no rate"
            silent = n - np.count_nonzero(s.counts())
            lines.append(f"spikes   {name}: {total:,} of {n:,} neurons, mean rate {rate}, {silent:,} silent")
        for (name, variable), d in self.states.items():
            spread = _spread(d.values, "" if d.unit == "1" else " " + d.unit)
            lines.append(f"state    {name}.{variable}: {d.times.size:,} samples of {d.ids.size:,} neurons, {spread}")
        for name, w in self.weights.items():
            lines.append(f"weights  {name}: {_weight_words(w)}")
        if self.ledger is not None:
            lines.append("ledger   kept; see result.ledger")
        return "\n".join(lines)

    def save(self, path: str | os.PathLike[str], overwrite: bool = False) -> None:
        """Write everything to an HDF5 file; :func:`snn.io.load` gives it back.

        Parameters
        ----------
        path : path
        overwrite : bool
            False: an existing file is an ExportError.
        """
        from .io import save

        save(self, path, overwrite=overwrite)

    @property
    def plot(self) -> Plots:
        """Figures: `raster()`, `trace(population, variable)`, `weights(projection)`."""
        from .plot import Plots

        return Plots(self)

    def to_dataframe(self, what: str = "spikes") -> Any:
        """Everything of one kind as a pandas table with one row per value.

        Parameters
        ----------
        what : {"spikes", "states", "weights"}
            Columns: population, id, time | population, variable, id, time, value | projection, source, target,
            time, weight. Times in s, values in SI units.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise RecordingError("to_dataframe needs pandas, which is not installed. Install pandas.") from error
        columns: tuple[str, ...]
        blocks: list[tuple[Any, ...]]
        if what == "spikes":
            columns = ("population", "id", "time")
            blocks = [(s.population, s.ids, s.times) for s in self.spikes.values()]
        elif what == "states":
            columns = ("population", "variable", "id", "time", "value")
            blocks = [
                (d.population, d.variable, np.tile(d.ids, d.times.size), d.times.repeat(d.ids.size), d.values.ravel())
                for d in self.states.values()
            ]
        elif what == "weights":
            columns = ("projection", "source", "target", "time", "weight")
            blocks = [_weight_columns(w) for w in self.weights.values()]
        else:
            raise RecordingError(f"to_dataframe has no {what!r}; give 'spikes', 'states' or 'weights'.")
        tables = [pd.DataFrame(dict(zip(columns, block, strict=True))) for block in blocks]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))

    def to_neo(self) -> Any:
        """Spikes and states as a `neo.Block` with one segment: a SpikeTrain per recorded neuron, a signal per state.

        States sampled at equal intervals become AnalogSignals, others IrregularlySampledSignals. Weights have no
        place in Neo and are left out.
        """
        try:
            import neo
            import quantities as pq
        except ImportError as error:
            raise RecordingError("to_neo needs neo, which is not installed. Install neo.") from error
        block, segment = neo.Block(name="localspike"), neo.Segment(name="run")
        block.segments.append(segment)
        stop = self.t_start + self.duration
        for s in self.spikes.values():
            order = np.argsort(s.ids, kind="stable")
            times, ids = s.times[order], s.ids[order]
            for neuron in range(s.size) if s.recorded is None else np.sort(s.recorded).tolist():
                train = times[slice(*np.searchsorted(ids, (neuron, neuron + 1)))]
                segment.spiketrains.append(
                    neo.SpikeTrain(
                        train * pq.s,
                        t_start=min([self.t_start, *train[:1]]) * pq.s,
                        t_stop=max([stop, *train[-1:]]) * pq.s,
                        name=f"{s.population}[{neuron}]",
                        population=s.population,
                        neuron_id=int(neuron),
                    )
                )
        for d in self.states.values():
            unit = pq.Quantity(1, "dimensionless" if d.unit == "1" else d.unit)
            name, notes = f"{d.population}.{d.variable}", {"population": d.population, "variable": d.variable}
            if d.every is not None:
                signal = neo.AnalogSignal(
                    d.values * unit, sampling_period=d.every * pq.s, t_start=d.times[0] * pq.s, name=name, **notes
                )
                segment.analogsignals.append(signal)
            else:
                signal = neo.IrregularlySampledSignal(d.times * pq.s, d.values * unit, name=name, **notes)
                segment.irregularlysampledsignals.append(signal)
            signal.array_annotate(neuron_id=d.ids)
        return block


def _spread(values: np.ndarray, unit: str = "") -> str:
    values = values[values > -1e29]  # refractory cells may hold a placeholder of -1e30
    return f"{values.min():.4g} to {values.max():.4g}{unit}" if values.size else "no values"


def _weight_words(w: WeightData | WeightChanges) -> str:
    if isinstance(w, WeightChanges):
        return f"{w.times.size:,} changes of {np.unique(w.synapses).size:,} synapses, {_spread(w.values)}"
    words = f"{w.times.size:,} samples of {w.sources.size:,} synapses, {_spread(w.values)}"
    if w.times.size > 1 and w.sources.size:
        changed = np.count_nonzero(w.values[0] != w.values[-1])
        first, last = w.values[0].mean(dtype=float), w.values[-1].mean(dtype=float)
        words += f"; {changed:,} changed, mean {first:.4g} -> {last:.4g}"
    return words


def _weight_columns(w: WeightData | WeightChanges) -> tuple[Any, ...]:
    if isinstance(w, WeightChanges):
        return w.projection, w.sources, w.targets, w.times, w.values
    n_t, n = w.values.shape
    return w.projection, np.tile(w.sources, n_t), np.tile(w.targets, n_t), w.times.repeat(n), w.values.ravel()
