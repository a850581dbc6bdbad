"""Animals of a cohort: the same experiment, apart from what their group and their body change."""

import numpy as np
import pytest

import synimg
from synimg import config
from synimg.errors import SynimgError
from synimg.phantoms.cohort import animals_of, missing_controls
from synimg.phantoms.network import train
from synimg.store.cohort import Cohort, datasets_of
from synimg.store.dataset import Dataset

TINY = config.preset("tiny")


def with_animals(**numbers):
    return TINY.model_copy(update={"cohort": config.Cohort(**numbers)})


def test_groups_differ_in_what_they_are_about_and_animals_in_their_seed():
    animals = {a.animal_id: a for a in animals_of(with_animals(trained=2, yoked=1, deprived=1, naive=1))}
    assert list(animals) == ["trained01", "trained02", "yoked01", "deprived01", "naive01"]
    assert len({a.seed for a in animals.values()}) == 5
    assert animals["yoked01"].training.feedback == "yoked"
    assert animals["deprived01"].training.input_gain == pytest.approx(0.3)
    assert {animals[name].rule.kind for name in ("deprived01", "naive01")} == {"off"}
    assert animals["trained01"].rule == TINY.rule


def test_an_animal_does_not_depend_on_how_many_there_are():
    few, many = animals_of(with_animals(trained=1, naive=1)), animals_of(with_animals(trained=5, naive=2))
    assert few[0] == many[0]
    assert few[1] == many[5]


def test_animals_differ_as_much_as_stated():
    animals = animals_of(with_animals(trained=400))
    exchange = np.log([a.receptors.exchange_per_day for a in animals])
    photons = np.log([a.dyes.photons_per_receptor for a in animals])
    assert exchange.std() == pytest.approx(0.05, rel=0.18)  # 5 sigma
    assert photons.std() == pytest.approx(0.1, rel=0.18)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_yoked_animal_has_the_activity_of_a_trained_one_and_learns_nothing(seed):
    short = TINY.training.model_copy(update={"n_updates": 80})
    traced = TINY.model_copy(update={"record": config.Record(traced_contacts=10**5)})
    learned = train(traced.model_copy(update={"training": short}), seed)
    yoked = train(traced.model_copy(update={"training": short.model_copy(update={"feedback": "yoked"})}), seed)
    np.testing.assert_array_equal(yoked.rate_start, learned.rate_start)
    assert 0.5 < yoked.rate_end.mean() / learned.rate_end.mean() < 2
    assert yoked.history.score[2:].mean() < 0.65 < learned.history.score[-1]
    np.testing.assert_array_equal(yoked.history.progress, learned.history.progress)
    # its steps are as long and lead nowhere: how far a synapse gets in the end is chance
    step, step_yoked = (np.diff(run.history.trace_ln["learning"], axis=0).std() for run in (learned, yoked))
    assert step_yoked == pytest.approx(step, rel=0.15)  # the largest steps of single synapses are cut


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_deprivation_scales_synapses_up(seed):
    deprived, naive = animals_of(with_animals(deprived=1, naive=1))
    factors = []
    for animal in (deprived, naive):
        slow = animal.training.model_copy(update={"n_updates": 200, "test_every": 200})
        factors.append(train(animal.model_copy(update={"training": slow}), seed).ln_factor.mean())
    assert factors[0] > factors[1] + 0.1


def test_a_cohort_without_controls_is_warned_about():
    assert "neither naive nor yoked" in missing_controls(with_animals(trained=2))[0]
    assert missing_controls(with_animals(trained=1, naive=1)) == []
    assert "deprived animals but no naive" in missing_controls(with_animals(trained=1, yoked=1, deprived=1))[0]
    assert missing_controls(TINY) == []


def test_a_cohort_is_a_folder_of_data_sets_and_refuses_another_configuration(tmp_path):
    training = TINY.training.model_copy(update={"n_updates": 4, "counterfactuals": False})
    quick = with_animals(trained=1, naive=1).model_copy(update={"training": training})
    stopped = []

    def interrupt(what, done, total):
        if what == "animals" and done == 1:
            stopped.append(done)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synimg.generate(quick, tmp_path / "cohort", report=interrupt)
    with pytest.raises(SynimgError, match="1 animals are missing"):
        datasets_of(tmp_path / "cohort")
    cohort = synimg.generate(quick, tmp_path / "cohort")
    assert [a.config.group for a in cohort.animals] == ["trained", "naive"]
    assert all(a.verify() == [] for a in cohort.animals)
    assert Cohort.open(tmp_path / "cohort").index == cohort.index
    with pytest.raises(SynimgError, match=r"holds 2 data sets; name one of them, such as .*naive01"):
        Dataset.open(tmp_path / "cohort")
    with pytest.raises(SynimgError, match="another configuration"):
        synimg.generate(with_animals(trained=2), tmp_path / "cohort")
