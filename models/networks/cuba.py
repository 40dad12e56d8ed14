"""CUBA: a balanced network with exponential synaptic currents."""

from __future__ import annotations

from models.lif_exp import LIFExp
from snn.connect import fixed_in_degree
from snn.errors import ParameterError
from snn.network import Network
from snn.random import uniform
from snn.units import ms, mV


def cuba(scale: float = 1.0, delay: float = 0.0, seed: int = 1) -> Network:
    """Self-sustained irregular activity of 4000 * scale neurons, four fifths of them excitatory.

    tau_m 20 ms, tau_exc 5 ms, tau_inh 10 ms, t_ref 5 ms, rest -49 mV, threshold -50 mV, reset -60 mV; a spike adds
    1.62 mV to the excitatory or -9 mV to the inhibitory current of its targets. Each neuron has 64 excitatory and 16
    inhibitory inputs at every size (the paper connects each pair with probability 0.02, 80 inputs on average). The
    constant drive takes the mean potential above threshold, and potentials start uniform in -60 to -50 mV, so that
    activity needs no stimulus.

    Published figures: about 5 Hz, asynchronous and irregular. Brian2 2.9 at dt = 0.1 ms has 5.15 Hz with 4000 neurons
    and 5.27 Hz with 100 000, NEST 3.10 5.00 to 5.12 Hz and 5.15 to 5.19 Hz.

    Parameters
    ----------
    scale : float, > 0
        Number of neurons over 4000, at least 0.02.
    delay : float, s
        0 (as published) is for the grid engine, where a spike then acts in the next step; the exact engine needs more.
    seed : int

    References
    ----------
    Vogels & Abbott (2005) J. Neurosci. 25, 10786; Brette et al. (2007) J. Comput. Neurosci. 23, 349, benchmark 2.
    """
    n = round(4000 * scale)
    n_exc = round(0.8 * n)
    if n - n_exc < 16:
        raise ParameterError(f"cuba.scale is {scale}, or {n} neurons; give at least 0.02 for 16 inhibitory ones.")
    net = Network(seed)
    model = LIFExp(
        tau_m=20 * ms,
        tau_exc=5 * ms,
        tau_inh=10 * ms,
        v_rest=-49 * mV,
        v_thresh=-50 * mV,
        v_reset=-60 * mV,
        t_ref=5 * ms,
    )
    start = {"v": uniform(-60 * mV, -50 * mV)}
    exc = net.population("exc", model, n_exc, init=start)
    inh = net.population("inh", model, n - n_exc, init=start)
    for target in (exc, inh):
        net.connect(exc, target, fixed_in_degree(64), weight=1.62 * mV, delay=delay, port="exc")
        net.connect(inh, target, fixed_in_degree(16), weight=-9 * mV, delay=delay, port="inh")
    return net
