"""Bright stars keep their light wherever the motion takes them, though their images differ from the PRF."""

import numpy as np
import pytest
from small_scenes import STAMP, make

from photometry.algorithms import epsf_basis, scene_balance
from photometry.algorithms.prf import PRF, Wing
from photometry.files.prf import PRFSamples, load_prf

FRAMES = 200
PLACES = np.array([[1010.3, 1011.8, 1033.4, 1032.6], [710.4, 735.1, 711.7, 736.2]])


@pytest.fixture(scope='module')
def shift():
    """A drift back and forth with jitter."""
    rng = np.random.default_rng(8)
    phase = np.linspace(0, 4 * np.pi, FRAMES)
    return 0.1 * np.stack([np.sin(phase), np.cos(1.4 * phase)], axis=1) + rng.normal(0, 0.01, (FRAMES, 2))


@pytest.fixture(scope='module')
def prf():
    """The PRF that the photometry believes, and the true one, which is smeared."""
    official = load_prf(5, 2, 2)
    smeared = epsf_basis.blurred(official.samples.astype('f8'), (0.06, 0.02, 0.03))
    wing = Wing(0.03, 3.0)
    return PRF(official, wing), PRF(PRFSamples(smeared, official.row, official.column), wing)


def measured(field, believed):
    """Fluxes over the truth, (stars, frames), each with median one."""
    field.prf = believed
    found = field.series().flux / field.flux
    return found / np.median(found, axis=1, keepdims=True)


def scatter(found):
    return 1.4826 * np.median(np.abs(found - 1), axis=1)


def test_wrong_images_and_own_changes(shift, prf, monkeypatch):
    believed, true = prf
    # stars that follow the motion by themselves keep all of it
    flux = 2e5 * (1 + np.array([[0.0], [0.02], [0.0], [0.02]]) * shift[:, 0] / 0.1)
    field = make(*PLACES, flux, shift, prf=true, seed=4)
    balanced = scatter(measured(field, believed))
    monkeypatch.setattr(scene_balance, 'TELLING', np.inf)
    plain = scatter(measured(field, believed))
    assert (balanced < 0.6 * plain).all()


def test_right_images_are_left_alone(shift, prf, monkeypatch):
    _, true = prf
    field = make(*PLACES, np.full(4, 2e5), shift, prf=true, seed=5)
    balanced = measured(field, true)
    monkeypatch.setattr(scene_balance, 'TELLING', np.inf)
    assert np.abs(balanced - measured(field, true)).max() < 0.3 * scatter(balanced).max()


def test_stars_that_do_not_stand_alone(shift, prf):
    believed, true = prf
    row, column = np.column_stack([PLACES, PLACES[:, 0] + 5])
    field = make(row, column, np.array([2e5, 2e5, 2e5, 2e5, 1e5]), shift, prf=true, seed=6)
    assert np.isfinite(measured(field, believed)).all()


def series_of(shift, change, seed=0, noise=1e-4):
    """What fits leave of a star that changes with the motion."""
    row, column = shift.T
    terms = np.stack([row, column, row ** 2 / 2, row * column, column ** 2 / 2])
    return np.asarray(change) @ terms + np.random.default_rng(seed).normal(0, noise, len(shift))


def test_what_stars_share_is_found(shift):
    changes = np.random.default_rng(1).normal(0, [2e-3, 2e-3, 0, 0, 0], (20, 5))
    left = np.stack([series_of(shift, change, seed) for seed, change in enumerate(changes)])
    truth = np.stack([series_of(shift, change, noise=0.0) for change in changes])
    made = scene_balance.followed(left, shift, np.ones(FRAMES, dtype=bool))
    truth -= truth.mean(axis=1, keepdims=True)
    assert (made - truth).std() < 0.25 * truth.std()
    assert np.abs(made.mean(axis=1)).max() < 1e-6


def test_noise_and_outliers_make_nothing(shift):
    left = np.random.default_rng(2).normal(0, 1e-4, (20, FRAMES))
    left[:, 50:55] = 0.1
    made = scene_balance.followed(left, shift, np.ones(FRAMES, dtype=bool))
    assert made.std() < 5e-6


def test_frames_without_a_number_or_motion(shift):
    left = series_of(shift, [2e-3, 0, 0, 0, 0])[None]
    left[0, 10:20] = np.nan
    moved = shift.copy()
    moved[5], moved[6] = np.nan, 3.0
    made = scene_balance.followed(left, moved, np.arange(FRAMES) > 2)
    assert np.isfinite(made).all() and (made[0, 5:7] == 0).all() and made[0, 10:20].any()
    nothing = scene_balance.followed(left, np.full_like(shift, np.nan), np.ones(FRAMES, dtype=bool))
    assert not nothing.any()
    none = scene_balance.followed(np.zeros((0, FRAMES)), shift, np.ones(FRAMES, dtype=bool))
    assert none.shape == (0, FRAMES)


def test_a_star_at_the_edge_has_no_box(shift, prf):
    believed, true = prf
    field = make([STAMP.row_min + 2.0], [720.0], [2e5], shift, prf=true)
    assert np.isfinite(measured(field, believed)).all()
