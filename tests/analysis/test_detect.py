"""Candidates: the filter is scipy's Laplacian of Gaussian in its own noise, and maxima are those of a box."""

import numpy as np
import pytest
from scipy import ndimage

from synimg.analysis.detect import candidates, log_significance
from synimg.streams import stream

SIGMA = np.array([1.2, 1.7, 1.5])


@pytest.mark.parametrize("shape", [(9, 41, 43), (3, 4, 5), (1, 30, 33)])
def test_the_response_is_a_laplacian_of_gaussian_in_units_of_its_noise(shape):
    residual = stream(1, "test").standard_normal(shape)
    slow = np.zeros(shape)
    for axis in range(3):
        order = [2 if k == axis else 0 for k in range(3)]
        slow -= SIGMA[axis] ** 2 * ndimage.gaussian_filter(residual, SIGMA, order, truncate=4.0)
    slow /= np.sqrt(3.75 / (8.0 * np.pi**1.5 * SIGMA.prod()) * 2.0)
    np.testing.assert_allclose(log_significance(residual, np.full(shape, 2.0), SIGMA), slow, atol=1e-5)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_noise_has_unit_variance_in_the_response(seed):
    noise = 3.0 * stream(seed, "test").standard_normal((60, 90, 100))
    response = log_significance(noise, np.full(noise.shape, 9.0), SIGMA)
    inside = response[7:-7, 8:-8, 8:-8]  # a mirror image is no independent noise
    assert inside.std() == pytest.approx(1.0, abs=0.025)  # 4 sigma: an independent value in about 20 voxels


def test_candidates_are_the_voxels_that_no_neighbour_exceeds():
    image = stream(1, "test").standard_normal((12, 31, 33)).astype(np.float32)
    found, heights = candidates(image, 1.0, np.array([1.0, 1.5, 1.0]))
    peak = (image == ndimage.maximum_filter(image, size=(3, 5, 3))) & (image > 1.0)
    assert len(found) == peak.sum()
    assert peak[tuple(np.rint(found).astype(int).T)].mean() > 0.95  # sub-voxel: at most half a voxel away
    np.testing.assert_array_equal(heights, np.sort(image[peak])[::-1])  # the highest first


def test_candidates_of_a_plane_lie_in_the_plane():
    image = ndimage.gaussian_filter(np.pad([[1.0]], ((7, 9), (12, 5))), 1.5)
    np.testing.assert_allclose(candidates(image, 0.01, np.array([2.0, 2.0]))[0], [[7.0, 12.0]])
