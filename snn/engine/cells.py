"""Neurons inside the exact engine: five kinds of blocks that share one set of operations.

Where several engines share a network, each has neurons `lo` to `hi` of every block; sources are drawn by all of them.

Inside a window that starts at w0 a linear mode is kept as its value projected back to w0, x exp((t - w0) / tau): it
does not change between arrivals, an arrival is an add, and "reaches threshold before the window ends" is a compare. A
refractory neuron holds HELD, which adds leave unchanged.

Entries of the queue of crossings are never later than the crossing that they announce: whoever may cross earlier than
what is queued for it is queued again, and an entry that is due is confirmed before the neuron fires.
"""

from __future__ import annotations

import math

import numpy as np

from ..crossing import first_crossing as _first_crossing
from . import methods
from .dispatch import Kind
from .heap import advance_entry, push
from .jit import entry, inlined, kernel, specialise
from .rng import uniform_u64
from .types import at, view
from .vector import copy_record

ONE = Kind("one")  # one mode, gain 1: delta synapses
THREE, MANY = Kind("three"), Kind("many")  # three modes, as with exponential currents of both signs; any number
CLOSED = Kind("closed")  # any closed form, by the model's own methods
SOURCE = Kind("source")
GIVEN = Kind("given")  # spikes are in the wiring

# What a block can be asked to do; NUDGE: take an arrival of weight t on the first port, before anything has happened;
# REDRAW: the parameters of a source have changed.
OPEN, CONFIRM, FIRE, RELEASE, RESET, SPIKES, POTENTIAL, NUDGE, REDRAW = range(9)

# So many spikes of a source at one instant are taken for spikes without end; few intervals are too short for the clock.
_AT_ONCE = 10_000

HELD = -1e30
NEVER = math.inf
first_crossing = kernel(_first_crossing)


@kernel
def copy(to, values):
    """Copy an array element by element (a slice assignment might allocate)."""
    for k in range(to.size):
        to[k] = values[k]


@kernel
def clear(values):
    """Set an array to zero."""
    for k in range(values.size):
        values[k] = 0.0


@kernel
def foresee(e, gid, t):
    """Neuron gid may cross at t, not before, as seen when a window opens: these are sorted once and served in order."""
    e.next_t[gid] = t
    if t < NEVER:
        e.open_t[e.n_open] = t
        e.open_i[e.n_open] = gid
        e.n_open += 1


@kernel
def predict(e, gid, t):
    """Neuron gid may cross at t, not before: queue that if nothing earlier is queued for it."""
    if t < e.next_t[gid]:
        e.next_t[gid] = t
        e.n_cross = advance_entry(e.cross_t, e.cross_i, e.cross_at, e.n_cross, t, gid)


@kernel
def emit(e, gid, t):
    """Send the spike of neuron gid at time t along all its branches."""
    for p in range(e.out_ptr[gid], e.out_ptr[gid + 1]):
        r = e.out_r0[p]
        last = e.out_r1[p]
        while r < last and t + e.row_delay[r] < e.w1:
            if e.phase == SERVING:
                e.n_side = push(e.side_t, e.side_r, e.n_side, t + e.row_delay[r], r)
            else:
                e.cur_t[e.n_cur] = t + e.row_delay[r]
                e.cur_r[e.n_cur] = r
                e.n_cur += 1
            r += 1
        if r < last:
            e.n_free -= 1
            k = e.free[e.n_free]
            e.pool_t[k] = t
            e.pool_r[k] = r
            e.pool_end[k] = last
            bank(e, k)


@kernel
def bank(e, k):
    """Put spike k of the pool into the window in which its next row is due."""
    due = e.pool_t[k] + e.row_delay[e.pool_r[k]]
    window = int(due * e.per_h)
    if window * e.h > due:
        window -= 1
    elif (window + 1) * e.h <= due:
        window += 1
    slot = window & (e.bin_head.size - 1)
    e.pool_next[k] = -1
    if e.bin_head[slot] < 0:
        e.bin_head[slot] = k
    else:
        e.pool_next[e.bin_tail[slot]] = k
    e.bin_tail[slot] = k


@kernel
def has_room(e):
    """Whether one more neuron may send its spike along all its branches."""
    return (
        e.n_free >= e.max_spans
        and e.n_side + e.max_rows <= e.side_t.size
        and e.n_cur + e.max_rows <= e.cur_t.size
        and e.n_src + 1 < e.src_t.size
    )


# Phases of a window.
NEXT, DRAINING, EMITTING, SERVING = range(4)

# ------------------------------------------------------------------------------------------------------- one mode


@kernel
def one_crossing(b, j, now, f, e):
    """When neuron j crosses, not before `now`, if nothing arrives; f = exp((now - w0) / tau)."""
    x = b.x[j]
    gap = b.gap[j]
    if x < 0.5 * HELD:
        return NEVER
    if x >= gap * f:
        return now
    if gap < 0.0 and x < 0.0:
        t = e.w0 + b.tau * math.log(x / gap)
        if t < e.w1:
            return max(t, now)
    return NEVER


@kernel
def _one_open(b, e):
    x, gap = b.x[b.lo : b.hi], b.gap[b.lo : b.hi]
    next_t = e.next_t[b.g0 + b.lo : b.g0 + b.hi]
    end = math.exp((e.w1 - e.w0) / b.tau)
    b.end = end
    decay = math.exp((e.last_w0 - e.w0) / b.tau)
    for j in range(x.size):
        x[j] = x[j] * decay if x[j] > 0.5 * HELD else HELD
        next_t[j] = NEVER
    crossed = 0
    for j in range(x.size):
        crossed += x[j] >= gap[j] * (end if gap[j] < 0.0 else 1.0)
    if crossed == 0:
        return
    for j in range(x.size):
        if x[j] >= gap[j] * (end if gap[j] < 0.0 else 1.0):
            foresee(e, b.g0 + b.lo + j, one_crossing(b, b.lo + j, e.w0, 1.0, e))


@kernel
def _one_fire(b, j, t, e):
    f = math.exp((t - e.w0) / b.tau)
    if b.t_ref[j] > 0.0:
        if b.soft:
            # A soft reset remembers the overshoot; it is kept beside the mode until the cell is released.
            b.kept[j] = b.v_inf[j] + b.x[j] / f - (b.gap[j] + b.v_inf[j] - b.v_reset[j])
        b.x[j] = HELD
    else:
        if b.soft:
            b.x[j] -= (b.gap[j] + b.v_inf[j] - b.v_reset[j]) * f
        else:
            b.x[j] = (b.v_reset[j] - b.v_inf[j]) * f
        predict(e, b.g0 + j, one_crossing(b, j, t, f, e))
    return b.t_ref[j]


@inlined
def one_potential(b, j, t, e):
    x = b.x[j]
    # Not where x asks for it, so that loops over neurons find the exponential once and run at vector speed.
    free = b.v_inf[j] + x * math.exp((e.w0 - t) / b.tau)
    return HELD if x < 0.5 * HELD else free


@entry
def one_block(b, e, op, j, t):
    """A block whose potential is one mode."""
    if op == CONFIRM:
        return one_crossing(b, j, t, math.exp((t - e.w0) / b.tau), e)
    if op == FIRE:
        return _one_fire(b, j, t, e)
    if op == RELEASE:
        v = b.kept[j] if b.soft else b.v_reset[j]
        f = math.exp((t - e.w0) / b.tau)
        b.x[j] = (v - b.v_inf[j]) * f
        predict(e, b.g0 + j, one_crossing(b, j, t, f, e))
    elif op == OPEN:
        _one_open(b, e)
    elif op == POTENTIAL:
        return one_potential(b, j, t, e)
    elif op == RESET:
        copy(b.x, b.start)
    elif op == NUDGE:
        b.x[j] += t
    return 0.0


# ------------------------------------------------------------------------------------------------------ many modes


def n_modes(b):
    """How many modes a block has; a constant in compiled code where the kind says it."""
    return b.taus.size


@specialise(n_modes)
def _n_modes(b):
    return (lambda b: 3) if b.kind == "three" else (lambda b: b.taus.size)


@kernel
def bound(b, j, t, e):
    """A time that is not after the next crossing of neuron j, if nothing arrives; NEVER if there is none in the window.

    Row j of b.x holds the modes, then the crossing that has been confirmed, which the next arrival makes void. b.f
    projects the modes to t, b.d to the end of the window. The slope of v is at most the sum of what each mode's slope
    is at that end of [t, w1] at which it is larger.
    """
    x, f, d, rates = b.x, b.f, b.d, b.rates
    if x[j, 0] < 0.5 * HELD:
        return NEVER
    v = 0.0
    slope = 0.0
    for k in range(n_modes(b)):
        v += x[j, k] * f[k]
        slope -= rates[k] * min(x[j, k] * f[k], x[j, k] * d[k])
    missing = b.gap[j] - v
    if missing <= 0.0:
        return t
    if slope * (e.w1 - t) >= missing:
        return t + missing / slope
    return NEVER


@kernel
def project(b, t, e):
    """Set the factors that bring the modes of every neuron to time t."""
    for k in range(n_modes(b)):
        b.f[k] = math.exp((e.w0 - t) * b.rates[k])


@kernel
def _many_confirm(b, j, t, e):
    x, rates = b.x[j], b.rates
    if x[n_modes(b)] == t:
        return t
    if x[0] < 0.5 * HELD:
        return NEVER
    if n_modes(b) == 3:
        c = first_crossing(-b.gap[j], (x[0], x[1], x[2]), (rates[0], rates[1], rates[2]), t - e.w0, e.w1 - e.w0)
    else:
        c = first_crossing(-b.gap[j], x[: rates.size], rates, t - e.w0, e.w1 - e.w0)
    c = max(t, e.w0 + c)
    x[n_modes(b)] = c
    return c


@kernel
def _many_open(b, e):
    x = b.x[b.lo : b.hi]
    for k in range(n_modes(b)):
        decay = math.exp((e.last_w0 - e.w0) * b.rates[k])
        for j in range(x.shape[0]):
            if x[j, k] > 0.5 * HELD:
                x[j, k] *= decay
        b.d[k] = math.exp((e.w0 - e.w1) * b.rates[k])
    project(b, e.w0, e)
    for j in range(x.shape[0]):
        x[j, n_modes(b)] = -1.0
        foresee(e, b.g0 + b.lo + j, bound(b, b.lo + j, e.w0, e))


@kernel
def _currents(b, j, t, e):
    """What the modes other than the membrane add to v at t."""
    rest = 0.0
    for k in range(1, n_modes(b)):
        rest += b.x[j, k] * math.exp((e.w0 - t) * b.rates[k])
    return rest


@kernel
def _many_fire(b, j, t, e):
    b.x[j, n_modes(b)] = -1.0
    if b.t_ref[j] > 0.0:
        b.x[j, 0] = HELD
    else:
        grow = math.exp((t - e.w0) * b.rates[0])
        if b.soft:
            b.x[j, 0] -= (b.gap[j] + b.v_inf[j] - b.v_reset[j]) * grow
        else:
            b.x[j, 0] = (b.v_reset[j] - b.v_inf[j] - _currents(b, j, t, e)) * grow
        project(b, t, e)
        predict(e, b.g0 + j, bound(b, j, t, e))
    return b.t_ref[j]


@kernel
def many_potential(b, j, t, e):
    x = b.x[j, 0]
    if x < 0.5 * HELD:
        return HELD
    return b.v_inf[j] + x * math.exp((e.w0 - t) * b.rates[0]) + _currents(b, j, t, e)


@entry
def many_block(b, e, op, j, t):
    """A block whose potential is a sum of modes."""
    if op == CONFIRM:
        return _many_confirm(b, j, t, e)
    if op == FIRE:
        return _many_fire(b, j, t, e)
    if op == RELEASE:
        b.x[j, 0] = (b.v_reset[j] - b.v_inf[j] - _currents(b, j, t, e)) * math.exp((t - e.w0) * b.rates[0])
        project(b, t, e)
        predict(e, b.g0 + j, bound(b, j, t, e))
    elif op == OPEN:
        _many_open(b, e)
    elif op == POTENTIAL:
        return many_potential(b, j, t, e)
    elif op == RESET:
        for k in range(b.x.shape[0]):
            copy(b.x[k], b.start[k])
    elif op == NUDGE:
        for k in range(n_modes(b)):
            b.x[j, k] += t * b.gains[0, k]
    return 0.0


# ---------------------------------------------------------------------------------------- any closed form (plugins)


@kernel
def closed_crossing(b, j, now, e):
    if b.held[j] > 0.0:
        return NEVER
    t = b.t_last[j] + methods.time_to_threshold(at(b.model, j), view(b.fields, b.states, j, ()))
    return max(t, now) if t < e.w1 else NEVER


@kernel
def catch_up(b, j, t):
    """Bring the state of neuron j to time t."""
    dt = t - b.t_last[j]
    if dt > 0.0:
        cell = view(b.fields, b.states, j, ())
        if b.held[j] > 0.0:
            methods.hold(at(b.model, j), cell, dt)
        else:
            methods.advance(at(b.model, j), cell, dt)
        b.t_last[j] = t


@kernel
def closed_reach(b, j, port, w, t, e):
    """An arrival of weight w."""
    catch_up(b, j, t)
    cell = view(b.fields, b.states, j, ())
    if b.held[j] > 0.0:
        methods.receive_held(at(b.model, j), cell, port, w)
    else:
        methods.receive(at(b.model, j), cell, port, w)
        predict(e, b.g0 + j, closed_crossing(b, j, t, e))


@kernel
def closed_potential(b, j, t):
    if b.held[j] > 0.0:
        return HELD
    catch_up(b, j, t)
    return b.states[0][j]


@kernel
def back_to_start(b):
    """Let every cell of a block have its initial state."""
    for j in range(b.g1 - b.g0):
        copy_record(b.states, j, b.start, j)


@entry
def closed_block(b, e, op, j, t):
    """A block that is run by its model's own methods."""
    if op == CONFIRM:
        return closed_crossing(b, j, t, e)
    if op == FIRE:
        catch_up(b, j, t)
        methods.fire(at(b.model, j), view(b.fields, b.states, j, ()))
        b.held[j] = 1.0 if b.t_ref[j] > 0.0 else 0.0
        if b.t_ref[j] == 0.0:
            predict(e, b.g0 + j, closed_crossing(b, j, t, e))
        return b.t_ref[j]
    if op == RELEASE:
        catch_up(b, j, t)
        b.held[j] = 0.0
        predict(e, b.g0 + j, closed_crossing(b, j, t, e))
    elif op == OPEN:
        for k in range(b.lo, b.hi):
            foresee(e, b.g0 + k, closed_crossing(b, k, e.w0, e))
    elif op == POTENTIAL:
        return closed_potential(b, j, t)
    elif op == RESET:
        back_to_start(b)
        b.t_last[:] = 0.0
        b.held[:] = 0.0
    elif op == NUDGE:
        methods.receive(at(b.model, j), view(b.fields, b.states, j, ()), 0, t)
    return 0.0


# --------------------------------------------------------------------------------------------------------- sources


@kernel
def next_spike(b, j, t, k):
    """Time of spike k of source j, after t, from the source's own stream."""
    u = uniform_u64(b.key[0] + np.uint64(j), k)
    return methods.next_spike(at(b.model, j), view(b.fields, b.states, j, ()), t, u)


@kernel
def restart_source(b, presentation):
    """Start states and spikes anew; each presentation has a stretch of the source's stream to itself."""
    back_to_start(b)
    for k in range(b.g1 - b.g0):
        b.fired[k] = presentation << 24
        b.last_t[k] = -1.0
        b.next_t[k] = next_spike(b, k, -1.0, b.fired[k])


@kernel
def redraw_source(b, lo, hi, now):
    """Let sources `lo` to `hi` go on from their last spike as they are now, to their first one from `now` on.

    With numbers that have not been drawn yet; where there is no memory of the last spike, from `now` at once.
    """
    for k in range(lo, hi):
        t = max(b.last_t[k], now) if b.memoryless else b.last_t[k]
        while True:
            b.fired[k] += 1
            after = next_spike(b, k, t, b.fired[k])
            if after >= now or after <= t:
                break
            t = after
        b.next_t[k] = after


@kernel
def _source_spikes(b, e):
    """Let every source fire within the window that is being opened; -1 if it cannot be done."""
    for j in range(b.g1 - b.g0):
        at_once = 0
        while b.next_t[j] < e.w1:
            if not has_room(e):
                return -1.0
            t = b.next_t[j]
            emit(e, b.g0 + j, t)
            e.src_t[e.n_src] = t
            e.src_i[e.n_src] = b.g0 + j
            e.n_src += 1
            b.fired[j] += 1
            b.last_t[j] = t
            b.next_t[j] = next_spike(b, j, t, b.fired[j])
            at_once = 0 if b.next_t[j] > t else at_once + 1
            if b.next_t[j] < t or at_once > _AT_ONCE:
                e.bad = b.g0 + j
                e.now = t
                return -1.0
    return 0.0


@entry
def source_block(b, e, op, j, t):
    """A block of sources that draw their own spikes."""
    if op == SPIKES:
        return _source_spikes(b, e)
    if op == RESET:
        restart_source(b, j)
    elif op == REDRAW:
        redraw_source(b, 0, b.g1 - b.g0, t)
    return 0.0


@entry
def given_block(b, e, op, j, t):
    """A block of sources whose spikes are known beforehand: the driver emits them."""
    return 0.0


BLOCKS = {
    "one": one_block,
    "three": many_block,
    "many": many_block,
    "closed": closed_block,
    "source": source_block,
    "given": given_block,
}
