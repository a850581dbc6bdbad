"""The camera gives back its own gain, noise and offset."""

import numpy as np
import pytest
import tifffile

from synimg.cameras.scmos import Scmos
from synimg.config import Config, load, to_toml
from synimg.errors import SynimgError

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


def test_measured_pixels_take_the_place_of_drawn_ones_for_any_blocks(tmp_path):
    maps = np.stack([np.linspace(90, 110, 20 * 30), np.full(600, 2.0), np.linspace(1, 3, 600)]).reshape(3, 20, 30)
    tifffile.imwrite(tmp_path / "pixels.tif", maps)
    camera = Scmos(offset_sd_adu=5.0, pixels_file=str(tmp_path / "pixels.tif"))
    np.testing.assert_allclose(camera.maps((3, 4), (5, 6)), maps[:, 3:8, 4:10])
    shape = (400, 20, 30)
    dark = camera.record(np.zeros(shape), 1, (0, 0, 0), shape)
    np.testing.assert_allclose(dark.mean(axis=0), maps[0], atol=5 * 6 / np.sqrt(400))
    part = camera.record(np.zeros((7, 8, 9)), 1, (3, 4, 5), shape)
    np.testing.assert_array_equal(part, dark[3:10, 4:12, 5:14])


@pytest.mark.parametrize(
    ("maps", "sentence"),
    [
        (None, "no such file; 'synimg camera' writes one"),
        (np.ones((3, 40, 50), np.float32), "has 40 x 50 pixels, the image reaches to"),
        (np.zeros((3, 900, 900), np.float32), "gain above 0"),
        (np.ones((900, 900), np.float32), r"holds \(900, 900\)"),
    ],
)
def test_a_file_of_pixels_that_does_not_fit_is_refused_when_the_configuration_is_read(tmp_path, maps, sentence):
    if maps is not None:
        tifffile.imwrite(tmp_path / "pixels.tif", maps)
    config = Config.parse({"camera": {"kind": "scmos", "pixels_file": "pixels.tif"}}, "test")
    (tmp_path / "a.toml").write_text(to_toml(config))
    with pytest.raises(SynimgError, match=sentence):
        load(tmp_path / "a.toml")
