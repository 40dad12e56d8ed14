"""The queues of the engine against sorting in plain Python."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from snn.engine import heap
from snn.engine.jit import callable_kernel

advance_entry, pop, pop_entry, push, sort_events, sort_numbers = (
    callable_kernel(f)
    for f in (heap.advance_entry, heap.pop, heap.pop_entry, heap.push, heap.sort_events, heap.sort_numbers)
)
repeatable = settings(max_examples=100, deadline=None, derandomize=True, database=None)
# Few different values, so that ties in time are common and the order by number matters.
events = st.lists(st.tuples(st.integers(0, 7), st.integers(0, 9)), max_size=60)


@repeatable
@given(events)
def test_heap_gives_back_what_was_pushed_in_order_of_time_then_number(given_events):
    times, ids, n = np.zeros(64), np.zeros(64, np.int32), 0
    for t, i in given_events:
        n = push(times, ids, n, float(t), i)
    out = []
    while n > 0:
        out.append((times[0], ids[0]))
        n = pop(times, ids, n)
    assert out == sorted(given_events)


@repeatable
@given(events)
def test_indexed_heap_holds_the_earliest_time_of_each_entry_once(given_events):
    times, ids, place, n = np.zeros(10), np.zeros(10, np.int32), np.full(10, -1, np.int32), 0
    earliest: dict[int, int] = {}
    for t, i in given_events:
        if t < earliest.get(i, 8):
            earliest[i] = t
            n = advance_entry(times, ids, place, n, float(t), i)
    assert n == len(earliest)
    out = []
    while n > 0:
        assert all(place[ids[k]] == k for k in range(n))
        out.append((times[0], ids[0]))
        n = pop_entry(times, ids, place, n)
    assert out == sorted((t, i) for i, t in earliest.items())
    assert (place == -1).all()


@repeatable
@given(events)
def test_sort_orders_by_time_then_number(given_events):
    n = len(given_events)
    times = np.array([t for t, _ in given_events], float)
    ids = np.array([i for _, i in given_events], np.int32)
    sort_events(times, ids, n, 0.0, 8.0, np.zeros(n), np.zeros(n, np.int32), np.zeros(n + 2, np.int64))
    assert list(zip(times.tolist(), ids.tolist(), strict=True)) == sorted(given_events)


@repeatable
@given(st.lists(st.integers(0, 50), max_size=60), st.integers(0, 60), st.integers(0, 60))
def test_a_stretch_of_numbers_is_sorted_and_the_rest_left_alone(numbers, first, last):
    first, last = min(first, len(numbers)), min(last, len(numbers))
    x = np.array(numbers, np.int32)
    sort_numbers(x, first, last)
    assert x.tolist() == numbers[:first] + sorted(numbers[first:last]) + numbers[max(first, last) :]
