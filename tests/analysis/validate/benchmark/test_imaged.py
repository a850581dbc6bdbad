"""An imaged scenario: the network of a table through the microscope and back, with its truth apart."""

import numpy as np
import pytest

from synimg import schema
from synimg.analysis.validate.benchmark import imaged as module
from synimg.analysis.validate.benchmark.imaged import Picture, known_measurement, load, take_picture
from synimg.phantoms.scenarios.suite import IMAGED, SUITE

FEW = IMAGED["sparse_potentiation_imaged"].model_copy(update={"n_neurons": 4, "synapses_per_neuron": (10, 14)})


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """Four short neurons in a small block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SHAPE_VOX", (24, 128, 128))
        patch.setattr(module, "CHUNK_VOX", (24, 128, 128))
        picture = Picture(FEW, 1, tmp_path_factory.mktemp("picture"), "code")
        take_picture(picture)
    return picture


def test_the_table_holds_what_the_image_shows_and_no_truth(picture):
    drawn = load(picture.folder)
    checked = schema.check(drawn.table, schema.SYNAPSES, "imaged")
    assert set(drawn.table.columns) <= set(schema.SYNAPSES.names)
    assert (checked["synapse_id"] == drawn.truth["synapse_id"]).all()
    assert set(drawn.table["neuron_id"]) <= set(drawn.neurons["neuron_id"])


def test_rows_are_those_of_the_synapses_that_lie_there(picture):
    drawn = load(picture.folder)
    there = drawn.truth["is_there"].to_numpy()
    assert there.mean() > 0.6
    for name in ("old", "new"):
        found, true = drawn.table[f"r_{name}"][there], drawn.truth[f"r_{name}_true"][there]
        assert np.corrcoef(found, true)[0, 1] > 0.8
    assert (drawn.table["neuron_id"] == drawn.truth["post_id"])[there].mean() > 0.8
    assert not drawn.truth.loc[~there, "is_learned"].any()


def test_the_ceiling_knows_the_errors_of_the_image(picture):
    found = known_measurement(FEW, load(picture.folder))
    assert FEW.dye_variance < found.dye_variance < 2.0  # overlap adds to the dyes' own scatter
    assert 0.0 <= found.wrong_parents < 0.2


def test_a_picture_is_made_again_only_by_other_code_or_when_it_is_damaged(picture):
    assert picture.is_done
    assert not Picture(FEW, 1, picture.folder, "other code").is_done
    table = picture.folder / "table.parquet"
    kept = table.read_bytes()
    table.write_bytes(kept[:-20])
    assert not picture.is_done
    table.write_bytes(kept)
    assert picture.is_done


def test_every_imaged_scenario_is_one_of_the_tables():
    assert len(IMAGED) == 5
    for name, scenario in IMAGED.items():
        base = SUITE[name.removesuffix("_imaged")]
        changed = {"name", "hard_at", "n_animals", "n_neurons"}
        assert scenario.model_dump(exclude=changed) == base.model_dump(exclude=changed)
