"""Fit one star on a sloping sky to one image: flux, position and plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

REACH = 1.5
"""How far the fitted position may lie from the expected one, px."""


@dataclass(frozen=True)
class StarFit:
    """Result of `fit_star`: flux in the unit of the image, zero-based position, chi square."""

    flux: float
    row: float
    column: float
    chi2: float
    freedom: int
    """Pixels less parameters."""


def fit_star(image, sigma, prf, stamp, row, column):
    """Weighted least-squares fit of a star and a plane to an image.

    Flux and plane are linear and solved exactly at each trial position; the
    position is found by least squares within `REACH` of the expected one.

    Parameters
    ----------
    image, sigma : array, shape of ``stamp``
        Flux a pixel and its standard deviation; pixels that are not finite are
        left out.
    prf : photometry.algorithms.prf.PRF
    stamp : photometry.core.stamp.Stamp
        Pixels of the image.
    row, column : float
        Expected zero-based position on the CCD.

    Returns
    -------
    StarFit
    """
    from scipy.optimize import least_squares
    image, sigma = (np.asarray(values, dtype='float64') for values in (image, sigma))
    used = np.isfinite(image) & np.isfinite(sigma) & (sigma > 0)
    if used.sum() < 7:
        raise ValueError('A fit of a star needs seven pixels.')
    plane = _plane(stamp)[used]
    data, weight = image[used] / sigma[used], 1 / sigma[used]

    def solve(place):
        star = prf.render(*place, stamp)[0][used]
        design = np.column_stack([star, plane]) * weight[:, None]
        found = np.linalg.lstsq(design, data, rcond=None)[0]
        return found[0], design @ found - data

    start = np.array([row, column], dtype='float64')
    fit = least_squares(lambda place: solve(place)[1], start, bounds=(start - REACH, start + REACH),
                        x_scale=0.1, diff_step=1e-5)
    flux, residual = solve(fit.x)
    return StarFit(float(flux), float(fit.x[0]), float(fit.x[1]), float(residual @ residual),
                   int(used.sum()) - 6)


def _plane(stamp):
    """1, row and column of each pixel from the middle of the stamp, (rows, columns, 3)."""
    down, right = np.meshgrid(np.arange(stamp.height) - stamp.height / 2,
                              np.arange(stamp.width) - stamp.width / 2, indexing='ij')
    return np.stack([np.ones(stamp.shape), down, right], axis=-1)
