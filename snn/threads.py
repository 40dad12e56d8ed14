"""Threads: a network shared by several engines, each with a part of the neurons of every block.

See :mod:`snn.engine.exchange` for what they tell each other. Engines share all arrays of neurons and synapses, which
are as they are for one engine: each writes only to its own part of them. What is an engine's own: its queues of spikes,
of cells that are held and of crossings, traces of plastic synapses (those of sources are in each engine, and alike),
counters; in continuous time also sources, which are alike.
"""

from __future__ import annotations

import dis
import math
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import numpy as np

from . import wire
from .build import Built, Part
from .driver import QUEUES
from .engine import exact, stepped
from .engine.beside import cores
from .engine.currents import CURRENT
from .engine.digest import called
from .engine.exact import DONE
from .engine.exchange import APART, WAIT
from .engine.grid import advance_grid
from .engine.jit import entry
from .engine.ring import RING
from .engine.shared import advance_shared
from .engine.struct import Struct
from .errors import ParameterError
from .layout import BuiltProjection
from .plugin import Model, is_whole

_WORTH, _WORTH_APART, _WORTH_WINDOWS = 25_000, 12_500, 10_000
"""Work for each thread from which two are faster than one, where engines meet in every tick or two, where they meet
less often, and in windows of continuous time: neurons, and thousands of synapses, which at 10 Hz and 0.1 ms have about
one event in a tick."""
_WORTH_ROW = 8
"""Synapses of a row for each thread, in continuous time: every engine serves every row, and what a row costs beside its
synapses is not shared (measured on two threads: 1.06 times as fast with rows of 6 synapses, 1.3 to 1.6 with 100)."""
_FARTHEST = 60
"""Most ticks or windows that an engine may be ahead of another: more gains nothing, and spikes are kept so long."""
_LINE = 64
# What engines that share a network have each for themselves.
_OWN_ROWS = (
    "pre", "post", "log_t", "log_j", "log_prev", "log_g", "log_post", "last", "cursor", "active", "active_rows", "v",
    "count",
)  # fmt: skip
_OWN_BLOCKS = {
    "grid": ("held", "fired", "saved"), "drizzle": ("drawn",), "source": ("states", "next_t", "last_t", "fired"),
    "three": ("f", "d", "add"), "many": ("f", "d", "add"),
}  # fmt: skip
_OWN_ENGINE = (
    *QUEUES, "bin_head", "bin_tail", "fired", "due_ptr", "cross_t", "cross_i", "cross_at", "open_t", "open_i",
    "open_tmp_t", "open_tmp_i", "open_buckets", "rel_t", "rel_i", "rest_t", "rest_i",
)  # fmt: skip


def check_threads(threads: Any) -> None:
    """Refuse anything but "auto" and whole numbers above 0.

    Raises
    ------
    ParameterError
    """
    if threads == "auto":
        return
    if not is_whole(threads, 1):
        raise ParameterError(f"Simulator.threads is {threads!r}; give a whole number, 1 or more, or 'auto'.")


def choose_threads(built: Built, threads: int | str, requests: Sequence[Any]) -> tuple[int, str]:
    """How many threads run a network whose recorders are `requests`, and why.

    Raises
    ------
    ParameterError
        If more than one are asked for and only one can run it.
    """
    why_one, remedy = _why_one(built, requests)
    if not isinstance(threads, str):
        if threads > 1 and why_one is not None:
            raise ParameterError(f"Simulator.threads is {threads}, but {why_one}. Give threads=1, {remedy}.")
        return int(threads), "asked for"
    if why_one is not None:
        return 1, why_one
    most = min(cores(), wire.threads())
    if most == 1:
        return 1, "there is one core"
    neurons = sum(len(p) for p in built.network.populations.values() if isinstance(p.model, Model))
    synapses = sum(p.n_synapses for p in built.projections.values())
    worth = _WORTH_WINDOWS if built.grid is None else _WORTH if _ahead(built) <= 1 else _WORTH_APART
    n = min(most, int((neurons + synapses / 1000) // worth))
    size = f"{neurons} neurons and {synapses} synapses"
    if n < 2:
        return 1, f"{size} are too few for two threads"
    if built.grid is None:
        per_row = synapses / max(1, built.engine.row_delay.size)
        n = min(n, int(per_row // _WORTH_ROW))
        if n < 2:
            return 1, f"{per_row:.1f} synapses for each source and delay are too few for two threads"
    return n, f"{size} on {most} cores"


def _why_one(built: Built, requests: Sequence[Any]) -> tuple[str | None, str]:
    """Why a network can be run on one thread only, and what else could be done about it; None if it is not so."""
    for name, p in built.projections.items():
        own = set(p.rule.states("pre"))
        for hook in ("on_pre", "on_post", "on_signal"):
            changed = own & _stored(type(p.rule), hook) if p.rule.overrides(hook) else None
            if changed:
                return (
                    f"{type(p.rule).__name__}.{hook} of projection {name!r} may change pre.{min(changed)} at each "
                    "synapse, which every thread would do for its own synapses only",
                    "or change states of the source in pre_spike",
                )
    if built.grid is not None:
        return None, ""
    for request in requests:
        if getattr(request, "on_events", False) or getattr(request, "on_change", False):
            return f"{request!r} waits for single events, which are served one at a time on one thread", "or every=..."
    h = built.engine.h
    for name, g in zip(built.projections, built.groups, strict=True):
        shortest = built.engine.row_delay[g.r0 : g.r1].min(initial=math.inf)
        if shortest < h:
            return (
                f"a delay of projection {name!r}, {shortest:g} s, is shorter than the engine's windows of {h:g} s, at "
                "whose ends threads exchange spikes",
                f"window={shortest:g} or less, or engine='grid'" if shortest > 0 else "longer delays, or engine='grid'",
            )
    return None, ""


def _stored(rule: type, hook: str) -> set[str]:
    """Names of attributes that a hook and all that it calls set, of whichever of their arguments."""
    codes = called(getattr(rule, hook), rule)
    return {step.argval for code in codes for step in dis.get_instructions(code) if step.opname == "STORE_ATTR"}


# ------------------------------------------------------------------------------------------------------- sharing


def _cuts(n: int, n_parts: int) -> np.ndarray:
    """Where the parts of n neurons begin and the last one ends; large parts do not share a cache line."""
    cuts = np.arange(n_parts + 1) * n // n_parts
    if n >= _LINE * _LINE:
        cuts[1:-1] -= cuts[1:-1] % _LINE
    return cuts


@entry
def _cut_rows(ptr, target, cuts, out):
    """Where each part of each row begins: targets ascend within a row."""
    n_parts = cuts.size - 1
    for r in range(ptr.size - 1):
        at = ptr[r]
        for p in range(n_parts):
            lo, hi = at, ptr[r + 1] if p > 0 else at
            while lo < hi:
                middle = (lo + hi) >> 1
                if target[middle] < cuts[p]:
                    lo = middle + 1
                else:
                    hi = middle
            at = lo
            out[r * n_parts + p] = at
    out[out.size - 1] = ptr[ptr.size - 1]


def _parted(p: BuiltProjection, cuts: np.ndarray) -> np.ndarray:
    """Pointers to the parts of each row, one after the other."""
    n_parts = cuts.size - 1
    if n_parts == 1:
        return p.ptr
    if p.dense:
        return np.append((p.ptr[:-1, None] + cuts[:-1]).ravel(), p.ptr[-1])
    out = np.empty((p.ptr.size - 1) * n_parts + 1, np.int64)
    _cut_rows(p.ptr, p.target, cuts, out)
    return out


def _copies(struct: Struct, names: tuple[str, ...]) -> dict[str, Any]:
    def copy(value: Any) -> Any:
        return tuple(map(copy, value)) if isinstance(value, tuple) else value.copy()

    return {name: copy(getattr(struct, name)) for name in names}


def _another(built: Built) -> Part:
    """One more engine for a network: arrays of neurons and synapses are shared, what is its own is as the first one's.

    But counters, which are 0.
    """
    whole, populations = built.parts[0], list(built.network.populations)
    blocks = [b.twin(**_copies(b, _OWN_BLOCKS.get(b.kind.name, ()))) for b in whole.blocks]
    groups = [g.twin(**_copies(g, ("count",) if g.kind is RING else _OWN_ROWS)) for g in whole.groups]
    counts = {id(old.count): new.count for old, new in zip(whole.groups, groups, strict=True)}
    for b in blocks:
        if b.kind in (RING, stepped.DRIZZLE):
            b.target = blocks[whole.blocks.index(b.target)]
        if b.kind is stepped.DRIZZLE:
            b.count = counts[id(b.count)]
    for p, g in zip(built.projections.values(), groups, strict=True):
        g.count[:] = 0
        learner = p.projection.teaches
        if learner is not None:
            g.block = g.block.twin(learner=groups[built.projections[learner.name].group])
        elif g.kind is not RING:
            g.block = blocks[populations.index(p.end[0])]
            if g.reads_v:
                g.post = (*g.post[:-1], g.v)
    return Part.of(whole.engine.twin(**_copies(whole.engine, _OWN_ENGINE)), blocks, groups)


def _ahead(built: Built) -> int:
    """The shortest delay in ticks, or in windows, rounded down."""
    unit, found = 1.0 if built.grid is not None else built.engine.h, _FARTHEST
    for p, g in zip(built.projections.values(), built.groups, strict=True):
        if p.ticks is not None:
            found = min(found, int(p.ticks.min()))
        elif p.group not in built.drizzled and g.r1 > g.r0:
            shortest = float(built.engine.row_delay[g.r0 : g.r1].min())
            n = int(min(_FARTHEST, shortest / unit))
            found = min(found, n - 1 if n * unit > shortest else n)
    return found


def share(built: Built, n_parts: int) -> None:
    """Let as many engines share a network; the first one has all of it, as it was started or restored."""
    whole = built.parts[0]
    tick, n_rec = whole.engine.tick, whole.engine.rec_t.size
    ahead = _ahead(built) if n_parts > 1 else 0
    common = {
        "n_parts": n_parts,
        "ahead": ahead,
        "times": np.zeros((n_parts, n_rec)),
        "spikes": np.zeros((n_parts, n_rec), np.int32),
        "ends": np.zeros((n_parts, 1 << (2 * ahead + 3).bit_length()), np.int64),
        "published": np.full(n_parts * APART, tick),
        "sent": tick,
        "n_rec": 0,
    }
    by_name = {name: _cuts(len(p), n_parts) for name, p in built.network.populations.items()}
    cuts, of_target = list(by_name.values()), [by_name[p.end[0]] for p in built.projections.values()]
    ptr = [_parted(p, c) for p, c in zip(built.projections.values(), of_target, strict=True)]
    held = [b.held[: b.n_held].copy() if b.kind is stepped.GRID else None for b in whole.blocks]
    built.parts = [whole, *(_another(built) for _ in range(1, n_parts))]
    if built.switch is not None:
        built.switch.follow([(part.engine, part.blocks) for part in built.parts])
    owner = np.concatenate([np.repeat(np.arange(n_parts), np.diff(c)) for c in cuts])
    waiting = {name: _waiting(whole.engine, name) for name in _WAITING}
    for k, part in enumerate(built.parts):
        e = part.engine
        if n_parts > 1 and built.grid is None:
            for name, (times, ids) in waiting.items():
                for member, value in _queue(e, name, times[owner[ids] == k], ids[owner[ids] == k]).items():
                    setattr(e, member, value)
        for name, value in common.items():
            setattr(e, name, value)
        e.part, e.rec_t, e.rec_i, e.merging = k, e.times[k], e.spikes[k], np.zeros(n_parts, np.int64)
        for b, cut, mine in zip(part.blocks, cuts, held, strict=False):
            b.lo, b.hi = int(cut[k]), int(cut[k + 1])
            if mine is not None:
                mine = mine[(mine >= b.lo) & (mine < b.hi)]
                b.held[: mine.size], b.n_held = mine, mine.size
        driven = [b for b in part.blocks if b.kind is CURRENT]
        for b, injection in zip(driven, built.network.currents, strict=built.grid is not None):
            b.lo, b.hi = map(int, by_name[injection.population.name][k : k + 2])
        for g, cut, begins in zip(part.groups, of_target, ptr, strict=True):
            g.ptr, g.part, g.n_parts = begins, k, n_parts
            if g.kind is not RING:
                g.first = int(cut[k])


# Neurons of which an engine knows when something will become of them: (times, ids, number of the first, how many).
_WAITING = {
    "cross": ("cross_t", "cross_i", None, "n_cross"),
    "open": ("open_t", "open_i", "i_open", "n_open"),
    "release": ("rel_t", "rel_i", None, "n_release"),
    "rest": ("rest_t", "rest_i", "i_rest", "n_rest"),
}


def _waiting(e: Struct, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Times and neurons of one of an engine's queues, in order."""
    of_times, of_ids, first, n = _WAITING[name]
    times, ids, begin, n = getattr(e, of_times), getattr(e, of_ids), getattr(e, first) if first else 0, getattr(e, n)
    # Of those that the window began with, `n_open` is the end and not the number.
    at = np.arange(begin, n) if name == "open" else np.arange(begin, begin + n) % times.size
    at = at[np.lexsort((ids[at], times[at]))]
    return times[at], ids[at]


def _queue(e: Struct, name: str, times: np.ndarray, ids: np.ndarray) -> dict[str, Any]:
    """Members of an engine whose queue holds these, which are in order: that is a heap as well."""
    of_times, of_ids, first, n = _WAITING[name]
    found: dict[str, Any] = {of_times: np.zeros_like(getattr(e, of_times)), of_ids: np.zeros_like(getattr(e, of_ids))}
    found[of_times][: times.size], found[of_ids][: ids.size], found[n] = times, ids, times.size
    if first:
        found[first] = 0
    if name == "cross":
        found["cross_at"] = np.full_like(e.cross_at, -1)
        found["cross_at"][ids] = np.arange(ids.size)
    return found


def merged(built: Built) -> dict[Struct, dict[str, Any]]:
    """Members of the first engine's structs as they would be if it had the network for itself; the others are so."""
    found: dict[Struct, dict[str, Any]] = {}
    if len(built.parts) == 1:
        return found
    for k, b in enumerate(built.blocks):
        if b.kind is stepped.GRID:
            lists = [part.blocks[k].held[: part.blocks[k].n_held] for part in built.parts]
            held = np.zeros_like(b.held)
            n_held = sum(map(len, lists))
            held[:n_held] = np.concatenate(lists)
            found[b] = {"held": held, "n_held": n_held}
    if built.grid is None:
        e = built.engine
        found[e] = {}
        for name in _WAITING:
            times, ids = map(np.concatenate, zip(*(_waiting(part.engine, name) for part in built.parts), strict=True))
            order = np.lexsort((ids, times))
            found[e] |= _queue(e, name, times[order], ids[order])
    for k, (p, g) in enumerate(zip(built.projections.values(), built.groups, strict=True)):
        if g.kind is not RING:
            at = list(built.network.populations).index(p.end[0])
            post = [values.copy() for values in g.post]
            for part in built.parts:
                b = part.blocks[at]
                for to, values in zip(post, part.groups[k].post, strict=True):
                    to[b.lo : b.hi] = values[b.lo : b.hi]
            found[g] = {f"post.{f}": values for f, values in enumerate(post)}
    return found


# ------------------------------------------------------------------------------------------------------- running


def advance(built: Built, stop: float) -> list[float]:
    """Let every engine run until `stop` (s), or until one of them needs something; why each of them has returned."""
    last = 0 if built.grid is None else math.floor(stop / built.grid.dt + 1e-6)
    alone = advance_grid if built.grid is not None else exact.advance
    together = advance_grid if built.grid is not None else advance_shared
    run = built.bound(alone if len(built.parts) == 1 else together, built.engine, 0, last, stop)
    if len(built.parts) == 1:
        return [run(built.engine, built.engine, 0, last, stop)]
    enough = Event()

    def work(e: Struct) -> float:
        while True:
            why = run(e, e, 0, last, stop)
            if why not in (DONE, WAIT):
                enough.set()
            if why != WAIT or enough.is_set():
                return why
            # Where a kernel cannot give the core away itself, as on Windows.
            time.sleep(0)

    if built.pool is None:
        built.pool = ThreadPoolExecutor(len(built.parts) - 1)
    # One engine on this thread: to wake another one and to be woken by it takes a millisecond on a virtual machine.
    jobs = [built.pool.submit(work, part.engine) for part in built.parts[1:]]
    try:
        reason = work(built.engine)
    except BaseException:
        enough.set()
        raise
    finally:
        # Also after Ctrl+C: nothing is read or changed while an engine runs.
        wait(jobs)
    return [reason, *(job.result() for job in jobs)]


def take_spikes(built: Built) -> tuple[np.ndarray, np.ndarray]:
    """Times (s) and neurons of the spikes recorded so far, taken out; but for those that an engine has yet to send."""
    engines = [part.engine for part in built.parts]
    exchange, sent = built.grid is not None or len(engines) > 1, min(e.sent for e in engines)
    times, ids = [], []
    for e in engines:
        n = int(e.ends[e.part, (sent - 1) & (e.ends.shape[1] - 1)]) if exchange else e.n_rec
        times.append(e.rec_t[:n].copy())
        ids.append(e.rec_i[:n].copy())
        left = e.n_rec - n
        e.rec_t[:left] = e.rec_t[n : e.n_rec].copy()
        e.rec_i[:left] = e.rec_i[n : e.n_rec].copy()
        e.n_rec = left
        e.ends[e.part] -= n
    if max(e.n_rec for e in engines) > engines[0].rec_t.size // 2:
        _more_room(engines)
    return np.concatenate(times), np.concatenate(ids)


def _more_room(engines: list[Struct]) -> None:
    """Double the room for spikes that are yet to be sent."""
    n_rec = engines[0].rec_t.size
    times, spikes = np.zeros((len(engines), 2 * n_rec)), np.zeros((len(engines), 2 * n_rec), np.int32)
    for k, e in enumerate(engines):
        times[k, :n_rec], spikes[k, :n_rec] = e.rec_t, e.rec_i
    for k, e in enumerate(engines):
        e.times, e.spikes, e.rec_t, e.rec_i = times, spikes, times[k], spikes[k]
