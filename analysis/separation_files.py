"""Separations of tables in files and of measured data sets, and the files of their results."""

from pathlib import Path
from typing import Any

import pandas as pd

from synimg import compute, schema
from synimg.analysis.inhibition import with_inhibition
from synimg.analysis.pieces import Whole, is_too_large, separate_in_pieces
from synimg.analysis.predictions import with_predictions
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separation import choice, complete, methods, separate
from synimg.errors import SynimgError
from synimg.store.atomic import read_json, write_json
from synimg.store.dataset import Dataset
from synimg.store.tables import read_notes, read_table, table_writer, write_table

TABLES = {"separation": schema.SEPARATION, "neurons": schema.NEURON_RESULT, "animals": schema.ANIMAL_RESULT}


def separate_table(
    table: Path,
    out: Path,
    method: str = "auto",
    seed: int = 0,
    by: str | None = None,
    draws: int = 0,
    report: compute.Report = compute.silent,
    predicted: Path | None = None,
    inhibition: Path | None = None,
) -> tuple[Separation | Whole, Path]:
    """Separate the synapse table in a file; write what `write_separation` does to `out`.

    A Parquet table of more than a million rows goes through `hierarchical` in pieces, in bounded memory; its rows are in
    the file alone. `predicted` is a file of predictions by ``synapse_id`` (`with_predictions`), `inhibition` a table of the
    inhibitory synapses on the same neurons (`with_inhibition`).

    Raises
    ------
    SynimgError
        If the table breaks the contract of `schema.SYNAPSES`, or the method needs what it lacks.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise SynimgError(f"{out}: a file is there; --out takes a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / "result.json").is_file():
        raise SynimgError(f"{out}: the folder holds something else; --out takes a new or empty folder")
    as_it_is = by is None and not draws and predicted is None and inhibition is None
    if method in {"auto", "hierarchical"} and as_it_is and is_too_large(table):
        return _of_pieces(table, out, method, seed, report), out
    synapses = read_table(table, schema.SYNAPSES)
    if synapses.empty:
        raise SynimgError(f"{table}: no synapse in it; a table has one row per synapse")
    synapses, said = _with(synapses, predicted, inhibition, method)
    result = separate(synapses, method, seed, by, draws)
    result.info["warnings"][:0] = [*_missing(table), *said]
    write_separation(out, result, seed)
    return result, out


def _of_pieces(table: Path, out: Path, method: str, seed: int, report: compute.Report) -> Whole:
    """Separate a table that is too large for the memory, and write the result."""
    (out / "result.json").unlink(missing_ok=True)  # until all is there, nothing is
    whole = separate_in_pieces(table, out, seed, complete, report)
    said = _missing(table) + whole.without_parents
    if method == "auto":
        name, why = choice(whole.info["diagnosis"]["table"])
        said.append(f"auto chose '{name}': {why}")
    whole.info["warnings"][:0] = said
    for name in ("groups", "draws"):
        (out / f"{name}.parquet").unlink(missing_ok=True)
    write_table(out / "neurons.parquet", whole.neurons, TABLES["neurons"])
    write_table(out / "animals.parquet", whole.animals, TABLES["animals"])
    write_json(out / "result.json", {"synimg_schema": schema.SCHEMA_VERSION, "seed": seed, **whole.info})
    return whole


def separate_dataset(
    dataset: Dataset | str | Path,
    run: str = "default",
    method: str = "auto",
    seed: int = 0,
    by: str | None = None,
    draws: int = 0,
    predicted: Path | None = None,
    inhibition: Path | None = None,
) -> tuple[Separation, Path]:
    """Separate the measured table of a data set's `run`; the results go beside it.

    `predicted` is a file of predictions with the places of their synapses, as `synimg.resimulate` writes; `inhibition` as
    for `separate_table`.
    """
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    synapses, said = _with(measured_synapses(dataset, run), predicted, inhibition, method, by_place=True)
    result = separate(synapses, method, seed, by, draws)
    result.info["warnings"][:0] = [*_missing(dataset.run(run) / "synapses.parquet"), *said]
    dataset.drop(f"{run}/separate", f"{run}/validate", f"{run}/report")
    notes: dict[str, Any] = {"method": method, "seed": seed, "by": by, "draws": draws}
    given = {"predicted": predicted, "inhibition": inhibition}
    notes |= {name: str(path) for name, path in given.items() if path is not None}
    with dataset.stage(f"{run}/separate", notes) as scratch:
        write_separation(scratch / "analysis" / run, result, seed)
    return result, dataset.run(run)


def _with(
    table: pd.DataFrame, predicted: Path | None, inhibition: Path | None, method: str, by_place: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """The table with what files know of its synapses and neurons, and what is said of it.

    Raises
    ------
    SynimgError
        If the method makes no use of it, or as `with_predictions` and `with_inhibition`.
    """
    said = []
    for option, path in (("--predicted", predicted), ("--inhibition", inhibition)):
        if path is not None and method in methods() and method != "hierarchical":
            raise SynimgError(f"method '{method}' makes no use of {option}; it needs 'hierarchical'")
    if predicted is not None:
        table, sentence = with_predictions(table, Path(predicted), by_place)
        said.append(sentence)
    if inhibition is not None:
        table, sentence = with_inhibition(table, Path(inhibition))
        said.append(sentence)
    return table, said


def _missing(table: Path) -> list[str]:
    """That a table is incomplete, if it says so."""
    said = read_notes(table).get("missing") if table.suffix == ".parquet" else None
    return [] if said is None else [said]


def measured_synapses(dataset: Dataset, run: str) -> pd.DataFrame:
    """The measured table of a run.

    Raises
    ------
    SynimgError
        If it is not measured yet, or holds no synapse, so that there is nothing to go on with.
    """
    dataset.require(f"{run}/measure", f"synimg measure {dataset.path} --run {run}")
    synapses = read_table(dataset.run(run) / "synapses.parquet", schema.SYNAPSES)
    if synapses.empty:
        raise SynimgError(
            f"{dataset.path}: no synapse was found in its image (run '{run}'), so there is nothing to separate, validate or "
            "report"
        )
    return synapses


def write_separation(folder: Path, result: Separation, seed: int) -> None:
    """Write ``separation``, ``neurons``, ``animals`` (and ``groups``, ``draws``, if asked), and ``result.json``."""
    frames = {"separation": result.synapses, "neurons": result.neurons, "animals": result.animals}
    for name, frame in frames.items():
        write_table(folder / f"{name}.parquet", frame, TABLES[name])
    if result.groups is not None:
        write_table(folder / "groups.parquet", result.groups, schema.GROUP_RESULT)
    else:
        (folder / "groups.parquet").unlink(missing_ok=True)  # of an earlier call
    if result.draws is not None:
        with table_writer(folder / "draws.parquet", schema.DRAWS) as write:
            for frame in result.draws:
                write(frame)
    else:
        (folder / "draws.parquet").unlink(missing_ok=True)
    write_json(folder / "result.json", {"synimg_schema": schema.SCHEMA_VERSION, "seed": seed, **result.info})


def read_separation(folder: Path) -> Separation:
    """The separation that `write_separation` wrote.

    Raises
    ------
    SynimgError
        If a file is missing or damaged.
    """
    if not (folder / "result.json").is_file():
        raise SynimgError(f"{folder}: no separation there (result.json is missing); run 'synimg separate' first")
    frames: dict[str, pd.DataFrame] = {
        name: read_table(folder / f"{name}.parquet", table) for name, table in TABLES.items()
    }
    info: dict[str, Any] = read_json(folder / "result.json")
    groups = read_table(folder / "groups.parquet", schema.GROUP_RESULT) if "by" in info else None
    return Separation(frames["separation"], frames["neurons"], frames["animals"], info, groups)
