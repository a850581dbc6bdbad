"""Batches of trials: run by a network, judged, and as a learning rule sees them."""

import numpy as np
from numpy.typing import NDArray

from synimg.config import Config
from synimg.errors import UnworkableError
from synimg.phantoms import curriculum
from synimg.phantoms.activity import Readout, run_trials
from synimg.phantoms.judge import Judgement, judge
from synimg.phantoms.rules.protocol import Trials
from synimg.phantoms.tasks.protocol import Batch
from synimg.phantoms.weights import Weights
from synimg.phantoms.wiring import Wiring
from synimg.streams import stream

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
BASELINE_BATCHES = 5
SATURATED = 0.25  # share of the largest rate: a mean above it is not the activity of a working network


def test_task(
    config: Config, seed: int, wiring: Wiring, weights: Weights, readouts: tuple[Readout, ...], k: int
) -> Judgement:
    """How a network with the given weights does on the fixed test trials of task `k`."""
    rng = stream(seed, "network", "test", *([k] if k else []))
    batch = curriculum.draw(config, k, config.training.test_trials, rng, config.training.input_gain)
    rates = run_trials(wiring, weights, batch, config.network.noise_sd, rng, active=active_units(config, seed, k))
    return judge(rates, batch, readouts[k].w, readouts[k].b)


def run_batch(
    config: Config,
    seed: int,
    update: int,
    wiring: Wiring,
    weights: Weights,
    readout: Readout,
    k: int,
    active: Floats32 | None,
    key: str = "trials",
) -> Trials:
    """One batch of training trials of task `k`, as the rule sees it.

    Raises
    ------
    SynimgError
        If most units are saturated.
    """
    rng = stream(seed, "network", key, update)
    n_trials = config.training.batch
    batch = curriculum.draw(config, k, n_trials, rng, config.training.input_gain)
    shape = (len(batch.inputs), n_trials, wiring.leak.size)
    perturbation = config.rule.perturbation(shape, stream(seed, "rule", "perturbation", update))
    rates = run_trials(wiring, weights, batch, config.network.noise_sd, rng, perturbation, active)
    mean = float(rates[1:].mean())
    if not mean < SATURATED * wiring.max_rate:
        step = getattr(config.rule, "learning_rate", None)
        raise UnworkableError(
            f"training: the run diverged at update {update} (rule '{config.rule.kind}'"
            + (f", learning_rate {step:g}" if step else "")
            + f"): the mean rate is {mean:.3g}, that of the busiest unit "
            f"{rates[1:].mean(axis=(0, 1)).max():.3g}, and units saturate at {wiring.max_rate:g}; "
            "take a smaller rule.learning_rate or network.spectral_radius"
        )
    if config.training.feedback == "yoked":
        batch = curriculum.without_contingency(batch, stream(seed, "network", "yoked", update))
    chance = stream(seed, "rule", "chance", update).random(n_trials, np.float32)
    return trials_of(wiring, weights, readout, batch, rates, chance, perturbation, active)


def trials_of(
    wiring: Wiring,
    weights: Weights,
    readout: Readout,
    batch: Batch,
    rates: Floats32,
    chance: Floats32,
    perturbation: Floats32 | None = None,
    active: Floats32 | None = None,
) -> Trials:
    """A batch of trials that has been run, and judged, as a rule sees it."""
    judged = judge(rates, batch, readout.w, readout.b)
    return Trials(
        rates=rates,
        max_rate=wiring.max_rate,
        error=judged.error,
        w_out=readout.w,
        weights=weights,
        leak=wiring.leak,
        is_excitatory=wiring.is_excitatory,
        progress=judged.loss / judged.chance,
        trial_loss=judged.trial_loss,
        condition=batch.target if batch.target.ndim == 1 else np.zeros(rates.shape[1], np.int64),
        answer=judged.answer,
        perturbation=perturbation,
        inputs=batch.inputs,
        salience=batch.salience,
        chance=chance,
        taking_part=active,
    )


def mean_rates(config: Config, seed: int, wiring: Wiring, weights: Weights, when: str, gain: float) -> Floats:
    """Mean rate of every unit over some batches: a plain mean, since a running one would fake a gradient."""
    rates, n_tasks = [], len(curriculum.tasks_of(config))
    for j in range(max(BASELINE_BATCHES, n_tasks)):
        rng = stream(seed, "network", "rates", when, j)
        batch = curriculum.draw(config, j % n_tasks, config.training.batch, rng, gain)
        noise, active = config.network.noise_sd, active_units(config, seed, j % n_tasks)
        rates.append(run_trials(wiring, weights, batch, noise, rng, active=active)[1:].mean(axis=(0, 1)))
    return np.mean(np.asarray(rates, np.float64), axis=0)


def start_readouts(config: Config, seed: int, n_units: int) -> tuple[Readout, ...]:
    """The read-outs before the window, one per task."""
    return tuple(
        Readout.of_pools(task.n_outputs, n_units)
        if config.network.readout == "pools"
        else Readout.start(task.n_outputs, n_units, stream(seed, "network", "readout", *([k] if k else [])))
        for k, task in enumerate(curriculum.tasks_of(config))
    )


def active_units(config: Config, seed: int, k: int) -> Floats32 | None:
    """The units that take part in task `k`."""
    active: Floats32 | None = config.consolidation.active(
        k, config.network.n_units, stream(seed, "consolidation", "active", k)
    )
    return active
