"""Metrics give the known figures of known noise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.algorithms import metrics

TIME = np.arange(1000) / 48


def noise(seed=0, sigma=2.0, level=1000.0):
    return np.random.default_rng(seed).normal(level, sigma, TIME.size)


def test_rms_hour_of_white_noise():
    expected = 2.0 / np.sqrt(2) / 1000 * 1e6
    found = [metrics.rms_timescale(TIME, noise(seed)) for seed in range(20)]
    assert np.mean(found) == pytest.approx(expected, rel=0.03)


def test_point_to_point_of_white_noise():
    found = metrics.point_to_point(noise())
    assert found == pytest.approx(0.6745 * np.sqrt(2) * 2 / 1000 * 1e6, rel=0.06)


def test_variability_is_one_for_a_constant_star_with_a_drift():
    drift = 1000 * (TIME / TIME.max()) ** 2
    assert metrics.variability(TIME, noise() + drift, np.full(TIME.size, 2.0)) == pytest.approx(1, abs=0.06)


def test_summary_leaves_out_bad_cadences():
    flux = noise()
    good = np.ones(TIME.size, dtype=bool)
    good[::10] = False
    flux[~good] = 1e9
    found = metrics.summary(TIME, flux, np.full(TIME.size, 2.0), good)
    assert found['mean_flux'] == pytest.approx(1000, abs=0.5)
    assert found['variance'] == pytest.approx(4, rel=0.2)


def test_bins_are_counted_from_the_first_cadence_and_gaps_give_nothing():
    time = np.array([10, 10.02, 10.05, 12.0])
    assert np.allclose(metrics.bin_means(time, np.array([1.0, 3.0, 5.0, 7.0]), 1 / 24), [2, 5, 7])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.floats(allow_nan=True, allow_infinity=True, width=32), max_size=30))
def test_wild_light_curves_give_numbers_or_nan(values):
    flux = np.array(values)
    time = np.arange(flux.size) / 48
    with np.errstate(all='ignore'):
        found = metrics.summary(time, flux, np.ones(flux.size), np.ones(flux.size, dtype=bool))
    assert all(isinstance(value, float) for value in found.values())
