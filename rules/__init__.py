"""Plasticity rules and credit pathways."""

from .credit import (
    DFA,
    DRTP,
    FA,
    PATHWAYS,
    Frozen,
    KolenPollack,
    LocalReadout,
    Reward,
    SignSymmetric,
    Symmetric,
    Uniform,
    WeightMirror,
)
from .delta import Delta
from .pair_stdp import PairSTDP
from .three_factor import ThreeFactor

__all__ = [
    "DFA",
    "DRTP",
    "FA",
    "PATHWAYS",
    "Delta",
    "Frozen",
    "KolenPollack",
    "LocalReadout",
    "PairSTDP",
    "Reward",
    "SignSymmetric",
    "Symmetric",
    "ThreeFactor",
    "Uniform",
    "WeightMirror",
]
