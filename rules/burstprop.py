"""Burst-dependent plasticity: an event that is a burst strengthens the synapses that made it, any other weakens them."""

from __future__ import annotations

import math
from typing import Any

from snn.plugin import Rule, param, state
from snn.units import ms


class BurstProp(Rule):
    r"""w <- w - eta (Pbar_j + rate_cost) x_i at each event of neuron j; w <- w + eta x_i at each burst, its second spike.

    A spike after more than t_burst of silence is an event; a second spike within t_burst makes it a burst. x_i is a
    trace of presynaptic spikes, tau_x dx_i/dt = -x_i. Pbar_j is a moving average of the share of events that are
    bursts, over the last `n_mean` events or so; it begins each presentation with p_rest:

        Pbar_j <- Pbar_j - Pbar_j / n_mean at each event;  Pbar_j <- Pbar_j + 1 / n_mean at each burst.

    With P_j the probability that an event is a burst, the mean change is eta (P_j - Pbar_j) x_i for each event: the
    synapse learns from how much more likely bursts have become, and nobody tells it of an error. An event's own
    `rate_cost` is on top of that, so that firing has to pay.

    References
    ----------
    Payeur, Guerguiev, Zenke, Richards & Naud (2021) Nat. Neurosci. 24, 1010, eq. 1.
    """

    eta: float = param(0.01, min=0, doc="learning rate")
    tau_x: float = param(20 * ms, unit="s", above=0, doc="decay of the presynaptic trace")
    n_mean: float = param(100.0, min=1, finite=False, doc="events that the mean remembers; inf: it stays p_rest")
    rate_cost: float = param(0.0, min=0, doc="share of bursts that an event has to make up for")
    t_burst: float = param(None, unit="s", above=0, inherit="t_burst", doc="silence after which a spike is an event")
    p_rest: float = param(None, min=0, max=1, inherit="p_rest", doc="share of events that are bursts, at first")
    x = state("pre", decay="tau_x", doc="presynaptic trace")
    recent = state("post", decay="t_burst", doc="1 at a spike")
    n = state("post", doc="spikes since the last event, with it")
    e = state("syn", doc="x_i at the last event")
    rise = state("syn", doc="Pbar_j - p_rest")
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
        if self.is_event(post):
            post.n = 0.0
        post.n += 1.0
        post.recent = 1.0
