"""The image on disk: valid OME-Zarr that other tools open, and no damaged voxel passes for data."""

import numpy as np
import pytest
import zarr

from synimg.errors import SynimgError
from synimg.store.image import blocks, create_image, read_block, write_block


def test_the_image_is_valid_ome_zarr(tiny_path):
    yaozarrs = pytest.importorskip("yaozarrs")
    yaozarrs.validate_zarr_store(str(tiny_path / "image.ome.zarr"))
    models = pytest.importorskip("ome_zarr_models")
    models.open_ome_zarr(zarr.open_group(tiny_path / "image.ome.zarr", mode="r"))


def test_levels_and_labels_share_shape_scale_and_unit(tiny_path):
    group = zarr.open_group(tiny_path / "image.ome.zarr", mode="r")
    for path, lead in (("", 1), ("labels/neurons", 0), ("labels/synapses", 0)):
        scales = (group[path] if path else group).attrs["ome"]["multiscales"][0]
        assert [a.get("unit") for a in scales["axes"][lead:]] == ["micrometer"] * 3
        for level in range(3):
            assert group[f"{path}/{level}".lstrip("/")].shape[lead:] == group[str(level)].shape[1:]
            scale, shift = scales["datasets"][level]["coordinateTransformations"]
            assert scale["scale"][lead:] == pytest.approx([0.2, 0.07 * 2**level, 0.07 * 2**level])
            assert shift["translation"][lead:] == pytest.approx([0, 0.035 * (2**level - 1), 0.035 * (2**level - 1)])


def test_blocks_tile_the_volume_exactly():
    seen = np.zeros((7, 65, 97), int)
    for start, size in blocks((7, 65, 97), (4, 32, 50)):
        seen[tuple(slice(s, s + n) for s, n in zip(start, size, strict=True))] += 1
    assert (seen == 1).all()


def test_a_chunk_of_zeros_has_a_file_like_any_other(tmp_path):
    path, shape = tmp_path / "a.ome.zarr", (5, 20, 30)
    create_image(path, shape, (4, 16, 16), (0.2, 0.1, 0.1), [{"name": "p", "color": "FF00FF", "window": (0, 1)}], {})
    for box in blocks(shape, (4, 16, 16)):
        assert len(write_block(path, "labels/neurons/0", box, np.zeros(box[1], np.uint32))) == 1
    assert not read_block(path, "labels/neurons/0").any()


def test_a_missing_chunk_is_an_error_and_not_zeros(tiny_copy):
    (tiny_copy / "image.ome.zarr/0/c/0/0/0/0").unlink()
    with pytest.raises(SynimgError, match="a chunk is missing"):
        read_block(tiny_copy / "image.ome.zarr", "0")


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_chunk_is_an_error_that_names_the_region(tiny_copy, damage):
    chunk = tiny_copy / "image.ome.zarr/0/c/0/1/0/0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(bytes(data[:-100]) if damage == "truncated" else bytes(data))
    with pytest.raises(SynimgError, match="a chunk in z 16:32, y 0:96, x 0:128 is truncated or altered"):
        read_block(tiny_copy / "image.ome.zarr", "0", ((16, 0, 0), (16, 96, 128)))
