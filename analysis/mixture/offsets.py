"""Neurons whose synapses are larger than others': their totals speak less for a factor than synapse by synapse."""

from dataclasses import replace

import numpy as np

from synimg.analysis.mixture.counts import Floats, Ints
from synimg.analysis.mixture.data import Data
from synimg.analysis.mixture.model import Model
from synimg.analysis.mixture.summary import Parts

LEAST_NEURONS, LEAST_SDS, LEAST_SHARE = 10, 3.0, 0.1


def ln_starts(data: Data, parts: Parts) -> Floats:
    """Estimated ln sizes before the window, (n,)."""
    started: Floats = np.log(data.counts.total) - parts.ln_parts.sum(axis=1)
    return started


def share_between(data: Data, parts: Parts, model: Model) -> float:
    """`offset_share` of a table, of which `parts` is what a model without offsets says."""
    return offset_share(ln_starts(data, parts), data.neuron, model.sizes.sd**2, float(parts.factor_var.mean()))


def offset_share(ln_start: Floats, neuron: Ints, variance: float, factor_var: float) -> float:
    """Share of the variance of ln sizes that lies between neurons, 0 where chance would do as much.

    Parameters
    ----------
    ln_start : (n,) ndarray
        Estimated ln sizes before the window.
    neuron : (n,) ndarray of int
    variance : float
        Of ln sizes, without the noise of counts.
    factor_var : float
        Of the error of a neuron's factor, which its synapses' sizes share.
    """
    count, mean, within = _by_neuron(ln_start, neuron)
    several = count > 1
    if several.sum() < LEAST_NEURONS:
        return 0.0
    between = mean[several].var(ddof=1)
    by_chance = within * (1.0 / count[several]).mean() + factor_var
    share = float(np.clip((between - by_chance) / variance, 0.0, 0.95))
    is_chance = between < by_chance * (1.0 + LEAST_SDS * np.sqrt(2.0 / several.sum()))
    return 0.0 if is_chance or share < LEAST_SHARE else share


def ln_offsets(ln_start: Floats, neuron: Ints, share: float, variance: float) -> Floats:
    """By how much each neuron's synapses are larger than the others', shrunk by what chance would do: (n_neurons,)."""
    count, mean, within = _by_neuron(ln_start, neuron)
    keep = share * variance / (share * variance + within / count)
    shrunk: Floats = keep * (mean - np.average(mean, weights=keep))
    return shrunk


def data_with(data: Data, ln_offset: Floats) -> Data:
    """Data that know of the neurons' offsets (n_neurons,)."""
    return replace(data, counts=replace(data.counts, ln_offset=ln_offset[data.neuron]))


def model_with(model: Model, share: float) -> Model:
    """A model of sizes within neurons, that share of whose variance lies between them."""
    return replace(model, sizes=model.sizes.narrowed(float(np.sqrt(1.0 - share))), offset_share=share)


def _by_neuron(values: Floats, neuron: Ints) -> tuple[Ints, Floats, float]:
    """Count and mean of each neuron's values, and their variance within neurons."""
    count = np.bincount(neuron)
    mean = np.bincount(neuron, values) / count
    return count, mean, float(((values - mean[neuron]) ** 2).sum() / max(int((count - 1).sum()), 1))
