"""COBA and COBAHH: balanced networks with exponential synaptic conductances."""

from __future__ import annotations

from models.hodgkin_huxley import HodgkinHuxley
from models.lif_cond import LIFCond
from snn.connect import fixed_in_degree
from snn.errors import ParameterError
from snn.network import Network
from snn.plugin import Model
from snn.random import normal
from snn.units import mV, nS


def _balanced(model: Model, v: float, scale: float, seed: int) -> Network:
    n = round(4000 * scale)
    n_exc = round(0.8 * n)
    if n - n_exc < 16:
        raise ParameterError(f"scale is {scale}, or {n} neurons; give at least 0.02 for 16 inhibitory ones.")
    net = Network(seed)
    start = {"v": normal(v, 5 * mV), "g_exc": normal(40 * nS, 15 * nS), "g_inh": normal(200 * nS, 120 * nS)}
    exc = net.population("exc", model, n_exc, init=start)
    inh = net.population("inh", model, n - n_exc, init=start)
    for target in (exc, inh):
        net.connect(exc, target, fixed_in_degree(64), weight=6 * nS, port="exc")
        net.connect(inh, target, fixed_in_degree(16), weight=67 * nS, port="inh")
    return net


def coba(scale: float = 1.0, v_rest: float = -49 * mV, seed: int = 1) -> Network:
    """Irregular activity of 4000 * scale conductance-based neurons, four fifths of them excitatory.

    tau_m 20 ms (200 pF, 10 nS), tau_exc 5 ms, tau_inh 10 ms, t_ref 5 ms, threshold -50 mV, reset -60 mV, reversal
    potentials 0 and -80 mV; a spike adds 6 nS or 67 nS. Each neuron has 64 excitatory and 16 inhibitory inputs at every
    size (the paper connects each pair with probability 0.02). Delays are 0: a spike acts in the next time step.

    With the paper's resting potential of -60 mV activity lives or dies by its start; the default of -49 mV, above
    threshold, keeps it alive at every seed. Brian2 2.9 at dt = 0.1 ms then has 15.6 Hz, NEST 3.10 14.5 to 15.6 Hz.

    Parameters
    ----------
    scale : float, > 0
        Number of neurons over 4000, at least 0.02.
    v_rest : float, V
    seed : int

    References
    ----------
    Vogels & Abbott (2005) J. Neurosci. 25, 10786; Brette et al. (2007) J. Comput. Neurosci. 23, 349, benchmark 1.
    """
    return _balanced(LIFCond(v_rest=v_rest), -55 * mV, scale, seed)


def cobahh(scale: float = 1.0, seed: int = 1) -> Network:
    """The same wiring between Hodgkin-Huxley neurons with Traub & Miles kinetics.

    Runs at dt = 0.1 ms; start values as in Brian2's example of the benchmark.

    References
    ----------
    Brette et al. (2007) J. Comput. Neurosci. 23, 349, benchmark 3.
    """
    return _balanced(HodgkinHuxley(), -65 * mV, scale, seed)
