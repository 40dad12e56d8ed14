"""Plasticity rules and credit pathways."""

from .burstprop import BurstProp
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
from .eprop import AdaptiveEProp, DeltaSum, EProp
from .error_neurons import ErrorNeurons
from .local_target import LocalTarget
from .pair_stdp import PairSTDP
from .three_factor import ThreeFactor

__all__ = [
    "DFA",
    "DRTP",
    "FA",
    "PATHWAYS",
    "AdaptiveEProp",
    "BurstProp",
    "Delta",
    "DeltaSum",
    "EProp",
    "ErrorNeurons",
    "Frozen",
    "KolenPollack",
    "LocalReadout",
    "LocalTarget",
    "PairSTDP",
    "Reward",
    "SignSymmetric",
    "Symmetric",
    "ThreeFactor",
    "Uniform",
    "WeightMirror",
]
