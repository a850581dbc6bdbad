"""How often noise alone is taken for a synapse, told from finds at a lower gain."""

import numpy as np
import pytest
from scipy.special import gammaincc, gammainccinv

from synimg.analysis.block import tiles
from synimg.analysis.fit import Scene
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.noise_rate import NoiseFinds, false_rate, least_noise_gain, measure_noise
from synimg.analysis.scene import data_and_background
from synimg.streams import stream

VOXEL, PSF = np.array([0.2, 0.07, 0.07]), np.array([[1.35, 1.357, 1.357]])


@pytest.mark.parametrize("power", [1.5, 2.0, 2.5])
def test_a_rate_of_one_in_thousands_of_um3_is_told_from_a_few_hundred(power):
    rng = stream(1, "test", "noise")
    beyond = gammaincc(power + 1.0, [0.5 * 18.0, 0.5 * 27.0])
    truth = 30.0 / 600.0 * beyond[1] / beyond[0]
    held, ratio = [], []
    for _ in range(60):  # 30 finds beyond 18 in 600 um^3, of the density g^power exp(-g / 2)
        gain = 2.0 * gammainccinv(power + 1.0, rng.uniform(0.0, beyond[0], rng.poisson(30)))
        rate = false_rate([NoiseFinds(gain, 600.0)], 18.0, 27.0)
        held.append(rate.lo < truth < rate.hi)
        ratio.append(np.log(rate.per_um3 / truth))
    assert np.mean(held) >= 0.87  # 95 % of 60 within 3 sigma
    assert np.mean(ratio) == pytest.approx(0, abs=0.3)


def test_without_a_find_the_rate_is_small_and_its_interval_wide():
    rate = false_rate([NoiseFinds(np.zeros(0), 600.0)], 18.0, 27.0)
    assert rate.per_um3 < 1e-4
    assert rate.hi > 30 * rate.lo
    assert false_rate([], 18.0, 27.0) is None


def test_noise_alone_is_found_at_the_low_gain_as_often_as_elsewhere_and_the_same_again():
    settings = MeasureSettings(tile_vox=(40, 140, 140))
    rng = stream(1, "test", "empty")
    tile = tiles((40, 140, 140), settings)[0]
    flat = rng.poisson(8.0, (1, 40, 140, 140)).astype(float)
    scene = Scene(*data_and_background(flat, 1.6, VOXEL, settings), PSF, np.zeros((1, 3)), VOXEL, 4e-6, read_noise=1.6)
    found = measure_noise(scene, tile, settings, stream(0, "test"))
    again = measure_noise(scene, tile, settings, stream(0, "test"))
    np.testing.assert_array_equal(found.gain, again.gain)
    assert found.volume_um3 == pytest.approx(40 * 140 * 140 * VOXEL.prod())
    least = least_noise_gain(settings)
    assert (found.gain >= least).all()
    # 0.007 per um^3 beyond 17.8, by 63 000 um^3 of such noise: 5 are expected here
    assert 1 <= found.gain.size <= 12
    assert least < settings.least_gain == 28.0
    assert least_noise_gain(settings.model_copy(update={"least_gain": 12.0})) == 12.0
