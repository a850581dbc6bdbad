"""Rendering beside microsim, beside noise and compression alone, and for growing volumes: python benchmarks/render.py

The job: 64 x 512 x 512 voxels of 0.2 x 0.07 x 0.07 um, 20 000 emitters, a physical confocal point spread function, Poisson
and read noise, uint16 to OME-Zarr. Each contender runs in a process of its own on one thread; times are of the processor, so
that what else runs does not count. Then both do the job by the clock on two cores: microsim with as many threads as its libraries
take, ours with two workers; once more with the labels that ours also writes, as every data set has them. All times are the best
of several, one and two workers by turns: a shared machine is not always as fast. microsim pins numpy below 2 and zarr below 3,
so it lives in an environment of its own, which this script makes in .venv-microsim (--microsim PYTHON names another one).
--large also renders more emitters, and more voxels, up to a billion or --largest-gvox.
"""

import argparse
import contextlib
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

SHAPE, VOXEL_UM, N_EMITTERS, NM = (64, 512, 512), (0.2, 0.07, 0.07), 20_000, 571.0
CHUNK = (16, 256, 256)
N_TURNS = 5
PEER_VENV = Path(__file__).parents[1] / ".venv-microsim"
PEER = """
import json, sys, time, resource
import numpy as np
import zarr
from microsim import schema as ms
from numcodecs import Blosc
rng = np.random.default_rng(1)
shape, n = (64, 512, 512), 20_000
truth = np.zeros(shape, np.float32)
place = tuple((rng.random((n, 3)) * shape).astype(int).T)
np.add.at(truth, place, 50.0)
def run(out):
    simulation = ms.Simulation.from_ground_truth(
        truth, scale=(0.2, 0.07, 0.07), modality=ms.Confocal(pinhole_au=1), objective_lens=ms.ObjectiveLens(),
        detector=ms.CameraCCD(qe=0.82, read_noise=1.6, bit_depth=16),
        settings=ms.Settings(np_backend="numpy", cache=False, random_seed=1))
    grey = np.asarray(simulation.digital_image()).astype(np.uint16).reshape(shape)
    # its own writer fails with the zarr that it pins
    zarr.save_array(out, grey, chunks=(16, 256, 256), compressor=Blosc("zstd", 1, Blosc.SHUFFLE))
times, clock = [], []
for _ in range(4):  # but for the first time with the point spread function in its cache
    begin, by_clock = time.process_time(), time.perf_counter()
    run(sys.argv[1])
    times.append(time.process_time() - begin)
    clock.append(time.perf_counter() - by_clock)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"first": times[0], "seconds": min(times[1:]), "clock": min(clock[1:]), "mb": memory}))
"""


def channel(shape, n_emitters):
    """A channel of the job, with the emitters anywhere in the volume."""
    import numpy as np

    from synimg.phantoms.render import Channel
    from synimg.psf.confocal import Confocal
    from synimg.store.bins import Bins

    rng = np.random.default_rng(1)
    points, photons = rng.random((n_emitters, 3)) * np.array(shape), rng.gamma(4, 200, n_emitters)
    kernel = Confocal().kernel(NM, VOXEL_UM, shape[0])
    emitters = Bins(points, (points, photons), shape, kernel.reach_vox)
    spacing = 4.0 / np.array(VOXEL_UM)
    lattice = rng.standard_normal([int(np.ceil(n / s)) + 2 for n, s in zip(shape, spacing, strict=True)])
    return Channel("pulse", "FF00FF", NM, emitters, kernel, lattice, spacing, 6.0, 0.25, np.zeros(3), 7)


def ours(folder: Path, shape, n_emitters: int) -> dict:
    """Times and memory of our package: set-up, the whole job, and noise, compression and checksums of it alone."""
    from synimg.config import Config
    from synimg.phantoms.render import expected_photons
    from synimg.store.image import blocks, create_image, write_block

    config = Config.parse({"volume": {"shape_vox": shape, "voxel_um": VOXEL_UM, "chunk_vox": CHUNK}}, "benchmark")

    def run(one, boxes) -> dict:
        path = folder / f"{len(boxes)}.ome.zarr"
        create_image(path, shape, CHUNK, VOXEL_UM, [{"name": "pulse", "color": "FF00FF", "window": (0, 1)}], {})
        begin, floor = time.process_time(), 0.0
        for box in boxes:
            photons = expected_photons([one], config, box)[0]
            middle = time.process_time()
            write_block(path, "0", box, config.camera.record(photons, 7, box[0], shape)[None])
            floor += time.process_time() - middle
        return {"seconds": time.process_time() - begin, "floor": floor}

    boxes = blocks(shape, CHUNK)
    begin = time.process_time()
    made = channel(shape, n_emitters)
    setup = time.process_time() - begin
    one = replace(made, emitters=made.emitters.save(folder / "emitters"))
    del made  # a worker is told where the emitters lie
    run(one, boxes[:1])  # compiles, or loads what was compiled before
    clear_peak_memory()
    return run(one, boxes) | {"setup": setup, "mb": peak_memory_mb()}


def clear_peak_memory() -> None:
    """Forget the most memory that this process has held so far; where that is not possible, it stays."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """The most memory that this process has held since."""
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def image_block(box, path: str, channels, config) -> dict[str, str]:
    """Render and write one block without labels: the job that microsim does."""
    from synimg.phantoms.render import render
    from synimg.store.image import write_block

    return write_block(Path(path), "0", box, render(channels, config, box))


def in_workers(folder: Path, workers: int, with_labels: bool) -> tuple[float, float]:
    """Wall time of the job on so many processes, after each has compiled or loaded what it needs.

    And the processor's time of this process alone: all of it with one worker, what handing out the work takes with more.
    """
    import numpy as np

    from synimg import compute
    from synimg.config import Config
    from synimg.phantoms.render import render_block
    from synimg.store.bins import Bins
    from synimg.store.image import blocks, create_image

    config = Config.parse({"volume": {"shape_vox": SHAPE, "voxel_um": VOXEL_UM, "chunk_vox": CHUNK}}, "benchmark")
    made = channel(SHAPE, N_EMITTERS)
    name = f"{workers}{with_labels}"
    one = [replace(made, emitters=made.emitters.save(folder / f"emitters{name}"))]
    none = np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0), np.zeros(0, int), np.zeros(0, int)
    things = Bins(np.zeros((0, 3)), none, SHAPE).save(folder / f"things{name}")
    with compute.pool(workers) as pool:
        for repeats in (1, 10):  # the first to warm up; the second as long as a larger volume
            path = folder / f"{repeats}-{name}.ome.zarr"
            create_image(path, SHAPE, CHUNK, VOXEL_UM, [{"name": "pulse", "color": "FF00FF", "window": (0, 1)}], {})
            begin, own = time.perf_counter(), time.process_time()
            work = blocks(SHAPE, CHUNK) * repeats
            if with_labels:
                list(pool.run(render_block, work, (str(path), one, config, (things, None))))
            else:
                list(pool.run(image_block, work, (str(path), one, config)))
            took = (time.perf_counter() - begin) / repeats, (time.process_time() - own) / repeats
    return took


def peak_error() -> float:
    """Largest error of a voxel, relative to the brightest, against the profile summed up on a fine grid."""
    import numpy as np

    from synimg.psf.confocal import Confocal
    from synimg.psf.protocol import one_emitter

    psf, worst, fine = Confocal(), 0.0, (20, 10, 10)
    kernel, profile = psf.kernel(NM, VOXEL_UM, SHAPE[0]), psf.profile(NM, 6.4)
    for at in np.random.default_rng(2).random((6, 3)):
        shares, first = one_emitter(kernel, tuple(at))
        z, y, x = (
            ((np.arange(n * f) + 0.5) / f - 0.5 + first[a] - at[a]) * VOXEL_UM[a]
            for a, (n, f) in enumerate(zip(shares.shape, fine, strict=True))
        )
        exact = np.zeros(shares.shape)
        for i, height in enumerate(z):
            plane = profile.plane(float(height), np.hypot(y[:, None], x))
            exact[i // fine[0]] += plane.reshape(shares.shape[1], fine[1], -1, fine[2]).sum(axis=(1, 3))
        exact /= exact.sum()
        worst = max(worst, float(np.abs(shares - exact).max() / exact.max()))
    return worst


def microsim_python(given: str | None) -> str | None:
    """An interpreter that has microsim, or None with the reason on the screen."""
    if given:
        return given
    python = PEER_VENV / "bin" / "python"
    if not python.exists():
        print(f"making {PEER_VENV} for microsim ...", flush=True)
        made = subprocess.run([sys.executable, "-m", "venv", str(PEER_VENV)], check=False)
        pip = [str(python), "-m", "pip", "install", "--quiet", "microsim==0.0.12.post0"]
        if made.returncode or subprocess.run(pip, check=False).returncode:
            print("microsim could not be installed; its numbers are left out")
            return None
    return str(python)


def in_process(*arguments: str, python: str = sys.executable, code: str | None = None, threads: int = 1) -> dict:
    """What a process of its own prints as JSON."""
    most = {f"{name}_NUM_THREADS": str(threads) for name in ("OMP", "OPENBLAS", "MKL", "NUMBA")}
    call = [python, "-c", code, *arguments] if code else [python, __file__, *arguments]
    environment = os.environ | most
    if code:
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--microsim", help="a Python that has microsim")
    parser.add_argument("--large", action="store_true", help="also more emitters, and 0.05, 0.2 and 1 billion voxels")
    parser.add_argument("--largest-gvox", type=float, default=1.0, help="the largest of them")
    parser.add_argument("--part", nargs=3, metavar=("Z", "YX", "EMITTERS"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="synimg-bench-", dir=os.environ.get("SYNIMG_BENCH_DIR")) as folder:
        if given.part:
            z, yx, n = map(int, given.part)
            print(json.dumps(ours(Path(folder), (z, yx, yx), n)))
            return
        million = SHAPE[0] * SHAPE[1] * SHAPE[2] / 1e6
        runs = [in_process("--part", str(SHAPE[0]), str(SHAPE[1]), str(N_EMITTERS)) for _ in range(3)]
        mine = min(runs, key=lambda run: run["seconds"])
        print(
            f"synimg: {million / mine['seconds']:.1f} Mvoxel/s a core, {mine['mb']:.0f} MB, peak error {peak_error():.1%}; "
            f"{mine['setup']:.2f} s of set-up before"
        )
        print(
            f"noise and compression alone: {million / mine['floor']:.1f} Mvoxel/s; "
            f"all of it takes {mine['seconds'] / mine['floor']:.2f} times as long"
        )
        python = microsim_python(given.microsim)
        if python:
            peer = in_process(f"{folder}/peer.zarr", python=python, code=PEER)
            whole = mine["seconds"] + mine["setup"]
            print(
                f"microsim (numpy): {million / peer['seconds']:.1f} Mvoxel/s, {peer['mb']:.0f} MB; synimg is "
                f"{peer['seconds'] / mine['seconds']:.1f} times as fast a core, "
                f"{peer['first'] / whole:.1f} times with the set-up of both"
            )
        clock = {}
        for with_labels in (False, True):
            # by turns and the best of each: the speed of a shared machine changes from minute to minute
            turns = [[in_workers(Path(folder), n, with_labels) for n in (1, 2)] for _ in range(N_TURNS)]
            (alone, whole_cpu), (both, own_cpu) = (min(turn[i] for turn in turns) for i in (0, 1))
            clock[with_labels] = both
            print(
                f"by the clock{', with labels' if with_labels else ''}: {million / alone:.1f} Mvoxel/s with one worker, "
                f"{million / both:.1f} with two ({alone / both:.2f} times); to hand it out takes "
                f"{own_cpu / whole_cpu:.1%} of the processor's time"
            )
        if python:
            peer = in_process(f"{folder}/peer.zarr", python=python, code=PEER, threads=2)
            print(
                f"the job by the clock on two cores: microsim {million / peer['clock']:.1f} Mvoxel/s, synimg "
                f"{million / clock[False]:.1f}, {peer['clock'] / clock[False]:.1f} times as fast "
                f"({peer['clock'] / clock[True]:.1f} with labels)"
            )
        if given.large:
            for times in (0, 1, 2, 4, 8):
                found = in_process("--part", str(SHAPE[0]), str(SHAPE[1]), str(times * N_EMITTERS))
                print(f"{times * N_EMITTERS} emitters in the job's volume: {found['seconds']:.3f} s")
            for gvox in (g for g in (0.05, 0.2, 1.0, 10.0) if g <= given.largest_gvox):
                yx = int(round((gvox * 1e9 / 64) ** 0.5))
                n = round(N_EMITTERS * 64 * yx * yx / million / 1e6)
                found = in_process("--part", "64", str(yx), str(n))
                ns = found["seconds"] / (64 * yx * yx) * 1e9
                print(f"{64 * yx * yx / 1e9:.2f} Gvoxel, {n} emitters: {ns:.1f} ns per voxel, {found['mb']:.0f} MB")


if __name__ == "__main__":
    main()
