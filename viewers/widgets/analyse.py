"""Measure, Separate and Validate: the same functions that the command line calls, on the data set in the viewer."""

from typing import Any

from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from synimg.analysis.beforehand import Shown
from synimg.analysis.look import Preview, preview
from synimg.analysis.measure import measure
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.quality import read_quality
from synimg.analysis.separation import methods
from synimg.analysis.separation_files import separate_dataset
from synimg.analysis.validate import validate
from synimg.compute import Report
from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.viewers.layers import SYNAPSES, synapses, true_synapses
from synimg.viewers.synapse_map import read_synapse_map, read_truth
from synimg.viewers.widgets.form import Form
from synimg.viewers.widgets.listen import listen
from synimg.viewers.widgets.say import says_errors
from synimg.viewers.widgets.session import OURS, unsaved
from synimg.viewers.widgets.work import Work

PREVIEW = "preview of detection"
PREVIEW_COLOR = "#F0E442"


def dataset_in(viewer: Any) -> Dataset:
    """The data set that the viewer shows, as it is on disk now; the last one opened, if there are several.

    Raises
    ------
    SynimgError
        If no layer is of a data set.
    """
    paths = [layer.metadata[OURS]["dataset"] for layer in viewer.layers if "dataset" in layer.metadata.get(OURS, {})]
    if not paths:
        raise SynimgError("no data set is open: File > IO Utilities > Open a data set folder, or the widget Generate")
    return Dataset.open(paths[-1])


def layers_of_run(dataset: Dataset, run: str) -> list[Any]:
    """A run's synapses and the true ones, as layers."""
    table = read_synapse_map(dataset, run)
    layers = [synapses(table)]
    if (dataset.path / "truth" / "synapses.parquet").is_file():
        layers.insert(0, true_synapses(read_truth(dataset), table))
    return layers


def show_run(viewer: Any, dataset: Dataset, run: str, layers: list[Any]) -> None:
    """Put a run's synapses into the viewer, in place of those of the same data set that are there."""
    from napari.layers import Layer

    about = {"dataset": str(dataset.path), "run": run}
    for layer in list(viewer.layers):
        is_ours = layer.metadata.get(OURS, {}).get("dataset") == about["dataset"]
        if is_ours and type(layer).__name__ == "Points":
            viewer.layers.remove(layer)
    for data, arguments, kind in layers:
        viewer.add_layer(Layer.create(data, {**arguments, "metadata": {OURS: about}}, kind))


def require_saved(viewer: Any) -> None:
    """Refuse to take synapses out of the viewer that hold edits by hand which are nowhere else.

    Raises
    ------
    SynimgError
        If there are such edits; the sentence says how many, and what to do.
    """
    for layer in viewer.layers:
        if layer.name.startswith(SYNAPSES) and (edits := unsaved(layer)) is not None:
            raise SynimgError(
                f"the layer '{layer.name}' has edits that are not saved ({edits.text}); keep them with 'Save edits as a new "
                "run' in the synapse browser, or delete the layer"
            )


class _Stage(QWidget):
    """A run's name, a form, and work."""

    takes_layer = True

    def __init__(self, viewer: Any, text: str) -> None:
        super().__init__()
        self.viewer = viewer
        self.run_name = QLineEdit("default")
        self.run_name.setToolTip("name of the analysis run")
        self.head = QFormLayout()
        self.head.addRow("run", self.run_name)
        self.work = Work(text, self.start)
        self.box = QVBoxLayout(self)
        self.box.addLayout(self.head)
        self.setMinimumWidth(320)

    @says_errors
    def start(self) -> None:
        """Do the work of the stage in a thread."""
        dataset, run = dataset_in(self.viewer), self.run_name.text().strip() or "default"
        if self.takes_layer:
            require_saved(self.viewer)
        task = self.task(dataset, run)

        def work(report: Report) -> tuple[Any, Dataset, list[Any]]:
            result, now = task(report), Dataset.open(dataset.path)
            return result, now, layers_of_run(now, run) if self.takes_layer else []

        self.work.start(work, lambda found: self.finished(run, *found))

    def task(self, dataset: Dataset, run: str) -> Any:
        """The function of a report that does it."""
        raise NotImplementedError

    def finished(self, run: str, result: Any, dataset: Dataset, layers: list[Any]) -> None:
        """Show what came out."""
        show_run(self.viewer, dataset, run, layers)


class MeasureForm(_Stage):
    """Find and count the synapses; the preview shows what a setting detects in the middle of the view."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__(napari_viewer, "Measure")
        self.form = Form(MeasureSettings)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(self.form)
        self.live = QCheckBox("preview of detection in the current view")
        self.live.toggled.connect(self._preview_soon)
        self.found = QLabel()
        self.found.setWordWrap(True)
        for widget, stretch in ((scroll, 1), (self.live, 0), (self.found, 0), (self.work, 0)):
            self.box.addWidget(widget, stretch)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(250)
        self._timer.timeout.connect(self._preview)
        self._again = False
        self._shown: dict[Any, Shown] = {}  # by bright puncta of each image, where its first preview was
        self._previewer = Work("", lambda: None, self)
        self._previewer.setVisible(False)
        self.form.changed.connect(self._preview_soon)
        listen(self, napari_viewer.scene.camera.events.center, self._preview_soon)

    def task(self, dataset: Dataset, run: str) -> Any:
        """Measure with the form's settings."""
        settings = MeasureSettings.parse(self.form.values(), "the form")

        def measured(report: Report) -> Any:
            return measure(dataset, run, settings, report=report)

        return measured

    def finished(self, run: str, result: Any, dataset: Dataset, layers: list[Any]) -> None:
        """Show the measured synapses."""
        super().finished(run, result, dataset, layers)
        missing = read_quality(dataset.run(run)).missing
        lost, after = (
            (f", incomplete: {missing.share:.0%} of the image could not be", "synimg repair")
            if missing.places
            else ("", "Separate")
        )
        self.work.label.setText(f"{len(result)} synapses measured{lost}; next: {after}")

    def _preview_soon(self, *_: Any) -> None:
        if self.live.isChecked():
            self._timer.start()
        elif PREVIEW in self.viewer.layers:
            self.viewer.layers.remove(self.viewer.layers[PREVIEW])
            self.found.setText("")

    @says_errors
    def _preview(self) -> None:
        if not self.live.isChecked():
            return
        if self._previewer.is_running:  # once more when that one is done
            self._again = True
            return
        dataset = dataset_in(self.viewer)
        settings = MeasureSettings.parse(self.form.values(), "the form")
        y, x = map(float, self.viewer.scene.camera.center[-2:])
        shown = self._shown.get(dataset.path)

        def look(_: Report) -> tuple[Any, Preview]:
            return dataset.path, preview(dataset, (y, x), settings, shown)

        self._previewer.start(look, lambda found: self._show_preview(*found))

    def _show_preview(self, path: Any, found: Preview) -> None:
        self._shown[path] = found.shown
        if not self.live.isChecked():  # switched off meanwhile
            self.found.setText("")
            return
        side = " × ".join(f"{v:.1f}" for v in found.high_um - found.low_um)
        self.found.setText(f"{len(found.places_um)} puncta in {side} µm around the middle of the view")
        if PREVIEW in self.viewer.layers:
            self.viewer.layers[PREVIEW].data = found.places_um
        else:
            active = self.viewer.layers.selection.active
            self.viewer.add_points(
                found.places_um,
                name=PREVIEW,
                symbol="disc",
                size=0.6,
                face_color="transparent",
                border_color=PREVIEW_COLOR,
                border_width=0.12,
                projection_mode="all",
                units=("um",) * 3,
                axis_labels=("z", "y", "x"),
            )
            self.viewer.layers.selection.active = active
        if self._again:
            self._again = False
            self._timer.start()


class SeparateForm(_Stage):
    """Split the changes into learning, homeostasis and drift."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__(napari_viewer, "Separate")
        self.method, self.seed, self.about = QComboBox(), QSpinBox(), QLabel()
        self._known = methods()
        self.method.addItems(["auto", *self._known])
        self.method.currentTextChanged.connect(self._describe)
        self.about.setWordWrap(True)
        self.head.addRow("method", self.method)
        self.head.addRow("seed", self.seed)
        self.box.addWidget(self.about)
        self.box.addWidget(self.work)
        self.box.addStretch(1)
        self._describe("auto")

    def _describe(self, name: str) -> None:
        if name == "auto":
            self.about.setText("The method that the table allows; the result says which and why.")
            return
        needs = self._known[name]
        assumes = "".join(f"<li>{text}</li>" for text in needs.assumes)
        self.about.setText(f"{needs.what}<br><b>needs</b> {needs.text()}<br><b>assumes</b><ul>{assumes}</ul>")

    def task(self, dataset: Dataset, run: str) -> Any:
        """Separate with the chosen method."""
        method, seed = self.method.currentText(), self.seed.value()

        def separated(report: Report) -> Any:
            report("separating", 0, 1)
            result, _ = separate_dataset(dataset, run, method, seed)
            return result

        return separated

    def finished(self, run: str, result: Any, dataset: Dataset, layers: list[Any]) -> None:
        """Show the classes and what the method warns of."""
        super().finished(run, result, dataset, layers)
        notes = "".join(f"<li>{text}</li>" for text in result.info["warnings"])
        self.work.label.setText(f"separated by {result.info['method']}<ul>{notes}</ul>")


class ValidateForm(_Stage):
    """Score measurement and separation against the truth."""

    takes_layer = False

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__(napari_viewer, "Validate")
        self.scores = QLabel()
        self.scores.setWordWrap(True)
        self.scores.setAlignment(Qt.AlignmentFlag.AlignTop)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(self.scores)
        self.box.addWidget(self.work)
        self.box.addWidget(scroll, 1)

    def task(self, dataset: Dataset, run: str) -> Any:
        """Validate the run."""
        return lambda report: validate(dataset, run, report)

    def finished(self, run: str, result: Any, dataset: Dataset, layers: list[Any]) -> None:
        """The headlines."""
        parts = []
        for title, rows in result["headlines"].items():
            body = "".join(f"<tr><td>{k}&nbsp;&nbsp;</td><td align='right'>{v}</td></tr>" for k, v in rows.items())
            parts.append(f"<b>{title}</b><table width='100%'>{body}</table>")
        self.scores.setText("<br>".join(parts))
