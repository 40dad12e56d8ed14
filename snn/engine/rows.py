"""Synapses inside the engines: rows, their delivery and their plasticity.

A row is one axon branch: the synapses of one projection that share a source and a delay. A group is a struct with the
rows of one projection. Post spikes are not applied to the columns of the weights when they happen: they go to a short
log, and a row catches up with the log when its next spike arrives (or when somebody reads the weights). That keeps
every pass along contiguous memory and gives each synapse the same updates in the same order, since between its own
arrivals a row's presynaptic state only decays.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .bits import lowest_bit
from .cells import (
    bound,
    closed_potential,
    closed_reach,
    many_potential,
    n_modes,
    one_crossing,
    one_potential,
    predict,
    project,
)
from .dispatch import Kind, by_kind, hook, optional, with_hooks
from .jit import choose, entry, inlined, kernel, nothing, specialise
from .prefetch import prefetch
from .stepped import OWN, grid_potential, receive
from .types import decays, view

DENSE, SPARSE = Kind("dense"), Kind("sparse")
# In the place of a block of neurons: what a rule keeps of them.
TEACHING, TEACHING_GRID = Kind("teaching"), Kind("teaching_grid")
# How weights are kept: one for the projection, one for each row, one for each synapse.
ALIKE, BY_ROW, BY_SYNAPSE = range(3)

# What a group can be asked to do.
RUN, ARRIVE, LEARN, POST, SETTLE, SIGNAL, FINISH, CLEAR, GAIN = range(9)
# Counters of a group.
N_ARRIVALS, N_EVENTS, N_ON_POST, N_POST_SPIKES, N_SIGNAL, N_SIGNAL_ROWS = range(6)
N_COUNTERS = 6

_on_pre, _on_post, _on_signal, _on_end = hook("on_pre"), hook("on_post"), hook("on_signal"), hook("on_end")
_pre_spike, _post_spike, _on_teach = hook("pre_spike"), hook("post_spike"), hook("on_teach")
_post_signal = hook("post_signal")
_gain = optional("gain", lambda rule, post, t: 0.0)
HOOKS = ("on_pre", "on_post", "pre_spike", "post_spike", "post_signal", "on_signal", "on_end", "on_teach")


def row_factors(table, k, taus):
    """Row k of a table as a tuple, one number for each time constant."""
    return tuple(float(table[k, f]) for f in range(len(taus)))


@specialise(row_factors)
def _row_factors(table, k, taus):
    n = len(taus)
    if n == 0:
        return lambda table, k, taus: ()
    if n == 1:
        return lambda table, k, taus: (table[k, 0],)
    if n == 2:
        return lambda table, k, taus: (table[k, 0], table[k, 1])
    return lambda table, k, taus: (table[k, 0], table[k, 1], table[k, 2])


def store_factors(table, k, values):
    """The reverse of :func:`row_factors`."""
    for f in range(len(values)):
        table[k, f] = values[f]


@specialise(store_factors)
def _store_factors(table, k, values):
    if len(values) == 0:
        return lambda table, k, values: None

    def store(table, k, values):
        for f in range(len(values)):
            table[k, f] = values[f]

    return store


def copy_fields(to, k, arrays, j, taus, dt):
    """Present values of record j of decaying arrays into record k of plain ones."""
    for f in range(len(to)):
        to[f][k] = arrays[f][j] * math.exp(-dt / taus[f])


@specialise(copy_fields)
def _copy_fields(to, k, arrays, j, taus, dt):
    if len(to) == 0:
        return lambda to, k, arrays, j, taus, dt: None

    def copy(to, k, arrays, j, taus, dt):
        for f in range(len(to)):
            to[f][k] = arrays[f][j] * math.exp(-dt / taus[f])

    return copy


# ------------------------------------------------------------------------------------------------------- delivery


@kernel
def row_begin(g, lr):
    """Number of the first synapse of a row, or of the part of it whose targets are this engine's."""
    return g.ptr[lr * g.n_parts + g.part]


@kernel
def row_end(g, lr):
    """One more than the number of the last one."""
    return g.ptr[lr * g.n_parts + g.part + 1]


@kernel
def row_weight(g, lr):
    """Weight of every synapse of a row, where they are all alike."""
    return float(g.w[lr if g.w_kind == BY_ROW else 0])


@kernel
def synapse_weight(g, lr, k):
    """Weight of synapse k, which belongs to row lr."""
    return float(g.w[k]) if g.w_kind == BY_SYNAPSE else row_weight(g, lr)


@inlined
def _may_cross(x, gap, end, f):
    """Whether a neuron may cross before the window ends, which begins with f = 1 and ends with f = `end`."""
    return x >= gap * (end if gap < 0.0 else f)


@kernel
def _look_for(b, first, last, f, t, e):
    """Predict the crossings of neurons `first` to `last` of a block, 64 at most."""
    x, gap, end = b.x[first:last], b.gap[first:last], b.end
    # Which ones is found at vector speed, and most are none of them.
    found = np.uint64(0)
    for k in range(x.size):
        found |= np.uint64(_may_cross(x[k], gap[k], end, f)) << np.uint64(k)
    while found != 0:
        j = first + lowest_bit(found)
        found &= found - np.uint64(1)
        predict(e, b.g0 + j, one_crossing(b, j, t, f, e))


def _dense_one(b, g, lr, t, e):
    lo, n = row_begin(g, lr), row_end(g, lr) - row_begin(g, lr)
    f = math.exp((t - e.w0) / b.tau)
    end = b.end
    # With one gap for the whole block the test is a compare with a constant of this arrival.
    least = b.gap[b.lo] * (end if b.gap[b.lo] < 0.0 else f)
    by_synapse = g.w_kind == BY_SYNAPSE
    add = 0.0 if by_synapse else row_weight(g, lr) * f
    for first in range(0, n, 64):
        last = min(first + 64, n)
        x, gap = b.x[b.lo + first : b.lo + last], b.gap[b.lo + first : b.lo + last]
        crossed = 0
        if by_synapse:
            w = g.w[lo + first : lo + last]
            for k in range(x.size):
                y = x[k] + w[k] * f
                x[k] = y
                crossed += y >= least
        else:
            for k in range(x.size):
                y = x[k] + add
                x[k] = y
                crossed += y >= least
        if not b.uniform:
            crossed = 0
            for k in range(x.size):
                crossed += _may_cross(x[k], gap[k], end, f)
        if crossed > 0:
            _look_for(b, b.lo + first, b.lo + last, f, t, e)


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


# ----------------------------------------------------------------------------------------------------- plasticity


def _dense_settle(g, lr):
    n = g.log_n
    base = row_begin(g, lr) - g.first
    rule, taus, table = g.rule, g.taus_pre, g.log_g
    pre, syn, post = g.pre, g.syn, g.log_post
    for k in range(g.cursor[lr], n):
        _on_post(
            rule,
            view(g.f_syn, syn, base + g.log_j[k], ()),
            view(g.f_pre, pre, lr, row_factors(table, k, taus)),
            view(g.f_log, post, k, ()),
            g.log_t[k],
        )
    g.count[N_ON_POST] += n - g.cursor[lr]
    g.cursor[lr] = n


def _sparse_settle(g, lr):
    n = g.log_n
    start = g.cursor[lr]
    if start == n:
        return
    g.cursor[lr] = n
    rule, taus, table = g.rule, g.taus_pre, g.log_g
    pre, syn, post = g.pre, g.syn, g.log_post
    last, prev, tgt, stack, log_t = g.last, g.log_prev, g.tgt, g.v, g.log_t
    visits = 0
    for k in range(row_begin(g, lr), row_end(g, lr)):
        m = last[tgt[k]]
        if m < start:
            continue
        depth = 0
        while m >= start:
            stack[depth] = m
            depth += 1
            m = prev[m]
        visits += depth
        while depth > 0:
            depth -= 1
            m = int(stack[depth])
            _on_post(
                rule,
                view(g.f_syn, syn, k, ()),
                view(g.f_pre, pre, lr, row_factors(table, m, taus)),
                view(g.f_log, post, m, ()),
                log_t[m],
            )
    g.count[N_ON_POST] += visits


_settle_row = by_kind(dense=_dense_settle, sparse=_sparse_settle)


@with_hooks("on_post")
def _settle(g, lr):
    """Let a row catch up with the post spikes of the log."""
    _settle_row(g, lr)


@with_hooks("on_post")
def settle_all(g):
    """Apply every logged post spike to every row, and empty the log."""
    if g.log_n == 0:
        return
    for lr in range(g.r1 - g.r0):
        _settle_row(g, lr)
    g.cursor[:] = 0
    g.last[:] = -1
    g.log_n = 0


def rescale(arrays, taus, dt):
    """Multiply decaying arrays so that their reference time moves forward by dt."""
    for f in range(len(arrays)):
        arrays[f][:] *= math.exp(-dt / taus[f])


@specialise(rescale)
def _rescale(arrays, taus, dt):
    if len(arrays) == 0:
        return lambda arrays, taus, dt: None

    def scale(arrays, taus, dt):
        for f in range(len(arrays)):
            c = math.exp(-dt / taus[f])
            for j in range(arrays[f].size):
                arrays[f][j] *= c

    return scale


@kernel
def _refresh(g, t):
    """Move the traces' reference time before their factors overflow: by steps that do not depend on the events."""
    while t - g.t0 > g.step:
        settle_all(g)
        rescale(g.pre, g.every_pre, g.step)
        rescale(g.post, g.every_post, g.step)
        g.t0 += g.step


@with_hooks(*HOOKS)
def _keep_up(g, t):
    """Refresh though nothing has happened: engines that share a network then have the same reference time."""
    _refresh(g, t)


def _dense_teach(b, g, lr, t, e):
    learner = b.learner
    _refresh(learner, t)
    factors = decays(learner.taus_post, t - learner.t0)
    rule, post, lo = learner.rule, learner.post, row_begin(g, lr)
    for k in range(row_end(g, lr) - lo):
        _on_teach(rule, view(learner.f_post, post, g.first + k, factors), synapse_weight(g, lr, lo + k), t)


def _sparse_teach(b, g, lr, t, e):
    learner = b.learner
    _refresh(learner, t)
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


_deliver = by_kind(dense=_dense_deliver, sparse=_sparse_deliver)


def _one_v(b, j, t, e):
    return one_potential(b, j, t, e)


def _many_v(b, j, t, e):
    return many_potential(b, j, t, e)


def _closed_v(b, j, t, e):
    return closed_potential(b, j, t)


def _grid_v(b, j, t, e):
    return grid_potential(b, j, e)


_potential = by_kind(one=_one_v, three=_many_v, many=_many_v, closed=_closed_v, grid=_grid_v)


def _kept_v(b, j, t, e):
    return e.v_fired


def _grid_kept_v(b, j, t, e):
    return b.v_fired[j]


# The potential that a spike was fired from, before anything else of its instant or tick has happened to the cell.
_fired_from = by_kind(one=_kept_v, three=_kept_v, many=_kept_v, closed=_kept_v, grid=_grid_kept_v)


def _set_v(post, b, j, t, e):
    post.v = _potential(b, j, t, e)


def _note_v(post: Any, *args: Any) -> None:
    """Let a rule that reads the potential of target j find it in the record `post`."""
    if "v" in post:
        _set_v(post, *args)


@choose(_note_v)
def _choose_note_v(post, *args):
    return _set_v if "v" in post.lookup else nothing


def _dense_on_pre(g, lr, pre, factors, t, e):
    # Whatever the row shares is read once: stores to the states might change it, as far as the compiler knows.
    lo, first, b = row_begin(g, lr), g.first, g.block
    rule, syn, post = g.rule, g.syn, g.post
    for k in range(row_end(g, lr) - lo):
        target = view(g.f_post, post, first + k, factors)
        _note_v(target, b, first + k, t, e)
        _on_pre(rule, view(g.f_syn, syn, lo + k, ()), pre, target, t)


def _sparse_on_pre(g, lr, pre, factors, t, e):
    rule, syn, post, tgt, b = g.rule, g.syn, g.post, g.tgt, g.block
    for k in range(row_begin(g, lr), row_end(g, lr)):
        target = view(g.f_post, post, tgt[k], factors)
        _note_v(target, b, tgt[k], t, e)
        _on_pre(rule, view(g.f_syn, syn, k, ()), pre, target, t)


_choose_on_pre = by_kind(dense=_dense_on_pre, sparse=_sparse_on_pre)


@with_hooks("on_pre")
def _row_on_pre(g, lr, pre, t, e):
    _choose_on_pre(g, lr, pre, decays(g.taus_post, t - g.t0), t, e)


@inlined
def _arrive(g, lr, t, e):
    """A spike reaches a row: catch up with post spikes, then deliver its weights as they are now."""
    _settle(g, lr)
    g.count[N_ARRIVALS] += 1
    g.count[N_EVENTS] += row_end(g, lr) - row_begin(g, lr)
    _deliver(g, lr, t, e)


@with_hooks(*HOOKS)
def _learn(g, lr, t, e):
    """Plasticity of a row at which a spike has arrived: catch up with post spikes, on_pre, pre_spike."""
    _settle(g, lr)
    _refresh(g, t)
    pre = view(g.f_pre, g.pre, lr, decays(g.taus_pre, t - g.t0))
    _row_on_pre(g, lr, pre, t, e)
    _pre_spike(g.rule, pre, t)
    if g.active[lr] == 0:
        g.active[lr] = 1
        g.active_rows[g.n_active] = lr
        g.n_active += 1


@with_hooks("on_post")
def _log(g, j, t, dt):
    """Note a post spike for rows to catch up with."""
    if g.log_n == g.log_t.size:
        settle_all(g)
    k = g.log_n
    g.log_t[k] = t
    g.log_j[k] = j
    g.log_prev[k] = g.last[j]
    g.last[j] = k
    store_factors(g.log_g, k, decays(g.taus_pre, dt))
    copy_fields(g.log_post, k, g.post, j, g.every_post, dt)
    g.log_n = k + 1


@with_hooks("on_post", "post_spike")
def _learn_post(g, j, t, e):
    """Plasticity of a group when target j has fired: log it for on_post, then post_spike."""
    _refresh(g, t)
    dt = t - g.t0
    _log(g, j, t, dt)
    g.count[N_POST_SPIKES] += 1
    if g.reads_v:
        g.v[j] = _fired_from(g.block, j, t, e)
    _post_spike(g.rule, view(g.f_post, g.post, j, decays(g.taus_post, dt)), t)


@inlined
def _look_ahead(g, later, soon, reach):
    """Begin to load where a later row lies, and the synapses of one that is due soon, the first `reach` at most."""
    if later >= g.r0 and later < g.r1:
        prefetch(g.ptr, (later - g.r0) * g.n_parts)
    if soon >= g.r0 and soon < g.r1:
        lo = row_begin(g, soon - g.r0)
        for k in range(lo, min(row_end(g, soon - g.r0), lo + reach), 16):
            if k < g.tgt.size:
                prefetch(g.tgt, k)
            if g.w_kind == BY_SYNAPSE:
                prefetch(g.w, k)


def _by_engine(exact, grid):
    """A function that does one thing on the exact engine and another on the grid."""
    kinds = dict.fromkeys(("one", "three", "many", "closed", "teaching"), exact)
    return by_kind(**kinds, grid=grid, teaching_grid=grid)


def _run_exact(b, g, e, first, limit):
    """Serve the arrivals of this window from number `first` on, while they are this group's and nothing else is due."""
    r0, r1 = g.r0, g.r1
    cur_t, cur_r = e.cur_t, e.cur_r
    t_open = e.open_t[e.i_open] if e.i_open < e.n_open else math.inf
    k = first
    while k < e.n_cur:
        r = cur_r[k]
        t = cur_t[k]
        if r < r0 or r >= r1 or t >= limit or t > t_open or (e.n_cross > 0 and e.cross_t[0] < t):
            break
        if k + 6 < e.n_cur:
            _look_ahead(g, cur_r[k + 6], cur_r[k + 3], 16)
        _arrive(g, r - r0, t, e)
        if not e.frozen:
            _learn(g, r - r0, t, e)
        k += 1
    e.i_cur = k


def _run_grid(b, g, e, first, t):
    """Serve the arrivals of this tick from number `first` to the group's last."""
    due, last = e.due, e.due_end
    for k in range(first, last):
        if k + 4 < last:
            _look_ahead(g, due[min(k + 10, last - 1)], due[k + 4], 128)
        _arrive(g, due[k] - g.r0, t, e)


_run = _by_engine(_run_exact, _run_grid)


def _arrive_exact(b, g, lr, t, e):
    _arrive(g, lr, t, e)


def _never_asked(b, g, lr, t, e):
    pass


_arrive_alone = _by_engine(_arrive_exact, _never_asked)


def _learn_exact(b, g, lr, t, e):
    _learn(g, lr, t, e)


def _learn_grid(b, g, first, t, e):
    due = e.due
    for k in range(first, e.due_end):
        _learn(g, due[k] - g.r0, t, e)


_learn_some = _by_engine(_learn_exact, _learn_grid)


# ------------------------------------------------------------------------------------------------- learning signals


def _dense_signal(g, t):
    pre_factors, post_factors = decays(g.taus_pre, t - g.t0), decays(g.taus_post, t - g.t0)
    rule, pre, syn, post, signal = g.rule, g.pre, g.syn, g.post, g.signal
    for a in range(g.n_active):
        lr = g.active_rows[a]
        lo = row_begin(g, lr)
        n = row_end(g, lr) - lo
        mine = view(g.f_pre, pre, lr, pre_factors)
        for k in range(n):
            _on_signal(rule, view(g.f_syn, syn, lo + k, ()), mine, view(g.f_post, post, k, post_factors), signal[k], t)
        g.count[N_SIGNAL] += n


def _sparse_signal(g, t):
    pre_factors, post_factors = decays(g.taus_pre, t - g.t0), decays(g.taus_post, t - g.t0)
    rule, pre, syn, post, signal, tgt = g.rule, g.pre, g.syn, g.post, g.signal, g.tgt
    for a in range(g.n_active):
        lr = g.active_rows[a]
        mine = view(g.f_pre, pre, lr, pre_factors)
        for k in range(row_begin(g, lr), row_end(g, lr)):
            j = tgt[k]
            _on_signal(rule, view(g.f_syn, syn, k, ()), mine, view(g.f_post, post, j, post_factors), signal[j], t)
        g.count[N_SIGNAL] += row_end(g, lr) - row_begin(g, lr)


_choose_signal = by_kind(dense=_dense_signal, sparse=_sparse_signal)


@with_hooks("post_signal")
def _tell_targets(g, t, e):
    """post_signal of every target."""
    factors, b = decays(g.taus_post, t - g.t0), g.block
    for k in range(g.signal.size):
        target = view(g.f_post, g.post, k, factors)
        _note_v(target, b, k, t, e)
        _post_signal(g.rule, target, g.signal[k], t)


@with_hooks("on_signal")
def _apply_signal(g, t, e):
    _refresh(g, t)
    _tell_targets(g, t, e)
    g.count[N_SIGNAL_ROWS] += g.n_active
    _choose_signal(g, t)


@with_hooks("gain")
def _pass_on(g, t):
    """Add each target's signal, times its gain, to what the layer below hears as the error."""
    factors = decays(g.taus_post, t - g.t0)
    for k in range(g.delta.size):
        g.delta[k] += g.signal[k] * _gain(g.rule, view(g.f_post, g.post, k, factors), t)


def _dense_end(g, t):
    pre_factors, post_factors = decays(g.taus_pre, t - g.t0), decays(g.taus_post, t - g.t0)
    for lr in range(g.r1 - g.r0):
        lo = row_begin(g, lr)
        pre = view(g.f_pre, g.pre, lr, pre_factors)
        for k in range(row_end(g, lr) - lo):
            _on_end(g.rule, view(g.f_syn, g.syn, lo + k, ()), pre, view(g.f_post, g.post, k, post_factors), t)


def _sparse_end(g, t):
    pre_factors, post_factors = decays(g.taus_pre, t - g.t0), decays(g.taus_post, t - g.t0)
    for lr in range(g.r1 - g.r0):
        pre = view(g.f_pre, g.pre, lr, pre_factors)
        for k in range(row_begin(g, lr), row_end(g, lr)):
            _on_end(g.rule, view(g.f_syn, g.syn, k, ()), pre, view(g.f_post, g.post, g.tgt[k], post_factors), t)


_choose_end = by_kind(dense=_dense_end, sparse=_sparse_end)


@with_hooks("on_end")
def _end_rows(g, t):
    _choose_end(g, t)


def _fill(arrays, values):
    for f in range(len(arrays)):
        arrays[f][:] = values[f]


@specialise(_fill)
def _fill_overload(arrays, values):
    if len(arrays) == 0:
        return lambda arrays, values: None

    def fill(arrays, values):
        for f in range(len(arrays)):
            arrays[f][:] = values[f]

    return fill


@with_hooks(*HOOKS)
def _clear(g):
    """Traces back to their start; synapses keep what they have learned."""
    _fill(g.pre, g.init_pre)
    _fill(g.post, g.init_post)
    for a in range(g.n_active):
        g.active[g.active_rows[a]] = 0
    g.n_active = 0
    g.t0 = 0.0


@entry
def group(g, e, op, i, t):
    """What the synapses of one projection do; `i` is the first arrival, a row of the group or a target.

    On the grid, all rows that are due arrive or learn at once.
    """
    if op == RUN:
        _run(g.block, g, e, i, t)
    elif op == ARRIVE:
        _arrive_alone(g.block, g, i, t, e)
    elif op == LEARN:
        _learn_some(g.block, g, i, t, e)
    elif op == POST:
        _learn_post(g, i, t, e)
    elif op == SETTLE:
        settle_all(g)
        _keep_up(g, t)
    elif op == SIGNAL:
        _apply_signal(g, t, e)
    elif op == FINISH:
        settle_all(g)
        _end_rows(g, t)
    elif op == CLEAR:
        _clear(g)
    elif op == GAIN:
        _pass_on(g, t)
    return 0.0
