"""Separation with files: a synapse table or a data set in, the result's tables out."""

from pathlib import Path
from typing import Any

import pandas as pd

from synimg import schema
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separate.select import separate
from synimg.errors import SynimgError
from synimg.store.atomic import read_json, write_json
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table, write_table

TABLES = {"separation": schema.SEPARATION, "neurons": schema.NEURON_RESULT, "animals": schema.ANIMAL_RESULT}


def separate_table(table: Path, out: Path, method: str = "auto", seed: int = 0) -> tuple[Separation, Path]:
    """Separate the synapse table in a file; write ``separation``, ``neurons``, ``animals`` and ``result.json`` to `out`.

    Raises
    ------
    SynimgError
        If the table breaks the contract of SCHEMA.md, or the method needs what it lacks.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise SynimgError(f"{out}: a file is there; --out takes a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / "result.json").is_file():
        raise SynimgError(f"{out}: the folder holds something else; --out takes a new or empty folder")
    synapses = read_table(table, schema.SYNAPSES)
    if synapses.empty:
        raise SynimgError(f"{table}: no synapse in it; a table has one row per synapse")
    result = separate(synapses, method, seed)
    write_separation(out, result, seed)
    return result, out


def separate_dataset(
    dataset: Dataset | str | Path, run: str = "default", method: str = "auto", seed: int = 0
) -> tuple[Separation, Path]:
    """Separate the measured table of a data set's `run`; the results go beside it."""
    dataset = dataset if isinstance(dataset, Dataset) else Dataset.open(dataset)
    dataset.require(f"{run}/measure", f"synimg measure {dataset.path} --run {run}")
    synapses = read_table(dataset.run(run) / "synapses.parquet", schema.SYNAPSES)
    if synapses.empty:
        raise SynimgError(f"{dataset.path}: no synapse was found in its image, so there is nothing to separate")
    result = separate(synapses, method, seed)
    dataset.drop(f"{run}/separate", f"{run}/validate", f"{run}/report")
    with dataset.stage(f"{run}/separate", {"method": method, "seed": seed}) as scratch:
        write_separation(scratch / "analysis" / run, result, seed)
    return result, dataset.run(run)


def write_separation(folder: Path, result: Separation, seed: int) -> None:
    """Write the tables of a separation and its ``result.json``."""
    frames = {"separation": result.synapses, "neurons": result.neurons, "animals": result.animals}
    for name, frame in frames.items():
        write_table(folder / f"{name}.parquet", frame, TABLES[name])
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
    return Separation(frames["separation"], frames["neurons"], frames["animals"], info)
