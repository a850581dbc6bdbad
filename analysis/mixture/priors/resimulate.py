"""The rule run again: a simulation from the network at the start predicts which synapses learn, and their sign."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.mixture.priors.protocol import LEAST_SEEN, Known

KNOT, MOST = 1.5, 4.0


def resimulate(table: pd.DataFrame, is_control: NDArray[np.bool_]) -> Known | None:
    """The column `predicted_ln`, the predicted change of ln receptors by learning, in units of its root mean square.

    Notes
    -----
    Log odds bend at `KNOT`. With one slope a simulation of the wrong rule, which is right about half of the synapses that it
    moves most, would have them all called for what it says truly of the rest.
    """
    if "predicted_ln" not in table:
        return None
    values = table["predicted_ln"].to_numpy(float)
    seen = np.isfinite(values)
    if seen.sum() < LEAST_SEEN or values[seen].std() == 0:
        return None
    scale = np.sqrt(np.mean(values[seen] ** 2))
    known = np.where(seen, values / scale, 0.0)
    small = np.clip(known, -KNOT, KNOT)
    said = (
        "log odds of growth (of shrinkage) by learning rise with the predicted (with minus the predicted) change, with another "
        f"slope beyond {KNOT:g} times its root mean square"
    )
    return Known(np.column_stack([small, np.clip(known, -MOST, MOST) - small]), 1.0, True, said)


part = resimulate
