"""Ctrl+C, networks larger than the machine, and time steps that a model does not bear."""

from __future__ import annotations

import math
import os
import signal
import warnings

import numpy as np
import pytest

from models import LIF, AdEx, HodgkinHuxley, Izhikevich, Latency, LIFCond, LIFExp, Poisson, Readout
from rules import PairSTDP
from snn import (
    Interrupted,
    Network,
    NetworkError,
    ParameterError,
    Simulator,
    Spikes,
    State,
    all_to_all,
    fixed_in_degree,
    load,
    ms,
)
from snn.counts import Counts
from snn.memory import available_memory
from snn.plugin import Model, param, state
from snn.stability import growth

# Ctrl+C


def network():
    net = Network(2)
    inputs = net.population("inputs", Poisson(rate=100.0), 20)
    cells = net.population("cells", LIF(t_ref=2 * ms), 5)
    net.connect(inputs, cells, all_to_all(), weight=0.2, delay=1 * ms, rule=PairSTDP(), name="in")
    return net


def requests(net):
    cells = net.populations["cells"]
    return [Spikes(cells), State(cells, "v", every=1 * ms)]


@pytest.fixture
def ctrl_c(monkeypatch):
    """Makes a progress meter that presses Ctrl+C some times when a third of a run is done."""
    monkeypatch.setattr("snn.progress.INTERVAL", 0.0)
    # Of this process only: Brian2 sets a handler where it is imported.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def made(times=1):
        left = [times]

        def meter(fraction, text):
            for _ in range(left.pop() if left and fraction > 1 / 3 else 0):
                signal.raise_signal(signal.SIGINT)

        return meter

    yield made
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("engine", ["exact", "grid"])
def test_ctrl_c_ends_a_run_with_what_was_recorded_and_the_run_can_go_on(engine, ctrl_c):
    def sim():
        net = network()
        return Simulator(net, record=requests(net), engine=engine)

    stopped, whole = sim(), sim().run(0.4, progress=False)
    with pytest.raises(Interrupted, match="Ctrl") as error:
        stopped.run(0.4, progress=ctrl_c())
    first = error.value.result
    assert 0.1 < stopped.t < 0.2
    assert first.duration == pytest.approx(stopped.t)
    rest = stopped.run(0.4 - stopped.t, progress=False)
    for part in ("times", "ids"):
        found = np.concatenate([getattr(r.spikes["cells"], part) for r in (first, rest)])
        np.testing.assert_array_equal(found, getattr(whole.spikes["cells"], part))
    samples = [r.states["cells", "v"].times for r in (first, rest)]
    np.testing.assert_allclose(np.concatenate(samples), np.arange(400) * ms, atol=1e-12)
    # Outside a run Ctrl+C is what it always was.
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_leaves_a_complete_file(tmp_path, ctrl_c):
    net = network()
    with pytest.raises(Interrupted), Simulator(net, record=requests(net), to=tmp_path / "run.h5") as sim:
        sim.run(0.4, progress=ctrl_c())
    assert [p.name for p in tmp_path.iterdir()] == ["run.h5"]
    found = load(tmp_path / "run.h5")
    assert found.duration == pytest.approx(sim.t)
    expected = Simulator(net, record=requests(net)).run(sim.t, progress=False)
    np.testing.assert_array_equal(found.spikes["cells"].times, expected.spikes["cells"].times)
    np.testing.assert_array_equal(found.states["cells", "v"].values, expected.states["cells", "v"].values)


def test_a_second_ctrl_c_comes_through_at_once(ctrl_c):
    with pytest.raises(KeyboardInterrupt) as error:
        Simulator(network()).run(0.4, progress=ctrl_c(2))
    assert not isinstance(error.value, Interrupted)


@pytest.mark.parametrize("threads", [1, 2])
def test_ctrl_c_ends_presentations_on_every_thread(threads, ctrl_c, monkeypatch):
    monkeypatch.setattr("snn.presentations.STRETCH_SECONDS", 0.01)
    net = Network(1)
    inputs = net.population("inputs", Latency(), 200)
    sums = net.population("sums", Readout(), 200)
    net.connect(inputs, sums, all_to_all(), weight=0.1)
    shown, n = {"into": inputs, "readout": sums, "duration": 30 * ms, "learn": False, "threads": threads}, 20_000
    sim = Simulator(net, record=[])
    with pytest.raises(KeyboardInterrupt):
        sim.present(np.ones((n, 200)), **shown, progress=ctrl_c())
    # Every input fires once in each presentation.
    assert Counts.of(sim.built).spikes(sim.built)["inputs"] < 0.8 * n / threads * 200
    lines = []
    sim.present(np.ones((2000, 200)), **shown, progress=lambda fraction, text: lines.append(text))
    assert lines[-1].startswith("presenting 100%: 2000 of 2000 samples in")
    done = [int(line.split()[2]) for line in lines]
    assert done == sorted(done)


def test_a_handler_of_ones_own_is_heard_and_decides(ctrl_c):
    heard = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    assert Simulator(network()).run(0.1, progress=ctrl_c()).duration == 0.1
    assert heard == [signal.SIGINT]

    def refuse(number, frame):
        raise KeyboardInterrupt

    # As Brian2's, which raises like Python's own.
    signal.signal(signal.SIGINT, refuse)
    with pytest.raises(Interrupted):
        Simulator(network()).run(0.1, progress=ctrl_c())
    assert signal.getsignal(signal.SIGINT) is refuse


# Memory


def too_large():
    net = Network(1)
    cells = net.population("cells", LIF(), 1_000_000)
    net.connect(cells, cells, fixed_in_degree(1000), weight=0.1, delay=1 * ms, name="small", dtype="float32")
    net.connect(cells, cells, all_to_all(), weight=0.1, delay=1 * ms, rule=PairSTDP(), name="large")
    return net


def test_a_network_larger_than_the_machine_is_refused_with_the_estimate():
    # 10^12 weights of 8 bytes.
    with pytest.raises(NetworkError, match=r"7\.2\d TiB.*projection 'large'.*this machine has.*max_memory=inf"):
        Simulator(too_large())


def test_a_limit_of_ones_own_takes_the_place_of_the_machine():
    with pytest.raises(NetworkError, match=r"Simulator.max_memory is 1 KiB"):
        Simulator(network(), max_memory=1024)
    assert Simulator(network(), max_memory=math.inf).t == 0.0


@pytest.mark.parametrize("limit", [0, -1.0, math.nan, "1 GB", True])
def test_a_limit_that_is_no_number_of_bytes(limit):
    with pytest.raises(ParameterError, match=r"Simulator.max_memory is .*number of bytes above 0"):
        Simulator(network(), max_memory=limit)


@pytest.mark.skipif(not hasattr(os, "sysconf"), reason="no sysconf here")
def test_no_more_is_available_than_there_is():
    assert 0 < available_memory() <= os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# Time steps


class Euler(Model):
    """tau dv/dt = -v by Euler's method, which is stable for dt <= 2 tau."""

    rate: float = param(1000.0, unit="Hz", doc="1 / tau")
    v = state("cell", 0.0, unit="V")

    def step(self, cell, dt):
        cell.v -= dt * self.rate * cell.v

    def receive(self, cell, port, w):
        cell.v += w

    def above(self, cell):
        return bool(cell.v >= 1.0)

    def fire(self, cell):
        cell.v = 0.0


def on_grid(model, dt, n=2):
    net = Network(1)
    net.population("x", model, n)
    return Simulator(net, engine="grid", dt=dt)


def test_a_step_that_is_unstable_is_refused_with_one_that_is_not():
    with pytest.raises(ParameterError, match=r"0\.003 s is unstable for Euler of population 'x'.*dt <= 0\.0015 s"):
        on_grid(Euler(), 3 * ms)
    on_grid(Euler(), 1.9 * ms)


def test_the_stiffest_neuron_decides():
    with pytest.raises(ParameterError, match="unstable"):
        on_grid(Euler(rate=np.array([100.0, 3000.0])), 1 * ms)


def test_growth_is_that_of_the_method_and_of_the_equation():
    # Euler's factor 1 - dt / tau, and exp(-dt / tau) as its limit.
    assert growth(Euler(), {"v": 0.3}, 3 * ms) == pytest.approx(2.0, rel=1e-6)
    assert growth(Euler(), {"v": 0.3}, 3 * ms, 4096) == pytest.approx(math.exp(-3.0), rel=2e-3)


def test_growth_beyond_all_numbers_is_infinite():
    assert growth(Euler(), {"v": 0.3}, 1e308) == math.inf


def test_runge_kutta_is_refused_beyond_its_limit():
    # The membrane of AdEx at rest: c_m / g_leak = 9.4 ms; classical Runge-Kutta bears 2.785 of it.
    limit = 2.785 * 281 / 30 * ms
    model = AdEx(t_ref=0.0, g_adapt=0.0, tau_exc=40 * ms, tau_inh=40 * ms, v_thresh=-0.02)
    on_grid(model, 0.97 * limit)
    with pytest.raises(ParameterError, match="unstable for AdEx"):
        on_grid(model, 1.03 * limit)


@pytest.mark.parametrize("model", [LIFCond(), AdEx(), Izhikevich(), HodgkinHuxley()], ids=lambda m: type(m).__name__)
def test_usual_steps_pass_without_a_word(model):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        on_grid(model, 0.1 * ms)


def test_a_step_longer_than_a_time_constant_is_warned_of():
    with pytest.warns(UserWarning, match=r"tau_exc of LIFExp of population 'x' is 0\.0005 s.*time step of 0\.001 s"):
        on_grid(LIFExp(tau_exc=0.5 * ms), 1 * ms)
