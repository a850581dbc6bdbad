"""The synapse map as one table: what was measured, separated and matched, with the columns that a viewer derives."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import schema
from synimg.analysis.calls import called
from synimg.analysis.validate.imaging import match_truth
from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.tables import read_background, read_table
from synimg.viewers.dendrites import along, tree_files

Bools = NDArray[np.bool_]

CALLED_FDR = 0.2
"""False discovery rate at which synapses are called when nothing else is said."""
CAUSES = ("learning", "homeostasis", "drift")


def read_synapse_map(dataset: Dataset, run: str = "default") -> pd.DataFrame:
    """The measured synapses of a run with their separation, match to the truth, and derived columns.

    A table without branches gets those of the assigned neuron's dendrite nearest to each synapse, where dendrites are known.

    Raises
    ------
    SynimgError
        If the run has no measurement, or a file of it is damaged.
    """
    dataset.require(f"{run}/measure", f"synimg measure {dataset.path} --run {run}")
    folder = dataset.run(run)
    table = read_table(folder / "synapses.parquet", schema.SYNAPSES)
    if dataset.is_done(f"{run}/separate"):
        table = table.merge(read_table(folder / "separation.parquet", schema.SEPARATION), on="synapse_id", how="left")
    folder = dataset.path / "truth" / "morphology"
    if folder.is_dir() and ("branch_id" not in table or table["branch_id"].isna().all()):
        table = table.assign(branch_id=branches(table, folder))
    truth = dataset.path / "truth" / "synapses.parquet"
    if truth.is_file():
        imaged = read_truth(dataset)
        matched = match_truth(table[["synapse_id", *PLACE]], imaged, read_background(truth.parent))
        known = [matched["true_synapse_id"].notna(), matched["is_background"]]
        table = table.assign(
            match=np.select(known, ["match", "background"], "false positive"),
            true_synapse_id=matched["true_synapse_id"].astype("Int64"),
            **{f"{name}_true": matched[f"{name}_true"] for name in ("ln_learning", "is_learned", "r_old", "r_new")},
        )
    return with_derived(table)


def branches(table: pd.DataFrame, folder: Path) -> pd.Series:
    """Branch of the assigned neuron's dendrite that is nearest to each synapse; null where the dendrite is not known."""
    found = pd.Series(pd.NA, table.index, dtype="Int64")
    files = tree_files(folder)
    for neuron_id, file in files.items():
        rows = table[table["neuron_id"] == neuron_id]
        if len(rows):
            found[rows.index] = along(file, rows[PLACE].to_numpy(float))["branch_id"].to_numpy()
    return found


def read_truth(dataset: Dataset) -> pd.DataFrame:
    """The true synapses that lie in the image."""
    table = read_table(dataset.path / "truth" / "synapses.parquet", schema.TRUTH_SYNAPSES)
    return table[table["is_imaged"]].reset_index(drop=True)


def log_turnover(table: pd.DataFrame) -> pd.Series:
    """``ln(1 + r_new / r_old)`` of every synapse; null without old receptors."""
    old, new = (table[name].to_numpy(float) for name in ("r_old", "r_new"))
    return pd.Series(np.where(old > 0, np.log1p(new / np.where(old > 0, old, 1.0)), np.nan), table.index)


def with_derived(table: pd.DataFrame) -> pd.DataFrame:
    """The table with log turnover, what is left of it beside the neuron's median, shares of the causes, and the class.

    Notes
    -----
    A share is ``|delta_cause|`` over the sum of the three; a residual is in natural log units.
    """
    turnover = log_turnover(table)
    median = turnover.groupby(table["neuron_id"].to_numpy()).transform("median")
    columns: dict[str, Any] = {"log_turnover": turnover, "turnover_residual": turnover - median}
    if all(f"delta_{cause}" in table for cause in CAUSES):
        size = np.abs(table[[f"delta_{cause}" for cause in CAUSES]].to_numpy(float))
        total = size.sum(axis=1)
        for k, cause in enumerate(CAUSES):
            columns[f"share_{cause}"] = np.divide(size[:, k], total, out=np.full(total.size, np.nan), where=total > 0)
    for name in ("r_old", "r_new"):
        if f"{name}_true" in table:
            columns[f"{name}_error"] = table[name] - table[f"{name}_true"].astype(float)
    table = table.assign(**columns)
    return table.assign(**{"class": class_of(table)})


def class_of(table: pd.DataFrame, fdr: float = CALLED_FDR) -> NDArray[np.object_]:
    """Class of every synapse: potentiated, depressed or unchanged at a false discovery rate; a class by hand goes first.

    Parameters
    ----------
    table : DataFrame
        Synapse map; without ``lfdr`` all synapses are "not separated".
    fdr : float
        The called synapses are the largest set whose mean ``lfdr`` is at most this.
    """
    if "lfdr" not in table or table["lfdr"].isna().all():
        classes = np.full(len(table), "not separated", dtype=object)
    else:
        p_up = table["p_potentiated"].fillna(table["p_learning"]).to_numpy(float)
        p_down = table["p_depressed"].fillna(0.0).to_numpy(float)
        chosen = called(table["lfdr"].fillna(1.0).to_numpy(float), fdr)
        classes = np.where(chosen, np.where(p_up >= p_down, "potentiated", "depressed"), "unchanged").astype(object)
    if "class_by_hand" in table:
        by_hand = table["class_by_hand"].astype("string").fillna("").to_numpy(object)
        classes = np.where(by_hand != "", by_hand, classes)
    return classes


def keep(
    table: pd.DataFrame,
    neuron_id: int | None = None,
    branch_id: int | None = None,
    hidden: frozenset[str] = frozenset(),
    column: str = "class",
) -> Bools:
    """Which synapses pass the filters: of one neuron, of one branch, and not of a hidden category of `column`."""
    shown = np.ones(len(table), bool)
    if neuron_id is not None:
        shown &= (table["neuron_id"] == neuron_id).fillna(False).to_numpy(bool)
    if branch_id is not None:
        shown &= (table["branch_id"] == branch_id).fillna(False).to_numpy(bool)
    if hidden:
        shown &= ~table[column].astype("string").isin(list(hidden)).to_numpy(bool)
    return shown


def columns_to_colour(table: pd.DataFrame) -> list[str]:
    """Columns by which synapses can be coloured, the ones asked for most first; empty ones are left out."""
    first = ["class", "match", "p_learning", "log_turnover", "turnover_residual"]
    first += [f"share_{cause}" for cause in CAUSES] + [f"delta_{cause}" for cause in CAUSES]
    rest = [name for name in table.columns if name not in {*first, *PLACE, "synapse_id", "note", "true_synapse_id"}]
    return [name for name in [*first, *rest] if name in table and table[name].notna().any()]


def following(rows: NDArray[np.int64], current: int | None, step: int = 1) -> int | None:
    """The next of some `rows` after the `current` one (before it for step -1), around the end; None if there is none."""
    if not rows.size:
        return None
    if current is None:
        return int(rows[0 if step > 0 else -1])
    at = int(np.searchsorted(rows, current, side="right" if step > 0 else "left")) - (0 if step > 0 else 1)
    return int(rows[at % rows.size])
