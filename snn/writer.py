"""HDF5 files, written while a run goes on.

    with Writer("run.h5", network=net.describe()) as writer:
        writer.spikes("cells", 10, times, ids)
        writer.flush()

Layout; times are ms in the SONATA part and s in ours::

    /spikes/<population>/{timestamps, node_ids}              SONATA 0.1
    /report/<population>/{data, mapping/...}                 SONATA 0.1, one variable per population, float32; nan
                                                             between two runs
    /snn                          attrs format; id, another for each file; t_start, duration, unrecorded (s)
        network, provenance, ledger/<n>                      JSON; the last ledger counts
        rules/<n> <qualname>      attrs qualname, digest, source
        spikes/<population>       attrs size; ulp: what ms have lost of the times in s; recorded: ids
        states/<population>/<variable>/{times, ids, values}  attrs unit; SI units, float64
        weights/<projection>/{time, w, source_ids, target_ids, synapses}   attrs kind: samples or changes

A file grows under the name ``<path>.partial`` and gets its own name when it is complete. It changes during a flush
only, so that a run that is killed leaves everything up to the last flush.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from .errors import ExportError
from .hdf5 import Column, PathLike, commit, create, is_locked, opened, reason, sync
from .record import SpikeData, StateData, WeightChanges, WeightData

if TYPE_CHECKING:
    import h5py

FORMAT = 1
"""Version of the layout of /snn."""

_MAGIC = np.uint32(0x0A7A)  # SONATA
SORTING = {"none": 0, "by_id": 1, "by_time": 2}
RULE = ("qualname", "digest", "source")
_BUFFER = 2**24  # bytes that wait in memory before a flush of their own
_REPORT_UNITS = {"V": ("mV", 1e3)}  # SONATA's unit for voltages; other variables keep theirs


def _to_ms(where: str, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Times in ms, and the ulps that ``ms / 1000`` is off from the times in s: (n,) float64, (n,) int8."""
    scaled = times * 1e3
    off = times.view(np.int64) - (scaled / 1e3).view(np.int64)
    if times.size and not (np.isfinite(scaled).all() and times.min() >= 0 and np.abs(off).max() <= 127):
        bad = times[~(np.isfinite(scaled) & (times >= 0))]
        raise ExportError(f"{where} holds the time {bad[:1] or times.max()} s; times are finite and at least 0.")
    return scaled, off.astype(np.int8)


def from_ms(scaled: np.ndarray, off: np.ndarray) -> np.ndarray:
    """The times in s, bit for bit as :func:`_to_ms` got them."""
    return ((scaled / 1e3).view(np.int64) + off).view(np.float64)


class _State:
    """Where the samples of one variable go."""

    def __init__(self, population: str, variable: str, unit: str, ids: np.ndarray, every: float | None) -> None:
        self.population, self.variable, self.unit, self.every, self.ids = population, variable, unit, every, ids
        path = f"snn/states/{population}/{variable}"
        self.times = Column(f"{path}/times", "f8", units="s")
        self.values = Column(f"{path}/values", "f8", ids.size)
        self.data: Column | None = None
        self.start: float | None = None

    def report(self) -> Column:
        """Make this the variable of the population that goes to the SONATA report."""
        units = _REPORT_UNITS.get(self.unit, (self.unit, 1.0))[0]
        self.data = Column(f"report/{self.population}/data", "f4", self.ids.size, units=units, fill=np.nan)
        for (_, times), (_, values) in zip(self.times.pending, self.values.pending, strict=True):
            for block in zip(times, values, strict=True):
                self._report(*block)
        return self.data

    def scaled(self, rows: np.ndarray) -> np.ndarray:
        """The values in the report's unit."""
        return rows * _REPORT_UNITS.get(self.unit, (self.unit, 1.0))[1]

    def append(self, times: np.ndarray, values: np.ndarray) -> int:
        if self.start is None and times.size:
            self.start = float(times[0])
        size = self.times.append(times) + self.values.append(values)
        return size if self.data is None else size + self._report(times, values)

    def _report(self, times: np.ndarray, values: np.ndarray) -> int:
        """Append samples to the report, whose rows are equally far apart: those that were not taken are nan."""
        assert self.every is not None and self.start is not None and self.data is not None
        skipped = round((float(times[0]) - self.start) / self.every) - self.data.end
        if skipped < 0 or round((float(times[-1]) - float(times[0])) / self.every) != times.size - 1:
            raise ExportError(
                f"{self.variable!r} of population {self.population!r} come at {times[0]:g} s to {times[-1]:g} s, and "
                f"are {times.size} samples, {self.every:g} s apart. Give every=None where they are not."
            )
        return self.data.append(self.scaled(values), skipped)

    def time(self) -> list[float]:
        """Start, stop and step of the report (ms)."""
        assert self.every is not None and self.start is not None and self.data is not None
        step = self.every * 1e3
        return [self.start * 1e3, self.start * 1e3 + step * self.data.length, step]


class Writer:
    """Writes a result while it comes into being, in bounded memory.

    Parameters
    ----------
    path : path
        The file appears under this name when it is complete; until then it is ``<path>.partial``.
    network, provenance : dict
        In terms that JSON knows.
    rules : list of dict
        With qualname, digest and source of each rule.
    overwrite : bool
        False: an existing file, or the rest of a run that did not finish, is an ExportError.

    Raises
    ------
    ExportError
        Here, before anything long starts, if the path cannot be written; later if the disk is full. What was flushed
        stays readable in ``<path>.partial``.
    """

    def __init__(
        self,
        path: PathLike,
        network: dict[str, Any] | None = None,
        provenance: dict[str, Any] | None = None,
        rules: list[dict[str, Any]] | None = None,
        overwrite: bool = False,
    ) -> None:
        self.path = Path(path)
        self.partial = self.path.with_name(self.path.name + ".partial")
        self._overwrite = overwrite
        self._columns: list[Column] = []
        self._later: list[tuple[int, Callable[[h5py.File], None]]] = []
        self._spikes: dict[str, tuple[Column, Column, Column]] = {}
        self._states: dict[tuple[str, str], _State] = {}
        self._weights: dict[str, tuple[Column, ...]] = {}
        self._reports: dict[str, _State] = {}
        self._last: dict[str, float] = {}
        self._waiting = 0
        self._n_groups = 0
        self._n_ledgers = 0
        self._file: h5py.File | None = None
        self._named = False

        self._id = uuid4().hex
        self._later.append((4096, self._write_header))
        self._text("snn/network", network or {})
        self._text("snn/provenance", provenance or {})
        for k, rule in enumerate(rules or ()):
            attributes = {key: str(rule[key]) for key in RULE}
            # Two rules may have one name, such as two versions of a class in a notebook.
            self._group(f"snn/rules/{k} {attributes['qualname'].replace('/', '|')}", **attributes)
        self._check_path()
        with self._explained("be created"):
            self._file = create(self.partial, sum(size for size, _ in self._later))
        self.span(0.0, 0.0)
        try:
            self.flush()
        except ExportError:
            self.partial.unlink(missing_ok=True)
            raise

    def _check_path(self) -> None:
        folder = self.path.parent
        if self.path.is_dir():
            raise ExportError(f"{self.path} is a folder. Give a file in it, such as {self.path / 'run.h5'}.")
        if not folder.is_dir():
            what = "is not a folder" if folder.exists() else "does not exist"
            raise ExportError(f"{self.path} cannot be written: {folder} {what}. Create it or give another path.")
        if self.partial.is_dir():
            raise ExportError(f"{self.partial} is a folder, but the file grows under that name. Give another path.")
        if self.path.exists() and not self._overwrite:
            raise ExportError(f"{self.path} exists. Give overwrite=True to replace it, or another path.")
        if self.partial.exists():
            if is_locked(self.partial):
                raise ExportError(f"{self.partial} is being written by another run. Give another path.")
            if not self._overwrite:
                raise ExportError(
                    f"{self.partial} is left of a run that did not finish; load() reads it. "
                    "Remove it, give overwrite=True to replace it, or another path."
                )
            with self._explained("be replaced"):
                self.partial.unlink()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self.close()
        else:
            self.abandon()

    def span(self, t_start: float, duration: float, unrecorded: float = 0.0) -> None:
        """Runs cover [t_start, t_start + duration) s, as far as they have come, but for a part between them."""

        def write(file: h5py.File) -> None:
            file["snn"].attrs["t_start"] = float(t_start)
            file["snn"].attrs["duration"] = float(duration)
            file["snn"].attrs["unrecorded"] = float(unrecorded)

        self._add_later(0, write)

    def spikes(self, population: str, size: int, times: Any, ids: Any, recorded: Any = None) -> None:
        """Append spikes.

        Parameters
        ----------
        population : str
        size : int
            Number of neurons in the population.
        times : (n,) float, s
            In any order within a call. If some come before those of earlier calls, the file says so (its sorting
            attribute), and reading sorts them.
        ids : (n,) int
        recorded : (n_recorded,) int, optional
            Ids of the neurons that are recorded. Default: all.
        """
        self._check_open()
        where = f"spikes of population {population!r}"
        data = SpikeData(population, size, times, ids, recorded)
        times, ids = data.times, data.ids
        if population not in self._spikes:
            self._declare_spikes(population, size, data.recorded)
        if not times.size:
            return
        if ids.min() < 0 or ids.max() >= size:
            bad = ids[(ids < 0) | (ids >= size)][0]
            raise ExportError(f"{where} hold neuron {bad}; its {size} neurons go from 0 to {size - 1}.")
        if (np.diff(times) < 0).any():
            order = np.argsort(times, kind="stable")
            times, ids = times[order], ids[order]
        scaled, off = _to_ms(where, times)
        if times[0] < self._last.get(where, 0.0):
            self._sorting(population, "none")
        self._last[where] = max(self._last.get(where, 0.0), float(times[-1]))
        self._append_all(self._spikes[population], (scaled, ids, off))

    def state(
        self, population: str, variable: str, unit: str, ids: Any, times: Any, values: Any, every: float | None
    ) -> None:
        """Append samples of a state variable.

        Parameters
        ----------
        population, variable : str
        unit : str
            SI unit of the values.
        ids : (n,) int
            The same in each call.
        times : (n_t,) float, s
            After those of earlier calls.
        values : (n_t, n) float
        every : float or None, s
            Time between two samples; None where they are not at equal intervals. Of the variables with equal
            intervals, ``v`` or else the first one before the first flush becomes the population's SONATA report, in
            which samples that are missing are nan.
        """
        self._check_open()
        where = f"{variable!r} of population {population!r}"
        data = StateData(population, variable, unit, times, ids, values)
        state = self._states.get((population, variable))
        if state is None:
            state = self._declare_state(_State(population, variable, unit, data.ids, every))
        elif not np.array_equal(state.ids, data.ids):
            raise ExportError(f"{where} comes with other neurons than before. Give the same ids in each call.")
        if data.times.size:
            self._follow(where, data.times)
            self._settle(state.append(data.times, data.values))

    def weights(self, projection: str, sources: Any, targets: Any, times: Any, values: Any) -> None:
        """Append samples of weights.

        Parameters
        ----------
        projection : str
        sources, targets : (n,) int
            Ids of the two neurons of each synapse; the same in each call.
        times : (n_t,) float, s
        values : (n_t, n) float
        """
        self._check_open()
        data = WeightData(projection, times, sources, targets, values)
        n = data.sources.size
        columns: tuple[Column, ...]
        if projection not in self._weights:
            path = f"snn/weights/{projection}"
            columns = (
                Column(f"{path}/time", "f8", units="s"),
                Column(f"{path}/w", data.values.dtype, n),
            )
            self._declare_weights(projection, "samples", columns)
            self._array(f"{path}/source_ids", data.sources)
            self._array(f"{path}/target_ids", data.targets)
        columns = self._weights_of(projection, 2)
        if columns[1].row_shape != (n,):
            raise ExportError(
                f"weights of projection {projection!r} come with {n} synapses, before with {columns[1].row_shape[0]}. "
                "Give the same synapses in each call."
            )
        if data.times.size:
            self._follow(f"weights of projection {projection!r}", data.times)
            self._append_all(columns, (data.times, data.values))

    def weight_changes(
        self, projection: str, times: Any, synapses: Any, sources: Any, targets: Any, values: Any
    ) -> None:
        """Append changes of weights, each with its time (s), synapse, source, target and new weight, all (n,)."""
        self._check_open()
        data = WeightChanges(projection, times, synapses, sources, targets, values)
        if projection not in self._weights:
            path = f"snn/weights/{projection}"
            columns = (
                Column(f"{path}/time", "f8", units="s"),
                *(Column(f"{path}/{n}", "i8") for n in ("synapses", "source_ids", "target_ids")),
                Column(f"{path}/w", "f8"),
            )
            self._declare_weights(projection, "changes", columns)
        columns = self._weights_of(projection, 5)
        if data.times.size:
            self._follow(f"weights of projection {projection!r}", data.times)
            self._append_all(columns, (data.times, data.synapses, data.sources, data.targets, data.values))

    def ledger(self, counts: dict[str, Any]) -> None:
        """Put the ledger (as its `to_json` gives it) in place of the one before."""
        self._check_open()
        # The one before stays in the file, so that a kill during a flush leaves one of the two.
        self._text(f"snn/ledger/{self._n_ledgers}", counts)
        self._n_ledgers += 1

    def flush(self) -> None:
        """Bring all that was appended to the file. Everything up to here survives a kill."""
        file = self._check_open()
        self._choose_reports()
        need = sum(size for size, _ in self._later) + sum(column.need() for column in self._columns)
        try:
            with self._explained("be written"):
                commit(file, self.partial, need, self._write)
        except ExportError:
            self.abandon(keep=False)
            raise
        self._waiting = 0

    def lengths(self) -> dict[str, int]:
        """Rows of every growing dataset so far, those that wait for a flush included."""
        return {column.path: column.end for column in self._columns}

    @contextmanager
    def reading(self) -> Iterator[h5py.File]:
        """The file with all that was written, whether it is still open or has got its name.

        Raises
        ------
        ExportError
            If it is gone, or another file has taken its place.
        """
        if self._file is not None:
            self.flush()
            yield self._file
            return
        path = self.path if self._named else self.partial
        with opened(path) as file:
            if "snn" not in file or file["snn"].attrs.get("id") != self._id:
                raise ExportError(
                    f"{path} is no longer the file that this run has written. Look at a result before its file is "
                    "replaced, or give each run a file of its own."
                )
            yield file

    def close(self) -> None:
        """Flush, and give the file its name. Closing twice is allowed."""
        if self._file is None:
            return
        self.flush()
        self._release()
        with self._explained("get its name"):
            if self.path.exists() and not self._overwrite:
                raise ExportError(
                    f"{self.path} has appeared in the meantime. The result is complete in {self.partial}; rename it."
                )
            sync(self.partial)
            os.replace(self.partial, self.path)
            self._named = True

    def abandon(self, keep: bool = True) -> None:
        """Close without giving the file its name: what there is stays in ``<path>.partial``.

        Parameters
        ----------
        keep : bool
            Whether to flush first.
        """
        if self._file is None:
            return
        if keep:
            with suppress(ExportError):
                self.flush()
        self._release()

    def _release(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(OSError, RuntimeError):
                file.close()

    def _write_header(self, file: h5py.File) -> None:
        file.attrs["magic"] = _MAGIC
        file.attrs["version"] = np.array([0, 1], dtype=np.uint32)
        file.require_group("snn").attrs.update(format=FORMAT, id=self._id)

    def _write(self, file: h5py.File) -> None:
        # Removed one by one, so that a flush that was interrupted can be taken up again.
        while self._later:
            self._later[0][1](file)
            self._later.pop(0)
        for column in self._columns:
            column.write(file)
        for state in self._reports.values():
            if state.start is not None:
                file[f"report/{state.population}/mapping/time"][...] = state.time()

    def _choose_reports(self) -> None:
        regular = [state for state in self._states.values() if state.every is not None]
        for state in sorted(regular, key=lambda state: state.variable != "v"):
            if state.population not in self._reports and not state.values.length:
                self._reports[state.population] = state
                self._columns.append(state.report())
                self._add_later(20 * state.ids.size + 16384, partial(_write_mapping, state))

    def _declare_spikes(self, population: str, size: int, recorded: np.ndarray | None) -> None:
        columns = (
            Column(f"spikes/{population}/timestamps", "f8", units="ms"),
            Column(f"spikes/{population}/node_ids", "u8"),
            Column(f"snn/spikes/{population}/ulp", "i1"),
        )
        self._spikes[population] = columns
        self._columns += columns
        self._sorting(population, "by_time")
        self._group(f"snn/spikes/{population}", size=size)
        if recorded is not None:
            self._array(f"snn/spikes/{population}/recorded", recorded)

    def _sorting(self, population: str, order: str) -> None:
        def write(file: h5py.File) -> None:
            import h5py

            enum = h5py.enum_dtype(SORTING, basetype="u1")
            file.require_group(f"spikes/{population}").attrs.create("sorting", SORTING[order], dtype=enum)

        self._add_later(4096, write)

    def _declare_state(self, state: _State) -> _State:
        self._states[state.population, state.variable] = state
        self._columns += (state.times, state.values)
        path = f"snn/states/{state.population}/{state.variable}"
        self._group(path, unit=state.unit)
        self._array(f"{path}/ids", state.ids)
        return state

    def _declare_weights(self, projection: str, kind: str, columns: tuple[Column, ...]) -> None:
        self._weights[projection] = columns
        self._columns += columns
        self._group(f"snn/weights/{projection}", kind=kind)

    def _weights_of(self, projection: str, n_columns: int) -> tuple[Column, ...]:
        columns = self._weights[projection]
        if len(columns) != n_columns:
            raise ExportError(
                f"weights of projection {projection!r} come both as samples and as changes. Record one of the two."
            )
        return columns

    def _append_all(self, columns: tuple[Column, ...], blocks: tuple[np.ndarray, ...]) -> None:
        self._settle(sum(column.append(block) for column, block in zip(columns, blocks, strict=True)))

    def _settle(self, size: int) -> None:
        """Count the bytes that an append has left in memory, and flush when they are many."""
        self._waiting += size
        if self._waiting > _BUFFER:
            self.flush()

    def _follow(self, where: str, times: np.ndarray) -> None:
        """Check that an append comes after those before it."""
        last = self._last.get(where, -np.inf)
        if not (times[0] >= last and (np.diff(times) >= 0).all()):
            raise ExportError(f"{where} come at {times.min():g} s after some at {last:g} s. Append in order of time.")
        self._last[where] = float(times[-1])

    def _text(self, path: str, content: dict[str, Any]) -> None:
        text = json.dumps(content, default=_plain)

        def write(file: h5py.File) -> None:
            if path in file:
                del file[path]
            file[path] = text

        self._add_later(len(text.encode()) + 4096, write)

    def _array(self, path: str, values: np.ndarray) -> None:
        kept = values.copy()

        def write(file: h5py.File) -> None:
            if path not in file:
                file.create_dataset(path, data=kept)

        self._add_later(kept.nbytes + 4096, write)

    def _group(self, path: str, **attributes: Any) -> None:
        """Make a group of /snn that remembers its place in the order of declaration."""
        attributes["index"] = self._n_groups
        self._n_groups += 1

        def write(file: h5py.File) -> None:
            file.require_group(path).attrs.update(attributes)

        self._add_later(sum(len(str(value)) for value in attributes.values()) + 4096, write)

    def _add_later(self, size: int, write: Callable[[h5py.File], None]) -> None:
        self._later.append((size, write))

    def _check_open(self) -> h5py.File:
        if self._file is None:
            raise ExportError(f"The writer of {self.path} is closed. Make a new one for another file.")
        return self._file

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turn the errors of the system and of HDF5 into ones that say what to do."""
        try:
            yield
        except ExportError:
            raise
        except (OSError, RuntimeError) as error:
            raise ExportError(f"{self.path} cannot {what}: {reason(error, self.path.parent)}{self._rest()}") from error

    def _rest(self) -> str:
        if self._file is None or not self._last:
            return ""
        return f" What was flushed before is in {self.partial}; load() reads it."


def _write_mapping(state: _State, file: h5py.File) -> None:
    group = file.require_group(f"report/{state.population}/mapping")
    if "time" in group:
        return
    n = state.ids.size
    group["node_ids"] = state.ids.astype(np.uint64)
    group["index_pointers"] = np.arange(n + 1, dtype=np.uint64)
    group["element_ids"] = np.zeros(n, dtype=np.uint32)
    time = group.create_dataset("time", data=np.zeros(3))
    time.attrs["units"] = "ms"


def _plain(value: Any) -> Any:
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"{value!r} is not JSON")
