"""The parent neuron of a synapse, from the dyes around it or from label read-outs, with a probability.

Two things are told apart and then combined: the colour of the spine head itself, and which neurons have a dendrite near
enough to carry it, read from the colours of the dendrites.
"""

import numba as nb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from synimg.analysis.cytosol import Cores, Cytosol, alike, unit

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
OUTLIER_SHARE = 0.1  # heads whose colour tells nothing: mixtures with what passes by
DYES_PER_FACT = (
    2.0  # what disturbs a colour, mixing above all, disturbs its dyes together: so many tell what one would alone
)
MODEL_ERROR = 0.07
HEAD_OFFSET_UM = 0.15  # from the synapse's disc to the middle of its spine head
SHARP_OFFSET_UM = 0.1  # sharpened light: as far, it would be that of what lies beside a small head
REACH_UM = 1.2  # from a synapse to the middle of its dendrite: radius, neck and head; falls off over REACH_SD_UM beyond
REACH_SD_UM = 0.8
TRACED_SHARE, TRACED_KNOWN = 0.98, 20.0  # dendrites that are traced, expected as of so many synapses
N_STEPS = 30  # towards the share that was traced
LEAST_LN_PRIOR = -6.0  # a dendrite may pass nearby that was not traced
MOST_OFF_RAD = np.radians(5.0)  # from the colour of a dendrite to its neuron's code, and between its places
N_TERMS = 5  # of what is fitted to the dyes around a synapse: a blob, a constant, and a slope along each axis
LEAST_TRACED = 0.1  # share of what is bright
LEAST_EXTENT_UM = 1.2  # of a piece of a neuron; what is shorter is a spine head or a mixture at a crossing


def read_colours(dyes: Singles, read_noise: Floats, points_vox: Floats, sigma_vox: Floats) -> tuple[Floats, Floats]:
    """Dye signal (n, c) of what lies at each point, and its standard error.

    Parameters
    ----------
    dyes : (c, z, y, x) ndarray [electrons]
        Dye channels of a block.
    read_noise : ndarray [electrons]
        That of every pixel (y, x), or (1, 1).
    points_vox : (n, 3) ndarray
        Synapses, in voxels of the block.
    sigma_vox : (3,) ndarray
        Width of the point spread function.

    Notes
    -----
    Least squares of a blob, a constant and a slope along each axis over a window of 2.5 widths: a neighbour's
    dendrite that passes by is mostly constant and slope, the spine head at the synapse is the blob.
    """
    widths = np.sqrt(np.asarray(sigma_vox) ** 2 + np.array([0.4, 1.2, 1.2]) ** 2)
    of_pixels = np.ascontiguousarray(np.broadcast_to(np.square(read_noise), dyes.shape[2:]))
    return _blobs(np.ascontiguousarray(dyes), of_pixels, np.asarray(points_vox), widths)


@nb.njit(cache=True, nogil=True)
def _blobs(dyes: Singles, read_variance: Floats, points: Floats, widths: Floats) -> tuple[Floats, Floats]:
    n, n_dyes = points.shape[0], dyes.shape[0]
    value, error = np.zeros((n, n_dyes)), np.full((n, n_dyes), np.inf)
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    n_x = 2 * int(np.ceil(2.5 * widths[2])) + 1
    weight, seen, light = np.empty(n_x), np.empty((n_dyes, n_x)), np.empty((n_dyes, n_x))
    for i in range(n):
        for a in range(3):
            reach = int(np.ceil(2.5 * widths[a]))
            middle = int(round(points[i, a]))
            low[a], high[a] = max(middle - reach, 0), min(middle + reach + 1, dyes.shape[a + 1])
        if (high <= low).any():
            continue
        size = high - low
        along = _terms(points[i] - low, size, widths)
        of_blob = np.linalg.inv(_normal(along, size))[0]
        blob, slope = along[2, 0], of_blob[4] * along[2, 4]
        # sums along x come last: until then all of a line is worked on at once
        seen[:] = 0.0
        light[:] = 0.0
        for z in range(size[0]):
            for y in range(size[1]):
                height = of_blob[0] * along[0, 0, z] * along[1, 0, y]
                level = of_blob[1] + of_blob[2] * along[0, 2, z] + of_blob[3] * along[1, 3, y]
                for x in range(size[2]):
                    weight[x] = height * blob[x] + level + slope[x]
                for c in range(n_dyes):
                    for x in range(size[2]):
                        dye = dyes[c, low[0] + z, low[1] + y, low[2] + x]
                        seen[c, x] += weight[x] * dye
                        light[c, x] += max(dye, 0.0)
        read = read_variance[low[1] : high[1], low[2] : high[2]].mean()
        for c in range(n_dyes):
            value[i, c] = seen[c].sum()
            error[i, c] = np.sqrt(max(of_blob[0], 0.0) * (light[c].sum() / size.prod() + read))
    return value, error


@nb.njit(cache=True, nogil=True)
def _terms(middle: Floats, size: Ints, widths: Floats) -> Floats:
    """The terms (axis, term, voxel) of a window of `size` voxels around `middle`: each is a product of one along each axis."""
    along = np.ones((3, N_TERMS, size.max()))
    for a in range(3):
        for k in range(size[a]):
            away = k - middle[a]
            along[a, 0, k] = np.exp(-0.5 * (away / widths[a]) ** 2)
            along[a, 2 + a, k] = away
    return along


@nb.njit(cache=True, nogil=True)
def _normal(along: Floats, size: Ints) -> Floats:
    """Products of the terms with each other, summed over the window."""
    normal = np.ones((N_TERMS, N_TERMS))
    for p in range(N_TERMS):
        for q in range(p + 1):
            for a in range(3):
                total = 0.0
                for k in range(size[a]):
                    total += along[a, p, k] * along[a, q, k]
                normal[p, q] *= total
            normal[q, p] = normal[p, q]
        normal[p, p] += 1e-9
    return normal


def head_colours(
    dyes: Singles, read_noise: Floats, points_vox: Floats, sigma_vox: Floats, voxel_um: Floats
) -> tuple[Floats, Floats]:
    """Dye signal (n, c) of the spine head at each synapse, and its standard error.

    The head lies beside the synapse in an unknown direction: of places around it, the clearest blob is taken.
    """
    value, error = read_colours(dyes, read_noise, _around(points_vox, HEAD_OFFSET_UM, voxel_um), sigma_vox)
    return _clearest(value, error, (np.maximum(value, 0.0) / error).sum(axis=1))


def sharp_colours(seen: Cytosol, points_vox: Floats) -> tuple[Floats, Floats]:
    """Sharpened dye light (n, c) at each synapse, and its standard error: of places around it, the brightest."""
    value, error = seen.at(_around(points_vox, SHARP_OFFSET_UM, seen.voxel_um))
    return _clearest(value, error, value.sum(axis=1))


_ANGLES = np.arange(8) * np.pi / 4
_RING = np.column_stack([np.zeros(8), np.sin(_ANGLES), np.cos(_ANGLES)])
AROUND = np.vstack([np.zeros((1, 3)), _RING, [[1.0, 0, 0], [-1.0, 0, 0]]])
"""Where a colour is looked for, by steps from a synapse: at it, at eight places in the plane, at one above and one below."""


def _around(points_vox: Floats, distance_um: float, voxel_um: Floats) -> Floats:
    """Of each point in turn all places `AROUND` it, so far from it."""
    return (points_vox[:, None] + AROUND * distance_um / voxel_um).reshape(-1, 3)


def _clearest(value: Floats, error: Floats, clear: Floats) -> tuple[Floats, Floats]:
    """Of values at places `_around` n points, and their errors, those (n, c) at the clearest place of each."""
    best = clear.reshape(-1, len(AROUND)).argmax(axis=1)
    rows = np.arange(best.size) * len(AROUND) + best
    return value[rows], error[rows]


def colour_log_likelihood(colours: Floats, colours_se: Floats, codebook: Floats, expression_cv: float) -> Floats:
    """Log likelihood (n, m) of each colour under each neuron's code.

    Parameters
    ----------
    colours, colours_se : (n, c) ndarray
        Dye signals, in any common unit: only their ratios count.
    codebook : (m, c) ndarray
        Levels of the m neurons.
    expression_cv : float
        Relative error of a level, once in the code book and once at the synapse.

    Notes
    -----
    Normal errors of the signal (photons) and in proportion to it (expression twice, and what the blob model
    misses); the unknown amount of cytosol is fitted for every neuron.
    """
    relative = np.sqrt(2.0 * expression_cv**2 + MODEL_ERROR**2)
    floor = 0.03 * np.linalg.norm(colours, axis=1, keepdims=True) + 1e-9
    scale = np.linalg.norm(colours, axis=1, keepdims=True) + 1e-9
    log_likelihood = np.empty((len(colours), len(codebook)))
    for j, pure in enumerate(unit(codebook)[0]):  # that of a neuron without dye stays 0
        amount = np.maximum((colours * pure).sum(1, keepdims=True), 1e-9)
        for _ in range(2):
            variance = colours_se**2 + (relative * amount * pure) ** 2 + floor**2
            weight = np.maximum((pure**2 / variance).sum(1, keepdims=True), 1e-300)
            amount = np.maximum((colours * pure / variance).sum(1, keepdims=True) / weight, 1e-9)
        off = colours - amount * pure
        log_likelihood[:, j] = -0.5 * (off**2 / variance + np.log(variance / scale**2)).sum(1)
    return log_likelihood


def trace_neurons(cores: Cores, codebook: Floats) -> tuple[Floats, Ints]:
    """Places (n, 3) [um] in a block that hold cytosol, and the row (n,) of the code book that each belongs to.

    Notes
    -----
    The middles of bright structures are decoded by their colour, averaged over those nearby; what is no neuron's colour is
    a mixture. Places of one neuron that hang together are kept if they reach far enough: a dendrite is long, the mixture where
    two of them cross is short. Where next to nothing is a neuron's, as in dim images, what is found by chance would mislead.
    """
    n = len(cores.points_um)
    if not n:
        return np.zeros((0, 3)), np.zeros(0, np.int64)
    cosines = alike(cores.colours, unit(codebook)[0])
    row, known = cosines.argmax(axis=1), (cosines.max(axis=1) > np.cos(MOST_OFF_RAD)) & (cores.spread < MOST_OFF_RAD)
    pairs = cores.pairs[(row[cores.pairs[:, 0]] == row[cores.pairs[:, 1]]) & known[cores.pairs].all(axis=1)]
    joined = sparse.coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    n_pieces, piece = connected_components(joined, directed=False)
    index = np.arange(n_pieces)
    size = [ndimage.maximum(x, piece, index) - ndimage.minimum(x, piece, index) for x in cores.points_um.T]
    long = known & (np.linalg.norm(size, axis=0)[piece] >= LEAST_EXTENT_UM)
    if long.mean() < LEAST_TRACED:
        long[:] = False
    return cores.points_um[long], row[long]


def ln_reach(distance_um: Floats) -> Floats:
    """How much less a dendrite is a synapse's parent whose middle lies so far away than one within a spine's reach, as a log."""
    beyond = np.maximum(distance_um - REACH_UM, 0.0)
    return np.maximum(-0.5 * (beyond / REACH_SD_UM) ** 2, LEAST_LN_PRIOR)


def parents(log_likelihood: Floats, points_um: Floats, traced_um: Floats, traced_row: Ints) -> tuple[Ints, Floats]:
    """Row (n,) of the code book of each synapse's parent, and the probability (n,) that it is right.

    Parameters
    ----------
    log_likelihood : (n, m) ndarray
        Of the head's colour under each neuron (`colour_log_likelihood`).
    points_um : (n, 3) ndarray
        Synapses.
    traced_um, traced_row : (k, 3) and (k,) ndarray
        What the block holds of which neuron (`trace_neurons`).

    Notes
    -----
    The prior of a neuron falls off with the distance from the synapse to its nearest traced piece beyond what a spine
    reaches; how far that can be trusted, the synapses tell together. A share of heads has a colour that tells nothing
    (mixtures), and dyes that are disturbed together tell less than each alone: with both, stated probabilities agree with the
    truth of the demonstration within 0.03.
    """
    posterior = _weights(log_likelihood, points_um, traced_um, traced_row)
    posterior /= posterior.sum(axis=1, keepdims=True)
    return posterior.argmax(axis=1), posterior.max(axis=1)


def agreement(log_likelihood: Floats, points_um: Floats, traced_um: Floats, traced_row: Ints) -> Floats:
    """How well each head's colour and the dendrites around it fit together, as a log; arguments as in `parents`.

    Notes
    -----
    0 where the likeliest neurons by colour all have a dendrite within reach, `LEAST_LN_PRIOR` where none has.
    """
    together: Floats = np.log(_weights(log_likelihood, points_um, traced_um, traced_row).sum(axis=1))
    return together


def _weights(log_likelihood: Floats, points_um: Floats, traced_um: Floats, traced_row: Ints) -> Floats:
    """By colour and by place, and, where the parent's dendrite was not traced, by colour alone."""
    n_neurons = log_likelihood.shape[1]
    colour = by_colour(log_likelihood)
    place = by_place(points_um, traced_um, traced_row, n_neurons)
    share = place.sum(axis=1, keepdims=True) / n_neurons
    traced = _traced_share((colour * place).sum(axis=1) / share[:, 0])
    weights: Floats = colour * (place + (1.0 - traced) / traced * share)
    return weights


def _traced_share(fit: Floats) -> float:
    """Share of the synapses whose parent's dendrite was traced.

    Parameters
    ----------
    fit : (n,) ndarray
        How much likelier each one's colour is with the neurons that lie near than with any.

    Notes
    -----
    Maximum a posteriori: the colours of heads and the dendrites around agree as far as dendrites were traced. Few are in a dim or
    blurred image.
    """
    traced = TRACED_SHARE
    for _ in range(N_STEPS):
        is_traced = traced * fit / (traced * fit + 1.0 - traced)
        traced = float((is_traced.sum() + TRACED_SHARE * TRACED_KNOWN) / (len(fit) + TRACED_KNOWN))
    return traced


def by_colour(log_likelihood: Floats) -> Floats:
    """Probability (n, m) of each neuron by the head's colour alone; arguments as in `parents`."""
    colour = np.exp((log_likelihood - log_likelihood.max(axis=1, keepdims=True)) / DYES_PER_FACT)
    spread: Floats = OUTLIER_SHARE / log_likelihood.shape[1] + (1.0 - OUTLIER_SHARE) * colour / colour.sum(
        axis=1, keepdims=True
    )
    return spread


def by_place(points_um: Floats, traced_um: Floats, traced_row: Ints, n_neurons: int) -> Floats:
    """Weight (n, n_neurons) of each neuron by what of it lies near a synapse; arguments as in `parents`."""
    log_prior = np.full((len(points_um), n_neurons), LEAST_LN_PRIOR)
    for row in np.unique(traced_row):
        distance, _ = cKDTree(traced_um[traced_row == row]).query(points_um, distance_upper_bound=5.0)
        log_prior[:, row] = ln_reach(np.minimum(distance, 5.0))
    return np.exp(log_prior)


def nearest_readout(points_um: Floats, readouts: pd.DataFrame, gate_um: float) -> tuple[Ints, Floats]:
    """Neuron (n,) of the read-out next to each synapse, and the probability (n,) that it is the parent.

    A synapse without a read-out within `gate_um` takes the nearest one at a probability of 0.
    """
    places = readouts[["z_um", "y_um", "x_um"]].to_numpy(float)
    distance, row = cKDTree(places).query(points_um)
    probability = np.where(distance <= gate_um, 1.0 - readouts["error_rate"].to_numpy(float)[row], 0.0)
    return readouts["neuron_id"].to_numpy(np.int64)[row], probability
