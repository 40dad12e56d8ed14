"""Delta rule for readouts."""

from __future__ import annotations

from typing import Any

from snn.plugin import Rule, param, state


class Delta(Rule):
    """w <- w - eta e_k x_i: error of the readout times the presynaptic trace (with tau = inf: its spike count).

    References
    ----------
    Widrow & Hoff (1960).
    """

    eta: float = param(0.01, min=0, doc="learning rate")
    tau: float = param(None, unit="s", above=0, inherit="tau_m", finite=False, doc="decay of the trace: the readout's")
    x = state("pre", decay="tau", doc="what the presynaptic spikes have left in the readout, per unit weight")
    reference = "Widrow & Hoff (1960)"

    def pre_spike(self, pre: Any, t: float) -> None:
        pre.x += 1.0

    def on_signal(self, syn: Any, pre: Any, post: Any, signal: float, t: float) -> None:
        syn.w -= self.eta * signal * pre.x
