"""Compare: two analyses or two animals side by side with linked views, and where they disagree."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHeaderView,
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
from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table
from synimg.viewers.colours import NAMED
from synimg.viewers.compare import disagreements, neurons_apart, partners_by_wiring, summary
from synimg.viewers.layers import SYNAPSES, layers_of, synapses
from synimg.viewers.synapse_map import read_synapse_map, with_derived
from synimg.viewers.view import adding, showing, whole_depth
from synimg.viewers.widgets.analyse import dataset_in, require_saved
from synimg.viewers.widgets.listen import listen
from synimg.viewers.widgets.mark import Mark
from synimg.viewers.widgets.say import says_errors
from synimg.viewers.widgets.session import OURS
from synimg.viewers.widgets.settings import read_settings
from synimg.viewers.widgets.work import Work, in_steps

OTHER = "another data set …"
SHOWN = {"pulse", "chase"}
MOST_ROWS = 500
OF_SYNAPSES = {"synapse_id": "synapse", "class_a": "A", "class_b": "B", "p_learning_a": "p A", "p_learning_b": "p B"}
OF_NEURONS = {
    "animal": "of", "neuron_id": "neuron", "n_synapses": "n", "share_called": "called",
    "log_turnover": "turnover", "apart": "apart [sd]",
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One of the two that are compared: what was chosen, and the synapse map of a run or method."""

    choice: str
    dataset: Dataset
    run: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Found:
    """Where two sides disagree: rows of a list of synapses or of neurons, and a sentence about them."""

    rows: pd.DataFrame
    is_of_neurons: bool
    fdr: float
    text: str


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


def find(a: Side, b: Side, fdr: float) -> Found:
    """The synapses on which two sides disagree where these are the same ones, and otherwise the neurons that differ most."""
    at = f"at an FDR of {fdr:.2f}"
    if a.dataset.path == b.dataset.path:
        found = disagreements(a.table, b.table, fdr)
        return Found(found, False, fdr, f"they disagree on {len(found)} synapses {at}; click one to go there")
    files = [side.dataset.path / "truth" / "synapses.parquet" for side in (a, b)]
    if all(file.is_file() for file in files):
        truth = [read_table(file, schema.TRUTH_SYNAPSES) for file in files]
        rows = partners_by_wiring(a.table, b.table, *truth)
        if len(rows) and all("p_learning" in side.table for side in (a, b)):
            found = disagreements(a.table, b.table, fdr, rows)
            return Found(
                found,
                False,
                fdr,
                f"two animals of one wiring: {len(rows)} contacts were found in both, and they disagree on {len(found)} "
                f"{at}; click one to bring both views there",
            )
    return Found(
        neurons_apart(a.table, b.table, fdr),
        True,
        fdr,
        "two animals whose synapses are not the same ones: instead their neurons, those first whose median log turnover "
        "lies farthest from the other animal's neurons; click one to see it alone",
    )


def layers_of_side(side: Side, letter: str) -> list[Any]:
    """The receptors' channels and the synapses of one side, named by its letter."""
    layers = [one for one in layers_of(side.dataset, run="") if one[1]["name"] in SHOWN]
    layers.append(synapses(side.table))
    about = {"metadata": {OURS: {"dataset": str(side.dataset.path), "run": side.run}}}
    return [
        (data, arguments | about | {"name": f"{arguments['name']} {letter}"}, kind) for data, arguments, kind in layers
    ]


class Compare(QWidget):
    """Choose two of runs, methods and data sets; the views move together."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__()
        self.viewer = napari_viewer
        self.a, self.b = QComboBox(), QComboBox()
        self.b.activated.connect(self._other)
        self.about = QLabel()
        self.about.setWordWrap(True)
        self.list = QTableWidget(0, 0)
        self.list.verticalHeader().setVisible(False)
        self.list.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.list.cellClicked.connect(self._go)
        self.list.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
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
        self._sides: tuple[Side, ...] = ()
        self._found = Found(pd.DataFrame(), False, 0.0, "")
        self._marks = (Mark(), Mark())
        self._alone: tuple[str, int] | None = None
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
        require_saved(self.viewer)
        choices = (self.a.currentText(), self.b.currentText())
        runs = runs_of(dataset) or ["default"]

        def side(choice: str) -> Side:
            what, _, name = choice.partition(" ")
            if what == "run":
                return Side(choice, dataset, name, read_synapse_map(dataset, name))
            if what == "data":
                other = Dataset.open(name.removeprefix("set "))
                of_other = (runs_of(other) or ["default"])[0]
                return Side(choice, other, of_other, read_synapse_map(other, of_other))
            return Side(choice, dataset, runs[0], table_by(dataset, runs[0], name))

        def run(report: Report) -> tuple[Side, Side, Found, list[Any]]:
            sides = []
            for k, choice in enumerate(choices):
                report("reading and separating", k, 3)
                sides.append(side(choice))
            report("comparing", 2, 3)
            found = find(sides[0], sides[1], fdr)
            # the layers on top come first in the grid, so A is added last
            layers = [
                one for letter, side in zip("BA", sides[::-1], strict=True) for one in layers_of_side(side, letter)
            ]
            return sides[0], sides[1], found, layers

        self.work.start(run, lambda result: self._show(*result))

    def _show(self, a: Side, b: Side, found: Found, layers: list[Any]) -> None:
        self._sides, self._found, self._marks, self._alone = (a, b), found, (Mark(), Mark()), None
        self._list()
        self.about.setText(_words(a, b, found))
        self.viewer.layers.clear()
        for _ in adding(self.viewer, layers):
            pass
        grid = self.viewer.canvas.grid
        grid.stride, grid.shape, grid.enabled = -(len(layers) // 2), (1, 2), True
        self.viewer.canvas.overlays["text"].visible = False  # it counts the synapses of one view
        whole_depth(self.viewer, self.viewer.dims.ndim - 3)
        self.viewer.reset_view()

    def _list(self) -> None:
        """The list, with the columns that it needs."""
        names = OF_NEURONS if self._found.is_of_neurons else OF_SYNAPSES
        shown = self._found.rows.head(MOST_ROWS)
        self.list.setColumnCount(len(names))
        self.list.setHorizontalHeaderLabels(list(names.values()))
        self.list.setRowCount(len(shown))
        for k, row in enumerate(shown[list(names)].itertuples(index=False)):
            for column, value in enumerate(row):
                text = f"{value:.2f}" if isinstance(value, float) else str(value)
                item = QTableWidgetItem("" if text == "nan" else text)
                if isinstance(value, float | int | np.number):
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.list.setItem(k, column, item)

    def _layer(self, letter: str) -> Any:
        """The synapses of a side; None if the user has removed them."""
        name = f"{SYNAPSES} {letter}"
        return self.viewer.layers[name] if name in self.viewer.layers else None

    def _go(self, row: int, _: int) -> None:
        """Both views to a synapse of the list, or one of them to a neuron."""
        if self._found.is_of_neurons:
            self._go_to_neuron(self._found.rows.iloc[row])
            return
        ids, places = [], []
        for side, name in zip(self._sides, ("row_a", "row_b"), strict=True):
            synapse = side.table.iloc[int(self._found.rows[name].iloc[row])]
            ids.append(synapse["synapse_id"])
            places.append(synapse[PLACE].to_numpy(float))
        # both at one place of the screen, wherever it lies in the other animal
        shift = places[0] - places[1] if self._sides[0].dataset.path != self._sides[1].dataset.path else np.zeros(3)
        for layer in self.viewer.layers:
            if layer.name.endswith(" B"):
                layer.translate = (*np.zeros(layer.ndim - 2), *shift[-2:])
        for letter, synapse_id, mark in zip("AB", ids, self._marks, strict=True):
            layer = self._layer(letter)
            # the layer has its rows in another order than the table
            if layer is not None and len(at := np.flatnonzero(layer.features["synapse_id"] == synapse_id)):
                mark.put(layer, int(at[0]))
        self._look_at(places[0], 40.0)

    def _go_to_neuron(self, row: "pd.Series[Any]") -> None:
        """A neuron's synapses alone in the view of its animal; all again when it is chosen a second time."""
        chosen = (str(row["animal"]), int(row["neuron_id"]))
        self._alone = None if chosen == self._alone else chosen
        for letter in "AB":
            if (layer := self._layer(letter)) is None:
                continue
            alone = self._alone is not None and letter == self._alone[0]
            wanted = (layer.features["neuron_id"] == chosen[1]).fillna(False).to_numpy(bool) if alone else True
            layer.shown = np.broadcast_to(wanted, len(layer.data))
            if alone:
                self._look_at(layer.data[layer.shown].mean(axis=0), 0.0)

    def _look_at(self, place: Any, least_zoom: float) -> None:
        camera = self.viewer.scene.camera
        camera.center = (0.0, float(place[-2]), float(place[-1]))
        camera.zoom = max(camera.zoom, least_zoom)

    @says_errors
    def leave(self) -> None:
        """One view again, of the data set that was there."""
        grid = self.viewer.canvas.grid
        if not grid.enabled:
            return
        require_saved(self.viewer)
        path = dataset_in(self.viewer).path if len(self.viewer.layers) else None
        first = [one for one in self.viewer.layers if one.name.endswith(" A")]
        path = Path(first[0].metadata[OURS]["dataset"]) if first else path
        grid.enabled = False
        self.viewer.layers.clear()
        if path is not None:
            in_steps(self, showing(self.viewer, layers_of(path)))


def _words(a: Side, b: Side, found: Found) -> str:
    """A table of what each shows with the colours of the classes, and where they disagree."""
    rows = [summary(side.table, found.fdr) for side in (a, b)]
    head = "".join(f"<th align='right'>&nbsp;{name}</th>" for name in ("A", "B"))
    body = ""
    for name in rows[0]:
        dot = f"<span style='color:{NAMED[name]}'>●</span> " if name in NAMED else ""
        cells = "".join(f"<td align='right'>&nbsp;{row[name]:.4g}</td>" for row in rows)
        body += f"<tr><td>{dot}{name}</td>{cells}</tr>"
    return f"A: {a.choice}<br>B: {b.choice}<table><tr><th></th>{head}</tr>{body}</table>{found.text}"
