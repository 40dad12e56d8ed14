"""A spiking classifier whose errors are bursts: one spike train takes the signal up, and what is wrong with it down."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from snn.connect import all_to_all, one_to_one
from snn.network import Network, Population, Projection
from snn.plugin import Model
from snn.units import ms

from .bursting import BurstLIF
from .error_neurons import LocalTargetClassifier
from .lif import LIF


class BurstClassifier(LocalTargetClassifier):
    """n_in - n_hidden ... - n_out of bursting neurons; the label nudges dendrites of outputs, bursts those below.

    Events go up, bursts go down. Each layer has two relays for each neuron: one fires for an event and is refractory
    until the next can come, as a depressing synapse is, so that a burst is no more evidence than a single spike; the
    other fires for the second spike of a burst, as a facilitating synapse does. With the fixed random weights B, from
    each layer to the one below, a dendrite gets B for a burst and -p_rest B for an event: nothing on average while the
    layer above is at rest, whatever its rate. Error neurons reach dendrites of outputs only, as in
    LocalTargetClassifier, for the events that are missing or too many.

    Hidden dendrites do not pull at their somas: credit leaves what is passed on as it is. Those of the outputs do, or
    an output without events would never learn that some are missing. While learning, outputs are therefore better than
    without labels.

    Parameters
    ----------
    sizes : (int, int, ..., int)
        Inputs, one or more hidden layers, classes.
    hidden_rule, readout_rule : Rule
        Such as BurstProp.
    nudge, tau_dend, tau_m : float
        As in :class:`LocalTargetClassifier`.
    coupling : float
        Conductance from an output's dendrite, relative to the soma's leak.
    t_ref, t_burst, u_burst, width : float
        Of :class:`BurstLIF`. The closer t_burst is to t_ref, the fewer second spikes are the input's doing: those count
        as bursts too, and make weights explode where there are many (they do with t_burst = 2 t_ref).
    scale : float
        S.d. of B.
    label_period, ...
        As in :class:`ErrorNeuronClassifier`.

    References
    ----------
    Payeur, Guerguiev, Zenke, Richards & Naud (2021) Nat. Neurosci. 24, 1010 (short-term plasticity where relays are).
    """

    def __init__(
        self,
        sizes: Any,
        hidden_rule: Any,
        readout_rule: Any,
        *,
        nudge: float = 4.0,
        coupling: float = 1.0,
        tau_dend: float = 30 * ms,
        t_ref: float = 3 * ms,
        t_burst: float = 3.2 * ms,
        u_burst: float = 0.3,
        width: float = 0.5,
        **how: Any,
    ) -> None:
        self.bursting = BurstLIF(tau_dend=tau_dend, t_ref=t_ref, t_burst=t_burst, u_burst=u_burst, width=width)
        self.relays: dict[str, tuple[Population, Population]] = {}
        super().__init__(sizes, hidden_rule, readout_rule, nudge=nudge, coupling=coupling, tau_dend=tau_dend, **how)

    def _cell(self, tau_m: float) -> Model:
        made: Model = self.bursting.replace(tau_m=tau_m)
        return made

    def _output(self, tau_m: float) -> Model:
        made: Model = self.bursting.replace(tau_m=(1.0 + self.coupling) * tau_m, coupling=self.coupling)
        return made

    def _relays(self, net: Network, layer: Population) -> tuple[Population, Population]:
        """Neurons that fire for the events of a layer, and those for its bursts."""
        if layer.name not in self.relays:
            t_ref, t_burst = self.bursting.t_ref, self.bursting.t_burst
            events = net.population(f"events of {layer.name}", LIF(t_ref=t_burst), len(layer))
            bursts = net.population(f"bursts of {layer.name}", LIF(tau_m=t_ref), len(layer))
            net.connect(layer, events, one_to_one(), weight=1.0)
            # Two spikes reach the threshold of 1 if they are t_burst apart or less.
            net.connect(layer, bursts, one_to_one(), weight=1.0 / (1.0 + math.exp(-t_burst / t_ref)))
            self.relays[layer.name] = events, bursts
        return self.relays[layer.name]

    def _axons(self, net: Network, layer: Population) -> Population:
        return layer if layer is self.inputs else self._relays(net, layer)[0]

    def _feed_back(
        self, net: Network, errors: tuple[Population, Population], learns: Projection, draw: Callable[[int, int], Any]
    ) -> None:
        layer, layers = learns.target, [*self.hidden, self.readout]
        above = layers[layers.index(layer) + 1]
        events, bursts = self._relays(net, above)
        b = draw(len(above), len(layer))
        # What an event is worth on average arrives when its burst would.
        for relay, weight, wait in ((bursts, b, 0.0), (events, -self.bursting.p_rest * b, self.bursting.t_ref)):
            net.connect(relay, layer, all_to_all(), weight=weight, port="error", delay=1 * ms + wait)
