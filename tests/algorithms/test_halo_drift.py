"""Motion left in light curves: taken away, told from what the star does."""

import numpy as np
import pytest

from photometry.algorithms import halo_drift, metrics

TIMES, LEVEL, ERROR = 600, 1e6, 20.0


def drawn(seed=1, slope=(2000.0, -1500.0), bend=0.0):
    """Time, motion, and a light curve with noise and what motion does to it."""
    rng = np.random.default_rng(seed)
    time, path = np.arange(TIMES) / 48, np.linspace(-1, 1, TIMES)
    shift = np.stack([0.05 * path, 0.02 * np.cos(4 * path)], axis=1) + 3e-3 * rng.standard_normal((TIMES, 2))
    flux = LEVEL + ERROR * rng.standard_normal(TIMES) + shift @ slope + bend * shift[:, 0] ** 2
    return time, shift, flux


def cleaned(time, shift, flux, good=None, slope=0.003):
    return halo_drift.cleaned(flux, time, shift, np.ones(TIMES, dtype=bool) if good is None else good, ERROR,
                              slope)


@pytest.mark.parametrize('slope', [(0.0, 0.0), (2000.0, -1500.0), (400.0, 3000.0)])
def test_motion_is_taken_away(slope):
    time, shift, flux = drawn(slope=slope, bend=5e3 if any(slope) else 0.0)
    found, _, kept = cleaned(time, shift, flux)
    assert metrics.mad(found) == pytest.approx(ERROR, rel=0.12)
    assert np.mean(found) == pytest.approx(np.mean(flux), abs=0.1) and kept > 0.8


@pytest.mark.parametrize(('size', 'lost'), [(100.0, 0.1), (1e3, 0.05), (1e4, 0.01)])
def test_what_the_star_does_stays(size, lost):
    time, shift, flux = drawn()
    wave = size * np.sin(time)
    found, _, _ = cleaned(time, shift, flux + wave)
    kept = np.polyfit(wave, found, 1)[0]
    assert kept == pytest.approx(1, abs=lost)


def test_transits_stay_and_do_not_spoil_the_rest():
    time, shift, flux = drawn()
    dark = np.arange(TIMES) % 80 < 5
    found, _, _ = cleaned(time, shift, np.where(dark, flux - 0.02 * LEVEL, flux))
    assert np.median(found[~dark]) - np.median(found[dark]) == pytest.approx(0.02 * LEVEL, abs=ERROR)
    assert metrics.mad(found[~dark]) == pytest.approx(ERROR, rel=0.15)


def test_a_signal_that_is_the_motion_is_not_believed_beyond_the_prior():
    time, shift, flux = drawn(slope=(2e5, 0.0))
    found, _, _ = cleaned(time, shift, flux, slope=1e-4)
    assert np.ptp(found) > 0.8 * np.ptp(flux)


def test_frames_that_do_not_count_and_unknown_ones():
    time, shift, flux = drawn()
    flux[7], shift[9] = np.nan, np.nan
    good = np.arange(TIMES) != 20
    flux[20], shift[20] = 3 * LEVEL, 5.0
    found, _, _ = cleaned(time, shift, flux, good)
    assert np.isnan(found[7]) and np.isfinite(np.delete(found, 7)).all()
    assert metrics.mad(np.delete(found, [7, 9, 20])) == pytest.approx(ERROR, rel=0.12)
    assert found[20] == pytest.approx(3 * LEVEL, rel=1e-3), 'motion is held at its range'


def test_a_handful_of_frames_is_left_alone():
    time, shift, flux = drawn()
    few = np.arange(TIMES) < 10
    found, _, kept = cleaned(time, shift, flux, few)
    assert found is flux and kept == 1


def test_quiet_light_curves_are_not_split_into_motion_and_its_opposite():
    for seed in range(6):
        time, shift, flux = drawn(seed, slope=(0.0, 0.0))
        found, _, _ = cleaned(time, shift, flux, slope=0.05)
        assert metrics.mad(found) == pytest.approx(ERROR, rel=0.12)
