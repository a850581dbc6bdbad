"""Time and memory of `synimg measure` on one worker and on two, as the volume grows: python benchmarks/measure_workers.py [N ...]

Data sets with N neurons (by default 100, 400) of 90 synapses each, as in `client.py`, with all channels of the demonstration; each
is measured on one worker and on two by turns, in processes of their own. Times are by the clock, memory is that of the largest
process.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from client import N_SYNAPSES, config_of
from start import largest_child_gib

TURNS = 2


def measured(dataset: Path, n_workers: int) -> tuple[float, float]:
    """Seconds that a measurement takes, and GiB of its largest process."""
    shutil.rmtree(dataset / "analysis", ignore_errors=True)
    code = [sys.executable, __file__, "--one", str(dataset), str(n_workers)]
    seconds, gib = subprocess.run(code, check=True, capture_output=True, text=True).stdout.split()[-2:]
    return float(seconds), float(gib)


def one(dataset: str, n_workers: str) -> None:
    """Measure, and print time and memory."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "synimg", "measure", dataset, "--workers", n_workers]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print(time.monotonic() - begin, largest_child_gib())


def main() -> None:
    """A line for every size."""
    import zarr

    from synimg import generate

    for n in [int(word) for word in sys.argv[1:]] or [100, 400]:
        with tempfile.TemporaryDirectory(prefix="synimg-bench-") as name:
            dataset = Path(name) / "mouse"
            generate(config_of(n, 0.0, Path(name)), dataset)
            voxels = zarr.open_array(dataset / "image.ome.zarr" / "0", mode="r").size / 1e6
            by_turns = [[measured(dataset, n_workers) for n_workers in (1, 2)] for _ in range(TURNS)]
        (one_s, one_gib), (two_s, two_gib) = (
            (min(s for s, _ in turns), max(gib for _, gib in turns)) for turns in zip(*by_turns, strict=True)
        )
        print(
            f"{n * N_SYNAPSES:>8} synapses, {voxels:>5.0f} Mvoxel in all channels; one worker {one_s:.0f} s, {one_gib:.2f} GiB; "
            f"two {two_s:.0f} s, {two_gib:.2f} GiB, {one_s / two_s:.2f} times as fast",
            flush=True,
        )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(*sys.argv[2:4])
    else:
        main()
