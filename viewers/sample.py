"""Sample data: a small data set with everything in it, unpacked from the package. scripts/make_sample.py made it."""

import atexit
import shutil
import tempfile
import zipfile
from importlib import resources
from pathlib import Path
from typing import Any

NAME = "sample.zip"


def sample_dataset() -> Path:
    """A fresh copy of the sample data set in a temporary folder, which goes when the program ends."""
    folder = Path(tempfile.mkdtemp(prefix="synimg-sample-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with resources.files("synimg.viewers").joinpath(NAME).open("rb") as file, zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
    return folder / "sample"


def open_sample() -> list[Any]:
    """Layers of the sample data set, for napari's File > Open Sample."""
    from synimg.viewers.reader import read

    return read(str(sample_dataset()))
