"""Requests check themselves, and results describe and convert themselves."""

from __future__ import annotations

import builtins
import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from snn.errors import RecordingError
from snn.plugin import Model, state
from snn.record import (
    Result,
    SpikeData,
    Spikes,
    State,
    StateData,
    WeightChanges,
    WeightData,
    Weights,
    check_requests,
)
from snn.units import ms


class Cell(Model):
    v = state("cell", unit="V")
    i = state("cell", unit="A")


cells = SimpleNamespace(name="cells", size=10, model=Cell())
other = SimpleNamespace(name="other", size=3, model=Cell())
projection = SimpleNamespace(name="cells->other", source=cells, target=other, n_synapses=30)


def result() -> Result:
    t = np.arange(5) * 1 * ms
    return Result(
        spikes={"cells": SpikeData("cells", 10, [0.1, 0.2, 0.2], [3, 0, 3])},
        states={
            ("cells", "v"): StateData("cells", "v", "V", t, [1, 4], np.arange(10.0).reshape(5, 2)),
            ("cells", "i"): StateData("cells", "i", "A", [0.0, 0.5, 0.6], [1], np.ones((3, 1))),
        },
        weights={
            "a": WeightData("a", [0.0, 0.5], [0, 1], [1, 2], [[0.25, 0.5], [0.75, 0.5]]),
            "b": WeightChanges("b", [0.1], [7], [1], [2], [0.5]),
        },
        duration=0.5,
    )


def test_all_neurons_are_recorded_by_default():
    assert Spikes(cells).indices().tolist() == list(range(10))


@pytest.mark.parametrize(
    ("ids", "expected"),
    [(4, [4]), ([7, 2], [7, 2]), (range(3), [0, 1, 2]), (slice(None, None, 4), [0, 4, 8])],
)
def test_neurons_are_chosen_by_number_list_range_or_slice(ids, expected):
    assert Spikes(cells, ids).ids.tolist() == expected


def test_a_mask_chooses_neurons_rather_than_neurons_0_and_1():
    mask = np.zeros(10, dtype=bool)
    mask[[2, 5]] = True
    assert State(cells, "v", every=ms, ids=mask).ids.tolist() == [2, 5]


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        ([3, 10], "holds 10; neuron numbers go from 0 to 9"),
        ([-1], "holds -1"),
        ([1, 2, 1], "1 more than once"),
        ([], "is empty"),
        (slice(5, 5), "is empty"),
        ([0.5], "whole numbers"),
        ([True, False], "mask of 2 values for 10"),
        ([[1, 2]], "shape"),
    ],
)
def test_ids_that_cannot_be_recorded_are_refused_by_name(ids, words):
    with pytest.raises(RecordingError, match=words) as caught:
        Spikes(cells, ids)
    assert "'cells'" in str(caught.value)


def test_an_unknown_variable_is_answered_with_the_known_ones():
    with pytest.raises(RecordingError, match=r"'g', which Cell lacks. It has: v, i"):
        State(cells, "g", every=ms)


@pytest.mark.parametrize(
    ("every", "words"),
    [(0.0, "above 0"), (-ms, "above 0"), (np.nan, "above 0"), (np.inf, "above 0"), ("1 ms", "time"), (True, "time")],
)
def test_an_impossible_sampling_interval_is_refused(every, words):
    with pytest.raises(RecordingError, match=words):
        State(cells, "v", every=every)


def test_an_interval_that_was_meant_in_ms_is_answered_with_the_fix():
    with pytest.raises(RecordingError, match=r"Did you mean 50 \* ms\?"):
        State(cells, "v", every=50)


def test_a_state_needs_an_interval_or_events_but_not_both():
    with pytest.raises(RecordingError, match="neither"):
        State(cells, "v")
    with pytest.raises(RecordingError, match="both"):
        State(cells, "v", every=ms, on_events=True)
    assert State(cells, "v", on_events=True).unit == "V"


def test_weights_take_samples_or_changes_but_not_both():
    with pytest.raises(RecordingError, match="both"):
        Weights(projection, every=1.0, on_change=True)


def test_a_synapse_beyond_the_last_is_refused():
    assert Weights(projection, synapses=[29]).indices(30).tolist() == [29]
    with pytest.raises(RecordingError, match="holds 30; synapse numbers go from 0 to 29"):
        Weights(projection, synapses=[30])


def test_a_synapse_of_a_random_projection_is_checked_when_the_synapses_are_counted():
    drawn = SimpleNamespace(name="cells->other", source=cells, target=other, n_synapses=12.5)
    request = Weights(drawn, synapses=[20])
    with pytest.raises(RecordingError, match="from 0 to 10"):
        request.indices(11)
    assert Weights(drawn, synapses=slice(2, None)).indices(5).tolist() == [2, 3, 4]


def test_a_population_in_place_of_a_projection_is_named_and_so_is_the_reverse():
    with pytest.raises(RecordingError, match="'cells' is a population"):
        Weights(cells)
    with pytest.raises(RecordingError, match="'cells->other' is a projection"):
        Spikes(projection)
    with pytest.raises(RecordingError, match="not 'cells'"):
        Spikes("cells")


def test_two_requests_for_the_same_thing_are_refused():
    requests = [Spikes(cells), Spikes(other), State(cells, "v", every=ms), State(cells, "i", every=ms)]
    assert check_requests(requests) == requests
    with pytest.raises(RecordingError, match="'cells', 'v' is requested twice"):
        check_requests([*requests, State(cells, "v", on_events=True)])
    with pytest.raises(RecordingError, match="give Spikes"):
        check_requests(["spikes"])


def test_requests_cannot_be_changed_after_they_were_checked():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Spikes(cells).ids = [99]  # type: ignore[misc]


def test_results_of_other_shapes_are_refused():
    with pytest.raises(RecordingError, match=r"expected \(2, 1\)"):
        StateData("cells", "v", "V", [0, 1], [0], [[1.0, 2.0]])
    with pytest.raises(RecordingError, match="ids of the spikes"):
        SpikeData("cells", 10, [0.1], [1, 2])


def test_spikes_are_counted_and_separated_by_neuron():
    spikes = result().spikes["cells"]
    assert spikes.counts().tolist() == [1, 0, 0, 2, 0, 0, 0, 0, 0, 0]
    assert spikes.train(3).tolist() == [0.1, 0.2]


def test_the_interval_of_a_grid_is_found_in_spite_of_rounding_and_none_in_other_times():
    # (k * 0.1 ms) for 10^4 samples: each product is rounded, so that differences vary.
    grid = StateData("c", "v", "V", np.arange(10_000) * 0.1 * ms, [0], np.zeros((10_000, 1)))
    assert grid.every == pytest.approx(0.1 * ms, rel=1e-12)
    assert result().states["cells", "i"].every is None


def test_the_summary_counts_spikes_rates_and_weight_changes():
    text = result().summary()
    # 3 spikes of 10 neurons in 0.5 s
    assert "3 of 10 neurons, mean rate 0.6 Hz, 8 silent" in text
    assert "1 changed, mean 0.375 -> 0.625" in text
    assert "1 changes of 1 synapses" in text


def test_the_rate_is_that_of_the_recorded_neurons():
    # 4 spikes of 2 recorded neurons of 10 in 1 s: 2 Hz
    spikes = SpikeData("cells", 10, [0.1, 0.2, 0.3, 0.4], [1, 2, 1, 2], recorded=[1, 2])
    assert "mean rate 2 Hz, 0 silent" in Result(spikes={"cells": spikes}, duration=1.0).summary()


def test_tables_have_one_row_per_value():
    pytest.importorskip("pandas")
    r = result()
    spikes = r.to_dataframe("spikes")
    assert spikes.values.tolist() == [["cells", 3, 0.1], ["cells", 0, 0.2], ["cells", 3, 0.2]]
    states = r.to_dataframe("states")
    row = states[(states.variable == "v") & (states.id == 4) & (states.time == 2 * ms)]
    assert row.value.tolist() == [5.0]
    weights = r.to_dataframe("weights")
    assert weights.columns.tolist() == ["projection", "source", "target", "time", "weight"]
    assert weights.weight.tolist() == [0.25, 0.5, 0.75, 0.5, 0.5]
    assert Result().to_dataframe("spikes").columns.tolist() == ["population", "id", "time"]
    with pytest.raises(RecordingError, match="'spikes', 'states' or 'weights'"):
        r.to_dataframe("voltages")


@pytest.mark.parametrize(("module", "method"), [("pandas", "to_dataframe"), ("neo", "to_neo")])
def test_a_missing_package_is_named(monkeypatch, module, method):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name == module:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(RecordingError, match=f"Install {module}"):
        getattr(result(), method)()


def test_neo_gets_a_train_for_every_neuron_and_a_signal_for_every_state():
    pytest.importorskip("neo")
    segment = result().to_neo().segments[0]
    assert len(segment.spiketrains) == 10
    assert segment.spiketrains[3].rescale("ms").magnitude.tolist() == [100.0, 200.0]
    assert [float(train.t_stop) for train in segment.spiketrains] == [0.5] * 10
    (v,) = segment.analogsignals
    assert float(v.sampling_rate.rescale("Hz")) == pytest.approx(1000.0, rel=1e-12)
    assert v.rescale("mV").magnitude[:, 1] == pytest.approx(np.arange(1, 10, 2) * 1e3)
    assert v.array_annotations["neuron_id"].tolist() == [1, 4]
    (i,) = segment.irregularlysampledsignals
    assert i.times.rescale("s").magnitude.tolist() == [0.0, 0.5, 0.6]
