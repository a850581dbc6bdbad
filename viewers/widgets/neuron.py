"""Neuron view: the selected neuron's turnover, the factor read from it, and its synapses along the dendrite."""

from typing import Any

import numpy as np
import pandas as pd
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QScrollArea, QVBoxLayout, QWidget

from synimg import schema
from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table
from synimg.viewers.dendrites import along, tree_files
from synimg.viewers.figures.neuron_card import baseline, neuron_card
from synimg.viewers.synapse_map import PLACE
from synimg.viewers.widgets.picture import Picture
from synimg.viewers.widgets.say import says_errors
from synimg.viewers.widgets.session import Session, find_session


class NeuronView(QWidget):
    """The neuron of the selected synapse, or one chosen by its number."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__()
        self.viewer = napari_viewer
        self.session: Session | None = None
        self.neuron = QComboBox()
        self.neuron.currentTextChanged.connect(self._chosen)
        self.picture = Picture("Select a synapse, or choose a neuron.")
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setWidget(self.picture)
        box = QVBoxLayout(self)
        box.addWidget(self.neuron)
        box.addWidget(scroll)
        self.setMinimumWidth(360)
        self.viewer.layers.events.inserted.connect(self._layers_changed)
        self.viewer.layers.events.removed.connect(self._layers_changed)
        self.refresh()

    def _layers_changed(self, event: Any = None) -> None:
        QTimer.singleShot(0, self.refresh)

    def refresh(self) -> None:
        """Take up the synapses that the viewer has now."""
        try:
            session = find_session(self.viewer)
        except SynimgError as error:
            self.session = None
            self.picture.say(str(error))
            return
        if self.session is not None and session.layer is self.session.layer:
            return
        self.session = session
        if "neuron_id" not in session.layer.features or "log_turnover" not in session.layer.features:
            self.picture.say("The table has no neuron_id, r_old and r_new: a neuron's turnover needs them.")
            return
        session.layer.selected_data.events.items_changed.connect(self._selection_changed)
        self.neuron.blockSignals(True)
        self.neuron.clear()
        self.neuron.addItems([f"neuron {n}" for n in sorted(session.layer.features["neuron_id"].dropna().unique())])
        self.neuron.blockSignals(False)
        self._chosen()

    def _selection_changed(self, *_: Any) -> None:
        if self.session is None or len(self.session.layer.selected_data) != 1:
            return
        row = self.session.layer.features.iloc[next(iter(self.session.layer.selected_data))]
        text = f"neuron {row['neuron_id']}"
        if self.neuron.currentText() == text:
            self._chosen()
        self.neuron.setCurrentText(text)

    @says_errors
    def _chosen(self, *_: Any) -> None:
        if self.session is None or not self.neuron.currentText():
            return
        neuron_id = int(self.neuron.currentText().split()[1])
        table = self.session.table()
        selected = None
        if len(self.session.layer.selected_data) == 1:
            selected = int(table["synapse_id"].iloc[next(iter(self.session.layer.selected_data))])
        figure = neuron_figure(table, neuron_id, self.session.dataset, self.session.run, selected)
        self.picture.show_figure(figure)


def neuron_figure(
    table: pd.DataFrame, neuron_id: int, dataset: Dataset | None, run: str, selected: int | None = None
) -> Any:
    """The card of one neuron of a synapse map; without a data set or its separation, the histogram alone.

    Raises
    ------
    SynimgError
        If a file of the data set is damaged.
    """
    rows = table[table["neuron_id"] == neuron_id].reset_index(drop=True)
    neuron, base, true_factor = None, float(table["log_turnover"].median()), None
    if dataset is not None:
        files = tree_files(dataset.path / "truth" / "morphology")
        if neuron_id in files:
            on_dendrite = along(files[neuron_id], rows[PLACE].to_numpy(float))
            rows = rows.assign(path_um=on_dendrite["path_um"].to_numpy())
        if dataset.is_done(f"{run}/separate"):
            neurons = read_table(dataset.run(run) / "neurons.parquet", schema.NEURON_RESULT)
            if neurons["scale_factor"].notna().any():
                base = baseline(table, neurons)
                found = neurons[neurons["neuron_id"] == neuron_id]
                neuron = found.iloc[0] if len(found) else None
        true_file = dataset.path / "truth" / "neurons.parquet"
        if neuron is not None and true_file.is_file():
            truth = read_table(true_file, schema.TRUTH_NEURONS).set_index("neuron_id")["scale_factor"]
            if neuron_id in truth.index and np.isfinite(truth[neuron_id]):
                true_factor = float(truth[neuron_id])
    return neuron_card(rows, neuron, base, true_factor, selected)
