"""The recorded image: one slice and the maximum projection."""

from typing import Any

from matplotlib.colors import hsv_to_rgb, to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray

from synimg.viewers.figures.style import composite, new_figure, scale_bar


def image_views(
    planes: NDArray[Any],
    projections: NDArray[Any],
    channels: list[dict[str, Any]],
    pixel_um: float,
) -> Figure:
    """Receptor channels in one slice and projected, and the dye channels projected.

    Parameters
    ----------
    planes, projections : (c, y, x) ndarray of uint16
        A slice through the middle, and the maximum along z, of all channels.
    channels : list of dict
        OMERO channel metadata: ``label``, ``color``, ``window``.
    pixel_um : float
        Pixel size.
    """
    receptor = [i for i, c in enumerate(channels) if c["label"] in {"pulse", "chase"}]
    dyes = [i for i in range(len(channels)) if i not in receptor]
    panels = [("Slice: pulse (magenta) and chase (green)", planes, receptor)]
    panels.append(("Maximum projection: pulse and chase", projections, receptor))
    if dyes:
        panels.append(("Maximum projection: parent colours", projections, dyes))
    figure, axes = new_figure(len(panels), 5.0, 5.3)
    for axis, (title, image, which) in zip(axes, panels, strict=True):
        colors = [str(channels[i]["color"]) for i in which]
        windows = [(channels[i]["window"]["start"], channels[i]["window"]["end"]) for i in which]
        if which == dyes:  # the mixture is the code: hues around the circle, and room above for the sum
            colors = [to_hex(tuple(hsv_to_rgb((k / len(dyes), 1, 1))))[1:] for k in range(len(dyes))]
            windows = [(low, low + 2.0 * (high - low)) for low, high in windows]
        axis.imshow(composite(image[which], colors, windows), interpolation="nearest")
        scale_bar(axis, 5.0, pixel_um, image.shape[1:])
        axis.set_title(title, fontsize=10)
        axis.set_axis_off()
    return figure
