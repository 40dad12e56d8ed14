"""What would run for ever, or go on with numbers that mean nothing, is stopped and named."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models import ALIF, LIF, Poisson, Rate, Readout, Regular, SpikeTimes, StepCurrent
from rules import Delta, PairSTDP, Symmetric, ThreeFactor
from snn import (
    Network,
    NetworkError,
    ParameterError,
    PluginError,
    Rule,
    SimulationError,
    Simulator,
    Source,
    Spikes,
    ms,
    mV,
    one_to_one,
    param,
    state,
    uniform,
)


class Interval(Source):
    """Returns the interval to the next spike where its time is asked for."""

    def next_spike(self, cell, t, u):
        return 0.01 if t < 0.0 else t - 0.001


class DividesByZero(Rule):
    tau: float = param(20 * ms, unit="s")
    x = state("pre", decay="tau")

    def on_post(self, syn, pre, post, t):
        syn.w += pre.x / pre.x if pre.x > 0.0 else math.nan

    def pre_spike(self, pre, t):
        pre.x += 1.0


def driven(cell, rule=None, seed=1):
    net = Network(seed)
    inputs = net.population("inputs", Poisson(rate=200.0), 50)
    cells = net.population("cells", cell, 4)
    net.connect(inputs, cells, weight=0.3 * cell.v_thresh if cell.v_thresh > 0 else 5 * mV, rule=rule, name="p")
    return net, inputs, cells


@pytest.mark.parametrize("cell", [LIF(v_rest=-65 * mV, v_thresh=-50 * mV, v_reset=0.0), LIF(v_reset=1.5)])
def test_neuron_that_is_reset_to_above_its_threshold_is_stopped(cell):
    net, _, cells = driven(cell)
    with pytest.raises(
        SimulationError, match=r"Neuron \d of population 'cells' \(LIF\) fires without end at t = .*v_reset"
    ):
        Simulator(net).run(0.1, progress=False)
    # With a refractory time it fires when that is over, as in other simulators: 51 times in 100 ms at the most.
    net, _, cells = driven(cell.replace(t_ref=2 * ms))
    assert 0 < len(Simulator(net).run(0.1, progress=False).spikes["cells"]) <= 4 * 51


@pytest.mark.parametrize("wrong", [LIF(v_reset=1.5), Interval()])
def test_one_of_several_threads_that_is_stuck_ends_all(wrong):
    net = Network(1)
    inputs = net.population("inputs", Poisson(rate=200.0), 50)
    cells, others = net.population("cells", LIF(), 40), net.population("others", wrong, 40)
    net.connect(inputs, cells, weight=0.3, delay=2 * ms)
    source, target = (inputs, others) if isinstance(wrong, LIF) else (others, cells)
    net.connect(source, target, weight=0.3, delay=2 * ms)
    with pytest.raises(SimulationError, match=r"of population 'others'.*fires without end"):
        Simulator(net, threads=2).run(0.1, progress=False)


def test_many_spikes_at_one_instant_are_no_harm():
    net = Network(1)
    a = net.population("a", SpikeTimes([0], [1 * ms]), 1)
    b = net.population("b", LIF(soft_reset=True), 1)
    net.connect(a, b, weight=500.5)
    assert len(Simulator(net).run(2 * ms, progress=False).spikes["b"]) == 500


def test_source_that_goes_back_in_time_is_stopped():
    net = Network(1)
    net.population("sources", Interval(), 2)
    with pytest.raises(SimulationError, match=r"Neuron 0 of population 'sources' \(Interval\).*return a time"):
        Simulator(net).run(0.1, progress=False)


@pytest.mark.parametrize("engine", ["exact", "grid"])
def test_weights_that_are_no_numbers_end_the_run(engine):
    net, _, _ = driven(LIF(), DividesByZero())
    with pytest.raises(
        SimulationError, match=r"of 200 weights of projection 'p' are not finite numbers.*nan.*DividesByZero"
    ):
        Simulator(net, engine=engine).run(1.0, progress=False)


def test_presentations_too_long_for_a_rule_are_refused():
    net = Network(1)
    i = net.population("i", Rate(rate_max=50.0), 20)
    h, o = net.population("h", LIF(tau_m=20 * ms), 30), net.population("o", Readout(), 2)
    net.connect(i, h, weight=0.1, rule=ThreeFactor(eta=1e-4))
    net.connect(h, o, weight=0.01, rule=Delta(eta=1e-4))
    net.credit(Symmetric(), error=o, to=h)
    x, y = np.random.default_rng(0).random((4, 20)), np.array([0, 1, 0, 1])
    sim = Simulator(net)
    sim.present(x, y, into=i, readout=o, duration=0.5)
    with pytest.raises(NetworkError, match=r"ThreeFactor.*up to 25 tau = 0\.5 s, not of 1 s"):
        sim.present(x, y, into=i, readout=o, duration=1.0)
    # Without learning nothing is subtracted.
    sim.present(x, y, into=i, readout=o, duration=1.0, learn=False)


def test_declarations_added_after_the_simulator_are_named():
    net = Network(1)
    b = net.population("b", LIF(t_ref=1 * ms), 3)
    sim = Simulator(net)
    sim.run(0.01)
    net.inject(b, StepCurrent([0.0], [1.5]))
    with pytest.raises(NetworkError, match=r"has changed since the simulator was made: current '0 into b'"):
        sim.run(0.01)
    a = net.population("a", Regular(period=5 * ms), 10)
    net.connect(a, b, weight=0.5, name="p")
    with pytest.raises(NetworkError, match=r"population 'a', projection 'p'"):
        sim.run(0.01)


@pytest.mark.parametrize("engine", ["exact", "grid"])
def test_model_parameters_changed_after_the_simulator_are_named(engine):
    net = Network(1)
    a = net.population("a", Poisson(rate=400.0), 50)
    b = net.population("b", LIF(t_ref=2 * ms), 50)
    net.connect(a, b, one_to_one(), weight=0.3)
    sim = Simulator(net, engine=engine, record=[Spikes(a), Spikes(b)])
    few = len(sim.run(0.2, progress=False).spikes["a"])
    # Sources are asked anew for each spike; what ran is what the result describes.
    a.model.rate = 4000.0
    result = sim.run(0.2, progress=False)
    # Ten times as many; some 4000 before, so that a fifth is ten standard deviations.
    assert 8 * few < len(result.spikes["a"]) < 12 * few
    assert result.network["populations"]["a"]["model"]["parameters"]["rate"]["value"] == 4000.0
    b.model.drive = 1.9
    with pytest.raises(NetworkError, match=r"LIF\.drive of population 'b' has changed from 0\.0 to 1\.9"):
        sim.run(0.2)
    b.model.drive = 0.0
    sim.run(0.01, progress=False)


@pytest.mark.parametrize("model", [LIF, ALIF])
def test_parameters_changed_in_place_are_named(model):
    net = Network(1)
    source = net.population("source", Poisson(rate=np.full(2, 50.0)), 2)
    cells = net.population("cells", model(drive=np.full(2, 1.2)), 2)
    net.connect(source, cells, one_to_one(), weight=0.1)
    sim = Simulator(net)
    sim.run(1 * ms)
    source.model.rate[:] = 70.0
    result = sim.run(1 * ms)
    assert result.network["populations"]["source"]["model"]["parameters"]["rate"]["value"] == [70.0, 70.0]
    cells.model.drive[:] = 5.0
    with pytest.raises(NetworkError, match=rf"{model.__name__}\.drive of population 'cells' has changed from"):
        sim.run(1 * ms)


def test_sources_drawn_as_numbers_of_arrivals_cannot_change():
    net = Network(1)
    a, b = net.population("a", Poisson(rate=400.0), 50), net.population("b", LIF(), 50)
    net.connect(a, b, one_to_one(), weight=0.3)
    sim = Simulator(net, engine="grid", record=[Spikes(b)])
    sim.run(0.01, progress=False)
    a.model.rate = 4000.0
    with pytest.raises(NetworkError, match=r"Poisson\.rate of population 'a'.*record=\[Spikes\(a\)\]"):
        sim.run(0.01)


def test_numbers_that_would_be_cut_are_refused():
    with pytest.raises(ParameterError, match=r"SpikeTimes\.ids go from 4294967299"):
        SpikeTimes([2**32 + 3], [0.01])
    for rule in (None, PairSTDP()):
        net = Network(1)
        cells = net.population("cells", LIF(), 3)
        net.connect(cells, cells, weight=1e300, delay=1 * ms, dtype="float32", rule=rule)
        with pytest.raises(ParameterError, match=r"go up to 1e\+300, which float32 cannot hold"):
            Simulator(net)


def test_bounds_in_the_wrong_order_are_refused():
    net, _, _ = driven(LIF(), PairSTDP(w_min=2.0, w_max=1.0))
    with pytest.raises(PluginError, match=r"PairSTDP: w_min is 2, above w_max, which is 1"):
        Simulator(net)


@pytest.mark.parametrize("delay", [1.5, uniform(1.0, 5.0)])
def test_delays_in_milliseconds_are_refused(delay):
    net = Network(1)
    cells = net.population("cells", LIF(), 3)
    with pytest.raises(ParameterError, match=r"times are in seconds\. Did you mean [\d.]+ \* ms"):
        net.connect(cells, cells, weight=0.1, delay=delay)
        Simulator(net)
