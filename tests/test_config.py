"""Configurations: what is written is what is read, and a mistake is one sentence."""

import pytest

from synimg import config
from synimg.errors import SynimgError


@pytest.mark.parametrize("name", config.presets())
def test_a_preset_written_with_comments_reads_back_the_same(name):
    assert config.parse(config.to_toml(config.preset(name)), "file") == config.preset(name)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[network]\nn_unit = 5", "did you mean 'n_units'"),
        ("[netwrok]\nn_units = 64", "did you mean 'network'"),
        ("[rule]\nkind = 'eprob'", "did you mean 'eprop'"),
        ("[rule]\nkind = 'eprop'\nlearning_rat = 1", "did you mean 'learning_rate'"),
        ("[volume]\nvoxel_um = [0, 0.07, 0.07]", "a voxel size lies above 0"),
        ("[volume]\nvoxel_um = [0.2, 0.07]", "volume.voxel_um"),
        ("[tissue]\nn_imaged_neurons = 300", "image fewer or enlarge"),
        ("[network]\nn_units = 'many'", "network.n_units"),
        ("[receptors]\nshare_large = [0.2, 1.4]", "each from 0 to 1"),
        ("seed = -1", "seed"),
        ("seed = ", "not valid TOML"),
    ],
)
def test_a_mistake_is_named_in_one_sentence(text, sentence):
    with pytest.raises(SynimgError) as error:
        config.parse(text, "mouse.toml")
    assert sentence in str(error.value)
    assert str(error.value).startswith("mouse.toml: ")
    assert "\n" not in str(error.value)


def test_an_unknown_preset_names_the_nearest():
    with pytest.raises(SynimgError, match="did you mean 'tiny'"):
        config.preset("tinny")


def test_morphologies_are_found_beside_the_file(tmp_path):
    (tmp_path / "mouse.toml").write_text('[tissue]\nmorphologies = ["cells/a.swc"]')
    assert config.load(tmp_path / "mouse.toml").tissue.morphologies == (str(tmp_path / "cells" / "a.swc"),)
