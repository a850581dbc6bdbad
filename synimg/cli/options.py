"""Arguments that several commands share, and what their texts mean."""

from pathlib import Path
from typing import Annotated, Any

import typer

from synimg.errors import SynimgError

Out = Annotated[Path, typer.Option("--out", help="folder to write to; new or empty, or of an interrupted call")]
Workers = Annotated[int | None, typer.Option(help="processes; all cores if not given", show_default=False)]
Scheduler = Annotated[str | None, typer.Option(help="address of a dask scheduler that runs already, tcp://...")]
Run = Annotated[str, typer.Option("--run", help="name of the analysis run")]
Json = Annotated[bool, typer.Option("--json", help="machine-readable output on standard output")]
DatasetPath = Annotated[Path, typer.Argument(metavar="DATASET", help="folder made by 'synimg generate'")]


def n_workers(workers: int | None, scheduler: str | None) -> int | None:
    """How many processes to start: all cores where neither a number nor a scheduler is given."""
    from synimg.compute import n_cores

    return workers if workers is not None or scheduler is not None else n_cores()


def numbers(option: str, text: str) -> tuple[float, ...]:
    """The lengths in `text`, the value of an option.

    Raises
    ------
    SynimgError
        If it is not two or three positive numbers.
    """
    try:
        sizes = tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        raise SynimgError(f"{option} = {text}: it takes numbers in um, such as 0.2,0.07,0.07") from None
    if len(sizes) not in {2, 3} or not all(0 < size < 100 for size in sizes):
        raise SynimgError(f"{option} = {text}: it takes Z,Y,X (2-D: Y,X), each in um, above 0 and below 100")
    return sizes


def files(text: str) -> list[Path]:
    """The paths in a text that has commas between them."""
    return [Path(part.strip()) for part in text.split(",") if part.strip()]


def tracing_of(places: list[Path] | None, least_prob: float | None) -> Any:
    """Traced dendrites, and how parents are read from them."""
    from synimg.analysis.traces import TraceSettings, Tracing
    from synimg.store.morphology import read_traces

    if least_prob is not None and not places:
        raise SynimgError("--min-parent-prob is for parents from traces: give --traces too")
    values = {} if least_prob is None else {"least_parent_prob": least_prob}
    return Tracing(read_traces(places or []), TraceSettings.parse(values, "measure"))
