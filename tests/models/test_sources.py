"""Encoders fire when their equations say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import expon, kstest

from models import LIF, Latency, Poisson, Regular, TimedPoisson
from snn import Hz, Network, NetworkError, ParameterError, Simulator, Spikes, ms, one_to_one
from snn.testing import simulate


def fired(encoder: Latency, values: list[float]) -> list[list[float]]:
    """Spike times (ms) of each value within 30 ms."""
    net = Network(seed=3)
    inputs = net.population("input", encoder, len(values), init={"x": np.array(values)})
    spikes = Simulator(net, record=[Spikes(inputs)]).run(30 * ms, progress=False).spikes["input"]
    return [list(spikes.times[spikes.ids == i] / ms) for i in range(len(values))]


def test_without_a_period_a_value_above_low_fires_once():
    times = fired(Latency(t_first=2 * ms, t_last=22 * ms, low=0.25), [1.0, 0.5, 0.25, 0.0])
    assert times[:2] == [pytest.approx([2.0]), pytest.approx([12.0])]
    assert times[2:] == [[], []]


def test_with_a_period_the_larger_value_begins_earlier_and_fires_more_often():
    times = fired(Latency(t_last=20 * ms, period=9 * ms), [1.0, 0.75, 0.2])
    assert times == [
        pytest.approx([0.0, 9.0, 18.0, 27.0], abs=1e-12),
        pytest.approx([5.0, 14.0, 23.0]),
        pytest.approx([16.0, 25.0]),
    ]


def test_jitter_delays_a_whole_train():
    still, moved = (fired(Latency(period=9 * ms, jitter=jitter), [0.75])[0] for jitter in (0.0, 4 * ms))
    delays = np.subtract(moved, still[: len(moved)])
    assert 0.0 < delays[0] < 4.0
    assert delays == pytest.approx(delays[0])


RATES = np.array([[0.0, 80.0], [120.0, 0.0], [30.0, 40.0]]) * Hz
STEP = 100 * ms


def poisson_net(rate, n):
    net = Network(seed=5)
    source = net.population("source", TimedPoisson(rate=rate, step=STEP), n)
    net.connect(source, net.population("cells", LIF(), n), one_to_one(), weight=0.0)
    return net, source


def test_timed_poisson_is_a_unit_poisson_process_in_the_integral_of_its_rate():
    n = 400
    net, source = poisson_net(np.repeat(RATES, n // 2, axis=1), n)
    spikes = Simulator(net, record=[Spikes(source)]).run(0.5, progress=False).spikes["source"]
    # The last rate holds from 0.2 s on.
    edges = np.array([0.0, 0.1, 0.2, 0.5])
    for own, rate in enumerate(RATES.T):
        integral = np.r_[0.0, np.cumsum(rate * np.diff(edges))]
        gaps = []
        for j in range(own * n // 2, (own + 1) * n // 2):
            gaps.append(np.diff(np.interp(spikes.train(j), edges, integral), prepend=0.0))
        counts, gaps = [len(g) for g in gaps], np.concatenate(gaps)
        # Four standard deviations of a Poisson number.
        assert sum(counts) == pytest.approx(n / 2 * integral[-1], abs=4 * np.sqrt(n / 2 * integral[-1]))
        # The first gap of each neuron is exponential, cut where the run ends.
        first = np.array([g[0] for g in np.split(gaps, np.cumsum(counts)[:-1]) if g.size])
        assert kstest(first, "truncexpon", args=(integral[-1],)).pvalue > 1e-3


def test_timed_poisson_fires_in_the_ticks_of_its_exact_times():
    net, source = poisson_net(RATES, 2)
    exact = Simulator(net, record=[Spikes(source)]).run(0.5, progress=False).spikes["source"]
    grid = Simulator(net, record=[Spikes(source)], engine="grid").run(0.5, progress=False).spikes["source"]
    assert len(exact) > 20
    ticks = sorted(zip(np.floor(exact.times / (0.1 * ms)).astype(int).tolist(), exact.ids.tolist(), strict=True))
    found = zip(np.rint(grid.times / (0.1 * ms)).astype(int).tolist(), grid.ids.tolist(), strict=True)
    assert sorted(found) == ticks


def test_timed_poisson_is_its_own_plain_twin():
    net, source = poisson_net(RATES, 2)
    spikes = Simulator(net, record=[Spikes(source)]).run(0.5, progress=False).spikes["source"]
    twin = simulate(net, 0.5)
    for j in range(2):
        np.testing.assert_allclose(spikes.train(j), twin.times("source", j), rtol=1e-12)


def test_a_rate_that_ends_at_zero_fires_no_more():
    net, source = poisson_net([200.0, 0.0], 20)
    times = Simulator(net, record=[Spikes(source)]).run(1.0, progress=False).spikes["source"].times
    assert 0.05 < times.max() < 0.1


def test_series_of_rates_for_another_number_of_neurons_are_refused():
    with pytest.raises(ParameterError, match=r"TimedPoisson.rate of population 'x' has 2 values for 3 neurons.*series"):
        Network(1).population("x", TimedPoisson(rate=RATES), 3)


def test_rates_that_are_no_series_are_refused():
    with pytest.raises(ParameterError, match=r"TimedPoisson.rate has shape \(\); give \(n_steps,\)"):
        TimedPoisson(rate=3.0)


@pytest.mark.parametrize(
    "how",
    [{"window": 1 * ms}, {"engine": "grid", "dt": 0.1 * ms}, {"window": 1 * ms, "threads": 2}],
    ids=["exact", "grid", "two threads"],
)
@pytest.mark.parametrize("steps", [1, 2])
def test_a_rate_that_is_changed_acts_at_once(how, steps):
    net = Network(1)
    model = Poisson(rate=0.0) if steps == 1 else TimedPoisson(rate=np.zeros(2), step=10.0)
    cells, target = net.population("cells", model, 500), net.population("target", LIF(), 5)
    net.connect(cells, target, weight=0.0, delay=20 * ms)
    sim = Simulator(net, **how)
    for rate in (0.0, 100.0, 0.0, 0.01, 100.0, 50.0):
        model.rate = rate if steps == 1 else np.full(2, rate)
        fired = sim.run(0.5).spikes["cells"]
        # What a window of continuous time has begun is not taken back: 50 +- 7 spikes of 500 cells at 100 Hz.
        mean, begun = 250.0 * rate, 85 if "window" in how else 0
        assert abs(len(fired) - mean) < 5.0 * np.sqrt(mean) + begun + 1


def test_a_rate_that_is_changed_leaves_poisson_intervals():
    net = Network(1)
    model = Poisson(rate=20.0)
    cells = net.population("cells", model, 2000)
    sim = Simulator(net, window=0.01 * ms)
    sim.run(0.1)
    model.rate = 100.0
    fired = sim.run(1.0).spikes[cells.name]
    since = np.full(2000, np.inf)
    for t, i in zip(fired.times[::-1] - 0.1, fired.ids[::-1], strict=True):
        since[i] = t
    # Kolmogorov and Smirnov: 1.95 / sqrt(n) is passed once in a thousand times.
    assert kstest(since, expon(scale=0.01).cdf).statistic < 1.95 / np.sqrt(2000)


def test_a_period_that_is_changed_acts_from_the_next_multiple_on():
    net = Network(1)
    model = Regular(period=10 * ms, start=5 * ms)
    cells = net.population("cells", model, 1)
    sim = Simulator(net, window=0.1 * ms)
    sim.run(22 * ms)
    model.period = 4 * ms
    assert np.allclose(sim.run(10 * ms).spikes[cells.name].times, [25 * ms, 29 * ms])


@pytest.mark.parametrize(
    ("first", "then"),
    [(np.full(20, 50.0), 100.0), (50.0, np.full(20, 100.0)), (np.full(20, 50.0), np.full(7, 100.0))],
)
def test_a_parameter_that_takes_another_shape_is_refused(first, then):
    net = Network(1)
    model = Poisson(rate=first)
    net.population("cells", model, 20)
    sim = Simulator(net)
    sim.run(10 * ms)
    model.rate = then
    with pytest.raises(NetworkError, match=r"Poisson\.rate of population 'cells' had the shape"):
        sim.run(10 * ms)


def test_more_steps_of_a_rate_are_followed():
    net = Network(1)
    model = TimedPoisson(rate=[50.0, 50.0], step=0.1)
    net.population("cells", model, 500)
    sim = Simulator(net)
    sim.run(0.1)
    model.rate = np.array([50.0, 100.0, 0.0])
    assert abs(len(sim.run(1.0).spikes["cells"]) - 5000) < 5 * np.sqrt(5000)


@pytest.mark.parametrize("model", [Poisson(rate=20.0), TimedPoisson(rate=[20.0, 20.0], step=1.0)], ids=["one", "timed"])
def test_sources_are_drawn_anew_alike_by_any_number_of_threads(model):
    def fired(threads):
        own = model.replace()
        net = Network(1)
        cells = net.population("cells", own, 300)
        target = net.population("target", LIF(), 300)
        net.connect(cells, target, weight=0.01, delay=1 * ms)
        sim = Simulator(net, engine="grid", dt=0.1 * ms, threads=threads)
        sim.run(50 * ms)
        own.rate = 2.0 * np.asarray(own.rate)
        return sim.run(200 * ms).spikes["cells"]

    one, two = fired(1), fired(2)
    assert np.array_equal(one.times, two.times) and np.array_equal(one.ids, two.ids)


def test_a_spike_at_the_border_of_two_runs_is_kept_when_periods_change():
    net = Network(1)
    model = Regular(period=np.array([3 * ms, 6 * ms]))
    cells = net.population("cells", model, 2)
    sim = Simulator(net, engine="grid", dt=0.1 * ms)
    sim.run(15 * ms)
    model.period = np.array([3 * ms, 4 * ms])
    fired = sim.run(10 * ms).spikes[cells.name]
    assert np.array_equal(np.rint(fired.times[fired.ids == 0] / ms), [15, 18, 21, 24])


def test_a_rate_that_changes_after_a_long_silence_costs_one_draw():
    net = Network(1)
    model = Poisson(rate=0.0)
    cells = net.population("cells", model, 10)
    sim = Simulator(net, engine="grid", dt=0.1 * ms)
    sim.run(100.0)
    model.rate = 1000.0
    sim.run(1 * ms)
    drawn = sim.built.blocks[0].fired
    assert len(cells) == 10 and drawn.max() < 20
