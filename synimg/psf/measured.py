"""A point spread function that somebody measured: a stack of a bead, as a TIFF file."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import tifffile
from numpy.typing import NDArray
from pydantic import Field
from scipy.ndimage import map_coordinates

from synimg.errors import SynimgError
from synimg.model import Model, VoxelUm
from synimg.optics.profile import nearest_gaussian, profile_of_stack
from synimg.optics.table import Source, Table, products, refuse_wide, tabulate
from synimg.store.tiff import damage_heard, reading_tiff

Floats = NDArray[np.float64]
MOST_FLAT, LEAST_FLAT = 0.1, 8
"""Voxels of the brightest grey level, as a share of those above half of it, and their number, beyond which it is one at which
the detector was full: of a Gaussian cut off at 83 % of its peak it is that share, and eight are alike by symmetry."""


class Measured(Model):
    """The image of a bead (z, y, x) in a TIFF file: its background is taken off, its centroid is the emitter's place.

    Notes
    -----
    Cubic interpolation between the stack's voxels. The bead's own size and the stack's voxels stay in: take a bead and
    voxels that are small against the widths. The same at every wavelength and depth.
    """

    kind: Literal["measured"] = "measured"
    file: str = Field("bead.tif", min_length=1, description="TIFF file of the bead; relative to the configuration")
    stack_voxel_um: VoxelUm = Field((0.1, 0.05, 0.05), description="voxels of the stack, z, y, x")
    energy: float = Field(
        0.99, gt=0.5, lt=1, description="share of the light whose voxels are rendered; the rest is put back to them"
    )

    def sigma_um(self, emission_nm: float) -> tuple[float, float, float]:
        """Standard deviations along z, y, x [um] of the nearest Gaussian."""
        axial, lateral, _ = _gaussian(self.file, self.stack_voxel_um)
        return axial, lateral, lateral

    def gaussian_share(self, emission_nm: float) -> float:
        """Share of the light in the nearest Gaussian."""
        return _gaussian(self.file, self.stack_voxel_um)[2]

    def refuse_wide(self, emission_nm: float, voxel_um: tuple[float, float, float]) -> None:
        """Refuse a stack that is larger than a table."""
        refuse_wide(self._half_um(), voxel_um)

    def _half_um(self) -> tuple[float, float, float]:
        values, centre = _bead(self.file)
        voxel, last = np.array(self.stack_voxel_um), np.array(values.shape) - 1
        z, y, x = (np.minimum(centre, last - centre) * voxel + 0.5 * voxel).tolist()
        return z, y, x

    def kernel(self, emission_nm: float, voxel_um: tuple[float, float, float], n_planes: int) -> Table:
        """The table of the stack."""
        values, centre = _bead(self.file)
        voxel, shape = np.array(self.stack_voxel_um), np.array(values.shape)
        of_z, of_yx = products(values.reshape(shape[0], -1), 1e-4)

        def along(z: Floats) -> Floats:
            at = [centre[0] + z / voxel[0]]
            return np.stack([map_coordinates(column, at, order=3, mode="constant") for column in of_z])

        def across(y: Floats, x: Floats) -> Floats:
            at = np.broadcast_arrays(centre[1] + y / voxel[1], centre[2] + x / voxel[2])
            planes = of_yx.reshape(-1, *shape[1:])
            return np.stack([map_coordinates(plane, at, order=3, mode="constant") for plane in planes])

        detail = self.sigma_um(emission_nm)
        source = Source(along, across, self._half_um())
        return tabulate([source], voxel_um, np.zeros(1), 0.0, self.energy, detail)


@lru_cache(maxsize=8)
def _gaussian(file: str, voxel_um: tuple[float, float, float]) -> tuple[float, float, float]:
    values, centre = _bead(file)
    return nearest_gaussian(profile_of_stack(values, voxel_um, centre))


@lru_cache(maxsize=2)
def _bead(file: str) -> tuple[Floats, Floats]:
    """The bead without background, and its centroid [voxels].

    Raises
    ------
    SynimgError
        If the file is cut off or not a stack of three axes, has NaN, a bead that is saturated, or none that stands out in its
        middle.
    """
    path = Path(file)
    if not path.is_file():
        raise SynimgError(f"psf.file: {path}: no such file; give the TIFF stack of a bead")
    with reading_tiff(f"psf.file: {path}"), damage_heard() as heard:
        values = np.squeeze(tifffile.imread(path)).astype(np.float64)
    if heard:
        raise SynimgError(
            f"psf.file: {path}: not readable as TIFF ({heard[0]}); it is damaged or cut off: copy it again"
        )
    if values.ndim != 3 or min(values.shape) < 5:
        raise SynimgError(f"psf.file: {path}: has the shape {values.shape}; a bead stack is (z, y, x), 5 or more each")
    if not np.isfinite(values).all():
        raise SynimgError(f"psf.file: {path}: holds NaN or infinite values; replace them before")
    top = values.max()
    shell = np.ones(values.shape, bool)
    shell[1:-1, 1:-1, 1:-1] = False
    values -= np.median(values[shell])
    noise = 1.4826 * np.median(np.abs(values[shell]))
    if not values.max() > max(10 * noise, 0):
        raise SynimgError(f"psf.file: {path}: no bead stands out from its background; crop the stack around one bead")
    n_flat, n_half = np.count_nonzero(values == values.max()), np.count_nonzero(values > 0.5 * values.max())
    if n_flat > max(LEAST_FLAT, MOST_FLAT * n_half):
        raise SynimgError(
            f"psf.file: {path}: the bead is saturated: {n_flat} voxels have its brightest level of {top:g}, so that it looks "
            "wider than it is; record one with less light"
        )
    values = np.where(values > 2 * noise, values, 0.0)
    bright = np.where(values > 0.2 * values.max(), values, 0.0)
    centre = np.array([(bright * grid).sum() for grid in np.indices(values.shape)]) / bright.sum()
    middle = 0.5 * (np.array(values.shape) - 1)
    if (np.abs(centre - middle) > 0.25 * np.array(values.shape)).any():
        place = ", ".join(f"{c:.1f}" for c in centre)
        raise SynimgError(
            f"psf.file: {path}: the bead lies at voxel ({place}) of {values.shape}; crop the stack so that it is in the middle"
        )
    return values, centre


part = Measured
