"""The map of a page that zooms and pans: the projected image with the measured synapses over it."""

import base64
import html
import io
import json
from typing import Any

import numpy as np
from matplotlib.colors import hsv_to_rgb, to_hex
from PIL import Image

from synimg.viewers.colours import NAMED
from synimg.viewers.figures.style import composite
from synimg.viewers.source import Source

MOST_POINTS = 20_000
QUALITY = 88


def map_view(source: Source) -> str:
    """A canvas that the page's script fills: pictures of receptors and of parents, and a dot for every synapse."""
    flat = source.projection
    names = [str(channel["label"]) for channel in source.channels]
    receptors = [i for i, name in enumerate(names) if name in {"pulse", "chase"}]
    dyes = [i for i in range(len(names)) if i not in receptors]
    pictures = {"receptors (old magenta, new green)": _jpeg(_picture(flat, source.channels, receptors, False))}
    if dyes:
        pictures["parent dyes"] = _jpeg(_picture(flat, source.channels, dyes, True))
    synapses = source.synapses
    if len(synapses) > MOST_POINTS and "p_learning" in synapses:
        synapses = synapses.nlargest(MOST_POINTS, "p_learning")
    points = [
        [int(i), round(float(y), 3), round(float(x), 3), str(c)]
        for i, y, x, c in synapses[["synapse_id", "y_um", "x_um", "class"]].itertuples(index=False)
    ]
    classes = [str(name) for name in synapses["class"].value_counts().index]
    bar_um = 5.0 if flat.shape[-1] * source.pixel_um > 20 else 1.0
    data = {"pixel_um": source.pixel_um, "points": points, "colors": NAMED, "bar_um": bar_um}
    buttons = "".join(
        f'<label class="picture"><input type="radio" name="picture" value="{k}"{" checked" if k == 0 else ""}> {name}</label> '
        for k, name in enumerate(pictures)
    )
    images = "".join(f'<img hidden alt="{name}" src="data:image/jpeg;base64,{p}">' for name, p in pictures.items())
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return (
        f'<div class="map"><p class="controls">{buttons}{_legend(synapses, classes)}'
        '<button type="button" data-zoom="1.5">+</button> <button type="button" data-zoom="0.667">−</button> '
        '<button type="button" data-zoom="0">whole</button> <span class="hover"></span></p>'
        f'<canvas width="1000" height="620" aria-label="synapse map"></canvas>{images}'
        f'<script type="application/json">{text}</script></div>'
    )


def _legend(synapses: Any, classes: list[str]) -> str:
    """A switch for the dots of each class, with their colour and number."""
    return "".join(
        f'<label><input type="checkbox" value="{html.escape(name)}" checked> '
        f'<span class="dot" style="border-color:{NAMED.get(name, "#999999")}"></span> {html.escape(name)} '
        f"{int((synapses['class'] == name).sum())}</label> "
        for name in classes
    )


def _picture(flat: Any, channels: list[dict[str, Any]], which: list[int], is_code: bool) -> Any:
    colors = [str(channels[i]["color"]) for i in which]
    windows = [(channels[i]["window"]["start"], channels[i]["window"]["end"]) for i in which]
    if is_code:  # the mixture is the code: hues around the circle, and room above for the sum
        colors = [to_hex(tuple(hsv_to_rgb((k / len(which), 1, 1))))[1:] for k in range(len(which))]
        windows = [(low, low + 2.0 * (high - low)) for low, high in windows]
    return composite(flat[which], colors, windows)


def _jpeg(picture: Any) -> str:
    buffer = io.BytesIO()
    Image.fromarray(np.rint(255 * picture).astype(np.uint8)).save(buffer, "JPEG", quality=QUALITY)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
