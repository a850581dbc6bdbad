"""The code book as the image shows it: dendrites differ from the somata at which it was read, all along a neuron alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gamma

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.analysis.cytosol import Cores, alike, unit
from synimg.analysis.recording import Recording

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHOWN = ("codebook", "expression_cv")
"""What of an identity the image sets right."""
PURE_RAD = np.radians(3.0)
"""Cores around which colours differ more are mixtures of neurons."""
LEAST_NEAR = 6
"""Fewer cores together are noise."""
MOST_CORES = 8000
"""From which the codes are estimated."""
CORES_PER_FACT = 300
"""What shifts a colour, mixing above all, shifts that of its neighbours, too: so many cores tell what one alone would."""
WIDTHS_RAD = np.radians([6.0, 4.5, 3.3, 2.5, 1.8, 1.3, 1.0])
"""Of the colours around their code: broad at first, so that a code finds colours that are far from what was read."""
AGAIN_RAD = np.radians(3.0)
"""From where on the width falls again for codes that had run off to the colours of another neuron."""
SAME = 2.5
"""Widths of the colours within which two codes are those of one neuron."""
N_STEPS = 8
LEAST_LN = -80.0
"""Of a density over that in the middle; processors are slow where numbers end."""
OUTLIER_SHARE = 0.1
BOOK_FLOOR = 0.01
"""Error of a level of the code book, of a code of length 1, where there is next to no dye."""


def pure_colours(cores: Cores) -> Floats:
    """Colours (n, c) of length 1 of the cores around which there is one neuron alone."""
    return cores.colours[(cores.spread < PURE_RAD) & (cores.n_near >= LEAST_NEAR)]


def shown_codes(codebook: Floats, expression_cv: float, colours: Floats) -> tuple[Floats, float]:
    """Codes (m, c) of the neurons' dendrites, and how far colours scatter around them [rad].

    Parameters
    ----------
    codebook : (m, c) ndarray
        Levels read at the somata.
    expression_cv : float
        Relative error of a level, once at the soma and once in the dendrites.
    colours : (n, c) ndarray
        Of dendrites in the image (`pure_colours`).

    Notes
    -----
    Colours scatter around the codes of the neurons, and codes around those of the book: maximum a posteriori by expectation
    maximisation. The colours' width begins broad and falls (deterministic annealing, Ueda & Nakano 1998, Neural Netw 11:271) to
    what they show; all neurons weigh the same, or one of two alike would take the colours of both. A neuron that the image
    does not show keeps its code: one that runs off to another's colours is sent back.
    """
    read, length = unit(codebook)
    law = _Law(read, 2.0 * (expression_cv * read) ** 2 + BOOK_FLOOR**2, max(-(-len(colours) // MOST_CORES), 1))
    seen = colours[:: law.every]
    codes, sd = law.fitted(seen, read, WIDTHS_RAD)
    if len(strays := law.strays(codes, sd)):
        codes, sd = law.fitted(seen, law.sent_back(codes, strays), WIDTHS_RAD[WIDTHS_RAD < AGAIN_RAD])
        codes = law.sent_back(codes, law.strays(codes, sd))
    return codes * length, sd


@dataclass(frozen=True)
class _Law:
    """Of the codes of dendrites.

    read, error2 : (m, c) ndarray, codes that were read, of length 1, and the variances of what the dendrites differ from them
    every : one of so many colours is looked at
    """

    read: Floats
    error2: Floats
    every: int

    def fitted(self, seen: Floats, codes: Floats, widths: Floats) -> tuple[Floats, float]:
        """Codes (m, c) from some that are near, while the width of the colours `seen` (n, c) falls, and their last width."""
        m, c = codes.shape
        of_all_colours, least = 2.0 * np.pi ** (c / 2) / gamma(c / 2) / 2.0**c, 0.0
        for width in widths:
            sd = max(float(width), least)
            outlier = OUTLIER_SHARE * (sd * np.sqrt(2.0 * np.pi)) ** (c - 1) / of_all_colours
            for _ in range(N_STEPS):
                cosines = alike(seen, codes)  # half of a squared distance below 1
                density = (cosines - 1.0) / sd**2
                np.exp(np.clip(density, LEAST_LN, 0.0, out=density), out=density)
                n, total, away2 = _shared_out(density, cosines, seen, outlier * m / (1.0 - OUTLIER_SHARE))
                facts = n[:, None] * self.every / CORES_PER_FACT / sd**2
                mean = total / np.maximum(n, 1e-9)[:, None]
                codes, _ = unit((self.read / self.error2 + facts * mean) / (1.0 / self.error2 + facts))
            least = float(np.sqrt(away2 / max((c - 1) * n.sum(), 1e-9)))
        return codes, least

    def strays(self, codes: Floats, sd: float) -> Ints:
        """Of two codes that came together, the one that had to move farther."""
        moved = (np.square(codes - self.read) / self.error2).sum(axis=1)
        apart, before = _angles(codes), _angles(self.read)
        pairs = np.argwhere(np.triu((apart < SAME * sd) & (before > apart + SAME * sd), 1))
        return np.unique(np.where(moved[pairs[:, 0]] > moved[pairs[:, 1]], *pairs.T))

    def sent_back(self, codes: Floats, which: Ints) -> Floats:
        """The codes, of which some are as they were read."""
        out = codes.copy()
        out[which] = self.read[which]
        return out


@nb.njit(cache=True, nogil=True)
def _shared_out(share: Floats, cosines: Floats, colours: Floats, outlier: float) -> tuple[Floats, Floats, float]:
    """Colours (n, c) shared out among codes by the densities (n, m) of these, and an `outlier` one.

    How many fall to each code (m,), their sums (m, c), and the sum of their squared distances from their codes.
    """
    (n, n_codes), n_dyes = share.shape, colours.shape[1]
    number, total, away2 = np.zeros(n_codes), np.zeros((n_dyes, n_codes)), np.zeros(n_codes)
    for i in range(n):
        whole = 1.0 / (share[i].sum() + outlier)
        for j in range(n_codes):
            share[i, j] *= whole
            number[j] += share[i, j]
            away2[j] += share[i, j] * max(2.0 - 2.0 * cosines[i, j], 0.0)
        for k in range(n_dyes):
            for j in range(n_codes):
                total[k, j] += share[i, j] * colours[i, k]
    return number, total.T.copy(), away2.sum()


def _angles(codes: Floats) -> Floats:
    angles: Floats = np.arccos(np.clip(alike(codes, codes), -1.0, 1.0))
    return angles


def as_dendrites_show(recording: Recording, colours: Sequence[Floats]) -> Recording:
    """The recording with the codes (`shown_codes`) that dendrites show; `colours` (n, c) are those of parts of its image.

    What colours scatter beyond the stated error of a level adds to it: in a dim or blurred image they tell less.
    """
    every = np.concatenate(colours) if colours else np.zeros((0, 0))
    if not len(every):
        return recording
    identity = recording.identity
    book, cv = np.array(identity["codebook"]), float(identity["expression_cv"])
    codes, scatter = shown_codes(book, cv, every)
    known = {"codebook": codes.tolist(), "expression_cv": float(np.hypot(cv, scatter))}
    return recording.model_copy(update={"identity": identity | known})
