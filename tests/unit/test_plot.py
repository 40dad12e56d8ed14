"""Figures show the recorded numbers, with names and units, and progress meters speak at most once a second."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest

from models import LIF
from snn import Network, Simulator, State, ms
from snn import progress as meters
from snn.errors import ParameterError, RecordingError
from snn.progress import NoProgress, progress
from snn.record import Result, SpikeData, StateData, WeightChanges, WeightData

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def close_figures():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def result() -> Result:
    t = np.arange(0, 100) * ms
    v = np.full((100, 2), -0.065)
    v[40:50, 0] = -1e30
    return Result(
        spikes={"a": SpikeData("a", 5, [0.01, 0.02], [0, 4]), "b": SpikeData("b", 3, [0.03], [2])},
        states={("a", "v"): StateData("a", "v", "V", t, [1, 4], v)},
        weights={
            "few": WeightData("few", [0.0, 0.1], [0, 1], [0, 0], [[1.0, 2.0], [3.0, 4.0]]),
            "many": WeightData("many", [0.0, 0.1], np.arange(99), np.zeros(99), np.tile(np.arange(99.0), (2, 1))),
            "steps": WeightChanges("steps", [0.02, 0.05], [7, 7], [0, 0], [0, 0], [0.5, 0.7]),
        },
        duration=0.1,
    )


def test_importing_the_module_does_not_touch_matplotlib():
    code = "import sys, snn.plot; print([m for m in sys.modules if m.startswith('matplotlib')])"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == "[]"


def test_a_raster_stacks_populations_with_time_in_ms():
    ax = result().plot.raster()
    lower, upper = ax.lines[:2]
    assert (lower.get_xdata().tolist(), lower.get_ydata().tolist()) == ([10.0, 20.0], [0, 4])
    assert upper.get_ydata().tolist() == [5 + 2]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    assert (ax.get_xlabel(), ax.get_xlim()) == ("time (ms)", (0.0, 100.0))


def test_a_raster_of_one_population_numbers_its_neurons():
    ax = result().plot.raster("b")
    assert ax.lines[0].get_ydata().tolist() == [2]
    assert ax.get_ylabel() == "neuron of b"


def test_figures_go_into_the_axes_that_are_given():
    from matplotlib.figure import Figure

    ax = Figure().subplots()
    assert result().plot.raster(ax=ax) is ax


def test_a_trace_is_in_mv_and_leaves_out_refractory_placeholders():
    ax = result().plot.trace("a", "v")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "v (mV)")
    y = ax.lines[0].get_ydata()
    assert np.isnan(y[40:50]).all()
    assert y[:40] == pytest.approx(-65.0)


def test_a_trace_of_dimensionless_potentials_has_no_unit():
    net = Network(1)
    cells = net.population("cells", LIF(drive=0.5), 1)
    ax = Simulator(net, record=[State(cells, "v", every=1 * ms)]).run(50 * ms).plot.trace("cells", "v")
    t, y = ax.lines[0].get_xdata(), ax.lines[0].get_ydata()
    assert ax.get_ylabel() == "v"
    np.testing.assert_allclose(y, 0.5 * (1 - np.exp(-t / 20)), rtol=1e-9)


def test_a_trace_shows_the_neurons_that_are_asked_for():
    ax = result().plot.trace("a", "v", ids=4)
    assert len(ax.lines) == 1
    assert ax.get_title(loc="left") == "a 4"
    with pytest.raises(RecordingError, match=r"neuron 2 .* Recorded: 1, 4"):
        result().plot.trace("a", "v", ids=[2])


def test_few_weights_are_lines_and_many_are_their_distribution():
    few = result().plot.weights("few")
    assert [line.get_ydata().tolist() for line in few.lines] == [[1.0, 3.0], [2.0, 4.0]]
    many = result().plot.weights("many")
    (median,) = many.lines
    assert median.get_ydata().tolist() == [49.0, 49.0]
    assert len(many.collections) == 2


def test_weight_changes_are_steps_up_to_the_end_of_the_run():
    (line,) = result().plot.weights("steps").lines
    assert line.get_xdata() == pytest.approx([20.0, 50.0, 100.0])
    assert line.get_ydata().tolist() == [0.5, 0.7, 0.7]
    assert line.get_drawstyle() == "steps-post"
    with pytest.raises(RecordingError, match="Synapse 3"):
        result().plot.weights("steps", synapses=3)


def test_what_was_not_recorded_is_answered_with_what_was():
    with pytest.raises(RecordingError, match=r"'c'. Recorded: a, b"):
        result().plot.raster("c")
    with pytest.raises(RecordingError, match="give numbers from 0 to 1"):
        result().plot.weights("few", synapses=[2])
    with pytest.raises(RecordingError, match=r"record=\[Spikes"):
        Result().plot.raster()


def test_weight_images_show_each_column_in_its_place():
    from snn.plot import weights_as_images

    W = np.stack([np.arange(6.0), 10 + np.arange(6.0), 20 + np.arange(6.0)], axis=1)
    figure = weights_as_images(W, (2, 3), columns=2)
    tiles = figure.axes[0].images[0].get_array()
    np.testing.assert_array_equal(tiles[:2, :3], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(tiles[:2, 4:], [[10, 11, 12], [13, 14, 15]])
    np.testing.assert_array_equal(tiles[3:, :3], [[20, 21, 22], [23, 24, 25]])
    assert np.isnan(np.ma.filled(tiles, np.nan)[2]).all()
    with pytest.raises(ParameterError, match=r"give \(9, number of images\)"):
        weights_as_images(W, (3, 3))


def test_weight_images_of_both_signs_are_coloured_about_zero():
    from snn.plot import weights_as_images

    image = weights_as_images([[-1.0], [3.0]], (1, 2)).axes[0].images[0]
    assert image.get_clim() == (-3.0, 3.0)


@pytest.mark.parametrize(
    ("w", "columns", "message"), [([[1.0], [2.0]], 0, "columns is 0"), ([[np.nan], [np.nan]], None, "nan only")]
)
def test_weight_images_that_cannot_be_drawn_are_refused(w, columns, message):
    from snn.plot import weights_as_images

    with pytest.raises(ParameterError, match=message):
        weights_as_images(w, (1, 2), columns=columns)


def test_progress_is_silent_when_stderr_is_not_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    with progress(1.0, "simulate") as meter:
        assert isinstance(meter, NoProgress)
        meter.update(0.5)
    assert sys.stderr.getvalue() == ""


def test_a_progress_bar_shows_part_and_time(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    clock = iter(np.arange(0.0, 100.0, 0.7))
    monkeypatch.setattr(meters.time, "monotonic", lambda: next(clock))
    with progress(2.0, "simulate", True) as meter:
        for k in range(1, 5):
            meter.update(0.5 * k)
    text = sys.stderr.getvalue()
    assert "simulate" in text
    assert "100%" in text
    assert "2/2 s" in text


def test_a_callback_gets_fractions_at_most_once_a_second_and_the_last_one(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(meters.time, "monotonic", lambda: now[0])
    seen = []
    with progress(10.0, "simulate", lambda fraction, text: seen.append((fraction, text))) as meter:
        for k in range(1, 101):
            now[0] = 0.1 * k
            meter.update(0.1 * k)
    fractions = [fraction for fraction, _ in seen]
    assert fractions[-1] == 1.0
    assert fractions == sorted(fractions)
    # 10 s of real time: one a second, the first and the last
    assert 10 <= len(seen) <= 12
    assert "simulate 100%: 10 of 10 s" in seen[-1][1]


def test_a_meter_of_nothing_to_do_ends_at_once():
    seen = []
    with progress(0.0, "simulate", lambda fraction, text: seen.append(fraction)):
        pass
    assert seen == [1.0]
