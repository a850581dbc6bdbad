"""Is a synapse one of the neurons of the code book, or of others? What the image itself says of that.

Synapses of others lie anywhere. What their dyes look like is therefore known: as the image does at places a few micrometres
beside the synapses. What is more like a labelled head than those is one.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from scipy.optimize import minimize
from scipy.special import expit, logsumexp

from synimg.model import Model

Floats = NDArray[np.float64]
HERE = ("head_snr", "agreement")
BESIDE = ("head_snr_beside", "agreement_beside")
LEAST_SYNAPSES = 50
"""Below, the share of others cannot be told, and all synapses count as those of the code book's neurons."""
BESIDE_UM = (2.0, 6.0)
"""Farther than a spine reaches, in the same tissue; in the plane, as sections and depths differ."""
BENDS = (2.0, 3.5)
"""Of the law, in ln(1 + signal to noise): above noise, and within the range of labelled heads."""
EXPECTED = (1.0, 0.0, 0.0, 0.5)
"""Weights of the features, in units of their scatter, where synapses do not tell them: labelled heads are brighter and agree."""


class Others(Model):
    """The law by which synapses of the code book's neurons are told from others.

    The density of the evidence at known synapses over that at places beside them is, as a log, piecewise linear in
    ln(1 + signal to noise of the head's dyes), with the bends `BENDS`, and linear in the agreement of its colour with the
    dendrites around (`assign.agreement`).
    """

    share: float = Field(0.0, ge=0, le=1, description="of the synapses found that are of none of the neurons")
    ln_ratio: tuple[float, float, float, float, float] = Field(
        (0.0, 0.0, 0.0, 0.0, 0.0), description="constant; slope of brightness and its changes; slope of agreement"
    )

    def known_prob(self, head_snr: Floats, agreement: Floats) -> Floats:
        """Probability (n,) that a synapse is one of the neurons of the code book."""
        ln_ratio = self.ln_ratio[0] + _features(head_snr, agreement) @ np.array(self.ln_ratio[1:])
        known, others = (1.0 - self.share) * np.exp(np.clip(ln_ratio, -50.0, 50.0)), self.share
        prob: Floats = known / (known + others)
        return prob


def _features(head_snr: Floats, agreement: Floats) -> Floats:
    seen = np.log1p(head_snr)
    return np.column_stack([seen, *(np.maximum(seen - bend, 0.0) for bend in BENDS), agreement])


def places_beside(points_vox: Floats, shape_vox: tuple[int, ...], voxel_um: Floats, rng: np.random.Generator) -> Floats:
    """A place (n, 3) beside each point (n, 3) of a block, at its depth, mirrored at the faces."""
    distance, angle = rng.uniform(*BESIDE_UM, len(points_vox)), rng.uniform(0.0, 2.0 * np.pi, len(points_vox))
    away = np.column_stack([np.zeros(len(points_vox)), distance * np.sin(angle), distance * np.cos(angle)])
    last = np.array(shape_vox) - 1.0
    there = np.abs(points_vox + away / voxel_um)
    return np.clip(np.where(there > last, 2.0 * last - there, there), 0.0, last)


def others_of(detections: pd.DataFrame) -> Others:
    """The law under which the evidence of all detections is likeliest.

    Parameters
    ----------
    detections : DataFrame
        With the columns `HERE` and `BESIDE`; without them, or of few synapses, all synapses are the neurons'.
    """
    if len(detections) < LEAST_SYNAPSES or HERE[0] not in detections:
        return Others()
    here, beside = (_features(*detections[list(names)].to_numpy(float).T) for names in (HERE, BESIDE))
    return fitted_others(here, beside)


def fitted_others(here: Floats, beside: Floats) -> Others:
    """The law from features (n, 4) of synapses and (k, 4) of places beside them.

    Notes
    -----
    Exponential tilt mixture (Zou, Fine & Yandell 2002, Biometrika 89:61): the density at the synapses is that beside them times
    share + (1 - share) exp(a + w . features), where `a` follows from w as a density sums to one. Share and w are those of the
    highest likelihood, with normal priors of sd 1 around `EXPECTED`; agreement never speaks against a synapse. Where synapses
    look like what lies beside them, the priors say that all are others.
    """
    both = np.vstack([here, beside])
    middle, scatter = both.mean(axis=0), both.std(axis=0)
    width = np.where(scatter > 1e-6, scatter, 1.0)
    x, y = (here - middle) / width, (beside - middle) / width
    expected = np.array(EXPECTED)

    def loss(theta: Floats) -> tuple[float, Floats]:
        w = theta[1:]
        by = (y * w).sum(axis=1)
        norm = logsumexp(by) - np.log(len(y))
        ln_known = -np.logaddexp(0.0, theta[0]) + (x * w).sum(axis=1) - norm
        ln_all = np.logaddexp(-np.logaddexp(0.0, -theta[0]), ln_known)
        known = np.exp(ln_known - ln_all)
        mean = (np.exp(by - norm)[:, None] * y).mean(axis=0)
        slope = w - expected - (known[:, None] * (x - mean)).sum(axis=0)
        value = 0.5 * float(((w - expected) ** 2).sum()) - float(ln_all.sum())
        return value, np.concatenate([[-((1.0 - known) - expit(theta[0])).sum()], slope])

    bounds: Any = [(-20.0, 20.0), *[(None, None)] * (len(EXPECTED) - 1), (0.0, None)]
    best = minimize(loss, np.concatenate([[0.0], expected]), jac=True, method="L-BFGS-B", bounds=bounds).x
    w = best[1:] / width
    norm = float(logsumexp((y * best[1:]).sum(axis=1)) - np.log(len(y)))
    return Others(share=float(expit(best[0])), ln_ratio=(-norm - float((w * middle).sum()), *w.tolist()))


def with_others(detections: pd.DataFrame, others: Others) -> pd.DataFrame:
    """Detections whose ``neuron_prob`` allows for synapses of others; without the evidence."""
    if HERE[0] not in detections:
        return detections
    known = others.known_prob(*detections[list(HERE)].to_numpy(float).T)
    prob = detections["neuron_prob"].to_numpy(float) * known
    return detections.assign(neuron_prob=prob).drop(columns=[*HERE, *BESIDE])


def sure_parents(detections: pd.DataFrame, least_prob: float) -> pd.DataFrame:
    """Detections whose ``neuron_id`` and ``neuron_prob`` are null where the parent is less probable."""
    is_sure = (detections["neuron_prob"] >= least_prob).to_numpy(bool)
    neuron_id = detections["neuron_id"].astype("Int64").where(is_sure)
    return detections.assign(neuron_id=neuron_id, neuron_prob=detections["neuron_prob"].where(is_sure))
