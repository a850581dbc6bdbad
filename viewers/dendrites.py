"""Dendrites: one Vectors layer for all, and the place of a synapse along the dendrite that it sits on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.phantoms.morphology import branches_of
from synimg.store.morphology import read_tree_arrays

Floats = NDArray[np.float64]
BEYOND_UM = 1.0
SPACE: dict[str, Any] = {"units": ("um", "um", "um"), "axis_labels": ("z", "y", "x")}


def tree_files(folder: Path) -> dict[int, Path]:
    """Morphology file of every neuron in the folder ``truth/morphology``."""
    return {int(file.stem.removeprefix("neuron")): file for file in sorted(folder.glob("neuron*.swc"))}


def dendrites_of(folder: Path, size_um: tuple[float, float, float]) -> tuple[Any, dict[str, Any], str]:
    """All dendrites as one Vectors layer: one vector per piece, which stays fast for thousands of branches.

    Parameters
    ----------
    folder : path
        ``truth/morphology`` of a data set.
    size_um : tuple of float
        Size of the image; what runs on farther than `BEYOND_UM` outside it is left out.
    """
    pieces, neuron, branches = [], [], []
    for neuron_id, file in tree_files(folder).items():
        points, _, parent, swc_type = read_tree_arrays(file)
        is_near = ((points > -BEYOND_UM) & (points < np.array(size_um) + BEYOND_UM)).all(axis=1)
        child = np.flatnonzero((parent >= 0) & is_near)
        start = points[parent[child]]
        pieces.append(np.stack([start, points[child] - start], axis=1))
        neuron.append(np.full(child.size, neuron_id))
        branches.append(branches_of(parent, swc_type)[child])
    arguments = {
        "name": "dendrites",
        "features": pd.DataFrame({"neuron_id": np.concatenate(neuron), "branch_id": np.concatenate(branches)}),
        "edge_color": "#56B4E9",
        "edge_width": 0.12,
        "vector_style": "line",
        "projection_mode": "all",
        "opacity": 0.7,
        "visible": True,
        **SPACE,
    }
    return np.concatenate(pieces), arguments, "vectors"


def along(file: Path, position_um: Floats) -> pd.DataFrame:
    """Where on a neuron's dendrite places lie.

    Parameters
    ----------
    file : path
        Morphology of the neuron.
    position_um : (n, 3) ndarray [um]
        z, y, x.

    Returns
    -------
    DataFrame
        ``branch_id``, ``path_um`` (along the tree from the soma) and ``off_um`` (from the dendrite's axis), a row each.
    """
    points, _, parent, swc_type = read_tree_arrays(file)
    path = np.zeros(parent.size)
    for i in range(parent.size):  # parents come before their children
        if parent[i] >= 0:
            path[i] = path[parent[i]] + np.linalg.norm(points[i] - points[parent[i]])
    off, nearest = cKDTree(points).query(position_um)
    branch = branches_of(parent, swc_type)[nearest]
    return pd.DataFrame({"branch_id": branch, "path_um": path[nearest], "off_um": off})
