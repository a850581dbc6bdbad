"""The napari window of a data set."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.viewers.crowd import Crowd
from synimg.viewers.growth import growth_captions, growth_layers, read_growing_map
from synimg.viewers.layers import MOST_DRAWN, layers_of, legend_of

WHOLE_VOX = 64_000_000
"""Of an image with more voxels a slab is shown, not the whole depth: the whole would be read for every view."""
SLAB_VOX, SCREEN_VOX = 8_000_000, 2_000_000
"""Voxels of a slab that a view reads in a third of a second, and of one plane of it: a screen shows no more."""


def view(
    dataset: Dataset | str | Path, run: str = "default", screenshot: Path | None = None, growth: bool = False
) -> None:
    """Open a data set in napari and wait until the window is closed.

    Parameters
    ----------
    dataset : Dataset or path
        What to show.
    run : str
        Analysis run whose synapses are shown.
    screenshot : path, optional
        Save a picture of the window there instead, and close it.
    growth : bool
        Show how the true map grew over the window, with a slider of days, in place of image and measurement.

    Raises
    ------
    SynimgError
        If napari is not installed, or there is no screen to open a window on.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    grown = read_growing_map(dataset) if growth else None
    layers = layers_of(dataset, run) if grown is None else growth_layers(dataset, *grown)
    napari = _napari()
    viewer = napari.Viewer(title=f"synimg: {dataset.path}")
    if grown is None:
        is_measured = dataset.is_done(f"{run}/measure")
        show(viewer, layers, is_measured)
        if is_measured:
            viewer.window.add_plugin_dock_widget("synimg", "Synapse browser")
    else:
        show_growth(viewer, layers, growth_captions(*grown))
    if screenshot is None:
        napari.run()
        return
    _save(viewer, screenshot)
    viewer.close()


def show(viewer: Any, layers: list[Any], is_browsed: bool = False) -> None:
    """Put layers, a scale bar and the legend of the synapses into a napari viewer (or viewer model).

    Parameters
    ----------
    viewer : napari.Viewer or napari.components.ViewerModel
        Where to.
    layers : list of (data, arguments, type)
        From `synimg.viewers.layers.layers_of`.
    is_browsed : bool
        A synapse browser comes and chooses which of many synapses are drawn; otherwise the view alone does.
    """
    for _ in showing(viewer, layers, is_browsed):
        pass


def showing(viewer: Any, layers: list[Any], is_browsed: bool = False) -> Iterator[None]:
    """`show`, one layer at a time: to add a layer takes a window a fifth of a second, in which it does not answer."""
    many = [arguments["name"] for data, arguments, kind in layers if kind == "points" and len(data) > MOST_DRAWN]
    # so many are not drawn at all before it is chosen how
    none = [(d, a | {"shown": np.zeros(len(d), bool)} if a["name"] in many else a, k) for d, a, k in layers]
    yield from adding(viewer, none)
    _say(viewer, legend_of(layers))
    viewer.dims.axis_labels = ("z", "y", "x")
    whole_depth(viewer, 0)
    for name in many if not is_browsed else ():
        Crowd(viewer, viewer.layers[name])


def show_growth(viewer: Any, layers: list[Any], captions: list[str]) -> None:
    """Put the layers of a growing map into a napari viewer; `captions` has a line for each snapshot, the last is shown."""
    for _ in adding(viewer, layers):
        pass
    viewer.layers["growing synapses"].face_colorbar.visible = True
    viewer.dims.axis_labels = ("day", "z", "y", "x")
    whole_depth(viewer, 1)

    def caption(event: Any = None) -> None:
        _say(viewer, captions[viewer.dims.current_step[0]])

    viewer.dims.events.current_step.connect(caption)
    viewer.dims.set_current_step(0, len(captions) - 1)
    caption()


def with_colormaps(layers: list[Any]) -> list[Any]:
    """The layers with napari's colour maps in the place of their descriptions."""
    from napari.utils.colormaps import Colormap

    return [
        (
            data,
            {k: Colormap(**v) if k.endswith("colormap") and isinstance(v, dict) else v for k, v in arguments.items()},
            kind,
        )
        for data, arguments, kind in layers
    ]


def adding(viewer: Any, layers: list[Any]) -> Iterator[None]:
    """Put layers into a viewer, one at a time, with a scale bar."""
    from napari.layers import Layer

    for layer in with_colormaps(layers):
        viewer.add_layer(Layer.create(*layer))
        yield
    viewer.canvas.overlays["scale_bar"].visible = True


def _say(viewer: Any, text: str) -> None:
    overlay = viewer.canvas.overlays["text"]
    overlay.text, overlay.position, overlay.font_size, overlay.visible = text, "top_left", 9, True


def whole_depth(viewer: Any, z: int) -> None:
    """A slab as thick as the image: the whole map is seen at once; a thinner one (right click on the slider) leafs through.

    Of a large image the slab is a few planes, so that a view reads about `SLAB_VOX` voxels at any zoom.
    """
    dims = viewer.dims
    depth_um = dims.range[z].stop - dims.range[z].start
    thick_um = depth_um
    for layer in viewer.layers:
        if type(layer).__name__ == "Image" and not layer.rgb and layer.ndim == dims.ndim - z:
            shape = layer.data[0].shape if layer.multiscale else layer.data.shape
            plane = int(np.prod(shape[1:]))
            if shape[0] * plane > WHOLE_VOX:
                thick_um = min(thick_um, max(SLAB_VOX // min(plane, SCREEN_VOX), 1) * layer.scale[0])
    dims.set_point(z, dims.range[z].start + depth_um / 2)
    dims.thickness = (*dims.thickness[:z], thick_um, *dims.thickness[z + 1 :])


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
