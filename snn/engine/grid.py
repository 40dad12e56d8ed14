"""The grid engine: time in ticks of dt, for any model that can be stepped.

Tick n covers [n dt, (n + 1) dt), in the order of Brian2's schedule: every block moves its cells by dt and tests
thresholds; spikes are emitted; rows that are due deliver, a delay counted from the tick of the spike; synapses learn,
from arrivals first, then from spikes; cells that have fired are reset. A spike of tick n has the time n dt.

A cell receives, in this order: Poisson arrivals that are drawn as numbers; arrivals through a ring, all those of one
port and tick as their sum (see :mod:`snn.engine.ring`); rows. A model for which a sum means something else than its
terms has no rings.
"""

from __future__ import annotations

from .exact import DONE, FLUSH, GROW, every_block, group_of, learn_post
from .jit import entry, kernel
from .ring import SPREAD
from .rows import ARRIVE, LEARN
from .stepped import RAIN, SETBACK, STEP
from .struct import invoke

# Why `advance_grid` returned, beside the reasons of the exact engine: a potential is no finite number.
BROKEN = 4.0
# Phases of a tick.
BEGIN, SEND = range(2)


@kernel
def _enqueue(e, k):
    """Put spike k of the pool into the slot of the tick in which its next row is due."""
    slot = int(e.pool_t[k] + e.row_delay[e.pool_r[k]]) & (e.bin_head.size - 1)
    e.pool_next[k] = -1
    if e.bin_head[slot] < 0:
        e.bin_head[slot] = k
    else:
        e.pool_next[e.bin_tail[slot]] = k
    e.bin_tail[slot] = k


@kernel
def _send(e, gid):
    for p in range(e.out_ptr[gid], e.out_ptr[gid + 1]):
        if e.out_r0[p] < e.out_r1[p]:
            e.n_free -= 1
            k = e.free[e.n_free]
            e.pool_t[k] = e.tick
            e.pool_r[k] = e.out_r0[p]
            e.pool_end[k] = e.out_r1[p]
            _enqueue(e, k)
    b = e.block_of[gid]
    for p in range(e.ring_ptr[b], e.ring_ptr[b + 1]):
        g = e.ring_groups[p]
        invoke(e.group_kernels[g], e.groups[g], e, SPREAD, gid - e.block_g0[b], float(e.tick))


@kernel
def _collect(e):
    """Rows that are due in this tick, by group: in order of projection, then of spike."""
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
        while r < last and e.pool_t[k] + e.row_delay[r] == e.tick:
            e.cur_r[n] = r
            e.due_ptr[group_of(e, r) + 1] += 1
            n += 1
            r += 1
        if r < last:
            e.pool_r[k] = r
            _enqueue(e, k)
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
    return n


@kernel
def _deliver(e, n, op, t):
    """Let every row that is due deliver, or learn."""
    first = 0
    for g in range(e.n_groups):
        r0 = e.group_r1[g - 1] if g > 0 else 0
        for m in range(first, e.due_ptr[g]):
            invoke(e.group_kernels[g], e.groups[g], e, op, e.due[m] - r0, t)
        first = e.due_ptr[g]


@entry
def advance_grid(e, engine, op, last, stop):
    """Run until tick `last`, or until the caller has to do something; a kernel like any other."""
    while e.tick < last:
        t = e.tick * e.h
        if e.phase == BEGIN:
            e.n_fired = 0
            every_block(e, STEP, 0)
            while e.i_given < e.given_t.size and e.given_t[e.i_given] <= e.tick and e.n_fired < e.fired.size:
                e.fired[e.n_fired] = e.given_i[e.i_given]
                e.n_fired += 1
                e.i_given += 1
            e.phase = SEND
        if e.bad >= 0:
            return BROKEN
        if e.n_rec + e.n_fired > e.rec_t.size:
            return FLUSH
        if e.n_free < e.n_fired * e.max_spans:
            return GROW
        for k in range(e.n_fired):
            gid = e.fired[k]
            e.counts[gid] += 1
            e.rec_t[e.n_rec] = t
            e.rec_i[e.n_rec] = gid
            e.n_rec += 1
            _send(e, gid)
        every_block(e, RAIN, 0)
        n = _collect(e)
        _deliver(e, n, ARRIVE, t)
        if e.post_first == 0:
            _deliver(e, n, LEARN, t)
        for k in range(e.n_fired):
            learn_post(e, e.fired[k], t)
        if e.post_first:
            _deliver(e, n, LEARN, t)
        every_block(e, SETBACK, 0)
        e.phase = BEGIN
        e.tick += 1
        e.now = e.tick * e.h
    return DONE


