"""Passes over a training set."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.passes import passes


class Meter:
    def __init__(self):
        self.told = []

    def update(self, epoch):
        self.told.append(epoch)


def test_every_pass_shows_every_sample_once_at_rates_that_fall_along_half_a_cosine():
    meter, orders = Meter(), []
    for k, (shown, order, left) in enumerate(passes("samples", 20, 4, np.random.default_rng(1), meter=meter)):
        assert shown == "samples" and meter.told == list(range(1, k + 1))
        assert np.array_equal(np.sort(order), np.arange(20))
        # cos^2(x / 2) is the same curve.
        assert left == pytest.approx(math.cos(math.pi * k / 8) ** 2, abs=1e-15)
        orders.append(tuple(order))
    assert meter.told == [1, 2, 3, 4] and len(set(orders)) == 4


def test_samples_are_varied_anew_for_each_pass():
    def vary(samples, rng):
        return samples + rng.random()

    shown = [s for s, _, _ in passes(1.0, 3, 3, np.random.default_rng(1), vary)]
    assert len(set(shown)) == 3 and all(1.0 < s < 2.0 for s in shown)
