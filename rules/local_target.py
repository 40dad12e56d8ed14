"""Local targets: a neuron learns to do by its input alone what it does while errors at its dendrite nudge it."""

from __future__ import annotations

from typing import Any

from snn.plugin import Rule, param, state


class LocalTarget(Rule):
    r"""w <- w + eta (phi(v_j) - phi(p_j)) at each presynaptic spike; phi(v) = x / (width + |x|), x = v - v_thresh.

    v_j is the potential of the soma, which a dendrite such as that of TwoCompartmentLIF nudges: the neuron's target.
    p_j is what its input alone predicts, a shadow of the soma that follows its arrivals and its spikes:

        tau dp_j/dt = -p_j;  an arrival of weight w adds w to p_j;  a spike of the neuron: p_j = rate_cost.

    The difference v_j - p_j is what the dendrite has added since the last spike, and the slope of phi stands for the
    surrogate derivative of the spike: nobody tells the synapse of an error. Without nudges v_j = p_j, and nothing
    changes. With a `rate_cost` a spike leaves the prediction above the soma, so that firing has to pay.

    The soma is taken to rest at 0 and to be reset to 0, to have no drive, no refractory time, and no input but that of
    this projection and of its dendrite.

    References
    ----------
    Urbanczik & Senn (2014) Neuron 81, 521 (what the soma does less what the input predicts; theirs has the synapses at
    the dendrite and the teacher at the soma); Sacramento et al. (2018) NeurIPS 31 (errors at dendrites).
    """

    eta: float = param(0.01, unit="V", min=0, doc="learning rate")
    width: float = param(0.5, unit="V", above=0, doc="distance from the threshold at which phi's slope is a quarter")
    rate_cost: float = param(0.0, unit="V", min=0, doc="what a spike leaves the prediction above the soma")
    tau: float = param(
        None, unit="s", above=0, inherit="tau_soma", doc="time constant of the soma while the dendrite pulls at it"
    )
    v_thresh: float = param(None, unit="V", inherit="v_thresh", doc="threshold of the soma")
    p = state("post", decay="tau", unit="V", doc="potential that the input alone makes")
    reads = ("post.v",)
    reference = "Urbanczik & Senn (2014)"

    def phi(self, v: float) -> float:
        above = v - self.v_thresh
        return above / (self.width + abs(above))

    def on_pre(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        post.p += syn.w
        syn.w += self.eta * (self.phi(post.v) - self.phi(post.p))

    def post_spike(self, post: Any, t: float) -> None:
        post.p = self.rate_cost
