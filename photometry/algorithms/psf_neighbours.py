"""What shines on a small stamp in every frame besides one star of a scene."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import prf as prf_model
from photometry.algorithms import psf_expansion
from photometry.algorithms.pointing import PointingGrid, is_near
from photometry.algorithms.scene_design import Blur, sky_basis

REACH = prf_model.HALF + 1
"""Distance from the stamp up to which stars are followed by themselves, px; of others only wings are seen."""

COARSE = 0.2
"""Distance of the points about which variations of the neighbours are expanded, px."""


def near_stars(mean, stamp):
    """Stars of a scene whose cores may touch a stamp, (stars,) of bool."""
    grown = stamp.grown(*[REACH] * 4)
    return ((mean.row > grown.row_min - 0.5) & (mean.row < grown.row_max - 0.5)
            & (mean.column > grown.col_min - 0.5) & (mean.column < grown.col_max - 0.5))


def displaced(prf, row, column, offsets, stamp, derivatives):
    """Images of stars at some offsets from their places.

    Parameters
    ----------
    prf : photometry.algorithms.prf.PRF
    row, column : ndarray (stars,)
    offsets : ndarray (2, n)
        Rows and columns, px. Where they are small, stars keep the pixels of their cores.
    stamp : Stamp
    derivatives : {0, 1, 2}

    Returns
    -------
    ndarray (1, 3 or 6, stars, n, pixels)
    """
    rows, columns = row[:, None] + offsets[0], column[:, None] + offsets[1]
    near = is_near(*offsets)
    about = [np.where(near, axis[:, None], moved).ravel() for axis, moved in ((row, rows), (column, columns))]
    planes = prf.render(rows.ravel(), columns.ravel(), stamp, derivatives, about)
    return np.reshape(planes, (prf_model.PLANES[derivatives], row.size, offsets.shape[1],
                               stamp.height * stamp.width))


def light(mean, series, star, stamp, image, shift, good):
    """Light of all stars but one, and of the sky, in every frame.

    Parameters
    ----------
    mean : photometry.algorithms.scene_mean.MeanScene
    series : photometry.algorithms.scene_series.SceneSeries
    star : int
        Left out, with those that share its template.
    stamp : Stamp
    image : ndarray (rows, columns)
        Mean image of the stamp: what the scene explains of it and no star nearby does is the wings
        of others and the sky.
    shift : ndarray (2, times)
        Motion against the mean image, px.
    good : ndarray (times,) of bool
        Frames of which the mean image is made.

    Returns
    -------
    ndarray (rows, columns, times) of float32
    """
    layout = mean.layout
    near = np.flatnonzero(near_stars(mean, stamp))
    still = _still(mean, near, stamp, image, Blur.of(shift[:, good].T))
    made = (still[:, None] - _slopes(still, stamp) @ shift + _sky(series, stamp)).astype('float32')
    others = near[layout.template[near] != layout.template[star]]
    if others.size:
        made += _constant(mean, others, stamp, shift, good)
        made += _varying(mean, series, others, stamp, shift)
    return made.reshape(*stamp.shape, -1)


def _constant(mean, stars, stamp, shift, good):
    """Light of stars with the fluxes of the mean image, (pixels, times)."""
    grid, near = PointingGrid(*shift, good), is_near(*shift)
    weights = grid.weights(*shift[:, near]).astype('float32')
    made = np.empty((stamp.height * stamp.width, near.size), dtype='float32')
    made[:, near] = _summed(mean, stars, stamp, np.stack(grid.nodes)).T @ weights.T
    if not near.all():
        made[:, ~near] = _summed(mean, stars, stamp, shift[:, ~near]).T
    return made


def _summed(mean, stars, stamp, offsets):
    """Light of stars with the fluxes of the mean image at some offsets, (n, pixels)."""
    images = displaced(mean.prf, mean.row[stars], mean.column[stars], offsets, stamp, 0)[0]
    return np.tensordot(mean.flux[stars], images, 1).astype('float32')


def _varying(mean, series, stars, stamp, shift):
    """Light by which stars differ from that, to first order in the motion, (pixels, times)."""
    template = mean.layout.template[stars]
    change = np.nan_to_num(series.template_flux[template] - mean.template_flux[template, None])
    change = (change * mean.layout.share[stars, None]).astype('float32')
    points, member = psf_expansion.groups_of(shift, COARSE)
    images = displaced(mean.prf, mean.row[stars], mean.column[stars], points, stamp, 1).astype('float32')
    made = np.empty((images.shape[-1], shift.shape[1]), dtype='float32')
    for number, frames in enumerate(psf_expansion.frames_of(member, points.shape[1])):
        away = (shift[:, frames] - points[:, number, None]).astype('float32')
        part = images[0, :, number].T @ change[:, frames]
        for axis in (0, 1):
            part += images[axis + 1, :, number].T @ (away[axis] * change[:, frames])
        made[:, frames] = part
    return made


def _still(mean, near, stamp, image, blur):
    """What the scene explains of the mean image and stars nearby do not, (pixels,)."""
    part = stamp.slices(mean.stamp[::2])
    explained = np.asarray(image, dtype='f8') - mean.residual[part]
    explained = np.where(np.isfinite(explained), explained, 0.0).ravel()
    images = displaced(mean.prf, mean.row[near], mean.column[near], blur.offset.T, stamp, 2)
    return explained - blurred(np.tensordot(mean.flux[near], images, (0, 1)), blur)[0]


def blurred(planes, blur):
    """Images (6, pixels) averaged over a motion, of those (6, n, pixels) at its offsets."""
    made = np.tensordot(blur.weight, planes, (0, 1))
    made[0] += (blur.covariance * (0.5, 1.0, 0.5)) @ made[3:]
    return made


def _slopes(still, stamp):
    """Derivatives by row and column of what stars nearby do not shine, (pixels, 2): wings move, too."""
    if min(stamp.shape) < 2:
        return np.zeros((still.size, 2))
    return np.stack(np.gradient(still.reshape(stamp.shape)), axis=-1).reshape(-1, 2)


def _sky(series, stamp):
    """Change of the sky against the mean image, (pixels, times); beyond the fitted pixels as at their rim."""
    window = series.stamp
    rows = np.clip(np.arange(stamp.row_min, stamp.row_max) - window.row_min, 0, window.height - 1)
    columns = np.clip(np.arange(stamp.col_min, stamp.col_max) - window.col_min, 0, window.width - 1)
    basis = sky_basis(window.shape)[:, rows[:, None], columns]
    return basis.reshape(len(basis), -1).T @ np.nan_to_num(series.sky)
