"""The command `synimg population`."""

from pathlib import Path
from typing import Annotated

import typer

from synimg.cli.options import DatasetPath
from synimg.cli.say import fail, say


def population(
    dataset: DatasetPath,
    out: Annotated[Path, typer.Option("--out", help="folder to write to; new or empty")],
    n_synapses: Annotated[float, typer.Option(help="synapses in all, such as 1e7")],
    n_neurons: Annotated[
        int | None, typer.Option(min=1, help="neurons; if not given, each has as many synapses as in the network")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="that of the data set if not given")] = None,
) -> None:
    """Draw any number of synapses from the law of a data set's trained network: truth, and a table to separate.

    Example: `synimg population mouse01 --out many --n-synapses 1e7 --seed 1`
    """
    from synimg.phantoms.populate import population as run
    from synimg.progress import bars

    try:
        with bars() as report:
            facts = run(dataset, out, n_synapses, seed, n_neurons, report)
    except KeyboardInterrupt:
        fail(f"synimg: stopped; nothing was written to {out}", 130)
    say(
        f"{out}: {facts['n_synapses']} synapses on {facts['n_neurons']} neurons, seed {facts['seed']}; "
        f"next: synimg separate {out / 'synapses.parquet'} --out result"
    )
