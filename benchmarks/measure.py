"""Finding, placing and counting puncta beside trackpy and scikit-image, against what the photons allow, in one run.

python benchmarks/measure.py [seed ...]; 60 x 512 x 512 voxels of 0.2 x 0.07 x 0.07 um, one channel in photo-electrons,
a known Gaussian point spread function. Peers get the settings that do best on another seed; synimg its defaults.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import threadpoolctl
from bound import P_DETECT, detectable
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.feature import blob_log

from synimg.analysis.block import MeasureSettings, Tile, find_puncta, scene_of_electrons, tiles
from synimg.analysis.fisher import standard_errors
from synimg.analysis.fit import Fit, Scene, model_of, start
from synimg.analysis.match import match
from synimg.analysis.replica import hidden_neighbours, nearby
from synimg.analysis.tile_replica import Known, measure_replica, replicated
from synimg.analysis.widening import fit_true_errors
from synimg.psf.gaussian import deposit
from synimg.streams import stream

Floats = NDArray[np.float64]
VOXEL_UM = np.array([0.2, 0.07, 0.07])
SIGMA_VOX = np.array([0.27, 0.095, 0.095]) / VOXEL_UM
SHAPE = (60, 512, 512)
READ_NOISE = 1.6
GATE_UM = (0.15, 0.40)  # lateral, axial
TUNE_SEED = 1000


@dataclass(frozen=True)
class Field:
    """An image and the puncta in it: places in voxels (n, 3), and photo-electrons (n,)."""

    image: Floats
    background: Floats
    points: Floats
    electrons: Floats


@dataclass(frozen=True)
class Found:
    """What a tool says: places in voxels, electrons (up to a factor), their standard errors or NaN."""

    points: Floats
    electrons: Floats
    errors: Floats


def field(kind: str, seed: int) -> Field:
    """3000 puncta at random (`sparse`), or 12 000 within 0.2 to 1 um of 40 curves (`dense`)."""
    rng = stream(seed, "benchmark", kind)
    size = np.array(SHAPE)
    if kind == "sparse":
        points = rng.uniform(0, 1, (3000, 3)) * (size - 1)
    else:
        points = _along_curves(12_000, 40, rng)
    electrons = 800.0 * np.exp(0.7 * rng.standard_normal(len(points)))
    slow = ndimage.gaussian_filter(rng.standard_normal(SHAPE), (15, 50, 50))
    background = np.maximum(20.0 * (1.0 + 0.25 * slow / slow.std()), 1.0)
    expected = background.copy()
    deposit(expected, np.zeros(3, np.int64), points, electrons, SIGMA_VOX)
    image = rng.poisson(expected) + READ_NOISE * rng.standard_normal(SHAPE)
    return Field(image, background, points, electrons)


def _along_curves(n: int, n_curves: int, rng: np.random.Generator) -> Floats:
    """Places [voxels] around curves that cross the whole volume from one side to the opposite one, evenly over 0.2 to 1 um."""
    size_um, every = (np.array(SHAPE) - 1) * VOXEL_UM, np.arange(n_curves)
    ends, across = rng.uniform(0, 1, (3, n_curves, 3)), rng.integers(1, 3, n_curves)
    for k, share in enumerate((0.0, 0.5, 1.0)):
        ends[k, every, across] = share
    a, b, c = ends * size_um
    curve, t = rng.integers(n_curves, size=4 * n), rng.uniform(0, 1, (4 * n, 1))
    points = (1 - t) ** 2 * a[curve] + 2 * t * (1 - t) * b[curve] + t**2 * c[curve]
    away = rng.standard_normal(points.shape)
    reach = np.sqrt(rng.uniform(0.2**2, 1.0, (len(points), 1)))
    points += reach * away / np.linalg.norm(away, axis=1, keepdims=True)
    inside = points[((points >= 0) & (points <= size_um)).all(axis=1)]
    return inside[:n] / VOXEL_UM


def nearest(points: Floats) -> Floats:
    """Distance (n,) of each punctum's nearest neighbour, in widths of the point spread function."""
    scaled = points / SIGMA_VOX
    found: Floats = cKDTree(scaled).query(scaled, k=2)[0][:, 1]
    return found


def by_synimg(image: Floats, settings: MeasureSettings) -> Found:
    """Our own, tile by tile, as `synimg measure` does, with the replicas that widen the errors of crowded puncta."""
    work, size_um, psf_um = tiles(SHAPE, settings), np.array(SHAPE) * VOXEL_UM, SIGMA_VOX * VOXEL_UM

    def scene_of(tile: Tile) -> Scene:
        cut = tuple(slice(first, first + n) for first, n in zip(*tile.box, strict=True))
        block = image[None][(slice(None), *cut)]
        return scene_of_electrons(block, READ_NOISE, SIGMA_VOX[None], np.zeros((1, 3)), VOXEL_UM, settings, 0.0)

    parts = []
    for tile in work:
        scene = scene_of(tile)
        fit = find_puncta(scene, settings)
        at = fit.points_vox + np.array(tile.box[0])
        own = ((at >= np.array(tile.low)) & (at < np.array(tile.high))).all(axis=1)
        parts.append((at[own], fit.electrons[own], standard_errors(scene, fit, model_of(scene, fit))[own]))
    points, electrons, errors = (np.concatenate(part) for part in zip(*parts, strict=True))
    hidden = hidden_neighbours(points * VOXEL_UM, psf_um, size_um)
    outcomes = []
    for tile in replicated(work, settings):
        first, size = np.array(tile.box[0]), np.array(tile.box[1])
        inside = ((points > first - 1) & (points < first + size)).all(axis=1)
        known = Known(tile, points[inside], electrons[inside], hidden.at(inside))
        outcomes.append(measure_replica(known, scene_of(tile), READ_NOISE, size_um, settings).outcome.found)
    law = fit_true_errors(pd.concat(outcomes), 1)
    wide = errors.copy()
    if law is not None:
        near = nearby(points * VOXEL_UM, psf_um, size_um)
        wide[:, 3] = law.counts.of(errors[:, 3], near, electrons[:, 0])
        for axis, widening in enumerate((law.axial, law.lateral, law.lateral)):
            wide[:, axis] = widening.of(errors[:, axis] * VOXEL_UM[axis], near, electrons[:, 0]) / VOXEL_UM[axis]
    return Found(points, electrons[:, 0], wide)


Peer = Callable[[Floats], Found]


def by_trackpy(diameter: tuple[int, int, int], separation: tuple[int, int, int]) -> Peer:
    """Crocker and Grier's centroids, with counts to choose a least one by."""

    def find(image: Floats) -> Found:
        import trackpy

        trackpy.quiet()
        found = trackpy.locate(np.maximum(image, 0.0), diameter, separation=separation, minmass=5.0)
        found = found.dropna(subset=["z", "y", "x"])
        return _plain(found[["z", "y", "x"]].to_numpy(), found["mass"].to_numpy())

    return find


def by_log(least: float) -> Peer:
    """Maxima of a Laplacian of Gaussian, counts by summing a box."""

    def find(image: Floats) -> Found:
        found = blob_log(image / 100.0, SIGMA_VOX, SIGMA_VOX, num_sigma=1, threshold=least, overlap=0.9)[:, :3]
        box, wide = (ndimage.uniform_filter(image, n)[tuple(found.astype(int).T)] for n in (7, 11))
        around = (1331 * wide - 343 * box) / (1331 - 343)
        return _plain(found, 343 * (box - around))

    return find


def _plain(points: Floats, electrons: Floats) -> Found:
    return Found(points, electrons, np.full((len(points), 4), np.nan))


def bounds(truth: Field) -> Floats:
    """Cramer-Rao standard errors (n, 4) of place [voxels] and electrons, neighbours' place and counts free too."""
    flat = truth.background[None] + READ_NOISE**2
    scene = Scene(flat, flat, SIGMA_VOX[None], np.zeros((1, 3)), VOXEL_UM, 1e-12)
    theta = start(truth.points, truth.electrons[:, None], scene)
    theta[:, -6:] = 0.0
    return standard_errors(scene, Fit(theta), model_of(scene, Fit(theta)))


def scores(truth: Field, found: Found, bound: Floats) -> dict[str, float]:
    """Precision, recall and F1; errors of the matched over their bound; counts after one free factor."""
    i, j = match(found.points * VOXEL_UM, truth.points * VOXEL_UM, *GATE_UM)
    precision, recall = i.size / max(len(found.points), 1), j.size / len(truth.points)
    off = (found.points[i] - truth.points[j]) / bound[j, :3]
    ratio = found.electrons[i] / truth.electrons[j]
    ln = np.log(np.maximum(ratio, 1e-3) / np.median(ratio))
    alone, has_errors = nearest(truth.points)[j] > 6.0, np.isfinite(found.errors).all()
    z = (found.electrons[i] - truth.electrons[j]) / found.errors[i, 3]
    off_x = (found.points[i] - truth.points[j])[:, 2] / found.errors[i, 2]
    return {
        "P": precision,
        "R": recall,
        "F1": 2 * precision * recall / max(precision + recall, 1e-9),
        "xy / CRLB": _robust_sd(off[:, 1:].ravel()),
        "z / CRLB": _robust_sd(off[:, 0]),
        "ln N": _robust_sd(ln),
        "ln N / CRLB": _robust_sd(ln / (bound[j, 3] / truth.electrons[j])),
        "N / true": float(np.median(ratio)),
        "holds": float((np.abs(z[alone]) < 1.96).mean()) if has_errors else np.nan,
        "holds all": float((np.abs(z) < 1.96).mean()) if has_errors else np.nan,
        "x holds all": float((np.abs(off_x) < 1.96).mean()) if has_errors else np.nan,
    }


def _robust_sd(values: Floats) -> float:
    return float(1.4826 * np.median(np.abs(values - np.median(values))))


def tuned(kind: str, choices: dict[str, Peer]) -> tuple[str, Peer]:
    """The settings and the least count with the best F1 on a scene that is not used otherwise: their name, and the tool."""
    truth = field(kind, TUNE_SEED)
    free, best = np.ones((len(truth.points), 4)), (-1.0, "", 0.0)
    for name, method in choices.items():
        found = method(truth.image)
        ranked = np.sort(found.electrons)[::-1]
        for share in (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1, 99.0):
            least = float(ranked[min(int(share * len(free)), len(ranked) - 1)])
            best = max(best, (scores(truth, _above(found, least), free)["F1"], name, least))
    _, name, least = best
    return f"{name}, >= {least:.0f}", lambda image: _above(choices[name](image), least)


def _above(found: Found, least: float) -> Found:
    keep = found.electrons >= least
    return Found(found.points[keep], found.electrons[keep], found.errors[keep])


PEERS: tuple[dict[str, Peer], ...] = (
    {
        f"trackpy {diameter} apart {apart}": by_trackpy(diameter, apart)
        for diameter in ((5, 5, 5), (5, 7, 7), (7, 7, 7))
        for apart in ((2, 2, 2), (2, 3, 3), (3, 4, 4))
    },
    {f"scikit-image LoG {least:g}": by_log(least) for least in (0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1)},
)


def main() -> None:
    """The scenes and the table."""
    seeds = [int(seed) for seed in sys.argv[1:]] or [1, 2]
    rows, scenes = [], []
    for kind in ("sparse", "dense"):
        methods: dict[str, Peer] = {"synimg": lambda image: by_synimg(image, MeasureSettings())}
        methods |= dict(tuned(kind, choices) for choices in PEERS)
        for seed in seeds:
            truth = field(kind, seed)
            near, bound = nearest(truth.points), bounds(truth)
            scenes.append({"scene": kind, "n": len(near), "< 2 sd": (near < 2).mean(), "< 3 sd": (near < 3).mean()})
            for name, tool in methods.items():
                begin = time.process_time()
                found = tool(truth.image)
                seconds = time.process_time() - begin
                speed = truth.image.size / 1e6 / seconds
                rows.append({"scene": kind, "tool": name} | scores(truth, found, bound) | {"Mvox/s": speed})
            flat = truth.background[None] + READ_NOISE**2
            # in voxels of a tenth of a millimetre no shape of a synapse shows: these are points
            scene = Scene(flat, flat, SIGMA_VOX[None], np.zeros((1, 3)), 1e3 * VOXEL_UM, 0.0)
            recall = float(detectable(start(truth.points, truth.electrons[:, None], scene), scene).mean())
            best = {"R": recall, "F1": 2 * recall / (1 + recall)}
            rows.append({"scene": kind, "tool": f"what the photons allow, p < {P_DETECT:g}"} | best)
    print(pd.DataFrame(scenes).groupby("scene", sort=False).mean().round(3).to_string())
    print(pd.DataFrame(rows).groupby(["scene", "tool"], sort=False).mean().round(3).to_string())


if __name__ == "__main__":
    with threadpoolctl.threadpool_limits(1):
        main()
