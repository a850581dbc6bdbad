"""Tables on disk: Parquet with units and meanings in each field's metadata; CSV read as well."""

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from synimg import schema
from synimg.errors import SynimgError
from synimg.store.atomic import atomic_path

_ARROW = {"int64": pa.int64(), "float64": pa.float64(), "string": pa.string(), "bool": pa.bool_()}
_VERSION = b"synimg_schema"
SEPARATORS = {";": "semicolons", "\t": "tabs", ",": "commas"}


def write_table(
    path: Path, frame: pd.DataFrame, table: schema.Table | None = None, notes: dict[str, Any] | None = None
) -> None:
    """Write `frame` as Parquet (or CSV, by the name's ending), whole or not at all.

    Parameters
    ----------
    path : Path
        Where to; ``.parquet`` or ``.csv``.
    frame : DataFrame
        Rows to write.
    table : Table, optional
        Its schema: columns in this order with unit and meaning; columns of the schema that `frame` lacks are null.
    notes : dict, optional
        Facts about the table, kept as JSON in the file's metadata under ``synimg``.
    """
    if Path(path).suffix == ".csv":
        with atomic_path(path) as temporary:
            frame.to_csv(temporary, index=False)
        return
    arrow = pa.Table.from_pandas(frame, preserve_index=False) if table is None else _arrow(frame, table)
    arrow = arrow.replace_schema_metadata(_metadata(notes))
    with atomic_path(path) as temporary:
        pq.write_table(arrow, temporary, compression="zstd")


@contextlib.contextmanager
def table_writer(
    path: Path, table: schema.Table, notes: dict[str, Any] | None = None
) -> Iterator[Callable[[pd.DataFrame], None]]:
    """A function that adds the rows of a frame to a Parquet file as one row group; the file is whole or absent.

    What is kept in memory does not grow with the rows. Every frame has the same columns; see `write_table`.
    """
    with atomic_path(path) as temporary, contextlib.ExitStack() as stack:
        writers: list[pq.ParquetWriter] = []

        def write(frame: pd.DataFrame) -> None:
            arrow = _arrow(frame, table).replace_schema_metadata(_metadata(notes))
            if not writers:
                writers.append(stack.enter_context(pq.ParquetWriter(temporary, arrow.schema, compression="zstd")))
            writers[0].write_table(arrow, row_group_size=max(len(frame), 1))

        yield write


def _metadata(notes: dict[str, Any] | None) -> dict[bytes, bytes]:
    return {_VERSION: str(schema.SCHEMA_VERSION).encode(), b"synimg": json.dumps(notes or {}).encode()}


def _arrow(frame: pd.DataFrame, table: schema.Table) -> pa.Table:
    """`frame` as an arrow table with the fields of `table` first and its own other columns behind."""
    fields, arrays = [], []
    for column in table.columns:
        kind = _ARROW[column.type]
        values = frame[column.name] if column.name in frame.columns else pd.Series([None] * len(frame), dtype="object")
        arrays.append(pa.array(values, type=kind, from_pandas=True))
        metadata = {"unit": column.unit, "description": column.meaning}
        fields.append(pa.field(column.name, kind, metadata=metadata))
    for name in frame.columns:
        if name not in table.names:
            arrays.append(pa.array(frame[name], from_pandas=True))
            fields.append(pa.field(str(name), arrays[-1].type))
    return pa.Table.from_arrays(arrays, schema=pa.schema(fields))


def read_table(path: Path, table: schema.Table | None = None) -> pd.DataFrame:
    """The rows of a Parquet or CSV file, checked against `table`.

    Raises
    ------
    SynimgError
        If the file is missing, truncated, of a newer schema, or its columns break the contract (`schema.check`).
    """
    path = Path(path)
    if not path.exists():
        raise SynimgError(f"{path}: no such file; a synapse table is a .parquet or .csv file")
    if path.suffix.lower() in {".csv", ".tsv", ".txt"}:
        frame = _read_csv(path)
    else:
        arrow = _read_parquet(path)
        _check_version(arrow, path)
        if table is not None:
            _check_units(arrow, table, path)
        frame = arrow.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}.get)
    return frame if table is None else schema.check(frame, table, str(path))


def read_columns(path: Path, names: Sequence[str]) -> pd.DataFrame:
    """Some columns of a Parquet file, with nulls as NaN; nothing else of it is read.

    Raises
    ------
    SynimgError
        If the file is missing, cannot be read or lacks a column.
    """
    if not Path(path).is_file():
        raise SynimgError(f"{path}: no such file; run 'synimg repair' on the data set")
    with _reading_parquet(path):
        found = pq.read_table(path, columns=list(names)).to_pandas()
    missing = [name for name in names if name not in found]
    if missing:
        raise SynimgError(f"{path}: column '{missing[0]}' is missing; run 'synimg repair' on the data set")
    return found


def table_pieces(path: Path) -> Iterator[pd.DataFrame]:
    """The row groups of a table that `table_writer` has written, one after the other, with nulls as NaN.

    Raises
    ------
    SynimgError
        If the file is missing or cannot be read.
    """
    if not Path(path).is_file():
        raise SynimgError(f"{path}: no such file; run 'synimg repair' on the data set")
    with _reading_parquet(path), pq.ParquetFile(path) as file:
        for i in range(file.num_row_groups):
            yield file.read_row_group(i).to_pandas()


def read_background(truth_folder: Path) -> pd.DataFrame | None:
    """Synapses in the image that belong to other neurons than the network's; None where there are none."""
    path = truth_folder / "background.parquet"
    return read_table(path, schema.TRUTH_BACKGROUND) if path.is_file() else None


def read_notes(path: Path) -> dict[str, Any]:
    """The facts that `write_table` kept in the metadata of a Parquet file."""
    with _reading_parquet(path):
        metadata = pq.read_schema(path).metadata or {}
    notes: dict[str, Any] = json.loads(metadata.get(b"synimg", b"{}"))
    return notes


def _read_csv(path: Path) -> pd.DataFrame:
    separator = "," if path.suffix.lower() == ".csv" else "\t"
    with path.open(encoding="utf-8", errors="replace") as file:
        heading = file.readline()
    others = [mark for mark in SEPARATORS if mark in heading]
    if others and separator not in heading:
        right = "commas, and points in numbers," if separator == "," else "tabs"
        raise SynimgError(f"{path}: its columns stand between {SEPARATORS[others[0]]}; save it with {right} instead")
    try:
        return pd.read_csv(path, sep=separator, skipinitialspace=True)
    except (ValueError, UnicodeDecodeError) as error:
        raise SynimgError(f"{path}: not readable as a table ({str(error).splitlines()[0]})") from None


def _read_parquet(path: Path) -> pa.Table:
    with _reading_parquet(path):
        return pq.ParquetFile(path).read()


@contextlib.contextmanager
def _reading_parquet(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises of a file into one sentence."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SynimgError(f"{path}: not readable as Parquet; it is truncated or something else ({reason})") from None


def _check_version(arrow: pa.Table, path: Path) -> None:
    version = int((arrow.schema.metadata or {}).get(_VERSION, b"0"))
    if version > schema.SCHEMA_VERSION:
        raise SynimgError(
            f"{path}: written with schema {version}, this synimg reads up to {schema.SCHEMA_VERSION}; update synimg"
        )


def _check_units(arrow: pa.Table, table: schema.Table, path: Path) -> None:
    """Refuse a column that states another unit than the schema's."""
    units = {c.name: c.unit for c in table.columns}
    for field in arrow.schema:
        stated = (field.metadata or {}).get(b"unit", b"").decode()
        if stated and stated != units.get(field.name, stated):
            raise SynimgError(
                f"{path}: column '{field.name}' is in {stated}; it must be in {units[field.name]}: convert it first"
            )
