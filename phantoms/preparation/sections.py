"""Serial sections: cut across z, compressed along the cut, some lost, imaged one by one and put back in order."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.preparation.protocol import Size

Floats = NDArray[np.float64]


class Sections(Model):
    """Sections of one thickness across z; y becomes shorter, each section is aligned with an error, some are missing."""

    kind: Literal["sections"] = "sections"
    thickness_um: float = Field(40.0, gt=0.02, le=1000, description="0.05 to 0.1 array tomography, 30 to 100 slices")
    lost_share: float = Field(0.0, ge=0, lt=1, description="share of sections that are lost; their place stays empty")
    compression: float = Field(0.0, ge=0, lt=0.5, description="share of the length along y lost under the knife")
    alignment_sd_um: float = Field(0.0, ge=0, le=10, description="sd of a section's misplacement along y and x")

    @property
    def scale(self) -> Size:
        """Shorter along y."""
        return 1.0, 1.0 - self.compression, 1.0

    @property
    def dyes_kept(self) -> float:
        """What is in a section that is there keeps its dyes."""
        return 1.0

    def _section(self, z_um: Floats, size_um: Size, key: int) -> tuple[NDArray[np.int64], Floats, NDArray[np.bool_]]:
        """Section of each place, and for each section its misplacement (n, 2) and whether it is there."""
        n = int(np.ceil(size_um[0] / self.thickness_um)) + 2
        section = np.clip(np.floor(z_um / self.thickness_um).astype(np.int64) + 1, 0, n - 1)
        rng = np.random.Generator(np.random.PCG64(key))
        return section, self.alignment_sd_um * rng.standard_normal((n, 2)), rng.random(n) >= self.lost_share

    def forward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Compressed and misplaced."""
        section, shift, _ = self._section(points_um[:, 0], size_um, key)
        moved = points_um * np.array(self.scale)
        moved[:, 1:] += shift[section]
        return moved

    def backward(self, points_um: Floats, size_um: Size, key: int) -> Floats:
        """Back: z tells the section, for a cut does not move it."""
        section, shift, _ = self._section(points_um[:, 0], size_um, key)
        moved = points_um.copy()
        moved[:, 1:] -= shift[section]
        return moved / np.array(self.scale)

    def is_kept(self, points_um: Floats, size_um: Size, key: int) -> NDArray[np.bool_]:
        """Whether a place's section is there."""
        section, _, is_there = self._section(points_um[:, 0], size_um, key)
        kept: NDArray[np.bool_] = is_there[section]
        return kept


part = Sections
