"""Colour and label read-outs: random per neuron, keyed, with the errors that the settings state."""

from types import SimpleNamespace

import numpy as np
import pytest

from synimg import schema
from synimg.errors import SynimgError
from synimg.phantoms.identity.colour import Colour
from synimg.phantoms.identity.label_readout import LabelReadout
from synimg.phantoms.identity.none import Unnamed

IDS = np.arange(1, 401)
PARTS = [Colour(), LabelReadout()]


def readings(n: int = 6000, n_neurons: int = 37) -> SimpleNamespace:
    """The parts of a tissue that a read-out sees; every fifth contact is not imaged."""
    rng = np.random.default_rng(3)
    return SimpleNamespace(
        is_imaged=np.arange(n) % 5 > 0,
        neuron_row=rng.integers(0, n_neurons, n),
        neuron_id=np.arange(n_neurons) * 3 + 1,
        position_um=rng.random((n, 3)) * 50,
    )


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.kind)
def test_every_identity_keeps_the_protocol(part):
    channels = part.dye_channels()
    assert part.codes(IDS, 1).shape == (IDS.size, len(channels))
    assert len(set(part.barcodes(IDS, 1))) == IDS.size
    known = part.known(IDS, 1)
    assert known["kind"] == part.kind
    assert known["neuron_id"] == IDS.tolist()
    assert part.dye_background_photons() >= 0


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.kind)
def test_a_neurons_label_does_not_depend_on_which_others_are_labelled(part):
    np.testing.assert_array_equal(part.codes(IDS, 1)[::7], part.codes(IDS[::7], 1))
    assert part.barcodes(IDS, 1)[::7] == part.barcodes(IDS[::7], 1)
    assert part.barcodes(IDS, 1) != part.barcodes(IDS, 2)


def test_without_a_label_there_is_neither_a_dye_nor_a_read_out_nor_a_code():
    part = Unnamed()
    assert part.dye_channels() == []
    assert part.readouts(readings(), 1) is None
    assert part.known(IDS, 1) == {"kind": "none"}
    assert set(part.barcodes(IDS, 1)) == {None}


@pytest.mark.parametrize("n_dyes", [2, 3, 6])
def test_colours_have_mean_level_one_and_uniform_mixtures(n_dyes):
    colour = Colour(emission_nm=tuple(450.0 + 20 * k for k in range(n_dyes)), brightness_sd_ln=0.0, expression_cv=0.0)
    codes = colour.codes(IDS, 1)
    np.testing.assert_allclose(codes.mean(axis=1), 1.0)
    # share of one dye under a flat Dirichlet law: variance (k - 1) / (k^2 (k + 1))
    share_sd = np.sqrt((n_dyes - 1) / (n_dyes**2 * (n_dyes + 1)))
    assert (codes[:, 0] / n_dyes).std() == pytest.approx(share_sd, rel=0.12)  # 400 neurons: 3 sigma


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_code_book_differs_from_the_dendrites_by_the_expression_error_twice(seed):
    colour = Colour(expression_cv=0.05)
    ratio = np.log(colour.codes(IDS, seed) / np.array(colour.known(IDS, seed)["codebook"]))
    assert ratio.std() == pytest.approx(0.05 * np.sqrt(2), rel=4 / np.sqrt(2 * ratio.size))


def test_without_expression_error_the_code_book_is_exact():
    colour = Colour(expression_cv=0.0)
    np.testing.assert_array_equal(colour.codes(IDS, 1), np.array(colour.known(IDS, 1)["codebook"]))


def test_a_dendrite_gives_more_than_a_hundred_photons_per_voxel():
    colour = Colour()
    voxel_um3 = 0.2 * 0.07 * 0.07
    total = colour.photons(colour.codes(IDS, 1)).sum(axis=1) * voxel_um3
    assert 100 < np.median(total) < 400


@pytest.mark.parametrize("emission_nm", [(500.0,), tuple(450.0 + k for k in range(7))])
def test_one_or_seven_dyes_are_refused(emission_nm):
    with pytest.raises(SynimgError, match="emission_nm"):
        Colour.parse({"emission_nm": emission_nm}, "identity")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_read_outs_are_wrong_and_missing_as_often_as_stated(seed):
    tissue = readings()
    part = LabelReadout(error_rate=0.1, loss_rate=0.2, jitter_um=0.0)
    table = schema.check(part.readouts(tissue, seed), schema.READOUTS, "test")
    n = tissue.is_imaged.sum()
    assert len(table) / n == pytest.approx(0.8, abs=4 * np.sqrt(0.8 * 0.2 / n))
    truth = {tuple(p): tissue.neuron_id[row] for p, row in zip(tissue.position_um, tissue.neuron_row, strict=True)}
    columns = (table[name] for name in ("z_um", "y_um", "x_um", "neuron_id"))
    right = [truth[(z, y, x)] == i for z, y, x, i in zip(*columns, strict=True)]
    assert np.mean(right) == pytest.approx(0.9, abs=4 * np.sqrt(0.9 * 0.1 / len(table)))


def test_a_perfect_read_out_names_every_parent():
    tissue = readings()
    table = LabelReadout(error_rate=0.0, loss_rate=0.0, jitter_um=0.0).readouts(tissue, 1)
    np.testing.assert_array_equal(table["neuron_id"], tissue.neuron_id[tissue.neuron_row[tissue.is_imaged]])


def test_read_outs_scatter_around_their_synapse_by_the_jitter():
    tissue = readings()
    table = LabelReadout(loss_rate=0.0, jitter_um=0.1).readouts(tissue, 1)
    off = table[["z_um", "y_um", "x_um"]].to_numpy() - tissue.position_um[tissue.is_imaged]
    assert off.std() == pytest.approx(0.1, rel=4 / np.sqrt(2 * off.size))


def test_a_read_out_does_not_depend_on_which_other_synapses_are_imaged():
    some, every = readings(), readings()
    every.is_imaged = np.ones_like(every.is_imaged)
    part = LabelReadout(loss_rate=0.0)
    a, b = part.readouts(some, 1), part.readouts(every, 1)
    np.testing.assert_array_equal(a["z_um"], b["z_um"][some.is_imaged])
    np.testing.assert_array_equal(a["neuron_id"], b["neuron_id"][some.is_imaged])


def test_a_single_neuron_cannot_be_mistaken():
    tissue = readings(n_neurons=1)
    assert (LabelReadout(error_rate=0.9).readouts(tissue, 1)["neuron_id"] == 1).all()
