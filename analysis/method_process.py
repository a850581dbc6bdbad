"""A separation method in a process of its own, that holds the table and nothing else: time, memory, answer or reason."""

import atexit
import functools
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from synimg import schema
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separation_files import read_separation
from synimg.errors import SynimgError
from synimg.store.atomic import read_json
from synimg.store.tables import write_table

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


@dataclass(frozen=True)
class Run:
    """What came of it: a result, or the reason why there is none; seconds and peak bytes where it got that far."""

    result: Separation | None
    reason: str
    seconds: float | None
    peak_bytes: int | None


class _Server:
    """The process that methods are copies of (`method_server`). It is started anew, not forked: it never held a truth."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "synimg.analysis.method_server"],
            env=os.environ | ONE_THREAD | {"PYTHONPATH": os.pathsep.join(_search_path())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        atexit.register(self.end)

    def run(self, method: dict[str, Any], limit_s: float) -> int | None:
        """The exit code of a method's process, None if it took too long."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        try:
            print(json.dumps({"method": method, "limit_s": limit_s}), file=requests, flush=True)
            answer = answers.readline()
        except BrokenPipeError:
            answer = ""
        except BaseException:  # Ctrl-C: what the method was to say must not be the answer to the next question
            _end_server()
            raise
        if not answer:
            _end_server()
            raise SynimgError("the process that starts methods was ended, by the method or by lack of memory")
        code: int | None = json.loads(answer)["code"]
        return code

    def end(self) -> None:
        """End it, and the method that it may be running."""
        with self._process:
            pass  # which closes its input and waits for it


@functools.cache
def _server() -> _Server:
    """The one of this process."""
    return _Server()


def _end_server() -> None:
    _server().end()
    _server.cache_clear()


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
        asked = {"folder": name, "name": method, "seed": seed, "search_path": _search_path()}
        try:
            code = _server().run(asked, limit_s)
        except SynimgError as error:
            return Run(None, str(error), None, None)
        if code is None:
            return Run(None, f"took longer than {limit_s:g} s", None, None)
        return _answer(folder, table, method, code)


def _search_path() -> list[str]:
    """Where the new process looks for packages: as here, wherever it runs."""
    return [str(Path(entry).resolve()) for entry in sys.path]


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
