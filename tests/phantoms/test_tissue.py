"""Spines on dendrites, receptors on discs, labels and dye: each where it should be, for any blocking."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from synimg.config import Config
from synimg.errors import SynimgError
from synimg.phantoms.morphology import Tree, grow
from synimg.phantoms.neighbours import Neighbours
from synimg.phantoms.solids import fill, paint_labels, solids
from synimg.phantoms.tissue import Tissue, build_tissue, check_room, tree_of, trees_of
from synimg.phantoms.wiring import Wiring, build_wiring
from synimg.store.morphology import read_tree_arrays
from synimg.streams import stream

SHAPE_VOX = (40, 280, 330)
CONFIG = Config.parse(
    {"volume": {"shape_vox": SHAPE_VOX}, "tissue": {"n_imaged_neurons": 14}, "network": {"n_units": 128}}, "test"
)
BOX_UM = np.array(CONFIG.volume.size_um)
VOXEL_UM = CONFIG.volume.voxel_um
DATA = Path(os.environ.get("SYNIMG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "morphology"
REAL = sorted(DATA.glob("*.asc"))


@pytest.fixture(scope="module")
def wiring() -> Wiring:
    return build_wiring(CONFIG, 1)


@pytest.fixture(scope="module")
def a_end(wiring: Wiring):
    return wiring.a_start * np.exp(0.3 * stream(1, "test").standard_normal(wiring.a_start.size))


@pytest.fixture(scope="module")
def tissue(wiring: Wiring, a_end) -> Tissue:
    return build_tissue(CONFIG, wiring, a_end, 1, [])


def on_spines(tissue: Tissue):
    return np.flatnonzero(tissue.is_imaged & (tissue.head_radius_um > 0))


def test_every_contact_of_the_imaged_neurons_is_imaged_and_no_other(tissue, wiring):
    np.testing.assert_array_equal(tissue.is_imaged, np.isin(wiring.contact_post + 1, tissue.neuron_id))
    np.testing.assert_array_equal(
        tissue.neuron_id[tissue.neuron_row[tissue.is_imaged]], wiring.contact_post[tissue.is_imaged] + 1
    )


def test_what_is_not_imaged_has_no_place(tissue):
    dark = ~tissue.is_imaged
    for name in ("position_um", "normal", "head_um", "base_um"):
        assert np.isnan(getattr(tissue, name)[dark]).all()
        assert np.isfinite(getattr(tissue, name)[~dark]).all()
    assert (tissue.branch_id[dark] == -1).all()
    assert (tissue.neuron_row[dark] == -1).all()


def test_a_synapse_that_has_vanished_has_its_place_on_the_dendrite(wiring, a_end, tissue):
    gone = np.isin(np.arange(a_end.size), np.flatnonzero(tissue.is_imaged)[::7])
    after = build_tissue(CONFIG, wiring, np.where(gone, 0.0, a_end), 1, [])
    assert not after.is_imaged[gone].any()
    for row, tree in enumerate(after.trees):
        own = gone & (wiring.contact_post + 1 == after.neuron_id[row])
        pieces = tree.pieces(CONFIG.volume.size_um)
        distance, _ = cKDTree(tree.points_um[np.r_[pieces, tree.parent[pieces]]]).query(after.position_um[own])
        assert distance.max(initial=0) < 0.21  # half of the longest piece
        assert len(np.unique(after.position_um[own], axis=0)) == own.sum()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_all_heads_and_synapses_lie_inside_the_image(wiring, a_end, seed):
    tissue = build_tissue(CONFIG, wiring, a_end, seed, [])
    last = BOX_UM - np.array(VOXEL_UM)  # centre of the last voxel
    imaged = tissue.is_imaged
    assert ((tissue.position_um[imaged] > 0) & (tissue.position_um[imaged] < last)).all()
    assert ((tissue.head_um[imaged] > 0) & (tissue.head_um[imaged] < last)).all()


def test_spines_have_the_density_asked_for(tissue):
    for row, tree in enumerate(tissue.trees):
        length_um = tree.length_um(tree.pieces(CONFIG.volume.size_um)).sum()
        asked = CONFIG.tissue.spine_density_per_um
        assert (tissue.neuron_row == row).sum() / length_um == pytest.approx(asked, rel=0.03)


def test_synapses_of_a_neuron_keep_apart(tissue):
    nearest = []
    for row in range(tissue.neuron_id.size):
        points = tissue.position_um[tissue.neuron_row == row]
        nearest.append(cKDTree(points).query(points, k=2)[0][:, 1])
    assert (np.concatenate(nearest) < 0.35).mean() < 0.02


def test_the_head_has_the_volume_at_death(tissue, wiring, a_end):
    spine = on_spines(tissue)
    volume = 4 / 3 * np.pi * tissue.head_radius_um[spine] ** 3
    np.testing.assert_allclose(volume, (wiring.head_volume_um3 * a_end / wiring.a_start)[spine], rtol=1e-9)


def test_the_disc_has_the_area_of_its_receptors(tissue, a_end):
    area = np.pi * tissue.disc_radius_um[tissue.is_imaged] ** 2
    np.testing.assert_allclose(area, a_end[tissue.is_imaged] / CONFIG.tissue.psd_density_per_um2, rtol=1e-9)


def test_the_disc_sits_on_the_far_side_of_the_head_and_nearly_faces_along_the_neck(tissue):
    spine = on_spines(tissue)
    neck = tissue.head_um[spine] - tissue.base_um[spine]
    neck /= np.linalg.norm(neck, axis=1, keepdims=True)
    radius = tissue.head_radius_um[spine, None]
    np.testing.assert_allclose(tissue.position_um[spine], tissue.head_um[spine] + radius * neck, atol=1e-9)
    assert np.median((neck * tissue.normal[spine]).sum(axis=1)) > 0.95


def test_necks_have_the_mean_length_and_scatter_of_the_settings(tissue):
    spine = on_spines(tissue)
    reach = np.linalg.norm(tissue.head_um[spine] - tissue.base_um[spine], axis=1)
    neck = reach - tissue.head_radius_um[spine] - 0.285  # radius of a grown dendrite: 0.27 to 0.3 um
    se = 0.45 * 0.7 / np.sqrt(spine.size)
    assert neck.mean() == pytest.approx(CONFIG.tissue.neck_length_um, abs=4 * se + 0.015)
    assert neck.std() / neck.mean() == pytest.approx(0.45, abs=0.05)


def test_inhibitory_neurons_carry_their_synapses_on_the_shaft(tissue, wiring):
    inhibitory = tissue.is_imaged & ~wiring.is_excitatory[wiring.contact_post]
    assert inhibitory.any()
    assert (tissue.head_radius_um[inhibitory] == 0).all()
    off_axis = np.linalg.norm(tissue.position_um[inhibitory] - tissue.base_um[inhibitory], axis=1)
    assert (off_axis <= CONFIG.tissue.dendrite_radius_um + 1e-9).all()


def test_a_branch_belongs_to_one_neuron(tissue):
    imaged = tissue.is_imaged
    pairs = np.unique(np.column_stack([tissue.branch_id[imaged], tissue.neuron_row[imaged]]), axis=0)
    assert np.unique(pairs[:, 0]).size == len(pairs)


def test_somata_lie_outside_the_block(tissue):
    outside = (tissue.soma_um < 0) | (tissue.soma_um > BOX_UM)
    assert outside.any(axis=1).all()


@pytest.mark.parametrize("size_um", [(13.0, 150.0, 170.0), (13.0, 40.0, 170.0), (70.0, 70.0, 90.0)])
def test_a_block_wider_than_dendrites_reach_is_filled_evenly(size_um):
    shape_vox = tuple(round(size / voxel) for size, voxel in zip(size_um, VOXEL_UM, strict=True))
    wide = CONFIG.model_copy(update={"volume": CONFIG.volume.model_copy(update={"shape_vox": shape_vox})})
    n = round(0.2 * np.prod(size_um) / 60.0)
    trees = trees_of(wide, np.arange(n), np.full(n, round(60.0 * CONFIG.tissue.spine_density_per_um)), 1, [])
    places = np.concatenate([tree.points_um[tree.pieces(size_um)] for tree in trees])
    for axis in np.flatnonzero(np.array(size_um) > 60.0):
        share = np.histogram(places[:, axis], 5, (0.0, size_um[axis]))[0] / len(places)
        np.testing.assert_allclose(share, 0.2, atol=0.06)
    outside = [((tree.points_um[0] < 0) | (tree.points_um[0] > size_um)).any() for tree in trees]
    assert all(outside) or min(size_um) > 60.0  # in a block thick all ways they have no other place than inside


def test_the_same_seed_builds_the_same_tissue(tissue, wiring, a_end):
    again = build_tissue(CONFIG, wiring, a_end, 1, [])
    np.testing.assert_array_equal(again.position_um, tissue.position_um)
    other = build_tissue(CONFIG, wiring, a_end, 2, [])
    assert not np.array_equal(other.neuron_id, tissue.neuron_id)


def dye_points(tissue):
    start, end, radius, neuron_id, _, first = solids(tissue, VOXEL_UM, SHAPE_VOX).near(np.zeros(3), np.array(SHAPE_VOX))
    return fill(start, end, radius, neuron_id, first)


def test_dye_points_hold_the_volume_of_dendrites_necks_and_heads(tissue):
    points, neuron_id, volume = dye_points(tissue)
    assert points.shape == (neuron_id.size, 3)
    tree = tissue.trees[0]
    near = ((tree.points_um > 0) & (tree.points_um < BOX_UM)).all(axis=1)
    child = tree.pieces()[near[tree.pieces()]]
    spine = tissue.is_imaged & (tissue.neuron_row == 0) & (tissue.head_radius_um > 0)
    neck = np.linalg.norm(tissue.head_um[spine] - tissue.base_um[spine], axis=1).sum() * np.pi * 0.08**2
    heads = 4 / 3 * np.pi * (tissue.head_radius_um[spine] ** 3).sum()
    dendrite = (np.pi * tree.radius_um[child] ** 2 * tree.length_um(child)).sum()
    inside = (neuron_id == tissue.neuron_id[0]) & ((points > 0) & (points < BOX_UM)).all(axis=1)
    assert volume[inside].sum() == pytest.approx(dendrite + neck + heads, rel=0.03)


def test_dye_points_lie_in_what_is_painted(tissue):
    points, neuron_id, _ = dye_points(tissue)
    neurons, _ = paint_labels(solids(tissue, VOXEL_UM, SHAPE_VOX), (0, 0, 0), SHAPE_VOX, VOXEL_UM)
    voxel = np.rint(points / np.array(VOXEL_UM)).astype(int)
    inside = ((voxel >= 0) & (voxel < np.array(SHAPE_VOX))).all(axis=1)
    found = neurons[tuple(voxel[inside].T)]
    assert (found == neuron_id[inside]).mean() > 0.75  # the rest is within half a voxel of the surface
    assert ((found != 0) & (found != neuron_id[inside])).mean() < 0.02


def test_painting_in_blocks_equals_painting_whole(tissue):
    things = solids(tissue, VOXEL_UM, SHAPE_VOX)
    whole = paint_labels(things, (0, 0, 0), SHAPE_VOX, VOXEL_UM)
    for blocks in (((17, 40), (101, 280), (64, 330)), ((40,), (93, 200, 280), (330,))):
        parts = [np.zeros(SHAPE_VOX, np.uint32) for _ in range(2)]
        edges = [(0, *ends) for ends in blocks]
        for z0, z1 in zip(edges[0], edges[0][1:], strict=False):
            for y0, y1 in zip(edges[1], edges[1][1:], strict=False):
                for x0, x1 in zip(edges[2], edges[2][1:], strict=False):
                    block = paint_labels(things, (z0, y0, x0), (z1 - z0, y1 - y0, x1 - x0), VOXEL_UM)
                    for part, piece in zip(parts, block, strict=True):
                        part[z0:z1, y0:y1, x0:x1] = piece
        np.testing.assert_array_equal(parts[0], whole[0])
        np.testing.assert_array_equal(parts[1], whole[1])


def test_a_voxel_shows_what_lies_deepest_at_its_centre(tissue):
    neurons, synapses = paint_labels(solids(tissue, VOXEL_UM, SHAPE_VOX), (0, 0, 0), SHAPE_VOX, VOXEL_UM)
    rng = stream(1, "test")
    painted = np.argwhere(neurons > 0)
    spine = on_spines(tissue)
    child = [tree.pieces() for tree in tissue.trees]
    start = np.concatenate([t.points_um[t.parent[c]] for t, c in zip(tissue.trees, child, strict=True)])
    end = np.concatenate([t.points_um[c] for t, c in zip(tissue.trees, child, strict=True)])
    radius = np.concatenate([t.radius_um[c] for t, c in zip(tissue.trees, child, strict=True)])
    for voxel in painted[rng.integers(0, len(painted), 200)]:
        here = voxel * np.array(VOXEL_UM)
        head = (tissue.head_radius_um[spine] - np.linalg.norm(here - tissue.head_um[spine], axis=1)).max()
        t = ((here - start) * (end - start)).sum(1) / ((end - start) ** 2).sum(1)
        nearest = start + np.clip(t, 0, 1)[:, None] * (end - start)
        dendrite = (radius - np.linalg.norm(here - nearest, axis=1)).max()
        is_head = synapses[tuple(voxel)] > 0
        if max(head, dendrite) > 0.1:  # deeper than any neck or shaft synapse reaches into them
            assert is_head == (head > dendrite) or abs(head - dendrite) < 0.1


def test_synapse_labels_are_ids_of_imaged_contacts_of_the_same_neuron(tissue, wiring):
    neurons, synapses = paint_labels(solids(tissue, VOXEL_UM, SHAPE_VOX), (0, 0, 0), SHAPE_VOX, VOXEL_UM)
    contact = synapses[synapses > 0].astype(np.int64) - 1
    assert tissue.is_imaged[contact].all()
    np.testing.assert_array_equal(neurons[synapses > 0], wiring.contact_post[contact] + 1)
    assert np.unique(contact).size > 0.9 * tissue.is_imaged.sum()  # the smallest lie between the planes


def overlaps(trees: list[Tree]) -> int:
    """Pieces in the block that lie within another neuron's dendrite."""
    points = [tree.points_um[tree.pieces(CONFIG.volume.size_um)] for tree in trees]
    owner = np.repeat(np.arange(len(points)), [len(p) for p in points])
    pairs = cKDTree(np.concatenate(points)).query_pairs(2 * 0.27, output_type="ndarray")
    return np.unique(pairs[owner[pairs[:, 0]] != owner[pairs[:, 1]]]).size


def test_dendrites_overlap_far_less_than_if_they_ignored_each_other():
    settings, box, aware, blind = CONFIG.tissue, CONFIG.volume.size_um, 0, 0
    for seed in (1, 2, 3):
        trees, ignoring, others = [], [], Neighbours(box, 1.6)
        for row in range(14):
            soma = np.array([4.0, -6.0, 23.0 * (row + 0.5) / 14])
            trees.append(grow(soma, box, 40.0, settings, stream(seed, "test", row), others))
            others.add(trees[-1].points_um, row)
            ignoring.append(grow(soma, box, 40.0, settings, stream(seed, "test", row)))
        aware, blind = aware + overlaps(trees), blind + overlaps(ignoring)
    assert blind > 100
    assert aware < 0.5 * blind


def test_a_neuron_without_input_gets_a_stub(wiring):
    post = wiring.contact_post
    lone = int(build_tissue(CONFIG, wiring, wiring.a_start, 1, []).neuron_id[0] - 1)
    kept = np.flatnonzero(post != lone)
    edges = np.unique(wiring.contact_edge[kept], return_inverse=True)
    small = replace(
        wiring,
        pre=wiring.pre[edges[0]],
        post=wiring.post[edges[0]],
        contact_edge=edges[1],
        head_volume_um3=wiring.head_volume_um3[kept],
        along=wiring.along[kept],
        a_first=wiring.a_first[kept],
        is_potential=wiring.is_potential[kept],
    )
    tissue = build_tissue(CONFIG, small, small.a_start, 1, [])
    assert (tissue.neuron_row == 0).sum() == 0
    assert len(tissue.trees[0].pieces()) > 0


def test_too_many_neurons_for_the_block_are_refused_with_the_setting_to_change(wiring):
    crowded = CONFIG.model_copy(
        update={
            "volume": CONFIG.volume.model_copy(update={"shape_vox": (48, 90, 96)}),
            "tissue": CONFIG.tissue.model_copy(update={"n_imaged_neurons": 60}),
        }
    )
    with pytest.raises(
        SynimgError,
        match=r"60 neurons need \d+ um of dendrite, the block holds about \d+ um \(0.5 .* \d+ neurons\).*n_imaged_neurons",
    ):
        build_tissue(crowded, wiring, wiring.a_start, 1, [])


def with_tissue(**values):
    return CONFIG.model_copy(update={"tissue": CONFIG.tissue.model_copy(update=values)})


def test_as_many_neurons_are_imaged_as_the_packing_that_is_asked_for_takes(wiring):
    units, n_living = check_room(with_tissue(dendrite_um_per_um3=0.3), 128, wiring.contact_post, 1, is_grown=True)
    each = n_living[units] / CONFIG.tissue.spine_density_per_um / np.prod(BOX_UM)
    assert each.sum() == pytest.approx(0.3, abs=0.5 * each.max())
    wide = with_tissue(dendrite_um_per_um3=0.5)
    wide = wide.model_copy(update={"volume": CONFIG.volume.model_copy(update={"shape_vox": (200, 560, 660)})})
    with pytest.raises(SynimgError, match=r"all 128 neurons of the network have 0\.\d+ um per um\^3.*network\.n_units"):
        check_room(wide, 128, wiring.contact_post, 1, is_grown=True)


def test_with_sparse_labelling_a_neuron_looks_as_it_does_among_its_dark_neighbours(tissue, wiring, a_end):
    sparse = build_tissue(with_tissue(labelled_share=0.36), wiring, a_end, 1, [])
    assert len(sparse.trees) == sparse.neuron_id.size == 5
    assert np.isin(sparse.neuron_id, tissue.neuron_id).all()
    own = np.isin(wiring.contact_post + 1, sparse.neuron_id)
    np.testing.assert_array_equal(sparse.is_imaged, own & tissue.is_imaged)
    np.testing.assert_array_equal(sparse.position_um[own], tissue.position_um[own])
    assert np.isnan(sparse.position_um[~own]).all()
    np.testing.assert_array_equal(sparse.neuron_id[sparse.neuron_row[own]], wiring.contact_post[own] + 1)
    assert (sparse.neuron_row[~own] == -1).all()


def test_a_block_thinner_than_a_dendrite_needs_is_refused(wiring):
    thin = CONFIG.model_copy(update={"volume": CONFIG.volume.model_copy(update={"shape_vox": (8, 280, 330)})})
    with pytest.raises(SynimgError, match=r"1\.6 x 19\.6 x 23\.1 um.*enlarge volume\.shape_vox"):
        build_tissue(thin, wiring, wiring.a_start, 1, [])


def test_imported_trees_are_used_in_turn_and_hold_what_has_room(wiring):
    x = np.arange(0.0, 25.0)
    points = np.column_stack([np.full(25, 4.0), np.full(25, 10.0), x])
    stick = tree_of(points, np.r_[4.0, np.full(24, 0.3)], np.arange(-1, 24), np.r_[1, np.full(24, 3)])
    tissue = build_tissue(CONFIG, wiring, wiring.a_start, 1, [stick])
    count = np.bincount(tissue.neuron_row[tissue.is_imaged], minlength=14)
    for row, tree in enumerate(tissue.trees):
        room = tree.length_um(tree.pieces(CONFIG.volume.size_um)).sum() * CONFIG.tissue.spine_density_per_um * 1.2
        assert count[row] <= room
    assert tissue.is_imaged.sum() < np.isin(wiring.contact_post + 1, tissue.neuron_id).sum()


@pytest.mark.skipif(not REAL, reason="the real morphologies are not here; SYNIMG_DATA names their folder's parent")
def test_a_phantom_on_real_neurons_has_spines_on_real_dendrite(wiring):
    imported = [tree_of(*read_tree_arrays(path)) for path in REAL]
    tissue = build_tissue(CONFIG, wiring, wiring.a_start, 1, imported)
    for row, tree in enumerate(tissue.trees):
        base = tissue.base_um[tissue.neuron_row == row]
        room = int(tree.length_um(tree.pieces(CONFIG.volume.size_um)).sum() * CONFIG.tissue.spine_density_per_um)
        assert len(base) >= min((wiring.contact_post + 1 == tissue.neuron_id[row]).sum(), room) > 0
        dendrite = tree.points_um[tree.pieces()]
        assert cKDTree(dendrite).query(base)[0].max() < 0.41  # pieces are 0.4 um long at most
    outside = (tissue.soma_um < 0) | (tissue.soma_um > BOX_UM)
    assert outside.any(axis=1).all()
    neurons, _ = paint_labels(solids(tissue, VOXEL_UM, SHAPE_VOX), (0, 0, 0), SHAPE_VOX, VOXEL_UM)
    assert np.isin(tissue.neuron_id, neurons).all()
