"""Bright puncta that stand alone show the point spread function and the channels' shift."""

import numpy as np
import pytest

from synimg.analysis.blob import fit_blob
from synimg.analysis.fit import Fit, Scene, model_of, start
from synimg.analysis.survey import ChannelOptics, OpticsCheck, Width, check_optics, survey
from synimg.streams import stream

VOXEL = np.array([0.2, 0.07, 0.07])
PSF = np.array([[0.27, 0.095, 0.095], [0.25, 0.09, 0.09]]) / VOXEL
SHIFT = np.array([[0.0, 0.0, 0.0], [0.15, 0.03, -0.04]]) / VOXEL
SPREAD = 1.5e-6


def stated(data, factor=1.0, shift=SHIFT):
    return Scene(data, np.full(data.shape, 6.0), PSF * factor, shift, VOXEL, SPREAD)


def grid(seed):
    """A scene with 60 puncta that stand alone, and where they are."""
    rng = stream(seed, "test")
    nodes = np.stack(np.meshgrid([12, 26], np.arange(14, 150, 25), np.arange(14, 130, 25), indexing="ij"), axis=-1)
    points = nodes.reshape(-1, 3) + rng.uniform(-0.5, 0.5, (nodes.size // 3, 3))
    flat = np.full((2, 38, 160, 134), 6.0)
    counts = 1500.0 * np.exp(0.5 * rng.standard_normal((len(points), 2)))
    theta = start(points, counts, stated(flat))
    return rng.poisson(model_of(stated(flat), Fit(theta))).astype(float), theta


def test_a_blob_s_width_and_place_come_out_within_their_errors():
    data, theta = grid(1)
    window = tuple(slice(int(a) - r, int(a) + r + 1) for a, r in zip(theta[0, :3], (5, 6, 6), strict=True))
    value, se = fit_blob(data[0][window], window, theta[0, :3] + 0.2, 800.0, PSF[0] * VOXEL, VOXEL)
    true = [*theta[0, :4], 6.0, *(theta[0, 5] + np.array([0.27, 0.095]) ** 2)]
    assert (np.abs(value - true) < 4.5 * se).all()


@pytest.mark.parametrize("factor", [1.0, 1.1, 0.9])
def test_a_width_that_is_stated_wrongly_is_seen_and_said(factor):
    data, theta = grid(1)
    copy, copied = grid(2)  # a replica has the stated widths: here the true scene, fitted with what is stated
    surveys = survey(stated(data, factor), Fit(theta))
    replica = survey(stated(copy), Fit(copied))
    widths = PSF * factor * VOXEL
    scaled = replica.puncta.assign(
        var_z=replica.puncta["var_z"] * factor**2, var_lateral=replica.puncta["var_lateral"] * factor**2
    )
    replica = type(replica)(scaled, replica.profile, replica.noise)
    check = check_optics([surveys], [replica], ["pulse", "chase"], widths, SHIFT * VOXEL)
    for channel in check.channels:
        assert 1 + channel.axial.excess == pytest.approx(1 / factor, abs=0.04)
        assert channel.axial.se_um / channel.axial.stated_um < 0.02
    warned = [sentence for sentence in check.warnings() if "axially" in sentence]
    assert len(warned) == (0 if factor == 1.0 else 2)
    assert factor == 1.0 or ("narrower" if factor > 1 else "wider") in warned[0]


def test_the_shift_of_the_channels_is_read_from_the_puncta():
    data, theta = grid(1)
    found = survey(stated(data, shift=0 * SHIFT), Fit(theta))
    check = check_optics([found], [found], ["pulse", "chase"], PSF * VOXEL, 0 * SHIFT)
    assert check.shift_um == pytest.approx((SHIFT[1] * VOXEL).tolist(), abs=0.006)
    assert any("beside" in sentence for sentence in check.warnings())
    right = survey(stated(data), Fit(theta))
    assert not any(
        "beside" in s for s in check_optics([right], [right], ["a", "b"], PSF * VOXEL, SHIFT * VOXEL).warnings()
    )


@pytest.mark.parametrize("gain", [1.0, 1.3])
def test_noise_that_does_not_fit_the_camera_is_said(gain):
    data, theta = grid(1)
    found = survey(stated(gain * (data - 6.0) + 6.0), Fit(theta))
    check = check_optics([found], [found], ["pulse", "chase"], PSF * VOXEL, SHIFT * VOXEL)
    for channel in check.channels:
        assert channel.noise_ratio == pytest.approx(gain**2, abs=4 * gain**2 * channel.noise_ratio_se)
    assert sum("times the variance" in sentence for sentence in check.warnings()) == (2 if gain > 1 else 0)


def test_an_image_without_puncta_tells_nothing_and_warns_of_nothing():
    empty = survey(stated(np.full((2, 20, 40, 41), 6.0)), Fit(np.zeros((0, 11))))
    check = check_optics([empty], [empty], ["pulse", "chase"], PSF * VOXEL, SHIFT * VOXEL)
    assert check.channels[0].axial is None
    assert check.shift_um is None
    assert not any("point spread" in sentence or "beside" in sentence for sentence in check.warnings())


@pytest.mark.parametrize("is_exchanged", [False, True])
def test_channels_that_show_each_other_s_widths_are_said_to_be_exchanged(is_exchanged):
    stated = {"pulse": (0.269, 0.104), "chase": (0.229, 0.088)}
    seen = list(stated.values())[:: -1 if is_exchanged else 1]
    channels = [
        ChannelOptics(
            channel=name,
            n_puncta=50,
            axial=Width(measured_um=z, se_um=0.006, stated_um=axial),
            lateral=Width(measured_um=yx, se_um=0.004, stated_um=lateral),
        )
        for (name, (axial, lateral)), (z, yx) in zip(stated.items(), seen, strict=True)
    ]
    optics = OpticsCheck(channels=channels, spread_um2_per_electron=1e-5, stated_shift_um=[0, 0, 0])
    assert any("seem to be exchanged" in said for said in optics.warnings()) == is_exchanged
