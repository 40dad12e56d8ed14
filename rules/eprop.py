"""e-prop: online learning in recurrent spiking networks, for leaky and adaptive-threshold neurons."""

from __future__ import annotations

import math
from typing import Any

from snn.plugin import Rule, param, state


class EProp(Rule):
    r"""w <- w - eta sum_t L_j(t) F(e_ij)(t) at the end of a presentation, for synapses onto LIF neurons.

    At every error within a presentation (``present(..., every=)``), with z_i the trace that arrivals leave in the
    potential per unit weight, and F the readout's filter:

        e_ij = psi_j z_i,    F(e) <- kappa F(e) + e,    kappa = exp(-dt / tau_out),
        psi_j = gamma / s max(0, 1 - |v_j - v_thresh| / (width s)),    s = |v_thresh - v_rest|.

    Where the neuron has fired since the last error, psi is that of the potential which the spike was fired from. z_i
    knows nothing of resets and refractory times: it is the potential's derivative where a spike subtracts a constant
    and arrivals are never lost, as in the published neurons; else it also remembers what the potential has forgotten.

    Parameters are those of Bellec et al. where an input of weight w moves their potential by (1 - alpha) w and ours by
    w; eta differs by (1 - alpha)^2.

    References
    ----------
    Bellec et al. (2020) Nat. Commun. 11, 3625, eq. 22-23 and 28.
    """

    eta: float = param(0.001, min=0, doc="learning rate")
    gamma: float = param(0.3, above=0, doc="height of the pseudo-derivative")
    width: float = param(
        1.0, above=0, doc="distance, in v_thresh - v_rest, at which the pseudo-derivative has fallen to 0"
    )
    tau: float = param(
        None, unit="s", above=0, inherit="tau_m", finite=False, doc="membrane time constant of the target"
    )
    tau_out: float = param(20e-3, unit="s", above=0, doc="time constant of the readout")
    v_thresh: float = param(None, unit="V", inherit="v_thresh", doc="threshold of the target")
    v_rest: float = param(None, unit="V", inherit="v_rest", doc="resting potential of the target")
    rate_cost: float = param(0.0, min=0, doc="pull of the spike count towards rate_target")
    rate_target: float = param(10.0, min=0, doc="spikes per presentation that cost nothing")
    f = state("syn", doc="eligibility, filtered as the readout does")
    g = state("syn", doc="sum over errors of L f")
    s = state("syn", doc="sum over errors of the eligibility")
    z = state("pre", decay="tau", doc="what arrivals have left in the potential, per unit weight")
    psi = state("post", doc="pseudo-derivative at the present error")
    fired = state("post", -1.0, doc="pseudo-derivative of a spike since the last error; -1: there was none")
    kappa = state("post", doc="decay of the readout since the last error")
    last = state("post", unit="s", doc="time of the last error")
    n = state("post", doc="spikes in this presentation")
    reads = ("post.v",)
    reference = "Bellec et al. (2020)"

    def threshold(self, post: Any) -> float:
        return self.v_thresh

    def slope(self, post: Any) -> float:
        """Pseudo-derivative of the spike by the potential."""
        scale = abs(self.v_thresh - self.v_rest)
        away = abs(post.v - self.threshold(post)) / (self.width * scale)
        return self.gamma / scale * max(0.0, 1.0 - away)

    def eligibility(self, syn: Any, pre: Any, post: Any) -> float:
        return post.psi * pre.z

    def pre_spike(self, pre: Any, t: float) -> None:
        pre.z += 1.0

    def post_spike(self, post: Any, t: float) -> None:
        post.n += 1.0
        post.fired = self.slope(post)

    def post_signal(self, post: Any, signal: float, t: float) -> None:
        post.psi = post.fired if post.fired >= 0.0 else self.slope(post)
        post.fired = -1.0
        post.kappa = math.exp((post.last - t) / self.tau_out)
        post.last = t

    def on_signal(self, syn: Any, pre: Any, post: Any, signal: float, t: float) -> None:
        e = self.eligibility(syn, pre, post)
        syn.f = post.kappa * syn.f + e
        syn.g += signal * syn.f
        syn.s += e

    def on_end(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        syn.w -= self.eta * (syn.g + self.rate_cost * (post.n - self.rate_target) * syn.s)
        self.forget(syn)

    def forget(self, syn: Any) -> None:
        syn.f = 0.0
        syn.g = 0.0
        syn.s = 0.0


class AdaptiveEProp(EProp):
    r"""e-prop for neurons whose threshold each spike raises (ALIF).

    With theta_j the rise of the threshold and q_ij the eligibility of a synapse in it,

        q_ij <- rho q_ij,    e_ij = psi_j (z_i - q_ij),    q_ij <- q_ij + jump e_ij,    rho = exp(-dt / tau_adapt),

    psi as in :class:`EProp` with the threshold v_thresh + theta_j.

    References
    ----------
    Bellec et al. (2020) Nat. Commun. 11, 3625, eq. 24-25.
    """

    tau_adapt: float = param(
        None, unit="s", above=0, inherit="tau_adapt", finite=False, doc="decay of the threshold's rise"
    )
    jump: float = param(None, unit="V", inherit="jump", doc="rise of the threshold with each spike")
    q = state("syn", doc="eligibility in the threshold")
    theta = state("post", decay="tau_adapt", doc="rise of the threshold")
    rho = state("post", doc="decay of the threshold's rise since the last error")

    def threshold(self, post: Any) -> float:
        return self.v_thresh + post.theta

    def eligibility(self, syn: Any, pre: Any, post: Any) -> float:
        q = post.rho * syn.q
        e = post.psi * (pre.z - q)
        syn.q = q + self.jump * e
        return e

    def post_spike(self, post: Any, t: float) -> None:
        post.n += 1.0
        post.fired = self.slope(post)
        post.theta += self.jump

    def post_signal(self, post: Any, signal: float, t: float) -> None:
        post.psi = post.fired if post.fired >= 0.0 else self.slope(post)
        post.fired = -1.0
        post.kappa = math.exp((post.last - t) / self.tau_out)
        post.rho = math.exp((post.last - t) / self.tau_adapt)
        post.last = t

    def forget(self, syn: Any) -> None:
        syn.f = 0.0
        syn.g = 0.0
        syn.s = 0.0
        syn.q = 0.0


class DeltaSum(Rule):
    """w <- w - eta sum_t e_k(t) x_i(t) at the end of a presentation, for synapses onto the readout.

    Errors e_k times the presynaptic trace x_i, as the readout filters it; Delta takes each step at once.

    References
    ----------
    Widrow & Hoff (1960); Bellec et al. (2020) Nat. Commun. 11, 3625 (readout weights).
    """

    eta: float = param(0.001, min=0, doc="learning rate")
    tau: float = param(None, unit="s", above=0, inherit="tau_m", finite=False, doc="decay of the trace: the readout's")
    g = state("syn", doc="sum of the error times the trace")
    x = state("pre", decay="tau", doc="what arrivals have left in the readout, per unit weight")
    reference = "Widrow & Hoff (1960)"

    def pre_spike(self, pre: Any, t: float) -> None:
        pre.x += 1.0

    def on_signal(self, syn: Any, pre: Any, post: Any, signal: float, t: float) -> None:
        syn.g += signal * pre.x

    def on_end(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        syn.w -= self.eta * syn.g
        syn.g = 0.0
