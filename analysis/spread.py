"""How wide a synapse is beyond the point spread function, from the image itself."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.analysis.fit import Fit, Scene, fit_puncta
from synimg.analysis.punctum import N_SHAPE

Floats = NDArray[np.float64]


def isolated(points_vox: Floats, psf_vox: Floats, distance: float = 7.0) -> NDArray[np.bool_]:
    """Whether no other of the points lies within `distance` PSF widths."""
    scaled = points_vox / psf_vox.mean(axis=0)
    if len(scaled) < 2:
        return np.ones(len(scaled), bool)
    nearest: Floats = cKDTree(scaled).query(scaled, k=2)[0][:, 1]
    return nearest > distance


def estimate_spread(scene: Scene, fit: Fit, n_most: int = 80) -> float:
    """Variance of a synapse's shape per axis and electron [um^2]: the median over bright isolated puncta.

    Notes
    -----
    Receptors cover the postsynaptic density at a constant density (Tanaka et al. 2005, J Neurosci 25:799), so the
    shape's variance is proportional to the counts. The shapes of the brightest isolated puncta are fitted under a wide
    prior; one number for the whole image results.
    """
    alone = np.flatnonzero(isolated(fit.points_vox, scene.psf_vox))
    total = fit.electrons.sum(axis=1)
    used = alone[np.argsort(-total[alone], kind="stable")][:n_most]
    if used.size < 5:
        return scene.spread_um2
    wide = replace(scene, spread_um2=0.01 / float(np.median(total[used])), receptor_electrons=None)
    again = fit_puncta(wide, fit.theta[used])
    variance = again.theta[:, -N_SHAPE:-3].mean(axis=1)
    return float(np.median(variance / again.electrons.sum(axis=1)))
