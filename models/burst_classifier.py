"""A spiking classifier whose errors are bursts: one spike train carries the signal up, and what is wrong down."""

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
    def __init__(
        self,
        sizes: Any,
        hidden_rule: Any,
        readout_rule: Any,
        *,
        t_ref: float = 3 * ms,
        t_burst: float = 6 * ms,
        u_burst: float = 0.5,
        width: float = 0.5,
        drive: float = 0.0,
        soft: bool = True,
        **how: Any,
    ) -> None:
        self.bursts = {"t_ref": t_ref, "t_burst": t_burst, "u_burst": u_burst, "width": width}
        self.drive, self.soft = drive, soft
        self.relays: dict[str, tuple[Population, Population]] = {}
        super().__init__(sizes, hidden_rule, readout_rule, **how)
        self.outputs, self.readout = self.readout, self.relays["readout"][0]

    def _cell(self, tau_m: float) -> Model:
        return BurstLIF(tau_m=tau_m, tau_dend=self.tau_dend, soft_reset=self.soft, **self.bursts)

    def _output(self, tau_m: float) -> Model:
        return self._cell(tau_m).replace(tau_m=(1.0 + self.coupling) * tau_m, coupling=self.coupling, drive=self.drive * (1.0 + self.coupling))

    def _told(self, net: Network, layer: Population) -> tuple[Population, Population]:
        """Relays of a layer's events and of its bursts."""
        if layer.name not in self.relays:
            t_ref, t_burst = self.bursts["t_ref"], self.bursts["t_burst"]
            events = net.population(f"events of {layer.name}", LIF(t_ref=t_burst), len(layer))
            bursts = net.population(f"bursts of {layer.name}", LIF(tau_m=t_ref), len(layer))
            net.connect(layer, events, one_to_one(), weight=1.0)
            net.connect(layer, bursts, one_to_one(), weight=1.0 / (1.0 + math.exp(-t_burst / t_ref)))
            self.relays[layer.name] = events, bursts
        return self.relays[layer.name]

    def _axons(self, net: Network, layer: Population) -> Population:
        return layer if layer is self.inputs else self._told(net, layer)[0]

    def _feed_back(
        self, net: Network, errors: tuple[Population, Population], learns: Projection, draw: Callable[[int, int], Any]
    ) -> None:
        layers = [*self.hidden, self.readout]
        above = layers[layers.index(learns.target) + 1]
        events, bursts = self._told(net, above)
        b = draw(len(above), len(learns.target))
        for relay, weight, wait in ((bursts, b, 0.0), (events, -above.model.p_rest * b, self.bursts["t_ref"])):
            net.connect(relay, learns.target, all_to_all(), weight=weight, port="error", delay=1 * ms + wait)
