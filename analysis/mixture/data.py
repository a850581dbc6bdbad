"""A synapse table as the mixture sees it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.mixture.counts import Counts, Floats, Ints
from synimg.analysis.mixture.model import DOWN


@dataclass(frozen=True)
class Data:
    """The synapses in the order of neurons and, within those, of branches.

    counts : Counts
    neuron : (n,) ndarray of int, row of the neuron, from 0, ascending
    branch : (n,) ndarray of int, row of the branch, from 0, ascending
    neuron_of_branch : (n_branches,) ndarray of int
    is_control : (n_neurons,) ndarray of bool, neurons of animals without learning
    kind : (n_neurons,) ndarray of int, below `n_kinds`, group of animals whose factors have a mean and sd of their own
    parent : (n,) ndarray, probability that the neuron is the right one
    covariates : (n, n_covariates) ndarray, what bears on the odds of learning, 0 where it is not known
    widths : (n_covariates,) ndarray, prior sd of the weight of each
    signed : (n_covariates,) ndarray of bool, which speak for growth and against shrinkage
    ln_threshold : float or None, ln of the total below which synapses are missing
    log_prior_odds : (n, 2) ndarray, what else is known of learning up and down, added to its log odds
    of_factor : (n_neurons, n_known) ndarray, what bears on the ln factor, of mean 0, 0 where it is not known
    factor_widths : (n_known,) ndarray, prior sd of the weight of each
    is_exact : bool, whether counts are stated to be free of error, so that none is wrong
    """

    counts: Counts
    neuron: Ints
    branch: Ints
    neuron_of_branch: Ints
    is_control: NDArray[np.bool_]
    kind: Ints
    n_kinds: int
    parent: Floats
    covariates: Floats
    widths: Floats
    signed: NDArray[np.bool_]
    ln_threshold: float | None
    log_prior_odds: Floats
    of_factor: Floats
    factor_widths: Floats
    is_exact: bool

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return self.is_control.size

    def towards(self, sign: int) -> Floats:
        """The covariates as they speak for learning of that sign, (n, n_covariates)."""
        return self.covariates * np.where(self.signed & (sign == DOWN), -1.0, 1.0)

    @cached_property
    def has_strangers(self) -> bool:
        """Whether any row may belong to another neuron."""
        return bool((self.parent < 1.0).any())

    @property
    def reference(self) -> NDArray[np.bool_]:
        """Neurons whose mean factor is 1: those of controls, of all where there are none."""
        return self.is_control if self.is_control.any() else np.ones_like(self.is_control)
