"""The challenge suite: every scenario by name. A change of any of them is a new version."""

from synimg.errors import SynimgError, nearest
from synimg.phantoms.scenarios.scenario import Scenario

VERSION = 1

_LIST = (
    Scenario(name="sparse_potentiation", hard_at="the base: few synapses learned, all of them grew"),
    Scenario(
        name="sparse_potentiation_removal",
        hard_at="depression takes old and new receptors alike, so a shrunken synapse looks like one that did nothing",
        depression="label_blind_removal",
    ),
    Scenario(
        name="sparse_with_controls",
        hard_at="yoked animals show what homeostasis alone does: the intervals should shrink",
        groups=("trained", "yoked"),
    ),
    Scenario(name="sparse_both_signs", hard_at="learning shrinks half of its synapses", share_depressed=0.5),
    Scenario(
        name="sparse_both_signs_removal",
        hard_at="learned depression shows in the totals only",
        share_depressed=0.5,
        depression="label_blind_removal",
    ),
    Scenario(
        name="broad_learning",
        hard_at="changes of all sizes, as in networks that learned a task: many lie within drift, a few are four-fold",
        effect_sd_ln=0.55,
    ),
    Scenario(name="half_learned", hard_at="the middle of a neuron's synapses has learned", share_learned=0.4),
    Scenario(
        name="majority_learned",
        hard_at="most synapses learned: the minority that did not passes for depressed; must be flagged",
        share_learned=0.6,
        identifiable=False,
    ),
    Scenario(
        name="whole_cell",
        hard_at="a quarter of the neurons doubled all synapses by learning, which is what a factor does; nothing can tell",
        share_learned=0.0,
        whole_cells=0.25,
        identifiable=False,
    ),
    Scenario(
        name="whole_cell_with_controls",
        hard_at="the same with yoked animals, whose neurons did not double",
        share_learned=0.0,
        whole_cells=0.25,
        groups=("trained", "yoked"),
    ),
    Scenario(name="divergent_scaling", hard_at="the factor grows with synapse size", law="divergent", factor_sd_ln=0.4),
    Scenario(
        name="sparing_scaling",
        hard_at="the largest fifth of the synapses does not scale",
        law="sparing",
        factor_sd_ln=0.4,
    ),
    Scenario(name="branch_scaling", hard_at="every branch has a factor of its own", branch_sd_ln=0.25),
    Scenario(name="heavy_drift", hard_at="drift twice as wide: most of learning lies within it", drift_sd_ln=0.4),
    Scenario(
        name="spine_turnover",
        hard_at="one row in twelve is a spine that was not there at the pulse; small ones have died",
        share_born=0.08,
        share_died=0.1,
    ),
    Scenario(name="low_counts", hard_at="15 receptors: counting noise is as wide as learning", mean_receptors=15.0),
    Scenario(
        name="low_rank",
        hard_at="some presynaptic cells teach some neurons; pre_id is known",
        low_rank=(0.3, 0.3, 0.85, 0.02),
    ),
    Scenario(
        name="known_activity",
        hard_at="activity was recorded and says where learning is likely",
        eligibility=(-3.4, 2.0),
    ),
    Scenario(name="wrong_parents", hard_at="15 % of the rows carry another neuron's id", wrong_parents=0.15),
    Scenario(
        name="detection_threshold",
        hard_at="synapses of fewer than 30 receptors are missing: whatever shrank is gone",
        threshold_receptors=30.0,
    ),
    Scenario(
        name="turnover_differs",
        hard_at="the deprived animals' receptors turn over a third faster, which looks like homeostasis",
        groups=("trained", "deprived"),
        turnover_controls=1.07,
    ),
    Scenario(
        name="few_synapses",
        hard_at="three synapses per neuron",
        n_neurons=1000,
        synapses_per_neuron=(3, 3),
        n_animals=4,
    ),
    Scenario(name="corrupted_rows", hard_at="2 % of the rows are wrong counts", corrupted=0.02),
    Scenario(name="no_learning", hard_at="nothing learned: nothing may be called", share_learned=0.0),
    Scenario(name="no_homeostasis", hard_at="every factor is 1", factor_sd_ln=0.0),
    Scenario(
        name="readout_only",
        hard_at="activity was recorded and the animal learned, but elsewhere: no synapse of the table did",
        share_learned=0.0,
        eligibility=(-3.4, 2.0),
        drift_sd_ln=0.3,
    ),
    Scenario(
        name="shuffled_neurons",
        hard_at="neuron ids are dealt out anew: factors act as a second drift",
        shuffled="neurons",
    ),
    Scenario(
        name="shuffled_labels",
        hard_at="a check of the scores: no method can find labels dealt out anew",
        shuffled="labels",
    ),
    Scenario(
        name="size_offsets_low_counts",
        hard_at="neurons differ in synapse size, which the totals must not take for homeostasis; 15 receptors",
        size_offset_sd_ln=0.4,
        mean_receptors=15.0,
    ),
    Scenario(
        name="sparing_removal_wrong_parents",
        hard_at="large synapses do not scale, depression hides in the totals, 15 % of the parents are wrong",
        law="sparing",
        share_depressed=0.5,
        depression="label_blind_removal",
        wrong_parents=0.15,
    ),
)
SUITE = {scenario.name: scenario for scenario in _LIST}
_OF_ONE_ANIMAL = {"n_animals": 1, "n_neurons": 30}
IMAGED = {
    f"{name}_imaged": SUITE[name].model_copy(
        update=_OF_ONE_ANIMAL
        | {
            "name": f"{name}_imaged",
            "hard_at": f"{SUITE[name].hard_at}; imaged: puncta overlap, miss, and get wrong parents",
        }
    )
    for name in ("sparse_potentiation", "sparse_both_signs", "half_learned", "divergent_scaling", "low_counts")
}
"""The same with a table that was measured on an image."""
SCENARIOS = SUITE | IMAGED


def scenario(name: str) -> Scenario:
    """The scenario of that name.

    Raises
    ------
    SynimgError
        If there is none, with the nearest name.
    """
    if name not in SCENARIOS:
        raise SynimgError(f"unknown scenario '{name}'; {nearest(name, list(SCENARIOS))}")
    return SCENARIOS[name]
