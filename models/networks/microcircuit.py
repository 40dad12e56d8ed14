"""The cortical microcircuit: four layers under 1 mm^2 of surface."""

from __future__ import annotations

import math

import numpy as np

from models.lif_exp import LIFExp
from models.sources import Poisson
from snn.connect import fixed_total_number, one_to_one
from snn.errors import ParameterError
from snn.network import Network
from snn.random import normal
from snn.units import Hz, ms, mV

POPULATIONS = ("L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I")
SIZES = (20683, 5834, 21915, 5479, 4850, 1065, 14395, 2948)
"""Neurons at full scale."""
PROBABILITIES = (
    (0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0.0, 0.0076, 0.0),
    (0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0.0, 0.0042, 0.0),
    (0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0.0),
    (0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0.0, 0.1057, 0.0),
    (0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0.0),
    (0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0.0),
    (0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252),
    (0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443),
)
"""Probability that a pair is connected at least once: rows are targets, columns sources."""
BACKGROUND_INPUTS = (1600, 1500, 2100, 1900, 2000, 1900, 2900, 2100)
RATES = (0.943, 3.026, 4.368, 5.882, 7.733, 8.664, 1.096, 7.851)
"""Rates (Hz) at full scale, by which a lower in-degree's loss of mean input is made up for."""
START_MEAN = (-68.28, -63.16, -63.33, -63.45, -63.11, -61.66, -66.72, -61.43)
START_SD = (5.36, 4.57, 4.74, 4.94, 4.94, 4.55, 5.46, 4.48)
"""Potentials (mV) from which the network starts without a transient."""

_TAU_M, _TAU_SYN = 10.0, 0.5  # ms
_PSP, _G, _BACKGROUND_RATE = 0.15, -4.0, 8.0  # mV, ratio, Hz


def synapse_numbers(scale: float = 1.0, k_scale: float = 1.0) -> np.ndarray:
    """Synapses from each population to each, (8 targets, 8 sources) int64.

    A pair has several synapses or none: K = ln(1 - p) / ln(1 - 1 / (N_target N_source)) of the full network, so that
    p is the probability of at least one; scale * k_scale of them are left.
    """
    n = np.array(SIZES, float)
    full = np.log1p(-np.array(PROBABILITIES)) / np.log1p(-1.0 / np.outer(n, n))
    return np.rint(full * scale * k_scale).astype(np.int64)


def microcircuit(scale: float = 1.0, k_scale: float = 1.0, seed: int = 1) -> Network:
    """Excitatory and inhibitory neurons of layers 2/3, 4, 5 and 6 with a cortical column's connections.

    tau_m 10 ms, C_m 250 pF, t_ref 2 ms, rest and reset -65 mV, threshold -50 mV, currents of 0.5 ms. Weights are normal
    (s.d. 10 %) around 87.8 pA, a potential of 0.15 mV (twice that from L4E to L23E), and -4 times as much for
    inhibition; delays are normal around 1.5 and 0.75 ms (s.d. 50 %, redrawn below 0.1 ms). The number of synapses of
    each projection is fixed. Each neuron has 1500 to 2900 background inputs of 8 Hz, here one Poisson train of the
    summed rate. Weights are in mV, as the membrane resistance (tau_m / C_m = 40 Mohm) times the current.

    At full size there are 77 169 neurons and 299 million synapses. `scale` multiplies the neurons, `k_scale` the inputs
    of each (background too); weights then grow by 1 / sqrt(k_scale), and a constant drive makes up for the mean input
    that is lost, so that mean and variance of the input stay, and rates about so; correlations do not.

    Published rates (Hz), and those of NEST 3.10: L23E 0.90 and 0.89, L23I 2.97 and 2.96, L4E 4.41 and 4.36, L4I 5.88
    and 5.84, L5E 7.57 and 7.49, L5I 8.63 and 8.62, L6E 1.11 and 1.08, L6I 7.83 and 7.81. At scale = k_scale = 0.1 the
    mean of all neurons is 2.70 Hz in Brian2 2.9 and 2.69 to 2.75 Hz in NEST.

    Delays are drawn from a continuous distribution: run it with ``Simulator(..., engine="grid", dt=0.1 * ms,
    round_delays=True)``, as the published simulations do, and record the neurons only, not their background.

    Parameters
    ----------
    scale, k_scale : float, in (0, 1]
    seed : int

    References
    ----------
    Potjans & Diesmann (2014) Cereb. Cortex 24, 785; start potentials as in the PyNEST example (optimised for
    Rhodes et al. 2019); scaling: van Albada, Helias & Diesmann (2015) PLoS Comput. Biol. 11, e1004490.
    """
    for name, value in (("scale", scale), ("k_scale", k_scale)):
        if not 0 < value <= 1:
            raise ParameterError(f"microcircuit.{name} is {value}; give a number above 0, and 1 at most.")
    net = Network(seed)
    sizes = [max(1, round(n * scale)) for n in SIZES]
    numbers = synapse_numbers(scale, k_scale)
    # Current of an exponential synapse, as r_m i, whose potential has its maximum at _PSP (mV).
    a, b = _TAU_M, _TAU_SYN
    rise = (b / a) ** (b / (a - b)) - (b / a) ** (a / (a - b))
    j = _PSP * (a - b) / (b * rise)
    weight = np.where(np.arange(8) % 2, _G * j, j) * np.ones((8, 1))
    weight[0, 2] *= 2.0

    # Mean synaptic drive of each population at full size (mV): areas of currents times rates in 1/ms.
    inputs = synapse_numbers() / np.array(SIZES, float)[:, None]
    per_ms = (inputs * weight) @ np.array(RATES) + np.array(BACKGROUND_INPUTS) * j * _BACKGROUND_RATE
    mean = per_ms * 1e-3 * _TAU_SYN
    # A share k of the inputs, each 1 / sqrt(k) as strong, keeps the variance and sqrt(k) of the mean.
    drive = (1.0 - math.sqrt(k_scale)) * mean
    j, weight = j / math.sqrt(k_scale), weight / math.sqrt(k_scale)

    cells = []
    for k, name in enumerate(POPULATIONS):
        model = LIFExp(
            tau_m=_TAU_M * ms,
            tau_exc=_TAU_SYN * ms,
            tau_inh=_TAU_SYN * ms,
            v_rest=-65 * mV,
            v_thresh=-50 * mV,
            v_reset=-65 * mV,
            t_ref=2 * ms,
            drive=drive[k] * mV,
        )
        start = normal(START_MEAN[k] * mV, START_SD[k] * mV)
        cells.append(net.population(name, model, sizes[k], init={"v": start}))
    for t, target in enumerate(cells):
        rate = BACKGROUND_INPUTS[t] * k_scale * _BACKGROUND_RATE * Hz
        background = net.population(f"background_{target.name}", Poisson(rate=rate), len(target))
        net.connect(background, target, one_to_one(), weight=j * mV)
        for s, source in enumerate(cells):
            if numbers[t, s] == 0:
                continue
            excitatory = s % 2 == 0
            w, delay = weight[t, s] * mV, (1.5 if excitatory else 0.75) * ms
            net.connect(
                source,
                target,
                fixed_total_number(int(numbers[t, s])),
                weight=normal(w, 0.1 * abs(w), *((0.0, None) if excitatory else (None, 0.0))),
                delay=normal(delay, 0.5 * delay, low=0.1 * ms),
                port="exc" if excitatory else "inh",
                dtype="float32",
            )
    return net
