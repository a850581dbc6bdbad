"""TIFF files that are whole; those that cannot be read end in one sentence."""

import contextlib
import logging
import lzma
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tifffile
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store.atomic import atomic_path

TRUNCATED = "; it is truncated or something else"
"""What else may be wrong with a file that cannot be read."""
UNREADABLE = (
    tifffile.TiffFileError,
    ValueError,
    IndexError,
    OSError,
    RuntimeError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
)
"""What tifffile raises of a file that is damaged, or something else."""


@contextlib.contextmanager
def reading_tiff(where: str, hint: str = "") -> Iterator[None]:
    """Turn what tifffile raises while it reads into one sentence, which begins with `where` and ends with `hint`."""
    try:
        yield
    except UNREADABLE as error:
        said = next(iter(str(error).splitlines()), type(error).__name__)
        raise SynimgError(f"{where}: not readable as TIFF ({said}){hint}") from None


def cut_off(tiff: tifffile.TiffFile, path: Path) -> SynimgError | None:
    """What to say of a file whose list of pages leads beyond its end."""
    with damage_heard() as heard:
        n = len(tiff.pages)
    if not heard:
        return None
    there = "the first page" if n == 1 else f"the first {n} pages"
    return SynimgError(
        f"{path}: the file is truncated: only {there} can be found in it, and not how many it had; copy it again"
    )


@contextlib.contextmanager
def damage_heard() -> Iterator[list[str]]:
    """The errors that tifffile meets and goes on from: it tells them to its log alone, whatever others made of that log."""
    heard: list[str] = []
    logger, handler = tifffile.logger(), logging.Handler(logging.ERROR)
    handler.emit = lambda record: heard.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    before = logger.propagate, logger.disabled, logging.root.manager.disable
    logger.propagate = logger.disabled = False
    logging.disable(logging.NOTSET)
    try:
        yield heard
    finally:
        logger.removeHandler(handler)
        logger.propagate, logger.disabled, off = before
        logging.disable(off)


@contextlib.contextmanager
def whole_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """A TIFF file that is not cut off."""
    with reading_tiff(str(path), TRUNCATED), damage_heard(), tifffile.TiffFile(path) as tiff:
        if error := cut_off(tiff, path):
            raise error
        yield tiff


def write_tiff(path: Path, values: NDArray[Any]) -> None:
    """Write `values` as TIFF, whole or not at all."""
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, values, metadata=None)
