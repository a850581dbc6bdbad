"""Puncta and pairs in real images beside scikit-image and trackpy: python benchmarks/real_images.py [FOLDER] [--overlays DIR]

FOLDER holds pairs of 8-bit TIFF files (``*_bassoon.tif`` with ``*_homer.tif``, ``*_vglut1.tif`` with ``*_psd95.tif``);
../shared/data/synbot beside the checkout if not given. One setting for all images and all tools: what counts is a punctum as
high as `ForeignSettings.threshold` and as wide as `punctum_sigma_um`. scikit-image's threshold is its response to such a
punctum, and trackpy's ``minmass`` the mass that it gives it: no tool is tuned on what the table counts. All tools' puncta are
paired in the same way. Nobody knows how many puncta are right: the overlays are for a person to judge.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree
from scipy.stats import spearmanr
from skimage.feature import blob_log

from synimg.analysis.foreign import ForeignSettings, measure_channels
from synimg.analysis.pair import chance_pairs, pair
from synimg.store.channels import group_channels
from synimg.store.foreign import read_channel_of
from synimg.streams import stream
from synimg.viewers.figures.overlay import save_overlay

Floats = NDArray[np.float64]
ENDINGS = ["pre=bassoon,vglut1", "post=homer,psd95"]
VOXEL_UM = {"culture": 0.1, "tissue": 0.141}  # of cultures it is not stored: puncta are as wide as in tissue at 0.1


def typical_punctum(settings: ForeignSettings, voxel_um: float) -> Floats:
    """The faintest punctum that counts, alone in an image."""
    y, x = np.indices((61, 61)) - 30.0
    sigma = settings.punctum_sigma_um / voxel_um
    image: Floats = settings.threshold * np.exp(-0.5 * (y**2 + x**2) / sigma**2)
    return image


def by_log(image: Floats, settings: ForeignSettings, voxel_um: float) -> Floats:
    """Places (n, 2) [um] by scikit-image's Laplacian of Gaussian, which gives half of its height for a punctum of its width."""
    sigma = settings.punctum_sigma_um / voxel_um
    return np.asarray(blob_log(image, sigma, sigma, num_sigma=1, threshold=settings.threshold / 2))[:, :2] * voxel_um


def by_trackpy(image: Floats, settings: ForeignSettings, voxel_um: float) -> Floats:
    """Places (n, 2) [um] by trackpy; puncta may lie as close as the others take them apart, not a diameter apart at least."""
    import trackpy

    diameter = 2 * round(2 * settings.punctum_sigma_um / voxel_um) + 1
    least = float(trackpy.locate(typical_punctum(settings, voxel_um), diameter, minmass=0)["mass"].max())
    apart = int(np.ceil(settings.punctum_sigma_um / voxel_um))
    found: Floats = trackpy.locate(image, diameter, minmass=least, separation=apart)[["y", "x"]].to_numpy() * voxel_um
    return found


def plateaus_without(image: Floats, places_um: Floats, voxel_um: float) -> tuple[int, int]:
    """Saturated plateaus of 4 pixels or more, and how many have no punctum within 2 pixels."""
    label, n = ndimage.label(image >= 0.98)
    size = ndimage.sum(label > 0, label, range(1, n + 1))
    at = np.argwhere(np.isin(label, 1 + np.flatnonzero(size >= 4)))
    nearest = cKDTree(places_um / voxel_um).query(at)[0]
    least = pd.Series(nearest).groupby(label[tuple(at.T)]).min()
    return len(least), int((least > 2.0).sum())


def row_of(
    tool: str, name: str, pre: Floats, post: Floats, size_um: Floats, settings: ForeignSettings
) -> dict[str, Any]:
    """Puncta and pairs of a tool in an image, with their chance level."""
    reach = settings.max_distance_um
    n_pairs, rng = len(pair(pre, post, reach)[0]), stream(0, "measure", "chance", name)
    chance = chance_pairs(pre, post, size_um, reach, settings.n_shifts, rng)
    return {
        "image": name,
        "tool": tool,
        "pre": len(pre),
        "post": len(post),
        "pairs": n_pairs,
        "chance": chance.mean,
        "excess": n_pairs - chance.mean,
        "sd": chance.sd,
        "p": chance.p_value,
        "per_100um2": 100 * (n_pairs - chance.mean) / np.prod(size_um),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "folder", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data" / "synbot"
    )
    parser.add_argument("--overlays", type=Path, help="folder for a picture of every image")
    asked = parser.parse_args()
    files = sorted(asked.folder.glob("*.tif"))
    if not files:
        print(f"no real images in {asked.folder}: skipped")
        return
    import trackpy

    trackpy.quiet()
    rows, settings = [], ForeignSettings()
    for name, image in group_channels(files, ENDINGS)[0].items():
        shares = {c: read_channel_of(place, 2).values / 255.0 for c, place in image.items()}
        voxel_um = VOXEL_UM[name.partition("_")[0]]
        size_um = np.array(shares["pre"].shape) * voxel_um
        measured = measure_channels(name, shares, np.full(2, voxel_um), settings, 0)
        found = {
            "synimg": [
                measured.puncta.loc[measured.puncta["channel"] == c, ["y_um", "x_um"]].to_numpy(float) for c in shares
            ],
            "LoG": [by_log(s, settings, voxel_um) for s in shares.values()],
            "trackpy": [by_trackpy(s, settings, voxel_um) for s in shares.values()],
        }
        for tool, places in found.items():
            row = row_of(tool, name, *places, size_um, settings)
            bare = [plateaus_without(s, p, voxel_um) for s, p in zip(shares.values(), places, strict=True)]
            row["plateaus"], row["bare"] = (sum(n) for n in zip(*bare, strict=True))
            rows.append(row)
        if asked.overlays:
            asked.overlays.mkdir(parents=True, exist_ok=True)
            save_overlay(asked.overlays / f"{name}.png", shares, measured.puncta, measured.pairs, np.full(2, voxel_um))
    table = pd.DataFrame(rows)
    print(table.round({"chance": 0, "excess": 0, "sd": 1, "p": 3, "per_100um2": 2}).to_string(index=False))
    for which in ("culture", ""):
        of = table[table["image"].str.startswith(which)].pivot(index="image", columns="tool")
        print(f"\nrank correlation with synimg over {len(of)} images ({which or 'all'})")
        for tool in ("LoG", "trackpy"):
            ranks = {c: spearmanr(of[c]["synimg"], of[c][tool])[0] for c in ("pre", "post", "pairs", "per_100um2")}
            print(f"  {tool:8}" + "  ".join(f"{name} {rho:.2f}" for name, rho in ranks.items()))


if __name__ == "__main__":
    main()
