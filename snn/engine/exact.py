"""The exact engine: continuous time, windows, and a total order of events.

At one instant: releases from refractoriness, source spikes, arrivals (by projection, source, synapse), then threshold
crossings (by neuron), each followed by its emission and its post-spike plasticity.

Several engines can share a network (see :mod:`snn.engine.shared`); this driver is for one that is alone.

The driver knows blocks and groups only by their numbers; what they do is in kernels of their own, called by address.
"""

from __future__ import annotations

import numpy as np

from .cells import (
    CONFIRM,
    DRAINING,
    EMITTING,
    FIRE,
    NEVER,
    NEXT,
    OPEN,
    POTENTIAL,
    RELEASE,
    SERVING,
    SPIKES,
    bank,
    emit,
    has_room,
    predict,
)
from .heap import pop, pop_entry, push, sort_events
from .jit import entry, kernel
from .rows import ARRIVE, LEARN, POST, RUN
from .struct import invoke

# Why `advance` returned; STUCK: a neuron fires without end at one instant. Other loops have 4 to 6.
DONE, GROW, FLUSH, WATCH, STUCK = 0.0, 1.0, 2.0, 3.0, 7.0
# So many spikes of a neuron at one instant are taken for spikes without end. One arrival may cause many (soft reset).
_AT_ONCE = 1_000_000


@kernel
def ask_block(e, gid, op, t):
    """Let the block of neuron gid do something with it."""
    b = e.block_of[gid]
    return invoke(e.block_kernels[b], e.blocks[b], e, op, gid - e.block_g0[b], t)


@kernel
def every_block(e, op, i):
    """Let every block do something, until one of them says that it has no room; False then."""
    for b in range(e.n_blocks):
        if invoke(e.block_kernels[b], e.blocks[b], e, op, i, 0.0) < 0.0:
            return False
    return True


@kernel
def every_group(e, op, t):
    """Let every group do something."""
    for g in range(e.n_groups):
        invoke(e.group_kernels[g], e.groups[g], e, op, 0, t)


@kernel
def group_of(e, r):
    """Number of the group that row r belongs to."""
    lo = 0
    hi = e.n_groups - 1
    while lo < hi:
        middle = (lo + hi) >> 1
        if r < e.group_r1[middle]:
            hi = middle
        else:
            lo = middle + 1
    return lo


@kernel
def ask_group(e, r, op, t):
    """Let the group of row r do something with it."""
    g = group_of(e, r)
    invoke(e.group_kernels[g], e.groups[g], e, op, r - (e.group_r1[g - 1] if g > 0 else 0), t)


@kernel
def learn_post(e, gid, t):
    """Post-spike plasticity of every plastic projection onto neuron gid."""
    b = e.block_of[gid]
    for k in range(e.plastic_ptr[b], e.plastic_ptr[b + 1]):
        g = e.plastic[k]
        invoke(e.group_kernels[g], e.groups[g], e, POST, gid - e.block_g0[b], t)


@kernel
def open_window(e):
    """Begin the next window, or go on beginning it, with its arrivals and source spikes; False if queues are full."""
    if e.phase == NEXT:
        e.last_w0 = e.w0
        e.w0 = e.window * e.h
        e.w1 = (e.window + 1) * e.h
        e.phase = DRAINING
    if e.phase == DRAINING:
        slot = e.window & (e.bin_head.size - 1)
        k = e.bin_head[slot]
        while k >= 0:
            t = e.pool_t[k]
            r = e.pool_r[k]
            last = e.pool_end[k]
            m = e.n_cur
            while r < last and t + e.row_delay[r] < e.w1 and m < e.cur_t.size:
                e.cur_t[m] = t + e.row_delay[r]
                e.cur_r[m] = r
                m += 1
                r += 1
            e.n_cur = m
            e.pool_r[k] = r
            if r < last and t + e.row_delay[r] < e.w1:
                return False
            e.bin_head[slot] = e.pool_next[k]
            if r < last:
                bank(e, k)
            else:
                e.free[e.n_free] = k
                e.n_free += 1
            k = e.bin_head[slot]
        e.phase = EMITTING
    if not every_block(e, SPIKES, 0):
        return False
    while e.i_given < e.given_t.size and e.given_t[e.i_given] - e.given_shift < e.w1:
        if not has_room(e):
            return False
        t = e.given_t[e.i_given] - e.given_shift
        gid = e.given_i[e.i_given]
        emit(e, gid, t)
        e.src_t[e.n_src] = t
        e.src_i[e.n_src] = gid
        e.n_src += 1
        e.i_given += 1
    sort_events(e.cur_t, e.cur_r, e.n_cur, e.w0, e.w1, e.tmp_t, e.tmp_i, e.buckets)
    sort_events(e.src_t, e.src_i, e.n_src, e.w0, e.w1, e.tmp_t, e.tmp_i, e.buckets)
    for k in range(e.n_cross):
        e.cross_at[e.cross_i[k]] = -1
    e.n_cross = 0
    e.i_open = 0
    e.n_open = 0
    every_block(e, OPEN, 0)
    sort_events(e.open_t, e.open_i, e.n_open, e.w0, e.w1, e.open_tmp_t, e.open_tmp_i, e.open_buckets)
    e.phase = SERVING
    return True


@kernel
def _hold(e, gid, t):
    """Neuron gid is refractory until t: in order of time where possible, else in the heap of the late."""
    if e.n_rest == 0 or t >= e.rest_t[(e.i_rest + e.n_rest - 1) % e.rest_t.size]:
        k = (e.i_rest + e.n_rest) % e.rest_t.size
        e.rest_t[k] = t
        e.rest_i[k] = gid
        e.n_rest += 1
    else:
        e.n_release = push(e.rel_t, e.rel_i, e.n_release, t, np.int64(gid))


@kernel
def _released(e, t):
    """Take out the neuron whose refractoriness ends at t, the lowest number first."""
    early = e.rest_t[e.i_rest] if e.n_rest > 0 else NEVER
    if early == t and not (e.n_release > 0 and e.rel_t[0] == t and e.rel_i[0] < e.rest_i[e.i_rest]):
        gid = e.rest_i[e.i_rest]
        e.i_rest = (e.i_rest + 1) % e.rest_t.size
        e.n_rest -= 1
        return gid
    gid = e.rel_i[0]
    e.n_release = pop(e.rel_t, e.rel_i, e.n_release)
    return gid


@kernel
def _record(e, gid, t):
    e.counts[gid] += 1
    e.rec_t[e.n_rec] = t
    e.rec_i[e.n_rec] = gid
    e.n_rec += 1


@kernel
def serve(e, until):
    """Serve every event of the present window before `until`; returns why that could not be done."""
    alone = e.post_first == 0 and e.watching == 0
    while True:
        k = e.i_cur
        t_arr = e.cur_t[k] if k < e.n_cur else NEVER
        t_side = e.side_t[0] if e.n_side > 0 else NEVER
        t_rel = e.rel_t[0] if e.n_release > 0 else NEVER
        if e.n_rest > 0:
            t_rel = min(t_rel, e.rest_t[e.i_rest])
        t_src = e.src_t[e.i_src] if e.i_src < e.n_src else NEVER
        t_cross = e.cross_t[0] if e.n_cross > 0 else NEVER
        t_open = e.open_t[e.i_open] if e.i_open < e.n_open else NEVER
        opened = t_open < t_cross or (t_open == t_cross and t_open < NEVER and e.open_i[e.i_open] < e.cross_i[0])
        if opened:
            t_cross = t_open
        from_side = t_side < t_arr or (t_side == t_arr and t_side < NEVER and e.side_r[0] < e.cur_r[k])
        if from_side:
            t_arr = t_side
        t = min(min(t_arr, t_cross), min(t_rel, t_src))
        if e.n_pending > 0 and t > e.pending_t:
            # Plasticity of arrivals that waited for the post spikes of their instant (ties: post first).
            for m in range(e.n_pending):
                ask_group(e, e.pending_r[m], LEARN, e.pending_t)
            e.n_pending = 0
        if t >= until:
            e.now = until
            return DONE
        if t_rel == t:
            ask_block(e, _released(e, t), RELEASE, t)
        elif t_src == t:
            # Every engine has the spikes of all sources; the first one records them.
            if e.part == 0:
                if e.n_rec >= e.rec_t.size:
                    return FLUSH
                _record(e, e.src_i[e.i_src], t)
            e.i_src += 1
        elif t_arr == t and alone and not from_side:
            g = group_of(e, e.cur_r[k])
            limit = min(min(until, t_side), min(t_rel, t_src))
            invoke(e.group_kernels[g], e.groups[g], e, RUN, k, limit)
        elif t_arr == t:
            if e.n_pending == e.pending_r.size:
                return GROW
            if from_side:
                r = e.side_r[0]
                e.n_side = pop(e.side_t, e.side_r, e.n_side)
            else:
                r = e.cur_r[k]
                e.i_cur = k + 1
            ask_group(e, r, ARRIVE, t)
            if e.frozen == 0:
                if e.post_first == 0:
                    ask_group(e, r, LEARN, t)
                else:
                    e.pending_r[e.n_pending] = r
                    e.n_pending += 1
                    e.pending_t = t
            if e.watching and e.watch_row[r]:
                e.now = t
                return WATCH
        else:
            gid = np.int64(e.open_i[e.i_open] if opened else e.cross_i[0])
            c = NEVER
            if e.next_t[gid] == t:
                c = ask_block(e, gid, CONFIRM, t)
                if c == t and e.n_rec >= e.rec_t.size:
                    return FLUSH
                if c == t and e.n_parts == 1 and not has_room(e):
                    return GROW
                e.next_t[gid] = NEVER
            if opened:
                e.i_open += 1
            else:
                e.n_cross = pop_entry(e.cross_t, e.cross_i, e.cross_at, e.n_cross)
            if c != t:
                if c < e.w1:
                    predict(e, gid, c)
                continue
            if e.reads_fired and e.frozen == 0:
                e.v_fired = ask_block(e, gid, POTENTIAL, t)
            e.at_once = e.at_once + 1 if gid == e.last_i and t == e.last_t else 0
            e.last_i = gid
            e.last_t = t
            if e.at_once > _AT_ONCE:
                e.bad = gid
                e.now = t
                return STUCK
            t_ref = ask_block(e, gid, FIRE, t)
            if t_ref > 0.0:
                _hold(e, gid, t + t_ref)
            _record(e, gid, t)
            if e.n_parts == 1:
                emit(e, gid, t)
            if e.frozen == 0:
                learn_post(e, gid, t)
            if e.watching and e.watch_cell[gid]:
                e.now = t
                return WATCH


@kernel
def close_window(e):
    """End the present window, all of which has been served."""
    e.phase = NEXT
    e.window += 1
    e.i_cur = 0
    e.n_cur = 0
    e.i_src = 0
    e.n_src = 0


@entry
def advance(e, engine, op, i, stop):
    """Run until `stop` (s), or until the caller has to do something; see the reasons above.

    A kernel like any other, so that presentations call it by its address: `e` and `engine` are the same.

    Events at exactly `stop` belong to the next call: intervals are half-open.
    """
    while True:
        if e.phase == NEXT and e.now >= stop:
            return DONE
        if e.phase != SERVING and not open_window(e):
            return GROW if e.bad < 0 else STUCK
        why = serve(e, min(e.w1, stop))
        if why != DONE or e.now < e.w1:
            return why
        close_window(e)


__all__ = ["DONE", "FLUSH", "GROW", "STUCK", "WATCH", "advance", "close_window", "open_window", "serve"]
