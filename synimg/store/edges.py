"""Networks from other simulators: tables of edges and of cells, SONATA files."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd

from synimg import schema
from synimg.errors import SynimgError, nearest
from synimg.store.tables import read_table

BEFORE_AFTER = ("weight_before", "weight_after")


def read_edges(path: Path, after: Path | None, population: str) -> pd.DataFrame:
    """Edges with their weights before and after the window, checked.

    Parameters
    ----------
    path : Path
        A table (.parquet, .csv) with `pre`, `post`, `weight_before`, `weight_after`, or a SONATA edge file (.h5) with the last
        two as attributes; with `after`, a SONATA file with `syn_weight`.
    after : Path or None
        A SONATA file of the same edges after the window, with `syn_weight`.
    population : str
        Edge population of a SONATA file; may be empty if it holds only one.

    Returns
    -------
    DataFrame
        The columns of `schema.EDGES`.

    Raises
    ------
    SynimgError
        For a missing column or population, self-loops, edges that occur twice, weights that change sign or are 0 twice,
        causes that do not add up.
    """
    if path.suffix in {".h5", ".hdf5"}:
        frame = _sonata(path, after, population)
    elif after is not None:
        raise SynimgError(f"imported.edges_after is for SONATA files; {path} is a table: give weight_after as a column")
    elif population:
        raise SynimgError(f"imported.population is for SONATA files; {path} is a table: leave it out")
    else:
        frame = read_table(path)
    if frame.empty:
        raise SynimgError(f"{path}: holds no edges")
    frame = schema.check(frame.assign(edge_id=np.arange(1, len(frame) + 1)), schema.EDGES, str(path))
    _check(frame, str(path))
    return frame


def read_cells(path: Path | None, edges: pd.DataFrame) -> pd.DataFrame:
    """Cells by id; without a file they are those of the edges, excitatory where their weights are positive.

    Raises
    ------
    SynimgError
        For a missing column, a cell of an edge that is not in the file, a cell type that its weights contradict, a rate that
        cannot be.
    """
    ids = np.union1d(edges["pre"], edges["post"])
    sign = edges.assign(sign=np.sign(edges[list(BEFORE_AFTER)].sum(axis=1))).groupby("pre")["sign"].agg(["min", "max"])
    mixed = sign.index[sign["min"] * sign["max"] < 0]
    if len(mixed):
        raise SynimgError(
            f"cell {mixed[0]} has positive and negative weights onto others; a cell is excitatory or inhibitory (Dale's law)"
        )
    by_sign = pd.Series("E", index=ids).where(~pd.Index(ids).isin(sign.index[sign["max"] < 0]), "I")
    if path is None:
        return pd.DataFrame({"cell_id": ids, "cell_type": by_sign.to_numpy()})
    cells = read_table(path, schema.CELLS)
    missing = np.setdiff1d(ids, cells["cell_id"])
    if missing.size:
        raise SynimgError(f"{path}: cell {missing[0]} of the edges is missing; {missing.size} are")
    wrong = ~cells["cell_type"].isin(["E", "I"])
    if wrong.any():
        raise SynimgError(f"{path}: cell_type '{cells['cell_type'][wrong].iloc[0]}'; it takes E or I")
    stated = cells.set_index("cell_id")["cell_type"].reindex(sign.index)
    against = stated.index[(stated != by_sign.reindex(sign.index)).to_numpy()]
    if len(against):
        raise SynimgError(
            f"{path}: cell {against[0]} is '{stated[against[0]]}', its weights have the other sign; mend one of them"
        )
    for name in {"rate_start", "rate_end"} & set(cells.columns):
        rate = cells[name].to_numpy(float)
        bad = (rate < 0) | np.isinf(rate)
        if bad.any():
            cell = cells["cell_id"].iloc[int(np.argmax(bad))]
            raise SynimgError(f"{path}: {name} of cell {cell} is {rate[bad][0]:g}; it takes finite rates of 0 or more")
    return cells.sort_values("cell_id").reset_index(drop=True)


def _check(frame: pd.DataFrame, where: str) -> None:
    before, after = (frame[name].to_numpy() for name in BEFORE_AFTER)

    def refuse(bad: Any, what: str) -> None:
        if bad.any():
            row = frame.iloc[int(np.argmax(bad))]
            edge = f"edge {int(row['pre'])} to {int(row['post'])}"
            raise SynimgError(f"{where}: {edge} {what} ({int(bad.sum())} such rows)")

    refuse((frame["pre"] == frame["post"]).to_numpy(), "is a self-loop; leave it out")
    refuse(~np.isfinite(before * after), "has a weight that is not finite")
    key = ["pre", "post", "contact"] if "contact" in frame else ["pre", "post"]
    refuse(
        frame.duplicated(key).to_numpy(),
        "occurs more than once; a column 'contact' tells several synapses of one edge apart",
    )
    refuse(before * after < 0, "changes its sign between weight_before and weight_after; Dale's law forbids that")
    refuse((before == 0) & (after == 0), "has weight 0 before and after; leave it out")
    causes = [name for name in ("learning", "homeostasis", "drift") if name in frame]
    if causes:
        total = frame[causes].sum(axis=1).to_numpy()
        allowed = 1e-6 * np.maximum(np.abs(before), np.abs(after))
        refuse(
            np.abs(total - (after - before)) > allowed,
            f"has {' + '.join(causes)} that is not weight_after - weight_before",
        )


def _sonata(path: Path, after: Path | None, population: str) -> pd.DataFrame:
    if after is None:
        return _sonata_population(path, population, None)
    first, last = (_sonata_population(p, population, "syn_weight") for p in (path, after))
    ends = ["pre", "post"]
    if len(first) != len(last) or not (first[ends].to_numpy() == last[ends].to_numpy()).all():
        raise SynimgError(
            f"{path} and {after}: the populations do not match; both must hold the same edges in one order"
        )
    return first[ends].assign(weight_before=first["syn_weight"], weight_after=last["syn_weight"])


def _sonata_population(path: Path, population: str, weight: str | None) -> pd.DataFrame:
    try:
        import libsonata
    except ImportError:
        raise SynimgError("SONATA files are read by libsonata, which is not installed: pip install libsonata") from None
    if not path.is_file():
        raise SynimgError(f"{path}: no such file")
    try:
        with h5py.File(path) as file:  # libsonata would print the stack of HDF5 first
            if "edges" not in file:
                raise SynimgError(f"{path}: not a SONATA edge file (it has no group 'edges')")
        storage = libsonata.EdgeStorage(str(path))
        known = sorted(storage.population_names)
    except (OSError, libsonata.SonataError, RuntimeError) as error:
        raise SynimgError(f"{path}: not a SONATA edge file ({str(error).splitlines()[0]})") from None
    if not population and len(known) > 1:
        raise SynimgError(f"{path}: holds the populations {', '.join(known)}; choose one with imported.population")
    name = population or known[0]
    if name not in known:
        raise SynimgError(f"{path}: no population '{name}'; {nearest(name, known)}")
    edges = storage.open_population(name)
    chosen = edges.select_all()
    frame = pd.DataFrame({"pre": edges.source_nodes(chosen) + 1, "post": edges.target_nodes(chosen) + 1}).astype(
        "int64"
    )
    needed = [weight] if weight else list(BEFORE_AFTER)
    optional = ["learning", "homeostasis", "drift", "contact"]
    for attribute in needed + [o for o in optional if o in edges.attribute_names]:
        if attribute not in edges.attribute_names:
            hint = nearest(attribute, sorted(edges.attribute_names))
            raise SynimgError(f"{path}: population '{name}' has no attribute '{attribute}'; {hint}")
        frame[attribute] = edges.get_attribute(attribute, chosen)
    if frame.duplicated(["pre", "post"]).any() and "contact" not in frame:
        frame["contact"] = frame.groupby(["pre", "post"]).cumcount()
    return frame
