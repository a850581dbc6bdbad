"""Receptors that were there at the pulse and receptors that came since, as integers; dyes and photons on them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms.preparation.base import retention
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Counts:
    """Per contact: true receptors, dyes, and expected photons of the dyes (each (n_contacts,))."""

    r_old: Ints
    r_new: Ints
    labelled_old: Ints
    labelled_new: Ints
    photons_old: Floats
    photons_new: Floats

    def columns(self) -> dict[str, Any]:
        """The columns of a truth table that say what is in each synapse (`schema.COUNTED`)."""
        return {
            "r_old_true": self.r_old,
            "r_new_true": self.r_new,
            "labelled_old": self.labelled_old,
            "labelled_new": self.labelled_new,
            "photons_old": self.photons_old,
            "photons_new": self.photons_new,
        }


def survival(growth: Floats, turnover: Floats | float, depression: str) -> Floats:
    """Probability that a receptor of the pulse is still there at death.

    Parameters
    ----------
    growth : (n,) ndarray
        Receptors at death over receptors at the pulse, g; 0 where the synapse has vanished.
    turnover : float or (n,) ndarray
        Exchange rate times window, k t.
    depression : {"reduced_insertion", "label_blind_removal"}
        What shrinks a synapse.

    Notes
    -----
    Label-blind removal takes old and new alike: ``exp(-k t) min(1, g)``. Reduced insertion leaves the old ones alone,
    as long as they fit: ``min(exp(-k t), g)``.
    """
    stay = np.exp(-turnover)
    if depression == "label_blind_removal":
        return stay * np.minimum(1.0, growth)
    return np.minimum(stay, growth)


def draw_receptors(
    a_start: Floats, a_end: Floats, turnover: Floats | float, depression: str, rng: np.random.Generator
) -> tuple[Ints, Ints]:
    """Old and new receptors of every contact, as integers.

    Notes
    -----
    The synapse holds an integer number at the pulse: `a_start`, rounded up with the probability of its fraction. Old
    ones survive one by one (binomial); new ones arrive one by one (Poisson) with the mean that gives `a_end`. A synapse that
    has formed within the window has new ones only, one that has vanished has none.
    """
    growth = np.divide(a_end, a_start, out=np.ones_like(a_end), where=a_start > 0)
    stay = survival(growth, turnover, depression)
    at_pulse = np.floor(a_start + rng.random(a_start.size)).astype(np.int64)
    r_old = rng.binomial(at_pulse, stay)
    return r_old, rng.poisson(np.maximum(a_end - a_start * stay, 0.0))


def draw_counts(a_start: Floats, a_end: Floats, config: Config, seed: int) -> Counts:
    """Integer receptors, dyes and photons of every contact of the network; see `draw_receptors`."""
    return count_receptors(a_start, a_end, config, seed, "receptors")


def count_receptors(a_start: Floats, a_end: Floats, config: Config, seed: int, of: str) -> Counts:
    """The same for any synapses; `of` is the stage that their random numbers belong to."""
    turnover = config.receptors.exchange_per_day * config.training.window_days
    rng = stream(seed, of, "counts")
    r_old, r_new = draw_receptors(a_start, a_end, turnover, config.receptors.depression, rng)
    labelled = config.tag.label(r_old, r_new, stream(seed, of, "label"))
    photon_rng = stream(seed, of, "photons")
    dyes = config.dyes
    kept = retention(config.preparation)
    keep_rng = stream(seed, of, "retention")
    shown = [keep_rng.binomial(n, kept) if kept < 1 else n for n in (labelled.old, labelled.new)]
    photons = [
        photon_rng.gamma(dyes.photons_shape * np.maximum(n, 1e-300), dyes.photons_per_receptor / dyes.photons_shape)
        * (n > 0)
        for n in shown
    ]
    return Counts(r_old, r_new, labelled.old, labelled.new, photons[0], photons[1])
