"""Synapses by the hundred thousand: a map of their density from afar, and every single one once few are in view."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.viewers.layers import MOST_DRAWN

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
N_PIXELS = 512


@dataclass(frozen=True)
class Choice:
    """What to draw: single synapses, or a map of their density where too many are in view."""

    shown: Bools
    is_density: bool
    text: str


def choose(places_yx: Floats, wanted: Bools, view: tuple[Floats, Floats] | None, most: int = MOST_DRAWN) -> Choice:
    """Which synapses to draw one by one.

    Parameters
    ----------
    places_yx : (n, 2) ndarray [um]
        Places in the plane of the screen.
    wanted : (n,) ndarray of bool
        What passes the filters.
    view : pair of (2,) ndarray [um], optional
        Lower and upper corner of what the screen shows; without it everything is in view.
    most : int
        With more than these in view none is drawn one by one.
    """
    n = int(wanted.sum())
    if n <= most:
        return Choice(wanted, False, f"{n} synapses")
    shown = wanted.copy()
    if view is not None:
        shown &= ((places_yx >= view[0]) & (places_yx <= view[1])).all(axis=1)
    inside = int(shown.sum())
    if inside > most:
        return Choice(np.zeros_like(wanted), True, f"{inside} synapses in view: their density; zoom in to see each one")
    return Choice(shown, False, f"{inside} of {n} synapses: those in view")


def density(
    places_yx: Floats,
    colors: NDArray[np.float32],
    wanted: Bools,
    corner: Floats,
    pixel_um: float,
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    """A picture (y, x, 4) of the wanted synapses: the mean colour in a pixel, the more solid the more there are.

    Parameters
    ----------
    corner : (2,) ndarray [um]
        Centre of the first pixel, y and x.
    """
    at = np.rint((places_yx[wanted] - corner) / pixel_um).astype(np.int64)
    inside = ((at >= 0) & (at < shape)).all(axis=1)
    index = at[inside, 0] * shape[1] + at[inside, 1]
    n = shape[0] * shape[1]
    count = np.bincount(index, minlength=n)
    picture = np.zeros((n, 4))
    rows = colors[wanted][inside]
    for channel in range(3):
        picture[:, channel] = np.bincount(index, rows[:, channel], n) / np.maximum(count, 1)
    picture[:, 3] = np.log1p(count) / np.log1p(max(int(count.max()), 1))
    return np.rint(255 * picture).astype(np.uint8).reshape(*shape, 4)


class Crowd:
    """Keeps the points of a napari layer that are drawn few enough, as the view and the filters change.

    Parameters
    ----------
    viewer : napari.components.ViewerModel
        The viewer; its camera says what is in view.
    layer : napari.layers.Points
        All the synapses.
    later : callable, optional
        Takes a function and returns one that calls it when things have settled; in a window, a debounced timer.
    """

    def __init__(
        self, viewer: Any, layer: Any, later: Callable[[Callable[[], None]], Callable[..., Any]] | None = None
    ):
        self.viewer, self.layer = viewer, layer
        self.wanted: Bools = np.ones(len(layer.data), bool)
        self.text = ""
        self.density = f"density of {layer.name}"
        self._moved = (later or (lambda function: lambda *_: function()))(self.update)
        self._listens = len(layer.data) > MOST_DRAWN
        if self._listens:
            viewer.scene.camera.events.zoom.connect(self._moved)
            viewer.scene.camera.events.center.connect(self._moved)
            layer.events.visible.connect(self._moved)
        self.update()

    def filter(self, wanted: Bools) -> None:
        """Show only the wanted synapses from now on."""
        self.wanted = wanted
        self.update()

    def update(self) -> None:
        """Draw what the view asks for."""
        if self.layer not in self.viewer.layers:
            self.close()
            return
        if not self.layer.visible:
            self._draw_density(None)
            return
        if len(self.layer.data) != self.wanted.size:  # points were added or deleted by hand: show what is new
            self.wanted = np.ones(len(self.layer.data), bool)
        places = np.asarray(self.layer.data)[:, -2:]
        choice = choose(places, self.wanted, self._view())
        self.text = choice.text
        if not np.array_equal(self.layer.shown, choice.shown):
            self.layer.shown = choice.shown
        self._draw_density(places if choice.is_density else None)

    def close(self) -> None:
        """Listen to the camera no more."""
        if not self._listens:
            return
        self._listens = False
        self.viewer.scene.camera.events.zoom.disconnect(self._moved)
        self.viewer.scene.camera.events.center.disconnect(self._moved)
        self.layer.events.visible.disconnect(self._moved)

    def _view(self) -> tuple[Floats, Floats] | None:
        if self.viewer.dims.ndisplay != 2:
            return None
        half = np.array(self.viewer.canvas.size, dtype=float) / (2 * self.viewer.scene.camera.zoom)
        centre = np.array(self.viewer.scene.camera.center[-2:])
        return centre - half, centre + half

    def _draw_density(self, places: Floats | None) -> None:
        layers = self.viewer.layers
        if places is None:
            if self.density in layers:
                layers[self.density].visible = False
            return
        low, high = places.min(axis=0), places.max(axis=0)
        pixel_um = float(max((high - low).max() / (N_PIXELS - 1), 1e-6))
        shape = tuple(int(n) for n in np.floor((high - low) / pixel_um) + 1)
        picture = density(places, self.layer.face_color.astype(np.float32), self.wanted, low, pixel_um, shape)  # type: ignore[arg-type]
        if self.density in layers:
            layers[self.density].data = picture
            layers[self.density].visible = True
            return
        active = layers.selection.active
        self.viewer.add_image(
            picture,
            name=self.density,
            rgb=True,
            scale=(pixel_um, pixel_um),
            translate=low,
            units=("um", "um"),
            axis_labels=("y", "x"),
            blending="translucent_no_depth",
        )
        layers.selection.active = active
