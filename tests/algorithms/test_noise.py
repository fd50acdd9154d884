"""The noise floors reproduce published figures."""

import numpy as np
import pytest

from photometry.algorithms import noise


@pytest.mark.parametrize(('tmag', 'ppm'), [(4, 61.8), (6, 64), (8, 94), (10, 203), (12, 595), (15, 5190)])
def test_polynomial_against_its_table(tmag, ppm):
    assert noise.stassun_floor(tmag) == pytest.approx(ppm, rel=0.01)


def test_star_floor_against_simulated_reads():
    rng = np.random.default_rng(3)
    flux, sky, pixels, readnoise, reads = 2000.0, 800.0, 9, 10.0, 1800
    hours = (rng.poisson((flux + sky) * noise.READ * reads, 4000)
             + rng.normal(0, readnoise * np.sqrt(pixels * reads), 4000)) / (noise.READ * reads)
    measured = 1e6 * hours.std() / flux
    assert noise.star_floor(flux, flux, sky, pixels, readnoise) == pytest.approx(
        measured * noise.CLIPPING, rel=0.05)
