"""Synapses edited by hand: classes, notes, points added, moved and deleted, kept as an analysis run of their own."""

import getpass
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg import schema
from synimg.analysis.look import Measured, fit_at
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.tables import read_notes, read_table, write_table

Floats = NDArray[np.float64]
BY_HAND = ("class_by_hand", "note")
SAME_UM = 1e-3


@dataclass(frozen=True)
class Edits:
    """What differs between a layer and the measured table.

    kept : ids of the synapses that stayed
    labels : by id, what was written by hand: class_by_hand and note
    moved_um, added_um : places [um]; the moved ones by id
    deleted : ids that are gone
    """

    kept: list[int]
    labels: pd.DataFrame
    moved: list[int]
    moved_um: Floats
    added_um: Floats
    added_labels: pd.DataFrame
    deleted: list[int]

    @property
    def text(self) -> str:
        """How many of each."""
        n_labels = int((self.labels[list(BY_HAND)] != "").any(axis=1).sum())
        return (
            f"{len(self.added_um)} added, {len(self.deleted)} deleted, {len(self.moved)} moved, "
            f"{n_labels} with a class or a note by hand"
        )


def edits_of(table: pd.DataFrame, places_um: Floats, features: pd.DataFrame) -> Edits:
    """What a person changed in a points layer.

    Parameters
    ----------
    table : DataFrame
        The measured synapses that the layer was made from, with ``synapse_id`` and places.
    places_um : (n, 3) ndarray [um]
        The layer's points.
    features : DataFrame
        The layer's features, a row for each point.

    Notes
    -----
    napari gives a new point the features of the one selected before, its id too. So of several points with one id the
    nearest to the measured place is that synapse, and the others are new; so is a point whose id was never measured.
    """
    if len(places_um) != len(features):
        raise SynimgError(f"{len(places_um)} points and {len(features)} rows of features do not belong together")
    original = table.set_index("synapse_id")[PLACE]
    given = pd.to_numeric(features["synapse_id"], errors="coerce").fillna(-1).astype(np.int64).to_numpy()
    known = np.isin(given, original.index.to_numpy(np.int64))
    distance = np.full(len(given), np.inf)
    distance[known] = np.linalg.norm(places_um[known] - original.loc[given[known]].to_numpy(float), axis=1)
    order = np.lexsort((distance, given))
    is_first = np.zeros(len(given), bool)
    is_first[order] = np.diff(given[order], prepend=np.iinfo(np.int64).min) != 0
    stays = known & is_first
    labels = pd.DataFrame(
        {
            name: (features[name].astype("string").fillna("") if name in features else pd.Series("", features.index))
            .to_numpy(object)
            for name in BY_HAND
        }
    )  # fmt: skip
    moved = stays & (distance > SAME_UM)
    return Edits(
        kept=given[stays].tolist(),
        labels=labels[stays].assign(synapse_id=given[stays]).reset_index(drop=True),
        moved=given[moved].tolist(),
        moved_um=places_um[moved],
        added_um=places_um[~stays],
        added_labels=labels[~stays].reset_index(drop=True),
        deleted=sorted(set(original.index.tolist()) - set(given[stays].tolist())),
    )


def next_run(dataset: Dataset, run: str) -> str:
    """A name for the edited run that no run has: ``default-edit-1`` and so on."""
    base = re.sub(r"-edit-\d+$", "", run)
    taken = {stage.partition("/")[0] for stage in dataset.index["stages"]}
    k = 1
    while f"{base}-edit-{k}" in taken or dataset.run(f"{base}-edit-{k}").exists():
        k += 1
    return f"{base}-edit-{k}"


def save_edits(
    dataset: Dataset,
    run: str,
    places_um: Floats,
    features: pd.DataFrame,
    author: str | None = None,
    time: datetime | None = None,
) -> tuple[str, Edits]:
    """Keep an edited points layer as a new analysis run; the run that it was made from stays as it is.

    Parameters
    ----------
    dataset : Dataset
        The data set.
    run : str
        Run that the layer was made from.
    places_um, features
        The layer's points and features; see `edits_of`.
    author : str, optional
        Who edited; the name of the account if not given.
    time : datetime, optional
        When; now if not given.

    Returns
    -------
    run, edits : str and Edits
        The new run, with ``synapses.parquet`` and ``detections.parquet`` like any other. Added and moved points have
        their receptors counted in the image by the same fit as all others.

    Raises
    ------
    SynimgError
        If nothing was changed, an added point lies outside the image, or the disk cannot be written.
    """
    folder = dataset.run(run)
    table = read_table(folder / "synapses.parquet", schema.SYNAPSES)
    detections = read_table(folder / "detections.parquet")
    edits = edits_of(table, places_um, features)
    if not is_change(table, edits):
        raise SynimgError("nothing has been changed, so there is no edit to save")
    kept, found = _edited(dataset, run, table, detections, edits)
    name = next_run(dataset, run)
    settings = dataset.index["stages"][f"{run}/measure"]["notes"].get("settings", {})
    edit = {
        "of": run,
        "author": author or getpass.getuser(),
        "time": (time or datetime.now(UTC)).isoformat(timespec="seconds"),
        "added": len(edits.added_um),
        "moved": len(edits.moved),
        "deleted": edits.deleted,
    }
    notes = read_notes(folder / "detections.parquet")
    with dataset.stage(f"{name}/measure", {"settings": settings, "edit": edit}) as scratch:
        out = scratch / "analysis" / name
        write_table(out / "synapses.parquet", kept, schema.SYNAPSES, notes={"edit": edit})
        write_table(out / "detections.parquet", found, notes=notes)
    return name, edits


def is_change(table: pd.DataFrame, edits: Edits) -> bool:
    """Whether edits of a measured table change anything."""
    before = {name: table[name].astype("string").fillna("") for name in BY_HAND if name in table}
    asked = pd.DataFrame(before, index=table.index).assign(synapse_id=table["synapse_id"])
    return bool(edits.deleted or edits.moved or len(edits.added_um)) or not _same_labels(asked, edits.labels)


def _same_labels(before: pd.DataFrame, after: pd.DataFrame) -> bool:
    """Whether no class and no note has changed."""
    both = after.merge(before, on="synapse_id", suffixes=("", "_before"), how="left")
    return all((both[name] == (both[f"{name}_before"] if f"{name}_before" in both else "")).all() for name in BY_HAND)


def _edited(
    dataset: Dataset, run: str, table: pd.DataFrame, detections: pd.DataFrame, edits: Edits
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Synapse table and detections after the edits, rows belonging together."""
    table = table.drop(columns=[name for name in (*BY_HAND, "edited") if name in table])
    stays = table["synapse_id"].isin(set(edits.kept)).to_numpy()
    kept, found = table[stays].reset_index(drop=True), detections[stays].reset_index(drop=True)
    kept = kept.merge(edits.labels, on="synapse_id", how="left", validate="one_to_one").assign(edited="")
    places = np.vstack([edits.moved_um, edits.added_um])
    if not len(places):
        return kept, found
    measured = Measured.open(dataset, run)
    # what is moved must not stand in its own way
    old = table["synapse_id"].isin({*edits.moved, *edits.deleted}).to_numpy()
    measured = Measured(**{**vars(measured), "detections": detections[~old]})
    new_found, new = fit_at(measured, places)
    n_moved = len(edits.moved)
    first = int(table["synapse_id"].max()) + 1 if len(table) else 1
    new["synapse_id"] = [*edits.moved, *range(first, first + len(edits.added_um))]
    new["edited"] = ["moved"] * n_moved + ["added"] * len(edits.added_um)
    by_hand = edits.labels.set_index("synapse_id").loc[edits.moved].reset_index(drop=True)
    by_hand = pd.concat([by_hand, edits.added_labels], ignore_index=True)
    new = pd.concat([new, by_hand[list(BY_HAND)]], axis=1)
    still = ~kept["synapse_id"].isin(edits.moved).to_numpy()
    tables: list[Any] = [kept[still].astype({c: new[c].dtype for c in ("animal_id", "group") if c in kept}), new]
    return pd.concat(tables, ignore_index=True), pd.concat([found[still], new_found], ignore_index=True)
