"""What shines on a small stamp in every frame besides one star of a scene."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import prf as prf_model
from photometry.algorithms.pointing import FAR, PointingGrid, is_near
from photometry.algorithms.scene_design import sky_basis

REACH = prf_model.HALF + 1
"""Distance from the stamp up to which stars are followed by themselves, px; of others only wings are seen."""


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
    stars = np.flatnonzero(near_stars(mean, stamp))
    grid, near = PointingGrid(*shift, good), is_near(*shift)
    images = displaced(mean.prf, mean.row[stars], mean.column[stars], np.stack(grid.nodes), stamp, 0)[0]
    everything = np.tensordot(mean.flux[stars], images, 1)
    still = _explained(mean, stamp, image) - grid.mean @ everything
    made = (still[:, None] - _slopes(still, stamp) @ shift + _sky(series, stamp)).astype('float32')
    own = mean.layout.template[stars] == mean.layout.template[star]
    constant = everything - np.tensordot(mean.flux[stars[own]], images[own], 1)
    weights = grid.weights(*shift[:, near]).astype('float32')
    made[:, near] += constant.astype('float32').T @ weights.T
    if not near.all():
        made[:, ~near] += _far_off(mean, stars[~own], stamp, shift[:, ~near])
    made += _varying(mean, series, stars[~own], images[~own], grid, shift)
    return made.reshape(*stamp.shape, -1)


def _explained(mean, stamp, image):
    """What the scene explains of the mean image, (pixels,); 0 where that is not known."""
    explained = np.asarray(image, dtype='f8') - mean.residual[stamp.slices(mean.stamp[::2])]
    return np.where(np.isfinite(explained), explained, 0.0).ravel()


def _far_off(mean, stars, stamp, shift):
    """Light of stars with the fluxes of the mean image, (pixels, frames): each frame rendered by itself."""
    images = displaced(mean.prf, mean.row[stars], mean.column[stars], shift, stamp, 0)[0]
    return np.tensordot(mean.flux[stars], images, 1).T


def _varying(mean, series, stars, images, grid, shift):
    """Light by which stars differ from the mean image, to first order in the motion, (pixels, times).

    ``images`` (stars, nodes, pixels) are those at the nodes of the grid.
    """
    template = mean.layout.template[stars]
    change = np.nan_to_num(series.template_flux[template] - mean.template_flux[template, None])
    change = (change * mean.layout.share[stars, None]).astype('float32')
    still = grid.weights(np.zeros(1), np.zeros(1))
    planes = np.tensordot(np.concatenate([still, grid.slopes]), images, (1, 1)).astype('float32')
    near = np.clip(shift, -FAR, FAR).astype('float32')
    made = planes[0].T @ change
    for axis in (0, 1):
        made += planes[axis + 1].T @ (near[axis] * change)
    return made


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
