"""A simulated field is its truth plus the noise that it claims."""

import numpy as np
import pytest

from photometry.simulation.field import simulate_field


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


def test_the_light_of_a_star_varies_as_it_should(field):
    star = next(number for number, kind in zip(field.truth.variable, field.truth.variability, strict=True)
                if kind['kind'] == 'eclipse')
    frames = np.flatnonzero(field.clean)
    low, high = (frames[which(field.flux[star][frames])] for which in (np.argmin, np.argmax))
    if low == high:
        pytest.skip('no eclipse falls on a frame')
    scene = field.simulation.starlight
    other = np.ones(len(field.stars))
    relative = other.copy()
    relative[star] = field.flux[star][low] / field.stars['flux'][star]
    change = scene.render(np.zeros(2), relative=other) - scene.render(np.zeros(2), relative=relative)
    row = field.stars['row'][star]
    if abs(row - 944) < 20:
        assert change.sum() == pytest.approx(field.flux[star][high] - field.flux[star][low], rel=0.01)


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
