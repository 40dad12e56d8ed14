"""Yin-Yang: points of the plane in three classes, which a shallow network cannot separate."""

from __future__ import annotations

import math

import numpy as np

from .task import Task

R_SMALL, R_BIG = 0.1, 0.5
YIN, YANG, DOT = 1, 0, 2


def which_class(x: float, y: float) -> int:
    """Class of a point within the circle of radius 0.5 about (0.5, 0.5)."""
    right = math.hypot(x - 1.5 * R_BIG, y - R_BIG)
    left = math.hypot(x - 0.5 * R_BIG, y - R_BIG)
    if right < R_SMALL or left < R_SMALL:
        return DOT
    half = 0.5 * R_BIG
    return YIN if left <= half or (y > R_BIG and right > half) else YANG


def points(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """`n` points of classes drawn evenly, as (x, y, 1 - x, 1 - y, 1), and their classes.

    The numbers come from the generator, and in the order, of the published data set, so that they are its samples.
    """
    rng = np.random.RandomState(seed)
    samples, labels = np.ones((n, 5)), np.zeros(n, np.int64)
    for k in range(n):
        labels[k] = rng.randint(3)
        while True:
            x, y = 2.0 * R_BIG * rng.rand(2)
            if math.hypot(x - R_BIG, y - R_BIG) <= R_BIG and which_class(x, y) == labels[k]:
                break
        samples[k, :4] = x, y, 1.0 - x, 1.0 - y
    return samples, labels


def yin_yang() -> Task:
    """5000 training (seed 42), 1000 validation (41) and 1000 test points (40); the fifth input is a bias of 1.

    References
    ----------
    Kriener, Goeltz & Petrovici (2022) NICE Workshop, 107.
    """
    (x, y), (x_valid, y_valid), (x_test, y_test) = points(5000, 42), points(1000, 41), points(1000, 40)
    return Task("yin-yang", x, y, x_test, y_test, x_valid, y_valid)
