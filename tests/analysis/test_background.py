"""The background's steps: boxes and interpolation are those of a slow version."""

import numpy as np
import pytest
from scipy import ndimage

from synimg.analysis.background import _between, _binned, _box_twice, smooth_background
from synimg.streams import stream


@pytest.mark.parametrize("shape", [(9, 31, 143), (1, 30, 33), (3, 5, 7)])
def test_means_of_means_are_those_of_a_filter_passed_twice(shape):
    image, size = stream(1, "test").standard_normal(shape), np.array([3, 11, 7])
    slow = ndimage.uniform_filter(ndimage.uniform_filter(image, size), size)
    np.testing.assert_allclose(_box_twice(image, size), slow, atol=1e-13)


def test_bins_are_means_and_a_plane_is_interpolated_exactly():
    z, y, x = np.meshgrid(*(np.arange(n, dtype=float) for n in (5, 8, 9)), indexing="ij")
    plane = 2.0 + 0.3 * z - 0.1 * y + 0.7 * x
    bins = _binned(plane, np.array([1, 2, 3]))
    np.testing.assert_allclose(bins, plane.reshape(5, 4, 2, 3, 3).mean(axis=(2, 4)))
    at = [np.arange(5.0), np.array([1.0, 2.25]), np.array([0.5, 3.0, 7.75])]
    expected = 2.0 + 0.3 * at[0][:, None, None] - 0.1 * at[1][:, None] + 0.7 * at[2]
    np.testing.assert_allclose(_between(plane, at), expected)


def test_noise_of_puncta_that_were_taken_out_does_not_move_the_background():
    rng, light = stream(3, "test"), np.zeros((12, 60, 60))
    light[:, ::6, ::6] = 2000.0
    light = ndimage.gaussian_filter(light, 1.2)
    left = rng.poisson(20.0 + light) - light
    found = smooth_background(left, np.array([3.0, 8.0, 8.0]), 1.0, light)
    assert found.mean() == pytest.approx(20.0, abs=0.15)
    assert smooth_background(left, np.array([3.0, 8.0, 8.0]), 1.0).mean() < 19.7


def test_from_a_background_that_neighbours_light_made_too_high_it_comes_back():
    image = stream(4, "test").poisson(20.0, (12, 60, 60)).astype(float)
    window, nothing = np.array([3.0, 8.0, 8.0]), np.zeros((12, 60, 60))
    anew = smooth_background(image, window, 1.0, nothing)
    again = smooth_background(image, window, 1.0, nothing, anew + 2.0)
    assert np.abs(again - anew).max() < 0.1
