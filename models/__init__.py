"""Neuron models and sources, and the baselines that learning rules are compared with."""

from .lif import LIF
from .lif_exp import LIFExp
from .readout import Readout
from .sources import Latency, Poisson, Rate, Regular, SpikeTimes

__all__ = ["LIF", "LIFExp", "Latency", "Poisson", "Rate", "Readout", "Regular", "SpikeTimes"]
