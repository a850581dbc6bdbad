"""Light beyond the Gaussian of a punctum: what bright puncta show of it, and that it passes for no neighbour."""

from dataclasses import replace

import numpy as np
import pytest

from synimg.analysis.find import find_puncta
from synimg.analysis.fit import Fit, Scene, model_of
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.scene import background_again
from synimg.analysis.skirt import SkirtSums, extent, kernel_of, rings, skirt_sums, skirts_of
from synimg.streams import stream

PSF, VOXEL = np.array([[1.3, 1.4, 1.4]]), np.array([0.2, 0.07, 0.07])
SHAPE, FLAT = (1, 33, 120, 120), 20.0
N_PLANES, N_RINGS = extent(PSF)


def ring_profile(light=0.3):
    """A ring five voxels around the middle, in three planes, that holds so much of the Gaussian's light."""
    profile = np.zeros((1, 2 * N_PLANES + 1, N_RINGS))
    profile[0, N_PLANES - 1 : N_PLANES + 2, 5] = 1.0
    return light * profile / kernel_of(profile, VOXEL).sum()


def world(profile=None):
    """A scene without puncta, and 49 of them, of 4000 to 12 000 electrons."""
    flat = np.full(SHAPE, FLAT)
    skirt = None if profile is None else kernel_of(profile, VOXEL)
    scene = Scene(flat, flat, PSF, np.zeros((1, 3)), VOXEL, 1e-7, skirt=skirt)
    grid = np.stack(np.meshgrid([16.0], *[np.arange(12.0, 109.0, 16.0)] * 2, indexing="ij"), axis=-1).reshape(-1, 3)
    rng = stream(1, "test")
    theta = np.zeros((len(grid), 10))
    theta[:, :3], theta[:, 3] = grid + rng.uniform(-0.3, 0.3, grid.shape), rng.uniform(4e3, 12e3, len(grid))
    return scene, Fit(theta)


def seen(scene, fit, seed):
    """A noisy image of puncta with their skirts."""
    skirts = skirts_of(scene, fit)
    expected = model_of(scene, fit) + (0.0 if skirts is None else skirts)
    return stream(seed, "test").poisson(expected).astype(np.float32)


def test_every_voxel_of_a_kernel_has_the_light_of_its_ring():
    profile = stream(1, "test").uniform(0.0, 1.0, (2, 5, 4))
    kernel = kernel_of(profile, np.array([0.2, 0.1, 0.1]))
    assert kernel.shape == (2, 5, 9, 9)
    np.testing.assert_allclose(kernel[:, :, 4, 4:8], profile, rtol=1e-6)
    np.testing.assert_allclose(kernel[:, :, 4, 4:8], kernel[:, :, 4:8, 4])
    assert not kernel[:, :, 0, 0].any()  # beyond the last ring
    tall = rings(4, np.array([0.2, 0.2, 0.1]))  # voxels twice as long along y
    np.testing.assert_array_equal(tall[:, tall.shape[1] // 2], [-1, 2, 0, 2, -1])


def test_a_skirt_falls_around_the_nearest_voxel_and_is_cut_by_the_faces():
    scene, _ = world(ring_profile())
    theta = np.zeros((2, 10))
    theta[:, :4] = [[16.2, 60.4, 59.7, 1000.0], [0.0, 119.0, 0.0, 500.0]]
    light = skirts_of(scene, Fit(theta))
    z, y, x = (n // 2 for n in scene.skirt.shape[1:])
    expected = np.zeros(SHAPE)
    expected[:, 16 - z : 17 + z, 60 - y : 61 + y, 60 - x : 61 + x] += 1000.0 * scene.skirt
    expected[:, : z + 1, 119 - y :, : x + 1] += 500.0 * scene.skirt[:, z:, : y + 1, x:]
    np.testing.assert_allclose(light, expected, rtol=1e-6)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bright_puncta_show_their_skirt(seed):
    scene, fit = world(ring_profile())
    dark = replace(scene, data=seen(scene, fit, seed), skirt=None)
    sums = skirt_sums(dark, fit)
    assert kernel_of(sums.profile(), VOXEL).sum() == pytest.approx(0.3, abs=0.02)
    light, variance = sums.light()
    is_beyond = variance > 0
    off = ((light - ring_profile()) / np.sqrt(np.where(is_beyond, variance, 1.0)))[is_beyond]
    assert np.abs(off).max() < 5.5  # standard errors, by 15 puncta
    assert off.std() == pytest.approx(1.0, abs=0.3)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_near_to_the_middle_may_be_a_synapse_and_is_no_skirt(seed):
    scene, fit = world(ring_profile())
    profile = skirt_sums(replace(scene, data=1.5 * seen(scene, fit, seed)), fit).profile()
    assert not profile[0, N_PLANES, :5].any()
    assert profile[0, N_PLANES, 5] > 0


def test_a_dozen_bright_puncta_are_needed():
    scene, fit = world(ring_profile())
    few = Fit(fit.theta[:30])  # nine of them count as bright
    scene = replace(scene, data=seen(scene, few, 1))
    assert not skirt_sums(scene, few).profile().any()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_gaussians_show_none(seed):
    scene, fit = world()
    found = kernel_of(skirt_sums(replace(scene, data=seen(scene, fit, seed)), fit).profile(), VOXEL)
    assert np.abs(found).sum() < 0.02


def test_sums_of_parts_are_those_of_the_whole():
    scene, fit = world(ring_profile())
    scene = replace(scene, data=seen(scene, fit, 1))
    every = [skirt_sums(replace(scene, data=seen(scene, fit, seed)), fit) for seed in (1, 2)]
    both = SkirtSums.total(every)
    np.testing.assert_allclose(both.sums, every[0].sums + every[1].sums)
    assert (both.light()[1] <= every[0].light()[1] + every[1].light()[1]).all()


def test_the_background_beside_puncta_holds_their_skirts_once():
    scene, fit = world(ring_profile())
    scene = replace(scene, data=seen(scene, fit, 1))
    settings = MeasureSettings()
    for _ in range(2):  # again, too
        scene = background_again(scene, fit, settings)
        np.testing.assert_allclose(scene.background - scene.beside, FLAT, atol=1.0)


def test_a_ring_passes_for_neighbours_until_it_is_known():
    scene, fit = world(ring_profile())
    scene = replace(scene, data=seen(scene, fit, 1))
    _, known = find_puncta(scene, MeasureSettings())
    _, without = find_puncta(replace(scene, skirt=None), MeasureSettings())
    assert len(known.theta) == len(fit.theta)
    assert len(without.theta) > 2 * len(fit.theta)
    order = np.lexsort(np.rint(known.points_vox).T)
    true = fit.theta[np.lexsort(np.rint(fit.points_vox).T)]
    np.testing.assert_allclose(known.theta[order, 3], true[:, 3], rtol=0.07)  # 3.5 standard errors of the dimmest
