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

    so that a synapse is touched once per presynaptic spike, whatever the number of samples. The surrogate derivative

        psi(v) = (1 + |v - v_thresh| / (width |v_thresh - v_rest|))^-2

    is that of a fast sigmoid. It vanishes nowhere, so that a neuron that has fallen silent can learn to fire again.
    The reset's own derivative is left out, as usual.

    A neuron that does what its signal asks for can be content, as under a hinge loss: L_j counts as 0 where it is
    positive and the neuron has fired no more than `few` spikes, or negative and it has fired `enough`. Signals that no
    error makes smaller, such as DRTP's, come to an end so. `rate_cost` is added in any case.

    Presentations last 25 tau at the most: a_j(T) and a_j(t_i) are subtracted, whose rounding grows as exp(T / tau).

    References
    ----------
    Bellec et al. (2020) Nat. Commun. 11, 3625, eq. 3 (eligibility); Zenke & Ganguli (2018) Neural Comput. 30, 1514
    (fast sigmoid); Neftci et al. (2017) Front. Neurosci. 11, 324 (event-sampled surrogate).
    """

    eta: float = param(0.01, min=0, doc="learning rate")
    width: float = param(
        0.5, above=0, doc="distance, in v_thresh - v_rest, at which the surrogate derivative has fallen to a quarter"
    )
    tau: float = param(
        None, unit="s", above=0, inherit="tau_m", finite=False, doc="membrane time constant of the target"
    )
    v_thresh: float = param(None, unit="V", inherit="v_thresh", doc="threshold of the target")
    v_rest: float = param(None, unit="V", inherit="v_rest", doc="resting potential of the target")
    rate_cost: float = param(0.0, min=0, doc="pull of the spike count towards rate_target, added to the signal")
    rate_target: float = param(1.0, min=0, doc="spikes per presentation that cost nothing")
    few: float = param(-1.0, min=-1, doc="spikes with which a neuron that is told to fire less is content; -1: never")
    enough: float = param(
        math.inf, min=0, finite=False, doc="spikes with which a neuron that is told to fire more is content; inf: never"
    )
    e = state("syn", doc="sum over spikes of exp(t_i / tau) a_j(t_i-)")
    s = state("pre", doc="sum over spikes of exp(t_i / tau)")
    a = state("post", doc="sum over arrivals of psi(v_j) exp(-t_n / tau)")
    n = state("post", doc="spikes in this presentation")
    reads = ("post.v",)
    once = True
    longest = ("tau", 25.0)
    reference = "Bellec et al. (2020); Zenke & Ganguli (2018); Neftci et al. (2017)"

    def psi(self, v: float) -> float:
        half = self.width * abs(self.v_thresh - self.v_rest)
        root = half / (half + abs(v - self.v_thresh))
        return root * root

    def on_pre(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        syn.e += math.exp(t / self.tau) * post.a
        post.a += self.psi(post.v) * math.exp(-t / self.tau)

    def pre_spike(self, pre: Any, t: float) -> None:
        pre.s += math.exp(t / self.tau)

    def post_spike(self, post: Any, t: float) -> None:
        post.n += 1.0

    def on_signal(self, syn: Any, pre: Any, post: Any, signal: float, t: float) -> None:
        if self.few >= 0.0 or self.enough < math.inf:
            signal = min(signal, 0.0) if post.n <= self.few else signal
            signal = max(signal, 0.0) if post.n >= self.enough else signal
        if self.rate_cost > 0.0:
            signal += self.rate_cost * (post.n - self.rate_target)
        syn.w -= self.eta * signal * (pre.s * post.a - syn.e)
        syn.e = 0.0

    def gain(self, post: Any, t: float) -> float:
        return post.a
