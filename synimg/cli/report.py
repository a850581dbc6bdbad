"""The command `synimg report`."""

from pathlib import Path
from typing import Annotated

import typer

from synimg.cli.options import DatasetPath, Run
from synimg.cli.say import say


def report(
    dataset: DatasetPath,
    run: Run = "default",
    out: Annotated[Path | None, typer.Option(help="HTML file; analysis/RUN/report.html if not given")] = None,
) -> None:
    """Write one self-contained HTML page that tells what was simulated and how well it was read.

    A cohort's folder gives a page that compares its animals.

    Example: `synimg report mouse01 --out mouse01.html`
    """
    from synimg.viewers.report import report as run_report

    path = run_report(dataset, run, out)
    say(f"{path}: report of {dataset}; open it in a browser")
