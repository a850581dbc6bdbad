"""How much light one dye gives: single dyes that bleach, or spots with a known number of dyes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, optimize, special
from scipy.spatial import cKDTree

from synimg.analysis.background import smooth_background
from synimg.analysis.detect import candidates, laplacian
from synimg.analysis.punctum import VOXEL_VARIANCE
from synimg.analysis.steps import LEAST_FRAMES, LastStep, last_step
from synimg.errors import SynimgError

Floats = NDArray[np.float64]
Movie = NDArray[np.float32] | NDArray[np.float64]
Bools = NDArray[np.bool_]
LEAST_SIGNIFICANCE = 6.0
"""Of a spot in the mean image, in sds of the noise: one false one in 10^9 places."""
SURELY = 4.0 / 3.0
"""Times what can be seen at all: beyond it chance no longer decides what is seen, and only such spots are used."""
MERGED, SURE = 0.15, 3.0
"""Variance by which a spot is wider along some axis than most, in squared PSF widths and in its sds: two that lie together."""
ALONE = 5.0
"""PSF widths to the next spot."""
WINDOW = 4.0
"""PSF widths around a spot that are looked at."""
BACKGROUND = 8.0
"""PSF widths of the local mean that gives the background."""
SHORTEST = 8
"""Frames of the shortest sum that is searched."""
UNSEEN = LEAST_FRAMES - 1
"""Frames within which two dyes go out in one step."""
LEAST_DYES = 20
STEADIEST = 1e4
"""Largest shape of the law of brightness: dyes that do not differ."""
MOST_OF_SEEN = 0.5
"""Of the usual brightness: where spots must be brighter to be seen, the law is a guess about those that are not."""


@dataclass(frozen=True)
class Brightness:
    """The law of a dye's brightness: Gamma.

    mean, mean_se : electrons and standard error
    shape, shape_se : 1 / CV^2 of the dyes, and standard error; `STEADIEST` where they do not differ
    n : dyes, or spots, that it is from
    """

    mean: float
    mean_se: float
    shape: float
    shape_se: float
    n: int


def brightness_law(heights: "Heights", n_dyes: float = 1.0, labelled: float = 1.0) -> Brightness:
    """Mean and shape of the brightness of one dye.

    Parameters
    ----------
    heights : Heights
        Of spots; below the least that can be seen nothing is known.
    n_dyes, labelled : float
        Places for dyes in each spot, and the share of them that has one.

    Notes
    -----
    Maximum likelihood. A spot of N dyes, N binomial, has mean n p m and variance n p m^2 (1 / k + 1 - p) beside that of the
    measurement; a Gamma law with these moments stands for it, cut off at `least` (the dim ones that were not seen would
    otherwise make the mean too high); a share `doubled` has twice as many dyes. Errors by the curvature.

    Raises
    ------
    SynimgError
        If most dyes are too dim to be seen.
    """

    seen, se, least = heights.seen, heights.se, heights.least
    if np.median(least) > MOST_OF_SEEN * np.median(seen):
        raise SynimgError(
            f"spots are seen from {np.median(least):.3g} electrons a frame on, and a usual one of those has {np.median(seen):.3g}: "
            "too dim against the noise to know those that are not seen; give more light or longer exposures"
        )

    def law(p: Floats, times: float) -> tuple[Floats, Floats]:
        """Density at what was seen, and share above the least, of `times` as many dyes."""
        mean, shape = np.exp(np.clip(p, -30.0, 30.0))
        places = times * n_dyes * labelled
        variance = places * mean**2 * (1.0 / shape + 1.0 - labelled) + se**2
        k, scale = (places * mean) ** 2 / variance, variance / (places * mean)
        x = seen / scale
        return np.exp((k - 1.0) * np.log(x) - x - special.gammaln(k)) / scale, special.gammaincc(k, least / scale)

    def cost(p: Floats) -> float:
        density, above = law(p, 1.0)
        if heights.doubled:
            density, above = (
                (1.0 - heights.doubled) * one + heights.doubled * two
                for one, two in zip((density, above), law(p, 2.0), strict=True)
            )
        # beyond STEADIEST nothing changes; the slope keeps the search from running off
        run_off = 1e-3 * max(p[1] - np.log(STEADIEST), 0.0) ** 2
        return float(np.log(np.maximum(above, 1e-300) / np.maximum(density, 1e-300)).sum()) + run_off

    mean = seen.mean() / (n_dyes * labelled)
    spread = max(seen.var() - np.mean(se**2), 1e-3 * seen.mean() ** 2) / (n_dyes * labelled * mean**2)
    start = np.log([mean, np.clip(1.0 / max(spread - 1.0 + labelled, 1e-3), 0.5, 1e3)])
    found = optimize.minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-6}).x
    steady = found[1] > np.log(STEADIEST) - 1.0
    step = np.array([1e-3, 1e-2])
    curvature = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            a, b = step * np.eye(2)[i], step * np.eye(2)[j]
            four = cost(found + a + b) - cost(found + a - b) - cost(found - a + b) + cost(found - a - b)
            curvature[i, j] = four / (4.0 * step[i] * step[j])
    error = np.full((2, 2), np.inf)
    if steady or curvature[1, 1] <= 0:
        error[0, 0] = 1.0 / max(curvature[0, 0], 1e-12)
    else:
        error = np.linalg.inv(curvature)
    mean, shape = float(np.exp(found[0])), float(min(np.exp(found[1]), STEADIEST))
    return Brightness(
        mean,
        mean * float(np.sqrt(max(error[0, 0], 0.0))),
        shape,
        np.inf if steady else shape * float(np.sqrt(max(error[1, 1], 0.0))),
        len(seen),
    )


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
    at = candidates(significance, LEAST_SIGNIFICANCE, psf_vox)
    reach = np.ceil(WINDOW * psf_vox)
    at = at[((at >= reach) & (at <= np.array(shape) - 1 - reach)).all(axis=1)]
    nearest = cKDTree(at / psf_vox).query(at / psf_vox, k=2)[0][:, 1] if len(at) > 1 else np.full(len(at), np.inf)
    seen = significance[tuple(np.rint(at).astype(int).T)] if len(at) else np.zeros(0)
    total = electrons.sum(axis=0, dtype=np.float64)
    background = _background(total, n_frames, read_variance, psf_vox)
    variance, widths = background + n_frames * read_variance, np.sqrt(psf_vox**2 + VOXEL_VARIANCE)
    at = np.array([_centred(total, variance, p, widths) if d > ALONE else p for p, d in zip(at, nearest, strict=True)])
    at = at.reshape(-1, 2)
    full = np.zeros(len(at), bool)
    for i, place in enumerate(at):
        full[i] = is_full is not None and bool(is_full[_window(place, reach, shape)].any())
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
            window = _window(place, reach, self.variance.shape)
            others = [j for j in near.query_ball_point(place, 2.0 * float(reach.max())) if j != i] if near else []
            kernels = [_kernel(at[j], self.widths, window) for j in (i, *others)]
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
        y, x = _window(place, reach, self.variance.shape)
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


def _window(place: Floats, reach: Floats, shape: tuple[int, ...]) -> tuple[slice, slice]:
    middle = np.rint(place).astype(int)
    y, x = (slice(max(int(m - r), 0), min(int(m + r) + 1, n)) for m, r, n in zip(middle, reach, shape, strict=True))
    return y, x


def _kernel(place: Floats, widths: Floats, window: tuple[slice, slice]) -> Floats:
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
        window = _window(at, reach, image.shape)
        kernel = _kernel(at, widths, window)
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


@dataclass(frozen=True)
class Steps:
    """The last steps of spots that stand alone and are not saturated.

    which : which spots, (n,) ndarray of int
    last : their steps
    spots : all spots, those with steps where their light before the step shows them
    noise_ratio : variance from frame to frame over the expected one
    """

    which: NDArray[np.int64]
    last: list[LastStep]
    spots: Spots
    noise_ratio: float


def steps_of(spots: Spots) -> Steps:
    """The step with which each spot goes dark.

    Raises
    ------
    SynimgError
        For too few frames, or saturated spots.
    """
    n_frames = spots.traces.shape[1]
    if n_frames < SHORTEST:
        raise SynimgError(
            f"{n_frames} frame{'s show' if n_frames > 1 else ' shows'} no bleaching: give a movie of one field until its dyes "
            "are dark, or --standard with the number of dyes in each spot"
        )
    _refuse_full(spots)
    usable = np.flatnonzero(spots.is_alone & ~spots.is_saturated)
    expected = spots.dark_variance[usable] + spots.per_electron[usable] * np.maximum(
        np.median(spots.traces[usable], axis=1), 0.0
    )
    between = 0.5 * np.square(1.4826 * np.median(np.abs(np.diff(spots.traces[usable], axis=1)), axis=1))
    ratio = float(np.median(between / expected)) if len(usable) else 1.0
    scale = max(ratio, 1.0)
    at, steps = spots.at_vox.copy(), dict[int, LastStep]()
    for again in (False, True):
        traces, dark, per = (
            (spots.traces, spots.dark_variance, spots.per_electron) if not again else spots.field.traces(at)
        )
        for i in usable if not again else list(steps):
            found = last_step(traces[i], scale * dark[i], scale * per[i])
            if found is None:
                steps.pop(int(i), None)
                continue
            steps[int(i)] = found
            at[i] = spots.field.centred(at[i], found.at)
    used, last = list(steps), list(steps.values())
    return Steps(np.array(used, int), last, replace(spots, at_vox=at, traces=traces), ratio)


@dataclass(frozen=True)
class Heights:
    """Brightness of spots.

    seen, se, least : (n,) ndarray [electrons], with standard errors, and what each would have to be at least to be seen
    doubled : share of them that are two in the place of one
    """

    seen: Floats
    se: Floats
    least: Floats
    doubled: float = 0.0

    @classmethod
    def joined(cls, parts: "Sequence[Heights]") -> "Heights":
        """Those of several fields."""
        seen, se, least = (np.concatenate([getattr(part, name) for part in parts]) for name in ("seen", "se", "least"))
        return cls(seen, se, least, sum(len(part.seen) * part.doubled for part in parts) / max(len(seen), 1))


def heights_of_steps(steps: Steps) -> Heights:
    """Brightness of a dye in a frame, from last steps.

    Notes
    -----
    A spot was looked at only if its light stood out from the noise: what its last dye would have to give for that is the least.
    Two dyes that go out within `UNSEEN` frames make one step: how often follows from how long the last dyes of spots with several
    outlive the others.
    """
    seen, se, least, n_lit = (np.array([getattr(s, k) for s in steps.last]) for k in ("height", "se", "least", "n_lit"))
    light = np.array([s.levels.sum() for s in steps.last])
    share = LEAST_SIGNIFICANCE / steps.spots.significance[steps.which]
    others = np.maximum(light - seen * n_lit, 0.0)
    visible = np.maximum((SURELY * share * light - others) / np.maximum(n_lit, 1), SURELY * least)
    used = seen > visible
    # a level of one frame less than the least is found, too, with a frame of its neighbour
    outlived = np.array([s.n_lit - UNSEEN + 0.5 for s in steps.last if s.was_higher])
    together = len(outlived) * np.expm1(UNSEEN / outlived.mean()) / len(seen) if len(outlived) else 0.0
    return Heights(seen[used], se[used], visible[used], float(min(together, 0.3)))


def heights_of_spots(spots: Spots) -> Heights:
    """Brightness of whole spots in the mean of the frames: those that stand alone, are not wide and not saturated.

    Raises
    ------
    SynimgError
        If many are saturated.
    """
    _refuse_full(spots)
    usable = spots.is_alone & ~spots.is_saturated
    usable[usable] = ~_merged(spots, spots.at_vox[usable])
    n_frames = spots.traces.shape[1]
    seen = np.maximum(spots.traces[usable].mean(axis=1), 1e-9)
    se = np.sqrt((spots.dark_variance[usable] + spots.per_electron[usable] * seen) / n_frames)
    visible = SURELY * LEAST_SIGNIFICANCE / spots.significance[usable] * seen
    used = seen > visible
    return Heights(seen[used], se[used], visible[used])


def _merged(spots: Spots, at: Floats) -> Bools:
    """Which of the spots at places (n, 2) are wider than most along some axis, as two that were not told apart are.

    Notes
    -----
    Weighted least squares of the point spread function, a constant, and the second derivatives: their amplitudes are half of the
    excess variance. Beside the median, since the stated width may be wrong.
    """
    field, n_frames = spots.field, spots.traces.shape[1]
    excess, error, reach = np.zeros(len(at)), np.zeros(len(at)), np.ceil(WINDOW * field.widths)
    for i, place in enumerate(at):
        window = _window(place, reach, field.variance.shape)
        kernel = _kernel(place, field.widths, window)
        y, x = np.meshgrid(
            *((np.arange(s.start, s.stop) - p) / w for s, p, w in zip(window, place, field.widths, strict=True)),
            indexing="ij",
        )
        parts = [kernel, np.ones_like(kernel), kernel * (y**2 - 1), kernel * (x**2 - 1), kernel * x * y]
        design = np.stack(parts).reshape(5, -1)
        image = spots.mean_electrons[window].ravel()
        weight = n_frames / np.maximum(field.variance[window].ravel(), image)
        inverse = np.linalg.pinv((design * weight) @ design.T)
        light, _, along_y, along_x, across = inverse @ ((design * weight) @ image)
        light = max(light, 1e-9)
        shape = np.array([[2 * along_y, across], [across, 2 * along_x]]) / light
        excess[i] = np.linalg.eigvalsh(shape)[-1]
        error[i] = 2 * np.sqrt(max(inverse[2, 2], inverse[3, 3])) / light
    found: Bools = excess - np.median(excess) > np.maximum(MERGED, SURE * error) if len(at) else np.zeros(0, bool)
    return found


def _refuse_full(spots: Spots) -> None:
    n_full = int(spots.is_saturated.sum())
    if n_full > 0.05 * max(len(spots.is_saturated), 1):
        raise SynimgError(
            f"{n_full} of {len(spots.is_saturated)} spots have a saturated pixel: expose less, with the light at which they "
            "were taken stated by --exposure"
        )
