"""Light that follows the motion from frame to frame is told from a star's own changes."""

import numpy as np
import pytest

from photometry.algorithms import metrics, shaking

FRAMES = 600
NOISE = 5e-5
GOOD = np.ones(FRAMES, dtype=bool)


def motion(scatter, seed=1):
    phase = np.linspace(0, 4 * np.pi, FRAMES)
    drift = 0.05 * np.stack([np.sin(phase), np.cos(1.4 * phase)], axis=1)
    return drift + np.random.default_rng(seed).normal(0, scatter, (FRAMES, 2))


def noise(seed=2):
    return np.random.default_rng(seed).normal(0, NOISE, (1, FRAMES))


def test_what_follows_the_motion_is_found():
    shift = motion(0.1)
    truth = 5e-4 * shift[:, 0] - 3e-4 * shift[:, 1] + 2e-3 * shift[:, 0] * shift[:, 1]
    found = shaking.shaken(1 + truth + noise(), shift, GOOD)[0]
    assert metrics.mad(found - truth + truth.mean()) < 0.2 * NOISE
    assert np.abs(found.mean()) < 0.1 * NOISE


def test_nothing_is_taken_where_the_spacecraft_moves_slowly():
    shift = motion(0.0)
    slow = 1 + 2e-3 * shift[:, 0] + noise()
    assert np.abs(shaking.shaken(slow, shift, GOOD)).max() < 0.2 * NOISE


def test_own_changes_stay():
    shift = motion(0.1)
    time = np.arange(FRAMES)
    own = 0.01 * np.sin(time / 40) - 0.01 * ((time % 150) < 5)
    found = shaking.shaken(1 + own + noise(), shift, GOOD)
    assert metrics.mad(found[0]) < 0.2 * NOISE


def test_no_error_of_a_prf_is_so_great():
    shift = motion(0.1)
    found = shaking.shaken(1 + 0.2 * shift[:, 0] + noise(), shift, GOOD)
    assert np.abs(found).max() < 0.002 * shift.std()


@pytest.mark.parametrize('lost', ['flux', 'motion', 'good'])
def test_frames_that_tell_nothing(lost):
    shift, flux, good = motion(0.1), 1 + noise(), GOOD.copy()
    some = slice(20, 60)
    if lost == 'flux':
        flux[0, some] = np.nan
    elif lost == 'motion':
        shift[some] = np.nan
    else:
        good[some], flux[0, some] = False, 7.0
    found = shaking.shaken(flux, shift, good)
    assert np.isfinite(found).all() and np.abs(found).max() < NOISE
    assert not shaking.shaken(flux, shift, np.zeros(FRAMES, dtype=bool)).any()
