"""Axons: as long as asked, past the synapses of their neuron, thin, and outside the dendrites."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from synimg.config import Config
from synimg.phantoms.axons import with_axons
from synimg.phantoms.receptors import draw_counts
from synimg.phantoms.render import build_channels, expected_photons
from synimg.phantoms.solids import capsules, fill_points, paint_labels, solids
from synimg.phantoms.tissue import build_tissue
from synimg.phantoms.wiring import build_wiring

SHAPE_VOX = (40, 200, 240)


def config_of(um_per_um3):
    return Config.parse(
        {
            "volume": {"shape_vox": SHAPE_VOX},
            "tissue": {"n_imaged_neurons": 6},
            "network": {"n_units": 128},
            "axons": {"um_per_um3": um_per_um3},
        },
        "test",
    )


CONFIG = config_of(0.3)
BOX_UM = np.array(CONFIG.volume.size_um)


@pytest.fixture(scope="module")
def wiring():
    return build_wiring(CONFIG, 1)


@pytest.fixture(scope="module")
def bare(wiring):
    return build_tissue(CONFIG, wiring, wiring.a_start, 1, [])


@pytest.fixture(scope="module")
def crossed(bare, wiring):
    return with_axons(bare, wiring.contact_pre, CONFIG, 1)


def inside_um(axon):
    inside = ((axon.points_um > 0) & (axon.points_um < BOX_UM)).all(axis=1)
    return np.linalg.norm(np.diff(axon.points_um, axis=0), axis=1)[inside[1:]].sum()


def test_there_is_as_much_axon_as_asked_for_and_none_as_given(crossed, bare, wiring):
    total, last = sum(map(inside_um, crossed.axons)), inside_um(crossed.axons[-1])
    wanted = 0.3 * np.prod(BOX_UM)
    assert wanted <= total < wanted + last + 1.0
    assert with_axons(bare, wiring.contact_pre, config_of(0.0), 1) is bare


def test_axons_enter_and_leave_the_block(crossed):
    for axon in crossed.axons:
        for end in axon.points_um[[0, -1]]:
            assert ((end < 0) | (end > BOX_UM)).any()


def test_boutons_lie_on_discs_of_their_neurons_synapses_until_all_are_served(crossed, wiring):
    bouton = crossed.position_um + CONFIG.axons.bouton_radius_um * crossed.normal
    served = []
    for axon, neuron_id in zip(crossed.axons, crossed.axon_neuron_id, strict=True):
        its = np.flatnonzero(crossed.is_imaged & (wiring.contact_pre == neuron_id - 1))
        apart = cKDTree(axon.points_um).query(bouton[its])[0] if its.size else its
        served.append((apart < 1e-9).sum())
        radius = axon.radius_um[cKDTree(axon.points_um).query(bouton[its[apart < 1e-9]])[1]]
        assert (radius == CONFIG.axons.bouton_radius_um).all()
    assert np.mean(np.array(served) > 0) > 0.9


def test_boutons_are_as_far_apart_as_stated_on_average(bare, wiring):
    axons = with_axons(bare, wiring.contact_pre, config_of(1.5), 2).axons
    n = sum((axon.radius_um == CONFIG.axons.bouton_radius_um).sum() for axon in axons)
    length = sum(np.linalg.norm(np.diff(axon.points_um, axis=0), axis=1).sum() for axon in axons)
    assert length / n == pytest.approx(CONFIG.axons.bouton_interval_um, rel=0.35)  # those at synapses come on top


def test_axons_run_around_dendrites(crossed):
    points = np.concatenate([tree.points_um[tree.pieces()] for tree in crossed.trees])
    radius = np.concatenate([tree.radius_um[tree.pieces()] for tree in crossed.trees])
    axon = np.concatenate([axon.points_um for axon in crossed.axons])
    distance, nearest = cKDTree(points).query(axon)
    assert (distance < 0.8 * radius[nearest]).mean() < 0.02


def dye_points(tissue):
    return tuple(np.concatenate(column) for column in zip(*fill_points(tissue, CONFIG.volume.size_um), strict=True))


def test_the_dye_of_an_axon_has_its_volume_and_changes_nothing_else(crossed, bare):
    points, neuron_id, volume = dye_points(crossed)
    before = dye_points(bare)
    n = len(before[0])
    for now, then in zip((points, neuron_id, volume), before, strict=True):
        np.testing.assert_array_equal(now[:n], then)
    start, end, radius, _, _ = (np.concatenate(column) for column in zip(*capsules(crossed), strict=True))
    is_axon = np.arange(radius.size) >= sum(piece[2].size for piece in capsules(bare))
    start, end, radius = start[is_axon], end[is_axon], radius[is_axon]
    wanted = np.pi * radius**2 * np.linalg.norm(end - start, axis=1)
    assert volume[n:].sum() == pytest.approx(wanted.sum(), rel=1e-9)
    assert set(neuron_id[n:]) == set(crossed.axon_neuron_id)


def test_an_axon_is_seen_in_the_dyes_of_its_neuron(crossed, bare, wiring):
    counts = draw_counts(wiring.a_start, wiring.a_start, CONFIG, 1)
    box = ((0, 0, 0), SHAPE_VOX)
    with_, without = (
        expected_photons(build_channels(CONFIG, tissue, counts, 1), CONFIG, box) for tissue in (crossed, bare)
    )
    np.testing.assert_array_equal(with_[:2], without[:2])  # no receptors on axons
    points, neuron_id, volume = dye_points(crossed)
    more = (with_ - without)[2:].sum(axis=(1, 2, 3))
    n = len(dye_points(bare)[0])
    inside = ((points > 0) & (points < BOX_UM)).all(axis=1)[n:]
    known, row = np.unique(neuron_id[n:][inside], return_inverse=True)
    wanted = (CONFIG.identity.photons(CONFIG.identity.codes(known, 1))[row] * volume[n:][inside, None]).sum(axis=0)
    np.testing.assert_allclose(more, wanted, rtol=0.03)  # what lies at the faces is cut


def test_axons_are_painted_with_their_neuron(crossed):
    neurons, synapses = paint_labels(
        solids(crossed, CONFIG.volume.voxel_um, SHAPE_VOX), (0, 0, 0), SHAPE_VOX, CONFIG.volume.voxel_um
    )
    ids = set(np.unique(neurons)) - {0}
    assert ids <= set(crossed.neuron_id) | set(crossed.axon_neuron_id)
    assert len(ids - set(crossed.neuron_id)) > 5
    assert set(np.unique(synapses)) - {0} <= set(np.flatnonzero(crossed.is_imaged) + 1)
