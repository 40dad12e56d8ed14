"""What an engine asks the synapses of one projection to do."""

from __future__ import annotations

import math

from .deliver import deliver
from .dispatch import by_kind
from .jit import entry, inlined
from .plasticity import clear_traces, keep_up, learn, learn_post, settle, settle_all
from .prefetch import prefetch
from .rows import (
    ARRIVE,
    BY_SYNAPSE,
    CLEAR,
    FINISH,
    GAIN,
    LEARN,
    N_ARRIVALS,
    N_EVENTS,
    POST,
    RUN,
    SETTLE,
    SIGNAL,
    row_begin,
    row_end,
)
from .signals import end_rows, pass_on, tell_synapses, tell_targets


@inlined
def _arrive(g, lr, t, e):
    """A spike reaches a row: catch up with post spikes, then deliver its weights as they are now."""
    settle(g, lr)
    g.count[N_ARRIVALS] += 1
    g.count[N_EVENTS] += row_end(g, lr) - row_begin(g, lr)
    deliver(g, lr, t, e)


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
            learn(g, r - r0, t, e)
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
    learn(g, lr, t, e)


def _learn_grid(b, g, first, t, e):
    due = e.due
    for k in range(first, e.due_end):
        learn(g, due[k] - g.r0, t, e)


_learn_some = _by_engine(_learn_exact, _learn_grid)


@entry
def row_group(g, e, op, i, t):
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
        learn_post(g, i, t, e)
    elif op == SETTLE:
        settle_all(g)
        keep_up(g, t)
    elif op == SIGNAL:
        tell_targets(g, t, e)
        tell_synapses(g, t)
    elif op == FINISH:
        settle_all(g)
        end_rows(g, t)
    elif op == CLEAR:
        clear_traces(g)
    elif op == GAIN:
        pass_on(g, t)
    return 0.0
