"""What a viewer shows: the layers of ours in it, and the data set that they come from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from synimg.errors import SynimgError
from synimg.store.dataset import Dataset
from synimg.viewers.layers import DENDRITES, SYNAPSES, TRUTH
from synimg.viewers.synapse_map import PLACE

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
            "there are no synapses in this viewer: open a data set folder (File > Open Folder, reader synimg) "
            "or the sample (File > Open Sample > synimg)"
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
