"""The same bits for any number of threads, also across a checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIFCond, LIFExp, Poisson, SpikeTimes
from models.networks import cuba
from rules import PairSTDP
from snn import (
    Network,
    ParameterError,
    Simulator,
    Spikes,
    all_to_all,
    driver,
    fixed_probability,
    ms,
    one_to_one,
    uniform,
)
from snn.plugin import Model, Rule, param, state

DT = 0.1 * ms
N = 301


class Restrained(Rule):
    """Arrivals depress the more, the nearer the target is to threshold; a trace of its own spikes holds that back."""

    rate: float = param(1e-4, doc="depression at v = 1")
    tau: float = param(4 * ms, above=0, doc="decay of the trace")
    y = state("post", 0.0, decay="tau")
    reads = ("post.v",)

    def on_pre(self, syn, pre, post, t):
        syn.w -= self.rate * (post.v - post.y)

    def post_spike(self, post, t):
        post.y += 1.0


class Noisy(Model):
    """Leaky, with noise, firing by chance."""

    v = state("cell", 0.0)

    def step(self, cell, dt):
        cell.v += dt / 0.02 * (0.9 - cell.v)

    def noise(self, cell, dt, xi):
        cell.v += 0.05 * xi

    def hazard(self, cell):
        return 50.0 * cell.v * cell.v

    def receive(self, cell, port, w):
        cell.v += w

    def above(self, cell):
        return False

    def fire(self, cell):
        cell.v = 0.0


def everything(shortest=0.3 * ms):
    """Rows of one and of many delays, dense ones, a ring; static and plastic; every kind of source and of model."""
    net = Network(7)
    rng = np.random.default_rng(1)
    given = net.population("given", SpikeTimes(rng.integers(0, 9, 400), rng.uniform(0, 0.1, 400)), 9)
    cells = net.population("cells", LIFExp(drive=1.05, t_ref=2 * ms), N, init={"v": uniform(0, 0.9)})
    inputs = net.population("inputs", Poisson(rate=60.0), 50)
    cond = net.population("cond", LIFCond(), 77)
    drizzle = net.population("drizzle", Poisson(rate=500.0), N)
    noisy = net.population("noisy", Noisy(), 33)
    net.connect(drizzle, cells, one_to_one(), weight=0.02)
    spread = uniform(shortest, 3 * ms)
    net.connect(
        inputs, cells, fixed_probability(0.3), weight=0.05, delay=spread, rule=PairSTDP(w_max=0.3, tau_plus=1 * ms)
    )
    net.connect(cells, cells, fixed_probability(0.2), weight=-0.01, delay=spread, port="inh", dtype="float32")
    net.connect(cells, cells, fixed_probability(0.1), weight=0.01, delay=shortest, name="direct")
    net.connect(given, cells, all_to_all(), weight=uniform(0, 0.1), delay=1 * ms, rule=Restrained())
    net.connect(cells, cond, all_to_all(), weight=uniform(0, 2e-9), delay=shortest)
    net.connect(noisy, cells, fixed_probability(0.3), weight=0.05, delay=shortest)
    return net


def recorded(net):
    return [Spikes(p) for name, p in net.populations.items() if name != "drizzle"]


def everything_of(sim, result):
    """All that a user can see, as bits."""
    seen = {name: s.times.tobytes() + s.ids.astype(np.int64).tobytes() for name, s in result.spikes.items()}
    for name, population in sim.network.populations.items():
        for variable in population.model.states("cell"):
            seen[f"{name}.{variable}"] = sim.state(name, variable).tobytes()
    for name in sim.network.projections:
        seen[f"{name} weights"] = sim.weights(name).tobytes()
    return seen | {"ledger": str(result.ledger.to_json())}


def run(net, threads, durations=(0.0537, 0.06)):
    sim = Simulator(net, engine="grid", dt=DT, round_delays=True, threads=threads, record=recorded(net))
    for duration in durations:
        result = sim.run(duration, progress=False)
    return sim, result


@pytest.mark.parametrize("shortest", [0.3 * ms, 0.0])
def test_any_number_of_threads_gives_the_same_bits(shortest, monkeypatch):
    # So little room that spikes are taken out while some are still to be sent.
    monkeypatch.setattr(driver, "_LEAST_RECORDED", 0)
    one, result = run(everything(shortest), 1)
    expected = everything_of(one, result)
    assert one.built.projections["cells->cells"].ticks is not None
    assert one.built.projections["inputs->cells"].ticks is None
    assert all(len(s.times) > 20 for s in result.spikes.values())
    assert result.ledger.to_json()
    for threads in (2, 3):
        sim, found = run(everything(shortest), threads)
        assert len(sim.built.parts) == threads
        seen = everything_of(sim, found)
        assert [name for name in expected if seen[name] != expected[name]] == []


def test_a_checkpoint_goes_on_with_any_number_of_threads(tmp_path):
    whole, result = run(everything(), 1)
    expected = everything_of(whole, result)
    first, _ = run(everything(), 3, [0.0537])
    first.checkpoint(tmp_path / "half.h5")
    for threads in (1, 2):
        net = everything()
        sim = Simulator(net, engine="grid", dt=DT, round_delays=True, threads=threads, record=recorded(net))
        sim.run(0.01, progress=False)
        sim.restore(tmp_path / "half.h5")
        seen = everything_of(sim, sim.run(0.06, progress=False))
        assert [name for name in expected if seen[name] != expected[name]] == []


def test_weights_that_are_replaced_reach_every_thread():
    seen = []
    for threads in (1, 2):
        net = cuba(0.1)
        sim = Simulator(net, engine="grid", threads=threads)
        n = sim.weights("exc->exc").size
        sim.set_weights("exc->exc", np.linspace(0, 4e-3, n))
        seen.append(everything_of(sim, sim.run(0.05, progress=False)))
    assert seen[0] == seen[1]


def test_few_neurons_get_one_thread_and_wrong_numbers_are_refused():
    sim = Simulator(cuba(0.1), engine="grid")
    assert sim.threads == 1
    few = "400 neurons and 32000 synapses are too few for two threads"
    assert sim.threads_reason in (few, "there is one core")
    for wrong in (0, 1.5, True, "many"):
        with pytest.raises(ParameterError, match=r"threads is .*; give a whole number, 1 or more, or 'auto'"):
            Simulator(cuba(0.1), engine="grid", threads=wrong)
