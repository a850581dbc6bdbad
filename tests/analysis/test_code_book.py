"""Codes of dendrites from the colours in the image: found where they differ from the book, kept where nothing shows them."""

from types import SimpleNamespace

import numpy as np
import pytest
import threadpoolctl

from synimg.analysis.code_book import as_dendrites_show, pure_colours, shown_codes
from synimg.analysis.cytosol import Cores
from synimg.streams import stream

CV = 0.05


def unit(codes):
    return codes / np.linalg.norm(codes, axis=1, keepdims=True)


def angles(a, b):
    """Degrees between the codes of each row."""
    return np.degrees(np.arccos(np.clip((unit(a) * unit(b)).sum(axis=1), -1.0, 1.0)))


def drawn(seed, n_neurons=30, n_each=600, shown=None):
    """A book, the codes of the dendrites, and colours of those `shown`, one in ten of which is a mixture."""
    rng = stream(seed, "test")
    read = rng.dirichlet(np.ones(4), n_neurons)
    book, codes = (read * np.exp(CV * rng.standard_normal(read.shape)) for _ in range(2))
    of = np.repeat(np.arange(n_neurons) if shown is None else shown, n_each)
    colours = unit(codes)[of] + 0.008 * rng.standard_normal((of.size, 4))
    mixed = rng.random(of.size) < 0.1
    colours[mixed] += unit(codes)[rng.integers(0, n_neurons, mixed.sum())]
    return book, codes, unit(np.maximum(colours, 0.0))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_codes_come_near_to_those_of_the_dendrites(seed):
    book, codes, colours = drawn(seed)
    before, after = angles(book, codes), angles(shown_codes(book, CV, colours)[0], codes)
    assert np.median(after) < 0.4 * np.median(before)
    assert np.mean(after < 1.5) >= 0.9


def test_two_neurons_alike_are_told_apart_by_what_their_dendrites_show():
    book = np.array([[0.60, 0.30, 0.10, 0.35], [0.64, 0.28, 0.13, 0.33], [0.1, 0.1, 0.9, 0.2]])
    codes = np.array(
        [[0.55, 0.33, 0.09, 0.37], [0.60, 0.30, 0.10, 0.35], [0.1, 0.1, 0.9, 0.2]]
    )  # the second is as the first was read
    rng = stream(4, "test")
    colours = unit(unit(codes)[np.repeat([0, 1, 2], 800)] + 0.01 * rng.standard_normal((2400, 4)))
    np.testing.assert_array_less(angles(shown_codes(book, CV, colours)[0], codes), 1.0)


def test_a_neuron_that_the_image_does_not_show_keeps_its_code():
    book, codes, colours = drawn(5, shown=np.arange(15))
    after, _ = shown_codes(book, CV, colours)
    moved = angles(after, book)[15:]
    assert np.mean(moved < 1.0) >= 0.8
    assert np.median(angles(after, codes)[:15]) < 0.5 * np.median(angles(book, codes)[:15])


def test_levels_keep_their_size_and_the_scatter_of_colours_is_seen():
    book, _, colours = drawn(6)
    after, scatter = shown_codes(7.0 * book, CV, colours)
    assert scatter == pytest.approx(0.008, rel=0.5)
    np.testing.assert_allclose(np.linalg.norm(after, axis=1), np.linalg.norm(7.0 * book, axis=1))


def test_mixtures_and_lone_cores_are_not_pure():
    cores = Cores(
        np.zeros((4, 3)),
        unit(np.eye(4) + 0.1),
        np.array([20.0, 20, 3, 20]),
        np.array([0.01, 0.2, 0.01, 0.03]),
        np.zeros((0, 2), int),
    )
    np.testing.assert_array_equal(pure_colours(cores), cores.colours[[0, 3]])


def test_a_recording_without_colours_stays_as_it_is():
    recording = SimpleNamespace(identity={"kind": "none"})
    assert as_dendrites_show(recording, []) is recording


@pytest.mark.parametrize("n_dyes", [1, 3])
def test_a_neuron_without_dye_and_a_single_dye_are_no_obstacle(n_dyes):
    book = np.vstack([np.zeros(n_dyes), np.eye(3)[:, :n_dyes] + 0.2])
    colours = unit(book[1:][np.arange(400) % 3])
    codes, scatter = shown_codes(book, 0.05, colours)
    np.testing.assert_allclose(codes, book, atol=0.02)
    assert scatter < 0.02


def test_codes_do_not_depend_on_the_number_of_threads():
    book, _, colours = drawn(1)
    found = []
    for n in (1, 2):
        with threadpoolctl.threadpool_limits(n):
            found.append(shown_codes(book, CV, colours)[0])
    np.testing.assert_array_equal(*found)
