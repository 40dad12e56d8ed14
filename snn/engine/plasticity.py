"""Plasticity of rows: arrivals, post spikes, and the traces of both sides.

Post spikes are not applied to the columns of the weights when they happen: they go to a short log, and a row catches up
with the log when its next spike arrives (or when somebody reads the weights). That keeps every pass along contiguous
memory and gives each synapse the same updates in the same order, since between its own arrivals a row's presynaptic
state only decays.
"""

from __future__ import annotations

import math
from typing import Any

from ..plugin import Rule
from .cells import closed_potential, many_potential, one_potential
from .dispatch import by_kind, hook, with_hooks
from .jit import choose, kernel, nothing, specialise
from .rows import N_ON_POST, N_POST_SPIKES, N_USED, N_USED_ROWS, row_begin, row_end
from .stepped import grid_potential
from .types import decays, view

_on_pre, _on_post = hook("on_pre"), hook("on_post")
_pre_spike, _post_spike = hook("pre_spike"), hook("post_spike")


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
    return lambda table, k, taus: row_factors(table, k, taus[:-1]) + (table[k, n - 1],)  # noqa: RUF005


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
def settle(g, lr):
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
def refresh(g, t):
    """Move the traces' reference time before their factors overflow: by steps that do not depend on the events."""
    while t - g.t0 > g.step:
        settle_all(g)
        rescale(g.pre, g.every_pre, g.step)
        rescale(g.post, g.every_post, g.step)
        g.t0 += g.step


@with_hooks(*Rule.hooks)
def keep_up(g, t):
    """Refresh though nothing has happened: engines that share a network then have the same reference time."""
    refresh(g, t)


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


def note_v(post: Any, *args: Any) -> None:
    """Let a rule that reads the potential of target j find it in the record `post`."""
    if "v" in post:
        _set_v(post, *args)


@choose(note_v)
def _choose_note_v(post, *args):
    return _set_v if "v" in post.lookup else nothing


def _dense_on_pre(g, lr, pre, factors, t, e):
    # Whatever the row shares is read once: stores to the states might change it, as far as the compiler knows.
    lo, first, b = row_begin(g, lr), g.first, g.block
    rule, syn, post = g.rule, g.syn, g.post
    for k in range(row_end(g, lr) - lo):
        target = view(g.f_post, post, first + k, factors)
        note_v(target, b, first + k, t, e)
        _on_pre(rule, view(g.f_syn, syn, lo + k, ()), pre, target, t)


def _sparse_on_pre(g, lr, pre, factors, t, e):
    rule, syn, post, tgt, b = g.rule, g.syn, g.post, g.tgt, g.block
    for k in range(row_begin(g, lr), row_end(g, lr)):
        target = view(g.f_post, post, tgt[k], factors)
        note_v(target, b, tgt[k], t, e)
        _on_pre(rule, view(g.f_syn, syn, k, ()), pre, target, t)


_choose_on_pre = by_kind(dense=_dense_on_pre, sparse=_sparse_on_pre)


@with_hooks("on_pre")
def row_on_pre(g, lr, pre, t, e):
    _choose_on_pre(g, lr, pre, decays(g.taus_post, t - g.t0), t, e)


@with_hooks(*Rule.hooks)
def learn(g, lr, t, e):
    """Plasticity of a row at which a spike has arrived: catch up with post spikes, on_pre, pre_spike."""
    settle(g, lr)
    refresh(g, t)
    pre = view(g.f_pre, g.pre, lr, decays(g.taus_pre, t - g.t0))
    row_on_pre(g, lr, pre, t, e)
    _pre_spike(g.rule, pre, t)
    if g.active[lr] == 0:
        g.active[lr] = 1
        g.active_rows[g.n_active] = lr
        g.n_active += 1
        g.count[N_USED_ROWS] += 1
        g.count[N_USED] += row_end(g, lr) - row_begin(g, lr)


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
def learn_post(g, j, t, e):
    """Plasticity of a group when target j has fired: log it for on_post, then post_spike."""
    refresh(g, t)
    dt = t - g.t0
    _log(g, j, t, dt)
    g.count[N_POST_SPIKES] += 1
    if g.reads_v:
        g.v[j] = _fired_from(g.block, j, t, e)
    _post_spike(g.rule, view(g.f_post, g.post, j, decays(g.taus_post, dt)), t)


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


@with_hooks(*Rule.hooks)
def clear_traces(g):
    """Traces back to their start; synapses keep what they have learned."""
    _fill(g.pre, g.init_pre)
    _fill(g.post, g.init_post)
    for a in range(g.n_active):
        g.active[g.active_rows[a]] = 0
    g.n_active = 0
    g.t0 = 0.0
