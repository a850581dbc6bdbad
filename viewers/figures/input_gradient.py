"""Change along the order of the inputs: the gradient that learning writes, and what the tag shows of it."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synimg.viewers.figures.style import CAUSE_COLORS, SET_COLORS, SET_STYLES, new_figure


def input_gradient(truth: pd.DataFrame, neurons: pd.DataFrame) -> Figure:
    """Mean change of the synapses of each input, by pool of cells: learning alone, everything, and the tag's ratio.

    Parameters
    ----------
    truth, neurons : DataFrame
        Truth tables (`schema.TRUTH_SYNAPSES`, `schema.TRUTH_NEURONS`) of a network whose inputs come over axons.
    """
    inputs = with_pool(truth, neurons)
    figure, axes = new_figure(3)
    total = inputs[[f"ln_{cause}" for cause in CAUSE_COLORS]].sum(axis=1)
    shown = {"learning": inputs["ln_learning"], "all causes": total, "read from the tag": tag_ratio(inputs)}
    for axis, (title, values) in zip(axes, shown.items(), strict=True):
        for pool, rows in values.groupby(inputs["pool"]):
            by_input = rows.groupby(inputs["input_channel"]).agg(["mean", "sem"])
            color, style = SET_COLORS[int(pool) % len(SET_COLORS)], SET_STYLES[int(pool) % len(SET_STYLES)]
            where = by_input.index.to_numpy(float)
            low, high = (by_input["mean"] + side * by_input["sem"] for side in (-2.0, 2.0))
            axis.fill_between(where, low, high, color=color, alpha=0.2, lw=0)
            label = f"pool {int(pool) + 1}: slope {slope(inputs.loc[rows.index], rows):+.2f}"
            axis.plot(where, by_input["mean"], color=color, ls=style, label=label)
        axis.axhline(float(values.mean()), color="#999999", lw=0.8)
        axis.set(xlabel="input, from low to high", title=title)
        axis.legend(frameon=False, fontsize=9)
    axes[0].set_ylabel("mean change of ln receptors")
    return figure


def with_pool(truth: pd.DataFrame, neurons: pd.DataFrame) -> pd.DataFrame:
    """The synapses of inputs that lived throughout, with the pool of their neuron (0 where there are none)."""
    inputs = truth[truth["input_channel"].notna() & (truth["a_start"] > 0) & (truth["a_end"] > 0)]
    pool = neurons.set_index("neuron_id")["pool"].fillna(0)
    return inputs.assign(pool=inputs["post_id"].map(pool))


def tag_ratio(synapses: pd.DataFrame) -> pd.Series:
    """``ln (new + old) / old`` of the labelled receptors, half a receptor added to each."""
    old, new = (synapses[name].to_numpy(float) for name in ("labelled_old", "labelled_new"))
    return pd.Series(np.log((old + new + 1.0) / (old + 0.5)), synapses.index)


def slope(synapses: pd.DataFrame, values: pd.Series) -> float:
    """Change of `values` from the first input to the last, by least squares."""
    channel = synapses["input_channel"].to_numpy(float)
    return float(np.polyfit(channel / max(channel.max(), 1.0), values.to_numpy(float), 1)[0])
