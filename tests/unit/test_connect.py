"""Connectors keep their promises for any size and seed; weights and delays follow the pairs."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from snn.connect import (
    all_to_all,
    distance_dependent,
    fixed_in_degree,
    fixed_out_degree,
    fixed_probability,
    fixed_total_number,
    from_arrays,
    from_sparse,
    one_to_one,
    small_world,
)
from snn.distance import boxcar, exponential, gaussian
from snn.network import Network
from snn.plugin import Model, state
from snn.random import Distribution, Streams, normal, uniform
from snn.synapses import expand

repeatable = settings(max_examples=50, deadline=None, derandomize=True, database=None)
sizes = st.integers(1, 30)
seeds = st.integers(0, 2**32)
random_connectors = st.one_of(
    st.builds(fixed_probability, st.floats(0, 1), st.booleans()),
    st.builds(fixed_in_degree, st.integers(0, 8), st.booleans(), st.just(True)),
    st.builds(fixed_out_degree, st.integers(0, 8), st.booleans(), st.just(True)),
    st.builds(fixed_total_number, st.integers(0, 60), st.booleans(), st.just(True)),
)


class Cell(Model):
    v = state("cell")


def connect(connector, n_pre, n_post, same=False, seed=0):
    return connector.connect(n_pre, n_post, same, seed)


def pairs(edges):
    return list(zip(edges.source.tolist(), edges.target.tolist(), strict=True))


def synapses(connector, n_pre=3, n_post=4, seed=1, **values):
    net = Network(seed=seed)
    projection = net.connect(
        net.population("a", Cell(), n_pre), net.population("b", Cell(), n_post), connector, **values
    )
    return expand(projection, Streams(net.seed))


# Pairs


def test_all_to_all_is_dense_and_lists_no_pairs():
    edges = connect(all_to_all(), 3, 4)
    assert edges.dense
    assert edges.source.size == edges.target.size == 0


@repeatable
@given(sizes)
def test_all_to_all_without_self_connections_holds_every_other_pair_once(n):
    assert pairs(connect(all_to_all(False), n, n, same=True)) == list(itertools.permutations(range(n), 2))


def test_self_connections_are_left_out_only_within_one_population():
    assert connect(all_to_all(False), 3, 3, same=False).dense


def test_one_to_one_joins_equal_ids():
    assert pairs(connect(one_to_one(), 3, 3)) == [(0, 0), (1, 1), (2, 2)]


@repeatable
@given(random_connectors, sizes, seeds)
def test_random_pairs_are_sorted_in_range_and_int32(connector, n, seed):
    edges = connect(connector, n + 1, n, seed=seed)
    assert pairs(edges) == sorted(pairs(edges))
    assert edges.source.dtype == edges.target.dtype == np.int32
    assert all(0 <= i < n + 1 and 0 <= j < n for i, j in pairs(edges))


@repeatable
@given(random_connectors, sizes, seeds)
def test_random_pairs_are_the_same_for_the_same_seed(connector, n, seed):
    assert pairs(connect(connector, n + 1, n, seed=seed)) == pairs(connect(connector, n + 1, n, seed=seed))


@repeatable
@given(st.floats(0, 1), sizes, seeds, st.booleans())
def test_fixed_probability_repeats_no_pair_and_obeys_self_connections(p, n, seed, self_connections):
    found = pairs(connect(fixed_probability(p, self_connections), n, n, same=True, seed=seed))
    assert len(set(found)) == len(found)
    assert self_connections or all(i != j for i, j in found)


@repeatable
@given(sizes, sizes)
def test_fixed_probability_of_one_connects_every_pair(n_pre, n_post):
    assert pairs(connect(fixed_probability(1.0), n_pre, n_post)) == list(itertools.product(range(n_pre), range(n_post)))


def test_fixed_probability_reaches_each_pair_equally_often():
    p, trials = 0.3, 4000
    counts = np.zeros((4, 4))
    for seed in range(trials):
        edges = connect(fixed_probability(p, self_connections=False), 4, 4, same=True, seed=seed)
        counts[edges.source, edges.target] += 1
    others = counts[~np.eye(4, dtype=bool)]
    assert counts.diagonal().sum() == 0
    # Chi-square of 12 independent binomial counts; a true sampler falls below this level once in a thousand.
    chi_square = ((others - trials * p) ** 2 / (trials * p * (1 - p))).sum()
    assert stats.chi2(12).sf(chi_square) > 1e-3


@pytest.mark.parametrize("p", [1e-12, 1e-300])
def test_a_tiny_probability_connects_nothing_and_does_not_overflow(p):
    assert pairs(connect(fixed_probability(p), 1000, 1000)) == []


@repeatable
@given(st.integers(0, 12), st.integers(2, 30), seeds, st.booleans(), st.booleans())
def test_fixed_in_degree_is_exact_and_obeys_its_options(k, n, seed, self_connections, multapses):
    k = k if multapses else min(k, n - 1)
    edges = connect(fixed_in_degree(k, self_connections, multapses), n, n, same=True, seed=seed)
    assert np.bincount(edges.target, minlength=n).tolist() == [k] * n
    assert self_connections or (edges.source != edges.target).all()
    assert multapses or len(set(pairs(edges))) == k * n


@pytest.mark.parametrize("k", [1, 2, 4])  # of 5: by redrawing repeats, and by permuting where k is not small
def test_fixed_in_degree_without_multapses_favours_no_set_of_sources(k):
    n_post = 6000
    edges = connect(fixed_in_degree(k, multapses=False), 5, n_post, seed=1)
    chosen = np.zeros((n_post, 5), bool)
    chosen[edges.target, edges.source] = True
    _, counts = np.unique(chosen, axis=0, return_counts=True)
    assert counts.size == math.comb(5, k)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_redrawing_repeats_favours_no_set_of_sources():
    # 2 of 9 is drawn with repeats redrawn; all 36 pairs of sources must be equally frequent.
    edges = connect(fixed_in_degree(2, multapses=False), 9, 20_000, seed=1)
    chosen = np.zeros((20_000, 9), bool)
    chosen[edges.target, edges.source] = True
    _, counts = np.unique(chosen, axis=0, return_counts=True)
    assert counts.size == 36
    assert stats.chisquare(counts).pvalue > 1e-3


def within(counts, mean, variance):
    """Whether counts have this mean and variance, to five standard errors (of s^2: s^2 sqrt(2 / (n - 1)))."""
    n = counts.size
    return (
        abs(counts.mean() - mean) <= 5 * math.sqrt(variance / n) + 1e-12
        and abs(counts.var(ddof=1) - variance) <= 5 * variance * math.sqrt(2 / (n - 1)) + 1e-12
    )


@pytest.mark.parametrize("multapses", [True, False])
def test_out_degrees_of_fixed_in_degree_are_binomial(multapses):
    n_pre, n_post, k = 400, 1000, 30
    found = np.bincount(connect(fixed_in_degree(k, multapses=multapses), n_pre, n_post).source, minlength=n_pre)
    # A source is one of the k of a target with probability k / n (distinct), or is drawn k times with 1 / n.
    trials, p = (n_post * k, 1 / n_pre) if multapses else (n_post, k / n_pre)
    assert within(found, trials * p, trials * p * (1 - p))


@pytest.mark.parametrize("multapses", [True, False])
def test_in_degrees_of_fixed_out_degree_are_binomial(multapses):
    n_pre, n_post, k = 1000, 400, 30
    found = np.bincount(connect(fixed_out_degree(k, multapses=multapses), n_pre, n_post).target, minlength=n_post)
    trials, p = (n_pre * k, 1 / n_post) if multapses else (n_pre, k / n_post)
    assert within(found, trials * p, trials * p * (1 - p))


def test_both_degrees_of_fixed_probability_are_binomial():
    edges = connect(fixed_probability(0.1), 600, 500)
    assert within(np.bincount(edges.source, minlength=600), 50, 45)
    assert within(np.bincount(edges.target, minlength=500), 60, 54)


@pytest.mark.parametrize("multapses", [True, False])
def test_both_degrees_of_fixed_total_number_spread_as_they_should(multapses):
    n_pre, n_post, n = 600, 500, 30_000
    edges = connect(fixed_total_number(n, multapses=multapses), n_pre, n_post)
    for ids, size, others in ((edges.source, n_pre, n_post), (edges.target, n_post, n_pre)):
        p = 1 / size
        # Multinomial; without multapses hypergeometric, narrower by the share of pairs that are still free.
        free = 1 if multapses else (n_pre * n_post - n) / (n_pre * n_post - 1)
        assert within(np.bincount(ids, minlength=size), n * p, n * p * (1 - p) * free), (size, others)


@pytest.mark.parametrize("n", [2, 4])  # of 6 pairs: drawn, and by leaving out
def test_fixed_total_number_without_multapses_favours_no_set_of_pairs(n):
    found = [tuple(pairs(connect(fixed_total_number(n, multapses=False), 2, 3, seed=seed))) for seed in range(6000)]
    _, counts = np.unique(found, axis=0, return_counts=True)
    assert counts.size == math.comb(6, n)
    assert stats.chisquare(counts).pvalue > 1e-3


def test_fixed_total_number_with_multapses_reaches_each_pair_equally_often():
    edges = connect(fixed_total_number(30_000, self_connections=False), 5, 5, same=True)
    counts = np.zeros((5, 5))
    np.add.at(counts, (edges.source, edges.target), 1)
    assert counts.diagonal().sum() == 0
    assert stats.chisquare(counts[~np.eye(5, dtype=bool)]).pvalue > 1e-3


@repeatable
@given(st.integers(0, 12), st.integers(2, 30), seeds, st.booleans(), st.booleans())
def test_fixed_out_degree_is_exact_and_obeys_its_options(k, n, seed, self_connections, multapses):
    k = k if multapses else min(k, n - 1)
    edges = connect(fixed_out_degree(k, self_connections, multapses), n, n, same=True, seed=seed)
    assert np.bincount(edges.source, minlength=n).tolist() == [k] * n
    assert self_connections or (edges.source != edges.target).all()
    assert multapses or len(set(pairs(edges))) == k * n


@repeatable
@given(st.floats(0, 1), st.integers(2, 30), seeds, st.booleans(), st.booleans())
def test_fixed_total_number_is_exact_and_obeys_its_options(part, size, seed, self_connections, multapses):
    n = round(part * size * (size - 1))
    edges = connect(fixed_total_number(n, self_connections, multapses), size, size, same=True, seed=seed)
    assert edges.target.size == n
    assert self_connections or (edges.source != edges.target).all()
    assert multapses or len(set(pairs(edges))) == n


@pytest.mark.parametrize(("n", "k"), [(10, 4), (7, 6), (5, 2), (3, 0), (1, 0)])
def test_small_world_without_rewiring_is_the_ring(n, k):
    ring = [(i, (i + d) % n) for i in range(n) for d in range(-(k // 2), k // 2 + 1) if d]
    assert pairs(connect(small_world(k, 0.0), n, n, same=True)) == sorted(ring)


@repeatable
@given(st.integers(1, 6), st.floats(0, 1), st.integers(13, 40), seeds)
def test_small_world_keeps_out_degrees_and_repeats_no_pair(half, p, n, seed):
    edges = connect(small_world(2 * half, p), n, n, same=True, seed=seed)
    assert np.bincount(edges.source, minlength=n).tolist() == [2 * half] * n
    assert (edges.source != edges.target).all()
    assert len(set(pairs(edges))) == 2 * half * n


def test_small_world_rewires_each_synapse_with_its_probability():
    n, k, p = 5000, 10, 0.1
    edges = connect(small_world(k, p), n, n, same=True)
    step = np.abs(edges.source - edges.target)
    n_far = int((np.minimum(step, n - step) > k // 2).sum())
    # A rewired synapse falls back onto the ring with probability below k / n, far less than the standard error.
    assert n_far == pytest.approx(n * k * p, abs=5 * math.sqrt(n * k * p * (1 - p)))


def test_small_world_rewired_throughout_favours_no_target():
    edges = connect(small_world(2, 1.0), 2000, 2000, same=True)
    assert within(np.bincount(edges.target, minlength=2000), 2, 2 * (1 - 1 / 2000))


@pytest.mark.parametrize("profile", [gaussian(0.15), exponential(0.1, 0.8), boxcar(0.3, 0.4)], ids=repr)
@pytest.mark.parametrize("periodic", [None, 1.0])
def test_distance_dependent_connects_with_the_probability_of_each_distance(profile, periodic):
    x = np.random.default_rng(1).random((700, 2))
    edges = connect(distance_dependent(profile, x, periodic=periodic), 700, 700, same=True)
    gap = np.abs(x[:, None] - x)
    gap = gap if periodic is None else np.minimum(gap, 1 - gap)
    apart = np.hypot(gap[..., 0], gap[..., 1])
    p = {
        "gaussian": np.exp(-(apart**2) / (2 * 0.15**2)),
        "exponential": 0.8 * np.exp(-apart / 0.1),
        "boxcar": 0.4 * (apart <= 0.3),
    }[profile.kind]
    edge = np.linspace(0, 0.8, 17)
    found, _ = np.histogram(apart[edges.source, edges.target], edge)
    expected, _ = np.histogram(apart, edge, weights=p)
    variance, _ = np.histogram(apart, edge, weights=p * (1 - p))
    # Independent pairs: five standard deviations, and one count for bins in which hardly any is expected.
    assert (np.abs(found - expected) <= 5 * np.sqrt(variance) + 1).all()


@repeatable
@given(st.integers(1, 120), seeds, st.booleans(), st.floats(0.01, 1), st.integers(1, 3))
def test_distance_dependent_repeats_no_pair_and_obeys_self_connections(n, seed, self_connections, sigma, d):
    x = np.random.default_rng(seed).random((n, d))
    edges = connect(distance_dependent(gaussian(sigma), x, self_connections=self_connections), n, n, True, seed)
    found = pairs(edges)
    assert found == sorted(set(found))
    # At distance 0 the probability is 1.
    assert sum(i == j for i, j in found) == (n if self_connections else 0)


def test_neurons_at_one_place_are_joined_with_the_largest_probability():
    found = connect(distance_dependent(gaussian(1.0, 0.25), np.zeros(200)), 200, 200, same=True).target.size
    assert found == pytest.approx(40_000 / 4, abs=5 * math.sqrt(40_000 * 3 / 16))


def test_a_large_distance_dependent_projection_announces_an_estimate():
    x = np.random.default_rng(1).random((3000, 2))
    connector = distance_dependent(gaussian(0.1), x, periodic=1.0)
    # The torus holds the whole bell curve: 2 pi sigma^2 of all pairs.
    expected = 3000**2 * 2 * math.pi * 0.1**2
    assert connector.count(3000, 3000, True) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    "connector",
    [
        fixed_probability(0.3),
        fixed_in_degree(3),
        fixed_out_degree(3),
        fixed_total_number(37),
        fixed_total_number(80, False, False),
        small_world(4, 0.2),
        distance_dependent(exponential(3.0), range(10)),
        distance_dependent(exponential(3.0), range(10), self_connections=False),
        all_to_all(False),
        one_to_one(),
    ],
    ids=repr,
)
def test_the_announced_count_is_the_mean_count(connector):
    counts = [connect(connector, 10, 10, same=True, seed=seed).source.size for seed in range(200)]
    announced = connector.count(10, 10, True)
    if isinstance(announced, int):
        assert set(counts) == {announced}
    else:
        # Five standard errors of a count whose variance is at most that of a binomial one at p = 1/2.
        assert np.mean(counts) == pytest.approx(announced, abs=5 * np.sqrt(100 / 4 / 200))


def test_from_arrays_sorts_pairs_and_remembers_the_order():
    edges = connect(from_arrays([2, 0, 2, 0], [1, 3, 0, 3]), 3, 4)
    assert pairs(edges) == [(0, 3), (0, 3), (2, 0), (2, 1)]
    assert edges.order.tolist() == [1, 3, 2, 0]


def test_from_arrays_that_are_sorted_need_no_order():
    assert connect(from_arrays([0, 1], [3, 0]), 3, 4).order is None


@pytest.mark.parametrize("form", [scipy.sparse.csr_array, scipy.sparse.csc_matrix, scipy.sparse.coo_array])
def test_from_sparse_takes_pairs_and_weights_from_any_format(form):
    dense = np.array([[0, 0.5, 0, 0], [0.25, 0, 0, 2.0], [0, 0, 0, 0]])
    made = synapses(from_sparse(form(dense)))
    assert pairs(made) == [(0, 1), (1, 0), (1, 3)]
    assert made.weight.tolist() == [0.5, 0.25, 2.0]


def test_from_sparse_keeps_a_stored_zero_and_adds_up_repeats():
    matrix = scipy.sparse.coo_array(([0.0, 1.0, 2.0], ([0, 1, 1], [1, 0, 0])), shape=(3, 4))
    made = synapses(from_sparse(matrix))
    assert pairs(made) == [(0, 1), (1, 0)]
    assert made.weight.tolist() == [0.0, 3.0]


def test_from_sparse_leaves_the_matrix_as_it_was():
    matrix = scipy.sparse.csr_array((np.array([1.0, 2.0]), np.array([3, 0]), np.array([0, 2, 2, 2])), shape=(3, 4))
    from_sparse(matrix)
    assert matrix.indices.tolist() == [3, 0]


def test_given_weights_replace_those_of_a_sparse_matrix():
    assert synapses(from_sparse(scipy.sparse.eye_array(3, 4)), weight=0.5).weight == 0.5


def test_a_connector_reads_as_the_call_that_makes_it():
    assert repr(fixed_in_degree(3, multapses=False)) == "fixed_in_degree(k=3, multapses=False)"
    assert repr(fixed_total_number(9, False)) == "fixed_total_number(n=9, self_connections=False)"
    assert repr(small_world(4, 0.1)) == "small_world(k=4, p=0.1)"
    assert repr(distance_dependent(gaussian(0.1, 0.5), [0, 1], periodic=2)) == (
        "distance_dependent(probability=gaussian(sigma=0.1, p_max=0.5), source_positions=<2 x 1 values, 0 to 1>, "
        "target_positions=<2 x 1 values, 0 to 1>, periodic=(2.0,))"
    )
    assert repr(from_arrays([0, 1], [1, 2])) == "from_arrays(source=<2 values, 0 to 1>, target=<2 values, 1 to 2>)"


# Weights and delays


def test_scalars_stay_scalars():
    made = synapses(all_to_all(), weight=0.5, delay=1e-3)
    assert (made.weight, made.delay) == (0.5, 1e-3)


@repeatable
@given(st.permutations(range(12)))
def test_values_follow_their_pairs_whatever_the_order_given(order):
    source, target = np.divmod(np.array(order), 4)
    made = synapses(from_arrays(source, target), weight=source + 10.0 * target, delay=1e-3 * source)
    assert made.weight.tolist() == (made.source + 10.0 * made.target).tolist()
    assert made.delay.tolist() == (1e-3 * made.source).tolist()


@pytest.mark.parametrize("connector", [all_to_all(), fixed_probability(0.5), from_arrays([2, 0], [1, 3])])
def test_a_matrix_of_weights_is_read_by_source_and_target(connector):
    matrix = np.arange(12.0).reshape(3, 4)
    made = synapses(connector, weight=matrix)
    expected = matrix.ravel() if made.dense else [matrix[i, j] for i, j in pairs(made)]
    assert made.weight.tolist() == list(expected)


def test_a_flat_array_fills_a_dense_projection_row_by_row():
    assert synapses(all_to_all(), weight=np.arange(12)).weight.tolist() == list(range(12))


@pytest.mark.parametrize("connector", [all_to_all(), from_arrays([0, 1], [0, 1]), from_arrays([1, 0], [0, 1])])
def test_plasticity_cannot_write_into_the_declaration(connector):
    net = Network(seed=1)
    a, b = net.population("a", Cell(), 2), net.population("b", Cell(), 2)
    n = connector.count(2, 2, False)
    projection = net.connect(a, b, connector, weight=np.ones(n))
    expand(projection, Streams(1)).weight[:] = 9.0
    assert expand(projection, Streams(1)).weight.tolist() == [1.0] * n


def test_an_array_changed_after_the_declaration_changes_nothing():
    weight = np.ones(2)
    net = Network(seed=1)
    projection = net.connect(
        net.population("a", Cell(), 2), net.population("b", Cell(), 2), one_to_one(), weight=weight
    )
    weight[:] = 9.0
    assert expand(projection, Streams(1)).weight.tolist() == [1.0, 1.0]


def test_drawn_weights_come_from_the_stream_named_after_the_projection():
    made = synapses(all_to_all(), seed=5, weight=normal(0.5, 0.1), delay=uniform(1e-3, 2e-3))
    assert made.weight.tolist() == normal(0.5, 0.1).draw(Streams(5).key("weight", "a->b"), 12).tolist()
    assert made.delay.tolist() == uniform(1e-3, 2e-3).draw(Streams(5).key("delay", "a->b"), 12).tolist()


@pytest.mark.parametrize("weight", [normal(0.5, 0.1), np.linspace(0, 1, 12), np.ones((3, 4))], ids=["drawn", "n", "ij"])
@pytest.mark.parametrize("connector", [all_to_all(), from_arrays(np.repeat([2, 1, 0], 4), np.tile(range(4), 3))])
def test_weights_come_in_the_dtype_of_the_projection_and_delays_in_float64(connector, weight):
    made = synapses(connector, dtype="float32", weight=weight, delay=uniform(1e-3, 2e-3))
    assert made.weight.dtype == np.float32
    assert made.delay.dtype == np.float64


@repeatable
@given(random_connectors, seeds)
def test_rows_of_sources_are_where_the_pointers_say(connector, seed):
    made = synapses(connector, seed=seed)
    assert np.diff(made.ptr).tolist() == np.bincount(made.source, minlength=3).tolist()
    assert made.source.dtype == np.int32


def test_a_distribution_of_the_users_own_is_sampled():
    @dataclass(frozen=True, repr=False)
    class Coin(Distribution):
        def sample(self, rng, n):
            return rng.integers(2, size=n).astype(float)

    made = synapses(all_to_all(), dtype="float32", weight=Coin())
    expected = np.random.Generator(np.random.Philox(key=Streams(1).key("weight", "a->b"))).integers(2, size=12)
    assert made.weight.tolist() == expected.tolist()
    assert made.weight.dtype == np.float32


@repeatable
@given(random_connectors, seeds, st.integers(0, 3))
def test_a_projection_does_not_depend_on_the_others(connector, seed, n_others):
    def expanded(n_before):
        net = Network(seed=seed)
        a, b = net.population("a", Cell(), 6), net.population("b", Cell(), 5)
        for _ in range(n_before):
            net.connect(b, a, fixed_probability(0.5), weight=normal(0, 1))
        return expand(net.connect(a, b, connector, weight=normal(0, 1), delay=uniform(0, 0.5)), Streams(net.seed))

    alone, among = expanded(0), expanded(n_others)
    assert pairs(alone) == pairs(among)
    assert alone.weight.tolist() == among.weight.tolist()
    assert alone.delay.tolist() == among.delay.tolist()


def test_two_seeds_give_two_networks():
    assert pairs(synapses(fixed_probability(0.5), seed=1)) != pairs(synapses(fixed_probability(0.5), seed=2))
