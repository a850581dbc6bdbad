"""Measurement of a data set, with and without its truth."""

import shutil

import numpy as np
import pandas as pd
import pytest
import zarr

import synimg
from synimg import schema
from synimg.analysis.block import tiles
from synimg.analysis.measure import recording_of
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.quality import read_quality
from synimg.analysis.recording import Recording
from synimg.analysis.separation_files import separate_dataset
from synimg.calibrate import receptors_of_dyes, unmixed
from synimg.errors import SynimgError
from synimg.store.atomic import read_json, write_json
from synimg.store.dataset import Dataset
from synimg.store.image import image_attributes, read_block
from synimg.store.tables import read_notes, read_table, write_table


def test_every_place_is_owned_by_one_tile():
    settings = MeasureSettings(tile_vox=(20, 30, 40))
    points = np.random.default_rng(1).uniform(-0.9, [31.9, 65.9, 97.9], (500, 3))
    owners = sum(
        ((points >= np.array(t.low)) & (points < np.array(t.high))).all(axis=1).astype(int)
        for t in tiles((32, 66, 98), settings)
    )
    assert (owners == 1).all()


def test_the_truth_is_never_opened(tiny_path, tiny_copy):
    shutil.rmtree(tiny_copy / "truth")
    shutil.rmtree(tiny_copy / "image.ome.zarr/labels")
    table = synimg.measure(tiny_copy, run="blind")
    pd.testing.assert_frame_equal(table, read_table(tiny_path / "analysis/default/synapses.parquet", schema.SYNAPSES))


def test_an_image_in_memory_gives_the_same_table(tiny_path):
    path = tiny_path / "image.ome.zarr"
    recording = Recording.parse(image_attributes(path)["synimg"], "image")
    table = synimg.measure_image(read_block(path, "0"), recording)
    expected = read_table(tiny_path / "analysis/default/synapses.parquet", schema.SYNAPSES)
    np.testing.assert_allclose(table["r_old"], expected["r_old"])


def test_most_synapses_are_found_and_counted_without_bias(tiny_path):
    scores = read_json(tiny_path / "analysis/default/scores.json")["imaging"]
    assert scores["f1"] > 0.85
    for name in ("r_old", "r_new"):
        assert scores["counts"][name]["bias"] == pytest.approx(1, abs=0.08)  # the median; 3 sigma for 220 of 40 counts
    assert scores["parents"]["accuracy"] > 0.8


def test_where_every_neuron_is_labelled_nearly_every_synapse_has_a_parent(tiny_path):
    folder = tiny_path / "analysis/default"
    table = read_table(folder / "synapses.parquet", schema.SYNAPSES)
    assert read_notes(folder / "detections.parquet")["others"]["share"] < 0.06
    assert table["neuron_id"].notna().mean() > 0.85
    assert (table["neuron_prob"].isna() == table["neuron_id"].isna()).all()
    assert read_quality(folder).share_unassigned == pytest.approx(table["neuron_id"].isna().mean())


def test_intervals_hold_though_neighbours_were_not_told_apart(tiny_path):
    matched = read_table(tiny_path / "analysis/default/matched.parquet")
    detections = read_table(tiny_path / "analysis/default/detections.parquet")
    hit = matched["true_synapse_id"].notna().to_numpy()
    z = [
        (matched[axis] - matched[f"{axis}_true"])[hit] / detections.loc[hit, f"{axis}_se"]
        for axis in ("z_um", "y_um", "x_um")
    ]
    assert (np.abs(z) < 1.96).mean() == pytest.approx(0.95, abs=0.035)  # 4 sigma of 640
    assert matched["merged_prob"].between(0, 1).all()


def test_calibration_undoes_labelling_and_blocking():
    tag = {"pulse_efficiency": 0.9, "blocking_efficiency": 0.95, "chase_efficiency": 0.8}
    old, new = np.array([90.0]), np.array([(50 + 100 * 0.1 * 0.05) * 0.8])
    r_old, _, r_new, *_ = receptors_of_dyes(old, new, np.zeros(1), np.zeros(1), tag)
    assert r_old[0] == pytest.approx(100)
    assert r_new[0] == pytest.approx(50)


@pytest.mark.parametrize("efficiencies", [(0.9, 0.95, 0.8), (0.6, 0.5, 0.7)])
def test_errors_and_covariance_of_receptors_are_their_scatter(efficiencies):
    p, b, q = efficiencies
    tag = {"pulse_efficiency": p, "blocking_efficiency": b, "chase_efficiency": q}
    rng, n = np.random.default_rng(1), 40_000
    there, arrived = 90, 60
    labelled, missed, _ = rng.multinomial(there, [p, (1 - p) * (1 - b), (1 - p) * b], n).T
    noise = rng.multivariate_normal([0, 0], [[30.0, 12.0], [12.0, 20.0]], n)
    old, new = labelled + noise[:, 0], rng.binomial(arrived + missed, q) + noise[:, 1]
    variance = np.full(n, 30.0), np.full(n, 20.0)
    r_old, old_se, r_new, new_se, cov = receptors_of_dyes(old, new, *variance, tag, np.full(n, 12.0))
    scatter = np.cov(r_old, r_new)
    assert old_se.mean() ** 2 == pytest.approx(scatter[0, 0], rel=0.03)  # 4 sigma
    assert new_se.mean() ** 2 == pytest.approx(scatter[1, 1], rel=0.03)
    unit = np.sqrt(scatter[0, 0] * scatter[1, 1])
    assert cov.mean() / unit == pytest.approx(scatter[0, 1] / unit, abs=0.02)  # 4 sigma of a correlation
    assert (cov**2 <= (old_se * new_se) ** 2).all()


def test_the_covariance_of_unmixed_counts_is_their_scatter():
    rng, n = np.random.default_rng(1), 40_000
    bleed, true = np.array([[0.0, 0.1], [0.3, 0.0]]), np.array([900.0, 400.0])
    noise = np.array([[2500.0, 500.0], [500.0, 1600.0]])
    seen = (np.eye(2) + bleed) @ true + rng.multivariate_normal([0, 0], noise, n)
    counts, covariance = unmixed(seen, np.tile(noise, (n, 1, 1)), bleed)
    np.testing.assert_allclose(counts.mean(axis=0), true, atol=1.5)  # 5 sigma
    np.testing.assert_allclose(covariance[0], np.cov(counts.T), atol=80)  # 5 sigma


def test_the_errors_of_both_counts_are_tied_as_their_covariance_says(tiny_path):
    found = read_json(tiny_path / "analysis/default/scores.json")["imaging"]["counts"]["correlation"]
    assert found["stated"] > 0.05  # they share a place, and the light of neighbours that hide
    assert found["seen"] == pytest.approx(found["stated"], abs=4 * found["seen_se"])


def test_a_data_set_without_image_says_what_to_run(tmp_path):
    from synimg import config

    Dataset.create(tmp_path / "mouse", config.preset("tiny"))
    with pytest.raises(SynimgError, match="image is not done yet; run 'synimg generate"):
        synimg.measure(tmp_path / "mouse")


def test_the_quality_report_agrees_with_the_truth(tiny_path):
    folder = tiny_path / "analysis/default"
    quality, scores = read_quality(folder), read_json(folder / "scores.json")["imaging"]
    assert quality.n_synapses == scores["n_found"]
    assert quality.share_found == pytest.approx(scores["recall"], abs=0.1)
    assert 3 < quality.detection_limit_receptors < 40  # tens of receptors, as many as a small synapse has
    assert quality.misfit == pytest.approx(1, abs=0.1)
    assert quality.share_saturated == 0
    assert 1e-6 < quality.false_per_um3.per_um3 < 3e-3  # 1e-4 by 60 000 um^3 of noise; half of it here is tens of um^3
    assert quality.false_per_um3.lo < quality.false_per_um3.per_um3 < quality.false_per_um3.hi
    assert "false by noise, per um^3" in quality.headlines()
    assert quality.optics.shift_um == pytest.approx([0, 0, 0], abs=0.05)


def test_sizes_are_those_of_the_true_discs_where_they_can_be_told(tiny_path):
    folder = tiny_path / "analysis/default"
    detections, matched = read_table(folder / "detections.parquet"), read_table(folder / "matched.parquet")
    assert matched["size"].notna().equals(detections["area_um2"].notna())
    assert matched.loc[(detections["form"] == "point").fillna(False), "size"].isna().all()
    sized = matched[matched["size"].notna() & matched["true_synapse_id"].notna()]
    assert len(sized) > 20
    true = sized["a_end_true"] / Dataset.open(tiny_path).config.tissue.psd_density_per_um2
    assert (sized["size"] / true).median() == pytest.approx(1, abs=0.15)  # 3 sigma of 20 with errors of a fifth
    assert (np.abs(sized["size"] - true) < 1.96 * sized["size_se"]).mean() > 0.8


def test_an_image_without_a_synapse_gives_an_empty_table_and_says_so(tiny_path):
    path = tiny_path / "image.ome.zarr"
    recording = Recording.parse(image_attributes(path)["synimg"], "image")
    rng = np.random.default_rng(1)
    grey = np.round(100 + 2.17 * rng.poisson(5.0, (len(recording.channels), 24, 70, 90))).astype(np.uint16)
    table = synimg.measure_image(grey, recording)
    assert len(table) <= 1
    assert list(table)[:3] == ["synapse_id", "animal_id", "group"]


def test_an_empty_table_is_where_the_way_ends_in_one_sentence(tiny_copy):
    dataset = Dataset.open(tiny_copy)
    dataset.drop("default/separate", "default/validate")
    table = tiny_copy / "analysis/default/synapses.parquet"
    write_table(table, read_table(table, schema.SYNAPSES).iloc[:0], schema.SYNAPSES)
    for step in (separate_dataset, synimg.validate, synimg.report):
        with pytest.raises(SynimgError, match="no synapse was found in its image"):
            step(tiny_copy)


@pytest.mark.slow
def test_a_shift_that_is_not_stated_is_found(tiny_path):
    path = tiny_path / "image.ome.zarr"
    facts = image_attributes(path)["synimg"]
    recording = Recording.parse(facts, "image")
    grey, index = read_block(path, "0").copy(), recording.receptor_index
    grey[index[1]] = np.roll(grey[index[1]], (1, 2, -2), axis=(0, 1, 2))
    unknown = {**facts, "channels": [{**c, "shift_um": None} for c in facts["channels"]]}
    blind = synimg.measure_image(grey, Recording.parse(unknown, "image"))
    known = synimg.measure_image(read_block(path, "0"), recording)
    assert len(blind) == pytest.approx(len(known), rel=0.05)
    assert blind["r_old"].median() == pytest.approx(known["r_old"].median(), rel=0.05)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        (
            {"camera": {"kind": "scmos", "offset_adu": 140.0}},
            "half of its grey levels lie .* below the camera's offset",
        ),
        (
            {"camera": {"kind": "scmos", "offset_adu": 112.0}},
            "noise of channel 'pulse' has .* times the variance that the camera's offset of 112, gain",
        ),
        (
            {"camera": {"kind": "scmos", "gain_adu_per_electron": 0.2}},
            "stand out from the noise that the camera's offset",
        ),
        ({"psf_sigma_um": (10.0, 1.0, 1.0)}, "point spread function of 'pulse' is 23.6 um wide along z, the image is"),
        ({"constant": True}, "channel 'pulse' holds the grey level 100 alone"),
    ],
)
def test_a_recording_that_does_not_fit_its_image_is_refused_at_once(tiny_path, facts, sentence):
    path = tiny_path / "image.ome.zarr"
    known = image_attributes(path)["synimg"]
    grey = read_block(path, "0", ((0, 0, 0), (32, 80, 90)))
    if facts.pop("constant", False):
        grey[Recording.parse(known, "image").receptor_index[0]] = 100
    if psf := facts.pop("psf_sigma_um", None):
        known["channels"] = [{**c, "psf_sigma_um": psf} for c in known["channels"]]
    with pytest.raises(SynimgError, match=sentence):
        synimg.measure_image(grey, Recording.parse(known | facts, "image"))


def exchanged(names):
    return [names[1], names[0], *names[2:]]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda facts: facts["synimg"]["channels"].pop(), "its metadata name 5 channels .*, the image has 6"),
        (
            lambda facts: facts["synimg"].update(voxel_um=[0.2, 0.1, 0.1]),
            "have 0.2, 0.1, 0.1 um by 'synimg' and 0.2, 0.07",
        ),
        (
            lambda facts: facts["synimg"].update(voxel_um=[0.2, 0, 0.1]),
            "voxel_um.1' = 0: input should be greater than 0",
        ),
        (lambda facts: facts["synimg"].pop("voxel_um"), "'voxel_um' is missing"),
        (
            lambda facts: facts["ome"]["omero"].update(channels=exchanged(facts["ome"]["omero"]["channels"])),
            "order of its channels is pulse, chase, .* by 'synimg' and chase, pulse, .* by 'omero'",
        ),
    ],
)
def test_metadata_that_contradict_the_voxels_or_each_other_are_refused(tiny_path, tmp_path, change, sentence):
    image = tmp_path / "image.ome.zarr"
    (image / "0").mkdir(parents=True)
    shutil.copy(tiny_path / "image.ome.zarr/0/zarr.json", image / "0")
    group = read_json(tiny_path / "image.ome.zarr/zarr.json")
    change(group["attributes"])
    write_json(image / "zarr.json", group)
    with pytest.raises(SynimgError, match=sentence):
        recording_of(image)


@pytest.mark.parametrize(("dtype", "shape"), [("float32", (2, 6, 20, 30)), ("uint16", (6, 20, 30))])
def test_voxels_that_are_no_grey_levels_are_refused(tiny_path, tmp_path, dtype, shape):
    image = tmp_path / "image.ome.zarr"
    image.mkdir()
    shutil.copy(tiny_path / "image.ome.zarr/zarr.json", image)
    zarr.create_array(image / "0", shape=shape, dtype=dtype)
    with pytest.raises(SynimgError, match=f"holds {dtype} along {len(shape)} axes; grey levels are uint16"):
        recording_of(image)
