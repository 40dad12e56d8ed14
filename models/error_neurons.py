"""Spiking classifiers that learn from spikes alone: error neurons compare the label's spikes with the outputs'."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from snn.arguments import duration_of
from snn.connect import all_to_all, one_to_one
from snn.connectors import Connector
from snn.errors import ParameterError
from snn.network import Network, Population, Projection
from snn.plugin import Model
from snn.random import Streams, normal
from snn.simulator import Simulator
from snn.units import ms

from .classifier import Classifier, clock, hidden_layers
from .lif import LIF
from .sources import Latency
from .two_compartment import TwoCompartmentLIF


class ErrorNeuronClassifier(Classifier):
    """n_in - n_hidden ... - n_out of LIF neurons, and two error neurons for each class.

    While a sample is shown, a neuron for its class fires every `label_period` from `label_first` on. An error neuron
    "under" integrates the label's spikes less the output's, an error neuron "over" the output's less the label's; their
    spikes go over fixed random synapses to the error compartments of the hidden layers, and one to one to those of the
    outputs. Synapses learn when their own input's next spike arrives, so inputs have to fire again (`period`) within a
    presentation.

    Parameters
    ----------
    sizes : (int, int, ..., int)
        Inputs, one or more hidden layers, classes.
    hidden_rule, readout_rule : Rule
        With a method `on_teach`, such as ErrorNeurons.
    scale : float
        S.d. of the fixed random weights from the error neurons to the hidden layers.
    label_period : float, s
        Time between two spikes of the label's neuron.
    label_first : float, s
        Time of the first, before `duration`. Outputs come to their rate slowly; what they owe a label by then is an
        error, also where the answer is right.
    e_weight : float
        Weight of a label's or an output's spike at an error neuron, in thresholds.
    tau_error : float, s
        Time constant with which error neurons forget; inf: they count. Where it is short, a label's spike and an
        output's cancel only if they come close together.
    seed, w_in, w_hidden, w_out, tau_m, t_last, duration, period, low, jitter, steps
        As in :class:`LatencyClassifier`.

    References
    ----------
    Neftci, Augustine, Paul & Detorakis (2017) Front. Neurosci. 11, 324.
    """

    def __init__(
        self,
        sizes: Any,
        hidden_rule: Any,
        readout_rule: Any,
        *,
        scale: float = 0.3,
        label_period: float = 4 * ms,
        label_first: float = 0.0,
        e_weight: float = 1.0,
        tau_error: float = math.inf,
        seed: int = 0,
        w_in: tuple[float, float] = (0.4, 1.2),
        w_hidden: tuple[float, float] = (0.4, 1.2),
        w_out: tuple[float, float] = (0.0, 1.0),
        tau_m: float = 50 * ms,
        t_last: float = 20 * ms,
        duration: float = 50 * ms,
        period: float = 25 * ms,
        low: float = 0.1,
        jitter: float = 2 * ms,
        steps: int | None = None,
    ) -> None:
        duration = duration_of(f"{type(self).__name__}.duration", duration, positive=True)
        label_first = duration_of(f"{type(self).__name__}.label_first", label_first)
        if label_first >= duration:
            raise ParameterError(
                f"{type(self).__name__}.label_first is {label_first:g} s, when presentations of {duration:g} s have "
                "ended, so that no label would speak; give a shorter time, or a longer duration."
            )
        net = Network(seed)
        self.inputs = self._input(net, Latency(t_last=t_last, low=low, jitter=jitter, period=period), sizes[0])
        self.hidden = hidden_layers(net, self._cell(tau_m), sizes[1:-1])
        n_out = sizes[-1]
        self.readout = net.population("readout", self._output(tau_m), n_out)
        speaks = Latency(low=0.5, t_first=label_first, t_last=label_first, period=label_period)
        self.labels = net.population("label", speaks, n_out)
        integrate = LIF(tau_m=tau_error, soft_reset=True)
        under, over = net.population("under", integrate, n_out), net.population("over", integrate, n_out)
        for errors, sign in ((under, 1.0), (over, -1.0)):
            net.connect(self.labels, errors, one_to_one(), weight=sign * e_weight)
            net.connect(self._axons(net, self.readout), errors, one_to_one(), weight=-sign * e_weight)
        self.projections: list[Projection] = []
        rng = Streams(seed).generator("error", "feedback")
        layers = [self.inputs, *self.hidden, self.readout]
        for below, layer in itertools.pairwise(layers):
            mean, sd = w_in if below is self.inputs else w_out if layer is self.readout else w_hidden
            norm = math.sqrt(len(below))
            learns = net.connect(
                self._axons(net, below),
                layer,
                all_to_all(),
                weight=normal(mean / norm, sd / norm),
                rule=readout_rule if layer is self.readout else hidden_rule,
                dtype="float32",
            )
            self.projections.append(learns)
            if layer is self.readout:
                for errors, sign in ((under, -1.0), (over, 1.0)):
                    self._tell(net, errors, learns, one_to_one(), sign)
            else:
                self._feed_back(net, (under, over), learns, lambda n, m: rng.normal(0.0, scale, (n, m)))
        self.network, self.duration, self.seed = net, duration, seed
        self.sim = Simulator(net, record=[], **clock(duration, steps))

    def _cell(self, tau_m: float) -> Model:
        """Neurons of the hidden layers."""
        return LIF(tau_m=tau_m, soft_reset=True)

    def _output(self, tau_m: float) -> Model:
        """Neurons of the readout."""
        return self._cell(tau_m)

    def _axons(self, net: Network, layer: Population) -> Population:
        """The population whose spikes tell the layer above, or error neurons, what a layer has to say."""
        return layer

    def _feed_back(
        self, net: Network, errors: tuple[Population, Population], learns: Projection, draw: Callable[[int, int], Any]
    ) -> None:
        """Tell a hidden layer of errors over fixed weights draw(n_from, n_to); `errors` are "under" and "over"."""
        b = draw(len(errors[0]), len(learns.target))
        for some, sign in zip(errors, (-1.0, 1.0), strict=True):
            self._tell(net, some, learns, all_to_all(), sign * b)

    def _tell(self, net: Network, errors: Population, learns: Projection, way: Connector, weight: Any) -> None:
        """Let error neurons reach what learns; a positive weight says that the target fires too much."""
        net.connect(errors, learns.target, way, weight=weight, teaches=learns)


class LocalTargetClassifier(ErrorNeuronClassifier):
    """The same network, whose error neurons reach dendrites of the neurons and no synapse that learns.

    Hidden neurons and outputs have two compartments. An error neuron's spike reaches dendrites after 1 ms and nudges an
    output towards firing more ("under") or less ("over"), hidden neurons either way. What a neuron then does is what
    its synapses learn to make it do. Outputs that are nudged come closer to the label, and errors become fewer.
    In evaluation, without labels, each spike of an output is an error, whose nudges are felt but not learned from.

    Parameters
    ----------
    sizes : (int, int, ..., int)
        Inputs, one or more hidden layers, classes.
    hidden_rule, readout_rule : Rule
        Such as LocalTarget, with rates that go with the nudges: the weaker these are, the higher those.
    nudge : float
        Weight of an error neuron's spike at the dendrite of its output, in thresholds; at hidden dendrites it is random
        with mean 0 and s.d. `scale`.
    coupling : float
        Conductance from the dendrite, relative to the soma's leak.
    tau_dend : float, s
        Time constant of the dendrite.
    tau_m : float, s
        Time constant of the soma, the dendrite's pull included.
    scale, label_period, ...
        As in :class:`ErrorNeuronClassifier`.

    References
    ----------
    Urbanczik & Senn (2014) Neuron 81, 521; Sacramento et al. (2018) NeurIPS 31 (errors at dendrites).
    """

    def __init__(
        self,
        sizes: Any,
        hidden_rule: Any,
        readout_rule: Any,
        *,
        nudge: float = 0.5,
        coupling: float = 0.5,
        tau_dend: float = 10 * ms,
        **how: Any,
    ) -> None:
        self.nudge, self.coupling, self.tau_dend = nudge, coupling, tau_dend
        super().__init__(sizes, hidden_rule, readout_rule, **how)

    def _cell(self, tau_m: float) -> Model:
        return TwoCompartmentLIF(tau_m=(1.0 + self.coupling) * tau_m, tau_dend=self.tau_dend, coupling=self.coupling)

    def _tell(self, net: Network, errors: Population, learns: Projection, way: Connector, weight: Any) -> None:
        size = self.nudge if learns.target is self.readout else 1.0
        net.connect(errors, learns.target, way, weight=-size * np.asarray(weight), port="error", delay=1 * ms)
