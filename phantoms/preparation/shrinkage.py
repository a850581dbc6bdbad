"""Shrinkage by fixation, mounting or clearing."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from synimg.phantoms.preparation.base import WholeStep
from synimg.phantoms.preparation.protocol import Size

Floats = NDArray[np.float64]


class Shrinkage(WholeStep):
    """Every length becomes shorter by a share of its own along each axis."""

    kind: Literal["shrinkage"] = "shrinkage"
    loss: tuple[float, float, float] = Field(
        (0.3, 0.07, 0.07),
        description="share of the length lost along z, y, x; fixing and mounting 0.05 to 0.1, thin slices in z 0.2 to 0.4",
    )

    @field_validator("loss")
    @classmethod
    def _share(cls, value: Size) -> Size:
        if not all(-1 < loss < 0.95 for loss in value):
            raise ValueError("a share of the length lies above -1 (swelling) and below 0.95")
        return value

    @property
    def scale(self) -> Size:
        """What is left."""
        z, y, x = (1.0 - loss for loss in self.loss)
        return z, y, x

    def forward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Shorter."""
        return points_um * np.array(self.scale)

    def backward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Longer."""
        return points_um / np.array(self.scale)


part = Shrinkage
