"""The joint law of the causes in a trained network, as far as a population drawn from it must keep it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from synimg.phantoms.clusters import Clusters

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Attributes = dict[str, NDArray[Any]]
EXCITATORY, INHIBITORY, AXON = 0, 1, 2
"""Kinds of units: neurons of the network by cell type, and axons from outside, which are presynaptic only."""
TRAITS = ("row", "column", "homeostasis", "size", "drift", "ln_rate_start", "ln_rate_end")
"""What a unit has besides its factors: means of its learning as post- and as presynaptic unit, its homeostatic factor,
what its sizes and its drift have in common, and its rates."""
LEAST_RATE = 0.005
LEVELS = np.concatenate([[0.0], ndtr(np.linspace(-4.5, 4.5, 999)), [1.0]])
"""Levels of quantiles, close together at both ends."""
N_RANKS = 10


@dataclass(frozen=True)
class Units:
    """Units of one kind, from which those of a population are drawn.

    number : (n,) ndarray of int, of the unit in the network
    trait : (n, n_traits + 2 rank) ndarray, `TRAITS`, then the factors as postsynaptic and as presynaptic unit
    neighbour : (n, k) ndarray of int, the units most like it
    n_contacts : (n,) ndarray of int, contacts on its dendrite
    reach : (n,) ndarray, how likely it is to be a presynaptic partner, relative to the likeliest of its kind
    """

    number: Ints
    trait: Floats
    neighbour: Ints
    n_contacts: Ints
    reach: Floats


@dataclass(frozen=True)
class Pool:
    """Connections of one kind, the donors of a population's, in the order of the learning that their units foretell.

    foretold : (n,) ndarray
    contact : dict of (n, n_contacts) ndarray, what each contact brings along
    """

    foretold: Floats
    contact: Attributes


@dataclass(frozen=True)
class Field:
    """Homeostasis along each dendrite beyond the neuron's own factor.

    by_rank : (n_ranks,) ndarray, share of the factor that a contact takes more than others, by its rank in size
    place : (n,) ndarray, number of the unit plus place along its dendrite, in order
    rest : (n,) ndarray, what is left there
    """

    by_rank: Floats
    place: Floats
    rest: Floats


@dataclass(frozen=True)
class Law:
    """What a population keeps of a network.

    units : the units by kind
    answer : (n_traits,) ndarray, change of a neuron's traits per surplus of its mean learning (`surplus_of`); the units'
        traits are those at no surplus
    partner : (n_traits,) ndarray, traits of the average presynaptic partner
    low, high : (n_traits,) ndarray, range of the traits
    base : float, mean learning
    rank : int, factors of learning
    pre_kind : (2, 2) ndarray, share of connections from excitatory units and from axons, by the kind of postsynaptic unit
    contacts_per_edge : (2, 2, most) ndarray, share of connections with 1, 2, ... contacts, by kind of both units
    pools : the donors by kind of post- and of presynaptic unit and number of contacts
    learning : quantiles of the learning of plastic contacts at `LEVELS`, by kind of post- and of presynaptic unit (axon or
        not) and whether the contact lasted
    factor : (n_fates,) ndarray, share of the unit's homeostasis that a contact of each fate takes
    foretold : (n_fates,) ndarray, share of the learning that its units foretell
    bandwidth : (n_fates, 2) ndarray, of ln size and of drift
    spread : (n_fates, 2, 2) ndarray, mean and sd of both
    field : Field or None
    clusters : Clusters
    place : (n,) ndarray, places of contacts along their dendrites, in order
    course : (3, n_times) ndarray, share of its final value that each cause has reached as the window goes on
    largest_ln : float, bound of learning
    potentiated_ln : float, learning from which a contact counts as potentiated
    has_rates : bool, whether the units' rates are known
    facts : what the law says of the network, JSON-ready
    """

    units: tuple[Units, Units, Units]
    answer: Floats
    partner: Floats
    low: Floats
    high: Floats
    base: float
    rank: int
    pre_kind: Floats
    contacts_per_edge: Floats
    pools: dict[tuple[int, int, int], Pool]
    learning: dict[tuple[int, int, bool], Floats]
    factor: Floats
    foretold: Floats
    bandwidth: Floats
    spread: Floats
    field: Field | None
    clusters: Clusters
    place: Floats
    course: Floats
    largest_ln: float
    potentiated_ln: float
    has_rates: bool
    facts: dict[str, Any]


def is_lasting(contacts: Attributes) -> Bools:
    """Whether each contact was there from the pulse to death."""
    lasting: Bools = (contacts["formed_update"] < 0) & (contacts["eliminated_update"] < 0)
    return lasting


def moments(post: Ints, values: Floats, n_units: int) -> dict[str, float]:
    """Mean, sd, and share of the variance that lies between neurons."""
    n = np.maximum(np.bincount(post, minlength=n_units), 1)
    means = np.bincount(post, values, n_units) / n
    variance = float(values.var())
    within = float(np.mean((values - means[post]) ** 2))
    between = 1.0 - within / variance if variance > 0 else 0.0
    return {"mean": float(values.mean()), "sd": float(np.sqrt(variance)), "share_between": between}


def quantiles_of(
    learning: Floats, post_kind: Ints, outside: Bools, changed: Bools, is_plastic: Bools
) -> dict[tuple[int, int, bool], Floats]:
    """Quantiles of the learning of plastic contacts, by kind (see `Law`)."""
    found = {}
    for post in (EXCITATORY, INHIBITORY):
        for axon in (0, 1):
            for lasted in (True, False):
                own = (post_kind == post) & (outside == axon) & (changed != lasted) & is_plastic
                if own.any():
                    found[post, axon, lasted] = np.quantile(learning[own], LEVELS)
    return found


def surplus_of(post: Ints, learning: Floats, trait: Floats, partner: Floats, base: float, rank: int) -> Floats:
    """Mean learning of each unit beyond what it would be with average partners: what its own partners brought by chance.

    Parameters
    ----------
    post, learning : (n_contacts,) ndarray
        Of lasting contacts.
    trait : (n_units, n_traits) ndarray
    partner : (n_traits,) ndarray
        Traits of the average presynaptic partner.
    base, rank : float, int
        Of the law.
    """
    n = np.bincount(post, minlength=len(trait))
    first = len(TRAITS)
    together = trait[:, first : first + rank] @ partner[first + rank :]
    expected = base + trait[:, TRAITS.index("row")] + partner[TRAITS.index("column")] + together
    mean = np.bincount(post, learning, len(trait)) / np.maximum(n, 1)
    return np.where(n > 0, mean - expected, 0.0)


def size_step(post: Ints, a: Floats) -> Ints:
    """Tenth of its neuron's contacts that each contact belongs to by its size, 0 to 9."""
    order = np.lexsort((a, post))
    n_of = np.bincount(post)
    first = np.cumsum(n_of) - n_of
    step = np.empty(post.size, np.int64)
    step[order] = (np.arange(post.size) - first[post[order]]) * N_RANKS // n_of[post[order]]
    return step
