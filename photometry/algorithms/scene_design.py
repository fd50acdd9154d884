"""Images of all stars of a region as the columns of a linear model, held in bands of rows."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

from photometry.algorithms import prf as prf_model

BAND = 4
"""Rows of a band: few, so that hardly a star of a band misses the others', many, for large products."""

SKY_TERMS = 6
"""Level, slopes and curvature of the sky over a region."""


class Layout(NamedTuple):
    """Which stars share a template, and in which order templates stand.

    Templates of bright stars, which shine on the whole region, come first; the
    others follow by row, so that those of a band lie together.
    """

    template: np.ndarray
    """(stars,) number of each star's template."""
    share: np.ndarray
    """(stars,) part of the template's light that is the star's."""
    wide: int
    """Templates that cover the whole region."""
    number: int

    def rows_of(self, values):
        """Sums of star values (..., stars) over templates, weighted with the shares."""
        made = np.zeros((*values.shape[:-1], self.number))
        np.add.at(made, (..., self.template), values * self.share)
        return made


class Band(NamedTuple):
    """Some rows of the region with the templates that shine there."""

    rows: slice
    members: np.ndarray
    """Numbers of the templates."""
    values: np.ndarray
    """(planes, members, pixels)."""


def make_layout(row, expected, groups, wide):
    """Order the templates of a region.

    Parameters
    ----------
    row, expected : ndarray (stars,)
        Positions and expected fluxes.
    groups : ndarray (stars,) of int
        Stars with the same number share a template.
    wide : ndarray (stars,) of bool
        Stars whose light covers the region.

    Returns
    -------
    Layout
    """
    distinct, inverse = np.unique(groups, return_inverse=True)
    number = distinct.size
    total = np.bincount(inverse, weights=expected, minlength=number)
    broad = np.bincount(inverse, weights=wide, minlength=number) > 0
    place = np.bincount(inverse, weights=row * expected, minlength=number) / total
    order = np.lexsort((place, ~broad))
    rank = np.empty(number, dtype=int)
    rank[order] = np.arange(number)
    return Layout(rank[inverse], expected / total[inverse], int(broad.sum()), number)


def sky_basis(shape):
    """Polynomials of second order over an image: (6, rows, columns).

    Constant, row, column, then row^2, row column, column^2, each within -1..1; along
    a side of a single pixel the slopes vanish.
    """
    rows, columns = (np.linspace(-1, 1, size) if size > 1 else np.zeros(1) for size in shape)
    rows, columns = rows[:, None] + np.zeros(shape), columns + np.zeros(shape)
    return np.stack([np.ones(shape), rows, columns, rows ** 2 - 1 / 3, rows * columns, columns ** 2 - 1 / 3])


def monomials(shift):
    """1, r, c, r^2/2, rc, c^2/2 of shifts (times, 2): (6, times)."""
    row, column = np.asarray(shift, dtype='float64').T
    return np.stack([np.ones_like(row), row, column, row ** 2 / 2, row * column, column ** 2 / 2])


def render_bands(prf, row, column, layout, stamp, derivatives=0):
    """Templates of all stars on a region, with derivatives by their positions.

    Compact stars are given the 13 x 13 px of their core; what they shine beyond is
    `far_light`. Wide ones are given the whole region.

    Parameters
    ----------
    prf : photometry.algorithms.prf.PRF
    row, column : ndarray (stars,)
    layout : Layout
    stamp : Stamp
    derivatives : {0, 1, 2}

    Returns
    -------
    list of Band
    """
    planes = prf_model.PLANES[derivatives]
    compact = layout.template >= layout.wide
    values, row0, column0 = prf.render_at(row[compact], column[compact], prf_model.HALF, derivatives)
    values = np.reshape(values, (planes, -1, prf_model.CORE, prf_model.CORE))
    bands, flat, where = _empty_bands(layout, stamp, planes, layout.template[compact], row0)
    _scatter(flat, where, values, layout.template[compact], layout.share[compact], row0 - stamp.row_min,
             column0 - stamp.col_min, stamp.shape)
    if layout.wide:
        broad = np.reshape(prf.render(row[~compact], column[~compact], stamp, derivatives),
                           (planes, -1, *stamp.shape))
        for star, template in enumerate(layout.template[~compact]):
            for band in bands:
                piece = broad[:, star, band.rows].reshape(planes, -1)
                band.values[:, template] += layout.share[~compact][star] * piece
    return bands


def _empty_bands(layout, stamp, planes, template, row0):
    """Bands full of zeros, the array behind them, and where compact templates lie in it.

    Returns
    -------
    bands : list of Band
    flat : ndarray (planes, size)
    where : ndarray (bands, 2) of int
        Place in ``flat`` of the band and the first compact template of the band.
    """
    height, width = stamp.shape
    starts = np.arange(0, height, BAND)
    ends = np.minimum(starts + BAND, height)
    first = row0 - stamp.row_min
    low, high = np.full(starts.size, layout.number), np.full(starts.size, layout.wide)
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        here = template[(first < end) & (first + prf_model.CORE > start)]
        if here.size:
            low[number], high[number] = here.min(), here.max() + 1
    low = np.minimum(low, high)
    sizes = (layout.wide + high - low) * (ends - starts) * width
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    flat = np.zeros((planes, offsets[-1]))
    bands = []
    for number, (start, end) in enumerate(zip(starts, ends, strict=True)):
        members = np.concatenate([np.arange(layout.wide), np.arange(low[number], high[number])])
        values = flat[:, offsets[number]:offsets[number + 1]].reshape(planes, members.size,
                                                                      (end - start) * width)
        bands.append(Band(slice(int(start), int(end)), members, values))
    return bands, flat, np.stack([offsets[:-1], low - layout.wide], axis=1)


def _scatter(flat, where, values, template, share, row0, column0, shape):
    """Add stamps (planes, n, 13, 13) of compact stars to the bands behind ``flat``."""
    height, width = shape
    step = np.arange(prf_model.CORE)
    rows, columns = row0[:, None] + step, column0[:, None] + step
    inside = (((rows >= 0) & (rows < height))[:, :, None]
              & ((columns >= 0) & (columns < width))[:, None, :])
    rows = np.clip(rows, 0, height - 1)
    band = rows // BAND
    tall = np.minimum(BAND, height - band * BAND)
    begin = where[band, 0] + (template[:, None] - where[band, 1]) * tall * width + (rows % BAND) * width
    index = begin[:, :, None] + columns[:, None, :]
    for some in _distinct(template):
        chosen = inside[some]
        part = values[:, some] * share[some][:, None, None]
        flat[:, index[some][chosen]] += part[:, chosen]


def _distinct(template):
    """Groups of stars within which no template appears twice."""
    rank = np.zeros(template.size, dtype=int)
    order = np.argsort(template, kind='stable')
    same = np.r_[False, np.diff(template[order]) == 0]
    for place in np.flatnonzero(same):
        rank[order[place]] = rank[order[place - 1]] + 1
    for number in range(rank.max(initial=0) + 1):
        yield np.flatnonzero(rank == number)


def combined(bands, coefficients, shape, plane=0):
    """Image (rows, columns) of templates times coefficients (templates,)."""
    image = np.empty(shape)
    for band in bands:
        image[band.rows] = (coefficients[band.members] @ band.values[plane]).reshape(-1, shape[1])
    return image


def far_light(prf, row, column, flux, stamp):
    """Light of stars beyond the 13 x 13 px around each: (rows, columns).

    Wings change slowly, so that each is expanded to second order about the
    star's nearest pixel; all are then laid on the region by one convolution.

    Parameters
    ----------
    prf : photometry.algorithms.prf.PRF
    row, column, flux : ndarray (stars,)
    stamp : Stamp
    """
    from scipy import fft
    if prf.wing is None or not len(flux):
        return np.zeros(stamp.shape)
    reach = int(np.ceil(prf.wing.radius))
    canvas = stamp.grown(reach, reach, reach, reach)
    pixel = [np.floor(axis + 0.5).astype(int) for axis in (row, column)]
    near = ((pixel[0] >= canvas.row_min) & (pixel[0] < canvas.row_max)
            & (pixel[1] >= canvas.col_min) & (pixel[1] < canvas.col_max))
    place = (pixel[0][near] - canvas.row_min) * canvas.width + pixel[1][near] - canvas.col_min
    shift = np.stack([row[near] - pixel[0][near], column[near] - pixel[1][near]], axis=1)
    size = [fft.next_fast_len(side, real=True) for side in canvas.shape]
    total = 0
    for kernel, weight in enumerate(monomials(shift) * flux[near]):
        points = np.bincount(place, weights=weight, minlength=canvas.height * canvas.width)
        total = total + (fft.rfft2(points.reshape(canvas.shape), size)
                         * _kernel_transform(prf.wing, tuple(size), kernel))
    image = fft.irfft2(total, size)
    return image[reach:reach + stamp.height, reach:reach + stamp.width]


@functools.lru_cache(maxsize=8)
def _wing_images(wing):
    """Wing of a star in the middle of a pixel with its derivatives: (6, side, side)."""
    reach = int(np.ceil(wing.radius))
    pixel = np.arange(-reach, reach + 1)[None]
    return wing.render(np.zeros(1), np.zeros(1), pixel, pixel, derivatives=2)[:, 0]


@functools.lru_cache(maxsize=64)
def _kernel_transform(wing, size, number):
    """Transform of such an image, its middle at the first place of the array."""
    from scipy import fft
    image = _wing_images(wing)[number]
    reach = image.shape[0] // 2
    rolled = np.zeros(size)
    # The canvas is wider than the region by the reach of a wing on each side: what is
    # wrapped around lands on it alone.
    span = [np.arange(-reach, reach + 1) % side for side in size]
    np.add.at(rolled, np.ix_(*span), image)
    return fft.rfft2(rolled)
