"""A simulated field is its truth plus the noise that it claims."""

import numpy as np
import pytest

from photometry.simulation.field import simulate_field
from photometry.simulation.variability import KINDS, Variable


@pytest.fixture(scope='module')
def field():
    return simulate_field(7, 96, 128, 60, density='typical', background='tess', variables=0.05,
                          bright=7.5, faults=True, gap=True)


def test_images_are_truth_plus_noise(field):
    assert field.images.shape == (96, 128, 60) and field.images.dtype == np.float32
    frames = np.flatnonzero(field.clean)
    residual = np.stack([field.images[..., t] - field.background(t) - field.starlight(t) for t in frames], -1)
    normal = residual / (field.errors[..., frames] * field.sigma_factor)
    assert normal.std() == pytest.approx(1, abs=0.005)
    assert normal.mean() == pytest.approx(0, abs=0.005)
    for axis in (0, 1, 2):
        first, second = (np.take(normal, range(*ends), axis) for ends in ((0, 48), (1, 49)))
        assert abs(np.mean(first * second)) < 0.01


def test_truth_of_the_variables(field):
    assert len(field.truth.variable) and field.flux.shape == (len(field.stars), 60)
    star = field.truth.variable[0]
    np.testing.assert_array_equal(field.flux[star], field.truth.flux(star))
    constant = np.setdiff1d(np.arange(len(field.stars)), field.truth.variable)
    assert np.ptp(field.flux[constant], axis=1).max() == 0
    assert (np.ptp(field.truth.relative, axis=1) > 0).any()


def test_stars_follow_the_motion(field):
    rows, columns = field.positions
    np.testing.assert_allclose(rows[0] - field.stars['row'][0], field.motion[:, 0], atol=0.01)
    np.testing.assert_allclose(columns[0] - field.stars['column'][0], field.motion[:, 1], atol=0.01)
    also = field.truth.positions(np.arange(len(field.stars)))
    np.testing.assert_allclose(also[0], rows)
    np.testing.assert_allclose(also[1], columns)


def test_empty_frames_are_zero(field):
    empty = field.simulation.schedule.zero
    assert empty.any() and not field.images[..., empty].any() and not field.clean[empty].any()


def test_a_star_that_fades_takes_its_light_out_of_the_image(field):
    stars, limits = field.stars, field.stamp
    inside = np.flatnonzero((abs(stars['row'] - (limits.row_min + 48)) < 35)
                            & (abs(stars['column'] - (limits.col_min + 64)) < 50))
    star = inside[np.argmax(stars['flux'][inside])]
    scene, rest = field.simulation.starlight, np.ones(len(stars))
    faded = np.where(np.arange(len(stars)) == star, 0.6, rest)
    change = scene.render(np.zeros(2), relative=rest) - scene.render(np.zeros(2), relative=faded)
    # Up to 5 % of a star's light lies in a wing of which the field holds the greater part.
    assert 0.95 < change.sum() / (0.4 * stars['flux'][star]) < 1.001


@pytest.mark.parametrize('kind', KINDS)
def test_variables_vary_by_their_depth(kind):
    variable = Variable(0, kind, period=2.0, epoch=10.0, depth=0.1, duration=0.2)
    time = np.linspace(10, 14, 4001)
    light = variable.relative(time)
    assert light == pytest.approx(variable.relative(time + 20), abs=1e-9) or kind == 'pulsation'
    if kind == 'pulsation':
        assert 0.1 < np.ptp(light) / 2 < 0.15 and abs(light.mean() - 1) < 0.02
    else:
        assert light.min() == pytest.approx(0.9) and light.max() == 1
        # A trapezium with flanks of a fifth of its duration has 80 % of the full area.
        area = (0.1 + (0.04 if kind == 'eclipse' else 0)) * 0.8 * 0.2
        assert np.mean(1 - light) * 2 == pytest.approx(area, rel=0.01)


def test_the_same_seed_makes_the_same_field():
    made = [simulate_field(seed, 40, 48, 4, density='sparse') for seed in (3, 3, 4)]
    np.testing.assert_array_equal(made[0].images, made[1].images)
    np.testing.assert_array_equal(made[0].stars, made[1].stars)
    assert made[0].images.shape != made[2].images.shape or (made[0].images != made[2].images).any()


def test_more_frames_do_not_change_the_sky():
    few, many = (simulate_field(3, 40, 48, frames, density='sparse') for frames in (4, 8))
    np.testing.assert_array_equal(few.stars, many.stars)


def test_light_from_outside_comes_in():
    whole = simulate_field(3, 80, 80, 1, density='crowded', row=500, column=500, wing=0.03)
    stars = whole.stars
    outside = (stars['row'] < 499) & (stars['row'] > 490)
    assert outside.any()
    edge = whole.starlight(0)[0]
    assert edge.max() > 1


def test_cadences_from_20_to_1800_s():
    noise = []
    for cadence in (20, 200, 1800):
        field = simulate_field(1, 64, 64, 3, density='sparse', number=0, cadence=cadence, zodiacal=100.0,
                               crmiten=True)
        noise.append((field.images[..., 1] - field.images[..., 0]).std())
        assert field.detector.num_frm == cadence // 2
    np.testing.assert_allclose(np.array(noise) / noise[2], np.sqrt([90, 9, 1]), rtol=0.04)
