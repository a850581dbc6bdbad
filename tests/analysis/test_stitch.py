"""Tiles that were recorded apart."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from synimg import schema
from synimg.analysis.stitch import StitchSettings, TileTable, stitch_tiles
from synimg.analysis.stitch_folders import stitch
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.tables import read_notes, read_table, write_table
from synimg.streams import stream

SIZE = np.array([8.0, 20.0, 24.0])
GRID = {"a": (0, 0, 0), "b": (0, 0, 19), "c": (0, 15, 0), "d": (0, 15, 19)}


def sample(rng, density=0.5):
    """Places of synapses in a piece of tissue, and their electrons."""
    size = SIZE + np.array([2, 15, 19])
    n = int(density * size.prod())
    return rng.uniform(-1, size, (n, 3)), np.exp(rng.normal(6.5, 0.6, (n, 2)))


def tile(name, at, tissue, rng, moved=(0, 0, 0), found=0.95, extra=0.02, fading=1.0, error=1.0):
    """What is measured in a tile that lies `moved` from its stated place."""
    points, electrons = tissue
    places = points - at - moved
    inside = ((places > 0) & (places < SIZE)).all(axis=1) & (rng.random(len(points)) < found)
    places = places[inside] + rng.normal(0, [0.06, 0.02, 0.02], (inside.sum(), 3))
    expected = fading * electrons[inside]
    seen = expected + error * rng.normal(0, np.sqrt(expected + 50))
    n_false = int(extra * len(places))
    places = np.vstack([places, rng.uniform(0, SIZE, (n_false, 3))])
    seen = np.vstack([seen, np.full((n_false, 2), 300.0)])
    table = pd.DataFrame(places, columns=PLACE).assign(synapse_id=np.arange(1, len(places) + 1), neuron_id=1)
    counts = {f"r_{n}": seen[:, k] / 30 for k, n in enumerate(("old", "new"))}
    dyes = {f"{n}_electrons": seen[:, k] for k, n in enumerate(("pulse", "chase"))}
    detections = pd.DataFrame(dyes | {f"{n}_se": np.sqrt(v + 50) for n, v in dyes.items()})
    return TileTable(name, table.assign(**counts, animal_id="m"), detections, SIZE, np.array(at, float))


@pytest.fixture(scope="module")
def four():
    """The tissue, how far each of four tiles was moved, and what was put together of them."""
    rng = stream(1, "test")
    tissue = sample(rng)
    moved = {name: rng.uniform(-1, 1, 3) * (name != "a") for name in GRID}
    return tissue, moved, stitch_tiles([tile(name, at, tissue, rng, moved[name]) for name, at in GRID.items()])


def test_the_place_of_every_tile_is_found(four):
    _, moved, found = four
    shift = found.tiles[[f"shift_{x}" for x in PLACE]].to_numpy()
    np.testing.assert_allclose(shift, list(moved.values()), atol=0.03)  # z: 4 sigma of 0.06 sqrt(2) / sqrt(200)


def test_every_synapse_is_counted_once(four):
    (points, _), _, found = four
    places = found.tiles[PLACE].to_numpy()
    n_true = np.any([((points > at) & (points < at + SIZE)).all(axis=1) for at in places], axis=0).sum()
    assert len(found.synapses) == pytest.approx(0.97 * n_true, rel=0.015)  # 5 % missed, 2 % false; 4 sigma of 270
    assert found.synapses["n_tiles"].max() >= 3
    assert found.synapses["synapse_id"].is_unique
    schema.check(found.synapses, schema.SYNAPSES, "t")
    apart = found.synapses[PLACE].to_numpy()
    overlap = found.synapses["n_tiles"] > 1
    # where two tiles overlap there are no more than where one lies alone
    x, y, z = apart[:, 2], apart[:, 1], apart[:, 0]
    middle = (z > 1) & (z < 7) & (y > 2) & (y < 13)
    both, alone = middle & (x > 20.5) & (x < 22.5), middle & (x > 8) & (x < 18)
    assert both.sum() / 2 == pytest.approx(alone.sum() / 10, abs=4 * np.sqrt(both.sum()) / 2)
    assert overlap[both].mean() > 0.8


def test_repeatability_is_what_was_put_in(four):
    *_, found = four
    row = found.overlaps.iloc[0]
    assert row["found_again"] == pytest.approx(0.95 / 1.02, abs=0.05)
    assert row["n_both_by_chance"] < 0.1 * row["n_both"]
    for name in ("old", "new"):
        assert found.overlaps[f"{name}_scatter"].median() == pytest.approx(1.0, abs=0.15)
        assert row[f"{name}_ratio"] == pytest.approx(1.0, abs=0.02)
    assert found.warnings == []


def test_tiles_that_do_not_agree_are_said():
    rng = stream(2, "test")
    tissue = sample(rng)
    pair = (
        tile("a", GRID["a"], tissue, rng, error=2.0),
        tile("b", GRID["b"], tissue, rng, found=0.5, fading=0.7, error=2.0),
    )
    said = "\n".join(stitch_tiles(pair).warnings)
    assert "of the synapses in the overlap are found in both" in said
    assert "times as much as their errors say" in said
    assert re.search(r"old receptors are (29|30|31)% dimmer in the second", said)


def test_a_position_that_is_wrong_stops_with_a_sentence():
    rng = stream(3, "test")
    tissue = sample(rng)
    pair = [tile("a", GRID["a"], tissue, rng), tile("b", GRID["b"], tissue, rng, moved=(0, 4.0, 0))]
    with pytest.raises(SynimgError, match=r"tiles 'a' and 'b' overlap by 8, 20, 5 um .* no shift within 2 um"):
        stitch_tiles(pair)
    assert stitch_tiles(pair, StitchSettings(max_shift_um=5.0)).tiles["shift_y_um"][1] == pytest.approx(4.0, abs=0.02)


def test_tiles_that_share_nothing_stay_where_they_are():
    rng = stream(4, "test")
    tissue = sample(rng)
    found = stitch_tiles([tile("a", (0, 0, 0), tissue, rng), tile("b", (0, 0, 40), tissue, rng)])
    assert found.tiles["x_um"].tolist() == [0, 40]
    assert found.warnings[0].startswith("no two tiles overlap by their positions")
    alone = stitch_tiles([tile(n, at, tissue, rng) for n, at in (*list(GRID.items())[:2], ("c", (0, 0, 90)))])
    assert alone.warnings == [
        "'c' shares too few synapses with any other tile to find its shift, and stays at its stated place"
    ]


def write_measured(folder, one, position=None, unit="receptors"):
    folder.mkdir(parents=True)
    write_table(folder / "synapses.parquet", one.synapses, schema.SYNAPSES)
    write_table(folder / "detections.parquet", one.detections)
    facts = {
        "shape_vox": [40, 200, 240],
        "voxel_um": [0.2, 0.1, 0.1],
        "position_um": position,
        "unit": unit,
        "warnings": [],
    }
    (folder / "result.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture
def folders(tmp_path):
    """Two measured recordings that do not state their places, and a table that does."""
    rng = stream(5, "test")
    tissue = sample(rng)
    made = [write_measured(tmp_path / n, tile(n, GRID[n], tissue, rng)) for n in "ab"]
    rows = [f"{n},{','.join(map(str, GRID[n]))}" for n in "ab"]
    (tmp_path / "at.csv").write_text("\n".join(["tile,z_um,y_um,x_um", *rows]))
    return made


def test_folders_become_one_table(folders, tmp_path):
    found = stitch(folders, tmp_path / "out", tmp_path / "at.csv")
    table = read_table(tmp_path / "out/synapses.parquet", schema.SYNAPSES)
    assert len(table) == len(found.synapses)
    assert set(table["tile"]) == {"a", "b"}
    assert {p.name for p in (tmp_path / "out").iterdir()} == {
        "synapses.parquet",
        "tiles.csv",
        "overlaps.csv",
        "twice.csv",
        "result.json",
    }


def test_what_all_counts_share_stays_beside_the_table(folders, tmp_path):
    for folder, error in zip(folders, (0.03, 0.05), strict=True):
        (folder / "quality.json").write_text(json.dumps({"scale": {"old_se": error, "new_se": 0.02}}))
    stitch(folders, tmp_path / "out", tmp_path / "at.csv")
    scale = json.loads((tmp_path / "out/result.json").read_text())["scale"]
    assert scale == {"old_se": 0.05, "new_se": 0.02, "ratio_se": 0.0, "mixing_se": 0.0}


def test_a_tile_that_is_incomplete_makes_the_whole_incomplete(folders, tmp_path):
    file = folders[1] / "synapses.parquet"
    write_table(file, read_table(file), schema.SYNAPSES, {"missing": "the table is incomplete: planes"})
    found = stitch(folders, tmp_path / "out", tmp_path / "at.csv")
    assert found.warnings[0] == "b: the table is incomplete: planes"
    assert read_notes(tmp_path / "out/synapses.parquet")["missing"] == "b: the table is incomplete: planes"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "its image does not state where it was taken: give --positions"),
        ("tile,z_um,y_um,x_mu\na,0,0,0", "column 'x_um' is missing, it has tile, z_um, y_um, x_mu"),
        ("tile,z_um,y_um,x_um\na,0,0,0", "tile 'b' is missing"),
        ("tile,z_um,y_um,x_um\na,0,0,0\na,0,0,0", "tile 'a' occurs more than once"),
        ("tile,z_um,y_um,x_um\na,0,0,0\nb,0,?,0", "position of tile 'b' is no number"),
    ],
)
def test_positions_that_are_not_known_are_named(folders, tmp_path, text, sentence):
    if text is not None:
        (tmp_path / "at.csv").write_text(text)
    with pytest.raises(SynimgError, match=sentence):
        stitch(folders, tmp_path / "out", None if text is None else tmp_path / "at.csv")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_stitched_is_refused(folders, tmp_path):
    with pytest.raises(SynimgError, match="one recording alone"):
        stitch(folders[:1], tmp_path / "out", tmp_path / "at.csv")
    with pytest.raises(SynimgError, match="no measured recording there"):
        stitch([tmp_path], tmp_path / "out", tmp_path / "at.csv")
    facts = json.loads((folders[1] / "result.json").read_text())
    (folders[1] / "result.json").write_text(json.dumps(facts | {"unit": "photons"}))
    with pytest.raises(SynimgError, match="several units: photons, receptors"):
        stitch(folders, tmp_path / "out", tmp_path / "at.csv")
