"""Credit pathways: every one against the plain twin, and what each is known to do."""

from __future__ import annotations

import numpy as np
import pytest

from models import LIF, Latency, Readout
from models.classifier import LatencyClassifier
from rules import (
    DFA,
    DRTP,
    FA,
    PATHWAYS,
    Delta,
    KolenPollack,
    LocalReadout,
    Reward,
    SignSymmetric,
    Symmetric,
    ThreeFactor,
    Uniform,
    WeightMirror,
)
from snn import Network, NetworkError, ParameterError, PluginError, Simulator, all_to_all, ms
from snn.plugin import Credit
from snn.testing import Twin


def network(pathways, sizes=(6, 5, 4, 3), seed=3, hidden_rule=None):
    """Inputs, two hidden layers, a readout; a pathway for each hidden layer, wired as it says."""
    draws = np.random.default_rng(seed)
    net = Network(seed)
    names = ["inputs", "first", "second", "readout"]
    models = [Latency(t_last=8 * ms, low=0.2), LIF(soft_reset=True), LIF(soft_reset=True), Readout()]
    layers = [net.population(n, m, size) for n, m, size in zip(names, models, sizes, strict=True)]
    for k in range(3):
        rule = Delta(eta=0.05, decay=0.1) if k == 2 else hidden_rule or ThreeFactor(eta=0.02, rate_cost=0.01)
        w = draws.normal(0.6 if k < 2 else 0.0, 0.3, (sizes[k], sizes[k + 1]))
        net.connect(layers[k], layers[k + 1], all_to_all(), weight=w, rule=rule, delay=0.5 * ms)
    for k, pathway in zip((1, 2), pathways, strict=True):
        net.credit(pathway, error=layers[k + 1] if pathway.layerwise else layers[3], to=layers[k])
    return net, draws.uniform(0, 1, (12, sizes[0])), draws.integers(0, sizes[3], 12)


@pytest.mark.parametrize("name", [n for n in PATHWAYS if n not in ("dfa", "frozen")])
def test_learning_through_a_pathway_equals_the_plain_twin(name):
    # A reward at full scale makes these few neurons fire without end.
    pathway = Reward(scale=0.1) if name == "reward" else PATHWAYS[name]()
    equals_the_twin(*network([pathway, pathway]), pathway)


def test_learning_from_codes_until_content_equals_the_plain_twin():
    pathway = DRTP(n_for=1, n_against=1, scale=0.5)
    equals_the_twin(*network([pathway, pathway], hidden_rule=ThreeFactor(eta=0.02, few=1, enough=2)), pathway)


def equals_the_twin(net, samples, labels, pathway):
    twin = Twin(net)
    outputs = twin.present(samples, labels, into="inputs", readout="readout", duration=15 * ms)
    sim = Simulator(net)
    pop = net.populations
    shown = sim.present(samples, labels, into=pop["inputs"], readout=pop["readout"], duration=15 * ms)
    assert min(shown.spikes["first"], shown.spikes["second"]) > 10
    # Samples are float32 in both; all else is double.
    np.testing.assert_allclose(shown.outputs, outputs, rtol=1e-9, atol=1e-9)
    for projection in net.projections:
        np.testing.assert_allclose(sim.weights(projection), twin.weights(projection), rtol=1e-9, atol=1e-9)
    for link, kept in zip(net.credits, twin.lessons.feedback, strict=True):
        if pathway.overrides("learn") or pathway.overrides("mirror"):
            np.testing.assert_allclose(sim.feedback(link), kept, rtol=1e-9, atol=1e-9)


def one_signal(pathway, seed=0):
    """Learning signal (n_hidden,) of one sample, read off the change of weights that a rule makes of it."""
    from tests.rules.parts import Signal

    net = Network(seed)
    inputs = net.population("inputs", Latency(t_last=5 * ms), 1)
    hidden = net.population("hidden", LIF(), 4)
    readout = net.population("readout", Readout(), 3)
    w = np.random.default_rng(seed).normal(0, 0.3, (4, 3))
    net.connect(inputs, hidden, all_to_all(), weight=2.0, rule=Signal(), name="in")
    net.connect(hidden, readout, all_to_all(), weight=w, rule=Delta(eta=0.0), name="out")
    link = net.credit(pathway, error=readout, to=hidden)
    sim = Simulator(net)
    shown = sim.present([[1.0]], [1], into=inputs, readout=readout, duration=10 * ms)
    assert shown.spikes["hidden"] == 4
    p = np.exp(w.sum(axis=0))
    return sim.weights("in") - 2.0, w, sim.feedback(link), p / p.sum() - [0, 1, 0]


@pytest.mark.parametrize(
    ("pathway", "signal"),
    [
        (Symmetric(), lambda w, b, e: w @ e),
        (SignSymmetric(scale=0.5), lambda w, b, e: 0.5 * np.sign(w) @ e),
        (DFA(scale=0.5), lambda w, b, e: 0.5 * b @ e),
        (FA(scale=0.5), lambda w, b, e: 0.5 * b @ e),
        (DRTP(scale=0.5), lambda w, b, e: -0.5 * b[:, 1]),
        (DRTP(scale=0.5, n_for=1, n_against=1), lambda w, b, e: -0.5 * b[:, 1]),
        (Uniform(), lambda w, b, e: np.zeros(4)),
    ],
    ids=lambda x: type(x).__name__ if isinstance(x, Credit) else "",
)
def test_the_signal_is_the_published_product(pathway, signal):
    heard, w, b, e = one_signal(pathway)
    np.testing.assert_allclose(heard, signal(w, b, e), atol=1e-12)


def test_a_code_tells_each_neuron_of_as_many_classes_as_it_says():
    net = LatencyClassifier((4, 200, 10), ThreeFactor(), Delta(), DRTP(n_for=3, n_against=4))
    b = net.sim.feedback(net.network.credits[0])
    assert (
        ((b == 1).sum(axis=1) == 3).all() and ((b == -1).sum(axis=1) == 4).all() and ((b == 0).sum(axis=1) == 3).all()
    )
    # Classes are drawn evenly: of 200 neurons 60 are told to fire for each, with an s.d. of 6.5.
    assert np.abs((b == 1).sum(axis=0) - 60).max() < 30


@pytest.mark.parametrize("classes", [1.5, 2])
def test_a_code_of_too_many_or_half_classes_is_refused(classes):
    net = LatencyClassifier((4, 5, 3), ThreeFactor(), Delta(), DRTP(n_for=classes, n_against=2))
    with pytest.raises(ParameterError, match=rf"DRTP.n_for is {classes} and n_against 2.*add up to 3"):
        net.show([[1, 1, 0, 0]], [0], learn=True)


class Lopsided(DFA):
    """Draws one row too few."""

    def draw(self, rng, n, n_error):
        return rng.normal(size=(n - 1, n_error))


def test_feedback_weights_of_another_shape_are_refused():
    net = LatencyClassifier((4, 5, 3), ThreeFactor(), Delta(), Lopsided())
    with pytest.raises(
        PluginError, match=r"Lopsided.draw returned feedback weights of shape \(4, 3\).*\(5, 3\).*hidden"
    ):
        net.show([[1, 1, 0, 0]], [0], learn=True)


@pytest.mark.parametrize(
    ("label", "few", "enough", "learns"),
    [
        (0, -1, np.inf, True),
        (0, -1, 1, False),
        (0, -1, 2, True),
        (0, 5, np.inf, True),
        (1, -1, np.inf, True),
        (1, 1, np.inf, False),
        (1, 0, np.inf, True),
        (1, -1, 0, True),
    ],
)
def test_a_neuron_that_does_what_the_label_asks_for_is_content(label, few, enough, learns):
    """Every neuron is told to fire for class 0 and not to for class 1, and fires once."""

    class Sides(DRTP):
        def draw(self, rng, n, n_error):
            return np.tile([1.0, -1.0], (n, 1))

    net = Network(1)
    inputs = net.population("inputs", Latency(t_last=5 * ms), 1)
    hidden = net.population("hidden", LIF(), 4)
    readout = net.population("readout", Readout(), 2)
    net.connect(inputs, hidden, all_to_all(), weight=2.0, rule=ThreeFactor(few=few, enough=enough), name="in")
    net.connect(hidden, readout, all_to_all(), weight=0.1, rule=Delta(), name="out")
    net.credit(Sides(), error=readout, to=hidden)
    sim = Simulator(net)
    shown = sim.present([[1.0]], [label], into=inputs, readout=readout, duration=10 * ms)
    assert shown.spikes["hidden"] == 4
    w = sim.weights("in")
    assert (w == 2.0).all() if not learns else (w > 2.0).all() if label == 0 else (w < 2.0).all()


def test_a_local_readout_hears_its_own_error():
    heard, _, b, _ = one_signal(LocalReadout(scale=0.5, eta=0.0))
    p = np.exp(0.5 * b.sum(axis=0))  # every neuron has fired once
    np.testing.assert_allclose(heard, 0.5 * b @ (p / p.sum() - [0, 1, 0]), atol=1e-12)


def presented(pathway, n, eta, decay=0.0, seed=1):
    """A small classifier after n random samples; the forward weights of its readout and the feedback weights."""
    rules = ThreeFactor(eta=0.0), Delta(eta=eta, decay=decay)
    net = LatencyClassifier((8, 12, 4), *rules, pathway, seed=seed, w_out=0.3)
    draws = np.random.default_rng(seed)
    net.show(draws.uniform(0, 1, (n, 8)), draws.integers(0, 4, n), learn=True)
    w = net.sim.weights(net.projections[-1]).reshape(12, 4)
    return w, net.sim.feedback(net.network.credits[0]) * net.network.credits[0].pathway.scale


def cosine(a, b):
    return float((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))


def test_kolen_pollack_weights_approach_the_forward_weights_at_the_stated_rate():
    """w - b shrinks by 1 - eta decay in every presentation in which the neuron fires, whatever else they learn."""
    pathway = KolenPollack(scale=0.3, eta=0.05, decay=0.2)
    start_w, start_b = presented(pathway, 0, 0.05, 0.2)
    w, b = presented(pathway, 400, 0.05, 0.2)
    shrunk = np.abs(w - b).sum(axis=1) / np.abs(start_w - start_b).sum(axis=1)
    fired = np.log(shrunk) / np.log(1 - 0.05 * 0.2)
    # Whole numbers of presentations, to the precision of float32 weights.
    busy = fired > 50
    assert busy.sum() >= 6
    np.testing.assert_allclose(fired[busy], np.rint(fired[busy]), atol=0.1)
    assert (fired < 400.5).all()
    assert cosine(w[busy], b[busy]) > 0.95 > cosine(start_w, start_b)


def test_weight_mirror_finds_the_forward_weights_from_noise():
    pathway = WeightMirror(scale=0.3, eta_mirror=0.005)
    w, b = presented(pathway, 3000, 0.0)
    # The mean is w; the noise of the average over 2 / eta moments has s.d. |w_k| sqrt(eta / 2), 0.05 |w_k|.
    spread = np.linalg.norm(w, axis=0) * np.sqrt(0.005 / 2)
    assert np.abs((b - w) / spread).mean() < 1.2
    assert cosine(w, b) > 0.9


def test_reward_alone_improves_the_readouts_answer():
    """Node perturbation with one number: the loss falls although no error reaches the hidden layer."""
    draws = np.random.default_rng(0)
    x = np.repeat(np.eye(4), 2, axis=1) * 0.9
    order = draws.integers(0, 4, 5000)
    losses = {}
    for name, pathway in {"reward": Reward(sigma=0.3, scale=3.0), "frozen": PATHWAYS["frozen"]()}.items():
        net = LatencyClassifier(
            (8, 10, 4), ThreeFactor(eta=0.05), Delta(eta=0.0), pathway, seed=2, w_out=0.5, jitter=0.0
        )
        loss = net.show(x[order], order, learn=True).loss
        losses[name] = loss[:500].mean(), loss[-500:].mean()
    assert losses["reward"][1] < 0.85 * losses["reward"][0]
    assert losses["frozen"][1] == pytest.approx(losses["frozen"][0], rel=0.1)


def test_signals_of_two_links_add_up():
    signals = []
    for pathways in ([Symmetric()], [DRTP()], [Symmetric(), DRTP()]):
        net, samples, labels = network([Symmetric(), Symmetric()])
        second, readout = net.populations["second"], net.populations["readout"]
        net.credits[:] = net.credits[:1]
        for pathway in pathways:
            net.credits.append(type(net.credits[0])(pathway, readout, second))
        sim = Simulator(net)
        w = sim.weights("first->second")
        sim.present(samples[:1], labels[:1], into=net.populations["inputs"], readout=readout, duration=15 * ms)
        signals.append(sim.weights("first->second") - w)
    # The rate term, the same in all three, is in each once.
    net, samples, labels = network([Symmetric(), PATHWAYS["frozen"]()])
    sim = Simulator(net)
    w = sim.weights("first->second")
    how = {"into": net.populations["inputs"], "readout": net.populations["readout"], "duration": 15 * ms}
    sim.present(samples[:1], labels[:1], **how)
    rest = sim.weights("first->second") - w
    np.testing.assert_allclose(signals[0] + signals[1] - rest, signals[2], atol=1e-12)


def test_feedback_weights_go_on_in_a_checkpoint_and_after_a_run(tmp_path):
    net, samples, labels = network([KolenPollack(), KolenPollack()])
    how = {"into": net.populations["inputs"], "readout": net.populations["readout"], "duration": 15 * ms}
    sim = Simulator(net)
    sim.present(samples, labels, **how)
    sim.checkpoint(tmp_path / "point.h5")
    learned = [sim.feedback(link) for link in net.credits]
    other = Simulator(net)
    assert not np.array_equal(other.feedback(net.credits[0]), learned[0])
    other.restore(tmp_path / "point.h5")
    sim.run(5 * ms)
    for link, b in zip(net.credits, learned, strict=True):
        assert np.array_equal(other.feedback(link), b)
        assert np.array_equal(sim.feedback(link), b)
    after = [s.present(samples, labels, **how).outputs.tobytes() for s in (Simulator(net), other)]
    assert after[0] != after[1]


def test_links_in_a_circle_are_refused():
    net, samples, labels = network([Symmetric(), Symmetric()])
    first, second, readout = (net.populations[n] for n in ("first", "second", "readout"))
    net.credits.pop()
    net.credit(Symmetric(), error=first, to=second)
    net.connect(second, first, all_to_all(), weight=np.zeros((4, 5)), delay=1 * ms)
    with pytest.raises(NetworkError, match=r"Credit links lead in a circle: second->first -> first->second"):
        Simulator(net).present(samples, labels, into=net.populations["inputs"], readout=readout, duration=15 * ms)


def test_a_label_starts_from_the_readout():
    net, samples, labels = network([Symmetric(), Symmetric()])
    net.credits.pop(0)
    net.credit(DRTP(), error=net.populations["second"], to=net.populations["first"])
    with pytest.raises(NetworkError, match=r"DRTP of the link from 'second' to 'first'.*Give error=readout"):
        Simulator(net).present(
            samples, labels, into=net.populations["inputs"], readout=net.populations["readout"], duration=15 * ms
        )


def test_layers_need_a_rule_that_passes_signals_on():
    from tests.rules.parts import Signal

    net = Network(0)
    inputs = net.population("inputs", Latency(), 2)
    first, second = net.population("first", LIF(), 2), net.population("second", LIF(), 2)
    readout = net.population("readout", Readout(), 2)
    w = np.ones((2, 2))
    for below, above, rule in ((inputs, first, Signal()), (first, second, Signal()), (second, readout, Delta())):
        net.connect(below, above, all_to_all(), weight=w, rule=rule)
    net.credit(FA(), error=second, to=first)
    net.credit(FA(), error=readout, to=second)
    with pytest.raises(NetworkError, match=r"hidden population 'second' to 'first' needs a rule with a method gain"):
        Simulator(net).present([[1.0, 1.0]], [0], into=inputs, readout=readout, duration=10 * ms)
