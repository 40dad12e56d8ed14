"""Counts by hand, prices by the table."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF, Latency, Readout, SpikeTimes
from models.backprop import MLP
from models.classifier import LatencyClassifier
from rules import DFA, Delta, DeltaSum, EProp, ErrorNeurons, PairSTDP, ThreeFactor
from snn import Network, ParameterError, Simulator, from_arrays, ms, uniform
from snn.ledger import Ledger, PriceBook


def test_three_neurons_cost_what_was_counted_by_hand():
    """One input fires three times onto two cells; the first fires at each arrival, the second never."""
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes([0, 0, 0], [1 * ms, 11 * ms, 21 * ms]), 1)
    cells = net.population("cells", LIF(), 2)
    rule = PairSTDP(a_plus=0.0, a_minus=0.0, w_max=2.0)
    net.connect(inputs, cells, from_arrays([0, 0], [0, 1]), weight=[1.5, 0.01], delay=1 * ms, rule=rule, name="in")
    sim = Simulator(net)
    result = sim.run(30 * ms)
    ledger = result.ledger
    assert [len(result.spikes[n].times) for n in ("inputs", "cells")] == [3, 3]
    assert ledger.counts == {
        ("forward", "inputs", "spike_emit", 0): 3,
        ("forward", "cells", "spike_emit", 0): 3,
        ("forward", "cells", "add", 0): 3,  # reset: subtraction, read, write
        ("forward", "cells", "state_rw", 8): 2 * 3,
        ("control", "in", "queue", 0): 2 * 3,
        # Each of 3 x 2 deliveries: accumulate, decay, compare; weight (2 words); membrane read and written.
        ("forward", "in", "syn_ac", 0): 6,
        ("forward", "in", "exp", 0): 3,
        ("forward", "in", "mul", 0): 6,
        ("forward", "in", "add", 0): 6,
        ("forward", "in", "w_read", 8): 6,
        ("forward", "in", "acc_rw", 8): 2 * 6,
        # on_pre, 3 rows of 2: y read and scaled, times a_minus, subtracted, compared; pre_spike and post_spike, 3 each:
        # one factor, trace read, scaled, raised, scaled back, written. One row (4 bytes), two cells (8).
        ("trace", "in", "exp", 0): 3 + 3 + 3,
        ("trace", "in", "mul", 0): 6 * 2 + 3 * 2 + 3 * 2,
        ("trace", "in", "add", 0): 6 * 2 + 3 + 3,
        ("trace", "in", "acc_rw", 8): 6,
        ("trace", "in", "w_read", 8): 6,
        ("trace", "in", "w_write", 8): 6,
        ("trace", "in", "state_rw", 4): 3 * 2,
        ("trace", "in", "state_rw", 8): 3 * 2,
        # on_post, 3 columns of 1: x read and scaled, times a_plus, added, compared.
        ("update", "in", "exp", 0): 3,
        ("update", "in", "mul", 0): 3 * 2,
        ("update", "in", "add", 0): 3 * 2,
        ("update", "in", "acc_rw", 4): 3,
        ("update", "in", "w_read", 8): 3,
        ("update", "in", "w_write", 8): 3,
    }
    assert ledger.updates == 6 + 3


def test_forward_counts_equal_a_recount_of_every_spike():
    rng = np.random.default_rng(4)
    net = Network(1)
    times, ids = np.sort(rng.uniform(0, 0.2, 100)), rng.integers(0, 5, 100)
    inputs = net.population("inputs", SpikeTimes(ids, times), 5)
    cells = net.population("cells", LIF(drive=1.2), 4)
    source, target = np.nonzero(rng.random((5, 4)) < 0.6)
    net.connect(inputs, cells, from_arrays(source, target), weight=0.05, delay=3 * ms)
    ledger = Simulator(net).run(0.2).ledger
    # Brute force: one by one, each spike that arrives before the end.
    expected = sum(int(np.sum(source == i)) for i, t in zip(ids, times, strict=True) if t + 3 * ms < 0.2)
    assert ledger.total("syn_ac", "forward") == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_word_has_4_bytes_whatever_the_simulation_computes_in(dtype):
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes([0, 1], [1 * ms, 2 * ms]), 40)
    for name, rule in (("plastic", PairSTDP()), ("static", None)):
        cells = net.population(name, LIF(), 40)
        net.connect(inputs, cells, weight=uniform(0.0, 0.1), rule=rule, dtype=dtype, name=f"in->{name}")
    ledger = Simulator(net).run(10 * ms).ledger
    assert ledger.total("w_read", "forward") == 2 * 2 * 40
    assert {size for (_, _, op, size), _ in ledger if op in ("w_read", "w_write")} == {4 * 40 * 40}
    pj = {row[4] / row[3] for row in ledger.price().rows if row[2] in ("w_read", "w_write")}
    # 6400 bytes fit the 8 KiB whose words cost 5 pJ, as those of an MLP of the same shape.
    assert pj == {5.0}


def test_what_waits_for_an_update_is_held_once_however_often_an_axon_fires():
    # Two of three inputs fire; w = 3 / sqrt(3) makes both hidden neurons fire at several arrivals.
    net = LatencyClassifier((3, 2, 2), ThreeFactor(), Delta(), DFA(), jitter=0.0, low=0.0, w_in=(3.0, 0.1), seed=1)
    shown = net.show([[1.0, 0.5, 0.0]], [1], learn=True)
    assert shown.spikes == {"input": 2, "hidden": 6, "readout": 0}
    # Below: s of 2 rows, e of their 2 x 2 synapses, a and n of 2 neurons. Above: x of 2 rows.
    assert shown.ledger.held_bytes == 4 * (2 + 4 + 2 * 2) + 4 * 2


def test_what_waits_until_the_end_is_held_also_where_it_came_after_the_first_error():
    net = Network(1)
    inputs = net.population("inputs", Latency(t_last=30 * ms, period=5 * ms), 3)
    hidden, readout = net.population("hidden", LIF(), 2), net.population("readout", Readout(tau_m=20 * ms), 2)
    ways = from_arrays([0, 1, 1, 2, 2], [0, 0, 1, 0, 1]), from_arrays([0, 0, 1, 1], [0, 1, 0, 1])
    net.connect(inputs, hidden, ways[0], weight=0.01, rule=EProp())
    net.connect(hidden, readout, ways[1], weight=0.1, rule=DeltaSum())
    net.credit(DFA(), error=readout, to=hidden)
    # Input 0 fires from 0 on, input 1 from 18 ms, the third never, nor the hidden neurons; errors at 15 and 30 ms.
    shown = Simulator(net).present(
        [[1.0, 0.4, 0.0]], [1], into=inputs, readout=readout, duration=30 * ms, every=15 * ms, learn=True
    )
    assert shown.spikes == {"inputs": 6 + 3, "hidden": 0, "readout": 0}
    # z of 2 rows; f, g, s of their 1 + 2 synapses; psi, fired, kappa, last, n of 2 neurons.
    assert shown.ledger.held_bytes == 4 * (2 + 3 * 3 + 5 * 2)


def test_updates_behind_a_condition_are_an_upper_bound_and_never_none():
    """Six spikes at two neurons; the potential of one is in the window for some of them, that of the other never."""
    net = Network(1)
    inputs = net.population("inputs", SpikeTimes(np.zeros(6, int), np.arange(1, 7) * ms), 1)
    cells = net.population("cells", LIF(), 2, init={"v": [0.8, 0.0]})
    rule = ErrorNeurons(eta=0.01, low=0.6, high=1.0)
    learner = net.connect(inputs, cells, weight=0.001, rule=rule, name="in")
    teacher = net.population("teacher", SpikeTimes([0], [0.5 * ms]), 1)
    net.connect(teacher, cells, weight=1.0, teaches=learner)
    sim = Simulator(net)
    before = sim.weights(learner).copy()
    ledger = sim.run(6.5 * ms).ledger
    # 0.8 exp(-6 / 20) = 0.593: the first leaves the window after five arrivals.
    assert list(sim.weights(learner) != before) == [True, False]
    assert ledger.updates == ledger.total("w_write") == 12
    # Within the window: u read, its factor and product; times eta, subtracted; the weight read and written.
    assert ledger.at_most == ("acc_rw", "add", "exp", "mul", "updates", "w_read", "w_write")
    assert "at most 12 weight updates" in repr(ledger)
    assert ledger.price().table().endswith(ledger.bounds()[0]) and "updates" in ledger.bounds()[0]
    assert Ledger.from_json(ledger.to_json()) == ledger and (Ledger() + ledger).at_most == ledger.at_most


def test_ledger_survives_json():
    ledger = Ledger(samples=3, updates=7, transport="W^T", held_bytes=5)
    ledger.add("forward", "a->b", "mac", 12)
    ledger.add("update", "a->b", "w_write", 4, 4096)
    again = Ledger.from_json(ledger.to_json())
    assert again == ledger


def test_bill_uses_published_prices():
    ledger = Ledger(samples=1)
    ledger.add("forward", "layer", "mac", 397_000)
    ledger.add("forward", "layer", "syn_ac", 1000)
    # Horowitz (2014): multiply 3.7 pJ and add 0.9 pJ at 45 nm.
    assert ledger.price("horowitz45-fp32").pj() == pytest.approx(397_000 * 4.6 + 900)
    assert ledger.price("unit").pj() == 2 * 397_000 + 1000


def test_memory_is_priced_by_the_size_of_its_array():
    book = PriceBook.load("horowitz45-fp32")
    prices = [book.unit_price("word", n)[1].pj for n in (4, 8192, 8193, 2**20, 2**20 + 1)]
    assert prices == [5.0, 5.0, 10.0, 50.0, 650.0]


def test_operation_without_a_price_is_listed_with_its_count():
    ledger = Ledger(samples=1)
    ledger.add("control", "net", "queue", 42)
    bill = ledger.price()
    assert bill.unpriced == [("control", "net", "queue", 42)] and bill.pj() == 0.0
    assert "unpriced" in bill.table()


def test_accumulators_in_registers_cost_nothing_and_are_named():
    ledger = Ledger(samples=1)
    ledger.add("forward", "a->b", "acc_rw", 10, 64)
    ledger.add("forward", "a->b", "w_read", 5, 64)
    memory, register = ledger.price(), ledger.price(accumulators="register")
    # A word of an array of 64 bytes: 5 pJ.
    assert (memory.pj(), register.pj()) == (75.0, 25.0)
    assert memory.in_registers == [] and register.in_registers == [("forward", "a->b", "acc_rw", 10)]
    assert "accumulators: in memory, one read and one write for each value added" in memory.table()
    assert "accumulators: in registers" in register.table()


def test_unknown_place_of_accumulators_is_refused():
    with pytest.raises(ParameterError, match="accumulators is 'cache'; give 'memory' or 'register'"):
        Ledger().price(accumulators="cache")


def test_unknown_book_names_the_known_ones():
    with pytest.raises(ParameterError, match="horowitz45-fp32, unit"):
        PriceBook.load("loihi9")
    with pytest.raises(ParameterError, match="3 is no name and no path"):
        Ledger().price(3)


HEAD = 'name = "own"\nnode = "none"\nsource = "none"\n'


def test_an_operation_with_a_price_of_its_own_is_not_priced_by_its_parts(tmp_path):
    path = tmp_path / "own.toml"
    prices = {"queue": 8.0, "syn_ac": 24.0, "add": 1.0, "state_rw": 3.0}
    tables = [f"[op.{op}]\npj = {pj}\nlow = {pj / 2}\nhigh = {2 * pj}\n" for op, pj in prices.items()]
    path.write_text(HEAD + "".join(tables))
    ledger = Ledger(samples=1)
    for op, n in (("queue", 10), ("syn_ac", 5), ("add", 7), ("state_rw", 4), ("mac", 1)):
        ledger.add("forward", "net", op, n)
    bill = ledger.price(path)
    assert bill.pj() == 10 * 8.0 + 5 * 24.0 + 7 * 1.0 + 4 * 3.0
    assert bill.unpriced == [("forward", "net", "mac", 1)]  # it takes a multiplication too
    assert ledger.price(str(path)).rows == bill.rows == ledger.price(PriceBook.load(path)).rows


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('name = "own', "cannot be read as TOML"),
        ('name = "own"\n', "has no node"),
        (HEAD + "[op.ad]\npj = 1.0\nlow = 1.0\nhigh = 1.0\n", "prices 'ad', which is not counted; syn_ac, mac, add"),
        (HEAD + "[op.add]\npj = 1.0\n", r"op\.add of .* has no low"),
        (HEAD + '[op.add]\npj = "a"\nlow = 1.0\nhigh = 1.0\n', "pj is 'a'; give a number above 0"),
        (HEAD + "[op.add]\npj = -5.0\nlow = 1.0\nhigh = 1.0\n", r"pj is -5\.0; give a number above 0"),
        (HEAD + "[op.add]\npj = 1.0\nlow = 0.0\nhigh = 1.0\n", r"low is 0\.0; give a number above 0"),
        (HEAD + "[op.add]\npj = 5.0\nlow = 6.0\nhigh = 7.0\n", "give low <= pj <= high"),
        (HEAD + "[op.add]\npj = 5.0\nlow = 1.0\nhigh = nan\n", "high is nan"),
        (HEAD + "[op]\nadd = 1.0\n", r"op\.add of .* has no pj"),
        (HEAD + "[[memory]]\npj = 5.0\nlow = 1.0\nhigh = 7.0\n", "a memory of .* has no bytes"),
        (HEAD + "memory = 5\n", "write .op.add. and ..memory.."),
    ],
)
def test_a_book_that_cannot_be_used_says_what_is_wrong(tmp_path, text, message):
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=message):
        Ledger().price(path)


def test_odds_are_of_one_book():
    ledger = Ledger(samples=1)
    with pytest.raises(ParameterError, match="prices of 'unit', the other of 'horowitz45-fp32'"):
        ledger.price("unit").odds_below(ledger.price())


def test_dense_backprop_costs_the_closed_form():
    mlp = MLP((4, 3, 2), seed=1).fit(np.ones((5, 4)), np.zeros(5, int), epochs=2)
    ledger = mlp.ledger("dense")
    assert ledger.samples == 10
    assert ledger.total("mac", "forward") == 10 * (4 * 3 + 3 * 2)
    assert ledger.total("mac", "credit") == 10 * 3 * 2
    # Every weight and every bias once per sample.
    assert ledger.total("w_write", "update") == 10 * (4 * 3 + 3 * 2 + 3 + 2)
    assert ledger.updates == 10 * (4 * 3 + 3 * 2 + 3 + 2)


def test_access_to_an_array_of_unknown_size_is_unpriced():
    ledger = Ledger(samples=1)
    ledger.add("forward", "net", "w_read", 9)
    assert ledger.price().unpriced == [("forward", "net", "w_read", 9)]


def test_sum_of_ledgers_keeps_both_transport_tags():
    assert (Ledger(transport="none") + Ledger(transport="W^T")).transport == "W^T"
    assert (Ledger(transport="W^T") + Ledger(transport="B fixed")).transport == "W^T and B fixed"


def test_count_that_is_not_an_integer_is_refused():
    with pytest.raises(ParameterError, match=r"n is 3\.0"):
        Ledger().add("forward", "net", "add", 3.0)


def test_backprop_descends_the_gradient_of_its_loss():
    rng = np.random.default_rng(0)
    mlp, x, h = MLP((4, 3, 2), seed=3), rng.random(4) + 0.1, 1e-6
    g1, g2 = mlp.gradients(x, 1)
    for weights, gradient in ((mlp.w1, g1), (mlp.w2, g2)):
        for index in np.ndindex(weights.shape):
            keep = weights[index]
            weights[index] = keep + h
            up = mlp.loss(x, 1)
            weights[index] = keep - h
            down = mlp.loss(x, 1)
            weights[index] = keep
            # Central differences: error of order h^2 plus rounding / h.
            assert gradient[index] == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-9)
