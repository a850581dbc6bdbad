"""Any trial-based environment of neurogym that says what is right at each time step, as a task.

neurogym (Molano-Mazon et al. 2022, PsyArXiv aqc9n) is an optional dependency, imported when such a task is drawn.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray
from pydantic import Field

from synimg.errors import SynimgError, nearest
from synimg.model import Model
from synimg.phantoms.tasks.protocol import Batch

TWICE = 4  # trials of a batch that are drawn twice, for not every environment obeys its seed


class NeuroGym(Model):
    """The environment's observations are the inputs; its ground truth is the answer, a choice or a course to follow.

    Notes
    -----
    A discrete action space makes a choice between its actions: the right one is the ground truth of the period in which
    the answer counts, and the mean output over that period is the answer. Fixation before it is not judged; the action
    "fixate" is class 0 and right only where the environment says so (a no-go trial). A box of actions makes a course, to
    follow from the first step to the last. Trials start together; shorter ones are padded with zeros, which do not count.
    """

    kind: Literal["neurogym"] = "neurogym"
    env: str = Field(
        "PerceptualDecisionMaking-v0",
        min_length=1,
        description="id of the environment; 'module:id' imports the module that registers it",
    )
    arguments: dict[str, pydantic.JsonValue] = Field(
        {}, description="its keyword arguments, such as { timing = { stimulus = 500 }, cohs = [25.6, 51.2] }"
    )
    period: str = Field(
        "", description="period in which the answer counts; empty: the last of a choice, all of a course"
    )

    @pydantic.field_validator("arguments")
    @classmethod
    def _check(cls, arguments: dict[str, Any]) -> dict[str, Any]:
        if "dt" in arguments:
            raise ValueError("the time step is network.dt_ms; leave out dt")
        if _has_none(arguments):
            raise ValueError("None cannot be written in TOML; leave out what has no value")
        return arguments

    @property
    def answer(self) -> Literal["choice", "trace"]:
        """A choice between discrete actions, or a course through a box of them."""
        return "choice" if hasattr(self._make().action_space, "n") else "trace"

    @property
    def n_inputs(self) -> int:
        """Size of an observation."""
        return int(np.prod(self._make().observation_space.shape))

    @property
    def n_outputs(self) -> int:
        """Discrete actions, or numbers in an action."""
        space = self._make().action_space
        return int(space.n) if hasattr(space, "n") else int(np.prod(space.shape))

    def draw(self, n_trials: int, dt_ms: float, rng: np.random.Generator) -> Batch:
        """`n_trials` trials of a new environment seeded from `rng`, the response (time, trial) each in its own time.

        Raises
        ------
        SynimgError
            Without neurogym; for an unknown environment, arguments it refuses, or one that has no right answer per trial.
        """
        seed = int(rng.integers(2**32))
        env, twin = self._seeded(dt_ms, seed), self._seeded(dt_ms, seed)
        trials = [self._trial(env) for _ in range(n_trials)]
        for seen, wanted, _ in trials[:TWICE]:
            seen_again, wanted_again, _ = self._trial(twin)
            if not (np.array_equal(seen, seen_again) and np.array_equal(wanted, wanted_again)):
                raise self._unrepeatable()
        n_steps = max(len(seen) for seen, _, _ in trials)
        inputs = np.zeros((n_steps, n_trials, trials[0][0].shape[1]), np.float32)
        salience, response = np.zeros_like(inputs), np.zeros((n_steps, n_trials), bool)
        is_choice = hasattr(env.action_space, "n")
        course = np.zeros((n_steps, n_trials, trials[0][1].shape[1]), np.float32)
        for k, (seen, wanted, (begin, end)) in enumerate(trials):
            inputs[: len(seen), k] = seen
            salience[: len(seen), k] = 1.0
            response[begin:end, k] = True
            course[: len(seen), k], course[len(seen) :, k] = wanted, wanted[-1]
        if not is_choice:
            return Batch(inputs, course, response, salience)
        target = np.array([self._class(wanted[begin:end], env.action_space.n) for _, wanted, (begin, end) in trials])
        return Batch(inputs, target, response, salience)

    def _make(self, **dt: float) -> Any:
        """A new environment, without the wrappers that only act on steps.

        New for every draw: an environment may carry a block or a history from trial to trial.
        """
        try:
            import gymnasium
            import neurogym
            from neurogym.core import TrialEnv, TrialWrapper
            from neurogym.envs.registration import all_envs
        except ImportError as error:
            raise SynimgError(
                f"the task 'neurogym' cannot import neurogym ({error}); pip install 'synimg[neurogym]'"
            ) from None
        with self._foreign():
            try:
                env = neurogym.make(self.env, **dt, **self.arguments)
            except gymnasium.error.Error:
                known = all_envs(psychopy=True, contrib=True, collections=True)
                raise SynimgError(f"neurogym: unknown environment '{self.env}'; {nearest(self.env, known)}") from None
        while not isinstance(env, TrialEnv | TrialWrapper):
            if not isinstance(env, gymnasium.Wrapper):
                raise SynimgError(f"neurogym: '{self.env}' is an environment without trials")
            env = env.env
        if not isinstance(env.observation_space, gymnasium.spaces.Box) or not isinstance(
            env.action_space, gymnasium.spaces.Discrete | gymnasium.spaces.Box
        ):
            raise SynimgError(
                f"neurogym: '{self.env}' has observations or actions that are neither numbers nor classes"
            )
        return env

    def _seeded(self, dt_ms: float, seed: int) -> Any:
        """A new environment at the start of the trials that belong to `seed`."""
        env = self._make(dt=dt_ms)
        with self._foreign():
            fresh = np.random.RandomState()
            used, unused = (r.get_state(legacy=False)["state"]["pos"] for r in (env.unwrapped.rng, fresh))
            if used != unused:
                raise self._unrepeatable()
            env.seed(seed)
        for period, duration in env.unwrapped.timing.items():
            if isinstance(duration, int | float) and 0 < duration < dt_ms:
                raise SynimgError(
                    f"neurogym: period '{period}' of '{self.env}' lasts {duration:g} ms, less than a time step; take a "
                    f"smaller network.dt_ms than {dt_ms:g}, or a longer period: task.arguments.timing.{period}"
                )
        return env

    def _unrepeatable(self) -> SynimgError:
        return SynimgError(
            f"neurogym: '{self.env}' draws random numbers that no seed reaches; its trials cannot be repeated"
        )

    def _trial(self, env: Any) -> tuple[NDArray[Any], NDArray[Any], tuple[int, int]]:
        """Observations (time, n_inputs), ground truth (time, n) and the steps at which the answer counts, of one trial."""
        with self._foreign():
            env.new_trial()
        task = env.unwrapped
        seen, wanted = getattr(task, "ob", None), getattr(task, "gt", None)
        if seen is None or wanted is None:
            raise SynimgError(f"neurogym: '{self.env}' rewards actions, but says of none that it is right")
        seen, wanted = seen.reshape(len(seen), -1), wanted.reshape(len(wanted), -1)
        # periods of an earlier trial may still be listed
        periods = {p: (b, e) for p, b in task.start_ind.items() if b < (e := task.end_ind[p]) <= len(seen)}
        if self.period and self.period not in periods:
            raise SynimgError(
                f"neurogym: '{self.env}' has no period '{self.period}'; {nearest(self.period, list(periods))}"
            )
        if self.period:
            return seen, wanted, periods[self.period]
        if not hasattr(env.action_space, "n"):
            return seen, wanted, (0, len(seen))
        return seen, wanted, max(periods.values(), key=lambda steps: steps[::-1])

    def _class(self, wanted: NDArray[Any], n_classes: int) -> int:
        """The one right action of the period in which the answer counts."""
        right = int(wanted[0, 0])
        if (wanted != right).any() or not 0 <= right < n_classes:
            where = f"period '{self.period}'" if self.period else "its last period"
            raise SynimgError(f"neurogym: '{self.env}' does not ask for one action throughout {where}")
        return right

    @contextmanager
    def _foreign(self) -> Iterator[None]:
        """Foreign code with the user's arguments: its errors become a sentence, gymnasium's advice to authors is dropped."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="gymnasium")
            try:
                yield
            except SynimgError:
                raise
            except Exception as error:
                text = " ".join(f"{type(error).__name__}: {error}".split())
                raise SynimgError(f"neurogym: '{self.env}' fails with arguments {self.arguments}: {text}") from error


def _has_none(value: Any) -> bool:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(_has_none(part) for part in parts)


part = NeuroGym
