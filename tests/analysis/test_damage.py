"""Images of which a part cannot be read: the rest is measured, and the table says that it is incomplete."""

import re
import shutil

import numpy as np
import pytest
import typer
import zarr
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import cKDTree

import synimg
from synimg.analysis.beforehand import near_damage
from synimg.analysis.block import measure_block, tiles
from synimg.analysis.damage import is_near, read_recorded, share_lost, stand_in, why_lost
from synimg.analysis.measure import recording_of
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.quality import read_quality
from synimg.analysis.recording import Recording
from synimg.analysis.validate.run import not_measured
from synimg.cli.info import info
from synimg.cli.measure import measure as measure_command
from synimg.cli.repair import repair as repair_command
from synimg.errors import SynimgError
from synimg.phantoms.repair import repair
from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.image import image_attributes, read_block
from synimg.store.tables import read_notes, read_table

SMALL = MeasureSettings(tile_vox=(16, 40, 48), halo_vox=(4, 10, 10))
CHUNK = "image.ome.zarr/0/c/1/0/1/1"


@pytest.fixture(scope="module")
def whole(settings, tmp_path_factory):
    """A small data set, measured in four tiles. Copy it before changing it."""
    path = tmp_path_factory.mktemp("whole") / "mouse"
    synimg.generate(settings, path)
    synimg.measure(path, settings=SMALL)
    return path


@pytest.fixture(scope="module")
def incomplete(whole, tmp_path_factory):
    """A copy with a chunk of the channel `chase` cut off, measured again. Copy it before changing it."""
    path = tmp_path_factory.mktemp("incomplete") / "mouse"
    shutil.copytree(whole, path)
    (path / CHUNK).write_bytes((path / CHUNK).read_bytes()[:200])
    synimg.measure(path, "again", SMALL)
    return path


def files(path, run="default"):
    found = Dataset.open(path).index["stages"][f"{run}/measure"]["files"]
    return {name.replace(run, "RUN"): checksum for name, checksum in found.items()}


def test_beyond_the_margin_a_damaged_chunk_changes_no_synapse(tiny_path):
    recording = Recording.parse(image_attributes(tiny_path / "image.ome.zarr")["synimg"], "image")
    box, chunk, settings = ((0, 0, 0), (24, 90, 120)), ((0, 0, 60), (10, 40, 60)), MeasureSettings()
    grey = read_block(tiny_path / "image.ome.zarr", "0", box)
    lost = grey.copy()
    lost[:, :10, :40, 60:] = 0
    tile, spread = tiles(box[1], settings)[0], 8e-6
    whole, rest = (
        measure_block(image, recording, settings, spread, tile)
        for image in (grey, stand_in(lost, box, [chunk], recording))
    )
    far = ~near_damage(whole, [chunk], recording, settings)
    assert far.sum() > 20
    assert far.mean() < 0.9
    whole, rest = whole[far], rest[~near_damage(rest, [chunk], recording, settings)]
    apart, nearest = cKDTree(whole[PLACE]).query(rest[PLACE])
    assert len(rest) == len(whole)
    assert apart.max() < 0.01
    for name in ("pulse_electrons", "chase_electrons"):
        off = rest[name].to_numpy() - whole[name].to_numpy()[nearest]
        assert np.abs(off / whole[f"{name}_se"].to_numpy()[nearest]).max() < 0.2


def test_an_incomplete_table_names_the_place_until_repair_and_a_second_measurement(whole, incomplete, tmp_path):
    said = read_quality(incomplete / "analysis/again").warnings()[0]
    assert (
        "incomplete: 1 part of the image is missing, damaged or empty, at voxels z 0:8, y 40:80, x 48:96 (0.0 to 1.6"
        in said
    )
    assert read_notes(incomplete / "analysis/again/synapses.parquet")["missing"] == said
    mouse = shutil.copytree(incomplete, tmp_path / "mouse")
    synimg.measure(mouse, "again", SMALL, report=refuse)  # still damaged: there is nothing new to measure
    repair(mouse)
    synimg.measure(mouse, "again", SMALL)
    assert read_quality(mouse / "analysis/again").missing.places == []
    assert files(mouse, "again") == files(whole)


def test_the_command_says_incomplete_in_its_last_line_and_leaves_with_3(incomplete, tmp_path, capsys):
    mouse = shutil.copytree(incomplete, tmp_path / "mouse")
    with pytest.raises(typer.Exit) as stop:
        measure_command([mouse], run="again", workers=1)
    assert stop.value.exit_code == 3
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert re.search(r"synapses measured, INCOMPLETE: \d+% of the image could not be; next: synimg repair", last)
    info(mouse)
    assert re.search(r"incomplete +again 1 damaged chunk left out", capsys.readouterr().out)
    repair_command(mouse)
    assert "note: run 'again' was measured without them" in capsys.readouterr().err


def test_validation_expects_no_synapse_where_nothing_was_measured(incomplete):
    lost, share = not_measured(Dataset.open(incomplete), "again")
    assert share == read_quality(incomplete / "analysis/again").missing.share
    assert not lost(read_table(incomplete / "analysis/again/synapses.parquet")).any()
    assert 0.1 < lost(read_table(incomplete / "truth/synapses.parquet").query("is_imaged")).mean() < 0.9


def refuse(what, done, total):
    raise AssertionError(what)


def test_an_image_of_which_nothing_can_be_read_is_refused_and_leaves_nothing(whole, tmp_path):
    mouse = shutil.copytree(whole, tmp_path / "mouse")
    shutil.rmtree(mouse / "image.ome.zarr/0/c/0")
    with pytest.raises(SynimgError, match="no part of the image can be measured: its chunks are missing"):
        synimg.measure(mouse, "again", SMALL)
    assert not (mouse / "analysis/again").exists()
    assert not (mouse / ".partial").exists()


def test_a_stopped_measurement_goes_on_from_its_tiles_to_the_same_bytes(whole, tmp_path):
    mouse, measured = shutil.copytree(whole, tmp_path / "mouse"), []

    def stop_after(n):
        def report(what, done, total):
            if what == "measuring":
                measured.append(total)
                if done == n:
                    raise KeyboardInterrupt

        return report

    with pytest.raises(KeyboardInterrupt):
        synimg.measure(mouse, "again", SMALL, report=stop_after(3))
    synimg.measure(mouse, "again", SMALL, report=stop_after(99))
    assert (measured[0], measured[-1]) == (4, 2)  # the third was not kept yet when the stop came
    assert files(mouse, "again") == files(whole)
    assert not (mouse / ".partial").exists()


def test_a_chunk_of_one_grey_level_was_not_recorded_and_is_lost_too(whole, tmp_path):
    image = shutil.copytree(whole / "image.ome.zarr", tmp_path / "image.ome.zarr")
    recording, box = recording_of(image), ((0, 0, 0), (16, 80, 96))
    assert read_recorded(image, box, recording)[1] == []
    zarr.open_array(image / "0", mode="r+")[0, 8:, :40, 48:] = 100
    assert read_recorded(image, box, recording)[1] == [((8, 0, 48), (8, 40, 48))]
    zarr.open_array(image / "0", mode="r+")[0] = 100
    grey, lost = read_recorded(image, box, recording)
    assert stand_in(grey, box, lost, recording) is None
    assert why_lost(image, box, recording) == "channel 'pulse' holds the grey level 100 alone; it was not recorded"


boxes = st.lists(st.tuples(st.tuples(*[st.integers(0, 9)] * 3), st.tuples(*[st.integers(1, 6)] * 3)), max_size=4)


@given(boxes, st.tuples(*[st.integers(0, 3)] * 3))
def test_the_share_lost_is_that_of_the_voxels_near_damage(damaged, margin):
    shape = (11, 13, 12)
    points = np.argwhere(np.ones(shape))
    cut = [(f, tuple(max(min(n, s - a), 1) for n, s, a in zip(z, shape, f, strict=True))) for f, z in damaged]
    assert share_lost(cut, margin, shape) == pytest.approx(is_near(points, cut, margin).mean())
