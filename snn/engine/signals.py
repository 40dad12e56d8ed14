"""Learning signals at synapses: how a group hears of an error, and passes it on."""

from __future__ import annotations

from .dispatch import by_kind, hook, optional, with_hooks
from .plasticity import note_v, refresh
from .rows import N_SIGNAL, N_SIGNAL_ROWS, row_begin, row_end
from .types import decays, view

_on_signal, _on_end, _post_signal = hook("on_signal"), hook("on_end"), hook("post_signal")
_gain = optional("gain", lambda rule, post, t: 0.0)


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
def tell_targets(g, t, e):
    """post_signal of every target."""
    refresh(g, t)
    factors, b = decays(g.taus_post, t - g.t0), g.block
    for k in range(g.signal.size):
        target = view(g.f_post, g.post, k, factors)
        note_v(target, b, k, t, e)
        _post_signal(g.rule, target, g.signal[k], t)


@with_hooks("on_signal")
def tell_synapses(g, t):
    """on_signal of every synapse whose axon has carried a spike."""
    refresh(g, t)
    g.count[N_SIGNAL_ROWS] += g.n_active
    _choose_signal(g, t)


@with_hooks("gain")
def pass_on(g, t):
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
def end_rows(g, t):
    _choose_end(g, t)
