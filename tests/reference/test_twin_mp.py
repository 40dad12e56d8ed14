"""The many-digit references are right where algebra says so, and the plain-Python twin equals them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from models import LIF, LIFExp, SpikeTimes
from snn.connect import all_to_all, from_arrays
from snn.network import Network
from snn.testing import simulate
from snn.units import ms
from tests.reference import mp_lif, mp_lif_exp

# Doubles near 0.3 s are 5e-17 s apart; a crossing amplifies the error of v by the inverse of its slope, and each spike
# hands it on. Hundredfold room for that.
ROUNDING = 1e-12


def wiring(n: int, seed: int) -> dict[str, Any]:
    """Every ordered pair of different neurons with probability 0.5, and a real delay of its own."""
    rng = np.random.default_rng(seed)
    source, target = np.nonzero((rng.random((n, n)) < 0.5) & ~np.eye(n, dtype=bool))
    return {"source": source, "target": target, "delay": rng.uniform(0.3, 6.0, source.size) * ms}


def compare(spikes: list[tuple[Any, int]], times: list[tuple[float, int]]) -> None:
    assert len(spikes) > 40
    assert [i for _, i in spikes] == [i for _, i in times]
    assert max(abs(float(t - mp.mpf(s))) for (t, _), (s, _) in zip(spikes, times, strict=True)) < ROUNDING


def test_a_driven_neuron_fires_at_the_interval_that_its_closed_form_gives():
    spikes = mp_lif.simulate(1, [], [], [], [], 0.2, drive=1.5, v_reset=-0.2, t_ref=3e-3)
    with mp.workdps(50):
        tau, t_ref, v_reset = mp.mpf(20e-3), mp.mpf(3e-3), mp.mpf(-0.2)
        expected = t_ref + tau * mp.log((mp.mpf(1.5) - v_reset) / mp.mpf(0.5))
        intervals = [b - a for (a, _), (b, _) in itertools.pairwise(spikes)]
        assert len(intervals) == 6
        assert all(abs(interval - expected) < mp.mpf(10) ** -45 for interval in intervals)


def test_one_current_with_half_the_membrane_time_constant_crosses_at_the_root_of_a_quadratic():
    # v = w (x - x^2) with x = exp(-t / tau_m).
    with mp.workdps(40):
        tau, w = mp.mpf(20e-3), mp.mpf(5)
        found = mp_lif_exp.first_crossing(mp.mpf(0), mp.mpf(0), mp.mpf(1), tau, [(w, tau / 2)], mp.mpf(1))
        assert abs(found + tau * mp.log((1 + mp.sqrt(1 - 4 / w)) / 2)) < mp.mpf(10) ** -35


def test_a_current_with_the_membrane_time_constant_crosses_at_a_value_of_lamberts_function():
    # v = w (t / tau) exp(-t / tau).
    with mp.workdps(40):
        tau, w = mp.mpf(20e-3), mp.mpf(4)
        found = mp_lif_exp.first_crossing(mp.mpf(0), mp.mpf(0), mp.mpf(1), tau, [(w, tau)], mp.mpf(1))
        assert abs(found + tau * mp.lambertw(-1 / w)) < mp.mpf(10) ** -35


def test_a_current_whose_peak_stays_below_threshold_never_fires():
    # The peak of w (x - x^2) is w / 4.
    with mp.workdps(40):
        tau = mp.mpf(20e-3)
        peaks = {w: mp_lif_exp.first_crossing(mp.mpf(0), mp.mpf(0), mp.mpf(1), tau, [(w, tau / 2)], mp.mpf(1))
                 for w in (mp.mpf("3.999999999999"), mp.mpf("4.000000000001"))}  # fmt: skip
    assert [math.isinf(t) for t in peaks.values()] == [True, False]


@pytest.mark.parametrize("seed", range(20))
def test_every_zero_of_a_sum_of_exponentials_is_found(seed):
    rng = np.random.default_rng(seed)
    rates, c = rng.uniform(0.2, 6.0, 4), rng.normal(size=4)
    grid = np.linspace(1e-9, 5.0, 200_001)
    f = 0.01 * rng.normal() + (c * np.exp(-np.outer(grid, rates))).sum(axis=1)
    offset = float(f[-1] - (c * np.exp(-rates * grid[-1])).sum())
    changes = grid[np.flatnonzero(np.diff(np.sign(f)))]
    terms = {mp.mpf(0): [mp.mpf(offset)]} | {
        mp.mpf(float(r)): [mp.mpf(float(x))] for r, x in zip(rates, c, strict=True)
    }
    found = [float(t) for t in mp_lif_exp.zeros(terms, mp.mpf(5))]
    assert found == pytest.approx(changes.tolist(), abs=5.0 / 200_000)


@pytest.mark.parametrize(("seed", "t_ref"), [(1, 0.0), (2, 2 * ms)])
def test_twin_spikes_are_those_of_a_recurrent_delta_network_in_50_digits(seed, t_ref):
    n, rng = 10, np.random.default_rng(100 + seed)
    wires = wiring(n, seed)
    weight = rng.normal(0.02, 0.1, wires["source"].size)
    drive, v0, tau_m = rng.uniform(0.9, 1.6, n), rng.uniform(0.0, 0.9, n), rng.uniform(10.0, 30.0, n) * ms
    expected = mp_lif.simulate(n, **wires, weight=weight, duration=0.3, tau_m=tau_m, drive=drive, t_ref=t_ref, v0=v0)

    net = Network(seed=1)
    cells = net.population("cells", LIF(tau_m=tau_m, drive=drive, t_ref=t_ref), n, init={"v": v0})
    net.connect(cells, cells, from_arrays(wires["source"], wires["target"]), weight=weight, delay=wires["delay"])
    compare(expected, [(t, i) for t, _, i in simulate(net, 0.3).spikes])


@pytest.mark.parametrize(
    ("tau_exc", "t_ref"), [(5 * ms, 0.0), (3 * ms, 2.5 * ms), (20 * ms, 1 * ms), (20.01 * ms, 0.0)]
)
def test_twin_spikes_are_those_of_a_network_with_exponential_currents_in_30_digits(tau_exc, t_ref):
    n, rng = 6, np.random.default_rng(7)
    wires = wiring(n, 5)
    inhibitory = wires["source"] >= n - 2
    weight = np.where(inhibitory, -0.5, 0.4) * rng.uniform(0.5, 1.5, inhibitory.size)
    drive, v0 = rng.uniform(0.8, 1.4, n), rng.uniform(0.0, 0.9, n)
    times, ids = np.sort(rng.uniform(0.0, 0.2, 150)), rng.integers(n, size=150)
    expected = mp_lif_exp.simulate(
        n, **wires, weight=weight, duration=0.2, port=inhibitory, tau_exc=tau_exc, t_ref=t_ref, drive=drive, v0=v0,
        given=[(t, i, 0, 0.9) for t, i in zip(times, ids, strict=True)],
    )  # fmt: skip

    net = Network(seed=1)
    outside = net.population("outside", SpikeTimes(ids, times), n)
    cells = net.population("cells", LIFExp(tau_exc=tau_exc, t_ref=t_ref, drive=drive), n, init={"v": v0})
    net.connect(outside, cells, from_arrays(range(n), range(n)), weight=0.9, delay=0.0, port="exc")
    for port, chosen in (("exc", ~inhibitory), ("inh", inhibitory)):
        pairs = from_arrays(wires["source"][chosen], wires["target"][chosen])
        net.connect(cells, cells, pairs, weight=weight[chosen], delay=wires["delay"][chosen], port=port)
    compare(expected, [(t, i) for t, name, i in simulate(net, 0.2).spikes if name == "cells"])


def test_twin_keeps_cells_that_are_all_alike_in_step():
    net = Network(seed=1)
    cells = net.population("cells", LIF(drive=1.5), 4)
    net.connect(cells, cells, all_to_all(), weight=0.05, delay=1.5 * ms)
    spikes = simulate(net, 0.1).spikes
    assert [i for _, _, i in spikes] == [0, 1, 2, 3] * (len(spikes) // 4)
    assert all(len({t for t, _, _ in spikes[k : k + 4]}) == 1 for k in range(0, len(spikes), 4))
