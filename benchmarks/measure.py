"""Finding, placing and counting puncta beside trackpy and scikit-image, against what the photons allow, in one run.

python benchmarks/measure.py [seed ...]; 60 x 512 x 512 voxels of 0.2 x 0.07 x 0.07 um, one channel in photo-electrons,
a known Gaussian point spread function. Peers get the settings that do best on another seed; synimg its defaults. It alone has
the same puncta with their light in two channels, too, and one channel with a width stated wrongly.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import threadpoolctl
from bound import P_DETECT, detectable
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.feature import blob_log

from synimg.analysis.block import Tile, tiles
from synimg.analysis.find import find_puncta
from synimg.analysis.fisher import covariances
from synimg.analysis.fit import Fit, Scene, model_of, start
from synimg.analysis.match import match
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.punctum import N_SHAPE
from synimg.analysis.replica import hidden_neighbours, nearby
from synimg.analysis.robust import robust_sd
from synimg.analysis.scene import data_and_background
from synimg.analysis.survey import OpticsCheck, check_optics
from synimg.analysis.tile_replica import Known, measure_replica, replicated
from synimg.analysis.widening import TrueErrors, fit_true_errors
from synimg.psf.gaussian import deposit
from synimg.streams import stream

Floats = NDArray[np.float64]
VOXEL_UM = np.array([0.2, 0.07, 0.07])
SIGMA_VOX = np.array([0.27, 0.095, 0.095]) / VOXEL_UM
SHAPE = (60, 512, 512)
READ_NOISE = 1.6
GATE_UM = (0.15, 0.40)  # lateral, axial
TUNE_SEED = 1000
WIDTH_OFF = (1.1, 0.9)  # stated widths over the true ones


@dataclass(frozen=True)
class Light:
    """How light falls on cameras: shared evenly by channels, each of which reads with a noise [electrons]."""

    n_channels: int = 1
    read_noise: float = READ_NOISE

    def __str__(self) -> str:
        return f"two halves, read noise {self.read_noise:.2g}" if self.n_channels == 2 else "one channel"


ONE, HALVES, QUIET_HALVES = Light(), Light(2), Light(2, READ_NOISE / np.sqrt(2.0))
"""The light in one channel; in two with the noise of a camera each; in two that have together the noise of one."""


@dataclass(frozen=True)
class Field:
    """An image (channel, z, y, x), the background expected in each channel (z, y, x), and all puncta's places [voxels], electrons.

    `electrons` (n,) are those of all channels together.
    """

    light: Light
    image: Floats
    background: Floats
    points: Floats
    electrons: Floats

    def scene(self, voxel_um: Floats, spread_um2: float) -> Scene:
        """The expected image of its background, to ask what a fit could know."""
        flat = np.repeat((self.background + self.light.read_noise**2)[None], self.light.n_channels, axis=0)
        return Scene(flat, flat, *optics(self.light.n_channels), voxel_um, spread_um2)

    def theta(self, scene: Scene) -> Floats:
        """The true puncta as rows of `Fit.theta`."""
        n = self.light.n_channels
        return start(self.points, np.repeat(self.electrons[:, None] / n, n, axis=1), scene)


def optics(n_channels: int, factor: float = 1.0) -> tuple[Floats, Floats]:
    """Widths, times a factor, and shifts (channel, 3) [voxels]."""
    return np.repeat(factor * SIGMA_VOX[None], n_channels, axis=0), np.zeros((n_channels, 3))


@dataclass(frozen=True)
class Found:
    """What a tool says: places in voxels, electrons (up to a factor), standard errors (n, 4) of both or NaN; of the optics."""

    points: Floats
    electrons: Floats
    errors: Floats
    optics: OpticsCheck | None = None


def field(kind: str, seed: int, light: Light = ONE) -> Field:
    """3000 puncta at random (`sparse`), or 12 000 within 0.2 to 1 um of 40 curves (`dense`)."""
    rng = stream(seed, "benchmark", kind)
    size = np.array(SHAPE)
    if kind == "sparse":
        points = rng.uniform(0, 1, (3000, 3)) * (size - 1)
    else:
        points = _along_curves(12_000, 40, rng)
    electrons = 800.0 * np.exp(0.7 * rng.standard_normal(len(points)))
    slow = ndimage.gaussian_filter(rng.standard_normal(SHAPE), (15, 50, 50))
    background = np.maximum(20.0 * (1.0 + 0.25 * slow / slow.std()), 1.0) / light.n_channels
    expected = background.copy()
    deposit(expected, np.zeros(3, np.int64), points, electrons / light.n_channels, SIGMA_VOX)
    image = np.empty((light.n_channels, *SHAPE))
    for channel in image:
        channel[...] = rng.poisson(expected) + light.read_noise * rng.standard_normal(SHAPE)
    return Field(light, image, background, points, electrons)


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


def by_synimg(truth: Field, width: float = 1.0) -> Found:
    """Our own, tile by tile, as `synimg measure` does, with the replicas that widen the errors of crowded puncta.

    The point spread function is stated `width` times as wide as it is.
    """
    settings, noise, n_channels = MeasureSettings(), truth.light.read_noise, truth.light.n_channels
    psf_vox, shift_vox = optics(n_channels, width)
    work, size_um, psf_um = tiles(SHAPE, settings), np.array(SHAPE) * VOXEL_UM, psf_vox[0] * VOXEL_UM

    def scene_of(tile: Tile) -> Scene:
        cut = tuple(slice(first, first + n) for first, n in zip(*tile.box, strict=True))
        seen = data_and_background(truth.image[(slice(None), *cut)], noise, VOXEL_UM, settings)
        return Scene(*seen, psf_vox, shift_vox, VOXEL_UM, 0.0, read_noise=noise)

    parts = []
    for tile in work:
        scene, fit = find_puncta(scene_of(tile), settings)
        at = fit.points_vox + np.array(tile.box[0])
        own = tile.owns(at)
        parts.append((at[own], fit.electrons[own], covariances(scene, fit, model_of(scene, fit))[own]))
    points, electrons, bound = (np.concatenate(part) for part in zip(*parts, strict=True))
    hidden = hidden_neighbours(points * VOXEL_UM, psf_um, size_um)
    checked = []
    for tile in replicated(work, settings):
        first, size = np.array(tile.box[0]), np.array(tile.box[1])
        inside = ((points > first - 1) & (points < first + size)).all(axis=1)
        known = Known(tile, points[inside], electrons[inside], hidden.at(inside))
        checked.append(measure_replica(known, scene_of(tile), size_um, settings))
    law = fit_true_errors(pd.concat([c.outcome.found for c in checked]), n_channels)
    if law is not None:
        bound = widened(bound, law, nearby(points * VOXEL_UM, psf_um, size_um), electrons)
    names = [f"channel {k + 1}" for k in range(n_channels)]
    surveys = ([c.survey for c in checked], [c.replica_survey for c in checked])
    seen = check_optics(*surveys, names, psf_vox * VOXEL_UM, shift_vox * VOXEL_UM)
    return Found(points, electrons.sum(axis=1), errors_of_total(bound), seen)


def widened(bound: Floats, law: TrueErrors, near: Floats, electrons: Floats) -> Floats:
    """Covariances (n, 3 + channels, 3 + channels) as `synimg measure` widens them."""
    out, se = bound.copy(), np.sqrt(np.diagonal(bound, axis1=1, axis2=2))
    place_se_um, counts_se = law.standard_errors(se[:, :3] * VOXEL_UM, se[:, 3:], near, electrons)
    wide = np.column_stack([place_se_um / VOXEL_UM, counts_se])
    out[:, range(wide.shape[1]), range(wide.shape[1])] = wide**2
    if electrons.shape[1] == 2:
        out[:, 3, 4] = out[:, 4, 3] = law.counts_covariance(bound[:, 3, 4], near, electrons)
    return out


def errors_of_total(covariance: Floats) -> Floats:
    """Standard errors (n, 4) of place [voxels] and the electrons of all channels together."""
    place, total = np.diagonal(covariance, axis1=1, axis2=2)[:, :3], covariance[:, 3:, 3:].sum(axis=(1, 2))
    return np.sqrt(np.column_stack([place, total]))


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
    """Cramer-Rao standard errors (n, 4) of place [voxels] and electrons, neighbours' place and count free too."""
    scene = truth.scene(VOXEL_UM, 1e-12)
    theta = truth.theta(scene)
    theta[:, -N_SHAPE:] = 0.0
    return errors_of_total(covariances(scene, Fit(theta), model_of(scene, Fit(theta))))


def allowed(truth: Field) -> dict[str, float]:
    """What the photons allow."""
    # in voxels of a tenth of a millimetre no shape of a synapse shows: these are points
    scene = truth.scene(1e3 * VOXEL_UM, 0.0)
    recall = float(detectable(truth.theta(scene), scene).mean())
    return {"R": recall, "F1": 2 * recall / (1 + recall)}


WIDTHS = ["z width", "xy width"]


def widths(found: Found) -> dict[str, str]:
    """Measured over stated width, as the figure 'optics' shows it; with a star where the report warns."""
    seen = found.optics and found.optics.channels[0]
    if not seen or seen.axial is None or seen.lateral is None:
        return {}
    return {
        name: f"{w.excess + 1:.3f} +- {w.se_um / w.stated_um:.3f}{' *' if w.is_off else ''}"
        for name, w in zip(WIDTHS, (seen.axial, seen.lateral), strict=True)
    }


def scores(truth: Field, found: Found, bound: Floats) -> dict[str, float]:
    """Precision, recall and F1; errors of the matched over their bound; counts after one free factor."""
    i, j = match(found.points * VOXEL_UM, truth.points * VOXEL_UM, *GATE_UM)
    precision, recall = i.size / max(len(found.points), 1), j.size / len(truth.points)
    away = found.points[i] - truth.points[j]
    off = away / bound[j, :3]
    ratio = found.electrons[i] / truth.electrons[j]
    ln = np.log(np.maximum(ratio, 1e-3) / np.median(ratio))
    alone, has_errors = nearest(truth.points)[j] > 6.0, np.isfinite(found.errors).all()
    z = (found.electrons[i] - truth.electrons[j]) / found.errors[i, 3]
    off_x = away[:, 2] / found.errors[i, 2]
    return {
        "P": precision,
        "R": recall,
        "F1": 2 * precision * recall / max(precision + recall, 1e-9),
        "xy nm": 1e3 * robust_sd((away[:, 1:] * VOXEL_UM[1:]).ravel()),
        "z nm": 1e3 * robust_sd(away[:, 0] * VOXEL_UM[0]),
        "xy / CRLB": robust_sd(off[:, 1:].ravel()),
        "z / CRLB": robust_sd(off[:, 0]),
        "ln N": robust_sd(ln),
        "ln N / CRLB": robust_sd(ln / (bound[j, 3] / truth.electrons[j])),
        "N / true": float(np.median(ratio)),
        "holds": float((np.abs(z[alone]) < 1.96).mean()) if has_errors else np.nan,
        "holds all": float((np.abs(z) < 1.96).mean()) if has_errors else np.nan,
        "x holds all": float((np.abs(off_x) < 1.96).mean()) if has_errors else np.nan,
    }


def tuned(kind: str, choices: dict[str, Peer]) -> tuple[str, Peer]:
    """The settings and the least count with the best F1 on a scene that is not used otherwise: their name, and the tool."""
    truth = field(kind, TUNE_SEED)
    free, best = np.ones((len(truth.points), 4)), (-1.0, "", 0.0)
    for name, method in choices.items():
        found = method(truth.image[0])
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
        peers = dict(tuned(kind, choices) for choices in PEERS)
        for seed in seeds:
            for light in (ONE, HALVES, QUIET_HALVES):
                truth = field(kind, seed, light)
                near, bound = nearest(truth.points), bounds(truth)
                tools: dict[str, Callable[[Field], Found]] = {"synimg": by_synimg}
                if light is ONE:
                    scenes.append(
                        {"scene": kind, "n": len(near), "< 2 sd": (near < 2).mean(), "< 3 sd": (near < 3).mean()}
                    )
                    tools |= {name: partial(_on_image, tool) for name, tool in peers.items()}
                    tools |= {f"synimg, PSF stated x {w:g}": partial(by_synimg, width=w) for w in WIDTH_OFF}
                for name, tool in tools.items():
                    begin = time.process_time()
                    found = tool(truth)
                    speed = truth.image.size / 1e6 / (time.process_time() - begin)
                    said = scores(truth, found, bound) | {"Mvox/s": speed} | widths(found)
                    rows.append({"scene": kind, "light": str(light), "tool": name, "seed": seed} | said)
                name = f"what the photons allow, p < {P_DETECT:g}"
                rows.append({"scene": kind, "light": str(light), "tool": name, "seed": seed} | allowed(truth))
    print(pd.DataFrame(scenes).groupby("scene", sort=False).mean().round(3).to_string())
    table, by = pd.DataFrame(rows), ["scene", "light", "tool"]
    numbers = table.drop(columns=["seed", *WIDTHS])
    print(numbers.groupby(by, sort=False).mean().round(3).to_string())
    print(table.dropna(subset=WIDTHS).set_index([*by, "seed"])[WIDTHS].to_string())


def _on_image(tool: Peer, truth: Field) -> Found:
    return tool(truth.image[0])


if __name__ == "__main__":
    with threadpoolctl.threadpool_limits(1):
        main()
