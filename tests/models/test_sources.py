"""Encoders fire when their equations say."""

from __future__ import annotations

import numpy as np
import pytest

from models import Latency
from snn import Network, Simulator, Spikes, ms


def fired(encoder: Latency, values: list[float]) -> list[list[float]]:
    """Spike times (ms) of each value within 30 ms."""
    net = Network(seed=3)
    inputs = net.population("input", encoder, len(values), init={"x": np.array(values)})
    spikes = Simulator(net, record=[Spikes(inputs)]).run(30 * ms, progress=False).spikes["input"]
    return [list(spikes.times[spikes.ids == i] / ms) for i in range(len(values))]


def test_without_a_period_a_value_above_low_fires_once():
    times = fired(Latency(t_first=2 * ms, t_last=22 * ms, low=0.25), [1.0, 0.5, 0.25, 0.0])
    assert times[:2] == [pytest.approx([2.0]), pytest.approx([12.0])]
    assert times[2:] == [[], []]


def test_with_a_period_the_larger_value_begins_earlier_and_fires_more_often():
    times = fired(Latency(t_last=20 * ms, period=9 * ms), [1.0, 0.75, 0.2])
    assert times == [
        pytest.approx([0.0, 9.0, 18.0, 27.0], abs=1e-12),
        pytest.approx([5.0, 14.0, 23.0]),
        pytest.approx([16.0, 25.0]),
    ]


def test_jitter_delays_a_whole_train():
    still, moved = (fired(Latency(period=9 * ms, jitter=jitter), [0.75])[0] for jitter in (0.0, 4 * ms))
    delays = np.subtract(moved, still[: len(moved)])
    assert 0.0 < delays[0] < 4.0
    assert delays == pytest.approx(delays[0])
