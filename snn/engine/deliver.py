"""Delivery of rows: what an arrival does to the cells it reaches, by how rows and cells are kept.

Where a row leads to what a rule keeps of its targets, it teaches.
"""

from __future__ import annotations

import math

import numpy as np

from .bits import LANES, lanes_at_least, lowest_bit
from .cells import bound, closed_reach, n_modes, one_crossing, predict, project
from .dispatch import by_kind, hook
from .jit import inlined, kernel
from .plasticity import refresh
from .rows import BY_SYNAPSE, row_begin, row_end, row_weight, synapse_weight
from .stepped import OWN, receive
from .types import decays, view

_on_teach = hook("on_teach")


@inlined
def _may_cross(x, gap, end, f):
    """Whether a neuron may cross before the window ends, which begins with f = 1 and ends with f = `end`."""
    return x >= gap * (end if gap < 0.0 else f)


@kernel
def _predict_found(b, first, found, f, t, e):
    """Predict the crossings of the neurons from `first` on whose bits are set."""
    while found != 0:
        j = first + lowest_bit(found)
        found &= found - np.uint64(1)
        predict(e, b.g0 + j, one_crossing(b, j, t, f, e))


@kernel
def _look_for(b, lo, hi, f, t, e):
    """Predict the crossings of neurons `lo` to `hi` of a block, of which most have none."""
    x, gap, end = b.x, b.gap, b.end
    j = lo
    if b.uniform and hi - lo >= LANES:
        # With one gap for the whole block the test is a compare with a constant of this arrival.
        least = gap[lo] * (end if gap[lo] < 0.0 else f)
        while j < hi:
            # The last ones overlap with some that have been looked at, which changes nothing.
            j = min(j, hi - LANES)
            found = lanes_at_least(x, j, least)
            if found != 0:
                _predict_found(b, j, found, f, t, e)
            j += LANES
    while j < hi:
        last = min(j + 64, hi)
        some, gaps = x[j:last], gap[j:last]
        # Whether there are any is found at vector speed.
        crossed = 0
        for k in range(some.size):
            crossed += _may_cross(some[k], gaps[k], end, f)
        if crossed > 0:
            found = np.uint64(0)
            for k in range(some.size):
                found |= np.uint64(_may_cross(some[k], gaps[k], end, f)) << np.uint64(k)
            _predict_found(b, j, found, f, t, e)
        j = last


def _dense_one(b, g, lr, t, e):
    lo, n = row_begin(g, lr), row_end(g, lr) - row_begin(g, lr)
    f = math.exp((t - e.w0) / b.tau)
    x = b.x[b.lo : b.lo + n]
    if g.w_kind == BY_SYNAPSE:
        w = g.w[lo : lo + n]
        for k in range(n):
            x[k] += w[k] * f
    else:
        add = row_weight(g, lr) * f
        for k in range(n):
            x[k] += add
    _look_for(b, b.lo, b.lo + n, f, t, e)


def _sparse_one(b, g, lr, t, e):
    f = math.exp((t - e.w0) / b.tau)
    x, gap = b.x, b.gap
    end = b.end
    lo, hi = row_begin(g, lr), row_end(g, lr)
    tgt = g.tgt[lo:hi]
    if not b.uniform:
        for k in range(tgt.size):
            j = tgt[k]
            y = x[j] + synapse_weight(g, lr, lo + k) * f
            x[j] = y
            if y >= gap[j] * (end if gap[j] < 0.0 else f):
                predict(e, b.g0 + j, one_crossing(b, j, t, f, e))
        return
    # One gap for the whole block: the test is a compare with a constant of this arrival.
    least = gap[0] * (end if gap[0] < 0.0 else f)
    if g.w_kind == BY_SYNAPSE:
        w = g.w[lo:hi]
        for k in range(tgt.size):
            j = tgt[k]
            y = x[j] + w[k] * f
            x[j] = y
            if y >= least:
                predict(e, b.g0 + j, one_crossing(b, j, t, f, e))
        return
    add = row_weight(g, lr) * f
    for k in range(tgt.size):
        j = tgt[k]
        y = x[j] + add
        x[j] = y
        if y >= least:
            predict(e, b.g0 + j, one_crossing(b, j, t, f, e))


@inlined
def _begin_row(b, g, t, e):
    """The factors of this arrival, shared by every synapse of the row."""
    project(b, t, e)
    for k in range(n_modes(b)):
        b.add[k] = b.gains[g.port, k] / b.f[k]


@inlined
def _many_reach(b, j, w, t, e):
    x, add = b.x, b.add
    for k in range(n_modes(b)):
        x[j, k] += w * add[k]
    x[j, n_modes(b)] = -1.0
    c = bound(b, j, t, e)
    if c < math.inf:
        predict(e, b.g0 + j, c)


def _dense_many(b, g, lr, t, e):
    _begin_row(b, g, t, e)
    lo = row_begin(g, lr)
    for k in range(lo, row_end(g, lr)):
        _many_reach(b, b.lo + k - lo, synapse_weight(g, lr, k), t, e)


def _sparse_many(b, g, lr, t, e):
    _begin_row(b, g, t, e)
    tgt = g.tgt
    for k in range(row_begin(g, lr), row_end(g, lr)):
        _many_reach(b, tgt[k], synapse_weight(g, lr, k), t, e)


def _sparse_three(b, g, lr, t, e):
    # As _many_reach, with everything that the row shares in registers.
    _begin_row(b, g, t, e)
    a0, a1, a2 = b.add[0], b.add[1], b.add[2]
    f0, f1, f2 = b.f[0], b.f[1], b.f[2]
    d0, d1, d2 = b.d[0], b.d[1], b.d[2]
    r0, r1, r2 = b.rates[0], b.rates[1], b.rates[2]
    span = e.w1 - t
    x, gap = b.x, b.gap
    lo, hi = row_begin(g, lr), row_end(g, lr)
    tgt = g.tgt[lo:hi]
    by_synapse = g.w_kind == BY_SYNAPSE
    weights = g.w[lo:hi] if by_synapse else g.w
    w = 0.0 if by_synapse else row_weight(g, lr)
    for k in range(tgt.size):
        j = tgt[k]
        if by_synapse:
            w = float(weights[k])
        x0 = x[j, 0] + w * a0
        x1 = x[j, 1] + w * a1
        x2 = x[j, 2] + w * a2
        x[j, 0] = x0
        x[j, 1] = x1
        x[j, 2] = x2
        x[j, 3] = -1.0
        y0 = x0 * f0
        y1 = x1 * f1
        y2 = x2 * f2
        slope = -(r0 * min(y0, x0 * d0) + r1 * min(y1, x1 * d1) + r2 * min(y2, x2 * d2))
        if y0 + y1 + y2 + max(0.0, slope) * span >= gap[j]:
            c = bound(b, j, t, e)
            if c < math.inf:
                predict(e, b.g0 + j, c)


def _dense_closed(b, g, lr, t, e):
    lo = row_begin(g, lr)
    for k in range(lo, row_end(g, lr)):
        closed_reach(b, b.lo + k - lo, g.port, synapse_weight(g, lr, k), t, e)


def _sparse_closed(b, g, lr, t, e):
    tgt = g.tgt
    for k in range(row_begin(g, lr), row_end(g, lr)):
        closed_reach(b, tgt[k], g.port, synapse_weight(g, lr, k), t, e)


def _dense_grid(b, g, lr, t, e):
    lo, n = row_begin(g, lr), row_end(g, lr) - row_begin(g, lr)
    model, fields, states, port, tick = b.model, b.fields, b.states, g.port, e.tick
    until, own = b.until, b.input == OWN
    by_synapse = g.w_kind == BY_SYNAPSE
    w = g.w[lo : lo + n] if by_synapse else g.w
    add = 0.0 if by_synapse else row_weight(g, lr)
    for k in range(n):
        j = b.lo + k
        if by_synapse:
            add = float(w[k])
        receive(model, view(fields, states, j, ()), j, port, add, own and until[j] > tick)


def _sparse_grid(b, g, lr, t, e):
    lo, hi = row_begin(g, lr), row_end(g, lr)
    # Whatever the row shares is read once: stores to the states might change it, as far as the compiler knows.
    model, fields, states, port, tick = b.model, b.fields, b.states, g.port, e.tick
    until, own = b.until, b.input == OWN
    tgt = g.tgt[lo:hi]
    by_synapse = g.w_kind == BY_SYNAPSE
    w = g.w[lo:hi] if by_synapse else g.w
    add = 0.0 if by_synapse else row_weight(g, lr)
    for k in range(tgt.size):
        j = tgt[k]
        if by_synapse:
            add = float(w[k])
        receive(model, view(fields, states, j, ()), j, port, add, own and until[j] > tick)


def _dense_teach(b, g, lr, t, e):
    learner = b.learner
    refresh(learner, t)
    factors = decays(learner.taus_post, t - learner.t0)
    rule, post, lo = learner.rule, learner.post, row_begin(g, lr)
    for k in range(row_end(g, lr) - lo):
        _on_teach(rule, view(learner.f_post, post, g.first + k, factors), synapse_weight(g, lr, lo + k), t)


def _sparse_teach(b, g, lr, t, e):
    learner = b.learner
    refresh(learner, t)
    factors = decays(learner.taus_post, t - learner.t0)
    rule, post, tgt = learner.rule, learner.post, g.tgt
    for k in range(row_begin(g, lr), row_end(g, lr)):
        _on_teach(rule, view(learner.f_post, post, tgt[k], factors), synapse_weight(g, lr, k), t)


_deliver_dense = by_kind(
    one=_dense_one,
    three=_dense_many,
    many=_dense_many,
    closed=_dense_closed,
    grid=_dense_grid,
    teaching=_dense_teach,
    teaching_grid=_dense_teach,
)
_deliver_sparse = by_kind(
    one=_sparse_one,
    three=_sparse_three,
    many=_sparse_many,
    closed=_sparse_closed,
    grid=_sparse_grid,
    teaching=_sparse_teach,
    teaching_grid=_sparse_teach,
)


def _dense_deliver(g, lr, t, e):
    _deliver_dense(g.block, g, lr, t, e)


def _sparse_deliver(g, lr, t, e):
    _deliver_sparse(g.block, g, lr, t, e)


deliver = by_kind(dense=_dense_deliver, sparse=_sparse_deliver)
