"""Points are left out where they crowd, and only there."""

import numpy as np

from photometry.report import thinning


def test_crowds_are_thinned_and_what_stands_alone_stays():
    rng = np.random.default_rng(3)
    x, y = rng.normal(0, 0.01, 20_000), rng.normal(0, 0.01, 20_000)
    x[:3], y[:3] = [1, -1, 0.5], [1, -1, -0.7]
    chosen = thinning.spread_out(x, y, cells=(100, 100), most=2)
    assert {0, 1, 2} <= set(chosen.tolist()) and chosen.size < 200
    assert np.array_equal(chosen, np.unique(chosen))
    assert np.array_equal(chosen, thinning.spread_out(x, y, cells=(100, 100), most=2))


def test_every_cell_that_is_taken_shows_a_point():
    rng = np.random.default_rng(4)
    x, y = rng.uniform(0, 1, (2, 5000))
    x[:2], y[:2] = [0, 1], [0, 1]
    chosen = thinning.spread_out(x, y, cells=(20, 10), most=1)
    cells = {(int(a * 20), int(b * 10)) for a, b in zip(x, y, strict=True) if a < 1 and b < 1}
    assert {(int(x[i] * 20), int(y[i] * 10)) for i in chosen if x[i] < 1 and y[i] < 1} == cells
    assert chosen.size <= 200


def test_a_sorted_list_is_drawn_from_all_over_a_cell():
    x = np.linspace(0, 1, 10_000)
    chosen = thinning.spread_out(x, np.zeros(x.size), cells=(100, 1), most=1)
    assert 0.3 < np.mean(x[chosen] * 100 % 1) < 0.7


def test_few_stay_and_unknown_ones_go():
    x = np.array([1.0, np.nan, 3.0, 3.0])
    assert thinning.spread_out(x, np.ones(4)).tolist() == [0, 2, 3]
    assert not thinning.spread_out(np.array([]), np.array([])).size
