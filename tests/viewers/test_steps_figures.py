"""Pictures of the steps of a measurement, of a lab's recording: no truth is there."""

import numpy as np
import pytest
import tifffile

from synimg.analysis.depth import DepthTrend
from synimg.analysis.lab import Lab, measure_recordings
from synimg.analysis.lab_recording import LabRecording
from synimg.analysis.tile_look import ColourLook, fullest, look_at_shift, look_at_tile
from synimg.cameras.scmos import Scmos
from synimg.errors import SynimgError
from synimg.schema import PLACE
from synimg.store.tables import read_table
from synimg.viewers.figures.decoding import decoding
from synimg.viewers.figures.depth import depth
from synimg.viewers.gallery import FIGURES, draw, save
from synimg.viewers.lab_source import LabSource, is_lab_result

VOXEL, PSF, SHIFT_UM = (0.2, 0.07, 0.07), (0.27, 0.1, 0.1), (0.06, -0.04, 0.05)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A recording whose second channel is shifted, which was not said, and the folder of its results."""
    folder, shape = tmp_path_factory.mktemp("steps"), (16, 84, 90)
    rng = np.random.default_rng(2)
    photons = np.full((2, *shape), 6.0)
    grid = np.indices(shape) * np.array(VOXEL)[:, None, None, None]
    for at in rng.uniform([0.8, 0.6, 0.6], [2.2, 5.2, 5.6], (40, 3)):
        for c, light in enumerate(rng.uniform(800, 3000, 2)):
            away = [(g - a - c * s) / w for g, a, s, w in zip(grid, at, SHIFT_UM, PSF, strict=True)]
            blob = np.exp(-0.5 * sum(d**2 for d in away))
            photons[c] += light * blob / blob.sum()
    grey = Scmos().record(photons.reshape(-1, *shape[1:]), 1, (0, 0, 0), (2 * shape[0], *shape[1:]))
    tifffile.imwrite(folder / "a.tif", grey.reshape(2, *shape), metadata={"axes": "CZYX"}, compression="zlib")
    lab = Lab(LabRecording(camera=Scmos()).with_(None, PSF))
    measure_recordings([folder / "a.tif"], {"old": "0", "new": "1"}, lab, folder / "out", VOXEL)
    return folder


def test_every_figure_of_recordings_is_drawn_from_the_folder_of_results_alone(measured, tmp_path):
    assert is_lab_result(measured / "out")
    for name in ("tile", "shift", "synapse"):
        assert save(name, measured / "out", tmp_path / f"{name}.png").stat().st_size > 10_000
    with LabSource(measured / "out" / "a") as source:
        titles = [axis.get_title() for axis in draw("synapse", source).axes]
        assert {"old", "new"} <= set(titles)
        for name, entry in FIGURES.items():
            if not entry.of_labs:
                with pytest.raises(
                    SynimgError, match=f"figure '{name}' is of data sets; of a lab's recording there are tile, "
                ):
                    draw(name, source)
        with pytest.raises(SynimgError, match="out/a: too few synapses, or planes"):
            draw("depth", source)


def test_a_tile_is_measured_as_it_was_before(measured):
    with LabSource(measured / "out") as source:
        look = look_at_tile(source.measured, fullest(source.measured, 1)[0])
    table = read_table(measured / "out/a/detections.parquet")
    np.testing.assert_allclose(look.puncta_um, table[PLACE], atol=1e-9)
    assert len(look.candidates_um) >= len(table)
    assert look.residual.std() == pytest.approx(1.0, abs=0.03)
    left = look.electrons - look.background
    assert left.sum() == pytest.approx(table[["pulse_electrons", "chase_electrons"]].to_numpy().sum(), rel=0.1)


def test_the_shift_is_what_bright_puncta_show(measured):
    with LabSource(measured / "out") as source:
        look = look_at_shift(source.measured)
        figure = draw("shift", source)
    assert look.channels == ("old", "new")
    np.testing.assert_allclose(np.median(look.apart_um, axis=0), SHIFT_UM, atol=0.015)
    assert figure.axes[0].get_xlabel() == "x of new beside old [µm]"


def test_voxels_that_are_gone_or_changed_are_no_picture(measured, tmp_path):
    image = measured / "a.tif"
    before = image.read_bytes()
    try:
        image.write_bytes(before + b"\0")
        with pytest.raises(SynimgError, match=r"a.tif: was changed since it was measured"):
            save("tile", measured / "out", tmp_path / "a.png")
        image.unlink()
        with pytest.raises(SynimgError, match=r"a.tif: no such file; what was measured in it is there"):
            save("tile", measured / "out", tmp_path / "a.png")
    finally:
        image.write_bytes(before)
    assert not (tmp_path / "a.png").exists()


def test_how_often_colours_are_right_shows_without_truth():
    rng = np.random.default_rng(1)
    n, right, chance = 4000, 0.8, 0.25
    is_right = rng.uniform(size=n) < right
    look = ColourLook(
        dyes=("a", "b"),
        codes=np.eye(2),
        colours=np.abs(rng.standard_normal((n, 2))),
        row=rng.integers(0, 2, n),
        probability=rng.uniform(0.5, 1.0, n),
        colour_prob=rng.uniform(0.2, 1.0, n),
        is_near=is_right | (rng.uniform(size=n) < chance),
        near_by_chance=np.full(n, chance),
    )
    value, low, high = look.right_by_place(np.ones(n, bool))
    assert value == pytest.approx(right, abs=0.025)  # 3 sigma
    assert low < right < high
    colours, sure, calibration = decoding(look).axes
    assert colours.get_title() == "4000 synapses (dots), 2 codes (crosses), 2 dyes"
    assert len(calibration.texts) >= 5
    assert sure.get_xlabel() == "probability of the parent"


def test_a_trend_with_depth_is_drawn_through_the_medians():
    trend = DepthTrend(
        change=-0.02,
        change_se=0.003,
        depth_um=30.0,
        medians=[(z, 900 * np.exp(-0.02 * z), 30.0) for z in (2, 10, 18, 26)],
    )
    (axis,) = depth(trend).axes
    assert axis.get_title() == "-60 ± 9 % (ln) over 30 µm: beyond chance"
    line = axis.get_lines()[2].get_ydata()
    assert line[0] / line[-1] == pytest.approx(np.exp(0.02 * 24.0))
