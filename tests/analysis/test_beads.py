"""Bead in, same bead out: places and photons of lone beads, through every sort of microscope."""

from typing import Any

import numpy as np
import pytest

from synimg.analysis.measure import MeasureSettings, Tile, measure_block
from synimg.analysis.recording import Recording
from synimg.config import Config
from synimg.phantoms.render import Channel, render
from synimg.store.bins import Bins

SHAPE, PHOTONS = (24, 140, 130), 4000.0
WAVES = {"pulse": 671.0, "chase": 571.0}


@pytest.mark.parametrize(
    ("psf", "camera", "voxel_um"),
    [
        ("gaussian", "scmos", (0.2, 0.07, 0.07)),
        ("confocal", "pmt", (0.2, 0.07, 0.07)),
        ("confocal", "photon_counting", (0.2, 0.07, 0.07)),
        ("light_sheet", "emccd", (0.35, 0.12, 0.12)),
    ],
)
def test_lone_beads_come_out_where_they_are_and_as_bright(psf, camera, voxel_um):
    config = Config.parse(
        {"volume": {"shape_vox": SHAPE, "voxel_um": voxel_um}, "psf": {"kind": psf}, "camera": {"kind": camera}}, "test"
    )
    rng = np.random.default_rng(1)
    grid = np.meshgrid([8, 16], np.arange(20, 130, 33), np.arange(20, 120, 33), indexing="ij")
    points = np.reshape(grid, (3, -1)).T + rng.uniform(-0.5, 0.5, (32, 3))
    channels, facts = [], []
    for i, (name, nm) in enumerate(WAVES.items()):
        kernel = config.psf.kernel(nm, voxel_um, SHAPE[0])
        emitters = Bins(points, (points, np.full(32, PHOTONS)), SHAPE, kernel.reach_vox)
        flat, spacing = np.zeros((9, 9, 9)), np.array([20.0, 60.0, 60.0])
        channels.append(Channel(name, "FFFFFF", nm, emitters, kernel, flat, spacing, 6.0, 0.0, np.zeros(3), i))
        share = config.psf.gaussian_share(nm)
        facts.append(
            {"name": name, "emission_nm": nm, "psf_sigma_um": config.psf.sigma_um(nm), "psf_gaussian_share": share}
        )
    known: dict[str, Any] = {"synimg_schema": 1, "window_days": 2.0, "photons_per_receptor": 40.0, "photons_shape": 4.0}
    known |= {"voxel_um": voxel_um, "channels": facts, "camera": config.camera.model_dump()}
    recording = Recording.parse(known | {"tag": {}, "identity": {"kind": "label_readout"}}, "test")
    everywhere = Tile(((0, 0, 0), SHAPE), (-np.inf,) * 3, (np.inf,) * 3)
    grey = render(channels, config, ((0, 0, 0), SHAPE))
    table = measure_block(grey, recording, MeasureSettings(), 1e-9, everywhere)
    found = table[["z_um", "y_um", "x_um"]].to_numpy()
    away = np.linalg.norm(found[:, None] - points * np.array(voxel_um), axis=2)
    nearest = away.argmin(axis=0)
    assert (away.min(axis=0) < 0.05).all()
    for name, channel in zip(WAVES, recording.channels, strict=True):
        per_photon = channel.psf_gaussian_share * config.camera.quantum_efficiency
        photons = table[f"{name}_electrons"].to_numpy()[nearest] / per_photon
        assert photons.mean() == pytest.approx(PHOTONS, rel=0.05)  # a Gaussian is not the whole of it
