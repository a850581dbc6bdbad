"""Generate: a form of the whole configuration, section by section, and the data set that it makes."""

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import (
    QComboBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from synimg.compute import Report
from synimg.config import preset, presets
from synimg.store.dataset import Dataset
from synimg.viewers.forms import sections, with_section
from synimg.viewers.layers import layers_of
from synimg.viewers.view import showing
from synimg.viewers.widgets.form import Form
from synimg.viewers.widgets.say import says_errors
from synimg.viewers.widgets.work import Work, in_steps


class GenerateForm(QWidget):
    """Start from a preset, change what should differ, generate; the result opens in the viewer."""

    def __init__(self, napari_viewer: "napari.viewer.Viewer") -> None:  # type: ignore[name-defined]  # noqa: F821
        super().__init__()
        self.viewer = napari_viewer
        self.preset, self.section = QComboBox(), QComboBox()
        self.preset.addItems(presets())
        self.preset.setCurrentText("demo")
        self.out = QLineEdit()
        self.out.setPlaceholderText("new folder for the data set")
        browse = QPushButton("…")
        browse.clicked.connect(self._browse)
        folder = QHBoxLayout()
        folder.addWidget(self.out)
        folder.addWidget(browse)
        head = QFormLayout()
        head.addRow("preset", self.preset)
        head.addRow("folder", folder)
        head.addRow("section", self.section)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.work = Work("Generate", self.generate)
        self.work.stopped = "stopped; with the same folder and settings it goes on from here"
        box = QVBoxLayout(self)
        box.addLayout(head)
        box.addWidget(self.area, 1)
        box.addWidget(self.work)
        self.preset.currentTextChanged.connect(self._take_preset)
        self.section.currentTextChanged.connect(self._show_section)
        self._take_preset()
        self.setMinimumWidth(340)

    def _browse(self) -> None:
        chosen = QFileDialog.getExistingDirectory(self, "Folder for the data set")
        if chosen:
            self.out.setText(chosen)

    def _take_preset(self, *_: Any) -> None:
        self.config = preset(self.preset.currentText())
        kept = self.section.currentText()
        self.section.blockSignals(True)
        self.section.clear()
        self.section.addItems(list(sections(self.config)))
        self.section.setCurrentText(kept)
        self.section.blockSignals(False)
        self._show_section()

    def _show_section(self, *_: Any) -> None:
        name = self.section.currentText()
        model, folder = sections(self.config)[name]
        self.form = Form(model, folder)
        self.form.set_values((self.config if name == "animal" else getattr(self.config, name)).model_dump())
        self.form.changed.connect(self._changed)
        self.area.setWidget(self.form)

    @says_errors
    def _changed(self) -> None:
        """Take up a change; one that cannot be goes back to what was there."""
        name, values = self.section.currentText(), self.form.values()
        before: Any = self.config if name == "animal" else getattr(self.config, name)
        if "kind" in values and values["kind"] != before.kind:
            values = {"kind": values["kind"]}  # another part has other fields
        try:
            self.config = with_section(self.config, name, values)
        except Exception:
            self.form.set_values(before.model_dump())
            raise
        if values.keys() == {"kind"}:
            self._show_section()

    @says_errors
    def generate(self) -> None:
        """Make the data set in a thread; the same folder and settings again resume."""
        from synimg.errors import SynimgError
        from synimg.phantoms.generate import generate

        if not self.out.text().strip():
            raise SynimgError("no folder is given; choose a new or empty one for the data set")
        config, out = self.config, Path(self.out.text().strip()).expanduser()

        def run(report: Report) -> tuple[Any, list[Any]]:
            made = generate(config, out, report=report)
            return made, layers_of(made) if isinstance(made, Dataset) else []

        self.work.start(run, lambda result: self._made(*result))

    def _made(self, made: Any, layers: list[Any]) -> None:
        if isinstance(made, Dataset):
            self.work.label.setText(f"{made.path}: made; next: Measure")
            in_steps(self, showing(self.viewer, layers))
        else:
            self.work.label.setText(f"{made.path}: a cohort of {len(made.animals)} animals; open one of its folders")
