"""Counter-based random numbers for compiled code: each draw is a hash of a key and an absolute index.

A voxel's noise is a function of (seed, channel, voxel index) alone, so any chunking, order and worker gives the same
bytes. The generator is SplitMix64 (Steele, Lea, Flood 2014, OOPSLA), started at a mixed key for each index.
"""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc

GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# tables for `normal`: edges and heights of the layers, which have one area
LAST_EDGE, AREA = 3.6541528853610088, 0.00492867323399
EDGE = np.zeros(257)
EDGE[0], EDGE[1] = AREA / math.exp(-0.5 * LAST_EDGE**2), LAST_EDGE
for _i in range(1, 255):
    EDGE[_i + 1] = math.sqrt(-2.0 * math.log(AREA / EDGE[_i] + math.exp(-0.5 * EDGE[_i] ** 2)))
HEIGHT = np.exp(-0.5 * EDGE**2)

# tables for `poisson`: sums of the probabilities for the means 0, 1/8, ..., and where to begin to look in them
N_MEANS, N_GUIDE, STEP = 256, 256, 0.125
SUMS = gammaincc(np.arange(1, 129), STEP * np.arange(N_MEANS)[:, None])
SUMS[:, -1] = 2.0
GUIDE = np.array([np.searchsorted(row, np.arange(N_GUIDE) / N_GUIDE) for row in SUMS]).astype(np.uint8)


@nb.njit(inline="always")
def mix(z: np.uint64) -> np.uint64:
    """Finaliser of SplitMix64: a bijection of 64 bits without visible structure."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@nb.njit(inline="always")
def start(key: np.uint64, index: np.uint64) -> np.uint64:
    """State of the generator of one `index` under `key`."""
    return mix(key ^ mix(index + GOLDEN))


@nb.njit(inline="always")
def uniform(state: np.uint64) -> tuple[np.uint64, float]:
    """Next state and a uniform number in (0, 1)."""
    state = state + GOLDEN
    return state, (float(mix(state) >> np.uint64(11)) + 0.5) * 2.0**-53


@nb.njit
def normal(state: np.uint64) -> tuple[np.uint64, float]:
    """Next state and a standard normal number (ziggurat of 256 layers, Marsaglia and Tsang 2000, J. Stat. Softw. 5:8)."""
    while True:
        state = state + GOLDEN
        bits = mix(state)
        layer = int(bits & np.uint64(255))
        x = float(bits >> np.uint64(11)) * 2.0**-53 * EDGE[layer]
        sign = 1.0 if bits & np.uint64(256) else -1.0
        if x < EDGE[layer + 1]:
            return state, sign * x
        if layer == 0:  # the tail beyond the last edge
            state, u = uniform(state)
            state, v = uniform(state)
            x = -math.log(u) / LAST_EDGE
            if -2.0 * math.log(v) > x * x:
                return state, sign * (LAST_EDGE + x)
            continue
        state, u = uniform(state)
        if HEIGHT[layer] + u * (HEIGHT[layer + 1] - HEIGHT[layer]) < math.exp(-0.5 * x * x):
            return state, sign * x


@nb.njit
def _few(mean: float, u: float, v: float) -> int:
    """Poisson number of a mean in (0, 32) from two uniform numbers."""
    row = int(mean / STEP)
    n = int(GUIDE[row, int(u * N_GUIDE)])
    while u > SUMS[row, n]:
        n += 1
    rest = mean - STEP * row
    if v < 1.0 - rest * (1.0 - rest / 2 * (1.0 - rest / 3)):  # less than exp(-rest): most need no exponential
        return n
    p = math.exp(-rest)
    k = 0
    while v > p and k < 100:
        v -= p
        k += 1
        p *= rest / k
    return n + k


@nb.njit
def poisson(state: np.uint64, mean: float) -> tuple[np.uint64, int]:
    """Next state and a Poisson number.

    Notes
    -----
    Below a mean of 32 the sum of two: one whose mean is the next lower multiple of 1/8, by inversion with a guide table
    (Devroye 1986, III.2.4), and one of the rest, by inversion. Above, PTRS (Hoermann 1993).
    """
    if mean <= 0.0:
        return state, 0
    if mean < STEP * N_MEANS:
        state, u = uniform(state)
        state, v = uniform(state)
        return state, _few(mean, u, v)
    root = math.sqrt(mean)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inv_alpha = 1.1239 + 1.1328 / (b - 3.4)
    v_r = 0.9277 - 3.6224 / (b - 2.0)
    log_mean = math.log(mean)
    while True:
        state, u = uniform(state)
        state, v = uniform(state)
        u -= 0.5
        us = 0.5 - abs(u)
        k = int(math.floor((2.0 * a / us + b) * u + mean + 0.43))
        if us >= 0.07 and v <= v_r:
            return state, k
        if k < 0 or (us < 0.013 and v > us):
            continue
        if math.log(v * inv_alpha / (a / (us * us) + b)) <= k * log_mean - mean - math.lgamma(k + 1.0):
            return state, k


@nb.njit
def poisson_and_normal(
    key: np.uint64,
    first: np.uint64,
    means: NDArray[np.float64],
    counts: NDArray[np.float64],
    normals: NDArray[np.float64],
) -> None:
    """For each index from `first` on what `poisson` with its mean and then `normal` give; into `counts` and `normals`.

    Notes
    -----
    Nearly all take three hashes of their index. These come first, all of one kind in one loop, which the compiler turns into
    vector instructions; what takes more is left to `poisson` and `normal`.
    """
    states = np.empty(means.size, np.uint64)
    u, v, bits = np.empty(means.size), np.empty(means.size), np.empty(means.size, np.uint64)
    for i in range(means.size):
        state = start(key, first + np.uint64(i))
        state, u[i] = uniform(state)
        state, v[i] = uniform(state)
        states[i] = state
        bits[i] = mix(state + GOLDEN)
    for i in range(means.size):
        if 0.0 < means[i] < STEP * N_MEANS:
            counts[i] = _few(means[i], u[i], v[i])
        else:
            states[i], counts[i] = poisson(start(key, first + np.uint64(i)), means[i])
            bits[i] = mix(states[i] + GOLDEN)
    outside, n_outside = np.empty(means.size, np.int64), 0
    for i in range(means.size):
        layer = int(bits[i] & np.uint64(255))
        x = float(bits[i] >> np.uint64(11)) * 2.0**-53 * EDGE[layer]
        normals[i] = x if bits[i] & np.uint64(256) else -x
        outside[n_outside] = i
        n_outside += x >= EDGE[layer + 1]
    for i in outside[:n_outside]:
        _, normals[i] = normal(states[i])


@nb.njit
def gamma(state: np.uint64, shape: float) -> tuple[np.uint64, float]:
    """Next state and a Gamma number of scale 1 (Marsaglia and Tsang 2000, ACM Trans. Math. Softw. 26:363)."""
    boost = 1.0
    if shape < 1.0:
        state, u = uniform(state)
        boost = u ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        state, x = normal(state)
        v = (1.0 + c * x) ** 3
        if v <= 0.0:
            continue
        state, u = uniform(state)
        if math.log(u) < 0.5 * x * x + d - d * v + d * math.log(v):
            return state, boost * d * v
