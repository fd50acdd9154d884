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
