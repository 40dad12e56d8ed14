"""Every neuron model against something independent: SciPy, published patterns, analytic limits, and Brian2."""

from __future__ import annotations

import math
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.optimize import brentq

from models import (
    ALIF,
    LIF,
    AdEx,
    BurstLIF,
    EscapeLIF,
    HodgkinHuxley,
    Izhikevich,
    Izhikevich2007,
    LIFAlpha,
    LIFCond,
    LIFExp,
    TwoCompartmentLIF,
)
from models.hodgkin_huxley import exprel, rates
from models.izhikevich import KINDS
from models.lif_alpha import responses
from models.lif_exp import response
from snn import Network, ParameterError, Simulator, ms, mV, nA, nS, pA
from snn.testing import check_model
from snn.validation import random_inputs, run_in_brian2, run_on_grid

DT = 0.1 * ms


def cell_of(model, **values):
    """A cell as it starts, for the model's methods in plain Python."""
    return SimpleNamespace(**{**{name: s.init for name, s in model.states("cell").items()}, **values})


def stepped_spikes(model, duration, dt, **values):
    """Times of spikes of one cell without input and without refractory time, stepped in plain Python."""
    cell, spikes = cell_of(model, **values), []
    for n in range(round(duration / dt)):
        model.step(cell, dt)
        if model.above(cell):
            spikes.append(n * dt)
            model.fire(cell)
    return np.array(spikes)


def exact_spikes(slope, y, peak, reset, duration):
    """The same from SciPy: dy/dt = slope(y), and y = reset(y) where y[0] rises to `peak`."""

    def crossing(t, y):
        return y[0] - peak

    crossing.terminal, crossing.direction = True, 1.0
    t, spikes = 0.0, []
    while True:
        found = solve_ivp(
            lambda t, y: slope(y), (t, duration), y, events=crossing, rtol=1e-9, atol=1e-12, max_step=1 * ms
        )
        if found.status != 1:
            return np.array(spikes)
        t, y = found.t[-1], reset(found.y[:, -1])
        spikes.append(t)


def test_conductances_pull_the_potential_to_the_mean_of_the_reversal_potentials():
    model = LIFCond(v_thresh=0.1)
    cell = cell_of(model)
    for _ in range(5000):
        cell.g_exc, cell.g_inh = 3 * nS, 7 * nS
        model.step(cell, DT)
    # 0.5 s are 50 effective time constants: only rounding is left.
    assert cell.v == pytest.approx((10 * -60 + 3 * 0 + 7 * -80) / 20 * mV, rel=1e-13)


@pytest.mark.parametrize("tau_m", [0.1 * ms, 10 * ms, 1.0])
@pytest.mark.parametrize("ratio", [1e-4, 0.05, 1 - 1e-9, 1.0, 1 + 1e-9, 3.0, 1e4])
@pytest.mark.parametrize("lapse", [1e-6, 0.3, 30.0, 900.0])
def test_the_response_to_a_current_is_that_of_high_precision(tau_m, ratio, lapse):
    tau, dt = tau_m * ratio, tau_m * lapse
    with mpmath.workdps(60):
        a, b, t = mpmath.mpf(tau_m), mpmath.mpf(tau), mpmath.mpf(dt)
        slow, fast = mpmath.exp(-t / a), mpmath.exp(-t / b)
        exact = t / a * slow if a == b else b / (b - a) * (fast - slow)
    # An exponent of some hundreds rounds to some 1e-14 of itself; below 1e-300 doubles end.
    assert response(tau_m, tau, dt) == pytest.approx(float(exact), rel=1e-12, abs=1e-300)


def test_conductance_response_is_that_of_scipy():
    model = LIFCond(v_thresh=0.1)

    def slope(t, y):
        v, g_e, g_i = y
        i = model.g_leak * (model.v_rest - v) + g_e * (model.e_exc - v) + g_i * (model.e_inh - v)
        return i / model.c_m, -g_e / model.tau_exc, -g_i / model.tau_inh

    y = solve_ivp(slope, (0, 20 * ms), (model.v_rest, 6 * nS, 3 * nS), rtol=1e-10, atol=1e-14).y[0, -1]
    errors = []
    for dt in (0.1 * ms, 0.05 * ms):
        cell = cell_of(model, g_exc=6 * nS, g_inh=3 * nS)
        for _ in range(round(20 * ms / dt)):
            model.step(cell, dt)
        errors.append(abs(cell.v - y))
    # First order in dt: conductances stand still within a step.
    assert errors[0] < 0.05 * mV
    assert errors[0] / errors[1] == pytest.approx(2.0, rel=0.05)


def test_adex_fires_when_scipy_says_and_adapts():
    model, dt = AdEx(i_drive=0.8 * nA), 0.02 * ms

    def slope(y):
        v, w = y
        spike = model.g_leak * model.delta_thresh * math.exp(min((v - model.v_thresh) / model.delta_thresh, 10))
        dv = (model.g_leak * (model.v_rest - v) + spike - w + model.i_drive) / model.c_m
        return dv, (model.g_adapt * (v - model.v_rest) - w) / model.tau_adapt

    expected = exact_spikes(
        slope, (model.v_rest, 0.0), model.v_peak, lambda y: (model.v_reset, y[1] + model.i_jump), 0.5
    )
    spikes = stepped_spikes(model, 0.5, dt)
    intervals = np.diff(expected)
    assert len(spikes) == len(expected) > 5
    assert intervals[-1] > 1.5 * intervals[0]
    # Each spike waits for the end of its step, and the next one starts from there.
    assert np.all(np.abs(spikes - expected) < dt * np.arange(2, len(spikes) + 2))


def izhikevich_reference(model, duration):
    def slope(y):
        v, u = y[0] / mV, y[1]
        dv = 0.04 * v * v + 5 * v + 140 - u + model.drive  # mV/ms
        return dv, model.a * (model.b * y[0] - u)

    start = (-65 * mV, -13.0)
    return exact_spikes(slope, start, model.v_peak, lambda y: (model.v_reset, y[1] + model.u_jump), duration)


def test_izhikevich_kinds_fire_in_their_published_patterns():
    """Figure 2 of the paper, at I = 10: what makes regular, bursting, chattering and fast spiking neurons."""
    intervals = {}
    for kind in ("RS", "IB", "CH", "FS"):
        model = Izhikevich(**KINDS[kind], drive=10.0)
        spikes, expected = stepped_spikes(model, 0.3, 0.01 * ms), izhikevich_reference(model, 0.3)
        # Euler is of first order: errors of some steps for each spike add up, and the last one may fall off the end.
        n = min(len(spikes), len(expected))
        assert max(len(spikes), len(expected)) <= n + 1
        assert np.all(np.abs(spikes[:n] - expected[:n]) < 0.05 * ms * np.arange(1, n + 1))
        intervals[kind] = np.diff(spikes)
    rs, ib, ch, fs = intervals.values()
    assert rs[0] < 0.75 * rs[-1]  # spike frequency adapts
    assert ib[0] < 0.3 * ib[-1]  # a burst, then single spikes
    assert np.sum(ch < 5 * ms) > 5  # bursts, again and again
    assert np.sum(ch > 15 * ms) > 2
    assert fs[-1] < 0.5 * rs[-1]  # fast, and almost no adaptation
    assert fs[-1] < 1.3 * fs[1]


@pytest.mark.parametrize("kind", KINDS)
def test_izhikevich_kinds_start_as_in_the_program_of_the_paper(kind):
    b = {"LTS": 0.25, "TC": 0.25, "RZ": 0.26}.get(kind, 0.2)
    net = Network(1)
    net.population("cells", Izhikevich(**KINDS[kind]), 1)
    net.population("given", Izhikevich(**KINDS[kind]), 1, init={"u": -12.0})
    with pytest.warns(UserWarning, match="not connected"):
        sim = Simulator(net)
    assert sim.state("cells", "v").tolist() == [-65 * mV] and sim.state("given", "u").tolist() == [-12.0]
    # Rounding of the product.
    assert sim.state("cells", "u")[0] == pytest.approx(b * -65, rel=1e-15)


def test_a_current_beyond_all_sizes():
    net = Network(1)
    net.population("cells", HodgkinHuxley(i_drive=1e-3), 1)
    with pytest.raises(ParameterError, match=r"HodgkinHuxley.hold comes to numbers too large.*i_drive=0.001"):
        Simulator(net)


def test_izhikevich_2007_fires_when_scipy_says():
    model, dt = Izhikevich2007(i_drive=100 * pA), 0.005 * ms

    def slope(y):
        v, u = y
        dv = (model.k * (v - model.v_rest) * (v - model.v_thresh) - u + model.i_drive) / model.c_m
        return dv, model.a * (model.b * (v - model.v_rest) - u)

    expected = exact_spikes(slope, (-60 * mV, 0.0), 35 * mV, lambda y: (-50 * mV, y[1] + 100 * pA), 0.3)
    spikes = stepped_spikes(model, 0.3, dt)
    assert len(spikes) == len(expected) > 3
    # Euler is of first order.
    assert np.all(np.abs(spikes - expected) < 0.05 * ms * np.arange(1, len(spikes) + 1))
    # The rheobase is where the nullclines touch: (14 - 2)^2 / (4 0.7) = 51.4 pA.
    assert len(stepped_spikes(model.replace(i_drive=51 * pA), 1.0, 0.1 * ms)) == 0
    assert len(stepped_spikes(model.replace(i_drive=52.5 * pA), 1.0, 0.1 * ms)) > 0


def test_rates_of_the_gates_have_their_limits_where_the_formulas_are_0_over_0():
    assert exprel(0.0) == 1.0
    assert (rates(13 * mV)[0], rates(40 * mV)[1], rates(15 * mV)[4]) == pytest.approx((1280, 1400, 160), rel=1e-14)
    for off in (1e-9, -1e-3, 0.5):
        a_m, b_m, a_h, b_h, a_n, b_n = rates((13 + off) * mV)
        # The published form cancels near 0: some 1e-16 of 1 over |off| / 4.
        close = {"rel": 1e-14 + 8e-16 / abs(off)}
        assert a_m == pytest.approx(320 * -off / (math.exp(-off / 4) - 1), **close)
        u = 13 + off
        assert b_m == pytest.approx(280 * (u - 40) / (math.exp((u - 40) / 5) - 1), rel=1e-12)
        assert a_h == pytest.approx(128 * math.exp((17 - u) / 18), rel=1e-12)
        assert b_h == pytest.approx(4000 / (1 + math.exp((40 - u) / 5)), rel=1e-12)
        assert a_n == pytest.approx(32 * (15 - u) / (math.exp((15 - u) / 5) - 1), rel=1e-12)
        assert b_n == pytest.approx(500 * math.exp((10 - u) / 40), rel=1e-12)


def hodgkin_huxley_reference(model, duration):
    """Upward crossings of v_thresh by SciPy, with the rates as they are published (1/ms)."""

    def slope(t, y):
        v, m, h, n = y
        u = (v - model.v_shift) / mV
        i = model.g_leak * (model.e_leak - v) + model.g_na * m**3 * h * (model.e_na - v)
        i += model.g_k * n**4 * (model.e_k - v) + model.i_drive
        a_m, b_m = 0.32 * (13 - u) / (math.exp((13 - u) / 4) - 1), 0.28 * (u - 40) / (math.exp((u - 40) / 5) - 1)
        a_h, b_h = 0.128 * math.exp((17 - u) / 18), 4 / (1 + math.exp((40 - u) / 5))
        a_n, b_n = 0.032 * (15 - u) / (math.exp((15 - u) / 5) - 1), 0.5 * math.exp((10 - u) / 40)
        gates = (a_m * (1 - m) - b_m * m, a_h * (1 - h) - b_h * h, a_n * (1 - n) - b_n * n)
        return i / model.c_m, *(1e3 * g for g in gates)

    def crossing(t, y):
        return y[0] - model.v_thresh

    crossing.direction = 1.0
    cell = cell_of(model)
    found = solve_ivp(
        slope, (0, duration), (cell.v, cell.m, cell.h, cell.n), events=crossing, rtol=1e-8, atol=1e-11, method="LSODA"
    )
    return found.t_events[0], found.y[0, -1]


def test_hodgkin_huxley_fires_when_scipy_says_and_rests_with_a_lower_leak():
    model, dt = HodgkinHuxley(i_drive=0.2 * nA), 0.01 * ms
    expected, _ = hodgkin_huxley_reference(model, 0.1)
    cell, crossings, was = cell_of(model), [], False
    for n in range(round(0.1 / dt)):
        model.step(cell, dt)
        if model.above(cell) and not was:
            crossings.append(n * dt)
        was = model.above(cell)
    assert len(crossings) == len(expected) > 3
    # First order in dt; the error of each interval adds up: 1 % of the mean interval for each.
    interval = np.diff(expected).mean()
    assert np.all(np.abs(crossings - expected) < 0.01 * interval * np.arange(1, len(expected) + 1))
    quiet = model.replace(e_leak=-65 * mV, i_drive=0.0)
    spikes, v = hodgkin_huxley_reference(quiet, 0.5)
    cell = cell_of(quiet)
    for _ in range(5000):
        quiet.step(cell, DT)
    assert len(spikes) == 0
    assert cell.v == pytest.approx(v, abs=1e-6 * mV)  # both at rest: the tolerance of the reference


@pytest.mark.parametrize("tau", [0.1, 0.47, 0.53, 0.9, 1.0, 1.00001, 1.08, 1.15, 30.0])
def test_responses_to_alpha_currents_are_their_integrals(tau):
    """For tau_m = dt = 1, on both sides of where the series takes over."""
    for power, found in enumerate(responses(1.0, tau, 1.0)):
        integral = quad(lambda s, p: (s / tau) ** p * math.exp(s - 1 - s / tau), 0, 1, (power,), epsabs=0, epsrel=1e-13)
        assert found == pytest.approx(integral[0], rel=2e-13)


@pytest.mark.parametrize("tau", [2 * ms, 20 * ms, 20.001 * ms])
def test_alpha_currents_peak_at_the_weight_and_move_the_potential_as_scipy_says(tau):
    model = LIFAlpha(tau_exc=tau, v_thresh=2.0)
    cell = cell_of(model)
    model.receive(cell, 0, 0.8)
    currents = []
    for _ in range(500):
        model.step(cell, DT)
        currents.append(cell.i_exc)
    assert (np.argmax(currents) + 1) * DT == pytest.approx(tau, abs=DT)
    assert max(currents) == pytest.approx(0.8, rel=1e-5)  # the nearest step is off the peak by some (dt / tau)^2

    def slope(t, y):
        return (0.8 * t / tau * math.exp(1 - t / tau) - y[0]) / model.tau_m

    v = solve_ivp(slope, (0, 50 * ms), (0.0,), rtol=1e-11, atol=1e-14).y[0, -1]
    assert cell.v == pytest.approx(v, rel=1e-9)  # the reference's


@pytest.mark.parametrize(
    "model",
    [
        ALIF(drive=1.5, t_ref=2 * ms),
        TwoCompartmentLIF(drive=1.2, t_ref=2 * ms),
        TwoCompartmentLIF(tau_dend=20 / 1.5 * ms),
        BurstLIF(coupling=0.5, drive=1.2, t_burst=6 * ms),
    ],
    ids=["ALIF", "TwoCompartmentLIF", "equal time constants", "BurstLIF"],
)
def test_closed_forms_are_certified(model):
    assert check_model(model).passed


def test_adapted_interval_is_the_root_of_its_equation():
    net = Network(1)
    model = ALIF(drive=2.0, jump=0.1, tau_adapt=100 * ms)
    net.population("cell", model, 1)
    spikes = Simulator(net).run(2.0, progress=False).spikes["cell"].times

    def off(t):
        """Potential over threshold after t in the steady state, where theta is a geometric series."""
        decay = math.exp(-t / model.tau_adapt)
        return 2.0 * (1 - math.exp(-t / model.tau_m)) - 1.0 - 0.1 * decay / (1 - decay)

    assert np.diff(spikes)[-1] == pytest.approx(brentq(off, 1 * ms, 1.0, xtol=1e-15), rel=1e-9)
    assert spikes[0] == pytest.approx(20 * ms * math.log(2.0), rel=1e-12)


def test_escape_times_follow_the_survivor_function():
    n, n_ticks = 4000, 600
    model = EscapeLIF(drive=0.9, t_ref=2 * ms)
    run = run_on_grid(model, {}, n, n_ticks, DT, seed=3)
    first = np.full(n, n_ticks)
    np.minimum.at(first, run.ids, run.ticks)
    alive = 1 - np.cumsum(np.bincount(first, minlength=n_ticks + 1)[:n_ticks]) / n
    v = 0.9 * (1 - np.exp(-DT * np.arange(1, n_ticks + 1) / model.tau_m))
    survivor = np.exp(-np.cumsum(100 * np.exp((v - 1) / 0.1)) * DT)
    # Kolmogorov and Smirnov: beyond this with probability 1e-3, seed 3.
    assert np.abs(alive - survivor).max() < 1.95 / math.sqrt(n)
    for j in range(20):
        assert np.all(np.diff(run.ticks[run.ids == j]) >= 20)  # the refractory time


def test_an_error_at_the_dendrite_nudges_the_soma_as_scipy_says():
    model = TwoCompartmentLIF(coupling=0.7, u_rest=-0.1)
    cell = cell_of(model, u=-0.1)
    model.receive(cell, 2, 0.5)
    assert (cell.v, cell.u) == (0.0, 0.4)

    def slope(t, y):
        v, u = y
        return (-v + 0.7 * (u - v)) / model.tau_m, -(u + 0.1) / model.tau_dend

    expected = solve_ivp(slope, (0, 15 * ms), (0.0, 0.4), rtol=1e-11, atol=1e-13).y[:, -1]
    model.advance(cell, 15 * ms)
    assert (cell.v, cell.u) == pytest.approx(tuple(expected), rel=1e-9)  # the reference's
    deaf = TwoCompartmentLIF(coupling=0.0)
    cell = cell_of(deaf, v=0.5)
    deaf.receive(cell, 2, 10.0)
    deaf.advance(cell, deaf.tau_m)
    assert cell.v == pytest.approx(0.5 / math.e, rel=1e-15)


VOLTS = {"v_thresh": 15 * mV, "t_ref": 2 * ms}


@pytest.mark.brian2
@pytest.mark.parametrize(
    ("model", "weights"),
    [
        (LIF(**VOLTS), (8 * mV, -3 * mV)),
        (LIFExp(**VOLTS, r_m=1e8), (0.5 * nA, -0.1 * nA)),
        # Brian2 solves the five equations symbolically, for some 20 s.
        pytest.param(LIFAlpha(**VOLTS, r_m=1e8), (0.5 * nA, -0.1 * nA), marks=pytest.mark.slow),
        (LIFCond(), (10 * nS, 20 * nS)),
        (ALIF(**VOLTS, jump=3 * mV), (8 * mV, -3 * mV)),
        (AdEx(i_drive=0.6 * nA, t_ref=2 * ms), (1 * nA, -0.3 * nA)),
        (Izhikevich(drive=6.0), (5 * mV, -3 * mV)),
        (Izhikevich2007(i_drive=100 * pA), (100 * pA, -50 * pA)),
        (HodgkinHuxley(i_drive=0.3 * nA), (6 * nS, 20 * nS)),
        (TwoCompartmentLIF(**VOLTS), (8 * mV, -3 * mV, 5 * mV)),
    ],
    ids=lambda x: type(x).__name__ if hasattr(x, "ports") else "",
)
def test_spikes_are_those_of_brian2_tick_by_tick(model, weights):
    n, n_ticks = 10, 1500
    inputs = random_inputs(dict(zip(model.ports, weights, strict=True)), n, n_ticks, 25, seed=4)
    ours, theirs = run_on_grid(model, inputs, n, n_ticks, DT), run_in_brian2(model, inputs, n, n_ticks, DT)
    assert len(theirs.ids) > 15
    assert list(zip(ours.ticks, ours.ids, strict=True)) == list(zip(theirs.ticks, theirs.ids, strict=True))
    for name, trace in theirs.states.items():
        # Formulas are summed in another order on both sides: rounding, which an upstroke enlarges.
        np.testing.assert_allclose(ours.states[name], trace, rtol=0, atol=1e-9 * np.abs(trace).max(), err_msg=name)
