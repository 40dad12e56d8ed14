"""Learning from spikes alone: arrivals at a rule, labels as spikes, readouts that fire."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from models import LIF, Latency, Readout, SpikeTimes
from models.error_neurons import ErrorNeuronClassifier
from rules import Delta, ErrorNeurons, PairSTDP
from snn import Network, NetworkError, ParameterError, PluginError, Simulator, all_to_all, from_arrays, ms, mV, param
from snn.testing import Twin, check_rule


def taught(engine="auto", rule=None, sparse=False, cell=None, weight=0.3, **how):
    """One synapse; an error neuron fires at 5 ms (weight 2), the input at 1, 8 and 20 ms (delay 1 ms)."""
    net = Network(0)
    inputs = net.population("inputs", SpikeTimes([0, 0, 0], [1 * ms, 8 * ms, 20 * ms]), 1)
    errors = net.population("errors", SpikeTimes([0], [5 * ms]), 1)
    cell = LIF() if cell is None else cell
    cells = net.population("cells", cell, 1, init={"v": cell.v_rest})
    way = from_arrays([0], [0]) if sparse else all_to_all()
    rule = ErrorNeurons(eta=0.01, tau_u=10 * ms) if rule is None else rule
    learns = net.connect(inputs, cells, way, weight=weight, delay=1 * ms, rule=rule)
    net.connect(errors, cells, way, weight=2.0, delay=1 * ms, teaches=learns)
    return net, Simulator(net, engine=engine, **how)


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("engine", ["exact", "grid"])
def test_an_error_spike_teaches_the_synapses_whose_inputs_come_after(engine, sparse):
    _, sim = taught(engine, sparse=sparse)
    result = sim.run(30 * ms)
    # Arrivals at 2 ms (no error yet), 9 and 21 ms: 3 and 15 ms after the error spike's.
    u = 2.0 * np.exp(-np.array([3.0, 15.0]) / 10.0)
    assert sim.weights("inputs->cells")[0] == pytest.approx(0.3 - 0.01 * u.sum(), rel=1e-12)
    # The neuron itself has felt nothing of the error: 0.3 jumps only, never a spike.
    assert result.spikes["cells"].times.size == 0


def test_nothing_is_learned_outside_the_window():
    _, sim = taught(rule=ErrorNeurons(eta=0.01, low=0.6, high=1.0))
    sim.run(30 * ms)
    assert sim.weights("inputs->cells")[0] == 0.3


@pytest.mark.parametrize(("low", "high", "taken"), [(-0.5, 1.0, [3.0, 15.0]), (0.0, 0.54, [3.0]), (0.8, 1.0, [])])
def test_the_window_is_counted_from_rest_to_threshold(low, high, taken):
    cell, unit = LIF(v_rest=-65 * mV, v_reset=-65 * mV, v_thresh=-50 * mV), 15 * mV
    rule = ErrorNeurons(eta=0.01 * unit, tau_u=10 * ms, low=low, high=high)
    _, sim = taught(rule=rule, cell=cell, weight=0.3 * unit)
    sim.run(30 * ms)
    # With the arrivals at 9 and 21 ms the potential is 0.51 and 0.57 of the way from rest to threshold.
    u = 2.0 * np.exp(-np.array(taken) / 10.0)
    assert sim.weights("inputs->cells")[0] / unit == pytest.approx(0.3 - 0.01 * u.sum(), rel=1e-9)


def test_a_neuron_that_names_no_rest_is_asked_for_it():
    class Restless(Readout):
        v_thresh: float = param(1.0)

    net = Network(0)
    inputs, cells = net.population("inputs", Latency(), 1), net.population("cells", Restless(), 1)
    net.connect(inputs, cells, rule=ErrorNeurons())
    with pytest.raises(PluginError, match=r"v_rest is taken from Restless.v_rest, .* Give ErrorNeurons\(v_rest=...\)"):
        Simulator(net)


def test_a_projection_can_only_teach_one_that_learns_from_it():
    net, _ = taught()
    cells, errors = net.populations["cells"], net.populations["errors"]
    other = net.population("other", LIF(), 1)
    plain = net.connect(errors, cells, weight=0.1, rule=PairSTDP())
    with pytest.raises(NetworkError, match=r"teaches 'errors->cells#2', whose rule PairSTDP.* has no method on_teach"):
        net.connect(errors, cells, teaches=plain)
    with pytest.raises(NetworkError, match=r"leads to 'other' but teaches 'inputs->cells', which leads to 'cells'"):
        net.connect(errors, other, teaches=net.projections["inputs->cells"])
    with pytest.raises(NetworkError, match=r"weights of a projection that teaches are fixed"):
        net.connect(errors, cells, teaches=net.projections["inputs->cells"], rule=Delta())
    with pytest.raises(NetworkError, match=r"teaches of projection .* is 'cells'; give a projection of this network"):
        net.connect(errors, cells, teaches="cells")


def test_the_rule_passes_certification():
    check_rule(ErrorNeurons())


def small(**how):
    rules = ErrorNeurons(eta=0.002, rate_cost=0.05), ErrorNeurons(eta=0.002)
    return ErrorNeuronClassifier((8, 6, 3), *rules, seed=4, scale=0.1, **how)


def test_training_equals_the_plain_twin():
    """Twelve samples, labels as spikes; the twin shows them with the label's neurons set by hand."""
    draws = np.random.default_rng(0)
    x, y = draws.uniform(0, 1, (12, 8)), draws.integers(0, 3, 12)
    net = small(jitter=0.0)
    shown = net.show(x, y, learn=True)
    twin = Twin(small(jitter=0.0).network)
    outputs = twin.present(x, y, into="input", readout="readout", duration=net.duration, labels_into="label")
    assert shown.spikes["over"] + shown.spikes["under"] > 20
    np.testing.assert_array_equal(shown.outputs, outputs)
    for p in net.projections:
        # Weights are float32 in both.
        np.testing.assert_allclose(net.sim.weights(p), twin.weights(p.name), rtol=1e-6, atol=1e-7)


def test_error_neurons_fire_for_the_difference_of_label_and_output():
    """With weights of one threshold they count: under less over is label less output spikes, class by class."""
    draws = np.random.default_rng(1)
    x, y = draws.uniform(0, 1, (20, 8)), draws.integers(0, 3, 20)
    shown = small().show(x, y, learn=True, record=True)
    spikes = shown.spike_times
    count = {n: np.bincount(spikes[n].ids, minlength=3) for n in ("label", "readout", "under", "over")}
    difference = (count["label"] - count["readout"]) - (count["under"] - count["over"])
    # An error neuron that is owed a spike by the end of a sample loses less than one.
    assert np.abs(difference).max() == 0


def test_error_spikes_are_on_the_bill():
    """By hand: each error spike at each synapse fetches a fixed weight and adds it to a decaying sum."""
    draws = np.random.default_rng(1)
    net = small(w_out=(0.0, 0.3))
    shown = net.show(draws.uniform(0, 1, (20, 8)), draws.integers(0, 3, 20), learn=True)
    spikes = shown.spikes["under"]
    assert spikes > 50
    assert {key[2:]: n for key, n in shown.ledger.counts.items() if key[:2] == ("credit", "under->hidden")} == {
        ("transport", 4 * 3 * 6): 6 * spikes,
        ("exp", 0): spikes,  # the decay of the sums, once for the row
        ("mul", 0): 12 * spikes,  # the sum is kept scaled: read, written
        ("add", 0): 6 * spikes,
        ("acc_rw", 4 * 6): 12 * spikes,
    }
    assert shown.ledger.transport == "B fixed"


def test_labels_are_silent_in_evaluation():
    x, y = np.random.default_rng(0).uniform(0, 1, (6, 8)), np.arange(6) % 3
    net = small()
    assert net.show(x, y, learn=True).spikes["label"] == 6 * math.ceil(50 / 4)
    assert net.show(x, y).spikes["label"] == 0


def test_a_label_speaks_from_its_first_time_on():
    x, y = np.random.default_rng(0).uniform(0.5, 1, (6, 8)), np.arange(6) % 3
    net = small(label_first=10 * ms)
    spikes = net.show(x, y, learn=True, record=True).spike_times
    # Presentations last 50 ms; labels fire 10, 14, ... 46 ms after each begins. Times of 0.3 s are rounded to 1e-16 s.
    first = 10 * ms + np.arange(6)[:, None] * 50 * ms
    labels = np.sort(spikes["label"].times)
    np.testing.assert_allclose(labels, (first + np.arange(10) * 4 * ms).ravel(), rtol=0, atol=1e-12)
    # Only a label's spike takes "under" neurons to their threshold, at once.
    assert spikes["under"].times.size > 10 and np.isin(spikes["under"].times, labels).all()


@pytest.mark.parametrize(
    ("late", "why"),
    [
        (-1 * ms, "is -0.001; give a finite time in seconds, 0 or more"),
        (math.nan, "is nan; give a finite time in seconds, 0 or more"),
        ("late", "is 'late'; give one number, a time in seconds"),
        (
            50 * ms,
            "is 0.05 s, when presentations of 0.05 s have ended, so that no label would speak; give a shorter time",
        ),
    ],
)
def test_a_label_that_never_speaks_is_refused(late, why):
    with pytest.raises(ParameterError, match=rf"ErrorNeuronClassifier\.label_first {re.escape(why)}"):
        small(label_first=late)


def test_labels_need_an_encoder_of_their_size():
    net = small()
    x, y = np.ones((1, 8)), [0]
    how = {"into": net.inputs, "readout": net.readout, "duration": 10 * ms}
    with pytest.raises(NetworkError, match=r"labels_into 'input' has 8 neurons, and readout 'readout' 3"):
        net.sim.present(x, y, labels_into=net.inputs, **how)
    with pytest.raises(NetworkError, match=r"population 'readout' has model LIF.*encoder"):
        net.sim.present(x, y, labels_into=net.readout, **how)


def test_equal_counts_are_told_apart_by_the_potential():
    net = Network(0)
    inputs = net.population("inputs", Latency(), 1)
    cells = net.population("cells", LIF(tau_m=1.0), 3)
    net.connect(inputs, cells, weight=np.array([[0.2, 0.9, 0.4]]))
    shown = Simulator(net).present([[1.0]], into=inputs, readout=cells, duration=5 * ms, learn=False)
    assert shown.outputs.tolist() == [[0.0, 0.0, 0.0]] and shown.predictions.tolist() == [1]
