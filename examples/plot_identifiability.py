"""Two worlds, one table

A neuron whose synapses were scaled by homeostasis, and one in which all of them learned by the same factor: the counts of old and
new receptors are the same, so no method can tell. What can be told is which synapses stand out.
"""

import numpy as np
from matplotlib.figure import Figure

from synimg.streams import stream

N, TURNOVER, FACTOR = 300, 0.8, 1.4
COLORS = {"turnover": "#BBBBBB", "homeostasis": "#0072B2", "learning": "#D55E00"}


def counts(homeostasis: float, learning: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Old and new receptors of the neuron's synapses after a window; the same random numbers in every world."""
    rng = stream(1, "example")
    old = rng.poisson(60.0, N) * np.exp(-TURNOVER)
    grown = np.exp(TURNOVER + np.log(homeostasis) + learning)
    return old, old * (grown - 1.0)


def main() -> Figure:
    """The picture."""
    some = np.where(np.arange(N) < N // 6, 0.6, 0.0)
    worlds = {
        f"homeostasis {FACTOR}, a sixth learned": (FACTOR, some),
        f"no homeostasis, all learned {FACTOR}, a sixth more": (1.0, some + np.log(FACTOR)),
    }
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    axes = figure.subplots(1, 2, sharex=True, sharey=True)
    tables = []
    for axis, (title, (factor, learning)) in zip(axes, worlds.items(), strict=True):
        old, new = counts(factor, learning)
        tables.append((old, new))
        turnover = np.log1p(new / old) + stream(2, "example").normal(0, 0.08, N)
        height, _, _ = axis.hist(turnover, 50, color="#777777")
        at, top = 0.0, float(height.max())
        common = float(np.median(learning))
        parts = {"turnover": TURNOVER, "homeostasis": float(np.log(factor)), "learning": common}
        for name, length in parts.items():
            if length > 0:
                axis.barh(top * 1.12, length, left=at, height=top * 0.1, color=COLORS[name], label=name)
            at += length
        axis.set(title=title, xlabel="log turnover ln((old + new) / old)", ylim=(0, top * 1.5))
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8, loc="upper right")
    axes[0].set_ylabel("synapses of the neuron")
    assert np.allclose(tables[0], tables[1])  # to the last receptor
    return figure


if __name__ == "__main__":
    main().savefig("identifiability.png", dpi=130)
