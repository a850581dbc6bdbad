"""The joint fit: true gradients, true information, and errors at the Cramer-Rao bound."""

import numpy as np
import pytest

from synimg.analysis import fisher
from synimg.analysis import fit as f
from synimg.analysis.find import find_puncta
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.scene import data_and_background
from synimg.streams import stream

PSF = np.array([[1.3, 1.4, 1.4], [1.2, 1.3, 1.3]])
SHIFT = np.array([[0.0, 0.0, 0.0], [0.6, -1.2, 0.9]])
VOXEL = np.array([0.2, 0.07, 0.07])
THETA = np.array([[9.3, 14.2, 15.6, 900.0, 500.0, 0.004, 0.003, 0.006, 0.001, -0.001, 0.002]])


def scene(data=None, spread=4.5e-6, disc=0.0):
    flat = np.full((2, 21, 31, 33), 5.0)
    per_receptor = 1.0 / (np.pi * f.PER_UM2 * disc) if disc else None
    return f.Scene(flat if data is None else data, flat, PSF, SHIFT, VOXEL, spread, per_receptor)


def exactly(*thetas):
    """The expected image in double precision, which differences need; that of a scene is in single precision."""
    model = np.full((2, 21, 31, 33), 5.0)
    for theta in thetas:
        f.add_punctum(model, theta, PSF, SHIFT, scene().shape_scale, 1.0)
    return model


def test_the_model_of_a_scene_is_right_to_single_precision():
    np.testing.assert_allclose(f.model_of(scene(), f.Fit(THETA)), exactly(*THETA), rtol=1e-6)


def test_the_score_is_the_derivative_of_the_log_likelihood():
    model = exactly(*THETA)
    data = stream(1, "test").poisson(model).astype(float)
    score = f.take_out(data, model.copy(), THETA[0], PSF, SHIFT, scene().shape_scale)

    def log_likelihood(theta):
        m = exactly(theta)
        return (data * np.log(m) - m).sum()

    for k in range(THETA.size):
        step = np.zeros(THETA.size)
        step[k] = 1e-6 * max(abs(THETA[0, k]), 0.01)  # small: no voxel may pass the reach's rim
        numeric = (log_likelihood(THETA[0] + step) - log_likelihood(THETA[0] - step)) / (2 * step[k])
        assert score[k] == pytest.approx(numeric, rel=1e-3, abs=0.1)


def slopes(theta):
    """Derivatives (parameter, voxels) of the expected image of one punctum."""
    out = []
    for k in range(theta.size):
        step = np.zeros(theta.size)
        step[k] = 1e-6 * max(abs(theta[k]), 0.01)
        ends = [exactly(theta + sign * step) for sign in (1, -1)]
        out.append(((ends[0] - ends[1]) / (2 * step[k])).ravel())
    return np.array(out)


def test_the_information_of_two_puncta_is_the_sum_over_voxels_of_their_slopes():
    other = THETA[0] + np.array([0.8, 1.7, -1.1, 200.0, 100.0, 0.001, -0.001, 0.0, 0.0, 0.001, 0.0])
    model = exactly(*THETA, other)
    one, two = slopes(THETA[0]), slopes(other)
    for a, b, mine, its in ((THETA[0], other, one, two), (other, other, two, two)):
        slow = (mine / model.ravel()) @ its.T
        fast = fisher.shared_information(model, a, b, PSF, SHIFT, scene().shape_scale)
        unit = np.sqrt(np.outer(((mine**2) / model.ravel()).sum(axis=1), ((its**2) / model.ravel()).sum(axis=1)))
        np.testing.assert_allclose(fast / unit, slow / unit, atol=3e-3)
    own = np.empty((other.size, other.size))
    f.take_out(model, model.copy(), other, PSF, SHIFT, scene().shape_scale, own)
    np.testing.assert_allclose(own, fast, rtol=1e-8, atol=1e-9 * np.abs(fast).max())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_scatter_of_an_isolated_punctum_is_its_standard_error(seed):
    true = np.array([[10.2, 15.3, 16.1, 900.0, 600.0, 0.004, 0.004, 0.004, 0.0, 0.0, 0.0]])
    world = scene(spread=0.004 / 1500)
    model = f.model_of(world, f.Fit(true))
    rng, z = stream(seed, "test"), []
    for _ in range(60):
        noisy = scene(rng.poisson(model).astype(float), world.spread_um2)
        found = f.fit_puncta(noisy, f.start(true[:, :3] + 0.2, true[:, 3:5], noisy))
        error = fisher.standard_errors(noisy, found, f.model_of(noisy, found))[0]
        z.append((found.theta[0, :5] - true[0, :5]) / error)
    # the prior narrows the shape, so that counts may scatter less than without it; 4 sigma of an sd of 60 is 0.37
    assert np.std(z, axis=0) == pytest.approx(np.ones(5), abs=0.37)
    assert np.mean(z, axis=0) == pytest.approx(np.zeros(5), abs=0.55)


def test_the_covariance_is_the_inverse_of_what_all_voxels_say_of_a_punctum_and_its_neighbour():
    both = np.vstack([THETA, THETA + np.array([0.8, 3.7, -1.1, 200.0, 100.0, 0.001, -0.001, 0.0, 0.0, 0.001, 0.0])])
    model = exactly(*both)
    slope = np.vstack([slopes(theta) for theta in both])
    information = (slope / model.ravel()) @ slope.T
    for k, theta in enumerate(both):
        shape = np.arange(5, 11) + 11 * k
        information[shape, shape] += 1 / f.prior_sd(theta, scene().spread_um2) ** 2
    slow, fast = np.linalg.inv(information)[:5, :5], fisher.covariances(scene(), f.Fit(both), model)[0]
    se = np.sqrt(np.diag(slow))
    np.testing.assert_allclose(fast / np.outer(se, se), slow / np.outer(se, se), atol=0.03)
    assert fast[3, 4] > 0.3 * se[3] * se[4]  # what one count takes from the neighbour, the other takes, too


def test_counts_of_one_punctum_scatter_together_as_their_covariance_says():
    true = np.array([[10.2, 15.3, 16.1, 900.0, 600.0, 0.012, 0.012, 0.012, 0.0, 0.0, 0.0]])
    world = scene(spread=0.012 / 1500)
    model = f.model_of(world, f.Fit(true))
    rng, found = stream(1, "test"), []
    for _ in range(240):
        noisy = scene(rng.poisson(model).astype(float), world.spread_um2)
        found.append(f.fit_puncta(noisy, f.start(true[:, :3] + 0.2, true[:, 3:5], noisy)).theta[0, 3:5])
    bound = fisher.covariances(world, f.Fit(true), model)[0, 3:5, 3:5]
    correlation = bound[0, 1] / np.sqrt(bound[0, 0] * bound[1, 1])
    assert correlation > 0.2  # the extent that both share
    assert np.corrcoef(np.transpose(found))[0, 1] == pytest.approx(correlation, abs=0.19)  # 3 sigma of 240


def test_puncta_far_apart_do_not_touch_each_other_s_fit():
    two = np.vstack([THETA, THETA])
    two[0, :3], two[1, :3] = (5, 6, 7), (15, 25, 26)
    data = f.model_of(scene(), f.Fit(two))
    both = f.fit_puncta(scene(data), f.start(two[:, :3] + 0.3, two[:, 3:5] * 0.8, scene()))
    np.testing.assert_allclose(both.theta[:, :3], two[:, :3], atol=0.02)
    np.testing.assert_allclose(both.theta[:, 3:5], two[:, 3:5], rtol=0.03)


def test_crowded_puncta_have_errors_and_larger_ones_than_alone():
    crowd = np.repeat(THETA, 6, axis=0)
    crowd[:, :3] = np.array([10.0, 15.0, 16.0]) + stream(1, "test").uniform(-3, 3, (6, 3))
    both = fisher.standard_errors(scene(), f.Fit(crowd), f.model_of(scene(), f.Fit(crowd)))
    alone = fisher.standard_errors(scene(), f.Fit(crowd[:1]), f.model_of(scene(), f.Fit(crowd[:1])))
    assert (both > 0).all()
    assert (both[0] > alone[0]).all()


def test_a_synapse_whose_channels_are_shifted_is_one_and_keeps_its_counts():
    flat, shift = scene().background, 5 * SHIFT
    dark = f.Scene(flat, flat, PSF, shift, VOXEL, 4.5e-6)
    shifted = f.Scene(f.model_of(dark, f.Fit(THETA)), flat, PSF, shift, VOXEL, 4.5e-6)
    _, found = find_puncta(shifted, MeasureSettings())
    assert len(found.theta) == 1
    np.testing.assert_allclose(found.points_vox[0], THETA[0, :3], atol=0.03)
    np.testing.assert_allclose(found.electrons[0], THETA[0, 3:5], rtol=0.03)


@pytest.mark.parametrize(("others", "disc", "n_found"), [(0, 0.0, 1), (10, 0.0, 2), (10, 1.4e-5, 1), (10, 4e-6, 2)])
def test_two_puncta_within_the_disc_of_their_receptors_are_one_and_within_that_of_their_light_unless_synapses_crowd(
    others, disc, n_found
):
    away = np.array(
        [[0, dy, dx] for dy in (-10, 0, 10) for dx in (-10, 0, 10) if dy or dx] + [[-6, 0, 0], [6, 0, 0]], float
    )
    theta = np.repeat(THETA, 2 + others, axis=0)
    theta[:, -6:] = [0.002, 0.002, 0.002, 0.0, 0.0, 0.0]
    theta[:, 3:5] *= 3.0
    # 0.31 um; the radius of both counts' disc is 0.48 um by their light, by their receptors 0.34 or 0.18 um
    theta[:2, :3] = [[10.0, 15.0, 13.8], [10.0, 15.0, 18.2]]
    theta[2:, :3] = np.array([10.0, 15.0, 16.0]) + away[:others]
    world = scene(f.model_of(scene(), f.Fit(theta)), disc=disc)
    found = find_puncta(world, MeasureSettings())[1].points_vox
    assert (np.linalg.norm((found - [10.0, 15.0, 16.0]) / PSF[0], axis=1) < 2.0).sum() == n_found


def test_light_between_crowded_puncta_is_no_background_once_they_are_known():
    rng, settings, expected = stream(2, "test"), MeasureSettings(), np.full((1, 21, 61, 61), 10.0)
    theta = np.zeros((200, 10))
    theta[:, :3] = rng.uniform(0, 1, (200, 3)) * [20, 60, 60]
    theta[:, 3] = 400.0
    psf, shift = PSF[:1], SHIFT[:1]
    truth = f.Scene(expected, expected, psf, shift, VOXEL, 0.0)
    electrons = rng.poisson(f.model_of(truth, f.Fit(theta))).astype(float)
    seen = f.Scene(*data_and_background(electrons, 0.0, VOXEL, settings), psf, shift, VOXEL, 0.0)
    after, _ = find_puncta(seen, settings)
    assert seen.background.mean() > 10.1
    assert after.background.mean() == pytest.approx(10.0, abs=0.05)


def test_the_prior_of_a_shape_is_no_wider_than_receptors_need():
    assert scene(spread=4.5e-6, disc=1.2e-5).prior_um2 == pytest.approx(2e-6)
    assert scene(spread=1.5e-6, disc=1.2e-5).prior_um2 == 1.5e-6
    assert scene(spread=4.5e-6).prior_um2 == 4.5e-6
