"""A real cluster whose processes are killed: the same command goes on, and the bytes are those of a quiet run."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import synimg
from synimg import config
from synimg.config import to_toml
from synimg.store.dataset import Dataset

pytestmark = pytest.mark.slow


def sums(path):
    stages = Dataset.open(path).index["stages"]
    return {name: stages[name]["files"] for name in ("network", "tissue", "image")}


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers with folders of their own, as on two machines; the address, and how to kill a worker."""
    address = tmp_path / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    scheduler = [*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(address)]
    processes = [subprocess.Popen(scheduler, **quiet)]
    for _ in range(200):
        if address.exists():
            break
        time.sleep(0.1)
    for i in range(2):
        worker = [*dask, "worker", "--scheduler-file", str(address), "--nthreads", "1", "--no-nanny", "--no-dashboard"]
        folder = tmp_path / f"machine{i}"
        folder.mkdir()
        processes.append(subprocess.Popen([*worker, "--local-directory", str(folder)], cwd=folder, **quiet))
    yield json.loads(address.read_text())["address"], processes
    for process in processes:
        process.kill()
        process.wait()


def test_a_killed_worker_and_a_killed_client_cost_nothing_but_time(cluster, tmp_path):
    values = config.preset("tiny").model_dump()
    values["volume"]["chunk_vox"] = (4, 40, 48)
    values["training"] |= {"n_updates": 5, "counterfactuals": False}
    settings = config.Config.parse(values, "test")
    quiet = sums(synimg.generate(settings, tmp_path / "quiet").path)
    (tmp_path / "mouse.toml").write_text(to_toml(settings))
    scheduler, processes = cluster
    out = tmp_path / "mouse"
    call = [sys.executable, "-m", "synimg", "generate", str(tmp_path / "mouse.toml"), "--out", str(out)]
    journal = out / ".partial/image/journal.jsonl"

    def rendered():
        return journal.read_text().count("\n") if journal.exists() else 0

    client = subprocess.Popen([*call, "--scheduler", scheduler], stderr=subprocess.DEVNULL)
    while rendered() < 5 and client.poll() is None:
        time.sleep(0.02)
    os.kill(processes[1].pid, signal.SIGKILL)  # a worker
    while rendered() < 15 and client.poll() is None:
        time.sleep(0.02)
    client.kill()
    client.wait()
    assert not Dataset.open(out).is_done("image")
    assert rendered() >= 15
    again = subprocess.run([*call, "--scheduler", scheduler], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert sums(out) == quiet
