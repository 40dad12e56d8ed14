"""Credit pathways: how the readout's error becomes a learning signal at a hidden neuron."""

from __future__ import annotations

from snn.plugin import Credit, param


class Frozen(Credit):
    """No signal: the hidden weights stay as they were drawn. The control for what width alone achieves."""

    carries = "none"

    def feedback(self, w: float, b: float) -> float:
        return 0.0


class Symmetric(Credit):
    """L_j = sum_k w_jk e_k, the forward weights read backwards: backprop's own pathway, which is not local."""

    carries = "W^T"

    def feedback(self, w: float, b: float) -> float:
        return w


class DFA(Credit):
    """L_j = sum_k b_jk e_k with fixed random b, drawn from a normal distribution of mean 0 and s.d. `scale`.

    References
    ----------
    Nokland (2016) NeurIPS, eq. 6.
    """

    scale: float = param(1.0, above=0, doc="standard deviation of the fixed feedback weights")
    carries = "B fixed"

    def feedback(self, w: float, b: float) -> float:
        return self.scale * b
