"""Point spread functions of physical optics: flux, places and widths against theory and against other people's code."""

import numpy as np
import pytest
import tifffile

from synimg.config import Config
from synimg.errors import SynimgError
from synimg.family import names, part
from synimg.optics.pupil import Objective, scalar_intensity, vector_intensity
from synimg.phantoms.render import imaging_notes
from synimg.psf.gibson_lanni import GibsonLanni
from synimg.psf.protocol import one_emitter

VOXEL_UM = (0.2, 0.07, 0.07)
NM = 571.0
BEAD = 1000 * np.exp(-0.5 * ((np.moveaxis(np.indices((15, 21, 21)), 0, -1) - (7, 10, 10)) ** 2 / (6.25, 4, 4)).sum(-1))
PLACES = [(0.0, 0.0, 0.0), (3.3, 4.7, 5.1), (0.5, 0.5, 0.5), (-7.75, 2.2, 0.9)]


@pytest.fixture(scope="module")
def confocal():
    return part("synimg.psf", "confocal")()


@pytest.fixture(scope="module")
def kernel(confocal):
    return confocal.kernel(NM, VOXEL_UM, 64)


def collected(profile, at, shape, first, n=(20, 10, 10)):
    """What the voxels collect, by brute force: the profile summed over a fine grid; and all of its light."""
    axes = [((np.arange(shape[a] * n[a]) + 0.5) / n[a] - 0.5 + first[a] - at[a]) * VOXEL_UM[a] for a in range(3)]
    out = np.zeros(shape)
    for i, z in enumerate(axes[0]):
        plane = profile.plane(z, np.hypot(axes[1][:, None], axes[2]))
        out[i // n[0]] += plane.reshape(shape[1], n[1], shape[2], n[2]).sum(axis=(1, 3))
    return out


@pytest.mark.parametrize("at", PLACES)
def test_no_photon_is_lost_and_peak_and_centre_are_right(kernel, confocal, at):
    shares, first = one_emitter(kernel, at)
    assert shares.sum() == pytest.approx(1.0, abs=1e-6)
    exact = collected(confocal.profile(NM, 6.4), at, shares.shape, first)
    exact /= exact.sum()
    assert np.abs(shares - exact).max() < 0.02 * exact.max()
    for axis, voxel_um in enumerate(VOXEL_UM):
        grid = np.arange(shares.shape[axis]).reshape([-1 if a == axis else 1 for a in range(3)])
        assert ((shares - exact) * grid).sum() * voxel_um == pytest.approx(0.0, abs=0.001)  # 1 nm


def test_a_block_rendered_alone_is_the_cut_of_the_whole(kernel):
    rng = np.random.default_rng(1)
    points, photons = rng.uniform(-5, 45, (30, 3)), rng.gamma(2, 100, 30)
    whole = np.zeros((31, 43, 37))
    kernel.deposit(whole, np.zeros(3, int), points, photons)
    for start, shape in (((0, 0, 0), (7, 20, 37)), ((9, 13, 5), (8, 11, 21)), ((30, 42, 36), (1, 1, 1))):
        block = np.zeros(shape)
        kernel.deposit(block, np.array(start), points, photons)
        np.testing.assert_array_equal(block, whole[tuple(slice(s, s + n) for s, n in zip(start, shape, strict=True))])


@pytest.mark.parametrize("kind", [k for k in names("synimg.psf") if k != "measured"])
def test_every_kind_keeps_the_flux_and_is_as_wide_as_it_says(kind):
    psf = part("synimg.psf", kind)()
    sigma, share = psf.sigma_um(NM), psf.gaussian_share(NM)
    voxel_um = (0.5 * sigma[0], 0.7 * sigma[1], 0.7 * sigma[2])
    shares, _ = one_emitter(psf.kernel(NM, voxel_um, 8), (0.0, 0.0, 0.0))
    assert shares.sum() == pytest.approx(1.0, abs=1e-3)
    peak = np.array(np.unravel_index(shares.argmax(), shares.shape))
    for axis in range(3):  # half way down at the Gaussian's half width, within what its tails add
        line = _line(shares, peak, axis)
        half = np.interp(0.5 * line.max(), line[peak[axis] :][::-1], np.arange(line.size - peak[axis])[::-1])
        assert half * voxel_um[axis] == pytest.approx(1.177 * sigma[axis], rel=0.12)
    assert 0.2 < share <= 1.0


def _line(shares, peak, axis):
    index = [int(p) for p in peak]
    return shares[tuple(slice(None) if a == axis else index[a] for a in range(3))]


@pytest.mark.parametrize("na", [0.3, 0.5])
def test_a_low_aperture_gives_the_airy_pattern_and_its_depth_of_field(na):
    lens = Objective(na, 1.0, 1.0)
    r = np.arange(0, 1.2, 0.002)
    z = np.arange(-8, 8, 0.02)
    plane = scalar_intensity(lens, 500.0, 0.0, np.zeros(1), r)[0]
    assert r[np.argmin(plane[: int(0.45 / na / 0.002)])] == pytest.approx(0.61 * 0.5 / na, rel=0.01)  # first dark ring
    axis = scalar_intensity(lens, 500.0, 0.0, z, np.zeros(1))[:, 0]
    wide = np.count_nonzero(axis > 0.5 * axis.max()) * 0.02
    assert wide == pytest.approx(0.88 * 0.5 / (1 - np.sqrt(1 - na**2)), rel=0.03)  # Wilhelm et al., eq. 5


@pytest.mark.parametrize("depth_um", [0.0, 8.0])
@pytest.mark.parametrize(("ours", "theirs"), [(scalar_intensity, "scalar_psf"), (vector_intensity, "vectorial_psf")])
def test_intensities_are_those_of_psfmodels(ours, theirs, depth_um):
    psfmodels = pytest.importorskip("psfmodels")
    z = np.arange(-30, 31) * 0.05
    lens = Objective(1.2, 1.515, 1.40)
    r = np.arange(16) * 0.05
    mine = ours(lens, 600.0, depth_um, z, r)
    settings = {"NA": 1.2, "ns": 1.40, "ni": 1.515, "ni0": 1.515, "ng": 1.515, "ng0": 1.515, "sf": 1}
    wide = np.arange(-160, 161) * 0.05 + depth_um
    volume = getattr(psfmodels, theirs)(wide, nx=31, dxy=0.05, pz=depth_um, wvl=0.6, params=settings)
    peak = int(volume[:, 15, 15].argmax())
    found = volume[peak - 30 : peak + 31, 15, 15:]
    assert np.abs(mine / mine.max() - found / found.max()).max() < 0.06
    assert np.corrcoef(mine.ravel(), found.ravel())[0, 1] > 0.997


def test_a_wrong_refractive_index_dims_and_widens_with_depth(confocal):
    kernel = confocal.model_copy(update={"sample_index": 1.40, "depth_step_um": 5.0}).kernel(NM, VOXEL_UM, 100)
    assert kernel.depth_um.size == 4
    peaks = []
    for z in (5.0, 30.0, 60.0, 95.0):
        shares, _ = one_emitter(kernel, (z, 0.0, 0.0))
        assert shares.sum() == pytest.approx(1.0, abs=1e-6)
        peaks.append(shares.max())
    assert (np.diff(peaks) < 0).all()
    assert peaks[-1] < 0.7 * peaks[0]


@pytest.fixture
def bead(tmp_path, kernel):
    """A stack of a bead as our own microscope would show it, with background."""
    shares, _ = one_emitter(kernel, (0.0, 0.0, 0.0))
    tifffile.imwrite(tmp_path / "bead.tif", (1e5 * shares + 100).astype(np.float32))
    return tmp_path / "bead.tif"


def test_a_bead_stack_gives_back_the_microscope_that_took_it(bead, confocal, kernel):
    measured = part("synimg.psf", "measured")(file=str(bead), stack_voxel_um=VOXEL_UM)
    found, _ = one_emitter(measured.kernel(NM, VOXEL_UM, 64), (0.0, 0.0, 0.0))
    truth, _ = one_emitter(kernel, (0.0, 0.0, 0.0))
    assert found.sum() == pytest.approx(1.0, abs=1e-6)
    # the stack's voxels widen it once more: by 1/12 of a voxel squared
    assert found.max() == pytest.approx(truth.max(), rel=0.12)
    np.testing.assert_allclose(measured.sigma_um(NM), confocal.sigma_um(NM), rtol=0.12)
    assert measured.gaussian_share(NM) == pytest.approx(confocal.gaussian_share(NM), abs=0.1)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.zeros((9, 9), np.float32), "a bead stack is"),
        (np.full((9, 9, 9), np.nan, np.float32), "NaN"),
        (np.full((9, 9, 9), 7.0, np.float32), "no bead stands out"),
        (np.pad(np.full((2, 2, 2), 9.0, np.float32), ((1, 12), (1, 12), (1, 12))), "in the middle"),
        (np.minimum(BEAD, 200).astype(np.uint8), "saturated: .* voxels have its brightest level of 200"),
    ],
)
def test_a_bad_bead_stack_is_one_sentence(tmp_path, values, said):
    tifffile.imwrite(tmp_path / "bead.tif", values)
    psf = part("synimg.psf", "measured")(file=str(tmp_path / "bead.tif"))
    with pytest.raises(SynimgError, match=said):
        psf.kernel(NM, VOXEL_UM, 8)
    with pytest.raises(SynimgError, match="no such file"):
        part("synimg.psf", "measured")(file=str(tmp_path / "none.tif")).sigma_um(NM)


def test_a_bead_stack_that_is_cut_off_is_one_sentence_and_no_line_of_tifffile(tmp_path, capfd):
    file = tmp_path / "bead.tif"
    tifffile.imwrite(file, BEAD.astype(np.float32))
    file.write_bytes(file.read_bytes()[:3000])
    with pytest.raises(SynimgError, match="not readable as TIFF"):
        part("synimg.psf", "measured")(file=str(file)).sigma_um(NM)
    assert capfd.readouterr() == ("", "")


def test_an_8_bit_bead_that_is_not_saturated_is_taken(tmp_path):
    tifffile.imwrite(tmp_path / "bead.tif", np.rint(0.25 * BEAD).astype(np.uint8))
    psf = part("synimg.psf", "measured")(file=str(tmp_path / "bead.tif"), stack_voxel_um=(0.1, 0.05, 0.05))
    assert psf.sigma_um(NM) == pytest.approx((0.25, 0.1, 0.1), rel=0.02)


@pytest.mark.parametrize("voxel_um", [(0.0, 0.05, 0.05), (0.1, -0.05, 0.05), (100.0, 50.0, 50.0)])
def test_a_stack_without_a_voxel_size_is_refused(voxel_um):
    with pytest.raises(SynimgError, match="a voxel size lies above 0 and up to 10 um"):
        Config.parse({"psf": {"kind": "measured", "stack_voxel_um": voxel_um}}, "test")


@pytest.mark.parametrize("kind", ["gaussian", "confocal"])
def test_an_aperture_beyond_the_immersions_index_is_refused(kind):
    with pytest.raises(SynimgError, match=r"numerical_aperture = 1\.6 is not below refractive_index = 1\.518"):
        Config.parse({"psf": {"kind": kind, "numerical_aperture": 1.6}}, "test")


def test_light_that_is_followed_too_far_is_refused_before_it_is_computed(monkeypatch):
    monkeypatch.setattr(GibsonLanni, "intensity", lambda *_: pytest.fail("computed"))
    config = Config.parse({"psf": {"kind": "gibson_lanni", "half_depth_um": 20.0}}, "test")
    with pytest.raises(
        SynimgError, match=r"reaches over \d+ x \d+ voxels, 150 x 150 is the most; follow its light less far"
    ):
        imaging_notes(config)
