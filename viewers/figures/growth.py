"""The growth of the map: the synapses in their tissue at several times of the window, coloured by what they have learned."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from synimg.errors import SynimgError
from synimg.store.atomic import atomic_path
from synimg.store.growth import Growth
from synimg.viewers.figures.style import new_figure

Floats = NDArray[np.float64]
LEARNING = ("#0072B2", "#C8C8C8", "#D55E00")
"""Depressed, unmoved, potentiated: the colours of the classes, and between them."""
N_PANELS = 5
SNAPSHOT_MS, TURN_MS = 500, 120
DPI = 110
N_TURN = 24
"""Frames of the turn around the vertical axis at the end of an animation."""
ENDINGS = (".gif", ".png")


def learning_limit(grown: Growth) -> float:
    """Change of ln receptors by learning at which the colours end: all but 2 % of the synapses lie within."""
    final = np.abs(grown.ln_learning[-1][grown.is_there[-1]])
    top = float(np.percentile(final, 98)) if final.size else 0.0
    return max(float(np.ceil(20 * top) / 20), 0.05)


def growth(grown: Growth, position_um: Floats, size_um: tuple[float, float, float]) -> Figure:
    """A strip of maps, seen along z: the area of a dot is its receptors, the colour what it has learned so far.

    Parameters
    ----------
    grown : Growth
        Synapses at the snapshots; the strip shows up to `N_PANELS` of them, the first and the last included.
    position_um : (n_synapses, 3) ndarray [um]
        z, y, x; NaN for synapses that are not shown.
    size_um : tuple of float
        Edge lengths of the block along z, y, x.
    """
    shown = np.unique(np.linspace(0, grown.day.size - 1, min(N_PANELS, grown.day.size)).round().astype(int))
    figure, axes = new_figure(shown.size, 3.4, 3.4 * size_um[1] / size_um[2] + 0.4)
    for axis, k in zip(axes, shown, strict=True):
        _draw(axis, grown, int(k), position_um, size_um)
    axes[0].set_ylabel("y [µm]")
    for axis in axes:
        axis.set_xlabel("x [µm]")
        axis.xaxis.set_major_locator(MaxNLocator(4, prune="both"))
    for axis in axes[1:]:
        axis.set_yticklabels([])
    figure.colorbar(_scale(grown), ax=axes, label="learned so far (ln receptors)", extend="both", pad=0.01)
    return figure


def save_growth(path: Path, grown: Growth, position_um: Floats, size_um: tuple[float, float, float]) -> None:
    """Save the growth as a strip of maps (.png) or as an animation (.gif): every snapshot, then a turn of the last map.

    Raises
    ------
    SynimgError
        If the name ends otherwise.
    """
    if path.suffix not in ENDINGS:
        raise SynimgError(f"{path}: a film's name ends in .gif (animation) or .png (strip of maps)")
    with atomic_path(path) as temporary:
        if path.suffix == ".png":
            growth(grown, position_um, size_um).savefig(temporary, dpi=DPI, metadata={"Software": None})
            return
        figure, (axis,) = new_figure(1, 6.0, 5.0 * size_um[1] / size_um[2] + 0.4)
        figure.set_dpi(DPI)
        figure.colorbar(_scale(grown), ax=axis, label="learned so far (ln receptors)", extend="both")
        last = grown.day.size - 1
        frames = [(k, 0.0) for k in range(grown.day.size)]
        frames += [(last, 2.0 * np.pi * turn / N_TURN) for turn in range(1, N_TURN + 1)]
        canvas, pictures = FigureCanvasAgg(figure), []
        for k, angle in frames:
            axis.clear()
            _draw(axis, grown, k, turned(position_um, size_um, angle), size_um)
            axis.set(xlabel="x [µm]" if angle == 0 else f"turned by {np.degrees(angle):.0f}°", ylabel="y [µm]")
            canvas.draw()
            # as many colours as a GIF may have, chosen for each picture
            pictures.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3]).quantize(256))
        times = [SNAPSHOT_MS] * (last + 1) + [TURN_MS] * N_TURN
        pictures[0].save(temporary, save_all=True, append_images=pictures[1:], duration=times, loop=0)


def turned(position_um: Floats, size_um: tuple[float, float, float], angle: float) -> Floats:
    """Places (n, 3) after a turn by `angle` [rad] around the vertical axis through the middle of the block."""
    z, y, x = (position_um - 0.5 * np.array(size_um)).T
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.column_stack([cosine * z - sine * x, y, sine * z + cosine * x]) + 0.5 * np.array(size_um)


def _scale(grown: Growth) -> ScalarMappable:
    limit = learning_limit(grown)
    return ScalarMappable(Normalize(-limit, limit), LinearSegmentedColormap.from_list("learning", LEARNING))


def _draw(axis: Axes, grown: Growth, k: int, position_um: Floats, size_um: tuple[float, float, float]) -> None:
    """The map at snapshot `k`; what has learned most lies on top."""
    there = np.flatnonzero(grown.is_there[k] & np.isfinite(position_um[:, 0]))
    learned = grown.ln_learning[k, there]
    there = there[np.argsort(np.abs(learned), kind="stable")]
    # dots as large as fit: a field of few synapses is not a field of specks
    largest = 90.0 * min(1.0, 500 / max(there.size, 1))
    area = largest * np.minimum(grown.receptors[k, there] / _ample(grown), 1.0)
    axis.scatter(
        position_um[there, 2], position_um[there, 1], s=area, c=_scale(grown).to_rgba(grown.ln_learning[k, there]), lw=0
    )
    axis.set(xlim=(0, size_um[2]), ylim=(size_um[1], 0), aspect="equal")
    axis.set_title(grown.captions(np.isfinite(position_um[:, 0]))[k].replace(": ", "\n"), fontsize=9)


def _ample(grown: Growth) -> float:
    """Receptors of a synapse that only one in fifty exceeds."""
    return float(np.percentile(grown.receptors[grown.is_there], 98))
