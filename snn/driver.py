"""The driver's struct: what an engine knows of the whole network, its clock, its queues, what it has been told.

All members have the same types for any network, so that a driver is compiled once.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from .engine.exchange import APART
from .engine.struct import Struct, StructType, table

_LEAST_RECORDED = 65536
"""Spikes that an engine keeps before they are taken, at least."""
_FOR_EVER = 2**62
"""The tick at which what is in flight is forgotten, in a run."""
_Span = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Neurons of a population, in order, the first row of each and the row after its last."""


def _queues(capacity: int) -> dict[str, np.ndarray]:
    """The engine's queues that may have to grow."""

    def times(n: int) -> np.ndarray:
        return np.zeros(n)

    def ids(n: int) -> np.ndarray:
        return np.zeros(n, np.int32)

    return {
        "pool_t": times(capacity), "pool_r": ids(capacity), "pool_end": ids(capacity), "pool_next": ids(capacity),
        "free": np.arange(capacity, dtype=np.int32),
        "cur_t": times(capacity), "cur_r": ids(capacity), "side_t": times(capacity), "side_r": ids(capacity),
        "src_t": times(capacity), "src_i": ids(capacity), "tmp_t": times(capacity), "tmp_i": ids(capacity),
        "pending_r": ids(capacity), "due": ids(capacity), "sending": ids(capacity), "sending_t": times(capacity),
        "buckets": np.zeros(capacity + 2, np.int64),
    }  # fmt: skip


QUEUES = tuple(_queues(1))
"""Names of the engine's queues that may have to grow."""


def driver_struct(
    *,
    sizes: Sequence[int],
    n_blocks: int,
    group_r1: Sequence[int],
    plastic: Sequence[Sequence[int]],
    ringed: Sequence[Sequence[int]],
    row_delay: np.ndarray,
    spans: Sequence[_Span],
    given: tuple[np.ndarray, np.ndarray],
    window: float,
    on_grid: bool,
    known: Sequence[bool],
    post_first: bool,
    reads_fired: bool,
) -> Struct:
    """An engine at time 0, but for the addresses of its kernels and their structs.

    Parameters
    ----------
    sizes : neurons of each population
    n_blocks : blocks, those of populations first
    group_r1 : for each group, the row after its last
    plastic, ringed : for each population, groups that learn from its spikes, and groups to which it sends by a ring
    row_delay : (n_rows,) float64
        Delay of each row: in seconds, or on the grid in ticks.
    spans : for each projection, all neurons of its source, first row of each and row after its last
    given : times and neurons of given spikes, in order
    window : length of a window, or of a tick (s)
    known : for each population, whether its spikes are known before their time
    """
    total, n_groups = sum(sizes), len(group_r1)
    even: list[list[tuple[int, float]]] = [[] for _ in sizes]
    if on_grid:
        even, spans = _even(sizes, spans, row_delay)
    gid, begin, end = (np.concatenate([np.zeros(0, np.int64), *(s[k] for s in spans)]) for k in range(3))
    order = np.argsort(gid, kind="stable")
    out_ptr = np.searchsorted(gid[order], np.arange(total + 1)).astype(np.int64)
    each = np.repeat([len(some) for some in even], sizes).astype(np.int64)
    fan = each + (np.bincount(gid, weights=end - begin, minlength=total) if gid.size else 0)
    branches = each + (np.bincount(gid, minlength=total) if gid.size else 0)
    max_rows = int(fan.max()) if total else 0
    slots = float(row_delay.max(initial=0.0)) / (1.0 if on_grid else window)
    bins = 1 << (math.ceil(slots) + 1).bit_length()
    # No more neurons fire in a tick than these: sources may fire twice, given spikes as often as they are given.
    room, most_given = 2 * total + 1024, most_at_once(given[0])
    n_rec = max(_LEAST_RECORDED, 2 * room) + most_given
    times, spikes = np.zeros((1, n_rec)), np.zeros((1, n_rec), np.int32)
    capacity = max(1024, 2 * max_rows + 16)
    return Struct(
        now=0.0, w0=0.0, w1=0.0, last_w0=0.0, pending_t=0.0, h=window, per_h=1.0 / window, phase=0, window=0,
        n_cross=0, i_open=0, n_open=0, n_release=0, i_rest=0, n_rest=0, n_side=0, i_cur=0, n_cur=0, n_free=capacity,
        n_rec=0, i_given=0, given_shift=0.0, n_pending=0, i_src=0, n_src=0,
        post_first=post_first, watching=False, frozen=False, v_fired=0.0, reads_fired=reads_fired,
        max_rows=max_rows, max_spans=int(branches.max(initial=0)), n_blocks=n_blocks, n_groups=n_groups,
        block_of=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        block_g0=np.cumsum([0, *sizes], dtype=np.int64),
        group_r1=np.array(group_r1, np.int64),
        plastic_ptr=np.cumsum([0, *map(len, plastic)]).astype(np.int64),
        plastic=np.array([g for some in plastic for g in some], np.int64),
        ring_ptr=np.cumsum([0, *map(len, ringed)]).astype(np.int64),
        ring_groups=np.array([g for some in ringed for g in some], np.int64),
        block_kernels=table(n_blocks), blocks=table(n_blocks),
        group_kernels=table(n_groups), groups=table(n_groups),
        even_ptr=np.cumsum([0, *map(len, even)]).astype(np.int64),
        even_row=np.array([row for some in even for row, _ in some], np.int64),
        even_delay=np.array([delay for some in even for _, delay in some], float),
        row_delay=row_delay, out_ptr=out_ptr,
        out_r0=begin[order].astype(np.int64), out_r1=end[order].astype(np.int64),
        given_t=given[0], given_i=given[1],
        counts=np.zeros(total, np.int64), next_t=np.full(total, math.inf),
        watch_row=np.zeros(row_delay.size, np.uint8), watch_cell=np.zeros(total, np.uint8),
        bin_head=np.full(bins, -1, np.int32), bin_tail=np.full(bins, -1, np.int32),
        cross_t=np.zeros(total), cross_i=np.zeros(total, np.int32), cross_at=np.full(total, -1, np.int32),
        open_t=np.zeros(total), open_i=np.zeros(total, np.int32),
        open_tmp_t=np.zeros(total), open_tmp_i=np.zeros(total, np.int32), open_buckets=np.zeros(total + 2, np.int64),
        rel_t=np.zeros(total + 1), rel_i=np.zeros(total + 1, np.int32),
        rest_t=np.zeros(total + 1), rest_i=np.zeros(total + 1, np.int32),
        tick=0, sent=0, bad=-1, last_i=-1, last_t=-1.0, at_once=0, n_fired=0, room=room,
        fired=np.zeros(room + total + most_given, np.int32), first_draw=0, horizon=_FOR_EVER,
        part=0, n_parts=1, ahead=0, times=times, spikes=spikes, rec_t=times[0], rec_i=spikes[0], n_sending=0,
        known=np.array(known, np.uint8),
        ends=np.zeros((1, 8), np.int64), published=np.zeros(APART, np.int64), merging=np.zeros(1, np.int64),
        due_ptr=np.zeros(n_groups + 1, np.int64), due_end=0,
        **_queues(capacity),
    )  # fmt: skip


def _even(
    sizes: Sequence[int], spans: Sequence[_Span], row_delay: np.ndarray
) -> tuple[list[list[tuple[int, float]]], list[_Span]]:
    """Projections in which every neuron has one row, all of one delay, and the spans of the others.

    For each population, (row of its first neuron, delay) of each such projection: nothing has to be looked up there.
    """
    even: list[list[tuple[int, float]]] = [[] for _ in sizes]
    others, starts = [], np.cumsum([0, *sizes])
    for gid, begin, end in spans:
        delays = row_delay[begin[0] : end[-1]] if gid.size else row_delay[:0]
        if delays.size == gid.size > 0 and (end - begin == 1).all() and (delays == delays[0]).all():
            source = int(np.searchsorted(starts, gid[0], side="right")) - 1
            even[source].append((int(begin[0]), float(delays[0])))
        else:
            others.append((gid, begin, end))
    return even, others


@functools.cache
def driver_type() -> StructType:
    """The type of every driver's struct."""
    nothing = np.zeros(0)
    return driver_struct(
        sizes=[], n_blocks=0, group_r1=[], plastic=[], ringed=[], row_delay=nothing, spans=[],
        given=(nothing, nothing.astype(np.int32)), window=1.0, on_grid=False, known=[], post_first=False,
        reads_fired=False,
    ).type_  # fmt: skip


def most_at_once(times: np.ndarray) -> int:
    """Length of the longest run of equal finite numbers."""
    ends = np.flatnonzero(np.append(times[1:] != times[:-1], np.ones(min(1, times.size), bool)))
    return int(np.diff(ends, prepend=-1)[np.isfinite(times[ends])].max(initial=0))


def give_spikes(e: Struct, times: np.ndarray, neurons: np.ndarray) -> None:
    """Let an engine that is alone play other given spikes, whose times (s, or ticks) ascend in stretches."""
    e.given_t, e.given_i = times, neurons
    needed = e.room + e.counts.size + most_at_once(times)
    if e.fired.size < needed:
        e.fired = np.zeros(needed, np.int32)
    if e.rec_t.size < needed:
        e.times, e.spikes = np.zeros((1, needed)), np.zeros((1, needed), np.int32)
        e.rec_t, e.rec_i = e.times[0], e.spikes[0]


def grow(e: Struct) -> None:
    """Double an engine's queues after it has asked for room."""
    size = e.pool_t.size
    for name, larger in _queues(2 * size).items():
        old = getattr(e, name)
        larger[: old.size] = old
        setattr(e, name, larger)
    n = e.n_free
    e.free[n : n + size] = np.arange(size, 2 * size)
    e.n_free = n + size
