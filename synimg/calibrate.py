"""From photo-electrons to receptors, with every known source of error."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError

Floats = NDArray[np.float64]


def dyes_of(
    electrons: Floats, electrons_se: Floats, electrons_per_dye: float, photons_shape: float
) -> tuple[Floats, Floats]:
    """Dyes and their variance from photo-electrons.

    Parameters
    ----------
    electrons, electrons_se : (n,) ndarray [electrons]
        Fitted counts and standard errors.
    electrons_per_dye : float
        Quantum efficiency times mean photons of a dye.
    photons_shape : float
        A dye's photons scatter with variance mean^2 / shape.
    """
    dyes = electrons / electrons_per_dye
    return dyes, (electrons_se / electrons_per_dye) ** 2 + dyes / photons_shape


def receptors_of_dyes(
    old: Floats, new: Floats, old_var: Floats, new_var: Floats, tag: dict[str, Any]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Receptors and their standard errors from pulse and chase dyes.

    Parameters
    ----------
    old, new, old_var, new_var : (n,) ndarray
        Dyes of the two channels, with variances.
    tag : dict
        ``pulse_efficiency``, ``blocking_efficiency``, ``chase_efficiency`` as a labelling control gives them.

    Returns
    -------
    r_old, r_old_se, r_new, r_new_se : (n,) ndarray [receptors]

    Notes
    -----
    ``r_old = old / p``; old receptors that pulse and blocker missed carry the chase dye, so
    ``r_new = new / q - r_old (1 - p) (1 - b)``, not below zero. Binomial labelling adds ``r (1 - p) / p``.
    """
    try:
        p, b, q = (float(tag[f"{name}_efficiency"]) for name in ("pulse", "blocking", "chase"))
    except KeyError as error:
        raise SynimgError(f"the image's labelling metadata lack {error}; calibration needs it") from None
    leak = (1.0 - p) * (1.0 - b)
    r_old = old / p
    r_old_var = old_var / p**2 + r_old * (1.0 - p) / p
    arrived = new / q
    r_new = np.maximum(arrived - leak * r_old, 0.0)
    r_new_var = new_var / q**2 + arrived * (1.0 - q) / q + leak**2 * r_old_var + leak * r_old
    return r_old, np.sqrt(r_old_var), r_new, np.sqrt(r_new_var)
