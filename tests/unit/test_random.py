"""Streams are named, stable and independent; distributions have the moments they state."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from snn.errors import ParameterError
from snn.random import Streams, lognormal, normal, uniform, uniform_at

repeatable = settings(max_examples=50, deadline=None, derandomize=True, database=None)
N = 20_000


def conditional_cdf(cdf, low, high):
    """Distribution function of a variable that is known to lie between two bounds."""
    return lambda x: (cdf(x) - cdf(low)) / (cdf(high) - cdf(low))


def conditional(distribution, low, high):
    return conditional_cdf(distribution.cdf, low, high)


def test_a_stream_gives_the_same_numbers_each_time_it_is_asked_for():
    first, second = (Streams(3).generator("weight", "a->b").random(5) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_streams_differ_by_seed_purpose_and_name():
    keys = {
        Streams(seed).key(purpose, name) for seed in (1, 2) for purpose in ("weight", "delay") for name in ("a", "b")
    }
    assert len(keys) == 8


def test_the_key_is_the_sha256_of_seed_purpose_and_name():
    digest = hashlib.sha256(b"7/source/inputs").hexdigest()
    # Little-endian: the first byte of the digest is the lowest of the key.
    assert Streams(7).key("source", "inputs") == int(
        "".join(reversed([digest[i : i + 2] for i in range(0, 16, 2)])), 16
    )


def test_generators_use_the_counter_based_philox():
    assert isinstance(Streams(1).generator("connect", "a->b").bit_generator, np.random.Philox)


def test_uniform_at_equals_the_published_outputs_of_splitmix64():
    # First outputs for seed 1234567 of the reference program splitmix64.c (Vigna 2015).
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [uniform_at(1234567, k) for k in range(4)] == [(z >> 11) / 2**53 for z in published]


def test_uniform_at_is_uniform():
    values = [uniform_at(Streams(1).key("source", "a"), k) for k in range(N)]
    # A true generator falls below this level once in a thousand; the seed is fixed.
    assert stats.kstest(values, "uniform").pvalue > 1e-3


@repeatable
@given(st.integers(0, 2**64 - 1), st.integers(0, 2**63))
def test_uniform_at_stays_below_one_for_any_key_and_counter(key, counter):
    assert 0.0 <= uniform_at(key, counter) < 1.0


@pytest.mark.parametrize(
    ("distribution", "reference"),
    [
        (normal(0.5, 0.2), stats.norm(0.5, 0.2)),
        (normal(0.5, 0.2, low=0.4), stats.truncnorm(-0.5, math.inf, 0.5, 0.2)),
        (normal(0.5, 0.2, low=0.0, high=0.6), stats.truncnorm(-2.5, 0.5, 0.5, 0.2)),
        (uniform(-1.0, 3.0), stats.uniform(-1.0, 4.0)),
        (lognormal(2.0, 0.5), stats.lognorm(0.5, scale=2.0)),
        (lognormal(2.0, 0.5, low=1.5, high=4.0), conditional(stats.lognorm(0.5, scale=2.0), 1.5, 4.0)),
    ],
    ids=["normal", "normal from below", "normal between", "uniform", "lognormal", "lognormal between"],
)
@pytest.mark.parametrize("way", ["sample", "draw"])
def test_values_follow_the_distribution_of_scipy(distribution, reference, way):
    streams = Streams(1)
    if way == "sample":
        values = distribution.sample(streams.generator("weight", "test"), N)
    else:
        values = distribution.draw(streams.key("weight", "test"), N)
    assert values.dtype == np.float64
    assert stats.kstest(values, getattr(reference, "cdf", reference)).pvalue > 1e-3


@pytest.mark.parametrize(
    ("distribution", "cdf"),
    [
        (normal(0.5, 0.2, low=0.4, high=0.6, redraw=False), stats.norm(0.5, 0.2).cdf),
        (lognormal(2.0, 0.5, low=1.5, high=4.0, redraw=False), stats.lognorm(0.5, scale=2.0).cdf),
    ],
    ids=["normal", "lognormal"],
)
@pytest.mark.parametrize("way", ["sample", "draw"])
def test_a_clipped_distribution_puts_on_its_bounds_what_lies_beyond(distribution, cdf, way):
    streams = Streams(1)
    if way == "sample":
        values = distribution.sample(streams.generator("weight", "test"), N)
    else:
        values = distribution.draw(streams.key("weight", "test"), N)
    for bound, p in ((distribution.low, cdf(distribution.low)), (distribution.high, 1 - cdf(distribution.high))):
        # Five standard deviations of a binomial count.
        assert (values == bound).sum() == pytest.approx(N * p, abs=5 * math.sqrt(N * p * (1 - p)))
    inside = values[(values > distribution.low) & (values < distribution.high)]
    assert inside.size == N - (values == distribution.low).sum() - (values == distribution.high).sum()
    assert stats.kstest(inside, conditional_cdf(cdf, distribution.low, distribution.high)).pvalue > 1e-3


def test_values_of_two_streams_are_uncorrelated():
    a, b = (normal(0, 1).draw(Streams(1).key("weight", name), N) for name in ("a", "b"))
    # The correlation of independent normal values has standard deviation 1 / sqrt(N).
    assert abs(np.corrcoef(a, b)[0, 1]) < 5 / math.sqrt(N)
    assert abs(np.corrcoef(a[1:], a[:-1])[0, 1]) < 5 / math.sqrt(N)


@repeatable
@given(st.floats(-2, 2), st.floats(0.1, 2), st.integers(0, 2**32))
def test_truncated_samples_stay_within_their_bounds(mean, sd, seed):
    distribution = normal(mean, sd, low=mean - sd, high=mean + 0.5 * sd)
    for values in (distribution.sample(np.random.default_rng(seed), 100), distribution.draw(seed, 100)):
        assert ((values >= mean - sd) & (values <= mean + 0.5 * sd)).all()


def test_a_spread_of_zero_gives_the_mean_exactly():
    assert normal(0.3, 0.0, low=0.0).sample(np.random.default_rng(0), 3).tolist() == [0.3, 0.3, 0.3]
    assert normal(0.3, 0.0, low=0.0).draw(0, 3).tolist() == [0.3, 0.3, 0.3]


def test_a_distribution_reads_as_the_call_that_makes_it():
    assert repr(normal(0.5, 0.1, low=0)) == "normal(mean=0.5, sd=0.1, low=0.0)"
    assert repr(lognormal(2, 0.5)) == "lognormal(median=2.0, sigma=0.5)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: normal(0.0, 1.0, low=5.0), r"normal\(mean=0.0, sd=1.0, low=5.0\): 2.9e-07 .* Move mean or widen"),
        (lambda: normal(0.0, 1.0, low=1.0, high=-1.0), r"low=1.0, high=-1.0\): 0 of the draws .* widen the bounds"),
        (lambda: normal(0.0, 0.0, low=1.0), r"0 of the draws"),
        (lambda: normal(math.nan, 1.0), r"normal.mean is nan; give a finite number"),
        (lambda: normal(0.0, -1.0), r"normal.sd is -1; it must be at least 0"),
        (lambda: normal(0.0, "wide"), r"normal.sd is 'wide'; give a number"),
        (lambda: normal(0.0, 1.0, redraw="no"), r"normal.redraw is 'no'; give True or False"),
        (lambda: normal(0.0, 1.0, 1.0, -1.0, redraw=False), r"low=1.0, high=-1.0.*low is above high. Exchange"),
        (lambda: lognormal(1.0, 0.1, low=2.0), r"lognormal\(.*low=2.0\): .* of the draws .* Move median or widen"),
        (lambda: lognormal(1.0, 0.1, high=math.nan), r"lognormal.high is nan; give a finite number"),
        (lambda: lognormal(1.0, 0.1, low=-1.0), r"lognormal.low is -1; it must be at least 0"),
        (lambda: uniform(1.0, 0.0), r"uniform.high is 0; it must be at least 1"),
        (lambda: uniform(0.0, math.inf), r"uniform.high is inf; give a finite number"),
        (lambda: lognormal(0.0, 1.0), r"lognormal.median is 0; give a number above 0"),
    ],
)
def test_a_hopeless_distribution_is_refused_when_it_is_made(make, message):
    with pytest.raises(ParameterError, match=message):
        make()
