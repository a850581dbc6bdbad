"""Two analyses of the same synapses: where they disagree; and two animals: what each shows."""

import numpy as np
import pandas as pd

from synimg.analysis.match import match
from synimg.errors import SynimgError
from synimg.viewers.synapse_map import PLACE, class_of


def partners(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Rows of two synapse maps of one image that are the same synapse: ``row_a``, ``row_b``.

    Ids decide where both tables hold the same places under them; places decide otherwise, one to one.
    """
    both = a.reset_index(names="row_a").merge(b.reset_index(names="row_b"), on="synapse_id", suffixes=("", "_b"))
    if (
        len(both)
        and (np.abs(both[PLACE].to_numpy(float) - both[[f"{c}_b" for c in PLACE]].to_numpy(float)) < 1e-6).all()
    ):
        return both[["row_a", "row_b"]]
    i, j = match(a[PLACE].to_numpy(float), b[PLACE].to_numpy(float))
    return pd.DataFrame({"row_a": i, "row_b": j})


def disagreements(a: pd.DataFrame, b: pd.DataFrame, fdr: float) -> pd.DataFrame:
    """The synapses on which two separations of one image disagree at a false discovery rate, the worst first.

    Parameters
    ----------
    a, b : DataFrame
        Synapse maps, both separated.
    fdr : float
        At which synapses are called in each.

    Returns
    -------
    DataFrame
        ``synapse_id, neuron_id, class_a, class_b, p_learning_a, p_learning_b``, ``row_a`` and ``row_b`` in the tables.

    Raises
    ------
    SynimgError
        If either has not been separated.
    """
    for table in (a, b):
        if "p_learning" not in table:
            raise SynimgError("one of the two has not been separated, so there is nothing to compare")
    rows = partners(a, b)
    i, j = rows["row_a"].to_numpy(), rows["row_b"].to_numpy()
    found = pd.DataFrame(
        {
            "synapse_id": a["synapse_id"].to_numpy()[i],
            "neuron_id": a["neuron_id"].to_numpy()[i],
            "class_a": class_of(a, fdr)[i],
            "class_b": class_of(b, fdr)[j],
            "p_learning_a": a["p_learning"].to_numpy(float)[i],
            "p_learning_b": b["p_learning"].to_numpy(float)[j],
            "row_a": i,
            "row_b": j,
        }
    )
    found = found[found["class_a"] != found["class_b"]]
    gap = (found["p_learning_a"] - found["p_learning_b"]).abs()
    return found.loc[gap.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def summary(table: pd.DataFrame, fdr: float) -> dict[str, float]:
    """What one animal shows: synapses, neurons, called ones and their share, median log turnover."""
    classes = class_of(table, fdr)
    n = {name: int((classes == name).sum()) for name in ("potentiated", "depressed")}
    return {
        "synapses": len(table),
        "neurons": int(table["neuron_id"].nunique()),
        **n,
        "share called": sum(n.values()) / max(len(table), 1),
        "median log turnover": float(table["log_turnover"].median()),
    }
