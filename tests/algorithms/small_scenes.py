"""A few stars on a small region, with light curves and motion of their own, drawn by the PRF itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms import scene
from photometry.algorithms.prf import PRF, Wing
from photometry.core.stamp import Stamp
from photometry.files.prf import load_prf

STAMP = Stamp(1000, 1044, 700, 748)
PLAIN = PRF(load_prf(5, 2, 2))
WINGED = PLAIN.with_wing(Wing(0.03, 3.0))


@dataclass
class SmallScene:
    """Truth and pixels; motion is counted from its mean over the good frames, which are not far off."""

    prf: PRF
    row: np.ndarray
    column: np.ndarray
    flux: np.ndarray
    """(stars, times)"""
    shift: np.ndarray
    clean: np.ndarray
    """(rows, columns, times) without noise."""
    images: np.ndarray
    errors: np.ndarray

    @property
    def good(self):
        return ~(np.abs(self.shift) > 0.45).any(axis=1)

    def mean(self, expected=None, row=None, column=None, **options):
        """The mean scene, from expected fluxes and catalogue positions."""
        image = np.nanmean(self.images[..., self.good], axis=-1, dtype='f8')
        variance = np.nanmean(self.errors[..., self.good].astype('f8') ** 2, axis=-1)
        variance = np.nan_to_num(variance, nan=np.inf)
        options.setdefault('blur', scene.Blur.of(self.shift[self.good]))
        return scene.fit_mean(image, variance, self.prf, self.row if row is None else row,
                              self.column if column is None else column,
                              self.flux.mean(axis=1) if expected is None else expected, STAMP, **options)

    def series(self, mean=None, **options):
        """The series of all stars."""
        return scene.fit_series(self.images, self.errors, mean or self.mean(), self.shift, self.good,
                                **options)


def places(number, seed=1, apart=2.0):
    """Rows and columns of stars on the region, so far apart at least, some beyond its edge."""
    rng = np.random.default_rng(seed)
    found = np.zeros((0, 2))
    while len(found) < number:
        place = rng.uniform((STAMP.row_min - 4, STAMP.col_min - 4), (STAMP.row_max + 4, STAMP.col_max + 4))
        if len(found) == 0 or np.hypot(*(found - place).T).min() > apart:
            found = np.vstack([found, place])
    return found.T


def make(row, column, flux, shift=None, *, prf=PLAIN, times=40, sky=0.0, noise=True, read=0.3, seed=3):
    """Pixels of stars.

    Parameters
    ----------
    row, column : array_like (stars,)
    flux : array_like (stars,) or (stars, times)
    shift : array_like (times, 2), optional
    sky : float or ndarray (rows, columns, times)
    read : float
        Noise of a dark pixel, e-/s.
    """
    rng = np.random.default_rng(seed)
    row, column, flux = (np.asarray(values, dtype='f8') for values in (row, column, flux))
    if shift is None:
        shift = rng.normal(0, 0.02, (times, 2))
    shift = np.array(shift, dtype='f8')
    shift -= shift[(np.abs(shift) < 0.42).all(axis=1)].mean(axis=0)
    flux = np.broadcast_to(flux[:, None] if flux.ndim == 1 else flux, (row.size, len(shift)))
    about = (row, column) if np.abs(shift).max() < 0.5 else None
    clean = np.stack([light @ prf.render(row + down, column + right, STAMP, about=about).reshape(row.size, -1)
                      for light, (down, right) in zip(flux.T, shift, strict=True)], axis=-1)
    clean = clean.reshape(*STAMP.shape, -1) + sky
    errors = np.sqrt(read ** 2 + np.maximum(clean, 0) / 1425.6)
    images = clean + (errors * rng.normal(size=clean.shape) if noise else 0.0)
    return SmallScene(prf, row, column, flux, shift, clean, images.astype('f4'), errors.astype('f4'))
