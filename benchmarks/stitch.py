"""Stacks that overlap, put together: is every synapse counted once, and how well agrees what two of them found?

python benchmarks/stitch.py [SEED ...]; four stacks of two channels, 40 x 240 x 340 voxels of 0.2 x 0.07 x 0.07 um, each with noise
of its own and up to 0.5 um away from its stated place; synapses at random, 0.5 per um^3; measured as a lab's own and stitched.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import threadpoolctl
import tifffile
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.analysis.lab import Lab, measure_recordings
from synimg.analysis.lab_recording import LabRecording
from synimg.analysis.match import match
from synimg.analysis.stitch_folders import stitch
from synimg.cameras.scmos import Scmos
from synimg.psf.gaussian import deposit
from synimg.schema import PLACE
from synimg.streams import key64, stream

Floats = NDArray[np.float64]
SHAPE, VOXEL_UM, SIGMA_UM = (40, 240, 340), (0.2, 0.07, 0.07), (0.27, 0.095, 0.095)
PER_UM3, PHOTONS, BACKGROUND, MOST_MOVED_UM = 0.5, 1200.0, 6.0, 0.5
STATED_UM = {"a": (0.0, 0.0, 0.0), "b": (0.0, 0.0, 20.0), "c": (0.0, 13.0, 0.0), "d": (0.0, 13.0, 20.0)}
CAMERA = Scmos()


def stack(points_um: Floats, photons: Floats, at_um: Floats, key: str, seed: int) -> NDArray[np.uint16]:
    """Grey levels (2, z, y, x) of the stack whose first voxel lies at `at_um`, of puncta with `photons` (n, 2)."""
    places = (points_um - at_um) / VOXEL_UM
    near = ((places > -12) & (places < np.array(SHAPE) + 12)).all(axis=1)
    grey = np.empty((2, *SHAPE), np.uint16)
    for k, out in enumerate(grey):
        expected = np.full(SHAPE, BACKGROUND)
        widths = np.array(SIGMA_UM) / VOXEL_UM
        deposit(expected, np.zeros(3, np.int64), places[near], photons[near, k], widths)
        out[...] = CAMERA.record(expected, key64(seed, "stitch", key, k), (0, 0, 0), SHAPE)
    return grey


def row(seed: int, folder: Path) -> dict[str, float]:
    """One sample of tissue."""
    rng, size_um = stream(seed, "benchmark", "stitch"), np.array(SHAPE) * VOXEL_UM
    low, high = np.full(3, -2.0), size_um + STATED_UM["d"] + 2.0
    points = rng.uniform(low, high, (round(PER_UM3 * float(np.prod(high - low))), 3))
    photons = PHOTONS * np.exp(0.6 * rng.standard_normal((len(points), 2)))
    moved = {name: rng.uniform(-MOST_MOVED_UM, MOST_MOVED_UM, 3) * (name != "a") for name in STATED_UM}
    for name, at in STATED_UM.items():
        grey = stack(points, photons, at + moved[name], name, seed)
        tifffile.imwrite(folder / f"{name}.tif", grey, metadata={"axes": "CZYX"})
    lab = Lab(LabRecording.parse({"camera": CAMERA.model_dump()}, "stack").with_(None, SIGMA_UM))
    paths = [folder / f"{name}.tif" for name in STATED_UM]
    measure_recordings(paths, {"old": "0", "new": "1"}, lab, folder / "measured", VOXEL_UM, where=(1, None))
    table = pd.DataFrame.from_dict(STATED_UM, "index", columns=PLACE).rename_axis("tile").reset_index()
    table.to_csv(folder / "at.csv", index=False)
    found = stitch([folder / "measured"], folder / "whole", folder / "at.csv")
    shift = found.tiles[[f"shift_{x}" for x in PLACE]].to_numpy() - [moved[name] for name in found.tiles["tile"]]
    at = [points - STATED_UM[name] - moved[name] for name in STATED_UM]
    inside = np.any(
        [((p > -0.5 * np.array(VOXEL_UM)) & (p < size_um - 0.5 * np.array(VOXEL_UM))).all(axis=1) for p in at], axis=0
    )
    places = found.synapses[PLACE].to_numpy()
    counted = match(places, points[inside], 0.15, 0.4)[0]
    one, other = np.sort(cKDTree(places / SIGMA_UM).query(points[inside] / SIGMA_UM, k=2)[0], axis=1).T
    overlaps = found.overlaps
    return {
        "true": int(inside.sum()),
        "counted": len(places),
        "right": len(counted) / len(places),
        "twice": float(((one < 1.5) & (other < 1.5)).mean()),
        "shift off, nm": 1e3 * float(np.abs(shift).max()),
        "found again, least": float(overlaps["found_again"].min()),
        "by chance, most": float((2 * overlaps["n_both_by_chance"] / (overlaps["n_tile"] + overlaps["n_other"])).max()),
        "scatter / stated, old": float(overlaps["old_scatter"].median()),
        "scatter / stated, new": float(overlaps["new_scatter"].median()),
    }


def main(seeds: list[int]) -> None:
    """The table."""
    rows = []
    for seed in seeds:
        with tempfile.TemporaryDirectory() as name:
            rows.append({"seed": seed} | row(seed, Path(name)))
    print(pd.DataFrame(rows).round(3).to_string(index=False))


if __name__ == "__main__":
    with threadpoolctl.threadpool_limits(1):
        main([int(seed) for seed in sys.argv[1:]] or [1, 2])
