"""A disk that is too small, full, read-only, or loses power: one sentence, and the same bytes in the end."""

import errno
import shutil

import numpy as np
import pytest

import synimg
from synimg.errors import SynimgError
from synimg.phantoms.stages import image
from synimg.store import atomic
from synimg.store.dataset import JOURNAL, Dataset

SCRATCH = ".partial/image"


@pytest.fixture(scope="module")
def quiet(settings, tmp_path_factory):
    """The index of an uninterrupted run."""
    return synimg.generate(settings, tmp_path_factory.mktemp("quiet") / "mouse").index


def test_what_does_not_fit_on_the_disk_is_refused_before_anything_is_made(settings, monkeypatch, tmp_path):
    small = shutil.disk_usage(tmp_path)._replace(free=100_000)
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda path: small)
    with pytest.raises(SynimgError, match=r"take about .* GB, the disk of .* has 0\.0001 GB free"):
        synimg.generate(settings, tmp_path / "mouse")
    assert not any(tmp_path.iterdir())


def test_neurons_that_do_not_fit_are_refused_before_the_network_is_trained(settings, tmp_path):
    crowded = settings.model_copy(update={"tissue": settings.tissue.model_copy(update={"n_imaged_neurons": 64})})
    with pytest.raises(SynimgError, match="image fewer neurons"):
        synimg.generate(crowded, tmp_path / "mouse", report=lambda *said: pytest.fail(str(said)))
    assert not any(tmp_path.iterdir())


def test_a_disk_that_fills_up_is_one_sentence_and_the_rest_is_made_later(settings, quiet, monkeypatch, tmp_path):
    noted = []

    def full(scratch, sums):
        if len(noted) == 3:  # a line begins and does not end
            with (scratch / JOURNAL).open("a") as file:
                file.write('{"image.ome')
            raise OSError(errno.ENOSPC, "No space left on device")
        noted.append(sums)
        append(scratch, sums)

    append = image.append_journal
    monkeypatch.setattr(image, "append_journal", full)
    with pytest.raises(SynimgError, match="the disk is full; free some space and run the same command again"):
        synimg.generate(settings, tmp_path / "mouse")
    monkeypatch.undo()
    assert synimg.generate(settings, tmp_path / "mouse").index == quiet


def test_numpy_that_meets_the_end_of_the_disk_is_understood():
    with (
        pytest.raises(SynimgError, match="the disk is full"),
        atomic.disk_errors("image"),
        open("/dev/full", "wb") as f,
    ):
        np.save(f, np.zeros(100_000))


def test_bytes_that_a_power_cut_took_are_made_again(settings, quiet, tmp_path):
    def interrupt(what, done, total):
        if (what, done) == ("pyramid level 1", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synimg.generate(settings, tmp_path / "mouse", report=interrupt)
    image = tmp_path / "mouse" / SCRATCH / "image.ome.zarr"
    for name in ("0/c/0/1/0/0", "labels/neurons/0/c/1/1/1", "1/zarr.json"):
        (image / name).write_bytes(b"")
    (image / "1/c/0/0/0/0").unlink()
    again = synimg.generate(settings, tmp_path / "mouse")
    assert again.index == quiet
    assert again.verify() == []


def test_a_read_only_folder_is_one_sentence(settings, monkeypatch, tmp_path):
    def refuse(self, *args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(atomic.Path, "mkdir", refuse)
    with pytest.raises(SynimgError, match=r"cannot be written \(Read-only file system\); choose another folder"):
        synimg.generate(settings, tmp_path / "mouse")


def test_a_whole_data_set_needs_no_room(settings, quiet, monkeypatch, tmp_path):
    path = synimg.generate(settings, tmp_path / "mouse").path
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda path: pytest.fail("looked at the disk"))
    assert Dataset.open(synimg.generate(settings, path).path).index == quiet
