"""Frames taken in runs, and the variance that some of them tell."""

import numpy as np
import pytest

from photometry.algorithms import runs


@pytest.mark.parametrize('frames', [[], [3], [0, 1, 2], [2, 3, 7, 9, 10], range(12)])
def test_runs_are_what_an_index_gives(frames):
    cube = np.random.default_rng(1).normal(size=(3, 4, 12)).astype('float32')
    frames = np.array(frames, dtype=int)
    np.testing.assert_array_equal(runs.taken(cube, frames), cube[..., frames])


def test_variance_of_good_cadences_that_hold_a_number():
    errors = np.full((2, 3, 100), 3.0)
    good = np.ones(100, dtype=bool)
    errors[..., 40:50], good[40:50] = 100.0, False
    errors[0, 0, ::2] = np.nan
    errors[1, 2] = np.nan
    variance = runs.typical_variance(errors, good)
    assert np.isinf(variance[1, 2])
    variance[1, 2] = 9.0
    np.testing.assert_allclose(variance, 9.0)
    assert np.isinf(runs.typical_variance(errors, np.zeros(100, dtype=bool))).all()
