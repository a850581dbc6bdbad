"""A user's method runs by itself, sees the table alone, and cannot bring the rest down."""

import os
import subprocess
import sys
import textwrap
import time

import numpy as np
import pandas as pd
import pytest

import synimg
from synimg.analysis.method_process import run_apart
from synimg.errors import SynimgError

METHODS = """
import os, time
import pandas as pd

def half(table):
    return table[["synapse_id"]].assign(p_learning=0.5)

def raises(table):
    raise ValueError("no\\nway")

def hangs(table):
    time.sleep(60)

def dies(table):
    os.kill(os.getpid(), 9)

def kills_its_parent(table):
    os.kill(os.getppid(), 9)
    time.sleep(60)

def ends(table):
    os._exit(0)

def short(table):
    return half(table).head(5)

def not_a_number(table):
    return half(table).assign(p_learning=float("nan"))

def no_rate(table):
    return half(table).assign(lfdr=float("nan"))

def leaves(table):
    raise SystemExit("bye")

def looks_around(table):
    raise ValueError(f"{sorted(os.listdir())} {sorted(table.columns)}")
"""


@pytest.fixture
def table():
    n = 60
    columns = {"synapse_id": np.arange(n), "neuron_id": np.arange(n) % 3, "r_old": 40.0, "r_new": np.arange(n) + 1.0}
    return pd.DataFrame(columns)


@pytest.fixture
def file(tmp_path):
    (tmp_path / "mine.py").write_text(METHODS)
    return tmp_path / "mine.py"


def test_the_answer_comes_back_with_time_and_memory(table, file):
    run = run_apart(table, f"{file}:half", 1, 60.0)
    assert (run.result.synapses["p_learning"] == 0.5).all()
    assert run.reason == ""
    assert 0 < run.seconds < 60
    assert 2**24 < run.peak_bytes < 2**31


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("raises", "raised ValueError: no way"),
        ("dies", "ended with signal 9"),
        ("ends", "raised SystemExit: os._exit(0)"),
        ("short", "synapse_id 5 is in one of table and result only"),
        ("not_a_number", "'p_learning' is empty or NaN in row 0"),
        ("no_rate", "'lfdr' is empty or NaN in row 0"),
        ("leaves", "raised SystemExit: bye"),
    ],
)
def test_a_broken_method_is_one_sentence(table, file, function, reason):
    run = run_apart(table, f"{file}:{function}", 1, 60.0)
    assert run.result is None
    assert reason in run.reason
    assert "\n" not in run.reason


def test_a_method_that_hangs_is_ended(table, file):
    assert run_apart(table, f"{file}:hangs", 1, 1.5).reason == "took longer than 1.5 s"


def test_a_method_that_kills_who_started_it_has_failed_and_the_next_one_runs(table, file):
    assert "was ended" in run_apart(table, f"{file}:kills_its_parent", 1, 60.0).reason
    assert run_apart(table, f"{file}:half", 1, 60.0).reason == ""


def test_a_method_finds_the_table_and_no_truth(table, file):
    reason = run_apart(table, f"{file}:looks_around", 1, 60.0).reason
    assert "['messages.txt', 'table.parquet']" in reason
    assert "learn" not in reason.partition("]")[2]


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package that offers two methods, one of which is not there."""
    (tmp_path / "their_package.py").write_text(METHODS)
    info = tmp_path / "their_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        textwrap.dedent("""\
        [synimg.separation_methods]
        theirs = their_package:half
        lost = their_package:absent
        """)
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    sys.modules.pop("their_package", None)


@pytest.mark.usefixtures("package")
def test_an_installed_method_is_found_by_its_name(table):
    assert synimg.separate(table, "theirs").info["method"] == "theirs"
    assert run_apart(table, "theirs", 1, 60.0).reason == ""


@pytest.mark.usefixtures("package")
def test_an_installed_method_that_is_not_there_is_one_sentence(table):
    with pytest.raises(SynimgError, match="method lost: their_package:absent cannot be loaded"):
        synimg.separate(table, "lost")
    with pytest.raises(SynimgError, match="did you mean 'theirs'"):
        synimg.separate(table, "their")


STARTS = """
import subprocess, time

def starts(table):
    with open({mark!r}, "w") as file:
        file.write(str(subprocess.Popen(["sleep", "60"]).pid))
    time.sleep(60)
"""


@pytest.fixture
def starts(tmp_path):
    """A method that starts a process, of which it leaves the number, and hangs."""
    (tmp_path / "starts.py").write_text(STARTS.format(mark=str(tmp_path / "pid")))
    return f"{tmp_path / 'starts.py'}:starts"


def test_the_process_ends_what_it_has_started(table, starts, tmp_path):
    run_apart(table, starts, 1, 3.0)
    assert is_gone(int((tmp_path / "pid").read_text()))


def test_a_method_does_not_outlive_who_asked_for_it(table, starts, tmp_path):
    table.to_parquet(tmp_path / "table.parquet")
    asks = f"""
import pandas as pd
from synimg.analysis.method_process import run_apart
run_apart(pd.read_parquet({str(tmp_path / "table.parquet")!r}), {starts!r}, 1, 60.0)
"""
    asker = subprocess.Popen([sys.executable, "-c", asks])
    pid = wait_for(tmp_path / "pid")
    asker.kill()
    asker.wait()
    assert is_gone(pid)


def wait_for(file) -> int:
    """The number in a file that somebody is about to write."""
    for _ in range(300):
        if file.is_file() and (text := file.read_text()):
            return int(text)
        time.sleep(0.1)
    raise AssertionError(f"{file} did not come")


def is_gone(pid: int) -> bool:
    """Whether a process is no more; whoever buries it may take a moment."""
    for _ in range(50):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
