"""Flux and place of one star reach their bounds, whatever moves or varies beside it."""

import numpy as np
import pytest
from one_star import OneStar

from photometry.algorithms import psf_star


def fitted(star, pixels=None, **options):
    return psf_star.fit_star(star.pixels if pixels is None else pixels, star.errors, star.weights, star.shift,
                             star.good, star.render, star.around, **options)


def ratios(stars, **options):
    """Means over stars: flux scatter and error, place scatter and error over the bounds; biases in errors."""
    rows = []
    for star in stars:
        found, bound = fitted(star, **options), star.bounds()
        flux, away = found.flux - star.true_flux, found.place - star.true_place
        scatter = np.std(flux), *np.std(away, axis=1)
        error = np.median(found.flux_err), *np.median(found.place_err, axis=1)
        bias = np.mean(flux) / star.flux, *np.mean(away, axis=1)
        rows.append(np.concatenate([np.divide(scatter, bound), np.divide(error, scatter), bias]))
    return np.array(rows)


@pytest.mark.parametrize('tmag', [8.0, 10.0, 12.0, 14.0])
def test_isolated_stars_at_the_bounds(tmag):
    rows = ratios([OneStar(tmag, seed=seed) for seed in range(5)])
    mean = rows.mean(axis=0)
    assert mean[0] == pytest.approx(1, abs=0.04)
    # Brighter than 9 the expansion between samples of the PRF costs some 0.05 mpx.
    assert mean[1:3] == pytest.approx(1, abs=0.06 if tmag > 9 else 0.6)
    assert mean[3] == pytest.approx(1, abs=0.05)
    assert np.abs(rows[:, 6]).max() < 1e-3
    assert np.abs(rows[:, 7:]).max() < 1e-3


def test_a_faint_star_loses_hardly_anything_to_its_free_place():
    stars = [OneStar(15.0, seed=seed, neighbours=((0.7, 0.5, 1.0),)) for seed in range(4)]
    for star in stars:
        found, bound = fitted(star), star.bounds()[0]
        assert np.std(found.flux) / bound < 1.12
        assert np.std(found.free_flux) / bound > 1.15
        assert np.median(found.flux_err) / np.std(found.flux) == pytest.approx(1, abs=0.12)


def test_a_star_that_moves_by_itself():
    path = np.stack([0.15 * np.linspace(-1, 1, 500), 0.1 * np.linspace(-1, 1, 500) ** 2])
    star = OneStar(10.0, own=path)
    found, bound = fitted(star), star.bounds()
    assert np.std(found.place - star.true_place, axis=1) == pytest.approx(bound[1:], rel=0.25)
    assert np.abs(np.mean(found.place - star.true_place, axis=1)).max() < 1e-3
    assert np.std(found.flux) / bound[0] < 1.08
    assert np.median(found.flux_err) / np.std(found.flux) == pytest.approx(1, abs=0.08)
    held_still = fitted(OneStar(10.0, own=path * 0), pixels=star.pixels)
    assert np.allclose(held_still.place, found.place, atol=3e-4)


def test_what_a_star_only_seems_to_move_is_not_believed():
    path = np.stack([0.5e-3 * np.linspace(-1, 1, 500), np.zeros(500)])
    star = OneStar(10.0, own=path)
    found = fitted(star)
    assert np.ptp(found.trend) < 1e-4 and found.wander == pytest.approx([2e-4, 2e-4], rel=0.01)
    assert np.polyfit(path[0], found.place[0] - star.shift[0], 1)[0] == pytest.approx(1, abs=0.1)


def test_a_star_that_shakes_by_itself():
    """Displacements of each frame on its own come back without bias, and the prior lets them."""
    shake = 0.03 * np.random.default_rng(5).standard_normal((2, 500))
    star = OneStar(13.0, own=shake)
    found = fitted(star)
    for axis in (0, 1):
        slope = np.polyfit(shake[axis], found.place[axis] - star.shift[axis], 1)[0]
        assert slope == pytest.approx(1, abs=0.02)
    assert found.wander == pytest.approx([0.03, 0.03], rel=0.15)
    assert np.std(found.flux) / star.bounds()[0] < 1.1


def test_a_variable_neighbour_close_by():
    swing = 1 + 0.3 * np.sin(np.linspace(0, 40, 500))
    star = OneStar(11.0, neighbours=((1.5, 1.3, 2.0),), neighbour_light=swing, free_places=True)
    found, bound = fitted(star), star.bounds()
    assert np.std(found.flux) / bound[0] < 1.15
    assert abs(np.polyfit(swing, found.flux / star.flux, 1)[0]) < 1e-3
    assert abs(np.mean(found.flux) / star.flux - 1) < 2e-3


def test_its_own_variation_is_kept():
    dip = 1 - 0.02 * (np.abs(np.linspace(-1, 1, 500)) < 0.1)
    star = OneStar(10.0, light=dip)
    found = fitted(star)
    inside = dip < 1
    depth = 1 - np.mean(found.flux[inside]) / np.mean(found.flux[~inside])
    assert depth == pytest.approx(0.02, rel=0.005)


def test_lost_pixels_cost_their_information_and_nothing_else():
    star = OneStar(11.0, seed=8)
    pixels = star.pixels.copy()
    rng = np.random.default_rng(1)
    for frame in range(0, star.frames, 3):
        pixels[rng.choice(len(pixels), 4, replace=False), frame] = np.nan
    pixels[:, 7] = np.nan
    found = fitted(star, pixels)
    assert np.isnan(found.flux[7]) and np.isnan(found.place[:, 7]).all()
    assert np.isfinite(found.flux).sum() == star.frames - 1
    pull = (found.flux - star.flux) / found.flux_err
    assert np.nanstd(pull) == pytest.approx(1, abs=0.08) and abs(np.nanmean(pull)) < 0.6
    away = (found.place - star.true_place) / found.place_err
    assert np.nanstd(away) == pytest.approx(1, abs=0.1)


def test_wide_motion_is_expanded_in_pieces():
    star = OneStar(10.0, drift=0.3, jitter=0.1)
    found, bound = fitted(star), star.bounds()
    assert np.std(found.flux) / bound[0] < 1.06
    assert np.abs(np.mean(found.flux) / star.flux - 1) < 5e-4


def test_a_negative_flux_stays_negative():
    star = OneStar(16.0)
    star.pixels = -star.pixels + 2 * star.noise
    found = fitted(star)
    assert np.mean(found.flux) == pytest.approx(-star.flux, rel=0.02)


def test_pixels_that_the_model_explains_badly_lose_their_weight():
    star = OneStar(13.0, neighbours=((4.0, 4.0, 1.0),))
    loud = np.zeros(len(star.pixels), dtype=bool)
    loud[:2 * star.stamp.width] = True
    wrong = 5 * star.errors.mean() * star.shift[0] / np.std(star.shift[0])
    found = fitted(star, star.pixels + np.where(loud[:, None], wrong, 0.0))
    assert np.std(found.flux) / star.bounds()[0] < 1.15  # 2.6 with their full weight
    assert np.median(found.flux_err) / np.std(found.flux) == pytest.approx(1, abs=0.1)
