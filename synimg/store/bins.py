"""Things in space, ordered by bins of the image, in memory or on disk: a block of work reads those near it and no others."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.store.atomic import atomic_path

BIN_VOX = (8, 32, 32)
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
    pieces: Callable[[], Iterable[Piece]],
    shape_vox: tuple[int, int, int],
    reach_vox: tuple[float, ...],
    folder: Path | None,
) -> Bins:
    """Bins of all `pieces` together; in files of a `folder`, where one is given, and then in the memory of one piece.

    Parameters
    ----------
    pieces : callable
        Gives the pieces, one at least, the same whenever it is called: they are counted first, and then put into their places.
    """
    if folder is None:
        places, parts = zip(*pieces(), strict=True)
        columns = tuple(np.concatenate(column) for column in zip(*parts, strict=True))
        return Bins(np.concatenate(places), columns, shape_vox, reach_vox)
    shape = _bins_along(shape_vox)
    count = np.zeros(int(np.prod(shape)), np.int64)
    kinds: tuple[NDArray[Any], ...] = ()
    for place, columns in pieces():
        found, n = np.unique(_bin_of(place, shape), return_counts=True)
        count[found] += n
        kinds = tuple(column[:0] for column in columns)
    first = np.concatenate([[0], np.cumsum(count)])
    free = first[:-1].copy()
    with ExitStack() as stack:
        files = []
        for i, kind in enumerate(kinds):
            file = stack.enter_context(stack.enter_context(atomic_path(folder / f"column{i}.npy")).open("wb"))
            shape_of = int(first[-1]), *kind.shape[1:]
            header = {"descr": np.lib.format.dtype_to_descr(kind.dtype), "fortran_order": False, "shape": shape_of}
            np.lib.format.write_array_header_1_0(file, header)
            files.append((file, file.tell(), kind.dtype.itemsize * int(np.prod(kind.shape[1:]))))
        for place, columns in pieces():
            index = _bin_of(place, shape)
            order = np.argsort(index, kind="stable")
            found, begin, n = np.unique(index[order], return_index=True, return_counts=True)
            for column, (file, start, row_bytes) in zip(columns, files, strict=True):
                rows = memoryview(column[order].tobytes())
                runs = zip((begin * row_bytes).tolist(), (n * row_bytes).tolist(), free[found].tolist(), strict=True)
                for a, length, row in runs:
                    file.seek(start + row * row_bytes)
                    file.write(rows[a : a + length])
            free[found] += n
    return _with_index(folder, shape, tuple(float(r) for r in reach_vox), first)


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
    files = sorted(folder.glob("column*.npy"), key=lambda file: int(file.stem.removeprefix("column")))
    shape, reach = np.load(folder / "shape.npy")
    return _of_parts(
        tuple(shape.astype(int)), tuple(reach), Rows(folder / "first.npy"), tuple(Rows(file) for file in files), folder
    )
