"""Images from other labs."""

import os
import re
import struct
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from synimg.analysis import foreign_files
from synimg.analysis.foreign import ForeignSettings, measure_channels
from synimg.analysis.foreign_files import measure_foreign
from synimg.analysis.match import match
from synimg.analysis.pair import chance_pairs, pair
from synimg.analysis.plausible import refuse_voxels
from synimg.analysis.puncta import Grey, contrast
from synimg.analysis.traces import Tracing
from synimg.cameras.scmos import Scmos
from synimg.cli import app
from synimg.errors import SynimgError
from synimg.store.channels import group_channels
from synimg.store.morphology import read_traces
from synimg.store.tables import read_notes, read_table
from synimg.streams import stream
from synimg.viewers.figures.overlay import overlay

DATA = Path(os.environ.get("SYNIMG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "synbot"
VOXEL = np.array([0.1, 0.1])


def field(points_vox, shape=(97, 131), sigma=1.7, height=0.6):
    y, x = np.indices(shape)
    image = np.zeros(shape)
    for at in points_vox:
        image += height * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / (2 * sigma**2))
    return np.clip(image, 0, 1)


def test_contrast_is_the_height_of_a_punctum_of_the_stated_width():
    assert contrast(field([(40, 60)]), np.array([1.7, 1.7]))[40, 60] == pytest.approx(0.6, rel=0.02)


def test_puncta_are_found_where_they_are_with_their_width():
    at = np.array([(20.3, 30.6), (60.1, 90.4), (75.0, 22.0)])
    found = measure_channels("a", {"puncta": field(at)}, VOXEL, ForeignSettings(), 0).puncta.sort_values("y_um")
    np.testing.assert_allclose(found[["y_um", "x_um"]], at[[0, 1, 2]] * 0.1, atol=0.01)
    assert found["sigma_um"].to_numpy() == pytest.approx(0.17, abs=0.03)


def test_a_saturated_plateau_is_one_punctum():
    found = measure_channels("a", {"puncta": np.clip(3 * field([(40, 60)]), 0, 1)}, VOXEL, ForeignSettings(), 0).puncta
    assert len(found) == 1
    assert found["is_saturated"].all()


points = st.lists(st.tuples(st.floats(0, 5), st.floats(0, 5), st.floats(0, 5)), max_size=12).map(
    lambda rows: np.array(rows, float).reshape(-1, 3)
)


@settings(deadline=None, max_examples=60)
@given(points, points)
def test_pairs_are_one_to_one_within_reach_and_do_not_depend_on_which_comes_first(a, b):
    i, j = pair(a, b, 0.8)
    assert len(set(i)) == len(i) == len(set(j))
    assert (np.linalg.norm(a[i] - b[j], axis=1) < 0.8 * np.sqrt(2) + 1e-9).all()
    assert len(pair(b, a, 0.8)[0]) == len(i)


def test_matching_makes_as_many_pairs_as_the_gate_allows():
    found = np.array([[0, 0, 0.0], [0, 0, 0.14]])
    true = np.array([[0, 0, 0.13], [0, 0, 0.27]])
    assert match(found, true)[0].tolist() == [0, 1]  # the nearest first would have taken 1-0 and left the others alone


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_unrelated_channels_pair_at_the_chance_level(seed):
    rng = stream(seed, "test")
    pre, post = rng.uniform(0, 30, (400, 2)), rng.uniform(0, 30, (400, 2))
    chance = chance_pairs(pre, post, np.array([30.0, 30.0]), 0.3, 20, rng)
    assert len(pair(pre, post, 0.3)[0]) == pytest.approx(chance.mean, abs=4 * chance.sd)


def test_with_a_camera_puncta_have_electrons_that_scatter_by_their_errors():
    camera, at = Scmos(), np.array([(20.3, 30.6), (60.1, 90.4), (75.0, 22.0)])
    photons = 20.0 + 150.0 * field(at)
    grey = camera.record(np.broadcast_to(photons, (60, *photons.shape)).copy(), 1, (0, 0, 0), (60, *photons.shape))
    scale, zero = 65535, camera.offset_adu - 2.17 * 1.6**2
    known, settings = Grey(zero / scale, 2.17 / scale), ForeignSettings(threshold=60 / scale)
    found = [measure_channels("a", {"p": g / scale}, VOXEL, settings, 0, {"p": known}).puncta for g in grey]
    puncta = pd.concat([f for f in found if len(f) == 3]).assign(row=lambda t: t["y_um"].round())
    assert len(puncta) > 150
    total = 150.0 * 0.6 * 0.82 * 2 * np.pi * 1.7**2
    assert puncta["electrons"].median() == pytest.approx(0.9 * total, rel=0.05)
    pull = (puncta["electrons"] - puncta.groupby("row")["electrons"].transform("mean")) / puncta["electrons_se"]
    assert pull.std() == pytest.approx(1.0, abs=0.15)


def write(path, image):
    tifffile.imwrite(path, image)
    return path


def test_two_files_make_one_image_with_its_tables(tmp_path):
    image = (255 * field([(20, 30), (60, 90)])).astype(np.uint8)
    files = [write(tmp_path / f"a_{name}.tif", image) for name in ("pre", "post")]
    summary = measure_foreign(files, (0.1, 0.1), tmp_path / "out", ["pre=pre", "post=post"])
    assert summary.table["n_pairs"].tolist() == [2]
    assert any("no photons" in sentence for sentence in summary.warnings)
    assert any("'pre' and 'post' hold the same voxels" in sentence for sentence in summary.warnings)
    assert {p.name for p in (tmp_path / "out").iterdir()} >= {"puncta.parquet", "summary.csv", "result.json", "a"}


def test_puncta_and_pairs_get_the_neuron_that_was_traced_beside_them(tmp_path):
    image = (255 * field([(20, 30), (60, 90)])).astype(np.uint8)
    files = [write(tmp_path / f"a_{name}.tif", image) for name in ("pre", "post")]
    for n, y in ((4, 2.8), (9, 5.4)):
        (tmp_path / f"cell{n}.swc").write_text(f"1 3 0 {y} 7 0.2 -1\n2 3 12 {y} 7 0.2 1\n")
    tracing = Tracing(read_traces([tmp_path / "cell4.swc", tmp_path / "cell9.swc"]))
    measure_foreign(files, (0.1, 0.1), tmp_path / "out", ["pre=pre", "post=post"], tracing=tracing)
    pairs = read_table(tmp_path / "out/pairs.parquet").sort_values("y_um")
    assert pairs["neuron_id"].tolist() == [4, 9]
    assert read_table(tmp_path / "out/puncta.parquet")["neuron_id"].value_counts().to_dict() == {4: 2, 9: 2}


def test_a_call_that_was_stopped_goes_on_and_ends_with_the_same_bytes(tmp_path, monkeypatch):
    for name in "abc":
        write(tmp_path / f"{name}.tif", (255 * field([(20, 30), (60, 90)])).astype(np.uint8) + ord(name))
    files = sorted(tmp_path.glob("*.tif"))
    measure_foreign(files, (0.1, 0.1), tmp_path / "whole", [])
    measured = []

    def counted(name, *rest):
        measured.append(name)
        return measure_channels(name, *rest)

    def stop(what, done, total):
        if done == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(foreign_files, "measure_channels", counted)
    with pytest.raises(KeyboardInterrupt):
        measure_foreign(files, (0.1, 0.1), tmp_path / "out", [], report=stop)
    assert [p.name for p in (tmp_path / "out").iterdir()] == [".partial"]
    measure_foreign(files, (0.1, 0.1), tmp_path / "out", [])
    assert measured == ["a", "b", "c"]
    there, here = (
        {p.relative_to(o): p.read_bytes() for p in o.rglob("*.*")} for o in (tmp_path / "whole", tmp_path / "out")
    )
    assert there == here


def test_the_voxel_size_that_ome_tiff_states_is_used_and_the_tag_of_plain_tiff_is_not(tmp_path):
    image = (255 * field([(20, 30), (60, 90)])).astype(np.uint8)
    size = {"PhysicalSizeX": 200.0, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": 0.2}
    tifffile.imwrite(tmp_path / "a.ome.tif", image, metadata={"axes": "YX"} | size)
    summary = measure_foreign([tmp_path / "a.ome.tif"], None, tmp_path / "out", [])
    assert summary.table["area_um2"].tolist() == [pytest.approx(97 * 131 * 0.2**2)]
    tifffile.imwrite(tmp_path / "b.tif", image, resolution=(5, 5), resolutionunit="MICROMETER")
    with pytest.raises(SynimgError, match="--voxel-um is missing"):
        measure_foreign([tmp_path / "b.tif"], None, tmp_path / "out", [])


def write_czi(path, channels, voxel_um):
    """A Zeiss file of channels (z, y, x) by their names, written by Zeiss' own library."""
    czi = pytest.importorskip("pylibCZIrw.czi")
    pytest.importorskip("bioio_czi")
    with czi.create_czi(str(path)) as document:
        for c, image in enumerate(channels.values()):
            for z, plane in enumerate(image):
                document.write(plane[..., None], plane={"C": c, "Z": z, "T": 0})
        names, (z, y, x) = dict(enumerate(channels)), np.array(voxel_um) * 1e-6
        document.write_metadata("test", channel_names=names, scale_z=z, scale_y=y, scale_x=x)
    return path


def stack(points_vox, n_planes):
    image = (60_000 * field(points_vox)).astype(np.uint16)
    return np.stack([image if z == n_planes // 2 else image // 100 for z in range(n_planes)])


def test_a_microscope_s_file_brings_its_channels_and_voxel_size(tmp_path):
    channels = {"EGFP": stack([(20.0, 30.0), (60.0, 90.0)], 1), "Cy5": stack([(20.0, 31.0)], 1)}
    path = write_czi(tmp_path / "a.czi", channels, (0.3, 0.1, 0.1))
    summary = measure_foreign([path], None, tmp_path / "out", [])
    assert summary.table[["n_EGFP", "n_Cy5", "n_pairs"]].to_numpy().tolist() == [[2, 1, 1]]
    assert any("voxels of 0.1 x 0.1 um, as the file's metadata state" in sentence for sentence in summary.warnings)
    by_hand = measure_foreign([path], (0.1, 0.1), tmp_path / "out", ["pre=Cy5", "post=EGFP,GFP"])
    assert by_hand.table[["n_pre", "n_post", "n_pairs"]].to_numpy().tolist() == [[1, 2, 1]]
    with pytest.raises(SynimgError, match="has the channels EGFP, Cy5; --channel pre=DAPI is not among them"):
        measure_foreign([path], None, tmp_path / "out", ["pre=DAPI"])


def test_a_stack_of_a_microscope_s_file_has_three_axes(tmp_path):
    path = write_czi(tmp_path / "a.czi", {"EGFP": stack([(20.0, 30.0), (60.0, 90.0)], 5)}, (0.3, 0.1, 0.1))
    found = measure_foreign([path], None, tmp_path / "out", [], ForeignSettings(threshold=0.05)).table
    assert found["n_EGFP"].tolist() == [2]
    with pytest.raises(SynimgError, match=r"a\.czi: has 5 planes; --voxel-um takes three numbers"):
        measure_foreign([path], (0.1, 0.1), tmp_path / "out", [])


def write_lif(path, scenes, bits=12):
    """A Leica file of scenes (c, t, y, x) by their names, pixels of 0.1 um: an XML header, then a block for every scene."""

    def text(kind, words):
        raw = words.encode("utf-16-le")
        return kind + struct.pack("<BI", 0x2A, len(words)) + raw

    described, blocks = "", b""
    for k, (name, values) in enumerate(scenes.items()):
        c, t, y, x = values.shape
        steps = [(1, x, 2), (2, y, 2 * x), *([(4, t, 2 * x * y)] if t > 1 else [])]
        dimensions = "".join(
            f'<DimensionDescription DimID="{i}" NumberOfElements="{n}" Origin="0" Length="{(n - 1) * 1e-7}" Unit="m" '
            f'BitInc="0" BytesInc="{step}"/>'
            for i, n, step in steps
        )
        colours = "".join(
            '<ChannelDescription DataType="0" ChannelTag="0" Min="0" Max="1" Unit="" LUTName="Green" IsLUTInverted="0" '
            f'NameOfMeasuredQuantity="" BitInc="0" Resolution="{bits}" BytesInc="{i * 2 * x * y * t}"/>'
            for i in range(c)
        )
        described += (
            f'<Element Name="{name}" UniqueID="{k}"><Data><Image><ImageDescription><Channels>{colours}</Channels>'
            f"<Dimensions>{dimensions}"
            f'</Dimensions></ImageDescription></Image></Data><Memory Size="{values.nbytes}" MemoryBlockID="M{k}"/></Element>'
        )
        head = text(struct.pack("<BQ", 0x2A, values.nbytes), f"M{k}")
        blocks += struct.pack("<II", 0x70, len(head)) + head + values.tobytes()
    header = text(
        b"",
        '<LMSDataContainerHeader Version="2"><Element Name="a.lif"><Data><Experiment/></Data>'
        f'<Memory Size="0" MemoryBlockID="M"/><Children>{described}</Children></Element></LMSDataContainerHeader>',
    )
    path.write_bytes(struct.pack("<II", 0x70, len(header)) + header + blocks)
    return path


def test_every_scene_of_a_microscope_s_file_is_an_image_and_time_series_are_named(tmp_path):
    pytest.importorskip("bioio_lif")
    still = (3000 * field([(20.0, 30.0), (60.0, 90.0)])).astype(np.uint16)[None]
    scenes = {
        "dish 1/A": np.stack([still, still]),
        "B": still[None],
        "film": np.stack([np.concatenate([still, still])]),
    }
    summary = measure_foreign([write_lif(tmp_path / "a.lif", scenes)], None, tmp_path / "out", [])
    assert summary.table["image"].tolist() == ["a_dish_1_A", "a_B"]
    assert summary.table["n_Green"].tolist() == [2, 2]  # 1800 of the 4095 that 12 bits can hold
    assert summary.table["n_Green_1"].tolist()[0] == 2
    assert any("'film' has 2 time points and is left out" in sentence for sentence in summary.warnings)


@pytest.mark.parametrize(("version", "axes"), [("0.5", "czyx"), ("0.4", "tczyx")])
def test_an_ome_zarr_image_is_measured_with_the_channels_and_voxels_that_it_states(tmp_path, version, axes):
    path, values = tmp_path / "slice.ome.zarr", stack([(20.0, 30.0), (60.0, 90.0)], 5)
    units = [{"name": a, "type": "space", "unit": "nanometer"} if a in "zyx" else {"name": a} for a in axes]
    steps = [{"type": "scale", "scale": [1] * (len(axes) - 3) + [300, 100, 100]}]
    described = {
        "multiscales": [{"axes": units, "datasets": [{"path": "0", "coordinateTransformations": steps}]}],
        "omero": {"channels": [{"label": "PSD95"}, {"label": "VGLUT1"}]},
    }
    group = zarr.open_group(path, mode="w", zarr_format=3 if version == "0.5" else 2)
    group.attrs.update({"ome": described} if version == "0.5" else described)
    voxels = np.stack([values, values])[None][(slice(None),) if axes[0] == "t" else (0,)]
    group.create_array("0", shape=voxels.shape, dtype=voxels.dtype, chunks=voxels.shape)[:] = voxels
    found = measure_foreign([path], None, tmp_path / "out", [], ForeignSettings(threshold=0.05))
    assert found.table[["image", "n_PSD95", "n_VGLUT1", "n_pairs"]].to_numpy().tolist() == [["slice", 2, 2, 2]]
    assert any("voxels of 0.3 x 0.1 x 0.1 um" in sentence for sentence in found.warnings)


@pytest.mark.parametrize(("damage", "axes"), [("missing", "zyx"), ("truncated", "zyx"), ("missing", "yx")])
def test_of_a_damaged_chunk_the_puncta_are_lost_and_no_others(tmp_path, damage, axes, capsys):
    n = 5 if axes == "zyx" else 1
    path, values = tmp_path / "slice.ome.zarr", stack([(20.0, 30.0), (60.0, 90.0)], n) // 2 + 20_000
    group = zarr.open_group(path, mode="w", zarr_format=2)
    scale = [0.3, 0.1, 0.1][-len(axes) :]
    levels = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": scale}]}]
    group.attrs["multiscales"] = [{"axes": [{"name": a, "type": "space"} for a in axes], "datasets": levels}]
    group.create_array("0", data=values if n > 1 else values[0], chunks=(5, 50, 50)[-len(axes) :])
    chunk = path / "0" / "0.1.1"[-2 * len(axes) + 1 :]
    chunk.unlink()
    if damage == "truncated":
        chunk.write_bytes(bytes(100))
    asked = ["measure", str(path), "--threshold", "0.05", "--out", str(tmp_path / "out")]
    assert app(asked, standalone_mode=False) == 3
    said = capsys.readouterr().err
    assert f"a chunk in z 0:{n}, y 50:97, x 50:100 is {damage}" in said
    region = "z 0:5, y 50:97, x 50:100 (0.0 to 1.5" if n > 1 else "y 50:97, x 50:100 (5.0 to 9.7"
    assert (
        f"slice: the table is incomplete: 1 part of the image is missing, damaged or empty, at voxels {region}" in said
    )
    assert "1 puncta, INCOMPLETE" in said
    puncta, table = (read_table(tmp_path / "out" / f"{kind}.parquet") for kind in ("puncta", "summary"))
    assert puncta["y_um"].tolist() == pytest.approx([2.0], abs=0.02)
    assert table["share_missing"][0] == pytest.approx((97 - 44) * (50 + 12) / (97 * 131))
    assert "slice: the table is incomplete" in read_notes(tmp_path / "out/puncta.parquet")["missing"]


def test_the_last_level_of_fewer_bits_is_saturation_where_several_voxels_have_it(tmp_path):
    shade = (12_000 * field([(20, 30), (60, 90)])).astype(np.uint16)
    cut = write(tmp_path / "cut.tif", np.minimum(shade, 4095))
    lone = write(tmp_path / "lone.tif", np.minimum(shade, 4094) + (shade == shade.max()))
    found = measure_foreign([cut, lone], (0.1, 0.1), tmp_path / "out", [], ForeignSettings(threshold=0.02))
    assert found.table["share_saturated_puncta"].tolist() == [(shade >= 4095).mean(), 0]
    puncta = read_table(tmp_path / "out/puncta.parquet")
    assert puncta.groupby("image")["is_saturated"].all().to_dict() == {"cut": True, "lone": False}
    n = (shade >= 4095).sum()
    assert any(f"cut.tif: {n} voxels have the largest grey level, 4095, and count as sat" in s for s in found.warnings)


def test_a_threshold_that_finds_nothing_or_noise_is_said_with_one_that_does(tmp_path):
    shade = 2000 * np.stack([field([(20, 30), (60, 90)]) * np.exp(-0.5 * ((z - 6) / 1.7) ** 2) for z in range(13)])
    noisy = shade + np.random.default_rng(1).normal(100, 20, shade.shape)
    path = write(tmp_path / "a.tif", noisy.astype(np.uint16))

    def said(threshold, expected):
        settings = ForeignSettings(threshold=threshold)
        found = measure_foreign([path], (0.1, 0.1, 0.1), tmp_path / "out", [], settings)
        (sentence,) = [s for s in found.warnings if "threshold" in s]
        assert expected in sentence
        return float(re.search(r"threshold (?:to )?([\d.e-]+)", sentence).group(1))

    better = said(0.2, "a: no punctum of 'puncta' has a contrast of 0.2 of full scale; the highest is 0.01")
    found = measure_foreign([path], (0.1, 0.1, 0.1), tmp_path / "out", [], ForeignSettings(threshold=better))
    assert found.table["n_puncta"].tolist() == [2]
    assert not any("threshold" in sentence for sentence in found.warnings)
    said(0.0003, "many of its puncta may be noise: raise --threshold to ")


@pytest.mark.parametrize(("ending", "package"), [("czi", "bioio-czi"), ("ND2", "bioio-nd2"), ("lif", "bioio-lif")])
def test_a_format_whose_reader_is_not_installed_says_what_to_install(tmp_path, monkeypatch, ending, package):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / f"a.{ending}").write_bytes(b"anything")
    with pytest.raises(SynimgError, match=f"which is not installed: pip install bioio {package}$"):
        measure_foreign([tmp_path / f"a.{ending}"], None, tmp_path / "out", [])


def test_a_damaged_microscope_s_file_is_refused_in_one_sentence(tmp_path):
    path = write_czi(tmp_path / "a.czi", {"EGFP": stack([(20.0, 30.0)], 1)}, (0.3, 0.1, 0.1))
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(SynimgError, match="not readable by bioio-czi; it is truncated or something else"):
        measure_foreign([path], None, tmp_path / "out", [])
    assert not (tmp_path / "out").exists()


def test_two_images_of_one_name_are_refused(tmp_path):
    paths = [tmp_path / folder / "a.tif" for folder in ("one", "two")]
    with pytest.raises(SynimgError, match="both images would be called 'a'"):
        group_channels(paths, [])


def test_a_channel_without_puncta_says_how_bright_its_brightest_is(tmp_path):
    path = write(tmp_path / "a.tif", (255 * field([(20, 30)], height=0.1)).astype(np.uint8))
    said = measure_foreign([path], (0.1, 0.1), tmp_path / "out", []).warnings
    assert any("contrast of 0.2 of full scale; the highest is 0.1 (" in sentence for sentence in said)


rng = np.random.default_rng(1)
GREY = rng.uniform(0, 1, (60, 70)).astype(np.float32)


def with_nan(image):
    image = image.copy()
    image[[7, 9], [11, 3]] = np.nan, np.inf
    return image


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"not a tiff", "not readable as TIFF"),
        (np.zeros((60, 70), np.uint8), "every voxel has the same value (0)"),
        (with_nan(GREY), "2 of its voxels are NaN or infinite, the first at y 7, x 11"),
        (-GREY - 1, "no voxel is above 0"),
        (GREY.astype(np.complex64), "holds complex64 instead of grey levels"),
        (GREY[:2], "2 voxels of 0.1 um along y are smaller than a punctum of 0.4 um"),
        (rng.integers(0, 255, (20, 30, 3), np.uint8), "colour"),
        (rng.integers(0, 255, (5, 20, 30), np.uint8), "needs YX"),
    ],
)
def test_an_image_that_cannot_be_measured_is_refused_in_one_sentence(tmp_path, content, sentence):
    good, path = write(tmp_path / "good.tif", field([(20, 30)]).astype(np.float32)), tmp_path / "a.tif"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        tifffile.imwrite(path, content, photometric="rgb" if content.shape[-1] == 3 else "minisblack")
    with pytest.raises(SynimgError) as error:
        measure_foreign([good, path], (0.1, 0.1), tmp_path / "out", [])
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_of_many_channels_the_first_four_are_drawn():
    names = "abcde"
    puncta = pd.concat(
        measure_channels("a", {name: field([(40, 60)])}, VOXEL, ForeignSettings(), 0).puncta.assign(channel=name)
        for name in names
    )
    figure = overlay({name: field([(40, 60)]) for name in names}, puncta, pd.DataFrame(), VOXEL)
    assert figure.axes[0].get_title() == "a (magenta) / b (green) / c (cyan) / d (white)"


def test_a_channel_of_one_value_is_named(tmp_path):
    two = np.stack([(255 * GREY).astype(np.uint8), np.full(GREY.shape, 7, np.uint8)])
    tifffile.imwrite(tmp_path / "a.tif", two, metadata={"axes": "CYX"})
    with pytest.raises(SynimgError, match=r"a.tif \('post'\): every voxel has the same value \(7\)"):
        measure_foreign([tmp_path / "a.tif"], (0.1, 0.1), tmp_path / "out", ["pre=0", "post=1"])


def test_voxels_coarser_than_a_punctum_are_refused():
    with pytest.raises(SynimgError, match="voxels of 1 um along z are too coarse"):
        refuse_voxels((5, 60, 70), np.array([1.0, 0.1, 0.1]), 0.17, "a")


def test_voxels_coarser_than_a_typical_punctum_are_measured_where_puncta_are_said_to_be_wider(tmp_path):
    path = write(tmp_path / "a.tif", (255 * field([(20, 30), (60, 90)])).astype(np.uint8))
    asked = ["measure", str(path), "--voxel-um", "1,1", "--out", str(tmp_path / "out")]
    with pytest.raises(SynimgError, match=r"--punctum-sigma-um, their sd"):
        app(asked, standalone_mode=False)
    app([*asked, "--punctum-sigma-um", "1.7"], standalone_mode=False)
    assert len(read_table(tmp_path / "out/puncta.parquet")) == 2


def test_a_threshold_at_which_noise_is_found_stops_at_once():
    noise = {"pre": np.random.default_rng(1).uniform(0, 1, (150, 160))}
    with pytest.raises(
        SynimgError, match=r"^a: \d+ puncta in 240 um\^2 are above a contrast of 0.01, more than tissue holds"
    ):
        measure_channels("a", noise, VOXEL, ForeignSettings(threshold=0.01), 0)


def test_saturated_and_negative_voxels_are_said_with_their_share(tmp_path):
    shade = 255 * field([(20, 30), (60, 90)])
    bright = np.clip(4 * shade, 0, 255).astype(np.uint8)
    files = [write(tmp_path / "bright.tif", bright), write(tmp_path / "dark.tif", shade.astype(np.int16) - 2)]
    said = measure_foreign(files, (0.1, 0.1), tmp_path / "out", []).warnings
    share = 100 * (bright == 255).mean()
    assert f"1 of 2 images have saturated voxels, most of all bright ({share:.2g} % of 'puncta')" in said[-2]
    assert "1 of 2 images have negative voxels, most of all dark" in said[-1]


def test_a_truncated_tiff_is_refused(tmp_path):
    path = write(tmp_path / "a.tif", np.random.default_rng(1).integers(0, 255, (80, 90), np.uint8))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SynimgError, match="truncated"):
        measure_foreign([path], (0.1, 0.1), tmp_path / "out", [])


@pytest.mark.parametrize(
    ("names", "channels", "sentence"),
    [
        (["a_pre.tif"], ["pre=pre", "post=post"], "has no 'post' channel"),
        (["a_pre.tif", "b.tif"], ["pre=pre"], "ends in none of"),
        (["a_pre.tif"], ["pre"], "it takes NAME=INDEX"),
    ],
)
def test_channels_that_do_not_fit_are_named(names, channels, sentence):
    with pytest.raises(SynimgError) as error:
        group_channels([Path(name) for name in names], channels)
    assert sentence in str(error.value)


@pytest.mark.skipif(not DATA.is_dir(), reason="the real images are not there")
def test_real_pairs_exceed_their_chance_level_in_every_image(tmp_path):
    files = sorted(DATA.glob("culture_*.tif"))
    summary = measure_foreign(files, (0.1, 0.1), tmp_path / "out", ["pre=bassoon", "post=homer"])
    assert len(summary.table) == 6
    assert (summary.table["n_excess"] > 5 * summary.table["n_chance_sd"]).all()
