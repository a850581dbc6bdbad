"""What a camera is: offset, gain and read noise from dark frames and from flat frames."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

ROUNDING_ADU2 = 1.0 / 12.0  # variance that whole grey levels add
SATURATED_SHARE = 1e-4  # of a level's pixels
OFF_LINE_SE, OFF_LINE = 4.0, 0.005  # a bright level is left out where it lies off the line by both, in se and in parts


@dataclass(frozen=True)
class Dark:
    """A camera without light.

    offset_adu, offset_se_adu : mean grey level and its standard error
    offset_sd_adu : sd of the offset over pixels
    noise_adu, noise_se_adu : sd of a pixel's grey level, mean over pixels, and its standard error
    noise_sd_ln : sd of ln of it over pixels
    variance_adu2, variance_se_adu2 : mean variance of a pixel as the frames show it, rounding included
    offset_map_adu, noise_map_adu : (y, x) ndarray, the same for each pixel, drawn to the mean by what chance alone would scatter
    n_frames : frames
    """

    offset_adu: float
    offset_se_adu: float
    offset_sd_adu: float
    noise_adu: float
    noise_se_adu: float
    noise_sd_ln: float
    variance_adu2: float
    variance_se_adu2: float
    offset_map_adu: Floats
    noise_map_adu: Floats
    n_frames: int


@dataclass(frozen=True)
class Level:
    """Mean grey level and variance at one brightness, with the standard error of the variance; a share is saturated."""

    mean_adu: float
    variance_adu2: float
    variance_se_adu2: float
    saturated_share: float = 0.0


@dataclass(frozen=True)
class Curve:
    """A photon transfer curve: variance against mean, and the line through its straight part.

    mean_adu, variance_adu2, variance_se_adu2 : (n,) ndarray, by brightness
    used : (n,) ndarray, whether a level is in the line
    gain_adu_per_electron, gain_se : slope of the line, and its standard error
    zero_adu, zero_se_adu : where the line meets no variance: offset minus read variance over gain
    """

    mean_adu: Floats
    variance_adu2: Floats
    variance_se_adu2: Floats
    used: Bools
    gain_adu_per_electron: float
    gain_se: float
    zero_adu: float
    zero_se_adu: float


def dark_frames(frames: NDArray[Any]) -> Dark:
    """Offset and noise of a camera from frames taken in the dark, with the exposure that the images have.

    Parameters
    ----------
    frames : (n, y, x) ndarray [adu]
        At least two; the spread over pixels takes four.

    Notes
    -----
    The spread over pixels is what two halves of the frames have in common: whatever law the noise has, it drops out.
    Dark counts are part of the noise.

    Raises
    ------
    SynimgError
        For a single frame.
    """
    if len(frames) < 2:
        raise SynimgError("a single dark frame shows no noise: give two or more, 20 or more for the spread over pixels")
    mean, variance = _moments(frames)
    by_frame = frames.reshape(len(frames), -1).mean(axis=1)
    offset_sd, noise_sd_ln = 0.0, 0.0
    if len(frames) >= 4:
        (mean_a, var_a), (mean_b, var_b) = (_moments(frames[k::2]) for k in range(2))
        offset_sd = _common_sd(mean_a, mean_b)
        if min(var_a.min(), var_b.min()) > 0:
            noise_sd_ln = 0.5 * _common_sd(np.log(var_a), np.log(var_b))
    seen, seen_se = float(variance.mean()), float(variance.std() / np.sqrt(variance.size))
    rms = np.sqrt(max(seen - ROUNDING_ADU2, 0.0))
    typical = float(rms * np.exp(-0.5 * noise_sd_ln**2))  # the mean of a log-normal law, from its mean square
    chance = np.array(
        [seen / len(frames), 0.5 / (len(frames) - 1)]
    )  # variances of a pixel's offset and of ln of its noise
    kept = np.array([offset_sd, noise_sd_ln]) ** 2 / (
        np.array([offset_sd, noise_sd_ln]) ** 2 + np.maximum(chance, 1e-12)
    )
    noise = np.sqrt(np.maximum(variance - ROUNDING_ADU2, 1e-4 * max(seen, 1e-12)))
    middle = np.log(noise).mean()
    return Dark(
        offset_adu=float(mean.mean()),
        offset_se_adu=float(by_frame.std(ddof=1) / np.sqrt(len(frames))),
        offset_sd_adu=offset_sd,
        noise_adu=typical,
        noise_se_adu=float(0.5 * seen_se / rms) if rms > 0 else 0.0,
        noise_sd_ln=noise_sd_ln,
        variance_adu2=seen,
        variance_se_adu2=seen_se,
        offset_map_adu=mean.mean() + kept[0] * (mean - mean.mean()),
        noise_map_adu=_of_mean(np.exp(middle + kept[1] * (np.log(noise) - middle)), typical),
        n_frames=len(frames),
    )


def flat_level(frames: NDArray[Any], offset_adu: float = 0.0, largest_adu: float = np.inf) -> Level:
    """Mean and variance of frames of one still, evenly lit field.

    Parameters
    ----------
    frames : (n, y, x) ndarray [adu]
        At least two of the same light; what differs between pixels, of light or of sensor, drops out.
    offset_adu : float
        About which the frames' brightness is made equal, for a lamp that flickers.
    largest_adu : float
        Grey level of a saturated pixel.

    Raises
    ------
    SynimgError
        For a single frame.
    """
    if len(frames) < 2:
        raise SynimgError("a level has a single flat frame: noise is what differs between two frames of the same light")
    mean, variance = _moments(frames, offset_adu)
    se = float(variance.std() / np.sqrt(variance.size))
    return Level(float(mean.mean()), float(variance.mean()), se, float((frames >= largest_adu).mean()))


def _moments(frames: NDArray[Any], offset: float | None = None) -> tuple[Floats, Floats]:
    """Mean and variance of every pixel over frames, frame by frame to save memory.

    The frames are brought to one brightness before: by a factor about `offset`, or by a shift where that is None.
    """
    levels = frames.reshape(len(frames), -1).mean(axis=1, dtype=np.float64) - (offset or 0.0)
    factors = levels.mean() / levels if offset is not None and (levels > 0).all() else np.ones(len(frames))
    shifts = levels.mean() - levels * factors
    first = None
    for frame, factor, shift in zip(frames, factors, shifts, strict=True):
        value = (frame.astype(np.float64) - (offset or 0.0)) * factor + shift
        if first is None:
            first, total, square = value, np.zeros_like(value), np.zeros_like(value)
            continue
        away = value - first
        total += away
        square += away**2
    assert first is not None
    n = len(frames)
    return first + total / n + (offset or 0.0), (square - total**2 / n) / (n - 1)


def _of_mean(values: Floats, mean: float) -> Floats:
    """Values scaled to a mean."""
    return values * (mean / values.mean())


def _common_sd(a: Floats, b: Floats) -> float:
    """Sd over pixels of what two independent estimates of them have in common."""
    return float(np.sqrt(max(((a - a.mean()) * (b - b.mean())).mean(), 0.0)))


def transfer_curve(levels: list[Level], dark: Dark | None = None) -> Curve:
    """The photon transfer curve of a camera.

    Parameters
    ----------
    levels : list of Level
        Two or more, one if the dark is known.
    dark : Dark, optional
        Its offset and variance are a level without light.

    Notes
    -----
    Variance = gain x (mean - offset) + read variance (Janesick 2007, Photon Transfer; EMVA 1288). A level with saturated pixels is
    left out, and so are the brightest as long as they lie off the line through the dimmer ones (a full well, a dead time).

    Raises
    ------
    SynimgError
        If too few levels are left, or the variance does not grow with the mean.
    """
    given = [*levels, Level(dark.offset_adu, dark.variance_adu2, dark.variance_se_adu2)] if dark else levels
    given = sorted(given, key=lambda level: level.mean_adu)
    mean, variance, se = (
        np.array([getattr(lv, k) for lv in given]) for k in ("mean_adu", "variance_adu2", "variance_se_adu2")
    )
    used = np.array([lv.saturated_share <= SATURATED_SHARE for lv in given])
    if used.sum() < 2:
        raise SynimgError(
            f"{int((~used).sum())} of {len(levels)} light levels are saturated and too few are left; take dimmer flat frames"
        )
    if np.ptp(mean[used]) == 0:
        raise SynimgError("all flat frames are equally bright; give light levels that differ")
    curve = curve_through(mean, variance, se, straight(mean, variance, se, used, OFF_LINE))
    if curve.gain_adu_per_electron <= 0:
        raise SynimgError(
            "the variance does not grow with the light: flat frames are saturated, or not of one camera setting"
        )
    return curve


def straight(mean: Floats, variance: Floats, se: Floats, may: Bools, off_line: float) -> Bools:
    """Of levels by brightness that `may` be used, those up to the first that lies off the line through the dimmer ones."""
    used = np.zeros_like(may)
    for k in np.flatnonzero(may):
        if used.any() and np.ptp(mean[used]) > 0:
            (slope, at), error = fit_line(mean[used], variance[used], se[used])
            expected = at + slope * mean[k]
            error_there = error[0, 0] * mean[k] ** 2 + 2 * error[0, 1] * mean[k] + error[1, 1]
            off = abs(variance[k] - expected)
            if off > OFF_LINE_SE * np.sqrt(error_there + se[k] ** 2) and off > off_line * abs(expected):
                break
        used[k] = True
    return used


def fit_line(x: Floats, y: Floats, se: Floats) -> tuple[Floats, Floats]:
    """Slope and height at 0 of the weighted line through points, and their covariance."""
    weight = 1.0 / np.maximum(se, 1e-9 * max(float(np.abs(y).max()), 1e-9)) ** 2
    middle = np.average(x, weights=weight)
    away = x - middle
    spread = max(float((weight * away**2).sum()), 1e-300)
    slope, height = float((weight * away * y).sum() / spread), float(np.average(y, weights=weight))
    var_slope, var_height = 1.0 / spread, 1.0 / weight.sum()
    error = np.array([[var_slope, -middle * var_slope], [-middle * var_slope, var_height + middle**2 * var_slope]])
    return np.array([slope, height - slope * middle]), error


def curve_through(mean: Floats, variance: Floats, se: Floats, used: Bools) -> Curve:
    """The curve with the line through the levels used."""
    (slope, at), error = fit_line(mean[used], variance[used], se[used])
    zero = -at / slope if slope else 0.0
    # zero = -at / slope; its derivatives after slope and at are -zero / slope and -1 / slope
    zero_var = (zero**2 * error[0, 0] + error[1, 1] + 2 * zero * error[0, 1]) / max(slope**2, 1e-300)
    return Curve(
        mean, variance, se, used, float(slope), float(np.sqrt(error[0, 0])), float(zero), float(np.sqrt(zero_var))
    )
