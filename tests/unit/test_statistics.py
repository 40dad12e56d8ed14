"""Statistics of spike trains against values by hand and NumPy's own."""

from __future__ import annotations

import numpy as np
import pytest

from snn import ParameterError
from snn.record import SpikeData
from snn.statistics import correlation, cv_isi, pooled, rates


def data(trains, recorded=None, size=None):
    times = np.concatenate([np.asarray(t, float) for t in trains])
    names = np.arange(len(trains)) if recorded is None else np.asarray(recorded)
    ids = np.repeat(names, [len(t) for t in trains])
    order = np.argsort(times, kind="stable")
    return SpikeData("x", size or len(trains), times[order], ids[order], recorded)


def test_rates_count_spikes_from_start_until_before_stop():
    spikes = data([[0.1, 0.2, 0.3], [0.25], []])
    assert rates(spikes, 0.1, 0.3).tolist() == pytest.approx([10.0, 5.0, 0.0])


def test_rates_are_of_the_recorded_neurons():
    spikes = data([[0.1, 0.2], [0.3]], recorded=[7, 3], size=10)
    assert rates(spikes, 0.0, 1.0).tolist() == [2.0, 1.0]


def test_cv_by_hand():
    # Intervals 1, 1, 1; then 1 and 3: mean 2, standard deviation 1; then a single one.
    spikes = data([[0, 1, 2, 3], [0, 1, 4], [0, 5]])
    assert cv_isi(spikes, 0.0, 10.0).tolist() == pytest.approx([0.0, 0.5, np.nan], nan_ok=True)
    assert cv_isi(spikes, 0.0, 10.0, least=1).tolist() == pytest.approx([0.0, 0.5, 0.0])


def test_cv_of_poisson_and_gamma_trains():
    rng = np.random.default_rng(1)
    for shape in (1, 4):
        spikes = data([np.cumsum(rng.gamma(shape, 1.0, 20_000))])
        # The spread of a CV of 20 000 intervals is about 1 %.
        assert cv_isi(spikes, 0.0, np.inf)[0] == pytest.approx(1 / np.sqrt(shape), rel=0.03)


def test_correlation_is_the_mean_of_numpys_over_pairs():
    rng = np.random.default_rng(2)
    common = rng.uniform(0, 10, 300)
    trains = [np.sort(np.r_[rng.uniform(0, 10, 200), common[rng.random(300) < 0.5]]) for _ in range(6)]
    spikes = data([*trains, []])
    counts = np.array([np.histogram(t, bins=np.arange(201) * 0.05)[0] for t in trains])
    pairs = np.corrcoef(counts)[np.triu_indices(6, 1)]
    assert pairs.mean() > 0.1
    # The silent neuron has no correlation with anything.
    assert correlation(spikes, 0.0, 10.0, bin=0.05) == pytest.approx(pairs.mean(), rel=1e-9)
    chosen = np.corrcoef(counts[[0, 2]])[0, 1]
    assert correlation(spikes, 0.0, 10.0, bin=0.05, neurons=[0, 2]) == pytest.approx(chosen, rel=1e-9)


def test_a_cut_bin_is_left_out():
    # Bins [0, 1), [1, 2): counts 1, 0 and 0, 1; what comes after 2 would not be a whole bin.
    spikes = data([[0.5, 2.2], [1.5, 2.2]])
    assert correlation(spikes, 0.0, 2.5, bin=1.0) == pytest.approx(-1.0)


def test_populations_are_pooled_in_order():
    both = pooled([data([[0.2], [0.1]]), data([[0.3]], recorded=[4], size=5)])
    assert (both.size, both.times.tolist(), both.ids.tolist()) == (7, [0.1, 0.2, 0.3], [1, 0, 6])
    assert rates(both, 0.0, 1.0).tolist() == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda s: rates(s, 1.0, 1.0),
        lambda s: correlation(s, 0.0, 1.0, bin=0.9),
        lambda s: correlation(s, 0.0, 1.0, bin=0.0),
        lambda s: correlation(s, 0.0, 1.0, neurons=[0, 1]),
    ],
)
def test_stretches_without_time_and_neurons_that_were_not_recorded_are_refused(wrong):
    with pytest.raises(ParameterError, match="give|1 were recorded"):
        wrong(data([[0.5]]))
