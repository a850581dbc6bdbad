"""Who connects to whom, where the contacts sit, and what none of the causes of the window changes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigs

from synimg.config import Config
from synimg.phantoms.curriculum import n_inputs
from synimg.phantoms.spines import head_volumes, receptors_of
from synimg.phantoms.weights import Weights, matrix_of
from synimg.streams import stream

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Attributes = dict[str, NDArray[Any]]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
SPARSE_FROM = 1024  # units; below, a dense matrix of weights is faster


@dataclass(frozen=True)
class Wiring:
    """What does not change within the window. Unit i has the id i + 1 in tables, axon j of an input n_units + j + 1.

    position : (n_units, 2) ndarray, place on the unit sheet
    axon_position : (n_axons, 2) ndarray, of the axons that bring the inputs in; none where inputs have fixed weights
    is_excitatory : (n_units,) ndarray of bool
    leak : (n_units,) ndarray, dt / tau
    pre, post : (n_edges,) ndarray of int, excitatory connections; `pre` is a unit, or n_units + axon
    contact_edge : (n_contacts,) ndarray of int, connection of each contact, in order
    along : (n_contacts,) ndarray, place on the postsynaptic unit's dendrite, as a share of its whole length
    head_volume_um3, a_first : (n_contacts,) ndarray, spine head volume and receptors when the contact is first there
    is_potential : (n_contacts,) ndarray of bool, not there at the pulse: a place where a synapse may form
    gain, gain_in : float, weight of one receptor of a unit's and of an axon's synapses
    inhibitory_pre, inhibitory_post, inhibitory_weight : (n_inhibitory,) ndarray, inhibitory connections, weights below zero
    w_in : (n_units, n_inputs) ndarray, fixed weights of the inputs; with axons, the inhibition that they drive
    max_rate : float, rate at which units saturate
    """

    position: Floats
    axon_position: Floats
    is_excitatory: Bools
    leak: Floats32
    pre: Ints
    post: Ints
    contact_edge: Ints
    along: Floats
    head_volume_um3: Floats
    a_first: Floats
    is_potential: Bools
    gain: float
    gain_in: float
    inhibitory_pre: Ints
    inhibitory_post: Ints
    inhibitory_weight: Floats32
    w_in: Floats32
    max_rate: float

    @property
    def a_start(self) -> Floats:
        """Receptors of each contact at the pulse, 0 where it is yet to form."""
        return np.where(self.is_potential, 0.0, self.a_first)

    @property
    def contact_pre(self) -> Ints:
        """Presynaptic unit of each contact."""
        return self.pre[self.contact_edge]

    @property
    def contact_post(self) -> Ints:
        """Postsynaptic unit of each contact."""
        return self.post[self.contact_edge]

    @property
    def from_axon(self) -> Bools:
        """Whether a connection comes from an axon, not from a unit."""
        return self.pre >= self.leak.size

    @property
    def source(self) -> Ints:
        """Of each connection the unit whose rate it passes on, or n_units + the input."""
        n_units, n_inputs = self.w_in.shape
        axons_per_input = max(len(self.axon_position) // max(n_inputs, 1), 1)
        return np.where(self.from_axon, n_units + (self.pre - n_units) // axons_per_input, self.pre)

    @property
    def synapse_class(self) -> NDArray[np.str_]:
        """Of each connection "input", or "EE" and "EI" for those of units on excitatory and on inhibitory ones."""
        return np.where(self.from_axon, "input", np.where(self.is_excitatory[self.post], "EE", "EI"))

    @property
    def distance(self) -> Floats:
        """Length of each connection, in sides of the sheet of units."""
        place = np.concatenate([self.position, self.axon_position])
        length: Floats = np.linalg.norm(place[self.pre] - place[self.post], axis=1)
        return length

    def weights(self, a: Floats, ln_inhibition: Floats | None = None) -> Weights:
        """The weights for `a` receptors per contact, and inhibition by a ln factor per postsynaptic unit."""
        inhibition = self.inhibitory_weight
        if ln_inhibition is not None:
            inhibition = inhibition * np.exp(ln_inhibition)[self.inhibitory_post].astype(np.float32)
        receptors, afferent = np.bincount(self.contact_edge, a, self.pre.size), self.from_axon
        excitation = (self.gain * receptors[~afferent]).astype(np.float32)
        recurrent = matrix_of(
            self.leak.size,
            np.concatenate([self.inhibitory_post, self.post[~afferent]]),
            np.concatenate([self.inhibitory_pre, self.pre[~afferent]]),
            np.concatenate([inhibition, excitation]),
            self.leak.size >= SPARSE_FROM,
        )
        inputs = self.w_in
        if afferent.any():
            n_units, n_inputs = self.w_in.shape
            place = self.post[afferent] * n_inputs + self.source[afferent] - n_units
            driven = np.bincount(place, self.gain_in * receptors[afferent], n_units * n_inputs)
            inputs = self.w_in + driven.reshape(n_units, n_inputs).astype(np.float32)
        return Weights(recurrent, inputs)


def stored_wiring(nodes: Attributes, contacts: Attributes, inhibitory: Attributes, extra: Attributes) -> Wiring:
    """The network of a network file's attributes: of units, of contacts, of inhibitory connections, and the rest.

    Edges are numbered from 0 on; contacts with a `formed_update` from 0 on were not there at first.
    """
    _, first = np.unique(contacts["edge"], return_index=True)
    return Wiring(
        position=np.column_stack([nodes["x"], nodes["y"]]),
        axon_position=np.column_stack([extra["axon_x"], extra["axon_y"]]) if "axon_x" in extra else np.zeros((0, 2)),
        is_excitatory=nodes["is_excitatory"].astype(bool),
        leak=nodes["leak"],
        pre=contacts["source"][first],
        post=contacts["target"][first],
        contact_edge=contacts["edge"],
        along=contacts["along"],
        head_volume_um3=contacts["head_volume_um3"],
        a_first=contacts["a_first"],
        is_potential=contacts["formed_update"] >= 0,
        gain=float(extra["gain"]),
        gain_in=float(extra["gain_in"]),
        inhibitory_pre=inhibitory["source"],
        inhibitory_post=inhibitory["target"],
        inhibitory_weight=inhibitory["weight"],
        w_in=extra["w_in"],
        max_rate=float(extra["max_rate"]),
    )


def build_wiring(config: Config, seed: int) -> Wiring:
    """The network before the window."""
    settings, n = config.network, config.network.n_units
    rng = stream(seed, "network", "wiring")
    n_excitatory = round(settings.share_excitatory * n)
    is_excitatory = np.arange(n) < n_excitatory
    position = rng.random((n, 2))
    slow = rng.random(n) < settings.share_slow
    tau = np.where(
        slow,
        np.exp(rng.uniform(np.log(settings.tau_slow_low_ms), np.log(settings.tau_slow_high_ms), n)),
        settings.tau_fast_ms,
    )
    probability = _connection_probability(position, config)
    connected = rng.random((n, n)) < probability
    post, pre = np.nonzero(connected & is_excitatory[None, :])
    contact_edge, volume, a_start = _contacts(pre.size, config, rng)
    excitatory = np.zeros((n, n))
    excitatory[post, pre] = np.bincount(contact_edge, a_start, pre.size)
    inhibitory = np.where(connected & ~is_excitatory[None, :], np.exp(0.6 * rng.standard_normal((n, n))), 0.0)
    # every unit's inhibition balances its excitation, or one outlying eigenvalue would rule the network
    inhibitory *= excitatory.sum(axis=1, keepdims=True) / np.maximum(inhibitory.sum(axis=1, keepdims=True), 1e-12)
    radius = _spectral_radius(excitatory - inhibitory)
    gain = settings.spectral_radius / radius if radius > 0 else 1.0
    inhibitory_post, inhibitory_pre = np.nonzero(inhibitory)
    afferents, free = _afferents(config, seed, position), np.where(connected, 0.0, probability) * is_excitatory[None, :]
    if afferents is None:
        reach = rng.random((n, n_inputs(config))) < settings.input_density
        w_in = np.where(reach, rng.standard_normal((n, n_inputs(config))), 0.0)
        gain_in, axon_position = 1.0, np.zeros((0, 2))
    else:
        w_in, gain_in, axon_position = afferents.w_in, afferents.gain_in, afferents.axon_position
        contact_edge = np.concatenate([contact_edge, pre.size + afferents.contact_edge])
        pre, post = np.concatenate([pre, n + afferents.axon]), np.concatenate([post, afferents.post])
        volume = np.concatenate([volume, afferents.head_volume_um3])
        a_start = np.concatenate([a_start, afferents.a_start])
        free = np.hstack([free, afferents.free])
    potential_post, potential_pre, potential_volume, potential_a = _potential(config, seed, free, contact_edge.size)
    edges = pre.size + np.arange(potential_post.size)
    is_potential = np.repeat([False, True], [contact_edge.size, edges.size])
    return Wiring(
        position=position,
        axon_position=axon_position,
        is_excitatory=is_excitatory,
        leak=(settings.dt_ms / tau).astype(np.float32),
        pre=np.concatenate([pre, potential_pre]),
        post=np.concatenate([post, potential_post]),
        contact_edge=np.concatenate([contact_edge, edges]),
        along=stream(seed, "network", "along").random(is_potential.size),
        head_volume_um3=np.concatenate([volume, potential_volume]),
        a_first=np.concatenate([a_start, potential_a]),
        is_potential=is_potential,
        gain=gain,
        gain_in=gain_in,
        inhibitory_pre=inhibitory_pre,
        inhibitory_post=inhibitory_post,
        inhibitory_weight=(-gain * inhibitory[inhibitory_post, inhibitory_pre]).astype(np.float32),
        w_in=w_in.astype(np.float32),
        max_rate=settings.max_rate,
    )


def _contacts(n_edges: int, config: Config, rng: np.random.Generator) -> tuple[Ints, Floats, Floats]:
    """Edge, head volume and receptors of the contacts of `n_edges` connections."""
    counts = np.asarray(config.receptors.contacts_per_edge)
    n_contacts = 1 + np.searchsorted(np.cumsum(counts)[:-1], rng.random(n_edges), side="right")
    contact_edge = np.repeat(np.arange(n_edges), n_contacts)
    volume = head_volumes(contact_edge, config.receptors, rng)
    return contact_edge, volume, receptors_of(volume, config.receptors, rng)


@dataclass(frozen=True)
class _Afferents:
    """Axons that bring the inputs in, and their contacts; `free` (n_units, n_axons): where further ones may form."""

    axon_position: Floats
    axon: Ints
    post: Ints
    contact_edge: Ints
    head_volume_um3: Floats
    a_start: Floats
    free: Floats
    gain_in: float
    w_in: Floats


def _afferents(config: Config, seed: int, position: Floats) -> _Afferents | None:
    """The axons of the inputs: excitatory contacts on the units, and inhibition that answers the mean of all inputs.

    The inhibition leaves each unit what tells the inputs apart; the weights that remain are as large as fixed ones are.
    """
    settings, n_channels = config.network, n_inputs(config)
    if not settings.axons_per_input:
        return None
    rng = stream(seed, "network", "afferents")
    n, n_axons = len(position), n_channels * settings.axons_per_input
    channel = np.arange(n_axons) // settings.axons_per_input
    axon_position = rng.random((n_axons, 2))
    probability = np.full((n, n_axons), settings.input_density)
    if settings.input_kernel_width:
        axon_position[:, 0] = (channel + rng.random(n_axons)) / n_channels
        kernel = np.exp(-0.5 * ((position[:, :1] - axon_position[:, 0]) / settings.input_kernel_width) ** 2)
        probability = np.minimum(kernel * (settings.input_density / kernel.mean()), 1.0)
    connected = rng.random((n, n_axons)) < probability
    post, axon = np.nonzero(connected)
    contact_edge, volume, a_start = _contacts(axon.size, config, rng)
    place = (post * n_channels + channel[axon])[contact_edge]
    excitatory = np.bincount(place, a_start, n * n_channels).reshape(n, n_channels)
    signed = excitatory - excitatory.mean(axis=1, keepdims=True)
    gain_in = float(np.sqrt(settings.input_density) / np.sqrt(np.mean(signed**2)))
    return _Afferents(
        axon_position=axon_position,
        axon=axon,
        post=post,
        contact_edge=contact_edge,
        head_volume_um3=volume,
        a_start=a_start,
        free=np.where(connected, 0.0, probability),
        gain_in=gain_in,
        w_in=gain_in * (signed - excitatory),
    )


def _potential(config: Config, seed: int, probability: Floats, n_contacts: int) -> tuple[Ints, Ints, Floats, Floats]:
    """Connections that may form within the window: post, pre, head volume and receptors of a newborn spine.

    Pairs are drawn by the same reach as the connections that are there (Stepanyants et al. 2002, Neuron 34:275).
    """
    share = config.turnover.reserve(config.training.window_days)
    rng = stream(seed, "network", "potential")
    n = min(round(share * n_contacts), int(np.count_nonzero(probability)))
    # the n smallest of exponential waiting times are a sample without replacement by probability
    chance = np.where(probability > 0, probability, np.nan).ravel()
    chosen = np.sort(np.argsort(rng.exponential(size=chance.size) / chance)[:n]) if n else np.zeros(0, np.int64)
    post, pre = np.divmod(chosen, probability.shape[1])
    small = config.receptors.model_copy(update={"share_large": (0.0,)})
    volume = config.turnover.newborn_volume * head_volumes(np.arange(n), small, rng)
    return post, pre, volume, receptors_of(volume, config.receptors, rng)


def _spectral_radius(matrix: Floats) -> float:
    """Largest modulus of the eigenvalues; without all the others where there are many."""
    if len(matrix) <= 512:
        return float(np.max(np.abs(np.linalg.eigvals(matrix))))
    largest = eigs(matrix, k=4, ncv=80, tol=1e-5, v0=np.ones(len(matrix)), return_eigenvectors=False)
    return float(np.max(np.abs(largest)))


def _connection_probability(position: Floats, config: Config) -> Floats:
    """Probability of a connection (post, pre): a Gaussian of the distance, with the stated mean, none to itself."""
    settings = config.network
    squared = ((position[:, None] - position[None]) ** 2).sum(axis=-1)
    kernel = np.exp(-squared / (2.0 * settings.kernel_width**2))
    np.fill_diagonal(kernel, 0.0)
    n_pairs = kernel.size - kernel.shape[0]
    probability = settings.connection_probability * n_pairs / kernel.sum() * kernel
    return np.minimum(probability, 1.0)
