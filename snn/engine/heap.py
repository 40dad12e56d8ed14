"""Binary heaps over two arrays and sorts of nearly sorted events; order is by time, then by id."""

from __future__ import annotations

from .jit import kernel


@kernel
def push(times, ids, n, t, i):
    """Insert (t, i) into the heap of length n; returns n + 1."""
    k = n
    while k > 0:
        up = (k - 1) >> 1
        if times[up] < t or (times[up] == t and ids[up] <= i):
            break
        times[k] = times[up]
        ids[k] = ids[up]
        k = up
    times[k] = t
    ids[k] = i
    return n + 1


@kernel
def pop(times, ids, n):
    """Remove the first entry of the heap of length n; returns n - 1."""
    n -= 1
    t = times[n]
    i = ids[n]
    k = 0
    while True:
        c = 2 * k + 1
        if c >= n:
            break
        if c + 1 < n and (times[c + 1] < times[c] or (times[c + 1] == times[c] and ids[c + 1] < ids[c])):
            c += 1
        if t < times[c] or (t == times[c] and i <= ids[c]):
            break
        times[k] = times[c]
        ids[k] = ids[c]
        k = c
    times[k] = t
    ids[k] = i
    return n


@kernel
def advance_entry(times, ids, place, n, t, i):
    """Let entry i of an indexed heap of length n be at t, inserting it if it is not there; returns the new length.

    place[i] is where entry i stands in the heap, -1 if it does not; t must not be later than the entry's present time.
    """
    k = place[i]
    if k < 0:
        k = n
        n += 1
    while k > 0:
        up = (k - 1) >> 1
        if times[up] < t or (times[up] == t and ids[up] <= i):
            break
        times[k] = times[up]
        ids[k] = ids[up]
        place[ids[k]] = k
        k = up
    times[k] = t
    ids[k] = i
    place[i] = k
    return n


@kernel
def pop_entry(times, ids, place, n):
    """Remove the first entry of an indexed heap of length n; returns n - 1."""
    place[ids[0]] = -1
    n -= 1
    if n == 0:
        return 0
    t = times[n]
    i = ids[n]
    k = 0
    while True:
        c = 2 * k + 1
        if c >= n:
            break
        if c + 1 < n and (times[c + 1] < times[c] or (times[c + 1] == times[c] and ids[c + 1] < ids[c])):
            c += 1
        if t < times[c] or (t == times[c] and i <= ids[c]):
            break
        times[k] = times[c]
        ids[k] = ids[c]
        place[ids[k]] = k
        k = c
    times[k] = t
    ids[k] = i
    place[i] = k
    return n


@kernel
def sort_events(times, ids, n, t0, t1, tmp_t, tmp_i, count):
    """Sort n events of [t0, t1) in place by (time, id): one bucket per event, then insertion."""
    ordered = True
    for k in range(1, n):
        if times[k] < times[k - 1] or (times[k] == times[k - 1] and ids[k] < ids[k - 1]):
            ordered = False
            break
    if ordered:
        return
    if n > 24:
        scale = n / (t1 - t0)
        for k in range(n + 1):
            count[k] = 0
        for k in range(n):
            count[min(n - 1, max(0, int((times[k] - t0) * scale))) + 1] += 1
        for k in range(n):
            count[k + 1] += count[k]
        for k in range(n):
            b = min(n - 1, max(0, int((times[k] - t0) * scale)))
            tmp_t[count[b]] = times[k]
            tmp_i[count[b]] = ids[k]
            count[b] += 1
        for k in range(n):
            times[k] = tmp_t[k]
            ids[k] = tmp_i[k]
    for k in range(1, n):
        t = times[k]
        i = ids[k]
        c = k
        while c > 0 and (times[c - 1] > t or (times[c - 1] == t and ids[c - 1] > i)):
            times[c] = times[c - 1]
            ids[c] = ids[c - 1]
            c -= 1
        times[c] = t
        ids[c] = i


@kernel
def sort_numbers(x, first, last):
    """Sort x[first:last] in place; what is in order already costs one look at each (Shell 1959, Knuth's gaps)."""
    ordered = True
    for k in range(first + 1, last):
        if x[k] < x[k - 1]:
            ordered = False
            break
    if ordered:
        return
    gap = 1
    while 3 * gap + 1 < last - first:
        gap = 3 * gap + 1
    while gap > 0:
        for k in range(first + gap, last):
            value = x[k]
            c = k
            while c >= first + gap and x[c - gap] > value:
                x[c] = x[c - gap]
                c -= gap
            x[c] = value
        gap //= 3
