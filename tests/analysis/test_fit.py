"""The joint fit: true gradients, true information, and errors at the Cramer-Rao bound."""

import numpy as np
import pytest

from synimg.analysis import fit as f
from synimg.streams import stream

PSF = np.array([[1.3, 1.4, 1.4], [1.2, 1.3, 1.3]])
VOXEL = np.array([0.2, 0.07, 0.07])
THETA = np.array([[9.3, 14.2, 15.6, 900.0, 500.0, 0.004, 0.003, 0.006, 0.001, -0.001, 0.002]])


def scene(data=None, spread=4.5e-6):
    flat = np.full((2, 21, 31, 33), 5.0)
    return f.Scene(flat if data is None else data, flat, PSF, VOXEL, spread)


def test_the_score_is_the_derivative_of_the_log_likelihood():
    model = f.model_of(scene(), f.Fit(THETA))
    data = stream(1, "test").poisson(model).astype(float)
    score, _ = f.score_and_information(data, model, THETA[0], PSF, scene().shape_scale)

    def log_likelihood(theta):
        m = f.model_of(scene(), f.Fit(theta[None]))
        return (data * np.log(m) - m).sum()

    for k in range(THETA.size):
        step = np.zeros(THETA.size)
        step[k] = 1e-6 * max(abs(THETA[0, k]), 0.01)  # small: no voxel may pass the reach's rim
        numeric = (log_likelihood(THETA[0] + step) - log_likelihood(THETA[0] - step)) / (2 * step[k])
        assert score[k] == pytest.approx(numeric, rel=1e-3, abs=0.1)


def test_the_fast_information_equals_the_sum_over_voxels():
    model = f.model_of(scene(), f.Fit(THETA))
    _, fast = f.score_and_information(model, model, THETA[0], PSF, scene().shape_scale)
    slow = f._joint_information(model, THETA, PSF, scene().shape_scale, 1e9)
    np.testing.assert_allclose(fast, slow, rtol=1e-8, atol=1e-9 * np.abs(slow).max())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_scatter_of_an_isolated_punctum_is_its_standard_error(seed):
    true = np.array([[10.2, 15.3, 16.1, 900.0, 600.0, 0.004, 0.004, 0.004, 0.0, 0.0, 0.0]])
    world = scene(spread=0.004 / 1500)
    model = f.model_of(world, f.Fit(true))
    rng, z = stream(seed, "test"), []
    for _ in range(60):
        noisy = scene(rng.poisson(model).astype(float), world.spread_um2)
        found = f.fit_puncta(noisy, f.start(true[:, :3] + 0.2, true[:, 3:5], noisy))
        error = f.standard_errors(noisy, found, f.model_of(noisy, found))[0]
        z.append((found.theta[0, :5] - true[0, :5]) / error)
    # the prior narrows the shape, so that counts may scatter less than without it; 4 sigma of an sd of 60 is 0.37
    assert np.std(z, axis=0) == pytest.approx(np.ones(5), abs=0.37)
    assert np.mean(z, axis=0) == pytest.approx(np.zeros(5), abs=0.55)


def test_puncta_far_apart_do_not_touch_each_other_s_fit():
    two = np.vstack([THETA, THETA])
    two[0, :3], two[1, :3] = (5, 6, 7), (15, 25, 26)
    data = f.model_of(scene(), f.Fit(two))
    both = f.fit_puncta(scene(data), f.start(two[:, :3] + 0.3, two[:, 3:5] * 0.8, scene()))
    np.testing.assert_allclose(both.theta[:, :3], two[:, :3], atol=0.02)
    np.testing.assert_allclose(both.theta[:, 3:5], two[:, 3:5], rtol=0.03)
