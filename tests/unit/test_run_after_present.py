"""What a run does that follows presentations."""

from __future__ import annotations

import numpy as np
import pytest

from models import Latency, Readout, SpikeTimes
from rules import Delta
from snn import Network, Simulator, Spikes, State, all_to_all, from_arrays, load, ms

# Given spikes that arrive 1 ms later: before, within and after what the test runs.
GIVEN = [5 * ms, 40 * ms, 115 * ms, 130 * ms, 500 * ms]
SAMPLES, LABELS = [[1.0, 0.8], [0.3, 0.9], [0.6, 0.6]], [0, 1, 0]


@pytest.fixture
def sim():
    net = Network(1)
    inputs = net.population("inputs", Latency(t_last=8 * ms), 2)
    given = net.population("given", SpikeTimes([0] * len(GIVEN), GIVEN), 1)
    sums = net.population("sums", Readout(), 2)
    net.connect(inputs, sums, all_to_all(), weight=[0.3, 0.2, 0.3, 0.4], rule=Delta(eta=0.1), name="in")
    net.connect(given, sums, from_arrays([0, 0], [0, 1]), weight=[1.5, 2.5], delay=1 * ms, name="push")
    return Simulator(net, record=[*map(Spikes, (inputs, given)), State(sums, "v", every=5 * ms)])


def show(sim):
    p = sim.network.populations
    return sim.present(SAMPLES, LABELS, into=p["inputs"], readout=p["sums"], duration=30 * ms)


def test_a_run_after_presentations_starts_afresh_at_their_end(sim):
    first = sim.run(20 * ms)
    assert first.spikes["given"].times.tolist() == [5 * ms]
    np.testing.assert_array_equal(first.states["sums", "v"].values[-1], [1.5, 2.5])
    shown = show(sim)
    # Every value above the encoder's `low` fires once; the given spike at 5 ms fires in each presentation of 30 ms.
    assert shown.spikes == {"inputs": 6, "given": 3, "sums": 0}
    assert sim.t == pytest.approx(110 * ms, rel=1e-15)
    np.testing.assert_array_equal(sim.state("sums", "v"), shown.outputs[-1])
    learned = sim.weights("in")
    sim.set_rule("in", eta=0.07)
    second = sim.run(40 * ms)
    # The given spikes from 110 ms on; those before are past, and the encoders are silent without a sample.
    np.testing.assert_allclose(second.spikes["given"].times, [115 * ms, 130 * ms], rtol=1e-14)
    assert len(second.spikes["inputs"]) == 0
    assert second.t_start == pytest.approx(110 * ms, rel=1e-15)
    assert sim.t == pytest.approx(150 * ms, rel=1e-15)
    # From the start value, whatever the last presentation has left; arrivals at 116 and 131 ms.
    v = second.states["sums", "v"]
    np.testing.assert_allclose(v.times, np.arange(22, 30) * 5 * ms, rtol=1e-15)
    np.testing.assert_array_equal(v.values[:, 1], [0.0, 0.0, 2.5, 2.5, 2.5, 5.0, 5.0, 5.0])
    # What was learned stays.
    assert not np.array_equal(learned, [0.3, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(sim.weights("in"), learned)
    assert sim.built.projections["in"].rule.eta == 0.07


def test_presentations_do_not_notice_a_run_between_them(sim):
    once, twice = show(sim), show(sim)
    again = Simulator(sim.network, record=[])
    np.testing.assert_array_equal(show(again).outputs, once.outputs)
    again.run(40 * ms)
    np.testing.assert_array_equal(show(again).outputs, twice.outputs)
    np.testing.assert_array_equal(again.weights("in"), sim.weights("in"))


def test_two_runs_after_presentations_are_one(sim):
    show(sim)
    parts = [sim.run(13 * ms), sim.run(27 * ms)]
    again = Simulator(sim.network, record=sim.requests)
    show(again)
    whole = again.run(40 * ms)
    for part, t in zip(parts, (90 * ms, 103 * ms), strict=True):
        assert part.t_start == pytest.approx(t, rel=1e-15)
    times = np.concatenate([part.spikes["given"].times for part in parts])
    np.testing.assert_array_equal(times, whole.spikes["given"].times)
    values = np.concatenate([part.states["sums", "v"].values for part in parts])
    np.testing.assert_array_equal(values, whole.states["sums", "v"].values)


def test_a_run_ends_that_misses_a_sample_by_rounding(sim):
    # 2 x 0.15 is less than 0.1 + 0.2; the sample belongs to the run after that end.
    assert 2 * 0.15 < 0.1 + 0.2
    again = Simulator(sim.network, record=[State(sim.network.populations["sums"], "v", every=0.15)])
    parts = [again.run(0.1), again.run(0.2), again.run(0.1)]
    assert [part.states["sums", "v"].times.tolist() for part in parts] == [[0.0], [0.15], [0.3]]


def test_a_file_says_what_lies_between_two_runs(sim, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "run.h5"
    with Simulator(sim.network, record=sim.requests, to=path) as again:
        parts = [again.run(20 * ms), show(again), again.run(40 * ms)]
    found = load(path)
    v = found.states["sums", "v"]
    assert (found.t_start, found.duration) == (0.0, pytest.approx(150 * ms, rel=1e-15))
    assert found.unrecorded == pytest.approx(90 * ms, rel=1e-14)
    np.testing.assert_allclose(v.times, np.r_[0:4, 22:30] * 5 * ms, rtol=1e-15)
    assert parts[2].duration == 40 * ms and parts[2].states["sums", "v"].times.size == 8
    # Spikes at 5, 115 and 130 ms in 60 ms.
    assert "0.09 s of which are not recorded" in found.summary()
    assert "given: 3 of 1 neurons, mean rate 50 Hz" in found.summary()
    # The report has a row for every 5 ms from 0 to 150 ms; nan where there were presentations.
    with h5py.File(path) as file:
        report = file["report/sums"]
        np.testing.assert_allclose(report["mapping/time"], [0.0, 150.0, 5.0], rtol=1e-15)
        rows = report["data"][:]
    np.testing.assert_array_equal(rows[np.r_[0:4, 22:30]], v.values.astype("f4"))
    assert rows.shape == (30, 2) and np.isnan(rows[4:22]).all()
    # What is read is saved as it was.
    found.save(tmp_path / "copy.h5")
    assert load(tmp_path / "copy.h5").unrecorded == found.unrecorded
