"""A recurrent spiking network of leaky and adaptive neurons that learns while samples go on, by e-prop."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from rules.eprop import AdaptiveEProp, EProp
from snn.connect import all_to_all
from snn.errors import ParameterError
from snn.events import Events
from snn.network import Network, Projection
from snn.plugin import Credit, Rule, Source
from snn.presentations import Presentations
from snn.random import normal
from snn.simulator import Simulator
from snn.units import ms

from .alif import ALIF
from .classifier import Classifier, clock
from .lif import LIF
from .readout import Readout
from .sources import Playback


class RecurrentNetwork(Classifier):
    """n_in - (leaky + adaptive, all to all) - n_out, trained by e-prop with errors at every `every`.

    A spike resets its neuron's potential to 0, and arrivals are lost in the refractory time. The published neurons
    subtract the threshold and go on to integrate, which is what the eligibility of EProp takes for granted.

    Parameters
    ----------
    n_in, n_out : int
    leaky, adaptive : int
        Recurrent LIF neurons, and ALIF neurons, whose threshold each spike raises.
    rule : dict or None
        Parameters of :class:`rules.EProp` for every synapse onto recurrent neurons; None freezes them.
    readout_rule : Rule
        Rule of the synapses onto the readout, such as DeltaSum.
    credit : Credit or None
        Pathway from the readout's errors to the recurrent neurons: DFA or Symmetric; None where these are frozen.
    duration, every, teach_from : float, s
        Length of a sample, time between two errors, time of the first.
    seed : int
        Seed of weights, feedback and the order of samples.
    w_in, w_rec : (float, float)
        Mean and s.d. of the weights from inputs and between recurrent neurons, to be divided by the square root of the
        number of neurons that they come from.
    w_out : float
        S.d. of the readout weights, to be divided likewise.
    tau_m, tau_out, tau_adapt, t_ref, delay : float, s
        Time constants of membranes, readout and thresholds; refractory time; delay of recurrent synapses.
    jump : float
        Rise of an adaptive neuron's threshold with each spike, in thresholds.
    encoder : Source, optional
        What samples are encoded by; by default Playback(), samples that are spikes. The network has a copy.
    steps : int, optional
        Run on the grid engine, with so many time steps in a presentation, of which `every`, `t_ref` and `delay` are
        then whole numbers; by default in continuous time.

    References
    ----------
    Bellec et al. (2020) Nat. Commun. 11, 3625.
    """

    def __init__(
        self,
        n_in: int,
        n_out: int,
        *,
        leaky: int = 50,
        adaptive: int = 50,
        rule: dict[str, Any] | None,
        readout_rule: Rule,
        credit: Credit | None,
        duration: float,
        every: float,
        teach_from: float = 0.0,
        seed: int = 0,
        w_in: tuple[float, float] = (0.0, 1.0),
        w_rec: tuple[float, float] = (0.0, 0.5),
        w_out: float = 0.3,
        tau_m: float = 20 * ms,
        tau_out: float = 20 * ms,
        tau_adapt: float = 200 * ms,
        t_ref: float = 5 * ms,
        delay: float = 1 * ms,
        jump: float = 0.1,
        encoder: Source | None = None,
        steps: int | None = None,
    ) -> None:
        if leaky + adaptive < 1:
            raise ParameterError("RecurrentNetwork: leaky and adaptive are 0; give at least one recurrent neuron.")
        if not isinstance(rule, (dict, type(None))):
            raise ParameterError(
                f"RecurrentNetwork.rule is {rule!r}; give parameters of EProp in a dict, such as "
                "{'eta': 0.01}, or None."
            )
        net = Network(seed)
        self.inputs = self._input(net, Playback() if encoder is None else encoder, n_in)
        self.readout = net.population("readout", Readout(tau_m=tau_out), n_out)
        self.hidden, learns = [], []
        if leaky:
            self.hidden.append(net.population("leaky", LIF(tau_m=tau_m, t_ref=t_ref), leaky))
            learns.append(None if rule is None else EProp(tau_out=tau_out, **rule))
        if adaptive:
            cell = ALIF(tau_m=tau_m, t_ref=t_ref, tau_adapt=tau_adapt, jump=jump)
            self.hidden.append(net.population("adaptive", cell, adaptive))
            learns.append(None if rule is None else AdaptiveEProp(tau_out=tau_out, **rule))
        self.projections: list[Projection] = []
        self.credit = None if credit is None else credit.replace()

        def join(below: Any, above: Any, mean: float, sd: float, rule: Rule | None, delay: float, n: int) -> None:
            weight = normal(mean / math.sqrt(n), sd / math.sqrt(n))
            way = all_to_all(self_connections=below is not above)
            self.projections.append(net.connect(below, above, way, weight=weight, delay=delay, rule=rule))

        n = leaky + adaptive
        for layer, own in zip(self.hidden, learns, strict=True):
            join(self.inputs, layer, *w_in, own, 0.0, n_in)
            for below in self.hidden:
                join(below, layer, *w_rec, own, delay, n)
            if own is not None and self.credit is not None:
                net.credit(self.credit, error=self.readout, to=layer)
        for layer in self.hidden:
            join(layer, self.readout, 0.0, w_out, readout_rule, 0.0, n)
        self.network, self.duration, self.seed = net, duration, seed
        self.every, self.teach_from = every, teach_from
        self.sim = Simulator(net, record=[], **clock(duration, steps, every=every, t_ref=t_ref, delay=delay))

    def show(self, samples: Any, labels: Any = None, **how: Any) -> Presentations:
        """Present samples with labels, (n,), or with targets, (n, duration / every, n_out) or Events."""
        if isinstance(labels, Events) or np.ndim(labels) > 1:
            how, labels = {"targets": labels, **how}, None
        return super().show(samples, labels, every=self.every, teach_from=self.teach_from, **how)
