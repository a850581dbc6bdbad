"""What point spread functions of physical optics share: the objective, depth, and the way into a table."""

from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from synimg.model import Model
from synimg.optics.profile import Profile, grid_um, nearest_gaussian
from synimg.optics.pupil import Objective, refuse_beyond
from synimg.optics.table import Source, Table, products, refuse_wide, tabulate

Floats = NDArray[np.float64]
MOST_DEPTHS = 9


class Optical(Model):
    """A point spread function computed from the objective; parts say how the light passes (`intensity`)."""

    numerical_aperture: float = Field(1.4, gt=0.1, lt=1.7, description="numerical aperture of the objective")
    refractive_index: float = Field(1.518, ge=1, le=1.8, description="refractive index of the immersion")
    sample_index: float = Field(
        1.518, ge=1, le=1.8, description="refractive index of the sample; another one than the immersion's aberrates"
    )
    first_depth_um: float = Field(0.0, ge=0, le=2000, description="depth of the first plane below the cover slip")
    depth_step_um: float = Field(
        10.0, gt=0, description="depths apart by this have a point spread function of their own, at most 9 of them"
    )
    energy: float = Field(
        0.99, gt=0.5, lt=1, description="share of the light whose voxels are rendered; the rest is put back to them"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        refuse_beyond(self.numerical_aperture, self.refractive_index)
        return self

    @property
    def objective(self) -> Objective:
        """What light passes."""
        return Objective(self.numerical_aperture, self.refractive_index, self.sample_index)

    def extent_um(self, emission_nm: float) -> tuple[float, float]:
        """How far along z and across the light is followed [um]."""
        axial, lateral = self.objective.widths_um(emission_nm)
        return 3.0 * axial, 6.0 * lateral

    def intensity(self, emission_nm: float, depth_um: float, z_um: Floats, r_um: Floats) -> Profile:
        """Intensity about an emitter at `depth_um`, in any unit."""
        raise NotImplementedError

    def profile(self, emission_nm: float, depth_um: float) -> Profile:
        """Intensity about an emitter at `depth_um` on a grid that resolves it."""
        return _profile(self, emission_nm, depth_um)

    def sigma_um(self, emission_nm: float) -> tuple[float, float, float]:
        """Standard deviations along z, y, x [um] of the nearest Gaussian, at the first plane."""
        axial, lateral, _ = _gaussian(self, emission_nm)
        return axial, lateral, lateral

    def gaussian_share(self, emission_nm: float) -> float:
        """Share of the light in the nearest Gaussian."""
        return _gaussian(self, emission_nm)[2]

    def refuse_wide(self, emission_nm: float, voxel_um: tuple[float, float, float]) -> None:
        """Refuse light that reaches over more voxels than a table holds: followed so far, it takes minutes to compute."""
        axial, lateral = self.extent_um(emission_nm)
        refuse_wide((axial, lateral, lateral), voxel_um)

    def kernel(self, emission_nm: float, voxel_um: tuple[float, float, float], n_planes: int) -> Table:
        """The table for an image of `n_planes` planes; one per depth where the indices differ."""
        axial, lateral, _ = _gaussian(self, emission_nm)
        thick = n_planes * voxel_um[0]
        n = 1
        if self.sample_index != self.refractive_index:
            n = int(np.clip(np.ceil(thick / self.depth_step_um), 1, MOST_DEPTHS))
        depth = self.first_depth_um + (np.arange(n) + 0.5) * thick / n
        sources = []
        for d in depth:
            sources.append(_source(self.profile(emission_nm, float(d))))
        return tabulate(sources, voxel_um, depth, self.first_depth_um, self.energy, (axial, lateral, lateral))


class WideField(Optical):
    """No sectioning: every plane gets the same light.

    Notes
    -----
    What an emitter sends has no sum over all planes: photons are those within `half_depth_um` of its own, and no light is
    followed farther.
    """

    half_depth_um: float = Field(1.0, gt=0.1, le=20, description="distance along z to which light is followed")

    def extent_um(self, emission_nm: float) -> tuple[float, float]:
        """As far as the cone of light is wide at `half_depth_um`."""
        lens = self.objective
        slope = lens.aperture / float(np.sqrt(lens.immersion_index**2 - lens.aperture**2))
        return self.half_depth_um, self.half_depth_um * slope + 2.0 * lens.widths_um(emission_nm)[1]


def _source(profile: Profile) -> Source:
    """A symmetric profile as a sum of products."""
    of_z, of_r = products(profile.intensity, 1e-4)
    half_z, half_r = float(profile.z_um[-1]), float(profile.r_um[-1])

    def along(z: Floats) -> Floats:
        return np.stack([np.interp(z, profile.z_um, values, left=0.0, right=0.0) for values in of_z])

    def across(y: Floats, x: Floats) -> Floats:
        r = np.hypot(y, x)
        return np.stack([np.interp(r, profile.r_um, values, right=0.0) for values in of_r])

    return Source(along, across, (half_z, half_r, half_r))


@lru_cache(maxsize=64)
def _profile(psf: Optical, emission_nm: float, depth_um: float) -> Profile:
    axial, lateral = psf.objective.widths_um(emission_nm)
    half_z, half_r = psf.extent_um(emission_nm)
    return psf.intensity(emission_nm, depth_um, *grid_um(half_z, half_r, axial / 16, lateral / 16))


@lru_cache(maxsize=64)
def _gaussian(psf: Optical, emission_nm: float) -> tuple[float, float, float]:
    return nearest_gaussian(psf.profile(emission_nm, psf.first_depth_um))
