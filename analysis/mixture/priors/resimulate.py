"""The rule run again: a simulation from the network at the start predicts which synapses learn, and their sign."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.mixture.priors.protocol import LEAST_SEEN, Known


def resimulate(table: pd.DataFrame, is_control: NDArray[np.bool_]) -> Known | None:
    """The column `predicted_ln`, the predicted change of ln receptors by learning, in units of its root mean square."""
    if "predicted_ln" not in table:
        return None
    values = table["predicted_ln"].to_numpy(float)
    seen = np.isfinite(values)
    if seen.sum() < LEAST_SEEN or values[seen].std() == 0:
        return None
    scale = np.sqrt(np.mean(values[seen] ** 2))
    known = np.where(seen, values / scale, 0.0)
    said = "log odds of growth (of shrinkage) by learning are linear in the predicted (in minus the predicted) change"
    return Known(np.clip(known, -4.0, 4.0)[:, None], 1.0, True, said)


part = resimulate
