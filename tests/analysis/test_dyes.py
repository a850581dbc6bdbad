"""The light of one dye, from dyes that bleach and from known standards, against simulated fields."""

import json

import numpy as np
import pytest
import tifffile
from scipy import special

from synimg.analysis.dye_files import DyeSettings, find_dyes, save_dyes
from synimg.analysis.dyes import Heights, brightness_law, heights_of_spots, heights_of_steps, steps_of
from synimg.analysis.lab_recording import read_recording
from synimg.analysis.spots import find_spots
from synimg.analysis.steps import begins_of_levels, last_step
from synimg.cameras.scmos import Scmos
from synimg.cli import app
from synimg.errors import SynimgError
from synimg.viewers.figures.dyes import dyes, save_dyes_figure

SIGMA, BACKGROUND, READ = 1.4, 20.0, 1.6  # pixels, electrons
MEAN, SHAPE = 150.0, 4.0
PSF = np.array([SIGMA, SIGMA])
SETTINGS = DyeSettings((0.27, 0.07 * SIGMA, 0.07 * SIGMA), (0.2, 0.07, 0.07))


def field(seed, n=40, frames=80, size=(110, 121), mean=MEAN, tau=15.0, places=1, labelled=1.0):
    """Expected electrons (frames, y, x) of spots whose dyes have gone out at random; all stay lit if tau is infinite."""
    rng = np.random.default_rng(seed)
    out = np.full((frames, *size), BACKGROUND)
    for at in rng.uniform(6.0, np.array(size) - 7.0, (n, 2)):
        edges = [np.arange(m + 1) - 0.5 - a for m, a in zip(size, at, strict=True)]
        y, x = (np.diff(0.5 * special.erf(e / (SIGMA * np.sqrt(2.0)))) for e in edges)
        lit = np.zeros(frames)
        for _ in range(rng.binomial(places, labelled)):
            life = rng.exponential(tau) if np.isfinite(tau) else np.inf
            lit += rng.gamma(SHAPE, mean / SHAPE) * np.clip(life - np.arange(frames), 0.0, 1.0)
        window = tuple(slice(max(int(a) - 7, 0), int(a) + 9) for a in at)
        out[:, *window] += lit[:, None, None] * np.outer(y[window[0]], x[window[1]])
    return out


def electrons(seed, **how):
    rng = np.random.default_rng([seed, 1])
    expected = field(seed, **how)
    return rng.poisson(expected) + rng.normal(0, READ, expected.shape)


def write(path, seed, camera=None, **how):
    camera = camera or Scmos(quantum_efficiency=0.8, offset_adu=100.0, gain_adu_per_electron=2.17)
    expected = field(seed, **how) / camera.quantum_efficiency
    tifffile.imwrite(path, camera.record(expected, seed, (0, 0, 0), expected.shape), metadata={"axes": "TYX"})
    return camera


@pytest.fixture(scope="module")
def movies():
    return [steps_of(find_spots(electrons(seed), READ, PSF)) for seed in range(6)]


def test_last_steps_give_a_dye_s_light_and_its_spread_without_bias(movies):
    law = brightness_law(Heights.joined([heights_of_steps(steps) for steps in movies]))
    assert law.n > 100
    assert law.mean_se == pytest.approx(MEAN / np.sqrt(SHAPE * law.n), rel=0.3)
    assert abs(law.mean - MEAN) < 2.5 * law.mean_se
    assert abs(np.log(law.shape / SHAPE)) < 2.5 * law.shape_se / law.shape
    assert np.mean([steps.noise_ratio for steps in movies]) == pytest.approx(1.0, abs=0.15)


def test_dyes_too_dim_to_be_seen_are_allowed_for(movies):
    heights = Heights.joined([heights_of_steps(steps) for steps in movies])
    cut = heights.seen > 120.0
    above = Heights(heights.seen[cut], heights.se[cut], np.maximum(heights.least[cut], 120.0))
    seen = np.random.default_rng(1).gamma(SHAPE, MEAN / SHAPE, 4000)
    seen = seen[seen > 70.0]
    found = brightness_law(Heights(seen, np.full(len(seen), 1.0), np.full(len(seen), 70.0)))
    assert seen.mean() > 1.06 * MEAN
    assert abs(found.mean - MEAN) < 3 * found.mean_se
    with pytest.raises(SynimgError, match="too dim against the noise"):
        brightness_law(above)


@pytest.mark.parametrize("places", [1, 20])
def test_the_95_percent_interval_holds(places):
    labelled, mean, se = 0.85, 150.0, 30.0
    held = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        n = rng.binomial(places, labelled, 80) if places > 1 else np.ones(80)
        seen = rng.gamma(SHAPE * np.maximum(n, 1e-9), mean / SHAPE) + rng.normal(0, se, 80)
        kept = seen > 30.0
        heights = Heights(seen[kept], np.full(kept.sum(), se), np.full(kept.sum(), 30.0))
        law = brightness_law(heights, places, labelled if places > 1 else 1.0)
        held.append(abs(law.mean - mean) < 1.96 * law.mean_se)
    assert np.mean(held) >= 0.85  # of 40: 2.9 sigma below .95


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_spots_of_a_standard_give_a_dye_s_light_in_one_frame(seed):
    image = electrons(seed, n=70, frames=1, size=(200, 211), tau=np.inf, places=20, labelled=0.85)
    law = brightness_law(heights_of_spots(find_spots(image, READ, PSF)), 20, 0.85)
    assert abs(law.mean - MEAN) < 2.5 * law.mean_se
    assert law.mean_se < 0.03 * MEAN


def test_two_spots_that_lie_together_are_no_standard():
    alone, pair = field(1, n=0, frames=1, size=(60, 200)), np.zeros(25, bool)
    for k in range(25):
        at = np.array([20.0 + 20 * (k % 2), 10.0 + 7.2 * k])
        pair[k] = k % 5 == 0
        for place in [at, at + np.array([0.0, 1.6])] if pair[k] else [at]:
            y, x = (np.exp(-0.5 * ((np.arange(m) - a) / SIGMA) ** 2) for m, a in zip((60, 200), place, strict=True))
            alone[0] += 2000.0 * np.outer(y, x) / (2 * np.pi * SIGMA**2)
    spots = find_spots(np.random.default_rng(1).poisson(alone).astype(float), 0.0, PSF)
    assert len(spots.at_vox) == 25
    heights = heights_of_spots(spots)
    assert len(heights.seen) == 20
    assert heights.seen.max() < 2300


def test_levels_are_those_that_were_there_and_noise_has_one():
    rng = np.random.default_rng(3)
    true = np.repeat([300.0, 150.0, 0.0], [40, 25, 60])
    trace = true + rng.normal(0, 25.0, true.size)
    assert begins_of_levels(trace, 25.0**2, 0.0).tolist() == [0, 40, 65]
    found = last_step(trace, 25.0**2, 0.0)
    assert found.at == 65
    assert abs(found.height - 150.0) < 3 * found.se
    assert found.se == pytest.approx(25.0 * np.sqrt(1 / 23 + 1 / 60), rel=0.1)
    n_false = sum(len(begins_of_levels(rng.normal(0, 25.0, 100), 25.0**2, 0.0)) > 1 for _ in range(200))
    assert n_false <= 6
    assert last_step(rng.normal(300.0, 25.0, 100), 25.0**2, 0.0) is None


def test_a_level_that_dynamic_programming_finds_is_the_likeliest_of_all():
    rng = np.random.default_rng(4)
    trace, penalty = np.repeat([60.0, 0.0], [7, 9]) + rng.normal(0, 10.0, 16), 3 * np.log(16)

    def cost(begins):
        total = penalty * (len(begins) - 1)
        for a, b in zip(begins, [*begins[1:], 16], strict=True):
            variance = 100.0 + 2.0 * max(trace[a:b].mean(), 0.0)
            total += trace[a:b].var() * (b - a) / variance + (b - a) * np.log(variance)
        return total

    ways = [[0], *([0, k] for k in range(3, 14)), *([0, j, k] for j in range(3, 11) for k in range(j + 3, 14))]
    assert begins_of_levels(trace, 100.0, 2.0).tolist() == min(ways, key=cost)


def test_the_file_is_a_description_that_measure_takes(tmp_path):
    files = [tmp_path / f"{k}.tif" for k in range(3)]
    camera = next(iter([write(file, 10 + k) for k, file in enumerate(files)]))
    found = find_dyes(files, camera, SETTINGS)
    planes = np.sqrt(2 * np.pi) * 0.27 / 0.2  # light of a focus in all planes of a stack
    assert found.photons == pytest.approx(found.law.mean * planes / 0.8)
    assert abs(found.photons - MEAN * planes / 0.8) < 2.5 * found.photons_se
    written = save_dyes(found, tmp_path / "dyes.toml", None, save_dyes_figure)
    assert [path.name for path in written] == ["dyes.toml", "dyes.png"]
    recording = read_recording(tmp_path / "dyes.toml")
    assert recording.photons_per_receptor == pytest.approx(found.photons, rel=1e-4)
    assert recording.photons_per_receptor_se == pytest.approx(found.photons_se, rel=0.05)
    assert recording.photons_by_camera
    save_dyes(found, tmp_path / "new.toml", "new")
    assert read_recording(tmp_path / "new.toml").new.photons_shape == pytest.approx(found.law.shape, rel=1e-3)


def test_the_picture_has_spots_traces_with_their_steps_and_heights(tmp_path):
    camera = write(tmp_path / "a.tif", 1, n=60, size=(160, 171))
    image, *traces, heights = dyes(find_dyes([tmp_path / "a.tif"], camera, SETTINGS)).axes
    assert image.get_legend().get_texts()[0].get_text().endswith("with a last step")
    assert len(traces) == 6
    assert all(len(axis.get_lines()) == 3 for axis in traces)
    assert heights.get_title().startswith("a dye: ")
    write(tmp_path / "b.tif", 2, n=50, frames=1, size=(180, 171), tau=np.inf, places=12)
    standard = find_dyes([tmp_path / "b.tif"], camera, DyeSettings(SETTINGS.psf_um, SETTINGS.voxel_um, n_dyes=12))
    assert len(dyes(standard).axes) == 2


BAD = {
    "one frame shows no bleaching": {"frames": 1},
    "5 frames show no bleaching": {"frames": 5},
    "go dark in a step, 20 or more are needed": {"tau": np.inf},
    "spots stand out from the noise.*can be used; 20 or more are needed": {"n": 9},
    "have a saturated pixel: expose less": {"mean": 6000.0, "full": True},
    "electrons or more below the camera's offset of 400": {"offset": True},
    "pixels are too few beside a point spread function": {"size": (20, 25), "n": 2},
}


@pytest.mark.parametrize("sentence", BAD)
def test_what_holds_no_dye_s_light_is_refused_in_one_sentence(tmp_path, sentence):
    how = dict(BAD[sentence])
    full, offset = how.pop("full", False), how.pop("offset", False)
    camera = write(tmp_path / "a.tif", 1, Scmos(full_well_electrons=400.0) if full else None, **how)
    camera = camera.model_copy(update={"offset_adu": 400.0}) if offset else camera
    with pytest.raises(SynimgError, match=f"a.tif: .*{sentence}"):
        find_dyes([tmp_path / "a.tif"], camera, SETTINGS)


def test_the_command_line_says_what_a_dye_gives(tmp_path, capsys):
    write(tmp_path / "a.tif", 1, n=60, size=(160, 171))
    (tmp_path / "camera.toml").write_text("[camera]\nkind = 'scmos'\nquantum_efficiency = 0.8\n")
    given = ["--camera", tmp_path / "camera.toml", "--psf", "0.27,0.098,0.098", "--voxel-um", "0.2,0.07,0.07"]

    def call(*more):
        app(args=["dyes", str(tmp_path / "a.tif"), *map(str, given), *map(str, more)], standalone_mode=False)
        return capsys.readouterr()

    said = call("--out", tmp_path / "d.toml")
    assert "dyes that bleach in a.tif" in said.out
    assert "next: synimg measure ... --recording" in said.err
    once, brighter = (json.loads(call("--json", *more).out) for more in ([], ["--exposure", 5]))
    assert brighter["photons_per_receptor"] == pytest.approx(once["photons_per_receptor"] / 5)
    for more, sentence in (
        (["--of", "both"], "it takes old or new"),
        (["--labelled", "0.8"], "is for a standard"),
        (["--exposure", "0"], "it takes a number above 0"),
        (["--out", "d.json"], "ends in .toml"),
    ):
        with pytest.raises(SynimgError, match=sentence):
            call(*more)
