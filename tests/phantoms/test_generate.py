"""The forward chain: the same bytes every way, and no work lost."""

import json

import numpy as np
import pytest

import synimg
from synimg import config, schema
from synimg.analysis.quality import read_quality
from synimg.errors import SynimgError
from synimg.phantoms.render import render
from synimg.phantoms.stages.image import image_parts
from synimg.store.dataset import Dataset
from synimg.store.image import image_attributes, read_block
from synimg.store.tables import read_notes, read_table


def sums(path):
    stages = Dataset.open(path).index["stages"]
    return {name: stages[name]["files"] for name in ("network", "tissue", "image")}


def test_the_truth_adds_up_and_says_what_learned_means(tiny_path):
    truth = read_table(tiny_path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    for prefix, change in (("", truth.a_end - truth.a_start), ("ln_", np.log(truth.a_end / truth.a_start))):
        causes = sum(truth[f"{prefix}{cause}"] for cause in ("learning", "homeostasis", "drift"))
        np.testing.assert_allclose(causes, change, atol=1e-11)
    assert "is_learned" in read_notes(tiny_path / "truth/synapses.parquet")
    assert truth.loc[truth.is_imaged, "z_um"].notna().all()


def test_two_workers_give_the_bytes_of_one(tiny_path, tmp_path):
    synimg.generate("tiny", tmp_path / "two", workers=2)
    assert sums(tmp_path / "two") == sums(tiny_path)


@pytest.mark.parametrize("moment", [("training the network", 1), ("rendering", 3), ("pyramid level 1", 1)])
def test_an_interrupted_run_resumes_to_the_same_bytes(tiny_path, tmp_path, moment):
    def interrupt(what, done, total):
        if (what, done) == moment:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synimg.generate("tiny", tmp_path / "mouse", report=interrupt)
    assert not Dataset.open(tmp_path / "mouse").is_done("image")
    rendered = []
    synimg.generate("tiny", tmp_path / "mouse", report=lambda what, done, total: rendered.append((what, total)))
    assert sums(tmp_path / "mouse") == sums(tiny_path)
    if moment[0] == "rendering":
        assert ("rendering", 6) in rendered  # two of eight blocks were kept: the third was done, not noted


def test_any_chunking_gives_the_same_voxels(tiny_path):
    settings = config.preset("tiny")
    channels, _, _ = image_parts(Dataset.open(tiny_path), settings)
    part = render(channels, settings, ((5, 31, 17), (9, 65, 97)))
    whole = read_block(tiny_path / "image.ome.zarr", "0", ((5, 31, 17), (9, 65, 97)))
    np.testing.assert_array_equal(part, whole)


def test_a_second_call_does_nothing(tiny_path):
    said = []
    synimg.generate("tiny", tiny_path, report=lambda *a: said.append(a))
    assert said == []


def test_a_label_readout_takes_the_place_of_dyes(tmp_path):
    values = config.preset("tiny").model_dump()
    values["identity"] = {"kind": "label_readout", "error_rate": 0.1}
    values["training"] |= {"n_updates": 5, "counterfactuals": False}
    synimg.generate(config.Config.parse(values, "test"), tmp_path / "mouse")
    table = synimg.measure(tmp_path / "mouse")
    assert (table["neuron_prob"] == 0.9).mean() > 0.8
    is_near = table["neuron_prob"].notna()  # a read-out lies within the gate
    assert not is_near.all()
    assert (table["neuron_id"].notna() == is_near).all()


def test_without_a_parent_label_synapses_are_measured_and_none_has_a_parent(settings, tmp_path):
    values = settings.model_dump() | {"identity": {"kind": "none"}}
    dataset = synimg.generate(config.Config.parse(values, "test"), tmp_path / "mouse")
    table = synimg.measure(dataset)
    quality = read_quality(dataset.run("default"))
    assert [c["name"] for c in image_attributes(dataset.image)["synimg"]["channels"]] == ["pulse", "chase"]
    assert len(table) > 5
    assert table["neuron_id"].isna().all()
    assert table["neuron_prob"].isna().all()
    assert quality.share_unassigned is None
    with pytest.raises(SynimgError, match="neuron_id' is empty in every row"):
        synimg.separate(table)


@pytest.mark.slow
@pytest.mark.parametrize("name", config.presets())
def test_every_preset_generates(name, tmp_path):
    values, tiny = config.preset(name).model_dump(), config.preset("tiny")
    values["volume"] = tiny.volume.model_dump()
    values["tissue"]["n_imaged_neurons"] = 5
    values["training"] |= {"n_updates": 6, "counterfactuals": False}
    dataset = synimg.generate(config.Config.parse(values, name), tmp_path / "mouse")
    assert dataset.is_done("image")
    truth = read_table(dataset.path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    assert truth["is_imaged"].sum() > 50


def test_how_the_sample_moved_between_channels_is_truth_and_not_known(settings, tmp_path):
    optics = {
        "chromatic_shift_um": {"pulse": (0.1, 0.0, 0.02), "chase": (0.0, 0.1, 0.0)},
        "motion_sd_um": (0.3, 0.1, 0.1),
    }
    dataset = synimg.generate(
        config.Config.parse(settings.model_dump() | {"optics": optics}, "test"), tmp_path / "mouse"
    )
    known = {c["name"]: c["shift_um"] for c in image_attributes(dataset.image)["synimg"]["channels"]}
    assert known == {"pulse": [0.1, 0.0, 0.02]} | dict.fromkeys(["chase", "dye_1", "dye_2", "dye_3", "dye_4"])
    channels, _, _ = image_parts(dataset, dataset.config)
    true = json.loads((dataset.path / "truth/channels.json").read_text())["shift_um"]
    assert true == {c.name: c.shift_um.tolist() for c in channels}
    assert true["pulse"] == known["pulse"]
    assert np.abs(np.array(true["chase"]) - (0.0, 0.1, 0.0)).min() > 0
