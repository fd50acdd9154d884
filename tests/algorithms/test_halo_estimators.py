"""Estimators of a halo on pixels made by a known law: flux, motion, signals, errors, segments."""

from dataclasses import replace

import numpy as np
import pytest

from photometry.algorithms import halo, halo_drift, halo_pixels, metrics, self_template

TIMES, LEVEL = 480, 1e6


def made(seed=1, signal=0.0, model_error=0.0, noise=20.0, times=TIMES, drift=0.1, sky=0.0, wrong=0):
    """Pixels of a ring around a Gaussian star that moves, with what is put into them."""
    rng = np.random.default_rng(seed)
    time = np.arange(times) / 48
    path = np.linspace(-1, 1, times)
    shift = np.stack([drift / 2 * path, 0.2 * drift * path ** 2], axis=1) + rng.normal(0, 2e-3, (times, 2))
    shift -= shift.mean(axis=0)
    side = np.arange(-8, 9.0)
    row, column = (axis.ravel() for axis in np.meshgrid(side, side, indexing='ij'))
    ring = (np.hypot(row, column) > 2) & (row < 6)
    row, column = row[ring], column[ring]

    def image(down, right, width):
        return np.exp(-((row[:, None] - down) ** 2 + (column[:, None] - right) ** 2) / 2 / width ** 2) / 20

    width = 2.5 * (1 + model_error)
    true, model = image(*shift.T, 2.5), image(*shift.T, width)
    flux = LEVEL * (1 + signal * np.ones(times))
    light = flux * true + sky * rng.standard_normal(times)
    light[:wrong] += 3e-3 * LEVEL * model.mean(axis=1)[:wrong, None] * (shift[:, 0] / 0.05) ** 2
    profile = light.mean(axis=1) / LEVEL
    response = (profile / model.mean(axis=1))[:, None] * model - profile[:, None]
    variance = np.full(row.size, noise ** 2)
    rest = light - LEVEL * (profile[:, None] + response) + noise * rng.standard_normal(light.shape)
    slope = LEVEL * np.stack([row, column]) / width ** 2 * model.mean(axis=1)
    shapes = np.stack([row, column, row ** 2 - 6, row * column, column ** 2 - 6]) * model.mean(axis=1)
    good, segment = np.ones(times, dtype=bool), np.zeros(times, dtype=int)
    return halo_pixels.HaloPixels(
        rest.astype('f4'), None, variance, LEVEL, profile, model.mean(axis=1), response.astype('f4'),
        np.ones(row.size, dtype=bool), np.ones(row.size, dtype=bool),
        np.concatenate([slope, halo_pixels.sky_shapes(row, column, 11)]), shapes, shift,
        halo_pixels.motion_basis(shift, good, segment), good, segment), time, flux


def square(pixels):
    return np.repeat(pixels.variance[:, None], pixels.good.size, axis=1).astype('f4')


def bound(pixels):
    return (pixels.profile ** 2 / pixels.variance).sum() ** -0.5


def test_the_flux_is_found_at_the_bound_with_its_error():
    pixels, time, flux = made()
    found = halo.measure(pixels, time, square(pixels))
    scatter = metrics.mad(found.flux / flux * LEVEL)
    assert scatter / bound(pixels) == pytest.approx(1, abs=0.12)
    assert np.median(found.flux_err) / scatter == pytest.approx(1, abs=0.1)
    assert np.mean(found.flux) / LEVEL == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize('shape', ['slow', 'deep', 'drift'])
def test_real_changes_stay(shape):
    phase = np.linspace(0, 2 * np.pi, TIMES)
    signal = {'slow': 0.01 * np.sin(1.5 * phase), 'drift': 0.01 * phase / phase[-1],
              'deep': np.where((np.arange(TIMES) % 100) < 5, -0.1, 0.0)}[shape]
    pixels, time, flux = made(signal=signal, model_error=0.02)
    found = halo.measure(pixels, time, square(pixels), methods=('template',))
    kept = np.polyfit(flux / LEVEL, found.flux / LEVEL, 1)[0]
    assert kept == pytest.approx(1, abs=0.02)
    assert found.judgement.kept > 0.98


def test_a_wrong_model_is_corrected_by_the_pixels_themselves():
    pixels, time, _ = made(model_error=0.1, noise=5.0, drift=0.3)
    plain = halo.fit(pixels, time, 'prf').flux(pixels)
    own = halo.fit(pixels, time, 'template').flux(pixels)
    assert metrics.mad(plain) > 3 * bound(pixels) and metrics.mad(own) < 1.2 * bound(pixels)


def test_pixels_with_a_response_of_their_own_lose_their_vote():
    clean, _, _ = made(noise=5.0)
    spoilt, _, _ = made(noise=5.0, wrong=20)
    assert metrics.mad(self_template.fit(spoilt).flux(spoilt)) < 1.5 * metrics.mad(
        self_template.fit(clean).flux(clean))


def test_a_noisy_pixel_weighs_little():
    pixels, _, _ = made()
    pixels.rest[7] += 500 * np.random.default_rng(2).standard_normal(TIMES).astype('f4')
    found = self_template.fit(pixels)
    assert found.variance[7] > 300 * found.variance[8] and abs(found.weights[7]) < 0.01 * found.weights[8]


def test_errors_of_the_sky_are_known_and_in_the_error():
    pixels, time, flux = made(sky=20.0)
    found = halo.measure(pixels, time, square(pixels))
    scatter = metrics.mad(found.flux / flux * LEVEL)
    assert found.spread[2] == pytest.approx(20, rel=0.15)
    assert np.median(found.flux_err) / scatter == pytest.approx(1, abs=0.1)
    assert scatter < 0.7 * metrics.mad(halo_like_sum(pixels))


def halo_like_sum(pixels):
    """Flux by the weights that do not know of the sky."""
    weights = pixels.profile / pixels.variance
    return LEVEL + weights @ pixels.rest / (weights @ pixels.profile)


def test_errors_of_the_motion_are_known():
    pixels, _, _ = made(noise=5.0)
    rng = np.random.default_rng(4)
    wrong = 3e-4 * rng.standard_normal((TIMES, 2))
    pixels.rest[:] += (wrong @ pixels.nuisances[:2]).T.astype('f4')
    found = self_template.fit(pixels)
    assert found.spread[:2] == pytest.approx(3e-4, rel=0.2)
    assert metrics.mad(found.flux(pixels)) < 1.3 * found.noise


def test_missing_pixels_leave_the_flux_as_it_is():
    whole, time, flux = made(model_error=0.02, signal=0.01 * np.sin(np.arange(TIMES) / 40))
    rng = np.random.default_rng(6)
    missing = np.nonzero(rng.random(whole.rest.shape) < 0.02)
    pixels = replace(whole, rest=whole.rest.copy(), missing=missing)
    pixels.rest[missing] = 0
    errors = square(pixels)
    errors[missing] = 0
    full, part = (halo.fit(some, time, 'template').flux(some) for some in (whole, pixels))
    assert np.isfinite(part).all()
    assert metrics.mad(part - full) < 0.5 * bound(whole)
    assert metrics.mad(part / flux) < 1.15 * metrics.mad(full / flux)


def test_a_frame_without_pixels_has_no_flux():
    pixels, _, _ = made()
    frames = np.zeros(pixels.rest.shape, dtype=bool)
    frames[:, 5] = True
    pixels.rest[:, 5] = 0
    found = self_template.fit(replace(pixels, missing=np.nonzero(frames))).flux(
        replace(pixels, missing=np.nonzero(frames)))
    assert np.isnan(found[5]) and np.isfinite(np.delete(found, 5)).all()


def test_least_total_variation_works_by_itself():
    pixels, time, flux = made(noise=10.0, signal=0.01 * np.sin(np.arange(TIMES) / 50))
    found = halo.measure(pixels, time, square(pixels), methods=('tv',))
    assert found.judgement.name == 'tv' and (found.weights >= 0).all()
    assert metrics.mad(found.flux / flux) < 1.4 * bound(pixels) / LEVEL
    assert np.polyfit(flux, found.flux, 1)[0] == pytest.approx(1, abs=0.02)


def test_segments_are_joined_without_a_step():
    times = 400
    pixels, time, flux = made(times=times, noise=10.0, signal=np.where(np.arange(times) < 200, 0.0, 2e-3))
    time = time + np.where(np.arange(times) < 200, 0, 1.5)
    segment = halo_pixels.find_segments(time, pixels.good, 1 / 48)
    pixels = replace(pixels, segment=segment,
                     basis=halo_pixels.motion_basis(pixels.shift, pixels.good, segment))
    for name in ('template', 'tv'):
        found = halo.fit(pixels, time, name).flux(pixels)
        step = np.median(found[200:]) - np.median(found[:200])
        assert step / LEVEL == pytest.approx(2e-3, abs=1e-4), name


def test_gaps_are_found_in_times_and_quality():
    time = np.arange(1000) / 48
    good = np.ones(1000, dtype=bool)
    assert halo_pixels.find_segments(time, good, 1 / 48).max() == 0
    good[480:560] = False
    segment = halo_pixels.find_segments(time, good, 1 / 48)
    assert segment[:480].max() == 0 and segment[560:].min() == 1
    late = time + np.where(np.arange(1000) < 300, 0, 2)
    assert np.array_equal(halo_pixels.find_segments(late, good | True, 1 / 48), np.arange(1000) >= 300)
    late = time + np.where(np.arange(1000) < 20, 0, 2)
    assert halo_pixels.find_segments(late, good | True, 1 / 48).max() == 0, 'too short for a segment'
    assert halo_pixels.find_segments(time, good & False, 1 / 48).max() == 0


def test_groups_hold_every_pixel_once():
    kept = np.random.default_rng(1).random((71, 63)) < 0.9
    groups = halo_pixels.Groups.around(35, 30, kept)
    assert groups.row.size == kept.sum() == groups.number.sum() and groups.number.max() <= 16
    count = np.zeros(kept.shape, dtype=int)
    np.add.at(count, (groups.row, groups.column), 1)
    assert np.array_equal(count, kept)
    image = np.random.default_rng(2).random(kept.shape)
    assert groups.sums(image).sum() == pytest.approx(image[kept].sum())
    near = np.maximum(abs(groups.row - 35), abs(groups.column - 30)) < 7
    assert (np.repeat(groups.number, groups.number)[near] == 1).all()


def test_slow_variability_is_told_from_leftover_motion():
    rng = np.random.default_rng(9)
    time = np.arange(1000) / 48
    drift = np.linspace(-1, 1, 1000) + 0.03 * rng.standard_normal(1000)
    basis = np.linalg.qr(np.stack([drift, drift ** 2 - np.mean(drift ** 2)], axis=1))[0]
    noise = rng.standard_normal(1000)
    doubt = np.diag([100.0 ** 2, 100.0 ** 2])
    found = halo_drift.leftover(basis @ [80, -50] + noise, time, basis, doubt, 1.0)
    assert found == pytest.approx([80, -50], abs=12)
    wave = 500 * np.sin(time)
    found = halo_drift.leftover(wave + noise, time, basis, doubt, 1.0)
    assert np.abs(basis @ found).max() < 0.02 * 500
