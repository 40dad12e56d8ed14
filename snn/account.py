"""From the engine's spike counts to the ledger; nothing here is counted per synapse while the network runs.

What one event of each kind does, in words of 32 bits (the arithmetic of an event-driven core of minimal design: scaled
state, as the engine itself keeps it):

forward   spike delivered to a synapse: accumulate; weight read; membrane read and written.
          each source or neuron spike: one exponential for the row's factor, queue push and pop.
trace     on_pre of a rule: see :mod:`snn.tally`; pre_spike, post_spike: one exponential, one add, trace read
          and written.
error     softmax and subtraction per readout neuron.
credit    signal of a hidden neuron: one multiply-accumulate and one fetched word per readout.
update    on_signal or on_post of a rule: see :mod:`snn.tally`; weight read and written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .build import Built, NoRule
from .engine import rows
from .engine.digest import methods
from .ledger import Ledger
from .network import Population
from .tally import tally


def ledger_of(
    built: Built,
    before: Any,
    duration: float,
    *,
    fired: np.ndarray | None = None,
    counts: dict[str, np.ndarray] | None = None,
    presentations: int = 0,
    learn: bool = True,
    readout: Population | None = None,
) -> Ledger:
    """The ledger of a run (between `before` and now) or of presentations (`fired`, `counts`)."""
    if counts is None:
        fired = built.engine.counts - before[0]
        counts = {n: built.groups[p.group].count - before[1][n] for n, p in built.projections.items()}
    assert fired is not None
    ledger = Ledger(samples=presentations)
    for name, offset in built.offset.items():
        spikes = int(fired[offset : offset + len(built.network.populations[name])].sum())
        ledger.add("forward", name, "spike_emit", spikes)
    teaches = learn and presentations > 0 and readout is not None
    for name, p in built.projections.items():
        c = counts[name]
        arrivals, events = int(c[rows.N_ARRIVALS]), int(c[rows.N_EVENTS])
        target = p.projection.target
        w_bytes = p.weight.nbytes if p.weight.size > 1 else 0
        cell_bytes = 4 * len(target)
        ledger.add("control", name, "queue", 2 * arrivals)
        ledger.add("forward", name, "exp", arrivals)
        ledger.add("forward", name, "syn_ac", events)
        ledger.add("forward", name, "w_read", events, w_bytes or 4)
        ledger.add("forward", name, "state_rw", 2 * events, cell_bytes)
        if isinstance(p.rule, NoRule) or (presentations and not learn):
            continue
        # Footprint of the rule's own state: per-synapse states beside the weights, traces beside the neurons.
        syn_bytes = p.n_synapses * np.dtype(p.projection.dtype).itemsize
        visits = {
            "on_pre": ("trace", events),
            "on_post": ("update", int(c[rows.N_ON_POST])),
            "pre_spike": ("trace", arrivals),
            "post_spike": ("trace", int(c[rows.N_POST_SPIKES])),
            "on_signal": ("update", int(c[rows.N_SIGNAL])),
            "on_end": ("update", p.n_synapses * presentations),
        }
        for hook, (phase, n) in visits.items():
            if hook not in methods(type(p.rule)):
                continue
            cost = tally(p.rule, hook)
            for op in ("add", "mul", "exp"):
                ledger.add(phase, name, op, n * cost[op])
            ledger.add(phase, name, "state_rw", n * cost["syn"], syn_bytes)
            ledger.add(phase, name, "state_rw", n * cost["cell"], cell_bytes)
            ledger.add(phase, name, "w_read", n * cost["w_read"], syn_bytes)
            ledger.add(phase, name, "w_write", n * cost["w_write"], syn_bytes)
            if cost["w_write"]:
                ledger.updates += n
        if teaches and p.rule.needs_signal and target is not readout:
            link = next(x for x in built.network.credits if x.to is target)
            n_out = len(readout)  # type: ignore[arg-type]
            ledger.transport = link.pathway.carries
            if link.pathway.carries != "none":
                ledger.add("credit", target.name, "mac", presentations * len(target) * n_out)
                ledger.add(
                    "credit", target.name, "transport", presentations * len(target) * n_out, 4 * len(target) * n_out
                )
                ledger.add("credit", target.name, "state_rw", presentations * (n_out + len(target)), cell_bytes)
        if teaches and p.rule.needs_signal:
            # Eligibility and traces live on only until the signal comes.
            rows_used = arrivals // max(1, presentations)
            states = len(p.rule.states("syn")) * len(target) + len(p.rule.states("pre"))
            ledger.held_bytes += 4 * (rows_used * states + len(p.rule.states("post")) * len(target))
    if teaches:
        n_out = len(readout)  # type: ignore[arg-type]
        ledger.add("error", readout.name, "exp", presentations * 2 * n_out)  # type: ignore[union-attr]
        ledger.add("error", readout.name, "add", presentations * 2 * n_out)  # type: ignore[union-attr]
        ledger.add("error", readout.name, "state_rw", presentations * 2 * n_out, 4 * n_out)  # type: ignore[union-attr]
    return ledger
