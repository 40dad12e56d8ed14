"""Results in HDF5 files: saved, loaded, or left in the file that a run has written; spikes of other programs.

The layout is that of :mod:`snn.writer`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from .errors import ExportError
from .hdf5 import PathLike, opened
from .record import Result, SpikeData, StateData, WeightChanges, WeightData
from .writer import FORMAT, RULE, SORTING, Writer, from_ms

if TYPE_CHECKING:
    import h5py

_MS = {"ms": 1.0, "milliseconds": 1.0, "millisecond": 1.0, "s": 1e3, "seconds": 1e3, "second": 1e3}

Rows = dict[str, tuple[int, int]] | None
"""Part of each growing dataset, by its path; none of those that are not named. None: everything."""


def save(result: Result, path: PathLike, overwrite: bool = False) -> None:
    """Write a result to a file.

    Parameters
    ----------
    result : Result
    path : path
    overwrite : bool
        False: an existing file is an ExportError.
    """
    with Writer(path, result.network, result.provenance, result.rules, overwrite=overwrite) as writer:
        writer.span(result.t_start, result.duration, result.unrecorded)
        for s in result.spikes.values():
            writer.spikes(s.population, s.size, [], [], s.recorded)
            for rows in _blocks(len(s), 1):
                writer.spikes(s.population, s.size, s.times[rows], s.ids[rows], s.recorded)
        for d in result.states.values():
            # All are declared before rows fill the buffer, so that the first flush can choose among them.
            writer.state(d.population, d.variable, d.unit, d.ids, [], np.empty((0, d.ids.size)), d.every)
        for d in result.states.values():
            for rows in _blocks(d.times.size, d.ids.size):
                writer.state(d.population, d.variable, d.unit, d.ids, d.times[rows], d.values[rows], d.every)
        for w in result.weights.values():
            if isinstance(w, WeightData):
                for rows in _blocks(w.times.size, w.sources.size):
                    writer.weights(w.projection, w.sources, w.targets, w.times[rows], w.values[rows])
            else:
                for rows in _blocks(w.times.size, 5):
                    columns = (w.times, w.synapses, w.sources, w.targets, w.values)
                    writer.weight_changes(w.projection, *(column[rows] for column in columns))
        if result.ledger is not None:
            writer.ledger(result.ledger.to_json())


def _blocks(n_rows: int, width: int) -> Iterator[slice]:
    """Slices of at most a megabyte; at least one, so that an empty array is declared as well."""
    step = max(1, 2**17 // max(1, width))
    for start in range(0, max(1, n_rows), step):
        yield slice(start, start + step)


def load(path: PathLike) -> Result:
    """Read a result that was saved, or the ``.partial`` file of a run that was killed, up to its last flush.

    Parameters
    ----------
    path : path

    Returns
    -------
    Result
        With arrays equal bit for bit to those that were written.

    Raises
    ------
    ExportError
        If the file cannot be read, or holds something else: spikes of other programs, a checkpoint.
    """
    with opened(path) as file:
        if "snn" not in file:
            raise ExportError(f"{path} holds no /snn group. Read the spikes of other programs with load_spikes(path).")
        own = file["snn"]
        if "checkpoint" in own:
            raise ExportError(f"{path} is a checkpoint, no result; Simulator.restore(path) goes on from it.")
        if "format" not in own.attrs:
            raise ExportError(f"{path} holds no result of a run, but: {', '.join(own) or 'nothing'}.")
        if own.attrs["format"] > FORMAT:
            raise ExportError(f"{path} has format {own.attrs['format']}; this version reads up to {FORMAT}. Update it.")
        return _contents(file, None)


def _contents(file: h5py.File, rows: Rows) -> Result:
    own = file["snn"]
    result = Result(
        duration=float(own.attrs["duration"]),
        t_start=float(own.attrs["t_start"]),
        unrecorded=float(own.attrs.get("unrecorded", 0.0)),
        network=_json(own, "network"),
        provenance=_json(own, "provenance"),
        rules=[{key: group.attrs[key] for key in RULE} for _, group in _declared(own, "rules")],
    )
    for name, group in _declared(own, "spikes"):
        result.spikes[name] = _load_spikes(name, group, file["spikes"][name], rows)
    states = [
        (name, variable, group) for name in own.get("states", ()) for variable, group in own["states"][name].items()
    ]
    for name, variable, group in sorted(states, key=lambda state: state[2].attrs["index"]):
        times, values = _trimmed(rows, group["times"], group["values"])
        unit = group.attrs["unit"]
        result.states[name, variable] = StateData(name, variable, unit, times, group["ids"][()], values)
    for name, group in _declared(own, "weights"):
        result.weights[name] = _load_weights(name, group, rows)
    if "ledger" in own:
        from .ledger import Ledger

        result.ledger = Ledger.from_json(_json(own["ledger"], str(len(own["ledger"]) - 1)))
    return result


class FileResult(Result):
    """A result whose recordings stay in the file that they were written to until somebody looks at or copies them.

    Parameters
    ----------
    writer : Writer
    rows : dict
        Which part of the file this run has written.
    **known
        Fields of :class:`Result` other than `spikes`, `states` and `weights`.
    """

    def __init__(self, writer: Writer, rows: Rows, **known: Any) -> None:
        super().__init__(**known)
        del self.spikes, self.states, self.weights
        self._writer, self._rows = writer, rows

    def __getattr__(self, name: str) -> Any:
        if name not in ("spikes", "states", "weights"):
            raise AttributeError(f"{type(self).__name__!r} has no attribute {name!r}")
        with self._writer.reading() as file:
            found = _contents(file, self._rows)
        self.spikes, self.states, self.weights = found.spikes, found.states, found.weights
        return getattr(self, name)

    def __reduce__(self) -> Any:
        # The file stays here: a copy has its recordings with it.
        return partial(Result, **{known.name: getattr(self, known.name) for known in fields(Result)}), ()

    def __repr__(self) -> str:
        return f"Result({self.duration:g} s, recordings in {self._writer.path})"


def load_spikes(path: PathLike) -> dict[str, SpikeData]:
    """Read the spikes of a SONATA file, whoever wrote it.

    Both layouts are read: ``/spikes/<population>/{timestamps, node_ids}``, and the older one without populations,
    ``/spikes/{timestamps, gids}``, whose spikes come under the name ``"default"``.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of SpikeData by population
        Times in s, in ascending order. The size of a population is not in such a file: it is the largest id + 1.

    References
    ----------
    Dai et al. (2020) PLoS Comput. Biol. 16, e1007696.
    """
    with opened(path) as file:
        if "spikes" not in file:
            raise ExportError(f"{path} holds no /spikes group. Give a SONATA spike file.")
        spikes = file["spikes"]
        if "gids" in spikes:
            return {"default": _foreign_spikes(path, "default", spikes, "gids")}
        return {name: _foreign_spikes(path, name, group, "node_ids") for name, group in spikes.items()}


def _foreign_spikes(path: PathLike, name: str, group: h5py.Group, ids_name: str) -> SpikeData:
    stamps = group["timestamps"]
    units = stamps.attrs.get("units", "ms")  # the older layout has no units; its times are in ms
    units = units.decode() if isinstance(units, bytes) else str(units)
    if units not in _MS:
        raise ExportError(f"{path}: timestamps of population {name!r} are in {units!r}; known are {', '.join(_MS)}.")
    times, ids = stamps[()] * _MS[units] / 1e3, group[ids_name][()].astype(np.int64)
    order = np.argsort(times, kind="stable")
    return SpikeData(name, int(ids.max()) + 1 if ids.size else 0, times[order], ids[order])


def _declared(own: h5py.Group, name: str) -> list[tuple[str, h5py.Group]]:
    """The groups in the order in which they were declared."""
    return sorted(own[name].items(), key=lambda item: item[1].attrs["index"]) if name in own else []


def _json(own: h5py.Group, name: str) -> Any:
    return json.loads(own[name][()])


def _trimmed(rows: Rows, *datasets: h5py.Dataset) -> list[np.ndarray]:
    """Datasets up to the length of the shortest, which a kill in the middle of a flush may have left behind.

    Of these rows, those that `rows` names by the path of the first dataset.
    """
    first, last = 0, min(dataset.shape[0] for dataset in datasets)
    if rows is not None:
        first, last = rows.get(datasets[0].name.lstrip("/"), (0, 0))
    return [dataset[first:last] for dataset in datasets]


def _load_spikes(name: str, own: h5py.Group, sonata: h5py.Group, rows: Rows) -> SpikeData:
    scaled, ids, off = _trimmed(rows, sonata["timestamps"], sonata["node_ids"], own["ulp"])
    times = from_ms(scaled, off)
    if sonata.attrs["sorting"] != SORTING["by_time"]:
        order = np.argsort(times, kind="stable")
        times, ids = times[order], ids[order]
    recorded = own["recorded"][()] if "recorded" in own else None
    return SpikeData(name, int(own.attrs["size"]), times, ids, recorded)


def _load_weights(name: str, group: h5py.Group, rows: Rows) -> WeightData | WeightChanges:
    if group.attrs["kind"] == "samples":
        times, values = _trimmed(rows, group["time"], group["w"])
        return WeightData(name, times, group["source_ids"][()], group["target_ids"][()], values)
    names = ("time", "synapses", "source_ids", "target_ids", "w")
    return WeightChanges(name, *_trimmed(rows, *(group[n] for n in names)))
