"""The noise floors reproduce published figures."""

import numpy as np
import pytest

from photometry.algorithms import noise


@pytest.mark.parametrize(('tmag', 'ppm'), [(4, 61.8), (6, 64), (8, 94), (10, 203), (12, 595), (15, 5190)])
def test_polynomial_against_its_table(tmag, ppm):
    assert noise.stassun_floor(tmag) == pytest.approx(ppm, rel=0.01)


@pytest.mark.parametrize(('tmag', 'ppm'), [(6, 64), (8, 83), (10, 173), (11, 294), (12, 531), (13, 1003),
                                          (13.5, 1362), (14, 1866), (15, 3361), (16, 6662)])
def test_model_of_data_validation_against_its_table(tmag, ppm):
    assert noise.tasoc_floor(tmag) == pytest.approx(ppm, rel=0.01)
    white = noise.tasoc_floor(tmag, systematic=0)
    assert noise.tasoc_floor(tmag, duration=7200, systematic=0) == pytest.approx(white / np.sqrt(2))


def test_pixels_of_a_mask():
    np.testing.assert_array_equal(noise.mask_pixels([6, 10, 13, 20]), [157, 50, 18, 4])


def test_star_floor_against_simulated_reads():
    rng = np.random.default_rng(3)
    flux, sky, pixels, readnoise, reads = 2000.0, 800.0, 9, 10.0, 1800
    hours = (rng.poisson((flux + sky) * noise.READ * reads, 4000)
             + rng.normal(0, readnoise * np.sqrt(pixels * reads), 4000)) / (noise.READ * reads)
    measured = 1e6 * hours.std() / flux
    assert noise.star_floor(flux, flux, sky, pixels, readnoise) == pytest.approx(
        measured * noise.CLIPPING, rel=0.05)
