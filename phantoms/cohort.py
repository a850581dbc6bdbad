"""Animals of a cohort: one configuration, several groups, and what differs from animal to animal."""

import numpy as np

from synimg.config import Cohort, Config
from synimg.family import part
from synimg.streams import stream

GROUPS = ("trained", "yoked", "deprived", "naive")


def animals_of(config: Config) -> list[Config]:
    """One configuration per animal of the section `cohort`, in the order of the groups.

    Notes
    -----
    Yoked animals get the same inputs and the feedback of other trials, deprived ones weak inputs and no task, naive ones
    the same inputs and no task. Receptor exchange and brightness differ between animals by a log-normal number each.
    """
    cohort = config.cohort
    numbers = {group: getattr(cohort, group) for group in GROUPS}
    return [_animal(config, group, i) for group, n in numbers.items() for i in range(1, n + 1)]


def _animal(config: Config, group: str, i: int) -> Config:
    rng = stream(config.seed, "cohort", group, i)
    seed = int(rng.integers(0, 2**53))
    exchange, brightness = rng.standard_normal(2)
    cohort, training, rule = config.cohort, config.training, config.rule
    if group == "yoked":
        training = training.model_copy(update={"feedback": "yoked"})
    elif group != "trained":
        rule = part("synimg.phantoms.rules", "off")()
        gain = cohort.deprived_gain if group == "deprived" else 1.0
        training = training.model_copy(update={"input_gain": gain * training.input_gain})
    receptors, dyes = config.receptors, config.dyes
    receptors = receptors.model_copy(
        update={"exchange_per_day": receptors.exchange_per_day * np.exp(cohort.exchange_sd_ln * exchange)}
    )
    photons = dyes.photons_per_receptor * np.exp(cohort.photons_sd_ln * brightness)
    changes = {
        "animal_id": f"{group}{i:02d}",
        "group": group,
        "seed": seed,
        "rule": rule,
        "training": training,
        "receptors": receptors,
        "dyes": dyes.model_copy(update={"photons_per_receptor": float(photons)}),
        "cohort": Cohort(),
    }
    return config.model_copy(update=changes)


def missing_controls(config: Config) -> list[str]:
    """What an analysis of this cohort would miss."""
    cohort, missing = config.cohort, []
    if cohort.trained and not (cohort.naive or cohort.yoked):
        missing.append(
            "the cohort has trained animals but neither naive nor yoked ones: turnover, and change common to all synapses of "
            "a neuron, cannot be told from learning; add cohort.naive or cohort.yoked"
        )
    if cohort.deprived and not cohort.naive:
        missing.append(
            "the cohort has deprived animals but no naive ones: what deprivation did cannot be told from what goes on without "
            "it; add cohort.naive"
        )
    return missing
