"""What engines that share a network tell each other: the spikes of their own neurons, exchange by exchange.

An exchange is a tick of the grid, or a stretch of continuous time. An engine notes its spikes in its rows of `times`
and `spikes`, and publishes where those of an exchange end. Every engine takes the spikes of an exchange in order of
time and neuron. It waits for those of the others only when they may arrive: it can be `ahead` by some exchanges.
"""

from __future__ import annotations

from .exact import DONE, GROW
from .jit import kernel
from .sync import let_others, publish, published

# Why a driver returned, beside the reasons of an engine that is alone: another one has not published for a while.
WAIT = 5.0
# Words between those that two engines write, so that these are in cache lines of their own.
APART = 16
# How often an engine looks for another one's spikes before it lets others have the core (10 to 20 us here), and before
# it gives up (0.2 to 0.4 ms), since Python may have to be asked whether anybody still runs.
_LOOKS, _PATIENCE = 10_000, 200_000


@kernel
def tell(e):
    """Let the other engines know of the spikes of exchange `tick`, which is over."""
    e.ends[e.part, e.tick & (e.ends.shape[1] - 1)] = e.n_rec
    publish(e.published, e.part * APART, e.tick + 1)


@kernel
def forget(e):
    """Forget the spikes that have been recorded, all of which have been sent."""
    e.n_rec = 0
    e.ends[e.part, (e.sent - 1) & (e.ends.shape[1] - 1)] = 0


@kernel
def begin(e):
    """Start again with exchange 0, on an engine that is alone; spikes that have been recorded are kept."""
    e.tick = 0
    e.sent = 0
    e.ends[e.part, -1 & (e.ends.shape[1] - 1)] = e.n_rec
    publish(e.published, e.part * APART, 0)


@kernel
def collect(e):
    """Bring the spikes of exchange `sent`, of all engines, into the queue of those to be sent; why it could not."""
    slot, before = e.sent & (e.ends.shape[1] - 1), (e.sent - 1) & (e.ends.shape[1] - 1)
    total = 0
    for q in range(e.n_parts):
        looks = 0
        while published(e.published, q * APART) <= e.sent:
            looks += 1
            if looks % _LOOKS == 0:
                # Who is waited for may be waiting for this core.
                let_others()
            if looks > _PATIENCE:
                return WAIT
        e.merging[q] = e.ends[q, before]
        total += e.ends[q, slot] - e.merging[q]
    if e.n_free < total * e.max_spans or total > e.sending.size:
        return GROW
    for k in range(total):
        # Each engine's spikes are in order.
        least = -1
        for q in range(e.n_parts):
            m = e.merging[q]
            if m < e.ends[q, slot] and (least < 0 or _precedes(e, q, m, least, e.merging[least])):
                least = q
        m = e.merging[least]
        e.sending[k] = e.spikes[least, m]
        e.sending_t[k] = e.times[least, m]
        e.merging[least] = m + 1
    e.n_sending = total
    return DONE


@kernel
def _precedes(e, q, m, p, n):
    """Whether spike m of engine q comes before spike n of engine p."""
    return e.times[q, m] < e.times[p, n] or (e.times[q, m] == e.times[p, n] and e.spikes[q, m] < e.spikes[p, n])


__all__ = ["APART", "WAIT", "begin", "collect", "forget", "tell"]
