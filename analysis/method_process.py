"""A separation method in a process of its own, that holds the table and nothing else: time, memory, answer or reason.

Run as a program, this file is that process: ``python -m synimg.analysis.method_process FOLDER METHOD SEED``.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from synimg import schema
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separation import separate
from synimg.analysis.separation_files import read_separation, write_separation
from synimg.errors import SynimgError
from synimg.store.atomic import read_json, write_json
from synimg.store.tables import read_table, write_table

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Run:
    """What came of it: a result, or the reason why there is none; seconds and peak bytes where it got that far."""

    result: Separation | None
    reason: str
    seconds: float | None
    peak_bytes: int | None


def run_apart(table: pd.DataFrame, method: str, seed: int, limit_s: float) -> Run:
    """Run a method on a table in a new process, in an empty folder, for at most `limit_s`.

    Parameters
    ----------
    table : DataFrame
        All that the process gets to see.
    method : str
        As `separate` takes it; a file by its full path.
    seed : int
        Of the method's random draws.
    limit_s : float
        After so many seconds the process is ended.
    """
    with tempfile.TemporaryDirectory(prefix="synimg-method-") as name:
        folder = Path(name)
        write_table(folder / "table.parquet", table, schema.SYNAPSES)
        command = [sys.executable, "-m", "synimg.analysis.method_process", str(folder), method, str(seed)]
        with (folder / "messages.txt").open("wb") as messages:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(_search_path())},
                stdin=subprocess.DEVNULL,
                stdout=messages,
                stderr=messages,
                start_new_session=True,
            )
            try:
                code = process.wait(limit_s)
            except subprocess.TimeoutExpired:
                return Run(None, f"took longer than {limit_s:g} s", None, None)
            finally:
                _end(process)
        return _answer(folder, table, method, code)


def _search_path() -> list[str]:
    """Where the new process looks for packages: as here, wherever it runs."""
    return [str(Path(entry).resolve()) for entry in sys.path]


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and whatever it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _answer(folder: Path, table: pd.DataFrame, method: str, code: int) -> Run:
    if not (folder / "run.json").is_file():
        lines = (folder / "messages.txt").read_text(errors="replace").strip().splitlines()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        return Run(None, f"its process ended with {how}" + (f": {lines[-1][:200]}" if lines else ""), None, None)
    facts = read_json(folder / "run.json")
    if facts["reason"]:
        return Run(None, facts["reason"], facts["seconds"], facts["peak_bytes"])
    try:
        result = read_separation(folder / "result")
        if not result.synapses["synapse_id"].equals(table["synapse_id"].astype("int64")):
            raise SynimgError(f"method {method}: its rows are not those of the table, in their order")
        for name in ("p_learning", "lfdr"):
            if result.synapses[name].isna().any():
                raise SynimgError(f"method {method}: {name} is empty or NaN in some rows")
    except SynimgError as error:
        return Run(None, str(error).replace(f"{folder}/", ""), facts["seconds"], facts["peak_bytes"])
    return Run(result, "", facts["seconds"], facts["peak_bytes"])


def _go_down_with(parent: int) -> None:
    """End this process when the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _peak_bytes() -> int:
    """Largest memory of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: ru_maxrss would be that of the process that started this one, if larger
        return next(1024 * int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # macOS: in bytes


def main(folder: Path, method: str, seed: int) -> None:
    """Separate ``table.parquet``; leave ``result/`` and ``run.json`` in `folder`."""
    threading.Thread(target=_go_down_with, args=(os.getppid(),), daemon=True).start()
    table = read_table(folder / "table.parquet", schema.SYNAPSES)
    start = time.perf_counter()
    facts: dict[str, Any] = {"reason": "", "seconds": None, "peak_bytes": None}
    try:
        result = separate(table, method, seed)
        facts["seconds"] = time.perf_counter() - start
        write_separation(folder / "result", result, seed)
    except SynimgError as error:
        facts["reason"] = str(error)
    except Exception as error:  # a method may raise anything
        facts["reason"] = f"method {method}: raised {type(error).__name__}: {error}"
    facts["reason"] = " ".join(facts["reason"].split())  # one line, whatever was raised
    write_json(folder / "run.json", facts | {"peak_bytes": _peak_bytes()})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
