"""Files that are whole or absent: written under a temporary name, synced, renamed."""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from synimg.errors import SynimgError


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, renamed to `path` when the block ends well and removed when it does not.

    Raises
    ------
    SynimgError
        If the disk is full or the place cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.partial{path.suffix}")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if temporary.is_file():
                sync(temporary)
            elif path.is_dir():
                shutil.rmtree(path)
            temporary.replace(path)
        finally:
            if temporary.is_dir():
                shutil.rmtree(temporary, ignore_errors=True)
            else:
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission while writing `path` into one sentence."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if _is_full(error):
            raise SynimgError(f"{path}: the disk is full; free some space and run the same command again") from error
        if not isinstance(error, OSError):
            raise
        if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise SynimgError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
        if error.errno in {errno.ENOTDIR, errno.EEXIST}:
            raise SynimgError(f"{path}: a file is where a folder should be; choose another folder") from error
        raise


def remove_folder(path: Path) -> None:
    """Remove a folder into which zarr failed to write: when one of its threads has failed, others still make files there."""
    for wait_s in (0.0, 0.1, 0.2, 0.4):
        time.sleep(wait_s)
        shutil.rmtree(path, ignore_errors=True)


def _is_full(error: OSError | RuntimeError) -> bool:
    """Whether an error says that the disk is full; numpy and HDF5 say so in words alone."""
    if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
        return True
    return bool(re.search(rf"errno = ({errno.ENOSPC}|{errno.EDQUOT})\b|^\d+ requested and \d+ written$", str(error)))


def sync(path: Path) -> None:
    """Wait until the bytes of a file are on the disk: a name may outlive a power cut that its bytes do not."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_all(paths: list[Path]) -> None:
    """The same for many files: who waits for several at once waits forty times shorter, for the disk writes them together."""
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(sync, paths))


def free_bytes(path: Path) -> int:
    """Bytes that the disk has left on which `path` lies or will lie."""
    path = Path(path).resolve()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def require_room(path: Path, n_bytes: int) -> None:
    """Refuse to write `n_bytes` to `path` where the disk has less.

    Raises
    ------
    SynimgError
        If it has.
    """
    if n_bytes > free_bytes(path):
        raise SynimgError(f"{path}: the disk is full; free some space and run the same command again")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON to `path`, whole or not at all; NaN is refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The JSON value in `path`.

    Raises
    ------
    SynimgError
        If the file is missing, truncated or no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SynimgError(f"{path}: no such file") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise SynimgError(f"{path}: not readable as JSON ({error}); it is truncated or something else") from None


def sha256(path: Path) -> str:
    """SHA-256 of the bytes of `path`, as hexadecimal text."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def move(source: Path, target: Path) -> None:
    """Move a file, or the files of a folder one by one into a folder that may exist; images move as a whole."""
    if source.is_file() or not target.exists() or source.name.endswith(".zarr"):
        if target.is_dir():
            shutil.rmtree(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        return
    for child in sorted(source.iterdir()):
        move(child, target / child.name)
