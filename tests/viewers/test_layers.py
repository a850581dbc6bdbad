"""The data set as napari layers, without Qt."""

import numpy as np
import pytest

from synimg.viewers.layers import layers_of, legend_of
from synimg.viewers.reader import get_reader


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


def test_the_reader_leaves_foreign_folders_alone(tiny_path, tmp_path):
    assert get_reader(str(tmp_path)) is None
    assert get_reader(str(tiny_path)) is not None


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
    from synimg.viewers.view import MOST_SLAB_VOX, show, whole_depth

    viewer = components.ViewerModel()
    show(viewer, layers_of(tiny_path))
    assert viewer.dims.thickness[0] == pytest.approx(viewer.dims.range[0].stop - viewer.dims.range[0].start)
    viewer.layers.clear()
    levels = [da.zeros((100, 10_000 // k, 10_000 // k), chunks=(1, 500, 500), dtype=np.uint16) for k in (1, 2, 4)]
    viewer.add_image(levels, multiscale=True, scale=(0.2, 0.07, 0.07), contrast_limits=(0, 1))
    whole_depth(viewer, 0)
    assert viewer.dims.thickness[0] / 0.2 * 2500**2 <= MOST_SLAB_VOX
    assert viewer.dims.thickness[0] >= 0.2


def test_the_manifest_is_valid():
    npe2 = pytest.importorskip("npe2")
    manifest = npe2.PluginManifest.from_distribution("synimg")
    manifest.validate_imports()


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
