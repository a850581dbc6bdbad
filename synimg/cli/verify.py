"""The command `synimg verify`."""

import json

import typer

from synimg.cli.options import DatasetPath, Json
from synimg.cli.say import say


def verify(dataset: DatasetPath, as_json: Json = False) -> None:
    """Prove every byte of a data set against its checksums. Exit code 3 if something differs.

    Example: `synimg verify mouse01`
    """
    from synimg.store.cohort import datasets_of
    from synimg.store.dataset import Dataset

    problems, n_files = [], 0
    for path in datasets_of(dataset):
        found = Dataset.open(path)
        prefix = "" if path == dataset else f"{path.name}/"
        problems += [prefix + problem for problem in found.verify()]
        n_files += sum(len(stage["files"]) for stage in found.index["stages"].values())
    if as_json:
        typer.echo(json.dumps({"n_files": n_files, "problems": problems}, indent=1))
    else:
        for problem in problems:
            typer.echo(problem)
    say(f"{dataset}: {n_files} files, {len(problems)} of them differ")
    if problems:
        raise typer.Exit(3)
