"""Passes over a training set, the same for every network that is trained here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

Vary = Callable[[Any, np.random.Generator], Any]


def passes(
    samples: Any, n: int, epochs: int, rng: np.random.Generator, vary: Vary | None = None, meter: Any = None
) -> Iterator[tuple[Any, np.ndarray, float]]:
    """For each pass: what it shows, the random order of its n samples, and what is left of the learning rates.

    Rates fall along half a cosine, (1 + cos(pi k / epochs)) / 2 in pass k = 0, 1, ... `meter.update` is told of every
    pass that has ended.

    Parameters
    ----------
    vary : callable, optional
        Every pass shows vary(samples, rng) instead of the samples.
    """
    for epoch in range(epochs):
        order = rng.permutation(n)
        yield samples if vary is None else vary(samples, rng), order, 0.5 * (1.0 + math.cos(math.pi * epoch / epochs))
        if meter is not None:
            meter.update(epoch + 1)


__all__ = ["Vary", "passes"]
