"""A channel of a stack, of which boxes can be read, and of one that is damaged what is left."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store.image import Box, within


@dataclass(frozen=True)
class Source:
    """One channel.

    shape : (z, y, x)
    dtype : of its voxels
    read : the voxels of a box; raises `SynimgError` where one of its pieces is missing or damaged
    pieces : the boxes in which a box lies that are there or lost each as a whole: planes, or chunks
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: Callable[[Box], NDArray[Any]]
    pieces: Callable[[Box], list[Box]]

    def read_intact(self, box: Box) -> tuple[NDArray[Any], dict[Box, str]]:
        """The voxels of a box, zero where a piece is lost, and of each such piece why it is."""
        try:
            return self.read(box), {}
        except SynimgError:
            pass  # piece by piece: only those that are damaged are lost
        values, lost = np.zeros(box[1], self.dtype), {}
        for piece in self.pieces(box):
            target = within(piece, box)
            part: Any = (
                tuple(s + t.start for s, t in zip(box[0], target, strict=True)),
                tuple(t.stop - t.start for t in target),
            )
            try:
                values[target] = self.read(part)
            except SynimgError as error:
                lost[piece] = str(error)
        return values, lost


def planes_of(box: Box, size: tuple[int, ...]) -> list[Box]:
    """The planes (of `size` y, x) in which a box lies."""
    return [((z, 0, 0), (1, size[0], size[1])) for z in range(box[0][0], box[0][0] + box[1][0])]
