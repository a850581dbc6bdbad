"""The napari plugin without a window: manifest, reader, writer, sample."""

import contextlib
import errno
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import zarr

from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.viewers.edits import save_edits
from synimg.viewers.foreign import layers_of_image
from synimg.viewers.layers import layers_of
from synimg.viewers.reader import get_reader
from synimg.viewers.writer import table_of, write_points


@contextlib.contextmanager
def sentences():
    """The messages that napari shows meanwhile; an error that was raised would be its traceback, not a sentence."""
    from napari.utils.notifications import Notification, notification_manager

    said = []

    def hear(notification):
        assert type(notification) is Notification
        said.append(notification.message)

    notification_manager.notification_ready.connect(hear)
    try:
        yield said
    finally:
        notification_manager.notification_ready.disconnect(hear)


@pytest.fixture
def foreign(tmp_path):
    """A two-channel OME-Zarr of another lab, in nanometres and shifted, with a table beside it."""
    group = zarr.open_group(tmp_path / "slice3.ome.zarr", mode="w", zarr_format=3)
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [
            {
                "axes": [
                    {"name": "c", "type": "channel"},
                    *({"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"),
                ],
                "datasets": [
                    {
                        "path": "0",
                        "coordinateTransformations": [
                            {"type": "scale", "scale": [1, 500, 100, 100]},
                            {"type": "translation", "translation": [0, 0, 1000, 0]},
                        ],
                    }
                ],
            }
        ],
    }
    values = np.random.default_rng(1).integers(90, 400, (2, 5, 40, 60)).astype(np.uint16)
    group.create_array("0", shape=values.shape, dtype=values.dtype, chunks=(1, 5, 20, 20))[:] = values
    table = pd.DataFrame({"z_um": [1.0, 2.0], "y_um": [1.0, 4.9], "x_um": [0.0, 5.9], "area": [0.1, 0.2]})
    table.to_csv(tmp_path / "slice3.csv", index=False)
    return tmp_path / "slice3.ome.zarr"


def test_a_foreign_image_with_a_table_opens_in_micrometres(foreign):
    read = get_reader(str(foreign))
    assert read is not None
    *channels, (points, arguments, kind) = read(str(foreign))
    assert len(channels) == 2
    assert np.allclose(channels[0][1]["scale"], [0.5, 0.1, 0.1])
    assert np.allclose(channels[0][1]["translate"], [0, 1, 0])
    assert kind == "points"
    assert points.tolist() == [[1, 1, 0], [2, 4.9, 5.9]]
    assert arguments["features"]["area"].tolist() == [0.1, 0.2]


def test_the_reader_takes_folders_alone(sample_path, foreign, tmp_path):
    manager = pytest.importorskip("npe2").PluginManager.instance()
    manager.discover()
    picture = tmp_path / "picture.tif"
    picture.touch()
    assert get_reader(str(picture)) is None
    assert "synimg" not in {reader.plugin_name for reader in manager.iter_compatible_readers(str(picture))}
    assert "synimg" in {reader.plugin_name for reader in manager.iter_compatible_readers(str(sample_path))}
    image = str(sample_path / "image.ome.zarr")
    assert get_reader(image)(image)[-1][2] == "points"


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda path: (path / "dataset.json").unlink(), "not a data set .dataset.json is missing"),
        (lambda path: (path / "dataset.json").write_text("{"), "not readable as JSON"),
        (lambda path: shutil.rmtree(path / "image.ome.zarr" / "1"), "no readable OME-Zarr image"),
        (
            lambda path: (path / "analysis" / "default" / "separation.parquet").write_bytes(b"PAR1"),
            r"separation\.parquet: not readable as Parquet",
        ),
    ],
)
def test_what_cannot_be_opened_shows_one_sentence_and_the_viewer_goes_on(sample_copy, spoil, sentence):
    components = pytest.importorskip("napari.components")
    pytest.importorskip("npe2").PluginManager.instance().discover()
    viewer = components.ViewerModel()
    spoil(sample_copy)
    with sentences() as said:
        assert viewer.open(str(sample_copy), plugin="synimg") == []
    assert len(said) == 1
    assert re.search(sentence, said[0])
    assert "\n" not in said[0]
    viewer.add_points([[0, 0, 0]])


def test_an_image_without_a_table_is_told_where_one_would_be(foreign):
    pytest.importorskip("napari")
    foreign.with_name("slice3.csv").unlink()
    with sentences() as said:
        assert get_reader(str(foreign))(str(foreign)) == [(None,)]
    assert len(said) == 1
    assert re.search(r"no synapse table beside it.*slice3\.parquet", said[0])


def test_a_table_in_voxels_or_without_places_is_refused_in_one_sentence(foreign):
    table = foreign.with_name("slice3.csv")
    pd.DataFrame({"z_um": [1, 4], "y_um": [10, 39], "x_um": [30, 50]}).to_csv(table, index=False)
    with pytest.raises(SynimgError, match=r"2 of 2 synapses lie outside the image of 2\.5 x 4 x 6 um"):
        layers_of_image(foreign, table)
    pd.DataFrame({"y_um": [10], "x_um": [30]}).to_csv(table, index=False)
    with pytest.raises(SynimgError, match="column 'z_um' is missing"):
        layers_of_image(foreign, table)


def test_a_table_of_words_is_refused_and_one_without_rows_is_shown(foreign):
    table = foreign.with_name("slice3.csv")
    pd.DataFrame({"z_um": ["a", "1"], "y_um": [1, 2], "x_um": [1, 2]}).to_csv(table, index=False)
    with pytest.raises(SynimgError, match=r"column 'z_um' holds 'a' \(row 0\)"):
        layers_of_image(foreign, table)
    pd.DataFrame({"z_um": [], "y_um": [], "x_um": []}).to_csv(table, index=False)
    layers = pytest.importorskip("napari.layers")
    layer = layers.Layer.create(*get_reader(str(foreign))(str(foreign))[-1])
    layer.add([1.0, 2.0, 3.0])
    assert len(layer.data) == 1


def test_saved_points_are_read_back_in_micrometres(tmp_path):
    attributes = {
        "scale": [0.2, 0.07, 0.07], "translate": [1.0, 0, 0], "units": ("micrometer",) * 3,
        "features": pd.DataFrame({"synapse_id": [5, 6], "note": ["", "dim"]}),
    }  # fmt: skip
    data = np.array([[1, 2, 3], [4, 5, 6.5]])
    for name in ("t.csv", "t.parquet"):
        assert write_points(str(tmp_path / name), data, attributes) == [str(tmp_path / name)]
    csv, parquet = pd.read_csv(tmp_path / "t.csv"), pd.read_parquet(tmp_path / "t.parquet")
    assert np.allclose(csv[["z_um", "y_um", "x_um"]], [[1.2, 0.14, 0.21], [1.8, 0.35, 0.455]])
    assert parquet["note"].tolist() == ["", "dim"]
    with pytest.raises(SynimgError, match="set them to um"):
        table_of(data, attributes | {"units": ("pixel",) * 3})


def test_napari_saves_a_points_layer_through_the_writer(tmp_path, sample_path):
    layers = pytest.importorskip("napari.layers")
    data, arguments, _ = layers_of(sample_path)[-1]
    layer = layers.Points(data, **arguments)
    write_points(str(tmp_path / "out.parquet"), *layer.as_layer_data_tuple()[:2])
    written = pd.read_parquet(tmp_path / "out.parquet")
    assert np.array_equal(written[["z_um", "y_um", "x_um"]], data)
    assert written["synapse_id"].tolist() == arguments["features"]["synapse_id"].tolist()


def test_the_manifest_is_valid_and_imports_fast():
    npe2 = pytest.importorskip("npe2")
    manifest = npe2.PluginManifest.from_distribution("synimg")
    manifest.validate_imports()
    # what napari imports to know the plugin must not bring in arrays, tables or Qt
    code = (
        "import sys, synimg.viewers, synimg.viewers.reader; "
        "assert not {'numpy', 'pandas', 'zarr', 'qtpy', 'napari'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_sample_shows_every_kind_of_layer(sample_path):
    layers = {arguments["name"]: (kind, arguments) for _, arguments, kind in layers_of(sample_path)}
    assert {"pulse", "chase", "neurons", "dendrites", "true synapses", "synapses"} == set(layers)
    features = layers["synapses"][1]["features"]
    assert {"match", "p_learning", "log_turnover", "share_learning", "turnover_residual"} <= set(features)
    assert features["match"].value_counts()["match"] > 100
    assert layers["true synapses"][1]["features"]["match"].value_counts()["miss"] > 5


def test_napari_opens_the_sample_and_two_data_sets_of_other_voxel_sizes_beside_each_other(tiny_path):
    components = pytest.importorskip("napari.components")
    pytest.importorskip("npe2").PluginManager.instance().discover()
    viewer = components.ViewerModel()
    opened = viewer.open_sample("synimg", "sample")
    assert {"pulse", "synapses"} <= {layer.name for layer in opened}
    viewer.open(str(tiny_path), plugin="synimg")
    assert {str(unit) for layer in viewer.layers for unit in layer.units} == {"micrometer"}


def test_an_image_with_a_damaged_and_a_missing_chunk_is_shown_with_a_warning(sample_copy):
    level = sample_copy / "image.ome.zarr" / "0" / "c"
    chunk = next(file for file in sorted((level / "0").rglob("*")) if file.is_file())
    chunk.write_bytes(chunk.read_bytes()[:100])
    shutil.rmtree(level / "1")
    for channel, why in ((0, "checksum|decompress|buffer"), (1, "is not there")):
        levels = [data for data, _, kind in layers_of(sample_copy) if kind == "image"][channel]
        with pytest.warns(UserWarning, match=rf"a chunk is missing or damaged and is shown as zeros.*({why})"):
            assert not levels[0][3].compute().any()
        assert levels[1].max().compute() > 0


def test_edits_on_a_disk_that_cannot_be_written_leave_nothing(sample_copy, monkeypatch):
    dataset = Dataset.open(sample_copy)
    data, arguments, _ = layers_of(sample_copy)[-1]

    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("synimg.viewers.edits.write_table", refuse)
    with pytest.raises(SynimgError, match="cannot be written"):
        save_edits(dataset, "default", data[1:], arguments["features"].iloc[1:])
    assert not (sample_copy / ".partial").exists()
    assert Dataset.open(sample_copy).verify() == []


def test_to_forget_a_stage_on_a_disk_that_cannot_be_written_is_refused(sample_copy, monkeypatch):
    def refuse(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("pathlib.Path.unlink", refuse)
    with pytest.raises(SynimgError, match="cannot be written"):
        Dataset.open(sample_copy).drop("default/separate")


def test_a_setting_is_kept():
    pytest.importorskip("napari")
    from synimg.viewers.widgets.settings import Settings, keep_setting, read_settings

    assert read_settings().author == Settings().author
    keep_setting("author", "ada")
    assert read_settings().author == "ada"
    keep_setting("author", "")
