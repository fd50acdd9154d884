"""Background model: against truth, in trouble, and to the last bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.algorithms import (
    background_fit,
    background_smoothing,
    background_survey,
    backgrounds,
    boxes,
    splines,
    starlight,
    straps,
)
from photometry.algorithms.prf import PRF, Wing
from photometry.core.stamp import Stamp
from photometry.files.prf import load_prf
from photometry.simulation.field import simulate_field

LIMITS = Stamp(1000, 1256, 500, 756)
AXIS = (2078.0, 44.0)
DARK = 0.2


@pytest.fixture(scope='module')
def prf():
    return PRF(load_prf(5, 2, 2))


def grid(limits):
    return np.mgrid[limits.row_min:limits.row_max, limits.col_min:limits.col_max].astype('f8')


def blobs(shape, rng, part=0.5, size=12):
    """A mask in clumps, as stars make it."""
    from scipy import ndimage
    noise = ndimage.gaussian_filter(rng.standard_normal(shape), size / 2)
    return noise > np.quantile(noise, 1 - part)


def rms(values):
    return float(np.sqrt(np.mean(np.square(values))))


def survey_of(field, prf, frames=7):
    chosen = np.flatnonzero(field.clean)[::max(1, field.clean.sum() // frames)]
    stars = field.stars
    layout = backgrounds.BackgroundLayout(field.stamp, 64, AXIS)
    return background_survey.survey(field.images[:, :, chosen].mean(axis=2), layout, stars['row'],
                                    stars['column'], stars['tmag'], prf)


def model_less_truth(field, survey, smoothed=True):
    fits = [background_fit.fit_frame(field.images[:, :, t], survey.mask, survey.layout, survey.light)
            for t in range(len(field.times))]
    raw, errors = (np.array(part) for part in zip(*fits, strict=True))
    if smoothed:
        raw = background_smoothing.smooth(survey.layout, raw, errors, field.times, field.clean)
    model = backgrounds.evaluate(survey.layout, raw)
    return [(model[:, :, t] - field.background(t))[field.starlight(t) < DARK]
            for t in np.flatnonzero(field.clean)]


GOALS = {'quiet': 0.10, 'gradient': 0.15, 'glow': 0.5, 'straps': 0.3}


@pytest.mark.parametrize(('kind', 'goal'), GOALS.items())
def test_sky_of_a_simulated_field(prf, kind, goal):
    field = simulate_field(11, 320, 320, 8, density='typical', background=kind, faint=16.0)
    survey = survey_of(field, prf)
    assert rms(np.concatenate(model_less_truth(field, survey))) < goal


def test_crowded_field_is_not_biased(prf):
    field = simulate_field(12, 192, 192, 3, density='crowded', background='gradient')
    survey = survey_of(field, prf)
    fit = background_fit.fit_frame(field.images[:, :, 1], survey.mask, survey.layout, survey.light)
    difference = backgrounds.evaluate(survey.layout, fit.parameters) - field.background(1)
    assert abs(difference.mean()) < 0.1
    assert rms(difference) < 0.2


def test_masked_gradient_is_unbiased():
    rng = np.random.default_rng(1)
    row, column = grid(LIMITS)
    truth = 100 + 0.5 * (row - 1100) - 0.3 * (column - 600)
    image = truth + rng.normal(0, 0.5, truth.shape)
    mask = blobs(truth.shape, rng, 0.6)
    image[mask] += 1000
    layout = backgrounds.BackgroundLayout(LIMITS)
    fit = background_fit.fit_frame(image, mask, layout)
    assert rms(backgrounds.evaluate(layout, fit.parameters) - truth) < 0.2


def test_huge_gradient():
    row, column = grid(LIMITS)
    truth = 1e4 + 300 * (row - 1000) + 200 * (column - 500)
    layout = backgrounds.BackgroundLayout(LIMITS)
    mask = blobs(truth.shape, np.random.default_rng(2), 0.4)
    fit = background_fit.fit_frame(truth, mask, layout)
    assert rms(backgrounds.evaluate(layout, fit.parameters) / truth - 1) < 1e-3


def test_corner_glow_and_straps_of_a_whole_corner():
    rng = np.random.default_rng(3)
    limits = Stamp(0, 768, 1324, 2092)
    row, column = grid(limits)
    radius = np.hypot(row - AXIS[0], column - AXIS[1])
    truth = 80 + 60 * (np.maximum(radius - 2400, 0) / 400) ** 2
    response = np.ones(limits.width)
    response[100:104], response[300:302] = 1.05, 1.02
    truth *= response
    image = truth + rng.normal(0, 0.5, truth.shape)
    mask = blobs(truth.shape, rng, 0.4)
    layout = backgrounds.BackgroundLayout(limits, 64, AXIS)
    assert layout.glow_size > 3
    found = background_survey.survey(image, layout, np.zeros(0), np.zeros(0), np.zeros(0),
                                     PRF(load_prf(5, 2, 2)), mask)
    assert found.layout.strap_columns == (1424, 1425, 1426, 1427, 1624, 1625)
    difference = backgrounds.evaluate(found.layout, found.fit.parameters) - truth
    assert rms(difference) < 0.1
    assert rms(difference[:, response > 1]) < 0.2


def test_bits_do_not_depend_on_what_is_asked_for():
    rng = np.random.default_rng(4)
    limits = Stamp(0, 300, 1700, 2092)
    layout = backgrounds.BackgroundLayout(limits, 64, AXIS, (1750, 1751, 2000))
    parameters = rng.normal(100, 30, (5, layout.size)).astype('f4')
    parameters[:, layout.strap_slice] = rng.normal(0, 0.05, (5, 3))
    whole = backgrounds.evaluate(layout, parameters)
    assert whole.dtype == np.float32
    single = [backgrounds.evaluate(layout, row) for row in parameters]
    assert np.array_equal(whole, np.stack(single, axis=-1))
    for stamp in (Stamp(0, 1, 1700, 1701), Stamp(17, 45, 1745, 1790), Stamp(250, 300, 1999, 2092), limits):
        part = stamp.slices((limits.row_min, limits.col_min))
        assert np.array_equal(backgrounds.evaluate(layout, parameters, stamp), whole[part])
        assert np.array_equal(backgrounds.evaluate(layout, parameters[3], stamp), single[3][part])


@settings(deadline=None, max_examples=40)
@given(row=st.integers(0, 280), column=st.integers(1700, 2070), height=st.integers(1, 20),
       width=st.integers(1, 22), seed=st.integers(0, 99))
def test_sums_need_no_pixels(row, column, height, width, seed):
    rng, limits = np.random.default_rng(seed), Stamp(0, 300, 1700, 2092)
    layout = backgrounds.BackgroundLayout(limits, 64, AXIS, (1750, 1751, 2000))
    parameters = rng.normal(100, 30, (4, layout.size)).astype('f4')
    parameters[:, layout.strap_slice] = rng.normal(0, 0.05, (4, 3))
    parameters[1] = np.nan
    stamp = Stamp(row, row + height, column, column + width)
    weights = rng.random(stamp.shape) * (rng.random(stamp.shape) < 0.4)
    pixels = backgrounds.evaluate(layout, parameters, stamp).astype('f8')
    expected = np.einsum('rc,rct->t', weights, pixels)
    expected[1] = np.nan if weights.any() else 0.0
    np.testing.assert_allclose(backgrounds.evaluate_sum(layout, parameters, weights, stamp), expected,
                               rtol=2e-6, atol=1e-4)


SHAPES = (1, 1), (1, 40), (6, 6), (13, 13), (10, 15), (25, 90), (130, 70), (257, 129)


@pytest.mark.parametrize('shape', SHAPES)
def test_every_size_of_field(shape):
    limits = Stamp(100, 100 + shape[0], 60, 60 + shape[1])
    layout = backgrounds.BackgroundLayout(limits)
    rng = np.random.default_rng(5)
    row, column = grid(limits)
    truth = 120 + 0.02 * (row - 100) - 0.01 * (column - 60)
    image = truth + rng.normal(0, 0.4, shape)
    mask = np.zeros(shape, dtype=bool)
    if min(shape) > 5:
        middle = shape[0] // 2, shape[1] // 2
        mask[middle[0] - 2:middle[0] + 3, middle[1] - 2:middle[1] + 3] = True
        image[mask] += 5000
    fit = background_fit.fit_frame(image, mask, layout)
    assert fit.parameters.dtype == fit.errors.dtype == np.float32
    assert np.isfinite(fit.errors).all()
    assert rms(backgrounds.evaluate(layout, fit.parameters) - truth) < (1.5 if image.size < 3 else 0.3)


def test_small_field_with_unknown_stars():
    rng = np.random.default_rng(6)
    limits = Stamp(0, 13, 44, 57)
    image = 100 + rng.normal(0, 0.4, limits.shape)
    image[4:7, 8:11] += 60
    layout = backgrounds.BackgroundLayout(limits)
    fit = background_fit.fit_frame(image, np.zeros(limits.shape, dtype=bool), layout)
    assert abs(backgrounds.evaluate(layout, fit.parameters).mean() - 100) < 0.3


@pytest.mark.parametrize('shape', [(256, 256), (13, 13)])
def test_frames_without_sense(shape):
    limits = Stamp(0, shape[0], 44, 44 + shape[1])
    layout = backgrounds.BackgroundLayout(limits)
    none = np.zeros(shape, dtype=bool)
    nothing = background_fit.fit_frame(np.full(shape, np.nan), none, layout)
    assert np.isnan(nothing.parameters).all()
    zero = background_fit.fit_frame(np.zeros(shape), none, layout)
    assert np.array_equal(zero.parameters, np.zeros(layout.size))
    one = np.full(shape, np.nan)
    one[3, 3] = 50.0
    made = background_fit.fit_frame(one, none, layout)
    assert np.allclose(backgrounds.evaluate(layout, made.parameters), 50, atol=0.5)
    everything_masked = background_fit.fit_frame(np.full(shape, 70.0), ~none, layout)
    assert np.allclose(backgrounds.evaluate(layout, everything_masked.parameters), 70, atol=0.1)
    wild = np.full(shape, 70.0)
    wild[0, :3] = np.inf, -np.inf, np.nan
    assert np.isfinite(background_fit.fit_frame(wild, none, layout).parameters).all()


def test_masked_boxes_are_bridged():
    rng = np.random.default_rng(7)
    row, column = grid(LIMITS)
    truth = 100 + 0.1 * (row - 1100)
    image = truth + rng.normal(0, 0.4, truth.shape)
    mask = np.zeros(truth.shape, dtype=bool)
    mask[64:160, 64:160] = True
    mask[:32, :32] = True
    image[mask] = np.nan
    layout = backgrounds.BackgroundLayout(LIMITS)
    fit = background_fit.fit_frame(image, mask, layout)
    assert np.abs(backgrounds.evaluate(layout, fit.parameters) - truth).max() < 1.0


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 80), columns=st.integers(1, 80), kind=st.integers(0, 4), seed=st.integers(0, 99))
def test_any_image_gives_numbers_or_nan(rows, columns, kind, seed):
    rng = np.random.default_rng(seed)
    image = rng.normal(0, 10.0 ** rng.integers(-3, 8), (rows, columns))
    image[rng.random(image.shape) < kind / 4] = rng.choice([np.nan, np.inf, 0.0, 1e7, -1e7])
    layout = backgrounds.BackgroundLayout(Stamp(0, rows, 44, 44 + columns))
    fit = background_fit.fit_frame(image, rng.random(image.shape) < kind / 5, layout)
    finite = np.isfinite(fit.parameters)
    assert finite.all() or (not finite.any() and not np.isfinite(image).any())


def test_mode_forgets_stars():
    rng = np.random.default_rng(8)
    values = rng.normal(50, 1, (4, 4000)).astype('f4')
    values[:, :200] += rng.exponential(30, (4, 200))
    found = boxes.statistics(values)
    assert np.abs(found.mode - 50).max() < 0.15
    assert np.isnan(boxes.statistics(np.full((1, 9), np.nan, dtype='f4')).mode).all()


def test_errors_are_those_of_the_scatter():
    rng = np.random.default_rng(9)
    layout = backgrounds.BackgroundLayout(LIMITS)
    mask = np.zeros(LIMITS.shape, dtype=bool)
    fits = [background_fit.fit_frame(rng.normal(100, 1, LIMITS.shape), mask, layout) for _ in range(30)]
    scatter = np.std([fit.parameters for fit in fits], axis=0).mean()
    assert 0.7 < scatter / fits[0].errors.mean() < 1.3


def test_spline_weights_sum_to_one():
    weights = splines.cubic_weights(np.linspace(0, 1, 50, endpoint=False))
    assert np.allclose(weights.sum(axis=-1), 1)
    axis = splines.SplineAxis(10, 100, 16)
    line = np.arange(axis.count) * axis.size + 10 + (axis.size - 1) / 2
    assert np.allclose(axis.basis @ line, np.arange(10, 110), atol=1e-4)


class TestSmoothing:
    """Smoothing in time."""

    layout = backgrounds.BackgroundLayout(LIMITS)

    def series(self, seed=0, times=120, noise=0.1):
        rng = np.random.default_rng(seed)
        time = 1325 + np.arange(times) / 48
        errors = np.full((times, self.layout.size), noise, dtype='f4')
        errors *= self.layout.rows.gain * self.layout.columns.gain
        means = 100 + rng.normal(0, noise, (times, self.layout.rows.count, self.layout.columns.count))
        return time, means, errors

    def parameters(self, means):
        made = self.layout.rows.inverse @ means @ self.layout.columns.inverse.T
        return made.reshape(len(means), -1).astype('f4')

    def means(self, parameters):
        mesh = parameters.reshape(-1, self.layout.rows.count, self.layout.columns.count)
        return self.layout.rows.average @ mesh @ self.layout.columns.average.T

    def test_quiet_sky_gets_less_noise(self):
        time, means, errors = self.series()
        good = np.ones(len(time), dtype=bool)
        made = background_smoothing.smooth(self.layout, self.parameters(means), errors, time, good, 4)
        assert rms(self.means(made) - 100) < 0.06

    def test_fast_light_is_kept(self):
        time, means, errors = self.series(1)
        burst = 80 * np.exp(-0.5 * ((np.arange(len(time)) - 60) / 2.0) ** 2)
        shape = np.linspace(0.2, 1, self.layout.rows.count)[:, None] * np.ones(self.layout.columns.count)
        truth = 100 + burst[:, None, None] * shape
        truth[90:] += 15
        parameters = self.parameters(means + truth - 100)
        good = np.ones(len(time), dtype=bool)
        made = self.means(background_smoothing.smooth(self.layout, parameters, errors, time, good, 4))
        assert np.abs(made - truth)[50:70].mean() < 0.12
        assert np.abs(made - truth)[88:92].mean() < 0.12
        assert rms((made - truth)[10:40]) < 0.06

    def test_blocks_change_no_bit(self):
        time, means, errors = self.series(2)
        good = np.ones(len(time), dtype=bool)
        good[30:33] = False
        parameters = self.parameters(means)
        parameters[50] = np.nan
        whole = background_smoothing.smooth(self.layout, parameters, errors, time, good, 4)
        for start, stop in ((20, 45), (40, 72)):
            part = slice(start - 4, stop + 4)
            made = background_smoothing.smooth(self.layout, parameters[part], errors[part], time[part],
                                               good[part], 4)
            assert np.array_equal(made[4:-4], whole[start:stop], equal_nan=True)
        assert np.isnan(whole[50]).all() and np.isfinite(whole[49]).all()

    def test_flagged_frames_lend_nothing(self):
        time, means, errors = self.series(3)
        good = np.ones(len(time), dtype=bool)
        good[60] = False
        clean = self.parameters(means)
        spoilt = clean.copy()
        spoilt[60] *= 50
        first, second = (background_smoothing.smooth(self.layout, values, errors, time, good, 4)
                         for values in (clean, spoilt))
        assert np.array_equal(np.delete(first, 60, 0), np.delete(second, 60, 0))
        assert np.allclose(second[60], spoilt[60], rtol=1e-4)

    def test_one_frame_and_none(self):
        time, means, errors = self.series(4, times=1)
        good = np.ones(1, dtype=bool)
        made = background_smoothing.smooth(self.layout, self.parameters(means), errors, time, good, 4)
        assert np.allclose(made, self.parameters(means), rtol=1e-4)

    def test_reach_follows_the_cadence(self):
        assert background_smoothing.reach(1800) == 16
        assert background_smoothing.reach(200) == 64
        assert background_smoothing.reach(20) == 64
        assert background_smoothing.reach(1e6) == 1


class TestStarlight:
    """Expected starlight and its mask."""

    def test_agrees_with_the_star_images(self, prf):
        limits = Stamp(900, 964, 700, 764)
        winged = PRF(load_prf(5, 2, 2), Wing(0.03, 3.0))
        row, column, tmag = np.array([931.3, 915.8]), np.array([730.6, 711.1]), np.array([8.0, 9.5])
        image = starlight.render(limits, row, column, tmag, winged)
        flux = 10 ** (-0.4 * (tmag - 20.44))
        truth = np.tensordot(flux, winged.render(row, column, limits), 1)
        wide = np.abs(image - truth) < 0.02 * truth + 0.05
        assert wide.mean() > 0.97
        assert abs(image.sum() / truth.sum() - 1) < 2e-3
        assert np.allclose(starlight.render(limits, row, column, tmag, prf, winged.wing), image, rtol=1e-4)

    def test_stars_outside_shine_in(self, prf):
        limits = Stamp(900, 932, 700, 732)
        image = starlight.render(limits, [890.0], [716.0], [4.0], prf)
        assert image[0, 16] > image[-1, 16] > 0

    def test_no_star_no_light(self, prf):
        nothing = np.zeros(0)
        assert not starlight.render(LIMITS, nothing, nothing, nothing, prf).any()
        assert not starlight.render(LIMITS, [np.nan], [600.0], [9.0], prf).any()

    def test_mask_keeps_the_darkest_pixels(self):
        light = np.tile(np.linspace(1, 9, 64), (64, 1))
        mask = starlight.star_mask(light)
        assert mask.mean() == pytest.approx(0.75, abs=0.02)
        assert light[~mask].max() < light[mask].min()
        assert not starlight.star_mask(np.zeros((5, 5))).any()

    def test_bleeding(self):
        mask = starlight.bleed_mask(LIMITS, np.array([1100.0, 1200.0]), np.array([600.0, 700.0]),
                                    np.array([3.0, 9.0]))
        assert mask[60:140, 100].all()
        assert not mask[:, 200].any()


def test_straps_on_dark_sky_are_not_found():
    rng = np.random.default_rng(10)
    data = rng.normal(0, 0.4, (200, 100)).astype('f4')
    response, error = straps.responses(data, np.zeros_like(data), np.arange(100))
    assert np.isfinite(response).all() and np.isfinite(error).all()
    assert np.abs(response).max() < 0.5
