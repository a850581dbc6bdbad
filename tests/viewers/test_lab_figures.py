"""Pictures of a lab's own recordings."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.stitch import TileTable, stitch_tiles
from synimg.schema import PLACE
from synimg.store.morphology import Trace
from synimg.streams import stream
from synimg.viewers.figures.recording import recording
from synimg.viewers.figures.stitched import save_stitched, stitched


def test_synapses_have_the_colour_of_the_dendrite_that_was_traced():
    trace = Trace("n7.swc", 7, np.array([[1.0, 2.0, 0.0]]), np.array([[1.0, 2.0, 9.0]]), np.ones(1), np.ones(1, int))
    places = pd.DataFrame({"z_um": 1.0, "y_um": [2.5, 3.0, 5.0], "x_um": [1.0, 4.0, 8.0]})
    synapses = places.assign(neuron_id=pd.array([7, 7, None], "Int64"))
    brightest = stream(1, "test").integers(90, 400, (2, 70, 130)).astype(np.uint16)
    found = recording(brightest, synapses, [trace], (0.1, 0.07)).axes[1]
    lines, mine, others = found.collections
    assert found.get_title() == "2 synapses in the colour of their dendrite, 1 without parent (white)"
    assert mine.get_offsets().tolist() == [[1.0, 2.5], [4.0, 3.0]]
    np.testing.assert_allclose(mine.get_facecolor()[0][:3], lines.get_colors()[0][:3])
    assert others.get_offsets().tolist() == [[8.0, 5.0]]


def test_without_traces_all_synapses_are_alike():
    synapses = pd.DataFrame({"z_um": [1.0], "y_um": [2.5], "x_um": [1.0], "neuron_id": [1]})
    figure = recording(np.zeros((2, 40, 50), np.uint16), synapses, [], (0.1, 0.1))
    assert figure.axes[1].get_title() == "1 synapses"


@pytest.fixture
def tiles():
    """Two tiles of the same forty synapses."""
    rng = stream(2, "test")
    places = rng.uniform(1, 9, (40, 3))
    made = []
    for k, name in enumerate("ab"):
        table = pd.DataFrame(places + rng.normal(0, 0.02, places.shape), columns=PLACE)
        table = table.assign(synapse_id=np.arange(1, 41), neuron_id=1, r_old=30.0, r_new=20.0)
        electrons = pd.DataFrame({f"{n}_electrons": rng.normal(900, 30, 40) for n in ("pulse", "chase")})
        electrons = electrons.assign(pulse_electrons_se=30.0, chase_electrons_se=30.0)
        made.append(TileTable(name, table, electrons, np.full(3, 10.0), np.array([0.0, 0.0, 0.3 * k])))
    return made


def test_a_map_of_tiles_says_what_was_found_twice_and_how_it_scatters(tiles, tmp_path):
    found = stitch_tiles(tiles)
    seen, counts = stitched(found, tiles).axes
    labels = [text.get_text() for axis in (seen, counts) for text in axis.get_legend().get_texts()]
    assert labels[:2] == ["0 found by one tile", "40 found by several tiles"]
    assert [text.split(":")[0] for text in labels[2:]] == ["old receptors", "new receptors"]
    save_stitched(tmp_path / "a.png", found, tiles)
    assert (tmp_path / "a.png").stat().st_size > 10_000
