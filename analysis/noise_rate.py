"""How often noise alone is taken for a synapse: a tile's background drawn anew, without any punctum, and measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.special import digamma, gammaincc, gammaln, polygamma

from synimg.analysis.block import Tile, read_tile
from synimg.analysis.find import find_puncta
from synimg.analysis.fit import Scene, gains, model_of
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.recording import Recording
from synimg.analysis.replica import drawn
from synimg.analysis.scene import scene_again, scene_of
from synimg.model import Model
from synimg.streams import stream

Floats = NDArray[np.float64]
POWERS = np.linspace(0.0, 6.0, 121)
"""Of the gain in the law of the finds in noise."""
POWER, POWER_SD = 2.0, 0.7
"""Which power is expected: that of noise in one and two channels, dim and bright backgrounds, narrow and wide optics."""
N_NOISE_TILES = 2
"""Tiles whose noise is measured, at most: 60 finds at the lower gain where tiles are large, enough for a factor of two."""
COMPLETE = 1.3
"""Gains beyond the square of a candidate's least significance times this are not cut by the search."""


@dataclass(frozen=True)
class NoiseFinds:
    """Gains (n,) of what was found in noise, and the volume [um^3] in which it was looked for."""

    gain: Floats
    volume_um3: float


class FalseRate(Model):
    """Finds per volume that noise alone makes, with a 95 % interval."""

    per_um3: float = Field(ge=0, description="false finds per um^3")
    lo: float = Field(ge=0, description="2.5 %")
    hi: float = Field(ge=0, description="97.5 %")

    def text(self) -> str:
        """As a line of a report."""
        return f"{self.per_um3:.2g} ({self.lo:.2g} to {self.hi:.2g})"


def least_noise_gain(settings: MeasureSettings) -> float:
    """Gain from which finds in noise are counted: below the least gain, where they are many, and not cut by the search."""
    return min(COMPLETE * settings.candidate_significance**2, settings.least_gain)


def measure_noise(scene: Scene, tile: Tile, settings: MeasureSettings, rng: np.random.Generator) -> NoiseFinds:
    """What is found in the noise of a block's background, in the part that `tile` owns.

    The background is estimated anew; the search is that of `settings` at a lower gain.
    """
    noise = drawn(scene.background, rng)
    again = scene_again(scene, noise, settings)
    del scene, noise  # some 50 MB each: the fit needs as much again
    again, fit = find_puncta(again, settings.model_copy(update={"least_gain": least_noise_gain(settings)}))
    first, size = (np.array(v, float) for v in tile.box)
    low, high = np.maximum(tile.low, first - 0.5), np.minimum(tile.high, first + size - 0.5)
    return NoiseFinds(
        gains(again, fit, model_of(again, fit))[tile.owns(fit.points_vox + first)],
        float(np.prod((high - low) * again.voxel_um)),
    )


def noise_tile(
    tile: Tile, image: str, recording: Recording, settings: MeasureSettings, spread_um2: float
) -> NoiseFinds | None:
    """`measure_noise` of a tile of an image in a file; None if all of it is lost."""
    block, _ = read_tile(Path(image), tile, recording)
    if isinstance(block, str):
        return None
    first, grey = tile.box[0], block.grey
    return measure_noise(
        scene_of(grey[recording.receptor_index], recording, settings, spread_um2, first),
        tile,
        settings,
        stream(0, "measure", "noise", *first),
    )


def false_rate(finds: Sequence[NoiseFinds], least: float, gain: float) -> FalseRate | None:
    """Finds per volume of a gain of at least `gain`, from all those of at least `least`; None without any volume.

    Notes
    -----
    Maxima of a smooth random field above a high level u, and of a likelihood ratio g = u^2 with free nuisance parameters, have
    the density ``g^k exp(-g / 2)`` (Adler and Taylor 2007, Random Fields and Geometry, 11 and 15). The power k follows from the
    gains above `least`, by Bayes' law with a normal prior, so that a rate of one in
    thousands of um^3 can be told from a few hundred.
    """
    volume = sum(f.volume_um3 for f in finds)
    if volume <= 0.0:
        return None
    seen = np.concatenate([f.gain for f in finds])
    seen = seen[seen >= least]
    # the tail beyond g is that of a Gamma law of shape k + 1 at g / 2
    tail = np.log(gammaincc(POWERS + 1.0, 0.5 * least))
    posterior = POWERS * np.log(0.5 * seen).sum() - seen.size * (gammaln(POWERS + 1.0) + tail)
    posterior -= 0.5 * ((POWERS - POWER) / POWER_SD) ** 2
    weight = np.exp(posterior - posterior.max())
    weight /= weight.sum()
    share = np.log(gammaincc(POWERS + 1.0, 0.5 * gain)) - tail
    mean = float(weight @ share)
    # of a count n the rate's logarithm has, before anything is known, the mean and variance of a Gamma law of n + 1/2
    level = float(digamma(seen.size + 0.5) - np.log(volume)) + mean
    sd = float(np.sqrt(polygamma(1, seen.size + 0.5) + weight @ (share - mean) ** 2))
    return FalseRate(per_um3=np.exp(level), lo=np.exp(level - 1.96 * sd), hi=np.exp(level + 1.96 * sd))
