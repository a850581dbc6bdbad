"""Worlds in which a method must find nothing, or must say that it cannot know: did it?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.calls import called
from synimg.analysis.separate.protocol import Separation
from synimg.analysis.validate.amounts import factor_rows
from synimg.analysis.validate.scores import FLAG

NOMINAL = 0.1
MAJORITY = 0.5
WHOLE, LEAST_WHOLE, LEAST_SYNAPSES = 0.9, 0.1, 3
"""A neuron has learned as a whole if so many of its synapses did; with so many such neurons it is a world of them."""
LEAST_COVER = 0.9
MOST_ERROR_LN = 0.1


@dataclass(frozen=True)
class Verdict:
    """What had to come out, whether it did, and the sentence that says so."""

    what: str
    passed: bool
    text: str


def verdicts(result: Separation, truth: pd.DataFrame, neurons: pd.DataFrame | None) -> list[Verdict]:
    """Judge a separation where the truth is one of the worlds that must come out null, or not identifiable.

    Parameters
    ----------
    result : Separation
    truth : DataFrame
        Row per synapse of the result: ``is_learned``, ``neuron_id``; ``learning`` where the sign is known, ``post_id``
        where the true parent is, ``is_there`` where rows may be no synapse.
    neurons : DataFrame, optional
        Truth about the neurons.

    Returns
    -------
    list of Verdict
        Empty for an ordinary world.

    Notes
    -----
    A majority that learned with one sign must be warned of ("not identifiable: ..."); with both signs the middle stays.
    Whole cells cannot be seen in a table without control animals: there the result must call itself not identifiable in
    every animal, and the common interval must hold.
    """
    learned = truth["is_learned"].to_numpy(bool)
    n_called = int(called(result.synapses["lfdr"].to_numpy(float), NOMINAL).sum())
    found = []
    if not learned.any():
        text = "nothing called, as it must be" if n_called == 0 else f"{n_called} called, contrary to what must be"
        found.append(Verdict("no synapse learned", n_called == 0, text))
    there = truth[truth["is_there"]] if "is_there" in truth else truth
    # by the true parents, if they are known: a wrong one hides that a neuron learned as a whole
    by_neuron = there.groupby("post_id" if "post_id" in there else "neuron_id")["is_learned"].agg(["mean", "size"])
    by_neuron = by_neuron[by_neuron["size"] >= LEAST_SYNAPSES]
    factors = factor_rows(result.neurons, neurons) if neurons is not None else pd.DataFrame()
    is_whole = len(by_neuron) > 0 and (by_neuron["mean"] >= WHOLE).mean() >= LEAST_WHOLE
    warned = any(str(warning).startswith(FLAG) for warning in result.info.get("warnings", ()))
    if is_whole:
        found.append(_of_whole_cells(result, factors, warned))
    elif (share := _of_one_sign(truth, learned)) > MAJORITY:
        text = "flagged as not identifiable, as it must be" if warned else "not flagged, contrary to what must be"
        found.append(Verdict(f"{share:.0%} of the synapses learned, with one sign", warned, text))
    if len(factors) and np.abs(factors["ln_true"]).max() < 1e-9:
        error = float(np.abs(factors["ln"]).mean())
        passed = error < MOST_ERROR_LN
        text = f"factors are 1 within {error:.3f} in ln, " + (
            "as they must be" if passed else "contrary to what must be"
        )
        found.append(Verdict("no homeostasis", passed, text))
    return found


def _of_one_sign(truth: pd.DataFrame, learned: NDArray[np.bool_]) -> float:
    """Share of the synapses that learned with the commoner sign; of none where signs are not known."""
    if "learning" not in truth:
        return 0.0
    sign = np.sign(truth["learning"].fillna(0.0).to_numpy(float))
    return float(max((learned & (sign == side)).mean() for side in (-1.0, 1.0)))


def _of_whole_cells(result: Separation, factors: pd.DataFrame, warned: bool) -> Verdict:
    what = "whole cells learned"
    stated = (
        result.animals["identifiable"].astype("boolean").fillna(False) if len(result.animals) else pd.Series([False])
    )
    flagged = warned or not bool(stated.any())
    if not flagged:
        return Verdict(what, False, "not flagged, contrary to what must be")
    text = "flagged as not identifiable, as it must be"
    if factors.empty:
        return Verdict(what, True, text)
    cover = float(factors["holds_common"].mean())
    passed = cover >= LEAST_COVER
    joint = "and" if passed else "but"
    return Verdict(what, passed, f"{text}, {joint} the common interval holds for {cover:.0%} of the factors")
