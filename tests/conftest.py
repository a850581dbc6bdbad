"""What all tests share."""

import fcntl
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from synimg.config import Config

SHORT_CHAIN = ("synimg.analysis.mixture.hyper.GENERATIONS", (6, 6))
"""Fewest and most generations of the mixture's chain, which takes half of a separation's time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, the tests for which this machine has no display or no browser; files with slow tests come first.

    Workers take file after file: a long one at the end would leave the others without work.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if item.get_closest_marker("window") and (reason := no_window()):
            item.add_marker(pytest.mark.skip(reason=reason))
        if item.get_closest_marker("browser") and find_browser() is None:
            item.add_marker(pytest.mark.skip(reason="there is no chromium or chrome on the path"))


def no_window() -> str | None:
    """Why no window can be opened here, or None where it can."""
    if sys.platform == "darwin" or os.environ.get("DISPLAY"):
        return None
    return os.environ.get("SYNIMG_NO_WINDOW") or "there is no display: use make test, or xvfb-run -a python -m pytest"


def find_browser() -> str | None:
    """Path of a chromium-like browser, or None."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@pytest.fixture(scope="session")
def browser() -> str:
    """Path of the browser that opens the report; mark the test `browser`."""
    path = find_browser()
    assert path is not None, "mark this test with pytest.mark.browser"
    return path


@pytest.fixture(scope="session")
def settings() -> "Config":
    """The quickest data set to make: one imaged neuron in a small block, two updates of learning."""
    from synimg import config

    values = config.preset("tiny").model_dump()
    values["volume"] |= {"shape_vox": (16, 80, 96), "chunk_vox": (8, 40, 48)}
    values["training"] |= {"n_updates": 2, "counterfactuals": False, "test_trials": 16}
    values["tissue"]["n_imaged_neurons"] = 1
    return config.Config.parse(values, "test")


@pytest.fixture(scope="session")
def tiny_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of the preset `tiny`, measured, separated and validated. Copy it before changing it."""
    path = tmp_path_factory.mktemp("tiny") / "mouse"
    if "PYTEST_XDIST_WORKER" not in os.environ:
        make_tiny(path)
        return path
    made = tmp_path_factory.getbasetemp().parent / "tiny"
    # a worker that comes while another makes it waits, and takes a copy
    with made.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make_tiny(path)
            os.rename(shutil.copytree(path, path.parent / "copy"), made)
            return path
    return Path(shutil.copytree(made, path))


def make_tiny(path: Path) -> None:
    """That data set."""
    import synimg
    from synimg.analysis.separation_files import separate_dataset

    synimg.generate("tiny", path)
    synimg.measure(path)
    separate_dataset(path, method="neuron_mode")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*SHORT_CHAIN)
        synimg.validate(path)


@pytest.fixture
def short_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation tries the raw ratio alone on the tables of its error budget; the mixture takes most of its time."""
    monkeypatch.setattr("synimg.analysis.validate.separation.COMPARED", ("raw",))


@pytest.fixture
def short_chain(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mixture's chain over its hyper-parameters ends soon: for tests that do not ask how sure of them it is."""
    monkeypatch.setattr(*SHORT_CHAIN)


@pytest.fixture(scope="module")
def short_chains() -> Iterator[None]:
    """The same for all tests of a module, and its fixtures that ask for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*SHORT_CHAIN)
        yield


@pytest.fixture
def tiny_copy(tiny_path: Path, tmp_path: Path) -> Path:
    """A copy of that data set, to break."""
    shutil.copytree(tiny_path, tmp_path / "copy")
    return tmp_path / "copy"
