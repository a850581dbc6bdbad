"""Receptors on the discs of synapses: slightly to the rim, the same ones wherever they are asked for, all their photons."""

import numpy as np
import pytest

from synimg.config import Config
from synimg.phantoms.discs import discs_of, on_discs
from synimg.phantoms.tissue import Tissue, build_tissue
from synimg.phantoms.wiring import build_wiring

CONFIG = Config.parse(
    {"volume": {"shape_vox": (40, 280, 330)}, "tissue": {"n_imaged_neurons": 6}, "network": {"n_units": 128}}, "test"
)
BOX_UM, VOXEL_UM = np.array(CONFIG.volume.size_um), np.array(CONFIG.volume.voxel_um)


@pytest.fixture(scope="module")
def tissue() -> Tissue:
    wiring = build_wiring(CONFIG, 1)
    return build_tissue(CONFIG, wiring, wiring.a_start, 1, [])


def discs(tissue: Tissue, name: str = "pulse", folder=None):
    n = np.where(np.arange(tissue.is_imaged.size) % 3 == 0, 0, 40)
    return discs_of(CONFIG, tissue, n, 50.0 * n, name, 1, folder)


def test_receptors_lie_on_their_disc_slightly_to_the_rim(tissue):
    shown = np.flatnonzero(tissue.is_imaged)[:50]
    centre, normal, radius = tissue.position_um[shown], tissue.normal[shown], tissue.disc_radius_um[shown]
    points = on_discs(centre, normal, radius, np.full(50, 400), np.uint64(7), shown).reshape(50, 400, 3)
    off = points - centre[:, None]
    assert np.abs((off * normal[:, None]).sum(axis=2)).max() < 1e-9
    area = (np.linalg.norm(off, axis=2) / radius[:, None]) ** 2
    assert area.max() <= 1.0
    # median normalised area 0.6; the density there is about 1, so its se is 0.5 / sqrt(n)
    assert np.median(area) == pytest.approx(0.6, abs=5 * 0.5 / np.sqrt(area.size))
    # to no side of the disc
    assert np.abs((off / radius[:, None, None]).mean(axis=(0, 1))).max() < 5 / np.sqrt(area.size)


def test_what_is_near_is_the_same_wherever_one_looks(tissue, tmp_path):
    found = discs(tissue, folder=tmp_path / "discs")
    whole, _ = found.near(np.full(3, -9.0), BOX_UM + 9.0)
    low, high = 0.3 * BOX_UM, 0.6 * BOX_UM
    part, _ = found.near(low, high)
    inside = [points[((points >= low) & (points < high)).all(axis=1)] for points in (part, whole)]
    np.testing.assert_array_equal(*inside)
    assert 0 < len(part) < len(whole)


def test_the_photons_are_those_of_the_imaged_synapses_and_channels_differ_in_places(tissue):
    everywhere = np.full(3, -9.0), BOX_UM + 9.0
    points, photons = discs(tissue).near(*everywhere)
    n = (tissue.is_imaged & (np.arange(tissue.is_imaged.size) % 3 > 0)).sum()
    assert photons.sum() == pytest.approx(n * 40 * 50.0)
    assert len(points) == n * 40
    assert not np.intersect1d(points, discs(tissue, "chase").near(*everywhere)[0]).size
