"""Sharpened dye light: less blur, no light lost, noise as stated, and the middles of dendrites with their colours."""

import numpy as np
import pytest
from scipy import ndimage

from synimg.analysis.cytosol import cores_of, cytosol
from synimg.streams import stream

SIGMA_VOX = np.array([1.0, 1.1, 1.1])
VOXEL_UM = np.array([0.2, 0.07, 0.07])
DARK = 8.0


def blurred(clean):
    return np.stack([ndimage.gaussian_filter(dye, SIGMA_VOX) for dye in clean]) + DARK


def crossing():
    """Two dendrites of one dye each, along y and along x, one above the other."""
    clean = np.zeros((2, 21, 120, 140))
    clean[0, 8:10, :, 66:74] = 60.0
    clean[1, 11:13, 56:64, :] = 60.0
    return clean


def test_light_is_neither_lost_nor_negative_nor_moved():
    clean = np.zeros((1, 21, 60, 80))
    clean[0, 9:12, 26:34, 40:50] = 50.0
    light = cytosol(blurred(clean), SIGMA_VOX, VOXEL_UM).light[0]
    assert (light >= 0).all()
    assert np.median(light) < 0.1 * DARK  # what begins as a twentieth of the background falls slowly
    light = np.maximum(light - np.median(light), 0.0)
    assert light.sum() == pytest.approx(clean.sum() / 4, rel=0.1)
    middle = ndimage.center_of_mass(light)
    np.testing.assert_allclose(middle, [10.0, (29.5 - 0.5) / 2, (44.5 - 0.5) / 2], atol=0.02)


def test_what_lies_beside_mixes_in_less():
    clean = np.zeros((2, 21, 80, 100))
    clean[0, 8:10, :, 46:54], clean[1, 10:12, 36:44, :] = 60.0, 60.0  # where they cross, they touch
    dyes = blurred(clean)
    seen, _ = cytosol(dyes, SIGMA_VOX, VOXEL_UM).at(np.array([[8.0, 39.5, 49.5]]))
    raw = dyes[:, 8, 39, 49] - DARK
    assert seen[0, 1] / seen[0, 0] < 0.5 * raw[1] / raw[0]


def test_light_is_read_between_voxels_and_its_noise_is_about_as_stated():
    rng = stream(1, "test")
    even = rng.poisson(np.full((1, 31, 160, 160), 60.0) + DARK).astype(float)
    even[:, :, :, :48] -= 60.0  # the dark part, which gives the background
    seen = cytosol(even, SIGMA_VOX, VOXEL_UM)
    points = np.column_stack([rng.uniform(4, 26, 900), rng.uniform(10, 150, 900), rng.uniform(80, 150, 900)])
    light, error = seen.at(points)
    assert light.mean() == pytest.approx(60.0, rel=0.1)
    assert error.shape == (900, 1)
    assert 0.3 < light.std() / error.mean() < 6.0  # mixing, which it does not hold, is the larger part


def test_cores_run_along_dendrites_with_their_colours():
    noisy = stream(2, "test").poisson(blurred(crossing())).astype(float)
    cores = cores_of(cytosol(noisy, SIGMA_VOX, VOXEL_UM))
    place = cores.points_um / VOXEL_UM
    for dye, (z, across, along, last) in enumerate([(8.5, 2, 1, 119), (11.5, 1, 2, 139)]):
        of = (cores.colours[:, dye] > 0.97) & (cores.n_near >= 6)
        middle = (69.5, 59.5)[dye]
        assert np.abs(place[of][:, across] - middle).max() < 6
        assert np.abs(place[of][:, 0] - z).max() < 2
        assert np.ptp(place[of][:, along]) > 0.9 * last
    np.testing.assert_allclose(np.linalg.norm(cores.colours, axis=1), 1.0)
    near = np.linalg.norm(np.diff(cores.points_um[cores.pairs], axis=1), axis=2)
    assert near.max() <= 0.35


def test_an_odd_or_dark_block_is_no_matter():
    seen = cytosol(np.zeros((3, 9, 41, 43)), SIGMA_VOX, VOXEL_UM)
    assert seen.light.shape == (3, 9, 20, 21)
    assert len(cores_of(seen).points_um) == 0
    light, error = seen.at(np.array([[8.0, 40.0, 42.0]]))
    assert (light == 0).all()
    assert np.isfinite(error).all()
