"""The levels of an image as dask arrays for a viewer, which goes on where a chunk cannot be read."""

import threading
import warnings
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import zarr

from synimg.errors import SynimgError
from synimg.store.image import missing_chunk, open_array


def lazy_level(path: Path, array: str, is_ours: bool = True) -> da.Array:
    """A level of an image, read when it is looked at; a chunk that cannot be read is zero, and a warning says so once.

    Parameters
    ----------
    path : path
        The OME-Zarr image.
    array : str
        Level or label in it.
    is_ours : bool
        All our chunks have files. In other images one without a file is zeros, and nothing is wrong with it.

    Raises
    ------
    SynimgError
        If there is no such array.
    """
    level = _Level(open_array(path, array), path / array, is_ours)
    return da.from_array(level, chunks=level.chunks, name=False)


class _Level:
    """A zarr array that warns where it cannot be read."""

    def __init__(self, array: zarr.Array[Any], path: Path, is_ours: bool) -> None:
        self._array, self._path = array, path
        self.shape, self.dtype, self.ndim = array.shape, array.dtype, array.ndim
        self.chunks = array.shards or array.chunks
        self._needs_files = is_ours
        self._warned = threading.Event()

    def __getitem__(self, index: Any) -> Any:
        try:
            self._refuse_missing(index)
            return np.asarray(self._array[index])
        except (SynimgError, ValueError, RuntimeError, OSError) as error:
            if not self._warned.is_set():
                self._warned.set()
                warnings.warn(
                    f"{self._path}: a chunk is missing or damaged and is shown as zeros ({str(error).splitlines()[0]}); "
                    "'synimg verify' names every such file of a data set, 'synimg repair' mends it",
                    stacklevel=2,
                )
            return np.broadcast_to(np.zeros((), self.dtype), self.shape)[index]

    def _refuse_missing(self, index: Any) -> None:
        """Refuse a chunk that has no file: zarr itself would read it as zeros."""
        whole = (*index, *[slice(None)] * (self.ndim - len(index)))
        if self._needs_files and (file := missing_chunk(self._path, self._array, whole)):
            raise SynimgError(f"{file.relative_to(self._path)} is not there")
