"""What a column asks: groups or a gradient, and whether it differs within neurons, between them, or between animals."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.errors import SynimgError, nearest

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Level = Literal["synapses", "neurons", "animals"]
MOST_GROUPS = 200
MOST_WHOLE_NUMBERS = 12
"""Whole numbers with no more values than that are groups of their own, not bins."""
N_BINS = 5
NOT_ASKED = {
    "synapse_id": "every synapse has its own",
    "neuron_id": "neurons.parquet has every neuron's factor",
    **dict.fromkeys(("r_old", "r_new", "r_old_se", "r_new_se"), "the change is computed from it"),
}


@dataclass(frozen=True)
class Question:
    """A column of a table as a question.

    column : str
    rows : (n,) ndarray, rows of the table where it has a value
    label : (n,) ndarray, number of the group
    names : names of the groups
    value : (n,) ndarray or None, the number of a gradient
    level : what differs in it: the synapses of a neuron, neurons as a whole, or animals as a whole
    n_missing : int, rows without a value
    share_between : float, share of a gradient's variance that lies between neurons
    """

    column: str
    rows: Ints
    label: Ints
    names: list[str]
    value: Floats | None
    level: Level
    n_missing: int
    share_between: float


def read_question(table: pd.DataFrame, column: str) -> Question:
    """The question that `column` asks.

    Raises
    ------
    SynimgError
        If there is no such column, or nothing in it to compare.
    """
    if column not in table:
        known = [str(name) for name in table.columns if name not in NOT_ASKED]
        raise SynimgError(f"--by {column}: the table has no such column; {nearest(column, known)}")
    if column in NOT_ASKED:
        raise SynimgError(f"--by {column}: not a question about groups, {NOT_ASKED[column]}")
    rows = np.flatnonzero(table[column].notna().to_numpy())
    if not rows.size:
        raise SynimgError(f"--by {column}: the column is empty in all {len(table)} rows")
    values = table[column].iloc[rows]
    if values.nunique() == 1:
        raise SynimgError(f"--by {column}: all rows say {values.iloc[0]!s}; it takes two values to compare")
    number = _number(values, column)
    names, label = _groups(values, number, column)
    if np.bincount(label).max() == 1:
        raise SynimgError(f"--by {column}: each of its {len(names)} groups has one synapse; groups need several")
    neuron = table["neuron_id"].to_numpy(np.int64)[rows]
    animal = table["animal_id"].to_numpy()[rows]
    tested = label if number is None else np.unique(number, return_inverse=True)[1]
    return Question(
        column=column,
        rows=rows,
        label=label,
        names=names,
        value=number,
        level=_level(tested, neuron, animal),
        n_missing=len(table) - rows.size,
        share_between=0.0 if number is None else _share_between(number, neuron),
    )


def _number(values: pd.Series, column: str) -> Floats | None:
    """The values as numbers if they stand for an order; names and ids do not."""
    if column.endswith("_id") or pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values):
        return None
    number = values.to_numpy(np.float64)
    if not np.isfinite(number).all():
        raise SynimgError(f"--by {column}: the column holds {number[~np.isfinite(number)][0]}; it takes finite numbers")
    return number


def _groups(values: pd.Series, number: Floats | None, column: str) -> tuple[list[str], Ints]:
    """Names of the groups and the group of every row; a gradient with many values is cut into bins of equal size."""
    if number is not None and (np.unique(number).size > MOST_WHOLE_NUMBERS or (number % 1 != 0).any()):
        ends = np.unique(np.quantile(number, np.arange(1, N_BINS) / N_BINS))
        _, label = np.unique(np.searchsorted(ends, number, side="right"), return_inverse=True)
        inside = [number[label == k] for k in range(label.max() + 1)]
        return [f"{part.min():.3g} to {part.max():.3g}" for part in inside], label
    found = values if number is None else pd.Series(number)
    codes, kinds = pd.factorize(found, sort=True)
    if len(kinds) > MOST_GROUPS:
        raise SynimgError(
            f"--by {column}: it has {len(kinds)} groups, at most {MOST_GROUPS} can be asked: pool them first"
        )
    return [f"{kind:g}" if number is not None else str(kind) for kind in kinds], codes.astype(np.int64)


def _level(label: Ints, neuron: Ints, animal: NDArray[np.object_]) -> Level:
    pairs = pd.DataFrame({"label": label, "neuron": neuron, "animal": animal})
    if (pairs.groupby(["animal", "neuron"])["label"].nunique() > 1).any():
        return "synapses"
    return "neurons" if (pairs.groupby("animal")["label"].nunique() > 1).any() else "animals"


def _share_between(number: Floats, neuron: Ints) -> float:
    mean = pd.Series(number).groupby(neuron).transform("mean").to_numpy()
    return float(mean.var() / number.var())
