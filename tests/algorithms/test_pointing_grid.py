"""Light in a mask follows the pointing as if every frame had been rendered."""

import numpy as np
import pytest

from photometry.algorithms.pointing import FAR, PointingGrid, is_near
from photometry.algorithms.prf import PRF
from photometry.core.stamp import Stamp
from photometry.files import prf

STAMP = Stamp(1000, 1015, 700, 715)


@pytest.fixture(scope='module')
def model():
    return PRF(prf.load_prf(5, 2, 2))


@pytest.mark.parametrize(('extent', 'tolerance', 'most'), [
    (0.0, 1e-6, 9), (0.03, 5e-5, 9), (0.08, 1e-4, 25), (0.19, 2e-4, 64), (0.45, 1e-3, 196)])
def test_the_grid_follows_the_light_in_a_mask(extent, tolerance, most, model):
    rng = np.random.default_rng(4)
    down, right = rng.uniform(-extent, extent, (2, 30))
    row, column = np.array([1006.7, 1007.4]), np.array([707.2, 706.6])
    grid = PointingGrid(down, right, np.ones(30, dtype=bool))
    rows, columns = grid.nodes
    assert rows.size <= most
    images = model.render((row[:, None] + rows).ravel(), (column[:, None] + columns).ravel(), STAMP)
    weights = np.sqrt(images[0]) * (images[0] > 0.01)
    values = np.tensordot(images, weights, 2).reshape(2, -1)
    found = grid.follow(values, down, right)
    for star in range(2):
        expected = np.tensordot(model.render(row[star] + down, column[star] + right, STAMP), weights, 2)
        assert np.allclose(found[star] / expected, 1, atol=tolerance)
        assert grid.mean @ values[star] == pytest.approx(expected.mean(), rel=tolerance)


def test_slopes_are_derivatives_by_the_place_of_the_star(model):
    grid = PointingGrid(np.array([-0.02, 0.02]), np.array([0.01, -0.01]), np.ones(2, dtype=bool))
    rows, columns = grid.nodes
    images = model.render(1006.7 + rows, 707.2 + columns, STAMP)
    _, *expected = model.render(1006.7, 707.2, STAMP, derivatives=True)
    for found, slope in zip(np.tensordot(grid.slopes, images, 1), expected, strict=True):
        assert np.allclose(found, slope[0], atol=2e-3 * np.abs(slope).max())


def test_frames_far_away_do_not_widen_the_grid():
    down = np.array([0.01, -0.02, 9.0])
    grid = PointingGrid(down, np.zeros(3), np.ones(3, dtype=bool))
    assert np.abs(grid.nodes[0]).max() < 0.03 and grid.mean.sum() == pytest.approx(1)
    assert is_near(down, np.zeros(3)).tolist() == [True, True, False] and FAR < 9
