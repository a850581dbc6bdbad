"""Choose between models by evidence: how receptors leave, what drift and homeostasis do to sizes, which signs learn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from synimg.analysis.mixture.counts import Floats
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.expect import log_likelihood_of
from synimg.analysis.mixture.fit import first_guess, fit
from synimg.analysis.mixture.hyper import hyper_posterior
from synimg.analysis.mixture.model import Form, Model
from synimg.analysis.mixture.offsets import model_with, share_between
from synimg.analysis.mixture.summary import summarise
from synimg.streams import stream

LEAST_GAIN = 5.0
"""Gain in ln likelihood that a further parameter must bring; in simulated tables wrong size laws lose tens to hundreds."""
REMOVAL_GAIN = 3.0
LEARNING_BY_SIZE_GAIN = 12.0
"""Of 60 simulated tables without, from eleven scenarios of the suite, the largest gained 8."""
REACH_SDS = 3.5
"""How far the grid of factors reaches at least."""
SLOPES, SLOPE_STEPS = (-0.3, 0.25, 0.5, 0.8), (0.1, 0.05)
DRIFT_FORMS = ((0.0, 0.0), (0.25, 0.0), (0.5, 0.0), (0.5, 0.6))
LEAST_LOG_WEIGHT = 30.0
MODELS, FEWEST_MODELS = ((10_000, 24), (50_000, 12)), 6
"""How many models stand for the posterior of the hyper-parameters in tables of up to so many synapses, and in larger ones."""
LEAST_WEIGHT = 0.003
SIGNS = ((False, False), (True, False), (False, True), (True, True))


Run = Callable[[Form, Model], tuple[Model, float]]


@dataclass(frozen=True)
class Choice:
    """The chosen form, and models of it for each set of signs of learning, with their weights.

    score : float, ln likelihood of the best less the price of its learning
    gains : dict of float, by how much ln likelihood preferred what was chosen or turned down
    """

    form: Form
    models: tuple[Model, ...]
    weights: Floats
    stay: float
    largest: float
    score: float
    gains: dict[str, float]


def choose(data: Data, has_branches: bool) -> Choice:
    """Search one question after the other, each from the best model so far."""
    guess = first_guess(data, Form())
    stay, largest = float(np.exp(-guess.turnover)), 1.0

    def run(form: Form, start: Model, to_beat: float = -np.inf) -> tuple[Model, float]:
        rounds = 2 if start is not guess else 4
        return fit(data, replace(start, form=form), stay, largest, rounds, to_beat=to_beat)

    best, evidence = run(guess.form, guess)
    if (needed := reach(data, best)) > largest:
        largest = needed
        best, evidence = run(best.form, best)
    gains: dict[str, float] = {}

    def try_forms(name: str, forms: Iterator[Form], least: float = LEAST_GAIN) -> None:
        nonlocal best, evidence
        found = [run(form, best, evidence) for form in forms]
        if not found:
            return
        rival, value = max(found, key=lambda pair: pair[1])
        gains[name] = value - evidence
        if value - evidence > least:
            best, evidence = rival, value

    rival, value = run(replace(best.form, depression="label_blind_removal"), best)
    gains["removal"] = value - evidence
    if value - evidence > REMOVAL_GAIN and data.ln_threshold is None:
        # neurons whose synapses are larger than others' look as if they had grown, which old receptors do not show
        share = share_between(data, summarise(data, best, stay, largest), best)
        if share:
            both = (model_with(model, share) for model in (best, rival))
            of_insertion, of_removal = (log_likelihood_of(data, model, stay, largest) for model in both)
            gains["removal"] = of_removal - of_insertion
    if gains["removal"] > REMOVAL_GAIN:
        best, evidence = rival, value

    def drift_forms() -> Iterator[Form]:
        here = best.form
        forms = (replace(here, drift_exponent=b, drift_floor=floor) for b, floor in DRIFT_FORMS)
        return (form for form in forms if form != here)

    try_forms("drift by size", drift_forms(), 1.0)
    if max(best.factor_sd) > 0.08:
        form = best.form
        try_forms("divergent", (replace(form, slope=slope) for slope in SLOPES))
        for step in SLOPE_STEPS if best.form.slope else ():
            form = best.form
            try_forms("slope", (replace(form, slope=form.slope + s * step) for s in (-1, 1)), 0.0)
        form = replace(best.form, slope=0.0)
        # of two laws that let large synapses scale less the likelier one, at no price
        try_forms("sparing", iter([replace(form, spared_above=0.8)]), 0.0 if best.form.slope < 0 else LEAST_GAIN)
        if best.form.has_size_law:  # what the law explains passed for drift before
            try_forms("drift by size", drift_forms(), 1.0)
    if has_branches:
        try_forms("branches", iter([replace(best.form, by_branch=True)]))
    # in groups whose receptors turn over at other rates, the sizes at the pulse are off by that much
    if np.unique(data.kind[~data.is_control]).size == 1:
        try_forms("learning by size", iter([replace(best.form, learns_by_size=True)]), LEARNING_BY_SIZE_GAIN)
    return _signs(best, run, data, stay, largest, gains)


def reach(data: Data, model: Model) -> float:
    """How far ln factors lie from 0: those that something else tells of lie about what it says."""
    said = np.abs(data.of_factor @ np.asarray(model.factor_weights)).max(initial=0.0)
    return float(said + REACH_SDS * max(model.factor_sd))


def weigh_signs(data: Data, choice: Choice) -> Choice:
    """The same form fitted again, to data of which more is known than when it was chosen."""

    def run(form: Form, start: Model) -> tuple[Model, float]:
        return fit(data, replace(start, form=form), choice.stay, choice.largest, 2)

    best = choice.models[int(np.argmax(choice.weights))]
    return _signs(best, run, data, choice.stay, choice.largest, dict(choice.gains))


def _signs(best: Model, run: Run, data: Data, stay: float, largest: float, gains: dict[str, float]) -> Choice:
    """Models without learning, with either sign and with both, weighted by evidence.

    Notes
    -----
    The price of a sign is that of its parameters in ``-2 ln L`` (BIC: 3 for the first, 2 more).
    Depression beside potentiation costs nothing where it is removal: it shows in the totals alone, the likelihood hardly
    knows its share, and a price would say "none" whatever the truth; so both are as likely beforehand.
    """
    second = 0.0 if best.form.depression == "label_blind_removal" else 1.0
    n = np.log(data.counts.old.size)
    models, scores = [], []
    for up, down in SIGNS:
        model, value = run(replace(best.form, up=up, down=down), best)
        models.append(model)
        scores.append(value - ((up or down) * 1.5 * n + (up and down) * second * n))
    score = np.array(scores)
    gains["learning"] = max(scores[1:]) - scores[0]
    # a table that does not pay for learning still ranks its synapses by it
    weights = np.exp(np.maximum(score - score.max(), -LEAST_LOG_WEIGHT))
    learning = 1 + int(np.argmax(score[1:]))
    kept = [i for i in range(len(models)) if weights[i] > LEAST_WEIGHT * weights.sum() or i == learning]
    weights = weights[kept] / weights[kept].sum()
    return Choice(best.form, tuple(models[i] for i in kept), weights, stay, largest, float(score.max()), gains)


def spread_out(data: Data, choice: Choice, n_synapses: int, seed: int) -> Choice:
    """The choice with models that stand for all that the table leaves open about their hyper-parameters.

    `data` are those of the search in a table of that many synapses: fewer models for one that is large, where each costs.
    """
    n_models = next((n for most, n in MODELS if n_synapses <= most), FEWEST_MODELS)
    rng = stream(seed, "separate", "hierarchical", "hyper")
    likeliest = [choice.models[i] for i in np.argsort(-choice.weights, kind="stable")]
    models, weights = hyper_posterior(data, likeliest, choice.stay, choice.largest, n_models, rng)
    return replace(choice, models=models, weights=weights)
