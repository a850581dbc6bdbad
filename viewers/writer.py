"""napari's writer: a points layer as a table in micrometres, .csv or .parquet."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synimg.errors import SynimgError
from synimg.store.tables import write_table

AXES = ("z_um", "y_um", "x_um")


def table_of(data: Any, attributes: dict[str, Any]) -> pd.DataFrame:
    """The rows of a points layer: places in micrometres by the layer's scale and shift, and its features.

    Raises
    ------
    SynimgError
        If the layer is not in micrometres, or turned or sheared.
    """
    points = np.asarray(data, dtype=float)
    n_axes = points.shape[1]
    if not 2 <= n_axes <= 3:
        raise SynimgError(f"points with {n_axes} axes; a synapse table has z, y, x or y, x")
    units = [str(unit) for unit in attributes.get("units") or ()]
    if any(unit not in {"um", "micrometer", "micron", "µm", "μm"} for unit in units):
        raise SynimgError(
            f"the layer's units are {', '.join(units)}; set them to um so that the table means what it says"
        )
    rotate, shear = attributes.get("rotate"), attributes.get("shear")
    if (rotate is not None and not np.allclose(rotate, np.eye(n_axes))) or (shear is not None and np.any(shear)):
        raise SynimgError("the layer is turned or sheared; its points cannot be given along z, y, x")
    scale = np.asarray(attributes.get("scale", np.ones(n_axes)), float)
    shift = np.asarray(attributes.get("translate", np.zeros(n_axes)), float)
    places = points * scale + shift
    table = pd.DataFrame(places, columns=list(AXES[-n_axes:]))
    features = attributes.get("features")
    if features is not None and len(features):
        table = pd.concat([pd.DataFrame(features).reset_index(drop=True), table], axis=1)
    return table


def write_points(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Write a points layer to `path`; napari calls this for File > Save Selected Layers."""
    file = Path(path)
    if file.suffix.lower() not in {".csv", ".parquet"}:
        raise SynimgError(f"{file}: a synapse table's name ends in .csv or .parquet")
    write_table(file, table_of(data, attributes))
    return [str(file)]
