"""What a simulator says about its synapses, whatever order and form the engine keeps them in."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF, SpikeTimes
from snn import Network, Simulator, all_to_all, from_arrays, ms
from snn.engine import rows


def joined(weight, delay, n=12, k=6, **more):
    """n inputs that each reach k of n cells."""
    rng = np.random.default_rng(4)
    source = np.repeat(np.arange(n), k)
    target = np.concatenate([rng.permutation(n)[:k] for _ in range(n)])
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes(range(n), [1 * ms] * n), n)
    cells = net.population("cells", LIF(), n)
    net.connect(
        inputs, cells, from_arrays(source, target), weight=weight(source, target), delay=delay(source, target),
        name="p", **more,
    )  # fmt: skip
    return net, source, target


@pytest.mark.parametrize("delay", [lambda i, j: 1 * ms, lambda i, j: (1 + (7 * i + 3 * j) % 5) * ms])
@pytest.mark.parametrize(
    ("weight", "kind"),
    [
        (lambda i, j: 0.25, rows.ALIKE),
        (lambda i, j: 0.01 * (i + 1.0), rows.BY_ROW),
        (lambda i, j: 0.01 * (i + 1.0) + 0.001 * j, rows.BY_SYNAPSE),
    ],
)
def test_weights_and_synapses_agree_in_every_form(weight, kind, delay):
    net, source, target = joined(weight, delay)
    sim = Simulator(net)
    pairs = sorted(zip(source.tolist(), target.tolist(), strict=True))
    assert list(zip(*(side.tolist() for side in sim.synapses("p")), strict=True)) == pairs
    expected = [float(weight(i, j)) for i, j in pairs]
    assert sim.weights("p").tolist() == expected
    short_rows = callable(delay) and np.unique(delay(source, target)).size > 1
    assert sim.built.projections["p"].w_kind == (rows.BY_SYNAPSE if short_rows and kind == rows.BY_ROW else kind)
    sim.set_weights("p", 2.0 * np.array(expected))
    assert sim.weights("p").tolist() == [2.0 * w for w in expected]


def test_weights_kept_by_row_arrive_as_declared():
    net, source, target = joined(lambda i, j: 0.01 * (i + 1.0), lambda i, j: 1 * ms)
    sim = Simulator(net)
    sim.run(2.5 * ms, progress=False)
    arrived = np.bincount(target, weights=0.01 * (source + 1.0), minlength=12)
    # All inputs arrive at 2 ms and decay for half a millisecond; the sum's order differs.
    np.testing.assert_allclose(sim.state("cells", "v"), arrived * np.exp(-0.5 / 20), rtol=1e-14)


def test_the_same_network_runs_in_many_stretches_of_any_length():
    def net():
        net = Network(3)
        cells = net.population("cells", LIF(drive=1.3, t_ref=2 * ms), 5, init={"v": np.linspace(0, 0.8, 5)})
        net.connect(cells, cells, all_to_all(self_connections=False), weight=0.05, delay=1.5 * ms)
        return net

    whole = Simulator(net()).run(0.1, progress=False).spikes["cells"].times
    sim = Simulator(net())
    parts = [sim.run(0.1 / 64, progress=False).spikes["cells"].times for _ in range(64)]
    assert np.concatenate(parts).tobytes() == whole.tobytes()


def test_star_import_has_what_scripts_begin_with():
    names: dict[str, object] = {}
    exec("from snn import *", names)
    assert names["Simulator"] is Simulator
    assert {"Ledger", "Network", "load", "mV", "ms", "param", "state"} <= names.keys()
