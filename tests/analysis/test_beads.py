"""Bead in, same bead out: places and photons of lone beads, through every sort of microscope."""

from typing import Any

import numpy as np
import pytest

from synimg.analysis.beforehand import as_puncta_show
from synimg.analysis.block import Block, Tile, measure_block
from synimg.analysis.measure import synapse_table
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.recording import Recording
from synimg.config import Config
from synimg.errors import SynimgError
from synimg.phantoms.render import Channel, render
from synimg.store.bins import Bins

SHAPE, PHOTONS = (24, 140, 130), 4000.0
VOXEL_UM = (0.2, 0.07, 0.07)
WAVES = {"pulse": 671.0, "chase": 571.0}
EVERYWHERE = Tile(((0, 0, 0), SHAPE), (-np.inf,) * 3, (np.inf,) * 3)


def beads(psf, camera, voxel_um, spacing_vox, ln_sd=0.0, bleed_through=()):
    """The grey levels of lone beads, what is known of the recording, and of the beads: places (n, 3) [voxels] and photons (n,)."""
    config = Config.parse(
        {
            "volume": {"shape_vox": SHAPE, "voxel_um": voxel_um},
            "psf": {"kind": psf},
            "camera": {"kind": camera},
            "optics": {"bleed_through": bleed_through},
        },
        "test",
    )
    rng = np.random.default_rng(1)
    across = (np.arange(spacing_vox - 12, n - 10, spacing_vox) for n in SHAPE[1:])
    points = np.reshape(np.meshgrid([7, 17], *across, indexing="ij"), (3, -1)).T
    points = points + rng.uniform(-0.5, 0.5, points.shape)
    photons = PHOTONS * np.exp(ln_sd * rng.standard_normal(len(points)))
    channels, facts = [], []
    for i, (name, nm) in enumerate(WAVES.items()):
        kernel = config.psf.kernel(nm, voxel_um, SHAPE[0])
        emitters = Bins(points, (points, photons), SHAPE, kernel.reach_vox)
        flat, spacing = np.zeros((9, 9, 9)), np.array([20.0, 60.0, 60.0])
        channels.append(Channel(name, "FFFFFF", nm, emitters, kernel, flat, spacing, 6.0, 0.0, np.zeros(3), i))
        share = config.psf.gaussian_share(nm)
        facts.append(
            {"name": name, "emission_nm": nm, "psf_sigma_um": config.psf.sigma_um(nm), "psf_gaussian_share": share}
        )
    known: dict[str, Any] = {"synimg_schema": 1, "window_days": 2.0, "photons_per_receptor": 40.0, "photons_shape": 4.0}
    known |= {"voxel_um": voxel_um, "channels": facts, "camera": config.camera.model_dump()}
    known["bleed_through"] = bleed_through
    recording = Recording.parse(known | {"tag": {}, "identity": {"kind": "label_readout"}}, "test")
    return render(channels, config, ((0, 0, 0), SHAPE)), recording, points, photons


def photons_found(grey, recording, points):
    """Distance (n,) [um] to the nearest punctum, and its photons (channel, n), of every bead."""
    table = measure_block(grey, recording, MeasureSettings(), 1e-9, EVERYWHERE)
    found = table[["z_um", "y_um", "x_um"]].to_numpy()
    away = np.linalg.norm(found[:, None] - points * np.array(recording.voxel_um), axis=2)
    nearest = away.argmin(axis=0)
    per_photon = [c.psf_gaussian_share * recording.camera.quantum_efficiency for c in recording.channels]
    electrons = table[[f"{name}_electrons" for name in WAVES]].to_numpy()[nearest]
    return away.min(axis=0), (electrons / per_photon).T


@pytest.mark.parametrize(
    ("psf", "camera", "voxel_um"),
    [
        ("gaussian", "scmos", VOXEL_UM),
        ("confocal", "pmt", VOXEL_UM),
        ("confocal", "photon_counting", VOXEL_UM),
        ("light_sheet", "emccd", (0.35, 0.12, 0.12)),
    ],
)
def test_lone_beads_come_out_where_they_are_and_as_bright(psf, camera, voxel_um):
    grey, recording, points, _ = beads(psf, camera, voxel_um, spacing_vox=32)
    away, photons = photons_found(grey, recording, points)
    assert (away < 0.05).all()
    for of_channel in photons:
        assert of_channel.mean() == pytest.approx(PHOTONS, rel=0.05)  # a Gaussian is not the whole of it


def test_light_that_bled_into_the_other_channel_is_taken_off_with_its_errors():
    leaks = [("pulse", "chase", 0.1)]
    grey, recording, points, photons = beads("gaussian", "scmos", VOXEL_UM, 22, ln_sd=0.7, bleed_through=leaks)
    tag = dict.fromkeys(("pulse_efficiency", "blocking_efficiency", "chase_efficiency"), 1.0)
    detections = measure_block(grey, recording, MeasureSettings(), 1e-9, EVERYWHERE).assign(
        neuron_id=1, neuron_prob=1.0, merged_prob=0.0
    )
    nearest = np.linalg.norm(
        detections[["z_um", "y_um", "x_um"]].to_numpy()[:, None] - points * VOXEL_UM, axis=2
    ).argmin(axis=0)
    tables = [
        synapse_table(detections, recording.model_copy(update={"tag": tag, "bleed_through": told})).iloc[nearest]
        for told in (leaks, ())
    ]
    for name, extra in (("r_old", 1.0), ("r_new", 1.1)):
        right, mixed = (np.median(table[name] / (photons / recording.photons_per_receptor)) for table in tables)
        assert right == pytest.approx(1.0, abs=0.02)
        assert mixed == pytest.approx(extra, abs=0.03)
    told, untold = (table["r_old_new_cov"] / (table["r_old_se"] * table["r_new_se"]) for table in tables)
    assert (told < untold).all()  # what is taken off one count by the other ties them the other way round


def stated(recording, factor):
    """The recording with widths of the point spread function that are wrong by a factor along z, y, x."""
    channels = (
        c.model_copy(update={"psf_sigma_um": tuple(np.multiply(factor, c.psf_sigma_um))}) for c in recording.channels
    )
    return recording.model_copy(update={"channels": tuple(channels)})


def as_seen(grey, recording, psf):
    settings = MeasureSettings(psf=psf)
    return as_puncta_show(recording, [EVERYWHERE], lambda tile: Block(grey), settings, np.array(SHAPE) * VOXEL_UM)


@pytest.mark.parametrize("factor", [(1.2, 1.15, 1.15), (0.85, 0.92, 0.92)])
def test_the_point_spread_function_is_taken_from_puncta_if_asked_for(factor):
    grey, right, points, photons = beads("gaussian", "scmos", VOXEL_UM, spacing_vox=22, ln_sd=0.5)
    wrong = stated(right, factor)
    assert as_seen(grey, wrong, "stated") == wrong
    seen = as_seen(grey, wrong, "puncta")
    for channel, true in zip(seen.channels, right.channels, strict=True):
        np.testing.assert_allclose(
            channel.psf_sigma_um, true.psf_sigma_um, rtol=0.03
        )  # 30 or more puncta a channel: 0.01
    off, mended = (np.log(photons_found(grey, known, points)[1] / photons).mean(axis=1) for known in (wrong, seen))
    assert (np.abs(mended) < 0.025).all()
    assert (np.abs(off) > 2.5 * np.abs(mended)).all()


def test_puncta_of_one_brightness_cannot_tell_the_optics_from_their_size_and_are_not_believed():
    grey, recording, *_ = beads("gaussian", "scmos", VOXEL_UM, spacing_vox=22)
    with pytest.raises(SynimgError, match=r"puncta stand alone .* too alike in brightness"):
        as_seen(grey, recording, "puncta")
