"""Declarations keep what they are told, describe it, and find what cannot be run."""

from __future__ import annotations

import copy
import json
import math
import warnings

import numpy as np
import pytest
import scipy.sparse

from models import LIFExp
from snn.connect import all_to_all, fixed_in_degree, fixed_probability, from_arrays, from_sparse, one_to_one
from snn.errors import NetworkError
from snn.network import Network
from snn.plugin import Credit, Model, Rule, Source, param, state
from snn.random import Streams, normal, uniform
from snn.simulator import Simulator
from snn.synapses import expand


class Cell(Model):
    tau_m: float = param(0.02, unit="s", above=0, finite=False)
    drive: float = param(0.0, unit="V")
    v = state("cell", unit="V")


class Readout(Cell):
    threshold = False


class Spikes(Source):
    rate: float = param(10.0, unit="Hz", min=0)


class Hebb(Rule):
    eta: float = param(0.1)
    z = state("syn")
    x = state("pre")
    y = state("post")

    def on_pre(self, syn, pre, post, t):
        syn.w += self.eta


class ThreeFactor(Rule):
    def on_signal(self, syn, pre, post, signal, t):
        syn.w += signal


class Feedback(Credit):
    carries = "B fixed"

    def feedback(self, w, b):
        return b


def small_network():
    net = Network(seed=1)
    return net, net.population("inputs", Spikes(), 4), net.population("cells", Cell(), 3)


def cycle_of(*delays):
    """Populations a, b, c, ... joined in a circle by projections with these delays."""
    net = Network(seed=1)
    cells = [net.population(name, Cell(), 2) for name in "abcde"[: len(delays)]]
    for k, delay in enumerate(delays):
        net.connect(cells[k], cells[(k + 1) % len(cells)], delay=delay)
    return net


# Declarations


def test_populations_and_projections_are_kept_in_order_of_declaration():
    net, inputs, cells = small_network()
    first, second = net.connect(inputs, cells), net.connect(cells, cells, name="recurrent", delay=1e-3)
    assert list(net.populations.values()) == [inputs, cells]
    assert list(net.projections.values()) == [first, second]
    assert (first.index, second.index) == (0, 1)
    assert len(cells) == 3


def test_connect_has_the_documented_defaults():
    net, inputs, cells = small_network()
    p = net.connect(inputs, cells)
    assert (p.connector, p.weight, p.delay, p.port, p.rule, p.dtype) == (all_to_all(), 1.0, 0.0, "exc", None, "float64")


def test_default_names_of_projections_are_numbered_when_taken():
    net, inputs, cells = small_network()
    assert [net.connect(inputs, cells).name for _ in range(3)] == [
        "inputs->cells",
        "inputs->cells#2",
        "inputs->cells#3",
    ]


def test_a_sparse_matrix_brings_its_weights():
    net, inputs, cells = small_network()
    assert net.connect(inputs, cells, from_sparse(scipy.sparse.eye_array(4, 3) * 0.5)).weight.tolist() == [0.5] * 3


def test_a_seed_that_is_not_given_is_drawn_and_kept():
    seeds = {Network().seed for _ in range(3)}
    assert len(seeds) == 3  # two of three 32-bit numbers agree once in a billion
    assert all(isinstance(seed, int) and seed >= 0 for seed in seeds)


def test_initial_values_are_kept_as_numbers_arrays_and_distributions():
    net = Network(seed=1)
    spread = uniform(0.0, 1.0)
    inits = [{"v": 1}, {"v": [0, 1]}, {"v": spread}]
    a, b, c = (net.population(f"cells{k}", Cell(), 2, init=init) for k, init in enumerate(inits))
    assert a.init == {"v": 1.0}
    assert b.init["v"].tolist() == [0.0, 1.0]
    assert c.init == {"v": spread}


def test_numpy_integers_count_as_sizes_and_seeds():
    net = Network(seed=np.int64(2))
    assert type(net.seed) is type(net.population("cells", Cell(), np.int32(3)).size) is int


def test_a_network_can_be_copied():
    net, inputs, cells = small_network()
    net.connect(inputs, cells, fixed_probability(0.5), weight=normal(0, 1))
    twin = copy.deepcopy(net)
    weights = [expand(n.projections["inputs->cells"], Streams(n.seed)).weight.tolist() for n in (net, twin)]
    assert weights[0] == weights[1]
    assert twin.populations["cells"].network is twin


def test_declarations_read_well():
    net, inputs, cells = small_network()
    assert repr(net) == "Network(seed=1, 2 populations, 0 projections)"
    assert repr(cells) == "Population('cells', Cell(), 3)"
    assert repr(net.connect(inputs, cells, weight=0.5)) == (
        "Projection('inputs->cells', all_to_all(), weight=0.5, rule=None)"
    )


# Description


def test_the_description_is_strict_json_with_values_and_units():
    net = Network(seed=3)
    inputs = net.population("inputs", Spikes(rate=5.0), 2)
    cells = net.population("cells", Cell(tau_m=math.inf, drive=[0.1, 0.2]), 2, init={"v": normal(0, 1)})
    net.connect(inputs, cells, fixed_probability(0.5), delay=1e-3, rule=ThreeFactor())
    net.connect(cells, cells, from_arrays([0], [1]), weight=[2.0], delay=1e-3)
    net.credit(Feedback(), error=net.population("readout", Readout(), 2), to=cells)
    made = net.describe()
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert made["populations"]["cells"]["model"]["parameters"] == {
        "tau_m": {"value": "inf", "unit": "s"},
        "drive": {"value": [0.1, 0.2], "unit": "V"},
    }
    assert made["populations"]["cells"]["init"] == {
        "v": {"value": {"kind": "normal", "mean": 0.0, "sd": 1.0}, "unit": "V"}
    }
    assert made["projections"]["inputs->cells"] == {
        "source": "inputs",
        "target": "cells",
        "connector": {"kind": "fixed_probability", "p": 0.5},
        "weight": 1.0,
        "delay": {"value": 0.001, "unit": "s"},
        "port": "exc",
        "rule": {"class": f"{__name__}.ThreeFactor", "parameters": {}},
        "dtype": "float64",
    }
    assert made["credits"] == [
        {"pathway": {"class": f"{__name__}.Feedback", "parameters": {}}, "error": "readout", "to": "cells"}
    ]


def test_a_long_array_is_described_by_its_range_and_digest():
    def described(weight):
        net = Network(seed=1)
        cells = net.population("cells", Cell(), 100)
        net.connect(cells, cells, one_to_one(), weight=weight, delay=1e-3)
        return net.describe()["projections"]["cells->cells"]["weight"]

    rising = described(np.arange(100.0))
    assert (rising["shape"], rising["min"], rising["max"]) == ([100], 0.0, 99.0)
    assert rising["sha256"] != described(np.arange(100.0)[::-1])["sha256"]


@pytest.mark.parametrize(
    ("connector", "options", "expected"),
    [
        (all_to_all(), {}, 0),
        (all_to_all(), {"weight": normal(0, 1)}, 8 * 12),
        (all_to_all(), {"weight": normal(0, 1), "dtype": "float32"}, 4 * 12),
        (all_to_all(), {"delay": uniform(0, 1e-3)}, 8 * 12),
        # Weight and z in float32, x of each source and y of each target in float64.
        (all_to_all(), {"rule": Hebb(), "dtype": "float32"}, (4 + 4) * 12 + 8 * 4 + 8 * 3),
        (fixed_in_degree(2), {}, 2 * 6),
        (fixed_in_degree(2), {"rule": ThreeFactor()}, (2 + 8) * 6),
        (fixed_probability(0.5), {"weight": normal(0, 1)}, (2 + 8) * 6),
    ],
)
def test_memory_counts_what_a_projection_will_hold(connector, options, expected):
    net, inputs, cells = small_network()
    net.connect(inputs, cells, connector, **options)
    assert net.memory() == {
        "population/inputs": 0,
        "population/cells": 8 * 3,
        "projection/inputs->cells": expected,
        "total": 8 * 3 + expected,
    }


def test_memory_of_a_static_synapse_is_what_the_grid_keeps_of_it():
    net = Network(seed=1)
    cells = net.population("cells", LIFExp(), 2000)
    drawn = {"weight": normal(1e-6, 1e-7), "delay": uniform(1e-3, 6e-3), "dtype": "float32"}
    net.connect(cells, cells, fixed_in_degree(100), name="drawn", **drawn)
    built = Simulator(net, engine="grid", round_delays=True).built.projections["drawn"]
    kept = built.weight.nbytes + built.target.nbytes + built.ticks.nbytes
    assert net.memory(on_grid=True)["projection/drawn"] == kept == 7 * 200_000


def test_memory_of_a_network_that_would_not_fit_is_known_at_once():
    net = Network(seed=1)
    cells = net.population("cells", Cell(), 1_000_000)
    net.connect(cells, cells, rule=ThreeFactor(), delay=1e-3)
    assert net.memory()["projection/cells->cells"] == 8 * 10**12


def test_the_summary_is_a_table_of_all_declarations():
    net, inputs, cells = small_network()
    readout = net.population("readout", Readout(), 1200)
    net.connect(inputs, cells, fixed_probability(0.5), weight=normal(0.5, 0.1), delay=1e-3, rule=ThreeFactor())
    net.connect(cells, readout, port="inh")
    net.credit(Feedback(), error=readout, to=cells)
    assert net.summary() == (
        "Network, seed 1\n\n"
        "population  model      size\n"
        "inputs      Spikes()   4\n"
        "cells       Cell()     3\n"
        "readout     Readout()  1,200\n\n"
        "projection      connector                 synapses  weight                    delay  port  rule\n"
        "inputs->cells   fixed_probability(p=0.5)  ~6        normal(mean=0.5, sd=0.1)  1 ms   exc   ThreeFactor()\n"
        "cells->readout  all_to_all()              3,600     1.0                       0 ms   inh   none\n\n"
        "credit      error    to\n"
        "Feedback()  readout  cells\n\n"
        "memory  9.46 KiB"  # 8 * (3 + 1200) + 10 * 6 bytes = 9.457 KiB
    )


def test_an_empty_network_has_a_summary():
    assert Network(seed=1).summary() == "Network, seed 1\n\nmemory  0 B"


# Checks of the whole


def test_a_network_that_can_be_run_passes_in_silence():
    net, inputs, cells = small_network()
    readout = net.population("readout", Readout(), 2)
    net.connect(inputs, cells, rule=ThreeFactor())
    net.connect(cells, readout, rule=ThreeFactor())
    net.connect(cells, cells, delay=1e-3)
    net.credit(Feedback(), error=readout, to=cells)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.check()


@pytest.mark.parametrize(
    ("delays", "cycle"),
    [
        ([0.0], "a -> a"),
        ([0.0, 0.0], "a -> b -> a"),
        ([0.0, 0.0, 0.0], "a -> b -> c -> a"),
        ([0.0, np.array([1e-3, 0.0, 1e-3, 1e-3])], "a -> b -> a"),
        ([0.0, normal(0.0, 0.0)], "a -> b -> a"),
        ([0.0, normal(1e-3, 1e-3, low=0, redraw=False)], "a -> b -> a"),
    ],
)
def test_a_cycle_without_delay_is_named(delays, cycle):
    with pytest.raises(NetworkError, match=rf"Populations {cycle} form a cycle without delay.*delay above 0"):
        cycle_of(*delays).check()


@pytest.mark.parametrize("delay", [1e-3, np.full(4, 1e-3), uniform(1e-3, 2e-3), normal(1e-3, 1e-3, low=0)])
def test_one_delay_is_enough_to_break_a_cycle(delay):
    cycle_of(0.0, delay).check()


def test_two_paths_without_delay_that_meet_again_are_no_cycle():
    net = Network(seed=1)
    a, b, c, d = (net.population(name, Cell(), 1) for name in "abcd")
    for source, target in ((a, b), (a, c), (b, d), (c, d)):
        net.connect(source, target)
    net.check()


def test_a_cycle_behind_a_branch_is_found():
    net = Network(seed=1)
    a, b, c = (net.population(name, Cell(), 1) for name in "abc")
    for source, target in ((a, b), (a, c), (b, c), (c, b)):
        net.connect(source, target)
    with pytest.raises(NetworkError, match="Populations b -> c -> b form"):
        net.check()


def test_a_population_that_never_fires_closes_no_cycle():
    net = Network(seed=1)
    cells, readout = net.population("cells", Cell(), 1), net.population("readout", Readout(), 1)
    net.connect(cells, readout)
    net.connect(readout, cells)
    net.check()


def test_a_population_that_nothing_connects_is_a_warning():
    net, inputs, cells = small_network()
    net.population("lost", Cell(), 2)
    net.connect(inputs, cells)
    with pytest.warns(UserWarning, match="Population 'lost' is not connected to anything"):
        net.check()


def test_a_single_population_needs_no_connection():
    net = Network(seed=1)
    net.population("cells", Cell(), 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        net.check()
