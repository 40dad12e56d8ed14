"""Compiled drawing of synapses and values equals plain-Python twins, for any number of threads."""

from __future__ import annotations

import math
from itertools import count
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from snn import wire
from snn.connect import (
    all_to_all,
    distance_dependent,
    fixed_in_degree,
    fixed_out_degree,
    fixed_probability,
    fixed_total_number,
    from_arrays,
    small_world,
)
from snn.distance import boxcar, boxes, exponential, gaussian
from snn.engine import rng
from snn.engine.jit import callable_kernel
from snn.random import lognormal, normal, uniform, uniform_at

repeatable = settings(max_examples=40, deadline=None, derandomize=True, database=None)
keys = st.integers(0, 2**64 - 1)
sizes = st.integers(2, 14)
share = st.floats(0, 1)


# Twins: lists of (source, target) in the order of the engine


def stream(key, neuron):
    """Numbers of one neuron."""
    return (uniform_at(key, neuron * 2**32 + c) for c in count())


def different(numbers, k, n):
    """The first k different ids below n; those left out are drawn where they are fewer."""
    found = set()
    while len(found) < min(k, n - k if 2 * k > n else k):
        found.add(int(next(numbers) * n))
    return set(range(n)) - found if 2 * k > n else found


def chosen(numbers, k, n, distinct):
    return different(numbers, k, n) if distinct else [int(next(numbers) * n) for _ in range(k)]


def past(i, own, skip):
    """Id among all neurons of id i among the others."""
    return i + 1 if skip and i >= own else i


def in_degree_twin(key, k, n_pre, n_post, skip, distinct):
    return sorted(
        (past(i, j, skip), j) for j in range(n_post) for i in chosen(stream(key, j), k, n_pre - skip, distinct)
    )


def rows_twin(key, degree, n_post, skip, distinct):
    return sorted(
        (i, past(j, i, skip)) for i, k in enumerate(degree) for j in chosen(stream(key, i), k, n_post - skip, distinct)
    )


def total_number_twin(key, n, n_pre, n_post, skip, distinct):
    n_columns = n_post - skip
    numbers = (uniform_at(key, 2**63 + c) for c in count())
    degree = [0] * n_pre
    if distinct:
        n_left_out = n_pre * n_columns - n
        while sum(degree) < min(n, n_left_out):
            i, u = int(next(numbers) * n_pre), next(numbers)
            degree[i] += u * n_columns < n_columns - degree[i]
        if n > n_left_out:
            degree = [n_columns - k for k in degree]
    else:
        for _ in range(n):
            degree[int(next(numbers) * n_pre)] += 1
    return rows_twin(key, degree, n_post, skip, distinct)


def bernoulli_twin(key, p, n_pre, n_post, skip):
    pairs, n = [], n_post - skip
    for i in range(n_pre):
        numbers, j = stream(key, i), 0
        while p > 0:
            steps = math.log(1 - next(numbers)) / math.log1p(-p) if p < 1 else 0
            if steps >= n - j:
                break
            j += int(steps)
            if j >= n:
                break
            pairs.append((i, past(j, i, skip)))
            j += 1
    return pairs


def ring_twin(key, k, p, n):
    pairs = []
    for i in range(n):
        numbers = stream(key, i)
        row = [(i + sign * step) % n for step in range(1, k // 2 + 1) for sign in (1, -1)]
        for m in range(k):
            if next(numbers) < p and k < n - 1:
                j = int(next(numbers) * n)
                while j == i or j in row:
                    j = int(next(numbers) * n)
                row[m] = j
        pairs += [(i, j) for j in row]
    return sorted(pairs)


def distance_twin(key, profile, period, x_pre, x_post, skip):
    tree = boxes(x_pre)
    pairs = []

    def apart(gaps):
        return float(profile.at(np.array(math.sqrt(sum(g * g for g in gaps)))))

    def around(a, b, length):
        return min(abs(a - b), length - abs(a - b))

    def visit(box, j, numbers):
        x, low, high = x_post[j], tree.low[box], tree.high[box]
        inside = (low <= x) & (x <= high)
        p_box = apart([0.0 if inside[d] else min(around(x[d], low[d], period[d]), around(x[d], high[d], period[d]))
                       for d in range(x.size)])  # fmt: skip
        m, end = int(tree.begin[box]), int(tree.end[box])
        if p_box * (end - m) > wire._CANDIDATES and tree.after[box] > box + 1:
            visit(box + 1, j, numbers)
            visit(int(tree.after[box + 1]), j, numbers)
            return
        if p_box < 2.0**-53:
            return
        while True:
            u = next(numbers)
            steps = math.log(1 - u) / math.log1p(-p_box) if p_box < 1 else 0
            if steps >= end - m:
                return
            m += int(steps)
            i = int(tree.ids[m])
            accept = next(numbers) * p_box < apart(
                [around(a, b, L) for a, b, L in zip(x, x_pre[i], period, strict=True)]
            )
            if accept and not (skip and i == j):
                pairs.append((i, j))
            m += 1

    for j in range(len(x_post)):
        visit(0, j, stream(key, j))
    return sorted(pairs)


def value_twin(distribution, u):
    """Value of the number u by inverting the distribution function, with the quantile of the standard library."""
    d = distribution
    if d.kind == "uniform":
        return d.low + u * (d.high - d.low)
    log = d.kind == "lognormal"
    centre, spread = (d.median, d.sigma) if log else (d.mean, d.sd)
    below, within = 0.0, 1.0
    if d.redraw and spread > 0:
        low, high = ((math.log(x / centre) if x > 0 else -math.inf) if log else x - centre for x in (d.low, d.high))
        below, upto = (0.5 * math.erfc(-x / (spread * math.sqrt(2))) for x in (low, high))
        within = upto - below
    z = NormalDist().inv_cdf(min(max(below + u * within, 2.0**-54), 1 - 2.0**-53))
    x = centre * math.exp(spread * z) if log else centre + spread * z
    return min(max(x, d.low), d.high)


def pairs(edges):
    return list(zip(edges.source.tolist(), edges.target.tolist(), strict=True))


# Kernels and twins


def test_numbers_of_the_kernels_are_those_of_the_plain_stream():
    counters = [0, 1, 2**32, 2**63, 2**64 - 1]
    uniform_u64 = callable_kernel(rng.uniform_u64)
    assert [uniform_u64(np.uint64(2**64 - 3), np.uint64(c)) for c in counters] == [
        uniform_at(2**64 - 3, c) for c in counters
    ]


@repeatable
@given(keys, share, sizes, sizes, st.booleans(), st.booleans(), st.booleans())
def test_fixed_in_degree_equals_its_twin(key, part, n_pre, n_post, same, self_connections, multapses):
    n_pre = n_post if same else n_pre
    skip = same and not self_connections
    k = round(part * (n_pre - skip))
    edges = fixed_in_degree(k, self_connections, multapses).connect(n_pre, n_post, same, key)
    assert pairs(edges) == in_degree_twin(key, k, n_pre, n_post, skip, not multapses)


@repeatable
@given(keys, share, sizes, sizes, st.booleans(), st.booleans(), st.booleans())
def test_fixed_out_degree_equals_its_twin(key, part, n_pre, n_post, same, self_connections, multapses):
    n_pre = n_post if same else n_pre
    skip = same and not self_connections
    k = round(part * (n_post - skip))
    edges = fixed_out_degree(k, self_connections, multapses).connect(n_pre, n_post, same, key)
    assert pairs(edges) == rows_twin(key, [k] * n_pre, n_post, skip, not multapses)


@repeatable
@given(keys, share, sizes, sizes, st.booleans(), st.booleans(), st.booleans())
def test_fixed_total_number_equals_its_twin(key, part, n_pre, n_post, same, self_connections, multapses):
    n_pre = n_post if same else n_pre
    skip = same and not self_connections
    n = round(part * n_pre * (n_post - skip))
    edges = fixed_total_number(n, self_connections, multapses).connect(n_pre, n_post, same, key)
    assert pairs(edges) == total_number_twin(key, n, n_pre, n_post, skip, not multapses)


@repeatable
@given(keys, share, sizes, sizes, st.booleans(), st.booleans())
def test_fixed_probability_equals_its_twin(key, p, n_pre, n_post, same, self_connections):
    n_pre = n_post if same else n_pre
    skip = same and not self_connections
    edges = fixed_probability(p, self_connections).connect(n_pre, n_post, same, key)
    assert pairs(edges) == bernoulli_twin(key, p, n_pre, n_post, skip)


@repeatable
@given(keys, st.integers(0, 6), share, sizes)
def test_small_world_equals_its_twin(key, half, p, n):
    k = min(2 * half, (n - 1) // 2 * 2)
    assert pairs(small_world(k, p).connect(n, n, True, key)) == ring_twin(key, k, p, n)


@pytest.mark.parametrize(
    "profile",
    [gaussian(0.1), gaussian(0.2, 0.3, cutoff=0.4), exponential(0.05, 0.9), boxcar(0.3), boxcar(0.2, 0.5)],
    ids=repr,
)
@pytest.mark.parametrize("periodic", [None, 1.0, (1.0, math.inf)], ids=["open", "torus", "cylinder"])
@pytest.mark.parametrize("self_connections", [True, False])
def test_distance_dependent_equals_its_twin(profile, periodic, self_connections):
    x = np.random.default_rng(4).random((150, 2))
    connector = distance_dependent(profile, x, periodic=periodic, self_connections=self_connections)
    period = np.broadcast_to(np.array(math.inf if periodic is None else periodic), 2)
    edges = connector.connect(150, 150, True, 99)
    assert pairs(edges) == distance_twin(99, profile, period, x, x, not self_connections)


def test_distance_dependent_joins_two_populations_in_three_dimensions_as_its_twin():
    rng = np.random.default_rng(5)
    x, y = rng.random((70, 3)), rng.random((40, 3))
    edges = distance_dependent(gaussian(0.3), x, y).connect(70, 40, False, 7)
    assert pairs(edges) == distance_twin(7, gaussian(0.3), np.full(3, math.inf), x, y, False)


@repeatable
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 8)), max_size=40))
def test_pairs_in_any_order_are_sorted_stably(given_pairs):
    source, target = np.array(given_pairs, np.int32).reshape(-1, 2).T
    edges = from_arrays(source, target).connect(6, 9, False, 0)
    expected = sorted(range(len(given_pairs)), key=given_pairs.__getitem__)
    assert pairs(edges) == sorted(given_pairs)
    assert (list(range(source.size)) if edges.order is None else edges.order.tolist()) == expected


@pytest.mark.parametrize("n", [1, 2, 5])
def test_all_but_itself_lists_every_other_neuron(n):
    edges = all_to_all(False).connect(n, n, True, 0)
    assert pairs(edges) == [(i, j) for i in range(n) for j in range(n) if i != j]


distributions = [
    normal(0.5, 0.2),
    normal(0.5, 0.2, low=0.4),
    normal(0.5, 0.2, low=0.0, high=0.6),
    normal(0.5, 0.2, low=0.4, high=0.6, redraw=False),
    normal(0.5, 0.0),
    uniform(-1.0, 3.0),
    lognormal(2.0, 0.5),
    lognormal(2.0, 0.5, low=1.0, high=3.0),
    lognormal(2.0, 0.5, high=3.0, redraw=False),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("distribution", distributions, ids=repr)
def test_values_equal_their_twin(distribution, dtype):
    drawn = distribution.draw(11, 500, dtype)
    assert drawn.dtype == dtype
    assert drawn.tolist() == [dtype(value_twin(distribution, uniform_at(11, k))) for k in range(500)]


@pytest.mark.parametrize("p", [2.0**-54, 1e-12, 1e-3, 0.0749, 0.0751, 0.3, 0.5, 0.9, 0.99999, 1 - 2.0**-53])
def test_the_normal_quantile_agrees_with_scipy(p):
    # AS 241 states an accuracy of about 1 part in 10^16; two units in the last place are left for rounding.
    assert wire.normal_quantile(p) == pytest.approx(special.ndtri(p), rel=1e-15, abs=1e-300)


# Threads

x_20 = np.random.default_rng(3).random((20, 2))
x_400 = np.random.default_rng(2).random((400, 2))


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize(
    ("connector", "n_pre", "n_post", "same"),
    [
        (fixed_in_degree(7), 20, 400, False),
        (fixed_in_degree(7, multapses=False), 20, 400, False),
        (fixed_in_degree(15, multapses=False), 20, 400, False),
        (fixed_out_degree(30), 400, 100, False),
        (fixed_out_degree(60, multapses=False), 400, 100, False),
        (fixed_total_number(5000), 20, 400, False),
        (fixed_total_number(5000, False, multapses=False), 100, 100, True),
        (fixed_probability(0.2, False), 100, 100, True),
        (distance_dependent(gaussian(0.2), x_20, x_400), 20, 400, False),
        (small_world(10, 0.3), 100, 100, True),
    ],
    ids=lambda value: value.kind if hasattr(value, "kind") else "",
)
def test_pairs_are_the_same_for_any_number_of_threads(monkeypatch, threads, connector, n_pre, n_post, same):
    pieces = []
    run = wire._run
    monkeypatch.setattr(wire, "_run", lambda task, cuts: (pieces.append(len(cuts)), run(task, cuts)))
    monkeypatch.setattr(wire, "_LEAST_SHARE", 1)
    made = []
    for n in (1, threads):
        monkeypatch.setattr(wire, "threads", lambda n=n: n)
        made.append(connector.connect(n_pre, n_post, same, 8))
    assert max(pieces) == threads
    assert pairs(made[0]) == pairs(made[1])


@pytest.mark.parametrize("threads", [2, 3, 7])
@pytest.mark.parametrize("distribution", distributions, ids=repr)
def test_values_are_the_same_for_any_number_of_threads(monkeypatch, threads, distribution):
    monkeypatch.setattr(wire, "_LEAST_SHARE", 1)
    made = []
    for n in (1, threads):
        monkeypatch.setattr(wire, "threads", lambda n=n: n)
        made.append(distribution.draw(8, 1000))
    assert made[0].tolist() == made[1].tolist()


def test_a_fault_in_a_thread_reaches_the_caller():
    def fail(c, begin, end):
        raise MemoryError(c)

    with pytest.raises(MemoryError):
        wire._run(fail, [(0, 1), (1, 2)])
