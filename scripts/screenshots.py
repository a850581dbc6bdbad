"""Makes the pictures of the napari plugin in docs/images: xvfb-run -a python scripts/screenshots.py [NAME...]"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["NAPARI_CONFIG"] = ""  # leaves the settings of whoever runs this alone

import napari
import numpy as np
from PIL import Image
from qtpy.QtWidgets import QApplication

from synimg.viewers.reader import read
from synimg.viewers.sample import sample_dataset
from synimg.viewers.view import show

OUT = Path(__file__).parent.parent / "docs" / "images"
COLORS = 256
"""A palette of so many keeps a picture of a dark window small."""


def settle(seconds: float = 0.6) -> None:
    """Let Qt draw what it has to."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        QApplication.processEvents()
        time.sleep(0.01)


def wait(widget: Any) -> None:
    """Until the work of a widget is done."""
    until = time.monotonic() + 300
    while widget.work.is_running and time.monotonic() < until:
        settle(0.05)


def opened(path: Path, name: str) -> tuple[Any, Any]:
    """A window with the data set at `path` and one widget."""
    viewer = napari.Viewer(title="synimg")
    viewer.window.resize(1400, 900)
    show(viewer, read(str(path)))
    _, widget = viewer.window.add_plugin_dock_widget("synimg", name)
    settle()
    viewer.reset_view()
    settle()
    return viewer, widget


def browser(path: Path) -> Any:
    viewer, widget = opened(path, "Synapse browser")
    widget.column.setCurrentText("class")
    layer = widget.session.layer
    best = int(np.argmax(layer.features["p_learning"].fillna(0)))
    layer.selected_data = {best}
    return viewer


def browser_values(path: Path) -> Any:
    viewer, widget = opened(path, "Synapse browser")
    widget.column.setCurrentText("turnover_residual")
    widget.next_miss()
    return viewer


def neuron(path: Path) -> Any:
    viewer, widget = opened(path, "Neuron view")
    layer = widget.session.layer
    layer.selected_data = {int(np.argmax(layer.features["p_learning"].fillna(0)))}
    return viewer


def generate(path: Path) -> Any:
    viewer, widget = opened(path, "Generate")
    widget.section.setCurrentText("tissue")
    return viewer


def measure(path: Path) -> Any:
    viewer, widget = opened(path, "Measure")
    widget.live.setChecked(True)
    settle(1.0)
    while widget._previewer.is_running:
        settle(0.1)
    return viewer


def separate(path: Path) -> Any:
    viewer, widget = opened(path, "Separate")
    widget.method.setCurrentText("hierarchical")
    widget.start()
    wait(widget)
    return viewer


def validate(path: Path) -> Any:
    viewer, widget = opened(path, "Validate")
    widget.start()
    wait(widget)
    return viewer


def compare(path: Path) -> Any:
    viewer, widget = opened(path, "Compare")
    widget.a.setCurrentText("run default")
    widget.b.setCurrentText("method raw")
    widget.compare()
    wait(widget)
    widget.list.selectRow(0)
    widget.list.cellClicked.emit(0, 0)
    viewer.reset_view()
    return viewer


PICTURES: dict[str, Callable[[Path], Any]] = {
    "browser": browser,
    "browser_values": browser_values,
    "neuron": neuron,
    "generate": generate,
    "measure": measure,
    "separate": separate,
    "validate": validate,
    "compare": compare,
}


def main() -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or PICTURES:
        viewer = PICTURES[name](sample_dataset())
        settle(1.0)
        with tempfile.TemporaryDirectory() as folder:
            raw = Path(folder) / "window.png"
            viewer.screenshot(str(raw), canvas_only=False, flash=False)
            image = Image.open(raw).convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
            image.save(OUT / f"{name}.png", optimize=True)
        viewer.close()
        settle()
        print(f"{OUT / name}.png: {(OUT / f'{name}.png').stat().st_size / 1024:.0f} KiB")


if __name__ == "__main__":
    main()
