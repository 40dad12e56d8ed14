"""A feed-forward spiking classifier: latency-coded inputs, hidden LIF layers, an integrating readout."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from snn.connect import all_to_all
from snn.errors import NetworkError, ParameterError
from snn.grid import off_grid
from snn.network import Network, Population, Projection
from snn.plugin import Credit, Model, Rule, Source, is_whole
from snn.presentations import Presentations
from snn.random import Distribution, normal
from snn.simulator import Simulator
from snn.units import ms

from .lif import LIF
from .passes import Vary, passes
from .readout import Readout
from .sources import Latency


def hidden_layers(net: Network, cell: Model, sizes: Sequence[int]) -> list[Population]:
    """Populations "hidden", "hidden2", ... of these sizes.

    Raises
    ------
    NetworkError
        If there is none.
    """
    if not sizes:
        raise NetworkError("A classifier has at least one hidden layer; give sizes=(inputs, hidden, ..., classes).")
    return [net.population("hidden" if k == 1 else f"hidden{k}", cell, n) for k, n in enumerate(sizes, 1)]


def clock(duration: float, steps: int | None, **whole: float) -> dict[str, Any]:
    """Arguments of Simulator for presentations of so many time steps; None: continuous time.

    Parameters
    ----------
    whole : float, s
        Times, by the names of their parameters, that have to be whole numbers of steps.

    Raises
    ------
    ParameterError
        Unless `steps` is None or a whole number above 0 that goes with these times.
    """
    if steps is None:
        return {}
    if not is_whole(steps, 1):
        raise ParameterError(f"steps is {steps!r}; give a whole number of time steps, 1 or more, or None.")

    times = np.array(list(whole.values()))
    wrong = off_grid(times * steps / duration)
    if wrong.any():
        name = list(whole)[int(wrong.argmax())]
        enough = next((n for n in range(steps + 1, 10 * steps + 1) if not off_grid(times * n / duration).any()), None)
        remedy = "change one of them" if enough is None else f"give steps={enough}, or change it"
        raise ParameterError(
            f"steps is {steps}, so that a step is {duration / steps:g} s, of which {name} = {whole[name]:g} s is no "
            f"multiple; {remedy}."
        )
    return {"engine": "grid", "dt": duration / steps}


class Classifier:
    """A network that is shown samples and trained on them; its makers set the attributes.

    Attributes
    ----------
    network : Network
    sim : Simulator
    inputs, readout : Population
    labels : Population or None
        Neurons that fire for the label while learning.
    credit : Credit or None
    duration : float, s
    code : Latency or None
        The latency code while training.
    seed : int
    """

    network: Network
    sim: Simulator
    inputs: Population
    readout: Population
    labels: Population | None = None
    credit: Credit | None = None
    duration: float
    code: Latency | None = None
    seed: int

    def _input(self, net: Network, encoder: Source, size: int) -> Population:
        """The population that samples go to, with an encoder of its own."""
        if isinstance(encoder, Latency):
            self.code = encoder.replace()
        return net.population("input", encoder.replace(), size)

    def fit(
        self,
        samples: Any,
        labels: Any,
        epochs: int,
        meter: Any = None,
        vary: Vary | None = None,
    ) -> list[Presentations]:
        """Train for some passes in random order; the learning rates fall to zero along half a cosine.

        With `vary`, every pass shows vary(samples, rng) instead of the samples.
        """
        rng = np.random.Generator(np.random.Philox(self.seed))
        rules = {p.name: p.rule.params() for p in self.network.projections.values() if p.rule is not None}
        start = {name: params["eta"] for name, params in rules.items() if "eta" in params}
        feedback_eta = getattr(self.credit, "eta", None)
        done = []
        try:
            for shown, order, left in passes(samples, len(labels), epochs, rng, vary, meter):
                for name, eta in start.items():
                    self.sim.set_rule(name, eta=eta * left)
                if feedback_eta is not None:
                    self.credit.eta = feedback_eta * left  # type: ignore[union-attr]
                done.append(self.show(shown, labels, learn=True, order=order))
        finally:
            # What is declared is where the next training begins, also after one that was stopped.
            if feedback_eta is not None:
                self.credit.eta = feedback_eta  # type: ignore[union-attr]
        return done

    def show(self, samples: Any, labels: Any = None, **how: Any) -> Presentations:
        """Present samples; unless learn=True the jitter gives way to its mean. See :meth:`snn.Simulator.present`."""
        learn = how.get("learn", False)
        if self.code is not None:
            code = self.code if learn else self.code.at_mean()
            for name in ("t_first", "t_last", "jitter"):
                setattr(self.inputs.model, name, getattr(code, name))
        return self.sim.present(
            samples,
            labels,
            into=self.inputs,
            readout=self.readout,
            duration=self.duration,
            labels_into=self.labels,
            **{"learn": False, **how},
        )


class LatencyClassifier(Classifier):
    """n_in - n_hidden ... - n_out, trained online, one sample at a time, by any three-factor rule and credit pathway.

    Each input above `low` fires from a time on that is the earlier, the larger it is, every `period` until the
    presentation ends; the last hidden layer's spikes are counted by the readout with its weights; the error is
    softmax(readout) - onehot(label).

    Parameters
    ----------
    sizes : (int, int, ..., int)
        Inputs, one or more hidden layers, classes.
    hidden_rule : Rule or None
        Rule of the synapses onto hidden layers; None freezes them.
    readout_rule : Rule
        Rule of the synapses onto the readout.
    credit : Credit or None
        Pathway to the hidden layers, from each layer to the one below or from the readout to all, as the pathway says;
        None where the hidden weights are frozen. The network has a copy of its own.
    seed : int
        Seed of weights, feedback and the order of samples.
    w_in, w_hidden : (float, float)
        Mean and s.d. of the weights from the inputs and between hidden layers, to be divided by the square root of the
        number of neurons that they come from.
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
    encoder : Source, optional
        In place of the latency code above: Playback() for samples that are spikes, Rate(...), a Latency(...) with times
        and a jitter of its own. The network has a copy.
    steps : int, optional
        Run on the grid engine, with so many time steps in a presentation; by default in continuous time.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        hidden_rule: Rule | None,
        readout_rule: Rule,
        credit: Credit | None,
        *,
        seed: int = 0,
        w_in: tuple[float, float] = (0.4, 1.2),
        w_hidden: tuple[float, float] = (0.4, 1.2),
        w_out: float = 0.05,
        tau_m: float = 50 * ms,
        t_last: float = 20 * ms,
        duration: float = 30 * ms,
        period: float = math.inf,
        low: float = 0.1,
        jitter: float = 8 * ms,
        encoder: Source | None = None,
        steps: int | None = None,
    ) -> None:
        net = Network(seed)
        latency = Latency(t_last=t_last, low=low, jitter=jitter, period=period)
        self.inputs = self._input(net, latency if encoder is None else encoder, sizes[0])
        self.hidden = hidden_layers(net, LIF(tau_m=tau_m, soft_reset=True), sizes[1:-1])
        self.readout = net.population("readout", Readout(), sizes[-1])
        self.projections: list[Projection] = []
        below = self.inputs
        for layer in self.hidden:
            mean, sd = w_in if below is self.inputs else w_hidden
            scale = 1.0 / math.sqrt(len(below))
            self._join(net, below, layer, normal(mean * scale, sd * scale), hidden_rule)
            below = layer
        self._join(net, below, self.readout, normal(0.0, w_out), readout_rule)
        self.credit = None if credit is None else credit.replace()
        if self.credit is not None:
            above = [*self.hidden[1:], self.readout]
            for k, layer in enumerate(self.hidden):
                net.credit(self.credit, error=above[k] if self.credit.layerwise else self.readout, to=layer)
        self.network, self.duration, self.seed = net, duration, seed
        self.sim = Simulator(net, record=[], **clock(duration, steps))

    def _join(
        self, net: Network, below: Population, above: Population, weight: Distribution, rule: Rule | None
    ) -> None:
        self.projections.append(net.connect(below, above, all_to_all(), weight=weight, rule=rule, dtype="float32"))
