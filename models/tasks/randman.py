"""Randman: classes of spike times on smooth random manifolds."""

from __future__ import annotations

import math

import numpy as np

from snn.errors import ParameterError
from snn.values import is_real

from .task import Task, check_whole


def manifold(rng: np.random.Generator, points: np.ndarray, size: int, alpha: float, precision: float) -> np.ndarray:
    """Random manifold at `points` (n, dim), (n, size), every coordinate between 0 and 1.

    Coordinate c at point x is prod_d sum_k theta0 (k + 1)^-alpha sin(2 pi (k theta1 x_d + theta2)), the thetas uniform
    in [0, 1) for each c, d and k; then each coordinate is scaled to its own range over the points.
    """
    n, dim = points.shape
    cutoff = min(math.ceil(precision ** (-1.0 / alpha)), 1000)
    theta = rng.random((size, dim, 3, cutoff))
    theta[:, :, 0, 0] = 0.0  # without the constant term
    k = np.arange(cutoff)
    fall = (k + 1.0) ** -alpha
    out = np.ones((n, size))
    for c in range(size):
        for d in range(dim):
            phase = points[:, d, None] * (k * theta[c, d, 1]) + theta[c, d, 2]
            out[:, c] *= np.sin(2.0 * np.pi * phase) @ (theta[c, d, 0] * fall)
    low, high = out.min(axis=0), out.max(axis=0)
    return (out - low) / np.where(high > low, high - low, 1.0)


def randman(
    classes: int = 10,
    inputs: int = 50,
    dim: int = 1,
    alpha: float = 2.0,
    per_class: int = 500,
    seed: int = 0,
    precision: float = 1e-3,
) -> Task:
    """Each class is a manifold; each input fires once per sample, at its coordinate of a random point of it.

    Samples are values x = 1 - 0.99 u of the coordinates u, which a latency code turns into spikes at times that grow
    with u: every input fires. A fifth of each class is for testing, a tenth, rounded down, for validation.

    Parameters
    ----------
    classes, inputs : int
    dim : int
        Dimensions of each manifold.
    alpha : float
        Smoothness: amplitudes fall as frequency^-alpha.
    per_class : int
        Samples of each class, 5 or more.
    seed : int
    precision : float, below 1
        Terms go on until their amplitude has fallen to this share of the first one's; at most 1000.

    References
    ----------
    Zenke & Vogels (2021) Neural Comput. 33, 899.
    """
    check_whole("randman", 1, classes=classes, inputs=inputs, dim=dim)
    check_whole("randman", 5, per_class=per_class)
    check_whole("randman", 0, seed=seed)
    for name, value, most in (("alpha", alpha, math.inf), ("precision", precision, 1.0)):
        if not (is_real(value) and 0 < value < most):
            below = "" if most == math.inf else f" and below {most:g}"
            raise ParameterError(f"Task 'randman': {name} is {value!r}; give a number above 0{below}.")
    rng = np.random.Generator(np.random.Philox(seed))
    x = np.concatenate([manifold(rng, rng.random((per_class, dim)), inputs, alpha, precision) for _ in range(classes)])
    y = np.repeat(np.arange(classes), per_class)
    order = rng.permutation(y.size)
    x, y, turn = 1.0 - 0.99 * x[order], y[order], (np.arange(y.size) % per_class)[order]
    test, valid = turn < per_class // 5, turn >= per_class - per_class // 10
    train = ~(test | valid)
    own = (x[valid], y[valid]) if valid.any() else ()
    return Task("randman", x[train], y[train], x[test], y[test], *own)
