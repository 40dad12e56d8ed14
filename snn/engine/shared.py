"""The exact engine for a network that several engines share, each on a thread of its own.

An engine has a part of the neurons of every block, and of every row the synapses that lead there, so that no two write
to one word. Windows are those of an engine that is alone. No delay is shorter than a window, so that spikes of one
never arrive in it: engines serve a window without hearing of each other, and exchange spikes at its end, or where the
caller stops within it. Arrivals are served in order of time and row, so that a neuron adds its inputs in the same order
however many engines there are. Spikes of sources are drawn and sent by each engine, and recorded by the first one.
"""

from __future__ import annotations

from .cells import SERVING, emit
from .exact import DONE, GROW, STUCK, close_window, open_window, serve
from .exchange import collect, tell
from .jit import entry, kernel


@kernel
def _send_until(e, until):
    """Send the spikes of all engines in the exchanges before `until`; returns why it could not."""
    while e.sent < until:
        why = collect(e)
        if why != DONE:
            return why
        for k in range(e.n_sending):
            gid = e.sending[k]
            if e.known[e.block_of[gid]] == 0:
                emit(e, gid, e.sending_t[k])
        e.sent += 1
    return DONE


@entry
def advance_shared(e, engine, op, i, stop):
    """Run until `stop` (s), or until the caller has to do something; a kernel like any other."""
    while e.now < stop:
        if e.phase != SERVING:
            why = _send_until(e, e.tick - e.ahead + 1)
            if why != DONE:
                return why
            if not open_window(e):
                return GROW if e.bad < 0 else STUCK
        why = serve(e, min(e.w1, stop))
        if why != DONE:
            return why
        tell(e)
        e.tick += 1
        if e.now >= e.w1:
            close_window(e)
    return _send_until(e, e.tick)


__all__ = ["advance_shared"]
