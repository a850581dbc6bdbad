"""The Gaussian PSF: no photon lost, none misplaced."""

import numpy as np
import pytest

from synimg.psf.gaussian import Gaussian, deposit

SIGMA = np.array([1.3, 1.25, 1.4])


def bead(at, shape=(21, 25, 27), origin=(0, 0, 0), photons=1000.0):
    block = np.zeros(shape)
    deposit(block, np.array(origin), np.array([at], float), np.array([photons]), SIGMA)
    return block


@pytest.mark.parametrize("at", [(10, 12, 13), (10.3, 12.49, 12.51), (9.77, 11.2, 13.9)])
def test_flux_centre_and_width_are_the_bead_s(at):
    block = bead(at)
    assert block.sum() == pytest.approx(1000, rel=1e-9)
    for axis, grid in enumerate(np.indices(block.shape)):
        centre = (block * grid).sum() / 1000
        assert centre == pytest.approx(at[axis], abs=0.01)
        variance = (block * (grid - centre) ** 2).sum() / 1000
        assert variance == pytest.approx(SIGMA[axis] ** 2 + 1 / 12, rel=0.02)  # the voxel's own width comes on top


def test_a_block_rendered_alone_is_the_cut_of_the_whole():
    whole = bead((10.3, 12.49, 12.51))
    np.testing.assert_array_equal(bead((10.3, 12.49, 12.51), (7, 9, 11), (8, 10, 5)), whole[8:15, 10:19, 5:16])


def test_widths_are_those_of_a_confocal_objective():
    axial, lateral, _ = Gaussian().sigma_um(571.0)
    assert 2.355 * lateral == pytest.approx(0.22, abs=0.03)  # 63x / 1.4: 0.20 to 0.25
    assert 2.355 * axial == pytest.approx(0.60, abs=0.08)  # 0.55 to 0.70
