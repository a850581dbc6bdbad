"""Damage is found to the byte and mended chunk by chunk, with the very bytes that were there."""

import errno
import hashlib
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from distributed import LocalCluster

import synimg
from synimg import config
from synimg.errors import SynimgError
from synimg.phantoms import render
from synimg.phantoms.repair import repair
from synimg.store.dataset import Dataset
from synimg.store.image import read_block


@pytest.fixture(scope="module")
def small(settings, tmp_path_factory):
    """The quickest data set to make."""
    return synimg.generate(settings, tmp_path_factory.mktemp("small") / "mouse").path


@pytest.fixture
def small_copy(small, tmp_path):
    """A copy of it, to break."""
    shutil.copytree(small, tmp_path / "copy")
    return tmp_path / "copy"


def flip(file):
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(bytes(data))


def digest(path):
    return {f: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(path.rglob("*")) if f.is_file()}


def test_a_flipped_byte_and_a_lost_file_are_mended_and_nothing_else_is_touched(tiny_copy):
    before = digest(tiny_copy)
    damaged = [
        "image.ome.zarr/0/c/3/1/0/1",
        "image.ome.zarr/labels/synapses/0/c/0/1/0",
        "image.ome.zarr/1/c/0/0/0/0",
        "image.ome.zarr/labels/neurons/2/c/1/0/0",
        "image.ome.zarr/labels/zarr.json",
        "truth/neurons.parquet",
    ]
    for name in damaged[:-2]:
        flip(tiny_copy / name)
    for name in damaged[-2:]:
        (tiny_copy / name).unlink()
    assert {line.split(":")[0] for line in Dataset.open(tiny_copy).verify()} == set(damaged)
    repaired, left = repair(tiny_copy)
    assert (set(repaired), left) == (set(damaged), [])
    assert Dataset.open(tiny_copy).verify() == []
    after = digest(tiny_copy)
    assert {k: v for k, v in after.items() if k.name != "dataset.json"} == {
        k: v for k, v in before.items() if k.name != "dataset.json"
    }


def test_what_an_analysis_wrote_is_left_to_its_command(tiny_copy):
    flip(tiny_copy / "analysis/default/synapses.parquet")
    repaired, left = repair(tiny_copy)
    assert not repaired
    assert left == ["analysis/default/synapses.parquet: altered; run 'synimg measure' again"]


def test_other_bytes_than_before_are_refused_and_nothing_is_changed(tiny_copy):
    dataset = Dataset.open(tiny_copy)
    name = "image.ome.zarr/0/c/0/0/0/0"
    dataset.index["stages"]["image"]["files"][name] = "0" * 64  # as another version would have made it
    before = digest(tiny_copy)
    with pytest.raises(SynimgError, match="comes out with other bytes here"):
        repair(dataset)
    assert digest(tiny_copy) == before


def test_a_cluster_mends_with_the_same_bytes(small_copy):
    before = digest(small_copy)
    for name in ("0/c/1/0/1/1", "0/c/4/1/0/0", "1/c/0/0/0/0", "labels/neurons/2/c/1/0/0"):
        flip(small_copy / "image.ome.zarr" / name)
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster:
        repaired, left = repair(small_copy, scheduler=cluster.scheduler_address)
    assert (len(repaired), left) == (4, [])
    assert digest(small_copy) == before


@pytest.mark.parametrize(("number", "said"), [(errno.EROFS, "cannot be written"), (errno.ENOSPC, "the disk is full")])
def test_a_disk_that_cannot_be_written_is_one_sentence_and_nothing_is_left_behind(
    small_copy, monkeypatch, number, said
):
    (small_copy / "image.ome.zarr/0/c/1/0/1/1").unlink()
    before, late = digest(small_copy), []

    def refuse(path, array, box, values):
        def write():  # as another thread of zarr does, which has not heard of the error
            time.sleep(0.05)
            (path / array / "c").mkdir(parents=True, exist_ok=True)

        late.append(threading.Thread(target=write))
        late[-1].start()
        raise OSError(number, "as the system says it")

    monkeypatch.setattr(render, "write_block", refuse)
    with pytest.raises(SynimgError, match=said):
        repair(small_copy)
    late[0].join()
    assert digest(small_copy) == before
    assert not (small_copy / ".partial").exists()


def test_a_disk_without_a_place_for_the_work_is_one_sentence(small_copy, monkeypatch):
    (small_copy / "image.ome.zarr/0/c/1/0/1/1").unlink()

    def refuse(self, *args, **kwargs):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(SynimgError, match=r"cannot be written \(Read-only file system\)"):
        repair(small_copy)


def test_a_sharded_image_has_the_same_voxels_in_fewer_files_and_is_mended_too(tiny_path, tmp_path):
    values = config.preset("tiny").model_dump()
    values["volume"] |= {"shard_vox": (16, 96, 128), "chunk_vox": (8, 48, 64)}
    # the network of the copy is taken over: only the image is made
    shutil.copytree(tiny_path, tmp_path / "mouse")
    dataset = Dataset.open(tmp_path / "mouse")
    dataset.drop("image", "default/measure", "default/separate", "default/validate")
    shutil.rmtree(dataset.image)
    sharded = config.Config.parse(values, "test")
    dataset.index["config"] = sharded.model_dump(mode="json")
    dataset.restore("network", dataset.index["stages"]["network"])
    synimg.generate(sharded, tmp_path / "mouse")
    for array in ("0", "2", "labels/synapses/1"):
        one, other = (read_block(p / "image.ome.zarr", array) for p in (tiny_path, tmp_path / "mouse"))
        np.testing.assert_array_equal(one, other)
    name = "image.ome.zarr/0/c/1/1/0/1"
    flip(tmp_path / "mouse" / name)
    with pytest.raises(SynimgError, match="truncated or altered"):
        read_block(tmp_path / "mouse" / "image.ome.zarr", "0")
    assert repair(tmp_path / "mouse") == ([name], [])
