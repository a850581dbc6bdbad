"""Preparation: every map can be undone, lengths and dyes change as stated, and the image shows it."""

import json

import numpy as np
import pytest

import synimg
from synimg import schema
from synimg.config import Config, preset
from synimg.errors import SynimgError
from synimg.family import names, part
from synimg.phantoms.prepare import Preparation, preparation_of, preparation_of_facts, tissue_config
from synimg.store.tables import read_table

KINDS = names("synimg.phantoms.preparation")
SIZE_UM = (9.0, 30.0, 40.0)
ALL = [
    {"kind": "shrinkage", "loss": [0.2, 0.05, 0.08]},
    {"kind": "sections", "thickness_um": 2.0, "lost_share": 0.3, "compression": 0.1, "alignment_sd_um": 0.2},
    {"kind": "affine"},
    {"kind": "warp"},
    {"kind": "expansion", "factor": 4.0, "retention": 0.5},
]


def places(n=400):
    return np.random.default_rng(1).random((n, 3)) * np.array(SIZE_UM)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_every_step_can_be_undone_and_scales_as_it_says(kind, seed):
    step = part("synimg.phantoms.preparation", kind)()
    moved = step.forward(places(), SIZE_UM, seed)
    np.testing.assert_allclose(step.backward(moved, SIZE_UM, seed), places(), atol=1e-3)  # 1 nm
    for axis in range(3):
        slope = np.polyfit(places()[:, axis], moved[:, axis], 1)[0]
        assert slope == pytest.approx(step.scale[axis], rel=0.05)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_whole_preparation_can_be_undone_also_from_what_was_written_down(seed):
    config = Config.parse({"preparation": ALL, "seed": seed}, "test")
    preparation = preparation_of(config, seed)
    points = np.random.default_rng(seed).random((300, 3)) * np.array(tissue_config(config).volume.size_um)
    again = preparation_of_facts(json.loads(json.dumps(preparation.facts())))
    np.testing.assert_array_equal(again.to_image(points), preparation.to_image(points))
    np.testing.assert_allclose(again.to_tissue(preparation.to_image(points)), points, atol=1e-3)
    np.testing.assert_array_equal(again.is_kept(points), preparation.is_kept(points))
    assert preparation.retention == 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_warp_moves_places_by_its_standard_deviation(seed):
    warp = part("synimg.phantoms.preparation", "warp")(sd_um=0.5, scale_um=5.0)
    wide = (300.0, 300.0, 300.0)
    points = np.random.default_rng(seed).random((20_000, 3)) * 300
    assert (warp.forward(points, wide, seed) - points).std() == pytest.approx(0.5, rel=0.03)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_as_many_sections_are_lost_as_stated_and_whole_ones(seed):
    cut = part("synimg.phantoms.preparation", "sections")(thickness_um=0.1, lost_share=0.2)
    z = np.arange(0.05, 200, 0.1)
    points = np.column_stack([z, z, z])
    kept = cut.is_kept(points, (200.0, 1.0, 1.0), seed)
    assert 1 - kept.mean() == pytest.approx(0.2, abs=0.045)  # 5 sigma
    np.testing.assert_array_equal(cut.is_kept(points + 0.04, (200.0, 1.0, 1.0), seed), kept)


def test_no_step_changes_nothing():
    nothing = Preparation((), (), ())
    np.testing.assert_array_equal(nothing.to_image(places()), places())
    assert nothing.scale == (1.0, 1.0, 1.0)
    assert nothing.retention == 1.0


def test_an_expanded_data_set_has_both_places_of_every_synapse_and_is_measured(tmp_path):
    values = preset("tiny").model_dump()
    values["training"] |= {"n_updates": 4, "counterfactuals": False}
    values["identity"] = {"kind": "label_readout"}
    values["volume"]["shape_vox"] = (32, 160, 160)
    values["tissue"]["n_imaged_neurons"] = 3
    values["preparation"] = [{"kind": "expansion", "factor": 1.5, "retention": 0.8}, {"kind": "warp", "sd_um": 0.1}]
    dataset = synimg.generate(Config.parse(values, "test"), tmp_path / "mouse")
    truth = read_table(dataset.path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    truth = truth[truth["is_imaged"]]
    there, here = (truth[[f"{p}{a}_um" for a in "zyx"]].to_numpy() for p in ("tissue_", ""))
    assert np.abs(here - 1.5 * there).max() < 0.6
    back = preparation_of_facts(json.loads((dataset.path / "truth/preparation.json").read_text()))
    np.testing.assert_allclose(back.to_tissue(here), there, atol=1e-3)
    # lost dyes are in the metadata: receptors come out unbiased
    table = synimg.measure(dataset)
    assert table["r_old"].median() == pytest.approx(truth["r_old_true"].median(), rel=0.35)


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ({"kind": "warp", "sd_um": 9.0}, "folds the tissue"),
        ({"kind": "expansion", "factor": 0.2}, "greater than or equal to 1"),
        ({"kind": "expand"}, "did you mean 'expansion'"),
        ({"kind": "shrinkage", "loss": [0.99, 0, 0]}, "below 0.95"),
    ],
)
def test_a_step_that_cannot_be_is_one_sentence(step, said):
    with pytest.raises(SynimgError, match=said):
        Config.parse({"preparation": [step]}, "test")
