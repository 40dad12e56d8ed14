"""What a run does that follows presentations."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF, Latency, Readout, SpikeTimes
from rules import Delta
from snn import Network, Simulator, Spikes, State, all_to_all, from_arrays, ms

# Given spikes that make the cells fire 1 ms later: before, within and after what the test runs.
GIVEN = [5 * ms, 40 * ms, 115 * ms, 130 * ms, 500 * ms]
SAMPLES, LABELS = [[1.0, 0.8], [0.3, 0.9], [0.6, 0.6]], [0, 1, 0]


@pytest.fixture
def sim():
    net = Network(1)
    inputs = net.population("inputs", Latency(t_last=8 * ms), 2)
    given = net.population("given", SpikeTimes([0] * len(GIVEN), GIVEN), 1)
    cells = net.population("cells", LIF(), 2)
    readout = net.population("readout", Readout(), 2)
    net.connect(inputs, cells, all_to_all(), weight=[0.7, 0.7, 0.7, 0.7], name="in")
    net.connect(given, cells, from_arrays([0, 0], [0, 1]), weight=[1.5, 1.5], delay=1 * ms, name="push")
    net.connect(cells, readout, all_to_all(), weight=[0.1, 0.2, 0.3, 0.4], rule=Delta(eta=0.1), name="out")
    return Simulator(net, record=[*map(Spikes, (inputs, cells)), State(cells, "v", every=5 * ms)])


def show(sim):
    p = sim.network.populations
    return sim.present(SAMPLES, LABELS, into=p["inputs"], readout=p["readout"], duration=30 * ms)


def test_a_run_after_presentations_starts_afresh_at_their_end(sim):
    first = sim.run(20 * ms)
    assert first.spikes["cells"].train(0).tolist() == [5 * ms + 1 * ms]
    shown = show(sim)
    # No given spike fires in a presentation; each sample makes each cell fire once.
    assert shown.spikes == {"inputs": 6, "given": 0, "cells": 6, "readout": 0}
    assert sim.t == pytest.approx(110 * ms, rel=1e-15)
    learned = sim.weights("out")
    sim.set_rule("out", eta=0.07)
    second = sim.run(40 * ms)
    # The given spikes from 110 ms on; those before are past, and the encoders are silent without a sample.
    np.testing.assert_allclose(second.spikes["cells"].train(1), [116 * ms, 131 * ms], rtol=1e-14)
    assert len(second.spikes["inputs"]) == 0
    assert second.t_start == pytest.approx(110 * ms, rel=1e-15)
    assert sim.t == pytest.approx(150 * ms, rel=1e-15)
    v = second.states["cells", "v"]
    np.testing.assert_allclose(v.times, np.arange(22, 30) * 5 * ms, rtol=1e-15)
    # From rest, whatever the last presentation has left.
    np.testing.assert_array_equal(v.values[0], 0.0)
    # What was learned stays.
    assert not np.array_equal(learned, [0.1, 0.2, 0.3, 0.4])
    np.testing.assert_array_equal(sim.weights("out"), learned)
    assert sim.built.projections["out"].rule.eta == 0.07


def test_presentations_do_not_notice_a_run_between_them(sim):
    once, twice = show(sim), show(sim)
    again = Simulator(sim.network, record=[])
    np.testing.assert_array_equal(show(again).outputs, once.outputs)
    again.run(40 * ms)
    np.testing.assert_array_equal(show(again).outputs, twice.outputs)
    np.testing.assert_array_equal(again.weights("out"), sim.weights("out"))


def test_two_runs_after_presentations_are_one(sim):
    show(sim)
    parts = [sim.run(13 * ms), sim.run(27 * ms)]
    again = Simulator(sim.network, record=sim.requests)
    show(again)
    whole = again.run(40 * ms)
    times = np.concatenate([part.spikes["cells"].times for part in parts])
    np.testing.assert_array_equal(times, whole.spikes["cells"].times)
    values = np.concatenate([part.states["cells", "v"].values for part in parts])
    # A stop projects the potentials once more: rounding.
    np.testing.assert_allclose(values, whole.states["cells", "v"].values, rtol=1e-13, atol=1e-16)
