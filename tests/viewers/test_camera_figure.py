"""The picture of a camera's photon transfer curve."""

import numpy as np
import tifffile
from PIL import Image

from synimg.analysis.camera_files import find_camera
from synimg.cameras.scmos import Scmos
from synimg.viewers.figures.camera import camera, save_camera_figure


def test_the_picture_shows_the_points_the_line_and_the_pixels(tmp_path):
    shape, sensor = (4, 80, 90), Scmos(full_well_electrons=2000)
    levels = (0.0, 50.0, 500.0, 9000.0)
    files = [tmp_path / f"{k}.tif" for k in range(len(levels))]
    for k, (file, photons) in enumerate(zip(files, levels, strict=True)):
        tifffile.imwrite(file, sensor.record(np.full(shape, photons), k, (0, 0, 0), shape))
    found = find_camera(files[:1], [[file] for file in files[1:]])
    figure = camera(found)
    assert [axis.get_xlabel().split(" [")[0] for axis in figure.axes] == [
        "mean",
        "mean",
        "noise of a pixel in the dark",
    ]
    assert figure.axes[0].get_title().startswith("gain 2.1")
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == ["in the line", "left out"]
    save_camera_figure(tmp_path / "camera.png", found)
    with Image.open(tmp_path / "camera.png") as picture:
        assert picture.size[0] > 900
