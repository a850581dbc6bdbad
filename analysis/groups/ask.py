"""Ask a separation about groups: share learned and mean change of each, tests, shrinkage, and the slope of a gradient."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.controls import control_neurons
from synimg.analysis.groups.change import changes, is_removal
from synimg.analysis.groups.helped import helped, priors_of
from synimg.analysis.groups.means import group_means, group_shares, interval, shrink, slope_within
from synimg.analysis.groups.permutation import group_tests, slope_tests
from synimg.analysis.groups.question import Question, read_question
from synimg.analysis.separate.protocol import Separation

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
TESTED = ("share_learned", "change_ln")
MANY_ANIMALS = 5
WHAT_DIFFERS = {"synapses": "synapses of a neuron", "neurons": "neurons of an animal", "animals": "animals"}


def ask(table: pd.DataFrame, result: Separation, column: str, seed: int) -> Separation:
    """The separation with ``groups`` (schema GROUP_RESULT) and ``info["by"]``.

    Parameters
    ----------
    table : DataFrame
        Synapse table that was separated, with ``animal_id``.
    result : Separation
        Of that table, in the order of its rows.
    column : str
        The question: `read_question`.
    seed : int
        Of the permutations.

    Raises
    ------
    SynimgError
        If the column asks nothing.

    Notes
    -----
    Synapses of control animals are left out, unless animals are what differs. What differs within neurons is tested within
    neurons, so that neither factors nor animals count. Intervals hold for the separation's reading: its zero is taken as
    it is.
    """
    question = read_question(table, column)
    trained = ~_of_controls(table)
    n_controls = 0
    if question.level != "animals" and trained.any() and not trained.all():
        n_controls = int((~trained).sum())
        rows = np.flatnonzero(trained)
        question = read_question(table.iloc[rows], column)
        question = replace(question, rows=rows[question.rows])
    values = {name: v[question.rows] for name, v in changes(table, result).items()}
    _, neuron = np.unique(table["neuron_id"].to_numpy(np.int64)[question.rows], return_inverse=True)
    animal = pd.factorize(table["animal_id"].iloc[question.rows], sort=True)[0].astype(np.int64)
    priors = priors_of(result)
    help_of = helped(table.iloc[question.rows], column, question.label, priors)
    # with removal the change is the posterior's own, which rests on the same prior
    untested = () if help_of is None else TESTED if is_removal(result) else ("share_learned",)
    tested = [name for name in TESTED if name in values and name not in untested]
    shares = slopes = p_learning = values["share_learned"]
    if not priors:
        shares = group_shares(p_learning, question.label)
        slopes = group_shares(p_learning, np.zeros_like(question.label))
    groups = _group_table(question, values, shares, neuron, animal, tested, seed)
    gradient = {} if question.value is None else _gradient(question, values, slopes, neuron, animal, tested, seed)
    notes = _notes(question, result, help_of, tested, bool((~trained).any()), "change_ln" in values)
    by = {
        "column": column,
        "differs_between": WHAT_DIFFERS[question.level],
        "n_groups": len(question.names),
        "n_synapses": int(question.rows.size),
        "n_without_value": question.n_missing,
        "n_of_control_animals_left_out": n_controls,
        "gradient": gradient,
        "notes": notes,
    }
    return replace(result, groups=groups, info={**result.info, "by": by})


def _of_controls(table: pd.DataFrame) -> NDArray[np.bool_]:
    ids, row = np.unique(table["neuron_id"].to_numpy(np.int64), return_inverse=True)
    of: NDArray[np.bool_] = control_neurons(table, ids)[row]
    return of


def _group_table(
    question: Question,
    values: dict[str, Floats],
    shares: Floats,
    neuron: Ints,
    animal: Ints,
    tested: list[str],
    seed: int,
) -> pd.DataFrame:
    from scipy.stats import false_discovery_control  # takes as long to import as all that a method needs

    label, n_groups = question.label, len(question.names)
    pairs = np.unique(np.column_stack([label, neuron]), axis=0)
    frame = pd.DataFrame({"group": question.names})
    if question.value is not None:
        frame["value"] = np.bincount(label, question.value) / np.bincount(label)
    frame["n_synapses"] = np.bincount(label, minlength=n_groups)
    frame["n_neurons"] = np.bincount(pairs[:, 0], minlength=n_groups)
    for name, value in (values | {"share_learned": shares}).items():
        mean, se, degrees = group_means(value, label, neuron, animal)
        _put(frame, name, mean, *interval(mean, se, degrees))
        if name in TESTED:
            drawn, sd = shrink(mean, se)
            _put(frame, f"{name}_shrunk", drawn, *interval(drawn, sd, degrees))
    unit, block, of_unit = _units(question.level, neuron, animal)
    p = group_tests(_per_unit(values, tested, unit), label[of_unit], block, seed) if tested else ()
    for name, row in zip(tested, p, strict=True):
        frame[f"p_{name}"], frame[f"q_{name}"] = row, false_discovery_control(row, method="bh")
    bounded = ("share_learned", "share_learned_shrunk")
    for column in [f"{name}{end}" for name in bounded for end in ("", "_lo", "_hi")]:
        frame[column] = frame[column].clip(0.0, 1.0)
    return frame


def _put(frame: pd.DataFrame, name: str, middle: Floats, low: Floats, high: Floats) -> None:
    frame[name], frame[f"{name}_lo"], frame[f"{name}_hi"] = middle, low, high


def _gradient(
    question: Question,
    values: dict[str, Floats],
    shares: Floats,
    neuron: Ints,
    animal: Ints,
    tested: list[str],
    seed: int,
) -> dict[str, Any]:
    """Slope of each quantity per unit of the column, with its interval and its p-value."""
    assert question.value is not None
    unit, block, of_unit = _units(question.level, neuron, animal)
    x = _per_unit({"x": question.value}, ["x"], unit)[0]
    many = question.level != "animals" and np.unique(animal).size >= MANY_ANIMALS
    cluster = (animal if many else neuron if question.level == "synapses" else unit)[of_unit]
    tests = slope_tests(_per_unit(values, tested, unit), x, block, seed) if tested else ()
    p = dict(zip(tested, tests, strict=True))
    found: dict[str, Any] = {}
    estimated = values | {"share_learned": shares}
    for name in estimated:
        slope, se, degrees = slope_within(_per_unit(estimated, [name], unit)[0], x, block, cluster)
        low, high = interval(np.array([slope]), np.array([se]), degrees)
        found[name] = {"slope": slope, "lo": float(low[0]), "hi": float(high[0])}
        found[name]["p"] = float(p[name]) if name in p else None
    return found


def _units(level: str, neuron: Ints, animal: Ints) -> tuple[Ints, Ints, Ints]:
    """Unit of every synapse, block of every unit, and one synapse of every unit."""
    everything = np.zeros_like(animal)
    unit, block = {
        "synapses": (np.arange(neuron.size), neuron),
        "neurons": (neuron, animal),
        "animals": (animal, everything),
    }[level]
    _, of_unit = np.unique(unit, return_index=True)
    return unit, block[of_unit], of_unit


def _per_unit(values: dict[str, Floats], names: list[str], unit: Ints) -> Floats:
    count = np.bincount(unit)
    return np.array([np.bincount(unit, values[name]) / count for name in names]).reshape(len(names), count.size)


def _notes(
    question: Question,
    result: Separation,
    help_of: str | None,
    tested: list[str],
    has_controls: bool,
    has_deltas: bool,
) -> list[str]:
    """What the answer leaves open, in a sentence each."""
    column, notes = question.column, []
    parameters = result.info.get("parameters", {})
    if question.n_missing:
        notes.append(f"{question.n_missing} synapses have no '{column}' and were left out")
    if question.level != "synapses" or question.share_between > 0.5:
        what = (
            "is the same for all synapses of a neuron"
            if question.level != "synapses"
            else "differs mostly between neurons"
        )
        say = f"'{column}' {what}: homeostasis acts per cell and cancels what learning gave a cell as a whole, so the change "
        say += "shown is only that beyond each neuron's factor; whether neurons differ needs a control group"
        say += ": compare scale_factor in neurons.parquet with the controls'" if has_controls else ", and there is none"
        notes.append(say)
    if help_of is not None:
        rest = (
            "the change is" if "change_ln" in tested else "nor is the change" if has_deltas else "and nothing else is"
        )
        notes.append(f"p(learning) was found with the help of {help_of}: the share is not tested, {rest}")
    if column == "branch_id" and parameters.get("branch_sd_ln", 0.0) > 0:
        notes.append("branches have factors of their own here: what a branch shares was put down to homeostasis")
    if is_removal(result):
        notes.append("depression by removal does not show in old and new: mean changes are drawn towards zero")
    if not has_deltas:
        notes.append("the method gives no deltas: only shares are compared")
    return notes
