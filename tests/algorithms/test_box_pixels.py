"""Usable pixels box by box, and statistics of them."""

import numpy as np
import pytest

from photometry.algorithms import box_pixels, boxes, splines


@pytest.mark.parametrize('step', [1, 2, 3])
@pytest.mark.parametrize('together', [1, 1 << 17])
def test_residuals_are_those_of_whole_boxes(step, together, monkeypatch):
    monkeypatch.setattr(box_pixels, 'TOGETHER', together)
    rng = np.random.default_rng(1)
    rows, columns = splines.SplineAxis(3, 150, 32), splines.SplineAxis(44, 101, 32)
    image = rng.normal(5, 1, (150, 101)).astype('f4')
    usable = rng.random(image.shape) < 0.4
    usable[:40, :40] = False
    mesh = rng.normal(5, 0.1, (rows.count, columns.count))
    image[7, 80] = np.nan  # a usable pixel that one frame lacks
    scatter = np.full(mesh.size, 1.2)
    pixels = box_pixels.BoxPixels(usable, rows, columns, step)
    model = rows.basis.astype('f4') @ mesh.astype('f4') @ columns.basis.astype('f4').T
    rest = np.where(usable, image - model, np.nan)
    for known in (None, scatter):
        found = pixels.residual(pixels.gather(image), mesh, known)
        whole = boxes.thin(boxes.pad(rest, rows, columns), rows, columns, step)
        expected = boxes.statistics(boxes.split(whole, rows, columns).copy(), scatter=known)
        assert found.count.tolist() == expected.count.tolist()
        assert (found.count == 0).any() and (found.count > 20).any()
        np.testing.assert_allclose(found.mode, expected.mode, atol=1e-4)
        np.testing.assert_allclose(found.sigma, expected.sigma, atol=1e-4)


def test_medians_pass_over_what_is_missing():
    values = np.array([[3, np.nan, 1, 2], [np.nan] * 4, [4, 1, 2, 8], [np.inf, -np.inf, 7, np.nan]])
    np.testing.assert_array_equal(boxes.medians(values), [2, np.nan, 3, 7])


def test_gaps_of_another_pattern_are_learned_anew():
    grid = np.add.outer(np.arange(20.0), 2 * np.arange(30.0))
    gaps = boxes.Gaps(grid.shape)
    for place in ((5, 7), (12, 20), (5, 7)):
        known = np.ones(grid.shape, bool)
        known[place[0]:place[0] + 2, place[1]] = False
        spoilt = np.where(known, grid, np.nan)
        np.testing.assert_allclose(gaps.fill(spoilt, known), grid, atol=0.2)
        np.testing.assert_array_equal(gaps.fill(spoilt, known), boxes.fill(spoilt, known))
