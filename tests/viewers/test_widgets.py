"""The dock widgets in a real window: what a user does, and what is drawn."""

import time

import numpy as np
import pytest

pytest.importorskip("napari")
pytestmark = pytest.mark.window


def settle(seconds=0.15):
    from qtpy.QtWidgets import QApplication

    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.005)


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        settle(0.02)
    assert condition()


@pytest.fixture(scope="module")
def window(qapp):
    """One window for all tests here: to open one takes seconds."""
    import napari

    viewer = napari.Viewer(show=True)
    viewer.window.resize(1000, 800)
    yield viewer
    viewer.close()


@pytest.fixture
def opened(sample_copy, window):
    """The window with a copy of the sample."""
    from PyQt6 import sip
    from qtpy.QtWidgets import QApplication

    from synimg.viewers.reader import read
    from synimg.viewers.view import show

    window.layers.clear()
    show(window, read(str(sample_copy)))
    yield window
    for widget in QApplication.topLevelWidgets():  # those that a test made by itself
        if type(widget).__module__.startswith("synimg"):
            sip.delete(widget)


@pytest.fixture
def said(monkeypatch):
    """Sentences of the notifications that a user sees."""
    heard = []
    monkeypatch.setattr("napari.utils.notifications.show_error", lambda text: heard.append(text))
    return heard


def picture(viewer, name):
    for layer in viewer.layers:
        layer.visible = layer.name == name
    settle()
    return viewer.screenshot(canvas_only=True, flash=False)[60:-80, :, :3].astype(int)


def test_the_browser_colours_filters_and_shows_a_synapse(opened):
    from synimg.viewers.widgets.browser import SynapseBrowser

    browser = SynapseBrowser(opened)
    layer = browser.session.layer
    browser.column.setCurrentText("match")
    magenta = picture(opened, "synapses")
    assert ((magenta[..., 0] > 150) & (magenta[..., 1] < 150) & (magenta[..., 2] > 120)).sum() > 20  # false positives
    browser.legend._rows["match"].setChecked(False)
    assert layer.shown.sum() == (layer.features["match"] == "false positive").sum()
    browser.legend._rows["match"].setChecked(True)
    neuron = browser.neuron.itemText(1)
    browser.neuron.setCurrentText(neuron)
    assert layer.shown.sum() == (layer.features["neuron_id"] == int(neuron)).sum()
    assert browser.branch.count() > 1
    browser.neuron.setCurrentText("all")
    browser.next_false_positive()
    row = next(iter(layer.selected_data))
    assert layer.features["match"][row] == "false positive"
    assert browser.picture._whole is not None
    assert browser.row.rowCount() > 10
    assert np.allclose(opened.scene.camera.center[-2:], layer.data[row][-2:])
    browser.next_miss()
    truth = browser.session.truth
    assert truth.visible
    assert opened.layers.index(truth) == opened.layers.index(layer) + 1
    assert truth.features["match"].iloc[next(iter(truth.selected_data))] == "miss"


def test_the_fdr_slider_changes_classes_live(opened):
    from synimg.viewers.widgets.browser import SynapseBrowser

    browser = SynapseBrowser(opened)
    counts = []
    for value in (1, 60):
        browser.fdr.setValue(value)
        counts.append((browser._table["class"] != "unchanged").sum())
        drawn = np.array([str(symbol) for symbol in browser.session.layer.symbol])
        for name, symbol in (("potentiated", "triangle_up"), ("depressed", "triangle_down"), ("unchanged", "disc")):
            assert ((drawn == symbol) == (browser._table["class"] == name)).all()
    assert counts[0] < counts[1]
    assert {e.text().split()[0] for e in browser.legend._rows.values()} >= {"potentiated"}


def test_a_class_and_a_note_in_the_browser_become_a_run(opened, sample_copy, said):
    from synimg.store.dataset import Dataset
    from synimg.viewers.synapse_map import read_synapse_map
    from synimg.viewers.widgets.browser import SynapseBrowser

    browser = SynapseBrowser(opened)
    browser.save_edits()
    assert said == ["nothing has been changed, so there is no edit to save"]
    browser.session.layer.selected_data = {3}
    browser.by_hand.setCurrentIndex(2)
    browser.note.setText("thin")
    browser.note.editingFinished.emit()
    synapse_id = int(browser.session.layer.features["synapse_id"].iloc[3])
    browser.save_edits()
    table = read_synapse_map(Dataset.open(sample_copy), "default-edit-1").set_index("synapse_id")
    assert table.loc[synapse_id, ["class", "note"]].tolist() == ["depressed", "thin"]


def test_a_flat_image_of_another_lab_can_be_browsed(window, tmp_path, said):
    import pandas as pd
    import zarr

    from synimg.viewers.foreign import layers_of_image
    from synimg.viewers.view import show
    from synimg.viewers.widgets.browser import SynapseBrowser

    group = zarr.open_group(tmp_path / "flat.ome.zarr", mode="w", zarr_format=3)
    transformations = [{"type": "scale", "scale": [0.1, 0.1]}]
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "yx"]
    group.attrs["ome"] = {
        "version": "0.5",
        "multiscales": [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": transformations}]}],
    }
    group.create_array("0", shape=(40, 60), dtype=np.uint16)[:] = np.arange(2400).reshape(40, 60)
    table = pd.DataFrame({"y_um": [1.0, 2.0, 3.0], "x_um": [1.0, 2.0, 3.0], "kind": ["shaft", "spine", "spine"]})
    table.to_csv(tmp_path / "flat.csv", index=False)
    window.layers.clear()
    show(window, layers_of_image(tmp_path / "flat.ome.zarr", tmp_path / "flat.csv"))
    browser = SynapseBrowser(window)
    browser.column.setCurrentText("kind")
    browser.legend._rows["spine"].setChecked(False)
    assert browser.session.layer.shown.tolist() == [True, False, False]
    browser.session.layer.selected_data = {1}
    assert "no model can be shown" in browser.picture.text()
    browser.next_miss()
    browser.save_edits()
    assert "no truth to compare with" in said[0]
    assert "only edits of a data set become a run" in said[1]


def test_the_selected_synapse_has_a_rim_that_goes_with_the_next(opened):
    from synimg.viewers.widgets.browser import SynapseBrowser

    browser = SynapseBrowser(opened)
    layer = browser.session.layer
    layer.selected_data = {2}
    layer.selected_data = {4}
    assert np.flatnonzero(layer.border_width).tolist() == [4]
    layer.selected_data = {1}
    layer.remove_selected()
    browser.next_miss()
    assert not layer.border_width.any()


def test_edits_that_are_not_saved_are_not_taken_away(opened, said):
    from synimg.viewers.widgets.analyse import SeparateForm
    from synimg.viewers.widgets.browser import SynapseBrowser
    from synimg.viewers.widgets.compare import Compare
    from synimg.viewers.widgets.session import unsaved

    browser, form, compare = SynapseBrowser(opened), SeparateForm(opened), Compare(opened)
    layer = browser.session.layer
    layer.selected_data = {0}
    layer.remove_selected()
    form.start()
    compare.compare()
    assert not form.work.is_running
    assert not compare.work.is_running
    assert len(said) == 2
    assert "edits that are not saved (0 added, 1 deleted, 0 moved" in said[0]
    browser.save_edits()
    assert unsaved(layer) is None


def test_the_neuron_view_follows_the_selection(opened):
    from synimg.viewers.widgets.neuron import NeuronView

    view = NeuronView(opened)
    layer = view.session.layer
    layer.selected_data = {len(layer.data) - 1}
    assert view.neuron.currentText() == f"neuron {layer.features['neuron_id'].iloc[-1]}"
    assert view.picture._whole is not None


def test_the_preview_of_detection_follows_the_threshold_before_anything_is_measured(window, sample_copy):
    from synimg.store.dataset import Dataset
    from synimg.viewers.reader import read
    from synimg.viewers.view import show
    from synimg.viewers.widgets.analyse import PREVIEW, MeasureForm

    Dataset.open(sample_copy).drop("default/measure", "default/separate", "default/validate")
    window.layers.clear()
    show(window, read(str(sample_copy)))
    assert "synapses" not in window.layers
    opened = window
    form = MeasureForm(opened)
    numbers = []
    for gain in (28.0, 5000.0):
        form.form.set_values({"least_gain": gain})
        form.live.setChecked(False)
        form.live.setChecked(True)
        until(lambda: PREVIEW in opened.layers and not form._previewer.is_running and not form._timer.isActive())
        numbers.append(len(opened.layers[PREVIEW].data))
    assert numbers[0] > numbers[1] > 0
    form.live.setChecked(False)
    assert PREVIEW not in opened.layers


def test_a_measurement_of_a_damaged_image_is_told_to_be_incomplete(opened, sample_copy):
    from synimg.analysis.quality import FILE, read_quality
    from synimg.store.atomic import write_json
    from synimg.store.dataset import Dataset
    from synimg.viewers.widgets.analyse import MeasureForm

    dataset = Dataset.open(sample_copy)
    quality = read_quality(dataset.run("default"))
    lost = quality.missing.model_copy(update={"places": ["z 0 to 8"], "share": 0.2})
    write_json(dataset.run("default") / FILE, quality.model_copy(update={"missing": lost}).model_dump(mode="json"))
    form = MeasureForm(opened)
    form.finished("default", [1, 2, 3], dataset, [])
    assert (
        form.work.label.text() == "3 synapses measured, incomplete: 20% of the image could not be; next: synimg repair"
    )


def test_separate_and_compare_work_in_a_thread(opened, sample_copy, tiny_path):
    from synimg.store.dataset import Dataset
    from synimg.viewers.widgets.analyse import SeparateForm
    from synimg.viewers.widgets.compare import Compare

    form = SeparateForm(opened)
    form.method.setCurrentText("neuron_median")
    form.start()
    until(lambda: not form.work.is_running)
    assert Dataset.open(sample_copy).index["stages"]["default/separate"]["notes"]["method"] == "neuron_median"
    compare = Compare(opened)
    compare.a.setCurrentText("run default")
    compare.b.setCurrentText("method raw")
    compare.compare()
    until(lambda: not compare.work.is_running)
    assert {"synapses A", "synapses B"} <= {layer.name for layer in opened.layers}
    assert opened.canvas.grid.enabled
    assert compare.list.rowCount() > 0
    compare.leave()
    assert not opened.canvas.grid.enabled
    until(lambda: "synapses" in opened.layers)
    settle(0.3)
    assert "true synapses" in opened.layers
    compare.use_dataset(tiny_path)  # another animal, with other voxels and more channels
    compare.compare()
    until(lambda: not compare.work.is_running)
    assert {layer.metadata["synimg"]["dataset"] for layer in opened.layers} == {str(sample_copy), str(tiny_path)}
    assert "synapses are not the same ones" in compare.about.text()
    n_neurons = sum(opened.layers[f"synapses {side}"].features["neuron_id"].nunique() for side in "AB")
    assert compare.list.rowCount() == n_neurons
    compare.list.cellClicked.emit(0, 0)
    side, neuron = compare.list.item(0, 0).text(), int(compare.list.item(0, 1).text())
    layer = opened.layers[f"synapses {side}"]
    assert set(layer.features["neuron_id"][layer.shown]) == {neuron}
    compare.list.cellClicked.emit(0, 0)
    assert layer.shown.all()
    opened.canvas.grid.enabled = False


def test_work_that_is_stopped_leaves_nothing_half_written_and_all_that_was_there(opened, sample_copy):
    from synimg.store.dataset import Dataset
    from synimg.viewers.widgets.analyse import MeasureForm

    before = Dataset.open(sample_copy).index
    form = MeasureForm(opened)
    form.form.set_values({"least_gain": 40.0})
    for run in ("again", "default"):
        form.run_name.setText(run)
        form.start()
        form.work.stop()
        until(lambda: not form.work.is_running)
    assert Dataset.open(sample_copy).index == before
    assert Dataset.open(sample_copy).verify() == []
    assert not (sample_copy / "analysis" / "again").exists()
    assert not (sample_copy / ".partial").exists()


def test_a_widget_that_closes_while_its_work_runs_stops_it(window):
    from PyQt6 import sip

    from synimg.viewers.widgets.work import Work

    ended = []

    def long(report):
        try:
            for k in range(2000):
                report("waiting", k, 2000)
                time.sleep(0.01)
        finally:
            ended.append(k)

    work = Work("go", lambda: None)
    work.start(long, lambda _: None)
    settle(0.1)
    sip.delete(work)  # as the window does when it goes
    until(lambda: ended, 5)
    assert ended[0] < 1000


def test_an_error_of_ours_in_a_thread_is_shown_and_the_next_work_can_start(window, monkeypatch):
    from napari.utils.notifications import notification_manager

    from synimg.viewers.widgets.work import Work

    shown, done = [], []
    monkeypatch.setattr(notification_manager, "receive_error", lambda kind, error, trace: shown.append(str(error)))
    work = Work("go", lambda: None)
    work.start(lambda report: 1 / 0, done.append)
    until(lambda: not work.is_running)
    assert shown == ["division by zero"]
    assert "failed" in work.label.text()
    work.start(lambda report: 3, done.append)
    until(lambda: not work.is_running)
    assert done == [3]


def test_the_viewer_goes_on_after_its_widgets_are_closed(opened):
    from napari.utils.key_bindings import coerce_keybinding
    from PyQt6 import sip

    from synimg.viewers.widgets.analyse import MeasureForm
    from synimg.viewers.widgets.browser import KEYS, SynapseBrowser
    from synimg.viewers.widgets.compare import Compare
    from synimg.viewers.widgets.neuron import NeuronView

    layer = opened.layers["synapses"]
    for widget in (SynapseBrowser, NeuronView, Compare, MeasureForm):
        made = widget(opened)
        if widget is SynapseBrowser:
            assert {coerce_keybinding(key) for key in KEYS} <= set(opened.keymap)
        sip.delete(made)
    layer.selected_data = {2}
    opened.scene.camera.zoom *= 2
    layer.data = layer.data[:-1]
    opened.layers.remove("dendrites")
    settle()
    assert layer.mouse_drag_callbacks == []
    assert not {coerce_keybinding(key) for key in KEYS} & set(opened.keymap)


@pytest.mark.parametrize("widget", ["SynapseBrowser", "NeuronView", "MeasureForm", "Compare", "GenerateForm"])
def test_every_widget_opens_in_an_empty_viewer_and_says_what_is_missing(widget, window, said):
    import importlib

    homes = {"SynapseBrowser": "browser", "NeuronView": "neuron", "MeasureForm": "analyse", "Compare": "compare"}
    module = importlib.import_module(f"synimg.viewers.widgets.{homes.get(widget, 'generate')}")
    window.layers.clear()
    made = getattr(module, widget)(window)
    if widget == "MeasureForm":
        made.start()
        assert "no data set is open" in said[0]
    if widget == "GenerateForm":
        made.generate()
        assert "no folder is given" in said[0]
        made.section.setCurrentText("drift")
        made.form.set_values({"kind": "kesten"})
        made._changed()
        assert made.config.drift.kind == "kesten"


def test_the_command_opens_a_folder_and_says_of_a_plain_one_that_it_is_no_data_set(
    window, sample_copy, tmp_path, said, monkeypatch
):
    from napari._app_model import get_app_model
    from qtpy.QtWidgets import QFileDialog

    window.layers.clear()
    plain = tmp_path / "plain"
    plain.mkdir()
    for folder in (plain, sample_copy):
        monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_, folder=folder: str(folder))
        get_app_model().commands.execute_command("synimg.open_folder").result()
    until(lambda: window.dims.thickness[0] > 1)  # the last step
    assert "synapses" in window.layers
    assert str(plain) in said[0]
