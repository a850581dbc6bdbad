"""Puncta in real images beside scikit-image and trackpy, one setting for all: python benchmarks/real_images.py FOLDER

FOLDER holds pairs of 8-bit TIFF files (``*_bassoon.tif`` with ``*_homer.tif``, ``*_vglut1.tif`` with ``*_psd95.tif``);
../shared/data/synbot beside the checkout if not given.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr
from skimage.feature import blob_log

from synimg.analysis.foreign import ForeignSettings, measure_channels
from synimg.store.foreign import group_channels, read_image


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared" / "data" / "synbot"
    files = sorted(folder.glob("*.tif"))
    if not files:
        print(f"no real images in {folder}: skipped")
        return
    import trackpy

    trackpy.quiet()
    rows, settings = [], ForeignSettings()
    for name, image in group_channels(files, ["pre=bassoon,vglut1", "post=homer,psd95"]).items():
        shares = {c: read_image(path, 2).values[0] / 255.0 for c, (path, _) in image.items()}
        voxel = np.full(2, 0.141 if name.startswith("tissue") else 0.1)
        row = measure_channels(name, shares, voxel, settings, 0).summary
        sigma = settings.punctum_sigma_um / voxel[0]
        row["log_post"] = len(blob_log(shares["post"], sigma, sigma, num_sigma=1, threshold=settings.threshold / 2))
        row["trackpy_post"] = len(
            trackpy.locate(shares["post"], 2 * round(2 * sigma) + 1, minmass=settings.threshold * 8)
        )
        rows.append(row)
    table = pd.DataFrame(rows)
    columns = ["image", "n_pre", "n_post", "log_post", "trackpy_post", "n_pairs", "n_chance", "n_excess", "p_value"]
    print(table[columns].round(2).to_string(index=False))
    for peer in ("log_post", "trackpy_post"):
        print(f"rank correlation of post counts with {peer}: {spearmanr(table['n_post'], table[peer])[0]:.2f}")


if __name__ == "__main__":
    main()
