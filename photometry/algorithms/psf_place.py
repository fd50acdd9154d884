"""Where a star really stands on the mean image, be its catalogue position wrong by pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from photometry.algorithms import psf_fit, psf_space

RADIUS = 2.0
STEP = 0.5
"""How far around the catalogue position a star is looked for, and how finely at first, px."""

POSITION_ERROR = 0.1
"""Standard deviation of the prior of the last refinement, px."""

MOST_ROUNDS = 8
SETTLED = 0.02
"""Expansions of the last refinement, and the displacement that needs no further one, px: what a
step leaves to find is smaller than its cube."""

GAIN = 25.0
"""Drop of the scaled sum of squares for which a star is moved to another place."""

SUSPICIOUS = 0.25, 0.4
"""Offset, px, and magnitudes off the expected flux up to which nothing else is looked for."""

LEFT_BEHIND = 0.3
"""Part of the light at the new place that may still be seen at the old one: else there are two stars."""

MAGNITUDES = 1.0
"""By which the flux at a new place may differ from the expected one."""


@dataclass(frozen=True)
class Found:
    """Outcome of `refine`.

    Attributes
    ----------
    offset : ndarray (2,)
        Row and column against the position it was called with, px.
    error : ndarray (2,)
        Standard errors, px; NaN where the image does not tell.
    flux : float
        e-/s.
    chi2 : float
        Reduced, over the pixels of the star.
    moved : bool
        Whether the catalogue position is wrong by more than half a pixel.
    """

    offset: np.ndarray
    error: np.ndarray
    flux: float
    chi2: float
    moved: bool


def refine(image, variance, render, nuisance, expected):
    """Place of a star by Gauss-Newton steps from a coarse search around its catalogue position.

    Parameters
    ----------
    image : ndarray (pixels,)
        Mean image less the light of the neighbours and the sky, e-/s.
    variance : ndarray (pixels,)
        With the errors of the model; pixels where it is not finite are left out.
    render : callable
        ``render(offsets (2, n)) -> (6, n, pixels)``.
    nuisance : ndarray (columns, pixels)
        Light of neighbours and sky whose amount is left free.
    expected : float
        Flux by the catalogue, e-/s.

    Returns
    -------
    Found
    """
    used = np.isfinite(image) & np.isfinite(variance) & (variance > 0)
    weights = np.where(used, 1 / np.where(used, variance, 1.0), 0.0)
    image = np.where(used, image, 0.0)
    fit = _Fit(image, weights, render, nuisance)
    near = fit.settle(np.zeros(2))
    if np.hypot(*near.offset) < SUSPICIOUS[0] and _believable(near.flux, expected, SUSPICIOUS[1]):
        return near
    best = fit.search()
    if np.hypot(*(best - near.offset)) > STEP:
        other = fit.settle(best)
        gain = (near.chi2 - other.chi2) * fit.freedom
        near = other if gain > GAIN * max(other.chi2, 1.0) else near
    if np.hypot(*near.offset) <= STEP:
        return near
    if _believable(near.flux, expected) and fit.alone(np.zeros(2), near.offset):
        return replace(near, moved=True)
    return fit.beside(near.offset)


def _believable(flux, expected, magnitudes=MAGNITUDES):
    """Whether a flux may be that of the catalogue."""
    if not expected > 0:
        return flux > 0
    return flux > 0 and abs(2.5 * np.log10(flux / expected)) < magnitudes


@dataclass(frozen=True)
class _Fit:
    """One star, what surrounds it, and the pixels."""

    image: np.ndarray
    weights: np.ndarray
    render: object
    nuisance: np.ndarray

    @property
    def freedom(self):
        return max((self.weights > 0).sum() - len(self.nuisance) - 3, 1)

    def settle(self, start):
        """The minimum next to an offset, with a prior around it."""
        offset, precision = start, np.full((2, 1), POSITION_ERROR ** -2)
        # The errors of the mean image are those of the weights: the covariance is the inverse curvature.
        errors = np.where(self.weights > 0, self.weights, 1.0)[:, None] ** -0.5
        for _ in range(MOST_ROUNDS):
            space = psf_space.project(self.image[:, None], errors, self.weights,
                                      self.render(offset[:, None])[:, 0], self.nuisance,
                                      np.zeros(len(self.nuisance)))
            found = psf_fit.solve(space, np.zeros((2, 1)), ((start - offset)[:, None], precision))
            step = np.clip(np.nan_to_num(found.place[:, 0]), -psf_fit.LONGEST_STEP, psf_fit.LONGEST_STEP)
            offset = offset + step
            if np.hypot(*step) < SETTLED:
                break
        error = np.sqrt(found.covariance[[1, 2], [1, 2], 0])
        return Found(offset, error, float(found.flux[0]), float(found.chi2[0]) / self.freedom, False)

    def search(self):
        """The grid point at which a star of positive flux explains most."""
        steps = np.arange(-RADIUS, RADIUS + STEP / 2, STEP)
        grid = np.array(np.meshgrid(steps, steps, indexing='ij')).reshape(2, -1)
        grid = grid[:, np.hypot(*grid) <= RADIUS + 1e-9]
        templates, image = self._reduced(grid)
        square = (templates ** 2).sum(axis=1)
        part = np.maximum(templates @ image, 0.0)
        return grid[:, np.argmax(part ** 2 / np.where(square > 0, square, np.inf))]

    def alone(self, old, new):
        """Whether the light at the new place is that of the star, and none is left at the old place."""
        templates, image = self._reduced(np.stack([old, new], axis=1))
        normal = templates @ templates.T
        left, taken = np.linalg.solve(normal + 1e-9 * np.trace(normal) * np.eye(2), templates @ image)
        return left < LEFT_BEHIND * taken

    def beside(self, offset):
        """The star near its catalogue position, when another one shines at an offset."""
        other = self.render(offset[:, None])[0]
        found = replace(self, nuisance=np.concatenate([self.nuisance, other])).settle(np.zeros(2))
        return found if np.hypot(*found.offset) <= STEP else replace(found, offset=np.zeros(2))

    def _reduced(self, offsets):
        """Templates at offsets and image in units of the noise, the nuisance columns projected out."""
        root = np.sqrt(self.weights)
        basis, triangle = np.linalg.qr((self.nuisance * root).T)
        size = np.abs(np.diag(triangle))
        basis = basis[:, size > 1e-9 * size.max(initial=0)]
        templates, image = self.render(offsets)[0] * root, self.image * root
        return templates - templates @ basis @ basis.T, image - basis @ (basis.T @ image)
