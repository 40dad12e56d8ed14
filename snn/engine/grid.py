"""The grid engine: time in ticks of dt, for any model that can be stepped.

Tick n covers [n dt, (n + 1) dt), in the order of Brian2's schedule: every block moves its cells by dt and tests
thresholds; spikes are emitted; rows that are due deliver, a delay counted from the tick of the spike; synapses learn,
from arrivals first, then from spikes; cells that have fired are reset. A spike of tick n has the time n dt.

A cell receives, in this order: Poisson arrivals that are drawn as numbers; arrivals through a ring, all those of one
port and tick as their sum (see :mod:`snn.engine.ring`); rows, in order of projection, source and delay. A model for
which a sum means something else than its terms has no rings.

Several engines can share a network, each on a thread of its own. An engine has a part of the neurons of every block,
and of every row the synapses that lead there, so that no two write to one word. It publishes the spikes of its own
neurons tick by tick, and waits for those of the others only when they may arrive: it can be ahead by the shortest
delay. Every engine sends all spikes of a tick in order of neuron, and serves all rows that are due in order of row, so
that a neuron adds its inputs in the same order however many engines there are.
"""

from __future__ import annotations

import numpy as np

from .exact import DONE, FLUSH, every_block, group_of, learn_post
from .exchange import collect, tell
from .heap import sort_numbers
from .jit import entry, inlined, kernel
from .prefetch import prefetch
from .ring import SPREAD
from .rows import LEARN, RUN
from .stepped import RAIN, SETBACK, STEP
from .struct import invoke

# Why `advance_grid` returned, beside other reasons: a potential is no finite number.
BROKEN = 4.0
# Phases of a tick.
BEGIN, PUBLISH, SEND = range(3)


@kernel
def _enqueue(e, k, due):
    """Put spike k of the pool into the slot of the tick in which its next row is due."""
    slot = int(due) & (e.bin_head.size - 1)
    e.pool_next[k] = -1
    if e.bin_head[slot] < 0:
        e.bin_head[slot] = k
    else:
        e.pool_next[e.bin_tail[slot]] = k
    e.bin_tail[slot] = k


@kernel
def _queue(e, r, last, delay):
    """Queue rows r to `last` of a spike that is being sent; the first of them has this delay."""
    e.n_free -= 1
    k = e.free[e.n_free]
    e.pool_t[k] = e.sent
    e.pool_r[k] = r
    e.pool_end[k] = last
    _enqueue(e, k, e.sent + delay)


@inlined
def _look_ahead(e, later, soon):
    """Begin to load where the branches of a later spike are noted, and the branches of one that is sent soon."""
    prefetch(e.out_ptr, later)
    p = e.out_ptr[soon]
    if p < e.out_r0.size:
        prefetch(e.out_r0, p)
        prefetch(e.out_r1, p)


@kernel
def _send(e, b, first, last):
    """Send the spikes of one population, numbers `first` to `last` of those that are being sent."""
    for p in range(e.even_ptr[b], e.even_ptr[b + 1]):
        # Every neuron has one row, and the delay is that of all.
        row, delay = e.even_row[p] - e.block_g0[b], e.even_delay[p]
        for k in range(first, last):
            _queue(e, row + e.sending[k], row + e.sending[k] + 1, delay)
    if e.out_r0.size > 0:
        for k in range(first, last):
            _look_ahead(e, e.sending[min(k + 8, last - 1)], e.sending[min(k + 4, last - 1)])
            gid = e.sending[k]
            for p in range(e.out_ptr[gid], e.out_ptr[gid + 1]):
                if e.out_r0[p] < e.out_r1[p]:
                    _queue(e, e.out_r0[p], e.out_r1[p], e.row_delay[e.out_r0[p]])
    e.due_end = last
    for p in range(e.ring_ptr[b], e.ring_ptr[b + 1]):
        g = e.ring_groups[p]
        invoke(e.group_kernels[g], e.groups[g], e, SPREAD, first, float(e.sent))


@kernel
def _publish(e, t):
    """Record the spikes of this engine's neurons in this tick, and let the other engines know of them."""
    for k in range(e.n_fired):
        gid = e.fired[k]
        e.counts[gid] += 1
        e.rec_t[e.n_rec] = t
        e.rec_i[e.n_rec] = gid
        e.n_rec += 1
    tell(e)


@kernel
def _send_until(e, until):
    """Send the spikes of all engines in the ticks before `until`; returns why it could not."""
    while e.sent < until:
        why = collect(e)
        if why != DONE:
            return why
        first = 0
        while first < e.n_sending:
            b = e.block_of[e.sending[first]]
            last = first + 1
            while last < e.n_sending and e.sending[last] < e.block_g0[b + 1]:
                last += 1
            _send(e, b, first, last)
            first = last
        e.sent += 1
    return DONE


@kernel
def _find_due(e):
    """Rows that are due in this tick, in order."""
    slot = e.tick & (e.bin_head.size - 1)
    k = e.bin_head[slot]
    e.bin_head[slot] = -1
    n = 0
    for g in range(e.n_groups + 1):
        e.due_ptr[g] = 0
    while k >= 0:
        following = e.pool_next[k]
        r = e.pool_r[k]
        last = e.pool_end[k]
        # The first row is due, or the spike would not be here.
        due = float(e.tick)
        while due == e.tick:
            e.cur_r[n] = r
            e.due_ptr[group_of(e, r) + 1] += 1
            n += 1
            r += 1
            due = e.pool_t[k] + e.row_delay[r] if r < last else -1.0
        if r < last:
            e.pool_r[k] = r
            _enqueue(e, k, due)
        else:
            e.free[e.n_free] = k
            e.n_free += 1
        k = following
    for g in range(e.n_groups):
        e.due_ptr[g + 1] += e.due_ptr[g]
    for m in range(n):
        g = group_of(e, e.cur_r[m])
        e.due[e.due_ptr[g]] = e.cur_r[m]
        e.due_ptr[g] += 1
    first = np.int64(0)
    for g in range(e.n_groups):
        sort_numbers(e.due, first, e.due_ptr[g])
        first = e.due_ptr[g]


@kernel
def _deliver(e, op, t):
    """Let all rows that are due deliver, or learn."""
    first = 0
    for g in range(e.n_groups):
        e.due_end = e.due_ptr[g]
        if e.due_end > first:
            invoke(e.group_kernels[g], e.groups[g], e, op, first, t)
        first = e.due_end


@kernel
def _learn(e, t):
    """Plasticity of a tick."""
    if e.post_first == 0:
        _deliver(e, LEARN, t)
    for k in range(e.n_fired):
        learn_post(e, e.fired[k], t)
    if e.post_first:
        _deliver(e, LEARN, t)


@entry
def advance_grid(e, engine, op, last, stop):
    """Run until tick `last`, or until the caller has to do something; a kernel like any other."""
    while e.tick < last:
        t = e.tick * e.h
        if e.phase == BEGIN:
            e.n_fired = 0
            every_block(e, STEP, 0)
            e.phase = PUBLISH
        if e.phase == PUBLISH:
            if e.bad >= 0:
                return BROKEN
            if e.n_rec + e.n_fired > e.rec_t.size:
                return FLUSH
            _publish(e, t)
            e.phase = SEND
        why = _send_until(e, e.tick - e.ahead + 1)
        if why != DONE:
            return why
        every_block(e, RAIN, 0)
        _find_due(e)
        _deliver(e, RUN, t)
        if e.frozen == 0:
            _learn(e, t)
        every_block(e, SETBACK, 0)
        e.phase = BEGIN
        e.tick += 1
        e.now = e.tick * e.h
    return _send_until(e, e.tick)
