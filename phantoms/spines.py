"""Spine heads, postsynaptic densities and receptors at the start of the window."""

import numpy as np
from numpy.typing import NDArray

from synimg.config import Receptors

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def head_volumes(contact_edge: Ints, settings: Receptors, rng: np.random.Generator) -> Floats:
    """Volumes of spine heads [um^3], a mixture of two log-normals whose states the contacts of a connection share.

    Parameters
    ----------
    contact_edge : (n_contacts,) ndarray of int
        Connection of each contact, numbered from 0.

    Returns
    -------
    (n_contacts,) ndarray [um^3]

    Notes
    -----
    A head is large with a probability that grows with the number of its connection's contacts. With probability
    ``sqrt(phi)`` a contact takes the state that its connection drew, else one of its own, so any two contacts' states
    correlate by phi; within a state volumes are independent (Dorkenwald et al. 2022, eLife 11:e76120, Fig. 4, Tables 2, 3).
    """
    n, n_contacts = contact_edge.size, np.bincount(contact_edge)
    by_number = np.asarray(settings.share_large)
    share = by_number[np.clip(n_contacts, 1, by_number.size) - 1]
    of_edge, own = rng.random(share.size) < share, rng.random(n) < share[contact_edge]
    large = np.where(rng.random(n) < np.sqrt(settings.state_correlation), of_edge[contact_edge], own)
    mean_s, sd_s = settings.head_volume_small_log10_um3
    mean_l, sd_l = settings.head_volume_large_log10_um3
    return 10.0 ** (np.where(large, mean_l, mean_s) + np.where(large, sd_l, sd_s) * rng.standard_normal(n))


def receptors_of(volume_um3: Floats, settings: Receptors, rng: np.random.Generator) -> Floats:
    """Receptors at heads of the given volumes, in proportion to the area of the postsynaptic density.

    Notes
    -----
    ``ln area = psd_exponent ln volume + scatter`` (Scholl: r = 0.79, slope 0.74); receptors are proportional to the
    area (r = 0.94; linear in Tanaka et al. 2005, J Neurosci 25:799). The constant is set by the expected mean of the
    mixture, not by the sample, so that a synapse does not depend on which others were drawn.
    """
    p, ln10, large = settings.psd_exponent, np.log(10.0), settings.share_large_overall
    moments = [
        weight * np.exp(p * ln10 * mean + 0.5 * (p * ln10 * sd) ** 2)
        for weight, (mean, sd) in (
            (1.0 - large, settings.head_volume_small_log10_um3),
            (large, settings.head_volume_large_log10_um3),
        )
    ]
    mean = sum(moments) * np.exp(0.5 * settings.psd_sd_ln**2)
    scatter = np.exp(settings.psd_sd_ln * rng.standard_normal(volume_um3.size))
    return settings.receptors_mean / mean * volume_um3**p * scatter


def volume_of(receptors: Floats, settings: Receptors) -> Floats:
    """Head volumes [um^3] at which that many receptors are expected: the inverse of `receptors_of` without its scatter."""
    one = receptors_of(np.ones(1), settings.model_copy(update={"psd_sd_ln": 0.0}), np.random.default_rng(0))[0]
    volume: Floats = (receptors / one) ** (1.0 / settings.psd_exponent)
    return volume
