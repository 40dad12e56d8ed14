"""Burst-dependent plasticity: an event that is a burst strengthens the synapses that made it, another weakens them."""

from __future__ import annotations

import math
from typing import Any

from snn.plugin import Rule, param, state
from snn.units import ms


class BurstProp(Rule):
    r"""w <- w - eta (Pbar_j + rate_cost) e_ij at an event of the target j, w <- w + eta e_ij when it becomes a burst.

    A spike after more than t_burst of silence is an event; a second spike within t_burst of it makes it a burst, and
    further ones count for nothing. e_ij is the presynaptic trace x_i, tau_x dx_i/dt = -x_i, at the event. Pbar_j
    is a moving average of the share of events that are bursts, over the last n_mean events or so:

        Pbar_j <- Pbar_j - Pbar_j / n_mean at each event,  Pbar_j <- Pbar_j + 1 / n_mean at each burst.

    If an event becomes a burst with probability P_j, the mean change for each is eta (P_j - Pbar_j) e_ij, the cost
    aside: the synapse learns from bursts being likelier than of late, and nobody tells it of an error. The target's
    dendrite decides what becomes a burst, as that of BurstLIF does.

    The reference takes x_i at the second spike for bursts and averages over time. With the trace of the event on both
    sides nothing changes on average while P_j = Pbar_j, whether inputs come or go in between. The mean is kept by each
    synapse, since it has to outlast a presentation. It begins with p_rest.

    References
    ----------
    Payeur, Guerguiev, Zenke, Richards & Naud (2021) Nat. Neurosci. 24, 1010, eq. 1.
    """

    eta: float = param(0.001, min=0, doc="learning rate")
    tau_x: float = param(20 * ms, unit="s", above=0, doc="decay of the presynaptic trace")
    n_mean: float = param(1000.0, min=1, finite=False, doc="events that the mean remembers; inf: it stays p_rest")
    rate_cost: float = param(0.0, min=0, doc="share of bursts above the mean that firing has to pay with")
    t_burst: float = param(None, unit="s", above=0, inherit="t_burst", doc="silence after which a spike is an event")
    p_rest: float = param(None, min=0, max=1, inherit="p_rest", doc="share of events that are bursts, at first")
    x = state("pre", decay="tau_x", doc="presynaptic trace")
    e = state("syn", doc="x at the last event")
    rise = state("syn", doc="Pbar - p_rest")
    recent = state("post", decay="t_burst", doc="1 at a spike")
    n = state("post", doc="spikes from the last event on")
    reference = "Payeur et al. (2021)"

    def is_event(self, post: Any) -> bool:
        return bool(post.recent < math.exp(-1.0))

    def on_post(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        if self.is_event(post):
            mean = self.p_rest + syn.rise
            syn.e = pre.x
            syn.w -= self.eta * (mean + self.rate_cost) * syn.e
            syn.rise -= mean / self.n_mean
        elif post.n < 1.5:
            syn.w += self.eta * syn.e
            syn.rise += 1.0 / self.n_mean

    def pre_spike(self, pre: Any, t: float) -> None:
        pre.x += 1.0

    def post_spike(self, post: Any, t: float) -> None:
        post.n = 1.0 if self.is_event(post) else post.n + 1.0
        post.recent = 1.0
