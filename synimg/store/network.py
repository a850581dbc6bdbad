"""The network on disk: SONATA nodes and edges in HDF5, and the history of the window in zarr."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store.atomic import disk_errors, require_room

Arrays = dict[str, NDArray[Any]]
_MAGIC, _VERSION = 0x0A7A, [0, 1]  # SONATA data format: "SONATA file layout", root attributes


def write_network(
    path: Path, nodes: Arrays, edges: dict[str, Arrays], extra: Arrays, axons: Arrays | None = None
) -> None:
    """Write a network as a SONATA file (Dai et al. 2020, PLoS Comput Biol 16:e1007696).

    Parameters
    ----------
    path : Path
        Where to.
    nodes : dict of (n_nodes,) ndarray
        Attributes of the node population ``units``; node i is the neuron of id i + 1.
    edges : dict of dict of (n_edges,) ndarray
        For each edge population ``source`` and ``target`` node, and further attributes.
    extra : dict of ndarray
        Arrays of the simulator itself, under the group ``synimg``.
    axons : dict of (n_axons,) ndarray, optional
        Attributes of further nodes that have no dendrite, a second group of the population, with the ids behind the units'.
    """
    kept = [nodes, axons or {}, extra, *edges.values()]
    n_bytes = sum(values.nbytes for arrays in kept for values in arrays.values())
    # HDF5 that meets the end of the disk can neither go on nor close its file; a fifth more for its indices
    require_room(path, int(1.2 * n_bytes) + 2**16)
    with disk_errors(path), h5py.File(path, "w", libver="v110", track_order=False) as file:
        file.attrs["magic"], file.attrs["version"] = np.uint32(_MAGIC), np.array(_VERSION, np.uint32)
        units = file.create_group("nodes/units")
        groups = [nodes, *([axons] if axons else [])]
        sizes = [len(next(iter(group.values()))) for group in groups]
        _put(units, {"node_type_id": np.full(sum(sizes), -1), **_group_index(sizes, "node")})
        for number, attributes in enumerate(groups):
            _put(units.create_group(str(number)), attributes)
        for name, attributes in edges.items():
            group = file.create_group(f"edges/{name}")
            n_edges = len(attributes["source"])
            for end in ("source", "target"):
                _put(group, {f"{end}_node_id": attributes[end]})
                group[f"{end}_node_id"].attrs["node_population"] = "units"
            _put(group, {"edge_type_id": np.full(n_edges, -1), **_group_index([n_edges], "edge")})
            _put(group.create_group("0"), {k: v for k, v in attributes.items() if k not in {"source", "target"}})
        _put(file.create_group("synimg"), extra)


def _group_index(sizes: list[int], kind: str) -> Arrays:
    """Which group each node or edge belongs to, and its place there."""
    return {
        f"{kind}_group_id": np.repeat(np.arange(len(sizes)), sizes),
        f"{kind}_group_index": np.concatenate([np.arange(n) for n in sizes]),
    }


def _put(group: Any, arrays: Arrays) -> None:
    for name, values in arrays.items():
        group.create_dataset(name, data=values, track_times=False)  # a time stamp would change the bytes


def read_network(path: Path, names: Collection[str] | None = None) -> tuple[Arrays, dict[str, Arrays], Arrays]:
    """Nodes, edges and extra arrays, as `write_network` takes them; what it has of axons under ``axon_...`` in the last.

    Where `names` are given, no other attribute is read but the ends of the edges.

    Raises
    ------
    SynimgError
        If the file is missing, truncated or another kind of file.
    """
    try:
        with h5py.File(path, "r") as file:
            nodes = _get(file["nodes/units/0"], names)
            axons = _get(file["nodes/units/1"], names) if "1" in file["nodes/units"] else {}
            edges = {}
            for name, group in file["edges"].items():
                ends = {end: group[f"{end}_node_id"][()] for end in ("source", "target")}
                edges[name] = ends | _get(group["0"], names)
            return (
                nodes,
                edges,
                _get(file["synimg"], names) | {f"axon_{name}": values for name, values in axons.items()},
            )
    except (OSError, KeyError) as error:
        raise SynimgError(f"{path}: not a readable network file ({str(error).splitlines()[0]})") from None


def _get(group: Any, names: Collection[str] | None) -> Arrays:
    return {name: values[()] for name, values in group.items() if names is None or name in names}


def write_arrays(path: Path, arrays: Arrays, attributes: dict[str, Any]) -> None:
    """Write named arrays into a zarr group."""
    with disk_errors(path):
        group = zarr.open_group(path, mode="w", zarr_format=3)
        group.attrs.update(attributes)
        for name, values in arrays.items():
            group.create_array(name, data=np.asarray(values))


def read_arrays(path: Path) -> tuple[Arrays, dict[str, Any]]:
    """The arrays and attributes of a zarr group.

    Raises
    ------
    SynimgError
        If it is missing or damaged.
    """
    try:
        group = zarr.open_group(path, mode="r")
        return {name: np.asarray(array[...]) for name, array in group.arrays()}, dict(group.attrs)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise SynimgError(f"{path}: not readable ({str(error).splitlines()[0]})") from None
