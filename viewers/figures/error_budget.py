"""Which stage loses what: the same separation from the true counts to the measured table."""

from matplotlib.figure import Figure

from synimg.viewers.figures.style import CHANCE, ESTIMATE, TRUTH, new_figure


def error_budget(
    average_precision: dict[str, float | None], chance: float, ceiling: dict[str, float | None] | None = None
) -> Figure:
    """Average precision of the same method on tables that carry more and more of the measurement's errors.

    Parameters
    ----------
    average_precision : dict
        By stage, from the true counts on.
    chance : float
        Share of learned synapses.
    ceiling : dict, optional
        What can be had by stage.
    """
    figure, (axis,) = new_figure(1, 5.8, 3.2)
    names = [name for name, value in average_precision.items() if value is not None]
    values = [float(average_precision[name] or 0.0) for name in names]
    rows = range(len(names))
    axis.barh(rows, values, color=ESTIMATE, height=0.6)
    for row, value in zip(rows, values, strict=True):
        top = (ceiling or {}).get(names[row])
        if top is not None:
            label = "ceiling" if row == 0 else None
            axis.plot([top, top], [row - 0.3, row + 0.3], color=TRUTH, lw=2, label=label)
        inside = value > 0.12
        axis.text(
            value + (-0.01 if inside else 0.01),
            row,
            f"{value:.2f}",
            va="center",
            ha="right" if inside else "left",
            color="white" if inside else "black",
        )
        if top is not None:
            axis.text(max(top, value) + 0.01, row, f"{top:.2f}", va="center")
    axis.axvline(chance, color=CHANCE, lw=1, ls="--", label=f"chance ({chance:.2f})")
    axis.set_yticks(list(rows), names)
    axis.invert_yaxis()
    axis.set(xlabel="average precision for learned synapses", xlim=(0, 1), title="Which stage loses what")
    axis.legend(frameon=False, fontsize=8)
    return figure
