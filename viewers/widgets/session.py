"""What a viewer shows: the layers of ours in it, and the data set that they come from."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synimg import schema
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.dataset import Dataset
from synimg.store.tables import read_table
from synimg.viewers.edits import BY_HAND, Edits, edits_of, is_change
from synimg.viewers.layers import DENDRITES, SYNAPSES, TRUTH

OURS = "synimg"


@dataclass(frozen=True)
class Session:
    """The synapses in a viewer with what belongs to them; `truth` and `dendrites` are layers or None."""

    layer: Any
    truth: Any
    dendrites: Any
    path: Path | None
    run: str

    @property
    def dataset(self) -> Dataset | None:
        """The data set as it is on disk now; None for an image of another lab."""
        return None if self.path is None else Dataset.open(self.path)

    def table(self) -> pd.DataFrame:
        """The synapse map as the layer has it now, places included."""
        return table_of_layer(self.layer)


def table_of_layer(layer: Any) -> pd.DataFrame:
    """Features of a points layer with the places of its points [um]."""
    places = pd.DataFrame(layer.data, columns=PLACE[-layer.ndim :], dtype=float)
    return pd.concat([layer.features.reset_index(drop=True), places], axis=1)


def unsaved(layer: Any) -> Edits | None:
    """The edits by hand in a layer of synapses that no run has yet; None if there are none, or it is of no data set."""
    about = layer.metadata.get(OURS, {})
    if "dataset" not in about or about.get("saved") == state_of(layer):
        return None
    dataset, run = Dataset.open(about["dataset"]), about["run"]
    if not dataset.is_done(f"{run}/measure"):
        return None
    table = read_table(dataset.run(run) / "synapses.parquet", schema.SYNAPSES)
    edits = edits_of(table, np.asarray(layer.data, float), layer.features)
    return edits if is_change(table, edits) else None


def state_of(layer: Any) -> str:
    """A fingerprint of what can be edited by hand in a layer of synapses."""
    labels = layer.features[[name for name in BY_HAND if name in layer.features]]
    return hashlib.sha256(np.asarray(layer.data, float).tobytes() + labels.to_csv().encode()).hexdigest()


def find_session(viewer: Any) -> Session:
    """The synapses in a viewer.

    Raises
    ------
    SynimgError
        If there is no synapse layer of ours.
    """
    points = [layer for layer in viewer.layers if type(layer).__name__ == "Points" and OURS in layer.metadata]
    chosen = [layer for layer in points if layer.name.startswith(SYNAPSES)]
    active = viewer.layers.selection.active
    if active in chosen:
        chosen = [active]
    if not chosen:
        raise SynimgError(
            "there are no synapses in this viewer: open a data set folder (File > IO Utilities > Open a data set folder) "
            "or the sample (File > Open Sample > Synapse map with its causes)"
        )
    layer = chosen[-1]
    about = layer.metadata[OURS]
    path = Path(about["dataset"]) if "dataset" in about else None

    def beside(name: str) -> Any:
        same = [
            one
            for one in viewer.layers
            if one.name.startswith(name) and one.metadata.get(OURS, {}).get("dataset") == about.get("dataset")
        ]
        return same[-1] if same and path is not None else None

    return Session(layer, beside(TRUTH), beside(DENDRITES), path, about.get("run", "default"))
