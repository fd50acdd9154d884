"""What the motion of the stars does to the pixels makes a PRF whose fluxes do not follow the motion."""

import numpy as np
import pytest
from epsf_field import ORIGIN, errors, following, mean_image, pointings

from photometry.algorithms import epsf, epsf_basis, epsf_prior, epsf_scene, epsf_slopes, wing_images
from photometry.algorithms.prf import PRF
from photometry.core.stamp import Stamp
from photometry.files.prf import load_prf


def learn(field, where=None):
    """The PRF of a field, from its mean image alone or with what its frames tell."""
    made = epsf.learn(field.image, field.row, field.column, field.tmag, field.samples, origin=ORIGIN,
                      exposure=field.exposure, blur=field.blur, pointings=where)
    return PRF(made, made.wing)


@pytest.fixture(scope='module')
def narrow():
    """Stars 5 % too narrow that stand alone, the PRF from their mean image, and with their frames."""
    field = mean_image(3, 128, 'isolated', width=0.95, scatter=0.01)
    return field, learn(field), learn(field, pointings(field))


def test_flux_hardly_follows_the_motion(narrow):
    field, by_mean, by_frames = narrow
    assert following(field, by_frames) < min(2e-5, 0.7 * following(field, by_mean))
    assert errors(field, by_frames)[0] < 1.1 * errors(field, by_mean)[0]


def test_stars_that_the_catalogue_lacks_do_less_harm():
    field = mean_image(4, 128, 'crowded', width=1.05, faint=16.0, listed=15.0, scatter=0.01)
    by_mean, by_frames = learn(field), learn(field, pointings(field))
    assert following(field, by_frames) < 0.5 * following(field, by_mean)
    assert errors(field, by_frames)[0] < errors(field, by_mean)[0]


def test_scale_of_the_motion_matters_little(narrow):
    field, by_mean, _ = narrow
    by_frames = learn(field, pointings(field, 1.03 * field.shift))
    assert following(field, by_frames) < 0.8 * following(field, by_mean)


def test_a_star_that_varies_in_step_is_told_from_the_others(narrow):
    field, by_mean, _ = narrow
    varying = field.__class__(**vars(field))
    star = np.flatnonzero((field.tmag > 8) & (field.tmag < 10))[0]
    images, row0, column0 = field.renderer.stamps(field.stars['row'][[star]], field.stars['column'][[star]])
    light = np.zeros(field.image.shape)
    side = images.shape[1]
    some = Stamp(row0[0], row0[0] + side, column0[0], column0[0] + side)
    inside = some.clipped(field.stamp)
    light[inside.slices(ORIGIN)] = images[0][inside.slices(some[::2])] * field.stars['flux'][star]
    # a tenth of its light for a pixel of motion
    varying.frames = field.frames + 0.1 * field.shift[:, :1, None] * light
    made = learn(varying, pointings(varying))
    assert following(field, made) < 0.8 * following(field, by_mean)


def test_a_focus_that_changes_with_the_motion_does_no_harm(narrow):
    field = mean_image(3, 128, 'isolated', width=0.95, scatter=0.01, breathing=0.1)
    made = learn(field, pointings(field))
    assert following(field, made) < 0.8 * following(field, narrow[1])
    assert errors(field, made)[0] < 0.04 * errors(field, PRF(field.samples, made.wing))[0]


def test_frames_far_away_do_not_count():
    field = mean_image(5, 80, 'crowded', width=1.05, scatter=0.01)
    scene = _scene(field)
    few = epsf_slopes.of_scene(scene, pointings(field))
    more = field.__class__(**vars(field))
    more.frames = np.concatenate([field.frames, np.full((2, *field.image.shape), 1e6)])
    more.shift = np.concatenate([field.shift, [[0.8, 0.0], [-0.8, 0.0]]])
    with_more = epsf_slopes.of_scene(scene, pointings(more))
    largest = np.abs(few.images).max()
    np.testing.assert_allclose(np.abs(with_more.images), np.abs(few.images), atol=1e-6 * largest)


@pytest.mark.parametrize('change', ['none', 'few', 'still'])
def test_nothing_to_see(change):
    field = mean_image(5, 80, 'crowded', width=1.05)
    scene = _scene(field)
    if change == 'none':
        assert epsf_slopes.of_scene(scene, None) is None
        return
    if change == 'few':
        field.frames, field.shift = field.frames[:5], field.shift[:5]
    where = pointings(field, 0 * field.shift if change == 'still' else field.shift)
    assert epsf_slopes.of_scene(scene, where) is None


def test_motion_along_one_axis_is_enough(narrow):
    field = mean_image(3, 128, 'isolated', width=0.95)
    found = epsf_slopes.of_scene(_scene(field), pointings(field))
    assert len(found.axes) == 1 and abs(found.axes[0] @ (1, 0.7)) == pytest.approx(np.hypot(1, 0.7))
    assert following(field, learn(field, pointings(field))) < 0.8 * following(field, narrow[1])


def test_changes_are_those_of_the_true_prf():
    field = mean_image(6, 100, 'isolated', scatter=0.02, catalog_error=0.0)
    scene = _scene(field)
    scene.amount = 0.03 / 0.97
    prf = PRF(field.samples)
    for _ in range(3):
        scene.render(prf.averaged(field.shift, np.full(len(field.shift), 1 / len(field.shift))))
        scene.fit()
        scene.judge()
    scene.update_wings()
    slopes = epsf_slopes.of_scene(scene, pointings(field))
    samples = field.samples.samples[12].astype('f8')
    slopes.update(prf, scene.teachers(), epsf_prior.steady_changes(samples), settled=True)
    rest = slopes.images - slopes.cores - scene.amount * slopes.wings - slopes.giants
    assert np.std((rest * np.sqrt(slopes.weight))[:, slopes.used]) < 1.2
    # the whole is much more than what is left
    assert (slopes.weight * slopes.images ** 2).sum() > 100 * (slopes.weight * rest ** 2).sum()


def test_sums_of_frames_are_what_the_prf_says():
    prf, rng = PRF(load_prf(5, 2, 2)), np.random.default_rng(1)
    shift, weight = 0.1 * rng.normal(size=(20, 2)), rng.normal(size=20)
    row, column = np.array([950.2, 960.4]), np.array([1000.1, 1010.3])
    found = prf.averaged(shift, weight).render_at(row, column, 4)[0]
    expected = sum(part * prf.render_at(row + down, column + right, 4, about=(row, column))[0]
                   for part, (down, right) in zip(weight, shift, strict=True))
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


def test_changes_of_splines_are_differences():
    coefficients = np.random.default_rng(1).normal(size=epsf_basis.SIZE)
    stamp, (row, column, flux) = Stamp(0, 20, 0, 20), (np.array([9.1]), np.array([9.8]), np.array([2.0]))
    step = 1e-4 * np.array([0.6, -0.3])
    after, before = (epsf_basis.design(row + sign * step[0], column + sign * step[1], flux, stamp)
                     @ coefficients for sign in (0.5, -0.5))
    made = epsf_basis.design_along(row, column, flux, stamp, np.array([[0.6, -0.3]])) @ coefficients
    np.testing.assert_allclose(made, (after - before) / 1e-4, atol=1e-5)


def test_changes_of_wings_are_differences():
    rng = np.random.default_rng(0)
    stamp = Stamp(100, 160, 300, 380)
    row, column = rng.integers(60, 200, 30), rng.integers(260, 420, 30)
    away, flux = rng.uniform(-0.3, 0.3, (2, 30)), rng.uniform(1, 2, 30)

    def image(down=0.0, right=0.0):
        return wing_images.WingImages(row + away[0] + down, column + away[1] + right, flux, stamp)
    made = image().changes(3.0)
    for change, step in zip(made, ((0.01, 0.0), (0.0, 0.01)), strict=True):
        ends = [image(*(sign * np.array(step))).image(3.0) for sign in (1, -1)]
        np.testing.assert_allclose(change, (ends[0] - ends[1]) / 0.02, atol=1e-6 * np.abs(change).max())


def _scene(field):
    scene = epsf_scene.Scene(field.image, field.stamp, field.row, field.column, field.tmag, field.exposure)
    scene.update_wings()
    scene.render(PRF(field.samples))
    scene.judge()
    return scene
