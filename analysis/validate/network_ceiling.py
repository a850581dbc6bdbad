"""The ceiling of a data set: what can be known of each synapse by somebody who knows the network's laws and factors.

The causes of a network that learned have no formula; their laws are those that its synapses show: sizes at the pulse, changes by
learning and by drift, and how all depend on size. Known besides are every neuron's factor, turnover, labels and the errors of
the counts. The posterior of a synapse given its counts is then a sum over the grid of `count_grid`.

It is not exact. Above what can be reached: the factors are known, where a method has to find them. Below: which neurons and
which partners learn more than others is not made use of, so that a method that does (``pre_id``, recorded activity, neighbours,
the rule itself) may exceed it. Learning, drift and homeostasis of a synapse are independent given its size; what scaling by
branch does is part of drift.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.stats import norm

from synimg.analysis.shares import CAUSES, per_ln
from synimg.analysis.validate.count_grid import (
    FACTOR_STEP,
    GROWTH_STEP,
    ROOT_STEP,
    CountGrid,
    ErrorLaw,
    Labels,
    Singles,
    error_law,
)
from synimg.analysis.validate.units import normalised, summed_logs
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
MOST_CONTACTS = 20_000
"""Contacts, drawn at random, that the laws are taken from."""
MOST_DYES = 3_000
"""With more in a channel the sums over dyes do not fit into the memory."""
BLOCK = 250
SIZE_BANDWIDTH_LN = 0.3
"""Within which shares and spreads of contacts are averaged, in ln receptors."""
LEAST_REST_SD = 0.04
"""Drift that is narrower is lost between the points of the grid."""
LEAST_FACTOR_SD = 0.4 * FACTOR_STEP
"""Factors that are more alike lie between the points of the grid."""
EFFECT_STEP, SHAPE_STEP, SHAPE_REACH = 0.03, 0.1, 6.0
EXACT = ErrorLaw(0.01, 0.0)
"""Of counts without error; dyes are integers, so that any sd far below 1 will do."""
UNCHANGED, LEARNED = 0, 1


@dataclass(frozen=True)
class Laws:
    """What the contacts of a network show.

    size : (A,) ndarray [receptors], the grid
    prior : (A,) ndarray, probability of a size at the pulse
    share_learned : (A,) ndarray, of the contacts of such a size
    follows : (A,) ndarray, what share of the neuron's ln factor they take
    rest_sd : (A,) ndarray, of what neither learning nor the factor moved, in ln receptors
    effects : ((m,), (m,)) per class, changes by learning and their weights
    shape : (k,) ndarray, density of the rest in units of its sd, on `shape_grid`
    born, born_learned : float, share of the contacts that formed in the window, and of those by learning
    born_prior : (A,) ndarray, of their sizes at the end
    growth : (S,) ndarray, the grid of ln growth
    factor : (C,) ndarray, the grid of ln factor
    """

    size: Floats
    prior: Floats
    share_learned: Floats
    follows: Floats
    rest_sd: Floats
    effects: tuple[tuple[Floats, Floats], tuple[Floats, Floats]]
    shape: Floats
    born: float
    born_learned: float
    born_prior: Floats
    growth: Floats
    factor: Floats

    @cached_property
    def kernels(self) -> Singles:
        """By size, growth and factor (A, S, C, 4): density unchanged, learned; times change by learning, by the rest."""
        parts = np.zeros((self.size.size, self.growth.size, self.factor.size, 4), np.float32)
        grid = shape_grid()
        reach = np.abs(self.follows).max() * self.factor[-1] + EFFECT_STEP
        moved = np.arange(self.growth[0] - reach, self.growth[-1] + reach, EFFECT_STEP)
        for a, (share, follows, sd) in enumerate(zip(self.share_learned, self.follows, self.rest_sd, strict=True)):
            found = np.zeros((4, moved.size))  # as functions of what learning and the rest move together
            for which, weight in ((UNCHANGED, 1.0 - share), (LEARNED, share)):
                effect, chance = self.effects[which]
                apart = moved - effect[:, None]
                density = (
                    np.interp(apart / sd, grid, self.shape, 0.0, 0.0) * (weight * GROWTH_STEP / sd) * chance[:, None]
                )
                found[which] = density.sum(axis=0)
                found[2] += effect @ density
                found[3] += (apart * density).sum(axis=0)
            at = self.growth[:, None] - follows * self.factor
            for k in range(4):
                parts[a, ..., k] = np.interp(at, moved, found[k])
        return parts


def shape_grid() -> Floats:
    """Where the shape of the rest's law is known, in its sd."""
    half = round(SHAPE_REACH / SHAPE_STEP)
    return np.linspace(-SHAPE_REACH, SHAPE_REACH, 2 * half + 1)


def laws_of(truth: pd.DataFrame, neurons: pd.DataFrame, seed: int) -> Laws | None:
    """The laws that a network's contacts show; None if too few are there at the end.

    Parameters
    ----------
    truth : DataFrame
        Truth table of all contacts, with causes.
    neurons : DataFrame
        Truth about the neurons.
    seed : int
        Of the choice of contacts, if they are many.
    """
    there = truth[truth["a_end"] > 0]
    if len(there) > MOST_CONTACTS:
        rows = stream(seed, "validate", "laws").choice(len(there), MOST_CONTACTS, replace=False)
        there = there.iloc[np.sort(rows)]
    old = there[there["a_start"] > 0]
    new = there[there["a_start"] <= 0]
    if len(old) < 50:
        return None
    a, learned = old["a_start"].to_numpy(float), old["is_learned"].to_numpy(bool)
    learning, scaled, drift = (old[f"ln_{cause}"].to_numpy(float) for cause in CAUSES)
    factor = ln_factors(neurons, old["post_id"].to_numpy())
    low, high = np.sqrt(a.min()), np.sqrt(max(a.max(), there["a_end"].max() if len(new) else 0.0))
    size = np.arange(max(low - 0.5, 0.3), high + 2 * ROOT_STEP, ROOT_STEP) ** 2
    near = norm.pdf(np.log(size)[:, None], np.log(a), SIZE_BANDWIDTH_LN)
    near /= np.maximum(near.sum(axis=1, keepdims=True), 1e-300)
    moved = near @ factor**2
    follows = np.where(moved > 1e-6, near @ (scaled * factor) / np.maximum(moved, 1e-6), 1.0)
    rest = drift + scaled - np.interp(a, size, follows) * factor
    sd = np.sqrt(np.maximum(near @ rest**2, LEAST_REST_SD**2))
    growth = learning + scaled + drift
    reach = float(np.abs(factor).max()) + FACTOR_STEP
    half = int(np.ceil(reach / FACTOR_STEP))
    return Laws(
        size,
        _histogram(np.sqrt(a), np.sqrt(size)),
        near @ learned.astype(float),
        follows,
        sd,
        (_effects(learning[~learned]), _effects(learning[learned])),
        _shape(rest / np.interp(a, size, sd)),
        len(new) / len(there),
        float(new["is_learned"].astype(bool).mean()) if len(new) else 0.0,
        _histogram(np.sqrt(new["a_end"].to_numpy(float)), np.sqrt(size)),
        np.arange(growth.min() - 0.6, growth.max() + 0.6, GROWTH_STEP),
        np.linspace(-half * FACTOR_STEP, half * FACTOR_STEP, 2 * half + 1),
    )


def ln_factors(neurons: pd.DataFrame, neuron_id: NDArray[np.integer]) -> Floats:
    """True ln factor of the given neurons (n,); 0 of those that have none."""
    factor = neurons.set_index("neuron_id")["scale_factor"].reindex(neuron_id).fillna(1.0)
    return np.log(factor.to_numpy(float))


def _histogram(values: Floats, grid: Floats) -> Floats:
    """Smoothed shares (A,) of values at the points of an even grid."""
    count = np.zeros(grid.size)
    if not values.size:
        return count
    place = np.clip(np.rint((values - grid[0]) / (grid[1] - grid[0])), 0, grid.size - 1).astype(int)
    count = np.bincount(place, minlength=grid.size).astype(float)
    smooth: Floats = gaussian_filter1d(count, 1.0, mode="nearest")
    return smooth / smooth.sum()


def _effects(learning: Floats) -> tuple[Floats, Floats]:
    """Values of ln changes by learning, and their weights."""
    if not learning.size:
        return np.zeros(0), np.zeros(0)
    value, count = np.unique(np.rint(learning / EFFECT_STEP), return_counts=True)
    return value * EFFECT_STEP, count / learning.size


def _shape(z: Floats) -> Floats:
    """Density of standardised values on `shape_grid`."""
    grid = shape_grid()
    place = np.clip(np.rint((z + SHAPE_REACH) / SHAPE_STEP), 0, grid.size - 1).astype(int)
    count = np.bincount(place, minlength=grid.size).astype(float)
    smooth: Floats = gaussian_filter1d(count, 3.0, mode="constant")
    return smooth / (smooth.sum() * SHAPE_STEP)


@dataclass(frozen=True)
class Sheet:
    """Counts in a table, for who knows how they came about.

    old, new : (n,) ndarray, dyes measured
    labels, error : their laws
    neuron_id : (n,) ndarray, stated parent
    sure : (n,) ndarray, probability that it is the right one
    found : (k,), (k,) ndarray, ln receptors at the end, and share of such synapses that are in the table
    no_synapse : float, share of rows behind which there is none
    no_synapse_ln : (2, 2) ndarray, mean and sd of ln dyes of these, by channel
    """

    old: Floats
    new: Floats
    labels: Labels
    error: ErrorLaw
    neuron_id: Ints
    sure: Floats
    found: tuple[Floats, Floats] = (np.zeros(1), np.ones(1))
    no_synapse: float = 0.0
    no_synapse_ln: Floats | None = None

    def some(self, rows: Ints) -> "Sheet":
        """The sheet of some rows."""
        return replace(self, **{name: getattr(self, name)[rows] for name in ("old", "new", "neuron_id", "sure")})


@dataclass(frozen=True)
class Known:
    """Posterior of the rows: probability of learning (n,), and the causes' mean changes in receptors (n, 3)."""

    p_learning: Floats
    deltas: Floats


def network_ceiling(laws: Laws, neurons: pd.DataFrame, sheet: Sheet, turnover: float, depression: str) -> Known | None:
    """What can be known of the rows of a table; None if its counts are too large to sum over dyes.

    Parameters
    ----------
    laws : Laws
        Of the network (`laws_of`).
    neurons : DataFrame
        Truth about the neurons, of one animal.
    sheet : Sheet
        The counts.
    turnover : float
        k t.
    depression : str
        As in `receptors.survival`.
    """
    labels = sheet.labels
    # a count that no synapse reaches says no more than the largest that one does
    limit = 1.5 * max(labels.old, labels.new) * float(laws.size[-1] * np.exp(max(laws.growth[-1] - 1.0, 0.0)))
    old, new = np.minimum(sheet.old, limit), np.minimum(sheet.new, limit)
    most = float(max(old.max(initial=0.0), new.max(initial=0.0)))
    if most > MOST_DYES:
        return None
    grid = CountGrid(laws.size, laws.growth, turnover, depression, labels, sheet.error, most)
    a_end = laws.size[:, None] * np.exp(laws.growth)
    seen = (np.interp(np.log(a_end), *sheet.found) * laws.prior[:, None])[:, None].astype(np.float32)
    in_receptors = a_end * per_ln(laws.growth)
    n, n_factor, flat = old.size, laws.factor.size, laws.kernels.reshape(laws.size.size, laws.growth.size, -1)
    total, learned, deltas = np.zeros((n, n_factor)), np.zeros((n, n_factor)), np.zeros((n, n_factor, 3))
    order = np.argsort(new, kind="stable")
    for rows in (order[i : i + BLOCK] for i in range(0, n, BLOCK)):
        likelihood = grid.likelihood(old[rows], new[rows]) * seen
        for a in range(laws.size.size):  # unit by unit of size, summed
            part = (likelihood[a] @ flat[a]).reshape(rows.size, n_factor, 4)
            total[rows] += part[..., UNCHANGED] + part[..., LEARNED]
            learned[rows] += part[..., LEARNED]
            moved = ((likelihood[a] * in_receptors[a].astype(np.float32)) @ flat[a]).reshape(rows.size, n_factor, 4)
            deltas[rows, :, 0] += moved[..., 2]
            deltas[rows, :, 1] += laws.follows[a] * laws.factor * (moved[..., UNCHANGED] + moved[..., LEARNED])
            deltas[rows, :, 2] += moved[..., 3]
    total, learned, deltas = ((1.0 - laws.born) * part for part in (total, learned, deltas))
    if laws.born:
        seen_born = laws.born_prior * np.interp(np.log(laws.size), *sheet.found)
        by_size = laws.born * grid.born(old, new, seen_born)
        is_born, born = by_size.sum(axis=1)[:, None], (by_size * laws.size).sum(axis=1)[:, None]
        total += is_born
        learned += laws.born_learned * is_born
        deltas[..., 0] += laws.born_learned * born
        deltas[..., 2] += (1.0 - laws.born_learned) * born
    there = (1.0 - sheet.no_synapse) / _normal_seen(laws, seen)
    total, learned, deltas = total * there, learned * there, deltas * there
    total += sheet.no_synapse * _no_synapse(sheet)[:, None]
    weight = _of_factors(np.maximum(total, 1e-300), sheet, _prior_of_factors(laws.factor, neurons))
    p_learning = np.clip((learned * weight).sum(axis=1), 0.0, 1.0)
    return Known(p_learning, np.einsum("nck,nc->nk", deltas, weight))


def _prior_of_factors(grid: Floats, neurons: pd.DataFrame) -> Floats:
    """Probability (C,) of each ln factor before any count: normal, as the imaged neurons' are."""
    imaged = neurons[neurons["is_imaged"]] if "is_imaged" in neurons else neurons
    ln_factor = ln_factors(imaged, imaged["neuron_id"].to_numpy())
    prior = norm.pdf(grid, ln_factor.mean(), max(ln_factor.std(), LEAST_FACTOR_SD))
    whole: Floats = prior / prior.sum()
    return whole


def _of_factors(total: Floats, sheet: Sheet, prior: Floats) -> Floats:
    """What each factor counts for in the sums over a row's densities (n, C), those of all rows of its neuron being known.

    Parameters
    ----------
    total : (n, C) ndarray, density of the row by the factor of the neuron that it is on
    sheet : Sheet
        Whose row it is, and how surely; a row of another neuron says nothing of the stated one's factor.
    prior : (C,) ndarray
    """
    sure = sheet.sure[:, None]
    given = sure * total + (1.0 - sure) * (total @ prior)[:, None]
    _, neuron = np.unique(sheet.neuron_id, return_inverse=True)
    ratio = normalised(summed_logs(given, neuron, neuron.max(initial=-1) + 1), prior)[neuron] / given
    counts: Floats = sure * ratio + (1.0 - sure) * prior * ratio.sum(axis=1, keepdims=True)
    return counts


def _normal_seen(laws: Laws, seen: Singles) -> float:
    """Share of the contacts that are in the table, of those that were there at the pulse, at the middle factor."""
    middle = laws.kernels[:, :, laws.factor.size // 2, :2].sum(axis=-1)
    return float((seen[:, 0] * middle).sum())


def _no_synapse(sheet: Sheet) -> Floats:
    """Density (n,) of the dyes of a row behind which there is no synapse."""
    if sheet.no_synapse_ln is None:
        return np.zeros(sheet.old.size)
    density = np.ones(sheet.old.size)
    for measured, (mean, sd) in zip((sheet.old, sheet.new), sheet.no_synapse_ln, strict=True):
        positive = np.maximum(measured, 0.3)
        density *= norm.pdf(np.log(positive), mean, sd) / positive
    return density


def exact_sheets(imaged: pd.DataFrame, labels: Labels) -> dict[str, Sheet]:
    """The sheets of the true receptors, and of the labels on them."""
    neuron, sure = imaged["post_id"].to_numpy(), np.ones(len(imaged))
    old, new = (imaged[f"r_{name}_true"].to_numpy(float) for name in ("old", "new"))
    dyes_old, dyes_new = (imaged[f"labelled_{name}"].to_numpy(float) for name in ("old", "new"))
    return {
        "true receptors": Sheet(old, new, Labels(1.0, 1.0), EXACT, neuron, sure),
        "labelled receptors": Sheet(dyes_old, dyes_new, labels, EXACT, neuron, sure),
    }


def measured_sheet(matched: pd.DataFrame, imaged: pd.DataFrame, labels: Labels, true_parents: bool) -> Sheet | None:
    """The sheet of the measured table, with the errors that its counts really have; None if next to nothing was found.

    Parameters
    ----------
    matched : DataFrame
        Measured rows with the truth beside them.
    imaged : DataFrame
        Truth about all synapses in the image.
    labels : Labels
        True shares with a dye.
    true_parents : bool
        Whether the parents are known.

    Notes
    -----
    Errors are those of the puncta that lie on a synapse: a bias per channel (median ratio), and the law `error_law`.
    """
    hit = matched["true_synapse_id"].notna().to_numpy()
    if hit.sum() < 30:
        return None
    r_old, r_new = (matched[f"r_{name}"].to_numpy(float) for name in ("old", "new"))
    measured = [labels.old * r_old, labels.new * r_new + labels.old_as_new * r_old]
    errors, dyes = [], []
    for k, name in enumerate(("old", "new")):
        there = matched[f"labelled_{name}_true"].to_numpy(float)[hit]
        large = there >= 5
        ratio = float(np.median(measured[k][hit][large] / there[large])) if large.any() else 1.0
        measured[k] = measured[k] / max(ratio, 0.1)
        errors.append(measured[k][hit] - there)
        dyes.append(there)
    neuron = matched["post_id_true"].where(hit, matched["neuron_id"]).to_numpy(np.int64) if true_parents else (
        matched["neuron_id"].to_numpy(np.int64))  # fmt: skip
    sure = np.ones(len(matched)) if true_parents else matched["neuron_prob"].fillna(1.0).to_numpy(float)
    false = ~hit
    none = None
    if false.sum() >= 3:
        logs = [np.log(np.maximum(m[false], 0.3)) for m in measured]
        none = np.array([[log.mean(), max(log.std(), 0.3)] for log in logs])
    return Sheet(
        measured[0],
        measured[1],
        labels,
        error_law(np.concatenate(errors), np.concatenate(dyes)),
        neuron,
        sure,
        _found_share(matched, imaged),
        float(false.mean()) if none is not None else 0.0,
        none,
    )


def _found_share(matched: pd.DataFrame, imaged: pd.DataFrame) -> tuple[Floats, Floats]:
    """Share of the synapses that are in the table, by ln receptors at the end."""
    ln_end = np.log(np.maximum(imaged["a_end"].to_numpy(float), 1e-3))
    found = imaged["synapse_id"].isin(matched["true_synapse_id"]).to_numpy(float)
    grid = np.linspace(ln_end.min(), ln_end.max(), 40)
    near = norm.pdf(grid[:, None], ln_end, SIZE_BANDWIDTH_LN)
    return grid, np.maximum(near @ found / near.sum(axis=1), 1e-3)
