"""Dendrites: the length that was asked for, inside the block; imported trees placed with their soma outside."""

import os
from pathlib import Path

import numpy as np
import pytest

from synimg.config import Tissue
from synimg.phantoms.morphology import (
    Tree,
    branches_of,
    branching_lengths_um,
    branching_of,
    grow,
    place,
    resample,
    section_lengths_um,
    sholl_crossings,
)
from synimg.phantoms.tissue import tree_of
from synimg.store.morphology import read_tree_arrays
from synimg.streams import stream

BOX_UM = (9.6, 31.0, 37.0)
SOMA_UM = np.array([4.0, -7.0, 15.0])
DATA = Path(os.environ.get("SYNIMG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "morphology"
REAL = sorted(DATA.glob("*.asc"))


def grown(seed: int, length_um: float = 60.0) -> Tree:
    return grow(SOMA_UM, BOX_UM, length_um, Tissue(), stream(seed, "test"))


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("length_um", [5.0, 60.0, 150.0])
def test_a_grown_tree_has_the_length_asked_for_inside_the_box(seed, length_um):
    tree = grown(seed, length_um)
    inside = tree.length_um(tree.pieces(BOX_UM)).sum()
    assert length_um - 1e-6 <= inside <= length_um + 0.4 + 1e-6  # one step of the walk


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_grown_tree_is_one_tree_with_parents_before_children(seed):
    tree = grown(seed)
    assert tree.parent[0] == -1
    assert (tree.parent[1:] < np.arange(1, tree.parent.size)).all()
    assert (tree.parent[1:] >= 0).all()
    assert (np.bincount(tree.parent[1:])[1:] <= 2).all()


def test_a_grown_tree_starts_at_its_soma_outside_and_never_leaves_the_box_again():
    tree = grown(1, 150.0)
    np.testing.assert_array_equal(tree.points_um[0], SOMA_UM)
    inside = ((tree.points_um > 0) & (tree.points_um < np.array(BOX_UM))).all(axis=1)
    left = ~inside[1:] & inside[tree.parent[1:]]
    assert left.sum() == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_neuron_reaches_into_the_block_by_as_many_dendrites_as_stated(seed):
    settings = Tissue(n_primary_dendrites=3, segment_um=60.0)
    tree = grow(SOMA_UM, BOX_UM, 150.0, settings, stream(seed, "test"))
    assert (tree.parent == 0).sum() == branching_of(tree)[0] == 3
    stem = np.arange(tree.parent.size)
    for i in np.flatnonzero(tree.parent > 0):
        stem[i] = stem[tree.parent[i]]
    pieces = tree.pieces(BOX_UM)
    inside_um = [tree.length_um(pieces[stem[pieces] == k]).sum() for k in (1, 2, 3)]
    assert min(inside_um) > 20.0
    assert sum(inside_um) == pytest.approx(150.0, abs=0.5)
    assert tree.branch[1:4].tolist() == [1, 2, 3]


@pytest.mark.skipif(not REAL, reason="the real morphologies are not here; SYNIMG_DATA names their folder's parent")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_tree_grown_like_a_real_one_has_its_sections_and_its_reach(path):
    real = tree_of(*read_tree_arrays(path))
    inside = real.points_um[real.pieces()]
    room = real.points_um[0] - inside.min(axis=0), tuple(np.ptp(inside, axis=0) + 1.0)
    n, segment_um, fork_share = branching_of(real)
    like = Tissue(n_primary_dendrites=n, segment_um=segment_um, fork_share=fork_share, bend=0.03, pace_sd_ln=0.4)
    length_um = real.length_um(real.pieces()).sum()
    trees = [grow(*room, length_um, like, stream(seed, "test")) for seed in range(16)]
    n_sections = np.mean([section_lengths_um(tree).size for tree in trees])
    assert n_sections == pytest.approx(section_lengths_um(real).size, rel=0.3)  # one tree: sd 0.25
    assert np.mean([reach_um(tree) for tree in trees]) == pytest.approx(reach_um(real), rel=0.3)
    farthest = [farthest_um(tree) for tree in trees]
    assert min(farthest) < farthest_um(real) < max(farthest)  # 303 of 178 to 309 um, with even paces at most 240


def farthest_um(tree: Tree) -> float:
    """Distance of the farthest dendrite from the soma."""
    return float(np.linalg.norm(tree.points_um[tree.pieces()] - tree.points_um[0], axis=1).max())


def reach_um(tree: Tree) -> float:
    """Median distance of dendrite from the soma."""
    pieces = tree.pieces()
    distance = np.linalg.norm(tree.points_um[pieces] - tree.points_um[0], axis=1)
    order = np.argsort(distance)
    length = np.cumsum(tree.length_um(pieces)[order])
    return float(distance[order][np.searchsorted(length, 0.5 * length[-1])])


def test_straighter_dendrites_and_uneven_paces_reach_farther_and_a_smaller_share_of_forks_makes_fewer_sections():
    box = (200.0, 300.0, 300.0)
    soma = 0.5 * np.array(box)

    def mean(measure, **settings):
        like = Tissue(n_primary_dendrites=5, segment_um=30.0, **settings)
        return np.mean([measure(grow(soma, box, 1500.0, like, stream(seed, "test"))) for seed in range(4)])

    assert mean(reach_um, bend=0.03) > 1.3 * mean(reach_um)

    assert mean(farthest_um, bend=0.03, pace_sd_ln=0.4) > 1.15 * mean(farthest_um, bend=0.03)

    def n_sections(tree):
        return section_lengths_um(tree).size

    assert mean(n_sections, fork_share=0.4) < 0.8 * mean(n_sections)


def test_a_grown_tree_bends_smoothly_and_tapers():
    tree = grown(1)
    child = tree.pieces()
    child = child[(tree.parent[tree.parent[child]] >= 0) & (tree.branch[child] == tree.branch[tree.parent[child]])]
    step = tree.points_um - tree.points_um[tree.parent]
    step /= np.maximum(np.linalg.norm(step, axis=1, keepdims=True), 1e-12)
    turn = (step[child] * step[tree.parent[child]]).sum(axis=1)
    assert np.median(turn) > 0.95
    assert tree.radius_um[-1] < tree.radius_um[1] <= Tissue().dendrite_radius_um


def test_sections_have_the_mean_length_of_the_settings():
    length_um, n_ended, n_sections = 0.0, 0, 0
    for seed in range(20):
        tree = grow(SOMA_UM, (40.0, 80.0, 80.0), 400.0, Tissue(segment_um=6.0), stream(seed, "test"))
        later = tree.branch > 1  # the first section also has to reach the box
        n_children = np.bincount(tree.parent[1:], minlength=tree.parent.size)
        length_um += 0.4 * later.sum()
        n_ended += (later & (n_children == 2)).sum()
        n_sections += np.unique(tree.branch[later]).size
    # maximum likelihood with the unfinished sections as censored; every section has 0.8 um before it may end
    mean_um = (length_um - 0.8 * n_sections) / n_ended
    assert mean_um == pytest.approx(6.0, abs=4 * 6.0 / np.sqrt(n_ended) + 0.2)  # 0.2 um: half a step


def test_the_same_stream_grows_the_same_tree_and_another_one_does_not():
    np.testing.assert_array_equal(grown(1).points_um, grown(1).points_um)
    assert not np.array_equal(grown(1).points_um, grown(2).points_um)


def test_a_branch_is_an_unbranched_section():
    parent = np.array([-1, 0, 1, 2, 2, 4, 0])
    kind = np.array([1, 3, 3, 3, 3, 3, 2])
    branch = branches_of(parent, kind)
    assert branch[1] == branch[2]
    assert branch[4] == branch[5]
    assert len(set(branch)) == 5


def test_resampling_keeps_length_branches_and_radii_and_shortens_the_pieces():
    tree = tree_of(
        np.array([[0, 0, 0], [0, 5, 0], [0, 9, 3.0], [0, 9, -3.0]]),
        np.array([5, 0.5, 0.4, 0.3]),
        np.array([-1, 0, 1, 1]),
        np.array([1, 3, 3, 3]),
    )
    fine = resample(tree, 0.3)
    pieces = fine.pieces()
    assert fine.length_um(pieces).max() <= 0.3 + 1e-9
    assert fine.length_um(pieces).sum() == pytest.approx(tree.length_um(tree.pieces()).sum())
    assert set(fine.branch) == set(tree.branch)
    assert fine.radius_um[pieces].max() <= 0.5  # the soma's radius does not leak into the dendrite


def test_axon_is_no_place_for_spines():
    tree = tree_of(
        np.array([[5, 5, 5], [5, 9, 5], [5, 13, 5.0], [5, 5, 9]]),
        np.ones(4),
        np.array([-1, 0, 1, 0]),
        np.array([1, 2, 2, 3]),
    )
    assert tree.pieces().tolist() == [3]


@pytest.mark.skipif(not REAL, reason="the real morphologies are not here; SYNIMG_DATA names their folder's parent")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_real_neuron_is_moved_rigidly_with_dendrite_in_the_box_and_the_soma_outside(path, seed):
    tree = tree_of(*read_tree_arrays(path))
    placed = place(tree, BOX_UM, stream(seed, "test"))
    every = np.arange(1, tree.parent.size)
    np.testing.assert_allclose(placed.length_um(every), tree.length_um(every), rtol=1e-9, atol=1e-9)
    assert placed.length_um(placed.pieces(BOX_UM)).sum() > 30.0
    soma, clear = placed.points_um[0], tree.radius_um[0]
    assert ((soma < -clear) | (soma > np.array(BOX_UM) + clear)).any()


def test_imported_neurons_lie_anywhere_in_a_block_that_is_wider_than_they_are():
    tree, box_um = grown(1), (9.6, 400.0, 500.0)
    middles = np.array([np.mean(place(tree, box_um, stream(seed, "test")).points_um, axis=0) for seed in range(60)])
    for axis in (1, 2):
        assert np.histogram(middles[:, axis], 4, (0.0, box_um[axis]))[0].min() > 5


def test_where_every_section_branches_the_sections_of_a_tree_have_half_of_the_way_to_a_branching():
    room = np.array([75.0, 125.0, 125.0]), (150.0, 250.0, 250.0)
    trees = [grow(*room, 2000.0, Tissue(segment_um=12.0), stream(seed, "test")) for seed in range(16)]
    # Yule's process: 12 / 2, and the 0.8 um that every section has before it may end; sd of a tree 0.55
    assert np.mean([section_lengths_um(tree).mean() for tree in trees]) == pytest.approx(6.8, abs=4 * 0.55 / 4)
    assert np.mean([branching_lengths_um(tree).mean() for tree in trees]) == pytest.approx(6.8, abs=1.0)


def test_sholl_counts_the_branches_at_a_distance_and_sections_are_as_long_as_they_are():
    """A trunk of 30 um that forks into 50 and 20 um."""
    points = np.array([[0, 0, 0], [0, 0, 30], [0, 40, 60], [0, -12, 46]], float)
    parent, kinds = np.array([-1, 0, 1, 1]), np.array([1, 3, 3, 3])
    tree = tree_of(points, np.ones(4), parent, kinds)
    radius, crossings = sholl_crossings(tree, 10.0)
    np.testing.assert_array_equal(radius, [10, 20, 30, 40, 50, 60, 70, 80])
    np.testing.assert_array_equal(crossings, [1, 1, 1, 2, 1, 1, 1, 0])
    np.testing.assert_allclose(np.sort(section_lengths_um(tree)), [20, 30, 50])
    assert branching_lengths_um(tree).tolist() == [30]
