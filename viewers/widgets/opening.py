"""The command that opens a data set's folder, without napari's question which reader is meant."""

from pathlib import Path
from typing import Any

from qtpy.QtWidgets import QApplication, QFileDialog

from synimg.store.dataset import Dataset
from synimg.viewers.layers import layers_of
from synimg.viewers.view import showing
from synimg.viewers.widgets.say import says_errors
from synimg.viewers.widgets.work import in_steps


def open_folder(viewer: "napari.viewer.Viewer") -> None:  # type: ignore[name-defined]  # noqa: F821
    """Ask for a folder and open the data set in it."""
    chosen = QFileDialog.getExistingDirectory(None, "Folder of a data set")
    if chosen:
        # napari hands a proxy to commands, whose layers do not say of what type they are
        open_dataset(getattr(viewer, "__wrapped__", viewer), Path(chosen))


@says_errors
def open_dataset(viewer: Any, path: Path) -> None:
    """Open a data set in a viewer, layer by layer."""
    in_steps(QApplication.instance(), showing(viewer, layers_of(Dataset.open(path))))
