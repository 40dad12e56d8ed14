"""Variations of images: what they keep, and where pixels go."""

from __future__ import annotations

import numpy as np
import pytest

from models.augment import warp
from snn import ParameterError


class Fixed:
    """Draws the upper limit of every range."""

    def uniform(self, low: float, high: float, shape: tuple[int, ...]) -> np.ndarray:
        return np.full(shape, high)


def images(n: int = 5) -> np.ndarray:
    return np.random.Generator(np.random.Philox(1)).random((n, 64))


def test_without_limits_nothing_changes():
    x = images()
    assert np.array_equal(warp(x, np.random.Generator(np.random.Philox(2))), x)


def test_a_whole_pixel_moves_the_image_and_lets_zeros_in():
    x = images()
    before, after = x.reshape(-1, 8, 8), warp(x, Fixed(), shift=1.0).reshape(-1, 8, 8)
    assert np.array_equal(after[:, :-1, :-1], before[:, 1:, 1:])
    assert not after[:, -1].any() and not after[:, :, -1].any()


def test_half_a_pixel_is_the_mean_of_four_neighbours():
    x = images()
    before, after = x.reshape(-1, 8, 8), warp(x, Fixed(), shift=0.5).reshape(-1, 8, 8)
    mean = (before[:, :-1, :-1] + before[:, 1:, :-1] + before[:, :-1, 1:] + before[:, 1:, 1:]) / 4
    assert np.allclose(after[:, :-1, :-1], mean)


def test_a_quarter_turn_is_a_rotation():
    x = images()
    turned = warp(x, Fixed(), turn=np.pi / 2).reshape(-1, 8, 8)
    assert np.allclose(turned, np.rot90(x.reshape(-1, 8, 8), -1, axes=(1, 2)))


def test_zoom_scales_about_the_middle():
    """An image linear in row and column stays linear; its slopes grow by the zoom."""
    y, x = np.mgrid[:8, :8] - 3.5
    image = (10.0 + y + x).reshape(1, 64)
    zoomed = warp(image, Fixed(), zoom=0.1).reshape(8, 8)[1:-1, 1:-1]
    assert np.allclose(zoomed, (10.0 + 1.1 * y + 1.1 * x)[1:-1, 1:-1])


@pytest.mark.parametrize("shape", [(2, 50), (2, 7, 7), (49,)])
def test_images_that_are_not_square_and_flat_are_refused(shape):
    with pytest.raises(ParameterError, match=r"warp: images have shape .*; give \(n, size \* size\)"):
        warp(np.zeros(shape), np.random.default_rng(1), shift=1.0)


def test_each_image_is_varied_alone_and_draws_repeat():
    x = np.repeat(images(1), 4, axis=0)
    one, two = (warp(x, np.random.Generator(np.random.Philox(7)), shift=0.5, turn=0.2, zoom=0.1) for _ in range(2))
    assert np.array_equal(one, two)
    assert len(np.unique(one, axis=0)) == 4
    assert one.min() >= 0.0 and one.max() <= 1.0
