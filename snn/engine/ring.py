"""Delivery through a ring on the grid: for static synapses whose delays differ from one to the next.

A spike adds the weight of each of its synapses to the sum of its target in the slot of the tick in which it is due, at
once, and is done with. In every tick the sums of that tick's slot are handed to the cells, each as one arrival. A row
of a few synapses for each source and delay would cost more than the synapses in it: it is queued, found and begun.

A slot holds one number for each target, of the precision of the weights: all slots together are far larger than the
cache, and the time is that of memory (measured on the full cortical microcircuit, 65 against 33 MB: 2.2 and 1.7 s).
There are as many slots as ticks in the longest delay, and one more. A ring serves all spikes of a population in a tick
one after the other, so that the next rows are on their way meanwhile (1.7 against 1.4 s).
"""

from __future__ import annotations

import numpy as np

from .cells import RESET, clear
from .dispatch import Kind
from .jit import entry, inlined
from .prefetch import prefetch, prefetch_to_write
from .rows import BY_SYNAPSE, N_ARRIVALS, N_EVENTS, row_begin, row_end, row_weight
from .stepped import OWN, RAIN, receive
from .types import view

RING = Kind("ring")
# What a group with a ring can be asked to do.
SPREAD = 30
# How many synapses ahead sums are loaded (measured: 6 in place of 11 ns for each).
_AHEAD = 32


@inlined
def _count(g, e, row, tick):
    """Count what a spike reaches before everything in flight is forgotten."""
    lo, hi = row_begin(g, row), row_end(g, row)
    n, reached = hi - lo, True
    if tick + g.n_slots > e.horizon:
        n = 0
        for k in range(lo, hi):
            n += tick + np.int64(g.ticks[k]) < e.horizon
        reached = n > 0
    g.count[N_ARRIVALS] += reached
    g.count[N_EVENTS] += n


@inlined
def _spread(g, e, row, tick):
    """Add the weights of a row to the sums of the ticks in which they are due."""
    lo, hi = row_begin(g, row), row_end(g, row)
    size, sums = g.size, g.sums
    begin, end = (tick % g.n_slots) * size, g.n_slots * size
    tgt, ticks = g.tgt[lo:hi], g.ticks[lo:hi]
    by_synapse = g.w_kind == BY_SYNAPSE
    w = g.w[lo:hi] if by_synapse else g.w
    add = 0.0 if by_synapse else row_weight(g, row)
    n = tgt.size
    for k in range(n):
        if k + _AHEAD < n:
            later = begin + np.int64(ticks[k + _AHEAD]) * size + tgt[k + _AHEAD]
            prefetch_to_write(sums, later - end if later >= end else later)
        at = begin + np.int64(ticks[k]) * size + tgt[k]
        if by_synapse:
            add = float(w[k])
        sums[at - end if at >= end else at] += add
    _count(g, e, row, tick)


@inlined
def _look_ahead(g, later, soon):
    """Begin to load where the row of a later spike lies, and the synapses of one that is soon spread."""
    prefetch(g.ptr, later * g.n_parts + g.part)
    lo = row_begin(g, soon)
    if lo < g.tgt.size:
        prefetch(g.tgt, lo)
        prefetch(g.ticks, lo)
        if g.w_kind == BY_SYNAPSE:
            prefetch(g.w, lo)


@entry
def ring_group(g, e, op, i, t):
    """The synapses of one projection; of its source's spikes in tick `t` from number `i` of those that are sent on."""
    if op == SPREAD:
        g0, last = e.block_g0[e.block_of[e.sending[i]]], e.due_end
        for k in range(i, last):
            if k + 1 < last:
                _look_ahead(g, e.sending[min(k + 2, last - 1)] - g0, e.sending[k + 1] - g0)
            _spread(g, e, e.sending[k] - g0, int(t))
    return 0.0


@entry
def ring(b, e, op, j, t):
    """The sums of all arrivals at one port of a block: those of this tick are received, and taken out."""
    if op == RAIN:
        model, fields, states, port, tick = b.target.model, b.target.fields, b.target.states, b.port, e.tick
        until, own = b.target.until, b.target.input == OWN
        lo, first = b.target.lo, (tick % b.n_slots) * b.size
        sums = b.sums[first + lo : first + b.target.hi]
        # Stores by mask, for cells that are left out, are slow: not where there are none.
        if own:
            for k in range(sums.size):
                j = lo + k
                receive(model, view(fields, states, j, ()), j, port, float(sums[k]), until[j] > tick)
        else:
            for k in range(sums.size):
                j = lo + k
                receive(model, view(fields, states, j, ()), j, port, float(sums[k]), False)
        for k in range(sums.size):
            sums[k] = 0.0
    elif op == RESET:
        clear(b.sums)
    return 0.0


BLOCKS = {"ring": ring}
