"""A cohort on disk: a folder of data sets, one per animal, and `cohort.json` that says who is in which group."""

import json
from pathlib import Path
from typing import Any

from synimg import schema
from synimg.config import Config
from synimg.errors import SynimgError
from synimg.store.atomic import read_json, write_json
from synimg.store.dataset import INDEX as DATASET_INDEX
from synimg.store.dataset import Dataset, difference

INDEX = "cohort.json"


class Cohort:
    """A cohort folder.

    Attributes
    ----------
    path : Path
        The folder.
    index : dict
        Contents of ``cohort.json``: schema version, configuration, animals, warnings.
    """

    def __init__(self, path: Path, index: dict[str, Any]) -> None:
        self.path = path
        self.index = index

    @classmethod
    def create(cls, path: str | Path, config: Config, animals: list[Config], warnings: list[str]) -> "Cohort":
        """A new cohort at `path`, or the one that is there already if its configuration is the same.

        Raises
        ------
        SynimgError
            If the folder holds something else, or a cohort with another configuration.
        """
        path = Path(path)
        wanted = json.loads(config.model_dump_json())
        if (path / INDEX).exists():
            cohort = cls.open(path)
            found = difference(cohort.index["config"], wanted)
            if found:
                raise SynimgError(f"{path}: holds a cohort with another configuration ({found}); choose another --out")
            return cohort
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise SynimgError(f"{path}: holds something else; --out takes a new or empty folder")
        index = {
            "synimg_schema": schema.SCHEMA_VERSION,
            "config": wanted,
            "animals": [{"animal_id": a.animal_id, "group": a.group, "seed": a.seed} for a in animals],
            "warnings": warnings,
        }
        write_json(path / INDEX, index)
        return cls(path, index)

    @classmethod
    def open(cls, path: str | Path) -> "Cohort":
        """The cohort at `path`.

        Raises
        ------
        SynimgError
            If there is none, or it was written with a newer schema.
        """
        path = Path(path)
        index = read_json(path / INDEX)
        version = index.get("synimg_schema") if isinstance(index, dict) else None
        if not isinstance(version, int) or version > schema.SCHEMA_VERSION:
            raise SynimgError(f"{path / INDEX}: damaged, or written by a newer synimg")
        return cls(path, index)

    @property
    def animals(self) -> list[Dataset]:
        """The data sets of the animals that have been begun, in order."""
        folders = [self.path / animal["animal_id"] for animal in self.index["animals"]]
        return [Dataset.open(folder) for folder in folders if (folder / DATASET_INDEX).is_file()]


def is_cohort(path: str | Path) -> bool:
    """Whether `path` is a cohort folder."""
    return (Path(path) / INDEX).is_file()


def datasets_of(path: str | Path) -> list[Path]:
    """The data set folders at `path`: itself, or the animals of a cohort.

    Raises
    ------
    SynimgError
        If an animal of a cohort has not been generated.
    """
    path = Path(path)
    if not is_cohort(path):
        return [path]
    cohort = Cohort.open(path)
    missing = len(cohort.index["animals"]) - len(cohort.animals)
    if missing:
        raise SynimgError(f"{path}: {missing} animals are missing; run the same 'synimg generate' again")
    return [dataset.path for dataset in cohort.animals]
