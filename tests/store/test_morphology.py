"""Morphology files: read as they are, refused in one sentence when they cannot be a tree, written and read back."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from synimg.errors import SynimgError
from synimg.store.morphology import morphology_notes, read_tree_arrays, write_swc

SOMA = "1 1 0 0 0 5 -1\n"
STICK = SOMA + "2 3 0 5 1 0.5 1\n3 3 0 10 2 0.4 2\n"
ASC = """("CellBody" (CellBody) (5 0 0 0) (0 5 0 0) (-5 0 0 0) (0 -5 0 0))
((Dendrite) (0 5 1 1.0) (0 10 2 0.8) ( (5 15 3 0.6) (9 20 3 0.6) | (-5 15 3 0.6) (-9 20 3 0.6) ))
"""
DATA = Path(os.environ.get("SYNIMG_DATA", Path(__file__).parents[3] / "shared" / "data")) / "morphology"
REAL = sorted(DATA.glob("*.asc"))


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_points_come_back_in_the_order_z_y_x_with_the_soma_as_root(tmp_path):
    points, radius, parent, kind = read_tree_arrays(written(tmp_path, "a.swc", STICK))
    np.testing.assert_allclose(points, [[0, 0, 0], [1, 5, 0], [2, 10, 0]])
    np.testing.assert_allclose(radius, [5, 0.5, 0.4], rtol=1e-6)
    assert parent.tolist() == [-1, 0, 1]
    assert kind.tolist() == [1, 3, 3]


def test_a_neurolucida_outline_becomes_one_soma_and_sections_keep_their_branching(tmp_path):
    points, radius, parent, _ = read_tree_arrays(written(tmp_path, "a.asc", ASC))
    assert radius[0] == pytest.approx(5.0)
    assert np.bincount(parent[1:]).tolist() == [1, 1, 2, 1, 0, 1]
    assert len(points) == 7
    assert radius[1] == pytest.approx(0.5)  # the file holds diameters


def test_an_h5_morphology_is_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["points"] = [[1.0, 0, 0, 1], [0, 1, 0, 1], [-1, 0, 0, 1], [0, 5, 1, 1.0], [0, 10, 2, 0.8]]
        file["structure"] = np.array([[0, 1, -1], [3, 3, 0]])
    points, radius, parent, kind = read_tree_arrays(tmp_path / "a.h5")
    np.testing.assert_allclose(points[-1], [2, 10, 0])
    assert radius[-1] == pytest.approx(0.4)
    assert (parent.tolist(), kind.tolist()) == ([-1, 0, 1], [1, 3, 3])


def test_a_tree_written_as_swc_reads_back_the_same(tmp_path):
    before = read_tree_arrays(written(tmp_path, "a.asc", ASC))
    write_swc(tmp_path / "b.swc", *before)
    after = read_tree_arrays(tmp_path / "b.swc")
    np.testing.assert_allclose(after[0], before[0], atol=6e-5)  # four decimals in the file
    np.testing.assert_allclose(after[1], before[1], atol=6e-5)
    assert after[2].tolist() == before[2].tolist()
    assert after[3].tolist() == before[3].tolist()


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("empty.swc", "", "has no soma"),
        ("words.swc", "hello world\n", "line 1: Unable to parse"),
        ("nosoma.swc", "1 3 0 0 0 1 -1\n2 3 0 5 0 1 1\n", "has no soma"),
        ("onlysoma.swc", SOMA, "has no dendrite"),
        ("axon.swc", SOMA + "2 2 0 5 0 1 1\n3 2 0 10 0 1 2\n", "has no dendrite"),
        (
            "zero.swc",
            STICK.replace("0.5 1\n", "0 1\n"),
            r"radius at x, y, z = \[0.0, 5.0, 1.0\] is 0; it must be above 0",
        ),
        ("negative.swc", STICK.replace("0.5 1\n", "-1 1\n"), "is -1; it must be above 0"),
        ("nosize.swc", STICK.replace("5 -1\n", "0 -1\n"), r"radius at x, y, z = \[0.0, 0.0, 0.0\] is 0"),
        ("nan.swc", STICK.replace("10", "nan"), "line 3"),
        ("orphan.swc", SOMA + "2 3 0 5 0 1 77\n", "parent ID: 77"),
        ("cut.swc", STICK[:-8], "line 3"),
        ("loop.swc", STICK + "4 3 0 20 0 1 5\n5 3 0 30 0 1 4\n", "the points 4, 5 go round in a loop"),
        ("self.swc", SOMA + "2 3 0 5 0 1 2\n", "Parent ID can not be itself"),
        ("several.swc", STICK + "4 3 9 0 0 1 -1\n5 3 9 9 0 1 4\n", "2 trees, with the roots 1, 4"),
        ("cut.asc", ASC[:-30], "not readable as a morphology"),
        ("empty.asc", "", "the file ends before its tree does"),
        ("other.h5", "abc", "Not an HDF5 file"),
        ("tree.txt", STICK, r"an \.swc, \.asc \(Neurolucida\) or \.h5 file"),
    ],
)
def test_a_file_that_is_no_tree_is_refused_in_one_plain_sentence(tmp_path, name, text, reason):
    with pytest.raises(SynimgError, match=reason) as caught:
        read_tree_arrays(written(tmp_path, name, text))
    message = str(caught.value)
    assert message.startswith(str(tmp_path / name))
    assert message.isprintable()


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SynimgError, match=r"absent\.swc: no such morphology file"):
        read_tree_arrays(tmp_path / "absent.swc")


def test_reading_prints_nothing(tmp_path, capfd):
    unsorted = "".join(reversed(STICK.splitlines(keepends=True)))
    read_tree_arrays(written(tmp_path, "a.swc", unsorted))
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not REAL, reason="the real morphologies are not here; SYNIMG_DATA names their folder's parent")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_a_real_neuron_is_one_tree_with_dendrite_and_axon(path):
    points, radius, parent, kind = read_tree_arrays(path)
    assert (parent[1:] < np.arange(1, parent.size)).all()
    assert (parent[1:] >= 0).all()
    assert set(kind) >= {1, 2, 3}
    assert 5 < radius[0] < 15  # soma of a cortical neuron [um]
    length = np.linalg.norm(points[1:] - points[parent[1:]], axis=1)[kind[1:] == 3].sum()
    assert 500 < length < 20_000  # dendrite [um]


def test_a_type_that_changes_along_a_dendrite_is_read_and_told(tmp_path):
    path = written(tmp_path, "a.swc", STICK + "4 4 0 15 3 0.4 3\n5 4 0 20 3 0.4 4\n")
    points, _, parent, kind = read_tree_arrays(path)
    assert points[:, 1].tolist() == [0, 5, 10, 15, 20]
    assert (parent.tolist(), kind.tolist()) == ([-1, 0, 1, 2, 3], [1, 3, 3, 4, 4])
    assert morphology_notes(path) == [f"{path}: line 3: Type changed within section, without bifurcation"]


def test_what_the_reader_finds_odd_is_a_sentence(tmp_path):
    soma = "1 1 0 0 0 5 -1\n2 1 0 4 0 3 1\n3 1 0 -9 0 3 1\n"
    odd = written(tmp_path, "odd.swc", soma + "4 3 0 5 0 0.5 1\n5 3 0 10 2 0.4 4\n")
    (note,) = morphology_notes(odd)
    assert note.startswith(f"{odd}: Three Point Soma: The non-constant columns is not offset")
    assert note.isprintable()
    assert morphology_notes(written(tmp_path, "fine.swc", STICK)) == []
