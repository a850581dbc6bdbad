"""Two analyses of the same synapses, or two animals: where they disagree, and what each shows."""

import numpy as np
import pandas as pd

from synimg.analysis.match import match
from synimg.analysis.robust import robust_sd
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.viewers.synapse_map import class_of

SAME_WIRING = 0.9
LEAST_NEURONS = 3


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


def partners_by_wiring(a: pd.DataFrame, b: pd.DataFrame, truth_a: pd.DataFrame, truth_b: pd.DataFrame) -> pd.DataFrame:
    """Rows of two animals' synapse maps that are the same contact of one wiring: ``row_a``, ``row_b``; empty if there is none.

    Parameters
    ----------
    a, b : DataFrame
        Synapse maps, matched to their truth (``true_synapse_id``).
    truth_a, truth_b : DataFrame
        All contacts of each animal: ``synapse_id, pre_id, post_id``.

    Notes
    -----
    Two animals have one wiring if `SAME_WIRING` of the contacts of either, between the same two neurons, are in the other
    too; animals of a cohort do not. Several contacts of one pair of neurons are told apart by their order.
    """
    nothing = pd.DataFrame({"row_a": [], "row_b": []}, dtype=np.int64)
    if not all("true_synapse_id" in table for table in (a, b)):
        return nothing
    keyed = [_contacts(truth) for truth in (truth_a, truth_b)]
    key = ["pre_id", "post_id", "contact"]
    if len(keyed[0].merge(keyed[1], on=key)) < SAME_WIRING * max(len(one) for one in keyed):
        return nothing
    rows = []
    for side, table, contacts in (("row_a", a, keyed[0]), ("row_b", b, keyed[1])):
        known = table[["true_synapse_id"]].reset_index(drop=True).reset_index(names=side).dropna()
        rows.append(known.astype(np.int64).merge(contacts, left_on="true_synapse_id", right_on="synapse_id"))
    return rows[0].merge(rows[1], on=key)[["row_a", "row_b"]]


def _contacts(truth: pd.DataFrame) -> pd.DataFrame:
    """Contacts by their two neurons and their number among those of the pair."""
    truth = truth[["synapse_id", "pre_id", "post_id"]].sort_values("synapse_id")
    return truth.assign(contact=truth.groupby(["pre_id", "post_id"]).cumcount())


def disagreements(a: pd.DataFrame, b: pd.DataFrame, fdr: float, rows: pd.DataFrame | None = None) -> pd.DataFrame:
    """The synapses on which two separations disagree at a false discovery rate, the worst first.

    Parameters
    ----------
    a, b : DataFrame
        Synapse maps, both separated.
    fdr : float
        At which synapses are called in each.
    rows : DataFrame, optional
        ``row_a, row_b`` that are the same synapse; `partners` in one image if not given.

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
    rows = partners(a, b) if rows is None else rows
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


def neurons_apart(a: pd.DataFrame, b: pd.DataFrame, fdr: float) -> pd.DataFrame:
    """The neurons of two animals, those first whose turnover is least like that of the other animal's neurons.

    Parameters
    ----------
    a, b : DataFrame
        Synapse maps; classes where they are separated.
    fdr : float
        At which synapses are called.

    Returns
    -------
    DataFrame
        ``animal`` (A or B), ``neuron_id, n_synapses, share_called, log_turnover`` (the median), and ``apart``: how far that
        lies from the median neuron of the other animal, in robust standard deviations of its neurons (null for fewer
        than `LEAST_NEURONS`).
    """
    each = []
    for animal, table in (("A", a), ("B", b)):
        called = np.isin(class_of(table, fdr), ("potentiated", "depressed"))
        grouped = table.assign(is_called=called).groupby("neuron_id")
        found = grouped.agg(
            n_synapses=("synapse_id", "size"),
            share_called=("is_called", "mean"),
            log_turnover=("log_turnover", "median"),
        )
        each.append(found.reset_index().assign(animal=animal))
    for one, other in (each, each[::-1]):
        middle = other["log_turnover"].median()
        sd = robust_sd(other["log_turnover"].dropna().to_numpy(float)) or 0.0
        is_enough = len(other) >= LEAST_NEURONS and sd > 0
        one["apart"] = (one["log_turnover"] - middle) / sd if is_enough else np.nan
    found = pd.concat(each, ignore_index=True)
    order = found["apart"].abs().sort_values(ascending=False, kind="stable", na_position="last").index
    return found.loc[order, ["animal", "neuron_id", "n_synapses", "share_called", "log_turnover", "apart"]].reset_index(
        drop=True
    )


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
