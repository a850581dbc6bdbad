"""Point spread functions: the light of a point, and what the voxels collect of it."""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Block = NDArray[np.float32] | NDArray[np.float64]


class Kernel(Protocol):
    """A point spread function for one channel and one voxel size, integrated over the voxel."""

    @property
    def reach_vox(self) -> tuple[int, int, int]:
        """Farthest voxel from an emitter along z, y, x that gets light of it."""
        ...

    def deposit(self, block: Block, origin_vox: Ints, points_vox: Floats, photons: Floats) -> None:
        """Add every emitter's expected photons to the voxels of a block.

        Parameters
        ----------
        block : (z, y, x) ndarray [photons]
            Changed in place. A voxel gets the same bits, however the volume is cut into blocks.
        origin_vox : (3,) ndarray of int
            Index of the block's first voxel in the image.
        points_vox : (n, 3) ndarray
            Emitters in image voxels. Their order is the order of the sums, so it must not depend on the block.
        photons : (n,) ndarray
            Expected photons of each emitter; all of them are deposited (flux is conserved).
        """
        ...


class Psf(Protocol):
    """Settings of a microscope's point spread function."""

    kind: str

    def sigma_um(self, emission_nm: float) -> tuple[float, float, float]:
        """Standard deviations along z, y, x [um] of the Gaussian nearest to it, at an emission wavelength [nm]."""
        ...

    def gaussian_share(self, emission_nm: float) -> float:
        """Share of the light that this Gaussian holds: what a fit of Gaussians counts of an emitter."""
        ...

    def refuse_wide(self, emission_nm: float, voxel_um: tuple[float, float, float]) -> None:
        """Refuse, before anything is computed, what `kernel` would refuse as too wide.

        Raises
        ------
        SynimgError
            If it reaches over too many voxels.
        """
        ...

    def kernel(self, emission_nm: float, voxel_um: tuple[float, float, float], n_planes: int) -> Kernel:
        """The point spread function as the voxels collect it, for an image of `n_planes` planes."""
        ...


def one_emitter(kernel: Kernel, at_vox: tuple[float, float, float]) -> tuple[Floats, Ints]:
    """Shares (z, y, x) of the light of an emitter at `at_vox` [voxels], and the index of the first voxel."""
    reach = np.array(kernel.reach_vox)
    first = np.floor(at_vox).astype(np.int64) - reach
    block = np.zeros(2 * reach + 2)
    kernel.deposit(block, first, np.array([at_vox], float), np.ones(1))
    return block, first
