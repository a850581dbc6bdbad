"""Posterior of the hyper-parameters: share and size of learning, drift and factors trade off, and one value would promise too much.

A Markov chain over all of them at once, in which a sign of learning comes and goes: its share is the square of a root
that is uniform from 0 to 1, and below 0 there is none of that sign (`NOTHING`, half of the prior). Where both signs are there
their shares are alike (`DOWN_PER_UP`, within `DOWN_PER_UP_SD_LN`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np

from synimg.analysis.mixture.counts import Floats, Sizes
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.effect import ALIKE, lent, ln_prior
from synimg.analysis.mixture.expect import COARSER, Grid, log_likelihood, make_grid
from synimg.analysis.mixture.fit import DOWN_PER_UP, DRIFT_SD, DRIFT_WEIGHT
from synimg.analysis.mixture.model import DOWN, UP, Model, Slab

N_WALKERS, GENERATIONS, LATE = 20, (60, 120), 2.0 / 3.0
SYNAPSES_OF_CHAIN = 240_000
"""Synapses over all generations: few leave more open, so that signs of learning come and go, and cost less to look at."""
N_CLIMBS, WIDEST = 3, 4.0
N_TRIES = 20
N_GRIDS = 12  # a climb takes steps along each axis, and pairs of steps, over and again
FAR_BEHIND, LOWEST = 6.0, 20.0
SLAB_AXES = ("root", "mean", "sd")
NOTHING = 0.2
"""Width of the stretch of the root of a share that stands for no learning of that sign."""
DOWN_PER_UP_SD_LN = 0.7
HIDDEN_NOTHING_ODDS = 0.5
FACTOR_SD, FACTOR_SD_LN = 0.25, 1.0
DRIFT_SD_LN_BELOW, DRIFT_SD_LN_ABOVE = (2.0 * DRIFT_WEIGHT) ** -0.5, 0.5
"""Widths of the prior of ln drift on both sides of its mode."""
LEAST_EFFECT = 0.15
SMALL_SHARE, HARDLY_ANY = 0.03, 0.01
RARE = 0.02
FIRST_STEP = {
    "drift": 0.05,
    "factor": 0.1,
    "size": 0.03,
    "turnover": 0.03,
    "zero": 0.03,
    "root": 0.04,
    "mean": 0.06,
    "sd": 0.12,
}


@dataclass(frozen=True)
class Axes:
    """Coordinates of the hyper-parameters, about a fitted model.

    Turnover and sizes bear on learning where it is removal that shrinks a synapse, which totals alone show.
    """

    centre: Model

    @cached_property
    def names(self) -> list[str]:
        """What each coordinate is; the zero is that of the factors, which with less insertion is the turnover's as well."""
        kinds = [f"factor {kind}" for kind in range(len(self.centre.factor_sd))]
        removal = self.centre.form.depression == "label_blind_removal"
        signs = [f"{what} {sign}" for sign in (UP, DOWN) for what in SLAB_AXES]
        return ["drift", *kinds, *(["size mean", "size sd", "turnover"] if removal else ["zero"]), *signs]

    @property
    def first_steps(self) -> Floats:
        """Sd of the first proposals."""
        return np.array([FIRST_STEP[name.split()[0]] for name in self.names])

    def at(self, model: Model) -> Floats:
        """Coordinates of a model that differs from the centre in what they are."""
        value = dict.fromkeys(self.names, 0.0) | {"drift": np.log(model.drift_sd)}
        for kind, sd in enumerate(model.factor_sd):
            value[f"factor {kind}"] = np.log(max(sd, 0.02))
        if "zero" in value:
            value["zero"] = self._zero(model) - self._zero(self.centre)
        for sign in (UP, DOWN):
            slab = model.slab(sign)
            value[f"root {sign}"] = np.sqrt(slab.share) if slab.share > 1e-4 else -0.5 * NOTHING
            value[f"mean {sign}"], value[f"sd {sign}"] = slab.mean, np.log(slab.sd)
        return np.array([value[name] for name in self.names])

    def _zero(self, model: Model) -> float:
        """Mean log turnover of synapses that neither learned nor drifted."""
        return model.turnover + float(np.mean(model.factor_mean))

    def of(self, model: Model) -> list[int]:
        """Axes that bear on the likelihood of a model: those of absent signs do not."""
        absent = {f"{what} {sign}" for sign in (UP, DOWN) for what in SLAB_AXES if sign not in model.signs}
        return [i for i, name in enumerate(self.names) if name not in absent]

    def model(self, at: Floats) -> Model | None:
        """The model there, None outside of what is possible."""
        value = dict(zip(self.names, at.tolist(), strict=True))
        slabs, there = {UP: Slab(), DOWN: Slab()}, {UP: False, DOWN: False}
        for sign in (UP, DOWN):
            root, mean, sd = (value[f"{what} {sign}"] for what in SLAB_AXES)
            if not -NOTHING < root < 1.0 or mean < LEAST_EFFECT:
                return None
            there[sign] = root > 0.0
            slabs[sign] = Slab(max(root, 0.0) ** 2, mean, float(np.exp(sd)))
        shift, zero = value.get("turnover", 0.0), value.get("zero", 0.0)
        turnover = self.centre.turnover + shift
        if sum(slab.share for slab in slabs.values()) > 0.95 or turnover < 0.02:
            return None
        kinds = range(len(self.centre.factor_sd))
        return replace(
            self.centre,
            form=replace(self.centre.form, up=there[UP], down=there[DOWN]),
            drift_sd=float(np.exp(value["drift"])),
            factor_sd=tuple(float(np.exp(value[f"factor {kind}"])) for kind in kinds),
            factor_mean=tuple(mean - shift + zero for mean in self.centre.factor_mean),
            turnover=turnover,
            sizes=self.centre.sizes.narrowed(float(np.exp(value["size sd"]))).moved(value["size mean"] + shift)
            if "turnover" in value
            else self.centre.sizes,
            slabs=(slabs[UP], slabs[DOWN]),
        )

    def _nothing_odds(self, sign: int, root: dict[int, float]) -> float:
        """Odds beforehand that there is none of that sign: where removal hides depression, it is rarely absent alone."""
        hidden = self.centre.form.depression == "label_blind_removal" and sign == DOWN and root[UP] > 0.0
        return HIDDEN_NOTHING_ODDS if hidden else 1.0

    def log_prior(self, at: Floats) -> float:
        """Log density on the axes."""
        value = dict(zip(self.names, at.tolist(), strict=True))
        above = value["drift"] - np.log(DRIFT_SD)
        density = -0.5 * (above / (DRIFT_SD_LN_ABOVE if above > 0.0 else DRIFT_SD_LN_BELOW)) ** 2
        for kind in range(len(self.centre.factor_sd)):
            density -= 0.5 * ((value[f"factor {kind}"] - np.log(FACTOR_SD)) / FACTOR_SD_LN) ** 2
        root = {sign: value[f"root {sign}"] for sign in (UP, DOWN)}
        expected = ln_prior
        for sign in sorted(root, key=lambda sign: -root[sign]):
            mean, ln_sd = value[f"mean {sign}"], value[f"sd {sign}"]
            density += expected(mean, ln_sd)
            if root[sign] > 0.0:
                expected = lent(mean, float(np.exp(ln_sd))).ln_density
            else:
                density += np.log(self._nothing_odds(sign, root) / NOTHING)
        if min(root.values()) > 0.0:
            # of a small table, or where it shows in the totals alone, the likelihood hardly knows the rarer sign's share
            ratio = float(np.log(root[DOWN] ** 2 / (DOWN_PER_UP * root[UP] ** 2)))
            density -= 0.5 * (ratio / DOWN_PER_UP_SD_LN) ** 2 + np.log(np.sqrt(2.0 * np.pi) * DOWN_PER_UP_SD_LN)
            density += np.log(2.0 / root[DOWN])
        return density


def hyper_posterior(
    data: Data, fitted: Sequence[Model], stay: float, largest: float, n_models: int, rng: np.random.Generator
) -> tuple[tuple[Model, ...], Floats]:
    """Models that stand for the posterior of the hyper-parameters, and their weights.

    Where hardly any has one of the signs of learning, which so few cannot exclude, half a model has both.

    Parameters
    ----------
    data : Data
    fitted : sequence of Model
        Of one form but for the signs of learning, from which the chain starts; sizes and turnover are those of the first.
    stay, largest : float
        As in `fit`.
    n_models : int
    rng : Generator
    """
    axes = Axes(fitted[0])
    first = make_grid(data, fitted[0], stay, largest, COARSER)
    moves = "turnover" in axes.names

    @lru_cache(maxsize=N_GRIDS)
    def grid_of(turnover: float, sizes: Sizes) -> Grid:
        there = replace(fitted[0], turnover=turnover, sizes=sizes)
        return make_grid(data, there, stay, largest, COARSER, first)

    def log_posterior(at: Floats) -> float:
        there = axes.model(at)
        if there is None:
            return -np.inf
        grid = grid_of(there.turnover, there.sizes) if moves else first
        return log_likelihood(data, there, grid) + axes.log_prior(at)

    # evidence that just fails to pay for a sign still leaves it a chance, which no walker would find far from there
    both = replace(fitted[0], form=replace(fitted[0].form, up=True, down=True), slabs=_some_of_each(fitted[0]))
    starts = [climb(log_posterior, axes.at(m), axes.first_steps, axes.of(m)) for m in (*fitted, both)]
    best = max(start.value for start in starts)
    near = [start for start in starts if start.value > best - FAR_BEHIND]
    walkers = np.stack([_scattered(near[i % len(near)], axes, rng) for i in range(N_WALKERS)])
    n_generations = int(np.clip(SYNAPSES_OF_CHAIN // data.neuron.size, *GENERATIONS))
    generations = differential_evolution_chain(log_posterior, walkers, n_generations, rng)
    late = generations[-int(LATE * n_generations) :].reshape(-1, generations.shape[2])
    chosen, weights = representatives(late, [axes.names.index(f"root {sign}") for sign in (UP, DOWN)], n_models)
    models = [m for at in chosen if (m := axes.model(at)) is not None]  # all: the chain stays where there is a model
    if min(max(m.slab(sign).share for m in models) for sign in (UP, DOWN)) < HARDLY_ANY:
        models.append(replace(both, drift_sd=models[len(models) // 2].drift_sd))
        weights = np.append(weights, 0.5 / n_models)
    return tuple(models), weights / weights.sum()


def representatives(points: Floats, roots: list[int], n: int) -> tuple[Floats, Floats]:
    """Some of a chain's points (n_points, n_axes) and the share of all that each stands for.

    Notes
    -----
    Which signs of learning are there matters most to a synapse's probability, and a few points drawn from all would leave
    that to chance: each combination has its share of the points, and one at least where it is not rare. Within
    one they are evenly spaced in the share of what learned, on which calls depend most; where nothing did, in drift,
    the first axis.
    """
    signs = (points[:, roots] > 0.0) @ np.array([1, 2])
    count = np.bincount(signs, minlength=4)
    count[count < RARE * len(points)] = 0
    share = count / count.sum()
    places = np.where(share > 0, np.maximum(np.round(share * n), 1), 0).astype(int)
    commonest = int(np.argmax(share))
    places[commonest] = max(n - (places.sum() - places[commonest]), 1)
    chosen, weights = [], []
    for combination in np.flatnonzero(places):
        own, k = points[signs == combination], places[combination]
        evenly = ((np.arange(k) + 0.5) / k * len(own)).astype(int)
        learned = (np.maximum(own[:, roots], 0.0) ** 2).sum(axis=1)
        chosen.append(own[np.lexsort((own[:, 0], learned))][evenly])
        weights.append(np.full(k, share[combination] / k))
    return np.concatenate(chosen), np.concatenate(weights)


def _some_of_each(model: Model) -> tuple[Slab, Slab]:
    """The slabs of a model, a small one where there is none."""
    small = Slab(SMALL_SHARE, ALIKE.mean, ALIKE.sd)
    up, down = (slab if slab.share > SMALL_SHARE else small for slab in model.slabs)
    return up, down


@dataclass(frozen=True)
class Top:
    """A top of a density: its log, where it is, and the inverse curvature there."""

    value: float
    at: Floats
    cov: Floats


def _scattered(top: Top, axes: Axes, rng: np.random.Generator) -> Floats:
    """A possible point about a top."""
    root = np.linalg.cholesky(top.cov)
    for _ in range(N_TRIES):
        at: Floats = top.at + root @ rng.standard_normal(top.at.size)
        if axes.model(at) is not None:
            return at
    return top.at


def climb(log_density: Callable[[Floats], float], start: Floats, steps: Floats, own: list[int]) -> Top:
    """The top near a start by Newton steps along some axes; where not those, `steps` squared stand for the curvature."""
    at, cov = start.copy(), np.diag(steps**2)
    value = log_density(at)
    scale = steps[own]
    for _ in range(N_CLIMBS):
        slope, curve = _derivatives(log_density, at, value, steps, own)
        size, vector = np.linalg.eigh(curve)
        inverse = (vector / np.clip(size, 1.0 / WIDEST**2, None)) @ vector.T
        move = np.clip(inverse @ slope, -4.0, 4.0) * scale
        cov[np.ix_(own, own)] = inverse * np.outer(scale, scale)
        for length in (1.0, 0.5, 0.2):
            there = at.copy()
            there[own] += length * move
            new = log_density(there)
            if new > value:
                at, value = there, new
                break
        else:
            break
    return Top(value, at, cov)


def _derivatives(
    log_density: Callable[[Floats], float], at: Floats, value: float, steps: Floats, own: list[int]
) -> tuple[Floats, Floats]:
    """Slope and (negative) curvature in units of the steps, by differences."""
    n = len(own)

    def moved(*sides: tuple[int, float]) -> float:
        there = at.copy()
        for i, side in sides:
            there[own[i]] += side * steps[own[i]]
        return max(log_density(there), value - LOWEST)

    above, below = (np.array([moved((i, side)) for i in range(n)]) for side in (1.0, -1.0))
    slope = 0.5 * (above - below)
    curve = np.diag(2.0 * value - above - below)
    for i in range(n):
        for j in range(i):
            curve[i, j] = curve[j, i] = above[i] + above[j] - value - moved((i, 1.0), (j, 1.0))
    return slope, curve


def differential_evolution_chain(
    log_density: Callable[[Floats], float], starts: Floats, n_generations: int, rng: np.random.Generator
) -> Floats:
    """Generations (n_generations, n_walkers, n) of walkers that step along differences of others (ter Braak 2006).

    So the steps learn the density's shape, and where it has several tops a full difference leads from one to the other.
    """
    n_walkers, n = starts.shape
    here, value = starts.copy(), np.array([log_density(at) for at in starts])
    kept = np.empty((n_generations, n_walkers, n))
    for generation in range(n_generations):
        length = 1.0 if generation % 5 == 4 else 2.38 / np.sqrt(2.0 * n)
        for i in range(n_walkers):
            a, b = rng.choice(n_walkers - 1, 2, replace=False)
            step = here[a + (a >= i)] - here[b + (b >= i)]
            there = here[i] + length * step + 1e-4 * rng.standard_normal(n)
            new = log_density(there)
            if np.log(rng.random()) < new - value[i]:
                here[i], value[i] = there, new
        kept[generation] = here
    return kept
