"""Parents from colour and from read-outs: right where it can be known, with honest probabilities where it cannot."""

import numpy as np
import pandas as pd
import pytest
from scipy import ndimage

from synimg.analysis.assign import (
    colour_log_likelihood,
    head_colours,
    nearest_readout,
    parents,
    read_colours,
    sharp_colours,
    trace_neurons,
)
from synimg.analysis.cytosol import cores_of, cytosol
from synimg.config import Config
from synimg.phantoms.solids import paint_labels, solids
from synimg.phantoms.tissue import build_tissue
from synimg.phantoms.wiring import build_wiring
from synimg.streams import stream

SIGMA_VOX = np.array([1.0, 1.1, 1.1])
VOXEL_UM = np.array([0.2, 0.07, 0.07])
BACKGROUND = 8.0
READ_NOISE = np.full((1, 1), 1.6)


def recorded(clean, rng):
    """Electrons of a clean image (c, z, y, x) through a Gaussian PSF, with Poisson noise."""
    seen = np.stack([ndimage.gaussian_filter(channel, SIGMA_VOX) for channel in clean]) + BACKGROUND
    return rng.poisson(seen).astype(np.float64)


@pytest.fixture(scope="module")
def scene():
    """Neurons of a small block in colour: dyes, synapses in voxels, parents, code book, expression error, labels."""
    config = Config.parse(
        {"volume": {"shape_vox": (40, 300, 330)}, "tissue": {"n_imaged_neurons": 12}, "network": {"n_units": 160}},
        "test",
    )
    wiring = build_wiring(config, 1)
    tissue = build_tissue(config, wiring, wiring.a_start, 1, [])
    volume = config.volume
    things = solids(tissue, volume.voxel_um, volume.shape_vox)
    neurons, _ = paint_labels(things, (0, 0, 0), volume.shape_vox, volume.voxel_um)
    levels = np.zeros((int(tissue.neuron_id.max()) + 1, 4))
    levels[tissue.neuron_id] = config.identity.codes(tissue.neuron_id, 1)
    clean = 48.0 * np.moveaxis(levels[neurons], -1, 0)  # electrons per voxel at level 1
    book = np.array(config.identity.known(tissue.neuron_id, 1)["codebook"])
    imaged = tissue.is_imaged
    points = tissue.position_um[imaged] / VOXEL_UM
    return (
        recorded(clean, stream(1, "test")),
        points,
        tissue.neuron_row[imaged],
        book,
        config.identity.expression_cv,
        neurons,
        tissue.neuron_id,
    )


@pytest.fixture(scope="module")
def decoded(scene):
    """Rows and probabilities of the scene's synapses."""
    dyes, points, _, book, cv, *_ = scene
    seen = cytosol(dyes, SIGMA_VOX, VOXEL_UM)
    read = head_colours(dyes, READ_NOISE, points, SIGMA_VOX, VOXEL_UM), sharp_colours(seen, points)
    likelihood = 0.5 * sum(colour_log_likelihood(*colours, book, cv) for colours in read)
    return parents(likelihood, points * VOXEL_UM, *trace_neurons(cores_of(seen), book))


def test_nearly_every_synapse_gets_its_parent(scene, decoded):
    assert (decoded[0] == scene[2]).mean() > 0.95


def test_probabilities_of_parents_are_about_as_often_right_as_they_say(scene, decoded):
    row, probability = decoded
    right = row == scene[2]
    assert probability.mean() == pytest.approx(right.mean(), abs=0.04)
    assert right[probability > 0.97].mean() > 0.97
    assert ((probability > 0) & (probability <= 1)).all()


def test_traced_places_lie_on_their_neuron(scene):
    dyes, *_, book, _, neurons, neuron_id = scene
    traced_um, traced_row = trace_neurons(cores_of(cytosol(dyes, SIGMA_VOX, VOXEL_UM)), book)
    assert set(traced_row) == set(range(len(book)))
    here = neurons[tuple(np.rint(traced_um / VOXEL_UM).astype(int).T)]
    assert (here == neuron_id[traced_row]).mean() > 0.8  # the rest lies just outside, or where two neurons mix
    assert ((here > 0) & (here != neuron_id[traced_row])).mean() < 0.05


def test_the_colour_of_a_blob_is_read_free_of_background_and_slope():
    z, y, x = np.indices((15, 41, 43), dtype=float)
    widths = np.sqrt(SIGMA_VOX**2 + np.array([0.4, 1.2, 1.2]) ** 2)
    at = np.array([7.0, 20.0, 21.0])
    blob = np.exp(-0.5 * sum(((a - c) / w) ** 2 for a, c, w in zip((z, y, x), at, widths, strict=True)))
    dyes = np.stack([90 * blob + 7 + 0.5 * x, 30 * blob + 40 - 0.3 * y, 0 * blob + 5 + z])
    value, error = read_colours(dyes, READ_NOISE, at[None], SIGMA_VOX)
    np.testing.assert_allclose(value[0], [90, 30, 0], atol=1e-4)
    assert (error > 0).all()


def test_the_standard_error_of_a_colour_is_its_scatter_over_repeats():
    rng = stream(1, "test")
    at = np.array([[7.0, 20.0, 21.0]])
    dyes = rng.poisson(12.0, (400, 1, 15, 41, 43)) + READ_NOISE * rng.standard_normal((400, 1, 15, 41, 43))
    values = [read_colours(image, READ_NOISE, at, SIGMA_VOX) for image in dyes]
    scatter = np.std([value[0, 0] for value, _ in values])
    assert scatter == pytest.approx(values[0][1][0, 0], rel=4 / np.sqrt(2 * 400))


def test_a_synapse_outside_the_block_has_no_colour_and_says_so():
    dyes = np.ones((3, 9, 20, 22))
    value, error = read_colours(dyes, READ_NOISE, np.array([[4.0, 90.0, 5.0]]), SIGMA_VOX)
    assert (value == 0).all()
    assert np.isinf(error).all()


@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_the_likelihood_depends_on_ratios_of_dyes_alone(scale):
    rng = stream(2, "test")
    colours, book = rng.uniform(10, 100, (20, 4)), rng.dirichlet(np.ones(4), 9)
    before = colour_log_likelihood(colours, 0.1 * colours, book, 0.05)
    after = colour_log_likelihood(scale * colours, scale * 0.1 * colours, 3.0 * book, 0.05)
    np.testing.assert_allclose(after, before, rtol=1e-6)


def test_pure_colours_are_decoded_as_their_neuron():
    book = stream(3, "test").dirichlet(np.ones(4), 20)
    likelihood = colour_log_likelihood(200.0 * book, np.full_like(book, 2.0), book, 0.05)
    assert likelihood.argmax(axis=1).tolist() == list(range(20))


def test_a_neuron_far_away_is_no_parent_however_well_its_colour_fits():
    likelihood = np.array([[0.0, -3.0]])
    traced_um, traced_row = np.array([[5.0, 20.0, 20.0], [5.0, 5.8, 5.0]]), np.array([0, 1])
    row, probability = parents(likelihood, np.array([[5.0, 5.0, 5.0]]), traced_um, traced_row)
    assert row.tolist() == [1]
    assert probability[0] > 0.9


def test_of_two_neurons_equally_near_the_colour_decides():
    traced_um, traced_row = np.array([[5.0, 4.0, 5.0], [5.0, 6.0, 5.0]]), np.array([0, 1])
    row, probability = parents(np.array([[-6.0, 0.0], [0.0, 0.0]]), np.full((2, 3), 5.0), traced_um, traced_row)
    assert row[0] == 1
    assert probability[0] > 0.8  # a tenth of the heads has a colour that tells nothing
    assert probability[1] == pytest.approx(0.5)


def test_without_any_trace_the_colour_alone_decides():
    row, probability = parents(np.array([[0.0, -9.0, -9.0]]), np.zeros((1, 3)), np.zeros((0, 3)), np.zeros(0, np.int64))
    assert row.tolist() == [0]
    assert probability[0] > 0.8  # a tenth of the heads has a colour that tells nothing


def test_a_dark_block_has_no_trace():
    cores = cores_of(cytosol(np.zeros((3, 9, 40, 42)), SIGMA_VOX, VOXEL_UM))
    traced_um, traced_row = trace_neurons(cores, np.eye(3) + 0.1)
    assert traced_um.shape == (0, 3)
    assert traced_row.shape == (0,)


def test_the_nearest_read_out_names_the_parent_with_its_stated_reliability():
    readouts = pd.DataFrame(
        {"z_um": [1.0, 5.0], "y_um": [1.0, 5.0], "x_um": [1.0, 5.0], "neuron_id": [7, 9], "error_rate": [0.1, 0.2]}
    )
    points = np.array([[1.1, 1.0, 1.0], [5.0, 5.0, 5.1], [9.0, 9.0, 9.0]])
    neuron_id, probability = nearest_readout(points, readouts, 0.6)
    assert neuron_id.tolist() == [7, 9, 9]
    np.testing.assert_allclose(probability, [0.9, 0.8, 0.0])


def test_a_neuron_without_dye_is_the_parent_of_nothing_that_glows():
    book = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.2], [0.1, 1.0, 0.0]])
    colours = 50.0 * book[[1, 2, 1]]
    likelihood = colour_log_likelihood(colours, np.full_like(colours, 2.0), book, 0.05)
    assert likelihood.argmax(axis=1).tolist() == [1, 2, 1]
