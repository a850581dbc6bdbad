"""Counter-based random numbers for compiled code: each draw is a hash of a key and an absolute index.

A voxel's noise is a function of (seed, channel, voxel index) alone, so any chunking, order and worker gives the same
bytes. The generator is SplitMix64 (Steele, Lea, Flood 2014, OOPSLA), started at a mixed key for each index.
"""

import math

import numba as nb
import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)


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


@nb.njit(inline="always")
def normal(state: np.uint64) -> tuple[np.uint64, float]:
    """Next state and a standard normal number (Box and Muller)."""
    state, u = uniform(state)
    state, v = uniform(state)
    return state, math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)


@nb.njit
def poisson(state: np.uint64, mean: float) -> tuple[np.uint64, int]:
    """Next state and a Poisson number: inversion below a mean of 10, PTRS (Hoermann 1993) above."""
    if mean <= 0.0:
        return state, 0
    if mean < 10.0:
        state, u = uniform(state)
        p = math.exp(-mean)
        k = 0
        while u > p and k < 1000:
            u -= p
            k += 1
            p *= mean / k
        return state, k
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
