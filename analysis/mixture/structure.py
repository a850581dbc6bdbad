"""Pre x post structure: some presynaptic cells teach some neurons, so partners tell what a synapse's own counts cannot."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from synimg.analysis.mixture.counts import Floats, Ints

LEAST_GAIN = 15.0
"""Gain in nats that a block must bring: of 750 simulated tables without structure 2 gained above 10, none above 11."""
LEAST_PER_PRE = 3.0
MOST_SWEEPS, TOLERANCE = 100, 1e-3
TEMPER = 0.75
"""Synapses of a cell share the error of its factor, so that their evidence for its membership is less than its sum."""
PSEUDO = 1.0
FARTHEST = 6.0


@dataclass(frozen=True)
class Block:
    """Learning of one sign, more frequent where an active presynaptic cell meets a learning neuron.

    log_odds : (n,) ndarray, what a synapse's partners, without its own evidence, add to its log odds of learning
    gain : float, ln likelihood above that of neurons which learn more or less whoever their partners are, in nats
    share_pre, share_post : float, of the presynaptic cells, of the neurons
    """

    log_odds: Floats
    gain: float
    share_pre: float
    share_post: float


def has_structure(pre: Ints) -> bool:
    """Whether presynaptic cells (row of each synapse's) come back often enough to say something of their synapses."""
    return bool(pre.size >= 200 and np.median(np.bincount(pre)[pre]) >= LEAST_PER_PRE)


def find_block(evidence: Floats, prior: Floats, pre: Ints, post: Ints) -> Block:
    """The block of presynaptic cells by neurons in which learning of a sign is most frequent.

    Parameters
    ----------
    evidence : (n,) ndarray
        ln of how much likelier the counts are if the synapse learned than if not.
    prior : (n,) ndarray
        Log odds of learning before counts and partners are seen.
    pre, post : (n,) ndarray of int
        Rows of both cells, from 0.

    Returns
    -------
    Block

    Notes
    -----
    Every cell of either side belongs to the block or not (mean field, alternating); prior odds are shifted by one
    constant within and by another elsewhere. The prior of a synapse, and with it the gain, leaves its own evidence out of
    its partners' membership. The gain is that above blocks of neurons alone: a misfit factor makes a whole neuron look
    learned, which says nothing of its partners. Linear in synapses: a sweep is two weighted counts.
    """
    flat = _score(evidence, prior, _shift(evidence, prior, np.ones(prior.size), 0.0) * np.ones(prior.size))
    alone = max(flat, _alternate(evidence, prior, np.zeros_like(pre), post)[1])
    log_odds, value, share_pre, share_post = _alternate(evidence, prior, pre, post)
    return Block(log_odds, value - alone, share_pre, share_post)


def _alternate(evidence: Floats, prior: Floats, pre: Ints, post: Ints) -> tuple[Floats, float, float, float]:
    """Log odds from the partners, their ln likelihood, and the shares of cells in the block."""
    n_pre, n_post = int(pre.max()) + 1, int(post.max()) + 1
    surplus = expit(evidence + prior) - expit(prior)
    active, learning = _first(surplus, pre, n_pre), _first(surplus, post, n_post)
    inside, outside = 2.0, -0.5
    last = -np.inf
    for _ in range(MOST_SWEEPS):
        both = active[pre] * learning[post]
        inside = max(_shift(evidence, prior, both, inside), outside)
        outside = min(_shift(evidence, prior, 1.0 - both, outside), inside)
        speaks = _given(evidence, prior + inside) - _given(evidence, prior + outside)
        share_pre, share_post = _share(active), _share(learning)
        ln_active = logit(share_pre) + np.bincount(pre, learning[post] * speaks, n_pre)
        active = expit(ln_active)
        ln_learning = logit(share_post) + np.bincount(post, active[pre] * speaks, n_post)
        learning = expit(ln_learning)
        # without the synapse's own say in either membership
        own_pre, own_post = ln_active[pre] - learning[post] * speaks, ln_learning[post] - active[pre] * speaks
        member = expit(TEMPER * own_pre) * expit(TEMPER * own_post)
        mixed = member * expit(prior + inside) + (1.0 - member) * expit(prior + outside)
        shift = logit(np.clip(mixed, 1e-9, 1.0 - 1e-9)) - prior
        value = _score(evidence, prior, shift)
        if abs(value - last) < TOLERANCE:
            break
        last = value
    return shift, value, float(active.mean()), float(learning.mean())


def _first(surplus: Floats, cell: Ints, n: int) -> Floats:
    """A first guess of the members: cells whose synapses learned more than the others'."""
    count = np.maximum(np.bincount(cell, minlength=n), 1)
    z = np.bincount(cell, surplus, n) / np.sqrt(count)
    sd = z.std()
    return np.full(n, 0.9) if sd == 0 else expit(2.0 * (z - z.mean()) / sd)


def _share(member: Floats) -> float:
    return float((member.sum() + PSEUDO) / (member.size + 2.0 * PSEUDO))


def _given(evidence: Floats, log_odds: Floats) -> Floats:
    """ln likelihood of the counts above that without learning, (n,)."""
    given: Floats = np.logaddexp(0.0, log_odds + evidence) - np.logaddexp(0.0, log_odds)
    return given


def _score(evidence: Floats, prior: Floats, shift: Floats) -> float:
    return float(_given(evidence, prior + shift).sum())


def _shift(evidence: Floats, prior: Floats, weight: Floats, shift: float) -> float:
    """By how much the log odds of the weighted synapses must move for their prior to sum to their posterior."""
    for _ in range(3):
        before = expit(prior + shift)
        missing = float(weight @ (expit(prior + shift + evidence) - before)) - 0.1 * shift
        curve = float(weight @ (before * (1.0 - before))) + 0.1
        shift = float(np.clip(shift + np.clip(missing / curve, -1.0, 1.0), -FARTHEST, FARTHEST))
    return shift
