"""One-to-one pairs of presynaptic and postsynaptic puncta, and how many chance alone would make."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.match import match

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Chance:
    """Pairs by chance: mean and sd over turned and shifted copies, and the probability of as many as were found."""

    counts: Floats
    mean: float
    sd: float
    p_value: float


def pair(pre_um: Floats, post_um: Floats, max_distance_um: float) -> tuple[Ints, Ints]:
    """Rows of the (n, axes) and (m, axes) puncta that pair one to one within a distance, the nearest together."""
    return match(_three(pre_um), _three(post_um), lateral_um=max_distance_um, axial_um=max_distance_um)


def _three(points_um: Floats) -> Floats:
    """Points with three coordinates; a missing z is 0."""
    return np.column_stack([np.zeros((len(points_um), 3 - points_um.shape[1])), points_um])


def chance_pairs(
    pre_um: Floats,
    post_um: Floats,
    size_um: Floats,
    max_distance_um: float,
    n_shifts: int,
    rng: np.random.Generator,
    share_lost: float = 0.0,
) -> Chance:
    """Pairs that form by chance: the presynaptic puncta turned, mirrored or shifted against the others.

    Parameters
    ----------
    pre_um, post_um : (n, axes) and (m, axes) ndarray [um]
        Puncta.
    size_um : (axes,) ndarray
        Edge lengths of the image.
    max_distance_um : float
        Reach of a pair.
    n_shifts : int
        Shifts, around the image's ends, by at least ten reaches; a half turn, two mirrors, and quarter turns of a square
        image come on top.
    rng : Generator
        Of the shifts.
    share_lost : float
        Of the image, in which no puncta could be looked for: as many of those that are moved come to lie there.
    """
    found = len(pair(pre_um, post_um, max_distance_um)[0])
    copies = []
    for flip_y, flip_x in ((True, True), (True, False), (False, True)):
        turned = pre_um.copy()
        for axis, flip in ((-2, flip_y), (-1, flip_x)):
            if flip:
                turned[:, axis] = size_um[axis] - turned[:, axis]
        copies.append(turned)
    if np.isclose(size_um[-1], size_um[-2]):
        for mirrored in (-1, -2):
            quarter = pre_um.copy()
            quarter[:, [-2, -1]] = quarter[:, [-1, -2]]
            quarter[:, mirrored] = size_um[mirrored] - quarter[:, mirrored]
            copies.append(quarter)
    least = np.minimum(10.0 * max_distance_um, size_um[-2:] / 4)
    for _ in range(n_shifts):
        shifted = pre_um.copy()
        shifted[:, -2:] = (shifted[:, -2:] + rng.uniform(least, size_um[-2:] - least)) % size_um[-2:]
        copies.append(shifted)
    counts = np.array([len(pair(copy, post_um, max_distance_um)[0]) for copy in copies]) / (1.0 - share_lost)
    p_value = float((1 + (counts >= found).sum()) / (1 + counts.size))
    return Chance(counts, float(counts.mean()), float(counts.std(ddof=1)), p_value)
