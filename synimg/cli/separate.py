"""The command `synimg separate`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from synimg.cli.options import Run
from synimg.cli.say import say
from synimg.errors import SynimgError


def separate(
    source: Annotated[Path, typer.Argument(metavar="TABLE|DATASET", help="synapse table (.parquet, .csv) or data set")],
    out: Annotated[Path | None, typer.Option(help="folder for the results of a table")] = None,
    run: Run = "default",
    method: Annotated[
        str, typer.Option(help="a name of 'synimg methods', an installed method's, or FILE.py:FUNCTION")
    ] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="of the method's random draws")] = 0,
    by: Annotated[str | None, typer.Option(help="column whose groups, or gradient, to compare")] = None,
    draws: Annotated[int, typer.Option(min=0, help="draws from the posterior, in draws.parquet")] = 0,
    predicted: Annotated[
        Path | None, typer.Option(help="predictions of 'synimg resimulate', or synapse_id and predicted_ln of yours")
    ] = None,
    inhibition: Annotated[
        Path | None, typer.Option(help="synapse table of the inhibitory synapses on the same neurons")
    ] = None,
) -> None:
    """Say for every synapse how much of its change was learning, homeostasis and drift.

    Examples: `synimg separate table.csv --out result --method hierarchical`,
    `synimg separate table.csv --out result --by pathway`, `synimg separate table.csv --out result --draws 100`
    """
    from synimg.analysis.separation_files import separate_dataset, separate_table
    from synimg.store.cohort import datasets_of, is_cohort

    if source.is_dir():
        if out is not None:
            raise SynimgError("--out is for tables; the results of a data set go into its analysis folder")
        if predicted is not None and is_cohort(source):
            raise SynimgError(f"{source}: a cohort; predictions are of one of its animals: give its folder")
        for path in datasets_of(source):
            _say_separation(*separate_dataset(path, run, method, seed, by, draws, predicted, inhibition))
        return
    if out is None:
        raise SynimgError("--out is missing: give a folder for the results")
    from synimg.progress import bars

    with bars() as report:
        result, folder = separate_table(source, out, method, seed, by, draws, report, predicted, inhibition)
    _say_separation(result, folder)


def _say_separation(result: Any, folder: Path) -> None:
    """The diagnosis, the notes, and how many synapses were called learned."""
    from synimg.analysis.calls import n_sure
    from synimg.analysis.diagnosis import diagnosis_lines
    from synimg.analysis.pieces import Whole

    for line in diagnosis_lines(result.info["diagnosis"]["table"]):
        say(f"diagnosis: {line}")
    for warning in result.info["warnings"]:
        say(f"note: {warning}")
    if isinstance(result, Whole):
        what = f"{result.n_synapses} synapses by '{result.info['method']}', {result.n_called} with p(learning) of 0.8 or more"
        say(f"{folder}: {what}")
        return
    if result.groups is not None:
        from synimg.analysis.groups.text import groups_text

        typer.echo(groups_text(result))
        for note in result.info["by"]["notes"]:
            say(f"note: {note}")
    n, sure = len(result.synapses), n_sure(result.synapses)
    say(f"{folder}: {n} synapses by '{result.info['method']}', {sure} with p(learning) of 0.8 or more")
