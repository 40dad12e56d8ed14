"""Brunel's sparsely connected network with delta synapses, static or with plastic excitation."""

from __future__ import annotations

from typing import Any

from models.lif import LIF
from models.sources import Poisson
from rules.pair_stdp import PairSTDP
from snn.connect import fixed_in_degree, one_to_one
from snn.errors import ParameterError
from snn.network import Network
from snn.plugin import Rule
from snn.units import ms, mV

_TAU_M, _THETA = 20 * ms, 20 * mV


def brunel(
    order: int = 2500, g: float = 5.0, eta: float = 2.0, j: float | None = None, delay: Any = 1.5 * ms, seed: int = 1
) -> Network:
    """4 * order excitatory and `order` inhibitory neurons, each with 10 % of either as inputs, and Poisson background.

    tau_m 20 ms, threshold 20 mV, reset 10 mV, t_ref 2 ms; excitatory synapses j, inhibitory ones -g j. The background
    of a neuron is C_E = 0.4 order Poisson inputs of rate eta nu_thr with synapses j, where nu_thr = theta / (C_E j
    tau_m) is the rate that alone brings the mean potential to threshold; they are one Poisson population here, one to
    one, of rate C_E eta nu_thr.

    The published network has order = 2500 (12 500 neurons, 1000 + 250 inputs) and j = 0.1 mV. Its states (fig. 8):

    ===============================================  =====  =====  ============================
    state                                            g      eta    rate (theory; simulation)
    ===============================================  =====  =====  ============================
    SR  synchronous regular, near saturation         3      2      -
    SI  synchronous irregular, fast oscillation      6      4      55.8 Hz; 60.7 Hz
    AI  asynchronous irregular                       5      2      38.0 Hz; 37.7 Hz
    SI  synchronous irregular, slow oscillation      4.5    0.9    6.5 Hz; 5.5 Hz
    ===============================================  =====  =====  ============================

    With delays drawn from 0.1 to 2.9 ms, g = 3 and eta = 2 make the asynchronous regular state (AR). Smaller networks
    with stronger synapses fire more: 47 Hz with order 500 at g = 5 and eta = 2, here as in Brian2 2.9. Record the
    neurons only: the background is then drawn as one Poisson number for each neuron and step of the grid.

    Parameters
    ----------
    order : int, >= 10
        Number of inhibitory neurons; a multiple of 10.
    g : float
        Strength of inhibition over that of excitation.
    eta : float
        Background over what brings the mean potential to threshold.
    j : float, V, optional
        Excitatory synapse; default 0.1 mV * 2500 / order, which keeps the mean input of the published size.
    delay : float or Distribution, s
        Of the recurrent synapses; a distribution needs ``Simulator(..., round_delays=True)`` on the grid.
    seed : int

    References
    ----------
    Brunel (2000) J. Comput. Neurosci. 8, 183, model A.
    """
    return _brunel("brunel", order, g, eta, j, delay, seed, None)


def brunel_stdp(
    order: int = 2500,
    g: float = 5.0,
    eta: float = 2.0,
    j: float | None = None,
    delay: Any = 1.5 * ms,
    rate: float = 1e-3,
    alpha: float = 1.05,
    seed: int = 1,
) -> Network:
    """As :func:`brunel`, with additive pair STDP on the synapses between excitatory neurons, 64 % of all.

    Weights start at j and are bounded by 0 and w_max = 2 j; a pair potentiates by rate * w_max and depresses by alpha
    as much; both traces decay with 20 ms. Weights drift slowly: their mean over j is 0.997 after 0.5 s with order 500,
    where Brian2 2.9 and NEST 3.10 have 0.998 and 0.9996 (with a reset of 0 mV), and the rate stays.

    Parameters
    ----------
    rate : float
        Potentiation of a pair over w_max.
    alpha : float
        Depression over potentiation.

    References
    ----------
    Brunel (2000) J. Comput. Neurosci. 8, 183; Song, Miller & Abbott (2000) Nat. Neurosci. 3, 919; in balanced
    networks Morrison, Aertsen & Diesmann (2007) Neural Comput. 19, 1437.
    """
    w_max = 2 * _weight("brunel_stdp", order, j)
    rule = PairSTDP(a_plus=rate * w_max, a_minus=alpha * rate * w_max, tau_plus=20 * ms, tau_minus=20 * ms, w_max=w_max)
    return _brunel("brunel_stdp", order, g, eta, j, delay, seed, rule)


def _weight(name: str, order: int, j: float | None) -> float:
    if order < 10 or order % 10:
        raise ParameterError(f"{name}.order is {order}; give a multiple of 10, as a tenth of it are inputs.")
    return 0.1 * mV * 2500 / order if j is None else j


def _brunel(
    name: str, order: int, g: float, eta: float, j: float | None, delay: Any, seed: int, rule: Rule | None
) -> Network:
    j = _weight(name, order, j)
    c_exc, c_inh = 4 * order // 10, order // 10
    net = Network(seed)
    model = LIF(tau_m=_TAU_M, v_thresh=_THETA, v_reset=10 * mV, t_ref=2 * ms)
    exc = net.population("exc", model, 4 * order)
    inh = net.population("inh", model, order)
    # C_E inputs of rate eta theta / (C_E j tau_m) each.
    background = Poisson(rate=eta * _THETA / (j * _TAU_M))
    for target in (exc, inh):
        source = net.population(f"background_{target.name}", background, len(target))
        net.connect(source, target, one_to_one(), weight=j)
        plastic = rule if target is exc else None
        # float32 halves the plastic synapses: single precision resolves 1e-4 of one step of learning. The others keep
        # one weight for all of them, in the precision of the inhibitory ones, so that the same kernel serves both.
        dtype = "float64" if plastic is None else "float32"
        net.connect(exc, target, fixed_in_degree(c_exc), weight=j, delay=delay, rule=plastic, dtype=dtype)
        net.connect(inh, target, fixed_in_degree(c_inh), weight=-g * j, delay=delay)
    return net
