"""What training leaves beside the network: learning curve, causes at snapshots, births and deaths."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms import curriculum
from synimg.phantoms.learned import Learned
from synimg.phantoms.ledger import CAUSES


def learning_facts(config: Config, learned: Learned) -> dict[str, Any]:
    """What the learning curve comes down to, JSON-ready."""
    met, by_task = learned.criterion_update, learned.history.score_by_task
    after_own = [
        float(by_task[np.flatnonzero(np.isfinite(by_task[:, k + 1]))[0], k]) for k in range(by_task.shape[1] - 1)
    ]
    return {
        "criterion": config.training.criterion,
        "score": "accuracy" if curriculum.tasks_of(config)[-1].answer == "choice" else "R2",
        "criterion_update": None if None in met else met[-1],
        "trials_per_update": config.training.batch,
        "tasks": curriculum.names_of(config),
        "criterion_update_by_task": list(met),
        "score_by_task": by_task[-1].tolist(),
        "forgotten_by_task": [before - now for before, now in zip(after_own, by_task[-1], strict=False)],
    }


def history_arrays(learned: Learned) -> dict[str, NDArray[Any]]:
    """Learning curve, causes at snapshots, traced contacts, births and deaths; contacts by row of the truth table."""
    history, kept = learned.history, ever_there(learned)
    row = np.full(learned.wiring.a_first.size, -1)
    row[kept] = np.arange(kept.size)
    traced = np.isin(history.traced, kept)
    events = history.events
    contact = np.concatenate([event.contact for event in events]) if events else np.zeros(0, np.int64)
    lengths = [event.contact.size for event in events]
    return {
        "update": history.update,
        "score": history.score,
        "loss": history.loss,
        "progress": history.progress,
        "score_by_task": history.score_by_task,
        "snapshot": history.snapshot,
        **{f"ln_{cause}": values[:, kept] for cause, values in history.ln.items()},
        "trace_synapse_id": row[history.traced[traced]] + 1,
        "trace_update": history.trace_update,
        **{f"trace_ln_{cause}": values[:, traced] for cause, values in history.trace_ln.items()},
        "event_synapse_id": row[contact] + 1,
        "event_update": np.repeat([event.update for event in events], lengths).astype(np.int64),
        "event_is_birth": np.repeat([event.is_birth for event in events], lengths).astype(bool),
        "event_cause": np.repeat([CAUSES.index(event.cause) for event in events], lengths).astype(np.int64),
    }


def ever_there(learned: Learned) -> NDArray[np.int64]:
    """The contacts that lived at some time; the others are places where a synapse could have formed."""
    there = ~learned.wiring.is_potential
    for event in learned.history.events:
        there[event.contact] = True
    return np.flatnonzero(there)
