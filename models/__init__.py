"""Neuron models and sources, and the baselines that learning rules are compared with."""

from .adex import AdEx
from .alif import ALIF
from .bursting import BurstLIF
from .currents import OrnsteinUhlenbeck, StepCurrent, TimedCurrent, WhiteNoise
from .escape_lif import EscapeLIF
from .hodgkin_huxley import HodgkinHuxley
from .izhikevich import Izhikevich, Izhikevich2007
from .lif import LIF
from .lif_alpha import LIFAlpha
from .lif_cond import LIFCond
from .lif_exp import LIFExp
from .readout import Readout
from .sources import Latency, Playback, Poisson, Rate, Regular, SpikeTimes, TimedPoisson
from .two_compartment import TwoCompartmentLIF

__all__ = [
    "ALIF",
    "LIF",
    "AdEx",
    "BurstLIF",
    "EscapeLIF",
    "HodgkinHuxley",
    "Izhikevich",
    "Izhikevich2007",
    "LIFAlpha",
    "LIFCond",
    "LIFExp",
    "Latency",
    "OrnsteinUhlenbeck",
    "Playback",
    "Poisson",
    "Rate",
    "Readout",
    "Regular",
    "SpikeTimes",
    "StepCurrent",
    "TimedCurrent",
    "TimedPoisson",
    "TwoCompartmentLIF",
    "WhiteNoise",
]
