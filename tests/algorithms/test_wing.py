"""The wing is found again on images with a known one."""

import numpy as np
import pytest

from photometry.algorithms import wing
from photometry.algorithms.prf import PRF, Wing
from photometry.core import units
from photometry.core.stamp import Stamp
from photometry.files.prf import load_prf

SIDE = 256


def field(fraction, exponent, stars, seed, brightest=6.0):
    """Sum image with noise, and its stars; magnitudes uniform to 15."""
    rng = np.random.default_rng(seed)
    row, column = rng.uniform(500, 500 + SIDE, (2, stars))
    tmag = rng.uniform(brightest, 15, stars)
    prf = PRF(load_prf(5, 2, 3), Wing(fraction, exponent) if fraction else None)
    stamp = Stamp(500, 500 + SIDE, 500, 500 + SIDE)
    flux = units.magnitude_to_flux(tmag, 20.5)
    image = sum(np.tensordot(flux[part], prf.render(row[part], column[part], stamp), 1)
                for part in np.array_split(np.arange(stars), 1 + stars // 50))
    noise = rng.normal(0, 0.05, image.shape) + rng.normal(0, 1e-3, image.shape) * np.sqrt(image)
    return image + noise + 0.3, row, column, tmag, PRF(load_prf(5, 2, 3))


@pytest.mark.parametrize(('fraction', 'exponent'), [(0.02, 2.5), (0.03, 3.0), (0.05, 2.0)])
def test_fraction_is_found_in_a_sparse_field(fraction, exponent):
    image, row, column, tmag, prf = field(fraction, exponent, 150, seed=1)
    found = wing.fit_wing(image, row, column, tmag, prf, origin=(500, 500))
    assert found.fraction == pytest.approx(fraction, abs=0.004)


def test_magnitudes_with_errors_and_missing_pixels_do_no_harm():
    image, row, column, tmag, prf = field(0.04, 2.5, 400, seed=2)
    rng = np.random.default_rng(3)
    image[rng.random(image.shape) < 0.02] = np.nan
    found = wing.fit_wing(image, row, column, tmag + rng.normal(0, 0.02, 400), prf, origin=(500, 500))
    assert found.fraction == pytest.approx(0.04, abs=0.008)


def test_fraction_is_found_in_a_crowd():
    image, row, column, tmag, prf = field(0.03, 2.5, 1100, seed=7, brightest=9)
    found = wing.fit_wing(image, row, column, tmag, prf, origin=(500, 500))
    assert found.fraction == pytest.approx(0.03, abs=0.006)


def test_no_wing_is_nearly_none():
    image, row, column, tmag, prf = field(0.0, 2.5, 150, seed=4)
    found = wing.fit_wing(image, row, column, tmag, prf, origin=(500, 500))
    assert found is None or found.fraction < 0.003


@pytest.mark.parametrize('seed', range(4))
def test_noise_alone_is_no_wing(seed):
    _, row, column, tmag, prf = field(0.0, 2.5, 60, seed=seed)
    image = np.random.default_rng(seed).normal(0, 0.1, (SIDE, SIDE))
    found = wing.fit_wing(image, row, column, tmag, prf, origin=(500, 500))
    assert found is None or found.fraction < 0.003


def test_too_little_to_tell():
    image, row, column, tmag, prf = field(0.03, 2.5, 2, seed=5)
    assert wing.fit_wing(image, row, column, tmag, prf, origin=(500, 500)) is None
    assert wing.fit_wing(np.zeros((13, 13)), row, column, tmag, prf) is None


def test_the_trail_of_a_saturated_star_is_no_wing():
    image, row, column, tmag, prf = field(0.03, 3.0, 150, seed=1, brightest=8.0)
    place = Stamp.around(row[0], column[0], 1, 1)
    image[:, place.col_min - 500] = 1e5
    found = wing.fit_wing(image, row, column, tmag, prf, origin=(500, 500))
    assert found.fraction == pytest.approx(0.03, abs=0.004)
    assert found.exponent == pytest.approx(3.0, abs=0.3)
