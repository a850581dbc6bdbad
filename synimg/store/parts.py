"""Tables of the finished pieces of a stage, kept until it is whole: a call that was stopped goes on from them."""

import hashlib
import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from synimg.store.tables import read_notes, read_table, write_table

FOLDER = "parts"


def key_of(what: Any) -> str:
    """A short name of something JSON-ready: what differs has another."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]


class Parts:
    """Tables by the number of the piece, for one way to make them.

    Parameters
    ----------
    scratch : Path
        Scratch folder of the stage.
    key : any
        All that the tables depend on, JSON-ready; tables of another key are removed.
    """

    def __init__(self, scratch: Path, key: Any) -> None:
        self._all = scratch / FOLDER
        self._folder = self._all / key_of(key)
        for other in self._all.glob("*"):
            if other != self._folder:
                shutil.rmtree(other)

    def keep(self, piece: int, table: pd.DataFrame, is_final: bool) -> None:
        """Keep a piece's table; one that is not final is made again by the next call."""
        write_table(self._file(piece), table, notes={"is_final": is_final})

    def final(self) -> set[int]:
        """The pieces that need not be made again."""
        files = self._folder.glob("[0-9]*.parquet")
        return {int(file.stem) for file in files if read_notes(file)["is_final"]}

    def read(self, pieces: Iterable[int]) -> pd.DataFrame:
        """The rows of pieces, one after the other."""
        return pd.concat([read_table(self._file(piece)) for piece in pieces], ignore_index=True)

    @staticmethod
    def clear(scratch: Path) -> None:
        """Remove those of all keys."""
        shutil.rmtree(scratch / FOLDER, ignore_errors=True)

    def _file(self, piece: int) -> Path:
        return self._folder / f"{piece:07d}.parquet"
