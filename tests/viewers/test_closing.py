"""The whole window is closed while a worker runs, in a program of its own that ends as napari's does."""

import subprocess
import sys

import pytest

from synimg.store.dataset import Dataset

pytest.importorskip("napari")
pytestmark = [pytest.mark.window, pytest.mark.slow]

PROGRAM = """
import sys

import napari
from qtpy.QtCore import QTimer

from synimg.viewers.reader import read
from synimg.viewers.view import show

viewer = napari.Viewer()
show(viewer, read(sys.argv[1]))
_, widget = viewer.window.add_plugin_dock_widget("synimg", "Measure")
widget.run_name.setText("again")


def close():
    print("running" if widget.work.is_running else "over")
    viewer.window._qt_window.close()


QTimer.singleShot(0, widget.start)
QTimer.singleShot(300, close)
napari.run()
print("ended")
"""


def test_a_window_closed_while_it_measures_ends_in_peace_and_leaves_nothing_half_written(sample_copy):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(sample_copy)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout.split() == ["running", "ended"]
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert not (sample_copy / "analysis" / "again").exists()
    assert not (sample_copy / ".partial").exists()
    assert Dataset.open(sample_copy).verify() == []
