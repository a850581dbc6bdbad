"""Synapse browser: colours with a legend, filters, a click's row and voxels, misses and false positives, edits by hand."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSlider,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from synimg import schema
from synimg.analysis.look import Measured, look
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.viewers.colours import colour_by
from synimg.viewers.crowd import Crowd
from synimg.viewers.edits import save_edits
from synimg.viewers.figures.synapse_card import synapse_card
from synimg.viewers.layers import diameters, symbols
from synimg.viewers.synapse_map import class_of, columns_to_colour, following, keep
from synimg.viewers.view import whole_depth
from synimg.viewers.widgets.listen import at_end, listen
from synimg.viewers.widgets.mark import Mark
from synimg.viewers.widgets.picture import Picture
from synimg.viewers.widgets.say import says_errors
from synimg.viewers.widgets.session import OURS, Session, find_session, state_of, table_of_layer
from synimg.viewers.widgets.settings import keep_setting, read_settings

ALL = "all"
NEAR_ZOOM = 110.0
"""Pixels of the screen per micrometre at which one synapse is looked at: some ten micrometres are in view."""
MEANINGS = {
    column.name: (column.meaning, column.unit)
    for table in (schema.SYNAPSES, schema.SEPARATION)
    for column in table.columns
}
KEYS = {"Shift-F": "next_false_positive", "Shift-M": "next_miss", "Shift-C": "next_called"}
BY_HAND = ("", "potentiated", "depressed", "unchanged", "no synapse")


class SynapseBrowser(QWidget):
    """Browse the synapses of the viewer."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__()
        self.viewer = napari_viewer
        self.session: Session | None = None
        self.crowd: Crowd | None = None
        self._measured: Measured | None = None
        self._mark = Mark()
        self._table = pd.DataFrame()
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(120)
        self._build()
        for key, method in KEYS.items():
            self.viewer.bind_key(key, lambda _, method=method: getattr(self, method)(), overwrite=True)
            at_end(self, partial(napari_viewer.bind_key, key, None, overwrite=True))
        listen(self, self.viewer.layers.events.inserted, self._layers_changed)
        listen(self, self.viewer.layers.events.removed, self._layers_changed)
        self.refresh()

    def _build(self) -> None:
        self._make_choices()
        self._make_edits()
        self.picture = Picture("Click a synapse in the viewer, or jump to one.")
        self.row = QTableWidget(0, 2)
        self.row.setHorizontalHeaderLabels(["column", "value"])
        self.row.verticalHeader().setVisible(False)
        self.row.horizontalHeader().setStretchLastSection(True)
        self.row.setMinimumHeight(160)
        self._arrange()
        self.setMinimumWidth(360)

    def _make_choices(self) -> None:
        """Which synapses are shown, and in which colours."""
        self.column = QComboBox()
        self.column.currentTextChanged.connect(self._recolour)
        self.legend = _legend(self)
        self.neuron, self.branch = QComboBox(), QComboBox()
        self.neuron.currentTextChanged.connect(self._neuron_chosen)
        self.branch.currentTextChanged.connect(self._filter)
        self.fdr = QSlider(Qt.Orientation.Horizontal)
        self.fdr.setRange(1, 60)
        self.fdr.setValue(round(100 * read_settings().fdr))
        self.fdr.valueChanged.connect(self._fdr_moved)
        self.fdr_label, self.count = QLabel(), QLabel()
        self.truth = QCheckBox("true synapses")
        self.truth.toggled.connect(self._show_truth)
        self.whole = QCheckBox("whole depth")
        self.whole.setChecked(True)
        self.whole.toggled.connect(self._set_depth)

    def _make_edits(self) -> None:
        """What is written by hand on a synapse, and where it is saved."""
        self.by_hand = QComboBox()
        self.by_hand.addItems(["no class by hand", *BY_HAND[1:]])
        self.by_hand.currentIndexChanged.connect(self._labelled)
        self.note = QLineEdit()
        self.note.setPlaceholderText("note on the selected synapse")
        self.note.editingFinished.connect(self._labelled)
        self.save = QPushButton("Save edits as a new run")
        self.save.setToolTip("classes, notes, and points added, moved or deleted; the run that they come from stays")
        self.save.clicked.connect(self.save_edits)

    def _jumps(self) -> QHBoxLayout:
        """Buttons that go to the next synapse of a kind."""
        buttons = QHBoxLayout()
        for text, method, tip in (
            ("next called", "next_called", "Shift-C"),
            ("next false positive", "next_false_positive", "Shift-F"),
            ("next miss", "next_miss", "Shift-M"),
        ):
            button = QPushButton(text)
            button.setToolTip(f"{tip} in the viewer")
            button.clicked.connect(lambda _, method=method: getattr(self, method)())
            buttons.addWidget(button)
        return buttons

    def _arrange(self) -> None:
        top = QGridLayout()
        for k, (label, widget) in enumerate(
            (("colour by", self.column), ("neuron", self.neuron), ("branch", self.branch))
        ):
            top.addWidget(QLabel(label), k, 0)
            top.addWidget(widget, k, 1)
        top.addWidget(self.fdr_label, 3, 0)
        top.addWidget(self.fdr, 3, 1)
        switches = QHBoxLayout()
        switches.addWidget(self.truth)
        switches.addWidget(self.whole)
        switches.addWidget(self.count, 1)
        inner = QWidget()
        box = QVBoxLayout(inner)
        box.addLayout(top)
        box.addWidget(self.legend)
        box.addLayout(switches)
        box.addLayout(self._jumps())
        box.addWidget(self.picture)
        box.addWidget(self.by_hand)
        box.addWidget(self.note)
        box.addWidget(self.row)
        box.addWidget(self.save)
        box.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(inner)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(scroll)

    # what is in the viewer

    def _layers_changed(self, event: Any = None) -> None:
        name = getattr(getattr(event, "value", None), "name", "")
        if name.startswith(("density", "preview")):
            return
        QTimer.singleShot(0, self.refresh)

    def refresh(self) -> None:
        """Take up the synapses that the viewer has now."""
        try:
            session = find_session(self.viewer)
        except SynimgError as error:
            self.session, self.crowd = None, None
            self.picture.say(str(error))
            return
        if self.session is not None and session.layer is self.session.layer:
            self.session = session
            return
        self.session, self._measured = session, None
        layer = session.layer
        self._table = session.table()
        listen(self, layer.selected_data.events.items_changed, self._selection_changed)
        listen(self, layer.events.data, self._points_changed)
        self.crowd = self._take(layer)
        if session.truth is not None:
            self._take(session.truth)
        self.viewer.canvas.overlays["text"].visible = False  # the legend here says it, and keeps up
        self._fill()
        self._set_depth(self.whole.isChecked())

    def _take(self, layer: Any) -> Crowd:
        """Hear clicks on a layer, and keep what is drawn of it few enough."""
        clicked = self._clicked
        layer.mouse_drag_callbacks.append(clicked)
        at_end(self, lambda: layer.mouse_drag_callbacks.remove(clicked))
        crowd = Crowd(self.viewer, layer, self._later)
        at_end(self, crowd.close)
        return crowd

    def _later(self, function: Any) -> Any:
        self._settled.timeout.connect(function)
        return lambda *_: self._settled.start()

    def _fill(self) -> None:
        """Choices that fit the table."""
        assert self.session is not None
        wanted = self.column.currentText()
        for box, entries in (
            (self.column, columns_to_colour(self._table)),
            (self.neuron, [ALL, *map(str, sorted(self._table["neuron_id"].dropna().unique()))])
            if "neuron_id" in self._table
            else (self.neuron, [ALL]),
        ):
            box.blockSignals(True)
            box.clear()
            box.addItems(entries)
            box.blockSignals(False)
        if wanted and self.column.findText(wanted) >= 0:
            self.column.setCurrentText(wanted)
        self.truth.setEnabled(self.session.truth is not None)
        self._neuron_chosen()
        self._fdr_moved()

    # colours and filters

    @says_errors
    def _recolour(self, *_: Any) -> None:
        self._paint()
        if self.crowd is not None:
            self.crowd.update()

    def _paint(self) -> None:
        """Colours and legend of the chosen column; whoever calls draws the crowd anew, once."""
        if self.session is None or not self.column.currentText():
            return
        colors, legend = colour_by(self._table[self.column.currentText()])
        self.session.layer.face_color = colors
        self.legend.show_legend(legend)

    @says_errors
    def _fdr_moved(self, *_: Any) -> None:
        """Classes at the rate of the slider, live."""
        fdr = self.fdr.value() / 100
        self.fdr_label.setText(f"FDR {fdr:.2f}")
        if self.session is None:
            return
        self.fdr.setEnabled("lfdr" in self._table)
        if "lfdr" in self._table:
            self._table = self._table.assign(**{"class": class_of(self._table, fdr)})
            scale = read_settings().point_scale
            self.session.layer.size = scale * diameters(self._table)
            self.session.layer.symbol = symbols(self._table)
            keep_setting("fdr", fdr)
        self._paint()
        self._filter()

    def _neuron_chosen(self, *_: Any) -> None:
        rows = self._table
        if self.neuron.currentText() != ALL and "neuron_id" in rows:
            rows = rows[rows["neuron_id"] == int(self.neuron.currentText())]
        branches: list[int] = list(rows["branch_id"].dropna().unique()) if "branch_id" in rows else []
        self.branch.blockSignals(True)
        self.branch.clear()
        self.branch.addItems([ALL, *map(str, sorted(branches))])
        self.branch.setEnabled(self.branch.count() > 1)
        self.branch.blockSignals(False)
        self._filter()

    def _filter(self, *_: Any) -> None:
        if self.session is None or self.crowd is None or len(self._table) != len(self.session.layer.data):
            return
        neuron, branch = (
            None if box.currentText() in {"", ALL} else int(box.currentText()) for box in (self.neuron, self.branch)
        )
        # the legend may still be of a table that has gone
        hidden = self.legend.hidden if self.legend.column in self._table else frozenset()
        wanted = keep(self._table, neuron, branch, hidden, self.legend.column)
        self.crowd.filter(wanted)
        self.count.setText(self.crowd.text)
        self._show_dendrite(neuron)

    def _show_dendrite(self, neuron: int | None) -> None:
        """The chosen neuron's dendrite in full colour, the others faint."""
        assert self.session is not None
        layer = self.session.dendrites
        if layer is None:
            return
        ids = layer.features["neuron_id"].to_numpy()
        colors = np.tile(np.array([0.34, 0.71, 0.91, 1.0], np.float32), (ids.size, 1))
        if neuron is not None:
            colors[ids != neuron, 3] = 0.12
        layer.edge_color = colors

    def _show_truth(self, on: bool) -> None:
        if self.session is None or self.session.truth is None:
            return
        self.session.truth.visible = on
        layers = self.viewer.layers
        at, below = layers.index(self.session.layer), layers.index(self.session.truth)
        if on and below < at:  # open squares hide no dot; the other way round they are hidden
            layers.move(below, at + 1)

    def _set_depth(self, on: bool) -> None:
        dims = self.viewer.dims
        if dims.ndim < 3:
            return
        if on:
            whole_depth(self.viewer, dims.ndim - 3)
        else:
            thickness = list(dims.thickness)
            thickness[dims.ndim - 3] = 0.6
            dims.thickness = tuple(thickness)

    # one synapse

    def _clicked(self, layer: Any, event: Any) -> Any:
        moved = False
        yield
        while event.type == "mouse_move":
            moved = True
            yield
        if moved or str(layer.mode) != "pan_zoom":
            return
        value = layer.get_value(
            event.position, view_direction=event.view_direction, dims_displayed=event.dims_displayed, world=True
        )
        if value is not None:
            layer.selected_data = {int(value)}
            if self.session is not None and layer is self.session.truth:
                self.show_synapse(layer, int(value))

    def _selection_changed(self, *_: Any) -> None:
        if self.session is None or len(self.session.layer.selected_data) != 1:
            return
        row = next(iter(self.session.layer.selected_data))
        if row < len(self._table):
            self.show_synapse(self.session.layer, int(row))

    @says_errors
    def show_synapse(self, layer: Any, row: int) -> None:
        """Its row, its voxels with model and residual, its place in its neuron's turnover."""
        assert self.session is not None
        table = self._table if layer is self.session.layer else table_of_layer(layer)
        synapse = table.iloc[row]
        self._mark.put(layer, row)
        self._show_row(synapse)
        for widget in (self.by_hand, self.note):
            widget.blockSignals(True)
            widget.setEnabled(layer is self.session.layer)
        chosen = str(synapse.get("class_by_hand", "") or "")
        self.by_hand.setCurrentIndex(BY_HAND.index(chosen) if chosen in BY_HAND else 0)
        self.note.setText(str(synapse.get("note", "") or ""))
        for widget in (self.by_hand, self.note):
            widget.blockSignals(False)
        if self.session.path is None:
            self.picture.say("The image comes without what a fit needs (camera, dyes): no model can be shown.")
            return
        if self._measured is None:
            dataset = self.session.dataset
            assert dataset is not None
            self._measured = Measured.open(dataset, self.session.run)
        cutout = look(self._measured, synapse[PLACE].to_numpy(float))
        neuron = synapse.get("neuron_id", synapse.get("post_id"))
        theirs = self._table.loc[self._table["neuron_id"] == neuron, "log_turnover"].to_numpy(float)
        this = synapse.get("log_turnover")
        self.picture.show_figure(synapse_card(cutout, theirs, None if pd.isna(this) else float(this)))
        self._show_dendrite(None if pd.isna(neuron) else int(neuron))

    def _show_row(self, synapse: "pd.Series[Any]") -> None:
        known = synapse.dropna()
        self.row.setRowCount(len(known))
        for k, (name, value) in enumerate(known.items()):
            text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
            for column, shown in enumerate((str(name), text)):
                item = QTableWidgetItem(shown)
                meaning, unit = MEANINGS.get(str(name), ("", ""))
                item.setToolTip(f"{meaning} [{unit}]" if unit else meaning)
                item.setFlags(item.flags() & ~Qt.ItemFlag.ItemIsEditable)
                self.row.setItem(k, column, item)
        self.row.resizeColumnToContents(0)

    # jumps

    def next_called(self) -> None:
        """Go to the next synapse that is called learned."""
        self._jump("class", ("potentiated", "depressed"), "is called at this false discovery rate")

    def next_false_positive(self) -> None:
        """Go to the next found synapse that is none."""
        self._jump("match", ("false positive",), "is a false positive")

    @says_errors
    def _jump(self, column: str, values: tuple[str, ...], what: str) -> None:
        if self.session is None:
            return
        if column not in self._table:
            raise SynimgError("there is no truth to compare with, so nothing is known to be a false positive")
        layer = self.session.layer
        rows = np.flatnonzero(self._table[column].isin(values).to_numpy())
        current = next(iter(layer.selected_data), None) if len(layer.selected_data) == 1 else None
        row = following(rows, current)
        if row is None:
            raise SynimgError(f"no synapse here {what}")
        self._go(layer, row)

    @says_errors
    def next_miss(self) -> None:
        """Go to the next true synapse that was not found."""
        if self.session is None:
            return
        layer = self.session.truth
        if layer is None or "match" not in layer.features:
            raise SynimgError("there is no truth to compare with, so nothing is known to be missed")
        current = next(iter(layer.selected_data), None) if len(layer.selected_data) == 1 else None
        row = following(np.flatnonzero((layer.features["match"] == "miss").to_numpy()), current)
        if row is None:
            raise SynimgError("no synapse was missed")
        self.truth.setChecked(True)
        self._go(layer, row)
        self.show_synapse(layer, row)

    def _go(self, layer: Any, row: int) -> None:
        self.viewer.layers.selection.active = layer
        camera = self.viewer.scene.camera
        camera.center = tuple(layer.data[row][-len(camera.center) :])
        camera.zoom = max(camera.zoom, NEAR_ZOOM)
        if not self.whole.isChecked() and self.viewer.dims.ndim >= 3:
            self.viewer.dims.set_point(self.viewer.dims.ndim - 3, float(layer.data[row][-3]))
        layer.selected_data = {row}

    # edits

    def _labelled(self, *_: Any) -> None:
        """Keep the class and the note of the selected synapse in the layer."""
        if self.session is None or len(self.session.layer.selected_data) != 1:
            return
        row = next(iter(self.session.layer.selected_data))
        features = self.session.layer.features.copy()
        for name, value in (("class_by_hand", BY_HAND[self.by_hand.currentIndex()]), ("note", self.note.text())):
            if name not in features:
                features[name] = ""
            features[name] = features[name].astype(object)
            features.loc[features.index[row], name] = value
        self.session.layer.features = features
        self._table = self._table.assign(**{name: features[name].to_numpy() for name in ("class_by_hand", "note")})
        self._fdr_moved()

    def _points_changed(self, *_: Any) -> None:
        """Points were added, moved or deleted in the viewer."""
        if self.session is not None and len(self.session.layer.data) != len(self._table):
            self._table = self.session.table()
            QTimer.singleShot(0, self._fdr_moved)

    @says_errors
    def save_edits(self, *_: Any) -> None:
        """Keep the layer as a new analysis run."""
        from napari.utils.notifications import show_info

        if self.session is None or (dataset := self.session.dataset) is None:
            raise SynimgError(
                "only edits of a data set become a run; save a table of another lab with File > Save Selected Layers"
            )
        layer = self.session.layer
        author = read_settings().author or None
        run, edits = save_edits(dataset, self.session.run, np.asarray(layer.data, float), layer.features, author)
        layer.metadata[OURS]["saved"] = state_of(layer)
        show_info(f"run '{run}': {edits.text}; next: synimg separate {dataset.path} --run {run}")


def _legend(browser: SynapseBrowser) -> Any:
    from synimg.viewers.widgets.legend import LegendView

    view = LegendView()
    view.changed.connect(browser._filter)
    return view
