"""What shines on a small stamp in every frame besides one star of a scene."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import prf as prf_model
from photometry.algorithms import psf_expansion, psf_fit
from photometry.algorithms.scene_design import sky_basis

REACH = prf_model.HALF + 1
"""Distance from the stamp up to which stars are followed by themselves, px; of others only wings are seen."""


def near_stars(mean, stamp):
    """Stars of a scene whose cores may touch a stamp, (stars,) of bool."""
    grown = stamp.grown(*[REACH] * 4)
    return ((mean.row > grown.row_min - 0.5) & (mean.row < grown.row_max - 0.5)
            & (mean.column > grown.col_min - 0.5) & (mean.column < grown.col_max - 0.5))


def light(mean, series, star, stamp, image, shift, blur, weights):
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
    blur : ndarray (3,)
        Covariance of the motion in the frames of the mean image, (rr, rc, cc), px^2.
    weights : ndarray (pixels,)
        Inverse variances of the pixels in a frame.

    Returns
    -------
    ndarray (rows, columns, times) of float32
    """
    layout = mean.layout
    near = np.flatnonzero(near_stars(mean, stamp))
    images = _images(mean, near, np.zeros(2), stamp)
    still = _still(mean, near, images, stamp, image, blur)
    other = layout.template[near] != layout.template[star]
    others = near[other]
    made = (still[:, None] - _slopes(still, stamp) @ shift + _sky(series, stamp)).astype('float32')
    if others.size:
        change = series.template_flux - mean.template_flux[:, None]
        change = np.nan_to_num(change[layout.template[others]]) * layout.share[others, None]
        cell = min(psf_expansion.cell_for(mean.flux[number], images[:, place], weights)
                   for place, number in zip(np.flatnonzero(other), others, strict=True))
        points, member = psf_expansion.groups_of(shift, cell)
        for point, frames in zip(points.T, psf_expansion.frames_of(member, points.shape[1]), strict=True):
            planes = _images(mean, others, point, stamp)
            phi = psf_fit.terms(shift[:, frames] - point[:, None]).astype('float32')
            part = np.tensordot(mean.flux[others], planes, (0, 1)).astype('float32').T @ phi
            for plane in range(3):
                part += planes[plane].astype('float32').T @ (phi[plane] * change[:, frames].astype('float32'))
            made[:, frames] += part
    return made.reshape(*stamp.shape, -1)


def _images(mean, stars, point, stamp):
    """Images of stars with their derivatives, (6, stars, pixels)."""
    planes = mean.prf.render(mean.row[stars] + point[0], mean.column[stars] + point[1], stamp, 2)
    return np.reshape(planes, (6, stars.size, stamp.height * stamp.width))


def _still(mean, near, images, stamp, image, blur):
    """What the scene explains of the mean image and stars nearby do not, (pixels,)."""
    part = stamp.slices(mean.stamp[::2])
    explained = np.asarray(image, dtype='f8') - mean.residual[part]
    explained = np.where(np.isfinite(explained), explained, 0.0).ravel()
    planes = np.tensordot(mean.flux[near], images, (0, 1))
    return explained - planes[0] - (np.asarray(blur) * (0.5, 1.0, 0.5)) @ planes[3:]


def _slopes(still, stamp):
    """Derivatives by row and column of what stars nearby do not shine, (pixels, 2): wings move, too."""
    if min(stamp.shape) < 2:
        return np.zeros((still.size, 2))
    return np.stack(np.gradient(still.reshape(stamp.shape)), axis=-1).reshape(-1, 2)


def _sky(series, stamp):
    """Change of the sky against the mean image, (pixels, times)."""
    basis = sky_basis(series.stamp.shape)[:, *stamp.slices(series.stamp[::2])]
    return basis.reshape(len(basis), -1).T @ np.nan_to_num(series.sky)
