"""The synapse that is meant, with a rim that is seen: napari's own outline of a selected point is a pixel wide."""

from typing import Any

import numpy as np

WIDTH = 0.31
"""Share of the diameter; no other width of ours, so that a marked point is known by it after points came and went."""
LARGER = 1.5
"""The rim looks out from under a neighbour that is drawn later."""
COLOR = np.array([1.0, 1.0, 1.0, 1.0], np.float32)


class Mark:
    """A white rim around one point of a points layer at a time."""

    def __init__(self) -> None:
        self._layer: Any = None
        self._width, self._color, self._size = 0.0, COLOR, 0.0

    def put(self, layer: Any, row: int) -> None:
        """Mark a point, and no longer the one before."""
        self.clear()
        widths, colors = layer.border_width.astype(float), layer.border_color.copy()
        sizes = layer.size.copy()
        self._layer, self._width, self._color, self._size = layer, float(widths[row]), colors[row].copy(), sizes[row]
        widths[row], colors[row] = WIDTH, COLOR
        sizes[row] *= LARGER
        layer.border_color, layer.border_width, layer.size = colors, widths, sizes

    def clear(self) -> None:
        """Mark none."""
        layer, self._layer = self._layer, None
        if layer is None or not (marked := np.isclose(layer.border_width, WIDTH)).any():
            return
        layer.border_width = np.where(marked, self._width, layer.border_width)
        layer.border_color = np.where(marked[:, None], self._color, layer.border_color)
        layer.size = np.where(marked & np.isclose(layer.size, LARGER * self._size), self._size, layer.size)
