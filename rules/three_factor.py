"""Three-factor rule for hidden spiking layers: exact eligibility of a leaky integrator, times a learning signal."""

from __future__ import annotations

import math
from typing import Any

from snn.plugin import Rule, param, state


class ThreeFactor(Rule):
    r"""w <- w - eta L_j e_ij, with the eligibility of a LIF synapse under event-sampled surrogate derivatives.

    The potential's derivative by the weight, after a presynaptic spike at t_i, is exp(-(t - t_i) / tau). Sampling the
    surrogate derivative psi of the spike at the arrivals t_n that the neuron receives gives

        e_ij = sum_i sum_{n: t_n >= t_i} psi_j(t_n) exp(-(t_n - t_i) / tau)
             = sum_i exp(t_i / tau) (a_j(T) - a_j(t_i-)),   a_j(t) = sum_{n: t_n <= t} psi_j(t_n) exp(-t_n / tau),

    so that a synapse is touched once per presynaptic spike, whatever the number of samples. psi is a triangle of
    height 1 and half width `width` around the threshold. The reset's own derivative is left out, as usual.

    Presentations must be short against 25 tau: a_j(T) and a_j(t_i) are subtracted.

    References
    ----------
    Bellec et al. (2020) Nat. Commun. 11, 3625, eqs. 3 and 21 (eligibility, pseudo-derivative); Neftci et al. (2017)
    Front. Neurosci. 11, 324 (event-sampled surrogate).
    """

    eta: float = param(0.01, min=0, doc="learning rate")
    width: float = param(
        1.0, above=0, doc="half width of the surrogate derivative, in units of the threshold's distance to rest"
    )
    tau: float = param(
        None, unit="s", above=0, inherit="tau_m", finite=False, doc="membrane time constant of the target"
    )
    v_thresh: float = param(None, unit="V", inherit="v_thresh", doc="threshold of the target")
    rate_cost: float = param(0.0, min=0, doc="pull of the spike count towards rate_target, added to the signal")
    rate_target: float = param(1.0, min=0, doc="spikes per presentation that cost nothing")
    e = state("syn", doc="sum over spikes of exp(t_i / tau) a_j(t_i-)")
    s = state("pre", doc="sum over spikes of exp(t_i / tau)")
    a = state("post", doc="sum over arrivals of psi(v_j) exp(-t_n / tau)")
    n = state("post", doc="spikes in this presentation")
    reads = ("post.v",)
    reference = "Bellec et al. (2020); Neftci et al. (2017)"

    def psi(self, v: float) -> float:
        return max(0.0, 1.0 - abs(v - self.v_thresh) / (self.width * self.v_thresh))

    def on_pre(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        syn.e += math.exp(t / self.tau) * post.a
        post.a += self.psi(post.v) * math.exp(-t / self.tau)

    def pre_spike(self, pre: Any, t: float) -> None:
        pre.s += math.exp(t / self.tau)

    def post_spike(self, post: Any, t: float) -> None:
        post.n += 1.0

    def on_signal(self, syn: Any, pre: Any, post: Any, signal: float, t: float) -> None:
        signal += self.rate_cost * (post.n - self.rate_target)
        syn.w -= self.eta * signal * (pre.s * post.a - syn.e)
        syn.e = 0.0
