"""All stars of a region at once: their mean image and their fluxes in every frame.

The public face of `scene_design`, `scene_mean` and `scene_series`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms.scene_design import Blur, sky_basis
from photometry.algorithms.scene_mean import MeanScene, fit_mean
from photometry.algorithms.scene_series import SceneSeries, fit_series

__all__ = ['Blur', 'MeanScene', 'SceneSeries', 'fit_mean', 'fit_series', 'sky_basis']


@dataclass(frozen=True)
class SceneFit:
    """Outcome of `fit_fluxes`.

    Attributes
    ----------
    flux : ndarray (stars,)
        e-/s.
    plane : ndarray (3,)
        Level of the sky left in the image and its slopes by row and column.
    """

    flux: np.ndarray
    plane: np.ndarray


def plane_basis(shape):
    """Constant, row and column terms of a plane over an image, each within -1..1: (3, rows, columns)."""
    rows, columns = (np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in shape)
    return np.stack([np.ones(shape), np.repeat(rows[:, None], shape[1], axis=1),
                     np.repeat(columns[None], shape[0], axis=0)])


def fit_fluxes(image, variance, templates, expected, spread=0.3, plane_spread=5.0):
    """Fluxes that explain an image.

    Minimises the weighted squares of image less the sum of flux times template
    less a plane, plus a Gaussian prior on each flux around what is expected of
    it: that settles stars which the image cannot tell apart or hardly sees.

    Parameters
    ----------
    image, variance : ndarray (rows, columns)
        Pixels that are not finite, or whose variance is not, are left out.
    templates : ndarray (stars, rows, columns)
        Fraction of each star's light in each pixel.
    expected : ndarray (stars,)
        Prior fluxes, e-/s.
    spread : float
        Standard deviation of the prior over the expected flux.
    plane_spread : float
        Standard deviation of the prior on each term of the plane, e-/s.

    Returns
    -------
    SceneFit
    """
    expected = np.asarray(expected, dtype='float64')
    number = expected.size
    used = np.isfinite(image) & np.isfinite(variance) & (variance > 0)
    design = np.concatenate([templates, plane_basis(image.shape)])[:, used]
    weight = 1 / variance[used]
    prior_mean = np.concatenate([expected, np.zeros(3)])
    prior_sigma = np.concatenate([spread * np.maximum(expected, 1e-3), np.full(3, plane_spread)])
    scaled = design * prior_sigma[:, None]
    normal = (scaled * weight) @ scaled.T + np.eye(number + 3)
    right = scaled @ (weight * (image[used] - prior_mean @ design))
    solution = prior_mean + prior_sigma * np.linalg.solve(normal, right)
    return SceneFit(solution[:number], solution[number:])


def common_shift(residual, variance, gradients, flux, spread=0.1):
    """Displacement shared by all stars, from what a fit left over.

    Parameters
    ----------
    residual, variance : ndarray (rows, columns)
        Image less model.
    gradients : pair of ndarray (stars, rows, columns)
        Derivatives of the templates by row and column.
    flux : ndarray (stars,)
    spread : float
        Standard deviation of the prior around no shift, px.

    Returns
    -------
    ndarray (2,)
        Shift in row and column, px.
    """
    used = np.isfinite(residual) & np.isfinite(variance) & (variance > 0)
    slopes = np.stack([np.tensordot(flux, gradient, 1)[used] for gradient in gradients])
    weighted = slopes / variance[used]
    normal = weighted @ slopes.T + np.eye(2) / spread ** 2
    return np.linalg.solve(normal, weighted @ residual[used])
