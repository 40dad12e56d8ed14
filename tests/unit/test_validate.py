"""Comparisons of networks: what is measured, and when two sets of seeds agree."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from snn.record import SpikeData


@pytest.fixture(scope="module")
def validate():
    scripts = str(Path(__file__).parents[2] / "scripts")
    sys.path.insert(0, scripts)
    try:
        import validate_networks

        return validate_networks
    finally:
        sys.path.remove(scripts)


def regular(name, n, rate, seed):
    """Trains with jitter around a period."""
    rng = np.random.default_rng(seed)
    times = np.concatenate([np.arange(0.0, 2.0, 1 / rate) + rng.uniform(0, 0.5 / rate) for _ in range(n)])
    ids = np.repeat(np.arange(n), times.size // n)
    order = np.argsort(times)
    return SpikeData(name, n, times[order], ids[order])


def test_three_numbers_are_measured_of_all_neurons_after_the_start(validate):
    found = validate.measures("cuba", {"exc": regular("exc", 8, 20.0, 1), "inh": regular("inh", 2, 40.0, 2)})
    assert found["mean rate (Hz)"] == pytest.approx(0.8 * 20 + 0.2 * 40, rel=0.03)
    assert found["CV of intervals"] == pytest.approx(0.0, abs=1e-9)
    assert -1.0 < found["pairwise correlation"] < 1.0


def test_the_microcircuit_is_measured_by_population(validate):
    found = validate.measures("microcircuit", {"L4E": regular("L4E", 5, 10.0, 1)})
    assert found == {"L4E (full size 4.41) Hz": pytest.approx(10.0, rel=0.06)}


def test_a_difference_is_told_in_the_spread_of_the_other_side(validate):
    there = [{"rate": r} for r in (4.0, 5.0, 6.0)]  # standard deviation 1
    (row,) = validate.within_spread("x", [{"rate": 6.5}, {"rate": 5.5}], there)
    assert (row["value"], row["pass"]) == (pytest.approx(1.0), True)
    (row,) = validate.within_spread("x", [{"rate": 8.0}], there)
    assert (row["value"], row["pass"]) == (pytest.approx(3.0), False)


@pytest.mark.parametrize("case", ["cuba", "coba", "brunel", "microcircuit"])
def test_seeds_change_networks_and_nothing_else(validate, case):
    one, two = (validate.NETWORKS[case](seed).describe() for seed in (1, 2))
    assert (one.pop("seed"), two.pop("seed")) == (1, 2)
    assert one == two
