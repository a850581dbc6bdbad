"""Forms from settings models, and which columns, colours and disagreements there are; without Qt."""

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.measure_settings import MeasureSettings
from synimg.config import Network, Volume, preset
from synimg.errors import SynimgError
from synimg.viewers.colours import colour_by
from synimg.viewers.compare import disagreements, neurons_apart, partners_by_wiring
from synimg.viewers.forms import fields_of, sections, text_of, unit_of, value_of, with_section
from synimg.viewers.synapse_map import class_of, columns_to_colour, following, keep


def test_a_form_has_bounds_units_choices_and_help_of_the_model():
    fields = {field.name: field for field in fields_of(Network)}
    assert (fields["n_units"].kind, fields["n_units"].low, fields["n_units"].high) == ("int", 16, 4096)
    assert fields["readout"].choices == ("linear", "pools")
    assert fields["tau_fast_ms"].unit == "ms"
    assert "Ko 2011" in fields["connection_probability"].help
    assert {field.kind for field in fields_of(Volume)} == {"text"}
    assert fields_of(MeasureSettings)[0].default == 3.7
    assert unit_of("spine_density_per_um") == "per µm"


def test_every_section_of_the_configuration_has_a_form_and_comes_back_the_same():
    config = preset("demo")
    for section, (model, folder) in sections(config).items():
        values = (config if section == "animal" else getattr(config, section)).model_dump()
        shown = {f.name: value_of(text_of(values[f.name]), f.name) for f in fields_of(model, folder)}
        assert with_section(config, section, shown) == config, section
    drift = fields_of(*sections(config)["drift"])[0]
    assert "kesten" in drift.choices


def test_a_wrong_value_in_a_form_is_one_sentence():
    with pytest.raises(SynimgError, match="chunk = \\[16,: not a value"):
        value_of("[16,", "chunk")
    with pytest.raises(SynimgError, match=r"network\.n_units"):
        with_section(preset("demo"), "network", {"n_units": 3})


def test_text_is_coloured_by_category_with_counts_and_numbers_by_a_scale():
    colors, legend = colour_by(pd.Series(["depressed", "potentiated", None, "depressed"], name="class"))
    assert [(e.name, e.count) for e in legend.entries] == [("potentiated", 1), ("depressed", 2)]
    assert legend.n_unknown == 1
    assert np.array_equal(colors[0], colors[3])
    colors, legend = colour_by(pd.Series([-1.0, 0.0, 0.5, np.nan], name="turnover_residual"))
    assert legend.limits[0] == -legend.limits[1]
    assert np.ptp(colors[1, :3]) < 0.05  # nothing left is grey
    assert colour_by(pd.Series([0.1, 0.2], name="p_learning"))[1].limits == (0.0, 1.0)


def test_the_palette_differs_in_lightness_for_those_who_see_no_colour():
    from matplotlib.colors import to_rgb

    from synimg.viewers.colours import NAMED

    grey = {
        name: np.dot(to_rgb(NAMED[name]), [0.299, 0.587, 0.114]) for name in ("potentiated", "depressed", "unchanged")
    }
    assert min(abs(a - b) for a in grey.values() for b in grey.values() if a != b) > 0.06


def _map(p):
    n = len(p)
    return pd.DataFrame(
        {
            "synapse_id": range(n), "neuron_id": [1, 2] * (n // 2), "branch_id": pd.array([1, None] * (n // 2), "Int64"),
            "z_um": 0.0, "y_um": np.arange(n, dtype=float), "x_um": 0.0, "lfdr": 1 - np.array(p), "p_learning": p,
            "p_potentiated": p, "p_depressed": 0.0, "log_turnover": 1.0,
        }
    )  # fmt: skip


def test_classes_follow_the_false_discovery_rate_and_a_hand_overrules_them():
    table = _map([0.95, 0.7, 0.1, 0.0])
    assert class_of(table, 0.06).tolist() == ["potentiated", "unchanged", "unchanged", "unchanged"]
    assert class_of(table, 0.2).tolist() == ["potentiated", "potentiated", "unchanged", "unchanged"]
    table["class_by_hand"] = ["", "depressed", "", None]
    assert class_of(table, 0.2)[1] == "depressed"


def test_filters_keep_a_neuron_a_branch_and_the_categories_that_are_on():
    table = _map([0.9, 0.9, 0.0, 0.0]).assign(**{"class": ["potentiated", "potentiated", "unchanged", "unchanged"]})
    assert keep(table, neuron_id=2).tolist() == [False, True, False, True]
    assert keep(table, branch_id=1).tolist() == [True, False, True, False]
    assert keep(table, hidden=frozenset({"unchanged"})).tolist() == [True, True, False, False]


def test_jumps_go_around_the_end():
    rows = np.array([2, 5, 9])
    assert [following(rows, at) for at in (None, 2, 3, 9)] == [2, 5, 5, 2]
    assert following(rows, 2, -1) == 9
    assert following(np.array([], int), 3) is None


def test_disagreements_are_those_of_one_image_by_id_or_by_place():
    a, b = _map([0.99, 0.99, 0.0, 0.0]), _map([0.99, 0.0, 0.0, 0.99])
    found = disagreements(a, b, 0.05)
    assert sorted(found["synapse_id"]) == [1, 3]
    renumbered = b.iloc[::-1].assign(synapse_id=[10, 11, 12, 13])
    assert sorted(disagreements(a, renumbered, 0.05)["synapse_id"]) == [1, 3]
    with pytest.raises(SynimgError, match="has not been separated"):
        disagreements(a, b.drop(columns="p_learning"), 0.05)


def test_of_two_animals_of_one_wiring_the_same_contacts_are_compared():
    truth_a = pd.DataFrame({"synapse_id": [1, 2, 3, 4], "pre_id": [7, 7, 8, 9], "post_id": [0, 0, 0, 1]})
    truth_b = truth_a.assign(synapse_id=[10, 20, 30, 40])
    a = _map([0.99, 0.99, 0.0, 0.0]).assign(true_synapse_id=pd.array([1, 2, None, 4], "Int64"))
    b = _map([0.0, 0.99, 0.99, 0.99]).assign(true_synapse_id=pd.array([40, 20, 10, None], "Int64"))
    rows = partners_by_wiring(a, b, truth_a, truth_b)
    assert sorted(map(tuple, rows.to_numpy())) == [(0, 2), (1, 1), (3, 0)]
    assert disagreements(a, b, 0.05, rows).empty
    other = truth_b.assign(pre_id=[9, 5, 4, 3])
    assert partners_by_wiring(a, b, truth_a, other).empty
    assert partners_by_wiring(a.drop(columns="true_synapse_id"), b, truth_a, truth_b).empty


def test_of_two_animals_the_neuron_least_like_the_others_comes_first():
    rng = np.random.default_rng(1)
    neurons = np.repeat(np.arange(6), 30)
    tables = [
        pd.DataFrame(
            {"synapse_id": np.arange(180), "neuron_id": neurons, "log_turnover": 0.5 + rng.normal(0, 0.05, 180)}
        )
        for _ in "AB"
    ]
    tables[1].loc[neurons == 4, "log_turnover"] += 0.4
    found = neurons_apart(*tables, fdr=0.2)
    assert found.loc[0, ["animal", "neuron_id"]].tolist() == ["B", 4]
    assert found.loc[0, "apart"] > 5
    few = neurons_apart(tables[0][neurons < 2], tables[1], fdr=0.2)
    assert few.loc[few["animal"] == "B", "apart"].isna().all()


def test_columns_without_a_value_are_not_offered():
    table = _map([0.5, 0.5]).assign(size=np.nan)
    assert "size" not in columns_to_colour(table)
    assert columns_to_colour(table)[0] == "p_learning"
