"""A table that is too large for the memory, separated by `hierarchical` some neurons after the other.

Neurons are dealt out at random, so that every piece is a sample of the whole: models are found in the first, the posterior
of each piece is kept on disk until the zero of the factors is known of all, and results are written piece by piece.
"""

import pickle
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import threadpoolctl
from numpy.typing import NDArray

from synimg import compute, schema
from synimg.analysis.calls import n_sure
from synimg.analysis.controls import zero_of
from synimg.analysis.diagnosis import diagnose
from synimg.analysis.mixture.arrange import arrange, has_branches, some_neurons, what_is_known
from synimg.analysis.mixture.choose import Choice, choose, spread_out
from synimg.analysis.mixture.result import Found, facts, neuron_table, shares_of_animals, synapse_table
from synimg.analysis.mixture.rivals import Rival, rivals_of
from synimg.analysis.mixture.whole_cell import whole_cells
from synimg.analysis.remarks import remarks
from synimg.analysis.separate.hierarchical import SEARCH_SYNAPSES, VERSION, found_with, needs
from synimg.errors import SynimgError
from synimg.store.tables import read_table, table_writer
from synimg.streams import stream

Ints = NDArray[np.int64]
MOST_IN_MEMORY = 1_000_000
PIECE_SYNAPSES = 200_000
BATCH_ROWS = 500_000
ROW = "_row"
VALUES = [name for name in schema.SEPARATION.names if name != "synapse_id"]


@dataclass(frozen=True)
class Whole:
    """What was found in all pieces: tables by neuron and animal, facts, how many rows are likely learned, who is left out."""

    neurons: pd.DataFrame
    animals: pd.DataFrame
    info: dict[str, Any]
    n_synapses: int
    n_called: int
    without_parents: list[str]


@dataclass(frozen=True)
class Pieces:
    """A table dealt out to files.

    folder, source : where the pieces lie, and the file that they came from
    n : pieces
    ids : of the synapses with a parent, in their order in the source
    n_orphans : synapses without one, which are in no piece
    prepare : completes a checked table
    """

    folder: Path
    source: Path
    n: int
    ids: Ints
    n_orphans: int
    prepare: Callable[[pd.DataFrame], pd.DataFrame]

    def table(self, i: int) -> tuple[pd.DataFrame, Ints]:
        """Synapse table of a piece, checked, and its rows among the synapses with a parent."""
        frame = read_table(self.folder / f"{i}.parquet")
        rows = frame.pop(ROW).to_numpy(np.int64)
        return self.prepare(schema.check(frame, schema.SYNAPSES, str(self.source))), rows

    def keep(self, i: int, found: Found) -> None:
        """Put what was found in a piece, but its table, on disk."""
        with (self.folder / f"{i}.pickle").open("wb") as file:
            pickle.dump(replace(found, table=pd.DataFrame()), file)

    def kept(self, i: int) -> tuple[Found, Ints]:
        """What was found in a piece, and its rows among the synapses with a parent."""
        table, rows = self.table(i)
        with (self.folder / f"{i}.pickle").open("rb") as file:
            found: Found = pickle.load(file)
        return replace(found, table=table), rows


NO_PARENTS = "'neuron_id' is empty in every row; causes are told apart by neuron"


def left_out(n_orphans: int, n_rows: int) -> str:
    """That synapses without a parent are left out."""
    return f"{n_orphans} of {n_rows} synapses have no parent (neuron_id) and are left out"


def is_too_large(path: Path) -> bool:
    """Whether a file has more rows than are separated in one piece."""
    try:
        return path.suffix == ".parquet" and pq.ParquetFile(path).metadata.num_rows > MOST_IN_MEMORY
    except (pa.ArrowInvalid, OSError):
        return False  # whoever reads it says what is wrong


@threadpoolctl.threadpool_limits.wrap(limits=1)
def separate_in_pieces(
    path: Path,
    out: Path,
    seed: int,
    prepare: Callable[[pd.DataFrame], pd.DataFrame],
    report: compute.Report = compute.silent,
) -> Whole:
    """Separate a Parquet table of any length; ``separation.parquet`` goes to `out`, with the rows in their order.

    Parameters
    ----------
    path : Path
        Synapse table.
    out : Path
        Folder. What is found on the way lies in a folder within it, about 500 bytes per row, until the end.
    seed : int
    prepare : callable
        Completes a checked table (a piece of it), or refuses it.
    report : callable
        Called with (what, done, total).

    Notes
    -----
    In memory are one piece and 40 bytes of every row. Synapses without a parent are left out. Blocks of presynaptic partners
    and neighbours along the dendrite are not looked for.
    """
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pieces-", dir=out) as name:
        pieces = _dealt_out(path, Path(name), seed, prepare, report)
        table, _ = pieces.table(0)
        some = some_neurons(arrange(table, what_is_known(table))[0], SEARCH_SYNAPSES, seed)
        choice = choose(some, has_branches(table))
        rivals = rivals_of(some, choice)
        choice = spread_out(some, choice, len(pieces.ids), seed)
        diagnosis = diagnose(table, seed) | {"sample_of": int(pieces.ids.size)}
        factors = []
        what = "posterior of pieces"
        for i in range(pieces.n):
            report(what, i, pieces.n)
            found = _posterior(pieces.table(i)[0], choice, rivals, seed, path)
            factors.append((found.parts.factor, found.parts.factor_var, found.data.is_control))
            pieces.keep(i, found)
        report(what, pieces.n, pieces.n)
        whole = _results(pieces, out, factors, report)
        whole.info["warnings"] += remarks(table)
        whole.info["diagnosis"]["table"] = diagnosis
        return whole


def _posterior(table: pd.DataFrame, choice: Choice, rivals: list[Rival], seed: int, path: Path) -> Found:
    """Of a piece, under the models that were chosen in the first; zero and cells are those of the piece."""
    known = what_is_known(table)
    arranged = arrange(table, known)
    data, model = arranged[0], choice.models[0]
    found = data.n_kinds, data.covariates.shape[1], data.of_factor.shape[1]
    if found != (len(model.factor_sd), len(model.covariate_weights), len(model.factor_weights)):
        raise SynimgError(
            f"{path}: a group, or a column that bears on learning, has too few rows to be in every part of a table that is "
            f"separated in parts; leave it out, or separate up to {MOST_IN_MEMORY} rows at a time"
        )
    return found_with(table, arranged, known, choice, rivals, seed)


def _results(pieces: Pieces, out: Path, factors: list[tuple[Any, ...]], report: compute.Report) -> Whole:
    """Results of all pieces, with the zero and the kinds of neurons that all factors tell."""
    factor, factor_var, is_control = (np.concatenate(v) for v in zip(*factors, strict=True))
    zero, cells = zero_of(factor, is_control), whole_cells(factor, factor_var, is_control)
    values = np.memmap(pieces.folder / "values", np.float64, "w+", shape=(pieces.ids.size, len(VALUES)))
    neurons: list[pd.DataFrame] = []
    animals: list[pd.DataFrame] = []
    info: dict[str, Any] = {}
    seen: set[str] = set()
    first, what = 0, "results of pieces"
    for i in range(pieces.n):
        report(what, i, pieces.n)
        found, rows = pieces.kept(i)
        mine = slice(first, first + found.ids.size)
        first = mine.stop
        found = replace(found, zero=zero, cells=replace(cells, p_grown=cells.p_grown[mine]))
        values[rows] = synapse_table(found)[VALUES].to_numpy(float)
        neurons.append(neuron_table(found))
        if new := set(found.table["animal_id"]) - seen:
            shares = shares_of_animals(found)
            animals.append(shares[shares["animal_id"].isin(list(new))])
            seen |= new
        info = info or facts(found, VERSION, needs.assumes)
    report(what, pieces.n, pieces.n)
    n_called = _write(out, pieces.ids, values)
    info["diagnosis"] |= {
        "n_neurons": int(factor.size),
        "n_synapses": int(pieces.ids.size),
        "n_control_neurons": int(is_control.sum()),
        "sd_ln_factor": float(factor.std()),
    }
    info["warnings"].append(
        f"{pieces.ids.size} rows were separated in {pieces.n} parts: partners (pre_id) and neighbours on the dendrite were not "
        "made use of"
    )
    return Whole(
        pd.concat(neurons, ignore_index=True).sort_values("neuron_id", ignore_index=True),
        pd.concat(animals, ignore_index=True).sort_values("animal_id", ignore_index=True),
        info,
        int(pieces.ids.size),
        n_called,
        [left_out(pieces.n_orphans, pieces.ids.size + pieces.n_orphans)] if pieces.n_orphans else [],
    )


def _write(out: Path, ids: Ints, values: NDArray[np.float64]) -> int:
    """Write ``separation.parquet``; the number of rows with p(learning) of 0.8 or more."""
    n_called = 0
    with table_writer(out / "separation.parquet", schema.SEPARATION) as write:
        for start in range(0, ids.size, PIECE_SYNAPSES):
            part = pd.DataFrame(values[start : start + PIECE_SYNAPSES], columns=VALUES)
            part.insert(0, "synapse_id", ids[start : start + PIECE_SYNAPSES])
            n_called += n_sure(part)
            write(part)
    return n_called


def _dealt_out(
    path: Path,
    folder: Path,
    seed: int,
    prepare: Callable[[pd.DataFrame], pd.DataFrame],
    report: compute.Report,
) -> Pieces:
    """The table in files of whole neurons, drawn at random."""
    source = pq.ParquetFile(path)
    ids, piece_of, n_pieces = _lots(source, path, seed)
    fields = source.schema_arrow.append(pa.field(ROW, pa.int64()))
    writers = [pq.ParquetWriter(folder / f"{i}.parquet", fields) for i in range(n_pieces)]
    start, n_before = 0, 0
    try:
        for batch in source.iter_batches(BATCH_ROWS):
            report("rows dealt out", start, piece_of.size)
            where = piece_of[start : start + batch.num_rows]
            rows = n_before + np.cumsum(where >= 0) - 1
            part = pa.Table.from_batches([batch]).append_column(ROW, pa.array(rows))
            order = np.argsort(where, kind="stable")
            ends = np.searchsorted(where[order], np.arange(n_pieces + 1))
            for i, writer in enumerate(writers):
                if ends[i + 1] > ends[i]:
                    writer.write_table(part.take(pa.array(order[ends[i] : ends[i + 1]])).cast(fields))
            start += batch.num_rows
            n_before += int((where >= 0).sum())
    finally:
        for writer in writers:
            writer.close()
    report("rows dealt out", piece_of.size, piece_of.size)
    return Pieces(folder, path, n_pieces, ids, piece_of.size - ids.size, prepare)


def _lots(source: pq.ParquetFile, path: Path, seed: int) -> tuple[Ints, NDArray[np.int32], int]:
    """Ids of the synapses with a parent, the piece of each row (-1 without a parent), and the number of pieces.

    Raises
    ------
    SynimgError
        For what a piece alone would not show.
    """
    columns: list[list[Ints]] = [[], []]
    known: list[NDArray[np.bool_]] = []
    names = ["synapse_id", "neuron_id"]
    if missing := [name for name in names if name not in source.schema_arrow.names]:
        raise SynimgError(f"{path}: required column '{missing[0]}' is missing")
    for batch in source.iter_batches(BATCH_ROWS, columns=names):
        ids, neuron = (batch.column(batch.schema.get_field_index(name)) for name in names)
        if ids.null_count:
            raise SynimgError(f"{path}: 'synapse_id' is empty in {ids.null_count} rows; every synapse has an id")
        known.append(~pc.is_null(neuron, nan_is_null=True).to_numpy(zero_copy_only=False))
        columns[0].append(ids.to_numpy(zero_copy_only=False).astype(np.int64))
        columns[1].append(neuron.filter(pa.array(known[-1])).to_numpy(zero_copy_only=False).astype(np.int64))
    has_parent = np.concatenate(known)
    ids, neuron = (np.concatenate(column) for column in columns)
    ordered = np.sort(ids)
    if (twice := ordered[1:] == ordered[:-1]).any():
        raise SynimgError(f"{path}: synapse_id {ordered[1:][twice][0]} occurs more than once; ids are unique")
    del ordered, twice
    if not neuron.size:
        raise SynimgError(f"{path}: {NO_PARENTS}")
    _, neuron, count = np.unique(neuron, return_inverse=True, return_counts=True)
    n_pieces = max(round(neuron.size / PIECE_SYNAPSES), 1)
    lot = stream(seed, "separate", "pieces").permutation(count.size)
    of_neuron = np.empty(count.size, np.int32)
    of_neuron[lot] = np.minimum((np.cumsum(count[lot]) - 1) * n_pieces // neuron.size, n_pieces - 1)
    piece_of = np.full(ids.size, -1, np.int32)
    piece_of[has_parent] = of_neuron[neuron]
    return ids[has_parent], piece_of, n_pieces
