"""From photo-electrons to receptors, with every known source of error."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError

Floats = NDArray[np.float64]


def fitted_covariance(se: Floats, cov: Floats) -> Floats:
    """Covariance (n, 2, 2) of two channels' counts from their standard errors (n, 2) and their covariance (n,)."""
    covariance = np.square(se)[:, :, None] * np.eye(2)
    covariance[:, 0, 1] = covariance[:, 1, 0] = cov
    return covariance


def unmixed(
    electrons: Floats, covariance: Floats, bleed: Floats, bleed_se: Floats | float = 0.0
) -> tuple[Floats, Floats]:
    """Counts without the light of other channels, and their covariance.

    Parameters
    ----------
    electrons : (n, channels) ndarray [electrons]
        As fitted.
    covariance : (n, channels, channels) ndarray [electrons^2]
        Of their errors.
    bleed : (channels, channels) ndarray
        ``bleed[t, s]`` electrons of t for each of s.
    bleed_se : (channels, channels) ndarray
        Their standard errors.

    Returns
    -------
    electrons, covariance : ndarray
        Counts are not below zero; their covariance is that without this cut.

    Notes
    -----
    Linear unmixing. An error of a share moves what it is a share of: ``d e = -(1 + B)^-1 dB e``. Light that comes over lies
    where the other channel shows the synapse, so that a chromatic shift of more than half of the point spread function's width
    leaves some of it out.
    """
    inverse = np.linalg.inv(np.eye(len(bleed)) + bleed)
    apart = np.maximum(electrons @ inverse.T, 0.0)
    of_shares = np.square(apart) @ np.square(np.broadcast_to(bleed_se, bleed.shape)).T
    return apart, inverse @ (covariance + of_shares[:, :, None] * np.eye(len(bleed))) @ inverse.T


def dyes_of(
    electrons: Floats, electrons_se: Floats, electrons_per_dye: Floats | float, photons_shape: float
) -> tuple[Floats, Floats]:
    """Dyes and their variance from photo-electrons.

    Parameters
    ----------
    electrons, electrons_se : (n,) ndarray [electrons]
        Fitted counts and standard errors.
    electrons_per_dye : float or (n,) ndarray
        Quantum efficiency times mean photons of a dye, where it lies.
    photons_shape : float
        A dye's photons scatter with variance mean^2 / shape.
    """
    dyes = electrons / electrons_per_dye
    return dyes, (electrons_se / electrons_per_dye) ** 2 + dyes / photons_shape


def receptors_of_dyes(
    old: Floats, new: Floats, old_var: Floats, new_var: Floats, tag: dict[str, Any], cov: Floats | float = 0.0
) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Receptors, their standard errors and their covariance from pulse and chase dyes.

    Parameters
    ----------
    old, new, old_var, new_var : (n,) ndarray
        Dyes of the two channels, with variances.
    tag : dict
        ``pulse_efficiency``, ``blocking_efficiency``, ``chase_efficiency`` as a labelling control gives them, and their
        standard errors (``_se``, 0 if absent).
    cov : (n,) ndarray
        Covariance of the measurement of both dyes.

    Returns
    -------
    r_old, r_old_se, r_new, r_new_se : (n,) ndarray [receptors]
    r_old_new_cov : (n,) ndarray [receptors^2]
        Of the errors of r_old and r_new.

    Notes
    -----
    ``r_old = old / p``; old receptors that pulse and blocker missed carry the chase dye, so
    ``r_new = new / q - r_old l`` with ``l = (1 - p) (1 - b)``, not below zero. Binomial labelling adds ``r (1 - p) / p``. A
    receptor with the pulse dye has no chase dye: what one count has too many of, the other lacks, so that the number of
    those missed comes with ``-r_old l`` in the covariance. Where r_new is cut at zero its error is that without the cut.
    Of the efficiencies' errors the share that moves all of r_old or all of r_new alike is left out: it is one factor
    for the whole table (`synimg.analysis.scale`). What they do to l moves r_new by its own r_old, and is in its error.
    """
    try:
        p, b, q = (float(tag[f"{name}_efficiency"]) for name in ("pulse", "blocking", "chase"))
    except KeyError as error:
        raise SynimgError(f"the image's labelling metadata lack {error}; calibration needs it") from None
    p_se, b_se = (float(tag.get(f"{name}_efficiency_se", 0.0)) for name in ("pulse", "blocking"))
    leak = (1.0 - p) * (1.0 - b)
    # old l / p is what was measured: its slope after p is -r_old (1 - b) / p, after b it is -r_old (1 - p)
    leak_var = (p_se * (1.0 - b) / p) ** 2 + (b_se * (1.0 - p)) ** 2
    r_old = old / p
    r_old_var = old_var / p**2 + r_old * (1.0 - p) / p
    arrived = new / q
    r_new = np.maximum(arrived - leak * r_old, 0.0)
    shared = cov / (p * q)
    missed = leak * r_old
    r_new_var = (
        new_var / q**2
        + arrived * (1.0 - q) / q
        + leak**2 * r_old_var
        + missed * (1.0 + leak)
        - 2.0 * leak * shared
        + leak_var * r_old**2
    )
    return r_old, np.sqrt(r_old_var), r_new, np.sqrt(np.maximum(r_new_var, 0.0)), shared - leak * r_old_var - missed
