"""Conversions between magnitudes and electrons."""

import numpy as np

ZERO_POINT = 20.44
"""TESS magnitude of 1 e-/s (TESS Instrument Handbook, sec. 2.1; 20.44 +- 0.05)."""

SATURATION = 2e5
"""Full well of a pixel in one 2-s read, e- (TESS Instrument Handbook, sec. 5.4)."""


def magnitude_to_flux(tmag, zero_point=ZERO_POINT):
    """Expected flux in e-/s of a TESS magnitude."""
    return 10 ** (-0.4 * (np.asarray(tmag, dtype='float64') - zero_point))


def flux_to_magnitude(flux, zero_point=ZERO_POINT):
    """TESS magnitude of a positive flux in e-/s."""
    return zero_point - 2.5 * np.log10(flux)
