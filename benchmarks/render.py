"""Rendering against numpy and scipy doing the same by other means, in one run: python benchmarks/render.py"""

import time

import numpy as np
from scipy import ndimage

from synimg.cameras.scmos import Scmos
from synimg.psf.gaussian import deposit

SHAPE, SIGMA, N_EMITTERS = (64, 256, 256), np.array([1.35, 1.36, 1.36]), 50_000


def best(function) -> float:
    function()
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def main() -> None:
    rng = np.random.default_rng(1)
    points, photons = rng.random((N_EMITTERS, 3)) * np.array(SHAPE), rng.gamma(4, 10, N_EMITTERS)
    block, camera, million = np.full(SHAPE, 6.0), Scmos(), np.prod(SHAPE) / 1e6

    def blurred() -> None:  # emitters on the nearest voxel, then a filter: places are off by half a voxel
        image = np.zeros(SHAPE)
        np.add.at(image, tuple(np.minimum(points.astype(int), np.array(SHAPE) - 1).T), photons)
        ndimage.gaussian_filter(image, SIGMA)

    def noisy() -> None:
        electrons = rng.poisson(0.82 * block) + 1.6 * rng.standard_normal(SHAPE)
        np.clip(np.rint(100 + 2.17 * electrons), 0, 65535).astype(np.uint16)

    ours = best(lambda: deposit(block.copy(), np.zeros(3, int), points, photons, SIGMA))
    theirs = best(blurred)
    print(f"PSF: {million / ours:.1f} Mvoxel/s at {N_EMITTERS / million / 1e6:.3f} emitters a voxel, exact places; "
          f"scipy filter {million / theirs:.1f} (ratio {theirs / ours:.2f})")  # fmt: skip
    ours = best(lambda: camera.record(block, 1, (0, 0, 0), SHAPE))
    theirs = best(noisy)
    print(
        f"camera: {million / ours:.1f} Mvoxel/s keyed by voxel; numpy {million / theirs:.1f} (ratio {theirs / ours:.2f})"
    )


if __name__ == "__main__":
    main()
