"""Movement of the stars: against truth, and where it cannot be measured."""

import dataclasses
import logging

import numpy as np
import pytest

from photometry.algorithms import motion
from photometry.algorithms.prf import PRF
from photometry.core.stamp import Stamp
from photometry.files.prf import load_prf
from photometry.simulation.field import simulate_field

CENTRE = (1100.0, 900.0)


@pytest.fixture(scope='module')
def prf():
    return PRF(load_prf(5, 2, 2))


@pytest.fixture(scope='module')
def field():
    return simulate_field(21, 200, 200, 60, density='typical', background='quiet')


def centre_of(field):
    stamp = field.stamp
    return (stamp.row_min + stamp.row_max - 1) / 2, (stamp.col_min + stamp.col_max - 1) / 2


def measured(field, prf, change=None, good=None, bright=7.2):
    """The stage's way from a field to its movement, sky taken from the truth."""
    rng = np.random.default_rng(1)
    stars, limits = field.stars, field.stamp
    row = stars['row'] + rng.normal(0, 0.05, len(stars))
    column = stars['column'] + rng.normal(0, 0.05, len(stars))
    tmag = stars['tmag'] + rng.normal(0, 0.02, len(stars))
    chosen = motion.select(row, column, tmag, limits, bright=bright)
    images = field.images - field.backgrounds
    if change is not None:
        images = change(images)

    def read(cube):
        return lambda stamp: cube[stamp.slices((limits.row_min, limits.col_min))]
    pixels, rows, columns = motion.collect(read(images), limits, row[chosen], column[chosen])
    errors, _, _ = motion.collect(read(field.errors), limits, row[chosen], column[chosen])
    return motion.measure(pixels, errors, rows, columns, chosen, row, column, tmag, prf,
                          field.clean if good is None else good, centre_of(field))


def error_of(made, field, good=None):
    """Rms in mpx over all stars and frames, a constant for each star free."""
    good = field.clean if good is None else good
    rows, columns = motion.positions_at(made.kernel, made.centre, field.stars['row'], field.stars['column'])
    error = np.stack([rows, columns]) - np.stack(field.positions)
    error = error[:, :, good]
    return 1e3 * np.sqrt(np.mean((error - error.mean(axis=2, keepdims=True)) ** 2))


def test_stars_tell_the_movement(field, prf):
    made = measured(field, prf)
    assert error_of(made, field) < 0.3
    assert made.scatter < 2e-4
    assert np.isnan(made.kernel[~field.clean]).all()
    assert np.abs(made.kernel[field.clean].mean(axis=0)).max() < 1e-12


def test_counted_from_the_reference(field, prf):
    made = measured(field, prf)
    places = motion.positions_at(motion.against_reference(made).kernel, made.centre, field.stars['row'],
                                 field.stars['column'])
    error = (np.stack(places) - np.stack(field.positions))[:, :, field.clean]
    # the places of the catalogue are wrong by 0.05 px a star here
    assert np.abs(error.mean(axis=(1, 2))).max() < 0.02
    shift = np.array([0.3, -0.2])
    moved = motion.against_reference(dataclasses.replace(made, offset=np.r_[shift, 0, 0, 0, 0]))
    np.testing.assert_allclose(np.nanmean(moved.kernel[:, :2], axis=0), shift)


def test_crowded_field(prf):
    field = simulate_field(22, 128, 128, 40, density='crowded', background='quiet')
    made = measured(field, prf)
    assert error_of(made, field) < 0.3
    assert made.scatter < 3e-4


def test_large_movement(prf):
    field = simulate_field(23, 128, 128, 40, density='crowded', background='quiet', drift=1.0)
    assert error_of(measured(field, prf), field) < 1.2


def test_roll(prf):
    field = simulate_field(24, 256, 256, 24, density='isolated', background='quiet', roll=5e-5)
    made = measured(field, prf)
    assert made.warpmode == 'affine'
    assert error_of(made, field) < 0.6


def test_one_star_gives_a_translation(prf):
    field = simulate_field(26, 13, 13, 40, density='isolated', background='quiet', number=1, bright=9.0,
                           faint=9.5)
    made = measured(field, prf)
    assert made.warpmode == 'translation'
    assert error_of(made, field) < 2.0
    assert not made.kernel[field.clean, 2:].any()


def test_flagged_frames_are_nan_and_lend_nothing(field, prf):
    good = field.clean.copy()
    good[5:8] = False
    first = measured(field, prf, good=good)

    def spoil(images):
        images = images.copy()
        images[:, :, 5:8] = 1e6
        return images
    second = measured(field, prf, change=spoil, good=good)
    assert np.isnan(first.kernel[5:8]).all()
    assert np.allclose(first.kernel[good], second.kernel[good], atol=2e-5)


def test_missing_pixels_and_frames(field, prf):
    def spoil(images):
        images = images.copy()
        images[:, :, 11] = np.nan
        images[::7, ::5, :] = np.nan
        return images
    made = measured(field, prf, change=spoil)
    assert np.isnan(made.kernel[11]).all()
    rest = field.clean.copy()
    rest[11] = False
    assert np.isfinite(made.kernel[rest]).all()
    assert error_of(made, field, rest) < 0.6


def test_a_wild_star_is_outvoted(field, prf):
    def spoil(images):
        images = images.copy()
        star = field.stars[np.argmax((field.stars['tmag'] > 7.5)
                                     & (np.abs(field.stars['row'] - centre_of(field)[0]) < 80)
                                     & (np.abs(field.stars['column'] - centre_of(field)[1]) < 80))]
        row = int(round(star['row'])) - field.stamp.row_min
        column = int(round(star['column'])) - field.stamp.col_min
        images[row - 4:row + 5, column - 4:column + 5, 20:40] = images[row - 4:row + 5, column - 3:column + 6,
                                                                       20:40]
        return images
    assert error_of(measured(field, prf, change=spoil), field) < 0.6


def test_no_star_is_said_aloud(field, prf, caplog):
    good = np.array([True, True, False])
    nothing = np.zeros((0, 9, 9, 3))
    empty = np.zeros(0, dtype=int)
    with caplog.at_level(logging.WARNING):
        made = motion.measure(nothing, nothing, empty, empty, empty, *np.zeros((3, 0)), prf, good, CENTRE)
    assert made.warpmode == 'unchanged'
    assert not made.kernel[good].any() and np.isnan(made.kernel[2]).all()
    assert made.reason and made.reason in caplog.text


@pytest.mark.parametrize('value', [0.0, np.nan, -100.0, 1e6])
def test_stamps_without_a_star(value, prf):
    pixels = np.full((2, 9, 9, 5), value)
    corners = np.array([1000, 1050])
    place = corners + 4.0
    made = motion.measure(pixels, np.ones_like(pixels), corners, corners, np.arange(2), place, place,
                          np.array([9.0, 9.0]), prf, np.ones(5, dtype=bool), CENTRE)
    assert made.warpmode == 'unchanged'
    assert not made.kernel.any()


def test_no_good_frame(field, prf):
    made = measured(field, prf, good=np.zeros(len(field.times), dtype=bool))
    assert made.warpmode == 'unchanged' and np.isnan(made.kernel).all()


def test_positions_follow_the_kernel():
    kernel = np.array([[0.1, -0.2, 0, 0, 0, 0], [0, 0, 1e-3, 2e-3, -2e-3, 3e-3], [np.nan] * 6])
    rows, columns = motion.positions_at(kernel, CENTRE, [1100.0, 1110.0], [900.0, 880.0])
    assert rows.shape == columns.shape == (2, 3)
    assert np.allclose(rows[:, 0], [1100.1, 1110.1]) and np.allclose(columns[:, 0], [899.8, 879.8])
    assert rows[1, 1] == pytest.approx(1110 + 1e-3 * 10 - 2e-3 * 20)
    assert columns[1, 1] == pytest.approx(880 - 2e-3 * 10 - 3e-3 * 20)
    assert np.isnan(rows[:, 2]).all()
    assert motion.positions_at(kernel, CENTRE, 1.0, 2.0)[0].shape == (1, 3)


def wcs_tracks(kernel, noise, rng):
    row, column = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 2047, 6), np.linspace(44, 2091, 6)))
    rows, columns = motion.positions_at(kernel, CENTRE, row, column)
    jump = rng.normal(0, noise, (2, kernel.shape[0]))
    return rows + jump[0], columns + jump[1]


def true_kernel(rng, times=200):
    kernel = np.zeros((times, 6))
    kernel[:, :2] = np.cumsum(rng.normal(0, 0.002, (times, 2)), axis=0)
    kernel[:, 2:] = rng.normal(0, 2e-6, (times, 4))
    return kernel - kernel.mean(axis=0)


def test_wcs_a_frame():
    rng = np.random.default_rng(5)
    truth = true_kernel(rng)
    good = np.ones(len(truth), dtype=bool)
    good[7] = False
    rows, columns = wcs_tracks(truth, 0.0, rng)
    rows[:, 9] = np.nan
    made = motion.from_positions(rows, columns, good, CENTRE)
    kept = good.copy()
    kept[9] = False
    assert np.allclose(made.kernel[kept], truth[kept] - truth[kept].mean(axis=0), atol=1e-9)
    assert np.isnan(made.kernel[[7, 9]]).all()
    nothing = motion.from_positions(rows * np.nan, columns, good, CENTRE)
    assert nothing.warpmode == 'unchanged' and np.isfinite(nothing.kernel[good]).all()


def of_stars(kernel, noise, rng):
    noisy = kernel.copy()
    noisy[:, :2] += rng.normal(0, noise, noisy[:, :2].shape)
    return motion.Motion(noisy - noisy.mean(axis=0), CENTRE, 'affine', noise, np.zeros(6))


@pytest.mark.parametrize(('wcs_noise', 'star_noise'), [(2e-3, 2e-4), (2e-4, 3e-3)])
def test_the_better_one_is_chosen(wcs_noise, star_noise):
    rng = np.random.default_rng(6)
    truth = true_kernel(rng)
    good = np.ones(len(truth), dtype=bool)
    wcs = motion.from_positions(*wcs_tracks(truth, wcs_noise, rng), good, CENTRE)
    stars = of_stars(truth, star_noise, rng)
    stars.kernel[3] = np.nan
    made = motion.choose(wcs, stars)
    error = np.std(np.delete(made.kernel - truth, 3, 0)[:, :2])
    assert error == pytest.approx(min(wcs_noise, star_noise), rel=0.2)
    assert made.scatter < max(wcs_noise, star_noise) / 2
    assert np.isfinite(made.kernel).all()


def test_what_was_not_measured_is_not_chosen():
    rng = np.random.default_rng(7)
    good = np.ones(200, dtype=bool)
    wcs = motion.from_positions(*wcs_tracks(true_kernel(rng), 2e-3, rng), good, CENTRE)
    none = motion.unchanged(good, CENTRE, 'there is no star')
    assert motion.choose(wcs, none) is wcs
    assert motion.choose(none, wcs) is wcs
    assert motion.choose(none, none).warpmode == 'unchanged'


def test_selection_prefers_lonely_unsaturated_stars():
    limits = Stamp(0, 100, 44, 144)
    row = np.array([50.0, 20.0, 21.0, 80.0, 0.5, 70.0])
    column = np.array([100.0, 60.0, 60.5, 120.0, 90.0, 70.0])
    tmag = np.array([9.0, 8.0, 8.5, 5.0, 9.0, 10.0])
    assert motion.select(row, column, tmag, limits).tolist() == [0, 5]
    faint = motion.select(row[:1], column[:1], np.array([15.0]), limits)
    assert faint.tolist() == [0]
    assert motion.select(row[:0], column[:0], tmag[:0], limits).size == 0


def test_collect_pads_with_nan():
    limits = Stamp(0, 20, 44, 64)
    cube = np.arange(400.0).reshape(20, 20, 1)
    pixels, rows, columns = motion.collect(lambda stamp: cube[stamp.slices((0, 44))], limits, [1.], [50.], 2)
    assert pixels.shape == (1, 5, 5, 1) and (rows[0], columns[0]) == (-1, 48)
    assert np.isnan(pixels[0, 0]).all() and pixels[0, 1, 0, 0] == 4
