"""Questions about groups: calibrated where there is nothing, right where there is something."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit
from scipy.stats import kstest

from synimg import config
from synimg.analysis.groups import permutation
from synimg.analysis.groups.ask import ask
from synimg.analysis.groups.means import group_means, interval, shrink
from synimg.analysis.groups.text import groups_text
from synimg.analysis.separation import separate
from synimg.analysis.separation_files import read_separation, separate_table
from synimg.errors import SynimgError
from synimg.phantoms.network import train
from synimg.phantoms.receptors import draw_counts
from synimg.phantoms.scenarios.draw import draw
from synimg.phantoms.scenarios.suite import scenario
from synimg.streams import stream
from synimg.viewers.figures.groups import groups as figure_of


def drawn(seed=1, name="sparse_potentiation", n_neurons=12, each=24, **changes):
    """A scenario's table and truth, small."""
    settings = {"n_neurons": n_neurons, "synapses_per_neuron": (each, each)} | changes
    return draw(scenario(name).model_copy(update=settings), seed)


def labels(n, n_groups, seed):
    return np.array([f"g{k:02d}" for k in stream(seed, "test", "labels").integers(0, n_groups, n)])


@pytest.fixture(scope="module")
def null_answers():
    """24 tables that learned, asked about labels that mean nothing: 3 groups, 40 groups, and a gradient."""
    answers = []
    for seed in range(1, 25):
        table = drawn(seed).table
        result = separate(table, "neuron_median")
        asked = table.assign(few=labels(len(table), 3, seed), many=labels(len(table), 40, seed))
        asked["x"] = stream(seed, "test", "x").standard_normal(len(table))
        answers.append({column: ask(asked, result, column, seed) for column in ("few", "many", "x")})
    return answers


@pytest.mark.parametrize("name", ["share_learned", "change_ln"])
def test_labels_that_mean_nothing_give_uniform_p_values(null_answers, name):
    of_a_group = [answer["few"].groups[f"p_{name}"].iloc[0] for answer in null_answers]
    of_the_slope = [answer["x"].info["by"]["gradient"][name]["p"] for answer in null_answers]
    for p in (of_a_group, of_the_slope):
        assert kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("name", ["share_learned", "change_ln"])
def test_over_forty_groups_that_mean_nothing_a_call_is_as_rare_as_stated(null_answers, name):
    called = [(answer["many"].groups[f"q_{name}"] <= 0.05).any() for answer in null_answers]
    assert sum(called) <= 4  # expected 1.2 of 24 at most; 5 or more has probability 0.006


def test_groups_that_learned_more_are_called_and_hardly_any_other():
    n_false = n_called = n_true = 0
    for seed in range(1, 6):
        found = drawn(seed, n_neurons=40, each=40, share_learned=0.02)
        group = labels(len(found.table), 20, seed)
        learns = np.isin(group, ["g00", "g07"])
        table = found.table.assign(pathway=group)
        table.loc[learns & (stream(seed, "test").random(len(table)) < 0.5), "r_new"] *= 2.5
        answer = separate(table, "neuron_median", by="pathway").groups.set_index("group")
        called = answer.index[answer["q_change_ln"] <= 0.05]
        n_called, n_true = n_called + len(called), n_true + called.isin(["g00", "g07"]).sum()
        n_false = n_called - n_true
    assert n_true >= 9  # of 10
    assert n_false <= 3  # 0.05 of about 11 calls, and 3 sd


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_share_and_mean_change_of_each_group_are_those_of_the_truth(seed):
    found = drawn(seed, n_neurons=60, each=50)
    learned = found.truth["is_learned"].to_numpy(bool)
    in_a = stream(seed, "test").random(learned.size) < np.where(learned, 0.6, 0.2)
    table = found.table.assign(pathway=np.where(in_a, "a", "b"))
    answer = separate(table, "neuron_mode", by="pathway").groups.set_index("group")
    for group, rows in (("a", in_a), ("b", ~in_a)):
        row = answer.loc[group]
        assert row["share_learned"] == pytest.approx(learned[rows].mean(), abs=0.08)
        half = 0.5 * (row["change_ln_hi"] - row["change_ln_lo"])
        true = found.truth["ln_learning"][rows].mean()
        # 3 of its errors, and that of the zero: the mode follows learning a little
        assert row["change_ln"] == pytest.approx(true, abs=1.5 * half + 0.04)
    difference = answer["change_ln"]["a"] - answer["change_ln"]["b"]
    true = found.truth["ln_learning"][in_a].mean() - found.truth["ln_learning"][~in_a].mean()
    assert difference == pytest.approx(true, abs=0.06)


def test_intervals_hold_the_scatter_between_neurons_and_animals():
    rng, held = stream(1, "test"), []
    neuron = np.repeat(np.arange(60), 10)
    animal, label = neuron // 10, rng.integers(0, 3, neuron.size)
    for _ in range(300):
        value = rng.standard_normal(600) + rng.standard_normal(60)[neuron] * 0.5 + 0.5 * rng.standard_normal(6)[animal]
        mean, se, degrees = group_means(value, label, neuron, animal)
        low, high = interval(mean, se, degrees)
        held.append((low <= 0) & (0 <= high))
    assert 0.91 < np.mean(held) < 0.985


def test_a_group_within_one_neuron_has_the_error_of_a_neuron():
    neuron = np.repeat(np.arange(20), 30)
    value = stream(1, "test").standard_normal(600) + 2.0 * stream(2, "test").standard_normal(20)[neuron]
    _, se, _ = group_means(value, (neuron == 0).astype(int), neuron, np.zeros(600, int))
    assert se[1] > 1.0  # its synapses alone: 0.18


def test_shrinkage_draws_to_one_value_what_scatters_no_more_than_its_errors():
    mean, se = np.array([0.1, -0.1, 0.05, 0.0]), np.full(4, 0.2)
    drawn_in, sd = shrink(mean, se)
    np.testing.assert_allclose(drawn_in, mean.mean())
    np.testing.assert_allclose(sd, 0.1)
    far, _ = shrink(np.array([5.0, -5.0, 0.0]), np.full(3, 0.01))
    np.testing.assert_allclose(far, [5.0, -5.0, 0.0], atol=0.01)


def test_moments_and_permutations_agree(monkeypatch):
    rng = stream(1, "test")
    block, label = np.repeat(np.arange(30), 20), rng.integers(0, 4, 600)
    values = rng.standard_normal((2, 600)) + 0.15 * (label == 0)
    drawn_p = permutation.group_tests(values, label, block, 1), permutation.slope_tests(values, label * 1.0, block, 1)
    monkeypatch.setattr(permutation, "MOST_DRAWS", 0)
    exact_p = permutation.group_tests(values, label, block, 1), permutation.slope_tests(values, label * 1.0, block, 1)
    for one, other in zip(drawn_p, exact_p, strict=True):
        np.testing.assert_allclose(one, other, atol=0.05)  # 0.034 is 3 sd of 1,999 permutations at p = 0.5


def test_what_is_the_same_for_a_whole_neuron_is_tested_between_neurons_and_needs_controls():
    table = drawn(n_neurons=24).table
    answer = separate(table.assign(depth=table["neuron_id"] * 1.5), "neuron_median", by="depth")
    assert answer.info["by"]["differs_between"] == "neurons of an animal"
    assert "needs a control group, and there is none" in answer.info["by"]["notes"][0]
    assert answer.info["by"]["gradient"]["change_ln"]["p"] > 0.001


def test_control_animals_are_left_out_unless_animals_are_the_question():
    table = drawn(name="sparse_with_controls").table
    by = separate(table.assign(side=labels(len(table), 2, 1)), "neuron_median", by="side").info["by"]
    assert by["n_of_control_animals_left_out"] == (table["group"] == "yoked").sum()
    assert by["n_synapses"] == (table["group"] == "trained").sum()
    groups = separate(table, "neuron_median", by="group")
    assert groups.groups["group"].tolist() == ["trained", "yoked"]
    assert "controls'" in groups.info["by"]["notes"][0]


def test_a_covariate_that_was_a_prior_is_not_tested_against_itself():
    table = drawn(name="known_activity").table
    result = separate(table, "neuron_median")
    told = replace(result, info=result.info | {"parameters": {"prior_weights": {"eligibility": [1.0]}}})
    by = ask(table, told, "eligibility", 1).info["by"]
    assert by["gradient"]["share_learned"]["p"] is None
    assert by["gradient"]["change_ln"]["slope"] > 0
    assert "help of 'eligibility'" in by["notes"][0]


def test_noise_that_was_a_prior_gets_no_small_p_values():
    p = []
    for seed in range(1, 13):
        table = drawn(seed).table
        table["predicted_ln"] = stream(seed, "test", "noise").standard_normal(len(table))
        result = separate(table, "neuron_median")
        odds = logit(result.synapses["p_learning"].clip(1e-6, 1 - 1e-6)) + 0.05 * table["predicted_ln"]
        moved = result.synapses.assign(p_learning=expit(odds))
        told = {"parameters": {"prior_weights": {"resimulate": [0.05]}}}
        gradient = ask(table, replace(result, synapses=moved, info=told), "predicted_ln", seed).info["by"]["gradient"]
        p += [found["p"] for found in gradient.values() if found["p"] is not None]
    assert len(p) == 12
    assert kstest(p, "uniform").pvalue > 0.01


BLOCKS = {"diagnosis": {"structure": {"potentiated": {}}}}


@pytest.mark.parametrize(
    ("info", "by", "help_of"),
    [
        ({"parameters": {"prior_weights": {"resimulate": [0.3]}}}, "predicted_ln", "'predicted_ln'"),
        ({"parameters": {"prior_weights": {"resimulate": [0.3]}}}, "predicted_bin", "'predicted_ln'"),
        ({"parameters": {"prior_weights": {"resimulate": [0.3]}}}, "side", None),
        ({"parameters": {"prior_weights": {"resimulate": [0.0]}}}, "predicted_ln", None),
        ({"parameters": {"prior_weights": {"group": [0.4, 0.1]}}}, "group", "'group'"),
        ({"parameters": {"prior_weights": {"clustering": [0.2]}}}, "branch_id", "neighbours on the dendrite"),
        ({"parameters": {"prior_weights": {"clustering": [0.2]}}}, "z_um", "neighbours on the dendrite"),
        ({"parameters": {"prior_weights": {"inhibitory_mirror": [-1.0]}}}, "side", None),
        ({"parameters": {"size_weight": 0.2}}, "total", "the sizes"),
        (BLOCKS, "pre_id", "'pre_id'"),
        (BLOCKS, "input_channel", "'pre_id'"),
        (BLOCKS, "side", None),
    ],
)
def test_what_helped_to_find_learning_is_known_for_every_prior(info, by, help_of):
    table = drawn(name="turnover_differs").table
    n, rng = len(table), stream(1, "test", "columns")
    table["predicted_ln"], table["z_um"] = rng.standard_normal((2, n))
    table["predicted_bin"] = np.where(table["predicted_ln"] > 0, "up", "down")
    table["side"], table["pre_id"] = labels(n, 2, 1), rng.integers(0, 20, n)
    table["input_channel"], table["branch_id"] = table["pre_id"] % 4, np.arange(n) % 3
    table["total"] = table["r_old"] + table["r_new"]
    result = separate(table, "neuron_median")
    answer = ask(table, replace(result, info=info), by, 1)
    notes = " ".join(answer.info["by"]["notes"])
    assert ("p_share_learned" in answer.groups) == (help_of is None)
    assert "p_change_ln" in answer.groups
    assert (f"with the help of {help_of}: the share is not tested, the change is" in notes) == (help_of is not None)


def test_with_removal_the_change_rests_on_the_prior_as_well():
    table = drawn(name="known_activity").table
    parameters = {"prior_weights": {"eligibility": [1.0]}, "depression": "label_blind_removal"}
    told = replace(separate(table, "neuron_median"), info={"parameters": parameters})
    answer = ask(table, told, "eligibility", 1)
    assert not [name for name in answer.groups if name.startswith(("p_", "q_"))]
    assert {found["p"] for found in answer.info["by"]["gradient"].values()} == {None}
    assert "nor is the change" in answer.info["by"]["notes"][0]
    assert max(map(len, groups_text(answer).splitlines())) <= 80
    figure_of(answer.groups, answer.info["by"]).canvas.draw()


def test_removal_falls_back_on_posterior_means_and_says_so():
    table = drawn().table.assign(side=labels(288, 2, 1))
    result = separate(table, "neuron_median")
    told = replace(result, info=result.info | {"parameters": {"depression": "label_blind_removal"}})
    assert "drawn towards zero" in ask(table, told, "side", 1).info["by"]["notes"][0]


def test_a_method_without_deltas_is_asked_for_shares_alone():
    table = drawn().table.assign(side=labels(288, 2, 1))
    answer = separate(table, lambda t: t[["synapse_id"]].assign(p_learning=0.1 + 0.001 * (t.r_new > 30)), by="side")
    assert "change_ln" not in answer.groups
    assert "no deltas" in answer.info["by"]["notes"][0]
    assert max(map(len, groups_text(answer).splitlines())) <= 80


def test_missing_values_are_left_out_and_counted():
    side = pd.Series(labels(288, 2, 1)).where(np.arange(288) > 9)
    answer = separate(drawn().table.assign(side=side), "neuron_median", by="side")
    assert answer.info["by"]["n_without_value"] == 10
    assert answer.groups["n_synapses"].sum() == 278


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.arange(288) % 3, "groups with a slope"),
        (np.arange(288) % 30, "bins with a slope"),
        (stream(1, "test").standard_normal(288), "bins with a slope"),
        (np.arange(288) % 2 == 0, "groups"),
        (pd.Categorical(labels(288, 3, 1)), "groups"),
    ],
    ids=["few whole numbers", "many whole numbers", "numbers", "true or false", "categories"],
)
def test_the_kind_of_a_column_says_what_is_asked(values, kind):
    answer = separate(drawn().table.assign(column=values), "neuron_median", by="column")
    assert bool(answer.info["by"]["gradient"]) == ("slope" in kind)
    assert ("to" in answer.groups["group"].iloc[0]) == kind.startswith("bins")
    assert max(map(len, groups_text(answer).splitlines())) <= 80
    figure_of(answer.groups, answer.info["by"]).canvas.draw()


@pytest.mark.parametrize(
    ("change", "by", "sentence"),
    [
        ({"pathway": "x"}, "pathwy", "no such column; did you mean 'pathway'?"),
        ({"pathway": "x"}, "pathway", "all rows say x; it takes two values"),
        ({"pathway": None}, "pathway", "the column is empty in all 288 rows"),
        ({"pathway": [f"p{k // 1.4:.0f}" for k in range(288)]}, "pathway", "has 206 groups, at most 200"),
        ({"x_id": [*range(150), *[None] * 138]}, "x_id", "each of its 150 groups has one synapse"),
        ({"x": [np.inf, *[1.0] * 287]}, "x", "holds inf; it takes finite numbers"),
        ({}, "r_old", "the change is computed from it"),
        ({}, "neuron_id", "every neuron's factor"),
    ],
)
def test_a_column_that_asks_nothing_is_refused_in_one_sentence(change, by, sentence):
    with pytest.raises(SynimgError) as error:
        separate(drawn().table.assign(**change), "neuron_median", by=by)
    assert sentence in str(error.value)


def test_the_answer_is_written_read_back_and_taken_away_by_a_call_that_does_not_ask(tmp_path):
    drawn().table.assign(side=labels(288, 2, 1)).to_csv(tmp_path / "t.csv", index=False)
    asked, folder = separate_table(tmp_path / "t.csv", tmp_path / "out", "neuron_median", by="side")
    found = read_separation(folder)
    np.testing.assert_allclose(found.groups["change_ln"].astype(float), asked.groups["change_ln"])
    assert found.info["by"]["column"] == "side"
    separate_table(tmp_path / "t.csv", tmp_path / "out", "neuron_median")
    assert read_separation(folder).groups is None
    assert not (folder / "groups.parquet").exists()


@pytest.mark.slow
def test_the_sign_of_a_tonotopic_gradient_is_read_right_in_every_animal_by_the_input_s_frequency():
    tonotopy, right = config.preset("tonotopy"), []
    for seed in range(1, 4):
        learned = train(tonotopy, seed)
        wiring, counts = learned.wiring, draw_counts(learned.ledger.a_start, learned.ledger.a, tonotopy, seed)
        channel = (wiring.source - wiring.leak.size)[wiring.contact_edge] // tonotopy.network.axons_per_input
        table = pd.DataFrame({"synapse_id": np.arange(channel.size), "neuron_id": wiring.contact_post})
        table["r_old"], table["r_new"] = counts.labelled_old, counts.labelled_new
        table["input_channel"], table["pool"] = channel, learned.readouts[0].pool[wiring.contact_post]
        for pool, sign in ((0, -1), (1, 1)):
            imaged = table[(table["pool"] == pool) & (table["neuron_id"] < 32)]
            slope = separate(imaged, "neuron_median", by="input_channel").info["by"]["gradient"]["change_ln"]
            right.append(sign * slope["slope"] > 0 and slope["p"] < 0.05)
    assert np.mean(right) >= 0.95
