"""A step of the preparation: a map of space that can be undone, and what is lost on the way."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Size = tuple[float, float, float]


class Step(Protocol):
    """One step. Places are (n, 3), z, y, x [um]; `size_um` is the block's size before the step."""

    kind: str

    @property
    def scale(self) -> Size:
        """How much longer a length becomes along z, y, x, on average."""
        ...

    @property
    def dyes_kept(self) -> float:
        """Share of the dyes that survive."""
        ...

    def forward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Where places go."""
        ...

    def backward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Where places came from: undoes `forward` to a nanometre."""
        ...

    def is_kept(self, points_um: Floats, size_um: Size, key: int) -> NDArray[np.bool_]:
        """Whether what was there before the step is still there after it."""
        ...
