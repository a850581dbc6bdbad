"""Errors of what calibrates: those of each synapse in its row, those that all share beside the table; and light that fades."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synimg.analysis.block import measure_block, tiles
from synimg.analysis.depth import depth_trend
from synimg.analysis.lab_recording import LabRecording
from synimg.analysis.measure import synapse_table
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.recording import Attenuation
from synimg.analysis.scale import scale_of
from synimg.cameras.scmos import Scmos
from synimg.config import Optics
from synimg.errors import SynimgError

LAB = {
    "photons_per_receptor": 50.0,
    "tag": {"pulse_efficiency": 0.8, "blocking_efficiency": 0.9, "chase_efficiency": 0.85},
    "bleed_through": (("old", "new", 0.1), ("new", "old", 0.03)),
}


def recording(camera=None, n_planes=41, **update):
    lab = LabRecording.parse(LAB | {"camera": camera or Scmos()} | update, "test").with_(None, (0.27, 0.1, 0.1))
    return lab.recording((0.2, 0.07, 0.07), False, n_planes)


def detections(n=50, electrons=None):
    rng = np.random.default_rng(1)
    table = pd.DataFrame({f"{a}_um": rng.uniform(0.0, 8.0, n) for a in "zyx"})
    for k, name in enumerate(("pulse", "chase")):
        table[f"{name}_electrons"] = rng.uniform(2000.0, 9000.0, n) if electrons is None else electrons[:, k]
        table[f"{name}_electrons_se"] = 60.0
    return table.assign(
        electrons_cov=100.0, neuron_id=1, neuron_prob=1.0, merged_prob=0.0, area_um2=np.nan, area_um2_se=np.nan
    )


def with_tag(**values):
    return {"tag": LAB["tag"] | values}


@pytest.mark.parametrize(
    ("stated", "drawn"),
    [
        (
            {"bleed_through": (("old", "new", 0.1, 0.02), ("new", "old", 0.03))},
            lambda e: {"bleed_through": (("old", "new", 0.1 + 0.02 * e), ("new", "old", 0.03))},
        ),
        (
            {"bleed_through": (("old", "new", 0.1), ("new", "old", 0.03, 0.01))},
            lambda e: {"bleed_through": (("old", "new", 0.1), ("new", "old", 0.03 + 0.01 * e))},
        ),
        (with_tag(blocking_efficiency_se=0.03), lambda e: with_tag(blocking_efficiency=0.9 + 0.03 * e)),
        (with_tag(pulse_efficiency_se=0.02), lambda e: with_tag(pulse_efficiency=0.8 + 0.02 * e)),
        (
            {"attenuation": {"length_um": 40.0, "length_se_um": 2.0}},
            lambda e: {"attenuation": {"length_um": 40.0 + 2.0 * e}},
        ),
        (
            {"attenuation": {"bleached_share": 0.2, "bleached_share_se": 0.02}},
            lambda e: {"attenuation": {"bleached_share": 0.2 + 0.02 * e}},
        ),
    ],
)
def test_what_an_error_does_to_a_row_is_in_the_row_s_error(stated, drawn):
    found = detections()
    exact = synapse_table(found, recording(**drawn(0.0)))
    table = synapse_table(found, recording(**stated))
    up, down = (synapse_table(found, recording(**drawn(e))) for e in (0.5, -0.5))
    columns = ["r_new"] if "tag" in stated else ["r_old", "r_new"]  # p and q as factors of all rows are not in them
    for name in columns:
        slope = (up[name] - down[name]).to_numpy()
        added = np.sqrt(np.maximum(table[f"{name}_se"] ** 2 - exact[f"{name}_se"] ** 2, 0.0))
        np.testing.assert_allclose(added, np.abs(slope), rtol=0.03, atol=0.05)
        np.testing.assert_array_equal(table[name], exact[name])
    if "tag" not in stated:
        both = (up["r_old"] - down["r_old"]) * (up["r_new"] - down["r_new"])
        np.testing.assert_allclose(table["r_old_new_cov"] - exact["r_old_new_cov"], both, rtol=0.05, atol=0.2)


@pytest.mark.parametrize(
    ("stated", "moved", "relative"),
    [
        ({"photons_per_receptor_se": 2.0}, lambda e: {"photons_per_receptor": 50.0 + 2.0 * e}, (0.04, 0.04, 0.0)),
        (
            {"new": {"photons_per_receptor": 30.0, "photons_per_receptor_se": 1.5}},
            lambda e: {"new": {"photons_per_receptor": 30.0 + 1.5 * e}},
            (0.0, 0.05, 0.05),
        ),
        (with_tag(chase_efficiency_se=0.017), lambda e: with_tag(chase_efficiency=0.85 + 0.017 * e), (0.0, 0.02, 0.02)),
    ],
)
def test_what_moves_all_rows_alike_is_a_factor_beside_the_table(stated, moved, relative):
    blocked = {"blocking_efficiency": 1.0}  # none of the old receptors counts as new
    unmixed = {"bleed_through": (), "tag": LAB["tag"] | stated.get("tag", {}) | blocked}
    found = detections()
    scale = scale_of(recording(**stated | unmixed))
    assert (scale.old_se, scale.new_se, scale.ratio_se) == pytest.approx(relative)
    unmixed["tag"].pop("chase_efficiency_se", None)
    here, there = (
        synapse_table(
            found, recording(**moved(e) | unmixed | ({"tag": unmixed["tag"] | moved(e).get("tag", {}) | blocked}))
        )
        for e in (0.5, -0.5)
    )
    for name, se in zip(("r_old", "r_new"), relative, strict=False):
        np.testing.assert_allclose(np.abs(np.log(here[name] / there[name])), se, rtol=1e-3, atol=1e-9)
    plain = synapse_table(
        found, recording(**{k: v for k, v in (stated | unmixed).items() if k != "photons_per_receptor_se"})
    )
    np.testing.assert_array_equal(synapse_table(found, recording(**stated | unmixed))["r_old_se"], plain["r_old_se"])


def test_an_error_of_the_gain_moves_both_counts_and_drops_out_where_the_dye_was_measured_with_the_camera():
    camera = Scmos(gain_adu_per_electron_se=0.0434)  # 2 %
    apart, same = (scale_of(recording(camera, photons_by_camera=by)) for by in (False, True))
    assert (apart.old_se, apart.new_se, apart.ratio_se) == pytest.approx((0.02, 0.02, 0.0))
    assert (same.old_se, same.new_se, same.ratio_se) == (0.0, 0.0, 0.0)
    assert not same.is_stated
    assert apart.headlines()["common factor of old, new"] == "+- 2.0%, 2.0%; of new over old 0.0%"


def test_what_is_mixed_by_a_wrong_share_is_stated_for_all_rows_too():
    stated = {"bleed_through": (("old", "new", 0.1, 0.02), ("new", "old", 0.03))} | with_tag(
        blocking_efficiency_se=0.03
    )
    found, scale = detections(), scale_of(recording(**stated))
    up = synapse_table(found, recording(bleed_through=(("old", "new", 0.11), ("new", "old", 0.03))))
    down = synapse_table(found, recording(bleed_through=(("old", "new", 0.09), ("new", "old", 0.03))))
    by_light = np.abs((up["r_new"] - down["r_new"]) / (0.5 * (up["r_old"] + down["r_old"])))
    assert scale.mixing_se == pytest.approx(np.hypot(by_light.mean(), 0.03 * 0.2), rel=0.03)


@pytest.mark.parametrize("one", ["old", "new"])
def test_the_light_of_one_dye_alone_is_refused(one):
    with pytest.raises(SynimgError, match=f"photons_per_receptor is stated for the {one} channel alone"):
        recording(photons_per_receptor=None, **{one: {"photons_per_receptor": 30.0}})
    both = {name: {"photons_per_receptor": 30.0} for name in ("old", "new")}
    assert LabRecording.parse(both, "test").unit == "receptors"


@given(length=st.floats(5.0, 500.0), bleached=st.floats(0.0, 0.8), z=st.integers(0, 40))
def test_light_fades_as_that_of_the_phantoms_does(length, bleached, z):
    attenuation = Attenuation(length_um=length, bleached_share=bleached)
    optics = Optics(attenuation_length_um=length, bleached_share=bleached)
    expected = optics.brightness(np.array([z, 20.0, 30.0]), (41, 41, 61), 0.2)
    assert attenuation.light(np.array([0.2 * z]), 8.0)[0][0] == pytest.approx(expected)


def test_counts_are_corrected_for_light_that_is_stated_to_fade():
    faded = {"length_um": 10.0, "bleached_share": 0.3}
    bright = detections()
    light = Attenuation(**faded).light(bright["z_um"].to_numpy(), 8.0)[0]
    dim = bright.assign(
        **{f"{n}_electrons{s}": bright[f"{n}_electrons{s}"] * light for n in ("pulse", "chase") for s in ("", "_se")}
    )
    dim = dim.assign(electrons_cov=bright["electrons_cov"] * light**2)
    expected, found = synapse_table(bright, recording()), synapse_table(dim, recording(attenuation=faded))
    for name in ("r_old", "r_old_se", "r_new", "r_new_se", "r_old_new_cov"):
        np.testing.assert_allclose(found[name], expected[name])


def tissue(seed, length_um=np.inf, n=800, likeness=0.3):
    """Places and electrons of synapses, those of a cube alike."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(0.0, 1.0, (n, 3)) * [20.0, 40.0, 40.0]
    cell = (np.floor(places / 5.0) @ [1, 10, 100]).astype(int)
    ln = 8.0 + 0.6 * rng.standard_normal(n) + likeness * rng.standard_normal(1000)[cell]
    return pd.DataFrame(places, columns=["z_um", "y_um", "x_um"]), np.exp(ln - places[:, 0] / length_um)


def test_a_trend_with_depth_is_told_with_its_error_and_not_where_there_is_none():
    found = [depth_trend(*tissue(seed), 0.27, 20.0) for seed in range(40)]
    off = np.array([t.change / t.change_se for t in found])
    assert not [sentence for t in found for sentence in t.warnings()]
    assert np.sqrt((off**2).mean()) == pytest.approx(1.0, abs=0.35)  # 3 sigma of 40
    fading = depth_trend(*tissue(1, 40.0), 0.27, 20.0)
    assert abs(fading.change + 1 / 40.0) < 3 * fading.change_se
    (said,) = fading.warnings()
    assert said.startswith("synapses lose 29% (+- 7%) of their counts over 18 um")
    assert "nothing was corrected" in said
    assert len(fading.medians) == 6
    assert depth_trend(*(part[:50] for part in tissue(1)), 0.27, 20.0) is None


def test_an_error_of_the_offset_is_in_no_count():
    shape, camera = (14, 60, 62), Scmos()
    grid = np.indices(shape) * np.array([0.2, 0.07, 0.07])[:, None, None, None]
    photons = np.full((2, *shape), 12.0)
    for at in np.random.default_rng(1).uniform([0.7, 0.6, 0.6], [2.0, 3.5, 3.7], (12, 3)):
        blob = np.exp(-0.5 * sum(((g - a) / w) ** 2 for g, a, w in zip(grid, at, (0.27, 0.1, 0.1), strict=True)))
        photons += 2500.0 * blob / blob.sum()
    grey = camera.record(photons.reshape(-1, *shape[1:]), 1, (0, 0, 0), (2 * shape[0], *shape[1:])).reshape(2, *shape)
    tile, electrons = tiles(shape, MeasureSettings())[0], []
    for offset in (100.0, 104.0):  # two electrons, of ten in a voxel of the background
        known = recording(Scmos(offset_adu=offset), shape[0])
        electrons.append(measure_block(grey, known, MeasureSettings(), 1e-9, tile)["pulse_electrons"])
    here, there = (values.sort_values().to_numpy() for values in electrons)
    np.testing.assert_allclose(here, there, rtol=0.02)
