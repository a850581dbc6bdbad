"""The growth of the map in napari and as a film."""

import numpy as np
import pytest

from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.viewers.figures.growth import N_TURN, learning_limit, turned
from synimg.viewers.growth import film, growth_captions, growth_layers, read_growing_map


@pytest.fixture
def growing_map(tiny_path):
    dataset = Dataset.open(tiny_path)
    return dataset, *read_growing_map(dataset)


def test_every_snapshot_shows_the_synapses_that_are_there_at_their_places(growing_map):
    _, grown, truth = growing_map
    (_, dendrites, _), (points, arguments, kind) = growth_layers(*growing_map)
    assert (dendrites["name"], kind) == ("dendrites", "points")
    last = points[:, 0] == grown.day.size - 1
    features = arguments["features"][last].set_index("synapse_id")
    imaged = truth[truth["is_imaged"]].set_index("synapse_id").loc[features.index]
    assert last.sum() == truth["is_imaged"].sum()
    np.testing.assert_array_equal(points[last, 1:], imaged[["z_um", "y_um", "x_um"]])
    np.testing.assert_allclose(features["receptors"], imaged["a_end"], rtol=1e-6)
    np.testing.assert_allclose(features["ln_learning"], imaged["ln_learning"], atol=1e-6)
    # the area of a disc goes with the receptors
    np.testing.assert_allclose(arguments["size"][last] ** 2 / features["receptors"], 0.36 / grown.receptors[0].mean())


def test_the_colours_are_grey_at_nothing_learned_and_the_same_at_all_times(growing_map):
    _, grown, _ = growing_map
    arguments = growth_layers(*growing_map)[1][1]
    limit = learning_limit(grown)
    assert arguments["face_contrast_limits"] == (-limit, limit)
    assert 0.9 < (np.abs(grown.ln_learning[-1]) <= limit).mean() < 1
    assert len(set(arguments["face_colormap"]["colors"][1][:3])) == 1


def test_the_slider_counts_days_and_its_caption_follows(growing_map):
    components = pytest.importorskip("napari.components")
    from synimg.viewers.view import show_growth

    dataset, grown, truth = growing_map
    viewer = components.ViewerModel()
    show_growth(viewer, growth_layers(*growing_map), growth_captions(grown, truth))
    assert viewer.dims.axis_labels == ("day", "z", "y", "x")
    assert viewer.dims.nsteps[0] == grown.day.size
    assert viewer.dims.point[0] == pytest.approx(dataset.config.training.window_days)
    viewer.dims.set_current_step(0, 0)
    assert viewer.canvas.overlays["text"].text.startswith(f"day 0: {truth['is_imaged'].sum()} synapses, 0 new, 0 gone")


def test_a_film_has_a_picture_for_every_snapshot_and_a_strip_is_one(tiny_path, tmp_path):
    image = pytest.importorskip("PIL.Image")
    film(tiny_path, tmp_path / "growth.gif")
    film(tiny_path, tmp_path / "growth.png")
    with image.open(tmp_path / "growth.gif") as animation:
        assert animation.n_frames == 11 + N_TURN
        first = np.asarray(animation.convert("RGB")).astype(int)
        animation.seek(10)
        last = np.asarray(animation.convert("RGB")).astype(int)
    # orange, which only the colour bar has at first
    orange = [((p[..., 0] - p[..., 2])[:, :-120] > 90).sum() for p in (first, last)]
    assert orange[0] < 10 < orange[1]
    with image.open(tmp_path / "growth.png") as strip:
        assert strip.size[0] > 3 * strip.size[1]
    with pytest.raises(SynimgError, match=r"ends in \.gif"):
        film(tiny_path, tmp_path / "growth.mp4")
    assert {p.name for p in tmp_path.iterdir()} == {"growth.gif", "growth.png"}


def test_a_turn_keeps_distances_and_a_whole_one_changes_nothing():
    places, size = np.random.default_rng(1).uniform(0, 8, (7, 3)), (4.0, 8.0, 9.0)
    np.testing.assert_allclose(turned(places, size, 2 * np.pi), places)
    quarter = turned(places, size, np.pi / 2)
    np.testing.assert_allclose(quarter[:, 1], places[:, 1])
    np.testing.assert_allclose(quarter[:, 2] - 4.5, places[:, 0] - 2.0)


@pytest.mark.window
def test_a_real_window_draws_learning_at_the_end_and_none_at_the_start(growing_map, make_napari_viewer):
    from qtpy.QtWidgets import QApplication

    from synimg.viewers.view import show_growth

    _, grown, truth = growing_map
    viewer = make_napari_viewer(show=True)
    show_growth(viewer, growth_layers(*growing_map), growth_captions(grown, truth))
    viewer.layers["growing synapses"].face_colorbar.visible = False
    viewer.window.resize(900, 700)
    orange, grey = [], []
    for step in (0, grown.day.size - 1):
        viewer.dims.set_current_step(0, step)
        for _ in range(20):
            QApplication.processEvents()
        picture = viewer.screenshot(canvas_only=True, flash=False)[60:-80, :, :3].astype(int)
        orange.append((picture[..., 0] - picture[..., 2] > 90).sum())
        grey.append((picture.min(axis=-1) > 100).sum())
    assert orange[0] == 0
    assert orange[1] > 50
    assert grey[0] > 50
