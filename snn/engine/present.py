"""Learning from a data set: one compiled loop over presentations (encode, run, read out, credit, update, reset)."""

from __future__ import annotations

import math

from .cells import potential, reset_cells
from .dispatch import Kind, by_kind, has, hook
from .exact import (
    BIN_HEAD,
    DONE,
    FLUSH,
    FREE,
    FROZEN,
    GIVEN_T,
    I_CUR,
    I_GIVEN,
    I_SRC,
    LAST_W0,
    N_CROSS,
    N_CUR,
    N_FREE,
    N_PENDING,
    N_REC,
    N_RELEASE,
    N_SIDE,
    N_SRC,
    NOW,
    PHASE,
    POOL_T,
    REC_T,
    W0,
    W1,
    WINDOW,
    advance,
)
from .jit import entry, kernel, specialise
from .rows import (
    ACTIVE,
    ACTIVE_ROWS,
    CLOCK,
    COUNT,
    F_POST,
    F_PRE,
    F_SYN,
    INITS,
    J0,
    N_ACTIVE,
    N_SIGNAL,
    POST,
    PRE,
    PTR,
    R0,
    R1,
    RULE,
    SYN,
    TAUS_POST,
    TAUS_PRE,
    TGT,
    _has_on_post,
    settle_all,
)
from .types import decays, view

# A teacher is a tuple (kind, pathway, fixed feedback, forward weights, signal), one for each group.
SILENT, ERROR, CREDIT = Kind("silent"), Kind("error"), Kind("credit")
# Positions in the progress registers of a presentation loop.
SAMPLE, MIDDLE, REC_START = range(3)

_on_signal, _on_end = hook("on_signal"), hook("on_end")
_has_on_end = has("on_end")


def _silent(teacher, g, error, duration):
    pass


def _from_error(teacher, g, error, duration):
    for j in range(error.size):
        teacher[4][j] = error[j]


def _from_credit(teacher, g, error, duration):
    n_out = error.size
    fixed, forward = teacher[2], teacher[3]
    step = 1 if forward.size > 1 else 0
    for j in range(teacher[4].size):
        signal = 0.0
        for k in range(n_out):
            signal += teacher[1].feedback(float(forward[(j * n_out + k) * step]), fixed[j * n_out + k]) * error[k]
        teacher[4][j] = signal


form_signal = by_kind(silent=_silent, error=_from_error, credit=_from_credit)


def _dense_signal(g, signal, t):
    pre_factors = decays(g[TAUS_PRE], t - g[CLOCK][0])
    post_factors = decays(g[TAUS_POST], t - g[CLOCK][0])
    for a in range(g[N_ACTIVE][0]):
        lr = g[ACTIVE_ROWS][a]
        lo = g[PTR][lr]
        pre = view(g[F_PRE], g[PRE], lr, pre_factors)
        for k in range(g[PTR][lr + 1] - lo):
            syn = view(g[F_SYN], g[SYN], lo + k, ())
            _on_signal(g[RULE], syn, pre, view(g[F_POST], g[POST], k, post_factors), signal[k], t)
        g[COUNT][N_SIGNAL] += g[PTR][lr + 1] - lo


def _sparse_signal(g, signal, t):
    pre_factors = decays(g[TAUS_PRE], t - g[CLOCK][0])
    post_factors = decays(g[TAUS_POST], t - g[CLOCK][0])
    for a in range(g[N_ACTIVE][0]):
        lr = g[ACTIVE_ROWS][a]
        pre = view(g[F_PRE], g[PRE], lr, pre_factors)
        for k in range(g[PTR][lr], g[PTR][lr + 1]):
            j = g[TGT][k] - g[J0]
            syn = view(g[F_SYN], g[SYN], k, ())
            _on_signal(g[RULE], syn, pre, view(g[F_POST], g[POST], j, post_factors), signal[j], t)
        g[COUNT][N_SIGNAL] += g[PTR][lr + 1] - g[PTR][lr]


apply_signal = by_kind(dense=_dense_signal, sparse=_sparse_signal)


def _no_update(teacher, g, t):
    pass


def _update(teacher, g, t):
    apply_signal(g, teacher[4], t)


update = by_kind(silent=_no_update, error=_update, credit=_update)


def _dense_end(g, t):
    pre_factors = decays(g[TAUS_PRE], t - g[CLOCK][0])
    post_factors = decays(g[TAUS_POST], t - g[CLOCK][0])
    for lr in range(g[R1] - g[R0]):
        lo = g[PTR][lr]
        pre = view(g[F_PRE], g[PRE], lr, pre_factors)
        for k in range(g[PTR][lr + 1] - lo):
            _on_end(g[RULE], view(g[F_SYN], g[SYN], lo + k, ()), pre, view(g[F_POST], g[POST], k, post_factors), t)


def _sparse_end(g, t):
    pre_factors = decays(g[TAUS_PRE], t - g[CLOCK][0])
    post_factors = decays(g[TAUS_POST], t - g[CLOCK][0])
    for lr in range(g[R1] - g[R0]):
        pre = view(g[F_PRE], g[PRE], lr, pre_factors)
        for k in range(g[PTR][lr], g[PTR][lr + 1]):
            post = view(g[F_POST], g[POST], g[TGT][k] - g[J0], post_factors)
            _on_end(g[RULE], view(g[F_SYN], g[SYN], k, ()), pre, post, t)


end_rows = by_kind(dense=_dense_end, sparse=_sparse_end)


def fill(arrays, values):
    """Set every element of each array to its start value."""
    for f in range(len(arrays)):
        arrays[f][:] = values[f]


@specialise(fill)
def _fill(arrays, values):
    if len(arrays) == 0:
        return lambda arrays, values: None

    def impl(arrays, values):
        for f in range(len(arrays)):
            for j in range(arrays[f].size):
                arrays[f][j] = values[f]

    return impl


@kernel
def reset_group(g):
    """Traces back to their start; synapses keep what they have learned."""
    fill(g[PRE], g[INITS][0])
    fill(g[POST], g[INITS][1])
    for a in range(g[N_ACTIVE][0]):
        g[ACTIVE][g[ACTIVE_ROWS][a]] = 0
    g[N_ACTIVE][0] = 0
    g[CLOCK][0] = 0.0


@kernel
def finish_group(g, t):
    """What a rule does when a presentation has ended."""
    if _has_on_post(g[RULE]):
        settle_all(g)
    if _has_on_end(g[RULE]):
        end_rows(g, t)


def reset_all(blocks, groups, presentation):
    """Reset every block and every group."""
    for b in blocks:
        reset_cells(b, presentation)
    for g in groups:
        reset_group(g)


@specialise(reset_all)
def _reset_all(blocks, groups, presentation):
    if len(blocks) == 0 and len(groups) == 0:
        return lambda blocks, groups, presentation: None
    if len(blocks) == 0:

        def rest(blocks, groups, presentation):
            reset_group(groups[0])
            reset_all(blocks, groups[1:], presentation)

        return rest

    def walk(blocks, groups, presentation):
        reset_cells(blocks[0], presentation)
        reset_all(blocks[1:], groups, presentation)

    return walk


def teach(groups, teachers, error, t):
    """Form every signal first, with the weights as they are, then let every group learn."""
    for teacher, g in zip(teachers, groups, strict=True):
        form_signal(teacher, g, error, t)
    for teacher, g in zip(teachers, groups, strict=True):
        update(teacher, g, t)
        finish_group(g, t)


@specialise(teach)
def _teach(groups, teachers, error, t):
    if len(groups) == 0:
        return lambda groups, teachers, error, t: None

    def walk(groups, teachers, error, t):
        # Formed on the way down, applied on the way up: no update is seen by any signal.
        form_signal(teachers[0], groups[0], error, t)
        teach(groups[1:], teachers[1:], error, t)
        update(teachers[0], groups[0], t)
        finish_group(groups[0], t)

    return walk


@kernel
def reset_queues(q, n, clock, reg):
    """Forget every event in flight and start the clock again."""
    capacity = q[POOL_T].size
    if reg[N_FREE] < capacity:
        for k in range(capacity):
            q[FREE][k] = k
        reg[N_FREE] = capacity
        for k in range(q[BIN_HEAD].size):
            q[BIN_HEAD][k] = -1
    for k in (N_CROSS, N_RELEASE, N_SIDE, I_CUR, N_CUR, I_SRC, N_SRC, N_PENDING, PHASE, WINDOW):
        reg[k] = 0
    reg[I_GIVEN] = n[GIVEN_T].size
    for k in (NOW, W0, W1, LAST_W0):
        clock[k] = 0.0


@entry
def present(
    blocks,
    groups,
    teachers,
    readout,
    x,
    q,
    n,
    clock,
    reg,
    progress,
    samples,
    labels,
    order,
    duration,
    learn,
    record,
    first,
    out,
    loss,
    error,
    until,
):
    """Show samples order[progress[SAMPLE]:until]; returns why it stopped, like :func:`advance`."""
    n_out = readout[3] - readout[2]
    reg[FROZEN] = not learn
    while progress[SAMPLE] < until:
        s = progress[SAMPLE]
        sample = order[s]
        if progress[MIDDLE] == 0:
            for i in range(x.size):
                x[i] = samples[sample, i]
            reset_queues(q, n, clock, reg)
            reset_all(blocks, groups, first + s)
            progress[REC_START] = reg[N_REC]
            progress[MIDDLE] = 1
        why = advance(blocks, groups, q, n, clock, reg, duration)
        if why == FLUSH and not record:
            reg[N_REC] = 0
            continue
        if why != DONE:
            return why
        top = -math.inf
        for k in range(n_out):
            out[s, k] = potential(readout, k, duration, clock[W0])
            top = max(top, out[s, k])
        total = 0.0
        for k in range(n_out):
            error[k] = math.exp(out[s, k] - top)
            total += error[k]
        for k in range(n_out):
            error[k] /= total
        if labels.size > 0:
            target = labels[sample]
            loss[s] = -math.log(max(error[target], 1e-300))
            error[target] -= 1.0
        if learn:
            teach(groups, teachers, error, duration)
        if record:
            for k in range(progress[REC_START], reg[N_REC]):
                q[REC_T][k] += (first + s) * duration
        else:
            reg[N_REC] = 0
        progress[MIDDLE] = 0
        progress[SAMPLE] = s + 1
        if record and reg[N_REC] > q[REC_T].size // 2:
            return FLUSH
    reg[FROZEN] = 0
    return DONE
