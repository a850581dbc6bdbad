"""What the viewers' tests share."""

import os
from pathlib import Path

import pytest

os.environ["NAPARI_CONFIG"] = (
    ""  # napari reads it when it is imported: settings of whoever runs the tests stay as they are
)


@pytest.fixture(scope="session")
def sample_path() -> Path:
    """The sample data set that travels with the package. Copy it before changing it."""
    from synimg.viewers.sample import sample_dataset

    return sample_dataset()


@pytest.fixture
def sample_copy(sample_path: Path, tmp_path: Path) -> Path:
    """A copy of the sample, to edit."""
    import shutil

    shutil.copytree(sample_path, tmp_path / "sample")
    return tmp_path / "sample"
