"""The ledger against slow recounts: event by event in the plain-Python twin, product by product in an MLP.

What a hook costs is written here by hand, from its text; nothing of the ledger's own arithmetic is used.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from models import LIF, Latency, Poisson, Readout
from models.backprop import MLP
from rules import (
    DFA,
    DRTP,
    FA,
    Delta,
    KolenPollack,
    LocalReadout,
    PairSTDP,
    Reward,
    ThreeFactor,
    WeightMirror,
)
from snn import Hz, Network, Simulator, all_to_all, fixed_probability, from_arrays, ms, uniform
from snn.plugin import Source
from snn.testing import GridTwin, Twin
from snn.testing.lessons import Lessons

# For each hook: phase, what a pass does once, what it does at each synapse. n: state of the neuron that the pass starts
# from, f: of those at the other ends, s: synapse states.
COSTS = {
    (PairSTDP, "on_pre"): ("trace", {"exp": 1}, {"mul": 2, "add": 2, "f": 1, "w_read": 1, "w_write": 1}),
    (PairSTDP, "on_post"): ("update", {"exp": 1}, {"mul": 2, "add": 2, "f": 1, "w_read": 1, "w_write": 1}),
    (PairSTDP, "pre_spike"): ("trace", {"exp": 1, "mul": 2, "add": 1, "n": 2}, {}),
    (PairSTDP, "post_spike"): ("trace", {"exp": 1, "mul": 2, "add": 1, "n": 2}, {}),
    # psi: two adds, a division that costs as much as an exponential, a square; v is scaled.
    (ThreeFactor, "on_pre"): ("trace", {"mul": 2, "exp": 2}, {"add": 4, "mul": 4, "exp": 1, "s": 2, "f": 3}),
    (ThreeFactor, "pre_spike"): ("trace", {"exp": 1, "mul": 1, "add": 1, "n": 2}, {}),
    (ThreeFactor, "post_spike"): ("trace", {"add": 1, "n": 2}, {}),
    (ThreeFactor, "on_signal"): (
        "update", {"n": 1}, {"add": 2, "mul": 3, "s": 2, "f": 2, "w_read": 1, "w_write": 1},
    ),
    # The readout never leaks, so neither does the rule's trace.
    (Delta, "pre_spike"): ("trace", {"add": 1, "n": 2}, {}),
    (Delta, "on_signal"): ("update", {"n": 1}, {"add": 1, "mul": 2, "f": 1, "w_read": 1, "w_write": 1}),
}  # fmt: skip
STATES = {PairSTDP: (1, 1), ThreeFactor: (1, 2), Delta: (1, 0)}  # presynaptic, postsynaptic


# Of each call of a pathway's method, by hand from its text: once for each neuron, once for each feedback weight.
LEARN = {
    # eta e x / scale with a known reciprocal, subtracted; the decay another product and sum.
    KolenPollack: ({}, {"mul": 4, "add": 2}),
    LocalReadout: ({}, {"mul": 3, "add": 1}),
    # x y / scale - b, times eta, added.
    WeightMirror: ({}, {"mul": 3, "add": 2}),
}


class CountedLessons(Lessons):
    """Credit links that count each thing when they do it."""

    def add(self, k, op, n=1, footprint=0):
        self.twin.add("credit", self.links[k].to.name, op, n, footprint)

    def size(self, k):
        """Bytes of one word per neuron, per error, per feedback weight."""
        n, m = self.links[k].to.size, self.links[k].error.size
        return 4 * n, 4 * m, 4 * n * m

    def softmax(self, k):
        # Three classes, as below for the readout.
        for op, n, footprint in (("exp", 6, 0), ("add", 10, 0), ("state_rw", 17, 12)):
            self.add(k, op, n, footprint)

    def begin(self, shown):
        super().begin(shown)
        for k, link in enumerate(self.links):
            if link.pathway.overrides("perturb"):
                for _ in range(link.to.size):
                    self.add(k, "mul")  # sigma xi
                    self.add(k, "add")  # on the potential, which is read and written; xi is kept
                    self.add(k, "state_rw", 3, self.size(k)[0])

    def _hear(self, k, known, label, reward):
        if self.links[k].pathway.hears == "reward":
            self.add(k, "add")  # less what was expected
            self.add(k, "mul"), self.add(k, "add", 2)  # the expectation moves
        return super()._hear(k, known, label, reward)

    def guess(self, k):
        neurons, errors, weights = self.size(k)
        for x in self._activity(self.links[k]):
            if x > 0:
                self.add(k, "state_rw", 1, neurons)
                for _ in range(self.links[k].error.size):
                    self.add(k, "mac")
                    self.add(k, "w_read", 1, weights)
                    self.add(k, "acc_rw", 2, errors)
        self.softmax(k)
        return super().guess(k)

    def gain(self, population, signal):
        k = next(k for k, x in enumerate(self.links) if x.error.name == population)
        for _ in signal:
            self.add(k, "mul")
            self.add(k, "state_rw", 3, self.size(k)[1])
        return super().gain(population, signal)

    def carry(self, k, heard):
        hears, (neurons, errors, weights) = self.links[k].pathway.hears, self.size(k)
        for _ in range(self.links[k].to.size):
            if hears == "label":
                self.add(k, "transport", 1, weights)
            elif hears == "reward":
                self.add(k, "mul")
                self.add(k, "transport", 1, 4)
                self.add(k, "state_rw", 1, neurons)
            else:
                for _ in heard:
                    self.add(k, "mac")
                    self.add(k, "transport", 1, weights)
                    self.add(k, "acc_rw", 1, errors)
            self.add(k, "state_rw", 1, neurons)
        return super().carry(k, heard)

    def _changes(self, k, neurons):
        """Feedback weights of some neurons change."""
        pathway, n, (of_neurons, errors, weights) = self.links[k].pathway, self.links[k].error.size, self.size(k)
        once, each = LEARN[type(pathway)]
        for _ in range(neurons):
            self.add(k, "state_rw", 1, of_neurons)
            for op, m in once.items():
                self.add(k, op, m)
            for _ in range(n):
                for op, m in each.items():
                    self.add(k, op, m)
                self.add(k, "acc_rw", 1, errors)
                self.add(k, "w_read", 1, weights)
                self.add(k, "w_write", 1, weights)

    def learn(self, k, heard):
        if self.links[k].pathway.overrides("learn"):
            self._changes(k, int((self._activity(self.links[k]) > 0).sum()))
        super().learn(k, heard)

    def mirror(self, k, shown):
        if self.links[k].pathway.overrides("mirror"):
            _, errors, weights = self.size(k)
            for _ in range(weights // 4):
                self.add(k, "mac")
                self.add(k, "w_read", 1, weights)
                self.add(k, "acc_rw", 2, errors)
            self._changes(k, self.links[k].to.size)
        super().mirror(k, shown)


class Recount(Twin):
    """A twin that counts each thing when it does it."""

    def __init__(self, network, *how):
        self.counted, self.updates = Counter(), 0
        super().__init__(network, *how)
        self.lessons = CountedLessons(self)

    def add(self, phase, where, op, n=1, footprint=0):
        self.counted[phase, where, op, footprint] += n

    def sizes(self, path):
        """Bytes of an array of one word per row, per target and per synapse."""
        n_rows = len({id(row) for row in path.row_of})
        return 4 * n_rows, 4 * self.network.populations[path.target].size, 4 * len(path.syn)

    def spend(self, path, hook, what):
        phase, *both = COSTS[type(path.rule), hook]
        rows, targets, synapses = self.sizes(path)
        near, far = (targets, rows) if hook in ("on_post", "post_spike") else (rows, targets)
        place = {"n": ("state_rw", near), "f": ("acc_rw", far), "s": ("state_rw", synapses)}
        for op, n in both[what].items():
            name, size = place.get(op, (op, synapses if op in ("w_read", "w_write") else 0))
            self.add(phase, path.name, name, n, size)
        self.updates += "w_write" in both[what]

    def _count_spike(self, cell):
        super()._count_spike(cell)
        self.add("forward", cell.population, "spike_emit")
        if not isinstance(cell.plugin, Source):
            self.add("forward", cell.population, "add")
            self.add("forward", cell.population, "state_rw", 2, 4 * self.network.populations[cell.population].size)

    def _arrive(self, path, row):
        model = self.network.populations[path.target].model
        self.add("control", path.name, "queue", 2)
        leaks = isinstance(model, LIF)
        if leaks:
            self.add("forward", path.name, "exp")
        for _ in row.synapses:
            for op in ("syn_ac", "mul", "add") if leaks else ("syn_ac",):
                self.add("forward", path.name, op)
            self.add("forward", path.name, "w_read", 1, self.sizes(path)[2])
            self.add("forward", path.name, "acc_rw", 2, self.sizes(path)[1])
        super()._arrive(path, row)

    def _visit(self, path, hook, k, *more):
        super()._visit(path, hook, k, *more)
        if path.rule is not None and path.rule.overrides(hook):
            self.spend(path, hook, 1)

    def _learn_pre(self, path, row):
        super()._learn_pre(path, row)
        for hook in ("on_pre", "pre_spike"):
            if path.rule.overrides(hook):
                self.spend(path, hook, 0)

    def _learn_post(self, cell):
        super()._learn_post(cell)
        for path in self._plastic[cell.population]:
            for hook in ("on_post", "post_spike"):
                if path.rule.overrides(hook):
                    self.spend(path, hook, 0)

    def signal(self, population, values):
        for path in self._plastic[population]:
            for row in {id(row): row for row in path.row_of}.values():
                if row.carried:
                    self.spend(path, "on_signal", 0)
        super().signal(population, values)

    def _restart(self, shown):
        super()._restart(shown)
        for name, population in self.network.populations.items():
            if not isinstance(population.model, Source):
                self.add("forward", name, "state_rw", population.size, 4 * population.size)
        for path in self._paths:
            if path.rule is not None:
                rows, targets, _ = self.sizes(path)
                pre, post = STATES[type(path.rule)]
                self.add("trace", path.name, "state_rw", pre * rows // 4, rows)
                self.add("trace", path.name, "state_rw", post * targets // 4, targets)

    def nonzero(self):
        return {key: n for key, n in self.counted.items() if n}


class GridRecount(Recount, GridTwin):
    """The same in time steps."""


@pytest.mark.parametrize("dt", [None, 0.25 * ms], ids=["exact", "grid"])
@pytest.mark.parametrize(
    "pathway",
    [DFA(), DRTP(), KolenPollack(), LocalReadout(scale=0.2), Reward(scale=0.1), WeightMirror()],
    ids=lambda pathway: type(pathway).__name__,
)
def test_every_phase_of_learning_presentations_equals_a_recount(pathway, dt):
    """Inputs reach two of four hidden neurons each (sparse), those reach every readout (dense)."""
    seed = 3
    draws = np.random.default_rng(seed)
    net = Network(seed)
    inputs = net.population("inputs", Latency(t_last=8 * ms, low=0.2), 6)
    hidden = net.population("hidden", LIF(tau_m=20 * ms), 4)
    readout = net.population("readout", Readout(), 3)
    targets = np.concatenate([np.sort(draws.permutation(4)[:2]) for _ in range(6)])
    into = from_arrays(np.repeat(np.arange(6), 2), targets)
    net.connect(inputs, hidden, into, weight=draws.uniform(0.5, 1.2, 12), delay=1 * ms, rule=ThreeFactor(), name="in")
    net.connect(
        hidden, readout, all_to_all(), weight=draws.normal(0, 0.3, (4, 3)), rule=Delta(), dtype="float32", name="out"
    )
    net.credit(pathway, error=readout, to=hidden)
    samples, labels = draws.uniform(0, 1, (12, 6)), draws.integers(0, 3, 12)

    twin = Recount(net) if dt is None else GridRecount(net, dt)
    outputs = twin.present(samples, labels, into="inputs", readout="readout", duration=15 * ms)
    # Softmax: 3 exponentials, 3 divisions; 3 + 3 + 3 comparisons, subtractions, sums, and 1 for the label; the three
    # readouts read three times and written twice, and the label's error read and written.
    for op, n, size in (("exp", 6, 0), ("add", 10, 0), ("state_rw", 17, 12)):
        twin.add("error", "readout", op, 12 * n, size)

    shown = Simulator(net, dt=dt).present(samples, labels, into=inputs, readout=readout, duration=15 * ms)
    # Same events: the potentials agree to rounding, float32 weights included.
    np.testing.assert_allclose(shown.outputs, outputs, atol=1e-5)
    assert sum(shown.spikes.values()) > 100
    assert shown.ledger.counts == twin.nonzero()
    assert shown.ledger.updates == twin.updates
    assert {phase for phase, *_ in shown.ledger.counts} == {"forward", "trace", "error", "credit", "update", "control"}


def test_credit_from_layer_to_layer_equals_a_recount():
    draws = np.random.default_rng(1)
    net = Network(1)
    sizes = (6, 5, 4, 3)
    models = [Latency(t_last=8 * ms, low=0.2), LIF(), LIF(), Readout()]
    layers = [net.population(f"layer {k}", m, n) for k, (m, n) in enumerate(zip(models, sizes, strict=True))]
    for k in range(3):
        w = draws.normal(0.6 if k < 2 else 0.0, 0.3, sizes[k : k + 2])
        net.connect(layers[k], layers[k + 1], all_to_all(), weight=w, rule=Delta() if k == 2 else ThreeFactor())
    for k in (1, 2):
        net.credit(FA(), error=layers[k + 1], to=layers[k])
    twin = Recount(net)
    x, y = draws.uniform(0, 1, (8, 6)), draws.integers(0, 3, 8)
    twin.present(x, y, into="layer 0", readout="layer 3", duration=15 * ms)
    shown = Simulator(net).present(x, y, into=layers[0], readout=layers[3], duration=15 * ms)
    credit = {key: n for key, n in twin.nonzero().items() if key[0] == "credit"}
    assert {key: n for key, n in shown.ledger.counts.items() if key[0] == "credit"} == credit
    assert credit["credit", "layer 1", "mul", 0] == 8 * 4


@pytest.mark.parametrize("delay", [1.5 * ms, uniform(0.5 * ms, 3 * ms)], ids=["one delay", "many delays"])
def test_every_phase_of_a_run_with_stdp_equals_a_recount(delay):
    net = Network(5)
    inputs = net.population("inputs", Poisson(rate=60 * Hz), 7)
    cells = net.population("cells", LIF(drive=1.1, t_ref=2 * ms), 5)
    rule = PairSTDP(w_max=0.5)
    net.connect(inputs, cells, fixed_probability(0.7), weight=np.float64(0.2), delay=delay, rule=rule, name="in")
    net.connect(
        cells, cells, fixed_probability(0.5, self_connections=False), weight=0.1, delay=delay, rule=rule, name="rec"
    )
    twin = Recount(net)
    twin.run(0.2)
    sim = Simulator(net)
    # In two stretches: what has not been applied to the weights at the end of the first belongs to it all the same.
    ledgers = [sim.run(0.13).ledger, sim.run(0.07).ledger]
    total = ledgers[0] + ledgers[1]
    assert total.total("w_write", "update") > 50
    assert total.counts == twin.nonzero()
    assert total.updates == twin.updates


def small_problem():
    draws = np.random.default_rng(7)
    x = draws.uniform(0, 1, (9, 5)) * (draws.random((9, 5)) < 0.6)
    return x, draws.integers(0, 2, 9)


def test_dense_mlp_costs_the_closed_forms():
    x, y = small_problem()
    ledger = MLP((5, 4, 2), seed=1).fit(x, y, epochs=3).ledger("dense")
    n, i, h, o = 27, 5, 4, 2
    assert ledger.counts == {
        ("forward", "input->hidden", "mac", 0): n * i * h,
        ("forward", "input->hidden", "w_read", 4 * i * h): n * i * h,
        ("forward", "input->hidden", "w_read", 4 * h): n * h,  # biases
        ("forward", "input->hidden", "acc_rw", 4 * h): n * 2 * i * h,
        ("forward", "input->hidden", "state_rw", 4 * i): n * i,
        ("forward", "input->hidden", "state_rw", 4 * h): n * h,  # sums start
        ("forward", "hidden", "add", 0): n * h,
        ("forward", "hidden", "state_rw", 4 * h): n * 2 * h,
        ("forward", "hidden->output", "mac", 0): n * h * o,
        ("forward", "hidden->output", "w_read", 4 * h * o): n * h * o,
        ("forward", "hidden->output", "w_read", 4 * o): n * o,
        ("forward", "hidden->output", "acc_rw", 4 * o): n * 2 * h * o,
        ("forward", "hidden->output", "state_rw", 4 * h): n * h,
        ("forward", "hidden->output", "state_rw", 4 * o): n * o,
        ("error", "output", "exp", 0): n * 2 * o,
        ("error", "output", "add", 0): n * (3 * o + 1),
        ("error", "output", "state_rw", 4 * o): n * (5 * o + 2),
        ("credit", "hidden", "mac", 0): n * h * o,
        ("credit", "hidden", "mul", 0): n * h,
        ("credit", "hidden", "transport", 4 * h * o): n * h * o,
        ("credit", "hidden", "acc_rw", 4 * o): n * h * o,
        ("credit", "hidden", "state_rw", 4 * h): n * h,
        ("update", "input->hidden", "state_rw", 4 * i): n * i,
        ("update", "input->hidden", "mul", 0): n * (i + i * h),
        ("update", "input->hidden", "add", 0): n * i * h,
        ("update", "input->hidden", "acc_rw", 4 * h): n * i * h,
        ("update", "input->hidden", "w_read", 4 * i * h): n * i * h,
        ("update", "input->hidden", "w_write", 4 * i * h): n * i * h,
        ("update", "hidden bias", "mul", 0): n * h,
        ("update", "hidden bias", "add", 0): n * h,
        ("update", "hidden bias", "acc_rw", 4 * h): n * h,
        ("update", "hidden bias", "w_read", 4 * h): n * h,
        ("update", "hidden bias", "w_write", 4 * h): n * h,
        ("update", "hidden->output", "state_rw", 4 * h): n * h,
        ("update", "hidden->output", "mul", 0): n * (h + h * o),
        ("update", "hidden->output", "add", 0): n * h * o,
        ("update", "hidden->output", "acc_rw", 4 * o): n * h * o,
        ("update", "hidden->output", "w_read", 4 * h * o): n * h * o,
        ("update", "hidden->output", "w_write", 4 * h * o): n * h * o,
        ("update", "output bias", "mul", 0): n * o,
        ("update", "output bias", "add", 0): n * o,
        ("update", "output bias", "acc_rw", 4 * o): n * o,
        ("update", "output bias", "w_read", 4 * o): n * o,
        ("update", "output bias", "w_write", 4 * o): n * o,
    }
    assert ledger.updates == n * (i * h + h * o + h + o)


def test_sparse_mlp_costs_what_its_activations_say():
    """Trained again in NumPy, sample by sample, every product counted when it is not skipped."""
    x, y = small_problem()
    mlp = MLP((5, 4, 2), eta=0.1, seed=1)
    w1, w2, b1, b2 = mlp.w1.copy(), mlp.w2.copy(), mlp.b1.copy(), mlp.b2.copy()
    order = np.random.Generator(np.random.Philox(1))
    order.normal(size=w1.shape), order.normal(size=w2.shape)  # what the weights were drawn with
    mlp.fit(x, y, epochs=1)
    c = Counter()

    def add(phase, where, op, size=0):
        c[phase, where, op, size] += 1

    for s in order.permutation(9):
        z = x[s] @ w1 + b1
        h = np.maximum(0.0, z)
        p = np.exp(h @ w2 + b2)
        p /= p.sum()
        p[y[s]] -= 1.0
        d = (w2 @ p) * (z > 0)
        for layer, active, sums in (("input->hidden", x[s], 4), ("hidden->output", h, 2)):
            for value in active:
                if value == 0.0:
                    continue
                add("forward", layer, "state_rw", 4 * active.size)
                for _ in range(sums):
                    add("forward", layer, "mac")
                    add("forward", layer, "w_read", 4 * active.size * sums)
                    add("forward", layer, "acc_rw", 4 * sums)
                    add("forward", layer, "acc_rw", 4 * sums)
            for _ in range(sums):
                add("forward", layer, "w_read", 4 * sums)
                add("forward", layer, "state_rw", 4 * sums)
        for _ in range(4):
            add("forward", "hidden", "add")
            add("forward", "hidden", "state_rw", 16)
            add("forward", "hidden", "state_rw", 16)
        for value in h:
            if value > 0.0:
                for _ in range(2):
                    add("credit", "hidden", "mac")
                    add("credit", "hidden", "transport", 32)
                    add("credit", "hidden", "acc_rw", 8)
                add("credit", "hidden", "state_rw", 16)
        for op, n, size in (("exp", 4, 0), ("add", 7, 0), ("state_rw", 12, 8)):
            c["error", "output", op, size] += n
        for where, active, delta in (
            ("input->hidden", x[s], d), ("hidden->output", h, p), ("hidden bias", None, d), ("output bias", None, p),
        ):  # fmt: skip
            size = 4 * delta.size * (1 if active is None else active.size)
            for value in [1.0] if active is None else active:
                if value == 0.0:
                    continue
                if active is not None:
                    add("update", where, "state_rw", 4 * active.size)
                    add("update", where, "mul")
                for change in delta:
                    if change != 0.0:
                        add("update", where, "mul")
                        add("update", where, "add")
                        add("update", where, "acc_rw", 4 * delta.size)
                        add("update", where, "w_read", size)
                        add("update", where, "w_write", size)
        w1 -= 0.1 * np.outer(x[s], d)
        w2 -= 0.1 * np.outer(h, p)
        b1 -= 0.1 * d
        b2 -= 0.1 * p
    # The same training: rounding of 9 steps.
    np.testing.assert_allclose(mlp.w1, w1, rtol=0, atol=1e-13)
    ledger = mlp.ledger("sparse")
    assert 0 < ledger.total("mac", "credit") < 9 * 4 * 2
    assert ledger.counts == dict(c)
    assert ledger.updates == sum(n for (_, _, op, _), n in c.items() if op == "w_write")
