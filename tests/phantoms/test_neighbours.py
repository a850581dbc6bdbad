"""Points found by place are those that a search through all of them finds."""

import numpy as np
import pytest
from scipy.spatial import cKDTree

from synimg.phantoms.neighbours import Neighbours, nearest

BOX_UM = (9.6, 31.0, 37.0)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_nearest_points_are_those_of_a_tree_search_also_outside_the_box(seed):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-0.2, 1.2, (1500, 3)) * BOX_UM
    known = Neighbours(BOX_UM, 2.0)
    for row in range(3):
        known.add(points[500 * row : 500 * row + 500], row)
    found, distance = np.empty(4, np.int64), np.empty(4)
    for place in rng.uniform(-0.2, 1.2, (200, 3)) * BOX_UM:
        n = nearest(place, 1.9, known.index, found, distance)
        apart, which = cKDTree(points).query(place, k=4, distance_upper_bound=1.9)
        np.testing.assert_array_equal(found[:n], which[np.isfinite(apart)])
        np.testing.assert_allclose(distance[:n], apart[np.isfinite(apart)], rtol=1e-14)
        np.testing.assert_array_equal(known.index[1][found[:n]], found[:n] // 500)


def test_the_cells_of_a_large_box_stay_few():
    assert len(Neighbours((100.0, 3000.0, 3000.0), 0.5).index[2]) < 5_000_000
