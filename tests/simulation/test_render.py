"""Rendered stars are the official samples at the right phase, and all of their light is there."""

import numpy as np
import pytest
from scipy import ndimage

from photometry.core.stamp import Stamp
from photometry.files import prf
from photometry.simulation import render
from photometry.simulation.scene import Starlight

WING = render.WingShape(0.035, 3.0)


@pytest.fixture(scope='module')
def samples():
    return prf.load_prf(5, 2, 2)


@pytest.fixture(scope='module')
def renderer(samples):
    return render.Renderer(samples.samples, samples.row, samples.column, WING)


@pytest.mark.parametrize('steps', [(0, 0), (3, -2), (-4, 4), (1, 0), (0, 1)])
@pytest.mark.parametrize('place', [0, 7, 12, 24])
def test_samples_at_their_own_phase_come_back(renderer, samples, place, steps):
    row, column = samples.row[place], samples.column[place]
    # A step of 1/9 px towards higher rows sees the samples one index lower.
    inner = np.arange(-5, 6) * 9 + 58
    expected = samples.samples[place][np.ix_(inner - steps[0], inner - steps[1])]
    values, row0, column0 = renderer.stamps([row + steps[0] / 9], [column + steps[1] / 9])
    found = values[0][4:15, 4:15]
    assert (row0[0] + 9, column0[0] + 9) == (row, column)
    # Within 4/9 px of a place the blend takes up to 1/1000 of a neighbour.
    assert np.abs(found - (1 - WING.fraction) * expected)[1:-1, 1:-1].max() < 2e-4
    wrong = samples.samples[place].T[np.ix_(inner - steps[0], inner - steps[1])]
    assert np.abs(found - (1 - WING.fraction) * wrong).max() > 2e-3


def test_between_samples_it_follows_direct_interpolation(renderer, samples):
    row, column = samples.row[12] + 0.2345, samples.column[12] - 0.4321
    index = np.arange(-4, 5) * 9 + 58
    grid = np.meshgrid(index - 9 * 0.2345, index + 9 * 0.4321, indexing='ij')
    direct = ndimage.map_coordinates(samples.samples[12].astype('f8'), grid, order=5)
    values = renderer.stamps([row], [column])[0][0][5:14, 5:14]
    assert np.abs(values - (1 - WING.fraction) * direct).max() < 2e-4


def test_places_are_blended_bilinearly(renderer, samples):
    grid = samples.row.reshape(5, 5), samples.column.reshape(5, 5)
    row = np.round(0.25 * grid[0][1, 1] + 0.75 * grid[0][2, 1])
    column = np.round(0.5 * (grid[1][1, 1] + grid[1][1, 2]))
    rows, columns = np.unique(samples.row), np.unique(samples.column)
    u, v = (row - rows[1]) / (rows[2] - rows[1]), (column - columns[1]) / (columns[2] - columns[1])
    corners = [renderer.stamps([r], [c])[0][0] for r in rows[1:3] for c in columns[1:3]]
    weights = [(1 - u) * (1 - v), (1 - u) * v, u * (1 - v), u * v]
    blended = sum(w * corner for w, corner in zip(weights, corners, strict=True))
    np.testing.assert_allclose(renderer.stamps([row], [column])[0][0], blended, atol=1e-7)


def test_all_light_is_there_at_every_phase(renderer):
    rng = np.random.default_rng(5)
    row, column = rng.uniform(0, 2047, 200), rng.uniform(44, 2091, 200)
    total = (renderer.stamps(row, column)[0].sum(axis=(1, 2), dtype='f8')
             + renderer.wing_amplitude(row, column) * renderer.kernels[0].sum())
    np.testing.assert_allclose(total, 1, atol=2e-6)


def test_the_wing_holds_its_part(renderer):
    row, column = 700.0, 900.0
    inside = renderer.stamps([row], [column])[0][0][3:16, 3:16].sum(dtype='f8')
    assert abs(1 - inside - WING.fraction) < 0.005
    profile = render.wing_profile(np.array([10., 20., 40., 61.]), 0., 3.0)
    np.testing.assert_allclose(profile, [1e-3, 1.25e-4, 1.5625e-5, 0])


def test_motion_of_a_pixel_fraction_moves_the_centroid(renderer):
    where = np.linspace(-0.5, 0.5, 21)
    values, row0, column0 = renderer.stamps(1000 + where, 800 - where / 2)
    offset = np.arange(19)
    rows = (values.sum(axis=2) * offset).sum(axis=1) / values.sum(axis=(1, 2)) + row0
    columns = (values.sum(axis=1) * offset).sum(axis=1) / values.sum(axis=(1, 2)) + column0
    assert np.abs(np.polyfit(where, rows, 1)[0] - 1) < 0.02
    assert np.abs(np.polyfit(where, columns, 1)[0] + 0.5) < 0.01


def test_a_scene_is_the_sum_of_its_stars(renderer):
    rng = np.random.default_rng(2)
    stamp = Stamp(500, 620, 700, 830)
    row, column = rng.uniform(495, 625, 30), rng.uniform(695, 835, 30)
    flux, shift = rng.uniform(1e2, 1e5, 30), np.array([0.21, -0.13])
    scene = Starlight(renderer, stamp, row, column, flux)
    relative = np.ones(30)
    relative[3] = 0.5
    found = scene.crop(scene.render(shift, relative=relative))
    expected = _direct(renderer, stamp, row + shift[0], column + shift[1], flux * relative)
    # The blend of places is that at rest; far wings are expanded to second order.
    assert np.abs(found - expected).max() < 5e-5 * flux.max()
    assert found.sum(dtype='f8') == pytest.approx(expected.sum(), rel=1e-4)


def _direct(renderer, stamp, row, column, flux):
    pixels = np.meshgrid(np.arange(stamp.row_min, stamp.row_max),
                         np.arange(stamp.col_min, stamp.col_max), indexing='ij')
    image = np.zeros(stamp.shape)
    amplitude = renderer.wing_amplitude(row, column)
    values, row0, column0 = renderer.stamps(row, column)
    for star in range(len(row)):
        image += flux[star] * amplitude[star] * render.far_profile(
            pixels[0] - row[star], pixels[1] - column[star], WING.exponent)
        for (i, j), value in np.ndenumerate(values[star]):
            spot = row0[star] + i - stamp.row_min, column0[star] + j - stamp.col_min
            if 0 <= spot[0] < stamp.height and 0 <= spot[1] < stamp.width:
                image[spot] += flux[star] * value
    return image


def test_a_frame_does_not_depend_on_those_before(renderer):
    rng = np.random.default_rng(3)
    stars = rng.uniform(1000, 1060, (2, 50))
    scenes = [Starlight(renderer, Stamp(1000, 1060, 1000, 1060), *stars, np.full(50, 1e4)) for _ in range(2)]
    for shift in rng.normal(0, 0.2, (5, 2)):
        scenes[0].render(shift)
    last = np.array([0.03, 0.04])
    np.testing.assert_array_equal(scenes[0].render(last), scenes[1].render(last))


def test_places_must_form_a_grid(samples):
    with pytest.raises(ValueError, match='grid'):
        render.Renderer(samples.samples[:24], samples.row[:24], samples.column[:24])
