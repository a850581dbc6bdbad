"""Who connects to whom, where the contacts sit, and what none of the causes of the window changes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import eigs

from synimg.config import Config
from synimg.phantoms.curriculum import n_inputs
from synimg.phantoms.spines import head_volumes, receptors_of
from synimg.streams import stream

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Wiring:
    """What does not change within the window. Unit i has the id i + 1 in tables.

    position : (n_units, 2) ndarray, place on the unit sheet
    is_excitatory : (n_units,) ndarray of bool
    leak : (n_units,) ndarray, dt / tau
    pre, post : (n_edges,) ndarray of int, excitatory connections
    contact_edge : (n_contacts,) ndarray of int, connection of each contact, in order
    along : (n_contacts,) ndarray, place on the postsynaptic unit's dendrite, as a share of its whole length
    head_volume_um3, a_first : (n_contacts,) ndarray, spine head volume and receptors when the contact is first there
    is_potential : (n_contacts,) ndarray of bool, not there at the pulse: a place where a synapse may form
    gain : float, weight of one receptor
    inhibitory : (n_units, n_units) ndarray, weights (post, pre) of inhibitory connections, zero or below
    w_in : (n_units, n_inputs) ndarray
    max_rate : float, rate at which units saturate
    """

    position: Floats
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
    inhibitory: Floats32
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

    def weights(self, a: Floats, ln_inhibition: Floats | None = None) -> Floats32:
        """Weight matrix (post, pre) for `a` receptors per contact, and inhibition by a ln factor per postsynaptic unit."""
        matrix = self.inhibitory.copy()
        if ln_inhibition is not None:
            matrix *= np.exp(ln_inhibition)[:, None].astype(np.float32)
        matrix[self.post, self.pre] = self.gain * np.bincount(self.contact_edge, a, self.pre.size)
        return matrix


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
    counts = np.asarray(config.receptors.contacts_per_edge)
    n_contacts = 1 + np.searchsorted(np.cumsum(counts)[:-1], rng.random(pre.size), side="right")
    contact_edge = np.repeat(np.arange(pre.size), n_contacts)
    volume = head_volumes(contact_edge.size, config.receptors, rng)
    a_start = receptors_of(volume, config.receptors, rng)
    excitatory = np.zeros((n, n))
    excitatory[post, pre] = np.bincount(contact_edge, a_start, pre.size)
    inhibitory = np.where(connected & ~is_excitatory[None, :], np.exp(0.6 * rng.standard_normal((n, n))), 0.0)
    # every unit's inhibition balances its excitation, or one outlying eigenvalue would rule the network
    inhibitory *= excitatory.sum(axis=1, keepdims=True) / np.maximum(inhibitory.sum(axis=1, keepdims=True), 1e-12)
    gain = settings.spectral_radius / _spectral_radius(excitatory - inhibitory)
    reach = rng.random((n, n_inputs(config))) < settings.input_density
    w_in = np.where(reach, rng.standard_normal((n, n_inputs(config))), 0.0)
    potential_post, potential_pre, potential_volume, potential_a = _potential(
        config, seed, np.where(connected, 0.0, probability) * is_excitatory[None, :], contact_edge.size
    )
    edges = pre.size + np.arange(potential_post.size)
    is_potential = np.repeat([False, True], [contact_edge.size, edges.size])
    return Wiring(
        position=position,
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
        inhibitory=(-gain * inhibitory).astype(np.float32),
        w_in=w_in.astype(np.float32),
        max_rate=settings.max_rate,
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
    small = config.receptors.model_copy(update={"share_large": 0.0})
    volume = config.turnover.newborn_volume * head_volumes(n, small, rng)
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
