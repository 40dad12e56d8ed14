"""Delta rule for readouts."""

from __future__ import annotations

from typing import Any

from snn.plugin import Rule, param, state


class Delta(Rule):
    """w <- w - eta (e_k x_i + decay w): error of the readout times the presynaptic trace (tau = inf: its spike count).

    The decay acts, like the rest, on synapses whose axon has carried a spike.

    References
    ----------
    Widrow & Hoff (1960).
    """

    eta: float = param(0.01, min=0, doc="learning rate")
    decay: float = param(0.0, min=0, doc="decay of the weight with each update, relative to eta")
    tau: float = param(None, unit="s", above=0, inherit="tau_m", finite=False, doc="decay of the trace: the readout's")
    x = state("pre", decay="tau", doc="what the presynaptic spikes have left in the readout, per unit weight")
    reference = "Widrow & Hoff (1960)"

    def pre_spike(self, pre: Any, t: float) -> None:
        pre.x += 1.0

    def on_signal(self, syn: Any, pre: Any, post: Any, signal: float, t: float) -> None:
        change = self.eta * signal * pre.x
        if self.decay > 0.0:
            change += self.eta * self.decay * syn.w
        syn.w -= change
