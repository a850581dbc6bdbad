"""The picture of areas and forms."""

import numpy as np
import pandas as pd

from synimg.viewers.figures.sizes import sizes

TABLE = pd.DataFrame(
    {
        "r_old": [20.0, 60.0, 90.0, 200.0],
        "r_new": [5.0, 20.0, 30.0, 50.0],
        "size": [np.nan, np.nan, 0.12, 0.30],
        "size_se": [np.nan, np.nan, 0.02, 0.03],
    }
)
FORM = np.array(["point", None, "disc", "elongated"], dtype=object)


def test_sizes_are_beside_the_truth_where_it_is_known():
    figure = sizes(TABLE, FORM, np.array([0.02, 0.08, 0.11, 0.40]))
    counts, forms, truth = figure.axes
    assert counts.get_title() == "2 of 4 synapses can be sized"
    assert [text.get_text() for text in counts.get_legend().get_texts()] == ["disc", "elongated"]
    assert truth.get_title() == "50% of the 95 % intervals hold"
    heights = sum(patch.get_data().values - patch.get_data().baseline for patch in forms.patches)
    assert heights.max() <= 1.0
    assert heights.sum() == 3  # of the four one has no form


def test_without_truth_there_is_no_panel_of_it():
    assert len(sizes(TABLE, FORM, None).axes) == 2
    assert len(sizes(TABLE, FORM, np.full(4, np.nan)).axes) == 2
