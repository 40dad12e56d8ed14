"""Which magnitudes of values are believed, and what becomes of units that they carry."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models import (
    LIF,
    Latency,
    LIFExp,
    OrnsteinUhlenbeck,
    Poisson,
    Regular,
    SpikeTimes,
    StepCurrent,
    TimedCurrent,
    TimedPoisson,
)
from snn import Network, ParameterError, RecordingError, Simulator, State, mV, normal
from snn.events import Events

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


# Units of other libraries


class Milli:
    """What Pint and Astropy have in common of a quantity: 20 Milli("s") is 20 ms."""

    def __init__(self, number, unit):
        self.number, self.unit = number, unit

    def to(self, unit):
        if unit != self.unit:
            raise LookupError(f"{self.unit} is no {unit}")
        self.value = 1e-3 * self.number
        return self


def of_quantities(number, unit):
    return number * getattr(pytest.importorskip("quantities"), f"m{unit}")


def of_brian2(number, unit):
    return number * getattr(pytest.importorskip("brian2"), {"s": "ms", "V": "mV"}[unit])


@pytest.fixture(params=[Milli, of_quantities, of_brian2])
def milli(request):
    return request.param


def test_quantities_of_other_libraries_are_taken_in_si(milli):
    assert LIF(tau_m=milli(20, "s")).tau_m == pytest.approx(0.02, rel=1e-15)
    assert LIF(v_thresh=milli(1.5, "V")).v_thresh == pytest.approx(0.0015, rel=1e-15)
    np.testing.assert_allclose(LIF(tau_m=[milli(20, "s"), 0.03]).tau_m, [0.02, 0.03], rtol=1e-15)


@pytest.mark.parametrize("make", [lambda q: LIF(tau_m=q), lambda q: LIF(tau_m=[0.02, q]), lambda q: Latency(low=q)])
def test_a_quantity_in_a_unit_that_does_not_fit(milli, make):
    with pytest.raises(ParameterError, match=r"(tau_m|low) is .*cannot be converted; give a (number in s|plain)"):
        make(milli(20, "V"))


@pytest.mark.parametrize("library", [of_quantities, of_brian2])
def test_quantities_wherever_numbers_are_given(library):
    ms, mV = library(1, "s"), library(1, "V")
    net = Network(1)
    spikes = net.population("spikes", SpikeTimes([0, 1], [20, 30] * ms), 2)
    cells = net.population("cells", LIF(v_thresh=20 * mV), 2, init={"v": [1, 2] * mV})
    first = net.connect(spikes, cells, weight=5 * mV, delay=2 * ms)
    second = net.connect(spikes, cells, weight=normal(7 * mV, 0 * mV))
    sim = Simulator(net, engine="grid", dt=0.5 * ms, record=[State(cells, "v", every=1 * ms)])
    assert sim.run(10 * ms).duration == 0.01
    sim.set_weights(second, np.full(4, 4) * mV)
    np.testing.assert_allclose(spikes.model.spikes[1], [0.02, 0.03], rtol=1e-15)
    np.testing.assert_allclose([first.weight, first.delay], [5e-3, 2e-3], rtol=1e-15)
    np.testing.assert_allclose(cells.init["v"], [1e-3, 2e-3], rtol=1e-15)
    np.testing.assert_allclose(sim.weights(second), 4e-3, rtol=1e-15)
    for refused, error in (
        (lambda: net.connect(spikes, cells, delay=2 * mV), ParameterError),
        (lambda: sim.run(10 * mV), ParameterError),
        (lambda: State(cells, "v", every=1 * mV), RecordingError),
        (lambda: Events.from_lists([([0], [1] * mV)], 1), ParameterError),
    ):
        with pytest.raises(error, match="give a number in s"):
            refused()


@pytest.mark.parametrize("value", ["10", ["10", "20"], np.timedelta64(10, "ms"), np.array([10j])])
def test_texts_and_the_like_are_no_numbers(value):
    with pytest.raises(ParameterError, match="Poisson.rate is .*; give a number in Hz"):
        Poisson(rate=value)
    with pytest.raises(ParameterError, match="normal.mean is .*; give a number"):
        normal(value, 1.0)
