"""The posterior of the hyper-parameters: what the chain finds is what was there."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from synimg.analysis.mixture.arrange import arrange, take
from synimg.analysis.mixture.effect import ALIKE
from synimg.analysis.mixture.expect import densities_on, expect, log_likelihood, make_grid
from synimg.analysis.mixture.fit import first_guess, fit
from synimg.analysis.mixture.hyper import (
    NOTHING,
    Axes,
    climb,
    differential_evolution_chain,
    hyper_posterior,
    representatives,
)
from synimg.analysis.mixture.model import Form, Slab
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario

COV = np.array([[1.0, 0.9], [0.9, 1.0]])


def ln_normal(at):
    return float(-0.5 * at @ np.linalg.solve(COV, at))


@pytest.fixture(scope="module")
def table():
    drawn = draw(scenario("sparse_potentiation").model_copy(update={"n_neurons": 25}), 1001)
    data, _, _ = arrange(drawn.table, {})
    model, _ = fit(data, first_guess(data, Form(down=False, drift_exponent=0.25)), np.exp(-0.8), 1.0, 2)
    return data, model


def test_the_climb_ends_at_the_top_and_knows_its_width():
    top = climb(ln_normal, np.array([0.3, -0.4]), np.array([0.5, 0.5]), [0, 1])
    np.testing.assert_allclose(top.at, 0.0, atol=0.02)
    np.testing.assert_allclose(top.cov, COV, rtol=0.3, atol=0.1)


def test_the_chain_draws_from_the_density_that_it_is_given():
    rng = np.random.default_rng(1)
    late = differential_evolution_chain(ln_normal, rng.standard_normal((20, 2)), 400, rng)[100:].reshape(-1, 2)
    np.testing.assert_allclose(late.mean(axis=0), 0.0, atol=0.15)
    np.testing.assert_allclose(np.cov(late.T), COV, atol=0.2)


def test_the_chain_goes_between_two_tops_by_their_mass():
    def two(at):
        return float(np.logaddexp(np.log(0.75) - 0.5 * (at[0] + 4) ** 2, np.log(0.25) - 0.5 * (at[0] - 4) ** 2))

    rng = np.random.default_rng(2)
    starts = np.repeat([[-4.0], [4.0]], 10, axis=0) + rng.standard_normal((20, 1))
    late = differential_evolution_chain(two, starts, 600, rng)[200:]
    assert (late < 0).mean() == pytest.approx(0.75, abs=0.08)


def test_representatives_hold_each_combination_of_signs_with_its_share():
    rng = np.random.default_rng(3)
    root = np.where(rng.random((4000, 2)) < [1.0, 0.15], 0.2, -0.1)  # both signs in 15 %
    points = np.column_stack([rng.standard_normal(4000), root])
    chosen, weights = representatives(points, [1, 2], 6)
    assert len(chosen) == 6
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ (chosen[:, 2] > 0) == pytest.approx((root[:, 1] > 0).mean())
    assert weights @ chosen[:, 0] == pytest.approx(0.0, abs=0.1)


def test_representatives_hold_the_share_that_learned_with_its_spread():
    rng = np.random.default_rng(4)
    share = rng.gamma(4.0, 0.025, 4000)
    points = np.column_stack([rng.standard_normal(4000), np.sqrt(share), np.full(4000, -0.1)])
    chosen, weights = representatives(points, [1, 2], 24)
    assert weights @ chosen[:, 1] ** 2 == pytest.approx(share.mean(), rel=0.02)
    assert (chosen[:, 1] ** 2).std() == pytest.approx(share.std(), rel=0.1)


def test_coordinates_lead_back_to_their_model(table):
    _, model = table
    axes = Axes(model)
    assert axes.model(axes.at(model)).slabs[0].share == pytest.approx(model.slabs[0].share)
    none = axes.model(axes.at(replace(model, slabs=(Slab(), Slab()))))
    assert not none.signs


def test_half_of_the_prior_says_that_nothing_learned_up(table):
    axes = Axes(replace(table[1], slabs=(Slab(0.1, ALIKE.mean, ALIKE.sd), Slab(0.0, ALIKE.mean, ALIKE.sd))))
    at = dict(zip(axes.names, axes.at(axes.centre), strict=True))
    means, ln_sds = np.linspace(0.0, 1.5, 31), np.linspace(-2.5, 0.5, 31)

    def density(root):
        """Of the root of the share, over all laws of the sign that is not there."""
        laws = itertools.product(means, ln_sds)
        each = (at | {"root 1": root, "mean 2": mean, "sd 2": ln_sd} for mean, ln_sd in laws)
        return np.exp([axes.log_prior(np.array(list(values.values()))) for values in each]).sum()

    nothing, something = density(-0.5 * NOTHING), density(0.3)
    assert nothing * NOTHING == pytest.approx(something, rel=0.02)
    assert density(0.9) == pytest.approx(something)


@pytest.mark.parametrize("depression", ["reduced_insertion", "label_blind_removal"])
def test_where_both_signs_learn_their_shares_are_alike_beforehand(table, depression):
    model = replace(table[1], form=Form(depression=depression))
    axes, effect = Axes(model), (ALIKE.mean, ALIKE.sd)

    def ln_prior(down):
        return axes.log_prior(axes.at(replace(model, slabs=(Slab(0.05, *effect), Slab(down, *effect)))))

    assert ln_prior(0.03) > max(ln_prior(0.003), ln_prior(0.3)) + 3.0


def test_the_quick_likelihood_is_that_of_the_expectation_step(table):
    data, model = table
    grid = make_grid(data, model, np.exp(-0.8), 1.0)
    slow = expect(data, model, grid, densities_on(grid, model)).log_likelihood
    assert log_likelihood(data, model, grid) == pytest.approx(slow, abs=1e-6)
    wider = replace(model, drift_sd=1.2 * model.drift_sd)
    coarse = make_grid(data, model, np.exp(-0.8), 1.0, 2)
    there = log_likelihood(data, wider, grid) - log_likelihood(data, model, grid)
    assert log_likelihood(data, wider, coarse) - log_likelihood(data, model, coarse) == pytest.approx(there, abs=0.2)


def test_the_same_stream_gives_the_same_models(table, short_chain):
    data, model = take(table[0], np.arange(25) < 5), table[1]
    one, two = (hyper_posterior(data, [model], np.exp(-0.8), 1.0, 6, np.random.default_rng(3)) for _ in range(2))
    assert one[0] == two[0]


@pytest.mark.slow
def test_drift_and_share_are_those_that_made_the_table():
    true = scenario("sparse_potentiation_removal")
    form = Form(depression="label_blind_removal", drift_exponent=true.drift_size_exponent, down=False)
    drift, share = [], []
    for seed in (21, 22):
        data, _, _ = arrange(draw(true, seed).table, {})
        guess = first_guess(data, form)
        stay = np.exp(-guess.turnover)
        model, _ = fit(data, guess, stay, 1.0)
        models, _ = hyper_posterior(data, [model], stay, 1.0, 12, np.random.default_rng(seed))
        drift.append([model.drift_sd for model in models])
        share.append([model.slabs[0].share for model in models])
    for found, value in ((drift, true.drift_sd_ln), (share, true.share_learned)):
        error = (np.mean(found, axis=1) - value) / np.std(found, axis=1)
        assert (np.abs(error) < 3.5).all()
        assert abs(error.mean()) < 1.5
