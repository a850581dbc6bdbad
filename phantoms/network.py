"""The window between pulse and chase: the network learns, and every synapse changes for several causes at once."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms import curriculum
from synimg.phantoms.activity import Readout
from synimg.phantoms.batches import active_units, mean_rates, run_batch, start_readouts, test_task
from synimg.phantoms.gates.protocol import Edges
from synimg.phantoms.homeostasis.protocol import Contacts
from synimg.phantoms.judge import Judgement
from synimg.phantoms.learned import History, Learned, Start
from synimg.phantoms.ledger import CAUSES, Ledger
from synimg.phantoms.rules.protocol import Shape, Trials
from synimg.phantoms.turnover.protocol import Sites
from synimg.phantoms.weights import Weights
from synimg.phantoms.wiring import build_wiring
from synimg.store.checkpoint import load_checkpoint, save_checkpoint
from synimg.streams import stream

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
PROBE_BATCHES = 10


@dataclass
class _State:
    """All that changes from update to update; saved at snapshots, it lets an interrupted run go on."""

    ledger: Ledger
    readouts: list[Readout]
    rule: Any
    consolidation: Any
    regulation: Any
    drifting: Any
    learned: Floats
    is_free: Bools
    rate: Floats
    update: int = 0
    tests: list[tuple[int, list[float], float]] = field(default_factory=list)
    kept: list[tuple[int, list[Floats32], Floats32]] = field(default_factory=list)
    traces: list[tuple[int, list[Floats32]]] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)


@threadpoolctl.threadpool_limits.wrap(
    limits=1
)  # small matrices; and the number of threads would change the last digits
def train(
    config: Config,
    seed: int,
    without: str | None = None,
    report: Callable[[int, float], None] | None = None,
    checkpoint: Path | None = None,
    start: Start | None = None,
) -> Learned:
    """The network after the window: learning, homeostasis and drift at the same time, each change booked by cause.

    Parameters
    ----------
    config : Config
        Sections network, task, rule, plasticity, gate, consolidation, homeostasis, drift, turnover, training, record.
    seed : int
        The same seed gives the same network, trials and noise, also with one cause switched off.
    without : {"learning", "homeostasis", "drift"}, optional
        The cause that does not act: a counterfactual.
    report : callable, optional
        Called with (update, score) after every test.
    checkpoint : path, optional
        File to save the state to at every snapshot, and to go on from if it is there.
    start : Start, optional
        The network before the window; that of `seed` if not given, which still gives trials, noise and all else.

    Raises
    ------
    SynimgError
        If most units saturate.
    """
    window = _Window(config, seed, without, start)
    state = window.resume(checkpoint)
    n_updates = config.training.n_updates
    while True:
        k = curriculum.task_at(config, state.update)
        if state.update in window.snapshots and checkpoint is not None:
            save_checkpoint(checkpoint, state)
        if state.update % config.training.test_every == 0 or state.update == n_updates:
            scores = window.test(state, k)
            state.tests.append((state.update, [s.score for s in scores], scores[k].loss))
            if report:
                report(state.update, scores[k].score)
        window.record(state)
        if state.update == n_updates:
            return window.close(state)
        if state.update and k != curriculum.task_at(config, state.update - 1):
            state.consolidation = config.consolidation.switch(state.learned[window.plastic], state.consolidation)
        trials = window.run_batch(state, k)
        state.progress.append(trials.progress)
        state.rate = trials.rates[1:].mean(axis=(0, 1)).astype(np.float64)
        if without != "learning":
            window.learn(state, k, trials)
        if without != "homeostasis":
            window.regulate(state)
        if without != "drift":
            window.drift(state)
        window.turn_over(state)
        state.update += 1


class _Window:
    """What stays the same in one run of the window, and the operators that change its state."""

    def __init__(self, config: Config, seed: int, without: str | None, start: Start | None) -> None:
        self.config, self.seed, self.without, self.start = config, seed, without, start
        training = config.training
        self.dt_days = training.window_days / training.n_updates
        self.wiring = wiring = build_wiring(config, seed) if start is None else start.wiring
        n_tasks, n_units = len(curriculum.tasks_of(config)), wiring.leak.size
        self.names = curriculum.names_of(config)
        self.readouts = list(start_readouts(config, seed, n_units) if start is None else start.readouts)
        self.active = [active_units(config, seed, k) for k in range(n_tasks)]
        weights = wiring.weights(wiring.a_start)
        self.rate_start = mean_rates(config, seed, wiring, weights, "before", 1.0)
        self.rate_target = config.homeostasis.target(self.rate_start, stream(seed, "homeostasis", "target"))
        self.contacts = Contacts(wiring.contact_pre, wiring.contact_post, np.log(wiring.a_first), wiring.along)
        on_neuron = np.bincount(wiring.contact_post[~wiring.is_potential], minlength=n_units)
        self.along_um = wiring.along * on_neuron[wiring.contact_post] / config.tissue.spine_density_per_um
        record = config.record
        grid = np.linspace(0, training.n_updates, record.n_snapshots + 1).round().astype(int)
        self.snapshots = set(np.unique(grid).tolist())
        chosen = stream(seed, "record", "contacts").permutation(wiring.a_first.size)[: record.traced_contacts]
        self.traced = np.sort(chosen)
        self.partner = self._partner()
        self.shape = Shape(
            n_units,
            curriculum.n_inputs(config),
            curriculum.n_outputs(config),
            training.n_updates,
            training.feedback == "contingent",
        )
        self.is_plastic = self._plastic_edges()
        self.plastic = np.flatnonzero(self.is_plastic)
        self.pre, self.post = wiring.source[self.plastic], wiring.post[self.plastic]

    def resume(self, checkpoint: Path | None) -> _State:
        """The state at the start, or the last one that an interrupted run has saved."""
        saved = load_checkpoint(checkpoint) if checkpoint is not None else None
        if isinstance(saved, _State):
            return saved
        config, wiring = self.config, self.wiring
        return _State(
            ledger=Ledger(self.contacts.ln_start, ~wiring.is_potential),
            readouts=list(self.readouts),
            rule=config.rule.start(self.plastic.size, self.shape, stream(self.seed, "rule")),
            consolidation=config.consolidation.start(self.plastic.size),
            regulation=config.homeostasis.start(
                self.contacts, self.rate_target, stream(self.seed, "homeostasis", "start")
            ),
            drifting=config.drift.start(wiring.a_first, stream(self.seed, "drift", "start")),
            learned=np.zeros(wiring.pre.size),
            is_free=wiring.is_potential.copy(),
            rate=self.rate_start,
        )

    def weights(self, state: _State) -> Weights:
        """The weights as they are now."""
        return self.wiring.weights(state.ledger.a, self.config.homeostasis.ln_inhibition(state.regulation))

    def test(self, state: _State, k: int) -> list[Judgement]:
        """How the network does on the tasks that have begun."""
        weights, readouts = self.weights(state), tuple(state.readouts)
        return [test_task(self.config, self.seed, self.wiring, weights, readouts, j) for j in range(k + 1)]

    def record(self, state: _State) -> None:
        """Keep the causes of all contacts at snapshots, and of the chosen ones more often."""
        every = self.config.record.trace_every
        if self.traced.size and state.update % every == 0:
            traces = [state.ledger.log[cause].value[self.traced].astype(np.float32) for cause in CAUSES]
            state.traces.append((state.update, traces))
        if state.update in self.snapshots:
            causes = [state.ledger.log[cause].value.astype(np.float32) for cause in CAUSES]
            state.kept.append((state.update, causes, state.rate.astype(np.float32)))

    def run_batch(self, state: _State, k: int) -> Trials:
        """One batch of training trials of task `k`, as the rule sees it."""
        trials = run_batch(
            self.config, self.seed, state.update, self.wiring, self.weights(state), state.readouts[k], k, self.active[k]
        )
        if self.partner is None:
            return trials
        # a yoked animal is rewarded as often as its partner, or it would change more the less it learns
        return replace(trials, progress=float(self.partner[state.update]))

    def _partner(self) -> Floats | None:
        """Progress of the animal that a yoked one is paired with: the same network with the feedback of its own trials."""
        training = self.config.training
        if training.feedback != "yoked":
            return None
        alike = training.model_copy(update={"feedback": "contingent", "test_every": training.n_updates})
        partner = self.config.model_copy(update={"training": alike})
        return train(partner, self.seed, start=self.start).history.progress

    def learn(self, state: _State, k: int, trials: Trials) -> None:
        """Let the rule and the consolidation move the plastic connections, and the read-out."""
        config, ledger = self.config, state.ledger
        if self.plastic.size:
            steps, state.rule = config.rule.step(trials, self.pre, self.post, state.rule)
            if config.turnover.kind != "off":
                steps = steps * (np.bincount(self.wiring.contact_edge, ledger.is_alive)[self.plastic] > 0)
            steps = self._within_bounds(state.learned[self.plastic], steps)
            parts = [self.names[k]] if len(self.names) > 1 else []
            for objective, step in zip(config.rule.objectives, steps, strict=True):
                own = [objective] if len(config.rule.objectives) > 1 else []
                self._book_learning(state, step, *parts, *own)
            pull, state.consolidation = config.consolidation.step(
                state.learned[self.plastic], steps.sum(axis=0), config.rule.slope(state.rule), state.consolidation
            )
            if config.consolidation.kind != "none":
                self._book_learning(state, pull, *parts, "consolidation")
        plasticity = config.plasticity
        if config.rule.trains_readout and plasticity.readout and k + 1 >= plasticity.readout_from_task:
            rate = config.training.readout_learning_rate
            state.readouts[k] = state.readouts[k].step(trials.error, trials.rates, rate)

    def _within_bounds(self, learned: Floats, steps: Floats) -> Floats:
        """The steps, shortened where learning would leave its bounds."""
        largest, total = self.config.plasticity.largest_ln, steps.sum(axis=0)
        outside = np.flatnonzero(np.abs(learned + total) > largest)
        if not outside.size:
            return steps
        shortened, goal = steps.copy(), np.copysign(largest, learned + total)[outside]
        shortened[:, outside] *= (goal - learned[outside]) / total[outside]
        return shortened

    def _book_learning(self, state: _State, change: Floats, *parts: str) -> None:
        by_edge = np.zeros(self.wiring.pre.size)
        by_edge[self.plastic] = change
        state.learned += by_edge
        state.ledger.book("learning", by_edge[self.wiring.contact_edge], *parts)

    def regulate(self, state: _State) -> None:
        """Let homeostasis act."""
        change, state.regulation = self.config.homeostasis.step(
            state.rate, self.rate_target, state.ledger.a, self.contacts, state.regulation
        )
        state.ledger.book("homeostasis", change)

    def drift(self, state: _State) -> None:
        """Let drift act."""
        change, state.drifting = self.config.drift.step(
            state.ledger.log["drift"].value,
            state.drifting,
            self.dt_days,
            stream(self.seed, "drift", state.update),
        )
        state.ledger.book("drift", change)

    def turn_over(self, state: _State) -> None:
        """Let contacts vanish and form."""
        ledger = state.ledger
        sites = Sites(
            self.contacts.post,
            self.along_um,
            ledger.a,
            ledger.is_alive,
            state.is_free,
            ledger.log["learning"].value,
            int(self.wiring.a_first.size - self.wiring.is_potential.sum()),
        )
        changed = self.config.turnover.step(sites, self.dt_days, stream(self.seed, "turnover", state.update))
        for contact, cause, is_birth in changed.events:
            if cause == self.without:
                continue
            if is_birth:
                ledger.form(contact, state.update, cause)
                state.is_free[contact] = False
            else:
                ledger.eliminate(contact, state.update, cause)

    def close(self, state: _State) -> Learned:
        """The network at death."""
        config, wiring = self.config, self.wiring
        n_units = wiring.leak.size
        inhibition = config.homeostasis.ln_inhibition(state.regulation)
        gain = config.training.input_gain
        history = self._history(state)
        return Learned(
            wiring=wiring,
            ledger=state.ledger,
            readouts=tuple(state.readouts),
            rate_start=self.rate_start,
            rate_end=mean_rates(config, self.seed, wiring, self.weights(state), "after", gain),
            ln_factor=_mean_by(wiring.contact_post, state.ledger.log["homeostasis"].value, n_units),
            ln_inhibition=np.zeros(n_units) if inhibition is None else inhibition,
            is_plastic=self.is_plastic,
            history=history,
            criterion_update=_criterion(config, history),
        )

    def _history(self, state: _State) -> History:
        n_tasks = len(self.names)
        update = np.array([u for u, _, _ in state.tests])
        by_task = np.full((update.size, n_tasks), np.nan)
        for row, (_, scores, _) in enumerate(state.tests):
            by_task[row, : len(scores)] = scores
        return History(
            update=update,
            score=np.array([scores[-1] for _, scores, _ in state.tests]),
            loss=np.array([loss for _, _, loss in state.tests]),
            progress=np.array(state.progress),
            score_by_task=by_task,
            snapshot=np.array([u for u, _, _ in state.kept]),
            ln={cause: np.stack([causes[i] for _, causes, _ in state.kept]) for i, cause in enumerate(CAUSES)},
            rates=np.stack([rates for _, _, rates in state.kept]),
            traced=self.traced,
            trace_update=np.array([u for u, _ in state.traces], np.int64),
            trace_ln={
                cause: np.array([traces[i] for _, traces in state.traces], np.float32).reshape(
                    len(state.traces), self.traced.size
                )
                for i, cause in enumerate(CAUSES)
            },
            events=tuple(state.ledger.events),
        )

    def _plastic_edges(self) -> Bools:
        """Which connections may learn: those of the classes that may, as far as the gate lets them."""
        config, seed, wiring = self.config, self.seed, self.wiring
        allowed = np.isin(wiring.synapse_class, config.plasticity.synapses)
        if not allowed.any():
            return allowed
        source, post = wiring.source[allowed], wiring.post[allowed]

        def eagerness() -> Floats:
            memory = config.rule.start(source.size, self.shape, stream(seed, "rule"))
            moved = np.zeros(source.size)
            weights = wiring.weights(wiring.a_start)
            for update in range(PROBE_BATCHES):
                trials = run_batch(config, seed, update, wiring, weights, self.readouts[0], 0, self.active[0], "probe")
                step, memory = config.rule.step(trials, source, post, memory)
                moved += step.sum(axis=0)
            return np.abs(moved)

        edges = Edges(wiring.distance[allowed], wiring.synapse_class[allowed], eagerness)
        allowed[allowed] = config.gate.choose(edges, stream(seed, "gate"))
        return allowed


def _criterion(config: Config, history: History) -> tuple[int | None, ...]:
    """The first update at which each task met the criterion while it was trained."""
    met: list[int | None] = []
    for k in range(history.score_by_task.shape[1]):
        rows = [
            int(update)
            for update, score in zip(history.update, history.score_by_task[:, k], strict=True)
            if score >= config.training.criterion and curriculum.task_at(config, int(update)) == k
        ]
        met.append(rows[0] if rows else None)
    return tuple(met)


def _mean_by(unit: Ints, values: Floats, n_units: int) -> Floats:
    """Mean of `values` over the contacts of each unit, 0 where there is none."""
    return np.bincount(unit, values, n_units) / np.maximum(np.bincount(unit, minlength=n_units), 1)
