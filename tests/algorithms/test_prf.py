"""The PRF as rendered: an independent interpolation, sums, derivatives, places, wing."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.algorithms.prf import PRF, Wing
from photometry.core.stamp import Stamp
from photometry.files.prf import load_prf

# The second half of them have places with an empty outermost line.
CCDS = [(1, 3, 3), (5, 2, 2), (1, 2, 4), (9, 3, 1)]


@pytest.fixture(scope='module')
def samples():
    return load_prf(5, 2, 2)


@pytest.fixture(scope='module')
def prf(samples):
    return PRF(samples)


@dataclass
class Gaussians:
    """A Gaussian whose width grows from place to place, known at any phase."""

    samples: np.ndarray
    row: np.ndarray
    column: np.ndarray
    oversample: int = 9


def gaussian(down, right, width):
    return np.exp(-(down ** 2 / 2 + right ** 2 / 0.8) / width ** 2)


@pytest.fixture(scope='module')
def gaussians():
    row, column = (axis.ravel() for axis in np.meshgrid(
        [0, 512, 1024, 1535, 2047], [44, 556, 1068, 1579, 2091], indexing='ij'))
    offset = (np.arange(117) - 58) / 9
    images = np.stack([gaussian(offset[:, None], offset, 0.8) for _ in row])
    return Gaussians(81 * images / images.sum(axis=(1, 2), keepdims=True), row, column)


def test_known_function_between_samples(gaussians):
    rng = np.random.default_rng(3)
    row, column = rng.uniform(300, 320, 40), rng.uniform(700, 715, 40)
    stamp = Stamp(290, 330, 690, 725)
    image, by_row, by_column = PRF(gaussians).render(row, column, stamp, derivatives=True)
    down = np.arange(*stamp[:2])[:, None] - row[:, None, None]
    right = np.arange(*stamp[2:])[None, :] - column[:, None, None]
    truth = gaussian(down, right, 0.8)
    truth /= 2 * np.pi * 0.8 ** 2 * np.sqrt(0.4)
    assert np.allclose(image, truth, atol=2e-4 * truth.max())
    assert np.allclose(by_row, truth * down / 0.64, atol=2e-3)
    assert np.allclose(by_column, truth * right / 0.8 / 0.32, atol=5e-3)


@pytest.mark.parametrize('key', CCDS)
def test_core_sums_to_one_at_any_phase(key):
    rng = np.random.default_rng(4)
    row, column = rng.uniform(-30, 2080, 3000), rng.uniform(10, 2120, 3000)
    image, row0, column0 = PRF(load_prf(*key)).render_at(row, column, 6)
    assert abs(image.sum(axis=(1, 2)) - 1).max() < 1e-3
    assert image.min() > -1e-4
    assert (abs(row0 + 6 - row) <= 0.5).all() and (abs(column0 + 6 - column) <= 0.5).all()


def test_samples_are_met_without_change(prf, samples):
    place = 8
    row, column = samples.row[place], samples.column[place]
    image = prf.render_at(row, column, 6)[0][0]
    assert np.allclose(image, samples.samples[place][4::9, 4::9], atol=2e-5)
    # A star one sample (a ninth of a pixel) higher shifts the samples down by one.
    image = prf.render_at(row + 1 / 9, column - 2 / 9, 6)[0][0]
    assert np.allclose(image, samples.samples[place][3::9, 6::9], atol=3e-4)


def test_light_follows_the_star(prf):
    image, row0, column0 = prf.render_at([800.3, 801.3], [900.1, 899.1], 6)
    assert np.diff(row0) == 1 and np.diff(column0) == -1
    assert np.allclose(image[0], image[1], atol=1e-3)
    rows, columns = np.arange(13) + row0[0], np.arange(13) + column0[0]
    moved = prf.render_at([800.0, 800.4], [900.3, 899.9], 6)[0]
    assert np.diff((moved * rows[None, :, None]).sum(axis=(1, 2)))[0] == pytest.approx(0.4, abs=0.06)
    assert np.diff((moved * columns[None, None, :]).sum(axis=(1, 2)))[0] == pytest.approx(-0.4, abs=0.06)


@settings(max_examples=40, deadline=None)
@given(st.floats(-10, 2060), st.floats(30, 2110))
def test_derivatives_are_differences(row, column):
    prf = test_derivatives_are_differences.prf
    step = 1e-4
    stamp = Stamp.around(row, column, 17, 17)
    shifted = prf.render([row - step, row + step, row, row], [column, column, column - step, column + step],
                         stamp)
    image, by_row, by_column = prf.render(row, column, stamp, derivatives=True)
    # The support jumps by a pixel where the star crosses a pixel's border: leave its rim out.
    inner = np.s_[3:-3, 3:-3]
    assert np.allclose(((shifted[1] - shifted[0]) / (2 * step))[inner], by_row[0][inner], atol=3e-4)
    assert np.allclose(((shifted[3] - shifted[2]) / (2 * step))[inner], by_column[0][inner], atol=3e-4)


test_derivatives_are_differences.prf = PRF(load_prf(5, 2, 2))


@pytest.mark.parametrize('wing', [None, Wing(0.03, 2.5)])
def test_second_derivatives_are_differences_of_the_first(samples, wing):
    prf, step = PRF(samples, wing), 1e-4
    rng = np.random.default_rng(9)
    row, column = 600 + rng.uniform(-0.4, 0.4, (2, 12))
    stamp = Stamp(585, 616, 585, 616)
    six = prf.render(row, column, stamp, derivatives=2)
    assert len(six) == 6
    for found, expected in zip(six, prf.render(row, column, stamp, derivatives=1), strict=False):
        assert np.allclose(found, expected, rtol=0, atol=1e-14)
    up, down = (prf.render(row + way, column, stamp, derivatives=1) for way in (step, -step))
    right, left = (prf.render(row, column + way, stamp, derivatives=1) for way in (step, -step))
    for number, (after, before) in {3: (up[1], down[1]), 4: (up[2], down[2]), 5: (right[2], left[2])}.items():
        assert np.allclose((after - before) / (2 * step), six[number], atol=2e-3 * abs(six[number]).max())
    small, row0, _ = prf.render_at(row, column, 9, derivatives=2)
    first = row0[0] - stamp.row_min
    assert len(small) == 6 and np.allclose(small[4][0], six[4][0][first:first + 19, first:first + 19])


@pytest.mark.parametrize('wing', [None, Wing(0.03, 2.5)])
def test_stars_that_move_keep_their_pixels(samples, wing):
    prf = PRF(samples, wing)
    row, column, stamp = np.array([600.45]), np.array([599.9]), Stamp(585, 616, 585, 616)
    here, around = (prf.render(row + 0.1, column, stamp, about=about) for about in (None, (row, column)))
    assert np.array_equal(prf.render(row, column, stamp), prf.render(row, column, stamp, about=(row, column)))
    # Only the rim of the core differs, by what it holds there.
    assert np.allclose(here[0, 10:22], around[0, 10:22], rtol=0, atol=1e-15)
    assert not np.allclose(here, around, rtol=0, atol=1e-5)
    assert np.abs(here - around).max() < 3e-4
    step = 1e-4
    late, early = (prf.render(600.51 + way, column, stamp, about=(row, column))[0] for way in (0, -step))
    slope = prf.render(600.51, column, stamp, derivatives=1, about=(row, column))[1][0]
    assert np.allclose((late - early) / step, slope, atol=1e-3 * abs(slope).max())
    assert prf.render_at(row + 0.3, column, 7, about=(row, column))[1][0] == 600 - 7
    with pytest.raises(ValueError, match='half a pixel'):
        prf.render(row + 0.9, column, stamp, about=(row - 0.9, column))


def test_four_places_are_blended(prf, samples):
    # Half way between four places, a quarter of each; the centre of the cell has phase 0 there.
    image = prf.render_at(768, 812, 6)[0][0]
    places = [samples.samples[k][4::9, 4::9] for k in (6, 7, 11, 12)]
    assert np.allclose(image, np.mean(places, axis=0), atol=2e-5)


def test_outside_the_places_the_outermost_serve(prf):
    inside, outside = prf.render_at([0, -12], [44, 30], 6)[0]
    assert np.array_equal(inside, outside)
    inside, outside = prf.render_at([2047, 2100], [2091, 2130], 6)[0]
    assert np.array_equal(inside, outside)


def test_one_stamp_and_small_stamps_agree(prf):
    rng = np.random.default_rng(5)
    row, column = rng.uniform(495, 530, 60), rng.uniform(590, 625, 60)
    stamp = Stamp(500, 524, 600, 615)
    image = prf.render(row, column, stamp)
    small, row0, column0 = prf.render_at(row, column, 4)
    assert image.shape == (60, 24, 15)
    for star in range(60):
        pixels = Stamp(row0[star], row0[star] + 9, column0[star], column0[star] + 9)
        common = pixels.clipped(stamp)
        assert np.array_equal(image[star][common.slices((500, 600))],
                              small[star][common.slices((row0[star], column0[star]))])


def test_far_stars_no_stars_and_no_place(prf, samples):
    assert not prf.render([100.0], [100.0], Stamp(500, 510, 500, 510)).any()
    assert prf.render([], [], Stamp(500, 510, 500, 510)).shape == (0, 10, 10)
    with pytest.raises(ValueError, match='finite'):
        prf.render([np.nan], [5.0], Stamp(0, 9, 0, 9))
    with pytest.raises(ValueError, match='grid'):
        PRF(Gaussians(samples.samples, samples.column[::-1] * 0, samples.column))


@pytest.mark.parametrize('exponent', [2.0, 2.5, 3.5])
def test_core_and_wing_sum_to_one(samples, exponent):
    prf = PRF(samples, Wing(0.04, exponent))
    rng = np.random.default_rng(6)
    row, column = rng.uniform(300, 301, 10), rng.uniform(300, 301, 10)
    image = prf.render(row, column, Stamp(235, 366, 235, 366))
    assert np.allclose(image.sum(axis=(1, 2)), 1, atol=1e-3)
    core = prf.render_at(row, column, 6)[0]
    assert np.allclose(core.sum(axis=(1, 2)), 0.96, atol=1e-3)
    wide, row0, _ = prf.render_at(row, column, 20)
    assert wide.shape == (10, 41, 41) and row0[0] == np.floor(row[0] + 0.5) - 20
    assert np.allclose(wide[:, 14:27, 14:27], core)


def test_wing_falls_as_its_power_law(samples):
    image, by_row, _ = PRF(samples, Wing(0.05, 3.0)).render(
        [500.0], [500.0], Stamp(440, 561, 440, 561), derivatives=True)
    assert image[0, 60 + 40, 60] / image[0, 60 + 20, 60] == pytest.approx(2 ** -3)
    assert image[0, 0, 0] == 0
    assert by_row[0, 60 + 20, 60] == pytest.approx(image[0, 80, 60] * 3 / 20)
