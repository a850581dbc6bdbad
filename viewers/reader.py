"""napari's reader for data set folders."""

from collections.abc import Callable
from pathlib import Path
from typing import Any


def get_reader(path: str | list[str]) -> Callable[[Any], list[Any]] | None:
    """A function that reads `path` into layers, or None if it is no data set of ours."""
    if isinstance(path, list):
        path = path[0]
    return read if (Path(path) / "dataset.json").is_file() else None


def read(path: str | list[str]) -> list[Any]:
    """Layers of the data set at `path`, as napari takes them."""
    from synimg.viewers.layers import layers_of

    return layers_of(path[0] if isinstance(path, list) else path)
