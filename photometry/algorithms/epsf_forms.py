"""Likely changes of a PRF: stretched and sheared, smeared, lopsided."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import epsf_basis as basis
from photometry.algorithms.prf_samples import filtered

DERIVATIVES = ((2, 0), (1, 1), (0, 2), (3, 0), (2, 1), (1, 2), (0, 3))
"""Derivatives by row and column that a PRF may hold of itself: smearing along and across (half the
variance, px^2), lopsidedness (px^3)."""

STRETCHES = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Axis whose distances from the star the light moves by, axis along which."""

NUMBER = len(DERIVATIVES) + len(STRETCHES)

CENTRE_SKY = 0.01
"""Sky over star, as a part of its light, in the fit that defines where a star stands."""

SLOW, FASTEST = 0.85, 1.0
"""Cycles a pixel from which on light is damped before it is stretched, and where pixels see none of it."""


def spreads(smear, skew, stretch):
    """One number for each form, (NUMBER,), by its kind."""
    return np.array([smear if sum(order) == 2 else skew for order in DERIVATIVES]
                    + [stretch] * len(STRETCHES))


def of(samples):
    """Images that may be added to a PRF, none of which holds light or moves the star.

    Parameters
    ----------
    samples : array (places, 117, 117)

    Returns
    -------
    array (NUMBER, places, 117, 117)
        In the order of DERIVATIVES and STRETCHES.
    """
    step = 1 / basis.OVERSAMPLE
    slopes = [np.gradient(samples, step, axis=axis) for axis in (1, 2)]
    made = []
    for down, right in DERIVATIVES:
        image = samples
        for axis in (1,) * down + (2,) * right:
            image = np.gradient(image, step, axis=axis)
        made.append(image)
    return np.stack([_centred(image, samples, slopes) for image in (*made, *_stretched(samples, step))])


def amounts(change, samples):
    """How much of each form there is in a change of a PRF, as a fit with its photon noise finds.

    Parameters
    ----------
    change, samples : arrays (117, 117)

    Returns
    -------
    array (NUMBER,)
    """
    forms = of(samples[None])[:, 0]
    weighted = forms / (np.maximum(samples, 0) + CENTRE_SKY)
    return np.linalg.solve(np.tensordot(weighted, forms, ([1, 2], [1, 2])),
                           np.tensordot(weighted, change, 2))


def _stretched(samples, step):
    """Changes of the response when the light is stretched: the pixels themselves are not.

    The sum over stretched pixels would change with the phase of the star.
    """
    light = filtered(samples, basis.OVERSAMPLE, _undoing_pixels)
    offset = (np.arange(samples.shape[1]) - samples.shape[1] // 2) * step
    for away, along in STRETCHES:
        distance = offset[:, None] if away == 0 else offset
        slope = filtered(samples, basis.OVERSAMPLE, lambda *waves, axis=along: (
            1j * waves[axis] * _undoing_pixels(*waves)))
        moved = distance * slope + (light if away == along else 0.0)
        yield filtered(moved, basis.OVERSAMPLE, _pixels)


def _pixels(*waves):
    """What pixels make of waves of light, radians a px by row and column."""
    row, column = (np.sinc(wave / (2 * np.pi)) for wave in waves)
    return row * column


def _undoing_pixels(*waves):
    """What makes of a response the light behind it, but for what pixels hardly see."""
    row, column = (_undoing_pixel(np.abs(wave) / (2 * np.pi)) for wave in waves)
    return row * column


def _undoing_pixel(cycles):
    part = np.clip((cycles - SLOW) / (FASTEST - SLOW), 0, 1)
    return np.cos(part * np.pi / 2) ** 2 / np.where(part < 1, np.sinc(cycles), 1.0)


def _centred(image, samples, slopes):
    """An image without sum and without the shift that a fit of the PRF would find in it, at each place."""
    weight = 1 / (np.maximum(samples, 0) + CENTRE_SKY)
    measures = np.stack([np.ones_like(samples), *(weight * slope for slope in slopes)])
    parts = np.stack([samples, *slopes])
    matrix = np.einsum('apij,bpij->pab', measures, parts)
    amounts = np.linalg.solve(matrix, np.einsum('apij,pij->pa', measures, image)[:, :, None])[:, :, 0]
    return image - np.einsum('pa,apij->pij', amounts, parts)
