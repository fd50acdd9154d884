"""The mean scene returns the stars that were put in."""

import numpy as np
import pytest
import small_scenes
from small_scenes import PLAIN, STAMP, WINGED, make, places

from photometry.algorithms import far_light, scene, scene_design
from photometry.algorithms.prf import Wing

ROWS, COLUMNS = np.mgrid[-1:1:44j, -1:1:48j]
SKY = 3 + ROWS - 2 * COLUMNS + ROWS * COLUMNS


def inside(row, column, margin=0):
    return STAMP.grown(*[-margin] * 4).contains(row, column)


@pytest.fixture(scope='module')
def crowd():
    row, column = places(40)
    flux = 10 ** np.random.default_rng(2).uniform(2, 4.6, 40)
    return make(row, column, flux, prf=WINGED, sky=SKY[..., None])


def test_fluxes_positions_and_sky_come_back(crowd):
    rng = np.random.default_rng(5)
    wrong = rng.normal(0, 0.05, (2, 40))
    mean = crowd.mean(crowd.flux[:, 0] * rng.uniform(0.7, 1.4, 40), crowd.row + wrong[0] + 0.2,
                      crowd.column + wrong[1] - 0.1)
    well = [star for star in range(40) if inside(crowd.row[star], crowd.column[star], 2)]
    bright = [star for star in well if crowd.flux[star, 0] > 1000]
    assert len(bright) > 12
    assert np.abs(mean.flux[bright] / crowd.flux[bright, 0] - 1).max() < 3e-3
    assert np.abs(mean.flux[well] - crowd.flux[well, 0]).max() < 40
    off = np.hypot(mean.row - crowd.row, mean.column - crowd.column)
    assert off[bright].max() < 0.003 and np.hypot(*wrong)[bright].max() > 0.08
    assert np.allclose(mean.shift, np.median([mean.row - crowd.row - wrong[0] - 0.2,
                                              mean.column - crowd.column - wrong[1] + 0.1], axis=1))
    assert np.allclose(mean.sky_image(), SKY, atol=0.3) and abs((mean.sky_image() - SKY).mean()) < 0.05
    assert np.nanstd(mean.residual / np.sqrt(mean.variance)) < 0.4
    assert (mean.chi2[bright] < 0.2).all()  # of a mean image with the errors of one frame


def test_model_and_residual_make_the_image(crowd):
    mean = crowd.mean()
    image = crowd.images.mean(axis=-1, dtype='f8')
    assert np.allclose(mean.starlight + mean.sky_image() + mean.residual, image)
    assert mean.covariance.shape == (40, 40) and (np.diag(mean.covariance) > 0).all()


def test_a_mean_over_motion_is_no_still_image():
    shift = np.random.default_rng(1).normal(0, 0.1, (200, 2))
    field = make([1020.3], [720.8], [3e4], shift, noise=False)
    flux = {}
    for name, blur in (('still', scene.Blur.of(np.zeros((1, 2)))), ('moved', scene.Blur.of(field.shift))):
        mean = field.mean(blur=blur)
        flux[name] = mean.flux[0] / 3e4
        if name == 'moved':
            assert np.hypot(mean.row[0] - 1020.3, mean.column[0] - 720.8) < 2e-4
    assert abs(flux['moved'] - 1) < 1e-4 < abs(flux['still'] - 1)


def test_blur_has_the_moments_of_the_motion():
    rng = np.random.default_rng(4)
    for shift in (rng.normal(0, (0.02, 0.01), (300, 2)), rng.gamma(2, 0.05, (300, 2)) * (1, 0.5),
                  np.outer(np.linspace(-0.2, 0.2, 90), (1, 0.3))):
        shift = shift - shift.mean(axis=0)
        blur = scene.Blur.of(shift)
        assert blur.weight.sum() == pytest.approx(1) and np.allclose(blur.weight @ blur.offset, 0, atol=1e-12)
        second = (blur.offset * blur.weight[:, None]).T @ blur.offset
        second += [[blur.covariance[0], blur.covariance[1]], [blur.covariance[1], blur.covariance[2]]]
        assert np.allclose(second, shift.T @ shift / len(shift), atol=1e-9)
    assert np.allclose(scene.Blur.of(np.zeros((0, 2))).offset, 0)


@pytest.mark.parametrize('apart', [0.0, 0.1, 0.4])
def test_pairs_share_a_template(apart):
    row, column = [1020.3, 1020.3 + apart, 1030.0], [720.0, 720.0, 731.0]
    mean = make(row, column, [3000, 1000, 500], noise=False).mean([2500, 1200, 500])
    template = mean.layout.template
    assert template[0] == template[1] != template[2]
    assert mean.merged_with(0).tolist() == [1] and mean.merged_with(2).size == 0
    assert mean.flux[:2].sum() == pytest.approx(4000, rel=3e-3)
    assert mean.flux[0] / mean.flux[1] == pytest.approx(2500 / 1200)


@pytest.mark.parametrize(('away', 'flux', 'shared'), [
    (1.0, 80, True), (1.0, 400, False), (3.2, 80, False), (3.2, 1.2, True), (6.0, 1.2, False)])
def test_a_star_drowned_in_the_light_of_another_shares_its_template(away, flux, shared):
    """Of a star of 3e5 e-/s a thousandth of the light 1 px away is that of a star of some hundred e-/s."""
    row, column = [1020.3, 1020.3 + away, 1034.0], [720.0, 720.0, 741.0]
    mean = make(row, column, [3e5, flux, 5000], prf=WINGED, noise=False).mean()
    assert (mean.layout.template[0] == mean.layout.template[1]) is np.bool_(shared)
    assert mean.flux[0] == pytest.approx(3e5, rel=2e-4)


def test_a_blend_is_told_apart():
    mean = make([1020.3, 1021.1], [720.0, 720.3], [3000, 1000], times=200).mean([2000, 1500])
    assert np.allclose(mean.flux, [3000, 1000], rtol=0.02)
    assert np.abs(mean.row - [1020.3, 1021.1]).max() < 0.02


def test_faint_stars_do_not_wander():
    row, column = places(25, apart=5)
    field = make(row, column, np.full(25, 8.0), times=4, read=3.0)
    mean = field.mean()
    assert np.hypot(mean.row - row, mean.column - column).max() < 0.06


def test_pixels_without_a_number_do_no_harm(crowd):
    images = crowd.images.copy()
    images[10:13, 20:22] = np.nan
    images[30, 30] = 1e9
    errors = crowd.errors.copy()
    errors[30, 30] = np.nan
    field = small_scenes.SmallScene(WINGED, crowd.row, crowd.column, crowd.flux, crowd.shift, crowd.clean,
                                    images, errors)
    with np.errstate(all='ignore'), pytest.warns(RuntimeWarning, match='empty slice'):
        mean = field.mean()
    well = [star for star in range(40) if inside(crowd.row[star], crowd.column[star], 2)
            and crowd.flux[star, 0] > 3000 and mean.seen[star] > 0.9]
    assert len(well) > 5 and np.abs(mean.flux[well] / crowd.flux[well, 0] - 1).max() < 5e-3
    assert np.isinf(mean.variance[30, 30]) and np.isnan(mean.residual[10, 20])


def test_nothing_to_see():
    row, column = places(5)
    blind = scene.fit_mean(np.full(STAMP.shape, np.nan), np.ones(STAMP.shape), PLAIN, row, column,
                           np.full(5, 100.0), STAMP)
    assert (blind.seen == 0).all() and np.allclose(blind.flux, 100) and np.allclose(blind.sky, 0)
    empty = scene.fit_mean(np.full(STAMP.shape, 7.0), np.ones(STAMP.shape), PLAIN, [], [], [], STAMP)
    assert empty.flux.size == 0 and empty.sky[0] == pytest.approx(7, rel=0.01)


def test_wings_of_many_stars_at_once():
    row, column = places(30)
    row[0], column[0] = STAMP.row_min - 30, STAMP.col_max + 20
    flux = np.random.default_rng(3).uniform(1e2, 1e5, 30)
    wing = Wing(0.03, 2.5)
    rows, columns = (np.tile(np.arange(*axis), (30, 1)) for axis in (STAMP[:2], STAMP[2:]))
    value, down, right = np.tensordot(wing.render(row, column, rows, columns, 1), flux, ([1], [0]))
    prf = PLAIN.with_wing(wing)
    found = far_light.on_region(prf, row, column, flux, STAMP)
    assert np.abs(found - value).max() < 0.01 * value.max() and np.abs(found / value - 1).max() < 0.02
    slopes = far_light.on_region(prf, row, column, flux, STAMP, (1, 2))
    assert np.abs(slopes - [down, right]).max() < 0.05 * np.abs(down).max()
    assert not far_light.on_region(PLAIN, row, column, flux, STAMP).any()


def test_few_pixels_have_no_curved_sky():
    assert (scene_design.sky_spread((64, 64), 5.0) == 5).all()
    assert (scene_design.sky_spread((13, 64), 5.0) == [5, 5, 5, 0, 0, 0]).all()
