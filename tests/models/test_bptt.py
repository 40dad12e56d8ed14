"""Backpropagation through time: its gradient, its network and its bill, each against something independent."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.bptt import BPTT
from snn import ParameterError

STEPS, TAU, DURATION, WIDTH = 12, 50e-3, 30e-3, 0.5
ALPHA = math.exp(-DURATION / STEPS / TAU)


def network(sizes, **how):
    return BPTT(sizes, seed=3, steps=STEPS, low=0.1, period=9e-3, **{"jitter": 0.0, "width": WIDTH, **how})


def input_spikes(x):
    """Latency code by its definition: (steps, n_in) counts."""
    spikes = np.zeros((STEPS, x.size))
    for i in np.flatnonzero(x > 0.1):
        t = (1.0 - x[i]) * 20e-3
        while t < DURATION:
            spikes[int(t / DURATION * STEPS), i] += 1
            t += 9e-3
    return spikes


def run(weights, x, spike):
    """The network in NumPy, layer by layer; returns the spikes of each layer and the readout."""
    layers = [input_spikes(x)]
    for w in weights[:-1]:
        u, s, out = np.zeros(w.shape[1]), np.zeros(w.shape[1]), []
        for below in layers[-1]:
            u = ALPHA * (u - s) + below @ w
            s = spike(u)
            out.append(s)
        layers.append(np.array(out))
    return layers, layers[-1].sum(axis=0) @ weights[-1]


def smooth(u):
    return 0.5 + (u - 1.0) / (1.0 + abs(u - 1.0) / WIDTH)


def cross_entropy(z, label):
    return math.log(np.exp(z - z.max()).sum()) + z.max() - z[label]


def test_gradient_of_the_smooth_twin_equals_finite_differences():
    net = network((6, 5, 4, 3), through_reset=True, rate_cost=0.02, rate_target=0.7)
    x = np.float32([0.9, 0.3, 0.05, 0.7, 0.5, 1.0])
    gradients = net.gradients(x, 1, smooth=True)
    weights, h = [w.copy() for w in net.weights], 1e-6

    def loss():
        layers, z = run(weights, x, smooth)
        rates = sum(((s.sum(axis=0) - 0.7) ** 2).sum() for s in layers[1:])
        return cross_entropy(z, 1) + 0.5 * 0.02 * rates

    assert net.smooth_outputs(x[None])[0] == pytest.approx(run(weights, x, smooth)[1])
    for w, gradient in zip(weights, gradients, strict=True):
        for index in np.ndindex(w.shape):
            keep = w[index]
            w[index] = keep + h
            up = loss()
            w[index] = keep - h
            down = loss()
            w[index] = keep
            # Central differences: error of order h^2 plus rounding / h.
            assert gradient[index] == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("through_reset", [True, False])
def test_surrogate_gradient_equals_autograd(through_reset):
    torch = pytest.importorskip("torch")

    class Spike(torch.autograd.Function):
        @staticmethod
        def forward(ctx, u):
            ctx.save_for_backward(u)
            return (u >= 1.0).to(u.dtype)

        @staticmethod
        def backward(ctx, grad):
            (u,) = ctx.saved_tensors
            return grad / (1.0 + (u - 1.0).abs() / WIDTH) ** 2

    net = network((6, 5, 4, 3), through_reset=through_reset)
    x = np.float32([0.9, 0.3, 0.05, 0.7, 0.5, 1.0])
    weights = [torch.tensor(w.copy(), requires_grad=True) for w in net.weights]
    below = torch.tensor(input_spikes(x))
    for w in weights[:-1]:
        u, s, out = torch.zeros(w.shape[1], dtype=w.dtype), torch.zeros(w.shape[1], dtype=w.dtype), []
        for row in below:
            u = ALPHA * (u - (s if through_reset else s.detach())) + row @ w
            s = Spike.apply(u)
            out.append(s)
        below = torch.stack(out)
    z = below.sum(dim=0) @ weights[-1]
    torch.nn.functional.cross_entropy(z[None], torch.tensor([1])).backward()
    for w, gradient in zip(weights, net.gradients(x, 1), strict=True):
        assert gradient == pytest.approx(w.grad.numpy(), rel=1e-9, abs=1e-12)


def test_bill_equals_a_recount_of_every_spike():
    sizes, n = (6, 5, 4, 3), 7
    net = network(sizes, w_in=(0.8, 1.0))
    x = np.random.default_rng(1).random((n, 6)).astype(np.float32)
    y = np.arange(n) % 3
    layers = [run(net.weights, row, lambda u: (u >= 1.0).astype(float))[0] for row in x]
    spikes = [int(sum(run_[k].sum() for run_ in layers)) for k in range(3)]
    fired = sum(int((run_[2].sum(axis=0) > 0).sum()) for run_ in layers)
    # At rates of 0 the weights stay, so that every sample meets the same network.
    net.eta = net.eta_readout = 0.0
    shown = net.show(x, y, learn=True)
    ledger = shown.ledger
    assert list(shown.spikes.values()) == [*spikes, 0] and min(spikes) > 0
    rows = spikes[0] * 5 + spikes[1] * 4
    assert shown.synaptic_events == ledger.total("syn_ac") == rows + spikes[2] * 3
    assert ledger.updates == ledger.total("w_write", "update") == rows + fired * 3
    # W^T from the readout once a sample, from the second hidden layer in every step.
    assert ledger.total("mac", "credit") == n * (4 * 3 + STEPS * 5 * 4)
    assert ledger.total("exp", "credit") == n * STEPS * (5 + 4)
    assert ledger.transport == "W^T" and ledger.held_bytes >= 8 * STEPS * (5 + 4)
    evaluated = net.show(x, y).ledger
    assert (evaluated.updates, evaluated.transport, evaluated.total(phase="credit")) == (0, "none", 0)


@pytest.mark.parametrize("through_reset", [False, True])
@pytest.mark.parametrize("rate_cost", [0.0, 0.1])
def test_backward_steps_cost_what_their_terms_do(through_reset, rate_cost):
    """By hand: du = alpha du' + psi (from above + rate - alpha du'), psi = (half / (half + |u - 1|))^2."""
    n, reset, rate = 3, int(through_reset), int(rate_cost > 0)
    net = network((6, 5, 4, 3), through_reset=through_reset, rate_cost=rate_cost)
    ledger = net.show(np.full((n, 6), 0.5, np.float32), [0, 1, 2], learn=True).ledger
    counts = {name: [ledger.counts["credit", name, op, 0] for op in ("add", "mul")] for name in ("hidden", "hidden2")}
    # Every step: two additions and a square for psi, its product, decay and the sum with it; the reset's product and
    # difference. Once a sample: the rate's cost. What comes from a layer, not from the readout, is added in each step.
    per_sample = [2 * rate, rate]
    each = [STEPS * (3 + reset) + k for k in per_sample]
    assert counts["hidden2"] == [n * 4 * each[0], n * 4 * each[1]]
    assert counts["hidden"] == [n * 5 * (each[0] + STEPS * rate), n * 5 * each[1]]


def test_bptt_learns_and_repeats_bit_for_bit():
    """Two classes told by which half of the inputs is larger; a chance level of 50 %."""
    rng = np.random.default_rng(2)
    x = rng.random((400, 12)).astype(np.float32)
    y = (x[:, :6].sum(axis=1) < x[:, 6:].sum(axis=1)).astype(int)
    nets = [BPTT((12, 20, 2), eta=0.03, seed=1, jitter=2e-3) for _ in range(2)]
    for net in nets:
        net.fit(x[:300], y[:300], epochs=15)
    assert nets[0].show(x[300:], y[300:]).accuracy > 0.85
    assert nets[0].weights[0].tobytes() == nets[1].weights[0].tobytes()


def test_wrong_shapes_and_labels_are_refused():
    with pytest.raises(ParameterError, match=r"sizes is \(4, 2\)"):
        BPTT((4, 2))
    net = network((6, 5, 3))
    with pytest.raises(ParameterError, match=r"shape \(2, 5\); this network needs \(n, 6\)"):
        net.show(np.zeros((2, 5)))
    with pytest.raises(ParameterError, match="0 to 2"):
        net.show(np.zeros((2, 6)), [0, 3])
    with pytest.raises(ParameterError, match="learning needs labels"):
        net.show(np.zeros((2, 6)), learn=True)
