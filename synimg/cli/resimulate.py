"""The command `synimg resimulate`."""

from pathlib import Path
from typing import Annotated

import typer

from synimg.cli.options import DatasetPath, Workers, n_workers
from synimg.cli.say import fail, say


def resimulate(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Option("--out", help="table to write (.parquet, .csv)")],
    rule: Annotated[
        str | None, typer.Option(help="a learning rule with its default settings, in the place of the data set's")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="runs to average, with other trials and noise")] = 4,
    seed: Annotated[int | None, typer.Option(min=0, help="of the runs; that of the data set if not given")] = None,
    workers: Workers = None,
) -> None:
    """Predict what each synapse learns: run the rule again from the network at the start.

    Example: `synimg resimulate mouse01 --out predicted.parquet`, then `synimg separate mouse01 --predicted predicted.parquet`
    """
    from synimg.phantoms.resimulate import resimulate as run
    from synimg.progress import bars

    try:
        with bars() as report:
            found = run(dataset, out, rule, runs, seed, n_workers(workers, None), report)
    except KeyboardInterrupt:
        fail(f"synimg: stopped; {out} was not written", 130)
    say(f"{out}: {len(found)} synapses, {runs} runs; next: synimg separate {dataset} --predicted {out}")
