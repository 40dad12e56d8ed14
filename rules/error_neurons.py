"""Learning made of spikes alone: the spikes of error neurons are a synapse's third factor (event-driven random BP)."""

from __future__ import annotations

from typing import Any

from snn.plugin import Rule, param, state
from snn.units import ms


class ErrorNeurons(Rule):
    r"""w <- w - eta u_j at each presynaptic spike that finds the target's potential between `low` and `high`.

    Both count from rest to threshold: v_rest + low (v_thresh - v_rest) < v < v_rest + high (v_thresh - v_rest).

    u_j is a compartment of the target: tau_u du_j/dt = -u_j, and a spike of error neuron k adds the fixed weight B_jk
    of a projection that teaches this one. The window stands for the surrogate derivative of the spike; nothing but
    spikes tells the synapse of the error. A spike of the target itself adds `rate_cost`, so that firing has to pay.

    References
    ----------
    Neftci, Augustine, Paul & Detorakis (2017) Front. Neurosci. 11, 324, eq. 5-7 (eRBP).
    """

    eta: float = param(0.001, min=0, doc="learning rate")
    low: float = param(-0.5, doc="lower end of the window; 0: at rest, 1: at threshold")
    high: float = param(1.0, doc="upper end of the window; 0: at rest, 1: at threshold")
    tau_u: float = param(20 * ms, unit="s", above=0, doc="time constant of the error compartment")
    rate_cost: float = param(0.0, min=0, doc="error that a spike of the target's own counts as")
    v_thresh: float = param(None, unit="V", inherit="v_thresh", doc="threshold of the target")
    v_rest: float = param(None, unit="V", inherit="v_rest", doc="resting potential of the target")
    u = state("post", decay="tau_u", doc="error compartment")
    reads = ("post.v",)
    reference = "Neftci et al. (2017)"

    def on_pre(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        rise = self.v_thresh - self.v_rest
        if self.v_rest + self.low * rise < post.v < self.v_rest + self.high * rise:
            syn.w -= self.eta * post.u

    def post_spike(self, post: Any, t: float) -> None:
        post.u += self.rate_cost

    def on_teach(self, post: Any, w: float, t: float) -> None:
        post.u += w
