"""Means of groups with errors that respect neurons and animals, and their shrinkage."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import stdtrit

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PRIOR_SYNAPSES = 10.0
"""Synapses that the pooled variance counts for in a group's own."""


def group_means(value: Floats, label: Ints, neuron: Ints, animal: Ints) -> tuple[Floats, Floats, float]:
    """Mean of each group, its standard error, and the degrees of freedom of that.

    Parameters
    ----------
    value : (n,) ndarray
    label, neuron, animal : (n,) ndarray of int
        Numbers from 0; neurons lie within animals.

    Notes
    -----
    Synapses within neurons within animals, within every group: three variance components by the method of moments from the
    nested analysis of variance (Searle, Casella and McCulloch 1992, chapter 5), pooled over groups, so that a group in
    one neuron has an error that is not that of its synapses alone.
    """
    n_groups = int(label.max()) + 1
    count = np.bincount(label, minlength=n_groups)
    mean = np.bincount(label, value, n_groups) / count
    by_animal, of_animal = np.unique(np.column_stack([label, animal]), axis=0, return_inverse=True)
    cells, cell = np.unique(np.column_stack([of_animal.ravel(), neuron]), axis=0, return_inverse=True)
    cell = cell.ravel()
    group_of_animal, animal_of_cell = by_animal[:, 0], cells[:, 0]
    group_of_cell = group_of_animal[animal_of_cell]
    m = np.bincount(cell)
    m_animal = np.bincount(animal_of_cell, m)
    cell_mean = np.bincount(cell, value) / m
    animal_mean = np.bincount(animal_of_cell, m * cell_mean) / m_animal
    within = (value - cell_mean[cell]) ** 2
    between = (m * (cell_mean - animal_mean[animal_of_cell]) ** 2).sum()
    above = (m_animal * (animal_mean - mean[group_of_animal]) ** 2).sum()
    free = value.size - m.size, m.size - m_animal.size, m_animal.size - n_groups
    var_synapse = within.sum() / max(free[0], 1)
    square_cell = np.bincount(animal_of_cell, m**2)
    in_animal = value.size - (square_cell / m_animal).sum()
    in_group = (square_cell / m_animal).sum() - (square_cell / count[group_of_animal]).sum()
    of_groups = value.size - (m_animal**2 / count[group_of_animal]).sum()
    var_neuron = max((between - free[1] * var_synapse) / in_animal, 0.0) if free[1] > 0 and in_animal > 0 else 0.0
    var_animal = 0.0
    if free[2] > 0 and of_groups > 0:
        var_animal = max((above - free[2] * var_synapse - in_group * var_neuron) / of_groups, 0.0)
    own = np.bincount(group_of_cell, np.bincount(cell, within), n_groups)
    own_free = count - np.bincount(group_of_cell, minlength=n_groups)
    var_own = (own + PRIOR_SYNAPSES * var_synapse) / (own_free + PRIOR_SYNAPSES)
    spread_neuron = var_neuron * np.bincount(group_of_cell, m**2, n_groups) / count**2
    spread_animal = var_animal * np.bincount(group_of_animal, m_animal**2, n_groups) / count**2
    degrees = next(f for f, v in zip(free[::-1], (var_animal, var_neuron, 1.0), strict=True) if v > 0)
    return mean, np.sqrt(var_own / count + spread_neuron + spread_animal), float(max(degrees, 1))


def group_shares(p_learning: Floats, label: Ints) -> Floats:
    r"""Values (n,) whose mean over a group is its share learned and whose scatter gives the error of that.

    Notes
    -----
    The mean of `p_learning` over a group is drawn towards the share of all synapses, which was the prior of each. So the
    likelihood ratio is taken out of the odds again and the group's own share maximises
    :math:`\sum \ln(1 - \pi + \pi\,LR)`; the values are its first-order expansion, score over information.
    """
    p = np.clip(p_learning, 1e-6, 1.0 - 1e-6)
    prior = float(p.mean())
    ratio = p / (1.0 - p) * (1.0 - prior) / prior
    share = np.full(int(label.max()) + 1, prior)
    count = np.bincount(label)
    for _ in range(2000):
        own = share[label]
        new = np.bincount(label, own * ratio / (1.0 - own + own * ratio)) / count
        done = np.abs(new - share).max() < 1e-6
        share = new
        if done:
            break
    own = share[label]
    score = (ratio - 1.0) / (1.0 - own + own * ratio)
    information = np.maximum(np.bincount(label, score**2) / count, 1e-3)
    middle = np.bincount(label, score) / count  # 0 unless the share is at an end
    return own + (score - middle[label]) / information[label]


def interval(mean: Floats, se: Floats, degrees: float) -> tuple[Floats, Floats]:
    """Ends of the 95 % interval."""
    half = stdtrit(degrees, 0.975) * se
    return mean - half, mean + half


def shrink(mean: Floats, se: Floats) -> tuple[Floats, Floats]:
    """Posterior mean and sd of every group when the groups' own values are normal about a common one.

    Notes
    -----
    Empirical Bayes; the variance between groups by Paule and Mandel (1982), the common value's error included (Morris 1983).
    """
    known = np.maximum(se**2, 1e-12)

    def excess(between: float) -> float:
        weight = 1.0 / (known + between)
        centre = (weight @ mean) / weight.sum()
        return float(weight @ (mean - centre) ** 2) - (mean.size - 1)

    top = float(mean.var() * mean.size + known.max())
    between = 0.0 if excess(0.0) <= 0 else float(brentq(excess, 0.0, 10.0 * top))
    weight = 1.0 / (known + between)
    centre = (weight @ mean) / weight.sum()
    keep = between / (between + known)
    return centre + keep * (mean - centre), np.sqrt(keep * known + (1.0 - keep) ** 2 / weight.sum())


def slope_within(value: Floats, x: Floats, block: Ints, cluster: Ints) -> tuple[float, float, float]:
    """Slope of `value` over `x` within blocks, its standard error, and the degrees of freedom of that.

    Notes
    -----
    Least squares with one intercept per block; the error is robust against whatever the units of a cluster share (Liang and
    Zeger 1986, with the factor k / (k - 1) for k clusters).
    """
    inside, y = centred(x, block), centred(value, block)
    power = inside @ inside
    slope = float(inside @ y / power)
    score = np.bincount(cluster, inside * (y - slope * inside))
    k = np.unique(cluster).size
    if k < 3:
        free = value.size - np.unique(block).size - 1
        return slope, float(np.sqrt(((y - slope * inside) ** 2).sum() / max(free, 1) / power)), float(max(free, 1))
    return slope, float(np.sqrt((score**2).sum() * k / (k - 1)) / power), float(k - 1)


def centred(value: Floats, block: Ints) -> Floats:
    """Values less the mean of their block."""
    difference: Floats = value - (np.bincount(block, value) / np.maximum(np.bincount(block), 1))[block]
    return difference
