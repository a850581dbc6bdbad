"""The data set as napari layers, without Qt."""

import time

import numpy as np
import pandas as pd
import pytest
import zarr

from synimg.viewers.layers import layers_of, legend_of
from synimg.viewers.reader import get_reader

CHUNK_VOX = 256


def test_every_layer_is_in_micrometres_and_has_its_axes(tiny_path):
    layers = layers_of(tiny_path)
    names = [arguments["name"] for _, arguments, _ in layers]
    assert names == [
        "pulse",
        "chase",
        "dye_1",
        "dye_2",
        "dye_3",
        "dye_4",
        "neurons",
        "dendrites",
        "true synapses",
        "synapses",
    ]
    for _, arguments, _ in layers:
        assert arguments["units"] == ("um", "um", "um")
        assert arguments["axis_labels"] == ("z", "y", "x")


def test_synapses_carry_their_table_and_colours_by_class(tiny_path):
    points, arguments, kind = layers_of(tiny_path)[-1]
    assert kind == "points"
    features = arguments["features"]
    assert {"class", "p_learning", "r_old", "neuron_id"} <= set(features.columns)
    assert len(points) == len(features) == len(arguments["face_color"])
    assert str((features["class"] == "unchanged").sum()) in legend_of(layers_of(tiny_path))


def test_a_data_set_without_truth_or_measurement_shows_its_image(tiny_copy):
    import shutil

    shutil.rmtree(tiny_copy / "truth")
    names = [arguments["name"] for _, arguments, _ in layers_of(tiny_copy, run="none")]
    assert "pulse" in names
    assert "synapses" not in names


def test_the_layers_fit_into_a_viewer(tiny_path):
    components = pytest.importorskip("napari.components")
    from synimg.viewers.view import show

    viewer = components.ViewerModel()
    show(viewer, layers_of(tiny_path))
    assert len(viewer.layers) == 10
    assert np.allclose(viewer.layers["pulse"].extent.world[1], [6.3, 11.165, 13.405], atol=0.2)


def test_of_a_large_image_a_slab_is_shown_and_of_a_small_one_all(tiny_path):
    components = pytest.importorskip("napari.components")
    da = pytest.importorskip("dask.array")
    from synimg.viewers.view import SCREEN_VOX, SLAB_VOX, show, whole_depth

    viewer = components.ViewerModel()
    show(viewer, layers_of(tiny_path))
    assert viewer.dims.thickness[0] == pytest.approx(viewer.dims.range[0].stop - viewer.dims.range[0].start)
    viewer.layers.clear()
    levels = [da.zeros((100, 10_000 // k, 10_000 // k), chunks=(1, 500, 500), dtype=np.uint16) for k in (1, 2, 4)]
    viewer.add_image(levels, multiscale=True, scale=(0.2, 0.07, 0.07), contrast_limits=(0, 1))
    whole_depth(viewer, 0)
    assert 0.2 <= viewer.dims.thickness[0] <= 0.2 * SLAB_VOX / SCREEN_VOX


def test_the_manifest_is_valid():
    npe2 = pytest.importorskip("npe2")
    manifest = npe2.PluginManifest.from_distribution("synimg")
    manifest.validate_imports()


@pytest.fixture
def huge(tmp_path):
    """An image of ten gigavoxels in four levels, all of one grey level: its chunks need not be there; and a table."""
    group = zarr.open_group(tmp_path / "huge.ome.zarr", mode="w", zarr_format=3)
    datasets = []
    for k in range(4):
        side = 10_000 // 2**k
        group.create_array(
            str(k), shape=(100, side, side), chunks=(1, CHUNK_VOX, CHUNK_VOX), dtype=np.uint16, fill_value=9
        )
        scale = [0.2, 0.07 * 2**k, 0.07 * 2**k]
        datasets.append({"path": str(k), "coordinateTransformations": [{"type": "scale", "scale": scale}]})
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    group.attrs["ome"] = {"version": "0.5", "multiscales": [{"axes": axes, "datasets": datasets}]}
    pd.DataFrame({"z_um": [10.0], "y_um": [300.0], "x_um": [400.0]}).to_csv(tmp_path / "huge.csv", index=False)
    return tmp_path / "huge.ome.zarr"


@pytest.fixture
def read_chunks(monkeypatch):
    """Chunks that are read from disk: level and index along z, y, x."""
    seen, get = [], zarr.storage.LocalStore.get

    async def counted(self, key, *arguments, **named):
        if key.startswith("c/"):
            seen.append((int(self.root.name), *map(int, key.split("/")[1:])))
        return await get(self, key, *arguments, **named)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    return seen


@pytest.mark.window
def test_of_ten_gigavoxels_a_pan_reads_what_is_in_view_at_the_level_that_fits(huge, read_chunks, make_napari_viewer):
    from qtpy.QtWidgets import QApplication

    from synimg.viewers.view import show

    def settle():
        for _ in range(10):
            QApplication.processEvents()
            time.sleep(0.01)  # a frame is drawn when its timer says so

    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 700)
    settle()
    show(viewer, get_reader(str(huge))(str(huge)))
    settle()
    layer = viewer.layers[0]
    assert layer.data_level == 3
    assert len(read_chunks) * CHUNK_VOX**2 < 25e6  # of ten thousand million
    camera, n_planes = viewer.scene.camera, round(viewer.dims.thickness[0] / 0.2) + 1
    for zoom, level, middle in ((5.0, 1, (250.0, 420.0)), (14.0, 0, (300.0, 280.0))):
        camera.zoom = zoom
        settle()
        assert layer.data_level == level
        read_chunks.clear()
        camera.center = (0.0, *middle)
        settle()
        chunk_um = CHUNK_VOX * 0.07 * 2**level
        half = np.array(viewer.canvas.size) / (2 * zoom)
        low = np.floor((np.array(middle) - half) / chunk_um) - 1
        high = np.floor((np.array(middle) + half) / chunk_um) + 1
        assert read_chunks
        assert {one[0] for one in read_chunks} == {level}
        places = np.array(read_chunks)[:, 2:]
        assert ((places >= low) & (places <= high)).all()
        assert len(read_chunks) == len(set(read_chunks)) <= n_planes * np.prod(high - low + 1)


@pytest.mark.window
def test_a_real_window_draws_image_dendrites_and_synapses(tiny_path, make_napari_viewer):
    from qtpy.QtWidgets import QApplication

    from synimg.viewers.view import show

    viewer = make_napari_viewer(show=True)
    show(viewer, layers_of(tiny_path))
    viewer.window.resize(900, 700)
    shown = (
        ("pulse", (0, 2)),
        ("dendrites", (1, 2)),
        ("synapses", (0, 1, 2)),
        ("true synapses", (0, 1, 2)),
        ("neurons", ()),
    )
    for name, colour in shown:
        for layer in viewer.layers:
            layer.visible = layer.name == name
        for _ in range(20):
            QApplication.processEvents()
        picture = viewer.screenshot(canvas_only=True, flash=False)[60:-80, :, :3].astype(int)
        # labels have colours of their own, so any will do
        bright = picture[..., list(colour)].min(axis=-1) > 60 if colour else picture.max(axis=-1) > 60
        assert bright.sum() > 50, name
