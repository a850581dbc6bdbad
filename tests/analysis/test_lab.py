"""A lab's own recording of old and new receptors."""

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from scipy.spatial import cKDTree

import synimg
from synimg import schema
from synimg.analysis.lab import Lab, measure_recordings
from synimg.analysis.lab_recording import LabRecording, read_recording
from synimg.analysis.measure import recording_of
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.quality import read_quality
from synimg.analysis.recording import TYPICAL_PHOTONS
from synimg.analysis.separation_files import separate_table
from synimg.cameras.scmos import Scmos
from synimg.cli import app
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.atomic import read_json
from synimg.store.channels import group_channels
from synimg.store.image import read_block
from synimg.store.place import Place, exchanged, stated_position_um
from synimg.store.tables import read_table
from synimg.store.volume import as_array, lost_boxes, stack_shape

VOXEL = (0.2, 0.07, 0.07)
CHANNELS = {"old": "0", "new": "1"}
SWAPPED = {"new": "1", "old": "0"}
PSF = (0.27, 0.1, 0.1)


def stack(n=30, shape=(18, 90, 96)):
    """Grey levels (2, z, y, x) of synapses at random."""
    rng = np.random.default_rng(1)
    grid = np.indices(shape).astype(float)
    photons = np.full((2, *shape), 6.0)
    for at in rng.uniform([3, 8, 8], np.array(shape) - [4, 9, 9], (n, 3)):
        squared = sum(((g - a) * v / s) ** 2 for g, a, v, s in zip(grid, at, VOXEL, (0.29, 0.12, 0.12), strict=True))
        blob = np.exp(-0.5 * squared)
        photons += blob / blob.sum() * rng.uniform(600, 2500, 2)[:, None, None, None]
    return Scmos().record(photons.reshape(-1, *shape[1:]), 1, (0, 0, 0), (2 * shape[0], *shape[1:])).reshape(2, *shape)


GREY = stack()
KNOWN = LabRecording(camera=Scmos()).with_(None, PSF)


def write_tiff(path, grey=GREY, axes="CZYX", **how):
    values = grey if axes == "CZYX" else np.moveaxis(grey, 0, 1)
    size = {f"PhysicalSize{a}": v for a, v in zip("ZYX", VOXEL, strict=True)}
    tifffile.imwrite(path, values, metadata={"axes": axes, **size}, ome=True, **how)
    return path


def write_zarr(path, grey=GREY, keys=None):
    """OME-Zarr 0.5, or 0.4 whose chunks have `keys` with a separator; five axes are t and four more."""
    group = zarr.open_group(path, mode="w", zarr_format=2 if keys else 3)
    how = {"chunk_key_encoding": {"name": "v2", "separator": keys}} if keys else {}
    group.create_array("0", data=grey, chunks=((1, 1, 8, 48, 48)[-grey.ndim :]), **how)
    axes = [{"name": "t", "type": "time"}, {"name": "c", "type": "channel"}][4 - grey.ndim + 1 :]
    axes += [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": [*[1.0] * (grey.ndim - 3), *VOXEL]}]
    stated = {"multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]}
    group.attrs.update(stated if keys else {"ome": {"version": "0.5"} | stated})
    return path


def measured(path, out, lab, **more):
    (found,) = measure_recordings([path], CHANNELS, lab, out, **more)
    return read_table(found.folder / "synapses.parquet", schema.SYNAPSES), found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A recording, and what was found in it."""
    folder = tmp_path_factory.mktemp("lab")
    path = write_tiff(folder / "a.tif", compression="zlib", axes="ZCYX")
    return (path, *measured(path, folder / "out", Lab(KNOWN, MeasureSettings(tile_vox=(64, 48, 48)))))


def test_a_file_gives_the_counts_of_the_same_voxels_in_memory(whole):
    known, settings = KNOWN.recording(VOXEL, False), MeasureSettings(tile_vox=(64, 48, 48))
    parents = pd.DataFrame({"z_um": [0.0], "y_um": [0.0], "x_um": [0.0], "neuron_id": [1], "error_rate": [0.0]})
    table = synimg.measure_image(GREY, known, settings, parents)
    for name in ("r_old", "r_new", "r_old_se"):
        np.testing.assert_allclose(whole[1][name], TYPICAL_PHOTONS * table[name])
    np.testing.assert_allclose(whole[1]["r_old_new_cov"], TYPICAL_PHOTONS**2 * table["r_old_new_cov"])


def test_a_description_says_what_the_metadata_of_a_data_set_say(tiny_path, tmp_path):
    (tmp_path / "recording.toml").write_text(
        "animal_id = 'mouse01'\nphotons_per_receptor = 40.0\n[camera]\nkind = 'scmos'\n[psf]\nkind = 'gaussian'\n"
        "[old]\nemission_nm = 671.0\nshift_um = [0.0, 0.0, 0.0]\n[new]\nemission_nm = 571.0\nshift_um = [0.0, 0.0, 0.0]\n"
        "[tag]\npulse_efficiency = 0.9\nblocking_efficiency = 0.95\nchase_efficiency = 0.9\n"
    )
    lab = read_recording(tmp_path / "recording.toml").recording(VOXEL, False)
    ours = recording_of(tiny_path / "image.ome.zarr")
    for field in ("animal_id", "psf", "camera", "photons_per_receptor", "photons_shape", "voxel_um", "by_pixel"):
        assert getattr(lab, field) == getattr(ours, field)
    assert [channel.model_copy(update={"label": None}) for channel in lab.channels] == list(ours.channels[:2])
    assert {name: value for name, value in lab.tag.items() if value} == {
        n: ours.tag[n] for n in lab.tag if n in ours.tag
    }


@pytest.mark.parametrize(("photons", "shape"), [(20.0, 4.0), (20.0, 1e9), (TYPICAL_PHOTONS, 4.0)])
def test_light_that_is_stated_is_known(photons, shape):
    assert not KNOWN.recording(VOXEL, is_psf_shown=False).is_light_known
    stated = KNOWN.model_copy(update={"photons_per_receptor": photons, "photons_shape": shape})
    assert stated.recording(VOXEL, is_psf_shown=False).is_light_known


def test_counts_are_photons_where_no_receptor_s_light_is_known(whole, tmp_path):
    path, table, found = whole
    sure = KNOWN.model_copy(update={"photons_per_receptor": 20.0, "photons_shape": 1e9})
    receptors, _ = measured(path, tmp_path / "out", Lab(sure, MeasureSettings(tile_vox=(64, 48, 48))))
    ratio = table["r_old"].sum() / receptors["r_old"].sum()
    assert ratio == pytest.approx(20, rel=0.02)
    assert table["r_old_se"].sum() / receptors["r_old_se"].sum() == pytest.approx(20, rel=0.05)
    assert read_json(found.folder / "result.json")["unit"] == "photons"
    assert "r_old and r_new are photons" in found.notes[0]
    assert table["r_old"].median() == pytest.approx(1550, rel=0.3)
    quality = read_quality(found.folder)
    assert quality.share_unassigned is None  # without traces nobody looked for parents
    assert quality.headlines()["without a sure parent"] == "-"


@pytest.mark.parametrize("form", ["plain", "zarr", "endings"])
def test_every_format_gives_the_same_table(whole, tmp_path, form):
    paths, channels = [], CHANNELS
    if form == "plain":
        paths = [tmp_path / "a.tif"]
        tifffile.imwrite(paths[0], GREY, imagej=False, metadata={"axes": "CZYX"})
    elif form == "zarr":
        paths = [write_zarr(tmp_path / "a.ome.zarr")]
    else:
        paths, channels = [tmp_path / "a_red.tif", tmp_path / "a_far.tif"], {"old": "red", "new": "far"}
        for file, grey in zip(paths, GREY, strict=True):
            tifffile.imwrite(file, grey, metadata={"axes": "ZYX"})
    lab = Lab(KNOWN, MeasureSettings(tile_vox=(64, 48, 48)))
    (found,) = measure_recordings(paths, channels, lab, tmp_path / "out", VOXEL)
    assert found.name == "a"
    table = found.folder / "synapses.parquet"
    assert table.read_bytes() == (whole[2].folder / "synapses.parquet").read_bytes()


def test_a_call_that_was_stopped_goes_on_at_its_tiles_with_the_same_bytes(whole, tmp_path):
    seen = []

    def stop(what, done, total):
        seen.append((what, done, total))
        if (what, done) == ("measuring", 2):
            raise KeyboardInterrupt

    lab = Lab(KNOWN, MeasureSettings(tile_vox=(64, 48, 48)))
    with pytest.raises(KeyboardInterrupt):
        measured(whole[0], tmp_path / "out", lab, report=stop)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [".partial"]
    seen.clear()
    _, found = measured(whole[0], tmp_path / "out", lab, report=lambda *s: seen.append(s))
    assert ("measuring", 0, 3) in seen  # of four tiles; the second was not kept yet
    assert ("reading the image", 0, 18) not in seen
    assert {p.name for p in (tmp_path / "out").rglob("*")} == {
        "a",
        "detections.parquet",
        "quality.json",
        "result.json",
        "synapses.parquet",
    }
    for name in ("detections.parquet", "synapses.parquet", "quality.json"):
        assert (found.folder / name).read_bytes() == (whole[2].folder / name).read_bytes()


@pytest.mark.parametrize(
    ("grey", "keys", "chunk"),
    [(GREY, None, "c/0/0/0/0"), (GREY, ".", "0.0.0.0"), (GREY.astype(np.int32), "/", "0/0/0/0")],
)
def test_a_damaged_chunk_of_an_ome_zarr_image_is_named_and_the_rest_measured(tmp_path, grey, keys, chunk):
    path = write_zarr(tmp_path / "a.ome.zarr", grey, keys)
    (path / "0" / chunk).unlink()
    table, found = measured(path, tmp_path / "out", Lab(KNOWN, MeasureSettings(halo_vox=(2, 10, 10))))
    assert 0 < len(table) < 30
    said = read_json(found.folder / "quality.json")["warnings"][0]
    assert "voxels z 0:8, y 0:48, x 0:48" in said
    separated, _ = separate_table(found.folder / "synapses.parquet", tmp_path / "separated")
    assert separated.info["warnings"][0] == said


@pytest.mark.parametrize("damage", ["missing", "truncated"])
@pytest.mark.parametrize("n_axes", [4, 5])
def test_of_a_copied_image_the_boxes_of_damaged_chunks_are_lost_and_no_more(tmp_path, monkeypatch, n_axes, damage):
    monkeypatch.setattr("synimg.store.volume.MOST_SLAB_VOX", 5 * 90 * 96)  # chunks lie across slabs
    path = write_zarr(tmp_path / "a.ome.zarr", GREY[(None,) * (n_axes - 4)], "/")
    chunks = [path / "0" / ("0/1/1/0/1" if n_axes == 5 else "1/1/0/1"), path / "0" / "/".join("00000"[-n_axes:])]
    for chunk in chunks:
        kept = chunk.read_bytes()[:100]
        chunk.unlink()
        if damage == "truncated":
            chunk.write_bytes(kept)
    places = {
        name: next(iter(group_channels([path], [f"{name}={k}"])[0].values()))[name] for name, k in SWAPPED.items()
    }
    copy = as_array(places, tmp_path / "copy")
    boxes, said = lost_boxes(copy)
    assert boxes == [((0, 0, 0), (8, 48, 48)), ((8, 0, 48), (8, 48, 48))]
    assert [sentence[:39] for sentence in said] == [f"1 chunk of channel '{n}' cannot be read" for n in ("old", "new")]
    assert f"a chunk in z 0:5, y 0:48, x 0:48 is {damage}" in said[0]
    expected = GREY[::-1].copy()
    expected[0, 8:16, :48, 48:] = expected[1, :8, :48, :48] = 0
    np.testing.assert_array_equal(read_block(copy, "0"), expected)


def test_a_channel_of_zeros_is_said_to_be_that(tmp_path):
    path = write_tiff(tmp_path / "a.tif", np.stack([GREY[0], np.zeros_like(GREY[0])])[:, :6])
    with pytest.raises(SynimgError, match="channel 'new' holds the grey level 0 alone; it was not recorded"):
        measured(path, tmp_path / "out", Lab(KNOWN.with_(None, (0.2, 0.1, 0.1))))
    assert not (tmp_path / "out").exists()  # the copy of the voxels neither


def test_an_image_that_is_clipped_below_the_camera_s_last_level_is_saturated_there(tmp_path):
    clipped = np.clip(100 + 20 * (stack(12, (9, 60, 64)).astype(int) - 100), 0, 1023).astype(np.uint16)
    lab = Lab(KNOWN.with_(Scmos(gain_adu_per_electron=20 * 2.17), (0.2, 0.1, 0.1)))
    _, found = measured(write_tiff(tmp_path / "a.tif", clipped), tmp_path / "out", lab)
    n = (clipped.max(axis=1) == 1023).sum()
    assert any(f"{n} columns of voxels reach the grey level 1023 and none is above" in note for note in found.notes)
    assert read_quality(found.folder).share_saturated > 0.2
    assert any("'old' and 'new' could not be checked" in said for said in read_quality(found.folder).warnings())


def test_images_of_8_bits_are_said_to_be_right_only_if_they_were_not_scaled(tmp_path):
    path = write_tiff(tmp_path / "a.tif", np.clip(stack(4, (9, 40, 42)) // 2, 0, 255).astype(np.uint8))
    assert stack_shape({"old": Place(path, 0)}) == ((9, 40, 42), True)
    _, found = measured(path, tmp_path / "out", Lab(KNOWN.with_(Scmos(offset_adu=50, gain_adu_per_electron=1.1), None)))
    assert "8-bit images: their electrons are right only if nothing scaled them for display" in found.notes


@pytest.mark.parametrize("form", ["ImageJ", "compressed", "a page"])
def test_planes_that_are_cut_off_or_damaged_are_named_and_the_rest_measured(whole, tmp_path, form):
    path = tmp_path / "a.tif"
    if form == "ImageJ":
        tifffile.imwrite(path, np.moveaxis(GREY, 0, 1), imagej=True, metadata={"axes": "ZCYX"})
        path.write_bytes(path.read_bytes()[: -2 * 4 * GREY[0, 0].nbytes])  # with the pages' list, which is at the end
    else:
        tifffile.imwrite(path, GREY, metadata={"axes": "CZYX"}, compression="zlib")
        with tifffile.TiffFile(path) as tiff:
            offset = tiff.pages[18 + 14].dataoffsets[0]
        values = bytearray(path.read_bytes())
        values[offset : offset + 40] = bytes(40)
        path.write_bytes(values[:offset] if form == "compressed" else values)
    lost, box = ("14", "z 14:15") if form == "a page" else ("14 to 17", "z 14:18")
    lab = Lab(KNOWN, MeasureSettings(tile_vox=(64, 48, 48), halo_vox=(2, 10, 10)))
    (found,) = measure_recordings([path], CHANNELS, lab, tmp_path / "out", VOXEL)
    (said,) = [note for note in found.notes if "channel 'new' cannot be read" in note]
    assert f"counted from 0: {lost}; {path}: plane 14 of channel 1: not readable as TIFF" in said
    (place,) = read_quality(found.folder).missing.places
    assert place.startswith(f"voxels {box}, y 0:90, x 0:96 (2.8 to ")
    table = read_table(found.folder / "synapses.parquet", schema.SYNAPSES)
    z_um = whole[1]["z_um"]
    sure = whole[1].loc[z_um < 2.0, PLACE]
    assert len(sure) > 10
    assert (cKDTree(table[PLACE]).query(sure)[0] < 0.1).mean() > 0.9
    assert not table["z_um"].between(2.5, 3.0).any()  # two planes of margin
    assert z_um.between(2.5, 3.0).any()


def test_an_ome_tiff_file_brings_the_names_of_its_channels(tmp_path):
    path, names = tmp_path / "a_new.ome.tif", {"Channel": {"Name": ["JF673", "JF571"]}}
    tifffile.imwrite(path, GREY[:, :2], metadata={"axes": "CZYX", **names}, ome=True)
    (image,) = group_channels([path], ["old=JF571", "new=JF673,red"])[0].values()
    assert {name: place.index for name, place in image.items()} == {"old": 1, "new": 0}
    assert exchanged(image) == []
    said = r"names the channels JF673, JF571; of TIFF files a channel is"
    with pytest.raises(SynimgError, match=said):
        group_channels([path], ["old=JF571", "new=GFP"])
    tifffile.imwrite(path, GREY[:, :2], metadata={"axes": "CZYX", "Channel": {"Name": ["old", "new"]}}, ome=True)
    (sentence,) = exchanged({"old": Place(path, 1), "new": Place(path, 0)})
    assert (
        "'old' is asked for as its channel 1, which it calls 'new', and not as channel 0, which it calls 'old'; 'new'"
        in sentence
    )
    assert exchanged({"old": Place(path, 0), "new": Place(path, 1)}) == []


@pytest.mark.parametrize("is_log_off", [False, True])
def test_a_file_that_is_cut_off_is_not_said_to_state_no_voxel_size(tmp_path, monkeypatch, is_log_off):
    monkeypatch.setattr(
        tifffile.logger(), "disabled", is_log_off
    )  # as any logging.config does to the loggers of others
    path = write_tiff(tmp_path / "a.tif")
    path.write_bytes(path.read_bytes()[:-50_000])
    with pytest.raises(SynimgError, match=r"a.tif: the file is truncated: only the first page can be found in it"):
        measured(path, tmp_path / "out", Lab(KNOWN))
    tifffile.imwrite(path, np.moveaxis(GREY, 0, 1), imagej=True, metadata={"axes": "ZCYX"})
    path.write_bytes(path.read_bytes()[:-5000])  # of which the planes can be read
    with pytest.raises(SynimgError, match="--voxel-um is missing"):
        measured(path, tmp_path / "out", Lab(KNOWN))


@pytest.mark.parametrize("kept", [400, 0.5, 0.99])
@pytest.mark.parametrize("how", [{"ome": True}, {"metadata": None}, {"metadata": None, "compression": "zlib"}])
def test_of_a_file_whose_end_said_what_its_planes_are_nothing_can_be_read(tmp_path, how, kept, caplog):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, **how)
    values = path.read_bytes()
    path.write_bytes(values[: kept if kept > 1 else int(kept * len(values))])
    with pytest.raises(SynimgError, match=r"a.tif: .*(truncated|1 channel; channel 1 is not among)"):
        measured(path, tmp_path / "out", Lab(KNOWN), voxel_um=VOXEL)
    assert not (tmp_path / "out").exists()
    assert not caplog.records


def test_a_file_of_which_no_plane_can_be_read_is_refused(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, metadata={"axes": "CZYX"}, compression="zlib")
    with tifffile.TiffFile(path) as tiff:
        offsets = [page.dataoffsets[0] for page in tiff.pages]
    values = bytearray(path.read_bytes())
    for offset in offsets[:18]:
        values[offset : offset + 40] = bytes(40)
    path.write_bytes(values)
    with pytest.raises(
        SynimgError, match=r"no part of the image can be measured: .*a.tif: plane 0 of channel 0: not readable"
    ):
        measured(path, tmp_path / "out", Lab(KNOWN), voxel_um=VOXEL)


@pytest.mark.parametrize(
    ("lab", "sentence"),
    [
        (LabRecording(), "the camera is not known"),
        (LabRecording(camera=Scmos()), "point spread function of the old channel is not known: give --psf Z,Y,X"),
        (
            KNOWN.with_(Scmos(offset_adu=200.0), None),
            "channel 'old': half of its grey levels lie .* below the camera's offset",
        ),
        (KNOWN.with_(None, (3.0, 0.1, 0.1)), r"a.tif: the .* um wide along z, the image is 3.6 um large"),
    ],
)
def test_what_is_not_known_or_does_not_fit_is_said(whole, tmp_path, lab, sentence):
    with pytest.raises(SynimgError, match=sentence):
        measured(whole[0], tmp_path / "out", Lab(lab))


@pytest.mark.parametrize(
    ("values", "channels", "sentence"),
    [
        (GREY.astype(np.float32), CHANNELS, "holds float32; receptors are counted in the grey levels"),
        (GREY.astype(np.int32) - 300, CHANNELS, "has grey levels from -.* receptors are counted in those"),
        (GREY, {"old": "0", "new": "2"}, "has 2 channels; channel 2 is not among them"),
        (GREY, {"old": "1", "new": "1"}, "a: old and new receptors cannot be in one channel"),
        (GREY[:, :1], CHANNELS, "a: has one plane; receptors are counted in stacks"),
        (GREY, {"old": "JF673", "new": "1"}, "name ends in none of JF673, 1; of TIFF files a channel is"),
    ],
)
def test_voxels_that_hold_no_counts_are_refused(tmp_path, values, channels, sentence):
    tifffile.imwrite(tmp_path / "a.tif", values, metadata={"axes": "CZYX"})
    with pytest.raises(SynimgError, match=sentence):
        measure_recordings([tmp_path / "a.tif"], channels, Lab(KNOWN), tmp_path / "out", VOXEL)
    assert not (tmp_path / "out").exists()


def test_sizes_in_another_order_are_noticed(tmp_path):
    swapped = VOXEL[::-1]
    path = write_tiff(tmp_path / "a.tif", stack(0, (8, 30, 32)))
    lab = Lab(KNOWN.with_(None, (0.1, 0.1, 0.27)))
    (found,) = measure_recordings([path], CHANNELS, lab, tmp_path / "out", swapped)
    said = "\n".join(found.notes)
    assert "pixels of 0.07 x 0.2 um are not square, which few microscopes record; --voxel-um takes Z,Y,X" in said
    assert "sds of 0.1, 0.1, 0.27 um along z, y, x is not round in the plane" in said


def test_the_place_of_the_stage_is_read_from_the_metadata(tmp_path):
    path = write_zarr(tmp_path / "a.ome.zarr")
    assert stated_position_um(Place(path, 0)) is None
    group = zarr.open_group(path, mode="a")
    ome = group.attrs["ome"]
    ome["multiscales"][0]["datasets"][0]["coordinateTransformations"].append(
        {"type": "translation", "translation": [0.0, 0.0, 12.0, -3.5]}
    )
    group.attrs["ome"] = ome
    assert stated_position_um(Place(path, 0)) == [0.0, 12.0, -3.5]
    planes = {f"Position{a}": [v] * 2 for a, v in zip("ZYX", (1.0, 2.0, 3.5), strict=True)}
    tifffile.imwrite(tmp_path / "a.tif", GREY[:, 0], metadata={"axes": "CYX", "Plane": planes}, ome=True)
    assert stated_position_um(Place(tmp_path / "a.tif", 0)) == [1.0, 2.0, 3.5]
    assert stated_position_um(Place(write_tiff(tmp_path / "b.tif"), 0)) is None


def on_the_command_line(*arguments):
    app(args=["measure", *map(str, arguments)], standalone_mode=False)


def test_the_command_line_measures_and_says_what_is_next(whole, tmp_path, capsys):
    (tmp_path / "camera.toml").write_text("[camera]\nkind = 'scmos'\n")
    (tmp_path / "cell_5.swc").write_text("1 3 0 3 1.8 0.2 -1\n2 3 6 3 1.8 0.2 1\n")
    how = ["--camera", tmp_path / "camera.toml", "--psf", "0.27,0.1,0.1", "--traces", tmp_path / "cell_5.swc"]
    out = tmp_path / "out"
    on_the_command_line(whole[0], "--old", 0, "--new", 1, *how, "--min-parent-prob", 0.7, "--out", out, "--workers", 1)
    said = capsys.readouterr().err
    assert f"next: synimg separate {out / 'a/synapses.parquet'}" in said
    assert "synapses (" in said
    assert "noise of old over expected" in said
    assert "pulse" not in said
    table = read_table(out / "a/synapses.parquet", schema.SYNAPSES)
    assert table["r_old"].sum() == pytest.approx(whole[1]["r_old"].sum(), rel=0.02)
    assert table["neuron_prob"].min() >= 0.7
    assert set(table["neuron_id"].dropna()) == {5}
    assert (out / "a/synapses.png").stat().st_size > 10_000
    assert len(synimg.separate(table).synapses) == table["neuron_id"].notna().sum()


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--old", "0"], "--new is missing"),
        (["--psf", "puncta"], "--psf is for counts of receptors: name the channels"),
        (["--old", "0", "--new", "1", "--threshold", "0.2"], "--threshold is for puncta and pairs"),
        (["--old", "0", "--new", "1", "--psf", "0.2,0.1"], "it takes stated, puncta, or the sd along Z,Y,X"),
        (["--old", "0", "--new", "1", "--psf", "beads"], "beads: it takes stated, puncta, or the sd along Z,Y,X"),
        (["--old", "0", "--new", "1", "--punctum-sigma-um", "0.2"], "--punctum-sigma-um is for puncta and pairs"),
        (["--old", "0", "--new", "1", "--min-parent-prob", "0.7"], "is for parents from traces: give --traces too"),
        (["--old", "0", "--new", "1", "--recording", "absent.toml"], "absent.toml: no such file"),
    ],
)
def test_calls_that_make_no_sense_are_refused(whole, tmp_path, more, sentence):
    with pytest.raises(SynimgError, match=sentence):
        on_the_command_line(whole[0], "--out", tmp_path / "out", *more)
    assert not (tmp_path / "out").exists()


def test_planes_are_read_some_at_a_time(tmp_path, monkeypatch):
    monkeypatch.setattr("synimg.store.volume.MOST_SLAB_VOX", 3 * 90 * 96)
    path = write_tiff(tmp_path / "a.tif", compression="zlib", axes="ZCYX")
    copy = as_array({"new": Place(path, 1), "old": Place(path, 0)}, tmp_path / "copy")
    np.testing.assert_array_equal(read_block(copy, "0"), GREY[::-1])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("photons_per_receptr = 40", "unknown key 'photons_per_receptr'; did you mean 'photons_per_receptor'"),
        ("[tag]\npulse_efficiency = 1.4", "'tag.pulse_efficiency' = 1.4"),
        ("[psf]\nkind = 'gausian'", "unknown kind 'gausian'; did you mean 'gaussian'"),
        ("old = ", "not valid TOML"),
        ('bleed_through = [["old", "new", -0.5]]', "from 'old' to 'new' = -0.5; a share from 0 to below 1"),
        ('bleed_through = [["old", "new", 0.99], ["new", "old", 0.99]]', "channels new, old into each other that they"),
    ],
)
def test_a_description_with_a_mistake_is_refused_in_one_sentence(tmp_path, text, sentence):
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(SynimgError, match=sentence):
        read_recording(tmp_path / "r.toml")
