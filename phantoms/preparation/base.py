"""What steps have in common that stretch space and lose nothing of it."""

import numpy as np
from numpy.typing import NDArray

from synimg.model import Model
from synimg.phantoms.preparation.protocol import Size, Step

Floats = NDArray[np.float64]


def retention(steps: tuple[Step, ...]) -> float:
    """Share of the dyes that survive all steps."""
    return float(np.prod([step.dyes_kept for step in steps]))


class WholeStep(Model):
    """A step after which everything is still there."""

    @property
    def scale(self) -> Size:
        """Lengths stay."""
        return 1.0, 1.0, 1.0

    @property
    def dyes_kept(self) -> float:
        """All dyes survive."""
        return 1.0

    def is_kept(self, points_um: Floats, size_um: Size, key: int) -> NDArray[np.bool_]:
        """All of it."""
        return np.ones(len(points_um), bool)
