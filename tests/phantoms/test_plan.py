"""The plan says what comes: voxels and emitters exactly or nearly, bytes within a factor, and what cannot be is refused."""

import shutil

import numpy as np
import pytest

import synimg
from synimg import compute, schema
from synimg.cli.generate import generate as generate_command
from synimg.config import Config, preset, presets, to_toml
from synimg.errors import SynimgError
from synimg.phantoms import generate
from synimg.phantoms.axons import draw_axons
from synimg.phantoms.plan import check_tissue
from synimg.phantoms.prepare import preparation_of
from synimg.phantoms.render import build_channels, lights_near
from synimg.phantoms.stages.drawn import draw
from synimg.phantoms.stages.image import image_parts
from synimg.phantoms.strands import axon_capsules
from synimg.phantoms.surroundings import shaft_lights
from synimg.store import atomic
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table


def test_the_plan_of_a_data_set_is_near_what_it_became(tiny_path):
    found = synimg.plan("tiny", tiny_path)
    dataset = Dataset.open(tiny_path)
    channels, _, _ = image_parts(dataset, dataset.config)
    assert found.n_voxels == 32 * 160 * 192
    assert found.n_channels == len(channels)
    assert found.n_emitters == pytest.approx(sum(n_points(channel, dataset.config) for channel in channels), rel=0.5)
    on_disk = sum(f.stat().st_size for f in dataset.image.rglob("*") if f.is_file())
    assert found.bytes_on_disk == pytest.approx(on_disk, rel=0.3)
    truth = read_table(tiny_path / "truth/synapses.parquet", schema.TRUTH_SYNAPSES)
    dendrite_um = truth["is_imaged"].sum() / dataset.config.tissue.spine_density_per_um
    assert found.dendrite_um_per_um3 == pytest.approx(dendrite_um / np.prod(dataset.config.volume.size_um), rel=0.1)
    assert found.seconds > 0
    assert found.seconds_training > 0
    assert found.notes == ()


def n_points(channel, config):
    """Points of light of a channel, near the image."""
    return sum(
        len(places) for places, _ in lights_near(channel, config, np.zeros(3), np.array(config.volume.shape_vox))
    )


def test_axons_count_in_the_plan(tiny_path, tmp_path):
    config = Config.parse(preset("tiny").model_dump() | {"axons": {"um_per_um3": 3.0}}, "test")
    bare = synimg.plan("tiny", tiny_path).n_emitters
    dataset = Dataset.open(tiny_path)
    drawn = draw(dataset, config, [])
    tables = list(draw_axons(drawn.grown, drawn.wiring.contact_pre, config, compute.Pool(), tmp_path))
    axons = axon_capsules(lambda: iter(tables), config)
    channels = build_channels(config, drawn.grown, drawn.counts, (axons,), 1)
    n = sum(n_points(channel, config) for channel in channels if channel.strands)
    assert synimg.plan(config, tiny_path).n_emitters - bare == pytest.approx(n, rel=0.3)


def test_what_does_not_fit_on_the_disk_is_refused_before_anything_is_made(monkeypatch, tmp_path):
    small = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda path: small)
    with pytest.raises(SynimgError, match=r"take about .* GB, the disk of .* has 0\.0001 GB free"):
        synimg.plan("tiny", tmp_path / "mouse")
    assert not any(tmp_path.iterdir())


def test_a_volume_of_many_terabytes_is_refused_as_quickly_as_a_small_one(tmp_path):
    values = preset("tiny").model_dump()
    values["volume"]["shape_vox"] = (4000, 100_000, 100_000)
    with pytest.raises(SynimgError, match=r"the images take about .*e[+]05 GB"):
        synimg.plan(Config.parse(values, "test"), tmp_path)


@pytest.mark.parametrize("name", presets())
def test_the_neurons_of_every_preset_have_room(name):
    check_tissue(preset(name), [])


def test_receptors_on_shafts_count_in_the_plan(tiny_path):
    config = Config.parse(preset("tiny").model_dump() | {"surroundings": {"extrasynaptic_per_um2": 500.0}}, "test")
    more = synimg.plan(config, tiny_path).n_emitters - synimg.plan("tiny", tiny_path).n_emitters
    dataset = Dataset.open(tiny_path)
    tissue = draw(dataset, config, []).tissue
    bare = preparation_of(config, 1)
    n = sum(len(points) for name in ("pulse", "chase") for points, _ in shaft_lights(config, tissue, bare, name, 1))
    assert more == pytest.approx(n, rel=0.5)  # a small block has more dendrite near its faces than is counted


def test_notes_are_in_the_plan_and_come_before_the_work(settings, tmp_path, monkeypatch, capsys):
    (tmp_path / "a.swc").write_text("1 1 0 0 0 5 -1\n2 3 0 5 1 0.5 1\n3 3 0 60 2 0.4 2\n4 4 0 90 2 0.4 3\n")
    values = settings.model_dump()
    values["tissue"]["morphologies"] = [str(tmp_path / "a.swc")]
    values["psf"] = {"kind": "widths", "axial_fwhm_um": 0.3, "lateral_fwhm_um": 0.3}
    (tmp_path / "mouse.toml").write_text(to_toml(Config.parse(values, "test")))
    said = ["a.swc: line 3: Type changed within section", "voxels of 0.2 um along z sample the point spread function"]
    notes = synimg.plan(tmp_path / "mouse.toml").notes
    assert [part in note for part, note in zip(said, notes, strict=True)] == [True, True]
    monkeypatch.setattr(generate, "generate", lambda *_: pytest.fail(capsys.readouterr().err))
    with pytest.raises(pytest.fail.Exception) as caught:
        generate_command(str(tmp_path / "mouse.toml"), tmp_path / "mouse")
    assert str(caught.value).splitlines() == [f"note: {note}" for note in notes]


@pytest.mark.parametrize("workers", [0, -3])
def test_no_workers_at_all_are_refused(workers, tmp_path):
    for call in (synimg.plan, synimg.generate):
        with pytest.raises(SynimgError, match=f"--workers = {workers}; it takes 1 or more"):
            call("tiny", tmp_path / "mouse", workers=workers)
    assert not any(tmp_path.iterdir())


def test_neurons_that_do_not_fit_are_refused():
    values = preset("tiny").model_dump()
    values["tissue"]["n_imaged_neurons"] = 64
    with pytest.raises(SynimgError, match="image fewer neurons"):
        synimg.plan(Config.parse(values, "test"))
