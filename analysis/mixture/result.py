"""The result of the mixture: what its search found in a table, as the tables and sentences that users get."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.controls import Zero, factor_table
from synimg.analysis.mixture.arrange import some_of_each, take
from synimg.analysis.mixture.choose import Choice
from synimg.analysis.mixture.counts import Depression
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.draws import draws
from synimg.analysis.mixture.fit import DOWN_PER_UP
from synimg.analysis.mixture.model import DOWN, UP, Model
from synimg.analysis.mixture.priors.protocol import Known
from synimg.analysis.mixture.rivals import Rival
from synimg.analysis.mixture.structure import Block
from synimg.analysis.mixture.summary import Parts, learning_interval
from synimg.analysis.mixture.whole_cell import WholeCell
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.shares import CAUSES, animal_table_of_draws, per_ln
from synimg.streams import stream

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
BLOCK_SYNAPSES = 50_000
LEAST_GROUP_SHIFT = 0.05
LEAST_LEARNED_LN = 0.2
"""A change by learning that counts as one; of synapses that "did not learn", the intervals hold what is smaller."""
SHARE_SYNAPSES, SHARE_DRAWS = 10_000, 40
SIGN_NAMES = {UP: "potentiated", DOWN: "depressed"}


@dataclass(frozen=True)
class Found:
    """What the search found in a table.

    table : DataFrame, as the user gave it
    data : Data, the same in the order of neurons, and `order`, the row of the table of each of its synapses
    ids : (n_neurons,) ndarray of int
    choice : Choice, the models and their weights
    readings : list of Parts, the posterior, and those of the rival readings
    rivals : list of Rival, readings of the table that are as good
    zero : Zero, of the factor
    cells : WholeCell, neurons whose inputs changed as a whole
    blocks : dict, presynaptic by postsynaptic cells where learning is more frequent, by its sign
    known : dict, what else is known of the synapses, by name
    seed : int
    """

    table: pd.DataFrame
    data: Data
    order: Ints
    ids: Ints
    choice: Choice
    readings: list[Parts]
    rivals: list[Rival]
    zero: Zero
    cells: WholeCell
    blocks: dict[int, Block]
    known: dict[str, Known]
    seed: int

    @property
    def parts(self) -> Parts:
        """The posterior of the reading that was chosen."""
        return self.readings[0]

    def mean(self, of: Callable[[Model], float]) -> float:
        """Posterior mean of what `of` takes from a model."""
        return float(sum(w * of(m) for m, w in zip(self.choice.models, self.choice.weights, strict=True)))

    def probability_of(self, *signs: int) -> float:
        """Posterior probability that there is learning of any of these signs."""
        return min(self.mean(lambda m: float(any(sign in m.signs for sign in signs))), 1.0)

    @property
    def odds_of_readings(self) -> Floats:
        """Probability of each reading."""
        log_odds = np.array([0.0, *(rival.log_odds for rival in self.rivals)])
        odds: Floats = np.exp(log_odds - log_odds.max())
        return odds / odds.sum()

    @cached_property
    def group_shifts(self) -> Floats:
        """By how much the mean ln factor of a neuron's group differs from that of all, (n_neurons,)."""
        return _group_shifts(self.data, self.parts)


def blocks_of(data: Data) -> Iterator[NDArray[np.bool_]]:
    """Neurons, some after the other."""
    block = np.cumsum(np.bincount(data.neuron)) // BLOCK_SYNAPSES
    return (block == number for number in np.unique(block))


def result_of(found: Found, version: str, assumes: tuple[str, ...], n_draws: int) -> Separation:
    """Tables of the result."""
    return Separation(
        synapse_table(found),
        neuron_table(found),
        shares_of_animals(found),
        facts(found, version, assumes),
        draws=_draw_tables(found, n_draws) if n_draws else None,
    )


def synapse_table(found: Found) -> pd.DataFrame:
    """A row per synapse; of several readings p is the mean by their odds, and the lfdr that of the worst."""
    parts, data, cells, zero, order = found.parts, found.data, found.cells, found.zero, found.order
    readings, groups = found.readings, found.group_shifts
    shift = np.where(cells.p_grown > 0, cells.p_grown * cells.shift, 0.0)[data.neuron]
    own = np.array([reading.up + reading.down for reading in readings])
    grown = cells.p_grown[data.neuron]
    p_each = 1.0 - (1.0 - own) * (1.0 - grown)
    p = found.odds_of_readings @ p_each
    lfdr = (1.0 - np.min([reading.p_calls for reading in readings], axis=0)) * (1.0 - grown)
    up = found.odds_of_readings @ np.array([reading.up for reading in readings])
    if cells.shift > 0:
        up = 1.0 - (1.0 - up) * (1.0 - grown)
    worth = parts.receptors * per_ln(parts.ln_parts.sum(axis=1))
    moved = np.column_stack([shift, -shift, np.zeros_like(shift)])
    # with controls the zero is theirs; without, it is the mean of all: its error moves homeostasis against the rest
    linear = parts.linear_parts + moved * worth[:, None]
    low, high = (linear + side * 1.96 * np.sqrt(parts.linear_var) for side in (-1.0, 1.0))
    unseen_sd = min(LEAST_LEARNED_LN / 1.96, found.mean(lambda m: m.drift_sd))
    low[:, 0], high[:, 0] = learning_interval(parts, unseen_sd * worth)
    extra = np.sqrt(grown * (1.0 - grown)) * abs(cells.shift) * worth
    low[:, 0] += shift * worth - 1.96 * extra
    high[:, 0] += shift * worth + 1.96 * extra
    blur = 1.96 * (np.sqrt(parts.linear_var[:, 1] + (zero.se * worth) ** 2 + extra**2))
    apart = groups[data.neuron] * worth
    low[:, 1] = linear[:, 1] - blur - np.maximum(apart, 0.0)
    high[:, 1] = linear[:, 1] + blur - np.minimum(apart, 0.0)
    back = np.empty_like(order)
    back[order] = np.arange(order.size)
    columns: dict[str, Any] = {
        "synapse_id": found.table["synapse_id"].to_numpy(),
        "p_learning": p[back],
        "lfdr": lfdr[back],
        "p_potentiated": np.minimum(up, p)[back],
        "p_depressed": np.maximum(p - up, 0.0)[back],
    }
    for k, cause in enumerate(("learning", "homeostasis", "drift")):
        columns |= {f"delta_{cause}{end}": v[:, k][back] for end, v in (("", linear), ("_lo", low), ("_hi", high))}
    return pd.DataFrame(columns)


def shares_of_animals(found: Found) -> pd.DataFrame:
    """Shares of the causes in every animal, from draws; of a large table those of some neurons of each."""
    table, data, order, cells = found.table, found.data, found.order, found.cells
    identifiable = found.zero.anchored and not found.rivals
    why = found.zero.why if not found.rivals else f"{found.rivals[0].why}; {found.zero.why}"
    of = pd.factorize(table["animal_id"], sort=True)[0].astype(np.int64)[order]
    chosen = some_of_each(data, of, SHARE_SYNAPSES, found.seed)
    some = take(data, chosen)
    their = replace(cells, p_grown=cells.p_grown[chosen])
    rows = table.iloc[order[chosen[data.neuron]]].reset_index(drop=True)
    rng = stream(found.seed, "separate", "hierarchical", "shares")
    each = ((draw.sign != 0, draw.ln, draw.linear) for draw in draws(some, found.choice, their, SHARE_DRAWS, rng))
    return animal_table_of_draws(rows, each, identifiable, why)


def _draw_tables(found: Found, n_draws: int) -> Iterator[pd.DataFrame]:
    """Posterior draws by `schema.DRAWS`, a frame per draw and block of neurons."""
    data, cells = found.data, found.cells
    ids = found.table["synapse_id"].to_numpy(np.int64)[found.order]
    for number, chosen in enumerate(blocks_of(data)):
        their = replace(cells, p_grown=cells.p_grown[chosen])
        rng = stream(found.seed, "separate", "hierarchical", "draws", number)
        rows = chosen[data.neuron]
        for i, draw in enumerate(draws(take(data, chosen), found.choice, their, n_draws, rng)):
            parts = {f"delta_{cause}": draw.linear[:, k] for k, cause in enumerate(CAUSES)}
            yield pd.DataFrame({"draw": i, "synapse_id": ids[rows], "learned": draw.sign.astype(np.int64)} | parts)


def _studied(data: Data) -> NDArray[np.bool_]:
    """Neurons that are no controls; all, if there are none else."""
    return data.is_control if data.is_control.all() else ~data.is_control


def _group_shifts(data: Data, parts: Parts) -> Floats:
    """By how much the mean ln factor of a neuron's group differs from that of all: (n_neurons,).

    Notes
    -----
    A group whose receptors turn over faster looks like one that was scaled up. Without controls the intervals hold both.
    """
    if data.is_control.any() or data.n_kinds == 1:
        return np.zeros(data.n_neurons)
    count = np.bincount(data.kind, minlength=data.n_kinds)
    mean = np.bincount(data.kind, parts.factor, data.n_kinds) / np.maximum(count, 1)
    shift: Floats = mean[data.kind] - parts.factor.mean()
    return shift


def neuron_table(found: Found) -> pd.DataFrame:
    """A row per neuron."""
    data, parts, zero, cells, groups = found.data, found.parts, found.zero, found.cells, found.group_shifts
    mean = parts.factor - zero.value - cells.p_grown * cells.shift
    spread = cells.p_grown * (1.0 - cells.p_grown) * cells.shift**2
    sd = np.sqrt(parts.factor_var + zero.se**2 + spread)
    low = mean - 1.96 * sd - np.maximum(groups, 0.0)
    high = mean + 1.96 * sd - np.minimum(groups, 0.0)
    n_synapses = np.bincount(data.neuron, minlength=found.ids.size)
    return factor_table(found.ids, (mean, low, high), n_synapses, zero.anchored, zero.shift)


def _warnings(found: Found) -> list[str]:
    data, zero, cells, groups = found.data, found.zero, found.cells, found.group_shifts
    said = []
    if not zero.anchored:
        said.append(f"not identifiable in full: {zero.why}")
    said += [f"not identifiable: {rival.why}" for rival in found.rivals]
    if data.is_control.all():
        said.append("of controls it is taken that nothing learned: there is nothing to find")
    else:
        p_any, p_down = found.probability_of(UP, DOWN), found.probability_of(DOWN)
        said += learning_in_doubt(found.choice.form.depression, p_any, p_down)
    if np.ptp(groups) > 2.0 * zero.se + LEAST_GROUP_SHIFT:
        said.append(
            f"factors of one group of animals are {np.exp(np.ptp(groups)):.2f} times another's: scaled, or turned over faster "
            "(the table cannot tell; intervals hold both)"
        )
    factor_sd, drift_sd = found.mean(lambda m: max(m.factor_sd)), found.mean(lambda m: m.drift_sd)
    if factor_sd < 0.06 and data.n_neurons >= 10 and drift_sd > 0.25:
        said.append("factors hardly vary between neurons, and drift is wide: neuron ids may carry nothing")
    if cells.p_two_kinds > 0.5:
        said.append(
            f"two kinds of trained neurons (probability {cells.p_two_kinds:.2f}): the inputs of {cells.share:.0%} of "
            f"them changed as a whole by a factor {np.exp(cells.shift):.2f} that control neurons do not show"
        )
    return said


def learning_in_doubt(depression: Depression, p_any: float, p_down: float) -> list[str]:
    """What is open about learning, from the probability of any, and of any depression."""
    said = []
    if p_any < 0.5:
        said.append(
            f"models without any learning have a probability of {1.0 - p_any:.2f}: the probability of every synapse allows for it"
        )
    if depression == "label_blind_removal":
        said.append(
            "depression takes old and new receptors alike here, which shows only in totals: p_depressed rests on them and on "
            f"a prior, {DOWN_PER_UP:g} depressed synapses for each that grew"
        )
    elif p_down < 0.5:
        said.append(
            "depression by removal of old and new receptors alike shows only in totals, which do not ask for it here: "
            f"p_depressed is about less insertion alone (probability of any: {p_down:.2f})"
        )
    return said


def _slab_value(k: int, what: str, model: Model) -> float:
    return float(getattr(model.slabs[k], what))


def facts(found: Found, version: str, assumes: tuple[str, ...]) -> dict[str, Any]:
    """What `result.json` says."""
    data, choice, cells, blocks, known = found.data, found.choice, found.cells, found.blocks, found.known
    form, mean, kinds = choice.form, found.mean, data.kind[_studied(data)]
    scaling = "one factor per neuron"
    if form.slope:
        scaling = f"a factor per neuron that {'grows' if form.slope > 0 else 'shrinks'} with synapse size"
    if form.spared_above < 1:
        scaling = f"a factor per neuron that spares the largest {1 - form.spared_above:.0%} of the synapses"
    if form.by_branch:
        scaling += ", and one per branch"
    weights: dict[str, list[float]] = {}
    for about in ("learning", "factor"):
        names = [name for name, prior in known.items() if prior.about == about for _ in range(prior.columns.shape[1])]
        each = [m.covariate_weights if about == "learning" else m.factor_weights for m in choice.models]
        for name, weight in zip(names, np.average(each, axis=0, weights=choice.weights), strict=True):
            weights.setdefault(name, []).append(float(weight))
    return {
        "method": "hierarchical",
        "version": version,
        "parameters": {
            "depression": form.depression,
            "turnover": mean(lambda m: m.turnover),
            "factor_sd_ln": mean(lambda m: float(np.sqrt(np.square(m.factor_sd)[kinds].mean()))),
            "drift_sd_ln": mean(lambda m: m.drift_sd),
            "drift_exponent": form.drift_exponent,
            "scaling_slope": form.slope,
            "spared_above": form.spared_above,
            "branch_sd_ln": mean(lambda m: m.branch_sd) if form.by_branch else 0.0,
            **{
                f"{name}_{what}": mean(partial(_slab_value, k, what))
                for k, name in enumerate(("potentiated", "depressed"))
                for what in ("share", "mean", "sd")
            },
            "covariate_weight": weights.get("eligibility", [0.0])[0],
            "prior_weights": weights,
            "size_weight": mean(lambda m: m.size_weight) if form.learns_by_size else 0.0,
            "share_outliers": mean(lambda m: m.outliers),
        },
        "assumptions": [
            f"homeostasis is {scaling} (chosen by evidence)",
            "a synapse shrinks by "
            + (
                "less insertion: old receptors stay"
                if form.depression == "reduced_insertion"
                else "removal of old and new receptors alike"
            )
            + " (chosen by evidence)",
            *assumes,
            *(["no count is wrong, as the table states standard errors of 0"] * data.is_exact),
            *(["log odds of learning are linear in ln size at the pulse (chosen by evidence)"] * form.learns_by_size),
            *(prior.said for prior in known.values()),
            *(
                f"{SIGN_NAMES[sign]} synapses are more frequent where {block.share_pre:.0%} of the presynaptic cells meet "
                f"{block.share_post:.0%} of the neurons (accepted by its gain without a synapse's own evidence)"
                for sign, block in blocks.items()
            ),
        ],
        "diagnosis": {
            "n_neurons": data.n_neurons,
            "n_synapses": int(data.neuron.size),
            "synapses_per_neuron_median": float(np.median(np.bincount(data.neuron))),
            "n_control_neurons": int(data.is_control.sum()),
            "sd_ln_factor": float(found.parts.factor.std()),
            "probability_of_learning": found.probability_of(UP, DOWN),
            "probability_of_two_kinds_of_neurons": cells.p_two_kinds,
            "rival_readings": len(found.rivals),
            "gains_ln_likelihood": choice.gains,
            "turnover_controls_shift": found.zero.shift,
            "structure": {
                SIGN_NAMES[sign]: {
                    "gain_nats": block.gain,
                    "share_active_pre": block.share_pre,
                    "share_learning_post": block.share_post,
                }
                for sign, block in blocks.items()
            },
            "structure_gain_nats": float(sum(block.gain for block in blocks.values())),
        },
        "warnings": _warnings(found),
    }
