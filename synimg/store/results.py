"""A folder of results that is filled by one call, or by the same call again where that was stopped."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from synimg.errors import SynimgError
from synimg.store.atomic import disk_errors, move
from synimg.store.dataset import PARTIAL

INDEX = "result.json"


@contextlib.contextmanager
def filling(out: Path, parts: Iterable[str] = ()) -> Iterator[Path]:
    """A scratch folder in `out`, whose files move to `out` when the block ends well, ``result.json`` last.

    It is kept where the block is stopped, for the same call to go on with: of what it holds then only the folders that are
    named in `parts` are there again.

    Raises
    ------
    SynimgError
        If `out` holds something else than earlier results, or cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise SynimgError(f"{out}: a file is there; --out takes a new or empty folder")
    there = {child.name for child in out.iterdir()} if out.is_dir() else set()
    if there and not there & {INDEX, PARTIAL}:
        raise SynimgError(f"{out}: holds something else; --out takes a new or empty folder")
    scratch = out / PARTIAL
    with disk_errors(out):
        scratch.mkdir(parents=True, exist_ok=True)
        for child in scratch.iterdir():
            if child.is_file():
                child.unlink()
            elif child.name not in parts:
                shutil.rmtree(child)
        try:
            yield scratch
        except BaseException:
            if not any(p.is_file() for p in scratch.rglob("*")):
                shutil.rmtree(scratch)
                with contextlib.suppress(OSError):  # what is not ours stays
                    out.rmdir()
            raise
        (out / INDEX).unlink(missing_ok=True)  # until all is there, nothing is
        for child in sorted(scratch.iterdir(), key=lambda child: child.name == INDEX):
            move(child, out / child.name)
        shutil.rmtree(scratch)


def identity_of(path: Path) -> list[str | int]:
    """What tells a file or folder from another version of it without reading it: path, size and time of its last change."""
    files = [path, *sorted(p for p in path.rglob("*") if p.is_file())] if path.is_dir() else [path]
    stats = [os.stat(file) for file in files]
    return [str(path.resolve()), sum(s.st_size for s in stats), max(s.st_mtime_ns for s in stats)]
