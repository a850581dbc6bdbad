"""Hyper-parameters of the mixture, and what else is known of learning beside the counts."""

import numpy as np

from synimg.analysis.mixture.arrange import arrange, what_is_known
from synimg.analysis.mixture.fit import first_guess, fit
from synimg.analysis.mixture.model import Form
from synimg.analysis.mixture.summary import summarise
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario


def test_share_and_weight_of_a_covariate_are_found_together():
    """logit P(learning) = -3.4 + 2 x: steps for one and the other apart stop at 1.8, with an eighth too many learned."""
    weights, said, true = [], 0.0, 0
    for seed in range(1, 4):
        drawn = draw(scenario("known_activity"), seed)
        data, _, _ = arrange(drawn.table, what_is_known(drawn.table))
        guess = first_guess(data, Form(down=False, drift_exponent=0.25))
        stay = float(np.exp(-guess.turnover))
        model, _ = fit(data, guess, stay, 1.0)
        weights.append(model.covariate_weights[0])
        said += float(summarise(data, model, stay, 1.0).up.sum())
        true += int(drawn.truth["is_learned"].sum())
    assert abs(np.mean(weights) - 2.0) < 0.15
    assert abs(said / true - 1.0) < 0.12
