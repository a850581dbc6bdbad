"""A lab's measured recording as figures take it: what `Source` has of a data set without truth."""

import tempfile
from functools import cached_property
from pathlib import Path

import pandas as pd

from synimg import schema
from synimg.analysis.look import Measured
from synimg.analysis.quality import FILE, Quality, read_quality
from synimg.errors import SynimgError
from synimg.store.results import INDEX
from synimg.store.tables import read_table
from synimg.viewers.synapse_map import log_turnover


class LabSource:
    """The tables of a recording that ``synimg measure --old --new`` measured.

    Use it as a context: the copy of the voxels that some figures need goes when it ends.
    """

    def __init__(self, folder: Path) -> None:
        self.path = _recording_in(folder)
        self._copy = tempfile.TemporaryDirectory(prefix="synimg-")

    def __enter__(self) -> "LabSource":
        return self

    def __exit__(self, *_: object) -> None:
        self._copy.cleanup()

    @cached_property
    def synapses(self) -> pd.DataFrame:
        """The measured synapses with their log turnover."""
        table = read_table(self.path / "synapses.parquet", schema.SYNAPSES)
        return table.assign(log_turnover=log_turnover(table))

    @cached_property
    def detections(self) -> pd.DataFrame:
        """The detections behind the measured synapses, in their order."""
        return read_table(self.path / "detections.parquet")

    @cached_property
    def quality(self) -> Quality:
        """The quality report."""
        return read_quality(self.path)

    @cached_property
    def measured(self) -> Measured:
        """The voxels with what was found in them."""
        return Measured.of_lab(self.path, Path(self._copy.name) / "voxels")


def is_lab_result(folder: Path) -> bool:
    """Whether a folder holds what was measured of recordings of a lab, or of one of them."""
    return (folder / INDEX).is_file() and bool(_recordings(folder))


def _recordings(folder: Path) -> list[Path]:
    """The recordings in a folder: itself, or those below it."""
    return [
        path for path in (folder, *sorted(folder.glob("*/"))) if (path / FILE).is_file() and (path / INDEX).is_file()
    ]


def _recording_in(folder: Path) -> Path:
    found = _recordings(folder)
    if len(found) > 1:
        raise SynimgError(
            f"{folder}: holds {len(found)} recordings; give one of them: {', '.join(map(str, found[:3]))}"
        )
    return found[0]
