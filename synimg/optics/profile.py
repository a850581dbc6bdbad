"""Point spread functions that are symmetric about the axis, on a grid, and the Gaussian nearest to one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2
from scipy.ndimage import map_coordinates
from scipy.optimize import minimize
from scipy.special import jv

Floats = NDArray[np.float64]
FWHM = 2.355
"""Full width at half maximum of a Gaussian, in standard deviations."""


@dataclass(frozen=True)
class Profile:
    """Intensity (z, r) at `z_um` (n,), evenly spaced about 0, and `r_um` (m,), evenly spaced from 0; 0 beyond."""

    z_um: Floats
    r_um: Floats
    intensity: Floats

    def plane(self, z_um: float, r_um: Floats) -> Floats:
        """Intensity at the distance `z_um` along the axis, for an array of distances from the axis."""
        at = (z_um - self.z_um[0]) / (self.z_um[1] - self.z_um[0])
        if not 0 <= at <= self.z_um.size - 1:
            return np.zeros_like(r_um)
        i = min(int(at), self.z_um.size - 2)
        row = (i + 1 - at) * self.intensity[i] + (at - i) * self.intensity[i + 1]
        return np.interp(r_um, self.r_um, row, right=0.0)


def grid_um(half_z_um: float, half_r_um: float, step_z_um: float, step_r_um: float) -> tuple[Floats, Floats]:
    """Evenly spaced z about 0 and r from 0 that reach at least so far."""
    n = int(np.ceil(half_z_um / step_z_um))
    z_um = step_z_um * np.arange(-n, n + 1, dtype=np.float64)
    r_um = step_r_um * np.arange(int(np.ceil(half_r_um / step_r_um)) + 1, dtype=np.float64)
    return z_um, r_um


def through_pinhole(profile: Profile, radius_um: float) -> Profile:
    """The detection profile behind a round pinhole: every plane convolved with a disc of that radius.

    Notes
    -----
    By Fourier transforms of the planes, the disc by its exact transform ``2 J1(q) / q``.
    """
    step, m = profile.r_um[1] - profile.r_um[0], profile.r_um.size
    n = next_fast_len(2 * m + 2 * int(radius_um / step) + 2, real=True)
    axis = (np.arange(n) - n // 2) * step
    r = np.hypot(axis[:, None], axis)
    q = 2.0 * np.pi * radius_um * np.hypot(np.fft.fftfreq(n, step)[:, None], np.fft.rfftfreq(n, step))
    disc = np.where(q > 0, 2.0 * jv(1, q) / np.where(q > 0, q, 1.0), 1.0)
    rows = np.empty_like(profile.intensity)
    for i, row in enumerate(profile.intensity):
        blurred = irfft2(rfft2(np.interp(r, profile.r_um, row, right=0.0)) * disc, (n, n))
        rows[i] = blurred[n // 2, n // 2 : n // 2 + m]
    return Profile(profile.z_um, profile.r_um, np.maximum(rows, 0.0))


def nearest_gaussian(profile: Profile) -> tuple[float, float, float]:
    """Standard deviations along z and across [um] of the Gaussian that fits best, and the share of the light in it.

    Notes
    -----
    Least squares with a free weight: what a fit of Gaussians finds in a background that outshines the tails.
    """
    z, r = profile.z_um, profile.r_um
    area = r * (r[1] - r[0])
    light = profile.intensity * area

    def sums(ln_sigma: Floats) -> tuple[float, float, float]:
        """Sums over the grid of light times Gaussian, of its square, and of itself; it is a product of z and r."""
        axial, lateral = np.exp(ln_sigma)
        of_z, of_r = np.exp(-0.5 * (z / axial) ** 2), np.exp(-0.5 * (r / lateral) ** 2)
        return of_z @ light @ of_r, (of_z @ of_z) * (of_r**2 @ area), of_z.sum() * (of_r @ area)

    def lost(ln_sigma: Floats) -> float:
        with_light, squared, _ = sums(ln_sigma)
        return -float(with_light**2 / squared)

    peak = profile.intensity[:, 0].argmax()
    wide = [
        max(np.count_nonzero(row >= 0.5 * row.max()) * step, step) / FWHM
        for row, step in ((profile.intensity[:, 0], z[1] - z[0]), (profile.intensity[peak], 2 * (r[1] - r[0])))
    ]
    found = minimize(lost, np.log(wide), method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 0.0}).x
    with_light, squared, alone = sums(found)
    axial, lateral = np.exp(found)
    return float(axial), float(lateral), float(with_light / squared * alone / light.sum())


def profile_of_stack(stack: Floats, voxel_um: tuple[float, float, float], centre_vox: Floats) -> Profile:
    """The mean of a bead stack (z, y, x) around its axis."""
    step = min(voxel_um[1:])
    half_z = min(centre_vox[0], stack.shape[0] - 1 - centre_vox[0]) * voxel_um[0]
    half_r = min(min(c, n - 1 - c) * v for c, n, v in zip(centre_vox[1:], stack.shape[1:], voxel_um[1:], strict=True))
    z, r = grid_um(half_z, half_r, voxel_um[0], step)
    z, r = z[np.abs(z) <= half_z + 1e-9], r[r <= half_r + 1e-9]
    angle = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    y = centre_vox[1] + r[:, None] * np.sin(angle) / voxel_um[1]
    x = centre_vox[2] + r[:, None] * np.cos(angle) / voxel_um[2]
    plane = np.broadcast_to((centre_vox[0] + z / voxel_um[0])[:, None, None], (z.size, *y.shape))
    at = [plane, np.broadcast_to(y, plane.shape), np.broadcast_to(x, plane.shape)]
    return Profile(z, r, map_coordinates(stack, at, order=1).mean(axis=-1))
