"""Data sets at an fsspec address (s3://, gs://, memory://, ...): worked on in a local mirror, which is kept in step."""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from synimg.errors import SynimgError
from synimg.store.atomic import atomic_path, read_json, sha256, write_json

INDICES = ("dataset.json", "cohort.json")
INCOMING, PROBE, TOGETHER = ".incoming", ".synimg-probe", 64
RECORD = ".mirror.json"
"""What the address is known to hold: name and SHA-256 of every file."""


def is_address(text: object) -> bool:
    """Whether `text` is an address with a protocol, not a local path."""
    return isinstance(text, str) and re.match(r"[a-z][a-z0-9+.-]+://", text) is not None


def mirror_folder(address: str) -> Path:
    """Local folder in which the data set at an address is worked on; under SYNIMG_CACHE, or the user's cache."""
    cache = (
        os.environ.get("SYNIMG_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "synimg"
    )
    name = re.sub(r"[^A-Za-z0-9]+", "_", address)[-60:]
    return Path(cache) / f"{name}_{hashlib.sha256(address.encode()).hexdigest()[:8]}"


@contextlib.contextmanager
def mirrored(address: str, is_checked: bool = True) -> Iterator[Path]:
    """A local folder with the data set, or cohort, at `address`; what changes there is sent back, also after an error.

    Parameters
    ----------
    address : str
        What an installed fsspec driver knows; ``file://`` is the local folder itself.
    is_checked : bool
        Refuse bytes that are not what their checksum says. Without, everything is fetched anew as it is, for `verify` and
        `repair`.

    Raises
    ------
    SynimgError
        If there is no driver, no such place, or no permission.

    Notes
    -----
    Stages reach the address whole: the index, which names them, goes last. An unfinished stage stays in the mirror, from
    which the same call goes on. The local disk must hold the data set.
    """
    with _one_sentence(address):
        fs, root = fsspec.url_to_fs(address)
    if "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)):
        yield Path(root)
        return
    mirror = _Mirror(fs, root.rstrip("/"), mirror_folder(address))
    with _one_sentence(address):
        mirror.pull(is_checked)
    try:
        yield mirror.folder
    finally:
        with _one_sentence(address):
            mirror.push()


@contextlib.contextmanager
def _one_sentence(address: str) -> Iterator[None]:
    try:
        yield
    except (SynimgError, KeyboardInterrupt):
        raise
    except Exception as error:  # every driver has errors of its own
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise SynimgError(f"{address}: {reason}; check the address, its driver and your rights there") from error


class _Mirror:
    def __init__(self, fs: Any, root: str, folder: Path) -> None:
        self.fs, self.root, self.folder = fs, root, folder
        known = folder / RECORD
        self.there: dict[str, str] = read_json(known) if known.is_file() else {}

    def pull(self, is_checked: bool) -> None:
        """Bring the local folder to what the address holds."""
        self.fs.invalidate_cache()
        found = {name.removeprefix(self.root).lstrip("/"): info["size"] for name, info in self._list().items()}
        if not found:  # whether it can be written there shows now, not after the work
            self.fs.pipe_file(f"{self.root}/{PROBE}", b"?")
            self.fs.rm_file(f"{self.root}/{PROBE}")
        for name in set(self.there) - set(found):
            (self.folder / name).unlink(missing_ok=True)
            del self.there[name]
        indices = sorted(name for name in found if PurePosixPath(name).name in INDICES)
        sums: dict[str, str] = {}

        def here(name: str) -> bool:
            file = self.folder / name
            is_whole = file.is_file() and file.stat().st_size == found[name]
            return is_whole and self.there.get(name) == sums.get(name, "")

        for name in indices:
            content = self.fs.cat_file(f"{self.root}/{name}")
            checksum = hashlib.sha256(content).hexdigest()
            if self.there.get(name) != checksum or not (self.folder / name).is_file():
                with atomic_path(self.folder / name) as temporary:
                    temporary.write_bytes(content)
                self.there[name] = checksum
            for stage in json.loads(content).get("stages", {}).values():
                sums |= {str(PurePosixPath(name).parent / file): value for file, value in stage["files"].items()}
        self._fetch(
            [name for name in sorted(set(found) - set(indices)) if not (is_checked and here(name))], sums, is_checked
        )
        if self.there:
            write_json(self.folder / RECORD, self.there)

    def push(self) -> None:
        """Bring the address to what the local folder holds: files first, then the indices, which name them."""
        here = sorted(
            (file for file in self.folder.rglob("*") if file.is_file()), key=lambda file: (file.name in INDICES, file)
        )
        names = {str(file.relative_to(self.folder)): file for file in here if not self._is_own(file)}
        sums = self._sums(file for file in here if file.name == INDICES[0])
        checksums = {name: sums.get(name) or sha256(file) for name, file in names.items()}
        changed = [name for name, checksum in checksums.items() if self.there.get(name) != checksum]
        last = [name for name in changed if PurePosixPath(name).name in INDICES]
        for some in [*_batches(changed[: len(changed) - len(last)]), *_batches(last)]:
            self.fs.put([str(names[name]) for name in some], [f"{self.root}/{name}" for name in some])
            self.there |= {name: checksums[name] for name in some}
        for name in set(self.there) - set(names):
            self.fs.rm_file(f"{self.root}/{name}")
            del self.there[name]
        if self.there:
            write_json(self.folder / RECORD, self.there)

    def _is_own(self, file: Path) -> bool:
        """Whether a file belongs to the mirror, or to a stage or a file that is not finished."""
        return any(part.startswith(".") for part in file.relative_to(self.folder).parts)

    def _sums(self, indices: Iterator[Path]) -> dict[str, str]:
        sums: dict[str, str] = {}
        for index in indices:
            below = index.parent.relative_to(self.folder)
            for stage in read_json(index)["stages"].values():
                sums |= {str(below / file): value for file, value in stage["files"].items()}
        return sums

    def _list(self) -> dict[str, Any]:
        found: dict[str, Any] = self.fs.find(self.root, detail=True) if self.fs.exists(self.root) else {}
        return found

    def _fetch(self, names: list[str], sums: dict[str, str], is_checked: bool) -> None:
        incoming = self.folder / INCOMING
        for some in _batches(names):
            self.fs.get([f"{self.root}/{name}" for name in some], [str(incoming / name) for name in some])
            for name in some:
                checksum = sha256(incoming / name)
                if is_checked and sums.get(name, checksum) != checksum:
                    raise SynimgError(
                        f"{name} is altered there; 'synimg verify' lists what is, 'synimg repair' mends it"
                    )
                (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                (incoming / name).replace(self.folder / name)
                self.there[name] = checksum
        shutil.rmtree(incoming, ignore_errors=True)


def _batches(names: list[str]) -> list[list[str]]:
    """Names of files to send or fetch together: drivers do so side by side."""
    return [names[i : i + TOGETHER] for i in range(0, len(names), TOGETHER)]
