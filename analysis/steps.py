"""Steps in the brightness of a spot whose dyes bleach one after the other: levels by penalised likelihood."""

import math
from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEAST_FRAMES = 3
"""Frames of a level: the frame in which a dye goes out makes no level of its own."""
PENALTY = 3.0
"""Per step, in ln of the number of frames: its height and its time (Zhang & Siegmund 2007, Biometrics 63:22)."""


@nb.njit(cache=True, nogil=True)
def begins_of_levels(trace: Floats, dark_variance: float, per_electron: float) -> Ints:
    """First frames (n,) of the levels of a trace; the first is 0.

    Parameters
    ----------
    trace : (frames,) ndarray [electrons]
    dark_variance : float
        Variance of a frame without the dye's light.
    per_electron : float
        What each electron of a level adds to it.

    Notes
    -----
    The likeliest levels of all that there can be, by dynamic programming: normal noise whose variance grows with the level,
    and a penalty of `PENALTY` ln n for every step.
    """
    n = trace.size
    penalty = PENALTY * math.log(max(n, 2))
    sums, squares = np.zeros(n + 1), np.zeros(n + 1)
    for t in range(n):
        sums[t + 1] = sums[t] + trace[t]
        squares[t + 1] = squares[t] + trace[t] ** 2
    best, before = np.full(n + 1, np.inf), np.zeros(n + 1, np.int64)
    best[0] = -penalty
    for end in range(LEAST_FRAMES, n + 1):
        for begin in range(end - LEAST_FRAMES + 1):
            if best[begin] == np.inf:
                continue
            m = end - begin
            mean = (sums[end] - sums[begin]) / m
            variance = dark_variance + per_electron * max(mean, 0.0)
            misfit = (squares[end] - squares[begin] - m * mean * mean) / variance + m * math.log(variance)
            if misfit + best[begin] + penalty < best[end]:
                best[end], before[end] = misfit + best[begin] + penalty, begin
    begins = np.zeros(n, np.int64)
    k, end = 0, n
    while end > 0:
        end = before[end]
        begins[k] = end
        k += 1
    return begins[:k][::-1].copy()


@dataclass(frozen=True)
class LastStep:
    """The step with which a spot goes dark.

    height, se : electrons per frame, and standard error
    least : the height from which on such a step is seen
    n_lit : frames before it at that level
    at : first dark frame
    was_higher : whether the level before it was a higher one, of several dyes
    levels : (frames,) ndarray, the fitted trace
    """

    height: float
    se: float
    least: float
    n_lit: int
    at: int
    was_higher: bool
    levels: Floats


def last_step(trace: Floats, dark_variance: float, per_electron: float) -> LastStep | None:
    """The last step of a trace down to darkness; None where there is none.

    Notes
    -----
    However many dyes a spot had, the last to bleach was alone. The frame on either side of the step is left out: the dye went out
    somewhere in one of them.
    """
    begins = begins_of_levels(trace, dark_variance, per_electron)
    if len(begins) < 2:
        return None
    ends = np.append(begins[1:], trace.size)
    levels = np.repeat([trace[a:b].mean() for a, b in zip(begins, ends, strict=True)], ends - begins)
    lit, dark = trace[begins[-2] : ends[-2] - 1], trace[begins[-1] + 1 :]
    if len(begins) > 2:
        lit = lit[1:]
    height, dark_level = float(lit.mean() - dark.mean()), float(dark.mean())
    dark_var = dark_variance / len(dark)
    se = math.sqrt((dark_variance + per_electron * max(float(lit.mean()), 0.0)) / len(lit) + dark_var)
    is_dark = abs(dark_level) < max(4.0 * math.sqrt(dark_var), 0.25 * height)
    if height <= 0 or not is_dark:
        return None
    # a level is taken for two where that explains more than the penalty
    needed = dark_variance * (1.0 / (ends[-2] - begins[-2]) + 1.0 / (ends[-1] - begins[-1]))
    least = math.sqrt(PENALTY * math.log(trace.size) * needed)
    was_higher = len(begins) > 2 and bool(levels[begins[-2] - 1] > levels[begins[-2]])
    return LastStep(height, se, least, int(ends[-2] - begins[-2]), int(begins[-1]), was_higher, levels)
