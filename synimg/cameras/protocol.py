"""Cameras and detectors: from expected photons to grey levels."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Photons = NDArray[np.float32] | NDArray[np.float64]
"""Expected photons per voxel, in single precision where they are rendered."""


class Camera(Protocol):
    """A detector, and what a photon transfer curve says of it.

    Variance over mean of the grey levels is ``gain_adu_per_electron``, and grey levels over that gain count electrons with
    Poisson noise, ``quantum_efficiency`` of them per photon. A detector that multiplies its electrons has an excess noise
    factor F^2: its curve is that of one with the efficiency over F^2 and the gain times F^2, and so it is stated here.
    """

    kind: str
    offset_adu: float

    @property
    def quantum_efficiency(self) -> float:
        """Electrons with Poisson noise per photon."""
        ...

    @property
    def gain_adu_per_electron(self) -> float:
        """Grey levels per such electron."""
        ...

    @property
    def read_noise_electrons(self) -> float:
        """Standard deviation in the dark, in such electrons."""
        ...

    @property
    def largest_adu(self) -> int:
        """Grey level of a voxel that is saturated."""
        ...

    def model_dump(self) -> dict[str, Any]:
        """All settings."""
        ...

    def record(
        self, photons: Photons, key: int, origin_vox: tuple[int, int, int], shape_vox: tuple[int, int, int]
    ) -> NDArray[np.uint16]:
        """Grey levels of a block of the image.

        Parameters
        ----------
        photons : (z, y, x) ndarray [photons]
            Expected photons per voxel.
        key : int
            Key of the channel's noise (`synimg.streams.key64`).
        origin_vox, shape_vox : tuple of int
            First voxel of the block, and the shape of the whole image: noise belongs to the absolute voxel.
        """
        ...
