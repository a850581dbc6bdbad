"""What a synapse's growth is made of: a factor of its neuron, learning up, down or none, and drift."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.special import expit, gammainc, gammaincinv, ndtri

from synimg.analysis.mixture.counts import GROWTH, Depression, Floats, Floats32, Sizes
from synimg.analysis.mixture.irregular import Born
from synimg.analysis.mixture.preference import expected_size, standard_size, tilt

FACTOR_STEP, LEAST_FACTOR_STEP, MOST_STEP_SDS = 0.05, 0.025, 1.5
SOFTNESS = 0.25
NULL, UP, DOWN = 0, 1, 2
N_PARTS = 6


@dataclass(frozen=True)
class Slab:
    """Learning of one sign: share of the synapses, mean and sd of its |ln| change."""

    share: float = 0.0
    mean: float = 0.5
    sd: float = 0.22

    @cached_property
    def parts(self) -> tuple[Floats, Floats]:
        """Means and variances of normals of equal weight that together are the gamma law with that mean and sd.

        A change of one sign is skewed: one normal would have a share of the other sign, and where drift is as wide as
        learning, the long tail that it lacks would be taken for drift.
        """
        shape, scale = (self.mean / self.sd) ** 2, self.sd**2 / self.mean
        ends = gammaincinv(shape, np.arange(N_PARTS + 1) / N_PARTS)
        first = N_PARTS * shape * scale * np.diff(gammainc(shape + 1.0, ends))
        second = N_PARTS * shape * (shape + 1.0) * scale**2 * np.diff(gammainc(shape + 2.0, ends))
        return first, second - first**2


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

    def learned_parts(self, component: int) -> tuple[Floats, Floats]:
        """Means and variances (n_parts,) of normals of equal weight that together are the law of the change."""
        if component == NULL:
            return np.zeros(1), np.zeros(1)
        mean, var = self.slab(component).parts
        return (mean if component == UP else -mean), var


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
class Normals:
    """The normals that make up one component's law of learning; in one class of totals the axis of classes is left out.

    mean, var : (n_parts,) ndarray, of the change by learning
    drift_var : (n_classes, n_growth) ndarray
    weight : (n_parts, n_classes, n_growth, n_factor) ndarray, density of the growth times the step of the grid and the part's share
    """

    mean: Floats
    var: Floats
    drift_var: Floats
    weight: Floats32

    @cached_property
    def keep(self) -> Floats:
        """Share of what else moved that is learning's, (n_parts, n_classes, n_growth)."""
        var = self.var.reshape(-1, *[1] * self.drift_var.ndim)
        share: Floats = var / (self.drift_var + var)
        return share

    @cached_property
    def spread(self) -> Floats:
        """Variance of learning given the growth, (n_parts, n_classes, n_growth)."""
        return self.keep * self.drift_var


@dataclass(frozen=True)
class Densities:
    """Densities of the growth in classes of totals, and what each growth says; in one class the axis of classes is left out.

    parts : by component
    weight : (n_classes, n_growth, n_components, n_factor) ndarray, the sum of the parts' weights
    moved : (n_classes, n_growth, n_factor) ndarray, growth without homeostasis
    scaled : (n_classes, n_growth) ndarray, share of the factor taken
    profile : (n_classes, n_growth) ndarray, drift variance relative to that of a synapse of typical size
    """

    parts: list[Normals]
    weight: Floats32
    moved: Floats32
    scaled: Floats
    profile: Floats

    def of_classes(self) -> Iterator["Densities"]:
        """Those of each class."""
        for c in range(len(self.moved)):
            parts = [Normals(p.mean, p.var, p.drift_var[c], p.weight[:, c]) for p in self.parts]
            yield Densities(parts, self.weight[c], self.moved[c], self.scaled[c], self.profile[c])


def densities(model: Model, ln_total: Floats, factor: Floats, noise: Floats, growth: Floats = GROWTH) -> Densities:
    """Densities of the growth for classes of totals.

    Parameters
    ----------
    model : Model
    ln_total : (n_classes,) ndarray
        Ln receptors at death: the size at the pulse is the total less the growth.
    factor : (n_factor,) ndarray
    noise : (n_classes,) ndarray, variance with which `ln_total` is known
    growth : (n_growth,) ndarray
    """
    start = ln_total[:, None] - growth
    # what noise added to a total was not there at the pulse
    expected = expected_size(model.sizes, start, noise[:, None])
    profile = drift_profile(model.form, model.sizes, expected)
    scaled = scaling_profile(model.form, model.sizes, expected)
    moved = (growth[:, None] - scaled[..., None] * factor).astype(np.float32)
    components = (NULL, *model.signs)
    weight = np.empty((*start.shape, len(components), factor.size), np.float32)
    drift_var = model.drift_sd**2 * profile
    by_component = []
    for j, component in enumerate(components):
        mean, var = model.learned_parts(component)
        scale = np.full(start.shape, (growth[1] - growth[0]) / mean.size)
        if component != NULL and model.form.learns_by_size:
            scale *= tilt(model.sizes, model.size_weight, ln_total, growth, noise)
        each = np.empty((mean.size, *moved.shape), np.float32)
        for k in range(mean.size):
            _normal(moved, mean[k], drift_var + var[k], scale, out=each[k])
        np.sum(each, axis=0, out=weight[:, :, j])
        by_component.append(Normals(mean, var, drift_var, each))
    return Densities(by_component, weight, moved, scaled, profile)


def _normal(moved: Floats32, mean: float, var: Floats, scale: Floats, out: Floats32) -> None:
    """Density of a normal variable times `scale`; single precision, in which an exponential takes a fraction of the time."""
    np.subtract(moved, np.float32(mean), out=out)
    np.square(out, out=out)
    out *= (-0.5 / var).astype(np.float32)[..., None]
    np.exp(out, out=out)
    out *= (scale / np.sqrt(2.0 * np.pi * var)).astype(np.float32)[..., None]


def factor_step(model: Model, coarser: int = 1) -> float:
    """Step of the grid of ln factors: wide where factors are, and no wider than a law of them can be summed on.

    On a wider one factors that hardly vary are all 0, and so is their mean, whatever the table says.
    """
    narrowest = min(*model.factor_sd, model.branch_sd if model.form.by_branch else np.inf)
    step = FACTOR_STEP * coarser
    while step > max(MOST_STEP_SDS * narrowest, LEAST_FACTOR_STEP):
        step *= 0.5
    return step


def factor_grid(largest: float, step: float) -> Floats:
    """ln factors from minus to plus `largest`."""
    n = max(int(np.ceil(largest / step)), 6)
    return np.arange(-n, n + 1) * np.float64(step)
