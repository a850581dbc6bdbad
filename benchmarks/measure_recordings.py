"""Synapses in recordings as a microscope makes them, at the settings that a user gets, beside trackpy, in one run.

python benchmarks/measure_recordings.py [seed ...]; two channels of 40 x 450 x 450 voxels of 0.2 x 0.07 x 0.07 um, 7900 um^3: a
spinning disc's aberrated point spread function, chromatic shift, maps of the camera's pixels, dim lumpy shafts, synapses of discs
of dyes, 8 % of them without a new receptor; 0.08, 0.3 and 0.8 per um^3, a dim scene and an empty one; and a corner of
0.3 per um^3 on a camera whose pixels differ much, with the maps of its pixels and without.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import threadpoolctl
from bound import detectable
from numpy.typing import NDArray
from scipy import ndimage

from synimg.analysis.fit import Fit, Scene, model_of, start
from synimg.analysis.match import match
from synimg.analysis.measure import measure_image
from synimg.analysis.recording import Recording
from synimg.analysis.robust import robust_sd
from synimg.cameras.scmos import Scmos
from synimg.psf.confocal import Confocal
from synimg.streams import key64, stream

Floats = NDArray[np.float64]
SHAPE, VOXEL_UM = (40, 450, 450), (0.2, 0.07, 0.07)
N_SHAFTS = 80  # 0.4 um of dendrite per um^3, about that of mouse cortex (Braitenberg and Schuez 1998)
LUMPS_PER_SHAFT = 1000
PER_UM2 = 980.0  # receptors of a synapse (Tanaka 2005: about 1000)
WAVES = {"pulse": 669.0, "chase": 572.0}
SHIFT_UM = {"pulse": (0.15, 0.04, -0.03), "chase": (0.0, 0.0, 0.0)}
PHOTONS, BACKGROUND, EFFICIENCY = 60.0, 6.0, 0.9
PSF = Confocal(numerical_aperture=1.15, refractive_index=1.333, sample_index=1.36, pinhole_airy_units=1.2)
CAMERA = Scmos(offset_sd_adu=1.5, gain_sd=0.01, read_noise_sd_ln=0.4)
UNEVEN = CAMERA.model_copy(update={"offset_sd_adu": 8.0, "gain_sd": 0.05})
CORNER = 120  # voxels along y and x
EVEN = CAMERA.model_copy(update={"offset_sd_adu": 0.0, "gain_sd": 0.0, "read_noise_sd_ln": 0.0})
SCENES = {"0.08": (0.08, 40.0), "0.3": (0.3, 40.0), "0.8": (0.8, 40.0), "dim": (0.3, 9.0), "empty": (0.0, 40.0)}
"""Synapses per um^3, and the median of their receptors."""
TUNE_SEED = 1000
TRACKPY = (((5, 7, 7), (2, 3, 3)), ((7, 7, 7), (3, 3, 3)), ((7, 9, 9), (3, 3, 3)))  # diameter and spacing [voxels]


@dataclass(frozen=True)
class Made:
    """A recording (2, z, y, x), and its truth: places [um], receptors (n, 2), the light of their dyes in receptors (n, 2), and
    all expected photons (2, z, y, x)."""

    grey: NDArray[np.uint16]
    points_um: Floats
    receptors: NDArray[np.int64]
    light: Floats
    photons: Floats


def make(kind: str, seed: int, camera: Scmos = CAMERA) -> Made:
    """A scene."""
    density, median = SCENES[kind]
    rng = stream(seed, "benchmark", "recordings", kind)
    size_um = np.array(SHAPE) * VOXEL_UM
    n = round(density * float(np.prod(size_um)))
    every, across = np.arange(N_SHAFTS), rng.integers(1, 3, N_SHAFTS)
    ends = rng.uniform(0, 1, (3, N_SHAFTS, 3))
    for k, share in enumerate((0.0, 0.5, 1.0)):  # from one side of the volume to the opposite one
        ends[k, every, across] = share
    a, b, c = ends * size_um

    def around(n_points: int, low: float, high: float) -> Floats:
        k, t = rng.integers(N_SHAFTS, size=n_points), rng.uniform(0, 1, (n_points, 1))
        centre, away = (1 - t) ** 2 * a[k] + 2 * t * (1 - t) * b[k] + t**2 * c[k], rng.standard_normal((n_points, 3))
        places: Floats = centre + rng.uniform(low, high, (n_points, 1)) * away / np.linalg.norm(
            away, axis=1, keepdims=True
        )
        return places

    points = around(4 * n + 1, 0.6, 1.4)
    points = points[((points > 0) & (points < size_um - VOXEL_UM)).all(axis=1)][:n]
    total = rng.poisson(median * np.exp(0.7 * rng.standard_normal(n)))
    share = np.where(rng.uniform(size=n) < 0.08, 0.0, rng.beta(2.0, 4.0, n))
    new = rng.binomial(total, share)
    receptors = np.column_stack([total - new, new])
    normal = rng.standard_normal((n, 3))
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    n_lumps = LUMPS_PER_SHAFT * N_SHAFTS
    shaft, bright = around(n_lumps, 0.0, 0.35), 12.0 * rng.gamma(0.4, 1.0, n_lumps)
    grey, every_photon, light = np.empty((2, *SHAPE), np.uint16), np.empty((2, *SHAPE)), np.empty((n, 2))
    for k, (name, nm) in enumerate(WAVES.items()):
        labelled = rng.binomial(receptors[:, k], EFFICIENCY)
        row = np.repeat(np.arange(n), labelled)
        radius = np.sqrt(total[row] / (np.pi * PER_UM2) * rng.uniform(size=row.size))
        spoke = np.cross(normal[row], rng.standard_normal((row.size, 3)))
        spoke /= np.linalg.norm(spoke, axis=1, keepdims=True) + 1e-12
        emitters = np.vstack([points[row] + radius[:, None] * spoke, shaft]) + SHIFT_UM[name]
        dyes = rng.gamma(4.0, 0.25, row.size)
        light[:, k] = np.bincount(row, weights=dyes, minlength=n) / EFFICIENCY
        photons = np.concatenate([PHOTONS * dyes, bright])
        slow = ndimage.gaussian_filter(rng.standard_normal(SHAPE), (12, 40, 40))
        expected = np.maximum(BACKGROUND * (1 + 0.25 * slow / slow.std()), 0.5)
        places = emitters / VOXEL_UM
        inside = ((places > -8) & (places < np.array(SHAPE) + 8)).all(axis=1)
        PSF.kernel(nm, VOXEL_UM, SHAPE[0]).deposit(expected, np.zeros(3, np.int64), places[inside], photons[inside])
        every_photon[k] = expected
        grey[k] = camera.record(expected, key64(seed, kind, name), (0, 0, 0), SHAPE)
    return Made(grey, points, receptors, light, every_photon)


def corner(made: Made) -> Made:
    """Its first `CORNER` voxels along y and x."""
    inside = (made.points_um[:, 1:] < CORNER * np.array(VOXEL_UM[1:])).all(axis=1)
    cut = (..., slice(CORNER), slice(CORNER))
    return Made(made.grey[cut], made.points_um[inside], made.receptors[inside], made.light[inside], made.photons[cut])


def recording(camera: Scmos = CAMERA) -> Recording:
    """What an experimenter knows."""
    channels = [
        {
            "name": name,
            "emission_nm": nm,
            "psf_sigma_um": PSF.sigma_um(nm),
            "psf_gaussian_share": PSF.gaussian_share(nm),
            "shift_um": SHIFT_UM[name],
        }
        for name, nm in WAVES.items()
    ]
    tag = {"pulse_efficiency": EFFICIENCY, "blocking_efficiency": 1.0, "chase_efficiency": EFFICIENCY}
    values = {"synimg_schema": 1, "window_days": 2.0, "voxel_um": VOXEL_UM, "channels": channels, "tag": tag}
    values |= {"camera": camera.model_dump(), "photons_per_receptor": PHOTONS, "photons_shape": 4.0}
    return Recording.parse(values | {"identity": {"kind": "label_readout"}}, "benchmark")


def by_synimg(made: Made, camera: Scmos = CAMERA) -> pd.DataFrame:
    """The synapse table, of who takes the camera to be this one; parents do not matter here."""
    anyone = pd.DataFrame({"z_um": [0.0], "y_um": [0.0], "x_um": [0.0], "neuron_id": [1], "error_rate": [0.0]})
    return measure_image(made.grey, recording(camera), readouts=anyone)


def by_trackpy(made: Made, diameter: tuple[int, int, int], separation: tuple[int, int, int]) -> pd.DataFrame:
    """Centroids in the sum of the channels, each moved back by its shift; counts from boxes, up to one factor."""
    import trackpy

    trackpy.quiet()
    gain, offset = CAMERA.gain_adu_per_electron, CAMERA.offset_adu
    moved = [
        ndimage.shift((g.astype(float) - offset) / gain, -np.array(SHIFT_UM[name]) / VOXEL_UM, order=1, mode="nearest")
        for name, g in zip(WAVES, made.grey, strict=True)
    ]
    found = trackpy.locate(np.maximum(sum(moved), 0.0), diameter, separation=separation, minmass=5.0)
    found = found.dropna(subset=["z", "y", "x"])
    at = np.clip(np.rint(found[["z", "y", "x"]].to_numpy()).astype(int), 0, np.array(SHAPE) - 1)
    boxes = [343 * (ndimage.uniform_filter(m, 7)[tuple(at.T)] - np.median(m)) for m in moved]
    scale = [PHOTONS * CAMERA.quantum_efficiency * EFFICIENCY] * 2
    counts = {name: np.maximum(box / s, 0.0) for name, box, s in zip(("r_old", "r_new"), boxes, scale, strict=True)}
    places = {f"{axis}_um": found[axis] * v for axis, v in zip("zyx", VOXEL_UM, strict=True)}
    return pd.DataFrame(places | counts | {"mass": found["mass"]})


def tuned(kind: str) -> tuple[str, Callable[[Made], pd.DataFrame]]:
    """The settings and the least mass with which trackpy does best on a scene that is not used otherwise."""
    made, best = make(kind, TUNE_SEED), (-1.0, 0, 0.0)
    for k, settings in enumerate(TRACKPY):
        table = by_trackpy(made, *settings)
        ranked = np.sort(table["mass"])[::-1]
        for share in (0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.1):
            least = float(ranked[min(int(share * len(made.points_um)), len(ranked) - 1)])
            best = max(best, (scores(made, table[table["mass"] >= least])["F1"], k, least))
    _, k, least = best

    def find(of: Made) -> pd.DataFrame:
        table = by_trackpy(of, *TRACKPY[k])
        return table[table["mass"] >= least]

    return f"trackpy {TRACKPY[k][0]}, >= {least:.0f}", find


def scores(made: Made, table: pd.DataFrame) -> dict[str, float]:
    """F1, the error of ln((P + N) / P) from the receptors and from the light of their dyes, and how often intervals hold.

    A count of old receptors that cannot be told from none has no logarithm to speak of: without those the error is stated too.
    """
    i, j = match(table[["z_um", "y_um", "x_um"]].to_numpy(float), made.points_um)
    n_found, n_true = len(table), len(made.points_um)
    out = {"found": n_found, "P": i.size / max(n_found, 1), "R": i.size / n_true if n_true else np.nan}
    out["F1"] = 2 * i.size / (n_found + n_true) if n_true else np.nan
    if not i.size:
        return out
    found, true = table.iloc[i][["r_old", "r_new"]].to_numpy(float), made.receptors[j].astype(float)
    light = made.light[j]
    out |= _sizes(_ln_errors(found, true)) | _sizes(_ln_errors(found, light), ", of the light")
    if "r_old_se" in table:
        se = table.iloc[i][["r_old_se", "r_new_se"]].to_numpy(float)
        told = found[:, 0] > 2.0 * se[:, 0]
        out |= _sizes(_ln_errors(found[told], light[told]), ", of the light, old told")
        for k, name in enumerate(("r_old", "r_new")):
            z = (found[:, k] - true[:, k]) / se[:, k]
            out[f"{name} holds"] = float((np.abs(z) < 1.96).mean())
        out["bias"] = float(np.median(found.sum(axis=1) / np.maximum(true.sum(axis=1), 1)))
    return out


def allowed(made: Made, seed: int) -> dict[str, float]:
    """What the photons allow, and the error of ln((P + N) / P) that labels and dyes alone make in the synapses that can be told.

    The bound is that of `bound.detectable`: a synapse's image is the Gaussian that is fitted, as wide as its disc makes it on
    average over directions, of a shape that nobody knows before; all other light is known.
    """
    known, n = recording(), len(made.points_um)
    psf_vox, shift_vox = known.sigma_vox(known.receptor_index), known.shift_vox(known.receptor_index)
    share = np.array([PSF.gaussian_share(nm) for nm in WAVES.values()]) * CAMERA.quantum_efficiency
    spread_um2 = 1.0 / (6.0 * np.pi * PER_UM2 * EFFICIENCY * PHOTONS * share.mean())
    nothing = np.ones((2, 1, 1, 1))
    scene = Scene(nothing, nothing, psf_vox, shift_vox, np.array(VOXEL_UM), spread_um2)
    theta = start(made.points_um / VOXEL_UM, np.maximum(made.receptors * EFFICIENCY * PHOTONS * share, 1e-3), scene)
    synapses = model_of(replace(scene, background=np.zeros((2, *SHAPE))), Fit(theta))
    other = np.maximum(
        made.photons * CAMERA.quantum_efficiency - synapses, 0.5 * BACKGROUND * CAMERA.quantum_efficiency
    )
    told = detectable(theta, replace(scene, background=other + CAMERA.read_noise_electrons**2))
    recall, rng, errors = float(told.mean()), stream(seed, "benchmark", "labels"), []
    for _ in range(20):
        true = made.receptors[rng.uniform(size=n) < told]
        labelled = rng.binomial(true, EFFICIENCY)
        errors.append(_ln_errors(rng.gamma(4.0 * np.maximum(labelled, 1e-9), 0.25) / EFFICIENCY, true))
    return {"R": recall, "F1": 2 * recall / (1 + recall)} | _sizes(np.concatenate(errors))


def _ln_errors(found: Floats, true: Floats) -> Floats:
    """Errors of ln((P + N) / P), where there is a P, from counts (n, 2)."""
    known = (true[:, 0] > 0) & (found[:, 0] > 1e-6)
    errors: Floats = np.log1p(found[known, 1] / found[known, 0]) - np.log1p(true[known, 1] / true[known, 0])
    return errors


def _sizes(errors: Floats, of: str = "") -> dict[str, float]:
    return {f"ln error rms{of}": float(np.sqrt(np.mean(errors**2))), f"ln error robust{of}": robust_sd(errors)}


def main() -> None:
    """The table."""
    seeds = [int(seed) for seed in sys.argv[1:]] or [1, 2]
    rows = []
    for kind in SCENES:
        name, peer = tuned(kind if kind != "empty" else "0.08")
        for seed in seeds:
            made = make(kind, seed)
            rows.append({"scene": kind, "tool": "synimg"} | scores(made, by_synimg(made)))
            rows.append({"scene": kind, "tool": name} | scores(made, peer(made)))
            if len(made.points_um):
                rows.append({"scene": kind, "tool": "what photons and labels allow"} | allowed(made, seed))
            print(pd.DataFrame(rows[-3:]).round(3).to_string(), flush=True)
    for seed in seeds:
        made = corner(make("0.3", seed, UNEVEN))
        for name, camera in (("maps of the pixels", UNEVEN), ("no maps", EVEN)):
            rows.append({"scene": "0.3, uneven pixels", "tool": name} | scores(made, by_synimg(made, camera)))
    print(pd.DataFrame(rows).groupby(["scene", "tool"], sort=False).mean().round(3).to_string())


if __name__ == "__main__":
    with threadpoolctl.threadpool_limits(1):
        main()
