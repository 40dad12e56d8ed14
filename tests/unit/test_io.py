"""Files give back what was written, and other programs can read their SONATA part."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from snn.errors import ExportError
from snn.io import load, load_spikes, save
from snn.record import Result, SpikeData, StateData, WeightChanges, WeightData
from snn.units import ms
from snn.writer import Writer

h5py = pytest.importorskip("h5py")

DATA = Path(os.environ.get("SNN_DATA", Path(__file__).parents[3] / "shared" / "data"))


def sonata_file(path: str) -> Path:
    found = DATA / "sonata" / path
    if not found.exists():
        pytest.skip(f"{found} is not there; set SNN_DATA to the folder that holds sonata/")
    return found


def spikes(name: str = "cells", size: int = 50, n: int = 5000, seed: int = 1) -> SpikeData:
    rng = np.random.default_rng(seed)
    return SpikeData(name, size, np.sort(rng.random(n)) * 3, rng.integers(0, size, n))


def result() -> Result:
    rng = np.random.default_rng(2)
    t = np.arange(300) * 0.1 * ms
    n = 40
    return Result(
        # Not in alphabetical order: the order of declaration has to survive.
        spikes={"inputs": spikes("inputs"), "cells": spikes(seed=3), "silent": SpikeData("silent", 4, [], [])},
        states={
            ("inputs", "x"): StateData("inputs", "x", "1", [0.0, 0.1, 0.7], [0], rng.random((3, 1))),
            ("cells", "i"): StateData("cells", "i", "A", t, [3, 1], rng.normal(0, 1e-10, (300, 2))),
            ("cells", "v"): StateData("cells", "v", "V", t, [7, 2, 4], rng.normal(-0.06, 0.01, (300, 3))),
        },
        weights={
            "inputs->cells": WeightData(
                "inputs->cells", [0.0, 1.0], np.arange(n), np.arange(n)[::-1], rng.random((2, n)).astype(np.float32)
            ),
            "cells->cells": WeightChanges("cells->cells", [0.5, 0.5], [4, 1], [0, 1], [2, 3], [0.1, 0.2]),
            "none": WeightData("none", [0.0], [], [], np.empty((1, 0))),
        },
        duration=3.0,
        t_start=1.5,
        provenance={"seed": 1, "versions": {"snn": "0.1"}, "command": "python ü.py"},
        network={"populations": {"cells": {"size": 50}}, "tau": [0.1, 0.2]},
        rules=[
            {"qualname": "rules.z.STDP", "digest": "ab12", "source": "class STDP:\n    pass\n"},
            {"qualname": "rules.a.STDP", "digest": "cd34", "source": "class STDP:\n    ...\n"},
        ],
    )


def assert_same(a: Result, b: Result) -> None:
    """Equal bit for bit, in the same order."""
    for kind in ("spikes", "states", "weights"):
        x, y = getattr(a, kind), getattr(b, kind)
        assert list(x) == list(y)
        for key in x:
            assert type(x[key]) is type(y[key])
            for name, value in vars(x[key]).items():
                other = getattr(y[key], name)
                if isinstance(value, np.ndarray):
                    assert value.dtype == other.dtype
                    np.testing.assert_array_equal(value, other)
                else:
                    assert value == other
    for name in ("duration", "t_start", "provenance", "network", "rules"):
        assert getattr(a, name) == getattr(b, name)


def test_a_saved_result_comes_back_bit_for_bit(tmp_path):
    path = tmp_path / "run.h5"
    result().save(path)
    assert_same(load(path), result())
    assert not path.with_name("run.h5.partial").exists()


def test_times_in_seconds_survive_the_milliseconds_of_the_file(tmp_path):
    # About 2 % of all doubles are not of the form fl(m / 1000), so that ms alone could not give them back.
    times = spikes(n=100_000).times
    assert (times * 1e3 / 1e3 != times).any()
    save(Result(spikes={"cells": SpikeData("cells", 1, times, np.zeros(times.size))}), tmp_path / "run.h5")
    np.testing.assert_array_equal(load(tmp_path / "run.h5").spikes["cells"].times, times)


def test_the_recorded_neurons_are_kept(tmp_path):
    data = SpikeData("cells", 9, [0.1], [4], recorded=[4, 2])
    save(Result(spikes={"cells": data}), tmp_path / "run.h5")
    assert load(tmp_path / "run.h5").spikes["cells"].recorded.tolist() == [4, 2]


def test_a_ledger_comes_back_and_the_last_one_counts(tmp_path):
    ledger = pytest.importorskip("snn.ledger", reason="snn.ledger is not there")
    counts = ledger.Ledger()
    with Writer(tmp_path / "run.h5") as writer:
        writer.ledger(counts.to_json())
        writer.flush()
        counts.add("forward", "cells", "syn_ac", 2**60 + 1)
        writer.ledger(counts.to_json())
    assert load(tmp_path / "run.h5").ledger.to_json() == counts.to_json()


def test_pieces_make_the_same_result_as_the_whole(tmp_path):
    whole = result()
    with Writer(tmp_path / "run.h5", whole.network, whole.provenance, whole.rules) as writer:
        writer.span(whole.t_start, whole.duration)
        for name, s in whole.spikes.items():
            for rows in np.array_split(np.arange(len(s)), 7):
                writer.spikes(name, s.size, s.times[rows], s.ids[rows])
                writer.flush()
        for (name, variable), d in whole.states.items():
            for rows in np.array_split(np.arange(d.times.size), 4):
                writer.state(name, variable, d.unit, d.ids, d.times[rows], d.values[rows], d.every)
                writer.flush()
        for name, w in whole.weights.items():
            for rows in np.array_split(np.arange(w.times.size), 2):
                if isinstance(w, WeightData):
                    writer.weights(name, w.sources, w.targets, w.times[rows], w.values[rows])
                else:
                    columns = (w.times, w.synapses, w.sources, w.targets, w.values)
                    writer.weight_changes(name, *(column[rows] for column in columns))
                writer.flush()
    assert_same(load(tmp_path / "run.h5"), whole)


def test_every_flush_leaves_a_readable_file(tmp_path):
    s = spikes()
    with Writer(tmp_path / "run.h5") as writer:
        for k, rows in enumerate(np.array_split(np.arange(len(s)), 5), start=1):
            writer.spikes("cells", s.size, s.times[rows], s.ids[rows])
            writer.flush()
            # A copy, as HDF5 locks the file while it is being written.
            copy = tmp_path / "copy.h5"
            copy.write_bytes((tmp_path / "run.h5.partial").read_bytes())
            np.testing.assert_array_equal(load(copy).spikes["cells"].times, s.times[: 1000 * k])
    assert (tmp_path / "run.h5").exists()


def test_much_data_is_flushed_without_being_asked_so_that_memory_stays_bounded(tmp_path):
    values = np.zeros((1000, 1000))
    with Writer(tmp_path / "run.h5") as writer:
        for k in range(5):  # 8 MB each
            writer.state("cells", "v", "V", np.arange(1000), k + np.arange(1000) * ms, values, ms)
        assert (tmp_path / "run.h5.partial").stat().st_size > 16e6


def test_arrays_may_be_reused_by_the_caller_after_an_append(tmp_path):
    times, ids = np.array([0.25, 0.5]), np.array([0, 1])
    with Writer(tmp_path / "run.h5") as writer:
        writer.spikes("cells", 2, times, ids)
        times[:], ids[:] = 9.0, 0
    assert load(tmp_path / "run.h5").spikes["cells"].times.tolist() == [0.25, 0.5]


def test_spikes_that_come_out_of_order_are_sorted_and_the_file_says_so(tmp_path):
    with Writer(tmp_path / "run.h5") as writer:
        writer.spikes("cells", 9, [0.3, 0.2], [1, 2])
        writer.flush()
        writer.spikes("cells", 9, [0.1], [3])
    found = load(tmp_path / "run.h5").spikes["cells"]
    assert (found.times.tolist(), found.ids.tolist()) == ([0.1, 0.2, 0.3], [3, 2, 1])
    with h5py.File(tmp_path / "run.h5") as file:
        assert file["spikes/cells"].attrs["sorting"] == 0


@pytest.mark.parametrize(
    ("append", "words"),
    [
        (lambda w: w.spikes("cells", 3, [0.1], [3]), "neuron 3; its 3 neurons"),
        (lambda w: w.spikes("cells", 3, [-0.1], [0]), "at least 0"),
        (lambda w: w.spikes("cells", 3, [np.inf], [0]), "finite"),
        (lambda w: w.state("cells", "v", "V", [0, 2], [9.0], [[0.0, 0.0]], ms), "other neurons"),
        (lambda w: w.state("cells", "v", "V", [0, 1], [0.5], [[0.0, 0.0]], ms), "order of time"),
        (lambda w: w.weights("p", [0, 1], [0, 1], [1.0], [[1.0, 1.0]]), "2 synapses, before with 1"),
        (lambda w: w.weight_changes("p", [1.0], [0], [0], [0], [1.0]), "both as samples and as changes"),
    ],
)
def test_appends_that_do_not_fit_are_refused(tmp_path, append, words):
    with Writer(tmp_path / "run.h5") as writer:
        writer.state("cells", "v", "V", [0, 1], [1.0], [[0.0, 0.0]], ms)
        writer.weights("p", [0], [0], [0.0], [[1.0]])
        with pytest.raises(ExportError, match=words):
            append(writer)


def test_a_closed_writer_says_so(tmp_path):
    writer = Writer(tmp_path / "run.h5")
    writer.close()
    writer.close()
    with pytest.raises(ExportError, match="closed"):
        writer.spikes("cells", 1, [0.1], [0])


def test_libsonata_reads_the_spikes(tmp_path):
    libsonata = pytest.importorskip("libsonata", reason="libsonata is not installed")
    result().save(tmp_path / "run.h5")
    reader = libsonata.SpikeReader(str(tmp_path / "run.h5"))
    assert set(reader.get_population_names()) == {"inputs", "cells", "silent"}
    assert reader["cells"].sorting == "by_time"
    assert reader["silent"].get() == []
    ids, times = zip(*reader["cells"].get(), strict=True)
    expected = result().spikes["cells"]
    assert list(ids) == expected.ids.tolist()
    # ms in the file: one rounding
    np.testing.assert_allclose(times, expected.times * 1e3, rtol=1e-15)


@pytest.mark.parametrize("flushed", [False, True])
def test_libsonata_reads_each_sample_of_a_report_with_a_gap_at_its_time(tmp_path, flushed):
    libsonata = pytest.importorskip("libsonata", reason="libsonata is not installed")
    path = tmp_path / "run.h5"
    # An hour without samples, which would be 29 MB.
    starts = (2.0, 2.1, 3602.0)
    with Writer(path) as writer:
        for t in starts:
            values = np.full((100, 2), -1e-3 * t)
            writer.state("cells", "v", "V", [0, 1], t + np.arange(100) * ms, values, ms)
            if flushed:
                writer.flush()
    assert path.stat().st_size < 1e6
    report = libsonata.SomaReportReader(str(path))["cells"]
    assert report.times == pytest.approx((2000.0, 3_602_100.0, 1.0), rel=1e-12)
    for t in starts:
        frames = report.get(tstart=1e3 * t, tstop=1e3 * t + 98.5)
        np.testing.assert_allclose(frames.times, 1e3 * t + np.arange(99), rtol=1e-12)
        np.testing.assert_allclose(frames.data, -t, rtol=2**-23)
    assert np.isnan(report.get(tstart=2300.0, tstop=2500.0).data).all()
    states = load(path).states["cells", "v"]
    assert states.values.shape == (300, 2) and not np.isnan(states.values).any()


def test_samples_that_are_not_as_far_apart_as_was_said_are_refused(tmp_path):
    with Writer(tmp_path / "run.h5") as writer:
        writer.state("cells", "v", "V", [0], [0.0, 1 * ms], [[0.0], [0.0]], ms)
        writer.flush()
        with pytest.raises(
            ExportError, match=r"'v' of population 'cells' come at 0.002 s to 0.005 s.*2 samples, 0.001 s"
        ):
            writer.state("cells", "v", "V", [0], [2 * ms, 5 * ms], [[0.0], [0.0]], ms)


@pytest.mark.parametrize("variables", [("i", "v"), ("v", "i")])
def test_libsonata_reads_the_membrane_potential_in_mv_whatever_was_declared_first(tmp_path, variables):
    libsonata = pytest.importorskip("libsonata", reason="libsonata is not installed")
    whole = result()
    whole.states = {("cells", variable): whole.states["cells", variable] for variable in variables}
    whole.save(tmp_path / "run.h5")
    reader = libsonata.SomaReportReader(str(tmp_path / "run.h5"))
    assert reader.get_population_names() == ["cells"]
    report = reader["cells"]
    assert (report.data_units, report.time_units) == ("mV", "ms")
    v = whole.states["cells", "v"]
    assert report.get_node_ids() == v.ids.tolist()
    frames = report.get()
    np.testing.assert_allclose(frames.times, v.times * 1e3, atol=1e-9)
    columns = [frames.ids.tolist().index(i) for i in v.ids]
    # float32 in the file: 2^-24 relative
    np.testing.assert_allclose(frames.data[:, columns], v.values * 1e3, rtol=2**-23)


def test_libsonata_reads_a_report_that_has_grown_over_many_flushes(tmp_path):
    libsonata = pytest.importorskip("libsonata", reason="libsonata is not installed")
    with Writer(tmp_path / "run.h5") as writer:
        for k in range(30):
            times = 2.0 + (np.arange(100) + 100 * k) * ms
            writer.state("cells", "v", "V", [0, 1], times, np.full((100, 2), -0.06 + k * ms), ms)
            writer.flush()
    report = libsonata.SomaReportReader(str(tmp_path / "run.h5"))["cells"]
    assert report.times == pytest.approx((2000.0, 5000.0, 1.0), rel=1e-12)
    frames = report.get(tstart=4900.0)
    assert frames.data.shape == (100, 2)
    np.testing.assert_allclose(frames.data, -31.0, rtol=2**-23)


@pytest.mark.parametrize(
    ("path", "population", "n_spikes"),
    [
        ("examples/300_intfire/output/spikes.h5", "v1", 4322),
        ("src/pysonata/sonata/tests/reports/spike_trains/spike_files/spikes.one_pop.h5", "v1", 124),
        ("src/pysonata/sonata/tests/reports/spike_trains/spike_files/spikes.old.h5", "default", 124),
        ("src/pysonata/sonata/tests/reports/spike_trains/spike_files/spikes.multipop.h5", "lgn", 123_356),
        ("src/pysonata/sonata/tests/reports/spike_trains/spike_files/spikes.multipop.h5", "tw", 21_078),
    ],
)
def test_spike_files_of_other_programs_are_read_in_both_layouts(path, population, n_spikes):
    found = load_spikes(sonata_file(path))[population]
    assert len(found) == n_spikes
    assert (np.diff(found.times) >= 0).all()
    assert found.size == found.ids.max() + 1


def test_spikes_of_other_programs_are_those_that_libsonata_reads():
    libsonata = pytest.importorskip("libsonata", reason="libsonata is not installed")
    path = sonata_file("examples/300_intfire/output/spikes.h5")
    found = load_spikes(path)["v1"]
    with h5py.File(path) as file:
        stamps, ids = file["spikes/v1/timestamps"][()], file["spikes/v1/node_ids"][()]
    assert sorted(zip(ids.tolist(), (stamps / 1e3).tolist(), strict=True)) == sorted(
        zip(found.ids.tolist(), found.times.tolist(), strict=True)
    )
    assert "v1" in libsonata.SpikeReader(str(path)).get_population_names()


def test_own_files_are_read_as_spike_files_too(tmp_path):
    result().save(tmp_path / "run.h5")
    np.testing.assert_allclose(load_spikes(tmp_path / "run.h5")["cells"].times, spikes(seed=3).times, rtol=1e-15)


def test_files_that_are_something_else_are_refused_with_the_reason(tmp_path):
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    with pytest.raises(ExportError, match="no HDF5 file"):
        load(text)
    with pytest.raises(ExportError, match="is a folder"):
        load(tmp_path)
    with pytest.raises(ExportError, match=r"does not exist. Check"):
        load(tmp_path / "other.h5")
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file["spikes/a/timestamps"] = [1.0]
        file["spikes/a/timestamps"].attrs["units"] = "ticks"
        file["spikes/a/node_ids"] = [1]
    with pytest.raises(ExportError, match="load_spikes"):
        load(foreign)
    with pytest.raises(ExportError, match="'ticks'"):
        load_spikes(foreign)
    with h5py.File(foreign, "w") as file:
        file.create_group("snn").attrs["format"] = 99
    with pytest.raises(ExportError, match="format 99"):
        load(foreign)
    with pytest.raises(ExportError, match="no /spikes"):
        load_spikes(foreign)


def test_a_run_that_goes_on_is_found_when_its_file_is_asked_for(tmp_path):
    with Writer(tmp_path / "run.h5"), pytest.raises(ExportError, match="has not finished"):
        load(tmp_path / "run.h5")
