"""Spots of a still field, and their brightness in every frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from synimg.analysis.background import smooth_background
from synimg.analysis.detect import candidates, laplacian
from synimg.analysis.punctum import VOXEL_VARIANCE

Floats = NDArray[np.float64]
Movie = NDArray[np.float32] | NDArray[np.float64]
Bools = NDArray[np.bool_]
LEAST_SIGNIFICANCE = 6.0
"""Of a spot in the mean image, in sds of the noise: one false one in 10^9 places."""
ALONE = 5.0
"""PSF widths to the next spot."""
WINDOW = 4.0
"""PSF widths around a spot that are looked at."""
BACKGROUND = 8.0
"""PSF widths of the local mean that gives the background."""
SHORTEST = 8
"""Frames of the shortest sum that is searched."""


@dataclass(frozen=True)
class Spots:
    """Spots of a still field.

    at_vox : (n, 2) ndarray, places (y, x) [pixels]
    significance : (n,) ndarray, in the mean image, in sds of its noise
    is_alone : (n,) ndarray, whether no other is near
    is_saturated : (n,) ndarray
    traces : (n, frames) ndarray [electrons], brightness in every frame
    dark_variance, per_electron : (n,) ndarray, variance of a frame without the spot's light, and what an electron of it adds
    mean_electrons : (y, x) ndarray, the mean image
    field : the frames
    """

    at_vox: Floats
    significance: Floats
    is_alone: Bools
    is_saturated: Bools
    traces: Floats
    dark_variance: Floats
    per_electron: Floats
    mean_electrons: Floats
    field: "Field"


def find_spots(electrons: Movie, read_noise: Floats | float, psf_vox: Floats, is_full: Bools | None = None) -> Spots:
    """Spots in the mean of frames, and their brightness in each.

    Parameters
    ----------
    electrons : (frames, y, x) ndarray [electrons]
        Of one still field.
    read_noise : (y, x) ndarray or float [electrons]
    psf_vox : (2,) ndarray
        Sd of the point spread function along y and x [pixels].
    is_full : (y, x) ndarray, optional
        Pixels that are saturated in some frame.

    Notes
    -----
    Brightness in a frame is the weighted least-squares amplitude of the point spread function beside a constant and the
    neighbours; weights are those of the mean image, the same for all frames, so that no frame's own noise moves its value.
    """
    n_frames, shape = len(electrons), electrons.shape[1:]
    read_variance = np.broadcast_to(np.square(read_noise), shape)
    significance, n = np.full(shape, -np.inf), n_frames
    while n >= min(
        SHORTEST, n_frames
    ):  # a dye that goes out early shows in the first frames, and drowns in all of them
        total = electrons[:n].sum(axis=0, dtype=np.float64)
        background = _background(total, n, read_variance, psf_vox)
        found = _significance(total - background, background + n * read_variance, psf_vox)
        significance, n = np.maximum(significance, found), n // 2
    at, seen = candidates(significance, LEAST_SIGNIFICANCE, psf_vox)
    reach = np.ceil(WINDOW * psf_vox)
    inside = ((at >= reach) & (at <= np.array(shape) - 1 - reach)).all(axis=1)
    at, seen = at[inside], seen[inside]
    nearest = cKDTree(at / psf_vox).query(at / psf_vox, k=2)[0][:, 1] if len(at) > 1 else np.full(len(at), np.inf)
    total = electrons.sum(axis=0, dtype=np.float64)
    background = _background(total, n_frames, read_variance, psf_vox)
    variance, widths = background + n_frames * read_variance, np.sqrt(psf_vox**2 + VOXEL_VARIANCE)
    at = np.array([_centred(total, variance, p, widths) if d > ALONE else p for p, d in zip(at, nearest, strict=True)])
    at = at.reshape(-1, 2)
    full = np.zeros(len(at), bool)
    for i, place in enumerate(at):
        full[i] = is_full is not None and bool(is_full[window_around(place, reach, shape)].any())
    field = Field(electrons, background / n_frames + read_variance, widths)
    return Spots(at, seen, nearest > ALONE, full, *field.traces(at), total / n_frames, field)


@dataclass(frozen=True)
class Field:
    """Frames of a still field.

    electrons : (frames, y, x) ndarray [electrons]
    variance : (y, x) ndarray [electrons^2], of a frame's pixel without spots
    widths : (2,) ndarray, sds of a spot in its pixels
    """

    electrons: Movie
    variance: Floats
    widths: Floats

    def traces(self, at: Floats) -> tuple[Floats, Floats, Floats]:
        """Brightness (n, frames) of spots at places (n, 2), its variance without their light, and what an electron adds."""
        n_frames, reach = len(self.electrons), np.ceil(WINDOW * self.widths)
        traces, dark, per = np.zeros((len(at), n_frames)), np.zeros(len(at)), np.zeros(len(at))
        near = cKDTree(at) if len(at) else None
        for i, place in enumerate(at):
            window = window_around(place, reach, self.variance.shape)
            others = [j for j in near.query_ball_point(place, 2.0 * float(reach.max())) if j != i] if near else []
            kernels = [light_of(at[j], self.widths, window) for j in (i, *others)]
            design = np.stack([*kernels, np.ones_like(kernels[0])]).reshape(len(kernels) + 1, -1)
            variance = self.variance[window].ravel()
            weighted = design / np.maximum(variance, 1e-6)
            gain = np.linalg.pinv(weighted @ design.T)[0] @ weighted
            traces[i] = self.electrons[:, window[0], window[1]].reshape(n_frames, -1) @ gain
            dark[i], per[i] = gain**2 @ variance, gain**2 @ kernels[0].ravel()
        return traces, dark, per

    def centred(self, place: Floats, n_lit: int) -> Floats:
        """Place of a spot that goes dark after `n_lit` frames, by what they have more than those after."""
        lit, dark = self.electrons[:n_lit], self.electrons[n_lit + 1 :]
        reach = np.ceil(2.0 * WINDOW * self.widths)
        y, x = window_around(place, reach, self.variance.shape)
        light = (lit[:, y, x].mean(axis=0, dtype=np.float64) - dark[:, y, x].mean(axis=0, dtype=np.float64)) * n_lit
        variance = self.variance[y, x] * n_lit * (1.0 + n_lit / len(dark))
        corner = np.array([y.start, x.start])
        return _centred(light, variance, place - corner, self.widths) + corner


def _background(total: Floats, n_frames: int, read_variance: Floats, psf_vox: Floats) -> Floats:
    """Smooth background (y, x) of a sum of frames."""
    wide = np.array([1.0, *(BACKGROUND * psf_vox)])
    found: Floats = smooth_background(total[None], wide, float(np.sqrt(n_frames * read_variance.mean())))[0]
    return found


def _significance(residual: Floats, variance: Floats, psf_vox: Floats) -> Floats:
    """Response of a Laplacian of Gaussian (y, x) at the point spread function's width, in its own sds."""
    impulse = np.zeros((4 * int(np.ceil(4 * psf_vox.max())) + 1,) * 2)
    impulse[impulse.shape[0] // 2, impulse.shape[1] // 2] = 1.0
    energy = float((laplacian(impulse, psf_vox) ** 2).sum())
    local = ndimage.gaussian_filter(variance, psf_vox / np.sqrt(2.0))
    found: Floats = laplacian(residual, psf_vox) / np.sqrt(energy * np.maximum(local, 1e-12))
    return found


def window_around(place: Floats, reach: Floats, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Rows and columns within `reach` (2,) of a place (y, x) [pixels], cut off at the edges of the image."""
    middle = np.rint(place).astype(int)
    y, x = (slice(max(int(m - r), 0), min(int(m + r) + 1, n)) for m, r, n in zip(middle, reach, shape, strict=True))
    return y, x


def light_of(place: Floats, widths: Floats, window: tuple[slice, slice]) -> Floats:
    """Light of a spot of one electron in the pixels of a window."""
    y, x = (
        np.exp(-0.5 * ((np.arange(s.start, s.stop) - p) / w) ** 2) / (np.sqrt(2.0 * np.pi) * w)
        for s, p, w in zip(window, place, widths, strict=True)
    )
    return np.outer(y, x)


def _centred(image: Floats, variance: Floats, place: Floats, widths: Floats) -> Floats:
    """Place (y, x) where a spot on a constant fits best, by least squares."""
    at, reach = place.copy(), np.ceil(WINDOW * widths)
    for _ in range(8):
        window = window_around(at, reach, image.shape)
        kernel = light_of(at, widths, window)
        away = np.meshgrid(*(np.arange(s.start, s.stop) - p for s, p in zip(window, at, strict=True)), indexing="ij")
        slopes = [kernel * d / w**2 for d, w in zip(away, widths, strict=True)]
        data, weight = image[window].ravel(), 1.0 / np.maximum(image[window], variance[window]).ravel()
        design = np.stack([kernel, np.ones_like(kernel)]).reshape(2, -1)
        amplitude, constant = np.linalg.lstsq((design * weight) @ design.T, (design * weight) @ data, rcond=None)[0]
        moved = amplitude * np.stack(slopes).reshape(2, -1)
        left = data - amplitude * design[0] - constant
        step = np.linalg.lstsq((moved * weight) @ moved.T, (moved * weight) @ left, rcond=None)[0]
        at = at + np.clip(step, -0.3, 0.3)
        if np.abs(step).max() < 1e-3:
            break
    return at if np.abs(at - place).max() < 1.5 * widths.max() else place
