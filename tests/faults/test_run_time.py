"""What a simulator is called with is refused before anything runs, with object, field, value and remedy."""

from __future__ import annotations

import errno
import math
import os

import numpy as np
import pytest

from models import LIF, Latency, Poisson, Readout, SpikeTimes
from rules import DFA, Delta, PairSTDP, ThreeFactor
from snn import (
    ExportError,
    Network,
    NetworkError,
    ParameterError,
    RecordingError,
    Simulator,
    Spikes,
    State,
    Weights,
    all_to_all,
    from_arrays,
    ms,
)
from snn.arguments import duration_of
from snn.record import Result, SpikeData


def refused(error, *words):
    """Expect an error whose message holds these words in this order."""
    return pytest.raises(error, match="(?s)" + ".*".join(words))


@pytest.fixture(scope="module")
def sim():
    """Three inputs, two cells, two readouts; "in" learns, "fixed" has one weight for all of its synapses."""
    net = Network(1)
    inputs = net.population("inputs", Latency(), 3)
    cells = net.population("cells", LIF(), 2)
    readout = net.population("readout", Readout(), 2)
    net.connect(inputs, cells, all_to_all(), weight=0.5, rule=ThreeFactor(), dtype="float32", name="in")
    net.connect(inputs, cells, all_to_all(), weight=0.1, name="fixed")
    net.connect(cells, readout, all_to_all(), weight=0.1, rule=Delta(tau=20 * ms), name="out")
    net.credit(DFA(), error=readout, to=cells)
    return Simulator(net)


@pytest.fixture
def show(sim):
    """`present` on good arguments, of which a test replaces some."""

    def call(samples=((0.5, 0.6, 0.7), (0.1, 0.2, 0.3)), labels=(0, 1), **more):
        populations = sim.network.populations
        good = {"into": populations["inputs"], "readout": populations["readout"], "duration": 10 * ms}
        return sim.present(samples, labels, **(good | more))

    return call


# Simulator and run


def test_something_else_in_place_of_a_network():
    with refused(NetworkError, "Simulator needs a Network, not 'net'", r"Network\(seed\)"):
        Simulator("net")


def test_one_request_in_place_of_a_list(sim):
    cells = sim.network.populations["cells"]
    with refused(RecordingError, r"record is Spikes\(", r"give a list: record=\[Spikes\(...\)\]"):
        Simulator(sim.network, record=Spikes(cells))


@pytest.mark.parametrize("duration", [math.nan, math.inf, -1.0])
def test_a_run_of_no_possible_length(sim, duration):
    with refused(ParameterError, "Simulator.run: duration is", str(duration), "finite time in seconds, 0 or more"):
        sim.run(duration)


@pytest.mark.parametrize("duration", ["1 s", None, True, [1.0]])
def test_a_run_whose_length_is_no_number(sim, duration):
    with refused(ParameterError, "Simulator.run: duration is", r"such as 100 \* ms"):
        sim.run(duration)


def test_a_run_in_the_wrong_unit(sim):
    with refused(ParameterError, r"Simulator.run: duration is 500000 s", r"Did you mean 500000 \* ms\?"):
        sim.run(500_000)


@pytest.mark.parametrize("value", [1, np.int64(1), np.float32(1.0)])
def test_any_real_number_is_a_length(value):
    assert duration_of("here", value) == 1.0


# Weights and rules


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_set_weights_that_are_not_finite(sim, bad):
    with refused(ParameterError, "weights of projection 'in': number 4 is", str(bad), "finite numbers"):
        sim.set_weights("in", [0.0, 0.0, 0.0, 0.0, bad, 0.0])


def test_set_weights_beyond_single_precision(sim):
    with refused(ParameterError, r"weights of projection 'in': number 0 is 1e\+39", "float32 can hold"):
        sim.set_weights("in", [1e39, 0, 0, 0, 0, 0])


def test_set_weights_of_the_wrong_shape(sim):
    with refused(ParameterError, "weights of projection 'in'", r"shape \(3, 2\), expected \(6,\)"):
        sim.set_weights("in", np.zeros((3, 2)))


def test_set_weights_that_are_no_numbers(sim):
    with refused(ParameterError, "weights of projection 'in' are no array of numbers"):
        sim.set_weights("in", ["a"] * 6)


def test_set_weights_where_all_synapses_share_one_gives_each_its_own(sim):
    sim.set_weights("fixed", np.arange(6.0))
    assert sim.weights("fixed").tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize("method", ["weights", "synapses"])
def test_an_unknown_projection(sim, method):
    with refused(ParameterError, "no projection 'inn'", "there are: in, fixed, out"):
        getattr(sim, method)("inn")


def test_a_projection_of_another_network(sim):
    other = Network(1)
    a, b = other.population("a", Poisson(), 1), other.population("b", LIF(), 1)
    with refused(ParameterError, "no projection 'in' in this network"):
        sim.weights(other.connect(a, b, name="in"))


@pytest.mark.parametrize(
    ("projection", "values", "words"),
    [
        ("in", {"etta": 0.1}, ("ThreeFactor of projection 'in' has no parameter 'etta'", "it has: eta")),
        ("in", {"_eta": 0.1}, ("ThreeFactor of projection 'in' has no parameter '_eta'",)),
        ("in", {"eta": math.nan}, ("ThreeFactor of projection 'in': eta is nan", "finite")),
        ("in", {"eta": -1.0}, ("ThreeFactor of projection 'in': eta is -1", "at least 0")),
        ("in", {"eta": [0.1, 0.2]}, (r"eta is \[0.1, 0.2\]", "one number")),
        ("in", {"tau": 20.0}, ("ThreeFactor of projection 'in': tau is 20 s", r"Did you mean 20 \* ms\?")),
        ("in", {"tau": None}, ("tau is None", "one number")),
        ("out", {"tau": 10 * ms}, ("Delta of projection 'out': tau is the time constant of 'x'", "before Simulator")),
        ("fixed", {"eta": 0.1}, ("projection 'fixed' has no rule", "connect it with one")),
        ("inn", {"eta": 0.1}, ("no projection 'inn'",)),
    ],
)
def test_a_rule_set_to_what_it_cannot_be(sim, projection, values, words):
    with refused(ParameterError, *words):
        sim.set_rule(projection, **values)


def test_a_refused_change_of_a_rule_changes_nothing(sim):
    with pytest.raises(ParameterError):
        sim.set_rule("in", eta=0.5, width=-1.0)
    assert sim.built.projections["in"].rule.eta == ThreeFactor().eta


# State


def test_the_state_of_an_unknown_population(sim):
    with refused(NetworkError, "state: population is 'cell'", "There are: inputs, cells, readout"):
        sim.state("cell", "v")


def test_an_unknown_state(sim):
    with refused(RecordingError, "LIF of population 'cells' has no state 'u'", "it has: v"):
        sim.state("cells", "u")


@pytest.mark.parametrize("ids", [[0, 2], [-1], 2])
def test_the_state_of_neurons_beyond_the_population(sim, ids):
    with refused(RecordingError, "population 'cells' holds", "neuron numbers go from 0 to 1"):
        sim.state("cells", "v", ids=ids)


# Presentations


def test_samples_of_another_width(show):
    with refused(ParameterError, r"samples has shape \(1, 2\); population 'inputs' needs \(n, 3\)"):
        show([[0.1, 0.2]], [0])


def test_samples_that_are_no_numbers(show):
    with refused(ParameterError, "samples are no array of numbers", "equal rows"):
        show([[0.1, 0.2, 0.3], [0.1]], [0, 1])


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_samples_that_are_not_finite(show, bad):
    with refused(ParameterError, r"samples\[1, 2\] is", str(bad), "0 to 1"):
        show([[0, 0, 0], [0, 0, bad]])


def test_samples_that_were_not_scaled(show):
    with refused(ParameterError, r"samples\[0, 1\] is 8", "from 0 to 1", r"samples / 16\?"):
        show([[0, 8, 0], [0, 0, 16]])


def test_negative_samples(show):
    with refused(ParameterError, r"samples\[1, 0\] is -0.5", "from 0 to 1"):
        show([[0, 0, 0], [-0.5, 0, 0]])


@pytest.mark.parametrize("labels", [[0], [[0], [1]], 0])
def test_labels_of_another_shape(show, labels):
    with refused(ParameterError, "labels has shape", r"expected \(2,\), one per sample"):
        show(labels=labels)


@pytest.mark.parametrize(("labels", "bad"), [([0, 2], r"labels\[1\] is 2"), ([-1, 0], r"labels\[0\] is -1")])
def test_labels_beyond_the_readout(show, labels, bad):
    with refused(ParameterError, bad, "readout 'readout' has 2 neurons, so give 0 to 1"):
        show(labels=labels)


@pytest.mark.parametrize("labels", [[0.0, 1.0], [math.nan, 0.0], ["a", "b"]])
def test_labels_that_are_not_whole_numbers(show, labels):
    with refused(ParameterError, "labels holds", "whole numbers"):
        show(labels=labels)


def test_learning_without_labels(show):
    with refused(ParameterError, "learning needs labels", "learn=False"):
        show(labels=None)


@pytest.mark.parametrize(("order", "bad"), [([0, 2], r"order\[1\] is 2"), ([-1], r"order\[0\] is -1")])
def test_an_order_beyond_the_samples(show, order, bad):
    with refused(ParameterError, bad, "there are 2 samples, 0 to 1"):
        show(order=order)


def test_a_mask_in_place_of_an_order(show):
    with refused(ParameterError, "order holds", "bool", "whole numbers"):
        show(order=[True, False])


@pytest.mark.parametrize("duration", [0.0, -1.0, math.nan, math.inf, "10 ms"])
def test_presentations_of_no_possible_length(show, duration):
    with refused(ParameterError, "present: duration is", "time in seconds"):
        show(duration=duration)


def test_presentations_in_milliseconds(show):
    with refused(ParameterError, "present: duration is 30 s", r"Did you mean 30 \* ms\?"):
        show(duration=30)


@pytest.mark.parametrize("threads", [0, -2, 1.5, True])
def test_an_impossible_number_of_threads(show, threads):
    with refused(ParameterError, "threads is", "whole number, 1 or more"):
        show(threads=threads)


def test_presentations_into_a_population_of_another_network(show):
    foreign = Network(1).population("inputs", Latency(), 3)
    with refused(NetworkError, "present: into is", "no population of this network", "inputs, cells, readout"):
        show(into=foreign)


def test_presentations_into_cells(sim, show):
    with refused(NetworkError, "population 'cells' has model LIF", "encoder"):
        show([[0.1, 0.2]], [0], into=sim.network.populations["cells"])


def test_a_readout_that_only_fires(sim, show):
    with refused(NetworkError, "readout 'inputs' is a source", "integrates"):
        show(readout=sim.network.populations["inputs"])


# Files


def spiking_network():
    net = Network(1)
    inputs, cells = (
        net.population("inputs", SpikeTimes([0, 0], [1 * ms, 20 * ms]), 1),
        net.population("cells", LIF(), 2),
    )
    net.connect(inputs, cells, from_arrays([0, 0], [0, 1]), weight=[1.5, 0.1], delay=1 * ms, rule=PairSTDP(w_max=2.0))
    return net


def test_recorders_of_single_events_are_refused_on_the_grid():
    net = Network(1)
    cells = net.population("cells", LIF(), 2)
    net.connect(cells, cells, weight=0.1, delay=1 * ms, rule=PairSTDP(), name="learns")
    for request in (State(cells, "v", on_events=True), Weights(net.projections["learns"], on_change=True)):
        with refused(RecordingError, "waits for single events", "every=0.0001", "engine='exact'"):
            Simulator(net, engine="grid", record=[request])


def test_a_path_without_permission_is_refused_before_the_run(tmp_path, monkeypatch):
    real = os.open

    def closed(path, *more):
        if str(path).startswith(str(tmp_path)):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path, *more)

    monkeypatch.setattr(os, "open", closed)
    with refused(ExportError, "run.h5", "not allowed", "Change the permissions or give another path"):
        Simulator(spiking_network(), to=tmp_path / "run.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def disk(monkeypatch):
    """A disk with room for a number of flushes; what it has given is in `flushes`."""
    from snn import hdf5

    class Disk:
        room, flushes = 1_000_000, 0

    def reserve(descriptor, path, offset, size):
        if Disk.flushes >= Disk.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        Disk.flushes += 1

    monkeypatch.setattr(hdf5, "reserve", reserve)
    return Disk


def test_a_full_disk_is_refused_before_the_run_without_a_trace(tmp_path, disk):
    disk.room = 0
    with refused(ExportError, "run.h5", "the disk is full", "Free space in", "another disk"):
        Simulator(spiking_network(), to=tmp_path / "run.h5")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_during_a_run_leaves_nothing_under_the_final_name(tmp_path, disk):
    with (
        refused(ExportError, "the disk is full", "run.h5.partial; load"),
        Simulator(spiking_network(), to=tmp_path / "run.h5") as sim,
    ):
        sim.run(0.05)
        disk.room = disk.flushes
        sim.run(0.05)
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5.partial"]


def test_a_result_saved_on_a_full_disk_leaves_the_file_that_was_there(tmp_path, disk):
    path = tmp_path / "run.h5"
    path.write_text("precious")
    result = Result(spikes={"cells": SpikeData("cells", 3, [0.1, 0.2], [0, 2])}, duration=1.0)
    disk.room = 0
    with refused(ExportError, "the disk is full"):
        result.save(path, overwrite=True)
    assert path.read_text() == "precious"
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]
