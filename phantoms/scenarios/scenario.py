"""What a scenario is: how many synapses, what moved them, how they were counted."""

from typing import Literal, Self

from pydantic import Field, model_validator

from synimg.model import Model


class Scenario(Model):
    """A statistical stand-in for a learning network and its image.

    The defaults are the base regime: one synapse in ten has learned, by a factor of 1.7, against factors of
    neurons that scatter by ln 0.25 and drift of ln 0.2.

    Notes
    -----
    Growth of a synapse of `a_start` receptors: ``ln(a_end / a_start) = c f(a_start) + l + d``, the factor,
    learning and drift.
    """

    name: str
    hard_at: str = Field(description="what the scenario is hard at, in one sentence")
    identifiable: bool = Field(True, description="whether the causes can be told apart at all")
    shuffled: Literal["nothing", "neurons", "labels"] = Field(
        "nothing", description="what is dealt out anew at the end"
    )

    groups: tuple[str, ...] = Field(
        ("trained",), min_length=1, description="groups of animals; only 'trained' ones learn"
    )
    n_animals: int = Field(4, ge=1, description="animals per group")
    n_neurons: int = Field(100, ge=1, description="neurons per group")
    synapses_per_neuron: tuple[int, int] = Field((20, 60), description="least and most, uniform")

    mean_receptors: float = Field(60.0, gt=0, description="mean receptors of a synapse at the pulse")
    size_sd_ln: float = Field(0.6, gt=0, description="sd of ln receptors within a neuron")
    size_offset_sd_ln: float = Field(0.0, ge=0, description="sd of ln mean receptors between neurons")

    turnover: float = Field(0.8, gt=0, description="exchange rate times window, k t")
    turnover_controls: float | None = Field(None, gt=0, description="the same in groups that are not trained")
    depression: Literal["reduced_insertion", "label_blind_removal"] = "reduced_insertion"

    share_learned: float = Field(0.1, ge=0, le=1, description="share of the synapses of trained animals that learn")
    share_depressed: float = Field(0.0, ge=0, le=1, description="share of those that shrink")
    effect_ln: float = Field(0.55, gt=0, description="mean size of a change by learning; Gamma law")
    effect_sd_ln: float = Field(0.22, gt=0, description="its sd")
    whole_cells: float = Field(0.0, ge=0, le=1, description="share of the trained neurons that learn with all synapses")
    whole_cell_ln: float = Field(
        0.6931, gt=0, description="their change: x2, as after olfactory rule learning (PMC3708920)"
    )
    low_rank: tuple[float, float, float, float] | None = Field(
        None, description="shares of presynaptic and of postsynaptic cells in the block, P(learning) within and outside"
    )
    eligibility: tuple[float, float] | None = Field(
        None, description="intercept and slope of logit P(learning) on the recorded covariate, which is standard normal"
    )

    factor_sd_ln: float = Field(0.25, ge=0, description="sd of the neurons' ln factor c")
    law: Literal["uniform", "divergent", "sparing"] = Field("uniform", description="f: how the factor depends on size")
    branch_sd_ln: float = Field(0.0, ge=0, description="sd of the branches' ln factors around their neuron's")
    n_branches: int = Field(4, ge=1, description="branches per neuron, where branches have factors")
    drift_sd_ln: float = Field(0.2, gt=0, description="sd of drift in a synapse of median size")
    drift_size_exponent: float = Field(0.25, ge=0, description="drift sd falls with this power of size")

    share_born: float = Field(
        0.0, ge=0, lt=1, description="share of rows whose spine grew in the window, without learning"
    )
    share_died: float = Field(0.0, ge=0, lt=1, description="hazard in the window of a spine of median size")
    wrong_parents: float = Field(
        0.0, ge=0, le=0.5, description="share of rows with another neuron's id; neuron_prob says so"
    )
    threshold_receptors: float = Field(
        0.0, ge=0, description="synapses with fewer receptors in all are not in the table"
    )
    corrupted: float = Field(
        0.0, ge=0, lt=1, description="share of rows whose counts have nothing to do with the synapse"
    )

    labelling: float = Field(0.8, gt=0, le=1, description="share of receptors with a dye, in both channels")
    dye_variance: float = Field(
        0.28, ge=0, description="variance of a count per dye: 1 / shape + 1 / electrons per dye"
    )
    fit_sd_dyes: float = Field(1.2, gt=0, description="sd of a count over no dye: background and camera")

    @model_validator(mode="after")
    def _one_prior(self) -> Self:
        if self.low_rank is not None and self.eligibility is not None and self.share_learned:
            raise ValueError("low_rank and eligibility exclude each other")
        return self

    @property
    def learns(self) -> bool:
        """Whether any synapse can learn."""
        return self.share_learned > 0 or self.whole_cells > 0

    def turnover_of(self, group: str) -> float:
        """k t of a group's animals."""
        return self.turnover if group == "trained" or self.turnover_controls is None else self.turnover_controls
