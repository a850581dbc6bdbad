"""What a separation knew beside the counts when it found p(learning), and which questions that has half answered already."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.separate.protocol import Separation
from synimg.schema import PLACE

Ints = NDArray[np.int64]
COLUMN_OF = {"resimulate": "predicted_ln"}
"""Columns of priors that have another name; the others have the name of their column."""
ABOUT_FACTORS = {"inhibitory_mirror"}
MOST_EXPLAINED = 0.5
"""Share of a prior's variance between the groups above which the question is the prior's own."""


def priors_of(result: Separation) -> list[str]:
    """What made learning likelier in some synapses than in others, before their own counts."""
    weights = result.info.get("parameters", {}).get("prior_weights", {})
    found = [name for name, weight in weights.items() if np.any(weight) and name not in ABOUT_FACTORS]
    if result.info.get("parameters", {}).get("size_weight", 0.0):
        found.append("total")
    return found + ["pre_id"] * bool(result.info.get("diagnosis", {}).get("structure"))


def helped(table: pd.DataFrame, column: str, label: Ints, priors: list[str]) -> str | None:
    """What p(learning) was found with the help of that the question is about as well; None if there is nothing.

    Parameters
    ----------
    table : DataFrame
        Rows of the question.
    column : str
        What is asked.
    label : (n,) ndarray of int
        Group of each row.
    priors : list of str
        `priors_of` the separation.

    Notes
    -----
    A prior that is noise still moves p(learning) a little, in step with its column: however little, a permutation sees it.
    """
    for prior in priors:
        if prior == "clustering":
            branch = [table[name] for name in ("neuron_id", "branch_id") if name in table]
            if column in PLACE or ("branch_id" in table and _is_same_within(label, branch)):
                return "neighbours on the dendrite"
        elif prior in {"group", "pre_id"}:
            if _is_same_within(label, [table[prior]]):
                return f"'{prior}'"
        elif prior == "total":
            if _share_between((table["r_old"] + table["r_new"]).clip(lower=0.5).apply(np.log), label) > MOST_EXPLAINED:
                return "the sizes"
        else:
            name = COLUMN_OF.get(prior, prior)
            if column == name or (name in table and _share_between(table[name], label) > MOST_EXPLAINED):
                return f"'{name}'"
    return None


def _is_same_within(label: Ints, keys: list[pd.Series]) -> bool:
    """Whether all rows of a unit, those with the same `keys`, are in one group."""
    several = pd.Series(label).groupby([key.to_numpy() for key in keys]).nunique()
    return bool((several <= 1).all())


def _share_between(values: pd.Series, label: Ints) -> float:
    """Share of the variance of `values` that lies between groups."""
    x = values.to_numpy(float)
    seen = np.isfinite(x)
    if not seen.any() or x[seen].std() == 0:
        return 0.0
    mean = pd.Series(x[seen]).groupby(label[seen]).transform("mean").to_numpy()
    return float(mean.var() / x[seen].var())
