"""The napari window of a data set."""

from pathlib import Path
from typing import Any

from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.viewers.layers import layers_of, legend_of


def view(dataset: Dataset | str | Path, run: str = "default", screenshot: Path | None = None) -> None:
    """Open a data set in napari and wait until the window is closed.

    Parameters
    ----------
    dataset : Dataset or path
        What to show.
    run : str
        Analysis run whose synapses are shown.
    screenshot : path, optional
        Save a picture of the window there instead, and close it.

    Raises
    ------
    SynimgError
        If napari is not installed, or there is no screen to open a window on.
    """
    layers = layers_of(dataset, run)
    napari = _napari()
    viewer = napari.Viewer(title=f"synimg: {dataset.path if isinstance(dataset, Dataset) else dataset}")
    show(viewer, layers)
    if screenshot is None:
        napari.run()
        return
    _save(viewer, screenshot)
    viewer.close()


def show(viewer: Any, layers: list[Any]) -> None:
    """Put layers, a scale bar and the legend of the synapses into a napari viewer (or viewer model)."""
    from napari.layers import Layer
    from napari.utils.colormaps import Colormap

    for data, arguments, kind in layers:
        if isinstance(arguments.get("colormap"), dict):
            arguments = arguments | {"colormap": Colormap(**arguments["colormap"])}
        viewer.add_layer(Layer.create(data, arguments, kind))
    overlays = viewer.canvas.overlays
    overlays["scale_bar"].visible = True
    overlays["text"].text = legend_of(layers)
    overlays["text"].position = "top_left"
    overlays["text"].visible = True
    viewer.dims.axis_labels = ("z", "y", "x")
    depth_um = viewer.dims.range[0].stop - viewer.dims.range[0].start
    viewer.dims.set_point(0, viewer.dims.range[0].start + depth_um / 2)
    # a slab as thick as the image: the whole map is seen at once; a thinner one (right click on the slider) leafs through
    viewer.dims.thickness = (depth_um, *viewer.dims.thickness[1:])


def _napari() -> Any:
    import os
    import sys

    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise SynimgError("there is no screen (DISPLAY is not set); without one use: xvfb-run -a synimg view ...")
    try:
        import napari
    except ImportError:
        raise SynimgError("napari is not installed; install it with: pip install 'synimg[napari]'") from None
    return napari


def _save(viewer: Any, screenshot: Path) -> None:
    """Save the whole window, once all its parts are drawn."""
    from qtpy.QtWidgets import QApplication

    from synimg.store.atomic import atomic_path

    viewer.window.resize(1400, 900)
    for _ in range(20):
        QApplication.processEvents()
    viewer.reset_view()
    for _ in range(20):
        QApplication.processEvents()
    with atomic_path(screenshot) as temporary:
        viewer.screenshot(str(temporary), canvas_only=False, flash=False)
