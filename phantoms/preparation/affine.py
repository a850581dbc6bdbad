"""A sample that lies askew: turned and sheared about the middle of the block."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.phantoms.preparation.base import WholeStep
from synimg.phantoms.preparation.protocol import Size

Floats = NDArray[np.float64]


class Affine(WholeStep):
    """Turned about z, tilted about x and sheared, about the middle of the block."""

    kind: Literal["affine"] = "affine"
    turn_deg: float = Field(0.0, ge=-180, le=180, description="turn in the plane of y and x")
    tilt_deg: float = Field(2.0, ge=-45, le=45, description="tilt of the planes about x")
    shear: float = Field(0.02, ge=-1, le=1, description="shift of x per y")

    def _matrix(self) -> Floats:
        a, b = np.deg2rad(self.turn_deg), np.deg2rad(self.tilt_deg)
        turn = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
        tilt = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
        shear = np.array([[1, 0, 0], [0, 1, 0], [0, self.shear, 1.0]])
        return shear @ tilt @ turn

    def forward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Askew."""
        middle = 0.5 * np.array(size_um)
        return middle + (points_um - middle) @ self._matrix().T

    def backward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Straight again."""
        middle = 0.5 * np.array(size_um)
        return middle + (points_um - middle) @ np.linalg.inv(self._matrix()).T


part = Affine
