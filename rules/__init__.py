"""Plasticity rules and credit pathways."""

from .credit import DFA, Frozen, Symmetric
from .delta import Delta
from .pair_stdp import PairSTDP
from .three_factor import ThreeFactor

__all__ = ["DFA", "Delta", "Frozen", "PairSTDP", "Symmetric", "ThreeFactor"]
