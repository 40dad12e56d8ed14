"""Injected currents against analytic solutions, statistics of noise, and Brian2's timed arrays."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models import (
    ALIF,
    LIF,
    Latency,
    LIFCond,
    LIFExp,
    OrnsteinUhlenbeck,
    Poisson,
    Readout,
    StepCurrent,
    TimedCurrent,
    WhiteNoise,
)
from snn import Network, NetworkError, ParameterError, Simulator, State, ms, nA, one_to_one, pA

DT = 0.1 * ms
TAU, REF = 20 * ms, 3 * ms
TIMES, VALUES = np.array([7.3, 31.1, 52.9, 58.0, 90.4]) * ms, np.array([0.9, 1.9, 0.3, 1.6, 0.0])


def by_hand(base, times, values, end):
    """Spike times of a leaky cell with threshold 1 and reset 0, from breakpoint to breakpoint."""
    edges = np.r_[0.0, times, end]
    levels = base + np.r_[0.0, values]
    t, v, free, spikes = 0.0, 0.0, 0.0, []
    for edge, level in zip(edges[1:], levels, strict=True):
        while t < edge:
            if t < free:
                t = min(free, edge)
                continue
            cross = t + TAU * math.log((level - v) / (level - 1.0)) if level > 1.0 else math.inf
            if cross >= edge:
                v, t = level + (v - level) * math.exp((t - edge) / TAU), edge
            else:
                spikes.append(cross)
                t, v, free = cross, 0.0, cross + REF
    return np.array(spikes)


@pytest.mark.parametrize(
    "model",
    [
        LIF(tau_m=TAU, t_ref=REF, drive=0.5),
        LIF(tau_m=np.array([TAU]), t_ref=REF, drive=0.5),
        LIFExp(tau_m=TAU, t_ref=REF, drive=0.5),
        ALIF(tau_m=TAU, t_ref=REF, drive=0.5, jump=0.0),
    ],
    ids=["one mode", "closed form", "three modes", "adaptive"],
)
def test_steps_change_the_drive_of_the_exact_engine_at_their_times(model):
    net = Network(1)
    cells = net.population("cells", model, 1)
    net.inject(cells, StepCurrent(TIMES, VALUES))
    # A second current, so that two add up, and windows that end elsewhere.
    net.inject(cells, StepCurrent([0.0], [0.2]))
    expected = by_hand(0.7, TIMES, VALUES, 0.15)
    assert len(expected) == 5
    sim = Simulator(net, window=1.7 * ms)
    assert sim.engine == "exact"
    found = np.concatenate([sim.run(d, progress=False).spikes["cells"].times for d in (0.0311, 0.0689, 0.05)])
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_timed_array_on_the_exact_engine_is_the_same_as_steps():
    def spikes(*currents):
        net = Network(1)
        cells = net.population("cells", LIF(tau_m=TAU, t_ref=REF), 2)
        for current in currents:
            net.inject(cells, current)
        found = Simulator(net).run(0.1, progress=False).spikes["cells"]
        return found.times, found.ids

    values = np.array([[1.2, 0.0], [1.8, 0.5], [0.0, 1.9], [1.4, 1.1]])
    times, ids = spikes(TimedCurrent(values=values, step=15 * ms))
    again, same = spikes(StepCurrent(np.arange(4) * 15 * ms, values))
    assert set(ids) == {0, 1}
    np.testing.assert_allclose(times, again, rtol=1e-12)
    assert ids.tolist() == same.tolist()


@pytest.mark.brian2
@pytest.mark.parametrize("name", ["LIF", "LIFCond"])
def test_timed_arrays_on_the_grid_are_those_of_brian2(name):
    b2 = pytest.importorskip("brian2")
    b2.prefs.codegen.target = "numpy"
    rng = np.random.default_rng(2)
    n, ticks, step = 10, 1500, 0.7 * ms
    if name == "LIF":
        model, unit, values = LIF(tau_m=TAU, t_ref=2 * ms), b2.volt, rng.uniform(0.5, 2, (100, n))
    else:
        model, unit, values = LIFCond(i_drive=50 * pA), b2.amp, rng.uniform(0, 0.4, (100, n)) * nA
    form, drive = model.brian2(), model.injected
    net = Network(1)
    cells = net.population("cells", model, n)
    net.inject(cells, TimedCurrent(values=values, step=step))
    sim = Simulator(net, engine="grid", dt=DT)
    spikes = sim.run(ticks * DT, progress=False).spikes["cells"]

    b2.start_scope()
    b2.defaultclock.dt = DT * b2.second
    scale = {"second": b2.second, "volt": b2.volt, "amp": b2.amp, "siemens": b2.siemens, "farad": b2.farad, "1": 1}
    names = {k: v * scale[u] for k, (v, u) in form["namespace"].items()}
    names["injected"] = b2.TimedArray(values * unit, dt=step * b2.second)
    equations = form["model"].replace(drive, f"({drive} + injected(t, i))")
    group = b2.NeuronGroup(
        n, equations, threshold=form["threshold"], reset=form["reset"], refractory=form["refractory"],
        method="exponential_euler", namespace=names,
    )  # fmt: skip
    group.v = (model.v_rest) * b2.volt
    monitor = b2.SpikeMonitor(group)
    b2.Network(group, monitor).run(ticks * DT * b2.second, namespace={})
    theirs = sorted(zip(np.rint(monitor.t / b2.second / DT).astype(int).tolist(), monitor.i[:].tolist(), strict=True))
    ours = sorted(zip(np.rint(spikes.times / DT).astype(int).tolist(), spikes.ids.tolist(), strict=True))
    assert len(ours) > 30
    assert ours == theirs


def potential(current, duration, n=2000, tau=10 * ms):
    net = Network(3)
    cells = net.population("cells", LIF(tau_m=tau, v_thresh=1.9), n)
    net.inject(cells, current)
    sim = Simulator(net, record=[State(cells, "v", every=1 * ms)])
    assert "changes all the time" in sim.engine_reason
    return sim.run(duration, progress=False).states["cells", "v"].values


def test_white_noise_gives_the_stationary_mean_and_variance():
    sigma, tau = 0.02, 10 * ms
    v = potential(WhiteNoise(sigma=sigma, mean=0.3), 0.12, tau=tau)[100:]
    variance = sigma**2 / (2 * tau)
    # 2000 cells at two independent times; correlated times add nothing, so that 2000 is a safe number.
    assert v.mean() == pytest.approx(0.3, abs=4 * np.sqrt(variance / 2000))
    assert v.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / 2000))


@pytest.mark.filterwarnings("ignore:tau_m of LIF")
def test_noise_with_a_memory_has_its_variance_and_autocorrelation_from_the_start():
    net = Network(3)
    cells = net.population("cells", LIF(tau_m=1e-6, v_thresh=1.99), 4000)
    net.inject(cells, OrnsteinUhlenbeck(sd=0.1, tau=5 * ms, mean=0.5))
    # A membrane this fast shows the current itself.
    sim = Simulator(net, record=[State(cells, "v", every=DT)], engine="grid", dt=DT)
    x = sim.run(8 * ms, progress=False).states["cells", "v"].values[1:] - 0.5
    error = 4 * np.sqrt(2 / 4000)
    assert x[0].std() == pytest.approx(0.1, rel=error)
    assert x[60].std() == pytest.approx(0.1, rel=error)
    assert np.mean(x[10] * x[60]) / 0.01 == pytest.approx(math.exp(-1.0), abs=error)


@pytest.mark.parametrize("engine", ["exact", "grid"])
def test_a_run_with_currents_goes_on_from_a_checkpoint(tmp_path, engine):
    def sim():
        net = Network(4)
        noise = net.population("noise", Poisson(rate=400.0), 5)
        cells = net.population("cells", LIFExp(t_ref=REF), 5)
        net.connect(noise, cells, one_to_one(), weight=0.4)
        net.inject(cells, StepCurrent(TIMES, VALUES))
        if engine == "grid":
            net.inject(cells, OrnsteinUhlenbeck(sd=0.5))
        return Simulator(net, engine=engine)

    first = sim()
    first.run(40 * ms, progress=False)
    first.checkpoint(tmp_path / "here.h5")
    expected = first.run(60 * ms, progress=False).spikes["cells"]
    second = sim()
    second.restore(tmp_path / "here.h5")
    found = second.run(60 * ms, progress=False).spikes["cells"]
    assert len(found) > 10
    assert (found.times.tolist(), found.ids.tolist()) == (expected.times.tolist(), expected.ids.tolist())


def test_the_declared_model_keeps_its_drive():
    net = Network(1)
    cells = net.population("cells", LIF(drive=0.5), 3)
    net.inject(cells, StepCurrent([0.0], [2.0]))
    Simulator(net).run(10 * ms, progress=False)
    assert cells.model.drive == 0.5
    assert "StepCurrent" in net.summary()
    assert net.describe()["currents"][0]["population"] == "cells"


@pytest.mark.parametrize(
    ("model", "current", "error", "said"),
    [
        (LIF(), WhiteNoise(sigma=1.0), NetworkError, "WhiteNoise into population 'x' changes all.*engine='grid'"),
        (Readout(), StepCurrent([0.0], [1.0]), NetworkError, "Readout of population 'x' has no constant current"),
        (LIFCond(), StepCurrent([0.0], [50.0]), ParameterError, r"StepCurrent.values.*Did you mean 50 \* pA"),
        (LIF(), TimedCurrent(values=np.ones((4, 3))), ParameterError, "values of the current.*3 values for 2 neurons"),
        (LIF(), LIF(), NetworkError, "current into population 'x' is LIF"),
    ],
)  # fmt: skip
def test_currents_that_cannot_be_injected_are_refused(model, current, error, said):
    net = Network(1)
    with pytest.raises(error, match=said):
        net.inject(net.population("x", model, 2), current)
        Simulator(net, engine="exact")


@pytest.mark.parametrize(
    ("times", "values", "said"),
    [([0.1, 0.1], [1.0, 2.0], "increasing times"), ([0.1], [1.0, 2.0], "has 1 times and 2 values")],
)
def test_steps_without_order_or_value_are_refused(times, values, said):
    with pytest.raises(ParameterError, match=said):
        StepCurrent(times, values)


def test_presentations_refuse_injected_currents():
    net = Network(1)
    inputs, cells = net.population("inputs", Latency(), 2), net.population("cells", LIF(), 2)
    net.connect(inputs, cells)
    net.inject(cells, StepCurrent([0.0], [1.0]))
    with pytest.raises(NetworkError, match="present: a current is injected into population 'cells'"):
        Simulator(net).present([[0.1, 0.2]], into=inputs, readout=cells, duration=10 * ms, learn=False)


def test_noise_and_steps_are_the_same_for_any_number_of_threads():
    def spikes(threads):
        net = Network(4)
        cells = net.population("cells", LIF(tau_m=TAU, t_ref=REF), 101)
        net.inject(cells, TimedCurrent(values=np.linspace(0.5, 1.5, 202).reshape(2, 101), step=30 * ms))
        net.inject(cells, OrnsteinUhlenbeck(sd=0.5))
        found = Simulator(net, threads=threads).run(0.1, progress=False).spikes["cells"]
        return found.times.tolist(), found.ids.tolist()

    one = spikes(1)
    assert len(one[0]) > 50
    assert spikes(2) == one
    assert spikes(3) == one
