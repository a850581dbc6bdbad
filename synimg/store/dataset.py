"""The data set folder of one animal: stages that are whole or absent, each file with its checksum."""

import contextlib
import json
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from synimg import schema
from synimg.config import Config
from synimg.errors import SynimgError
from synimg.store.atomic import disk_errors, move, read_json, sha256, sync_all, write_json
from synimg.store.remote import is_address, mirrored

INDEX = "dataset.json"
PARTIAL = ".partial"


class Dataset:
    """A data set folder. Make one with `Dataset.create`, open one with `Dataset.open`.

    Attributes
    ----------
    path : Path
        The folder.
    index : dict
        Contents of ``dataset.json``: schema version, configuration, seed, software, stages with checksums.
    """

    def __init__(self, path: Path, index: dict[str, Any]) -> None:
        self.path = path
        self.index = index

    @classmethod
    def create(cls, path: str | Path, config: Config) -> "Dataset":
        """A new data set at `path`, or the one that is there already if its configuration is the same.

        Raises
        ------
        SynimgError
            If the folder holds something else, or a data set with another configuration.
        """
        path = Path(path)
        wanted = json.loads(config.model_dump_json())
        if (path / INDEX).exists():
            dataset = cls.open(path)
            found = difference(dataset.index["config"], wanted)
            if found:
                raise SynimgError(
                    f"{path}: holds a data set with another configuration ({found}); choose another --out"
                )
            return dataset
        if path.exists() and not path.is_dir():
            raise SynimgError(f"{path}: a file is there; --out takes a new or empty folder")
        if path.is_dir() and any(path.iterdir()):
            raise SynimgError(f"{path}: the folder holds something else; --out takes a new or empty folder")
        dataset = cls(
            path,
            {
                "synimg_schema": schema.SCHEMA_VERSION,
                "animal_id": config.animal_id,
                "group": config.group,
                "seed": config.seed,
                "config": wanted,
                "software": _software(),
                "stages": {},
            },
        )
        dataset._save()
        return dataset

    @classmethod
    def open(cls, path: str | Path) -> "Dataset":
        """The data set at `path`, or a copy of the one at an fsspec address.

        Raises
        ------
        SynimgError
            If there is none, or it was written with a newer schema.
        """
        if isinstance(path, str) and is_address(path):
            with mirrored(path) as folder:
                path = folder
        path = Path(path)
        if not path.is_dir():
            raise SynimgError(f"{path}: no such folder; a data set is a folder with {INDEX}, made by 'synimg generate'")
        if not (path / INDEX).is_file():
            inside = sorted(file.parent for file in path.glob(f"*/{INDEX}"))
            if inside:
                raise SynimgError(f"{path}: holds {len(inside)} data sets; name one of them, such as {inside[0]}")
            raise SynimgError(f"{path}: not a data set ({INDEX} is missing); 'synimg generate' makes one")
        index = read_json(path / INDEX)
        version = index.get("synimg_schema") if isinstance(index, dict) else None
        if not isinstance(version, int):
            raise SynimgError(f"{path / INDEX}: no schema version in it; it is damaged or something else")
        if version > schema.SCHEMA_VERSION:
            raise SynimgError(
                f"{path}: written with schema {version}, this synimg reads up to {schema.SCHEMA_VERSION}; update synimg"
            )
        return cls(path, index)

    @property
    def config(self) -> Config:
        """The configuration that the data set was generated with."""
        return Config.parse(self.index["config"], str(self.path / INDEX))

    @property
    def image(self) -> Path:
        """The OME-Zarr image."""
        return self.path / "image.ome.zarr"

    def run(self, name: str) -> Path:
        """Folder of the analysis run `name`."""
        return self.path / "analysis" / name

    def is_done(self, stage: str) -> bool:
        """Whether `stage` has been completed."""
        return stage in self.index["stages"]

    def is_whole(self, stage: str) -> bool:
        """Whether `stage` has been completed and none of its files has gone since: doing it again can be left out."""
        return self.is_done(stage) and all((self.path / f).is_file() for f in self.index["stages"][stage]["files"])

    def require(self, stage: str, command: str) -> None:
        """Refuse to go on if `stage` is not done; `command` is what would do it."""
        if not self.is_done(stage):
            raise SynimgError(f"{self.path}: {stage} is not done yet; run '{command}' first")

    @contextlib.contextmanager
    def stage(self, name: str, notes: dict[str, Any] | None = None, resumes: bool = False) -> Iterator[Path]:
        """A scratch folder for the files of a stage; when the block ends well they move into place.

        Parameters
        ----------
        name : str
            Of the stage, such as ``"image"`` or ``"default/measure"``.
        notes : dict, optional
            Facts kept with the stage, such as its settings.
        resumes : bool
            Keep the scratch folder when the block is interrupted, for the next call to go on with.

        Notes
        -----
        Files keep their relative paths. They are renamed one by one and only then entered into ``dataset.json``: a
        crash in between leaves a stage that counts as not done.
        """
        scratch = self.path / PARTIAL / name.replace("/", "-")
        with disk_errors(self.path):
            if not resumes:
                shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True, exist_ok=True)
            try:
                yield scratch
            except BaseException:
                if not resumes or not any(p.is_file() for p in scratch.rglob("*")):
                    shutil.rmtree(scratch, ignore_errors=True)
                    self.sweep()
                raise
            journal = read_journal(scratch)
            (scratch / JOURNAL).unlink(missing_ok=True)
            files = []
            for path in sorted(p for p in scratch.rglob("*") if p.is_file()):
                if PARTIAL in path.name:  # of a writer that was killed, ours or zarr's
                    path.unlink()
                else:
                    files.append(path)
            sums = {str(p.relative_to(scratch)): journal.get(str(p.relative_to(scratch))) or sha256(p) for p in files}
            sync_all(files)
            for child in sorted(scratch.iterdir()):
                move(child, self.path / child.name)
            shutil.rmtree(scratch)
            self.sweep()
        self.index["stages"][name] = {"notes": notes or {}, "files": sums}
        self._save()

    def drop(self, *stages: str) -> None:
        """Forget stages whose input has changed, and remove their files.

        Raises
        ------
        SynimgError
            If the disk cannot be written.
        """
        with disk_errors(self.path):
            for stage in stages:
                entry = self.index["stages"].pop(stage, None)
                for file in entry["files"] if entry else ():
                    (self.path / file).unlink(missing_ok=True)
        self._save()

    def restore(self, stage: str, entry: dict[str, Any]) -> None:
        """Take up again what was noted of a stage."""
        self.index["stages"][stage] = entry
        self._save()

    def discard(self) -> None:
        """Remove a data set of which no stage is done, so that its folder can be used again."""
        if self.index["stages"]:
            return
        shutil.rmtree(self.path / PARTIAL, ignore_errors=True)
        (self.path / INDEX).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # what is not ours stays
            self.path.rmdir()

    def damaged(self) -> dict[str, tuple[str, str]]:
        """Files that are not what their checksum says: by name, the stage and what is wrong (missing, altered)."""
        found = {}
        for stage, entry in self.index["stages"].items():
            for name, expected in entry["files"].items():
                file = self.path / name
                if not file.is_file():
                    found[name] = stage, "missing"
                elif sha256(file) != expected:
                    found[name] = stage, "altered"
        return found

    def verify(self) -> list[str]:
        """What differs from the checksums, one line per file; empty if every byte is right."""
        return [f"{name}: {what} (stage {stage})" for name, (stage, what) in self.damaged().items()]

    def sweep(self) -> None:
        """Remove the folder of unfinished stages if it is empty."""
        with contextlib.suppress(OSError):  # another stage's scratch folder may still lie there
            (self.path / PARTIAL).rmdir()

    def _save(self) -> None:
        write_json(self.path / INDEX, self.index)


JOURNAL = "journal.jsonl"


def read_journal(scratch: Path) -> dict[str, str]:
    """Checksums of the files that an interrupted stage had finished; a half-written last line is left out."""
    file = scratch / JOURNAL
    done: dict[str, str] = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        with contextlib.suppress(ValueError):
            done.update(json.loads(line))
    return done


def append_journal(scratch: Path, sums: dict[str, str]) -> None:
    """Note files that are finished."""
    with (scratch / JOURNAL).open("ab+") as file:
        file.seek(max(file.tell() - 1, 0))
        is_cut = file.read(1) not in {b"", b"\n"}  # by a full disk or a crash: what follows begins on a line of its own
        file.write((b"\n" if is_cut else b"") + json.dumps(sums).encode() + b"\n")


def difference(there: dict[str, Any], here: dict[str, Any], path: str = "") -> str:
    """The first entry in which two configurations differ, or an empty text."""
    for key in sorted({*there, *here}):
        name = f"{path}{key}"
        old, new = there.get(key), here.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            inner = difference(old, new, f"{name}.")
            if inner:
                return inner
        elif old != new:
            return f"{name} is {old!r} there and {new!r} here"
    return ""


def _software() -> dict[str, str]:
    packages = ("synimg", "numpy", "scipy", "numba", "zarr", "dask", "pyarrow", "pandas")
    found = {"python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found
