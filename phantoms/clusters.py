"""Learning that clusters along dendrites: how it correlates with distance, and a field that correlates alike."""

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LAGS = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 8.0])
LENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
STRENGTHS = np.linspace(0.1, 1.0, 10)
N_MATCHED = 200
N_SHUFFLES = 39
SURE_SD = 4.0


@dataclass(frozen=True)
class Clusters:
    """A field along dendrites, with the correlation ``nearest exp(-distance / length)`` of distances in contacts."""

    nearest: float
    length: float


def scores_within(post: Ints, values: Floats) -> Floats:
    """Normal scores of `values` among those of the same unit; ties share their mean rank."""
    order = np.lexsort((values, post))
    n_of = np.bincount(post)
    first = np.cumsum(n_of) - n_of
    # ranks over all units at once: the units' values are kept apart by their order
    number = np.empty(post.size, np.int64)
    number[order] = np.cumsum(np.concatenate([[0], (np.diff(post[order]) != 0) | (np.diff(values[order]) != 0)]))
    n_alike = np.bincount(number)
    rank = (np.cumsum(n_alike) - 0.5 * (n_alike - 1.0))[number] - first[post]
    return ndtri((rank - 0.5) / n_of[post])


def neighbour_correlation(post: Ints, edge: Ints, along: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Correlation of `values` between contacts of a dendrite by distance, in normal scores within the neuron.

    Returns
    -------
    correlation, n_pairs : (5,) ndarray
        For distances of 0 to 0.5, to 1, 2, 4 and 8 contacts (mean spacings); pairs of the same connection left out.
    """
    order = np.lexsort((along, post))
    post, edge, along = post[order], edge[order], along[order]
    score = scores_within(post, values[order])
    place = along * np.bincount(post)[post]
    sums, n_pairs = np.zeros(LAGS.size - 1), np.zeros(LAGS.size - 1)
    for lag in range(1, 3 * int(LAGS[-1])):
        distance = place[lag:] - place[:-lag]
        near = (post[lag:] == post[:-lag]) & (edge[lag:] != edge[:-lag]) & (distance < LAGS[-1])
        bins = np.searchsorted(LAGS, distance[near], side="right") - 1
        product = score[lag:][near] * score[:-lag][near]
        sums += np.bincount(bins, product, LAGS.size - 1)
        n_pairs += np.bincount(bins, minlength=LAGS.size - 1)
    return sums / np.maximum(n_pairs, 1) / max(float(score.var()), 1e-300), n_pairs


def fit_clusters(post: Ints, edge: Ints, along: Floats, values: Floats) -> Clusters:
    """Amplitude and length of the correlation along dendrites; none where shuffled places have as much.

    Notes
    -----
    The correlation at up to two contacts must lie four standard deviations above that of places shuffled within the
    neurons; a chance of one in 30 000.
    """
    near = LAGS[1:] <= 2.0

    def weighed(places: Floats) -> tuple[float, Floats, Floats]:
        correlation, n = neighbour_correlation(post, edge, places, values)
        return float((correlation * n)[near].sum() / max(n[near].sum(), 1.0)), correlation, n

    found, correlation, n_pairs = weighed(along)
    by_unit = np.argsort(post, kind="stable")
    shuffled = []
    for k in range(N_SHUFFLES):
        rng = stream(0, "population", "clusters", k)
        places = np.empty_like(along)
        places[by_unit] = along[np.lexsort((rng.random(post.size), post))]
        shuffled.append(weighed(places)[0])
    if found - np.mean(shuffled) <= SURE_SD * np.std(shuffled):
        return Clusters(0.0, 1.0)
    return _matched(post, edge, along, correlation, n_pairs)


def _matched(post: Ints, edge: Ints, along: Floats, correlation: Floats, n_pairs: Floats) -> Clusters:
    """The field whose ranks within neurons correlate as found; by simulation, since ranks forget the neuron's mean."""
    some = np.flatnonzero(np.isin(post, np.unique(post)[:N_MATCHED]))
    some = some[np.lexsort((along[some], post[some]))]
    post, edge, along = post[some], edge[some], along[some]
    errors = {}
    for length in LENGTHS:
        for strength in STRENGTHS:
            level = dendritic_field(post, along, Clusters(float(strength), length), stream(0, "population", "field"))
            got, _ = neighbour_correlation(post, edge, along, level)
            errors[float(strength), length] = float((n_pairs * (got - correlation) ** 2).sum())
    return Clusters(*min(errors, key=lambda which: errors[which]))


def dendritic_field(post: Ints, along: Floats, clusters: Clusters, rng: np.random.Generator) -> Floats:
    """A Gaussian field at places in order along each dendrite, of variance 1 and the correlation of `clusters`."""
    spacing = np.diff(along, prepend=0.0) * np.bincount(post)[post]
    smooth, rough = rng.standard_normal((2, post.size))
    smooth = _correlated(post, spacing, smooth, clusters.length)
    level: Floats = np.sqrt(clusters.nearest) * smooth + np.sqrt(1.0 - clusters.nearest) * rough
    return level


@nb.njit
def _correlated(post: Ints, spacing: Floats, noise: Floats, length: float) -> Floats:
    """A field along each dendrite, of variance 1 and correlation ``exp(-distance / length)``."""
    out = noise.copy()
    for i in range(1, post.size):
        if post[i] == post[i - 1]:
            keep = np.exp(-spacing[i] / length)
            out[i] = keep * out[i - 1] + np.sqrt(1.0 - keep * keep) * noise[i]
    return out
