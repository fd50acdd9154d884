"""The scene fit returns the fluxes that were put in."""

import numpy as np
import pytest

from photometry.algorithms import scene


def gaussian(row, column, shape=(24, 26), sigma=0.8):
    rows, columns = np.mgrid[:shape[0], :shape[1]]
    square = (rows - row) ** 2 + (columns - column) ** 2
    return np.exp(-0.5 * square / sigma ** 2) / (2 * np.pi * sigma ** 2)


@pytest.fixture
def stars():
    rng = np.random.default_rng(8)
    row, column = rng.uniform(3, 20, (2, 12))
    return row, column, 10 ** rng.uniform(2, 4, 12)


def test_fluxes_and_the_plane_come_back(stars):
    row, column, flux = stars
    templates = np.stack([gaussian(*place) for place in zip(row, column, strict=True)])
    plane = np.array([2.0, -0.5, 0.3])
    image = np.tensordot(flux, templates, 1) + np.tensordot(plane, scene.plane_basis((24, 26)), 1)
    fit = scene.fit_fluxes(image, np.full(image.shape, 1e-4), templates, flux * 1.2)
    assert np.allclose(fit.flux, flux, rtol=1e-3) and np.allclose(fit.plane, plane, atol=1e-2)


def test_unknown_pixels_do_no_harm(stars):
    row, column, flux = stars
    templates = np.stack([gaussian(*place) for place in zip(row, column, strict=True)])
    image, variance = np.tensordot(flux, templates, 1), np.full((24, 26), 1e-4)
    image[3, 3], variance[5, 5], image[5, 5] = np.nan, np.inf, 1e9
    assert np.allclose(scene.fit_fluxes(image, variance, templates, flux).flux, flux, rtol=1e-3)


def test_twins_share_their_light_as_expected_of_them():
    template = gaussian(10, 10)
    fit = scene.fit_fluxes(400 * template, np.full(template.shape, 1e-4), np.stack([template, template]),
                           np.array([300.0, 90.0]))
    assert fit.flux.sum() == pytest.approx(400, rel=1e-3)
    assert fit.flux[0] > fit.flux[1] > 50


def test_a_common_shift_is_measured(stars):
    row, column, flux = stars
    step = 1e-4

    def render(down, right):
        return np.stack([gaussian(r + down, c + right) for r, c in zip(row, column, strict=True)])

    gradients = ((render(step, 0) - render(-step, 0)) / (2 * step),
                 (render(0, step) - render(0, -step)) / (2 * step))
    image = np.tensordot(flux, render(0.02, -0.03), 1)
    found = scene.common_shift(image - np.tensordot(flux, render(0, 0), 1), np.full(image.shape, 1e-2),
                               gradients, flux)
    assert np.allclose(found, (0.02, -0.03), atol=2e-3)
