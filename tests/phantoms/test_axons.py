"""Axons: as long as asked, branching, past the synapses of their neuron, thin, outside the dendrites; the same wherever drawn."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy.spatial import cKDTree

import synimg
from synimg.compute import Pool
from synimg.config import Config, preset
from synimg.phantoms.axons import Stops, axons_of, draw_axons
from synimg.phantoms.receptors import draw_counts
from synimg.phantoms.render import build_channels, expected_photons
from synimg.phantoms.solids import paint_labels, solids
from synimg.phantoms.strands import axon_capsules
from synimg.phantoms.tissue import build_tissue
from synimg.phantoms.wiring import build_wiring
from synimg.schema import PLACE, TRUTH_AXONS, check
from synimg.store.image import read_block
from synimg.store.tables import read_table
from synimg.streams import stream

SHAPE_VOX = (40, 200, 240)


def config_of(um_per_um3, **more):
    return Config.parse(
        {
            "seed": 1,
            "volume": {"shape_vox": SHAPE_VOX},
            "tissue": {"n_imaged_neurons": 6},
            "network": {"n_units": 128},
            "axons": {"um_per_um3": um_per_um3, **more},
        },
        "test",
    )


CONFIG = config_of(0.3)
BOX_UM = np.array(CONFIG.volume.size_um)


@pytest.fixture(scope="module")
def wiring():
    return build_wiring(CONFIG, 1)


@pytest.fixture(scope="module")
def tissue(wiring):
    return build_tissue(CONFIG, wiring, wiring.a_start, 1, [])


@pytest.fixture(scope="module")
def tables(tissue, wiring, tmp_path_factory):
    return list(draw_axons(tissue, wiring.contact_pre, CONFIG, Pool(), tmp_path_factory.mktemp("axons")))


@pytest.fixture(scope="module")
def axons(tables):
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="module")
def capsules(tables):
    return axon_capsules(lambda: iter(tables), CONFIG)


@pytest.fixture(scope="module")
def things(tissue):
    return solids(tissue, CONFIG.volume.voxel_um, SHAPE_VOX)


def steps(axons):
    """Starts and ends of the pieces, and the row of each end."""
    child = np.flatnonzero(axons["parent_id"].notna())
    parent = axons["parent_id"].iloc[child].to_numpy(int) - 1
    place = axons[PLACE].to_numpy()
    return place[parent], place[child], child


def inside_um(axons):
    start, end, _ = steps(axons)
    inside = ((end > 0) & (end < BOX_UM)).all(axis=1)
    return np.linalg.norm(end - start, axis=1)[inside].sum()


def test_there_is_as_much_axon_as_asked_for(axons):
    last = axons[axons["axon_id"] == axons["axon_id"].max()]
    wanted = 0.3 * np.prod(BOX_UM)
    assert inside_um(axons.drop(last.index)) < wanted
    assert inside_um(axons) == pytest.approx(wanted, abs=60.0)


def test_the_table_keeps_its_contract_and_every_axon_is_one_tree(axons):
    check(axons, TRUTH_AXONS, "axons")
    assert (axons["point_id"] == np.arange(1, len(axons) + 1)).all()
    assert (axons["parent_id"].dropna() < axons["point_id"][axons["parent_id"].notna()]).all()
    roots = axons[axons["parent_id"].isna()]
    assert (roots["axon_id"].to_numpy() == np.arange(1, axons["axon_id"].max() + 1)).all()
    _, _, child = steps(axons)
    parent = axons["parent_id"].iloc[child].to_numpy(int) - 1
    assert (axons["axon_id"].to_numpy()[parent] == axons["axon_id"].to_numpy()[child]).all()


def test_axons_come_in_and_go_out_through_faces(axons):
    ends = axons[axons["parent_id"].isna()][PLACE].to_numpy()
    assert ((ends < 0) | (ends > BOX_UM)).any(axis=1).all()


def test_boutons_lie_on_the_discs_of_synapses_of_their_neuron(axons, tissue, wiring):
    served = axons[axons["synapse_id"].notna()]
    contact = served["synapse_id"].to_numpy(int) - 1
    wanted = tissue.position_um[contact] + CONFIG.axons.bouton_radius_um * tissue.normal[contact]
    np.testing.assert_allclose(served[PLACE].to_numpy(), wanted, atol=1e-9)
    assert (wiring.contact_pre[contact] + 1 == served["neuron_id"]).all()
    assert served["is_bouton"].all()
    assert served["synapse_id"].is_unique
    np.testing.assert_array_equal(axons["is_bouton"], axons["radius_um"] == CONFIG.axons.bouton_radius_um)


def test_all_synapses_of_a_neuron_are_served_before_the_next_one_has_axons(axons, tissue, wiring):
    bouton = tissue.position_um + CONFIG.axons.bouton_radius_um * tissue.normal
    there = tissue.is_imaged & ((bouton > 0) & (bouton < BOX_UM)).all(axis=1)
    whole = list(dict.fromkeys(axons["neuron_id"]))[:-1]
    assert len(whole) > 3
    wanted = np.flatnonzero(there & np.isin(wiring.contact_pre + 1, whole)) + 1
    assert set(wanted) <= set(axons["synapse_id"].dropna())


def lone_axons(n, box_um, branch_interval_um):
    """Axons of a neuron without synapses in a block."""
    settings = config_of(1.0, branch_interval_um=branch_interval_um).axons
    nothing = Stops(0, 1, np.zeros(0, int), np.zeros((0, 3)), np.zeros((0, 3)))
    return [axons_of(nothing, box_um, settings, stream(k, "test"))[0] for k in range(n)]


def test_branchings_and_boutons_are_as_far_apart_as_stated():
    drawn = lone_axons(60, (150.0, 150.0, 150.0), 60.0)
    length_um = sum(axon.length_um((150.0, 150.0, 150.0)) for axon in drawn)
    n_forks = sum(int((np.bincount(axon.tree.parent[1:]) > 1).sum()) for axon in drawn)
    assert length_um / n_forks == pytest.approx(60.0, rel=0.25)  # about 250 branchings: 4 sigma
    n_boutons = sum(int(axon.is_bouton.sum()) for axon in drawn)
    assert length_um / n_boutons == pytest.approx(4.5, rel=0.1)


def test_axons_are_as_straight_as_real_ones():
    ratios = []
    for axon in lone_axons(20, (150.0, 150.0, 150.0), 1e4):
        place = axon.tree.points_um
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(place, axis=0), axis=1))])
        for first in range(0, len(place) - 100, 100):
            way = place[first : first + 101]
            ratios.append((along[first + 100] - along[first]) / np.linalg.norm(way[-1] - way[0]))
    # 40 um of one real axon are 1.01 times as long as their chord, of another, in a wrinkled slice, 1.25
    assert 1.01 < np.median(ratios) < 1.1


def test_axons_run_around_dendrites(axons, tissue):
    points = np.concatenate([tree.points_um[tree.pieces()] for tree in tissue.trees])
    radius = np.concatenate([tree.radius_um[tree.pieces()] for tree in tissue.trees])
    free = axons[axons["synapse_id"].isna()]
    distance, nearest = cKDTree(points).query(free[PLACE].to_numpy())
    assert (distance < 0.8 * radius[nearest]).mean() < 0.005


def test_what_is_drawn_does_not_depend_on_how_it_is_cut(tissue, wiring, axons, tmp_path):
    class Backwards(Pool):
        """Does the pieces in another order, and more of them at once."""

        def run(self, function, items, shared=(), what="", report=None):
            return reversed(list(super().run(function, items, shared)))

    again = pd.concat(draw_axons(tissue, wiring.contact_pre, CONFIG, Backwards(), tmp_path), ignore_index=True)
    pd.testing.assert_frame_equal(again, axons)


def test_more_axon_than_the_synapses_need_passes_anywhere(tissue, wiring, tmp_path):
    most = config_of(4.0)
    axons = pd.concat(draw_axons(tissue, wiring.contact_pre, most, Pool(), tmp_path), ignore_index=True)
    assert inside_um(axons) == pytest.approx(4.0 * np.prod(BOX_UM), rel=0.02)
    served = axons.groupby("axon_id")["synapse_id"].count()
    assert (served == 0).mean() > 0.3
    assert set(np.flatnonzero(tissue.is_imaged) + 1) - set(axons["synapse_id"].dropna()) == set()


def test_the_dye_of_axons_has_their_volume_and_their_neurons_colour_and_nothing_else_changes(
    axons, tissue, capsules, things, wiring
):
    counts = draw_counts(wiring.a_start, wiring.a_start, CONFIG, 1)
    box = ((0, 0, 0), SHAPE_VOX)
    with_, without = (
        expected_photons(build_channels(CONFIG, tissue, counts, some, 1), CONFIG, box)
        for some in ((things, capsules), (things,))
    )
    np.testing.assert_array_equal(with_[:2], without[:2])  # no receptors on axons
    start, end, child = steps(axons)
    middle = 0.5 * (start + end)
    inside = ((middle > 0) & (middle < BOX_UM)).all(axis=1)
    volume = np.pi * axons["radius_um"].to_numpy()[child] ** 2 * np.linalg.norm(end - start, axis=1)
    known, row = np.unique(axons["neuron_id"].to_numpy()[child], return_inverse=True)
    photons = CONFIG.identity.photons(CONFIG.identity.codes(known, 1))
    wanted = (photons[row] * volume[:, None])[inside].sum(axis=0)
    np.testing.assert_allclose(
        (with_ - without)[2:].sum(axis=(1, 2, 3)), wanted, rtol=0.03
    )  # what lies at faces is cut


def test_a_block_shows_the_same_axons_whichever_way_the_image_is_cut(tissue, capsules, wiring, tables, tmp_path):
    counts = draw_counts(wiring.a_start, wiring.a_start, CONFIG, 1)
    channels = build_channels(CONFIG, tissue, counts, (capsules,), 1)
    whole = expected_photons(channels, CONFIG, ((0, 0, 0), SHAPE_VOX))
    filed = axon_capsules(lambda: iter(tables), CONFIG, tmp_path)
    channels = build_channels(CONFIG, tissue, counts, (filed,), 1)
    part = expected_photons(channels, CONFIG, ((7, 65, 97), (20, 64, 50)))
    np.testing.assert_array_equal(part, whole[:, 7:27, 65:129, 97:147])


def test_axons_are_painted_with_their_neuron(axons, tissue, capsules, things):
    neurons, synapses = paint_labels(things, (0, 0, 0), SHAPE_VOX, CONFIG.volume.voxel_um, capsules)
    ids = set(np.unique(neurons)) - {0}
    assert ids == set(tissue.neuron_id) | set(axons["neuron_id"])
    assert set(np.unique(synapses)) - {0} <= set(np.flatnonzero(tissue.is_imaged) + 1)


def test_a_data_set_has_its_axons_in_truth_labels_and_dyes_and_is_repaired(tiny_path, tmp_path):
    values = preset("tiny").model_dump() | {"axons": {"um_per_um3": 0.5}, "seed": 1}
    values["volume"] |= {"shape_vox": (32, 96, 112)}
    values["tissue"] |= {"n_imaged_neurons": 2}
    values["preparation"] = [{"kind": "expansion", "factor": 1.2}]
    config, mouse = Config.parse(values, "test"), tmp_path / "mouse"
    shutil.copytree(tiny_path, mouse, ignore=shutil.ignore_patterns("image.ome.zarr", "analysis", "morphology"))
    index = json.loads((mouse / "dataset.json").read_text())
    index["config"] = config.model_dump(mode="json")
    index["stages"] = {"network": index["stages"]["network"]}
    (mouse / "dataset.json").write_text(json.dumps(index))
    synimg.generate(config, mouse)
    axons = read_table(mouse / "truth/axons.parquet", TRUTH_AXONS)
    tissue_um = np.array(config.volume.size_um) / 1.2
    inside = ((axons[PLACE] > 0) & (axons[PLACE] < config.volume.size_um)).all(axis=1)
    assert inside.sum() * 0.4 == pytest.approx(0.5 * np.prod(tissue_um), rel=0.25)
    neurons = read_block(mouse / "image.ome.zarr", "labels/neurons/0", ((0, 0, 0), config.volume.shape_vox))
    assert len(set(np.unique(neurons)) & set(axons["neuron_id"])) > 5
    (mouse / "truth/axons.parquet").unlink()
    chunk = next(file for file in sorted((mouse / "image.ome.zarr/0/c").rglob("*")) if file.is_file())
    chunk.unlink()
    repaired, left = synimg.repair(mouse)
    assert (len(repaired), left) == (2, [])
