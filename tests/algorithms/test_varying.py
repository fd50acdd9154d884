"""Variations of neighbours are followed where they stand out from noise, and only there."""

import numpy as np
import pytest

from photometry.algorithms import varying

TIMES = 600
GOOD = np.arange(TIMES) % 50 != 7
RESPONSE = np.array([[1.0, 0.2], [0.3, 1.0]])


def sums(changes, noise=1.0, seed=2):
    rng = np.random.default_rng(seed)
    residual = RESPONSE @ changes + rng.normal(0, noise, (2, TIMES))
    return residual, np.full((2, TIMES), noise ** 2)


def eclipse(depth):
    return np.where(np.abs(np.arange(TIMES) % 200 - 100) < 6, -depth, 0.0)


@pytest.mark.parametrize(('change', 'expected'), [
    (np.zeros(TIMES), False), (eclipse(6.0), True), (1.2 * np.sin(np.arange(TIMES)), True)])
def test_what_varies_is_told_from_noise(change, expected):
    told = [varying.varies(change + np.random.default_rng(seed).normal(0, 1, TIMES), np.ones(TIMES), GOOD)
            for seed in range(40)]
    assert np.mean(told) > 0.9 if expected else not any(told)


def test_bad_cadences_make_nothing_vary():
    residual = np.random.default_rng(1).normal(0, 1, TIMES)
    residual[~GOOD], residual[3] = 1e4, np.nan
    assert not varying.varies(residual, np.ones(TIMES), GOOD)
    assert not varying.varies(np.full(TIMES, np.nan), np.ones(TIMES), GOOD)


def test_each_star_gets_its_own_changes():
    truth = np.array([eclipse(40.0), 20 * np.sin(np.arange(TIMES) / 9)])
    change, error = varying.deviations(*sums(truth), RESPONSE, GOOD)
    left = change - truth
    assert np.std(left[1]) < 1.6 and np.std(left[0]) < 1.6
    assert np.std(left[1]) == pytest.approx(np.median(error[1]), rel=0.2)


def test_constant_stars_add_hardly_any_noise():
    change, error = varying.deviations(*sums(np.zeros((2, TIMES))), RESPONSE, GOOD)
    assert np.std(change) < 0.1 and np.median(error) == 0


def test_images_that_cannot_be_told_apart_are_left_alone():
    residual, variance = sums(np.zeros((2, TIMES)))
    assert varying.deviations(residual, variance, np.ones((2, 2)), GOOD) == (None, None)
    assert varying.deviations(residual, variance, np.zeros((2, 2)), GOOD) == (None, None)


def test_cadences_without_a_number_are_left_alone():
    residual, variance = sums(np.array([np.zeros(TIMES), 30 * np.sin(np.arange(TIMES))]))
    residual[0, 5], variance[1, 6] = np.nan, np.inf
    change, error = varying.deviations(residual, variance, RESPONSE, GOOD)
    assert not change[:, [5, 6]].any() and not error[:, [5, 6]].any() and np.isfinite(change).all()
