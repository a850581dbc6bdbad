"""A real cluster whose processes are killed: the same command goes on, and the bytes are those of a quiet run."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

import synimg
from synimg import config
from synimg.config import to_toml
from synimg.store.dataset import Dataset

pytestmark = pytest.mark.slow


def sums(path):
    stages = Dataset.open(path).index["stages"]
    return {name: stages[name]["files"] for name in ("network", "tissue", "image")}


class Cluster:
    """A scheduler and two workers with folders of their own, as on two machines."""

    def __init__(self, folder):
        self.folder, self.workers = folder, []
        address = folder / "scheduler.json"
        dask = [sys.executable, "-m", "dask"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        scheduler = [*dask, "scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(address)]
        self.scheduler = subprocess.Popen(scheduler, **quiet)
        while not address.exists():
            time.sleep(0.1)
        self.address = json.loads(address.read_text())["address"]
        self._worker = [*dask, "worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]

    def mend(self):
        """Two workers again."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) < 2:
            self.add_worker()

    def add_worker(self):
        scratch = Path(tempfile.mkdtemp(dir=self.folder))
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        call = [*self._worker, "--local-directory", str(scratch)]
        self.workers.append(subprocess.Popen(call, cwd=scratch, **quiet))

    def kill_workers(self):
        for worker in self.workers:
            worker.kill()
            worker.wait()

    def stop(self):
        self.kill_workers()
        self.scheduler.kill()
        self.scheduler.wait()


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Gives the cluster that runs, with two workers: another one where its scheduler was killed."""
    clusters = []

    def one():
        if not clusters or clusters[-1].scheduler.poll() is not None:
            clusters.append(Cluster(tmp_path_factory.mktemp("cluster")))
        clusters[-1].mend()
        return clusters[-1]

    yield one
    for cluster in clusters:
        cluster.stop()


@pytest.fixture(scope="module")
def settings():
    values = config.preset("tiny").model_dump()
    values["volume"]["chunk_vox"] = (4, 40, 48)
    values["training"] |= {"n_updates": 5, "counterfactuals": False}
    return config.Config.parse(values, "test")


@pytest.fixture(scope="module")
def quiet(settings, tmp_path_factory):
    """Checksums of a run that nothing disturbed."""
    return sums(synimg.generate(settings, tmp_path_factory.mktemp("quiet") / "mouse").path)


class Client:
    """`synimg generate` in a process of its own."""

    def __init__(self, settings, folder):
        self.out = folder / "mouse"
        (folder / "mouse.toml").write_text(to_toml(settings))
        self.call = [sys.executable, "-m", "synimg", "generate", str(folder / "mouse.toml"), "--out", str(self.out)]

    def begin(self, cluster, patience_s=None):
        call = [*self.call, "--scheduler", cluster.address]
        if patience_s is not None:
            patient = f"from synimg import cli, compute; compute.WAIT_FOR_WORKERS_S = {patience_s}; cli.main()"
            call = [sys.executable, "-c", patient, *call[3:]]
        self.process = subprocess.Popen(call, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def wait_for(self, n_blocks):
        """Until so many blocks of the image are noted."""
        journal = self.out / ".partial/image/journal.jsonl"
        while self.process.poll() is None and not (journal.exists() and journal.read_text().count("\n") >= n_blocks):
            time.sleep(0.02)
        assert self.process.poll() is None, self.process.communicate()

    def end(self):
        said = self.process.communicate(timeout=120)[1]
        return self.process.returncode, said


def test_a_killed_worker_and_a_killed_client_cost_nothing_but_time(settings, quiet, running, tmp_path):
    cluster, client = running(), Client(settings, tmp_path)
    client.begin(cluster)
    client.wait_for(5)
    os.kill(cluster.workers[0].pid, signal.SIGKILL)
    client.wait_for(15)
    client.process.kill()
    client.process.communicate()
    assert not Dataset.open(client.out).is_done("image")
    client.begin(cluster)
    code, said = client.end()
    assert code == 0, said
    assert sums(client.out) == quiet


def test_a_killed_scheduler_is_one_sentence_and_another_cluster_ends_the_work(settings, quiet, running, tmp_path):
    cluster, client = running(), Client(settings, tmp_path)
    client.begin(cluster)
    client.wait_for(5)
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    code, said = client.end()
    assert code == 2
    assert said.splitlines()[-1].startswith("synimg: the dask cluster went away")
    assert "Traceback" not in said
    client.begin(running())
    code, said = client.end()
    assert code == 0, said
    assert sums(client.out) == quiet


def test_where_all_workers_vanish_the_work_waits_for_another_one(settings, quiet, running, tmp_path):
    cluster, client = running(), Client(settings, tmp_path)
    client.begin(cluster)
    client.wait_for(5)
    cluster.kill_workers()
    assert client.process.stderr.readline().startswith("no worker answers; waiting")
    cluster.add_worker()
    code, said = client.end()
    assert code == 0, said
    assert said.splitlines()[0] == "a worker answers again; the work goes on"
    assert sums(client.out) == quiet


def test_where_no_worker_comes_back_the_work_ends_and_can_be_resumed(settings, quiet, running, tmp_path):
    cluster, client = running(), Client(settings, tmp_path)
    client.begin(cluster, patience_s=7)
    client.wait_for(5)
    cluster.kill_workers()
    code, said = client.end()
    assert code == 2, said
    assert "has had no worker for 7 s" in said.splitlines()[-1]
    assert "Traceback" not in said
    cluster.add_worker()
    client.begin(cluster)
    code, said = client.end()
    assert code == 0, said
    assert sums(client.out) == quiet
