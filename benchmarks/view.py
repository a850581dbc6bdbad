"""Speed of the napari plugin with many synapses: xvfb-run -a python benchmarks/view.py (a software renderer is enough)

Times include the drawing of the frame. The peer is one plain Points layer with the same points, as napari draws it.
"""

import os
import time
from collections.abc import Callable
from typing import Any

os.environ["NAPARI_CONFIG"] = ""  # leaves the settings of whoever runs this alone

import dask.array as da
import napari
import numpy as np
import pandas as pd
from qtpy.QtWidgets import QApplication

from synimg.streams import stream
from synimg.viewers.layers import synapses
from synimg.viewers.sample import sample_dataset
from synimg.viewers.synapse_map import with_derived
from synimg.viewers.view import show, whole_depth
from synimg.viewers.widgets.browser import SynapseBrowser
from synimg.viewers.widgets.session import OURS

SIZE_UM = 400.0


def timed(what: str, function: Callable[[], Any]) -> float:
    """Print and return the seconds of a call with its frame drawn."""
    begin = time.perf_counter()
    function()
    for _ in range(3):
        QApplication.processEvents()
    took = time.perf_counter() - begin
    print(f"  {what:<58} {took:6.2f} s", flush=True)
    return took


def table_of(n: int) -> pd.DataFrame:
    """A map of `n` separated synapses on neurons of a hundred."""
    rng = stream(1, "benchmark", "view")
    p = rng.beta(0.2, 2.0, n)
    table = pd.DataFrame(
        {
            "synapse_id": np.arange(n),
            "neuron_id": np.arange(n) // 100,
            "z_um": rng.uniform(0, 10, n),
            "y_um": rng.uniform(0, SIZE_UM, n),
            "x_um": rng.uniform(0, SIZE_UM, n),
            "r_old": rng.poisson(40, n) + 1.0,
            "r_new": rng.poisson(20, n).astype(float),
            "lfdr": 1 - p,
            "p_learning": p,
            "p_potentiated": 0.7 * p,
            "p_depressed": 0.3 * p,
            **{f"delta_{cause}": rng.normal(0, 5, n) for cause in ("learning", "homeostasis", "drift")},
        }
    )
    return with_derived(table)


def window() -> Any:
    """A window with an image of the synapses' extent."""
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)
    image = np.zeros((10, 400, 400), np.uint16)
    viewer.add_image(image, scale=(1, 1, 1), units=("um",) * 3, name="pulse")
    for _ in range(10):
        QApplication.processEvents()
    return viewer


def many(n: int) -> None:
    """Open, filter, recolour and zoom a map of `n` synapses, and the same points as a plain layer."""
    print(f"{n} synapses")
    table = table_of(n)
    viewer = window()
    whole_depth(viewer, 0)

    def plain() -> None:
        viewer.add_points(table[["z_um", "y_um", "x_um"]], size=0.5, projection_mode="all", units=("um",) * 3)

    timed("peer: a plain layer opens", plain)
    shown = (table["class"] == "unchanged").to_numpy()
    peer = timed("peer: a plain layer is filtered", lambda: setattr(viewer.layers[-1], "shown", shown))
    viewer.layers.pop()
    browser: list[SynapseBrowser] = []

    def opens() -> None:
        data, arguments, kind = synapses(table)
        arguments["metadata"] = {OURS: {}}
        show(viewer, [(data, arguments, kind)], is_browsed=True)
        browser.append(SynapseBrowser(viewer))

    timed("the map opens with its browser", opens)
    one = browser[0]
    timed("recolour by p_learning", lambda: one.column.setCurrentText("p_learning"))
    timed("recolour by class", lambda: one.column.setCurrentText("class"))
    ours = timed("hide a class", lambda: next(iter(one.legend._rows.values())).setChecked(False))
    timed("show it again", lambda: next(iter(one.legend._rows.values())).setChecked(True))
    timed("move the FDR slider", lambda: one.fdr.setValue(10 if one.fdr.value() > 30 else 35))
    timed("one neuron", lambda: one.neuron.setCurrentIndex(5))
    timed("all neurons", lambda: one.neuron.setCurrentIndex(0))

    def zoom() -> None:
        viewer.scene.camera.zoom = 25.0
        assert one.crowd is not None
        one.crowd.update()

    def pan() -> None:
        viewer.scene.camera.center = (0, 150, 150)
        assert one.crowd is not None
        one.crowd.update()

    timed("zoom in until every synapse is drawn", zoom)
    timed("pan there", pan)
    print(f"  {one.crowd.text if one.crowd else ''}; filter: {ours / peer:.2f} of the peer's time")
    viewer.close()


def large_image() -> None:
    """Pan over a lazy image of 10 gigavoxels and count the voxels that are computed for a frame."""
    print("an image of 10 gigavoxels (100 x 10000 x 10000) in four levels")
    loaded: list[int] = []

    def block(block_info: Any = None) -> Any:
        shape = block_info[None]["chunk-shape"]
        loaded.append(int(np.prod(shape)))
        return np.zeros(shape, np.uint16)

    levels = [
        da.map_blocks(
            block,
            chunks=((1,) * 100, *((256,) * (10000 // 2**k // 256) + (10000 // 2**k % 256,),) * 2),
            dtype=np.uint16,
        )
        for k in range(4)
    ]
    viewer = napari.Viewer(show=True)
    viewer.window.resize(1400, 900)

    def opens() -> None:
        viewer.add_image(levels, multiscale=True, contrast_limits=(0, 100), scale=(0.2, 0.07, 0.07), units=("um",) * 3)

    timed("opens", opens)
    timed("a slab of it", lambda: whole_depth(viewer, 0))
    for zoom in (None, 10.0):
        if zoom:
            viewer.scene.camera.zoom = zoom
            QApplication.processEvents()
        loaded.clear()
        timed(
            f"pan {'in full view' if zoom is None else 'close up'}",
            lambda x=330 if zoom else 400: setattr(viewer.scene.camera, "center", (0, 300, x)),
        )
        level = viewer.layers[0].data_level
        print(f"  level {level}, {sum(loaded) / 1e6:.2f} million voxels computed")
    viewer.close()


def main() -> None:
    from synimg.viewers.reader import read

    print("the sample")
    viewer = window()
    viewer.layers.clear()
    timed("opens", lambda: show(viewer, read(str(sample_dataset()))))
    viewer.close()
    for n in (100_000, 1_000_000):
        many(n)
    large_image()


if __name__ == "__main__":
    main()
