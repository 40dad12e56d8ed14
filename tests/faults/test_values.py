"""Which magnitudes and units of values are believed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models import LIF, LIFExp, OrnsteinUhlenbeck, Regular, StepCurrent, TimedCurrent, TimedPoisson
from snn import Network, ParameterError, Simulator, mV

# Dimensionless potentials


def test_a_dimensionless_drive_of_five_thresholds_fires_as_its_closed_form():
    net = Network(1)
    net.population("cells", LIF(drive=5.0), 1)
    times = Simulator(net).run(0.1).spikes["cells"].times
    interval = 0.02 * math.log(5.0 / 4.0)
    # Rounding of sums of some twenty intervals.
    np.testing.assert_allclose(times, interval * np.arange(1, times.size + 1), rtol=1e-12)
    assert times.size == int(0.1 / interval)


@pytest.mark.parametrize(
    "values",
    [{"v_rest": -5.0}, {"v_reset": [-9.0, 9.0]}, {"drive": 19.0, "v_thresh": 2.0}, {"drive": -3, "v_thresh": -1}],
)
def test_other_potentials_up_to_ten_dimensionless_thresholds(values):
    assert LIFExp(**values).params().items() >= {k: v for k, v in values.items() if np.ndim(v) == 0}.items()


@pytest.mark.parametrize(
    "values",
    [
        {"v_thresh": -50},
        {"v_thresh": -50 * mV, "drive": 20},
        {"v_thresh": -50 * mV, "drive": 3},
        {"drive": 20},
        {"v_thresh": [1.0, 0.3], "drive": 4.0},
    ],
)
def test_potentials_that_are_no_volts(values):
    with pytest.raises(ParameterError, match=r"voltages are in volts. Did you mean -?\d+ \* mV"):
        LIF(**values)


def test_a_threshold_in_volts_after_a_dimensionless_drive():
    cell = LIF(drive=5.0)
    with pytest.raises(ParameterError, match=r"LIF.drive is 5 V"):
        cell.v_thresh = 20 * mV
    assert cell.v_thresh == 1.0


def test_a_subclass_with_a_dimensionless_drive():
    class Driven(LIF):
        drive = 5.0

    assert Driven().drive == 5.0
    with pytest.raises(ParameterError, match="InVolts.drive is 5 V"):

        class InVolts(LIF):
            drive = 5.0
            v_thresh = 20 * mV


@pytest.mark.parametrize("v_thresh, taken", [(1.0, True), (20 * mV, False)])
def test_initial_values_and_injected_currents_beside_a_threshold(v_thresh, taken):
    net = Network(1)
    cells = net.population("cells", LIF(v_thresh=v_thresh), 1)
    for declare in (
        lambda: net.population("more", cells.model, 1, init={"v": -5.0}),
        lambda: net.inject(cells, StepCurrent([0.0], [5.0])),
        lambda: net.inject(cells, OrnsteinUhlenbeck(mean=5.0)),
    ):
        if taken:
            declare()
        else:
            with pytest.raises(ParameterError, match="Did you mean -?5 \\* mV"):
                declare()


# Times


def test_sources_with_long_periods():
    net = Network(1)
    net.population("slow", Regular(period=20), 1)
    assert Simulator(net).run(50.0).spikes["slow"].times.tolist() == [0.0, 20.0, 40.0]
    assert (TimedPoisson(step=60).step, TimedCurrent(step=60).step) == (60.0, 60.0)
    for make in (lambda: Regular(period=2000), lambda: LIF(tau_m=20), lambda: LIFExp(tau_exc=20)):
        with pytest.raises(ParameterError, match="times are in seconds"):
            make()
