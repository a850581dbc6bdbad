"""Channels whose shift nobody has stated are laid on each other by what they show."""

import numpy as np
import pytest

from synimg.analysis.recording import Recording
from synimg.analysis.registration import registered
from synimg.psf.gaussian import GaussianKernel

VOXEL = np.array((0.2, 0.07, 0.07))
SHAPE = (24, 100, 110)
EXACT_UM = (0.07, 0.015, 0.015)
"""Five sigma of the receptors, over 14 seeds; along z besides 0.02, as the block cuts synapses that one channel moves out."""
NAMES = ("pulse", "chase", "dye_1", "dye_2")
SHIFT = np.array([[0.0, 0.0, 0.0], [0.41, -0.12, 0.33], [-0.52, 0.21, 0.05], [0.3, 0.02, -0.26]])


def recording(shifts):
    channels = [
        {"name": name, "emission_nm": 571.0, "psf_sigma_um": (0.25, 0.1, 0.1), "shift_um": shift}
        for name, shift in zip(NAMES, shifts, strict=True)
    ]
    values = {"synimg_schema": 1, "window_days": 2.0, "voxel_um": tuple(VOXEL), "photons_per_receptor": 40.0}
    values |= {"photons_shape": 4.0, "tag": {}, "identity": {}, "channels": channels, "camera": {"kind": "scmos"}}
    return Recording.parse(values, "test")


def image(seed, shift_um, n=200):
    """Synapses of two dyes beside heads that are filled with two others, each channel where `shift_um` puts it."""
    rng = np.random.default_rng(seed)
    heads = rng.uniform((0.6, 0.9, 0.9), np.array(SHAPE) * VOXEL - (0.6, 0.9, 0.9), (n, 3))
    side = rng.standard_normal((n, 3))
    synapses = heads + 0.25 * side / np.linalg.norm(side, axis=1, keepdims=True)
    grey = np.empty((4, *SHAPE), np.uint16)
    for c, sigma_um in enumerate(((0.25, 0.1, 0.1), (0.25, 0.1, 0.1), (0.35, 0.25, 0.25), (0.35, 0.25, 0.25))):
        places = ((synapses if c < 2 else heads) + shift_um[c]) / VOXEL
        light = np.full(SHAPE, 6.0)
        photons = (2000.0 if c < 2 else 20_000.0) * rng.gamma(2.0, 0.5, n)
        GaussianKernel(np.array(sigma_um) / VOXEL).deposit(light, np.zeros(3, np.int64), places, photons)
        grey[c] = 100 + rng.poisson(light)
    return grey


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_channel_is_found_where_it_lies(seed):
    found = registered(recording([SHIFT[0], None, None, None]), lambda: [image(seed, SHIFT), image(seed + 10, SHIFT)])
    shift = np.array([channel.shift_um for channel in found.channels])
    assert shift[0].tolist() == [0, 0, 0]
    assert (np.abs(shift[1] - SHIFT[1]) < EXACT_UM).all()
    # over 14 seeds such a block says where the dyes are to 0.022 um, and one beside another to 0.015 um; five sigma of two
    np.testing.assert_allclose(shift[2:], SHIFT[2:], atol=5 * 0.022 / np.sqrt(2))
    np.testing.assert_allclose(shift[3] - shift[2], SHIFT[3] - SHIFT[2], atol=5 * 0.015 / np.sqrt(2))


def test_what_is_stated_stays_and_the_rest_is_placed_beside_it():
    known = recording([None, SHIFT[1], SHIFT[2], SHIFT[3]])
    found = registered(known, lambda: [image(1, SHIFT)])
    assert found.channels[1:] == known.channels[1:]
    assert (np.abs(found.channels[0].shift_um) < EXACT_UM).all()
    nowhere = registered(recording([None, None, SHIFT[2], SHIFT[3]]), lambda: [image(1, SHIFT)])
    assert nowhere.channels[0].shift_um == (0, 0, 0)
    whole = recording(SHIFT)
    assert registered(whole, list) is whole
