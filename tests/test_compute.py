"""Work on blocks gives the same results here, on a cluster, and with a worker killed."""

import logging
import os
import signal
import socket
import threading
import time
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


def test_no_scheduler_is_one_sentence(monkeypatch):
    monkeypatch.setattr(compute, "ANSWER_S", 1)
    with pytest.raises(SynimgError, match="no dask scheduler answers"), compute.pool(scheduler="tcp://127.0.0.1:9"):
        pass


def test_a_scheduler_without_workers_is_one_sentence(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr(compute, "SAY_AFTER_S", 0.1)
    monkeypatch.setattr(compute, "WAIT_FOR_WORKERS_S", 0.1)
    with LocalCluster(n_workers=0, dashboard_address=":0") as cluster:
        with (
            pytest.raises(SynimgError, match="has had no worker for"),
            compute.pool(scheduler=cluster.scheduler_address) as pool,
        ):
            list(pool.run(square, range(3), (0,)))


def blindfold():
    """From now on the process of a worker sees no file, as one on another machine sees none of this disk."""
    import genericpath

    genericpath.exists = lambda path: False


def test_a_worker_that_does_not_see_the_folder_is_named_before_the_work_begins(tmp_path):
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        folder, address = tmp_path / "out" / "mouse", cluster.scheduler_address
        with compute.pool(scheduler=address, folder=folder) as pool:
            assert dict(pool.run(square, range(3), (0,))) == {0: 0, 1: 1, 2: 4}
        other = next(iter(client.nthreads()))
        client.run(blindfold, workers=[other])
        with (
            pytest.raises(
                SynimgError, match=rf"the worker {other} does not see {folder}; it has to lie on a disk that all"
            ),
            compute.pool(scheduler=address, folder=folder),
        ):
            pass
    assert not any(tmp_path.iterdir())


@pytest.fixture
def deserted(monkeypatch):
    """Results of work whose only worker vanishes after the first, and the cluster."""
    from distributed import LocalCluster

    monkeypatch.setattr(compute, "SAY_AFTER_S", 0.1)
    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster:
        with compute.pool(scheduler=cluster.scheduler_address) as pool:
            results = pool.run(slow_square, range(20), (1,))
            first = next(results)
            cluster.sync(cluster.workers[0].close, nanny=False)
            yield cluster, first, results


def slow_square(item, shift):
    time.sleep(0.02)
    return square(item, shift)


def test_work_waits_for_a_worker_and_says_so(deserted, caplog):
    cluster, first, results = deserted
    with caplog.at_level(logging.WARNING, "synimg"):
        threading.Timer(0.5, cluster.scale, [2]).start()
        assert dict([first, *results]) == {i: i**2 + 1 for i in range(20)}
    # on a busy machine it may be said before the fixture is done
    said = [record.getMessage() for when in ("setup", "call") for record in caplog.get_records(when)]
    assert [text for text in said if "worker answers" in text][-2:] == [
        "no worker answers; waiting up to 300 s for one to come (Ctrl-C ends it)",
        "a worker answers again; the work goes on",
    ]


def test_work_ends_where_no_worker_comes(deserted, monkeypatch):
    monkeypatch.setattr(compute, "WAIT_FOR_WORKERS_S", 0.5)
    _, _, results = deserted
    with pytest.raises(SynimgError, match=r"has had no worker for 0.5 s; start one .* to resume"):
        list(results)


def test_whoever_answers_in_another_language_is_no_scheduler():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SynimgError, match="no dask scheduler answers"), compute.pool(scheduler=address):
            pass


def test_the_scheduler_holds_a_part_of_the_work_and_short_pieces_go_out_together(monkeypatch):
    monkeypatch.setattr(compute, "TASKS_PER_THREAD", 2)
    with compute.pool(2) as cluster:
        tasks, submit = [], cluster._client.submit
        monkeypatch.setattr(cluster._client, "submit", lambda *a, **k: tasks.append(a) or submit(*a, **k))
        for task_s, least, most in ((0.0, 60, 60), (5.0, 8, 30)):
            monkeypatch.setattr(compute, "TASK_S", task_s)
            tasks.clear()
            results = cluster.run(square, range(60), (1,))
            found = dict([next(results)])
            assert len(tasks) == 1 + 4  # what is shared, and two for each thread
            assert found | dict(results) == {i: i**2 + 1 for i in range(60)}
            assert least <= len(tasks) - 1 <= most
