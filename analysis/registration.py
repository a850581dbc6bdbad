"""Where channels lie beside each other, from what they show together: for those whose shift nobody has stated."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfftn, next_fast_len, rfftn
from scipy.ndimage import gaussian_filter, shift, uniform_filter

from synimg.analysis.recording import Recording

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pair = tuple[int, int]
Blocks = Callable[[], Iterable[NDArray[np.uint16]]]
REACH_UM = 1.5
"""Farthest that a channel is looked for."""
WIDE_UM = 1.0
"""What is wider than this in an image is taken off: a slope in the background would pull the place."""
BRIGHT = 99.8
"""Per cent of the voxels beyond which all count as alike: no granule or large synapse speaks for all others."""


def registered(recording: Recording, blocks: Blocks) -> Recording:
    """The recording with a shift for every channel that has none.

    Parameters
    ----------
    blocks : callable
        Gives grey levels (channel, z, y, x) of some parts of the image; called twice.

    Notes
    -----
    Both receptor channels show the same synapses, all dyes the same dendrites, and synapses lie on the heads that the dyes
    fill, on any side of them: two such images are most alike where they lie on each other. The pulse channel, or the chase
    where that one is stated, is where it is; the dyes are laid on the first of them, and then together on the receptors.
    """
    unknown = [i for i, channel in enumerate(recording.channels) if channel.shift_um is None]
    if not unknown:
        return recording
    (pulse, chase), dyes = recording.receptor_index, [i for i in recording.dye_index if i in unknown]
    place = recording.shift_vox(list(range(len(recording.channels))))
    pairs = [(pulse, chase), *((dyes[0], i) for i in dyes[1:]), *((r, i) for r in (pulse, chase) for i in dyes)]
    alike = _alike(recording, blocks(), pairs)
    beside = {pair: _highest(alike[pair]) for pair in pairs if pair[1] == chase or pair[0] in dyes}
    if dyes:  # one peak of all dyes with both receptors: that of a single one may be another's
        to_first = {i: beside.get((dyes[0], i), np.zeros(3, np.int64)) for i in dyes}
        to_pulse = {pulse: np.zeros(3, np.int64), chase: beside[pulse, chase]}
        together = [shift(alike[r, i], to_pulse[r] - to_first[i], order=0) for r in (pulse, chase) for i in dyes]
        first = _highest(np.sum(together, axis=0))
        beside |= {(r, i): first + to_first[i] - to_pulse[r] for r in (pulse, chase) for i in dyes}
    exactly, weight = _refined(recording, blocks(), beside)
    if pulse in unknown and chase not in unknown:
        place[pulse] = place[chase] - exactly[pulse, chase]
    if chase in unknown:
        place[chase] = place[pulse] + exactly[pulse, chase]
    if dyes:
        of_first = {i: exactly.get((dyes[0], i), np.zeros(3)) for i in dyes}
        seen = [(r, i) for r in (pulse, chase) for i in dyes]
        each = [place[r] + exactly[r, i] - of_first[i] for r, i in seen]
        middle = np.average(each, axis=0, weights=[weight[pair] for pair in seen])
        for i in dyes:
            place[i] = middle + of_first[i]
    channels = list(recording.channels)
    for i in unknown:
        z, y, x = (place[i] * recording.voxel_um).tolist()
        channels[i] = channels[i].model_copy(update={"shift_um": (z, y, x)})
    return recording.model_copy(update={"channels": tuple(channels)})


def _lights(
    recording: Recording, blocks: Iterable[NDArray[np.uint16]], pairs: Iterable[Pair]
) -> Iterator[dict[int, NDArray[np.float32]]]:
    """What stands out in the channels of the pairs, in every block, in units of its own sd."""
    wide = 2 * np.rint(WIDE_UM / np.array(recording.voxel_um)).astype(int) + 1  # an even box would move it
    width = 0.5 * recording.sigma_vox(recording.receptor_index).mean(axis=0)
    used = sorted({channel for pair in pairs for channel in pair})
    for grey in blocks:
        lights = {}
        for i in used:
            light = np.minimum(grey[i], np.percentile(grey[i], BRIGHT)).astype(np.float32)
            light = gaussian_filter(light, width)
            light -= uniform_filter(light, wide, mode="nearest")
            lights[i] = light / max(float(light.std()), 1e-9)
        yield lights


def _alike(recording: Recording, blocks: Iterable[NDArray[np.uint16]], pairs: list[Pair]) -> dict[Pair, Floats]:
    """How alike two channels are with the second one moved back by -reach to reach voxels along z, y, x."""
    reach = np.ceil(REACH_UM / np.array(recording.voxel_um)).astype(int)
    found = {pair: np.zeros(2 * reach + 1) for pair in pairs}
    for lights in _lights(recording, blocks, pairs):
        shape = next(iter(lights.values())).shape
        size = [next_fast_len(n + int(r), real=True) for n, r in zip(shape, reach, strict=True)]
        window = np.ix_(*(np.arange(-r, r + 1) % n for r, n in zip(reach, size, strict=True)))
        waves = {i: rfftn(light, size) for i, light in lights.items()}
        for one, other in pairs:
            found[one, other] += irfftn(np.conj(waves[one]) * waves[other], size)[window]
    return found


def _highest(alike: Floats) -> Ints:
    """Where the highest place lies [voxels from the middle]."""
    top = np.array(np.unravel_index(np.argmax(alike), alike.shape), np.int64)
    return top - np.array(alike.shape) // 2


def _refined(
    recording: Recording, blocks: Iterable[NDArray[np.uint16]], near: dict[Pair, Ints]
) -> tuple[dict[Pair, Floats], dict[Pair, float]]:
    """Where the second channel of a pair lies beside the first [voxels], which is `near`, and how alike they are there.

    Notes
    -----
    The top of the Gaussian through three places along each axis. The part of the first channel that is compared is the same
    for all of them: where a move takes more light out of the block, less of it would look like less alike.
    """
    found = {pair: np.zeros((3, 3)) for pair in near}
    for lights in _lights(recording, blocks, near):
        for (one, other), step in near.items():
            shape = np.array(lights[one].shape)
            low, high = np.maximum(1 - step, 0), shape - np.maximum(1 + step, 0)
            if (high - low < 1).any():
                continue
            own = lights[one][tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
            for axis in range(3):
                for k in range(3):
                    by = step + (k - 1) * np.eye(3, dtype=np.int64)[axis]
                    at = tuple(slice(a, b) for a, b in zip(low + by, high + by, strict=True))
                    found[one, other][axis, k] += float(np.vdot(own, lights[other][at]))
    exactly, weight = {}, {}
    for pair, values in found.items():
        left, middle, right = np.log(np.maximum(values, 1e-3 * np.abs(values[:, 1:2]) + 1e-9)).T
        bent = np.minimum(left - 2.0 * middle + right, -1e-6)
        exactly[pair] = near[pair] + np.clip(0.5 * (left - right) / bent, -1.0, 1.0)
        weight[pair] = max(float(values[0, 1]), 1e-9)
    return exactly, weight
