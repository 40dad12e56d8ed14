"""The compiled engine against the plain-Python twin, which shares no code with it but the models' own methods."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF, LIFExp, Poisson, SpikeTimes
from rules import PairSTDP
from snn import Network, Simulator, all_to_all, fixed_probability, ms, normal, uniform
from snn.testing import simulate


def recurrent(model, scale, rule=None, delay=None, seed=3):
    """30 cells with excitatory and inhibitory recurrence and Poisson input."""
    net = Network(seed)
    inputs = net.population("inputs", Poisson(rate=40.0), 10)
    cells = net.population("cells", model, 30, init={"v": uniform(0, 0.9)})
    net.connect(inputs, cells, fixed_probability(0.5), weight=0.4 * scale)
    delay = uniform(0.5 * ms, 3 * ms) if delay is None else delay
    net.connect(
        cells,
        cells,
        fixed_probability(0.3, self_connections=False),
        weight=normal(0.15 * scale, 0.05 * scale),
        delay=delay,
        rule=rule,
    )
    net.connect(
        cells, cells, fixed_probability(0.2, self_connections=False), weight=-0.3 * scale, delay=1.1 * ms, port="inh"
    )
    return net


MODELS = {
    "driven above threshold": (LIF(drive=1.1, t_ref=2 * ms), 0.5),
    "driven below threshold": (LIF(drive=0.5, t_ref=2 * ms), 0.8),
    "soft reset, no refractory time": (LIF(drive=1.1, soft_reset=True), 0.5),
    "exponential currents": (LIFExp(drive=0.9, t_ref=2 * ms), 1.0),
    "a time constant for each cell": (LIF(drive=1.1, tau_m=np.linspace(10 * ms, 30 * ms, 30), t_ref=2 * ms), 0.5),
}


@pytest.mark.parametrize("name", MODELS)
def test_engine_fires_the_twins_spikes(name):
    model, scale = MODELS[name]
    ours = Simulator(recurrent(model, scale)).run(0.3).spikes["cells"]
    twin = sorted((t, i) for t, population, i in simulate(recurrent(model, scale), 0.3).spikes if population == "cells")
    assert len(twin) > 100
    assert ours.ids.tolist() == [i for _, i in twin]
    # Two orders of the same float64 operations over 0.3 s: a few units in the last place, which a soft reset carries on
    # from spike to spike (up to 2e-13 for any window from 0.25 to 1.3 ms; 1e-14 otherwise).
    carried = isinstance(model, LIF) and model.soft_reset
    np.testing.assert_allclose(ours.times, [t for t, _ in twin], rtol=0, atol=5e-13 if carried else 1e-13)


@pytest.mark.parametrize("weight", [0.3, normal(0.2, 0.2)], ids=["one weight", "a weight for each synapse"])
@pytest.mark.parametrize("drive", [0.9, np.linspace(0.2, 1.2, 70)], ids=["one threshold", "above and below the drive"])
def test_dense_rows_send_every_cell_across_that_the_twin_does(drive, weight):
    def net():
        # Cells enough for two whole pieces of the search for crossings and a part of one, of which many cross at once.
        net = Network(4)
        inputs = net.population("inputs", Poisson(rate=60.0), 5)
        cells = net.population("cells", LIF(drive=drive, soft_reset=True), 70, init={"v": uniform(0, 0.9)})
        net.connect(inputs, cells, all_to_all(), weight=weight)
        return net

    ours = Simulator(net()).run(0.2).spikes["cells"]
    twin = sorted((t, i) for t, population, i in simulate(net(), 0.2).spikes if population == "cells")
    assert np.unique(ours.times, return_counts=True)[1].max() > 10
    assert ours.ids.tolist() == [i for _, i in twin]
    np.testing.assert_allclose(ours.times, [t for t, _ in twin], rtol=0, atol=1e-13)


@pytest.mark.parametrize("ties", ["pre_first", "post_first"])
@pytest.mark.parametrize("delay", [1 * ms, None], ids=["one delay", "a delay for each synapse"])
def test_engine_learns_the_twins_weights(delay, ties):
    def net():
        return recurrent(LIF(drive=1.1, t_ref=2 * ms), 0.5, PairSTDP(w_max=0.3), delay)

    sim = Simulator(net(), ties=ties)
    ours = sim.run(0.3).spikes["cells"]
    twin = simulate(net(), 0.3, ties=ties)
    assert len(ours.times) == sum(population == "cells" for _, population, _ in twin.spikes)
    # Scaled traces against lazily decaying ones: rounding only.
    np.testing.assert_allclose(sim.weights("cells->cells"), twin.weights["cells->cells"], rtol=0, atol=1e-13)


@pytest.mark.parametrize("tau", [0.05 * ms, 0.005 * ms])
def test_time_constant_far_below_the_window_neither_overflows_nor_looks_refractory(tau):
    def net():
        net = Network(1)
        excite = net.population("excite", SpikeTimes([0, 0, 0], [1 * ms, 4.9 * ms, 4.95 * ms]), 1)
        inhibit = net.population("inhibit", SpikeTimes([0], [4.8 * ms]), 1)
        cells = net.population("cells", LIF(tau_m=tau), 1)
        net.connect(excite, cells, weight=2.0)
        net.connect(inhibit, cells, weight=-0.5, port="inh")
        return net

    # Each excitatory arrival is twice the threshold and the inhibition has decayed by then.
    assert Simulator(net()).run(10 * ms).spikes["cells"].times.tolist() == [1 * ms, 4.9 * ms, 4.95 * ms]


def test_two_runs_are_one_run_bit_for_bit():
    one, two = (Simulator(recurrent(LIF(drive=1.1, t_ref=2 * ms), 0.5, PairSTDP(w_max=0.3), 1 * ms)) for _ in range(2))
    whole = one.run(0.2).spikes["cells"]
    parts = [two.run(0.0737).spikes["cells"], two.run(0.2 - 0.0737).spikes["cells"]]
    assert np.concatenate([p.times for p in parts]).tobytes() == whole.times.tobytes()
    assert one.weights("cells->cells").tobytes() == two.weights("cells->cells").tobytes()


def test_crossing_that_returns_before_the_next_arrival_is_found():
    """An inhibitory current cuts off an excursion of 0.6 ms above threshold; nothing arrives while it lasts."""
    from snn.crossing import first_crossing

    t = np.linspace(0, 0.05, 500_001)
    c, rates = (2.2, -3.0), (1 / 0.020, 1 / 0.005)
    top = (c[0] * np.exp(-rates[0] * t) + c[1] * np.exp(-rates[1] * t)).max()
    f = -(top - 1e-6) + c[0] * np.exp(-rates[0] * t) + c[1] * np.exp(-rates[1] * t)
    sampled = t[np.argmax(f >= 0)]
    found = first_crossing(-(top - 1e-6), c, rates, 0.0, 0.05)
    assert found == pytest.approx(sampled, abs=2e-7)  # spacing of the samples
    assert first_crossing(-(top + 1e-6), c, rates, 0.0, 0.05) == np.inf
