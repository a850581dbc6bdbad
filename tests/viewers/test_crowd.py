"""Many synapses: their density from afar, single ones from near."""

import numpy as np
import pandas as pd
import pytest

from synimg.viewers.crowd import Crowd, choose, density
from synimg.viewers.layers import synapses


def test_few_are_drawn_one_by_one_and_many_only_where_the_view_is():
    places = np.column_stack([np.arange(100.0), np.zeros(100)])
    wanted = np.arange(100) % 2 == 0
    assert choose(places, wanted, None, most=50).shown.sum() == 50
    far = choose(places, wanted, (np.array([-1.0, -1]), np.array([200.0, 1])), most=20)
    assert (far.is_density, far.shown.any()) == (True, False)
    assert "50 synapses in view" in far.text
    near = choose(places, wanted, (np.array([10.0, -1]), np.array([30.0, 1])), most=20)
    assert np.flatnonzero(near.shown).tolist() == list(range(10, 31, 2))
    assert near.text == "11 of 50 synapses: those in view"


def test_density_has_the_mean_colour_of_the_wanted_ones_and_is_solid_where_most_are():
    places = np.array([[0.0, 0], [0, 0], [0, 0], [3, 2], [3, 2]])
    colors = np.array([[1, 0, 0, 1], [0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1]], np.float32)
    picture = density(places, colors, np.array([1, 1, 1, 1, 0], bool), np.zeros(2), 1.0, (4, 3))
    assert picture.shape == (4, 3, 4)
    assert picture[0, 0].tolist() == [85, 0, 170, 255]
    assert picture[3, 2].tolist() == [0, 255, 0, round(255 * np.log(2) / np.log(4))]
    assert (picture[..., 3] > 0).sum() == 2


def test_zooming_in_turns_the_density_into_synapses_and_filters_hold():
    components, napari_layers = pytest.importorskip("napari.components"), pytest.importorskip("napari.layers")
    n, rng = 30_000, np.random.default_rng(1)
    table = pd.DataFrame(rng.uniform(0, 200, (n, 3)), columns=["z_um", "y_um", "x_um"])
    table = table.assign(synapse_id=np.arange(n), **{"class": rng.choice(["potentiated", "unchanged"], n)})
    viewer = components.ViewerModel()
    data, arguments, _ = synapses(table)
    layer = viewer.add_layer(napari_layers.Points(data, **arguments))
    viewer.canvas.size = (600, 800)
    viewer.scene.camera.zoom, viewer.scene.camera.center = 3.0, (0, 100, 100)
    crowd = Crowd(viewer, layer)
    assert viewer.layers["density of synapses"].visible
    assert not layer.shown.any()
    viewer.scene.camera.zoom = 30.0  # 20 x 27 um
    shown = layer.data[layer.shown]
    assert not viewer.layers["density of synapses"].visible
    assert 0 < len(shown) < 600
    assert shown[:, 1].min() >= 90
    assert shown[:, 1].max() <= 110
    wanted = (table["class"] == "potentiated").to_numpy()
    crowd.filter(wanted)
    assert np.array_equal(layer.shown, wanted)  # few enough in all
    viewer.layers.remove(layer)
    viewer.scene.camera.zoom = 3.0  # nothing listens any more
