"""The image on disk: valid OME-Zarr that other tools open, and no damaged voxel passes for data."""

import itertools

import numpy as np
import pytest
import zarr

from synimg.errors import SynimgError
from synimg.phantoms.render import shrink_block
from synimg.store.image import blocks, create_image, pyramid, read_block, write_block


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


def test_levels_go_on_until_the_coarsest_can_be_looked_at():
    found = pyramid((1000, 20_000, 20_000), (0.2, 0.07, 0.07))
    assert [level.factor for level in found[:4]] == [(1, 1, 1), (1, 2, 2), (1, 4, 4), (2, 8, 8)]
    assert found[-1].shape == (250, 313, 313)
    # what is small has the three levels that it always had, whatever its voxels
    assert [level.shape for level in pyramid((48, 640, 640), (0.2, 0.07, 0.07))] == [
        (48, 640 // f, 640 // f) for f in (1, 2, 4)
    ]
    assert [level.factor for level in pyramid((137, 560, 561), (0.07, 0.08, 0.08))] == [(1, 1, 1), (1, 2, 2), (1, 4, 4)]


@pytest.mark.parametrize("seed", range(20))
def test_no_image_has_a_coarsest_level_that_is_too_large(seed):
    rng = np.random.default_rng(seed)
    shape, voxel_um = tuple((50_000 ** rng.random(3)).astype(int).tolist()), tuple(10 ** rng.uniform(-2, 1, 3))
    levels = pyramid(shape, voxel_um)
    assert max(levels[-1].shape) <= 512
    assert len(levels) <= 17  # eight halvings of y and x, and then of z
    for below, level in itertools.pairwise(levels):
        step = np.array(level.factor) // np.array(below.factor)
        assert level.shape == tuple(-(-n // s) for n, s in zip(below.shape, step, strict=True))


def test_a_coarse_voxel_is_the_mean_of_those_below_along_z_as_well(tmp_path):
    path, shape = tmp_path / "a.ome.zarr", (517, 6, 5)
    levels = pyramid(shape, (0.1, 0.1, 0.1))
    assert [level.shape for level in levels] == [(517, 6, 5), (259, 3, 3), (130, 2, 2)]
    create_image(path, shape, (64, 4, 4), (0.1, 0.1, 0.1), [{"name": "p", "color": "FF00FF", "window": (0, 1)}], {})
    whole = np.random.default_rng(1).integers(0, 60_000, (1, *shape)).astype(np.uint16)
    for box in blocks(shape, (64, 4, 4)):
        write_block(path, "0", box, whole[(slice(None), *(slice(s, s + n) for s, n in zip(*box, strict=True)))])
        for name in ("neurons", "synapses"):
            write_block(path, f"labels/{name}/0", box, np.full(box[1], 7, np.uint32))
    for box in blocks(levels[1].shape, (64, 4, 4)):
        shrink_block(box, str(path), 1, levels)
    even = np.pad(whole[0], [(0, 1), (0, 0), (0, 1)], mode="edge").astype(float).reshape(259, 2, 3, 2, 3, 2)
    np.testing.assert_array_equal(read_block(path, "1")[0], np.floor(even.mean(axis=(1, 3, 5)) + 0.5))
    assert (read_block(path, "labels/neurons/1") == 7).all()
    scale, shift = zarr.open_group(path, mode="r").attrs["ome"]["multiscales"][0]["datasets"][2][
        "coordinateTransformations"
    ]
    assert scale["scale"] == pytest.approx([1, 0.4, 0.4, 0.4])
    assert shift["translation"] == pytest.approx([0, 0.15, 0.15, 0.15])


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
