"""A camera from dark frames, flat frames, or an image: every detector's own values come back, or 'unknown'."""

import re

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from synimg.analysis.camera import Level, dark_frames, flat_level, transfer_curve
from synimg.analysis.camera_files import find_camera, save_camera
from synimg.analysis.image_noise import image_noise
from synimg.analysis.recording import Recording
from synimg.cameras.scmos import Scmos
from synimg.config import read_camera
from synimg.errors import SynimgError
from synimg.family import names, part

KINDS = names("synimg.cameras")
YX = (120, 130)
LEVELS = (5.0, 20.0, 60.0, 120.0)


def in_the_dark(camera):
    """The camera without dark counts, which are no read noise."""
    counts = ("spurious_electrons", "dark_electrons", "dark_counts")
    return camera.model_copy(update={name: 0.0 for name in counts if hasattr(camera, name)})


def record(camera, photons, key, n=4):
    shape = (n, *np.shape(photons)) if np.ndim(photons) else (n, *YX)
    return camera.record(np.broadcast_to(np.asarray(photons, float), shape).copy(), key, (0, 0, 0), shape)


def uneven():
    """Light that falls off towards the edges, by a third."""
    y, x = np.indices(YX)
    return 1.0 - 0.3 * ((y / YX[0] - 0.5) ** 2 + (x / YX[1] - 0.5) ** 2)


@pytest.mark.parametrize("key", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_dark_and_flat_frames_give_gain_offset_and_read_noise_within_2_percent(kind, key):
    camera = part("synimg.cameras", kind)()
    dark = dark_frames(record(in_the_dark(camera), 0.0, key, 20))
    levels = [flat_level(record(camera, m * uneven(), 10 * key + i), dark.offset_adu) for i, m in enumerate(LEVELS)]
    curve = transfer_curve(levels, dark)
    gain = camera.gain_adu_per_electron
    assert curve.gain_adu_per_electron == pytest.approx(gain, rel=0.02)
    assert abs(curve.gain_adu_per_electron - gain) < 4 * curve.gain_se + 0.01 * gain * (kind == "photon_counting")
    assert dark.offset_adu == pytest.approx(camera.offset_adu, abs=0.1)
    assert dark.noise_adu == pytest.approx(camera.read_noise_electrons * gain, rel=0.02)


def test_levels_with_full_wells_or_clipped_pixels_are_left_out():
    camera = Scmos(full_well_electrons=500.0, bits=11)
    dark = dark_frames(record(camera, 0.0, 1, 8))
    photons = (50.0, 150.0, 300.0, 590.0, 640.0, 5000.0)  # the last but two begins to fill, the others are full
    levels = [flat_level(record(camera, m, 2 + i), dark.offset_adu, camera.largest_adu) for i, m in enumerate(photons)]
    curve = transfer_curve(levels, dark)
    assert curve.used.tolist() == [True] * 4 + [False] * 3
    assert curve.gain_adu_per_electron == pytest.approx(camera.gain_adu_per_electron, rel=0.02)


def test_a_lamp_that_flickers_on_an_uneven_field_adds_no_variance():
    camera = Scmos()
    light = np.broadcast_to(np.linspace(100.0, 1900.0, YX[1]), YX)
    frames = np.concatenate([record(camera, m * light, i, 1) for i, m in enumerate((0.97, 1.03, 0.95, 1.05))])
    level = flat_level(frames, camera.offset_adu)
    expected = 2.17 * (level.mean_adu - 100.0) + (1.6 * 2.17) ** 2
    assert level.variance_adu2 == pytest.approx(expected, rel=0.03)
    assert level.variance_adu2 < 0.9 * frames.var(axis=0, ddof=1).mean()


def test_pixels_differ_as_the_sensor_does():
    camera = Scmos(offset_sd_adu=2.0, read_noise_sd_ln=0.4)
    dark = dark_frames(record(camera, 0.0, 1, 40))
    offset, _, noise = camera.maps((0, 0), YX)
    assert dark.offset_sd_adu == pytest.approx(2.0, rel=0.05)
    assert dark.noise_sd_ln == pytest.approx(0.4, rel=0.05)
    assert dark.noise_adu == pytest.approx(1.6 * 2.17, rel=0.02)
    assert np.corrcoef(dark.offset_map_adu.ravel(), offset.ravel())[0, 1] > 0.95
    assert np.corrcoef(np.log(dark.noise_map_adu.ravel()), np.log(noise.ravel()))[0, 1] > 0.9


def test_equal_pixels_have_maps_without_chance():
    dark = dark_frames(record(Scmos(), 0.0, 1, 8))
    assert dark.noise_sd_ln < 0.05
    assert dark.noise_map_adu.std() < 0.03 * dark.noise_adu  # of 8 frames alone it would scatter by 27 %
    assert dark.offset_map_adu.std() < 0.2  # by 1.2


@given(st.floats(0.1, 10.0), st.floats(-50.0, 50.0))
def test_grey_levels_in_another_unit_and_from_another_zero_are_the_same_camera(unit, shift):
    levels = [Level(m, 2.0 * (m - 90.0) * (1 + e), 0.02 * m) for m, e in ((110.0, 0.01), (200.0, -0.02), (500.0, 0.01))]
    changed = [
        Level(unit * lv.mean_adu + shift, unit**2 * lv.variance_adu2, unit**2 * lv.variance_se_adu2) for lv in levels
    ]
    one, other = transfer_curve(levels), transfer_curve(changed)
    assert other.gain_adu_per_electron == pytest.approx(unit * one.gain_adu_per_electron)
    assert other.gain_se == pytest.approx(unit * one.gain_se)
    assert other.zero_adu == pytest.approx(unit * one.zero_adu + shift, rel=1e-6, abs=1e-6)


def scene(seed, shape=(8, 200, 200), background=20.0, n=150, photons=800.0):
    """Puncta on a background that varies smoothly by a quarter [photons]."""
    rng = np.random.default_rng(seed)
    image = np.zeros(shape)
    at = tuple(rng.integers(0, s, n) for s in shape)
    np.add.at(image, at, photons * np.exp(0.7 * rng.standard_normal(n)))
    image = ndimage.gaussian_filter(image, (1.35, 1.36, 1.36)[-len(shape) :], mode="wrap")
    smooth = ndimage.gaussian_filter(rng.standard_normal(shape[1:]), 30, mode="wrap")
    return image + background * (1.0 + 0.25 * smooth / smooth.std()).clip(0.2)


def of_image(camera, seed, dark=None, **options):
    image = scene(seed, **options)
    grey = camera.record(image, seed, (0, 0, 0), image.shape)
    return image_noise(grey.reshape(-1, min(2, len(grey)), *grey.shape[1:]), camera.largest_adu, dark)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_tells_its_gain_within_the_stated_error(kind):
    camera = part("synimg.cameras", kind)()
    found = of_image(camera, 3, background=20.0 * 0.82 / camera.quantum_efficiency)
    gain = camera.gain_adu_per_electron
    zero = camera.offset_adu - gain * camera.read_noise_electrons**2
    assert found.doubts == ()
    assert found.curve.gain_se < 0.07 * gain
    assert abs(found.curve.gain_adu_per_electron - gain) < 3 * found.curve.gain_se
    assert abs(found.curve.zero_adu - zero) < 3 * found.curve.zero_se_adu


def test_few_counts_are_no_background_that_was_cut_off():
    found = of_image(part("synimg.cameras", "photon_counting")(), 3, background=0.3)
    assert found.doubts == ()
    assert found.curve.gain_adu_per_electron == pytest.approx(1.0, abs=3 * found.curve.gain_se)


def test_dark_frames_make_an_images_gain_surer():
    camera = Scmos(offset_sd_adu=2.0, read_noise_sd_ln=0.4)
    dark = dark_frames(record(camera, np.zeros((200, 200)), 1, 20))
    alone, with_dark = of_image(camera, 3), of_image(camera, 3, dark)
    assert with_dark.curve.gain_se < 0.4 * alone.curve.gain_se
    assert abs(with_dark.curve.gain_adu_per_electron - 2.17) < 3 * with_dark.curve.gain_se


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"n": 1000}, {"shape": (1, 512, 512), "n": 300}])
def test_stated_errors_of_an_image_hold(options):
    camera = Scmos()
    found = [of_image(camera, seed, **options).curve for seed in range(60)]
    pull = np.array([(c.gain_adu_per_electron - 2.17) / c.gain_se for c in found])
    assert abs(pull.mean()) < 0.4
    assert 0.75 < pull.std() < 1.25
    assert (np.abs(pull) < 1.96).mean() >= 0.88


def eight_bit(grey):
    low, high = np.percentile(grey, (1, 99.9))
    return np.clip((grey - low) / (high - low) * 255, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda g: ndimage.gaussian_filter(g, (0, 0.5, 0.5)), "along y.*along x.*smoothed"),
        (lambda g: ndimage.gaussian_filter(g, (0.5, 0, 0)), "along z"),
        (lambda g: ndimage.shift(g, (0, 0, 0.3), order=1, mode="nearest"), "along x"),
        (lambda g: ndimage.median_filter(g, (1, 3, 3)), "correlated"),
        (eight_bit, "8-bit"),
        (
            lambda g: (np.clip((g - 95) / 2000, 0, 1) ** 0.6 * 65535).astype(np.uint16),
            "in proportion|grow with the light",
        ),
        (lambda g: np.clip(g - 150, 0, None).astype(np.uint16), "cut off"),
        (lambda g: g - ndimage.uniform_filter(g, (1, 31, 31)), "below zero"),
        (lambda g: (g / 60.0).astype(np.uint16), "whole grey levels"),
    ],
)
def test_an_image_that_was_processed_is_unknown(change, sentence):
    image = scene(5)
    grey = Scmos().record(image, 5, (0, 0, 0), image.shape).astype(float)
    found = image_noise(np.ascontiguousarray(change(grey)).reshape(4, 2, 200, 200))
    assert re.search(sentence, "; ".join(found.doubts))


def test_an_even_field_does_not_tell_its_gain():
    camera = Scmos()
    grey = record(camera, np.full((200, 200), 20.0), 1, 8)
    doubts = image_noise(grey.reshape(4, 2, 200, 200)).doubts
    assert re.search("varies too little|does not grow", "; ".join(doubts))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Dark and flat frames, and an image, of a sensor whose pixels differ."""
    camera, folder = Scmos(offset_sd_adu=2.0, read_noise_sd_ln=0.4), tmp_path_factory.mktemp("frames")
    field = np.ones((200, 200))
    tifffile.imwrite(folder / "dark.tif", record(camera, 0 * field, 1, 20))
    for k, photons in enumerate((20.0, 400.0)):
        for name, frame in zip("ab", record(camera, photons * field, 2 + k, 2), strict=True):
            tifffile.imwrite(folder / f"flat{k}{name}.tif", frame)
    image = scene(4)
    tifffile.imwrite(folder / "image.tif", camera.record(image, 9, (0, 0, 0), image.shape), metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "small.tif", record(camera, 1.0, 9, 2))
    return folder


def flats(folder):
    return [[folder / f"flat{k}{name}.tif" for name in "ab"] for k in range(2)]


def test_a_measured_camera_reads_back_with_its_pixels_and_undoes_them(files, tmp_path):
    found = find_camera([files / "dark.tif"], flats(files))
    written = save_camera(found, tmp_path / "camera.toml")
    assert [path.name for path in written] == ["camera.toml", "camera_pixels.tif"]
    camera = read_camera(tmp_path / "camera.toml")
    assert camera.gain_adu_per_electron == pytest.approx(2.17, rel=0.02)
    assert camera.read_noise_electrons == pytest.approx(1.6, rel=0.02)
    facts = {"synimg_schema": 1, "window_days": 2.0, "voxel_um": (0.2, 0.07, 0.07), "photons_per_receptor": 40.0}
    facts |= {"photons_shape": 4.0, "tag": {}, "identity": {}, "channels": [], "by_pixel": True}
    recording = Recording.parse(facts | {"camera": camera.model_dump()}, "test")
    dark = tifffile.imread(files / "dark.tif")
    plain = recording.model_copy(update={"by_pixel": False})
    scatter = [r.electrons(dark, r.pixels((0, 0, 0), dark.shape)).mean(axis=0).std() for r in (recording, plain)]
    assert scatter[0] < 0.4 * scatter[1]


def test_an_image_alone_gives_a_camera_without_read_noise_and_says_so(files, tmp_path):
    found = find_camera([], [], files / "image.tif")
    save_camera(found, tmp_path / "camera.toml")
    text = (tmp_path / "camera.toml").read_text()
    assert "cannot be told apart" in text
    assert read_camera(tmp_path / "camera.toml").read_noise_electrons == 0.0
    assert found.camera.offset_adu == pytest.approx(100 - 2.17 * 1.6**2, abs=10)


def test_of_an_unknown_camera_no_file_is_written(files, tmp_path):
    found = find_camera([files / "dark.tif"], [])
    assert save_camera(found, tmp_path / "camera.toml") == []
    assert "the gain is not known" in found.notes[0]


@pytest.mark.parametrize(
    ("dark", "flat", "image", "sentence"),
    [
        ([], [], None, "give dark frames"),
        (["absent.tif"], [], None, "absent.tif: no such file"),
        (["flat0a.tif"], [], None, "a single dark frame"),
        (["dark.tif", "small.tif"], [], None, "small.tif: has 120 x 130 pixels, dark.tif 200 x 200"),
        (["dark.tif"], [["small.tif"]], None, "take one region of the sensor for all"),
        ([], [["flat0a.tif"]], None, "a single flat frame"),
        ([], [["flat0a.tif", "flat0b.tif"]], None, "too few are left"),
        ([], [["flat0a.tif", "flat0b.tif"]], "image.tif", "not both"),
    ],
)
def test_a_mistake_is_one_sentence(files, dark, flat, image, sentence):
    with pytest.raises(SynimgError, match=sentence):
        find_camera(
            [files / name for name in dark],
            [[files / name for name in level] for level in flat],
            image and files / image,
        )
