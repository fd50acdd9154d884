"""Stars that the catalogue lacks: found where they are, nothing found where none is."""

import types

import numpy as np
import pytest

from photometry.algorithms import missing_stars
from photometry.algorithms.prf import PRF, Wing
from photometry.core.stamp import Stamp
from photometry.core.units import magnitude_to_flux
from photometry.files.prf import load_prf

STAMP = Stamp(1000, 1060, 800, 864)
NOISE = 0.02


@pytest.fixture(scope='module')
def prf():
    return PRF(load_prf(5, 2, 2), Wing(0.03, 3.0))


@pytest.fixture(scope='module')
def wide(prf):
    """The same PRF, 5 % wider."""
    from scipy import ndimage
    samples = load_prf(5, 2, 2)
    grid = (np.arange(117) - 58) / 1.05 + 58
    made = [ndimage.map_coordinates(plane, np.meshgrid(grid, grid, indexing='ij'), order=3, mode='nearest')
            for plane in samples.samples.astype('f8')]
    return PRF(types.SimpleNamespace(samples=np.array(made), row=samples.row, column=samples.column,
                                     oversample=9), Wing(0.03, 3.0))


def draw(seed, count=70, faintest=15.0):
    """Stars (row, column, flux), more of them fainter."""
    rng = np.random.default_rng(seed)
    tmag = faintest + np.log10(rng.uniform(10 ** (-0.3 * 6), 1, count)) / 0.3
    return np.stack([rng.uniform(STAMP.row_min, STAMP.row_max - 1, count),
                     rng.uniform(STAMP.col_min, STAMP.col_max - 1, count), magnitude_to_flux(tmag)])


def scene(stars, prf, seed=0, noise=NOISE):
    light = np.tensordot(stars[2], prf.render(*stars[:2], STAMP), 1)
    return light + np.random.default_rng(seed).normal(0, noise, light.shape)


def fitted(image, stars, prf):
    """Residual, fluxes and light after a linear fit of known stars, as the scene leaves it."""
    templates = prf.render(*stars[:2], STAMP).reshape(stars.shape[1], -1)
    design = np.concatenate([templates, np.ones((1, image.size))])
    weight = 1 / (NOISE**2 + (0.003 * np.maximum(image, 0)) ** 2 + 0.1).ravel()
    flux = np.linalg.solve((design * weight) @ design.T, (design * weight) @ image.ravel())
    light = (flux[:-1] @ templates).reshape(image.shape)
    return image - light - flux[-1], flux[:-1], light


def search(image, stars, prf, **more):
    residual, flux, light = fitted(image, stars, prf)
    return missing_stars.find(residual, np.full(image.shape, NOISE**2), prf, STAMP, *stars[:2], flux, light,
                              **more)


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_nothing_is_missing(prf, wide, seed):
    stars = draw(seed)
    for truth, model in ((prf, prf), (wide, prf), (prf, wide)):
        assert search(scene(stars, truth), stars, model).row.size == 0


def test_a_missing_star_is_found(prf):
    stars = draw(4)
    place = np.array([1030.3, 832.7])
    stars = stars[:, np.hypot(*(stars[:2] - place[:, None])) > 5]
    missing = np.array([*place, magnitude_to_flux(15.8)])[:, None]
    found = search(scene(np.concatenate([stars, missing], axis=1), prf), stars, prf)
    assert found.row.size == 1
    assert found.row[0] == pytest.approx(place[0], abs=0.1)
    assert found.column[0] == pytest.approx(place[1], abs=0.1)
    assert found.flux[0] == pytest.approx(missing[2, 0], rel=0.1)
    assert found.significance[0] > missing_stars.SIGNIFICANCE


def test_two_missing_neighbours_are_both_found(prf):
    known = np.array([[1010.0], [810.0], [5e3]])
    missing = np.array([[1030.3, 1033.1], [832.7, 834.0], [400.0, 200.0]])
    found = search(scene(np.concatenate([known, missing], axis=1), prf), known, prf)
    assert found.row.size == 2
    np.testing.assert_allclose(found.row, missing[0], atol=0.05)
    np.testing.assert_allclose(found.flux, missing[2], rtol=0.05)


def test_most_of_a_crowd_is_found(prf, wide):
    stars = draw(10, count=130, faintest=16.0)
    known = stars[2] > magnitude_to_flux(15.0)
    lost = stars[:, ~known]
    for truth in (prf, wide):
        found = search(scene(stars, truth), stars[:, known], prf)
        distance = np.hypot(found.row[:, None] - lost[0], found.column[:, None] - lost[1])
        # blends are one star
        assert (distance < 1.5).any(axis=1).all()
        assert (distance < 0.75).any(axis=0).mean() > 0.65


def test_straps_trails_and_gaps_are_no_stars(prf):
    stars = draw(6)
    image = scene(stars, prf)
    image[:, 20] += 4.0
    image[:, 40:42] -= 2.0
    residual, flux, light = fitted(image, stars, prf)
    variance = np.full(image.shape, NOISE**2)
    variance[10:30, 50] = np.inf
    residual[10:30, 50] = 9e4
    residual[45:, :8] = np.nan
    found = missing_stars.find(residual, variance, prf, STAMP, *stars[:2], flux, light)
    assert found.row.size == 0


@pytest.mark.parametrize('value', [0.0, np.nan])
def test_an_empty_field(prf, value):
    none = np.zeros(0)
    image = np.full(STAMP.shape, value)
    found = missing_stars.find(image, np.ones_like(image), prf, STAMP, none, none, none, np.zeros_like(image))
    assert all(part.size == 0 for part in found)


def test_a_small_cutout(prf):
    stamp = Stamp(1000, 1013, 800, 813)
    star = np.array([[1006.2], [806.4], [300.0]])
    image = star[2, 0] * prf.render(*star[:2], stamp)[0]
    none = np.zeros(0)
    found = missing_stars.find(image, np.full(image.shape, NOISE**2), prf, stamp, none, none, none,
                               np.zeros_like(image))
    assert found.row.size == 1 and found.row[0] == pytest.approx(1006.2, abs=0.05)
