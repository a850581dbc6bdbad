"""Memory of the process that hands out the work, as the volume and the network in it grow: python benchmarks/client.py [N ...]

With ``--axons UM_PER_UM3`` before the numbers there are axons too; they are drawn in this process, which is worker as well.

Networks of N neurons (by default 100, 400, 1600) of 90 synapses each, from a table, with half a synapse and a third of a um of
dendrite in each um^3. Before the first voxel `generate` draws the tissue and writes the truth (*placed*), and draws it again and
orders every synapse and every piece of dendrite by place, in the files that workers render from (*indexed*); here the same is
done, each network in a process of its own. Times are by the clock, memory is the most that the process held.
"""

import subprocess
import sys
import tempfile
import time
from math import prod
from pathlib import Path

N_SYNAPSES, UM3_PER_NEURON, DEPTH_UM, VOXEL_UM = 90, 180.0, 12.8, (0.2, 0.07, 0.07)


def config_of(n: int, axons_um_per_um3: float, folder: Path):
    """A block with `n` neurons, every one imaged, whose edges are a table in `folder`."""
    import numpy as np
    import pandas as pd

    from synimg.config import Config

    rng, wide = np.random.default_rng(1), round((UM3_PER_NEURON * n / DEPTH_UM) ** 0.5 / VOXEL_UM[1])
    pre = [(i + 1 + rng.choice(n - 1, N_SYNAPSES, replace=False)) % n for i in range(n)]
    before = rng.lognormal(0.0, 0.6, n * N_SYNAPSES)
    edges = {
        "pre": np.concatenate(pre),
        "post": np.repeat(np.arange(n), N_SYNAPSES),
        "weight_before": before,
        "weight_after": before * rng.lognormal(0.0, 0.2, before.size),
    }
    pd.DataFrame(edges).to_parquet(folder / "edges.parquet")
    volume = {"shape_vox": (64, wide, wide), "voxel_um": VOXEL_UM, "chunk_vox": (16, 256, 256)}
    tissue, imported = {"n_imaged_neurons": n}, {"edges": str(folder / "edges.parquet")}
    axons = {"um_per_um3": axons_um_per_um3}
    return Config.parse({"volume": volume, "tissue": tissue, "imported": imported, "axons": axons}, "benchmark")


def one(n: int, axons_um_per_um3: float) -> None:
    """Print times and peak memory of one network."""
    from render import clear_peak_memory, peak_memory_mb

    from synimg.compute import Pool, silent
    from synimg.phantoms.stages.image import image_parts
    from synimg.phantoms.stages.network import make_network
    from synimg.phantoms.stages.tissue import make_tissue
    from synimg.store.dataset import Dataset

    with tempfile.TemporaryDirectory(prefix="synimg-bench-") as name:
        folder = Path(name)
        config = config_of(n, axons_um_per_um3, folder)
        dataset = Dataset.create(folder / "mouse", config)
        make_network(dataset, config, Pool(), silent)
        print(f"{n * N_SYNAPSES:>9} synapses, {prod(config.volume.shape_vox) / 1e6:>6.0f} Mvoxel", end="", flush=True)
        for what, work in (
            ("placed", lambda: make_tissue(dataset, config, [], Pool(), silent)),
            ("indexed", lambda: image_parts(dataset, config, [], folder / "emitters")),
        ):
            clear_peak_memory()
            begin = time.monotonic()
            work()
            print(f"; {what}: {time.monotonic() - begin:.1f} s, {peak_memory_mb():.0f} MB", end="", flush=True)
        print()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        one(int(sys.argv[2]), float(sys.argv[3]))
    else:
        axons, sizes = (sys.argv[2], sys.argv[3:]) if sys.argv[1:2] == ["--axons"] else ("0", sys.argv[1:])
        for n in sizes or ["100", "400", "1600"]:
            subprocess.run([sys.executable, __file__, "--one", n, axons], check=True)
