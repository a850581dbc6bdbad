"""Every detector gives back its own gain, noise and offset, and the same bytes for any blocks."""

import numpy as np
import pytest

from synimg.cameras.scmos import Scmos
from synimg.family import names, part

SHAPE = (6, 120, 130)
KINDS = names("synimg.cameras")


def record(camera, mean, key=1, shape=SHAPE):
    return camera.record(np.full(shape, float(mean)), key, (0, 0, 0), shape).astype(float)


@pytest.mark.parametrize("key", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_photon_transfer_gives_gain_read_noise_and_efficiency_within_2_percent(kind, key):
    camera = part("synimg.cameras", kind)()
    means = np.array([5.0, 20.0, 60.0])
    grey = [record(camera, m, key) for m in means]
    gain, _ = np.polyfit([g.mean() for g in grey], [g.var() for g in grey], 1)
    assert gain == pytest.approx(camera.gain_adu_per_electron, rel=0.02)
    electrons = [(g.mean() - camera.offset_adu) / camera.gain_adu_per_electron for g in grey]
    assert np.polyfit(means, electrons, 1)[0] == pytest.approx(camera.quantum_efficiency, rel=0.02)
    dark = record(camera.model_copy(update={k: 0.0 for k in _dark(camera)}), 0.0, key)
    if kind == "photon_counting":
        assert not dark.any()
        return
    wanted = camera.read_noise_electrons * camera.gain_adu_per_electron
    assert np.sqrt(dark.var() - 1 / 12) == pytest.approx(wanted, rel=0.02)  # 1/12: grey levels are whole
    assert dark.mean() == pytest.approx(camera.offset_adu, abs=0.1)


def _dark(camera):
    return [name for name in ("spurious_electrons", "dark_electrons", "dark_counts") if hasattr(camera, name)]


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_do_not_depend_on_the_blocks(kind):
    camera = part("synimg.cameras", kind)()
    photons = np.random.default_rng(1).gamma(2.0, 10.0, SHAPE)
    whole = camera.record(photons, 9, (0, 0, 0), SHAPE)
    cut = camera.record(photons[3:5, 10:60, 20:99], 9, (3, 10, 20), SHAPE)
    np.testing.assert_array_equal(cut, whole[3:5, 10:60, 20:99])


@pytest.mark.parametrize("kind", KINDS)
def test_too_much_light_ends_at_the_largest_grey_level(kind):
    camera = part("synimg.cameras", kind)()
    grey = record(camera, 1e9, shape=(1, 5, 7))
    assert grey.max() == pytest.approx(camera.largest_adu, rel=0.01)
    assert grey.max() <= camera.largest_adu


def test_pixels_differ_as_stated_and_are_the_same_in_every_plane_and_channel():
    camera = Scmos(offset_sd_adu=3.0, gain_sd=0.02, read_noise_sd_ln=0.4)
    offset, gain, read_noise = camera.maps((0, 0), (200, 300))
    assert offset.std() == pytest.approx(3.0, rel=0.02)
    assert gain.std() / gain.mean() == pytest.approx(0.02, rel=0.02)
    assert read_noise.mean() == pytest.approx(1.6, rel=0.01)
    assert np.log(read_noise).std() == pytest.approx(0.4, rel=0.02)
    np.testing.assert_array_equal(camera.maps((20, 30), (7, 9)), camera.maps((0, 0), (200, 300))[:, 20:27, 30:39])
    shape = (60, 20, 30)
    one, two = (camera.record(np.zeros(shape), key, (0, 0, 0), shape).mean(axis=0) for key in (1, 2))
    assert np.corrcoef(one.ravel(), two.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("mean", [50.0, 2000.0, 8000.0])
def test_a_dead_time_loses_counts_as_the_formula_says(mean):
    camera = part("synimg.cameras", "photon_counting")(quantum_efficiency=1.0, dark_counts=0.0)
    counts = record(camera, mean, shape=(1, 60, 60))
    busy = mean * camera.dead_time_ns * 1e-3 / camera.dwell_us
    assert counts.mean() == pytest.approx(mean / (1 + busy), rel=0.01)
    assert counts.var() == pytest.approx(mean / (1 + busy) ** 3, rel=0.12)  # 5 sigma


def test_pixels_belong_to_the_sensor_and_not_to_the_width_of_an_image():
    camera = Scmos(offset_sd_adu=20.0, read_noise_electrons=0.0)
    dark = [camera.record(np.zeros((1, 20, width)), 1, (0, 0, 0), (1, 20, width))[0, :, :15] for width in (15, 40)]
    np.testing.assert_array_equal(*dark)
