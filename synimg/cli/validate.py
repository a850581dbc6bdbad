"""The command `synimg validate`."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from synimg.cli.options import Json, Run
from synimg.cli.say import say
from synimg.errors import SynimgError


def validate(
    dataset: Annotated[
        Path | None, typer.Argument(metavar="DATASET", help="data set with measurement and separation")
    ] = None,
    run: Run = "default",
    result: Annotated[Path | None, typer.Option(help="folder of a separation that lies elsewhere")] = None,
    truth: Annotated[Path | None, typer.Option(help="folder of the truth that belongs to it")] = None,
    as_json: Json = False,
) -> None:
    """Score measurement and separation against the network that was really there.

    Example: `synimg validate mouse01`
    """
    from synimg.analysis.validate import validate as run_validate
    from synimg.analysis.validate import validate_elsewhere
    from synimg.progress import bars
    from synimg.store.cohort import datasets_of, is_cohort

    if dataset is None:
        if result is None or truth is None:
            raise SynimgError("give a data set, or both --result and --truth")
        scores = validate_elsewhere(result, truth)
        if as_json:
            typer.echo(json.dumps(scores, indent=1))
        else:
            print_scores(scores)
        say(f"{result}: scores.json written")
        return
    found = {}
    for path in datasets_of(dataset):
        with bars() as report:
            found[path.name] = scores = run_validate(path, run, report)
        if not as_json:
            print_scores(scores)
        say(f"{path / 'analysis' / run}: scores.json written; next: synimg report {path}")
    if as_json:
        typer.echo(json.dumps(found if is_cohort(dataset) else scores, indent=1))


def print_scores(scores: dict[str, Any]) -> None:
    """A table of the scores that a reader wants first."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for title, rows in scores["headlines"].items():
        table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(style="cyan", min_width=44)
        table.add_column(justify="right")
        for name, value in rows.items():
            table.add_row(name, str(value))
        console.print(table)
        console.print()
