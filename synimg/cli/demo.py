"""The command `synimg demo`."""

from pathlib import Path
from typing import Annotated

import typer

from synimg.cli.options import Workers, n_workers
from synimg.cli.say import say
from synimg.cli.validate import print_scores


def demo(
    out: Annotated[Path, typer.Option(help="folder of the demonstration")] = Path("synimg-demo"),
    workers: Workers = None,
    seed: Annotated[int, typer.Option(min=0, help="seed")] = 1,
) -> None:
    """Run the whole chain once: generate, measure, separate, validate, report.

    Example: `synimg demo --out synimg-demo`
    """
    from synimg.analysis.measure import measure as run_measure
    from synimg.analysis.separation_files import separate_dataset
    from synimg.analysis.validate import validate as run_validate
    from synimg.phantoms.generate import generate as run_generate
    from synimg.progress import bars
    from synimg.viewers.report import report as run_report

    workers = n_workers(workers, None)
    with bars() as progress:
        run_generate("demo", out, seed, workers, None, progress)
        run_measure(out, "default", None, workers, None, progress)
        separate_dataset(out, "default", "auto", seed)
        scores = run_validate(out, "default", progress)
        page = run_report(out, "default", None)
    print_scores(scores)
    say(f"{page}: open it in a browser; 'synimg view {out}' opens the synapse map in napari")
