"""A replica of an image, whose truth is known: what was found, what must be hidden beside it, and faint probes.

Measured like the image itself, it tells how far off the measurement is where synapses crowd, and how faint they may be.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from synimg.analysis.fit import Fit, Scene, model_of, start
from synimg.analysis.match import match
from synimg.analysis.punctum import N_SHAPE, PAIRS

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
EDGES = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0])  # of distances, in PSF widths
RESOLVED = 2.5  # puncta farther apart are found one by one
GATE = 1.5  # in PSF widths
APART_SHARE = 0.25  # of the hidden neighbours that are drawn come out apart, and are not hidden
PROBE_SHARE = 0.08  # probes per punctum
LEAST_PROBES = 30
PROBE_RANGE = (0.4, 4.0)  # of the count that would be found in half of the cases on an even background


@dataclass(frozen=True)
class Hidden:
    """Neighbours that were not told apart from the n puncta of an image.

    per_punctum : (n,) ndarray, how many are expected beside each
    radial : (k,) ndarray, in which of the rings of `EDGES` they lie
    """

    per_punctum: Floats
    radial: Floats

    @classmethod
    def none(cls, n: int) -> "Hidden":
        """No neighbours beside n puncta."""
        return cls(np.zeros(n), np.full(EDGES.size - 1, 1.0 / (EDGES.size - 1)))

    def at(self, which: NDArray[np.bool_]) -> "Hidden":
        """Those beside some of the puncta."""
        return Hidden(self.per_punctum[which], self.radial)


def nearby(
    points_um: Floats,
    psf_um: Floats,
    size_um: Floats,
    among_um: Floats | None = None,
    between: tuple[float, float] = (RESOLVED, EDGES[-1]),
) -> Floats:
    """Puncta (n,) of `among_um` between 2.5 and 6 PSF widths from each point, or others, as if the image had no faces."""
    if not len(points_um):
        return np.zeros(0)
    scaled = points_um / psf_um
    tree = cKDTree(scaled if among_um is None else among_um / psf_um)
    count = tree.query_ball_point(scaled, between[1], return_length=True)
    count = count - tree.query_ball_point(scaled, between[0], return_length=True)
    reach = between[1] * psf_um
    seen = (np.clip(points_um, 0.0, reach) + np.clip(size_um - points_um, 0.0, reach)) / (2.0 * reach)
    share: Floats = count / np.maximum(seen.prod(axis=1), 0.1)
    return share


def hidden_neighbours(points_um: Floats, psf_um: Floats, size_um: Floats) -> Hidden:
    """Neighbours that hide beside puncta, from the pairs that are missing.

    Parameters
    ----------
    points_um : (n, 3) ndarray
        All puncta of an image.
    psf_um : (3,) ndarray
        Standard deviations of the point spread function.
    size_um : (3,) ndarray
        Edge lengths of the image.

    Notes
    -----
    Pairs are counted by their distance. From 2.5 to 6 widths they are told apart, and their density is taken to fall off
    exponentially; continued to shorter distances it says how many pairs there should be, and those that were not found are
    hidden. Synapses that keep a distance from each other would make this too many: errors come out too wide, not too narrow.
    """
    n = len(points_um)
    if n < 2:
        return Hidden.none(n)
    scaled = points_um / psf_um
    pairs = cKDTree(scaled).query_pairs(EDGES[-1], output_type="ndarray")
    count = np.histogram(np.linalg.norm(scaled[pairs[:, 0]] - scaled[pairs[:, 1]], axis=1), EDGES)[0]
    volume, middle = 4.0 / 3.0 * np.pi * np.diff(EDGES**3) * n / 2.0, 0.5 * (EDGES[1:] + EDGES[:-1])
    far = middle > RESOLVED

    def misfit(x: Floats) -> float:
        expected = np.exp(x[0] - x[1] * middle[far]) * volume[far]
        return float((expected - count[far] * np.log(expected)).sum() + 0.5 * ((x[1] - 0.1) / 0.1) ** 2)

    begin = [np.log(max(count[far].sum(), 0.5) / volume[far].sum()), 0.1]
    level, fall = minimize(misfit, begin, method="Nelder-Mead").x
    missing = np.where(far, 0.0, np.maximum(np.exp(level - fall * middle) * volume - count, 0.0))
    total, around = missing.sum() / (1.0 - APART_SHARE), nearby(points_um, psf_um, size_um)
    if total <= 0.0 or around.sum() <= 0.0:
        return Hidden.none(n)
    return Hidden(total * around / around.sum(), missing / missing.sum())


@dataclass(frozen=True)
class Replica:
    """The truth of an image.

    theta : (n, parameters) ndarray, what is in it, as in `Fit`
    is_probe : (n,) ndarray, faint ones at random places
    """

    theta: Floats
    is_probe: NDArray[np.bool_]


def draw_replica(
    scene: Scene, points_vox: Floats, electrons: Floats, hidden: Hidden, least_gain: float, rng: np.random.Generator
) -> tuple[Replica, Singles]:
    """A replica of a block, and its data (channel, z, y, x) [electrons], plus the variance of the read noise, as in `Scene`.

    Parameters
    ----------
    scene : Scene
        The block.
    points_vox, electrons : (n, 3) and (n, channels) ndarray
        What was found in it.
    hidden : Hidden
        Of these puncta.
    least_gain : float
        2 ln likelihood ratio at which a punctum is believed.
    rng : Generator
        Of the draws.
    """
    psf = scene.psf_vox.mean(axis=0)
    n, size = len(points_vox), np.array(scene.data.shape[1:])
    beside = np.repeat(np.arange(n), rng.poisson(hidden.per_punctum))
    ring = rng.choice(EDGES.size - 1, beside.size, p=hidden.radial)
    away = _within_shells(EDGES[ring], EDGES[ring + 1], rng) * psf
    like = rng.integers(max(n, 1), size=beside.size)
    n_probes = max(LEAST_PROBES, round(PROBE_SHARE * n))
    # 2 ln likelihood ratio of N electrons on an even background B: N^2 / (8 pi^1.5 prod(psf) B)
    half_found = np.sqrt(least_gain * np.median(scene.background.sum(axis=0)) * 8.0 * np.pi**1.5 * psf.prod())
    faint = half_found * np.exp(rng.uniform(np.log(PROBE_RANGE[0]), np.log(PROBE_RANGE[1]), n_probes))
    share = electrons.sum(axis=0) / electrons.sum() if n else np.full(len(scene.data), 1.0 / len(scene.data))
    probes = rng.uniform(0, 1, (n_probes, 3)) * (size - 1)
    if n:  # where synapses are
        reach = np.full(n_probes, EDGES[-1])
        probes = points_vox[rng.integers(n, size=n_probes)] + _within_shells(0.0 * reach, reach, rng) * psf
    points = np.vstack([points_vox, points_vox[beside] + away, probes])
    counts = np.vstack([electrons, electrons[like], faint[:, None] * share])
    theta = start(points, counts, scene)
    theta[:, -N_SHAPE:] = _discs(theta[:, 3:-N_SHAPE].sum(axis=1) * scene.spread_um2, rng)
    data = drawn(model_of(scene, Fit(theta)), rng)
    return Replica(theta, np.arange(len(theta)) >= len(theta) - n_probes), data


def drawn(expected: Singles, rng: np.random.Generator) -> Singles:
    """Photo-electrons (channel, z, y, x) of which so many are expected."""
    electrons = np.empty_like(expected)
    for channel, out in zip(expected, electrons, strict=True):
        out[...] = rng.poisson(np.maximum(channel, 0.0))
    return electrons


def _within_shells(inner: Floats, outer: Floats, rng: np.random.Generator) -> Floats:
    """Random places (n, 3) in spherical shells."""
    direction = rng.standard_normal((inner.size, 3))
    distance = np.cbrt(inner**3 + rng.uniform(size=inner.size) * (outer**3 - inner**3))
    places: Floats = direction * (distance / np.linalg.norm(direction, axis=1))[:, None]
    return places


def _discs(variance: Floats, rng: np.random.Generator) -> Floats:
    """Shapes (n, 6) of flat discs in random directions whose mean variance per axis is `variance` (n,)."""
    normal = rng.standard_normal((variance.size, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    shape = 1.5 * (np.eye(3) - normal[:, :, None] * normal[:, None, :]) * variance[:, None, None]
    entries: Floats = shape[:, PAIRS[:, 0], PAIRS[:, 1]]
    return entries


@dataclass(frozen=True)
class Outcome:
    """How a replica was measured.

    found : DataFrame, a row for each punctum found: `nearby`, `is_true`, `is_merged` (another true one within 2.5 widths was
        not found), `electrons`, and for each of ``z``, ``y``, ``x`` [um] and every channel ``0``, ``1``, ... [electrons]
        the error ``error_*`` and the standard error ``se_*``; NaN where it is not true; ``electrons_*`` of the channels, and
        ``cov_01``, the bound of the covariance of the first two
    there : DataFrame, a row for each true one: `electrons`, `is_probe`, `is_found`
    """

    found: pd.DataFrame
    there: pd.DataFrame


def judge(
    replica: Replica,
    scene: Scene,
    fit: Fit,
    covariance: Floats,
    first_vox: Floats,
    owns: Callable[[Floats], NDArray[np.bool_]],
    size_um: Floats,
) -> Outcome:
    """Compare a replica's fit with its truth, for the puncta that `owns` marks by their places (n, 3) [voxels of the image].

    Parameters
    ----------
    scene, fit : Scene and Fit
        Of the replica's data.
    covariance : (n, 3 + channels, 3 + channels) ndarray
        Of the fit (`fisher.covariances`).
    first_vox : (3,) ndarray
        First voxel of the replica in the image.
    size_um : (3,) ndarray
        Edge lengths of the image.
    """
    voxel, psf_um = scene.voxel_um, scene.psf_um
    true_vox, n_channels = replica.theta[:, :3], len(scene.data)
    lateral_um = GATE * float(np.sqrt(psf_um[1] * psf_um[2]))
    i, j = match(fit.points_vox * voxel, true_vox * voxel, lateral_um, GATE * psf_um[0])
    found = pd.DataFrame({"nearby": nearby((fit.points_vox + first_vox) * voxel, psf_um, size_um)})
    is_true: NDArray[np.bool_] = np.zeros(len(found), bool)
    is_found: NDArray[np.bool_] = np.zeros(len(true_vox), bool)
    is_true[i], is_found[j] = True, True
    found["is_true"] = is_true
    missed = true_vox[~is_found] / scene.psf_vox.mean(axis=0)
    at = fit.points_vox / scene.psf_vox.mean(axis=0)
    found["is_merged"] = cKDTree(missed).query(at)[0] < RESOLVED if len(missed) and len(at) else False
    found["electrons"] = fit.electrons.sum(axis=1)
    scale = np.append(voxel, np.ones(n_channels))
    difference = np.full((len(found), 3 + n_channels), np.nan)
    difference[i] = fit.theta[i, : 3 + n_channels] - replica.theta[j, : 3 + n_channels]
    errors = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    for k, name in enumerate([*"zyx", *map(str, range(n_channels))]):
        found[f"error_{name}"], found[f"se_{name}"] = difference[:, k] * scale[k], errors[:, k] * scale[k]
    for c in range(n_channels):
        found[f"electrons_{c}"] = fit.electrons[:, c]
    if n_channels > 1:
        found["cov_01"] = covariance[:, 3, 4]
    there = pd.DataFrame(
        {"electrons": replica.theta[:, 3:-N_SHAPE].sum(axis=1), "is_probe": replica.is_probe, "is_found": is_found}
    )
    return Outcome(found[owns(fit.points_vox + first_vox)], there[owns(true_vox + first_vox)])
