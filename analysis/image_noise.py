"""The noise of an image's own voxels by brightness, and whether it is that of a camera."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, maximum_filter, uniform_filter

from synimg.analysis.camera import OFF_LINE_SE, Curve, Dark, curve_through, straight
from synimg.errors import SynimgError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# differences of independent voxels leave the variance as it is, and hardly any light; the steeper ones where one axis must do
DIFFERENCE = np.array([1.0, -4.0, 6.0, -4.0, 1.0]) / np.sqrt(70.0)
STEEPER = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0]) / np.sqrt(924.0)
MARGIN, RING = 4, 9  # voxels around one whose neighbourhood is looked at, and their number along an axis
N_BINS, N_TILES = 24, 6  # bins of brightness; tiles along y and x whose scatter gives the errors
LEAST_BINS, LEAST_SHARE = 6, 0.5  # of brightness bins, and of the voxels, that must lie on a line
MOST_CORRELATION = 0.015  # of the noise of neighbours; each such axis makes the gain 2.4 % wrong
DIM = 0.25  # share of a plane, the dimmest, whose noise is correlated with its neighbours': the least detail
LEAST_NOISE_LEVELS = 0.4  # sd of the noise in grey levels
MOST_GAIN_ERROR = 0.2  # relative
OFF_LINE_IMAGE = 0.05  # as OFF_LINE, of an image's bins
MOST_DARK_E2 = 25.0  # squared electrons of read noise without an offset to show them
MOST_AT_LOWEST = 0.02  # of the voxels
LEAST_VOXELS = 2000  # of a bin
EFFECTIVE = 6.9  # squared differences that count as one: those of neighbours are correlated


@dataclass(frozen=True)
class ImageNoise:
    """The noise of an image, by brightness.

    curve : the photon transfer curve of the image's voxels
    share_used : share of the voxels in the line
    correlation : of the noise of voxels next to each other along y, x and, of a stack, z; with its standard error
    doubts : sentences that say why the curve is not that of a camera; without any it is believed
    """

    curve: Curve
    share_used: float
    correlation: dict[str, tuple[float, float]]
    doubts: tuple[str, ...]


def differences(plane: Floats) -> Floats:
    """Fourth differences along y and x: noise of single voxels, with its variance, and hardly any light."""
    return correlate1d(correlate1d(plane, DIFFERENCE, axis=0, mode="nearest"), DIFFERENCE, axis=1, mode="nearest")


def image_noise(planes: NDArray[Any], largest_adu: float = np.inf, dark: Dark | None = None) -> ImageNoise:
    """The photon transfer curve of an image's own voxels.

    Parameters
    ----------
    planes : (n, 2, y, x) or (n, 1, y, x) ndarray [adu]
        Planes of one channel, in pairs that lie next to each other along z if it is a stack.
    largest_adu : float
        Grey level of a saturated voxel.
    dark : Dark, optional
        A level without light, if dark frames were taken.

    Notes
    -----
    Noise is what fourth differences along y and x leave of an image: optics pass almost nothing of what changes so fast.
    Voxels are sorted by the light of a ring around those that the difference takes, whose noise is independent, so that
    sorting does not select noise; within a bin the mean square of the differences is then the mean variance, and both
    follow the camera's line. The errors are a jackknife over tiles of the image.

    Raises
    ------
    SynimgError
        If the image is smaller than a tile's neighbourhood allows, or constant.
    """
    if min(planes.shape[-2:]) < 64:
        raise SynimgError(
            f"planes of {planes.shape[-2]} x {planes.shape[-1]} voxels are too small to tell noise; take 64 x 64 or more"
        )
    edges = _brightness_edges(planes)
    sums, products, far = np.zeros((N_TILES**2, len(edges) - 1, 3)), np.zeros((N_TILES**2, 8)), None
    for neighbours in planes:
        far = _add(sums, products, neighbours, edges, largest_adu, far)
    sums = sums[:, sums[..., 0].sum(axis=0) >= LEAST_VOXELS]
    if sums.shape[1] < 2:
        raise SynimgError("too few voxels that are not saturated to tell noise")
    total = sums.sum(axis=0)
    tiles = np.flatnonzero(sums[..., 0].sum(axis=1) > 0)
    curve = _image_curve(total, dark)
    left_out = [_image_curve(total - sums[t], dark, curve.used) for t in tiles]
    names = ("gain_adu_per_electron", "zero_adu", "variance_adu2")
    gain_se, zero_se, variance_se = (_jackknife(np.array([getattr(c, name) for c in left_out])) for name in names)
    if dark is not None:
        variance_se[0] = dark.variance_se_adu2
    curve = replace(curve, gain_se=float(gain_se), zero_se_adu=float(zero_se), variance_se_adu2=variance_se)
    n = total[:, 0]
    share_used = float(n[curve.used[-len(n) :]].sum() / n.sum())
    noise = ImageNoise(curve, share_used, _correlations(products[tiles]), ())
    return replace(noise, doubts=_doubts(planes, noise))


def _brightness_edges(planes: NDArray[Any]) -> Floats:
    """Borders of bins of brightness: finer where the bright voxels are."""
    chosen = planes[:: max(len(planes) // 4, 1), 0].astype(np.float64)
    ring = np.concatenate([_ring(plane).ravel() for plane in chosen])
    shares = np.concatenate([np.linspace(0.0, 0.9, N_BINS - 6), [0.94, 0.97, 0.99, 0.995, 0.998, 0.9995]])
    inner = np.unique(np.quantile(ring, shares[1:]))
    return np.concatenate([[-np.inf], inner, [np.inf]])


def _ring(plane: Floats) -> Floats:
    """Mean of the voxels around a voxel whose differences do not take them."""
    inner = len(DIFFERENCE)
    whole, core = uniform_filter(plane, RING) * RING**2, uniform_filter(plane, inner) * inner**2
    ring: Floats = (whole - core)[MARGIN:-MARGIN, MARGIN:-MARGIN] / (RING**2 - inner**2)
    return ring


def _add(
    sums: Floats, products: Floats, planes: NDArray[Any], edges: Floats, largest: float, far: Floats | None
) -> Floats:
    """Add planes next to each other to the sums of each tile, and give the differences of the last plane.

    sums : (tile, bin, 3) number, light and squared differences
    products : (tile, 8) products of the noise and of its neighbour, and its square: along y, x, z, and of a far plane `far`
    """
    inside = slice(MARGIN, -MARGIN)
    before: Floats | None = None
    noise = np.empty(0)
    for grey in planes:
        plane = grey.astype(np.float64)
        along_y, along_x = (correlate1d(plane, STEEPER, axis=axis, mode="nearest") for axis in (0, 1))
        noise = differences(plane)[inside, inside]
        light = correlate1d(correlate1d(plane, DIFFERENCE**2, axis=0), DIFFERENCE**2, axis=1)[inside, inside]
        ring = _ring(plane)
        tile = _tiles(ring.shape)
        fine = maximum_filter(plane, RING)[inside, inside] < largest
        index = (tile * (len(edges) - 1) + np.searchsorted(edges, ring, side="right") - 1)[fine]
        for k, values in enumerate((None, light, noise**2)):
            weights = None if values is None else values[fine]
            sums[..., k] += np.bincount(index, weights, minlength=sums[..., 0].size).reshape(sums.shape[:2])
        dim = fine & (ring <= np.quantile(ring, DIM))
        one, two = along_x[inside, inside], along_x[MARGIN + 1 : plane.shape[0] - MARGIN + 1, inside]
        pairs = [(one, two)]
        one, two = along_y[inside, inside], along_y[inside, MARGIN + 1 : plane.shape[1] - MARGIN + 1]
        pairs += [(one, two), (noise, before), (noise, far)]
        for k, (one, neighbour) in enumerate(pairs):
            if neighbour is not None:
                products[:, 2 * k] += np.bincount(tile[dim], (one * neighbour)[dim], minlength=N_TILES**2)
                products[:, 2 * k + 1] += np.bincount(tile[dim], (one**2)[dim], minlength=N_TILES**2)
        before = noise
    return noise


def _tiles(shape: tuple[int, ...]) -> NDArray[np.int64]:
    """The tile of each voxel of a plane."""
    y, x = (np.arange(n) * N_TILES // n for n in shape)
    return y[:, None] * N_TILES + x


def _image_curve(sums: Floats, dark: Dark | None, used: Bools | None = None) -> Curve:
    """The curve of the bins' sums, through the dark level if there is one: in space pixels differ by their offsets too."""
    n, light, square = sums.T
    mean, variance = light / n, square / n
    if dark is not None:
        mean, variance = (
            np.append(dark.offset_adu, mean),
            np.append(dark.variance_adu2 + dark.offset_sd_adu**2, variance),
        )

    def errors(expected: Floats) -> Floats:
        of_bins = expected[-len(n) :] * np.sqrt(2.0 * EFFECTIVE / n)
        return of_bins if dark is None else np.append(dark.variance_se_adu2, of_bins)

    se = errors(variance)
    if used is None:
        used = straight(mean, variance, se, np.ones(len(mean), bool), OFF_LINE_IMAGE)
    first = curve_through(mean, variance, se, used)
    # again with the errors of the line: a bin that is low by chance must not weigh more
    line = first.gain_adu_per_electron * (mean - first.zero_adu)
    return curve_through(mean, variance, errors(np.maximum(line, 0.1 * variance)), used)


def _jackknife(left_out: Floats) -> Floats:
    """Standard error from estimates that leave out one part each."""
    n = len(left_out)
    se: Floats = np.sqrt((n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    return se


def _correlations(products: Floats) -> dict[str, tuple[float, float]]:
    """Correlation of the noise of neighbours along each axis, and its standard error; what far planes share is taken off."""
    total = products.sum(axis=0)
    found = {}

    def ratio(s: Floats, k: int) -> float:
        return float(s[2 * k] / s[2 * k + 1]) if s[2 * k + 1] > 0 else 0.0

    for k, axis in enumerate("yxz"):
        if total[2 * k + 1] == 0:
            continue
        values = [ratio(s, k) - (ratio(s, 3) if axis == "z" else 0.0) for s in (total, *(total - products))]
        found[axis] = (values[0], float(_jackknife(np.array(values[1:]))))
    return found


def _doubts(planes: NDArray[Any], noise: ImageNoise) -> tuple[str, ...]:
    """Why an image's curve is not a camera's; empty if nothing speaks against it."""
    curve, said = noise.curve, []
    if planes.dtype.itemsize == 1:
        said.append("8-bit grey levels, which programs scale for display: take the microscope's own file")
    lowest = planes.min()
    at_lowest = float((planes == lowest).mean())
    typical = float(np.sqrt(np.median(curve.variance_adu2[curve.used])))
    are_counts = abs(curve.gain_adu_per_electron - 1.0) < 0.1 and abs(curve.zero_adu) < 0.1 + 4 * curve.zero_se_adu
    if planes.dtype.kind in "iu" and typical < LEAST_NOISE_LEVELS and not are_counts:
        said.append(f"the noise ({typical:.2g} grey levels) drowns in the rounding to whole grey levels")
    elif at_lowest > MOST_AT_LOWEST and not are_counts:
        share = f"{100 * at_lowest:.0f} % of the voxels have the lowest grey level ({lowest:g})"
        said.append(f"{share}: the background was cut off")
    if lowest < 0:
        said.append(f"grey levels below zero ({lowest:g}): the background was taken off")
    correlated = {
        axis: value
        for axis, (value, se) in noise.correlation.items()
        if abs(value) > max(MOST_CORRELATION, OFF_LINE_SE * se)
    }
    if correlated:
        said.append(
            f"the noise of neighbours is correlated ({', '.join(f'{v:.2f} along {a}' for a, v in correlated.items())}): the image "
            "was smoothed, resampled, denoised or deconvolved, the detector is slower than its pixels, or these are too coarse "
            "for the detail"
        )
    if said:
        return tuple(said)
    dark_e2 = -curve.zero_adu / curve.gain_adu_per_electron
    if curve.gain_adu_per_electron > 0 and curve.zero_adu < -OFF_LINE_SE * curve.zero_se_adu and dark_e2 > MOST_DARK_E2:
        said.append("as much noise in the dark as no camera has: grey levels are not in proportion to light")
    if curve.gain_adu_per_electron <= 0:
        said.append("the noise does not grow with the light")
    elif noise.share_used < LEAST_SHARE or curve.used.sum() < LEAST_BINS:
        said.append(
            "the variance is no straight line of the mean: grey levels are not in proportion to light, or detail fills the image"
        )
    elif curve.gain_se > MOST_GAIN_ERROR * curve.gain_adu_per_electron:
        said.append("brightness varies too little to tell the gain")
    return tuple(said)
