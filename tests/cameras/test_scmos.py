"""The camera gives back its own gain, noise and offset."""

import numpy as np
import pytest

from synimg.cameras.scmos import Scmos

CAMERA = Scmos()
SHAPE = (8, 120, 130)


def record(mean, key=1):
    return CAMERA.record(np.full(SHAPE, mean), key, (0, 0, 0), SHAPE).astype(float)


@pytest.mark.parametrize("key", [1, 2, 3])
def test_photon_transfer_gives_gain_and_read_noise(key):
    means = [record(m, key).mean() - CAMERA.offset_adu for m in (5, 50, 400)]
    variances = [record(m, key).var() for m in (5, 50, 400)]
    gain, _ = np.polyfit(means, variances, 1)
    assert gain == pytest.approx(CAMERA.gain_adu_per_electron, rel=0.02)
    dark = record(0.0, key)
    assert dark.mean() == pytest.approx(CAMERA.offset_adu, abs=0.1)
    assert dark.std() == pytest.approx(CAMERA.gain_adu_per_electron * CAMERA.read_noise_electrons, rel=0.02)


def test_bytes_do_not_depend_on_the_blocks():
    photons = np.random.default_rng(1).gamma(2.0, 10.0, SHAPE)
    whole = CAMERA.record(photons, 9, (0, 0, 0), SHAPE)
    part = CAMERA.record(photons[3:7, 10:60, 20:99], 9, (3, 10, 20), SHAPE)
    np.testing.assert_array_equal(part, whole[3:7, 10:60, 20:99])


def test_a_full_well_saturates():
    top = CAMERA.offset_adu + CAMERA.gain_adu_per_electron * CAMERA.full_well_electrons
    assert record(1e6).mean() == pytest.approx(min(top, 65535), rel=1e-3)
