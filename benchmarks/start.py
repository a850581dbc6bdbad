"""Import time, and time and memory of the demonstration on two workers: python benchmarks/start.py"""

import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(code: str) -> float:
    """Best of five new processes that run `code`."""
    best = float("inf")
    for _ in range(5):
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        best = min(best, time.perf_counter() - begin)
    return best


def largest_child_gib() -> float:
    """Memory of the largest process that has come from this one, and has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 2**30


def main() -> None:
    bare, ours, peer = seconds("pass"), seconds("import synimg"), seconds("import numpy")
    print(
        f"import synimg {ours - bare:.3f} s, import numpy {peer - bare:.3f} s (ratio {(ours - bare) / (peer - bare):.2f})"
    )
    folder = Path(tempfile.mkdtemp())
    try:
        begin = time.perf_counter()
        command = [sys.executable, "-m", "synimg", "demo", "--out", str(folder / "demo"), "--workers", "2"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        took = time.perf_counter() - begin
        size = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20
        print(f"demo: {took:.0f} s, largest process {largest_child_gib():.2f} GiB, {size:.0f} MiB on disk")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
