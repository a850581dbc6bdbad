"""How much light one dye gives: single dyes that bleach, or spots with a known number of dyes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from synimg.analysis.spots import LEAST_SIGNIFICANCE, SHORTEST, WINDOW, Spots, light_of, window_around
from synimg.analysis.steps import LEAST_FRAMES, LastStep, last_step
from synimg.errors import SynimgError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
SURELY = 4.0 / 3.0
"""Times what can be seen at all: beyond it chance no longer decides what is seen, and only such spots are used."""
MERGED, SURE = 0.15, 3.0
"""Variance by which a spot is wider along some axis than most, in squared PSF widths and in its sds: two that lie together."""
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
        window = window_around(place, reach, field.variance.shape)
        kernel = light_of(place, field.widths, window)
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
