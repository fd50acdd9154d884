"""Noise floors of TESS photometry that a measured scatter is compared with."""

import numpy as np

CLIPPING = 1.033
"""Penalty on white noise of the on-board clipping of minimum and maximum in
blocks of ten reads (1.028 for a trimmed mean of ten) and of the 1 % dead time."""

READ = 2.0
"""Seconds between the starts of two reads."""

_STASSUN = (3.29685004771, 0.850021465753, -0.285041632435, 0.0395908321369,
            -0.0022308015894, 4.73508403525e-5)
_STASSUN_MINIMUM = 4.978


def stassun_floor(tmag):
    """Expected noise of one hour, ppm, as a polynomial in TESS magnitude.

    Stassun et al. (2018, AJ 156, 102), fitted to the pre-launch model of
    Sullivan et al. (2015); constant above the magnitude of its minimum.
    """
    return np.exp(np.polynomial.polynomial.polyval(np.maximum(tmag, _STASSUN_MINIMUM), _STASSUN))

_MASK_PIXELS = np.array([
    (2.06, 1484.5), (2.95, 715), (3.84, 447), (4.74, 282.5), (5.63, 185), (6.52, 126), (7.41, 98),
    (8.31, 76), (9.20, 61), (10.09, 49), (10.98, 38), (11.88, 28), (12.77, 20), (13.66, 14), (14.55, 8)]).T
_LEAST_PIXELS = 4
_TASOC_ZERO_POINT, _TASOC_READNOISE = 20.451, 10.0


def mask_pixels(tmag):
    """Pixels in a typical mask on full-frame images.

    The table of TASOC's data validation (tasoc/dataval, noise_model.py): the logarithm
    runs linearly between its entries and beyond its ends; whole pixels, at least 4.
    """
    magnitude, count = _MASK_PIXELS[0], np.log10(_MASK_PIXELS[1])
    tmag = np.asarray(tmag, dtype='float64')
    low = np.clip(np.searchsorted(magnitude, tmag) - 1, 0, magnitude.size - 2)
    part = (tmag - magnitude[low]) / (magnitude[low + 1] - magnitude[low])
    return np.maximum(np.floor(10 ** (count[low] + part * (count[low + 1] - count[low]))), _LEAST_PIXELS)


def tasoc_floor(tmag, latitude=30.0, duration=3600.0, systematic=60.0):
    """Expected noise of TASOC's data validation, ppm (tasoc/dataval, noise_model.py).

    Parameters
    ----------
    tmag : array_like
    latitude : float
        Galactic, deg; the background adds a noise of 6 (b/90 - 1)^2 + 10 e- to a read of a pixel.
    duration : float
        Seconds over which is averaged.
    systematic : float
        ppm in one hour, added in squares.
    """
    tmag = np.asarray(tmag, dtype='float64')
    electrons = 10 ** (-0.4 * (tmag - _TASOC_ZERO_POINT)) * duration
    sky = 6 * (np.abs(latitude) / 90 - 1) ** 2 + 10
    pixels = mask_pixels(tmag) * duration / READ
    variance = electrons + pixels * (sky ** 2 + _TASOC_READNOISE ** 2)
    return np.hypot(1e6 * np.sqrt(variance) / electrons, systematic / np.sqrt(duration / 3600))


def star_floor(flux, mask_flux, sky, pixels, readnoise, duration=3600.0):
    """White noise of a star's own aperture, ppm of its flux.

    Parameters
    ----------
    flux : array_like
        Flux of the star, e-/s.
    mask_flux : array_like
        Starlight in the mask, e-/s, neighbours included.
    sky : array_like
        Background in the mask, e-/s (sum over its pixels).
    pixels : array_like
        Pixels in the mask.
    readnoise : float
        Electrons per pixel in one 2-s read.
    duration : float
        Seconds over which is averaged.
    """
    electrons = np.maximum(mask_flux, 0) + np.maximum(sky, 0)
    variance = electrons * duration + pixels * readnoise ** 2 * duration / READ
    return 1e6 * CLIPPING * np.sqrt(variance) / (flux * duration)
