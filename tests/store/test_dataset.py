"""A data set's stages are whole or absent."""

import json

import pytest

from synimg import config
from synimg.errors import SynimgError
from synimg.store.dataset import Dataset


@pytest.fixture
def dataset(tmp_path):
    return Dataset.create(tmp_path / "mouse", config.preset("tiny"))


def finish(dataset, text="1"):
    with dataset.stage("a") as scratch:
        (scratch / "truth").mkdir()
        (scratch / "truth" / "x.txt").write_text(text)


def test_a_stage_that_ends_well_is_there_and_proved(dataset):
    finish(dataset)
    again = Dataset.open(dataset.path)
    assert again.is_done("a")
    assert again.verify() == []
    assert not (dataset.path / ".partial").exists()


def test_a_stage_that_fails_leaves_nothing(dataset):
    def fail():
        with dataset.stage("a") as scratch:
            (scratch / "x.txt").write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [p.name for p in dataset.path.iterdir()] == ["dataset.json"]
    assert not Dataset.open(dataset.path).is_done("a")


def test_what_a_killed_writer_left_is_no_file_of_the_stage(dataset):
    with dataset.stage("a") as scratch:
        (scratch / "c").mkdir()
        (scratch / "c" / "0").write_text("whole")
        (scratch / "c" / "1.0f3a.partial").touch()  # as zarr writes a chunk
        (scratch / ".table.77.partial.parquet").touch()  # as we write a file
    assert list(dataset.index["stages"]["a"]["files"]) == ["c/0"]
    assert [p.name for p in (dataset.path / "c").iterdir()] == ["0"]


def test_verify_names_an_altered_and_a_missing_file(dataset):
    finish(dataset)
    (dataset.path / "truth" / "x.txt").write_text("2")
    assert dataset.verify() == ["truth/x.txt: altered (stage a)"]
    (dataset.path / "truth" / "x.txt").unlink()
    assert dataset.verify() == ["truth/x.txt: missing (stage a)"]


def test_another_configuration_in_the_same_folder_is_refused(dataset):
    with pytest.raises(SynimgError, match=r"connection_probability is 0\.3 there and 0\.25 here"):
        Dataset.create(dataset.path, config.preset("no_learning"))


def test_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.doc").write_text("x")
    with pytest.raises(SynimgError, match="holds something else"):
        Dataset.create(tmp_path, config.preset("tiny"))


def test_a_newer_schema_is_refused(dataset):
    index = json.loads((dataset.path / "dataset.json").read_text())
    (dataset.path / "dataset.json").write_text(json.dumps(index | {"synimg_schema": 99}))
    with pytest.raises(SynimgError, match="schema 99"):
        Dataset.open(dataset.path)


def test_a_stage_whose_files_have_gone_is_not_whole(dataset):
    finish(dataset)
    (dataset.path / "truth" / "x.txt").unlink()
    assert dataset.is_done("a")
    assert not dataset.is_whole("a")
