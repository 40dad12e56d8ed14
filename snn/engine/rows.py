"""Synapses inside the engines: rows, their delivery and their plasticity.

A row is one axon branch: the synapses of one projection that share a source and a delay. A group is a tuple of arrays
for all rows that share target block, port, storage and rule (positions below). Post spikes are not applied to the
columns of the weights when they happen: they go to a short log, and a row catches up with the log when its next spike
arrives (or when somebody reads the weights). That keeps every pass along contiguous memory and gives each synapse the
same updates in the same order, since between its own arrivals a row's presynaptic state only decays.
"""

from __future__ import annotations

import math

from .cells import HELD, potential, prepare, reach
from .dispatch import Kind, by_kind, has, hook
from .jit import kernel, specialise
from .types import decays, view

DENSE, SPARSE = Kind("dense"), Kind("sparse")

# Positions in a group.
KIND, RULE, BLOCK, PORT, R0, R1, PTR, TGT, W, WSTEP = range(10)
F_SYN, SYN, F_PRE, PRE, F_POST, POST, TAUS_PRE, TAUS_POST, CLOCK = range(10, 19)
LOG_N, LOG_T, LOG_J, LOG_PREV, LOG_POST, F_LOG, LAST, CURSOR, V, J0 = range(19, 29)
ACTIVE, ACTIVE_ROWS, N_ACTIVE, COUNT, G0, N_POST, TAU_MIN, LOG_G, POST_TAU, READS_V, INITS = range(29, 40)
# Counters of a group.
N_ARRIVALS, N_EVENTS, N_ON_POST, N_POST_SPIKES, N_SIGNAL = range(5)

_on_pre, _on_post = hook("on_pre"), hook("on_post")
_pre_spike, _post_spike = hook("pre_spike"), hook("post_spike")
_has_on_pre, _has_on_post = has("on_pre"), has("on_post")
_learns_from_post = has("on_post", "post_spike")
_learns = has("on_pre", "on_post", "pre_spike", "post_spike", "on_signal", "on_end")


def row_factors(table, e, taus):
    """Row e of a table as a tuple, one number for each time constant."""
    return tuple(float(table[e, f]) for f in range(len(taus)))


@specialise(row_factors)
def _row_factors(table, e, taus):
    n = len(taus)
    if n == 0:
        return lambda table, e, taus: ()
    if n == 1:
        return lambda table, e, taus: (table[e, 0],)
    if n == 2:
        return lambda table, e, taus: (table[e, 0], table[e, 1])
    return lambda table, e, taus: (table[e, 0], table[e, 1], table[e, 2])


def store_factors(table, e, values):
    """The reverse of :func:`row_factors`."""
    for f in range(len(values)):
        table[e, f] = values[f]


@specialise(store_factors)
def _store_factors(table, e, values):
    if len(values) == 0:
        return lambda table, e, values: None

    def store(table, e, values):
        for f in range(len(values)):
            table[e, f] = values[f]

    return store


def copy_fields(to, e, arrays, j, taus, dt):
    """Present values of record j of decaying arrays into record e of plain ones."""
    for f in range(len(to)):
        to[f][e] = arrays[f][j] * math.exp(-dt / taus[f])


@specialise(copy_fields)
def _copy_fields(to, e, arrays, j, taus, dt):
    if len(to) == 0:
        return lambda to, e, arrays, j, taus, dt: None

    def copy(to, e, arrays, j, taus, dt):
        for f in range(len(to)):
            to[f][e] = arrays[f][j] * math.exp(-dt / taus[f])

    return copy


# ------------------------------------------------------------------------------------------------------- delivery


def _dense_deliver(g, lr, t, w0, w1, next_t, heap_t, heap_i, m):
    lo = g[PTR][lr]
    hi = g[PTR][lr + 1]
    return deliver_dense(g[BLOCK], g, lo, hi, t, w0, w1, next_t, heap_t, heap_i, m)


def _dense_general(b, g, lo, hi, t, w0, w1, next_t, heap_t, heap_i, m):
    f = prepare(b, g[PORT], t, w0, w1)
    first = g[J0]
    w = g[W]
    step = g[WSTEP]
    for k in range(lo, hi):
        m = reach(b, first + k - lo, g[PORT], w[k * step], t, f, w0, w1, next_t, heap_t, heap_i, m)
    return m


def _dense_one(b, g, lo, hi, t, w0, w1, next_t, heap_t, heap_i, m):
    f = prepare(b, g[PORT], t, w0, w1)
    first = g[J0]
    n = hi - lo
    x = b[4][first : first + n]
    gap = b[6][first : first + n]
    if g[WSTEP] == 0:
        add = g[W][0] * f
        for k in range(n):
            x[k] += add
    else:
        w = g[W][lo:hi]
        for k in range(n):
            x[k] += w[k] * f
    end = b[9][1]
    crossed = 0
    for k in range(n):
        crossed |= x[k] >= gap[k] * (end if gap[k] < 0.0 else f)
    if crossed:
        for k in range(n):
            if x[k] >= gap[k] * (end if gap[k] < 0.0 else f):
                m = reach(b, first + k, g[PORT], 0.0, t, f, w0, w1, next_t, heap_t, heap_i, m)
    return m


deliver_dense = by_kind(one=_dense_one, many=_dense_general, closed=_dense_general)


def _sparse_deliver(g, lr, t, w0, w1, next_t, heap_t, heap_i, m):
    return deliver_sparse(g[BLOCK], g, g[PTR][lr], g[PTR][lr + 1], t, w0, w1, next_t, heap_t, heap_i, m)


def _sparse_general(b, g, lo, hi, t, w0, w1, next_t, heap_t, heap_i, m):
    f = prepare(b, g[PORT], t, w0, w1)
    tgt = g[TGT]
    w = g[W]
    step = g[WSTEP]
    for k in range(lo, hi):
        m = reach(b, tgt[k], g[PORT], w[k * step], t, f, w0, w1, next_t, heap_t, heap_i, m)
    return m


def _sparse_one(b, g, lo, hi, t, w0, w1, next_t, heap_t, heap_i, m):
    f = prepare(b, g[PORT], t, w0, w1)
    tgt = g[TGT]
    w = g[W]
    step = g[WSTEP]
    if b[9][3] == 0.0:
        for k in range(lo, hi):
            m = reach(b, tgt[k], g[PORT], w[k * step], t, f, w0, w1, next_t, heap_t, heap_i, m)
        return m
    # One gap for the whole block: the test is a compare with a constant of this arrival.
    x = b[4]
    gap = b[6][0]
    bound = gap * (b[9][1] if gap < 0.0 else f)
    for k in range(lo, hi):
        j = tgt[k]
        y = x[j] + w[k * step] * f
        x[j] = y
        if y >= bound:
            m = reach(b, j, g[PORT], 0.0, t, f, w0, w1, next_t, heap_t, heap_i, m)
    return m


deliver_sparse = by_kind(one=_sparse_one, many=_sparse_general, closed=_sparse_general)
deliver = by_kind(dense=_dense_deliver, sparse=_sparse_deliver)


# ----------------------------------------------------------------------------------------------------- plasticity


def _dense_settle(g, lr):
    n = g[LOG_N][0]
    base = g[PTR][lr]
    for e in range(g[CURSOR][lr], n):
        pre = view(g[F_PRE], g[PRE], lr, row_factors(g[LOG_G], e, g[TAUS_PRE]))
        syn = view(g[F_SYN], g[SYN], base + g[LOG_J][e], ())
        _on_post(g[RULE], syn, pre, view(g[F_LOG], g[LOG_POST], e, ()), g[LOG_T][e])
    g[COUNT][N_ON_POST] += n - g[CURSOR][lr]
    g[CURSOR][lr] = n


def _sparse_settle(g, lr):
    n = g[LOG_N][0]
    start = g[CURSOR][lr]
    if start == n:
        return
    g[CURSOR][lr] = n
    last, prev, tgt, j0 = g[LAST], g[LOG_PREV], g[TGT], g[J0]
    stack = g[V]
    visits = 0
    for k in range(g[PTR][lr], g[PTR][lr + 1]):
        e = last[tgt[k] - j0]
        if e < start:
            continue
        depth = 0
        while e >= start:
            stack[depth] = e
            depth += 1
            e = prev[e]
        visits += depth
        syn = view(g[F_SYN], g[SYN], k, ())
        while depth > 0:
            depth -= 1
            e = int(stack[depth])
            pre = view(g[F_PRE], g[PRE], lr, row_factors(g[LOG_G], e, g[TAUS_PRE]))
            _on_post(g[RULE], syn, pre, view(g[F_LOG], g[LOG_POST], e, ()), g[LOG_T][e])
    g[COUNT][N_ON_POST] += visits


settle = by_kind(dense=_dense_settle, sparse=_sparse_settle)


def settle_all(g):
    """Apply every logged post spike to every row, and empty the log."""
    if not _has_on_post(g[RULE]) or g[LOG_N][0] == 0:
        return
    for lr in range(g[R1] - g[R0]):
        settle(g, lr)
    for lr in range(g[R1] - g[R0]):
        g[CURSOR][lr] = 0
    for j in range(g[LAST].size):
        g[LAST][j] = -1
    g[LOG_N][0] = 0


settle_all_jit = kernel(settle_all)


@specialise(settle_all)
def _settle_all(g):
    return lambda g: settle_all_jit(g)


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
    """Move the traces' reference time before their factors overflow."""
    dt = t - g[CLOCK][0]
    if dt > 30.0 * g[TAU_MIN]:
        settle_all(g)
        rescale(g[PRE], g[POST_TAU][0], dt)
        rescale(g[POST], g[POST_TAU][1], dt)
        g[CLOCK][0] = t


def _dense_on_pre(g, lr, pre, factors, t, w0):
    lo = g[PTR][lr]
    n = g[PTR][lr + 1] - lo
    if g[READS_V]:
        for k in range(n):
            g[V][k] = potential(g[BLOCK], g[J0] + k, t, w0)
    for k in range(n):
        _on_pre(g[RULE], view(g[F_SYN], g[SYN], lo + k, ()), pre, view(g[F_POST], g[POST], k, factors), t)


def _dense_one_on_pre(g, lr, pre, factors, t, w0):
    lo = g[PTR][lr]
    n = g[PTR][lr + 1] - lo
    if g[READS_V]:
        b = g[BLOCK]
        f = math.exp((w0 - t) / b[9][0])
        x = b[4][g[J0] : g[J0] + n]
        v_inf = b[5][g[J0] : g[J0] + n]
        v = g[V]
        for k in range(n):
            v[k] = HELD if x[k] < 0.5 * HELD else v_inf[k] + x[k] * f
    for k in range(n):
        _on_pre(g[RULE], view(g[F_SYN], g[SYN], lo + k, ()), pre, view(g[F_POST], g[POST], k, factors), t)


def _sparse_on_pre(g, lr, pre, factors, t, w0):
    tgt, j0 = g[TGT], g[J0]
    if g[READS_V]:
        for k in range(g[PTR][lr], g[PTR][lr + 1]):
            g[V][tgt[k] - j0] = potential(g[BLOCK], tgt[k], t, w0)
    for k in range(g[PTR][lr], g[PTR][lr + 1]):
        post = view(g[F_POST], g[POST], tgt[k] - j0, factors)
        _on_pre(g[RULE], view(g[F_SYN], g[SYN], k, ()), pre, post, t)


def dense_on_pre(b, g, lr, pre, factors, t, w0):
    """Plain Python form of the choice below."""
    (_dense_one_on_pre if b[0].name == "one" else _dense_on_pre)(g, lr, pre, factors, t, w0)


_dense_on_pre_jit = kernel(_dense_on_pre)
_dense_one_on_pre_jit = kernel(_dense_one_on_pre)


@specialise(dense_on_pre)
def _choose_dense_on_pre(b, g, lr, pre, factors, t, w0):
    one = b.types[0].fields[0][0] == "one"
    function = _dense_one_on_pre_jit if one else _dense_on_pre_jit
    return lambda b, g, lr, pre, factors, t, w0: function(g, lr, pre, factors, t, w0)


def _dense_row_on_pre(g, lr, pre, factors, t, w0):
    dense_on_pre(g[BLOCK], g, lr, pre, factors, t, w0)


row_on_pre = by_kind(dense=_dense_row_on_pre, sparse=_sparse_on_pre)


@kernel
def learn_row(g, r, t, w0):
    """Plasticity of a row at which a spike has arrived: catch up with post spikes, on_pre, pre_spike."""
    if not _learns(g[RULE]):
        return
    lr = r - g[R0]
    if _has_on_post(g[RULE]):
        settle(g, lr)
    _refresh(g, t)
    dt = t - g[CLOCK][0]
    pre = view(g[F_PRE], g[PRE], lr, decays(g[TAUS_PRE], dt))
    if _has_on_pre(g[RULE]):
        row_on_pre(g, lr, pre, decays(g[TAUS_POST], dt), t, w0)
    _pre_spike(g[RULE], pre, t)
    if g[ACTIVE][lr] == 0:
        g[ACTIVE][lr] = 1
        g[ACTIVE_ROWS][g[N_ACTIVE][0]] = lr
        g[N_ACTIVE][0] += 1


@kernel
def learn_post(g, gid, t):
    """Plasticity of a group when a neuron has fired: log it for on_post, then post_spike."""
    j = gid - g[G0]
    if not _learns_from_post(g[RULE]) or j < 0 or j >= g[N_POST]:
        return
    _refresh(g, t)
    if _has_on_post(g[RULE]):
        if g[LOG_N][0] == g[LOG_T].size:
            settle_all(g)
        dt = t - g[CLOCK][0]
        e = g[LOG_N][0]
        g[LOG_T][e] = t
        g[LOG_J][e] = j
        g[LOG_PREV][e] = g[LAST][j]
        g[LAST][j] = e
        store_factors(g[LOG_G], e, decays(g[TAUS_PRE], dt))
        copy_fields(g[LOG_POST], e, g[POST], j, g[POST_TAU][1], dt)
        g[LOG_N][0] = e + 1
    g[COUNT][N_POST_SPIKES] += 1
    _post_spike(g[RULE], view(g[F_POST], g[POST], j, decays(g[TAUS_POST], t - g[CLOCK][0])), t)


@kernel
def arrive(g, r, t, w0, w1, next_t, heap_t, heap_i, m):
    """A spike reaches row r: catch up with post spikes, then deliver its weights as they are now."""
    lr = r - g[R0]
    if _has_on_post(g[RULE]):
        settle(g, lr)
    g[COUNT][N_ARRIVALS] += 1
    g[COUNT][N_EVENTS] += g[PTR][lr + 1] - g[PTR][lr]
    return deliver(g, lr, t, w0, w1, next_t, heap_t, heap_i, m)
