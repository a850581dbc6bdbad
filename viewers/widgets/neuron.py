"""Neuron view: the selected neuron's turnover, the factor read from it, and its synapses along the dendrite."""

from typing import Any

from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QComboBox, QScrollArea, QVBoxLayout, QWidget

from synimg.errors import SynimgError
from synimg.viewers.neurons import neuron_figure
from synimg.viewers.widgets.listen import listen
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
        listen(self, self.viewer.layers.events.inserted, self._layers_changed)
        listen(self, self.viewer.layers.events.removed, self._layers_changed)
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
        listen(self, session.layer.selected_data.events.items_changed, self._selection_changed)
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
