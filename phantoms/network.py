"""The recurrent network: who connects to whom, how activity flows, how every synapse changes within the window."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from synimg.config import Config
from synimg.errors import SynimgError
from synimg.phantoms.gates.protocol import Edges
from synimg.phantoms.homeostasis.protocol import Contacts
from synimg.phantoms.judge import Judgement, judge
from synimg.phantoms.ledger import CAUSES, Ledger
from synimg.phantoms.rules.protocol import Trials
from synimg.phantoms.spines import head_volumes, receptors_of
from synimg.phantoms.tasks.protocol import Batch
from synimg.streams import stream

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
N_SNAPSHOTS = 10
BASELINE_BATCHES = 5
PROBE_BATCHES = 10
LARGEST_RATE = 1e4  # rates of a working network are of the order of 1


@dataclass(frozen=True)
class Wiring:
    """What does not change within the window. Unit i has the id i + 1 in tables.

    position : (n_units, 2) ndarray, place on the unit sheet
    is_excitatory : (n_units,) ndarray of bool
    leak : (n_units,) ndarray, dt / tau
    pre, post : (n_edges,) ndarray of int, excitatory connections
    contact_edge : (n_contacts,) ndarray of int, connection of each contact, in order
    head_volume_um3, a_start : (n_contacts,) ndarray, spine head volume and receptors at the pulse
    gain : float, weight of one receptor
    inhibitory : (n_units, n_units) ndarray, fixed weights (post, pre) of inhibitory connections, zero or below
    w_in : (n_units, n_inputs) ndarray
    """

    position: Floats
    is_excitatory: NDArray[np.bool_]
    leak: Floats32
    pre: Ints
    post: Ints
    contact_edge: Ints
    head_volume_um3: Floats
    a_start: Floats
    gain: float
    inhibitory: Floats32
    w_in: Floats32

    @property
    def contact_pre(self) -> Ints:
        """Presynaptic unit of each contact."""
        return self.pre[self.contact_edge]

    @property
    def contact_post(self) -> Ints:
        """Postsynaptic unit of each contact."""
        return self.post[self.contact_edge]

    def weights(self, a: Floats) -> Floats32:
        """Weight matrix (post, pre) for `a` receptors per contact."""
        matrix = self.inhibitory.copy()
        matrix[self.post, self.pre] = self.gain * np.bincount(self.contact_edge, a, self.pre.size)
        return matrix


@dataclass(frozen=True)
class Readout:
    """Linear read-out of the rates: outputs = w rates + b, and the moments of its Adam steps."""

    w: Floats32
    b: Floats32
    moments: tuple[Floats32, ...]
    n_steps: int = 0

    @classmethod
    def start(cls, n_outputs: int, n_units: int, rng: np.random.Generator) -> "Readout":
        """Small random weights."""
        w = (rng.standard_normal((n_outputs, n_units)) / np.sqrt(n_units)).astype(np.float32)
        zeros = np.zeros_like(w), np.zeros_like(w), np.zeros(n_outputs, np.float32), np.zeros(n_outputs, np.float32)
        return cls(w, np.zeros(n_outputs, np.float32), zeros)

    def step(self, grad_w: Floats32, grad_b: Floats32, learning_rate: float) -> "Readout":
        """The read-out after one Adam step (Kingma and Ba 2015, default constants)."""
        n = self.n_steps + 1
        m_w, v_w, m_b, v_b = self.moments
        m_w, v_w = 0.9 * m_w + 0.1 * grad_w, 0.999 * v_w + 0.001 * grad_w**2
        m_b, v_b = 0.9 * m_b + 0.1 * grad_b, 0.999 * v_b + 0.001 * grad_b**2
        first, second = 1 - 0.9**n, 1 - 0.999**n
        w = self.w - learning_rate * (m_w / first) / (np.sqrt(v_w / second) + 1e-8)
        b = self.b - learning_rate * (m_b / first) / (np.sqrt(v_b / second) + 1e-8)
        return Readout(w.astype(np.float32), b.astype(np.float32), (m_w, v_w, m_b, v_b), n)


@dataclass(frozen=True)
class History:
    """The window as it went: the learning curve, and the causes at snapshots.

    update, score, loss : (n_tests,) ndarray, the score as `Judgement` has it
    snapshot : (n_snapshots,) ndarray of int, updates at which the causes were kept
    ln_learning, ln_homeostasis, ln_drift : (n_snapshots, n_contacts) ndarray of float32
    rates : (n_snapshots, n_units) ndarray of float32, mean rates
    """

    update: Ints
    score: Floats
    loss: Floats
    snapshot: Ints
    ln_learning: Floats32
    ln_homeostasis: Floats32
    ln_drift: Floats32
    rates: Floats32


@dataclass(frozen=True)
class Learned:
    """A network after the window, with the truth about every contact.

    is_plastic : (n_edges,) ndarray, whether the connection may learn
    ln_factor : (n_units,) ndarray, mean over the unit's inputs of what homeostasis added to ln receptors
    """

    wiring: Wiring
    ledger: Ledger
    readout: Readout
    rate_start: Floats
    rate_end: Floats
    ln_factor: Floats
    is_plastic: NDArray[np.bool_]
    history: History
    criterion_update: int | None


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
    connected = rng.random((n, n)) < _connection_probability(position, config)
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
    radius = np.max(np.abs(np.linalg.eigvals(excitatory - inhibitory)))
    gain = settings.spectral_radius / radius
    reach = rng.random((n, config.task.n_inputs)) < settings.input_density
    w_in = np.where(reach, rng.standard_normal((n, config.task.n_inputs)), 0.0)
    return Wiring(
        position=position,
        is_excitatory=is_excitatory,
        leak=(settings.dt_ms / tau).astype(np.float32),
        pre=pre,
        post=post,
        contact_edge=contact_edge,
        head_volume_um3=volume,
        a_start=a_start,
        gain=float(gain),
        inhibitory=(-gain * inhibitory).astype(np.float32),
        w_in=w_in.astype(np.float32),
    )


def _connection_probability(position: Floats, config: Config) -> Floats:
    """Probability of a connection (post, pre): a Gaussian of the distance, with the stated mean, none to itself."""
    settings = config.network
    squared = ((position[:, None] - position[None]) ** 2).sum(axis=-1)
    kernel = np.exp(-squared / (2.0 * settings.kernel_width**2))
    np.fill_diagonal(kernel, 0.0)
    n_pairs = kernel.size - kernel.shape[0]
    probability = settings.connection_probability * n_pairs / kernel.sum() * kernel
    return np.minimum(probability, 1.0)


def run_trials(
    wiring: Wiring,
    weights: Floats32,
    batch: Batch,
    noise_sd: float,
    rng: np.random.Generator,
    perturbation: Floats32 | None = None,
) -> Floats32:
    """Rates (time + 1, trial, unit) of the network over a batch of trials, from rest.

    A `perturbation` (time, trial, unit) is added to the potentials at each step.

    Notes
    -----
    ``x_t = (1 - leak) x_{t-1} + leak (W r_{t-1} + W_in u_t + noise)``, ``r = max(0, x)`` (MODEL.md 1).
    """
    n_steps, n_trials, _ = batch.inputs.shape
    n_units = wiring.leak.size
    drive = batch.inputs.reshape(-1, batch.inputs.shape[-1]) @ wiring.w_in.T
    drive = drive.reshape(n_steps, n_trials, n_units)
    if noise_sd:
        drive += np.float32(noise_sd) * rng.standard_normal(drive.shape, dtype=np.float32)
    rates = np.zeros((n_steps + 1, n_trials, n_units), np.float32)
    x = np.zeros((n_trials, n_units), np.float32)
    transposed = np.ascontiguousarray(weights.T)
    keep = 1.0 - wiring.leak
    for t in range(n_steps):
        x = keep * x + wiring.leak * (rates[t] @ transposed + drive[t])
        if perturbation is not None:
            x += perturbation[t]
        np.maximum(x, 0.0, out=rates[t + 1])
    return rates


def test_task(config: Config, seed: int, wiring: Wiring, a: Floats, readout: Readout) -> Judgement:
    """How the network with `a` receptors does on the fixed test trials."""
    rng = stream(seed, "network", "test")
    batch = config.task.draw(config.training.test_trials, config.network.dt_ms, rng)
    rates = run_trials(wiring, wiring.weights(a), batch, config.network.noise_sd, rng)
    return judge(rates, batch, readout.w, readout.b)


@threadpoolctl.threadpool_limits.wrap(
    limits=1
)  # small matrices; and the number of threads would change the last digits
def train(config: Config, seed: int, without: str | None = None, report: Any = None) -> Learned:
    """The network after the window: learning, homeostasis and drift at the same time, each change booked by cause.

    Parameters
    ----------
    config : Config
        Sections network, task, rule, plasticity, gate, homeostasis, drift, training, receptors.
    seed : int
        The same seed gives the same network, trials and noise, also with one cause switched off.
    without : {"learning", "homeostasis", "drift"}, optional
        The cause that does not act: a counterfactual.
    report : callable, optional
        Called with (update, score) after every test.
    """
    training, n = config.training, config.network.n_units
    wiring = build_wiring(config, seed)
    ledger = Ledger(np.log(wiring.a_start))
    readout = Readout.start(config.task.n_outputs, n, stream(seed, "network", "readout"))
    rate_start = _mean_rates(config, seed, wiring, wiring.a_start, "before")
    rate_target = config.homeostasis.target(rate_start, stream(seed, "homeostasis", "target"))
    is_plastic = _plastic_edges(config, seed, wiring, readout)
    plastic = np.flatnonzero(is_plastic)
    memory = config.rule.start(plastic.size, n, config.task.n_outputs, stream(seed, "rule"))
    contacts = Contacts(wiring.contact_pre, wiring.contact_post, ledger.ln_start)
    regulation = config.homeostasis.start(contacts, rate_target)
    drifting = config.drift.start(wiring.a_start, stream(seed, "drift", "start"))
    tests: list[tuple[int, float, float]] = []
    kept: list[tuple[Any, ...]] = []
    snapshots = set(np.unique(np.linspace(0, training.n_updates, N_SNAPSHOTS + 1).round().astype(int)).tolist())
    rate = rate_start
    for update in range(training.n_updates + 1):
        if update % training.test_every == 0 or update == training.n_updates:
            tested = test_task(config, seed, wiring, ledger.a, readout)
            tests.append((update, tested.score, tested.loss))
            if report:
                report(update, tested.score)
        if update in snapshots:
            kept.append((update, *(ledger.log[c].value.astype(np.float32) for c in CAUSES), rate.astype(np.float32)))
        if update == training.n_updates:
            break
        trials = _run_batch(config, seed, update, wiring, ledger.a, readout)
        rate = trials.rates[1:].mean(axis=(0, 1)).astype(np.float64)
        if without != "learning":
            by_edge = np.zeros(wiring.pre.size)
            if plastic.size:
                by_edge[plastic], memory = config.rule.step(trials, wiring.pre[plastic], wiring.post[plastic], memory)
            ledger.book("learning", by_edge[wiring.contact_edge])
            if config.rule.trains_readout and config.plasticity.readout:
                flat = trials.error.reshape(-1, trials.error.shape[-1])
                grad_w = flat.T @ trials.rates[1:].reshape(flat.shape[0], n)
                readout = readout.step(grad_w, flat.sum(axis=0), training.readout_learning_rate)
        if without != "homeostasis":
            change, regulation = config.homeostasis.step(rate, rate_target, contacts, regulation)
            ledger.book("homeostasis", change)
        if without != "drift":
            dt_days = training.window_days / training.n_updates
            drift_rng = stream(seed, "drift", update)
            change, drifting = config.drift.step(ledger.log["drift"].value, drifting, dt_days, drift_rng)
            ledger.book("drift", change)
    return Learned(
        wiring=wiring,
        ledger=ledger,
        readout=readout,
        rate_start=rate_start,
        rate_end=_mean_rates(config, seed, wiring, ledger.a, "after"),
        is_plastic=is_plastic,
        ln_factor=_mean_by(wiring.contact_post, ledger.log["homeostasis"].value, n),
        history=_history(tests, kept),
        criterion_update=next((u for u, score, _ in tests if score >= training.criterion), None),
    )


def _run_batch(
    config: Config, seed: int, update: int, wiring: Wiring, a: Floats, readout: Readout, key: str = "trials"
) -> Trials:
    """One batch of training trials, as the rule sees it.

    Raises
    ------
    SynimgError
        If the activity has left all bounds.
    """
    rng = stream(seed, "network", key, update)
    n_trials = config.training.batch
    batch = config.task.draw(n_trials, config.network.dt_ms, rng)
    weights = wiring.weights(a)
    shape = (len(batch.inputs), n_trials, wiring.leak.size)
    perturbation = config.rule.perturbation(shape, stream(seed, "rule", "perturbation", update))
    with np.errstate(over="ignore", invalid="ignore"):
        rates = run_trials(wiring, weights, batch, config.network.noise_sd, rng, perturbation)
    largest = float(rates.max())
    if not largest < LARGEST_RATE:
        step = getattr(config.rule, "learning_rate", None)
        raise SynimgError(
            f"training: the run diverged at update {update} (rule '{config.rule.kind}'"
            + (f", learning_rate {step:g}" if step else "")
            + f"): a unit's rate reached {largest:.3g}, the mean rate is {rates[1:].mean():.3g}; "
            "take a smaller rule.learning_rate or network.spectral_radius"
        )
    judged = judge(rates, batch, readout.w, readout.b)
    return Trials(
        rates,
        judged.error,
        readout.w,
        weights,
        wiring.leak,
        wiring.is_excitatory,
        judged.loss / judged.chance,
        judged.trial_loss,
        batch.target if batch.target.ndim == 1 else np.zeros(n_trials, np.int64),
        perturbation,
    )


def _plastic_edges(config: Config, seed: int, wiring: Wiring, readout: Readout) -> NDArray[np.bool_]:
    """Which connections may learn: those of the classes that may, as far as the gate lets them."""
    on_excitatory = wiring.is_excitatory[wiring.post]
    classes = config.plasticity.recurrent
    allowed = (on_excitatory & ("EE" in classes)) | (~on_excitatory & ("EI" in classes))
    if not allowed.any():
        return allowed
    pre, post = wiring.pre[allowed], wiring.post[allowed]

    def eagerness() -> Floats:
        memory = config.rule.start(pre.size, wiring.leak.size, config.task.n_outputs, stream(seed, "rule"))
        moved = np.zeros(pre.size)
        for k in range(PROBE_BATCHES):
            trials = _run_batch(config, seed, k, wiring, wiring.a_start, readout, "probe")
            step, memory = config.rule.step(trials, pre, post, memory)
            moved += step
        return np.abs(moved)

    distance = np.linalg.norm(wiring.position[pre] - wiring.position[post], axis=1)
    allowed[allowed] = config.gate.choose(Edges(distance, eagerness), stream(seed, "gate"))
    return allowed


def _mean_by(unit: Ints, values: Floats, n_units: int) -> Floats:
    """Mean of `values` over the contacts of each unit, 0 where there is none."""
    return np.bincount(unit, values, n_units) / np.maximum(np.bincount(unit, minlength=n_units), 1)


def _mean_rates(config: Config, seed: int, wiring: Wiring, a: Floats, when: str) -> Floats:
    """Mean rate of every unit over some batches: a plain mean, since a running one would fake a gradient."""
    rates = []
    for k in range(BASELINE_BATCHES):
        rng = stream(seed, "network", "rates", when, k)
        batch = config.task.draw(config.training.batch, config.network.dt_ms, rng)
        active = run_trials(wiring, wiring.weights(a), batch, config.network.noise_sd, rng)
        rates.append(active[1:].mean(axis=(0, 1)).astype(np.float64))
    return np.mean(rates, axis=0)


def _history(tests: list[tuple[int, float, float]], kept: list[tuple[Any, ...]]) -> History:
    update, score, loss = (np.array(column) for column in zip(*tests, strict=True))
    snapshot, *causes, rates = zip(*kept, strict=True)
    learning, homeostasis, drift = (np.stack(cause) for cause in causes)
    return History(update, score, loss, np.array(snapshot), learning, homeostasis, drift, np.stack(rates))
