"""A user's method: what it may leave out, and the one sentence that everything else gets."""

import os
import threading

import numpy as np
import pandas as pd
import pytest

from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separation import separate
from synimg.analysis.separation_files import separate_table
from synimg.errors import SynimgError

TABLE = pd.DataFrame(
    {
        "synapse_id": range(60),
        "neuron_id": [1, 2, 3] * 20,
        "r_old": 40.0,
        "r_new": np.arange(60) + 1.0,
        "animal_id": "a",
    }
)


def half(table):
    return table[["synapse_id"]].assign(p_learning=0.5)


def test_a_user_s_function_of_a_table_is_a_method(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def newest(table):\n    share = table.r_new / (table.r_old + table.r_new + 1)\n"
        "    return table[['synapse_id']].assign(p_learning=share)\n"
    )
    result = separate(TABLE, f"{tmp_path / 'mine.py'}:newest")
    assert result.synapses["lfdr"].notna().all()


@pytest.mark.parametrize(
    ("method", "sentence"),
    [
        ("neuron_mod", "did you mean 'neuron_mode'"),
        ("missing.py:f", "no such file"),
        (lambda t: t.boom, "raised AttributeError"),
        (lambda t: 5, "must return a DataFrame"),
        (lambda t: t[["synapse_id"]], "'p_learning' is missing"),
        (lambda t: t[["synapse_id"]].assign(p_learning=np.nan), "empty or NaN"),
        (lambda t: half(t).head(3), "return every row"),
        (lambda t: half(t).assign(lfdr=np.nan), "column 'lfdr' is empty or NaN in row 0"),
        (lambda t: (_ for _ in ()).throw(RuntimeError("two\nlines")), "RuntimeError: two lines"),
        (lambda t: os._exit(0), "raised SystemExit: os._exit(0)"),
        (lambda t: Separation(None, None, None), "its synapses are NoneType"),
        (lambda t: Separation(half(t), [1], None), "its neurons are list"),
        (lambda t: Separation(half(t), pd.DataFrame({"neuron_id": [7]}), None), "have neuron_id 7, which is not in"),
        (lambda t: Separation(half(t), None, pd.DataFrame({"name": ["a"]})), "'animal_id' is missing"),
        (lambda t: Separation(half(t), None, None, []), "its info is list; it must be a dict"),
        (lambda t: Separation(half(t), None, None, {"warnings": "none"}), "'warnings' of type str; it must be a list"),
        (lambda t: Separation(half(t), None, None, {"warnings": [1]}), "they must be sentences"),
        (lambda t: Separation(half(t), None, None, {"diagnosis": {"x": np.nan}}), "cannot be written as JSON"),
    ],
)
def test_a_method_that_fails_is_named_in_one_sentence(method, sentence):
    with pytest.raises(SynimgError) as error:
        separate(TABLE, method)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_separation_may_leave_out_all_but_its_synapses(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from synimg.analysis.separate.protocol import Separation\n"
        "def bare(table):\n    return Separation(table[['synapse_id']].assign(p_learning=0.5), None, None, {})\n"
    )
    TABLE.to_csv(tmp_path / "table.csv", index=False)
    result, folder = separate_table(tmp_path / "table.csv", tmp_path / "out", f"{tmp_path / 'mine.py'}:bare")
    assert result.info["method"].endswith("mine.py:bare")
    assert result.neurons["n_synapses"].tolist() == [20, 20, 20]
    assert result.animals["animal_id"].tolist() == ["a"]
    assert (folder / "result.json").is_file()


def test_other_threads_of_a_method_may_end_the_process(monkeypatch):
    ended = []
    monkeypatch.setattr(os, "_exit", ended.append)
    leave = os._exit

    def watched(table):
        watch = threading.Thread(target=lambda: os._exit(4))
        watch.start()
        watch.join()
        return half(table)

    separate(TABLE, watched)
    assert ended == [4]
    assert os._exit is leave
