"""What a synapse's growth is made of: a factor of its neuron, learning up, down or none, and drift."""

from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit, ndtri

from synimg.analysis.mixture.counts import GROWTH, Depression, Floats, Sizes
from synimg.analysis.mixture.irregular import Born
from synimg.analysis.mixture.preference import standard_size, tilt

FACTOR_STEP = 0.05
SOFTNESS = 0.25
NULL, UP, DOWN = 0, 1, 2


@dataclass(frozen=True)
class Slab:
    """Learning of one sign: share of the synapses, mean and sd of its |ln| change."""

    share: float = 0.0
    mean: float = 0.5
    sd: float = 0.22


@dataclass(frozen=True)
class Form:
    """The choices between models; what is estimated within one is in `Model`.

    depression : {"reduced_insertion", "label_blind_removal"}
    drift_exponent, drift_floor : float, drift variance ``floor + (1 - floor) (a0 / typical)^(-2 exponent)`` of its scale
    slope : float, slope of the homeostatic weight over standardised ln a0 (0: multiplicative; above: divergent)
    spared_above : float, quantile of a0 above which homeostasis spares a synapse; 1: none
    by_branch : bool, whether branches have factors of their own
    up, down : bool, signs of learning
    learns_by_size : bool, whether the odds of learning depend on the size at the pulse
    """

    depression: Depression = "reduced_insertion"
    drift_exponent: float = 0.0
    drift_floor: float = 0.0
    slope: float = 0.0
    spared_above: float = 1.0
    by_branch: bool = False
    up: bool = True
    down: bool = True
    learns_by_size: bool = False

    @property
    def depends_on_size(self) -> bool:
        """Whether anything does, so that synapses of one total are a class of their own."""
        return bool(self.drift_exponent) or self.has_size_law or self.learns_by_size

    @property
    def has_size_law(self) -> bool:
        """Whether homeostasis depends on the size."""
        return self.slope != 0.0 or self.spared_above < 1.0


@dataclass(frozen=True)
class Model:
    """One model of the table.

    turnover : float, k t
    sizes : Sizes
    born : Born, spines that grew in the window
    factor_sd : (n_kinds,) tuple, sd of the ln factor in each group of animals
    factor_mean : (n_kinds,) tuple, its means
    branch_sd : float, sd of the branches' factors around their neuron's
    drift_sd : float, of a synapse of typical size
    slabs : (Slab, Slab), learning up and down
    covariate_weights : (n_covariates,) tuple, log odds of learning per unit of each covariate
    factor_weights : tuple, ln factor per unit of each column that tells of it
    size_weight : float, log odds of learning per sd of ln size at the pulse
    outliers : float, share of wrong rows
    offset_share : float, share of the variance of sizes that lies between neurons
    """

    form: Form
    turnover: float
    sizes: Sizes
    born: Born
    factor_sd: tuple[float, ...]
    factor_mean: tuple[float, ...]
    branch_sd: float = 0.15
    drift_sd: float = 0.2
    slabs: tuple[Slab, Slab] = field(default_factory=lambda: (Slab(0.05), Slab(0.05)))
    covariate_weights: tuple[float, ...] = ()
    factor_weights: tuple[float, ...] = ()
    size_weight: float = 0.0
    outliers: float = 0.002
    offset_share: float = 0.0

    @property
    def signs(self) -> list[int]:
        """Components with learning that the model has."""
        return [sign for sign, there in ((UP, self.form.up), (DOWN, self.form.down)) if there]

    def slab(self, sign: int) -> Slab:
        """Learning of one sign."""
        return self.slabs[sign - 1]

    def learned_mean(self, component: int) -> float:
        """Mean change of ln receptors by learning."""
        return {NULL: 0.0, UP: self.slabs[0].mean, DOWN: -self.slabs[1].mean}[component]

    def learned_var(self, component: int) -> float:
        """Its variance."""
        return 0.0 if component == NULL else self.slab(component).sd ** 2


def drift_profile(form: Form, sizes: Sizes, ln_start: Floats) -> Floats:
    """Drift variance relative to that of a synapse of typical size."""
    relative = np.exp(-2.0 * form.drift_exponent * np.clip(ln_start - sizes.mean, -4.0, 4.0))
    profile: Floats = form.drift_floor + (1.0 - form.drift_floor) * np.clip(relative, 0.05, 20.0)
    return profile


def scaling_profile(form: Form, sizes: Sizes, ln_start: Floats) -> Floats:
    """Share of the neuron's ln factor that a synapse of that size takes."""
    z = standard_size(sizes, ln_start)
    if form.spared_above < 1.0:
        spared: Floats = expit((ndtri(form.spared_above) - z) / SOFTNESS)
        return spared
    weight: Floats = np.clip(1.0 + form.slope * z, 0.0, 3.0)
    return weight


@dataclass(frozen=True)
class Kernel:
    """Density of the growth for synapses of one total, and what each growth says of its parts; (n_growth, n_factor) each.

    weight : by component, density of the growth times the step of the grid
    learned, learned2, drift2 : by component, mean of learning and of its square, and of the squared drift over its profile
    scaled : (n_growth,) ndarray, share of the factor taken
    """

    weight: list[Floats]
    learned: list[Floats]
    learned2: list[Floats]
    drift2: list[Floats]
    scaled: Floats


def densities(
    model: Model, ln_total: Floats, factor: Floats, noise: Floats, growth: Floats = GROWTH
) -> tuple[Floats, list[Floats]]:
    """Relative drift variance, and by component the density of the growth times the step of its grid.

    Parameters
    ----------
    model : Model
    ln_total : (n_classes,) ndarray
        Ln receptors at death: the size at the pulse is the total less the growth.
    factor : (n_factor,) ndarray
    noise : (n_classes,) ndarray, variance with which `ln_total` is known
    growth : (n_growth,) ndarray

    Returns
    -------
    profile : (n_classes, n_growth) ndarray
    weights : list of (n_classes, n_growth, n_factor) ndarray
    """
    start = ln_total[:, None] - growth
    profile = drift_profile(model.form, model.sizes, start)
    moved = growth[:, None] - scaling_profile(model.form, model.sizes, start)[..., None] * factor
    step = growth[1] - growth[0]
    weights = []
    for component in (NULL, *model.signs):
        total_var = (model.drift_sd**2 * profile + model.learned_var(component))[..., None]
        off = moved - model.learned_mean(component)
        density = step / np.sqrt(2.0 * np.pi * total_var) * np.exp(-0.5 * off**2 / total_var)
        if component != NULL and model.form.learns_by_size:
            size = standard_size(model.sizes, start)
            density = density * tilt(model.sizes, model.size_weight, size, noise[:, None])[..., None]
        weights.append(density)
    return profile, weights


def kernel(model: Model, ln_total: float, factor: Floats, noise: float) -> Kernel:
    """The kernel for synapses with that many ln receptors at death, known with the variance `noise`."""
    (profile,), weights = densities(model, np.array([ln_total]), factor, np.array([noise]))
    drift_var = (model.drift_sd**2 * profile)[:, None]
    scaled = scaling_profile(model.form, model.sizes, ln_total - GROWTH)
    moved = GROWTH[:, None] - scaled[:, None] * factor
    learned, learned2, drift2 = [], [], []
    for component in (NULL, *model.signs):
        mean, var = model.learned_mean(component), model.learned_var(component)
        off = moved - mean
        keep = var / (drift_var + var)
        spread = keep * drift_var
        learned.append(mean + keep * off)
        learned2.append(learned[-1] ** 2 + spread)
        drift2.append((((1.0 - keep) * off) ** 2 + spread) / profile[:, None])
    return Kernel([weight[0] for weight in weights], learned, learned2, drift2, scaled)


def factor_grid(largest: float, coarser: int = 1) -> Floats:
    """ln factors from minus to plus `largest`."""
    step = FACTOR_STEP * coarser
    n = max(int(np.ceil(largest / step)), 6)
    return np.arange(-n, n + 1) * np.float64(step)
