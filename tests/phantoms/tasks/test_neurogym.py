"""Environments of neurogym as tasks: the same trials, seen by the network. Skipped where neurogym is not installed."""

import builtins
import warnings

import numpy as np
import pytest

from synimg import config
from synimg.config import Config
from synimg.errors import SynimgError
from synimg.phantoms import curriculum
from synimg.phantoms.network import train
from synimg.phantoms.tasks.neurogym import NeuroGym

DT_MS = 20.0


def draw(env, seed=1, n_trials=20, dt_ms=DT_MS, **settings):
    pytest.importorskip("neurogym")
    return NeuroGym(env=env, **settings).draw(n_trials, dt_ms, np.random.default_rng(seed))


def test_the_settings_are_written_and_read_back_without_neurogym(monkeypatch):
    monkeypatch.setattr(builtins, "__import__", without_neurogym(builtins.__import__))
    text = "[task]\nkind = 'neurogym'\nenv = 'GoNogo-v0'\narguments = { timing = { delay = ['uniform', [100, 300]] } }"
    parsed = config.parse(text, "file")
    assert parsed.task.arguments == {"timing": {"delay": ["uniform", [100, 300]]}}
    assert '\narguments = { timing = { delay = ["uniform", [100, 300]] } }' in config.to_toml(parsed)
    assert config.parse(config.to_toml(parsed), "file") == parsed


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ("arguments = { dt = 10 }", "the time step is network.dt_ms"),
        ("arguments = 3", "'arguments' = 3"),
        ("arguments = { day = 1979-05-27 }", "arguments"),
        ("perod = 'decision'", "did you mean 'period'"),
    ],
)
def test_a_mistake_in_the_settings_is_named_without_neurogym(settings, sentence):
    with pytest.raises(SynimgError) as error:
        config.parse(f"[task]\nkind = 'neurogym'\n{settings}", "file")
    assert sentence in str(error.value)


def test_without_neurogym_the_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setattr(builtins, "__import__", without_neurogym(builtins.__import__))
    with pytest.raises(SynimgError, match=r"pip install 'synimg\[neurogym\]'"):
        train(Config.model_validate({"task": {"kind": "neurogym"}}), 1)


def without_neurogym(real):
    def imported(name, *args, **kwargs):
        if name.partition(".")[0] in {"neurogym", "gymnasium"}:
            raise ModuleNotFoundError(f"No module named '{name}'")
        return real(name, *args, **kwargs)

    return imported


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"env": "PerceptualDecisionMakin-v0"}, "did you mean 'PerceptualDecisionMaking-v0'?"),
        ({"env": "GoNogo-v0", "arguments": {"foo": 1}}, "unexpected keyword argument 'foo'"),
        ({"env": "GoNogo-v0", "period": "decison"}, "did you mean 'decision'?"),
        ({"env": "Bandit-v0"}, "says of none that it is right"),
        ({"env": "ReadySetGo-v0"}, "does not ask for one action throughout its last period"),
        ({"env": "HierarchicalReasoning-v0"}, "its trials cannot be repeated"),
        ({"env": "PulseDecisionMaking-v0"}, "'cue0' of 'PulseDecisionMaking-v0' lasts 10 ms, less than a time step"),
    ],
)
def test_an_environment_that_cannot_be_a_task_is_refused_in_one_sentence(settings, sentence):
    with pytest.raises(SynimgError) as error:
        draw(**settings)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_an_environment_that_does_not_obey_its_seed_is_refused(monkeypatch):
    gonogo = pytest.importorskip("neurogym.envs.native.gonogo").GoNogo
    of_its_own, trial = np.random.default_rng(3), gonogo._new_trial

    def new_trial(self, **_):
        return trial(self, ground_truth=of_its_own.integers(2))

    monkeypatch.setattr(gonogo, "_new_trial", new_trial)
    with pytest.raises(SynimgError, match="its trials cannot be repeated"):
        draw("GoNogo-v0")


def test_an_environment_without_trials_is_refused():
    pytest.importorskip("neurogym")
    with pytest.raises(SynimgError, match="'CartPole-v1' is an environment without trials"):
        _ = NeuroGym(env="CartPole-v1").n_inputs


@pytest.mark.parametrize("env", ["IntervalDiscrimination-v0", "ReachingDelayResponse-v0", "yang19.dnms-v0"])
def test_the_same_seed_gives_the_same_trials_and_another_seed_others(env):
    once, again, other = draw(env), draw(env), draw(env, seed=2)
    for name in ("inputs", "target", "response"):
        np.testing.assert_array_equal(getattr(once, name), getattr(again, name))
    assert once.inputs.shape != other.inputs.shape or (once.inputs != other.inputs).any()


def test_the_trials_are_those_of_the_environment():
    neurogym = pytest.importorskip("neurogym")
    batch = draw("IntervalDiscrimination-v0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # gymnasium's, to the authors of environments
        env = neurogym.make("IntervalDiscrimination-v0", dt=DT_MS).unwrapped
    env.seed(int(np.random.default_rng(1).integers(2**32)))
    for k in range(20):
        env.new_trial()
        n = len(env.ob)
        np.testing.assert_array_equal(batch.inputs[:n, k], env.ob)
        assert not batch.inputs[n:, k].any()
        np.testing.assert_array_equal(np.flatnonzero(batch.response[:, k]), np.flatnonzero(env.gt))
        assert batch.target[k] == env.gt[-1]


def test_withholding_the_action_is_an_answer_where_the_environment_says_so():
    batch = draw("GoNogo-v0", n_trials=100)
    go = batch.inputs[:, :, 2].max(axis=0) > 0
    np.testing.assert_array_equal(batch.target, go)
    assert 30 < go.sum() < 70


def test_the_time_step_is_that_of_the_network():
    lengths = [len(draw("GoNogo-v0", dt_ms=dt_ms).inputs) for dt_ms in (10.0, 20.0, 50.0)]
    assert lengths == [150, 75, 30]


def test_a_box_of_actions_is_a_course_of_which_the_padding_does_not_count():
    pytest.importorskip("neurogym")
    task = NeuroGym(env="ReachingDelayResponse-v0")
    batch = draw(task.env)
    assert (task.answer, task.n_inputs, task.n_outputs) == ("trace", 2, 2)
    assert batch.target.shape == (*batch.response.shape, 2)
    n = batch.response.sum(axis=0)
    assert set(n) == {50, 100, 150}  # delays of 0, 1 and 2 s
    for k in range(20):
        assert batch.response[: n[k], k].all()
        np.testing.assert_array_equal(
            batch.target[n[k] :, k], np.broadcast_to(batch.target[n[k] - 1, k], (150 - n[k], 2))
        )


def test_another_period_of_the_same_environment_can_be_asked_for():
    first, last = draw("DualDelayMatchSample-v0", period="test1"), draw("DualDelayMatchSample-v0")
    assert np.flatnonzero(first.response[:, 0]).max() < np.flatnonzero(last.response[:, 0]).min()
    assert (first.target != last.target).any()


def test_a_yoked_animal_is_told_another_trials_answer_at_its_own_time():
    batch = draw("ReachingDelayResponse-v0")
    yoked = curriculum.without_contingency(batch, np.random.default_rng(1))
    np.testing.assert_array_equal(yoked.response, batch.response)
    ends = batch.target[-1, :, 1]
    np.testing.assert_array_equal(np.sort(yoked.target[-1, :, 1]), np.sort(ends))
    assert (yoked.target[-1, :, 1] != ends).any()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("env", "arguments", "reached"),
    [
        ("PerceptualDecisionMaking-v0", {"cohs": [25.6, 51.2]}, 0.9),
        ("ReachingDelayResponse-v0", {}, 0.8),
    ],
)
def test_a_network_learns_an_environment(env, arguments, reached):
    pytest.importorskip("neurogym")
    settings = {
        "network": {"n_units": 96},
        "task": {"kind": "neurogym", "env": env, "arguments": arguments},
        "training": {"n_updates": 120, "test_every": 120},
    }
    score = train(Config.model_validate(settings), 1).history.score
    assert score[0] < 0.6
    assert score[-1] > reached
