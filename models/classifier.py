"""A feed-forward spiking classifier: latency-coded inputs, one hidden LIF layer, an integrating readout."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from snn.connect import all_to_all
from snn.network import Network
from snn.plugin import Credit, Rule
from snn.random import normal
from snn.simulator import Presentations, Simulator
from snn.units import ms

from .lif import LIF
from .readout import Readout
from .sources import Latency


class LatencyClassifier:
    """n_in - n_hidden - n_out, trained online, one sample at a time, by any three-factor rule and credit pathway.

    Each input above `low` fires from a time on that is the earlier, the larger it is, every `period` until the
    presentation ends; the hidden layer's spikes are counted by the readout with its weights; the error is
    softmax(readout) - onehot(label).

    Parameters
    ----------
    sizes : (int, int, int)
    hidden_rule : Rule or None
        Rule of the input -> hidden synapses; None freezes them.
    readout_rule : Rule
        Rule of the hidden -> readout synapses.
    credit : Credit or None
        Pathway from the readout's error to the hidden layer; None where the hidden weights are frozen.
    seed : int
        Seed of weights, feedback and the order of samples.
    w_in : (float, float)
        Mean and s.d. of the input weights, to be divided by the square root of n_in.
    w_out : float
        S.d. of the readout weights.
    t_last, duration : float, s
        Latest first spike of an input (without jitter) and length of a presentation.
    period : float, s
        Time between two spikes of an input; inf: each fires once.
    low : float
        Inputs at or below do not fire.
    jitter : float, s
        Largest random delay of an input's spikes while training; evaluation has none.
    """

    def __init__(
        self,
        sizes: tuple[int, int, int],
        hidden_rule: Rule | None,
        readout_rule: Rule,
        credit: Credit | None,
        *,
        seed: int = 0,
        w_in: tuple[float, float] = (0.4, 1.2),
        w_out: float = 0.05,
        tau_m: float = 50 * ms,
        t_last: float = 20 * ms,
        duration: float = 30 * ms,
        period: float = math.inf,
        low: float = 0.1,
        jitter: float = 8 * ms,
    ) -> None:
        n_in, n_hidden, n_out = sizes
        net = Network(seed)
        self.inputs = net.population("input", Latency(t_last=t_last, low=low, period=period), n_in)
        self.hidden = net.population("hidden", LIF(tau_m=tau_m, soft_reset=True), n_hidden)
        self.readout = net.population("readout", Readout(), n_out)
        scale = 1.0 / math.sqrt(n_in)
        self.into_hidden = net.connect(
            self.inputs,
            self.hidden,
            all_to_all(),
            weight=normal(w_in[0] * scale, w_in[1] * scale),
            rule=hidden_rule,
            dtype="float32",
        )
        self.into_readout = net.connect(
            self.hidden, self.readout, all_to_all(), weight=normal(0.0, w_out), rule=readout_rule, dtype="float32"
        )
        if credit is not None:
            net.credit(credit, error=self.readout, to=self.hidden)
        self.network, self.duration, self.seed, self.jitter = net, duration, seed, jitter
        self.sim = Simulator(net, record=[])

    def fit(
        self,
        samples: Any,
        labels: Any,
        epochs: int,
        meter: Any = None,
        vary: Callable[[Any, np.random.Generator], Any] | None = None,
    ) -> list[Presentations]:
        """Train for some passes in random order; the learning rates fall to zero along half a cosine.

        With `vary`, every pass shows vary(samples, rng) instead of the samples.
        """
        rng = np.random.Generator(np.random.Philox(self.seed))
        start = {p.name: p.rule.params()["eta"] for p in self.network.projections.values() if p.rule is not None}
        passes = []
        for epoch in range(epochs):
            for name, eta in start.items():
                self.sim.set_rule(name, eta=eta * 0.5 * (1.0 + math.cos(math.pi * epoch / epochs)))
            order = rng.permutation(len(labels))
            shown = samples if vary is None else vary(samples, rng)
            passes.append(self.show(shown, labels, learn=True, order=order))
            if meter is not None:
                meter.update(epoch + 1)
        return passes

    def show(self, samples: Any, labels: Any = None, **how: Any) -> Presentations:
        """Present samples; unless learn=True the jitter gives way to its mean. See :meth:`snn.Simulator.present`."""
        learn = how.get("learn", False)
        self.inputs.model.jitter, self.inputs.model.t_first = (self.jitter, 0.0) if learn else (0.0, self.jitter / 2)
        return self.sim.present(
            samples, labels, into=self.inputs, readout=self.readout, duration=self.duration, **{"learn": False, **how}
        )
