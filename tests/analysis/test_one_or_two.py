from dataclasses import replace

import numpy as np
import pytest

from synimg.analysis import fit as f
from synimg.analysis.find import find_puncta
from synimg.analysis.match import match
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.one_or_two import two_over_one
from synimg.streams import stream

VOXEL, PSF = np.array([0.2, 0.07, 0.07]), np.array([[1.3, 1.4, 1.4]])
MIDDLE = np.array([10.0, 15.0, 16.0])
PAIR = np.array([[0, 1]])


def world(theta, receptor_electrons=None, rng=None, shape=(21, 31, 33), spread=1e-6):
    """A scene of puncta on a background of 10 electrons, with or without noise."""
    flat = np.full((1, *shape), 10.0)
    dark = f.Scene(flat, flat, PSF, np.zeros((1, 3)), VOXEL, spread, receptor_electrons)
    expected = f.model_of(dark, f.Fit(theta))
    return replace(dark, data=expected if rng is None else rng.poisson(expected).astype(float))


def puncta(*places_and_electrons, spread=1e-6):
    theta = np.zeros((len(places_and_electrons), 10))
    theta[:, :4] = places_and_electrons
    theta[:, -6:-3] = spread * theta[:, 3:4]
    return theta


def pair(widths, electrons=(800.0, 800.0)):
    """Two puncta so many widths apart along x."""
    half = np.array([0.0, 0.0, 0.5 * widths * PSF[0, 2]])
    return puncta([*(MIDDLE - half), electrons[0]], [*(MIDDLE + half), electrons[1]])


def test_two_halves_of_one_punctum_explain_no_more_than_it():
    halves = pair(0.0)
    scene = world(halves)
    found = two_over_one(scene, f.Fit(halves), f.model_of(scene, f.Fit(halves)), PAIR)
    assert found == pytest.approx(0.0, abs=0.5)  # shapes of the halves are held by their priors


def test_two_puncta_explain_the_more_the_farther_apart_they_are():
    gains = []
    for widths in (1.0, 2.0, 3.0):
        apart = pair(widths, (1600.0, 1600.0))
        scene = world(apart)
        gains.append(float(two_over_one(scene, f.Fit(apart), f.model_of(scene, f.Fit(apart)), PAIR)[0]))
    assert 0.0 < gains[0] < 0.5 * gains[1] < 0.25 * gains[2]


def test_one_punctum_taken_for_two_has_what_noise_gives():
    found, rng = [], stream(3, "test")
    for _ in range(20):
        scene = world(puncta([*MIDDLE, 1600.0]), rng=rng)
        fit, model = f.fitted(scene, f.Fit(pair(1.2)))
        found.append(float(two_over_one(scene, fit, model, PAIR)[0]))
    # place, counts and shape of another punctum, the last held by its prior: chi square of 4 to 10 degrees of freedom
    assert -0.5 < np.median(found) < 9.3
    assert max(found) < 25.0


def test_a_pair_far_from_others_is_believed_unless_receptors_are_so_bright_that_their_places_make_it():
    scenes = [world(pair(2.5), electrons, stream(4, "test")) for electrons in (20.0, 800.0)]
    n_found = [len(find_puncta(scene, MeasureSettings())[1].theta) for scene in scenes]
    assert n_found == [2, 1]


def test_a_lower_response_is_enough_beside_a_punctum_whose_fit_has_taken_a_neighbour_in():
    n_true, n_false = {2.5: 0, 3.7: 0}, {2.5: 0, 3.7: 0}
    for seed in (1, 2, 3):
        rng = stream(seed, "test")
        places, electrons = rng.uniform(0, 1, (200, 3)) * [20, 60, 60], 1500.0 * np.exp(0.5 * rng.standard_normal(200))
        theta = puncta(*np.column_stack([places, electrons]), spread=4e-6)
        scene = world(theta, 20.0, rng, (21, 61, 61), 4e-6)
        for near in n_true:
            fit = find_puncta(scene, MeasureSettings(near_significance=near))[1]
            hits = len(match(fit.points_vox * VOXEL, theta[:, :3] * VOXEL, 0.2, 0.4)[0])
            n_true[near] += hits
            n_false[near] += len(fit.theta) - hits
    assert n_true[2.5] > n_true[3.7] + 5
    assert n_false[2.5] <= n_false[3.7] + 5
