"""What glows besides the network's synapses: as much as stated, where stated, and not learning."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import synimg
from synimg import schema
from synimg.config import Config, preset
from synimg.phantoms import discs, solids, surroundings
from synimg.phantoms.render import lights_near, render
from synimg.phantoms.solids import dendrite_capsules
from synimg.phantoms.stages.drawn import draw
from synimg.phantoms.stages.image import image_parts
from synimg.phantoms.surroundings import background_tables, crowd_of
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table

TINY = preset("tiny")
VOLUME_UM3 = float(np.prod(TINY.volume.size_um))


def with_(**surroundings):
    return Config.parse(TINY.model_dump() | {"surroundings": surroundings}, "test")


def crowd(seed=1, config=None, **surroundings):
    """What surrounds a network of 5000 contacts, of which 100 are imaged, after a loss of a quarter."""
    a_start = np.random.default_rng(seed).gamma(3.0, 20.0, 5000)
    return crowd_of(config or with_(**surroundings), a_start, np.full(5000, np.log(0.75)), 100, seed)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_other_synapses_fill_the_block_up_and_only_drift(seed):
    found = crowd(seed, synapses_per_um3=1.0)
    table = pd.concat(background_tables(found))
    wanted = VOLUME_UM3 - 100
    assert len(table) == pytest.approx(wanted, abs=5 * np.sqrt(wanted))
    place = table[["z_um", "y_um", "x_um"]].to_numpy()
    assert ((place >= 0) & (place < np.array(TINY.volume.size_um))).all()
    assert (table["background_id"] == np.arange(1, len(table) + 1)).all()
    assert (table["r_old_true"] + table["r_new_true"]).mean() == pytest.approx(60 * 0.75, rel=0.15)


def test_where_nothing_glows_there_is_no_crowd():
    assert crowd() is None


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_granules_lie_at_the_same_places_in_all_channels_and_are_dimmer_in_the_red(seed):
    found = crowd(seed, granules_per_um3=0.1)
    everywhere = np.zeros(3), np.array(TINY.volume.size_um)
    (green, light), (red, dim) = (found.near("dye_1", nm, *everywhere) for nm in (550.0, 650.0))
    np.testing.assert_array_equal(green, red)
    np.testing.assert_allclose(dim, 0.5 * light)
    n = len(green) / 60
    assert n == pytest.approx(0.1 * VOLUME_UM3, abs=5 * np.sqrt(0.1 * VOLUME_UM3))


@given(low=st.lists(st.floats(0, 0.9), min_size=3, max_size=3), part=st.floats(0.01, 0.5))
def test_all_light_of_a_box_is_near_it(low, part):
    found, size = crowd(synapses_per_um3=1.0, granules_per_um3=0.05, nonspecific_per_um3=0.2), TINY.volume.size_um
    low, high = np.array(low) * size, (np.array(low) + part) * size

    def inside(points, photons):
        held = ((points >= low) & (points < high)).all(axis=1)
        return points[held], photons[held]

    for near, all_ in zip(
        inside(*found.near("pulse", 671.0, low, high)),
        inside(*found.near("pulse", 671.0, np.zeros(3), np.array(size))),
        strict=True,
    ):
        np.testing.assert_array_equal(near, all_)


def test_a_crowd_shows_the_same_voxels_in_any_block(tiny_path):
    config = Config.parse(
        with_(synapses_per_um3=1.0, granules_per_um3=0.02).model_dump()
        | {"optics": {"chromatic_shift_um": {"pulse": (0.3, 0.1, 0.1)}}},
        "test",
    )
    channels, _, _ = image_parts(Dataset.open(tiny_path), config)
    whole = render(channels[:2], config, ((4, 10, 10), (20, 130, 150)))
    part = render(channels[:2], config, ((9, 63, 71), (7, 31, 45)))
    np.testing.assert_array_equal(part, whole[:, 5:12, 53:84, 61:106])


def test_the_long_parts_of_an_image_lie_in_files_and_give_the_same_voxels(tiny_path, tmp_path, monkeypatch):
    config, box = with_(synapses_per_um3=1.0, extrasynaptic_per_um2=19.0), ((8, 40, 48), (8, 40, 48))
    here, _, _ = image_parts(Dataset.open(tiny_path), config)
    monkeypatch.setattr(surroundings, "POINTS_AT_ONCE", 1000)
    monkeypatch.setattr(discs, "DISCS_AT_ONCE", 50)
    monkeypatch.setattr(solids, "CAPSULES_AT_ONCE", 300)
    filed, things, _ = image_parts(Dataset.open(tiny_path), config, folder=tmp_path)
    assert len(pickle.dumps((filed, things))) < 150_000
    np.testing.assert_array_equal(render(pickle.loads(pickle.dumps(filed)), config, box), render(here, config, box))


def places_of(path, config):
    """Where light comes from in the receptors' channels [voxels]."""
    channels, _, _ = image_parts(Dataset.open(path), config)
    everything = (np.full(3, -1e6), np.full(3, 1e6))
    return {c.name: np.vstack([places for places, _ in lights_near(c, config, *everything)]) for c in channels[:2]}


def test_extrasynaptic_receptors_lie_on_the_dendrites_surface_as_dense_as_stated(tiny_path):
    bare, rich = (places_of(tiny_path, with_(extrasynaptic_per_um2=d)) for d in (0.0, 19.0))
    n = {name: len(rich[name]) - len(bare[name]) for name in ("pulse", "chase")}
    config = TINY

    tissue = draw(Dataset.open(tiny_path), config, []).tissue
    start, end, radius, _, _ = (np.concatenate(column) for column in zip(*dendrite_capsules(tissue), strict=True))
    size = np.array(config.volume.size_um)
    near = ((np.minimum(start, end) < size) & (np.maximum(start, end) > 0)).all(axis=1)
    area = (2 * np.pi * radius * np.linalg.norm(end - start, axis=1))[near].sum()
    stay = np.exp(-config.receptors.exchange_per_day * config.training.window_days)
    wanted = 19.0 * area * stay * config.tag.pulse_efficiency
    assert n["pulse"] == pytest.approx(wanted, abs=5 * np.sqrt(wanted))
    assert n["chase"] > 0


def test_a_dense_data_set_has_its_other_synapses_in_the_truth(tmp_path):
    values = with_(synapses_per_um3=0.3, nonspecific_per_um3=0.05, granules_per_um3=0.01).model_dump()
    values["training"] |= {"n_updates": 4, "counterfactuals": False}
    values["volume"]["shape_vox"] = (32, 96, 128)
    values["tissue"]["n_imaged_neurons"] = 2
    dataset = synimg.generate(Config.parse(values, "test"), tmp_path / "mouse")
    background = read_table(dataset.path / "truth/background.parquet", schema.TRUTH_BACKGROUND)
    truth = read_table(dataset.path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    size = np.prod(dataset.config.volume.size_um)
    wanted = 0.3 * size - truth["is_imaged"].sum()
    assert len(background) == pytest.approx(wanted, abs=5 * np.sqrt(wanted))
    assert (background["labelled_old"] <= background["r_old_true"]).all()


def test_a_channel_with_a_chromatic_shift_shows_every_emitter_so_much_away(tiny_path):
    shifted = Config.parse(
        TINY.model_dump() | {"optics": {"chromatic_shift_um": {"pulse": (0.15, 0.04, -0.03)}}}, "test"
    )
    bare, moved = (places_of(tiny_path, config) for config in (TINY, shifted))
    voxel = np.array(TINY.volume.voxel_um)
    for name, shift in (("pulse", (0.15, 0.04, -0.03)), ("chase", (0.0, 0.0, 0.0))):
        there, here = (np.sort(found[name], axis=0) for found in (bare, moved))
        np.testing.assert_allclose((here - there) * voxel, np.tile(shift, (len(here), 1)), atol=1e-9)
