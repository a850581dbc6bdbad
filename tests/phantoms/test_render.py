"""The image: mean and variance of every voxel, and what the microscope does to the light."""

import tomllib
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synimg.config import Config, microscopes, preset, seen_by, to_toml
from synimg.errors import SynimgError
from synimg.phantoms.prepare import tissue_config
from synimg.phantoms.render import Channel, _background, expected_photons, imaging_notes, render
from synimg.psf.gaussian import GaussianKernel
from synimg.store.bins import Bins, bins_of

SHAPE = (17, 65, 97)
RNG = np.random.default_rng(1)
POINTS = RNG.uniform(-0.05, 1.05, (300, 3)) * SHAPE
PHOTONS = RNG.gamma(2, 400, 300)


def config_of(**values):
    return Config.parse({"volume": {"shape_vox": SHAPE, "voxel_um": (0.2, 0.1, 0.1)}, **values}, "test")


def channel(config, name="pulse", points=POINTS, photons=PHOTONS, background=5.0, kernel=None):
    kernel = kernel or GaussianKernel(np.array([1.2, 1.1, 1.1]))
    lattice = np.random.default_rng(2).standard_normal([9, 9, 9])
    light = config.optics.brightness(points, SHAPE, 0.2)
    emitters = Bins(points, (points, photons * light), SHAPE, kernel.reach_vox)
    spacing = np.array([20.0, 40.0, 40.0])
    return Channel(name, "FFFFFF", 600.0, emitters, kernel, lattice, spacing, background, 0.2, np.zeros(3), 11)


WHOLE = ((0, 0, 0), SHAPE)


@lru_cache
def pair_and_whole(kind):
    """Two channels that bleed into each other under an uneven light, and their image."""
    optics = {"illumination_falloff": 0.3, "bleed_through": [("pulse", "chase", 0.1)]}
    config = config_of(psf={"kind": kind}, optics=optics)
    kernel = config.psf.kernel(600.0, (0.2, 0.1, 0.1), 17)
    pair = [channel(config, name, kernel=kernel) for name in ("pulse", "chase")]
    return config, pair, render(pair, config, WHOLE)


@pytest.mark.parametrize("kind", ["gaussian", "confocal"])
@settings(max_examples=10, deadline=None)
@given(data=st.data())
def test_any_block_is_the_cut_of_the_whole(kind, data):
    config, pair, whole = pair_and_whole(kind)
    start = tuple(data.draw(st.integers(0, n - 1)) for n in SHAPE)
    shape = tuple(data.draw(st.integers(1, n - s)) for n, s in zip(SHAPE, start, strict=True))
    cut = whole[(slice(None), *(slice(s, s + n) for s, n in zip(start, shape, strict=True)))]
    np.testing.assert_array_equal(render(pair, config, (start, shape)), cut)


def test_mean_and_variance_of_a_voxel_are_the_formula_s():
    config = config_of()
    one, camera = channel(config), config.camera
    photons = expected_photons([one], config, WHOLE)[0]
    grey = np.stack([camera.record(photons, key, (0, 0, 0), SHAPE) for key in range(200)]).astype(float)
    electrons = camera.quantum_efficiency * photons
    mean = camera.offset_adu + camera.gain_adu_per_electron * electrons
    variance = camera.gain_adu_per_electron**2 * (electrons + camera.read_noise_electrons**2) + 1 / 12
    error = (grey.mean(axis=0) - mean) / np.sqrt(variance / 200)
    assert error.mean() == pytest.approx(0, abs=5 / np.sqrt(error.size))
    assert error.std() == pytest.approx(1, abs=0.02)
    assert (grey.var(axis=0, ddof=1) / variance).mean() == pytest.approx(1, abs=0.003)


def test_flux_is_conserved():
    inside = np.random.default_rng(3).uniform(0.3, 0.7, (50, 3)) * SHAPE
    for kind in ("gaussian", "confocal"):
        config = config_of(psf={"kind": kind})
        kernel = config.psf.kernel(600.0, (0.3, 0.3, 0.3), 17)
        one = channel(config, points=inside, photons=np.full(50, 100.0), background=0.0, kernel=kernel)
        assert expected_photons([one], config, WHOLE).sum() == pytest.approx(5000, rel=1e-3)


def test_light_bleeds_into_the_other_channel_without_its_background():
    config = config_of(optics={"bleed_through": [("pulse", "chase", 0.03)]})
    pulse, chase = channel(config), channel(config, "chase", points=POINTS[:0], photons=PHOTONS[:0])
    clean = expected_photons([pulse, chase], config_of(), WHOLE)
    mixed = expected_photons([pulse, chase], config, WHOLE)
    np.testing.assert_allclose(mixed[0], clean[0], rtol=1e-6)
    np.testing.assert_allclose(mixed[1] - clean[1], 0.03 * (clean[0] - clean[1]), atol=1e-5)


def test_brightness_falls_with_depth_in_the_corners_and_along_the_scan():
    optics = config_of(optics={"attenuation_length_um": 2.0, "illumination_falloff": 0.4, "bleached_share": 0.5}).optics
    middle, corner = np.array([0, 32, 48.0]), np.array([0, 0, 0.0])
    assert optics.brightness(middle, SHAPE, 0.2) == 1.0
    assert optics.brightness(corner, SHAPE, 0.2) == pytest.approx(0.6)
    assert config_of(optics={"exposure": 3.0}).optics.brightness(middle, SHAPE, 0.2) == 3.0
    deep = np.array([16, 32, 48.0])
    assert optics.brightness(deep, SHAPE, 0.2) == pytest.approx(0.5 * np.exp(-16 * 0.2 / 2.0))
    assert optics.brightness(middle, SHAPE, 0.2, first_depth_um=3.0) == pytest.approx(np.exp(-3.0 / 2.0))
    config = config_of(optics={"attenuation_length_um": 2.0})
    empty = channel(config, points=POINTS[:0], photons=PHOTONS[:0])
    planes = expected_photons([empty], config, WHOLE)[0].mean(axis=(1, 2))
    flat = expected_photons([empty], config_of(), WHOLE)[0].mean(axis=(1, 2))
    np.testing.assert_allclose(planes / flat, np.exp(-np.arange(17) * 0.2 / 2.0), rtol=1e-6)


def test_a_chromatic_shift_is_recovered_from_the_image():
    shift_um = np.array([0.15, 0.06, -0.04])
    inside = np.random.default_rng(4).uniform(0.35, 0.65, (40, 3)) * SHAPE
    config, centre = config_of(camera={"kind": "scmos", "read_noise_electrons": 1.0}), {}
    for name, points in (("chase", inside), ("pulse", inside + shift_um / config.volume.voxel_um)):
        one = channel(config, name, points=points, photons=np.full(40, 2000.0), background=0.0)
        grey = render([one], config, WHOLE)[0] - config.camera.offset_adu
        grid = np.indices(SHAPE).reshape(3, -1)
        centre[name] = (grid @ grey.ravel() / grey.sum()) * np.array(config.volume.voxel_um)
    np.testing.assert_allclose(centre["pulse"] - centre["chase"], shift_um, atol=0.02)


def test_the_background_has_its_spectrum():
    """Mean, variance at every place, and covariance over every distance are those of the blend of the lattice's nodes."""
    n, spacing, cv = 70, 20.0, 0.2

    def blend(x):
        part = x / spacing - np.floor(x / spacing)
        part = part * part * (3.0 - 2.0 * part)
        weights = np.zeros((x.size, 6))
        rows, node = np.arange(x.size), np.floor(x / spacing).astype(int)
        weights[rows, node], weights[rows, node + 1] = 1.0 - part, part
        return weights / np.linalg.norm(weights, axis=1, keepdims=True)

    rng, fields = np.random.default_rng(5), np.empty((3000, n))
    for field in fields:
        block = np.empty((1, 1, n))
        _background(block, np.zeros(3, np.int64), rng.standard_normal((3, 3, 6)), np.full(3, spacing), 5.0, cv)
        field[:] = block[0, 0] / 5.0 - 1.0
    weights = blend(np.arange(n, dtype=float))
    wanted = cv**2 * weights @ weights.T
    np.testing.assert_allclose(fields.mean(axis=0), 0.0, atol=5 * cv / np.sqrt(3000))
    np.testing.assert_allclose(np.cov(fields.T), wanted, atol=6 * cv**2 * np.sqrt(2 / 3000))
    assert np.abs(wanted[0, 2 * 20 :]).max() == 0  # nothing is left beyond two nodes


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_channels_are_shifted_by_colour_and_by_motion(seed):
    optics = config_of(
        optics={"chromatic_shift_um": {"chase": (0.15, 0.04, -0.03)}, "motion_sd_um": (0.1, 0.2, 0.0)}
    ).optics
    rng = np.random.default_rng(seed)
    shifts = np.array([optics.shift_um("chase", rng) for _ in range(1000)])
    np.testing.assert_allclose(shifts.mean(axis=0), (0.15, 0.04, -0.03), atol=5 * 0.2 / np.sqrt(1000))
    np.testing.assert_allclose(shifts.std(axis=0), (0.1, 0.2, 0.0), rtol=0.12, atol=1e-12)
    assert not optics.shift_um("pulse", rng).any()  # the first channel is where it is
    assert (optics.known_shift_um("pulse"), optics.known_shift_um("chase")) == ((0, 0, 0), None)
    still = optics.model_copy(update={"motion_sd_um": (0.0, 0.0, 0.0)})
    assert still.known_shift_um("chase") == (0.15, 0.04, -0.03)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_bins_give_every_row_that_is_near_in_one_order_in_memory_and_on_disk(tmp_path, seed):
    rng = np.random.default_rng(seed)
    places = rng.uniform(-0.2, 1.2, (500, 3)) * SHAPE
    bins = Bins(places, (places, np.arange(500)), SHAPE, (3.0, 4.0, 5.0))
    stored = bins.save(tmp_path / "bins")
    everything = bins.near(np.zeros(3), np.array(SHAPE))[1]
    for _ in range(20):
        low = rng.integers(0, SHAPE)
        high = low + rng.integers(1, 30, 3)
        near = bins.near(low, high)[1]
        reach = np.array([3, 4, 5])
        wanted = np.flatnonzero(((places >= low - reach) & (places < high + reach)).all(axis=1))
        assert np.isin(wanted, near).all()
        np.testing.assert_array_equal(near, everything[np.isin(everything, near)])
        np.testing.assert_array_equal(stored.near(low, high)[1], near)


@pytest.mark.parametrize("cuts", [[], [1, 1, 40, 499]])
def test_bins_made_piece_by_piece_are_those_made_at_once(tmp_path, cuts):
    rng = np.random.default_rng(1)
    places = rng.uniform(-0.2, 1.2, (500, 3)) * SHAPE
    columns = places, rng.random(500), np.arange(500, dtype=np.int32)
    parts = [(np.split(places, cuts)), *(np.split(column, cuts) for column in columns)]
    reach = (3.0, 4.0, 5.0)
    made = bins_of(((place, tuple(row)) for place, *row in zip(*parts, strict=True)), SHAPE, reach, tmp_path / "pieces")
    Bins(places, columns, SHAPE, reach).save(tmp_path / "once")
    assert made.n == 500
    for file in (tmp_path / "once").iterdir():
        assert (tmp_path / "pieces" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", microscopes())
def test_every_microscope_can_be_taken_by_name_and_written_out(name):
    own = {"camera": {"offset_adu": 42.0}} if name == "light_sheet" else {}
    config = Config.parse({"microscope": name, **own}, name)
    assert config.psf == seen_by(preset("demo"), name).psf != preset("demo").psf
    if name == "light_sheet":
        assert (config.camera.offset_adu, config.camera.quantum_efficiency) == (42.0, 0.95)
    written = seen_by(preset("demo"), name)
    # whatever the voxels and the swelling, the block of tissue stays, and its neurons have room
    size_um = tissue_config(written).volume.size_um
    np.testing.assert_allclose(size_um, preset("demo").volume.size_um, atol=0.5 * max(written.volume.voxel_um))
    assert Config.parse(tomllib.loads(to_toml(written)), name) == written
    # planes as thick as a section, and as far apart as in vivo, are coarse
    assert len(imaging_notes(written)) == (name in {"array_tomography", "two_photon"})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"microscope": "airscan"}, "did you mean 'airyscan'"),
        ({"optics": {"bleed_through": [["pulse", "pulse", 0.1]]}}, "between two channels"),
        ({"optics": {"motion_sd_um": [-1, 0, 0]}}, "0 or more"),
        ({"optics": {"motion_sd_um": [0, 0, 100]}}, r"motion_sd_um = \[.*\]: 5 um is the most"),
        ({"optics": {"chromatic_shift_um": {"pulse": [1000, 0, 0]}}}, "of 'pulse' = .* micrometres, 0.1 for 100 nm"),
        ({"dyes": {"background_photons": -1}}, "greater than or equal to 0"),
    ],
)
def test_wrong_optics_are_one_sentence(values, said):
    with pytest.raises(SynimgError, match=said):
        Config.parse(values, "test")


def test_a_channel_that_is_not_there_and_a_psf_larger_than_the_volume_are_refused():
    with pytest.raises(SynimgError, match="no channel 'puls'; did you mean 'pulse'"):
        imaging_notes(config_of(optics={"chromatic_shift_um": {"puls": (0, 0, 0)}}))
    with pytest.raises(SynimgError, match="um wide along z, the volume is"):
        imaging_notes(config_of(psf={"kind": "widths", "axial_fwhm_um": 9.0}))


def test_coarse_voxels_are_said_with_the_number_that_would_do():
    notes = imaging_notes(config_of(psf={"kind": "widths", "axial_fwhm_um": 0.3, "lateral_fwhm_um": 0.3}))
    assert len(notes) == 1
    assert "voxels of 0.2 um along z sample the point spread function" in notes[0]
