"""Activity as an experimenter could have recorded it: a calcium indicator in a few neurons, with noise."""

from dataclasses import dataclass

import numpy as np
import threadpoolctl
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms import curriculum
from synimg.phantoms.activity import run_trials
from synimg.phantoms.weights import Weights
from synimg.phantoms.wiring import Wiring
from synimg.streams import stream

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Recording:
    """Two sessions, before the window and at its end, of the same neurons.

    unit : (n_neurons,) ndarray of int
    calcium : (2, n_trials, time, n_neurons) ndarray of float32, in sds of the mean neuron's response
    """

    unit: Ints
    calcium: Floats32


@threadpoolctl.threadpool_limits.wrap(limits=1)
def record_activity(config: Config, seed: int, wiring: Wiring, weights: tuple[Weights, Weights]) -> Recording:
    """What a calcium indicator shows of `record.imaged_neurons` neurons, before the window and at its end.

    Notes
    -----
    Rates pass an exponential filter of `record.tau_calcium_ms`; white noise is added to every frame. Trials are those of
    the task that is trained at the time.
    """
    record, n_tasks = config.record, len(curriculum.tasks_of(config))
    n = min(record.imaged_neurons, wiring.leak.size)
    unit = np.sort(stream(seed, "record", "neurons").permutation(wiring.leak.size)[:n])
    keep = np.float32(np.exp(-config.network.dt_ms / record.tau_calcium_ms))
    sessions = []
    for session, (task, matrix) in enumerate(zip((0, n_tasks - 1), weights, strict=True)):
        rng = stream(seed, "record", "session", session)
        batch = curriculum.draw(config, task, record.imaged_trials, rng, config.training.input_gain)
        rates = run_trials(wiring, matrix, batch, config.network.noise_sd, rng)[1:, :, unit]
        calcium = np.zeros_like(rates)
        for t in range(len(rates)):
            calcium[t] = rates[t] + (keep * calcium[t - 1] if t else 0.0)
        scale = float(calcium.std(axis=(0, 1)).mean()) or 1.0
        noise = record.calcium_noise_sd * rng.standard_normal(calcium.shape, dtype=np.float32)
        sessions.append((calcium / scale + noise).transpose(1, 0, 2))
    length = max(s.shape[1] for s in sessions)
    padded = [np.pad(s, ((0, 0), (0, length - s.shape[1]), (0, 0)), constant_values=np.nan) for s in sessions]
    return Recording(unit, np.stack(padded).astype(np.float32))


def eligibility(recording: Recording, pre: Ints, post: Ints) -> Floats:
    """Covariance of the recorded activities of both ends of each contact, over both sessions; NaN if one was not recorded.

    Parameters
    ----------
    pre, post : (n_contacts,) ndarray of int
        Units.
    """
    row = np.full(max(int(pre.max(initial=0)), int(post.max(initial=0)), int(recording.unit.max(initial=0))) + 1, -1)
    row[recording.unit] = np.arange(recording.unit.size)
    flat = recording.calcium.reshape(-1, recording.unit.size).astype(np.float64)
    flat = flat[np.isfinite(flat).all(axis=1)]
    covariance = np.atleast_2d(np.cov(flat, rowvar=False)) if recording.unit.size else np.zeros((1, 1))
    known = (row[pre] >= 0) & (row[post] >= 0)
    return np.where(known, covariance[row[pre], row[post]], np.nan)
