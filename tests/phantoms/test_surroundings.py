"""What glows besides the network's synapses: as much as stated, where stated, and not learning."""

import numpy as np
import pytest

import synimg
from synimg import schema
from synimg.config import Config, preset
from synimg.phantoms.generate import _draw, image_parts
from synimg.phantoms.prepare import preparation_of
from synimg.phantoms.surroundings import granules, other_synapses
from synimg.phantoms.tissue import capsules
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table

TINY = preset("tiny")
VOLUME_UM3 = float(np.prod(TINY.volume.size_um))


def with_(**surroundings):
    return Config.parse(TINY.model_dump() | {"surroundings": surroundings}, "test")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_synapses_fill_the_block_up_and_only_drift(seed):
    config = with_(synapses_per_um3=1.0)
    rng = np.random.default_rng(seed)
    a_start, ln_change = rng.gamma(3.0, 20.0, 5000), -0.3 * np.ones(5000)
    others = other_synapses(config, a_start, ln_change, 100, preparation_of(config, seed), seed)
    assert len(others.position_um) == round(VOLUME_UM3) - 100
    assert (others.position_um >= 0).all()
    assert (others.position_um < np.array(config.volume.size_um)).all()
    total = others.counts.r_old + others.counts.r_new
    assert total.mean() == pytest.approx(60 * np.exp(-0.3), rel=0.15)
    none = other_synapses(with_(), a_start, ln_change, 100, preparation_of(config, seed), seed)
    assert len(none.position_um) == 0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_granules_lie_at_the_same_places_in_all_channels_and_are_dimmer_in_the_red(seed):
    config = with_(granules_per_um3=0.1)
    preparation = preparation_of(config, seed)
    (green, light), (red, dim) = (granules(config, nm, preparation, seed) for nm in (550.0, 650.0))
    np.testing.assert_array_equal(green, red)
    np.testing.assert_allclose(dim, 0.5 * light)
    n = len(green) / 60
    assert n == pytest.approx(0.1 * VOLUME_UM3, abs=5 * np.sqrt(0.1 * VOLUME_UM3))


def channels_of(path, config):
    dataset = Dataset.open(path)
    channels, _, _ = image_parts(dataset, config)
    everything = (np.full(3, -1e6), np.full(3, 1e6))
    return {c.name: c.emitters.near(*everything) for c in channels}


def test_extrasynaptic_receptors_lie_on_the_dendrites_surface_as_dense_as_stated(tiny_path):
    bare, rich = (channels_of(tiny_path, with_(extrasynaptic_per_um2=d)) for d in (0.0, 19.0))
    n = {name: len(rich[name][0]) - len(bare[name][0]) for name in ("pulse", "chase")}
    config = TINY

    *_, tissue = _draw(Dataset.open(tiny_path), config, [])
    start, end, radius, _, contact = capsules(tissue)
    size = np.array(config.volume.size_um)
    near = (contact < 0) & ((np.minimum(start, end) < size) & (np.maximum(start, end) > 0)).all(axis=1)
    area = (2 * np.pi * radius * np.linalg.norm(end - start, axis=1))[near].sum()
    stay = np.exp(-config.receptors.exchange_per_day * config.training.window_days)
    wanted = 19.0 * area * stay * config.tag.pulse_efficiency
    assert n["pulse"] == pytest.approx(wanted, abs=5 * np.sqrt(wanted))
    assert n["chase"] > 0
    assert len(rich["dye_1"][0]) == len(bare["dye_1"][0])


def test_a_dense_data_set_has_its_other_synapses_in_the_truth(tmp_path):
    values = with_(synapses_per_um3=0.3, nonspecific_per_um3=0.05, granules_per_um3=0.01).model_dump()
    values["training"] |= {"n_updates": 4, "counterfactuals": False}
    values["volume"]["shape_vox"] = (32, 96, 128)
    values["tissue"]["n_imaged_neurons"] = 2
    dataset = synimg.generate(Config.parse(values, "test"), tmp_path / "mouse")
    background = read_table(dataset.path / "truth/background.parquet", schema.TRUTH_BACKGROUND)
    truth = read_table(dataset.path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    size = np.prod(dataset.config.volume.size_um)
    assert len(background) + truth["is_imaged"].sum() == max(round(0.3 * size), truth["is_imaged"].sum())
    assert (background["labelled_old"] <= background["r_old_true"]).all()


def test_a_channel_with_a_chromatic_shift_shows_every_emitter_so_much_away(tiny_path):
    shifted = Config.parse(
        TINY.model_dump() | {"optics": {"chromatic_shift_um": {"pulse": (0.15, 0.04, -0.03)}}}, "test"
    )
    bare, moved = (channels_of(tiny_path, config) for config in (TINY, shifted))
    voxel = np.array(TINY.volume.voxel_um)
    for name, shift in (("pulse", (0.15, 0.04, -0.03)), ("chase", (0.0, 0.0, 0.0))):
        there, here = (np.sort(found[name][0], axis=0) for found in (bare, moved))
        np.testing.assert_allclose((here - there) * voxel, np.tile(shift, (len(here), 1)), atol=1e-9)
