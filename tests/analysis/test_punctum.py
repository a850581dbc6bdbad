"""A punctum on its voxels is a Gaussian within its reach, whatever its width and wherever it is cut."""

import numpy as np
import pytest

from synimg.analysis.fit import Fit, Scene, add_punctum, model_of, model_without, take_out
from synimg.analysis.punctum import REACH, WIDTH, covariance_of

VOXEL = np.array([0.1, 0.03, 0.03])
PSF = np.array([[2.7, 3.2, 3.3]])
SHAPE = (15, 41, 61)
LONG = 0.035 * np.array(
    [0.04, 0.32, 0.64, 0.113, 0.16, 0.4525]
)  # along one tilted axis: wider than a row of the scratch


def scene():
    flat = np.full((1, *SHAPE), 5.0)
    return Scene(flat, flat, PSF, np.zeros((1, 3)), VOXEL, 1e-6)


def slow(theta):
    """The Gaussian of every voxel, by its formula."""
    covariance = covariance_of(theta, PSF[0], scene().shape_scale)
    away = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"), axis=-1) - theta[:3]
    q = np.einsum("...a,ab,...b->...", away, np.linalg.inv(covariance), away)
    return np.where(q <= REACH**2, theta[3] * np.exp(-q / 2), 0.0) / np.sqrt(np.linalg.det(2 * np.pi * covariance))


@pytest.mark.parametrize("shape", [np.zeros(6), LONG])
@pytest.mark.parametrize(
    "place", [(7.3, 20.2, 30.4), (0.2, -1.7, 60.9), (14.0, 40.2, 2.0), (-30.0, 20.0, 30.0), (7.0, 5.0, 200.0)]
)
def test_a_punctum_is_a_gaussian_within_its_reach(place, shape):
    theta = np.array([*place, 900.0, *shape])
    light = slow(theta)
    model, seen = np.full((1, *SHAPE), 5.0), np.full((1, *SHAPE), 5.0)
    add_punctum(model, theta, PSF, scene().shift_vox, scene().shape_scale, 1.0)
    np.testing.assert_allclose(model[0] - 5.0, light, atol=1e-12)
    information = np.empty((theta.size, theta.size))
    score = take_out(seen, model, theta, PSF, scene().shift_vox, scene().shape_scale, information)
    np.testing.assert_allclose(model, 5.0, rtol=1e-13)
    kernel = light / 900.0
    assert information[3, 3] == pytest.approx((kernel**2 / (light + 5.0)).sum(), rel=1e-10)
    assert score[3] == pytest.approx((kernel * 5.0 / (light + 5.0) - kernel).sum(), rel=1e-10)


def test_the_long_punctum_is_wider_than_a_row_of_the_scratch():
    assert (
        2 * REACH * np.sqrt(covariance_of(np.array([0, 0, 0, 1.0, *LONG]), PSF[0], scene().shape_scale)[2, 2]) > WIDTH
    )


def test_puncta_taken_away_leave_the_image_of_the_others():
    theta = np.array([[7.3, 20.2, 30.4, 900.0, *LONG], [5.0, 22.0, 28.0, 500.0, *np.zeros(6)]])
    left = model_without(scene(), Fit(theta[1:]), model_of(scene(), Fit(theta)))
    np.testing.assert_allclose(left, model_of(scene(), Fit(theta[:1])), rtol=3e-7)  # in single precision
