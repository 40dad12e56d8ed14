"""Neurons inside the exact engine: three kinds of blocks that share one set of operations.

A block is a tuple (kind, model, first id, last id + 1, ...). Inside a window that starts at w0 a linear mode is kept
as its value projected back to w0, x exp((t - w0) / tau): it does not change between arrivals, an arrival is an add, and
"reaches threshold before the window ends" is a compare. A refractory neuron holds HELD, which adds leave unchanged.
"""

from __future__ import annotations

import math

import numpy as np

from ..crossing import first_crossing as _first_crossing
from .dispatch import Kind, by_kind
from .heap import push
from .jit import kernel
from .rng import uniform_u64
from .types import at, view

ONE = Kind("one")  # (kind, model, g0, g1, x, v_inf, gap, v_reset, t_ref, scalars[tau, E, soft, uniform], kept, start)
MANY = Kind(
    "many"
)  # (kind, model, g0, g1, x, v_inf, gap, v_reset, t_ref, scalars, taus, rates, gains, f, d, K, g, start)
CLOSED = Kind("closed")  # (kind, model, g0, g1, states, fields, t_ref, t_last, held, start)
GIVEN = Kind("given")  # as SOURCE; its spikes are in the wiring
SOURCE = Kind("source")  # (kind, model, g0, g1, states, fields, next_t, last_t, n_fired, key)

HELD = -1e30
NEVER = math.inf
first_crossing = kernel(_first_crossing)


@kernel
def predict(next_t, heap_t, heap_i, m, g, t):
    """Neuron g is now expected to cross at t: queue it if that is earlier than what is queued."""
    if t < next_t[g]:
        next_t[g] = t
        if m >= heap_t.size:
            # Only stale entries can fill the queue: rebuild it from what is expected now.
            m = 0
            for i in range(next_t.size):
                if next_t[i] < NEVER:
                    m = push(heap_t, heap_i, m, next_t[i], i)
            return m
        m = push(heap_t, heap_i, m, t, g)
    return m


# ------------------------------------------------------------------------------------------------------- one mode


def _one_crossing(b, j, now, w0, w1):
    x = b[4][j]
    gap = b[6][j]
    tau = b[9][0]
    if x < 0.5 * HELD:
        return NEVER
    if x >= gap * math.exp((now - w0) / tau):
        return now
    if gap < 0.0 and x < 0.0:
        t = w0 + tau * math.log(x / gap)
        if t < w1:
            return max(t, now)
    return NEVER


def _one_open(b, w0, before, w1, next_t, heap_t, heap_i, m):
    x = b[4]
    gap = b[6]
    tau = b[9][0]
    end = math.exp((w1 - w0) / tau)
    b[9][1] = end
    decay = math.exp((before - w0) / tau)
    for j in range(x.size):
        if x[j] > 0.5 * HELD:
            x[j] *= decay
    for j in range(x.size):
        next_t[b[2] + j] = NEVER
        if x[j] >= gap[j] * end if gap[j] < 0.0 else x[j] >= gap[j]:
            m = predict(next_t, heap_t, heap_i, m, b[2] + j, _one_crossing_jit(b, j, w0, w0, w1))
    return m


_one_crossing_jit = kernel(_one_crossing)


def _one_confirm(b, j, t, w0, w1, next_t):
    return _one_crossing_jit(b, j, t, w0, w1)


def _one_fire(b, j, t, w0):
    f = math.exp((t - w0) / b[9][0])
    if b[8][j] > 0.0:
        if b[9][2] > 0.0:
            # A soft reset remembers the overshoot; it is kept beside the mode until the cell is released.
            b[10][j] = b[5][j] + b[4][j] / f - (b[6][j] + b[5][j] - b[7][j])
        b[4][j] = HELD
    elif b[9][2] > 0.0:
        b[4][j] -= (b[6][j] + b[5][j] - b[7][j]) * f
    else:
        b[4][j] = (b[7][j] - b[5][j]) * f
    return b[8][j]


def _one_release(b, j, t, w0):
    v = b[10][j] if b[9][2] > 0.0 else b[7][j]
    b[4][j] = (v - b[5][j]) * math.exp((t - w0) / b[9][0])


def _one_potential(b, j, t, w0):
    x = b[4][j]
    if x < 0.5 * HELD:
        return HELD
    return b[5][j] + x * math.exp((w0 - t) / b[9][0])


def _one_reach(b, j, port, w, t, f, w0, w1, next_t, heap_t, heap_i, m):
    x = b[4][j] + w * f
    b[4][j] = x
    gap = b[6][j]
    if x >= gap * (b[9][1] if gap < 0.0 else f):
        m = predict(next_t, heap_t, heap_i, m, b[2] + j, _one_crossing_jit(b, j, t, w0, w1))
    return m


def _one_prepare(b, port, t, w0, w1):
    return math.exp((t - w0) / b[9][0])


# ------------------------------------------------------------------------------------------------------ many modes


def _many_crossing(b, j, now, w0, w1):
    x = b[4][j]
    if x[0] < 0.5 * HELD:
        return NEVER
    if b[15] == 3:
        return w0 + first_crossing(-b[6][j], (x[0], x[1], x[2]), (b[11][0], b[11][1], b[11][2]), now - w0, w1 - w0)
    if b[15] == 2:
        return w0 + first_crossing(-b[6][j], (x[0], x[1]), (b[11][0], b[11][1]), now - w0, w1 - w0)
    return w0 + first_crossing(-b[6][j], x, b[11], now - w0, w1 - w0)


_many_crossing_jit = kernel(_many_crossing)


@kernel
def _many_may_cross(x, gap, rates, f, d, span):
    """Whether v could reach threshold within `span`: f projects modes to now, d to the end of the window."""
    v = 0.0
    slope = 0.0
    for k in range(x.size):
        y = x[k] * f[k]
        v += y
        # Each term's slope is monotone: the largest is at one of the two ends.
        slope -= rates[k] * (y if y < 0.0 else x[k] * d[k])
    return v + max(0.0, slope) * span >= gap


def _many_open(b, w0, before, w1, next_t, heap_t, heap_i, m):
    x, taus, rates, f, d = b[4], b[10], b[11], b[13], b[14]
    for k in range(taus.size):
        decay = math.exp((before - w0) / taus[k])
        for j in range(x.shape[0]):
            if x[j, k] > 0.5 * HELD:
                x[j, k] *= decay
        f[k] = 1.0
        d[k] = math.exp((w0 - w1) / taus[k])
    for j in range(x.shape[0]):
        g = b[2] + j
        next_t[g] = NEVER
        if _many_may_cross(x[j], b[6][j], rates, f, d, w1 - w0):
            m = predict(next_t, heap_t, heap_i, m, g, _many_crossing_jit(b, j, w0, w0, w1))
    return m


def _many_confirm(b, j, t, w0, w1, next_t):
    return next_t[b[2] + j]


def _many_fire(b, j, t, w0):
    x, taus = b[4][j], b[10]
    if b[8][j] > 0.0:
        x[0] = HELD
    else:
        rest = 0.0
        for k in range(1, taus.size):
            rest += x[k] * math.exp((w0 - t) / taus[k])
        grow = math.exp((t - w0) / taus[0])
        if b[9][2] > 0.0:
            x[0] -= (b[6][j] + b[5][j] - b[7][j]) * grow
        else:
            x[0] = (b[7][j] - b[5][j] - rest) * grow
    return b[8][j]


def _many_release(b, j, t, w0):
    x, taus = b[4][j], b[10]
    rest = 0.0
    for k in range(1, taus.size):
        rest += x[k] * math.exp((w0 - t) / taus[k])
    x[0] = (b[7][j] - b[5][j] - rest) * math.exp((t - w0) / taus[0])


def _many_potential(b, j, t, w0):
    x = b[4][j]
    if x[0] < 0.5 * HELD:
        return HELD
    v = b[5][j]
    for k in range(x.size):
        v += x[k] * math.exp((w0 - t) / b[10][k])
    return v


def _many_prepare(b, port, t, w0, w1):
    # The factors of this arrival, shared by every synapse of the row.
    for k in range(b[10].size):
        b[13][k] = math.exp((w0 - t) / b[10][k])
        b[16][k] = b[12][port, k] / b[13][k]
    return 1.0


def _many_reach(b, j, port, w, t, f, w0, w1, next_t, heap_t, heap_i, m):
    x = b[4][j]
    for k in range(x.size):
        x[k] += w * b[16][k]
    g = b[2] + j
    if _many_may_cross(x, b[6][j], b[11], b[13], b[14], w1 - t):
        c = _many_crossing_jit(b, j, t, w0, w1)
        if c > next_t[g]:
            # Later than what is queued: the queued entry finds the new time when it is popped.
            next_t[g] = c
        else:
            m = predict(next_t, heap_t, heap_i, m, g, c)
    elif next_t[g] < NEVER:
        next_t[g] = NEVER
    return m


# ---------------------------------------------------------------------------------------- any closed form (plugins)


def _closed_crossing(b, j, now, w0, w1):
    if b[8][j] > 0.0:
        return NEVER
    t = b[7][j] + at(b[1], j).time_to_threshold(view(b[5], b[4], j, ()))
    return max(t, now) if t < w1 else NEVER


_closed_crossing_jit = kernel(_closed_crossing)


def _closed_catch_up(b, j, t):
    dt = t - b[7][j]
    if dt > 0.0:
        cell = view(b[5], b[4], j, ())
        if b[8][j] > 0.0:
            at(b[1], j).hold(cell, dt)
        else:
            at(b[1], j).advance(cell, dt)
        b[7][j] = t


_closed_catch_up_jit = kernel(_closed_catch_up)


def _closed_open(b, w0, before, w1, next_t, heap_t, heap_i, m):
    for j in range(b[3] - b[2]):
        next_t[b[2] + j] = NEVER
        m = predict(next_t, heap_t, heap_i, m, b[2] + j, _closed_crossing_jit(b, j, w0, w0, w1))
    return m


def _closed_confirm(b, j, t, w0, w1, next_t):
    return next_t[b[2] + j]


def _closed_fire(b, j, t, w0):
    _closed_catch_up_jit(b, j, t)
    at(b[1], j).fire(view(b[5], b[4], j, ()))
    b[8][j] = 1.0 if b[6][j] > 0.0 else 0.0
    return b[6][j]


def _closed_release(b, j, t, w0):
    _closed_catch_up_jit(b, j, t)
    b[8][j] = 0.0


def _closed_potential(b, j, t, w0):
    if b[8][j] > 0.0:
        return HELD
    _closed_catch_up_jit(b, j, t)
    return b[4][0][j]


def _closed_prepare(b, port, t, w0, w1):
    return 1.0


def _closed_reach(b, j, port, w, t, f, w0, w1, next_t, heap_t, heap_i, m):
    _closed_catch_up_jit(b, j, t)
    cell = view(b[5], b[4], j, ())
    g = b[2] + j
    if b[8][j] > 0.0:
        at(b[1], j).receive_held(cell, port, w)
        return m
    at(b[1], j).receive(cell, port, w)
    c = _closed_crossing_jit(b, j, t, w0, w1)
    if c > next_t[g]:
        next_t[g] = c
        return m
    return predict(next_t, heap_t, heap_i, m, g, c)


# --------------------------------------------------------------------------------------------------------- dispatch


def _nothing_open(b, w0, before, w1, next_t, heap_t, heap_i, m):
    return m


def _never_confirm(b, j, t, w0, w1, next_t):
    return NEVER


def _never_crossing(b, j, now, w0, w1):
    return NEVER


def _source_fire(b, j, t, w0):
    return 0.0


def _source_release(b, j, t, w0):
    pass


def _one_reset(b, presentation):
    for j in range(b[4].size):
        b[4][j] = b[11][j]


def _many_reset(b, presentation):
    for j in range(b[4].shape[0]):
        for k in range(b[4].shape[1]):
            b[4][j, k] = b[17][j, k]


def _closed_reset(b, presentation):
    for f in range(len(b[4])):
        for j in range(b[7].size):
            b[4][f][j] = b[9][f][j]
    for j in range(b[7].size):
        b[7][j] = 0.0
        b[8][j] = 0.0


def _source_reset(b, presentation):
    # Each presentation has a stretch of the source's stream to itself, whichever thread shows it.
    for j in range(b[3] - b[2]):
        b[8][j] = presentation << 24
        b[7][j] = -1.0
        b[6][j] = source_next(b, j, -1.0, b[8][j])


def _given_reset(b, presentation):
    pass


@kernel
def source_next(b, j, t, k):
    """Time of spike k of source j, after t, from the source's own stream."""
    u = uniform_u64(b[9][0] + np.uint64(j), k)
    return at(b[1], j).next_spike(view(b[5], b[4], j, ()), t, u)


reset_cells = by_kind(one=_one_reset, many=_many_reset, closed=_closed_reset, source=_source_reset, given=_given_reset)
open_cells = by_kind(one=_one_open, many=_many_open, closed=_closed_open, source=_nothing_open, given=_nothing_open)
crossing = by_kind(
    one=_one_crossing, many=_many_crossing, closed=_closed_crossing, source=_never_crossing, given=_never_crossing
)
confirm = by_kind(
    one=_one_confirm, many=_many_confirm, closed=_closed_confirm, source=_never_confirm, given=_never_confirm
)
fire = by_kind(one=_one_fire, many=_many_fire, closed=_closed_fire, source=_source_fire, given=_source_fire)
release = by_kind(
    one=_one_release, many=_many_release, closed=_closed_release, source=_source_release, given=_source_release
)
potential = by_kind(one=_one_potential, many=_many_potential, closed=_closed_potential)
prepare = by_kind(one=_one_prepare, many=_many_prepare, closed=_closed_prepare)
reach = by_kind(one=_one_reach, many=_many_reach, closed=_closed_reach)
