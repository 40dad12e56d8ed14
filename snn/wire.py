"""Kernels that draw synapses and their values: compiled, on all cores, the same numbers for any number of threads.

Every random number is named by a key and a counter (:func:`snn.random.uniform_at`). Neuron i takes the counters
``i 2^32, i 2^32 + 1, ...`` of its projection's key, so that streams never overlap and chunks of neurons can be drawn in
any order. Rows are written in place: beside the result only a few numbers per neuron are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import numpy as np
from numba import config

from .distance import Boxes
from .engine.heap import sort_numbers
from .engine.jit import callable_kernel, entry
from .engine.rng import uniform_u64 as uniform

_LEAST_SHARE = 2**18
"""Fewest draws worth a thread: about a millisecond."""

_CANDIDATES = 8.0
"""Candidates that a box may be expected to give before the boxes inside it are tried instead."""

_DEGREES = 2**63
"""First counter of the draws that set how many synapses each source has; those of the rows lie below."""

_U1, _U32 = np.uint64(1), np.uint64(32)
_NO_TARGETS = np.empty(0, np.int32)

NORMAL, LOGNORMAL, UNIFORM = range(3)
GAUSSIAN, EXPONENTIAL = range(2)


# Random numbers


@callable_kernel
def normal_quantile(p: Any) -> Any:
    """Standard normal quantile of `p`, in (0, 1), to about 1e-16.

    References
    ----------
    Wichura (1988) Appl. Stat. 37, 477, algorithm AS 241 (PPND16).
    """
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        top = (((((((2509.0809287301226727 * r + 33430.575583588128105) * r + 67265.770927008700853) * r
            + 45921.953931549871457) * r + 13731.693765509461125) * r + 1971.5909503065514427) * r
            + 133.14166789178437745) * r + 3.387132872796366608) * q  # fmt: skip
        below = (((((((5226.495278852854561 * r + 28729.085735721942674) * r + 39307.89580009271061) * r
            + 21213.794301586595867) * r + 5394.1960214247511077) * r + 687.1870074920579083) * r
            + 42.313330701600911252) * r + 1.0)  # fmt: skip
        return top / below
    r = math.sqrt(-math.log(p if q <= 0.0 else 1.0 - p))
    if r <= 5.0:
        r -= 1.6
        top = (((((((7.7454501427834140764e-4 * r + 0.0227238449892691845833) * r + 0.24178072517745061177) * r
            + 1.27045825245236838258) * r + 3.64784832476320460504) * r + 5.7694972214606914055) * r
            + 4.6303378461565452959) * r + 1.42343711074968357734)  # fmt: skip
        below = (((((((1.05075007164441684324e-9 * r + 5.475938084995344946e-4) * r + 0.0151986665636164571966) * r
            + 0.14810397642748007459) * r + 0.68976733498510000455) * r + 1.6763848301838038494) * r
            + 2.05319162663775882187) * r + 1.0)  # fmt: skip
    else:
        r -= 5.0
        top = (((((((2.01033439929228813265e-7 * r + 2.71155556874348757815e-5) * r + 0.0012426609473880784386) * r
            + 0.026532189526576123093) * r + 0.29656057182850489123) * r + 1.7848265399172913358) * r
            + 5.4637849111641143699) * r + 6.6579046435011037772)  # fmt: skip
        below = (((((((2.04426310338993978564e-15 * r + 1.4215117583164458887e-7) * r
            + 1.8463183175100546818e-5) * r + 7.868691311456132591e-4) * r + 0.0148753612908506148525) * r
            + 0.13692988092273580531) * r + 0.59983220655588793769) * r + 1.0)  # fmt: skip
    return -top / below if q < 0.0 else top / below


@entry
def _draw_values(kind, key, a, b, p_low, share, low, high, begin, end, out):
    for k in range(begin, end):
        u = uniform(key, np.uint64(k))
        if kind == UNIFORM:
            out[k] = a + u * b
        else:
            # p stays off 0 and 1, where the quantile is infinite.
            z = normal_quantile(min(max(p_low + u * share, 5.551115123125783e-17), 0.9999999999999999))
            x = a + b * z if kind == NORMAL else a * math.exp(b * z)
            out[k] = min(max(x, low), high)


# Pairs drawn target by target, and placed into the rows of their sources


@entry
def _place_in_degree(key, k, n, skip, distinct, begin, end, fill, drawn, cursor, target):
    invert = distinct and 2 * k > n
    for j in range(begin, end):
        counter = np.uint64(j) << _U32
        for _ in range(n - k if invert else k):
            i = int(uniform(key, counter) * n)
            counter += _U1
            if distinct:
                while drawn[i] == j:
                    i = int(uniform(key, counter) * n)
                    counter += _U1
                drawn[i] = j
            if not invert:
                if skip and i >= j:
                    i += 1
                if fill:
                    target[cursor[i]] = j
                cursor[i] += 1
        if invert:
            # More than half of the sources: those that were drawn are left out.
            for m in range(n):
                if drawn[m] != j:
                    i = m + 1 if skip and m >= j else m
                    if fill:
                        target[cursor[i]] = j
                    cursor[i] += 1


@callable_kernel
def chance(kind: Any, scale: Any, p_max: Any, cutoff: Any, squared: Any) -> Any:
    """Probability of a connection over a squared distance."""
    if squared > cutoff * cutoff:
        return 0.0
    if kind == GAUSSIAN:
        return p_max * math.exp(-0.5 * squared / (scale * scale))
    if kind == EXPONENTIAL:
        return p_max * math.exp(-math.sqrt(squared) / scale)
    return p_max


@entry
def _place_by_distance(
    key, kind, scale, p_max, cutoff, period, x_post, x_pre, ids, first, last, after, low, high, skip,
    begin, end, fill, cursor, target,
):  # fmt: skip
    for j in range(begin, end):
        counter = np.uint64(j) << _U32
        box = 0
        while box < after.size:
            squared = 0.0
            for d in range(period.size):
                x = x_post[j, d]
                if x < low[box, d]:
                    gap = min(low[box, d] - x, x + period[d] - high[box, d])
                elif x > high[box, d]:
                    gap = min(x - high[box, d], low[box, d] + period[d] - x)
                else:
                    gap = 0.0
                squared += gap * gap
            bound = chance(kind, scale, p_max, cutoff, squared)
            m, stop = first[box], last[box]
            if bound >= 1.1102230246251565e-16 and bound * (stop - m) > _CANDIDATES and after[box] > box + 1:
                box += 1  # too many: look into the boxes inside, which are nearer to their bounds
                continue
            box = after[box]
            if bound < 1.1102230246251565e-16:
                continue  # no uniform number but 0 lies below
            log_miss = math.log1p(-bound) if bound < 1.0 else -math.inf
            while True:
                # Candidates at the rate of the nearest point of the box, thinned to the rate of their own distance.
                steps = math.log(1.0 - uniform(key, counter)) / log_miss
                counter += _U1
                if steps >= stop - m:
                    break
                m += int(steps)
                i = ids[m]
                squared = 0.0
                for d in range(period.size):
                    gap = abs(x_post[j, d] - x_pre[m, d])
                    gap = min(gap, period[d] - gap)
                    squared += gap * gap
                m += 1
                accept = uniform(key, counter) * bound < chance(kind, scale, p_max, cutoff, squared)
                counter += _U1
                if accept and not (skip and i == j):
                    if fill:
                        target[cursor[i]] = j
                    cursor[i] += 1


# Pairs drawn source by source, straight into their rows


@entry
def _fill_rows(key, ptr, n, skip, distinct, begin, end, drawn, bucket, ids, target):
    for i in range(begin, end):
        counter = np.uint64(i) << _U32
        first = ptr[i]
        k = ptr[i + 1] - first
        if distinct and 2 * k > n:
            for _ in range(n - k):
                j = int(uniform(key, counter) * n)
                counter += _U1
                while drawn[j] == i:
                    j = int(uniform(key, counter) * n)
                    counter += _U1
                drawn[j] = i
            m = first
            for j in range(n):
                if drawn[j] != i:
                    target[m] = j + 1 if skip and j >= i else j
                    m += 1
            continue
        # Sorted by buckets of about one id each; uniform ids leave little for the insertion sort after it.
        per_id = k / n
        for b in range(k + 1):
            bucket[b] = 0
        for m in range(k):
            j = int(uniform(key, counter) * n)
            counter += _U1
            if distinct:
                while drawn[j] == i:
                    j = int(uniform(key, counter) * n)
                    counter += _U1
                drawn[j] = i
            ids[m] = j
            bucket[int(j * per_id)] += 1
        total = 0
        for b in range(k + 1):
            total += bucket[b]
            bucket[b] = total
        for m in range(k):
            b = int(ids[m] * per_id)
            bucket[b] -= 1
            target[first + bucket[b]] = ids[m]
        for m in range(first + 1, first + k):
            j = target[m]
            while m > first and target[m - 1] > j:
                target[m] = target[m - 1]
                m -= 1
            target[m] = j
        if skip:
            for m in range(first, first + k):
                if target[m] >= i:
                    target[m] += 1


@entry
def _bernoulli_rows(key, log_miss, n, skip, begin, end, fill, ptr, target):
    for i in range(begin, end):
        counter = np.uint64(i) << _U32
        j, m = 0, ptr[i] if fill else 0
        while True:
            # The gaps between successes are geometric: one draw per synapse, not per pair, and the targets come sorted.
            steps = math.log(1.0 - uniform(key, counter)) / log_miss
            counter += _U1
            if steps >= n - j:
                break
            j += int(steps)
            if fill:
                target[m] = j + 1 if skip and j >= i else j
            j += 1
            m += 1
        if not fill:
            ptr[i + 1] = m


@entry
def _ring_rows(key, k, p, n, begin, end, taken, target):
    for i in range(begin, end):
        counter = np.uint64(i) << _U32
        first = i * k
        for m in range(k):
            step = m // 2 + 1
            j = (i + step) % n if m % 2 == 0 else (i - step + n) % n
            target[first + m] = j
            taken[j] = i
        taken[i] = i
        for m in range(first, first + k):
            rewired = k < n - 1 and uniform(key, counter) < p
            counter += _U1
            if rewired:
                j = int(uniform(key, counter) * n)
                counter += _U1
                while taken[j] == i:
                    j = int(uniform(key, counter) * n)
                    counter += _U1
                taken[j] = i
                taken[target[m]] = -1
                target[m] = j
        # Neighbours on the ring lie too close together for buckets.
        sort_numbers(target, first, first + k)


@entry
def _fill_others(n, target):
    m = 0
    for i in range(n):
        for j in range(n):
            if j != i:
                target[m] = j
                m += 1


# How many synapses each source has


@entry
def _count_sources(key, counter, n, draws, count):
    for _ in range(draws):
        count[int(uniform(key, counter) * n)] += 1
        counter += _U1


@entry
def _count_without_replacement(key, counter, n, n_columns, draws, count):
    for _ in range(draws):
        # A uniform pair that is free: its source is free with the share of its columns that are.
        while True:
            i = int(uniform(key, counter) * n)
            u = uniform(key, counter + _U1)
            counter += _U1 + _U1
            if u * n_columns < n_columns - count[i]:
                break
        count[i] += 1


# Pairs given in any order


@entry
def _is_sorted(source, target):
    for k in range(1, source.size):
        if source[k] < source[k - 1] or (source[k] == source[k - 1] and target[k] < target[k - 1]):
            return False
    return True


@entry
def _count_ids(ids, count):
    for k in range(ids.size):
        count[ids[k]] += 1


@entry
def _order_by(ids, given, cursor, order):
    for m in range(ids.size):
        k = given[m] if given.size else m
        order[cursor[ids[k]]] = k
        cursor[ids[k]] += 1


# What connectors call


def threads() -> int:
    """Threads that draw at once: as many as Numba's own, one per core unless NUMBA_NUM_THREADS says otherwise."""
    return int(config.NUMBA_NUM_THREADS)


def in_degree(key: int, k: int, n_pre: int, n_post: int, skip: bool, distinct: bool) -> tuple[np.ndarray, np.ndarray]:
    """`k` sources for each target; `skip`: not itself, `distinct`: no source twice. Returns rows: ptr, target."""

    def place(begin: int, end: int, fill: bool, cursor: np.ndarray, target: np.ndarray) -> None:
        drawn = np.full(n_pre if distinct else 0, -1, np.int32)
        _place_in_degree(np.uint64(key), k, n_pre - skip, skip, distinct, begin, end, fill, drawn, cursor, target)

    return _by_target(place, n_pre, n_post, k * n_post)


def by_distance(
    key: int,
    profile: tuple[int, float, float, float],
    period: np.ndarray,
    x_pre: np.ndarray,
    x_post: np.ndarray,
    boxes: Boxes,
    skip: bool,
) -> tuple[np.ndarray, np.ndarray]:
    """Each pair with the probability of its distance; `boxes` are those of the sources. Returns rows: ptr, target."""
    kind, scale, p_max, cutoff = profile
    ordered = x_pre[boxes.ids]

    def place(begin: int, end: int, fill: bool, cursor: np.ndarray, target: np.ndarray) -> None:
        _place_by_distance(
            np.uint64(key), kind, scale, p_max, cutoff, period, x_post, ordered, boxes.ids, boxes.begin, boxes.end,
            boxes.after, boxes.low, boxes.high, skip, begin, end, fill, cursor, target,
        )  # fmt: skip

    return _by_target(place, len(x_pre), len(x_post), len(x_pre) * len(x_post))


def out_degree(key: int, ptr: np.ndarray, n_post: int, skip: bool, distinct: bool) -> np.ndarray:
    """Targets of rows of given lengths; `skip`: not the source itself, `distinct`: no target twice."""
    target = np.empty(int(ptr[-1]), np.int32)
    longest = int(np.diff(ptr).max(initial=0))

    def fill(begin: int, end: int) -> None:
        drawn = np.full(n_post if distinct else 0, -1, np.int32)
        bucket, ids = np.empty(longest + 1, np.int32), np.empty(longest, np.int32)
        _fill_rows(np.uint64(key), ptr, n_post - skip, skip, distinct, begin, end, drawn, bucket, ids, target)

    _spread(fill, ptr.size - 1, target.size)
    return target


def total_number(
    key: int, n: int, n_pre: int, n_post: int, skip: bool, distinct: bool
) -> tuple[np.ndarray, np.ndarray]:
    """`n` pairs of all that there are; `distinct`: none twice. Returns rows: ptr, target.

    The lengths of the rows are drawn first: multinomial, or hypergeometric where no pair is taken twice. Given these,
    rows are independent.
    """
    n_columns = n_post - skip
    invert = distinct and 2 * n > n_pre * n_columns
    if distinct:
        degree = np.zeros(n_pre, np.int64)
        draws = n_pre * n_columns - n if invert else n
        _count_without_replacement(np.uint64(key), np.uint64(_DEGREES), n_pre, n_columns, draws, degree)
        degree = n_columns - degree if invert else degree
    else:
        parts = np.zeros((_chunks(n, n_pre), n_pre), np.int64)

        def count(c: int, begin: int, end: int) -> None:
            _count_sources(np.uint64(key), np.uint64(_DEGREES + begin), n_pre, end - begin, parts[c])

        _run(count, _cuts(n, len(parts)))
        degree = parts.sum(axis=0)
    ptr = pointers(degree)
    return ptr, out_degree(key, ptr, n_post, skip, distinct)


def bernoulli(key: int, p: float, n_pre: int, n_post: int, skip: bool) -> tuple[np.ndarray, np.ndarray]:
    """Each pair with probability `p` > 0. Returns rows: ptr, target."""
    log_miss = math.log1p(-p) if p < 1 else -math.inf
    ptr = np.zeros(n_pre + 1, np.int64)

    def rows(fill: bool, target: np.ndarray) -> None:
        def run(begin: int, end: int) -> None:
            _bernoulli_rows(np.uint64(key), log_miss, n_post - skip, skip, begin, end, fill, ptr, target)

        _spread(run, n_pre, int(p * n_pre * n_post))

    rows(False, _NO_TARGETS)
    np.cumsum(ptr, out=ptr)
    target = np.empty(int(ptr[-1]), np.int32)
    rows(True, target)
    return ptr, target


def ring(key: int, k: int, p: float, n: int) -> np.ndarray:
    """Targets of a ring in which each neuron reaches its `k` nearest, rewired with probability `p`."""
    target = np.empty(n * k, np.int32)

    def fill(begin: int, end: int) -> None:
        _ring_rows(np.uint64(key), k, p, n, begin, end, np.full(n, -1, np.int32), target)

    _spread(fill, n, target.size)
    return target


def others(n: int) -> np.ndarray:
    """Targets where each of `n` neurons reaches all but itself."""
    target = np.empty(n * (n - 1), np.int32)
    _fill_others(n, target)
    return target


def sort_pairs(
    source: np.ndarray, target: np.ndarray, n_pre: int, n_post: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Rows of pairs given in any order: ptr, target and the stable order that sorts them (None: they are sorted)."""
    count = np.zeros(n_pre, np.int64)
    _count_ids(source, count)
    ptr = pointers(count)
    if _is_sorted(source, target):
        return ptr, target, None
    count = np.zeros(n_post, np.int64)
    _count_ids(target, count)
    by_target, order = np.empty(source.size, np.int64), np.empty(source.size, np.int64)
    _order_by(target, np.empty(0, np.int64), pointers(count), by_target)
    _order_by(source, by_target, ptr.copy(), order)
    return ptr, target[order], order


def draw_values(kind: int, key: int, parameters: tuple[float, ...], n: int, dtype: Any) -> np.ndarray:
    """Values of a distribution; number k takes counter k of the key. `parameters` as in :func:`_draw_values`."""
    out = np.empty(n, dtype)
    a, b, p_low, share, low, high = parameters

    def fill(begin: int, end: int) -> None:
        _draw_values(kind, np.uint64(key), a, b, p_low, share, low, high, begin, end, out)

    _spread(fill, n, n)
    return out


def pointers(degree: np.ndarray) -> np.ndarray:
    """Where the rows of these lengths begin and the last one ends; int64 (n + 1,)."""
    ptr = np.zeros(degree.size + 1, np.int64)
    np.cumsum(degree, out=ptr[1:])
    return ptr


def _by_target(
    place: Callable[[int, int, bool, np.ndarray, np.ndarray], None], n_pre: int, n_post: int, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of pairs that are drawn target by target: once to count, and once more to place them.

    Drawing twice costs less than keeping and sorting the pairs. Targets come in ascending order, so rows are sorted;
    each chunk of targets has its own place in every row, so that chunks can be drawn at once.
    """
    cuts = _cuts(n_post, _chunks(draws, n_pre))
    cursor = np.zeros((len(cuts), n_pre), np.int64)
    _run(lambda c, begin, end: place(begin, end, False, cursor[c], _NO_TARGETS), cuts)
    ptr = pointers(cursor.sum(axis=0))
    begin = ptr[:-1].copy()
    for row in cursor:
        count = row.copy()
        row[:] = begin
        begin += count
    target = np.empty(int(ptr[-1]), np.int32)
    _run(lambda c, begin, end: place(begin, end, True, cursor[c], target), cuts)
    return ptr, target


def _chunks(draws: int, n_cursors: int = 0) -> int:
    """Into how many pieces to cut work; cursors of one piece take less memory than its share of the result."""
    return max(1, min(threads(), draws // max(_LEAST_SHARE, 4 * n_cursors)))


def _cuts(n: int, pieces: int) -> list[tuple[int, int]]:
    ends = (n * c // pieces for c in range(pieces + 1))
    return list(pairwise(ends))


def _run(task: Callable[[int, int, int], None], cuts: list[tuple[int, int]]) -> None:
    """Call ``task(c, begin, end)`` for each piece, on as many threads."""
    if len(cuts) == 1:
        task(0, *cuts[0])
        return
    with ThreadPoolExecutor(len(cuts)) as pool:
        for future in [pool.submit(task, c, *cut) for c, cut in enumerate(cuts)]:
            future.result()


def _spread(task: Callable[[int, int], None], n: int, draws: int) -> None:
    _run(lambda c, begin, end: task(begin, end), _cuts(n, _chunks(draws)))
