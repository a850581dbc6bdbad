"""Per-neuron factor by the mode of log turnover, a pooled noise scale, and a local false discovery rate.

Within a neuron most synapses show turnover, homeostasis and drift alone, so the mode of their log turnover is the
neuron's; what stands out beyond counting noise and drift, both pooled over all neurons, is called learning.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtr

from synimg.analysis.controls import control_neurons, factor_table, zero_of
from synimg.analysis.normal import density
from synimg.analysis.separate.protocol import Needs, Separation
from synimg.analysis.shares import animal_table, per_ln
from synimg.analysis.turnover import excess_turnover, fano
from synimg.errors import SynimgError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
VERSION = "1"
LEAST_OUTLIERS, MOST_OUTLIERS = 0.002, 0.1
LEAST_PRECISION = 1e-3
EFFECT_LN, EFFECT_SD_LN, EFFECT_WEIGHT = 0.5, 0.22, 40.0
"""Prior of the learning effect: so many pseudo-synapses of that mean and sd (x1.5 to 2, Matsuzaki et al. 2004)."""
needs = Needs(
    what="the mode of every neuron's log turnover, and a two-group model",
    assumes=(
        "less than about a third of a neuron's synapses learned, or both signs balance",
        "homeostasis multiplies all synapses of a neuron by one factor",
        "depression is reduced insertion: a loss that takes old and new receptors alike does not show",
        "drift has one sd of ln receptors over all neurons and sizes",
    ),
)


@dataclass(frozen=True)
class Seen:
    """What is known of every synapse, each (n,): excess turnover, its counting variance, the neuron's level, and the
    probability that the parent is another neuron, whose level differs with the variance `level_var`."""

    excess: Floats
    variance: Floats
    level: Floats
    doubt: Floats
    level_var: float


@dataclass(frozen=True)
class Mixture:
    """Two-group model of the excess turnover: drift alone, or learning up or down as well.

    drift_sd : float
    share, mean, sd : (2,) ndarray, potentiated and depressed: share of synapses, mean and sd of |ln| change
    outliers : float, share of synapses that were not measured right and tell nothing
    log_likelihood : float
    """

    drift_sd: float
    share: Floats
    mean: Floats
    sd: Floats
    outliers: float
    log_likelihood: float

    def densities(self, seen: "Seen") -> Floats:
        """Weighted densities (n, 4): unchanged, potentiated, depressed, outlier."""
        excess, variance = seen.excess, seen.variance
        noise = variance + self.drift_sd**2
        null = (1.0 - self.share.sum()) * drift_density(seen, self.drift_sd)
        up = self.share[0] * density(excess, self.mean[0], noise + self.sd[0] ** 2)
        down = self.share[1] * density(excess, -self.mean[1], noise + self.sd[1] ** 2)
        outlier = np.full(excess.size, 1.0 / 6.0)
        return np.column_stack([null, up, down, outlier]) * np.array([1 - self.outliers] * 3 + [self.outliers])


def drift_density(seen: Seen, drift_sd: float) -> Floats:
    """Density of the excess turnover of a synapse that did not learn.

    Notes
    -----
    Normal drift, but no synapse can have less than no new receptors: where drift falls below ``-level`` the excess
    stays there (rectified). The normal part is cut off there, its tail is a point mass, and both are
    widened by the counting noise. With the probability `doubt` the level is another neuron's.
    """
    own = _rectified(seen, seen.variance, drift_sd)
    other = _rectified(seen, seen.variance + seen.level_var, drift_sd)
    density: Floats = (1.0 - seen.doubt) * own + seen.doubt * other
    return density


def _rectified(seen: Seen, variance: Floats, drift_sd: float) -> Floats:
    drift_var = drift_sd**2
    noise = variance + drift_var
    middle = seen.excess * drift_var / noise
    width = np.sqrt(drift_var * variance / noise)
    free = density(seen.excess, variance=noise) * ndtr((middle + seen.level) / np.maximum(width, 1e-9))
    pile: Floats = ndtr(-seen.level / drift_sd) * density(seen.excess + seen.level, variance=variance)
    return free + pile


def neuron_mode(table: pd.DataFrame, seed: int) -> Separation:
    """Separate a synapse table by the mode of every neuron's log turnover."""
    old, new = table["r_old"].to_numpy(float), table["r_new"].to_numpy(float)
    weight = table["neuron_prob"].fillna(1.0).to_numpy(float) if "neuron_prob" in table else np.ones(len(table))
    if not weight.any():
        raise SynimgError(
            "method 'neuron_mode': 'neuron_prob' is 0 in all rows, so that no synapse is likely its parent's; it takes the "
            "probability of each assignment, or leave the column out"
        )
    noise = fano(old, _column(table, "r_old_se")), fano(new, _column(table, "r_new_se"))
    ids, row = np.unique(table["neuron_id"].to_numpy(np.int64), return_inverse=True)
    level, level_se, mixtures = _fit(old, new, noise, row, ids.size, weight)
    excess, variance = excess_turnover(old, new, noise, level[row])
    seen = Seen(excess, variance + level_se[row] ** 2, level[row], 1.0 - weight, float(level.var()))
    control = control_neurons(table, ids)
    found = zero_of(level, control)
    zero, anchored, why = found.value, found.anchored, found.why
    ln_factor = level - zero
    synapses, log_parts, linear_parts = _synapse_result(table, old + new, seen, level_se[row] ** 2, zero, mixtures)
    ln_se = np.hypot(level_se, found.se)
    interval = (ln_factor, ln_factor - 1.96 * ln_se, ln_factor + 1.96 * ln_se)
    neurons = factor_table(ids, interval, np.bincount(row, minlength=ids.size), anchored)
    p_learning = synapses["p_learning"].to_numpy(float)
    animals = animal_table(table, log_parts, linear_parts, p_learning, anchored, why, seed)
    return Separation(
        synapses, neurons, animals, _info(mixtures[0][1], noise, level, level_se, row, anchored, why, control)
    )


def _column(table: pd.DataFrame, name: str) -> Floats | None:
    return table[name].to_numpy(float) if name in table else None


def _fit(
    old: Floats, new: Floats, noise: tuple[float, float], row: Ints, n: int, weight: Floats
) -> tuple[Floats, Floats, list[tuple[float, Mixture]]]:
    """Level of log turnover (n,) of every neuron, its standard error, and the mixtures: each given the other, thrice."""
    order = np.argsort(row, kind="stable")
    members = np.split(order, np.cumsum(np.bincount(row, minlength=n))[:-1])
    overall = np.log1p(new.sum() / max(old.sum(), 0.5))
    level, level_se = np.full(n, overall), np.zeros(n)
    drift_sd = 0.25
    mixtures: list[tuple[float, Mixture]] = []
    for _ in range(3):
        for i, who in enumerate(members):
            level[i], level_se[i] = overall, LEAST_PRECISION**-0.5
            if weight[who].any():
                level[i], level_se[i] = mode_of(old[who], new[who], noise, drift_sd, weight[who])
        level, level_se = _shrink(level, level_se)
        excess, variance = excess_turnover(old, new, noise, level[row])
        seen = Seen(excess, variance + level_se[row] ** 2, level[row], 1.0 - weight, float(level.var()))
        mixtures = fit_mixtures(seen)
        drift_sd = mixtures[0][1].drift_sd
    return level, level_se, mixtures


def mode_of(
    old: Floats, new: Floats, noise: tuple[float, float], drift_sd: float, weight: Floats
) -> tuple[float, float]:
    """Mode of the log turnover of one neuron's synapses, and its standard error.

    Notes
    -----
    The maximum over levels m of ``sum weight exp(-(excess / sd)^2 / 2)``: a kernel estimate whose width is each
    synapse's own noise and the drift, so that a synapse far off has no pull (Welsch's redescending estimator).
    """
    grid = np.arange(0.01, 4.0, 0.01)
    excess, variance = excess_turnover(old, new, noise, np.broadcast_to(grid, (old.size, grid.size)))
    spread = variance + drift_sd**2
    pull = weight[:, None] * np.exp(-0.5 * excess**2 / spread)
    total = pull.sum(axis=0)
    best = int(np.argmax(total))
    shift = 0.0
    if 0 < best < grid.size - 1:
        below, here, above = total[best - 1 : best + 2]
        curve = below - 2.0 * here + above
        shift = 0.5 * (below - above) / curve if curve < 0 else 0.0
    inside = pull[:, best]
    precision = (inside / spread[:, best]).sum()
    return float(grid[best] + 0.01 * np.clip(shift, -1, 1)), float(1.0 / np.sqrt(max(precision, LEAST_PRECISION)))


def _shrink(level: Floats, level_se: Floats) -> tuple[Floats, Floats]:
    """Neurons with few synapses drawn towards the others (empirical Bayes, normal spread of levels)."""
    if level.size < 3:
        return level, level_se
    centre = float(np.median(level))
    scatter = 1.4826 * float(np.median(np.abs(level - centre)))
    between = max(scatter**2 - float(np.median(level_se**2)), 1e-4)
    share = between / (between + level_se**2)
    return centre + share * (level - centre), level_se * np.sqrt(share)


def fit_mixtures(seen: Seen) -> list[tuple[float, Mixture]]:
    """The two-group model without learning and with learning of both signs, each with its weight; the heavier first.

    Notes
    -----
    Weights are ``exp(-BIC / 2)`` with five parameters for learning. A table without learning then calls nothing;
    averaging keeps the ranking where learning is not paid for.
    """
    trials = [_em(seen, learns) for learns in (False, True)]
    price = np.array([0.0, 2.5 * np.log(seen.excess.size + 1)])
    score = np.array([t.log_likelihood for t in trials]) - price
    weight = np.exp(np.maximum(score - score.max(), -30.0))
    order = np.argsort(-weight, kind="stable")
    return [(float(weight[i] / weight.sum()), trials[i]) for i in order]


def _em(seen: Seen, learns: bool) -> Mixture:
    excess, variance = seen.excess, seen.variance
    middle = np.quantile(np.abs(excess - np.median(excess)), 0.5) / 0.6745
    drift_sd = float(np.sqrt(max(middle**2 - np.median(variance), 0.02**2)))
    mixture = Mixture(
        drift_sd, np.full(2, 0.05 * learns), np.full(2, EFFECT_LN), np.full(2, EFFECT_SD_LN), LEAST_OUTLIERS, -np.inf
    )
    for _ in range(60):
        density = mixture.densities(seen)
        total = density.sum(axis=1)
        log_likelihood = float(np.log(total).sum())
        share = density / total[:, None]
        done = abs(log_likelihood - mixture.log_likelihood) < 0.01
        mixture = _step(seen, share, mixture, log_likelihood)
        if done:
            break
    return mixture


def _step(seen: Seen, share: Floats, old: Mixture, log_likelihood: float) -> Mixture:
    """One EM step: responsibilities to hyper-parameters, with the priors of effect, share and drift."""
    excess, variance, n = seen.excess, seen.variance, seen.excess.size
    drift_sd = _drift_step(seen, share[:, 0], old.drift_sd)
    shares, means, sds = np.zeros(2), old.mean.copy(), old.sd.copy()
    for k, sign in enumerate((1.0, -1.0)):
        if not old.share[k]:
            continue
        weight = share[:, 1 + k]
        noise = variance + old.drift_sd**2
        ratio = old.sd[k] ** 2 / (old.sd[k] ** 2 + noise)
        effect = old.mean[k] + ratio * (sign * excess - old.mean[k])
        total = weight.sum() + EFFECT_WEIGHT
        means[k] = max((weight @ effect + EFFECT_WEIGHT * EFFECT_LN) / total, 0.2, 1.2 * drift_sd)
        scatter = (effect - means[k]) ** 2 + ratio * noise
        sds[k] = np.sqrt((weight @ scatter + EFFECT_WEIGHT * EFFECT_SD_LN**2) / total)
        shares[k] = (weight.sum() + 0.5) / (n + 20.0)
    outliers = float(np.clip((share[:, 3].sum() + 1.0) / (n + 500.0), LEAST_OUTLIERS, MOST_OUTLIERS))
    return Mixture(drift_sd, shares, means, sds, outliers, log_likelihood)


def _drift_step(seen: Seen, weight: Floats, drift_sd: float) -> float:
    """The drift sd that explains the unchanged synapses best, near the last one; 20 pseudo-synapses of sd 0.2."""
    trial = drift_sd * np.exp(np.array([-0.1, -0.03, 0.0, 0.03, 0.1]))
    fit = [weight @ np.log(drift_density(seen, s) + 1e-300) - 20.0 * (np.log(s) + 0.5 * (0.2 / s) ** 2) for s in trial]
    return float(np.clip(trial[int(np.argmax(fit))], 0.02, 2.0))


def _synapse_result(
    table: pd.DataFrame,
    total: Floats,
    seen: Seen,
    level_var: Floats,
    zero: float,
    mixtures: list[tuple[float, Mixture]],
) -> tuple[pd.DataFrame, Floats, Floats]:
    """Rows of SEPARATION, and the causes (n, 3) in ln receptors and in receptors."""
    ln_factor = seen.level - zero
    moments = [(weight, *_posterior(seen, mixture)) for weight, mixture in mixtures]
    shares = np.array([weight for weight, *_ in moments])
    each = np.array([m[1:] for m in moments])
    up, down, learning, drift, learning_var, drift_var = np.tensordot(shares, each, 1)
    # variance over the models comes on top of the variance within each
    learning_var += shares @ each[:, 2] ** 2 - learning**2
    drift_var += shares @ each[:, 3] ** 2 - drift**2
    log_parts = np.column_stack([learning, ln_factor, drift])
    change = log_parts.sum(axis=1)
    scale = total * per_ln(change)
    linear_parts = log_parts * scale[:, None]
    synapses = pd.DataFrame({"synapse_id": table["synapse_id"], "p_learning": up + down, "lfdr": 1.0 - up - down})
    synapses["p_potentiated"], synapses["p_depressed"] = up, down
    errors = np.sqrt(np.maximum(np.column_stack([learning_var, level_var, drift_var]), 0.0))
    for k, cause in enumerate(("learning", "homeostasis", "drift")):
        half = 1.96 * errors[:, k] * scale
        synapses[f"delta_{cause}"] = linear_parts[:, k]
        synapses[f"delta_{cause}_lo"] = linear_parts[:, k] - half
        synapses[f"delta_{cause}_hi"] = linear_parts[:, k] + half
    return synapses, log_parts, linear_parts


def _posterior(seen: Seen, mixture: Mixture) -> tuple[Floats, ...]:
    """Probability up and down (n,), means of learning and drift [ln receptors], and their variances, under one model."""
    density = mixture.densities(seen)
    share = density / density.sum(axis=1, keepdims=True)
    excess, variance = seen.excess, seen.variance
    noise = variance + mixture.drift_sd**2
    learning, second = np.zeros(excess.size), np.zeros(excess.size)
    for k, sign in enumerate((1.0, -1.0)):
        ratio = mixture.sd[k] ** 2 / (mixture.sd[k] ** 2 + noise)
        effect = sign * mixture.mean[k] + ratio * (excess - sign * mixture.mean[k])
        learning += share[:, 1 + k] * effect
        second += share[:, 1 + k] * (effect**2 + ratio * noise)
    learning_var = second - learning**2
    keep = mixture.drift_sd**2 / noise
    return (
        share[:, 1],
        share[:, 2],
        learning,
        keep * (excess - learning),
        learning_var,
        keep * variance + keep**2 * learning_var,
    )


def _info(
    mixture: Mixture,
    noise: tuple[float, float],
    level: Floats,
    level_se: Floats,
    row: Ints,
    anchored: bool,
    why: str,
    control: NDArray[np.bool_],
) -> dict[str, Any]:
    warnings = [] if anchored else [f"not identifiable in full: {why}"]
    share = float(mixture.share.sum())
    if share == 0.0:
        warnings.append("no synapse is called: the evidence is for a model without any learning")
    if share > 1 / 3:
        warnings.append(f"{share:.0%} of the synapses seem to have learned: above a third the mode may follow them")
    counts = np.bincount(row, minlength=level.size)
    return {
        "method": "neuron_mode",
        "version": VERSION,
        "parameters": {
            "drift_sd_ln": mixture.drift_sd,
            "share_potentiated": float(mixture.share[0]),
            "share_depressed": float(mixture.share[1]),
            "mean_potentiation_ln": float(mixture.mean[0]),
            "mean_depression_ln": float(mixture.mean[1]),
            "share_outliers": mixture.outliers,
            "fano_old": noise[0],
            "fano_new": noise[1],
        },
        "assumptions": list(needs.assumes),
        "diagnosis": {
            "n_neurons": int(level.size),
            "n_synapses": int(row.size),
            "synapses_per_neuron_median": float(np.median(counts)),
            "n_control_neurons": int(control.sum()),
            "sd_ln_factor": float(level.std()),
            "turnover_median": float(np.median(level)),
            "level_se_median": float(np.median(level_se)),
        },
        "warnings": warnings,
    }


part = neuron_mode
