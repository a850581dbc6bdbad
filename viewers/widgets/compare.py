"""Compare: two analyses or two animals side by side with linked views, and the synapses on which they disagree."""

from pathlib import Path
from typing import Any

import pandas as pd
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QLabel,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from synimg import schema
from synimg.analysis.separation import methods, separate
from synimg.compute import Report
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table
from synimg.viewers.compare import disagreements, summary
from synimg.viewers.layers import layers_of, synapses
from synimg.viewers.synapse_map import read_synapse_map, with_derived
from synimg.viewers.view import whole_depth
from synimg.viewers.widgets.analyse import dataset_in
from synimg.viewers.widgets.listen import listen
from synimg.viewers.widgets.say import says_errors
from synimg.viewers.widgets.session import OURS
from synimg.viewers.widgets.settings import read_settings
from synimg.viewers.widgets.work import Work

OTHER = "another data set …"
SHOWN = {"pulse", "chase"}
MOST_ROWS = 500


def runs_of(dataset: Dataset) -> list[str]:
    """Analysis runs with a separation."""
    return [stage.partition("/")[0] for stage in dataset.index["stages"] if stage.endswith("/separate")]


def table_by(dataset: Dataset, run: str, method: str) -> pd.DataFrame:
    """The synapse map of a run as another method separates it; nothing is written.

    Raises
    ------
    SynimgError
        If the run has no measurement, or the table lacks what the method needs.
    """
    dataset.require(f"{run}/measure", f"synimg measure {dataset.path} --run {run}")
    table = read_table(dataset.run(run) / "synapses.parquet", schema.SYNAPSES)
    return with_derived(table.merge(separate(table, method).synapses, on="synapse_id", how="left"))


class Compare(QWidget):
    """Choose two of runs, methods and data sets; the views move together."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__()
        self.viewer = napari_viewer
        self.a, self.b = QComboBox(), QComboBox()
        self.b.activated.connect(self._other)
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.list = QTableWidget(0, 5)
        self.list.setHorizontalHeaderLabels(["synapse", "A", "B", "p A", "p B"])
        self.list.verticalHeader().setVisible(False)
        self.list.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.list.cellClicked.connect(self._go)
        self.list.horizontalHeader().setStretchLastSection(True)
        back = QPushButton("One view again")
        back.clicked.connect(self.leave)
        self.work = Work("Compare", self.compare)
        head = QFormLayout()
        head.addRow("A", self.a)
        head.addRow("B", self.b)
        box = QVBoxLayout(self)
        box.addLayout(head)
        box.addWidget(self.work)
        box.addWidget(self.about)
        box.addWidget(self.list, 1)
        box.addWidget(back)
        self.setMinimumWidth(360)
        self.elsewhere: Path | None = None
        self._tables: list[pd.DataFrame] = []
        self._found = pd.DataFrame()
        self.refresh()
        listen(self, napari_viewer.layers.events.inserted, self._layers_changed)

    def _layers_changed(self, event: Any = None) -> None:
        QTimer.singleShot(0, self.refresh)

    def refresh(self) -> None:
        """Choices that fit the data set that is open."""
        from synimg.errors import SynimgError

        try:
            dataset = dataset_in(self.viewer)
        except SynimgError as error:
            self.about.setText(str(error))
            return
        entries = [*(f"run {run}" for run in runs_of(dataset)), *(f"method {name}" for name in methods())]
        for box, more in ((self.a, []), (self.b, [OTHER])):
            wanted = [*entries, *more]
            if [box.itemText(k) for k in range(len(wanted))] != wanted:
                box.clear()
                box.addItems(wanted)
        if self.b.currentIndex() == self.a.currentIndex():
            self.b.setCurrentIndex(min(1, self.b.count() - 1))

    def _other(self, index: int) -> None:
        if self.b.itemText(index) != OTHER:
            return
        chosen = QFileDialog.getExistingDirectory(self, "The other data set")
        if chosen:
            self.use_dataset(Path(chosen))

    @says_errors
    def use_dataset(self, path: Path) -> None:
        """Take another data set as B."""
        Dataset.open(path)
        self.elsewhere = path
        text = f"data set {path}"
        if self.b.findText(text) < 0:
            self.b.addItem(text)
        self.b.setCurrentText(text)

    @says_errors
    def compare(self) -> None:
        """Show both side by side, and where they disagree."""
        dataset, fdr = dataset_in(self.viewer), read_settings().fdr
        choices = (self.a.currentText(), self.b.currentText())
        runs = runs_of(dataset) or ["default"]

        def table(choice: str) -> tuple[Dataset, pd.DataFrame]:
            what, _, name = choice.partition(" ")
            if what == "run":
                return dataset, read_synapse_map(dataset, name)
            if what == "data":
                other = Dataset.open(name.removeprefix("set "))
                return other, read_synapse_map(other, (runs_of(other) or ["default"])[0])
            return dataset, table_by(dataset, runs[0], name)

        def run(report: Report) -> Any:
            found = []
            for k, choice in enumerate(choices):
                report("reading and separating", k, 2)
                found.append(table(choice))
            return found

        self.work.start(run, lambda found: self._show(found, choices, fdr))

    def _show(self, found: list[tuple[Dataset, pd.DataFrame]], choices: tuple[str, str], fdr: float) -> None:
        from napari.layers import Layer
        from napari.utils.colormaps import Colormap

        (data_a, a), (data_b, b) = found
        self._tables = [a, b]
        same = data_a.path == data_b.path
        self._found = disagreements(a, b, fdr) if same else pd.DataFrame()
        self._list()
        self.about.setText(_words(a, b, choices, fdr, len(self._found) if same else None))
        self.viewer.layers.clear()
        n_shown = []
        # the layers on top come first in the grid, so A is added last
        for side, (dataset, table) in zip("BA", found[::-1], strict=True):
            layers = [one for one in layers_of(dataset, run="") if one[1]["name"] in SHOWN]
            layers.append(synapses(table))
            n_shown.append(len(layers))
            for data, arguments, kind in layers:
                maps = {
                    k: Colormap(**v) for k, v in arguments.items() if isinstance(v, dict) and k.endswith("colormap")
                }
                arguments |= maps | {"name": f"{arguments['name']} {side}"}
                arguments["metadata"] = {OURS: {"dataset": str(dataset.path), "run": "default"}}
                self.viewer.add_layer(Layer.create(data, arguments, kind))
        grid = self.viewer.canvas.grid
        grid.stride, grid.shape, grid.enabled = -max(n_shown), (1, 2), True
        self.viewer.canvas.overlays["text"].visible = False  # it counts the synapses of one view
        whole_depth(self.viewer, self.viewer.dims.ndim - 3)
        self.viewer.reset_view()

    def _list(self) -> None:
        shown = self._found.head(MOST_ROWS)
        self.list.setRowCount(len(shown))
        for k, row in enumerate(shown.itertuples()):
            texts = (
                str(row.synapse_id),
                str(row.class_a),
                str(row.class_b),
                f"{row.p_learning_a:.2f}",
                f"{row.p_learning_b:.2f}",
            )
            for column, text in enumerate(texts):
                self.list.setItem(k, column, QTableWidgetItem(text))
        self.list.resizeColumnsToContents()

    def _go(self, row: int, _: int) -> None:
        """Both views to a synapse of the list."""
        place = self._tables[0].iloc[int(self._found["row_a"].iloc[row])]
        self.viewer.scene.camera.center = (0.0, float(place["y_um"]), float(place["x_um"]))
        self.viewer.scene.camera.zoom = max(self.viewer.scene.camera.zoom, 40.0)

    def leave(self) -> None:
        """One view again, of the data set that was there."""
        grid = self.viewer.canvas.grid
        if not grid.enabled:
            return
        path = dataset_in(self.viewer).path if len(self.viewer.layers) else None
        first = [one for one in self.viewer.layers if one.name.endswith(" A")]
        path = Path(first[0].metadata[OURS]["dataset"]) if first else path
        grid.enabled = False
        self.viewer.layers.clear()
        if path is not None:
            self.viewer.open(str(path), plugin="synimg")


def _words(a: pd.DataFrame, b: pd.DataFrame, choices: tuple[str, str], fdr: float, n_apart: int | None) -> str:
    """A table of what each shows, and how often they disagree."""
    rows = [summary(table, fdr) for table in (a, b)]
    head = "".join(f"<th align='right'>&nbsp;{name}</th>" for name in ("A", "B"))
    body = "".join(
        f"<tr><td>{name}</td>" + "".join(f"<td align='right'>&nbsp;{row[name]:.4g}</td>" for row in rows) + "</tr>"
        for name in rows[0]
    )
    said = "two animals: their synapses are not the same ones, so there is no list"
    if n_apart is not None:
        said = f"they disagree on {n_apart} synapses at an FDR of {fdr:.2f}; click one to go there"
    return f"A: {choices[0]}<br>B: {choices[1]}<table><tr><th></th>{head}</tr>{body}</table>{said}"
