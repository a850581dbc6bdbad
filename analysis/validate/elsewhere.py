"""Validation of a separation whose truth lies elsewhere: any tables with the same ``synapse_id``."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from synimg import schema
from synimg.analysis.separation_files import read_separation
from synimg.analysis.shares import CAUSES
from synimg.analysis.validate.run import separation_headlines
from synimg.analysis.validate.separation import separation_scores
from synimg.analysis.validate.verdict import verdicts
from synimg.errors import SynimgError
from synimg.store.atomic import write_json
from synimg.store.tables import read_table


def validate_elsewhere(result: str | Path, truth: str | Path) -> dict[str, Any]:
    """Score a separation against truth tables that lie elsewhere, by ``synapse_id``; written to `result`.

    Parameters
    ----------
    result : path
        Folder of a separation (``separation.parquet``, ``neurons.parquet``, ``animals.parquet``, ``result.json``).
    truth : path
        Folder with ``synapses.parquet``: ``synapse_id``, ``is_learned``, and what else there is of ``learning``,
        ``homeostasis``, ``drift`` (receptors), ``ln_learning``, ... , ``neuron_id`` or ``post_id``, ``pre_id``, ``animal_id``;
        and perhaps ``neurons.parquet`` (``neuron_id``, ``scale_factor``, ``animal_id``).

    Raises
    ------
    SynimgError
        If a file is missing, no synapse occurs in both, or a label is empty.
    """
    result, truth = Path(result), Path(truth)
    separation = read_separation(result)
    labels = _labels(truth / "synapses.parquet")
    if (unknown := ~separation.synapses["synapse_id"].isin(labels["synapse_id"])).all():
        raise SynimgError(f"{truth}: no synapse_id of {result} occurs there; the truth belongs to another table")
    found = separation.synapses[~unknown].reset_index(drop=True)
    beside = found[["synapse_id"]].merge(labels, on="synapse_id", how="left")
    path = truth / "neurons.parquet"
    neurons = read_table(path) if path.is_file() else None
    if neurons is not None and not {"neuron_id", "scale_factor"} <= set(neurons):
        neurons = None
    beside = _with_owners(beside, neurons, separation.animals)
    part = type(separation)(found, separation.neurons, separation.animals, separation.info)
    scores: dict[str, Any] = {"synimg_schema": schema.SCHEMA_VERSION}
    scores |= separation_scores(part, beside, neurons, 0)
    scores["verdicts"] = [asdict(one) for one in verdicts(part, beside, neurons)]
    rows = {"synapses in both": str(len(found))} | separation_headlines(scores, {})
    rows |= {one["what"]: one["text"] for one in scores["verdicts"]}
    scores["headlines"] = {f"Separation ({scores['method']})": rows}
    write_json(result / "scores.json", scores)
    return scores


def _labels(path: Path) -> pd.DataFrame:
    """The truth about synapses.

    Raises
    ------
    SynimgError
        If a column is missing, an id occurs twice, or a label is empty.
    """
    labels = read_table(path)
    for column in ("synapse_id", "is_learned"):
        if column not in labels:
            raise SynimgError(f"{path}: column '{column}' is missing; it names the learned synapses")
    if (twice := labels["synapse_id"].duplicated()).any():
        raise SynimgError(
            f"{path}: synapse_id {labels['synapse_id'][twice].iloc[0]} occurs more than once; ids are unique"
        )
    if (empty := labels["is_learned"].isna()).any():
        synapse = labels["synapse_id"][empty].iloc[0]
        raise SynimgError(f"{path}: 'is_learned' of synapse_id {synapse} is empty; it takes true or false")
    return labels


def _with_owners(beside: pd.DataFrame, neurons: pd.DataFrame | None, animals: pd.DataFrame) -> pd.DataFrame:
    """The rows with the neuron and the animal that they belong to, as far as the truth says so."""
    if "neuron_id" not in beside:
        beside = beside.assign(neuron_id=beside["post_id"] if "post_id" in beside else beside["synapse_id"])
    if "animal_id" not in beside:
        if neurons is not None and "animal_id" in neurons:
            of = beside["neuron_id"].map(neurons.set_index("neuron_id")["animal_id"])
        else:
            of = pd.Series(animals["animal_id"].iloc[0] if len(animals) == 1 else "", index=beside.index)
        beside = beside.assign(animal_id=of.fillna(""))
    known = [name for name in CAUSES if name in beside and beside[name].isna().all()]
    return beside.drop(columns=known)
