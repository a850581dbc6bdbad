"""Recorded activity: learning is more, or less, likely where the eligibility was high."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.mixture.priors.protocol import Known, standardised


def eligibility(table: pd.DataFrame, is_control: NDArray[np.bool_]) -> Known | None:
    """The column `eligibility`, in units of its sd."""
    values = standardised(table, "eligibility")
    if values is None:
        return None
    return Known(values[:, None], 1.0, False, "log odds of learning are linear in the recorded eligibility")


part = eligibility
