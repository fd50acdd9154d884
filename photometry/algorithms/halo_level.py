"""Flux and place of a star from the pixels that it does not saturate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MODEL_ERROR = 0.01
WING_MODEL_ERROR = 0.05
"""Relative error of the model of a star's image in a pixel of the core and beyond."""

RIM = (5.2, 7.2)
RIM_ERROR = 3e-4
"""Distance along rows or columns at which samples end and the wing begins, px, and the error of the
model there as a part of the whole flux: what is known least of a star's image."""

WING_ERROR = 0.05
"""Relative error of the light in the wing against that in the core."""

SLOPE_ERROR = 0.1
WING_PLACE = 9.0
"""Error of the exponent of the wing, and the distance at which its light is held, px."""

LEAST_ERROR = 0.005
"""Part of the flux that its error is at least."""

FLUX_SPREAD = 1.0
PLACE_SPREAD = 0.1
SKY_SPREAD = 5.0
"""Spreads of the priors: of the flux over what is expected, of the place (px), of the sky (e-/s a pixel)."""

PASSES = 3
MOST_STEP = 0.3
HUBER = 2.0


@dataclass(frozen=True)
class Level:
    """What `fit_level` returns.

    Attributes
    ----------
    flux, error : float
        Mean flux of the star with its error, that of the model included, e-/s.
    row, column : float
        Zero-based place on the CCD.
    sky : float
        Level of the sky left in the image, e-/s a pixel.
    """

    flux: float
    error: float
    row: float
    column: float
    sky: float


def distance(row, column, stamp):
    """Greater one of the distances along rows and columns, px, (rows, columns)."""
    return np.maximum(np.abs(np.arange(stamp.row_min, stamp.row_max) - row)[:, None],
                      np.abs(np.arange(stamp.col_min, stamp.col_max) - column)[None])


def is_rim(row, column, stamp):
    """Pixels of a stamp where the model of a star's image is not to be trusted, (rows, columns) of bool."""
    away = distance(row, column, stamp)
    return (away > RIM[0]) & (away < RIM[1])


def _model_error(row, column, stamp, size):
    """Error of the light of a pixel over the part of the star's that it holds, e-/s."""
    return size * np.where(distance(row, column, stamp) < RIM[0], MODEL_ERROR, WING_MODEL_ERROR)


def fit_level(image, variance, usable, star, place, expected):
    """Flux of a star by the pixels that are left of it.

    Core and wing of the model are fitted with an own share of the light in the wing and an
    own slope of it, both within their errors: a star whose core is seen measures its
    wing itself, one of which only the wing is left relies on the wing of the others.

    Parameters
    ----------
    image : ndarray (rows, columns)
        Mean image less all other stars and the sky, e-/s.
    variance : ndarray (rows, columns)
        Noise of the mean image, (e-/s)^2.
    usable : ndarray (rows, columns) of bool
    star : photometry.algorithms.halo_star.MovingStar
    place : tuple of float
        (row, column) to start from.
    expected : float
        Flux to start from, e-/s.

    Returns
    -------
    Level
    """
    here, stamp = np.array(place, dtype='float64'), star.stamp
    flux, vote = float(expected), 1.0
    for _ in range(PASSES):
        size = max(abs(flux), 1.0)
        columns = _columns(star, *here, size)[:, usable]
        error = variance[usable] + _model_error(*here, stamp, size)[usable] ** 2 * columns[0] ** 2
        error = error + (RIM_ERROR * size * is_rim(*here, stamp)[usable]) ** 2
        start = np.array([expected, *(np.asarray(place) - here), 0, 0, 0])[:len(columns)]
        solution, doubt = _solve(columns, image[usable], vote / error, start, max(abs(expected), 1.0))
        left = image[usable] - solution @ columns
        vote = 1 / np.maximum(1, np.abs(left) / np.sqrt(error) / HUBER)
        flux, here = float(solution[0]), here + np.clip(solution[1:3], -MOST_STEP, MOST_STEP)
    error = float(np.sqrt(doubt + (LEAST_ERROR * flux) ** 2))
    return Level(flux, error, *map(float, here), float(solution[3]))


def _columns(star, row, column, size):
    """What the image is made of: star, its shifts, sky, and more or steeper wing, (4 or 6, rows, columns)."""
    value, down, right = star.mean(row, column)
    prf, stamp = star.prf, star.stamp
    columns = [value, size * down, size * right, np.ones(stamp.shape)]
    if prf.wing is not None:
        rows, lines = (np.arange(*limits)[None] for limits in (stamp[:2], stamp[2:]))
        wing = size * prf.wing.render(np.array([row]), np.array([column]), rows, lines)[0, 0]
        away = np.hypot((rows[0] - row)[:, None], lines - column)
        columns += [wing, wing * np.log(np.maximum(away, 1.0) / WING_PLACE)]
    return np.stack(columns)


def _solve(columns, image, weight, start, size):
    """Least squares with priors: the solution and the variance of its first term."""
    spread = np.array([FLUX_SPREAD * size, PLACE_SPREAD, PLACE_SPREAD, SKY_SPREAD, WING_ERROR, SLOPE_ERROR])
    scaled = columns * spread[:len(columns), None]
    inverse = np.linalg.inv((scaled * weight) @ scaled.T + np.eye(len(columns)))
    spread = spread[:len(columns)]
    solution = start + spread * (inverse @ (scaled @ (weight * (image - start @ columns))))
    return solution, inverse[0, 0] * spread[0] ** 2
