"""Rival readings: most synapses learned, and the zero of the factor lies elsewhere."""

from dataclasses import dataclass, replace

import numpy as np

from synimg.analysis.mixture.choose import Choice
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.fit import fit
from synimg.analysis.mixture.model import Slab

MAJORITY = 0.65
STEP_LN = 0.5
LEAST_SHIFT = 0.15
LEAST_SHARE = 1.0 / 3.0
"""With less, a fit that started from a majority has come to another reading, of turnover and not of learning."""
ALIKE = 3.0


@dataclass(frozen=True)
class Rival:
    """Another reading of the table that its counts do not rule out, what it says, and its log odds against the chosen one."""

    choice: Choice
    why: str
    log_odds: float


def rivals_of(data: Data, choice: Choice) -> list[Rival]:
    """Readings in which most synapses learned, as likely as the chosen one but for `ALIKE` nats.

    Notes
    -----
    Fitted again from a start at which most synapses are up, or down, and the turnover is that of the few. In a table
    with sparse learning that start slides back to the same zero, or stays tens of nats behind. Control animals say
    where zero is, so that there is no rival with them.
    """
    if data.is_control.any():
        return []
    best = choice.models[int(np.argmax(choice.weights))]
    found = []
    for sign, word in ((1.0, "potentiated"), (-1.0, "depressed")):
        slab = Slab(MAJORITY, STEP_LN, 0.22)
        start = replace(
            best,
            form=replace(best.form, up=sign > 0, down=sign < 0),
            turnover=max(best.turnover - sign * MAJORITY * STEP_LN, 0.05),
            slabs=(slab, Slab(0.0)) if sign > 0 else (Slab(0.0), slab),
        )
        model, value = fit(data, start, choice.stay, choice.largest)
        shift = model.turnover - best.turnover
        share = model.slabs[0 if sign > 0 else 1].share
        log_odds = value - 1.5 * np.log(data.counts.old.size) - choice.score
        if share < LEAST_SHARE or abs(shift) < LEAST_SHIFT or log_odds < -ALIKE:
            continue
        rival = replace(choice, models=(model,), weights=np.ones(1))
        why = f"{share:.0%} of the synapses {word} and a turnover of {model.turnover:.2f} explain the table as well as "
        found.append(
            Rival(rival, why + f"{sum(s.share for s in best.slabs):.0%} changed and {best.turnover:.2f}", log_odds)
        )
    return found
