"""Whole-cell learning: with control animals, trained neurons of which some changed as a whole."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.mixture.counts import Floats
from synimg.analysis.normal import density

LEAST_NEURONS = 8
PRIOR_ODDS = 1.0 / 3.0
"""Of two kinds of neurons: of tables without, one in a hundred comes near even odds by their factors alone."""


@dataclass(frozen=True)
class WholeCell:
    """Neurons whose inputs all learned.

    p_two_kinds : float, probability that there are such neurons
    share : float, of the trained neurons
    shift : float, ln factor of their change
    p_grown : (n_neurons,) ndarray, probability that the neuron is one
    """

    p_two_kinds: float
    share: float
    shift: float
    p_grown: Floats


def whole_cells(factor: Floats, factor_var: Floats, is_control: NDArray[np.bool_]) -> WholeCell:
    """Whether the factors of trained neurons are those of controls with a shifted share, or one wider normal.

    Notes
    -----
    Two models of the trained neurons' factors: a normal of its own mean and sd, and one spread with the controls around a
    mean of its own with a share shifted; their BIC gives a probability, never a threshold (a threshold loses all, or
    calls the homeostasis of deprived animals learning). Without controls nothing can tell, and nothing is claimed.
    """
    none = WholeCell(0.0, 0.0, 0.0, np.zeros(factor.size))
    trained = ~is_control
    if is_control.sum() < LEAST_NEURONS or trained.sum() < LEAST_NEURONS:
        return none
    x, controls, n = factor[trained], factor[is_control], int(trained.sum())
    least_var = float(factor_var[is_control].mean())
    own = density(controls, float(controls.mean()), max(float(controls.var()), least_var))
    one = density(x, float(x.mean()), float(x.var()) + 1e-6)
    score_one = float(np.log(one).sum() + np.log(own).sum()) - np.log(n)
    starts = (0.7, 0.4, 1.0, -0.5)
    value, share, shift, member = max((_two_kinds(x, controls, s, least_var) for s in starts), key=lambda f: f[0])
    score_two = value - 1.5 * np.log(n) + np.log(PRIOR_ODDS)
    p_two = float(1.0 / (1.0 + np.exp(np.clip(score_one - score_two, -30.0, 30.0))))
    p_grown = np.zeros(factor.size)
    p_grown[trained] = p_two * member
    return WholeCell(p_two, share, shift, p_grown)


def _two_kinds(x: Floats, controls: Floats, shift: float, least_var: float) -> tuple[float, float, float, Floats]:
    """Log likelihood, share, shift, and membership of `x`, by EM from a shift; the spread is that of the controls too."""
    share, mean, member, value = 0.25, float(np.median(x)), np.zeros(x.size), -np.inf
    square = float(((controls - controls.mean()) ** 2).sum())
    variance = max(square / controls.size, least_var)
    for _ in range(200):
        shifted, others = share * density(x, mean + shift, variance), (1.0 - share) * density(x, mean, variance)
        whole = np.maximum(shifted + others, 1e-300)
        of_controls = np.log(density(controls, float(controls.mean()), variance)).sum()
        member, last, value = shifted / whole, value, float(np.log(whole).sum() + of_controls)
        if value - last < 1e-4:
            break
        share = float(np.clip((member.sum() + 0.5) / (x.size + 2.0), 0.01, 0.6))
        rest = 1.0 - member
        mean = float((rest @ x + member @ (x - shift)) / x.size)
        shift = float((member @ (x - mean) + 0.5 * np.sign(shift)) / (member.sum() + 1.0))
        shift = float(np.sign(shift) * max(abs(shift), 0.3))
        away = rest @ (x - mean) ** 2 + member @ (x - mean - shift) ** 2
        variance = max((square + float(away)) / (controls.size + x.size), least_var)
    return value, share, shift, member
