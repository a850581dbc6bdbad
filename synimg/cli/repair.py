"""The command `synimg repair`."""

from typing import Annotated

import typer

from synimg.cli.options import DatasetPath, Scheduler
from synimg.cli.say import say
from synimg.cli.state import incomplete_runs


def repair(
    dataset: DatasetPath,
    workers: Annotated[int | None, typer.Option(help="processes; one if not given", show_default=False)] = None,
    scheduler: Scheduler = None,
) -> None:
    """Make missing and altered files of a data set again, chunk by chunk, with the bytes that they had.

    Example: `synimg repair mouse01`
    """
    from synimg.phantoms.repair import repair as run
    from synimg.progress import bars
    from synimg.store.cohort import datasets_of
    from synimg.store.dataset import Dataset

    n = 0
    left: list[str] = []
    for path in datasets_of(dataset):
        with bars() as report:
            repaired, other = run(path, workers, scheduler, report)
        for name in repaired:
            typer.echo(f"{path / name}: repaired")
        n, left = n + len(repaired), left + [f"{path / sentence}" for sentence in other]
        for name in incomplete_runs(Dataset.open(path)) if repaired else ():
            say(f"note: run '{name}' was measured without them; next: synimg measure {path} --run {name}")
    for sentence in left:
        typer.echo(sentence)
    say(f"{dataset}: {n} files repaired, {len(left)} left")
    if left:
        raise typer.Exit(3)
