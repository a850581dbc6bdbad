"""The photon transfer curve of a camera, and how much its pixels differ."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from synimg.analysis.camera import Curve, Dark
from synimg.analysis.camera_files import Found, with_error
from synimg.store.atomic import atomic_path
from synimg.viewers.figures.style import CHANCE, ESTIMATE, SET_COLORS, TRUTH, new_figure


def camera(found: Found) -> Figure:
    """Variance against mean with its line, what is left of it, and the pixels in the dark.

    Parameters
    ----------
    found : Found
        A camera, known or not; it has a curve or dark frames.
    """
    curve, dark = found.curve, found.dark
    figure, axes = new_figure(2 * (curve is not None) + (dark is not None))
    if curve is not None:
        _curve(axes[0], curve, is_known=found.camera is not None)
        _residual(axes[1], curve)
    if dark is not None:
        _pixels(axes[-1], dark, None if curve is None else curve.gain_adu_per_electron)
    if found.image is not None and found.image.doubts:
        figure.suptitle("not a camera's curve: gain unknown", color=ESTIMATE, fontsize=11)
    return figure


def save_camera_figure(path: Path, found: Found) -> None:
    """Draw `camera` into a PNG file, whole or not at all."""
    with atomic_path(path) as temporary:
        camera(found).savefig(temporary, dpi=110, metadata={"Software": None})


def _curve(axis: Axes, curve: Curve, is_known: bool) -> None:
    mean, variance = curve.mean_adu, curve.variance_adu2
    for used, color, label in ((curve.used, TRUTH, "in the line"), (~curve.used, CHANCE, "left out")):
        if used.any():
            error = 1.96 * curve.variance_se_adu2[used]
            axis.errorbar(mean[used], variance[used], error, fmt="o", ms=4, color=color, label=label)
    low, high = curve.zero_adu, mean[curve.used].max()
    ends = np.array([min(max(low, mean.min() - 0.2 * np.ptp(mean)), mean.min()), high])
    axis.plot(ends, curve.gain_adu_per_electron * (ends - curve.zero_adu), color=ESTIMATE, lw=1.5)
    axis.set(xlabel="mean [grey levels]", ylabel="variance [grey levels²]")
    gain = with_error(curve.gain_adu_per_electron, curve.gain_se)
    axis.set_title(f"{'gain' if is_known else 'slope'} {gain} grey levels per electron", fontsize=10)
    axis.legend(frameon=False, fontsize=8)


def _residual(axis: Axes, curve: Curve) -> None:
    expected = curve.gain_adu_per_electron * (curve.mean_adu - curve.zero_adu)
    shown = curve.used & (expected > 0)
    ratio, error = (v[shown] / expected[shown] for v in (curve.variance_adu2, 1.96 * curve.variance_se_adu2))
    axis.axhline(1.0, color=ESTIMATE, lw=1.5)
    axis.errorbar(curve.mean_adu[shown], ratio, error, fmt="o", ms=4, color=TRUTH)
    far = max(0.02, 1.1 * float(np.abs(np.concatenate([ratio - error, ratio + error]) - 1.0).max(initial=0.0)))
    axis.set(xlabel="mean [grey levels]", ylabel="variance over the line", ylim=(1 - far, 1 + far))
    axis.set_title("points in the line, 95 %", fontsize=10)


def _pixels(axis: Axes, dark: Dark, gain: float | None) -> None:
    noise = dark.noise_map_adu.ravel() / (gain or 1.0)
    unit = "grey levels" if gain is None else "electrons"
    top = float(np.quantile(noise, 0.9999)) * 1.1
    axis.hist(noise, bins=80, range=(0.0, max(top, 1e-6)), color=SET_COLORS[2], log=True)
    axis.set(xlabel=f"noise of a pixel in the dark [{unit}]", ylabel="pixels")
    axis.set_title(
        f"{dark.n_frames} dark frames; offset {with_error(dark.offset_adu, dark.offset_se_adu)} grey levels",
        fontsize=10,
    )
