"""Backprop on a multilayer perceptron of the same shape: the opponent, counted on the same ledger."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn.account import count_credit, count_error
from snn.engine.jit import loop
from snn.ledger import Ledger

from .passes import Vary, passes


@loop()
def _epoch(x, y, order, w1, b1, w2, b2, eta, counts):
    """One pass of online gradient descent; counts = [active inputs, active hidden, active derivatives, n]."""
    n_in, n_hid = w1.shape
    n_out = w2.shape[1]
    h = np.zeros(n_hid)
    p = np.zeros(n_out)
    d = np.zeros(n_hid)
    correct = 0
    for s in order:
        h[:] = b1
        active = 0
        for i in range(n_in):
            if x[s, i] != 0.0:
                active += 1
                for j in range(n_hid):
                    h[j] += x[s, i] * w1[i, j]
        on = 0
        p[:] = b2
        for j in range(n_hid):
            h[j] = max(0.0, h[j])
            if h[j] > 0.0:
                on += 1
                for k in range(n_out):
                    p[k] += h[j] * w2[j, k]
        if np.argmax(p) == y[s]:
            correct += 1
        p -= p.max()
        p[:] = np.exp(p)
        p /= p.sum()
        p[y[s]] -= 1.0
        for j in range(n_hid):
            d[j] = 0.0
            if h[j] > 0.0:
                for k in range(n_out):
                    d[j] += w2[j, k] * p[k]
                    w2[j, k] -= eta * h[j] * p[k]
        b2 -= eta * p
        for i in range(n_in):
            if x[s, i] != 0.0:
                for j in range(n_hid):
                    if d[j] != 0.0:
                        w1[i, j] -= eta * x[s, i] * d[j]
        b1 -= eta * d
        counts[0] += active
        counts[1] += on
        counts[2] += active * on
        counts[3] += 1
    return correct


class MLP:
    """n_in - n_hidden - n_out with ReLU, softmax and cross-entropy, trained online (batch size 1) by backprop.

    References
    ----------
    Rumelhart, Hinton & Williams (1986) Nature 323, 533.
    """

    def __init__(self, sizes: tuple[int, int, int], eta: float = 0.05, seed: int = 0) -> None:
        self.sizes, self.eta, self.seed = sizes, eta, seed
        n_in, n_hid, n_out = sizes
        rng = np.random.Generator(np.random.Philox(seed))
        self.w1 = rng.normal(0, math.sqrt(2.0 / n_in), (n_in, n_hid))
        self.w2 = rng.normal(0, math.sqrt(1.0 / n_hid), (n_hid, n_out))
        self.b1, self.b2 = np.zeros(n_hid), np.zeros(n_out)
        self.counts = np.zeros(4, np.int64)
        self._rng = rng

    def fit(
        self,
        samples: Any,
        labels: Any,
        epochs: int,
        vary: Vary | None = None,
    ) -> MLP:
        """Train for some passes in random order, the learning rate falling to zero along half a cosine.

        With `vary`, every pass shows vary(samples, rng) instead of the samples.
        """
        x = np.ascontiguousarray(samples, dtype=np.float64)
        y = np.ascontiguousarray(labels, dtype=np.int64)
        for shown, order, left in passes(x, len(y), epochs, self._rng, vary):
            shown = np.ascontiguousarray(shown, dtype=np.float64)
            _epoch(shown, y, order, self.w1, self.b1, self.w2, self.b2, self.eta * left, self.counts)
        return self

    def predict(self, samples: Any) -> np.ndarray:
        """Most probable class of each sample."""
        hidden = np.maximum(0.0, np.asarray(samples) @ self.w1 + self.b1)
        return np.asarray((hidden @ self.w2 + self.b2).argmax(axis=1))

    def gradients(self, x: np.ndarray, label: int) -> tuple[np.ndarray, np.ndarray]:
        """Gradient of the loss of one sample by w1 and w2, read off one step of the training kernel."""
        w1, w2 = self.w1.copy(), self.w2.copy()
        _epoch(
            x[None, :],
            np.array([label]),
            np.array([0]),
            w1,
            self.b1.copy(),
            w2,
            self.b2.copy(),
            1.0,
            np.zeros(4, np.int64),
        )
        return self.w1 - w1, self.w2 - w2

    def loss(self, x: np.ndarray, label: int) -> float:
        """Cross-entropy of one sample."""
        z = np.maximum(0.0, x @ self.w1 + self.b1) @ self.w2 + self.b2
        return float(np.log(np.exp(z - z.max()).sum()) + z.max() - z[label])

    def ledger(self, flavour: str = "dense") -> Ledger:
        """What the training so far has cost, on the machine and by the rule that :mod:`snn.account` describes.

        Parameters
        ----------
        flavour : {"dense", "sparse"}
            "dense" computes every product, the derivatives' too; "sparse" skips zero inputs, silent hidden units and
            their zero derivatives, as counted while training.
        """
        n_in, n_hid, n_out = self.sizes
        active_in, on, pairs, n = (int(c) for c in self.counts)
        if flavour == "dense":
            active_in, on, pairs = n * n_in, n * n_hid, n * n_in * n_hid
        w1, w2 = 4 * n_in * n_hid, 4 * n_hid * n_out
        # A bias is a weight whose input is always 1; hidden ones change only where the derivative is not zero.
        ledger = Ledger(samples=n, updates=pairs + on * n_out + on + n * n_out, transport="W^T")
        ledger.held_bytes = 4 * ((active_in + on) // max(1, n) + n_out)

        def layer(where: str, rows: int, size: int, footprint: int, source: int) -> None:
            """Rows of active inputs into sums that start from the biases."""
            ledger.add("forward", where, "state_rw", rows, 4 * source)
            ledger.add("forward", where, "mac", rows * size)
            ledger.add("forward", where, "w_read", rows * size, footprint)
            ledger.add("forward", where, "acc_rw", 2 * rows * size, 4 * size)
            ledger.add("forward", where, "w_read", n * size, 4 * size)
            ledger.add("forward", where, "state_rw", n * size, 4 * size)

        layer("input->hidden", active_in, n_hid, w1, n_in)
        # Rectification: sum read, compared, activation written.
        ledger.add("forward", "hidden", "add", n * n_hid)
        ledger.add("forward", "hidden", "state_rw", 2 * n * n_hid, 4 * n_hid)
        layer("hidden->output", on, n_out, w2, n_hid)
        count_error(ledger, "output", n, n_out)
        count_credit(ledger, "hidden", on, n_hid, n_out)
        if flavour == "dense":
            ledger.add("credit", "hidden", "mul", on)  # by the derivative, 0 or 1
        # A row of an outer product: its input times eta once, then times the delta of every target.
        for where, rows, count, size, source, target in (
            ("input->hidden", active_in, pairs, w1, n_in, n_hid),
            ("hidden bias", 0, on, 4 * n_hid, 1, n_hid),
            ("hidden->output", on, on * n_out, w2, n_hid, n_out),
            ("output bias", 0, n * n_out, 4 * n_out, 1, n_out),
        ):
            ledger.add("update", where, "state_rw", rows, 4 * source)
            ledger.add("update", where, "mul", rows + count)
            ledger.add("update", where, "add", count)
            ledger.add("update", where, "acc_rw", count, 4 * target)
            ledger.add("update", where, "w_read", count, size)
            ledger.add("update", where, "w_write", count, size)
        return ledger
