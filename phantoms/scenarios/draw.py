"""A scenario's synapse table as an experimenter would have it, and its truth, kept apart."""

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit

from synimg.phantoms.receptors import draw_receptors
from synimg.phantoms.scenarios.scenario import Scenario
from synimg.phantoms.scenarios.suite import VERSION
from synimg.phantoms.tags.surface_pulse_chase import SurfacePulseChase
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
SURPLUS = 4
"""Candidates per synapse of the table, where some die or are missed."""
DIVERGENCE = 0.5
"""Slope of f on ln size, law `divergent`."""
SPARED_ABOVE_SD, SPARED_SOFTNESS_SD = 0.8416, 0.25
"""Law `sparing`: f falls from 1 to 0 about the 80 % quantile of ln size, over so many sd of ln size."""
CORRUPTED_SD_LN = 1.0


@dataclass(frozen=True)
class Drawn:
    """What a scenario gives.

    table : schema SYNAPSES, the columns that an experimenter has
    truth : schema TRUTH_SYNAPSES, a row per row of `table`, and ``prior_learning``, the probability with which it learned
    neurons : schema TRUTH_NEURONS, and ``animal_id``, ``group``, ``whole_cell``
    """

    table: pd.DataFrame
    truth: pd.DataFrame
    neurons: pd.DataFrame

    def checksum(self) -> str:
        """SHA-256 over names and values of all columns."""
        digest = hashlib.sha256()
        for frame in (self.table, self.truth, self.neurons):
            for name, values in frame.items():
                digest.update(str(name).encode())
                digest.update(np.ascontiguousarray(pd.util.hash_array(values.to_numpy(), categorize=False)).tobytes())
        return digest.hexdigest()

    def fingerprint(self) -> str:
        """The same of numbers to 20 bits, which do not depend on how a processor rounds; the first 16 digits."""
        digest = hashlib.sha256()
        for frame in (self.table, self.truth, self.neurons):
            for name, values in frame.items():
                digest.update(str(name).encode())
                column = values.to_numpy()
                if column.dtype.kind == "f":
                    mantissa, exponent = np.frexp(column)
                    column = np.ldexp(np.rint(mantissa * 2.0**20), exponent)
                digest.update(np.ascontiguousarray(pd.util.hash_array(column, categorize=False)).tobytes())
        return digest.hexdigest()[:16]


def scaling_law(scenario: Scenario, a_start: Floats) -> Floats:
    """f: what share of its neuron's ln factor a synapse of `a_start` receptors follows."""
    if scenario.law == "uniform":
        return np.ones_like(a_start)
    x = np.log(np.maximum(a_start, 1e-9) / median_size(scenario))
    if scenario.law == "divergent":
        diverging: Floats = 1.0 + DIVERGENCE * x
        return diverging
    spared: Floats = expit((SPARED_ABOVE_SD - x / scenario.size_sd_ln) / SPARED_SOFTNESS_SD)
    return spared


def drift_sd(scenario: Scenario, a_start: Floats) -> Floats:
    """sd of ln receptors by drift in a synapse of `a_start` receptors."""
    relative = np.maximum(a_start, 1e-9) / median_size(scenario)
    sd: Floats = scenario.drift_sd_ln * relative**-scenario.drift_size_exponent
    return sd


def death_probability(scenario: Scenario, a_start: Floats) -> Floats:
    """Probability that a spine of `a_start` receptors at the pulse is gone at the end: small ones go first."""
    hazard = scenario.share_died * np.sqrt(median_size(scenario) / np.maximum(a_start, 1e-9))
    gone: Floats = -np.expm1(-hazard)
    return gone


def median_size(scenario: Scenario) -> float:
    """Median receptors of a synapse at the pulse."""
    return float(scenario.mean_receptors * np.exp(-0.5 * scenario.size_sd_ln**2))


def born_size(scenario: Scenario) -> float:
    """Median receptors at the end of a spine that grew in the window: young spines are small."""
    return 0.4 * median_size(scenario)


def count_variance(scenario: Scenario, dyes: Floats) -> Floats:
    """Variance of the measured number of dyes where there are `dyes`."""
    variance: Floats = scenario.fit_sd_dyes**2 + scenario.dye_variance * dyes
    return variance


def effect_shape(scenario: Scenario) -> tuple[float, float]:
    """Shape and scale of the Gamma law of |ln| changes by learning."""
    shape = (scenario.effect_ln / scenario.effect_sd_ln) ** 2
    return shape, scenario.effect_ln / shape


def draw(scenario: Scenario, seed: int) -> Drawn:
    """The tables of a scenario; the same seed gives the same bytes.

    Notes
    -----
    Causes add in ln receptors; a change in receptors is shared out among them by the logarithmic mean, so that the parts
    add up (`ln_*` and the columns without). Counts are drawn as in a data set: receptors (`draw_receptors`), labels, and a
    measurement with the errors of `count_variance`, calibrated by the labelled share.
    """
    neurons = _neurons(scenario, seed)
    truth = _synapses(scenario, seed, neurons)
    table = _measured(scenario, seed, truth)
    keep = _kept(scenario, seed, truth, table, neurons["n_synapses"].to_numpy())
    truth, table = truth[keep].reset_index(drop=True), table[keep].reset_index(drop=True)
    truth["synapse_id"] = table["synapse_id"] = np.arange(1, len(table) + 1)
    table = _named(scenario, seed, table, truth, neurons)
    if scenario.shuffled == "labels":
        truth["is_learned"] = stream(seed, *_key(scenario, "shuffle")).permutation(truth["is_learned"].to_numpy())
    return Drawn(table, truth.drop(columns=["row"]), neurons.drop(columns=["n_synapses", "offset", "in_block"]))


def _key(scenario: Scenario, what: str) -> tuple[str | int, ...]:
    return "scenario", VERSION, scenario.name, what


def _neurons(scenario: Scenario, seed: int) -> pd.DataFrame:
    """Truth about every neuron: its animal, its factor, whether it learned as a whole."""
    rng = stream(seed, *_key(scenario, "neurons"))
    n = scenario.n_neurons * len(scenario.groups)
    group = np.repeat(np.array(scenario.groups, object), scenario.n_neurons)
    animal = np.arange(n) % scenario.n_animals + 1
    least, most = scenario.synapses_per_neuron
    trained = group == "trained"
    share_post = scenario.low_rank[1] if scenario.low_rank else 0.0
    return pd.DataFrame(
        {
            "neuron_id": np.arange(1, n + 1),
            "cell_type": "E",
            "scale_factor": np.exp(scenario.factor_sd_ln * rng.standard_normal(n)),
            "is_imaged": True,
            "animal_id": [f"{g}{a:02d}" for g, a in zip(group, animal, strict=True)],
            "group": group,
            "n_synapses": rng.integers(least, most + 1, n),
            "offset": scenario.size_offset_sd_ln * rng.standard_normal(n),
            "whole_cell": trained & (rng.random(n) < scenario.whole_cells),
            "in_block": trained & (rng.random(n) < share_post),
        }
    )


def _synapses(scenario: Scenario, seed: int, neurons: pd.DataFrame) -> pd.DataFrame:
    """Truth about every candidate: sizes, causes and receptors."""
    rng = stream(seed, *_key(scenario, "synapses"))
    surplus = SURPLUS if scenario.threshold_receptors or scenario.share_died else 1
    row = np.repeat(np.arange(len(neurons)), surplus * neurons["n_synapses"].to_numpy())
    n = row.size
    of = neurons.iloc[row]
    size = scenario.size_sd_ln * rng.standard_normal(n) + of["offset"].to_numpy()
    a_start = median_size(scenario) * np.exp(size)
    branch = row * scenario.n_branches + rng.integers(0, scenario.n_branches, n)
    branch_ln = scenario.branch_sd_ln * rng.standard_normal(len(neurons) * scenario.n_branches)
    factor = np.log(of["scale_factor"].to_numpy()) + branch_ln[branch]
    trained = (of["group"] == "trained").to_numpy()
    pre, eligibility, prior = _prior(scenario, rng, trained, of["in_block"].to_numpy())
    learned = rng.random(n) < prior
    shape, scale = effect_shape(scenario)
    sign = np.where(rng.random(n) < scenario.share_depressed, -1.0, 1.0)
    learning = np.where(learned, sign * rng.gamma(shape, scale, n), 0.0)
    whole = of["whole_cell"].to_numpy()
    learning = np.where(whole, scenario.whole_cell_ln, learning)
    homeostasis = factor * scaling_law(scenario, a_start)
    drift = drift_sd(scenario, a_start) * rng.standard_normal(n)
    born = rng.random(n) < scenario.share_born
    a_born = born_size(scenario) * np.exp(scenario.size_sd_ln * rng.standard_normal(n))
    change = learning + homeostasis + drift
    a_end = np.where(born, a_born, a_start * np.exp(change))
    parts = np.column_stack([learning, homeostasis, drift])
    log_mean = a_start * np.where(np.abs(change) < 1e-9, 1.0, np.expm1(change) / np.where(change == 0, 1.0, change))
    linear = np.where(born[:, None], np.column_stack([np.zeros((n, 2)), a_end]), parts * log_mean[:, None])
    a_start = np.where(born, 0.0, a_start)
    turnover = np.where(trained, scenario.turnover, scenario.turnover_of("control"))
    r_old, r_new = draw_receptors(a_start, a_end, turnover, scenario.depression, rng)
    tag = SurfacePulseChase(
        pulse_efficiency=scenario.labelling, blocking_efficiency=1.0, chase_efficiency=scenario.labelling
    )
    labelled = tag.label(r_old, r_new, rng)
    truth = pd.DataFrame({"synapse_id": np.arange(1, n + 1), "pre_id": pre, "post_id": of["neuron_id"].to_numpy()})
    truth["edge_id"] = truth["synapse_id"]
    if scenario.branch_sd_ln:
        truth["branch_id"] = branch + 1
    truth["is_imaged"], truth["a_start"], truth["a_end"] = True, a_start, a_end
    for k, cause in enumerate(("learning", "homeostasis", "drift")):
        truth[cause], truth[f"ln_{cause}"] = linear[:, k], np.where(born, np.nan, parts[:, k])
    truth["formed"], truth["eliminated"] = born, False
    truth["r_old_true"], truth["r_new_true"] = r_old, r_new
    truth["labelled_old"], truth["labelled_new"] = labelled.old, labelled.new
    truth["is_plastic"] = trained & ~born
    truth["is_learned"] = (learned | whole) & ~born
    truth["prior_learning"], truth["eligibility"], truth["row"] = prior, eligibility, row
    return truth


def _prior(
    scenario: Scenario, rng: np.random.Generator, trained: Bools, in_block: Bools
) -> tuple[Ints, Floats, Floats]:
    """Presynaptic cell, recorded covariate, and P(learning) of every synapse (n,)."""
    n, n_pre = trained.size, 100
    pre = rng.integers(1, n_pre + 1, n)
    eligibility = rng.standard_normal(n)
    prior = np.full(n, scenario.share_learned)
    if scenario.low_rank is not None:
        share_pre, _, inside, outside = scenario.low_rank
        taught = (rng.permutation(n_pre) < round(share_pre * n_pre))[pre - 1]
        prior = np.where(taught & in_block, inside, outside)
    elif scenario.eligibility is not None and scenario.share_learned:
        intercept, slope = scenario.eligibility
        prior = expit(intercept + slope * eligibility)
    # ids of axons lie behind the neurons', as in a data set
    return pre + 1_000_000, eligibility, np.where(trained, prior, 0.0)


def _measured(scenario: Scenario, seed: int, truth: pd.DataFrame) -> pd.DataFrame:
    """Receptors with standard errors, as the calibration of a measured image gives them."""
    rng = stream(seed, *_key(scenario, "counts"))
    table = pd.DataFrame({"synapse_id": truth["synapse_id"]})
    corrupted = rng.random(len(truth)) < scenario.corrupted
    for name in ("old", "new"):
        dyes = truth[f"labelled_{name}"].to_numpy(float)
        noise = rng.standard_normal(dyes.size)
        found = np.maximum(dyes + np.sqrt(count_variance(scenario, dyes)) * noise, 0.0)
        wrong = np.exp(corrupted_middle(scenario) + CORRUPTED_SD_LN * rng.standard_normal(dyes.size))
        found = np.where(corrupted, wrong, found)
        receptors = found / scenario.labelling
        unlabelled = receptors * (1.0 - scenario.labelling) / scenario.labelling
        table[f"r_{name}"] = receptors
        table[f"r_{name}_se"] = np.sqrt(count_variance(scenario, found) / scenario.labelling**2 + unlabelled)
    return table


def corrupted_middle(scenario: Scenario) -> float:
    """Mean ln dyes of a corrupted count: half of a median synapse."""
    return float(np.log(0.5 * scenario.labelling * median_size(scenario)))


def _kept(scenario: Scenario, seed: int, truth: pd.DataFrame, table: pd.DataFrame, wanted: Ints) -> Bools:
    """Which candidates are in the table: alive, seen, and the first `n_synapses` of their neuron."""
    there = (table["r_old"] + table["r_new"]).to_numpy() >= scenario.threshold_receptors
    if scenario.share_died:
        gone = death_probability(scenario, truth["a_start"].to_numpy()) * (~truth["formed"].to_numpy())
        there &= stream(seed, *_key(scenario, "death")).random(len(truth)) >= gone
    place = pd.Series(there).groupby(truth["row"].to_numpy()).cumsum().to_numpy()
    keep: Bools = there & (place <= wanted[truth["row"].to_numpy()])
    return keep


def _named(
    scenario: Scenario, seed: int, table: pd.DataFrame, truth: pd.DataFrame, neurons: pd.DataFrame
) -> pd.DataFrame:
    """The table with its ids, as they were read, and the covariates that the scenario knows."""
    rng = stream(seed, *_key(scenario, "parents"))
    row = truth["row"].to_numpy()
    sure = 1.0 - 2.0 * scenario.wrong_parents * rng.random(row.size)
    wrong = rng.random(row.size) >= sure
    animals = neurons["animal_id"].to_numpy()
    of_animal = {animal: np.flatnonzero(animals == animal) for animal in pd.unique(animals)}
    read = row.copy()
    for animal, members in of_animal.items():
        here = np.flatnonzero(wrong & (animals[row] == animal))
        shift = rng.integers(1, max(members.size, 2), here.size)
        read[here] = members[(np.searchsorted(members, row[here]) + shift) % members.size]
    if scenario.shuffled == "neurons":
        for members in of_animal.values():
            here = np.flatnonzero(np.isin(read, members))
            read[here] = rng.permutation(read[here])
    of = neurons.iloc[read]
    ids = {name: of[name].to_numpy() for name in ("animal_id", "group", "neuron_id")}
    if scenario.wrong_parents:
        ids["neuron_prob"] = sure
    if scenario.branch_sd_ln:
        ids["branch_id"] = truth["branch_id"].to_numpy()
    if scenario.low_rank:
        ids["pre_id"] = truth["pre_id"].to_numpy()
    if scenario.eligibility:
        ids["eligibility"] = truth["eligibility"].to_numpy()
    return pd.concat([table[["synapse_id"]], pd.DataFrame(ids), table.drop(columns="synapse_id")], axis=1)
