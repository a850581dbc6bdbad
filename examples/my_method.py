"""A separation method of your own: a function of a table.

Run it:  synimg separate table.csv --out result --method examples/my_method.py:above_median
"""

import numpy as np
import pandas as pd


def above_median(table: pd.DataFrame) -> pd.DataFrame:
    """P(learning) from how far a synapse's log turnover lies above its neuron's median."""
    turnover = np.log1p(table["r_new"] / table["r_old"].clip(lower=0.5))
    excess = turnover - turnover.groupby(table["neuron_id"]).transform("median")
    spread = 1.4826 * excess.abs().median()
    p_learning = 1 - np.exp(-0.5 * (excess / max(spread, 1e-6)) ** 2)
    return pd.DataFrame({"synapse_id": table["synapse_id"], "p_learning": p_learning})
