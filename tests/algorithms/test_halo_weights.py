"""Weights of least total variation: the gradient, the pull, the segments."""

import numpy as np
import pytest

from photometry.algorithms import halo_weights


def drawn(pixels=12, times=80, seed=1):
    rng = np.random.default_rng(seed)
    light = 1 + 0.1 * rng.standard_normal((pixels, times))
    return rng, light, halo_weights.pairs_of(np.ones(times, dtype=bool))


@pytest.mark.parametrize('stay', [0.0, 0.7])
def test_the_gradient_is_that_of_finite_differences(stay):
    rng, light, pairs = drawn()
    theta, start = rng.normal(size=12), halo_weights.softmax(rng.normal(size=12))
    _, gradient = halo_weights.total_variation(theta, light, pairs, 0.03, start, stay)
    for pixel in range(12):
        step = np.zeros(12)
        step[pixel] = 1e-6
        high, low = (halo_weights.total_variation(theta + sign * step, light, pairs, 0.03, start, stay)[0]
                     for sign in (1, -1))
        assert gradient[pixel] == pytest.approx((high - low) / 2e-6, rel=1e-5, abs=1e-9)


def test_pixels_that_jump_lose_their_weight():
    rng, light, pairs = drawn(30, 300)
    light = 1 + 1e-3 * rng.standard_normal((30, 300))
    light[:5] += 0.05 * rng.standard_normal(300)
    weights = halo_weights.fit(light, np.full(30, 1 / 30), pairs)
    assert weights.sum() == pytest.approx(1) and (weights > 0).all()
    assert weights[:5].sum() < 0.01
    flux = weights @ light
    assert np.std(flux) < 1.3e-3 / np.sqrt(25)


def test_a_change_that_all_pixels_share_stays():
    rng = np.random.default_rng(3)
    signal = 1 + 0.01 * np.sin(np.arange(400) / 30)
    light = signal * (1 + 2e-3 * rng.standard_normal((40, 400)))
    weights = halo_weights.fit(light, np.full(40, 1 / 40), halo_weights.pairs_of(np.ones(400, dtype=bool)))
    assert np.polyfit(signal, weights @ light, 1)[0] == pytest.approx(1, abs=0.02)


def test_the_pull_keeps_weights_from_fitting_noise():
    rng = np.random.default_rng(5)
    light = 1 + 1e-3 * rng.standard_normal((200, 120))
    start = np.full(200, 1 / 200)
    learned = halo_weights.pairs_of(np.arange(120) < 60)
    judged = halo_weights.pairs_of(np.arange(120) >= 60)

    def scatter(weights):
        flux = weights @ light
        return np.std(flux[judged[1]] - flux[judged[0]])

    free = scatter(halo_weights.fit(light, start, learned, stay=0.0, iterations=100))
    held = scatter(halo_weights.fit(light, start, learned))
    assert held < free and held < 1.25 * scatter(start)


def test_pairs_stay_within_segments_and_good_frames():
    frames = np.ones(60, dtype=bool)
    frames[[7, 30]] = False
    segment = np.arange(60) // 25
    first, second = halo_weights.pairs_of(frames, segment, lags=(1, 3))
    assert frames[first].all() and frames[second].all()
    assert (segment[first] == segment[second]).all() and (second > first).all()
    assert len(first) > 90


def test_every_segment_has_weights_of_its_own():
    rng = np.random.default_rng(7)
    light = 1 + 1e-3 * rng.standard_normal((10, 200))
    segment = np.repeat([0, 1], 100)
    light[0, :100] += 0.1 * rng.standard_normal(100)
    light[1, 100:] += 0.1 * rng.standard_normal(100)
    weights = halo_weights.fit_segments(light, np.full(10, 0.1), segment)
    assert weights.shape == (2, 10)
    assert weights[0, 0] < 0.01 < weights[0, 1] and weights[1, 1] < 0.01 < weights[1, 0]


@pytest.mark.parametrize('times', [1, 2])
def test_next_to_no_frames_leave_the_start(times):
    light = np.ones((4, times))
    pairs = halo_weights.pairs_of(np.ones(times, dtype=bool))
    assert np.allclose(halo_weights.fit(light, np.arange(1.0, 5), pairs), np.arange(1, 5) / 10)
