"""Variations of images, new for each pass, that make a small training set go further."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from snn.engine.jit import entry
from snn.errors import ParameterError


@entry
def _warp(images, down, right, angle, high, wide, out):
    """Fetch each pixel from where it comes from, between four neighbours."""
    size = images.shape[1]
    middle = 0.5 * (size - 1)
    for n in range(images.shape[0]):
        image, sine, cosine = images[n], math.sin(angle[n]), math.cos(angle[n])
        for i in range(size):
            for j in range(size):
                y, x = i - middle, j - middle
                row = high[n] * (cosine * y - sine * x) + middle + down[n]
                column = wide[n] * (sine * y + cosine * x) + middle + right[n]
                r, c = math.floor(row), math.floor(column)
                p, q = row - r, column - c
                total = 0.0
                for k in range(2):
                    for m in range(2):
                        if 0 <= r + k < size and 0 <= c + m < size:
                            total += (p if k else 1.0 - p) * (q if m else 1.0 - q) * image[r + k, c + m]
                out[n, i, j] = total


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

    Raises
    ------
    ParameterError
        If the images are not square.

    References
    ----------
    Simard et al. (2003) ICDAR, 958 (affine distortions of training digits).
    """
    flat = np.ascontiguousarray(images)
    if flat.ndim != 2 or math.isqrt(flat.shape[1]) ** 2 != flat.shape[1]:
        raise ParameterError(f"warp: images have shape {flat.shape}; give (n, size * size), square images.")
    if not np.issubdtype(flat.dtype, np.floating):
        flat = flat.astype(float)
    n, size = len(flat), math.isqrt(flat.shape[1])

    def draw(limit: float) -> Any:
        return rng.uniform(-limit, limit, (n, 1, 1)).ravel()

    out = np.empty_like(flat)
    _warp(flat.reshape(n, size, size), draw(shift), draw(shift), draw(turn), 1 + draw(zoom), 1 + draw(zoom),
          out.reshape(n, size, size))  # fmt: skip
    return out
