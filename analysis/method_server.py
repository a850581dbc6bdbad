"""A process that has the code of the methods and no table: it runs each method in a copy of itself, which starts at once.

Run as a program, ``python -m synimg.analysis.method_server``: each line that it reads is a task, each that it writes tells
how that one ended. It ends with its standard input.
"""

import gc
import importlib
import json
import os
import resource
import select
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, NoReturn

from synimg import family, schema
from synimg.analysis.separation import METHODS, separate
from synimg.analysis.separation_files import write_separation
from synimg.errors import SynimgError
from synimg.store.atomic import write_json
from synimg.store.tables import read_table

PAUSE_S = 0.02


def serve() -> None:
    """Run one task after the other, ``{"method": what `_be_the_method` takes, "limit_s": seconds}``.

    The answer is the exit ``code`` of the method's process, below 0 for a signal, or null where it took too long.
    """
    for name in family.names(METHODS):
        family.part(METHODS, name)
    gc.freeze()  # who counts references writes, and what is written is no longer shared with the copies
    while line := sys.stdin.readline():
        task = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _be_the_method(**task["method"])
        print(json.dumps({"code": _wait(pid, task["limit_s"])}), flush=True)


def _wait(pid: int, limit_s: float) -> int | None:
    """The exit code of a method's process; it and whatever it has started are gone then."""
    late = time.monotonic() + limit_s
    code = None
    try:
        while time.monotonic() < late:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                code = os.waitstatus_to_exitcode(status)
                break
            if select.select([sys.stdin], [], [], PAUSE_S)[0]:  # nothing is asked meanwhile: it has been closed
                sys.exit()
    finally:
        _end(pid)
        if code is None:
            os.waitpid(pid, 0)
    return code


def _end(pid: int) -> None:
    for end in (os.killpg, os.kill):  # it may not have come to its group
        try:
            end(pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


def _be_the_method(folder: str, name: str, seed: int, search_path: list[str]) -> NoReturn:
    """Run the method in its folder, with no way back to who asked, and end this process."""
    code = 1
    try:
        server = os.getppid()
        os.setsid()
        os.chdir(folder)
        messages = os.open("messages.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for of_method, of_server in ((nothing, 0), (messages, 1), (messages, 2)):
            os.dup2(of_method, of_server)
        threading.Thread(target=_go_down_with, args=(server,), daemon=True).start()
        sys.path[:] = search_path
        importlib.invalidate_caches()
        _run(Path(folder), name, seed)
        code = 0
    except BaseException:  # whatever it is, this process must not go on as a second server
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _go_down_with(parent: int) -> None:
    """End this process when the one that started it is gone."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def _run(folder: Path, method: str, seed: int) -> None:
    """Separate ``table.parquet``; leave ``result/`` and ``run.json`` in `folder`."""
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


def _peak_bytes() -> int:
    """Largest memory of this process so far."""
    status = Path("/proc/self/status")
    if status.is_file():  # Linux: ru_maxrss would be that of the process that started this one, if larger
        return next(1024 * int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)  # macOS: in bytes


if __name__ == "__main__":
    serve()
