"""A smooth warp, as uneven shrinkage or a gel leaves it."""

from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from scipy.ndimage import map_coordinates

from synimg.phantoms.preparation.base import WholeStep
from synimg.phantoms.preparation.protocol import Size

Floats = NDArray[np.float64]


class Warp(WholeStep):
    """Every place moves by a smooth random field: normal numbers on a lattice, cubic B-splines in between.

    Notes
    -----
    The field is small against its scale, so that no place is met twice: then backward steps converge.
    """

    kind: Literal["warp"] = "warp"
    sd_um: float = Field(0.3, ge=0, le=100, description="sd of a place's displacement along each axis")
    scale_um: float = Field(15.0, gt=0.5, le=10000, description="distance over which the displacement varies")

    @model_validator(mode="after")
    def _smooth(self) -> Self:
        if self.sd_um > 0.1 * self.scale_um:
            raise ValueError(
                f"sd_um = {self.sd_um:g} on a scale of {self.scale_um:g} um folds the tissue; at most a tenth of scale_um"
            )
        return self

    def _field(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        nodes = [int(np.ceil(size / self.scale_um)) + 7 for size in size_um]
        rng = np.random.Generator(np.random.PCG64(key))
        lattice = rng.standard_normal((3, *nodes))
        at = (points_um / self.scale_um + 3.0).T
        # cubic B-splines without the prefilter average the nodes: (151 / 315)^(1/2) of their sd is left along each axis
        moved = [map_coordinates(one, at, order=3, prefilter=False, mode="nearest") for one in lattice]
        return self.sd_um * 3.01 * np.stack(moved, axis=-1)

    def forward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Moved."""
        return points_um + self._field(points_um, size_um, key)

    def backward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Back, by repeated steps."""
        found = points_um.copy()
        for _ in range(100):
            step = points_um - found - self._field(found, size_um, key)
            found += step
            if np.abs(step).max(initial=0.0) < 1e-6:
                break
        return found


part = Warp
