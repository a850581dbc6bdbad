"""Form and area of puncta: discs of known size, points, pairs; errors that hold."""

import numpy as np
import pytest

from synimg.analysis.extent import Shapes, extents_of, psf_covariance, receptor_covariance, shapes_of
from synimg.analysis.fisher import joint_covariances
from synimg.analysis.fit import Fit, Scene, fit_puncta, model_of, start
from synimg.psf.gaussian import deposit
from synimg.streams import stream

VOXEL = np.array([0.2, 0.07, 0.07])
PSF = np.array([0.27, 0.095, 0.095]) / VOXEL
SHAPE, BACKGROUND = (38, 124, 124), 8.0
N_EMITTERS = 300


def scene(data, spread=2e-6):
    return Scene(data, np.full((1, *SHAPE), BACKGROUND), PSF[None], np.zeros((1, 3)), VOXEL, spread)


def places(rng):
    """50 of them that stand alone."""
    nodes = np.stack(np.meshgrid([12, 26], np.arange(14, 120, 24), np.arange(14, 120, 24), indexing="ij"), axis=-1)
    return nodes.reshape(-1, 3) + rng.uniform(-0.5, 0.5, (nodes.size // 3, 3))


def recorded(electrons, radius_um, rng, aspect=1.0, apart_um=0.0):
    """Flat ellipses, or pairs of them, in all directions: what is recorded of them, and what is found."""
    points = places(rng)
    normal, other = rng.standard_normal((2, len(points), 3))
    first = np.cross(normal, other)
    second = np.cross(normal, first)
    first, second = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (first, second))
    row = np.repeat(np.arange(len(points)), N_EMITTERS)
    radius, turn = radius_um * np.sqrt(rng.uniform(size=row.size)), rng.uniform(0, 2 * np.pi, row.size)
    away = (radius * np.cos(turn) + apart_um * rng.choice([-0.5, 0.5], row.size))[:, None] * first[row]
    away += aspect * (radius * np.sin(turn))[:, None] * second[row]
    light = np.full(SHAPE, BACKGROUND)
    deposit(light, np.zeros(3, np.int64), points[row] + away / VOXEL, np.full(row.size, electrons / N_EMITTERS), PSF)
    seen = scene(rng.poisson(light)[None].astype(float), max(radius_um, 0.08) ** 2 / 6 / electrons)
    fit = fit_puncta(seen, start(points, np.full((len(points), 1), electrons), seen))
    return seen, fit


def measured(electrons, radius_um, seed, gaussian_share=1.0, **shape):
    seen, fit = recorded(electrons, radius_um, stream(seed, "test", "extent"), **shape)
    model = model_of(seen, fit)
    n_receptors = np.full(len(fit.theta), N_EMITTERS)
    return extents_of(seen, fit, model, joint_covariances(seen, fit, model), n_receptors, gaussian_share)


def test_what_voxels_say_of_a_shape_scatters_about_the_true_one_as_stated():
    rng = stream(1, "test", "shapes")
    points = places(rng)
    theta = start(points, np.full((len(points), 1), 2500.0), scene(np.zeros((1, *SHAPE))))
    theta[:, -6:] = [0.004, 0.006, 0.005, 0.001, -0.001, 0.002]
    data = rng.poisson(model_of(scene(np.zeros((1, *SHAPE))), Fit(theta))).astype(float)
    seen = scene(data, spread=3e-6)  # a prior that is no help: it expects a larger, round shape
    fit = fit_puncta(seen, start(points, theta[:, 3:4], seen))
    model = model_of(seen, fit)
    shapes = shapes_of(seen, fit, model, joint_covariances(seen, fit, model))
    off = shapes.pull - np.einsum("nij,j->ni", shapes.precision, theta[0, -6:])
    chi2 = np.einsum("ni,ni->n", off, np.linalg.solve(shapes.precision, off[:, :, None])[:, :, 0])
    assert chi2.mean() == pytest.approx(6.0, abs=4 * np.sqrt(12 / 50))


@pytest.mark.parametrize("radius_um", [0.15, 0.2, 0.3])
def test_the_area_of_a_bright_disc_is_true_within_its_error(radius_um):
    found = measured(6000.0, radius_um, 1)
    assert (found["form"] == "disc").mean() > 0.85
    sized = found["area_um2"].notna()
    assert sized.mean() > 0.85
    z = ((found["area_um2"] - np.pi * radius_um**2) / found["area_um2_se"])[sized]
    assert (np.abs(z) < 1.96).mean() > 0.86  # 3 sigma below 95 % of 50
    assert z.mean() == pytest.approx(0, abs=0.75)
    assert 0.6 < z.std() < 1.4


def test_a_point_is_a_point_and_has_no_area():
    for electrons in (800.0, 6000.0):
        found = measured(electrons, 0.0, 1)
        assert (found["form"] == "point").mean() > 0.9
        assert found.loc[found["form"] == "point", ["area_um2", "area_um2_se"]].isna().all(axis=None)


@pytest.mark.parametrize("shape", [{"aspect": 0.3}, {"apart_um": 0.35}])
def test_a_long_synapse_and_a_pair_are_elongated(shape):
    found = measured(5000.0, 0.3 if "aspect" in shape else 0.1, 1, **shape)
    assert (found["form"] == "elongated").mean() > 0.9


def test_faint_puncta_have_no_area():
    assert measured(150.0, 0.2, 1)["area_um2"].isna().mean() > 0.95


def test_wings_of_a_point_spread_function_widen_errors_and_where_they_hold_much_light_nothing_is_sized():
    plain, winged, aberrated = (measured(6000.0, 0.2, 1, gaussian_share=share) for share in (1.0, 0.9, 0.68))
    both = plain["area_um2"].notna() & winged["area_um2"].notna()
    assert both.mean() > 0.5
    assert (winged["area_um2_se"] > plain["area_um2_se"])[both].mean() > 0.9
    assert aberrated["area_um2"].isna().all()


def test_receptors_at_random_in_a_disc_scatter_its_shape_as_stated():
    rng, n, repeats, radius = stream(1, "test"), 40, 4000, 0.2
    distance, turn = radius * np.sqrt(rng.uniform(size=(repeats, n))), rng.uniform(0, 2 * np.pi, (repeats, n))
    y, x = distance * np.sin(turn), distance * np.cos(turn)
    seen = np.cov(np.column_stack([(y * y).mean(axis=1), (x * x).mean(axis=1), (y * x).mean(axis=1)]).T)
    stated = receptor_covariance(np.array([radius**2 / 4]), np.array([n]))[0][np.ix_([1, 2, 5], [1, 2, 5])]
    np.testing.assert_allclose(seen / stated[0, 0], stated / stated[0, 0], atol=0.07)  # 3 sigma


def test_errors_that_are_added_are_added_to_the_covariance():
    rng = stream(1, "test")
    root = rng.standard_normal((1, 6, 6))
    precision, added = root @ root.transpose(0, 2, 1), psf_covariance(PSF * VOXEL, 0.02)[None] * 1e4
    shape = rng.standard_normal(6)
    both = Shapes(precision, precision @ shape).blurred(added)
    np.testing.assert_allclose(np.linalg.inv(both.precision), np.linalg.inv(precision) + added, rtol=1e-6)
    np.testing.assert_allclose(np.linalg.solve(both.precision[0], both.pull[0]), shape, rtol=1e-6)
