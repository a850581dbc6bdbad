"""Work on blocks gives the same results here, on a cluster, and with a worker killed."""

import os
import signal
from pathlib import Path

import pytest

from synimg import compute
from synimg.errors import SynimgError


def square(item, shift):
    return item**2 + shift


def square_or_die_once(item, folder):
    mark = Path(folder) / "died"
    if item == 3 and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return item**2


def test_one_process_and_a_cluster_agree():
    with compute.pool(1) as here, compute.pool(2) as cluster:
        assert dict(here.run(square, range(7), (1,))) == dict(cluster.run(square, range(7), (1,)))


def test_a_worker_killed_in_the_middle_costs_no_result(tmp_path):
    with compute.pool(2) as cluster:
        assert dict(cluster.run(square_or_die_once, range(8), (str(tmp_path),))) == {i: i**2 for i in range(8)}
    assert (tmp_path / "died").exists()


def test_a_cluster_that_runs_already_is_used():
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster:
        with compute.pool(scheduler=cluster.scheduler_address) as pool:
            assert dict(pool.run(square, range(3), (0,))) == {0: 0, 1: 1, 2: 4}


def test_progress_is_reported_from_nothing_to_all():
    said = []
    with compute.pool() as here:
        list(here.run(square, range(2), (0,), "work", lambda *a: said.append(a)))
    assert said == [("work", 0, 2), ("work", 1, 2), ("work", 2, 2)]


def test_no_scheduler_is_one_sentence():
    with pytest.raises(SynimgError, match="no dask scheduler answers"), compute.pool(scheduler="tcp://127.0.0.1:9"):
        pass
