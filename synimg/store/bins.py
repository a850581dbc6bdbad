"""Things in space, ordered by bins of the image, in memory or on disk: a block of work reads those near it and no others."""

from collections.abc import Iterable
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from synimg.store.atomic import atomic_path, disk_errors

BIN_VOX = (8, 32, 32)
INDEX = "index.npy"
ROWS_AT_ONCE = 1 << 20
"""Rows that are put into order at a time."""
Piece = tuple[NDArray[Any], tuple[NDArray[Any], ...]]
"""Places (n, 3) [voxels] and columns of n rows each."""


class Bins:
    """Rows of several arrays, found by place.

    Parameters
    ----------
    place_vox : (n, 3) ndarray
        Where each row lies [voxels]; what lies outside the image belongs to the bin at its edge.
    columns : tuple of ndarray
        Arrays of n rows.
    shape_vox : tuple of int
        Of the image.
    reach_vox : tuple of float
        How far along z, y, x a thing is felt around its place: `near` looks so much farther.

    Notes
    -----
    The order of the rows, by bin and as given within a bin, does not depend on what is asked for: sums over the rows that
    `near` gives are the same for any cutting of the image.
    """

    def __init__(
        self,
        place_vox: NDArray[Any],
        columns: tuple[NDArray[Any], ...],
        shape_vox: tuple[int, int, int],
        reach_vox: tuple[float, ...] = (0.0, 0.0, 0.0),
    ):
        self._shape = _bins_along(shape_vox)
        index = _bin_of(place_vox, self._shape)
        order = np.argsort(index, kind="stable")
        self._first = np.searchsorted(index[order], np.arange(np.prod(self._shape) + 1))
        self._columns = tuple(np.ascontiguousarray(column[order]) for column in columns)
        self._reach = tuple(float(r) for r in reach_vox)
        self._folder: Path | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self._columns[0])

    def near(self, start_vox: NDArray[Any], stop_vox: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """The columns' rows that are felt in the half-open box from `start_vox` to `stop_vox`, and some more around it."""
        runs = []
        reach, size, last = np.ceil(self._reach) + 1, np.array(BIN_VOX), np.array(self._shape) - 1
        low = np.clip((start_vox - reach) // size, 0, last).astype(int)
        high = np.clip((stop_vox + reach) // size, 0, last).astype(int)
        for z in range(low[0], high[0] + 1):
            for y in range(low[1], high[1] + 1):
                row = (z * self._shape[1] + y) * self._shape[2]
                runs.append((row + low[2], row + high[2] + 1))
        if isinstance(self._first, Rows):
            ends = self._first.read([(end, end + 1) for run in runs for end in run]).reshape(-1, 2)
        else:
            ends = self._first[np.array(runs)]
        spans = [(int(begin), int(end)) for begin, end in ends]
        return tuple(
            column.read(spans) if isinstance(column, Rows) else np.concatenate([column[a:b] for a, b in spans])
            for column in self._columns
        )

    def save(self, folder: Path) -> "Bins":
        """The same, kept in files of `folder`: what is sent to a worker is its name, and workers read what they need."""
        _save(folder, {f"column{i}": column for i, column in enumerate(self._columns)})
        return _with_index(folder, self._shape, self._reach, self._first)

    def __reduce__(self) -> Any:
        if self._folder is not None:
            return open_bins, (self._folder,)
        return _of_parts, (self._shape, self._reach, self._first, self._columns)


def _bins_along(shape_vox: tuple[int, int, int]) -> tuple[int, ...]:
    return tuple(-(-n // b) for n, b in zip(shape_vox, BIN_VOX, strict=True))


def _bin_of(place_vox: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.int64]:
    index = np.zeros(len(place_vox), np.int64)
    for axis, n in enumerate(shape):
        along = np.clip(np.floor((place_vox[:, axis] + 0.5) / BIN_VOX[axis]), 0, n - 1)
        index = index * n + along.astype(np.int64)
    return index


def _save(folder: Path, arrays: dict[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        with atomic_path(folder / f"{name}.npy") as temporary:
            np.save(temporary, array)


def _with_index(folder: Path, shape: Any, reach: Any, first: NDArray[np.int64]) -> Bins:
    _save(folder, {"shape": np.array([shape, reach]), "first": first})
    return open_bins(folder.resolve())


def bins_of(
    pieces: Iterable[Piece],
    shape_vox: tuple[int, int, int],
    reach_vox: tuple[float, ...],
    folder: Path | None,
) -> Bins:
    """Bins of all `pieces` together; in files of a `folder`, where one is given, and then in the memory of a few pieces.

    Parameters
    ----------
    pieces : iterable
        One piece at least.
    """
    if folder is None:
        places, parts = zip(*pieces, strict=True)
        columns = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
        return Bins(np.concatenate(places), columns, shape_vox, reach_vox)
    shape, reach = _bins_along(shape_vox), tuple(float(r) for r in reach_vox)
    with disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix="spool-", dir=folder) as spool:
            first, ends = _spool(pieces, shape, Path(spool))
            _merge(Path(spool), ends, first, folder)
    return _with_index(folder, shape, reach, first)


def _spool(
    pieces: Iterable[Piece], shape: tuple[int, ...], folder: Path
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Write pieces, each sorted by bin, one after the other to files of a folder.

    Returns
    -------
    tuple of ndarray
        The first row of each bin of all pieces together, and the end of each piece, both with one more at the other end.
    """
    count, ends = np.zeros(int(np.prod(shape)), np.int64), [0]
    with ExitStack() as stack:
        files: list[tuple[BinaryIO, NDArray[Any]]] = []
        for place, columns in pieces:
            index = _bin_of(place, shape)
            order = np.argsort(index, kind="stable")
            if not files:
                names = INDEX, *(f"column{i}.npy" for i in range(len(columns)))
                for name, column in zip(names, (index, *columns), strict=True):
                    files.append((stack.enter_context((folder / name).open("wb")), column[:0]))
                    write_header(files[-1][0], column.dtype, (0, *column.shape[1:]))
            for column, (file, _) in zip((index, *columns), files, strict=True):
                file.write(column[order].tobytes())
            found, n = np.unique(index[order], return_counts=True)
            count[found] += n
            ends.append(ends[-1] + index.size)
        for file, kind in files:
            file.seek(0)  # numpy leaves room in a header for the number of rows, which is known now
            write_header(file, kind.dtype, (ends[-1], *kind.shape[1:]))
    return np.concatenate([[0], np.cumsum(count)]), np.array(ends)


def _merge(spool: Path, ends: NDArray[np.int64], first: NDArray[np.int64], folder: Path) -> None:
    """Write the columns in the order of the bins: some bins at a time, which every piece has side by side."""
    index = Rows(spool / INDEX)
    cuts = np.searchsorted(first, np.arange(0, first[-1], ROWS_AT_ONCE), side="right") - 1
    cuts = np.unique([*cuts, first.size - 1])
    rows = [begin + np.searchsorted(index.read([(begin, end)]), cuts) for begin, end in pairwise(ends)]
    edges = np.array(rows).T.tolist()
    with ExitStack() as stack:
        columns = []
        for column in _columns(spool):
            file = stack.enter_context(stack.enter_context(atomic_path(folder / column.file.name)).open("wb"))
            write_header(file, column.dtype, column.shape)
            columns.append((column, file))
        for begin, end in pairwise(edges):
            spans = list(zip(begin, end, strict=True))
            order = np.argsort(index.read(spans), kind="stable")
            for column, file in columns:
                file.write(column.read(spans)[order].tobytes())


def write_header(file: BinaryIO, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    """What a ``.npy`` file begins with, of an array in C order that is written piece by piece."""
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _columns(folder: Path) -> "list[Rows]":
    """The columns in the files of a folder."""
    files = folder.glob("column*.npy")
    return [Rows(file) for file in sorted(files, key=lambda file: int(file.stem.removeprefix("column")))]


def _of_parts(shape: Any, reach: Any, first: Any, columns: Any, folder: Path | None = None) -> Bins:
    bins = object.__new__(Bins)
    bins._shape, bins._reach, bins._first, bins._columns, bins._folder = shape, reach, first, columns, folder
    return bins


class Rows:
    """Rows of an array in a ``.npy`` file, read where they lie: nothing of it stays in memory.

    Parameters
    ----------
    file : Path
        In C order.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        with file.open("rb") as opened:
            np.lib.format.read_magic(opened)
            self.shape, _, self.dtype = np.lib.format.read_array_header_1_0(opened)
            self._offset = opened.tell()
        self._row_bytes = int(np.prod(self.shape[1:])) * self.dtype.itemsize

    def __len__(self) -> int:
        return int(self.shape[0])

    def read(self, spans: list[tuple[int, int]]) -> NDArray[Any]:
        """The rows of half-open spans, one after the other."""
        with self.file.open("rb", buffering=0) as opened:
            parts = []
            for begin, end in spans:
                opened.seek(self._offset + begin * self._row_bytes)
                parts.append(opened.read((end - begin) * self._row_bytes))
        return np.frombuffer(b"".join(parts), self.dtype).reshape(-1, *self.shape[1:])


def open_bins(folder: Path) -> Bins:
    """What `Bins.save` wrote, read where and when it is asked for."""
    shape, reach = np.load(folder / "shape.npy")
    first, columns = Rows(folder / "first.npy"), tuple(_columns(folder))
    return _of_parts(tuple(shape.astype(int)), tuple(reach), first, columns, folder)
