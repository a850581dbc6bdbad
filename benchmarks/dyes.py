"""Is the light of one dye right? Simulated movies of dyes that bleach, and standards: bias, and intervals that hold.

`python benchmarks/dyes.py 24` (fields per row). A dye has 150 electrons a frame with shape 4 (or as the row says), in focus, on a
background of 20 electrons per pixel with a read noise of 1.6; the point spread function's sd is 1.4 pixels. Brightness is drawn by
quantiles of its law, so that a field's own mean is the law's.
"""

import sys
from dataclasses import dataclass

import numpy as np
from scipy import special, stats

from synimg.analysis.dyes import Brightness, brightness_law, heights_of_spots, heights_of_steps, steps_of
from synimg.analysis.spots import find_spots
from synimg.errors import SynimgError

MEAN, SIGMA, BACKGROUND, READ = 150.0, 1.4, 20.0, 1.6


@dataclass(frozen=True)
class Case:
    """A row: spots in a field of `size` pixels a side, mean lifetime in frames, and what is unusual."""

    what: str
    n: int = 220
    size: int = 250
    frames: int = 120
    lifetime: float = 25.0
    shape: float = 4.0
    more_dyes: float = 0.0  # mean number of further dyes in a spot
    blinking: float = 0.0  # share of the frames in which a lit dye is dark
    places: int = 0  # of a standard
    labelled: float = 1.0


CASES = (
    Case("220 dyes that bleach"),
    Case("of nearly one brightness", shape=100.0),
    Case("of most unequal brightness", shape=2.0),
    Case("1.3 dyes in a spot", more_dyes=0.3),
    Case("out within 8 frames", lifetime=8.0),
    Case("dark in 2 % of the frames", blinking=0.02),
    Case("100 spots of 20 places, 85 %", n=100, size=256, frames=1, places=20, labelled=0.85),
    Case("100 spots of 12 dyes", n=100, size=256, frames=1, places=12),
    Case("200 spots of 12 dyes, crowded", n=200, size=256, frames=1, places=12),
)


def movie(case: Case, seed: int) -> np.ndarray:
    """Electrons (frames, y, x) of a field."""
    rng = np.random.default_rng([seed, case.n, case.frames])
    at = rng.uniform(6.0, case.size - 7.0, (case.n, 2))
    in_spot = (
        rng.binomial(case.places, case.labelled, case.n) if case.places else 1 + rng.poisson(case.more_dyes, case.n)
    )
    total = int(in_spot.sum())
    level = (rng.permutation(total) + rng.uniform(size=total)) / total
    light = iter(stats.gamma.ppf(level, case.shape, scale=MEAN / case.shape))
    out, frame = np.full((case.frames, case.size, case.size), BACKGROUND), np.arange(case.frames)
    for place, n in zip(at, in_spot, strict=True):
        rows, columns = (slice(max(int(a) - 7, 0), int(a) + 9) for a in place)
        y, x = (
            np.diff(
                special.erf((np.arange(s.start, min(s.stop, case.size) + 1) - 0.5 - a) / (SIGMA * np.sqrt(2.0))) / 2
            )
            for s, a in zip((rows, columns), place, strict=True)
        )
        lit = np.zeros(case.frames)
        for _ in range(n):
            on = np.ones(case.frames) if case.places else np.clip(rng.exponential(case.lifetime) - frame, 0.0, 1.0)
            lit += next(light) * on * (rng.uniform(size=case.frames) >= case.blinking)
        out[:, rows, columns] += lit[:, None, None] * np.outer(y, x)
    return rng.poisson(out) + rng.normal(0.0, READ, out.shape)


def measured(case: Case, seed: int) -> Brightness:
    """The law that is found in a field."""
    spots = find_spots(movie(case, seed), READ, np.array([SIGMA, SIGMA]))
    if case.places:
        return brightness_law(heights_of_spots(spots), case.places, case.labelled)
    return brightness_law(heights_of_steps(steps_of(spots)))


def main(n_fields: int) -> None:
    """Print a row for each case."""
    print("| field | dyes used | mean over true | interval holds | shape over true (median) | interval holds |")
    print("| --- | --- | --- | --- | --- | --- |")
    for case in CASES:
        laws, refused = [], 0
        for seed in range(n_fields):
            try:
                laws.append(measured(case, seed))
            except SynimgError:
                refused += 1
        true = MEAN * (1.0 - case.blinking)  # what a lit dye gives on average is what counts
        ratio = np.array([law.mean for law in laws]) / true
        held = np.mean([abs(law.mean - true) < 1.96 * law.mean_se for law in laws])
        shape_held = np.mean([abs(np.log(law.shape / case.shape)) < 1.96 * law.shape_se / law.shape for law in laws])
        shape = np.median([law.shape for law in laws]) / case.shape
        error = ratio.std() / np.sqrt(len(ratio))
        more = f" ({refused} of {n_fields} fields refused)" if refused else ""
        row = (f"{case.what}{more}", f"{np.mean([law.n for law in laws]):.0f}", f"{ratio.mean():.4f} +- {error:.4f}")
        print("|", " | ".join([*row, f"{held:.2f}", f"{shape:.2f}", f"{shape_held:.2f}"]), "|", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 24)
