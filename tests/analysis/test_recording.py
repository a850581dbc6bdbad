"""Grey levels as photo-electrons."""

import numpy as np
import pytest

from synimg.analysis.recording import Recording
from synimg.errors import SynimgError


def recording(**camera):
    values = {"synimg_schema": 1, "window_days": 2.0, "voxel_um": (0.2, 0.07, 0.07), "photons_per_receptor": 40.0}
    values |= {"photons_shape": 4.0, "tag": {}, "identity": {}, "channels": []}
    return Recording.parse(values | {"camera": {"kind": "scmos", **camera}, "by_pixel": True}, "test")


def test_the_maps_of_the_pixels_undo_a_camera_whose_pixels_differ():
    camera = recording(offset_sd_adu=8.0, gain_sd=0.1, read_noise_sd_ln=0.5)
    photons = np.full((40, 30, 50), 500.0)
    grey = camera.camera.record(photons, 7, (0, 11, 20), (40, 60, 70))
    pixels = camera.pixels((0, 11, 20), grey.shape)
    per_pixel = camera.electrons(grey, pixels).mean(axis=0)
    expected = 500 * camera.camera.quantum_efficiency
    assert per_pixel.mean() == pytest.approx(expected, rel=0.005)
    assert per_pixel.std() == pytest.approx(
        np.sqrt(expected / 40), rel=0.1
    )  # photons alone; pixels as equal: ten times
    equal = camera.model_copy(update={"by_pixel": False})
    assert equal.electrons(grey, equal.pixels((0, 11, 20), grey.shape)).mean(axis=0).std() > 5 * per_pixel.std()


@pytest.mark.parametrize(
    "skirts",
    [([[0.0, 0.1], [0.0]], None), ([[0.1], [0.1]], None), ([[0.1, 0.1]], [[0.1]])],
    ids=["ragged", "even", "unlike"],
)
def test_skirts_that_cannot_lie_around_a_punctum_are_refused(skirts):
    named = [
        {"name": name, "emission_nm": 600, "psf_sigma_um": (0.2, 0.1, 0.1), "psf_skirt": skirt}
        for name, skirt in zip(("pulse", "chase"), skirts, strict=True)
    ]
    with pytest.raises(SynimgError, match="odd number of planes, the same in all channels, with as many rings"):
        Recording.parse(recording().model_dump() | {"channels": named}, "test")


@pytest.mark.parametrize(
    ("leaks", "sentence"),
    [
        ([("pulse", "chase", 1.0)], "from 'pulse' to 'chase' = 1; a share from 0 to below 1"),
        ([("pulse", "chase", 0.5)] * 2 + [("chase", "pulse", 0.99)], "cannot be told apart"),
    ],
)
def test_light_in_other_channels_that_cannot_be_taken_off_is_refused(leaks, sentence):
    with pytest.raises(SynimgError, match=sentence):
        Recording.parse(recording().model_dump() | {"bleed_through": leaks}, "test")
