"""A run with a file keeps little in memory, and one that is killed leaves what it had recorded."""

from __future__ import annotations

import copy
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from models import LIF, SpikeTimes
from rules import PairSTDP
from snn import ExportError, Network, Simulator, Spikes, State, Weights, from_arrays, load, ms, recorder

pytest.importorskip("h5py")

ROOT = Path(__file__).parents[2]


def network(n_spikes=400):
    """Two cells that fire by themselves, out of step, and learn from an input every 7 ms."""
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes(np.zeros(n_spikes, int), (1 + 7 * np.arange(n_spikes)) * ms), 1)
    cells = net.population("cells", LIF(drive=1.5, t_ref=2 * ms), 2, init={"v": [0.0, 0.3]})
    rule = PairSTDP(a_plus=1e-3, a_minus=1.01e-3)
    net.connect(inputs, cells, from_arrays([0, 0], [0, 1]), weight=[0.3, 0.2], delay=1 * ms, rule=rule, name="in")
    return net


def requests(net, on_change=False):
    cells, projection = net.populations["cells"], net.projections["in"]
    weights = Weights(projection, on_change=True) if on_change else Weights(projection, every=5 * ms, synapses=[1])
    return [Spikes(cells, ids=[1]), Spikes(net.populations["inputs"]), State(cells, "v", every=1 * ms), weights]


def same(found, expected):
    """The same recordings, to the last bit."""
    for name, spikes in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name].times, spikes.times)
        np.testing.assert_array_equal(found.spikes[name].ids, spikes.ids)
    for kind in ("states", "weights"):
        for key, data in getattr(expected, kind).items():
            for field, values in vars(data).items():
                np.testing.assert_array_equal(getattr(getattr(found, kind)[key], field), values, err_msg=str(key))


@pytest.mark.parametrize("on_change", [False, True])
def test_a_result_in_a_file_is_the_one_in_memory(tmp_path, monkeypatch, on_change):
    net = network()
    inside = Simulator(net, record=requests(net, on_change))
    expected = [inside.run(0.5), inside.run(0.3)]
    monkeypatch.setattr(recorder, "_SPILL_BYTES", 10_000)
    path = tmp_path / "run.h5"
    with Simulator(net, record=requests(net, on_change), to=path) as sim:
        found = [sim.run(0.5), sim.run(0.3)]
        same(found[0], expected[0])  # read while the file is open
    same(found[1], expected[1])  # read after it has got its name
    assert found[1].t_start == 0.5
    whole = load(path)
    assert (whole.t_start, whole.duration) == (0.0, 0.8)
    both = np.concatenate([e.states["cells", "v"].values for e in expected])
    np.testing.assert_array_equal(whole.states["cells", "v"].values, both)
    assert whole.ledger.counts == (expected[0].ledger + expected[1].ledger).counts


def test_a_result_in_a_file_that_is_pickled_or_copied_takes_its_recordings_along(tmp_path):
    net = network()
    expected = Simulator(net, record=requests(net)).run(0.1)
    with Simulator(net, record=requests(net), to=tmp_path / "run.h5") as sim:
        open_yet = pickle.dumps(sim.run(0.1))
    with Simulator(net, record=requests(net), to=tmp_path / "other.h5") as sim:
        found = sim.run(0.1)
    same(pickle.loads(open_yet), expected)
    copied = copy.copy(found)
    (tmp_path / "other.h5").unlink()
    same(copied, expected)
    assert copied.ledger.counts == expected.ledger.counts and copied.duration == 0.1


def test_a_result_whose_file_was_replaced_says_so(tmp_path):
    net, path = network(), tmp_path / "run.h5"
    results = []
    for duration in (0.2, 0.1):
        with Simulator(net, to=path, overwrite=True) as sim:
            results.append(sim.run(duration))
    with pytest.raises(ExportError, match=r"run\.h5 is no longer the file that this run has written"):
        _ = results[0].spikes
    assert 0 < results[1].spikes["cells"].times.max() < 0.1


def test_what_waits_in_memory_is_bounded(tmp_path, monkeypatch):
    bound = 20_000
    monkeypatch.setattr(recorder, "_SPILL_BYTES", bound)
    real, most, taken = recorder.Recorder._add, [], []

    def watched(self, *arguments):
        real(self, *arguments)
        values = [v for samples in self.samples.values() for _, v in samples]
        most.append(sum(v.nbytes for v in values) + sum(t.nbytes + i.nbytes for t, i in self.raw))
        taken.append(arguments[-1].nbytes)

    monkeypatch.setattr(recorder.Recorder, "_add", watched)
    net = network()
    with Simulator(net, record=requests(net), to=tmp_path / "run.h5") as sim:
        sim.run(2.0)
    # 2000 samples of two potentials and 400 of one weight are more than the bound, with 200 bytes for each one's place.
    assert sum(taken) == 2000 * 16 + 400 * 8
    assert max(most) <= bound
    assert load(tmp_path / "run.h5").states["cells", "v"].times.size == 2000


def test_recordings_do_not_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "_SPILL_SECONDS", 0.0)
    flushes = []
    real = recorder.Recorder.flush
    monkeypatch.setattr(recorder.Recorder, "flush", lambda self: (flushes.append(self.sim.t), real(self)))
    net = network()
    with Simulator(net, record=requests(net), to=tmp_path / "run.h5") as sim:
        sim.run(0.02)
    assert len(flushes) >= 20


def test_a_killed_run_leaves_its_states_and_weights(tmp_path):
    code = """
        import sys
        sys.path.insert(0, sys.argv[2])
        from test_streaming import network, requests
        from snn import Simulator, recorder
        from snn.writer import Writer
        recorder._SPILL_BYTES = 20_000
        real = Writer.flush
        def flush(self):
            real(self)
            print("flushed", flush=True)
        Writer.flush = flush
        net = network()
        Simulator(net, record=requests(net), to=sys.argv[1]).run(10_000.0)
    """
    path = tmp_path / "run.h5"
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    with child.stdout as printed:
        for _ in range(20):
            assert printed.readline() == "flushed\n"
        child.send_signal(signal.SIGKILL)
        assert child.wait(timeout=30) == -signal.SIGKILL
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5.partial"]
    found = load(tmp_path / "run.h5.partial")
    states, weights = found.states["cells", "v"], found.weights["in"]
    # 18 spills of 20 kB at least, a sample of two potentials taking 216 bytes and one of a weight, every fifth, 208.
    assert states.times.size > 18 * 20_000 / (216 + 208 / 5) - 20
    np.testing.assert_array_equal(states.times, np.arange(states.times.size) * (1 * ms))
    net = network()
    expected = Simulator(net, record=requests(net)).run(found.duration + 0.01)
    # Stops for samples and flushes move no spike; potentials and weights are projected from the same events.
    n = states.times.size
    np.testing.assert_allclose(states.values, expected.states["cells", "v"].values[:n], rtol=1e-12, atol=1e-15)
    n = weights.times.size
    assert n >= states.times.size // 5
    np.testing.assert_allclose(weights.values, expected.weights["in"].values[:n], rtol=1e-12)
    for name in ("inputs", "cells"):
        n = found.spikes[name].times.size
        assert n > 0
        np.testing.assert_array_equal(found.spikes[name].times, expected.spikes[name].times[:n])
