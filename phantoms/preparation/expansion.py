"""Expansion microscopy: the tissue swells in a gel, the dyes are diluted and some are lost."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.phantoms.preparation.base import WholeStep
from synimg.phantoms.preparation.protocol import Size

Floats = NDArray[np.float64]


class Expansion(WholeStep):
    """Every length grows by one factor; the volume's dye is diluted by its cube, and a share of all dyes survives."""

    kind: Literal["expansion"] = "expansion"
    factor: float = Field(4.0, ge=1, le=20, description="linear expansion; 4 to 4.5 (ExM), up to 11 (MAGNIFY)")
    retention: float = Field(0.5, gt=0, le=1, description="share of dyes that survive; 0.3 to 0.8")

    @property
    def scale(self) -> Size:
        """The factor."""
        return self.factor, self.factor, self.factor

    @property
    def dyes_kept(self) -> float:
        """As stated."""
        return self.retention

    def forward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Larger."""
        return points_um * self.factor

    def backward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Smaller."""
        return points_um / self.factor


part = Expansion
