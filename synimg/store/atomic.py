"""Files that are whole or absent: written under a temporary name, synced, renamed."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
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
                with temporary.open("rb") as file:
                    os.fsync(file.fileno())
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
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise SynimgError(f"{path}: the disk is full; free some space and run the same command again") from error
        if error.errno in {errno.EACCES, errno.EROFS, errno.EPERM}:
            raise SynimgError(f"{path}: cannot be written ({error.strerror}); choose another folder") from error
        if error.errno in {errno.ENOTDIR, errno.EEXIST}:
            raise SynimgError(f"{path}: a file is where a folder should be; choose another folder") from error
        raise


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
