"""A network before and after the window, and the window as it went."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synimg.phantoms.activity import Readout
from synimg.phantoms.ledger import Event, Ledger
from synimg.phantoms.wiring import Wiring

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class History:
    """The window as it went: the learning curve, and the causes at snapshots.

    update, score, loss : (n_tests,) ndarray, the score as `Judgement` has it, of the task in training
    progress : (n_updates,) ndarray, loss of every batch of trials relative to chance
    score_by_task : (n_tests, n_tasks) ndarray, NaN for tasks that have not begun
    snapshot : (n_snapshots,) ndarray of int, updates at which the causes were kept
    ln : dict of (n_snapshots, n_contacts) ndarray of float32, by cause
    rates : (n_snapshots, n_units) ndarray of float32, mean rates
    traced : (n_traced,) ndarray of int, contacts that were recorded more often
    trace_update : (n_times,) ndarray of int
    trace_ln : dict of (n_times, n_traced) ndarray of float32, by cause
    events : births and deaths in their order
    """

    update: Ints
    score: Floats
    loss: Floats
    progress: Floats
    score_by_task: Floats
    snapshot: Ints
    ln: dict[str, Floats32]
    rates: Floats32
    traced: Ints
    trace_update: Ints
    trace_ln: dict[str, Floats32]
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Learned:
    """A network after the window, with the truth about every contact.

    readouts : one per task
    ln_factor : (n_units,) ndarray, mean over the unit's inputs of what homeostasis added to ln receptors
    ln_inhibition : (n_units,) ndarray, what homeostasis added to the logarithm of the unit's inhibitory inputs
    is_plastic : (n_edges,) ndarray, whether the connection may learn
    criterion_update : for each task, the first update in its training at which its score met the criterion, or None
    """

    wiring: Wiring
    ledger: Ledger
    readouts: tuple[Readout, ...]
    rate_start: Floats
    rate_end: Floats
    ln_factor: Floats
    ln_inhibition: Floats
    is_plastic: Bools
    history: History
    criterion_update: tuple[int | None, ...]


@dataclass(frozen=True)
class Start:
    """A network as it is before the window, where it is not drawn from the seed.

    readouts : one per task
    """

    wiring: Wiring
    readouts: tuple[Readout, ...]
