"""The exact engine: continuous time, windows, and a total order of events.

At one instant: releases from refractoriness, source spikes, arrivals (by projection, source, synapse), then threshold
crossings (by neuron), each followed by its emission and its post-spike plasticity.
"""

from __future__ import annotations

import math

from .cells import NEVER, confirm, crossing, fire, open_cells, predict, release, reset_cells, source_next
from .heap import pop, push, sort_events
from .jit import entry, kernel, specialise
from .rows import R1, arrive, learn_post, learn_row, settle_all

# Positions in the clock (float64) and in the registers (int64).
NOW, W0, W1, LAST_W0, PENDING_T, H = range(6)
(
    PHASE,
    WINDOW,
    N_CROSS,
    N_RELEASE,
    N_SIDE,
    I_CUR,
    N_CUR,
    N_FREE,
    N_REC,
    I_GIVEN,
    N_PENDING,
    I_SRC,
    N_SRC,
    POST_FIRST,
    WATCHING,
    MAX_ROWS,
    FROZEN,
) = range(17)
# Why `advance` returned.
DONE, GROW, FLUSH, WATCH = range(4)
# Positions in the queues.
(
    POOL_T,
    POOL_R,
    POOL_NEXT,
    FREE,
    BIN_HEAD,
    BIN_TAIL,
    CUR_T,
    CUR_R,
    SIDE_T,
    SIDE_R,
    CROSS_T,
    CROSS_I,
    REL_T,
    REL_I,
    REC_T,
    REC_I,
    PENDING_R,
    SRC_T,
    SRC_I,
    TMP_T,
    TMP_I,
    BUCKETS,
) = range(22)
# Positions in the wiring.
ROW_DELAY, OUT_PTR, OUT_R0, OUT_R1, GIVEN_T, GIVEN_I, COUNTS, NEXT_T, WATCH_ROW, WATCH_CELL = range(10)


def any_row(groups, r, t, w0, w1, next_t, heap_t, heap_i, m):
    """Deliver a spike to row r, whichever group it belongs to."""
    for g in groups:
        if r < g[R1]:
            return arrive(g, r, t, w0, w1, next_t, heap_t, heap_i, m)
    return m


@specialise(any_row)
def _any_row(groups, r, t, w0, w1, next_t, heap_t, heap_i, m):
    if len(groups) == 0:
        return lambda groups, r, t, w0, w1, next_t, heap_t, heap_i, m: m
    if len(groups) == 1:
        return lambda groups, r, t, w0, w1, next_t, heap_t, heap_i, m: arrive(
            groups[0], r, t, w0, w1, next_t, heap_t, heap_i, m
        )

    def walk(groups, r, t, w0, w1, next_t, heap_t, heap_i, m):
        if r < groups[0][R1]:
            return arrive(groups[0], r, t, w0, w1, next_t, heap_t, heap_i, m)
        return any_row(groups[1:], r, t, w0, w1, next_t, heap_t, heap_i, m)

    return walk


def any_learn(groups, r, t, w0):
    """Plasticity of row r, whichever group it belongs to."""
    for g in groups:
        if r < g[R1]:
            learn_row(g, r, t, w0)
            return


@specialise(any_learn)
def _any_learn(groups, r, t, w0):
    if len(groups) == 0:
        return lambda groups, r, t, w0: None
    if len(groups) == 1:
        return lambda groups, r, t, w0: learn_row(groups[0], r, t, w0)

    def walk(groups, r, t, w0):
        if r < groups[0][R1]:
            learn_row(groups[0], r, t, w0)
        else:
            any_learn(groups[1:], r, t, w0)

    return walk


def every_post(groups, gid, t):
    """Post-spike plasticity of every group that ends on neuron gid."""
    for g in groups:
        learn_post(g, gid, t)


@specialise(every_post)
def _every_post(groups, gid, t):
    if len(groups) == 0:
        return lambda groups, gid, t: None

    def walk(groups, gid, t):
        learn_post(groups[0], gid, t)
        every_post(groups[1:], gid, t)

    return walk


def settle_groups(groups):
    """Bring every weight up to date."""
    for g in groups:
        settle_all(g)


@specialise(settle_groups)
def _settle_groups(groups):
    if len(groups) == 0:
        return lambda groups: None

    def walk(groups):
        settle_all(groups[0])
        settle_groups(groups[1:])

    return walk


def open_all(blocks, w0, before, w1, next_t, heap_t, heap_i, m):
    for b in blocks:
        m = open_cells(b, w0, before, w1, next_t, heap_t, heap_i, m)
    return m


@specialise(open_all)
def _open_all(blocks, w0, before, w1, next_t, heap_t, heap_i, m):
    if len(blocks) == 0:
        return lambda blocks, w0, before, w1, next_t, heap_t, heap_i, m: m

    def walk(blocks, w0, before, w1, next_t, heap_t, heap_i, m):
        m = open_cells(blocks[0], w0, before, w1, next_t, heap_t, heap_i, m)
        return open_all(blocks[1:], w0, before, w1, next_t, heap_t, heap_i, m)

    return walk


def cell_confirm(blocks, gid, t, w0, w1, next_t):
    for b in blocks:
        if gid < b[3]:
            return confirm(b, gid - b[2], t, w0, w1, next_t)
    return NEVER


@specialise(cell_confirm)
def _cell_confirm(blocks, gid, t, w0, w1, next_t):
    if len(blocks) == 1:
        return lambda blocks, gid, t, w0, w1, next_t: confirm(blocks[0], gid - blocks[0][2], t, w0, w1, next_t)

    def walk(blocks, gid, t, w0, w1, next_t):
        if gid < blocks[0][3]:
            return confirm(blocks[0], gid - blocks[0][2], t, w0, w1, next_t)
        return cell_confirm(blocks[1:], gid, t, w0, w1, next_t)

    return walk


def cell_fire(blocks, gid, t, w0, w1):
    """Reset neuron gid; returns its refractory time and, if that is 0, when it would cross again."""
    for b in blocks:
        if gid < b[3]:
            t_ref = fire(b, gid - b[2], t, w0)
            return t_ref, NEVER if t_ref > 0.0 else crossing(b, gid - b[2], t, w0, w1)
    return 0.0, NEVER


@specialise(cell_fire)
def _cell_fire(blocks, gid, t, w0, w1):
    last = len(blocks) == 1
    if last:

        def one(blocks, gid, t, w0, w1):
            b = blocks[0]
            t_ref = fire(b, gid - b[2], t, w0)
            if t_ref > 0.0:
                return t_ref, NEVER
            return t_ref, crossing(b, gid - b[2], t, w0, w1)

        return one

    def walk(blocks, gid, t, w0, w1):
        b = blocks[0]
        if gid < b[3]:
            t_ref = fire(b, gid - b[2], t, w0)
            if t_ref > 0.0:
                return t_ref, NEVER
            return t_ref, crossing(b, gid - b[2], t, w0, w1)
        return cell_fire(blocks[1:], gid, t, w0, w1)

    return walk


def cell_release(blocks, gid, t, w0, w1):
    """End the refractoriness of neuron gid; returns when it will cross if nothing arrives."""
    for b in blocks:
        if gid < b[3]:
            release(b, gid - b[2], t, w0)
            return crossing(b, gid - b[2], t, w0, w1)
    return NEVER


@specialise(cell_release)
def _cell_release(blocks, gid, t, w0, w1):
    if len(blocks) == 1:

        def one(blocks, gid, t, w0, w1):
            release(blocks[0], gid - blocks[0][2], t, w0)
            return crossing(blocks[0], gid - blocks[0][2], t, w0, w1)

        return one

    def walk(blocks, gid, t, w0, w1):
        if gid < blocks[0][3]:
            release(blocks[0], gid - blocks[0][2], t, w0)
            return crossing(blocks[0], gid - blocks[0][2], t, w0, w1)
        return cell_release(blocks[1:], gid, t, w0, w1)

    return walk


@kernel
def emit(q, n, clock, reg, gid, t):
    """Send the spike of neuron gid at time t along all its rows."""
    h = clock[H]
    w1 = clock[W1]
    bins = q[BIN_HEAD].size
    for p in range(n[OUT_PTR][gid], n[OUT_PTR][gid + 1]):
        for r in range(n[OUT_R0][p], n[OUT_R1][p]):
            ta = t + n[ROW_DELAY][r]
            if ta < w1:
                if reg[PHASE] == 2:
                    reg[N_SIDE] = push(q[SIDE_T], q[SIDE_R], reg[N_SIDE], ta, r)
                else:
                    q[CUR_T][reg[N_CUR]] = ta
                    q[CUR_R][reg[N_CUR]] = r
                    reg[N_CUR] += 1
                continue
            window = int(ta / h)
            if window * h > ta:
                window -= 1
            elif (window + 1) * h <= ta:
                window += 1
            slot = window % bins
            reg[N_FREE] -= 1
            e = q[FREE][reg[N_FREE]]
            q[POOL_T][e] = ta
            q[POOL_R][e] = r
            q[POOL_NEXT][e] = -1
            if q[BIN_HEAD][slot] < 0:
                q[BIN_HEAD][slot] = e
            else:
                q[POOL_NEXT][q[BIN_TAIL][slot]] = e
            q[BIN_TAIL][slot] = e


@kernel
def _room(q, reg):
    """Whether one more neuron may send its spike along all its rows."""
    need = reg[MAX_ROWS]
    return (
        reg[N_FREE] >= need
        and reg[N_SIDE] + need <= q[SIDE_T].size
        and reg[N_CUR] + need <= q[CUR_T].size
        and reg[N_SRC] + 1 < q[SRC_T].size
    )


def source_spikes(blocks, q, n, clock, reg):
    """Let every source of every block fire within the window that is being opened; False if the queues are full."""
    for b in blocks:
        if b[0].name == "source" and not block_spikes(b, q, n, clock, reg):
            return False
    return True


def block_spikes(b, q, n, clock, reg):
    """The same for one block of sources."""
    next_t, last_t, fired = b[6], b[7], b[8]
    for j in range(b[3] - b[2]):
        while next_t[j] < clock[W1]:
            if not _room(q, reg):
                return False
            t = next_t[j]
            emit(q, n, clock, reg, b[2] + j, t)
            q[SRC_T][reg[N_SRC]] = t
            q[SRC_I][reg[N_SRC]] = b[2] + j
            reg[N_SRC] += 1
            fired[j] += 1
            last_t[j] = t
            next_t[j] = source_next(b, j, t, fired[j])
    return True


block_spikes_jit = kernel(block_spikes)


@specialise(source_spikes)
def _source_spikes(blocks, q, n, clock, reg):
    if len(blocks) == 0:
        return lambda blocks, q, n, clock, reg: True
    if blocks.types[0].types[0].fields[0][0] != "source":
        return lambda blocks, q, n, clock, reg: source_spikes(blocks[1:], q, n, clock, reg)

    def walk(blocks, q, n, clock, reg):
        if not block_spikes_jit(blocks[0], q, n, clock, reg):
            return False
        return source_spikes(blocks[1:], q, n, clock, reg)

    return walk


@kernel
def _run_pending(groups, q, clock, reg):
    """Plasticity of arrivals that waited for the post spikes of their instant (ties: post first)."""
    for k in range(reg[N_PENDING]):
        any_learn(groups, q[PENDING_R][k], clock[PENDING_T], clock[W0])
    reg[N_PENDING] = 0


def advance(blocks, groups, q, n, clock, reg, stop):
    """Run until `stop` (s), or until the caller has to do something; see the reasons above.

    Events at exactly `stop` belong to the next call: intervals are half-open.
    """
    next_t = n[NEXT_T]
    h = clock[H]
    while True:
        if reg[PHASE] == 0:
            if clock[NOW] >= stop:
                return DONE
            clock[LAST_W0] = clock[W0]
            clock[W0] = reg[WINDOW] * h
            clock[W1] = (reg[WINDOW] + 1) * h
            slot = reg[WINDOW] % q[BIN_HEAD].size
            e = q[BIN_HEAD][slot]
            while e >= 0:
                q[CUR_T][reg[N_CUR]] = q[POOL_T][e]
                q[CUR_R][reg[N_CUR]] = q[POOL_R][e]
                reg[N_CUR] += 1
                q[FREE][reg[N_FREE]] = e
                reg[N_FREE] += 1
                e = q[POOL_NEXT][e]
            q[BIN_HEAD][slot] = -1
            reg[PHASE] = 1
        w0 = clock[W0]
        w1 = clock[W1]
        if reg[PHASE] == 1:
            if not source_spikes(blocks, q, n, clock, reg):
                return GROW
            while reg[I_GIVEN] < n[GIVEN_T].size and n[GIVEN_T][reg[I_GIVEN]] < w1:
                if not _room(q, reg):
                    return GROW
                k = reg[I_GIVEN]
                emit(q, n, clock, reg, n[GIVEN_I][k], n[GIVEN_T][k])
                q[SRC_T][reg[N_SRC]] = n[GIVEN_T][k]
                q[SRC_I][reg[N_SRC]] = n[GIVEN_I][k]
                reg[N_SRC] += 1
                reg[I_GIVEN] += 1
            sort_events(q[CUR_T], q[CUR_R], reg[N_CUR], w0, w1, q[TMP_T], q[TMP_I], q[BUCKETS])
            sort_events(q[SRC_T], q[SRC_I], reg[N_SRC], w0, w1, q[TMP_T], q[TMP_I], q[BUCKETS])
            reg[N_CROSS] = open_all(blocks, w0, clock[LAST_W0], w1, next_t, q[CROSS_T], q[CROSS_I], 0)
            reg[PHASE] = 2
        until = min(w1, stop)
        # Locals of the loop: the queue of this window does not grow while it is being served.
        while True:
            t_arr = q[CUR_T][reg[I_CUR]] if reg[I_CUR] < reg[N_CUR] else NEVER
            from_side = False
            if reg[N_SIDE] > 0 and (
                q[SIDE_T][0] < t_arr or (q[SIDE_T][0] == t_arr and q[SIDE_R][0] < q[CUR_R][reg[I_CUR]])
            ):
                t_arr = q[SIDE_T][0]
                from_side = True
            t_rel = q[REL_T][0] if reg[N_RELEASE] > 0 else NEVER
            t_src = q[SRC_T][reg[I_SRC]] if reg[I_SRC] < reg[N_SRC] else NEVER
            t_cross = q[CROSS_T][0] if reg[N_CROSS] > 0 else NEVER
            t = min(min(t_arr, t_cross), min(t_rel, t_src))
            if reg[N_PENDING] > 0 and t > clock[PENDING_T]:
                _run_pending(groups, q, clock, reg)
            if t >= until:
                break
            if t_rel == t:
                gid = q[REL_I][0]
                reg[N_RELEASE] = pop(q[REL_T], q[REL_I], reg[N_RELEASE])
                c = cell_release(blocks, gid, t, w0, w1)
                reg[N_CROSS] = predict(next_t, q[CROSS_T], q[CROSS_I], reg[N_CROSS], gid, c)
            elif t_src == t:
                if reg[N_REC] >= q[REC_T].size:
                    return FLUSH
                gid = q[SRC_I][reg[I_SRC]]
                reg[I_SRC] += 1
                n[COUNTS][gid] += 1
                q[REC_T][reg[N_REC]] = t
                q[REC_I][reg[N_REC]] = gid
                reg[N_REC] += 1
            elif t_arr == t:
                if from_side:
                    r = q[SIDE_R][0]
                    reg[N_SIDE] = pop(q[SIDE_T], q[SIDE_R], reg[N_SIDE])
                else:
                    r = q[CUR_R][reg[I_CUR]]
                    reg[I_CUR] += 1
                reg[N_CROSS] = any_row(groups, r, t, w0, w1, next_t, q[CROSS_T], q[CROSS_I], reg[N_CROSS])
                if reg[FROZEN]:
                    pass
                elif reg[POST_FIRST] == 0:
                    any_learn(groups, r, t, w0)
                else:
                    q[PENDING_R][reg[N_PENDING]] = r
                    reg[N_PENDING] += 1
                    clock[PENDING_T] = t
                if reg[WATCHING] and n[WATCH_ROW][r]:
                    clock[NOW] = t
                    return WATCH
            else:
                gid = q[CROSS_I][0]
                c = cell_confirm(blocks, gid, t, w0, w1, next_t)
                if c != t:
                    reg[N_CROSS] = pop(q[CROSS_T], q[CROSS_I], reg[N_CROSS])
                    if t < c < w1 and not math.isinf(next_t[gid]):
                        next_t[gid] = NEVER
                        reg[N_CROSS] = predict(next_t, q[CROSS_T], q[CROSS_I], reg[N_CROSS], gid, c)
                    elif next_t[gid] == t:
                        next_t[gid] = NEVER
                    continue
                if reg[N_REC] >= q[REC_T].size:
                    return FLUSH
                if not _room(q, reg):
                    return GROW
                reg[N_CROSS] = pop(q[CROSS_T], q[CROSS_I], reg[N_CROSS])
                next_t[gid] = NEVER
                t_ref, again = cell_fire(blocks, gid, t, w0, w1)
                if t_ref > 0.0:
                    reg[N_RELEASE] = push(q[REL_T], q[REL_I], reg[N_RELEASE], t + t_ref, gid)
                else:
                    reg[N_CROSS] = predict(next_t, q[CROSS_T], q[CROSS_I], reg[N_CROSS], gid, again)
                n[COUNTS][gid] += 1
                q[REC_T][reg[N_REC]] = t
                q[REC_I][reg[N_REC]] = gid
                reg[N_REC] += 1
                emit(q, n, clock, reg, gid, t)
                if reg[FROZEN] == 0:
                    every_post(groups, gid, t)
                if reg[WATCHING] and n[WATCH_CELL][gid]:
                    clock[NOW] = t
                    return WATCH
        clock[NOW] = until
        if until < w1:
            return DONE
        reg[PHASE] = 0
        reg[WINDOW] += 1
        reg[I_CUR] = 0
        reg[N_CUR] = 0
        reg[I_SRC] = 0
        reg[N_SRC] = 0
        reg[N_CROSS] = 0


advance_jit = kernel(advance)


@specialise(advance)
def _advance(blocks, groups, q, n, clock, reg, stop):
    return lambda blocks, groups, q, n, clock, reg, stop: advance_jit(blocks, groups, q, n, clock, reg, stop)


@entry
def run(blocks, groups, q, n, clock, reg, stop):
    """Compiled entry of :func:`advance`."""
    return advance(blocks, groups, q, n, clock, reg, stop)


@entry
def settle_now(groups):
    """Compiled entry of :func:`settle_groups`."""
    settle_groups(groups)


@entry
def start_source(b):
    """Draw the first spike of every source of a block."""
    reset_cells(b, 0)
