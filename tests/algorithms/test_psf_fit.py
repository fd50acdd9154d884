"""The statistics of a star and the fit of its flux and place agree with brute force."""

import numpy as np
import pytest
from one_star import OneStar

from photometry.algorithms import psf_fit, psf_space


def with_gaps(star, seed=3):
    """Pixels with holes in every second frame, another one of them in each."""
    rng = np.random.default_rng(seed)
    pixels = star.pixels.copy()
    for frame in range(0, star.frames, 2):
        pixels[rng.choice(len(pixels), 1 + frame % 5, replace=False), frame] = np.nan
    pixels[len(pixels) // 2, 4] = np.nan  # the brightest one
    return pixels


def statistics(star, pixels, precision):
    templates = star.render(np.zeros((2, 1)))[:, 0]
    nuisance = star.around.columns(np.zeros((2, 1)))[0]
    return templates, nuisance, psf_space.project(pixels, star.errors, star.weights, templates, nuisance,
                                                  precision)


@pytest.fixture(scope='module')
def blend():
    return OneStar(11.0, frames=24, neighbours=((1.4, 0.8, 0.7), (-3, 2, 2.0)))


def test_statistics_are_those_of_each_frame_alone(blend):
    pixels, precision = with_gaps(blend), np.array([0.0, 0.0, 4e2])
    templates, nuisance, space = statistics(blend, pixels, precision)
    for frame in range(blend.frames):
        kept = np.isfinite(pixels[:, frame])
        a, b, w = templates[:, kept], nuisance[:, kept], blend.weights[kept]
        couple = (a * w) @ b.T @ np.linalg.inv((b * w) @ b.T + np.diag(precision))
        filters = a * w - couple @ (b * w)
        assert np.allclose(space.q[:, frame], filters @ pixels[kept, frame], rtol=1e-6)
        assert np.allclose(space.gram[..., frame], filters @ a.T, rtol=1e-6, atol=1e-9)
        spread = (filters * blend.errors[kept, frame] ** 2) @ filters.T + couple * precision @ couple.T
        assert np.allclose(space.spread[..., frame], spread, rtol=1e-5, atol=1e-5 * np.abs(spread).max())


def test_a_prior_around_something_is_one_around_zero_of_what_is_left(blend):
    pixels, precision, middle = with_gaps(blend), np.array([0.0, 0.0, 4e2]), np.array([0.0, 3.0, 0.5])
    templates, nuisance, _ = statistics(blend, pixels, precision)
    around = psf_space.project(pixels, blend.errors, blend.weights, templates, nuisance, precision, middle)
    left = statistics(blend, pixels - (middle @ nuisance)[:, None], precision)[2]
    assert np.allclose(around.q, left.q, rtol=1e-8) and np.allclose(around.const, left.const, rtol=1e-6)


def test_flux_and_place_are_the_minimum_of_the_squares(blend):
    """`const - 2 c.q + c'Gc` is the sum of squares with everything around the star fitted."""
    from scipy.optimize import minimize
    pixels, precision = with_gaps(blend), np.array([0.0, 0.0, 4e2])
    templates, nuisance, space = statistics(blend, pixels, precision)
    found = psf_fit.solve(space, np.zeros((2, blend.frames)))
    assert found.found.all()
    scale = np.array([blend.flux, 0.1, 0.1])
    for frame in range(6):
        kept = np.isfinite(pixels[:, frame])
        root = np.sqrt(blend.weights[kept])
        design = np.concatenate([nuisance[:, kept] * root, np.diag(np.sqrt(precision))], axis=1)

        def squares(values, kept=kept, root=root, design=design, frame=frame):
            flux, *place = values * scale
            model = flux * psf_fit.terms(np.array(place)[:, None])[:, 0] @ templates[:, kept]
            wanted = np.concatenate([(pixels[kept, frame] - model) * root, np.zeros(len(design))])
            return ((wanted - design.T @ np.linalg.lstsq(design.T, wanted, rcond=None)[0]) ** 2).sum()
        best = np.array([found.flux[frame], *found.place[:, frame]]) / scale
        assert squares(best) == pytest.approx(found.chi2[frame], rel=1e-6)
        # Nelder-Mead from a displaced start comes to the same place.
        brute = minimize(squares, best + (1e-3, 2e-2, -2e-2), method='Nelder-Mead',
                         options={'xatol': 1e-7, 'fatol': 1e-8})
        assert np.allclose(brute.x, best, atol=2e-6)


def test_a_star_that_is_not_there_has_no_place_but_a_flux(blend):
    empty = blend.pixels * 0 + blend.noise
    _, _, space = statistics(blend, empty, np.array([0.0, 0.0, 4e2]))
    none = np.zeros((2, blend.frames))
    held = psf_fit.solve(space, none, (none, np.full_like(none, 1e6)))
    assert held.found.all() and (held.flux < 0).any() and (held.flux > 0).any()
    assert np.abs(held.flux / np.sqrt(held.covariance[0, 0])).max() < 4
    assert np.isfinite(psf_fit.solve(space, none).place).all()


def test_frames_without_pixels_have_no_flux(blend):
    pixels = blend.pixels.copy()
    pixels[:, 3] = np.nan
    _, _, space = statistics(blend, pixels, np.zeros(3))
    found = psf_fit.solve(space, np.zeros((2, blend.frames)))
    assert not found.found[3] and found.found[np.arange(blend.frames) != 3].all()
