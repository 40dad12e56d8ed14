"""Variations of images, new for each pass, that make a small training set go further."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def warp(
    images: Any, rng: np.random.Generator, *, shift: float = 0.0, turn: float = 0.0, zoom: float = 0.0
) -> np.ndarray:
    """Square images (flat, one a row), each shifted, turned and zoomed at random about its middle.

    Interpolation is bilinear; what comes from outside is 0.

    Parameters
    ----------
    shift : float, pixels
        Largest shift along each axis.
    turn : float, rad
        Largest angle.
    zoom : float
        Largest relative change of size, drawn for each axis.

    References
    ----------
    Simard et al. (2003) ICDAR, 958 (affine distortions of training digits).
    """
    flat = np.asarray(images, dtype=float)
    n, size = len(flat), math.isqrt(flat.shape[1])

    def draw(limit: float) -> Any:
        return rng.uniform(-limit, limit, (n, 1, 1))

    down, right, angle, high, wide = draw(shift), draw(shift), draw(turn), 1.0 + draw(zoom), 1.0 + draw(zoom)
    middle = 0.5 * (size - 1)
    y, x = np.mgrid[:size, :size] - middle
    # Where each pixel comes from.
    row = high * (np.cos(angle) * y - np.sin(angle) * x) + middle + down
    column = wide * (np.sin(angle) * y + np.cos(angle) * x) + middle + right
    r, c = np.floor(row), np.floor(column)
    p, q = row - r, column - c
    edged = np.pad(flat.reshape(n, size, size), ((0, 0), (1, 1), (1, 1))).ravel()
    span = size + 2

    def inside(index: Any) -> Any:
        return np.clip(index, 0, size + 1).astype(np.int32)

    first = np.arange(n, dtype=np.int32)[:, None, None] * span**2
    upper, lower = first + inside(r + 1) * span, first + inside(r + 2) * span
    left, beside = inside(c + 1), inside(c + 2)
    top = (1.0 - q) * edged.take(upper + left) + q * edged.take(upper + beside)
    bottom = (1.0 - q) * edged.take(lower + left) + q * edged.take(lower + beside)
    return ((1.0 - p) * top + p * bottom).reshape(n, -1)
