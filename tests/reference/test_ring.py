"""Delivery through a ring does what rows of one delay do."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF, LIFExp, SpikeTimes
from snn import Network, Simulator, fixed_probability, ms, normal, rings, uniform
from snn.engine import rows
from snn.engine.ring import RING
from snn.grid import Grid, sums_up
from snn.layout import NoRule
from snn.plugin import Model, param, state
from snn.random import Streams
from snn.rings import expected_synapses, ring_rows
from snn.synapses import expand

DT = 0.1 * ms
N = 60


def network(weight=None, dtype="float64"):
    net = Network(4)
    rng = np.random.default_rng(1)
    given = net.population("given", SpikeTimes(rng.integers(0, N, 300), rng.uniform(0, 0.1, 300)), N)
    cells = net.population("cells", LIFExp(drive=1.1, t_ref=2 * ms), N, init={"v": uniform(0, 0.9)})
    how = {"delay": uniform(0.0, 2.5 * ms), "weight": normal(0.2, 0.1) if weight is None else weight}
    net.connect(given, cells, fixed_probability(0.6), **how)
    net.connect(cells, cells, fixed_probability(0.6), port="inh", dtype=dtype, **how)
    return net


def run(net, **how):
    sim = Simulator(net, engine="grid", dt=DT, round_delays=True, **how)
    return sim, sim.run(0.1, progress=False)


@pytest.mark.parametrize("dtype, atol", [("float64", 1e-12), ("float32", 1e-6)])
@pytest.mark.parametrize("case", ["a weight for each synapse", "for each source", "one for all"])
def test_spikes_are_those_of_rows(case, dtype, atol, monkeypatch):
    by_source = np.repeat(np.linspace(-0.2, 0.3, N)[:, None], N, axis=1)
    weight = {"for each source": by_source, "one for all": 0.05}.get(case)
    ring, with_ring = run(network(weight, dtype))
    monkeypatch.setattr(rings, "_SHORT", 0)
    queue, with_rows = run(network(weight, dtype))
    found, expected = with_ring.spikes["cells"], with_rows.spikes["cells"]
    assert len(expected.times) > 200
    assert ring.built.projections["cells->cells"].ticks is not None
    assert queue.built.projections["cells->cells"].ticks is None
    assert found.times.tolist() == expected.times.tolist()
    assert found.ids.tolist() == expected.ids.tolist()
    # Sums of a tick are formed in another order, and have the precision of their weights: some ten arrivals of 0.2 in
    # the time constants that are remembered, each within 2^-25 of a sum below 1.
    np.testing.assert_allclose(ring.state("cells", "v"), queue.state("cells", "v"), rtol=0, atol=atol)
    assert {str(b.sums.dtype) for b in ring.built.blocks if b.kind is RING} == {"float64", dtype}
    for name in ring.built.projections:
        assert np.sort(ring.weights(name)).tolist() == np.sort(queue.weights(name)).tolist()
        events = [sim.built.groups[sim.built.projections[name].group].count[rows.N_EVENTS] for sim in (ring, queue)]
        # Those in flight are counted when they are sent.
        assert events[1] <= events[0] <= 1.1 * events[1]


def test_weights_can_be_replaced_and_are_in_the_order_of_the_synapses():
    sim = Simulator(network(weight=0.2), engine="grid", dt=DT, round_delays=True)
    source, target = sim.synapses("cells->cells")
    assert np.lexsort((target, source)).tolist() == list(range(source.size))
    new = np.float32(source + target / 100.0)
    sim.set_weights("cells->cells", new)
    assert sim.weights("cells->cells").tolist() == new.tolist()
    sim.set_weights("cells->cells", np.full(source.size, 1000.0))
    inputs = sim.run(0.1, progress=False).spikes["given"].ids.size
    assert inputs == 300
    assert sim.state("cells", "i_inh").max() > 100.0


class Saturating(Model):
    """Arrivals count the less, the more of them there are."""

    rise: float = param(0.5, doc="share of the way to 1 that an arrival of weight 1 takes")
    v = state("cell", 0.0)

    def step(self, cell, dt):
        cell.v *= 0.999

    def receive(self, cell, port, w):
        cell.v += self.rise * w * (1.0 - cell.v)

    def above(self, cell):
        return False

    def fire(self, cell):
        pass


def test_a_model_whose_arrivals_do_not_sum_up_has_no_ring():
    assert sums_up(LIFExp(), 0)
    assert sums_up(LIF(tau_m=np.linspace(1, 2, 3)), 0)
    assert not sums_up(Saturating(), 0)
    for model, ringed in ((LIFExp(), True), (Saturating(), False)):
        net = Network(1)
        cells = net.population("cells", model, N)
        projection = net.connect(cells, cells, weight=1.0, delay=uniform(0.1 * ms, 2 * ms))
        synapses = expand(projection, Streams(1))
        built = ring_rows(projection, synapses, NoRule(), Grid(DT, True), expected_synapses(net))
        assert (built is not None) == ringed
