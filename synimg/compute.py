"""Work on blocks: in this process, on a local dask cluster, or on a cluster that runs already."""

import contextlib
import itertools
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from synimg.errors import SynimgError
from synimg.store.atomic import disk_errors

Report = Callable[[str, int, int], None]
"""Called with (what, done, total) as work goes on."""


def silent(what: str, done: int, total: int) -> None:
    """A report that says nothing."""


WORKERS_ENVIRONMENT = {
    "MALLOC_TRIM_THRESHOLD_": str(2**28),
    "MALLOC_MMAP_THRESHOLD_": str(2**24),
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")},
}
"""Blocks are some 10 MB each: by dask's own settings glibc gives them back to the system and gets them anew, page by page,
every time, which takes as long as rendering them. One thread each is dask's setting as well."""

WORKERS_SETTINGS = {
    "distributed.nanny.pre-spawn-environ": WORKERS_ENVIRONMENT,
    "distributed.worker.profile.enabled": False,  # looks 100 times a second at what a worker does
    "distributed.admin.tick.interval": "1s",  # sees 50 times a second whether a process answers
}
ANSWER_S = 10
SAY_AFTER_S, WAIT_FOR_WORKERS_S = 5, 300
"""How long a cluster may be without a worker before the user is told, and before the work ends."""
TASKS_PER_THREAD = 2
"""Tasks that run or wait at the scheduler."""
TASK_S = 1.0
"""What a task lasts, about: short pieces of work go out together, as a task costs this process some 5 ms."""
NEEDS_MAIN = "a script that asks for workers keeps its calls under: if __name__ == '__main__':"


log = logging.getLogger("synimg")


class Pool:
    """Where blocks of work run. Make one with `pool`."""

    def __init__(self, client: Any = None) -> None:
        self._client = client

    def run(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        shared: tuple[Any, ...] = (),
        what: str = "",
        report: Report = silent,
    ) -> Iterator[tuple[int, Any]]:
        """Yield (index, ``function(item, *shared)``) for every item, in the order of completion.

        Parameters
        ----------
        function : callable
            Importable; its result depends on its arguments alone, and running it twice does no harm.
        items : sequence
            One small argument per piece of work.
        shared : tuple
            Arguments common to all pieces, sent to every worker once.
        what : str
            Name of the work for `report`.

        Raises
        ------
        SynimgError
            If the cluster goes away, has had no worker for `WAIT_FOR_WORKERS_S`, or a piece of work kills every worker
            that tries it.
        """
        report(what, 0, len(items))
        results = self._here(function, items, shared) if self._client is None else self._there(function, items, shared)
        for done, result in enumerate(results, start=1):
            report(what, done, len(items))
            yield result

    def in_turn(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        shared: tuple[Any, ...] = (),
        what: str = "",
        report: Report = silent,
    ) -> list[Any]:
        """What `run` yields, all of it, in the order of the items."""
        results = dict(self.run(function, items, shared, what, report))
        return [results[i] for i in range(len(items))]

    @staticmethod
    def _here(function: Callable[..., Any], items: Sequence[Any], shared: tuple[Any, ...]) -> Iterator[tuple[int, Any]]:
        for index, item in enumerate(items):
            yield index, function(item, *shared)

    def _there(
        self, function: Callable[..., Any], items: Sequence[Any], shared: tuple[Any, ...]
    ) -> Iterator[tuple[int, Any]]:
        from distributed import CancelledError, KilledWorker
        from distributed.comm import CommClosedError

        index_of: dict[Any, list[int]] = {}
        with _watched(self._client, index_of) as is_left_alone:
            try:
                yield from self._sent(function, items, shared, index_of)
            except KilledWorker as error:
                raise SynimgError(
                    f"a block of work killed {error.last_worker}: give the workers more memory"
                ) from error
            except (CancelledError, CommClosedError, TimeoutError) as error:
                if is_left_alone():
                    raise _no_worker(self._client) from None
                raise SynimgError(f"the dask cluster went away; start it and {RESUME}") from error

    def _sent(
        self,
        function: Callable[..., Any],
        items: Sequence[Any],
        shared: tuple[Any, ...],
        index_of: dict[Any, list[int]],
    ) -> Iterator[tuple[int, Any]]:
        """Results as they come; `index_of` holds the futures that are under way, each with the indices of its items."""
        import dask
        from distributed import as_completed

        # what is scattered dies with the workers that hold it; what a task returned is made again
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 GiB"}):
            sent = [self._client.submit(_same, argument, pure=False) for argument in shared]
        waiting, left, at_once = iter(range(len(items))), len(items), 1

        def submit(n: int) -> list[Any]:
            nonlocal left
            new = []
            for indices in itertools.islice(iter(lambda: list(itertools.islice(waiting, at_once)), []), n):
                new.append(self._client.submit(_several, function, [items[i] for i in indices], sent, pure=False))
                index_of[new[-1]] = indices
                left -= len(indices)
            return new

        # what the scheduler holds does not grow with the work
        n_tasks = TASKS_PER_THREAD * max(sum(self._client.nthreads().values()), 1)
        running = as_completed(submit(n_tasks))
        for future in running:
            results, seconds = future.result()
            indices = index_of.pop(future)
            yield from zip(indices, results, strict=True)
            future.release()
            # towards the end tasks become small, so that all workers end at the same time
            at_once = max(min(int(TASK_S * len(results) / max(seconds, 1e-6)), left // n_tasks), 1)
            running.update(submit(1))


RESUME = "run the same command again to resume"


def _same(argument: Any) -> Any:
    return argument


def _several(function: Callable[..., Any], items: list[Any], shared: list[Any]) -> tuple[list[Any], float]:
    """Results for several items, and the seconds that they took."""
    begin = time.perf_counter()
    return [function(item, *shared) for item in items], time.perf_counter() - begin


def _no_worker(client: Any) -> SynimgError:
    address = client.scheduler.address
    return SynimgError(
        f"the dask scheduler at {address} has had no worker for {WAIT_FOR_WORKERS_S:g} s; start one (dask worker "
        f"{address}) and {RESUME}"
    )


def _say_waiting() -> None:
    log.warning("no worker answers; waiting up to %g s for one to come (Ctrl-C ends it)", WAIT_FOR_WORKERS_S)


@contextlib.contextmanager
def _watched(client: Any, futures: dict[Any, list[int]]) -> Iterator[Callable[[], bool]]:
    """See that the cluster has workers: say where it has none, and cancel the `futures` where none comes.

    Yields a function: whether that has happened.
    """
    stop, alone = threading.Event(), threading.Event()

    def watch() -> None:
        last, is_said = time.monotonic(), False
        while not stop.wait(min(1.0, SAY_AFTER_S)):
            try:
                n_workers = len(client.nthreads())
            except Exception:  # no scheduler either: those who wait for work hear of it
                return
            if n_workers:
                if is_said:
                    log.warning("a worker answers again; the work goes on")
                last, is_said = time.monotonic(), False
            elif time.monotonic() - last > WAIT_FOR_WORKERS_S:
                alone.set()
                client.cancel(list(futures))
                return
            elif time.monotonic() - last > SAY_AFTER_S and not is_said:
                is_said = True
                _say_waiting()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield alone.is_set
    finally:
        stop.set()


def refuse_wrong(workers: int | None, scheduler: str | None = None) -> None:
    """Refuse what `pool` cannot take.

    Raises
    ------
    SynimgError
        If both are given, or `workers` is below 1.
    """
    if workers is not None and scheduler is not None:
        raise SynimgError("--workers and --scheduler exclude each other; give one of them")
    if workers is not None and workers < 1:
        raise SynimgError(f"--workers = {workers}; it takes 1 or more")


@contextlib.contextmanager
def pool(workers: int | None = None, scheduler: str | None = None, folder: Path | None = None) -> Iterator[Pool]:
    """A pool of `workers` processes, or the cluster at `scheduler`; one worker means this process.

    Parameters
    ----------
    folder : Path, optional
        Where the work's files lie or will lie, which all workers of a cluster have to see.

    Raises
    ------
    SynimgError
        If both are given, `workers` is below 1, the scheduler cannot be reached, or a worker does not see the `folder`.
    """
    refuse_wrong(workers, scheduler)
    if scheduler is None and (workers is None or workers == 1):
        yield Pool()
        return
    from distributed import Client

    quiet = logging.CRITICAL
    logging.getLogger("distributed.client").setLevel(quiet)  # a cluster that goes away is one sentence, which is ours
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=ANSWER_S)
        except Exception as error:  # whatever may listen there instead: what it says is not dask's language
            raise SynimgError(f"no dask scheduler answers at {scheduler} ({error}); check the address") from None
        with client:
            _wait_for_a_worker(client)
            if folder is not None:
                _refuse_blind(client, folder)
            yield Pool(client)
        return
    import dask
    from distributed import LocalCluster

    if getattr(multiprocessing.current_process(), "_inheriting", False):
        # a worker that runs the user's script again on its way up would start workers of its own, without end
        raise SystemExit(NEEDS_MAIN)
    try:
        with _without_ctrl_c(), dask.config.set(WORKERS_SETTINGS):
            cluster = LocalCluster(
                n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=":0", silence_logs=quiet
            )
    except RuntimeError as error:
        raise SynimgError(f"the worker processes did not start ({error}); {NEEDS_MAIN}") from None
    with cluster, Client(cluster) as client:
        yield Pool(client)


def _wait_for_a_worker(client: Any) -> None:
    try:
        client.wait_for_workers(1, timeout=SAY_AFTER_S)
    except TimeoutError:
        _say_waiting()
        try:
            client.wait_for_workers(1, timeout=WAIT_FOR_WORKERS_S)
        except TimeoutError:
            raise _no_worker(client) from None


def _refuse_blind(client: Any, folder: Path) -> None:
    """Refuse a cluster of which a worker does not see a file that is put into the folder, or where the folder will be."""
    place = folder.resolve()
    while not place.is_dir():
        place = place.parent
    with disk_errors(folder), tempfile.NamedTemporaryFile(dir=place, prefix=".synimg-") as probe:
        is_seen = client.run(os.path.exists, probe.name, on_error="return")
    blind = [worker for worker, answer in is_seen.items() if answer is False]
    if blind:
        others = f", nor do {len(blind) - 1} others" if len(blind) > 1 else ""
        raise SynimgError(
            f"the worker {blind[0]} does not see {folder}{others}; it has to lie on a disk that all workers and this machine "
            "share, under the same path: choose another folder or other workers"
        )


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """Processes that start in this block never hear Ctrl-C: this process does, and ends them in good order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def n_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
