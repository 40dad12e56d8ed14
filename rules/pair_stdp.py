"""Pair-based spike-timing-dependent plasticity."""

from __future__ import annotations

from typing import Any

from snn.plugin import Rule, param, state
from snn.units import ms


class PairSTDP(Rule):
    """Additive all-to-all pair STDP with hard bounds.

    Pre spike (on arrival): w <- max(w_min, w - a_minus y), then x <- x + 1, x decays with tau_plus.
    Post spike:             w <- min(w_max, w + a_plus x),  then y <- y + 1, y decays with tau_minus.

    References
    ----------
    Song, Miller & Abbott (2000) Nat. Neurosci. 3, 919; trace form: Morrison, Diesmann & Gerstner (2008)
    Biol. Cybern. 98, 459, eqs. 5-7.
    """

    a_plus: float = param(0.005, min=0, doc="potentiation per pair (weight units)")
    a_minus: float = param(0.00525, min=0, doc="depression per pair (weight units)")
    tau_plus: float = param(20 * ms, unit="s", above=0, doc="decay of the presynaptic trace")
    tau_minus: float = param(20 * ms, unit="s", above=0, doc="decay of the postsynaptic trace")
    w_min: float = param(0.0, doc="lower bound of the weight")
    w_max: float = param(1.0, doc="upper bound of the weight")
    x = state("pre", decay="tau_plus", doc="presynaptic trace")
    y = state("post", decay="tau_minus", doc="postsynaptic trace")
    bounds = ("w_min", "w_max")
    reference = "Song, Miller & Abbott (2000)"

    def on_pre(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        syn.w = max(self.w_min, syn.w - self.a_minus * post.y)

    def on_post(self, syn: Any, pre: Any, post: Any, t: float) -> None:
        syn.w = min(self.w_max, syn.w + self.a_plus * pre.x)

    def pre_spike(self, pre: Any, t: float) -> None:
        pre.x += 1.0

    def post_spike(self, post: Any, t: float) -> None:
        post.y += 1.0

    def brian2(self) -> dict[str, Any]:
        return {
            "model": """w : {weight_unit}
                        dx/dt = -x / tau_plus : 1 (event-driven)
                        dy/dt = -y / tau_minus : 1 (event-driven)""",
            "on_pre": "w = clip(w - a_minus * y, w_min, inf); x += 1",
            "on_post": "w = clip(w + a_plus * x, -inf, w_max); y += 1",
            "namespace": {
                "tau_plus": (self.tau_plus, "second"),
                "tau_minus": (self.tau_minus, "second"),
                **{k: (getattr(self, k), "weight") for k in ("a_plus", "a_minus", "w_min", "w_max")},
            },
        }
