"""True errors where synapses crowd: the Cramer-Rao bound knows nothing of a neighbour that was not told apart."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit

from synimg.calibrate import fitted_covariance
from synimg.model import Model

Floats = NDArray[np.float64]
HOLDS = 0.95
Z95 = 1.959964
NEARBY_FLOOR, NEARBY_TYPICAL = 0.3, 5.0
LEAST_KNOWN = 30  # rows to learn from
LEAST_SHARE = 0.05  # of the typical count, below which counts count as that


class Widening(Model):
    r"""Standard error whose 95 % interval holds: :math:`\sqrt{(e^a s)^2 + h^2}`, s the Cramer-Rao bound.

    Notes
    -----
    :math:`\ln h = b + c \ln((k + 0.3) / 5.3) + d \ln(N / N_0)`: what a hidden neighbour adds grows with the number k of
    neighbours nearby (`replica.nearby`) and changes with the punctum's own count N.
    """

    ln_factor: float = Field(description="a: of the bound itself")
    ln_extra: float = Field(description="b: of what is added, in the unit of the error")
    by_nearby: float = Field(description="c: power of the neighbours nearby")
    by_electrons: float = Field(description="d: power of the count")
    typical_electrons: float = Field(gt=0, description="N_0")

    def of(self, se: Floats, nearby: Floats, electrons: Floats) -> Floats:
        """The widened standard errors (n,)."""
        return np.hypot(np.exp(self.ln_factor) * se, self.extra(nearby, electrons))

    def extra(self, nearby: Floats, electrons: Floats) -> Floats:
        """What is added, h (n,)."""
        k, n = _predictors(nearby, electrons, self.typical_electrons)
        added: Floats = np.exp(self.ln_extra + self.by_nearby * k + self.by_electrons * n)
        return added


def fit_widening(error: Floats, se: Floats, nearby: Floats, electrons: Floats) -> Widening:
    """The widening under which 95 % intervals hold, from errors (n,) that are known.

    Notes
    -----
    Quantile regression of the absolute error, in units of `se`, at 95 % (Koenker and Bassett 1978, Econometrica 46:33),
    with a weak prior: about the bound where nobody is near, in proportion to the neighbours, to the root of the count.
    """
    typical = float(np.median(electrons[electrons > 0])) if (electrons > 0).any() else 1.0
    k, n = _predictors(nearby, electrons, typical)
    absolute, unit = np.abs(error), float(np.log(np.median(se)))

    def loss(x: Floats) -> float:
        wide = Z95 * np.hypot(np.exp(x[0]) * se, np.exp(unit + x[1] + x[2] * k + x[3] * n))
        over = (absolute - wide) / se
        prior = ((x[0] - 0.03) / 0.05) ** 2 + (x[2] - 1.0) ** 2 + ((x[3] - 0.5) / 0.5) ** 2 + ((x[1] + 1.0) / 2.0) ** 2
        return float(np.maximum(HOLDS * over, (HOLDS - 1.0) * over).sum() + 0.1 * prior)

    best = minimize(loss, [0.03, -1.0, 1.0, 0.5], method="Nelder-Mead", options={"maxiter": 1500, "fatol": 1e-3}).x
    a, b, c, d = (float(v) for v in best)
    return Widening(ln_factor=a, ln_extra=unit + b, by_nearby=c, by_electrons=d, typical_electrons=typical)


class MergedProb(Model):
    """Probability that a punctum holds a neighbour that was not told apart: logistic in the logs of crowding and count."""

    constant: float = Field(description="log odds of a typical punctum with 5 neighbours nearby")
    by_nearby: float = Field(description="slope by ln neighbours nearby")
    by_electrons: float = Field(description="slope by ln count")
    typical_electrons: float = Field(gt=0, description="count of a typical punctum")

    def of(self, nearby: Floats, electrons: Floats) -> Floats:
        """The probabilities (n,)."""
        k, n = _predictors(nearby, electrons, self.typical_electrons)
        odds = self.constant + self.by_nearby * k + self.by_electrons * n
        p: Floats = expit(odds)
        return p


def fit_merged_prob(is_merged: NDArray[np.bool_], nearby: Floats, electrons: Floats) -> MergedProb:
    """Logistic regression, by Newton's method, with a weak prior of more merging where more lie nearby."""
    typical = float(np.median(electrons)) if electrons.size else 1.0
    x = np.column_stack([np.ones(electrons.size), *_predictors(nearby, electrons, typical)])
    mean, precision = np.array([-4.0, 1.0, 0.0]), np.diag([0.05, 1.0, 1.0])
    w = mean.copy()
    for _ in range(30):
        p = expit(x @ w)
        slope = x.T @ (is_merged - p) - precision @ (w - mean)
        curve = (x * (p * (1.0 - p))[:, None]).T @ x + precision
        w = w + np.clip(np.linalg.solve(curve, slope), -2.0, 2.0)
    return MergedProb(
        constant=float(w[0]), by_nearby=float(w[1]), by_electrons=float(w[2]), typical_electrons=max(typical, 1e-9)
    )


def _predictors(nearby: Floats, electrons: Floats, typical: float) -> tuple[Floats, Floats]:
    k = np.log((nearby + NEARBY_FLOOR) / (NEARBY_TYPICAL + NEARBY_FLOOR))
    return k, np.log(np.maximum(electrons / typical, LEAST_SHARE))


class TrueErrors(Model):
    """How the errors of a measurement are widened, and how many synapses are merged."""

    axial: Widening = Field(description="of z [um]")
    lateral: Widening = Field(description="of y and x [um]")
    counts: Widening = Field(description="of the electrons in each channel")
    added_correlation: float = Field(
        0.0, ge=0, le=1, description="correlation between the channels of what is added to the errors of their counts"
    )
    merged: MergedProb = Field(description="probability of an unseen neighbour")

    def standard_errors(
        self, place_se_um: Floats, counts_se: Floats, nearby: Floats, electrons: Floats
    ) -> tuple[Floats, Floats]:
        """The widened errors of places (n, 3) and of counts (n, channels), from their Cramer-Rao bounds."""
        total, laws = electrons.sum(axis=1), (self.axial, self.lateral, self.lateral)
        places = [law.of(se, nearby, total) for law, se in zip(laws, place_se_um.T, strict=True)]
        counts = [self.counts.of(se, nearby, n) for se, n in zip(counts_se.T, electrons.T, strict=True)]
        return np.column_stack(places), np.column_stack(counts)

    def counts_covariance(self, covariance: Floats, nearby: Floats, electrons: Floats) -> Floats:
        """The widened covariance (n,) of the counts (n, 2) of two channels, from its Cramer-Rao bound."""
        one, other = (self.counts.extra(nearby, n) for n in electrons.T)
        widened: Floats = np.exp(2.0 * self.counts.ln_factor) * covariance + self.added_correlation * one * other
        return widened


def fit_added_correlation(error: Floats, covariance: Floats, nearby: Floats, electrons: Floats, law: Widening) -> float:
    """Correlation between two channels of what a `law` adds, from known errors and their bound.

    Parameters
    ----------
    error, electrons : (n, 2) ndarray [electrons]
    covariance : (n, 2, 2) ndarray [electrons^2]
        Cramer-Rao bound.

    Notes
    -----
    A neighbour that was not told apart brings light of both. By the moments of the errors' products in units of the standard
    errors, cut at three of them, as a few neighbours are as bright as the punctum.
    """
    added = np.column_stack([law.extra(nearby, n) for n in electrons.T])
    scale = np.exp(2.0 * law.ln_factor)
    se = np.sqrt(scale * np.diagonal(covariance, axis1=1, axis2=2) + added**2)
    z = np.clip(error / se, -3.0, 3.0)
    known, share = scale * covariance[:, 0, 1] / se.prod(axis=1), (added / se).prod(axis=1)
    return float(np.clip((share * (z.prod(axis=1) - known)).sum() / max((share**2).sum(), 1e-12), 0.0, 1.0))


def fit_true_errors(found: pd.DataFrame, n_channels: int) -> TrueErrors | None:
    """From what was found in replicas (`replica.Outcome`); None where that is too little to learn from."""
    rows = found[found["is_true"]]
    if len(rows) < LEAST_KNOWN:
        return None
    nearby, total = rows["nearby"].to_numpy(float), rows["electrons"].to_numpy(float)

    def learn(names: list[str], electrons: list[Floats]) -> Widening:
        error, se = (
            np.concatenate([rows[f"{what}_{name}"].to_numpy(float) for name in names]) for what in ("error", "se")
        )
        return fit_widening(error, se, np.tile(nearby, len(names)), np.concatenate(electrons))

    channels = [str(c) for c in range(n_channels)]
    counts = learn(channels, [rows[f"electrons_{c}"].to_numpy(float) for c in channels])
    added = 0.0
    if n_channels == 2:
        error, electrons, se = (
            rows[[f"{what}_{c}" for c in channels]].to_numpy(float) for what in ("error", "electrons", "se")
        )
        bound = fitted_covariance(se, rows["cov_01"].to_numpy(float))
        added = fit_added_correlation(error, bound, nearby, electrons, counts)
    return TrueErrors(
        axial=learn(["z"], [total]),
        lateral=learn(["y", "x"], [total, total]),
        counts=counts,
        added_correlation=added,
        merged=fit_merged_prob(rows["is_merged"].to_numpy(bool), nearby, total),
    )


def detection_limit(there: pd.DataFrame) -> float | None:
    """Electrons at which half of the probes are found: logistic in the log of the count; None without probes on both sides."""
    probes = there[there["is_probe"]]
    x, y = np.log(probes["electrons"].to_numpy(float)), probes["is_found"].to_numpy(bool)
    if y.sum() < 5 or (~y).sum() < 5:
        return None

    def misfit(p: Floats) -> float:
        odds = np.clip((x - p[0]) * np.exp(p[1]), -30.0, 30.0)
        # 2 ln 2-sided prior on the steepness: a factor of e about 4 per ln unit
        return float(
            np.where(y, np.log1p(np.exp(-odds)), np.log1p(np.exp(odds))).sum() + 0.5 * (p[1] - np.log(4.0)) ** 2
        )

    middle = minimize(misfit, [float(np.median(x)), np.log(4.0)], method="Nelder-Mead").x[0]
    return float(np.exp(middle))
