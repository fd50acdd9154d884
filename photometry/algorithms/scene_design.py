"""Images of all stars of a region as the columns of a linear model, held in bands of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photometry.algorithms import prf as prf_model

BANDS = {80: 8, np.inf: 4}
"""Rows of a band below some number of templates: few where there are many stars, so that hardly one misses
the pixels of the others, more where the number of bands is what costs."""

STEADY = 0.055
"""Motion along an axis up to which second derivatives tell what it does to the mean image, px rms."""

RESTLESS = 0.15
"""Motion up to which three offsets along an axis do, px rms."""

MOST_BLUR = 0.49
"""Shift along an axis from which frames are left out of the motion over the mean image, px."""

CURVED = 40
"""Least side of a region whose sky may be curved, px."""

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
    """Templates whose wings count over the whole region."""
    number: int

    @property
    def band(self):
        """Rows of a band."""
        return next(rows for number, rows in BANDS.items() if self.number < number)

    def sums(self, values):
        """Sums over the stars of each template, (templates,)."""
        return np.bincount(self.template, weights=values, minlength=self.number)

    def some(self, stars, row, wide):
        """Layout of some stars alone, all or none of a template, with their templates' old numbers.

        Parameters
        ----------
        stars : ndarray (stars,) of bool
        row : ndarray (stars,)
        wide : ndarray (templates,) of bool
        """
        kept = np.unique(self.template[stars])
        kept = kept[np.lexsort((self.sums(row * self.share)[kept], ~wide[kept]))]
        number = np.full(self.number, -1)
        number[kept] = np.arange(kept.size)
        return Layout(number[self.template[stars]], self.share[stars], int(wide[kept].sum()), kept.size), kept


class Band(NamedTuple):
    """Some rows of the region with the templates that shine there."""

    rows: slice
    wide: int
    """The first so many templates are members,"""
    low: int
    high: int
    """and those from ``low`` to ``high``."""
    values: np.ndarray
    """(planes, members, pixels) float32."""

    @property
    def members(self):
        """Numbers of the templates."""
        return np.concatenate([np.arange(self.wide), np.arange(self.low, self.high)])

    def add(self, total, part):
        """Add rows for members and the first terms of the sky to those of all unknowns, in place."""
        count, sky = self.wide + self.high - self.low, total[-SKY_TERMS:]
        total[:self.wide] += part[:self.wide]
        total[self.low:self.high] += part[self.wide:count]
        sky[:len(part) - count] += part[count:]


class Blur(NamedTuple):
    """A motion over which images are averaged: the mean of images at some offsets."""

    offset: np.ndarray
    """(n, 2) px, less than half a pixel."""
    weight: np.ndarray
    """(n,) their parts."""
    covariance: np.ndarray
    """(rr, rc, cc) of the motion about each of them, px^2, small enough for second derivatives."""

    @classmethod
    def of(cls, shift):
        """The motion of frames (times, 2); those far off are left out.

        Along a principal axis with more than `STEADY` px rms some offsets stand for the frames,
        those of a Gauss quadrature with the frames as the measure: three are exact for polynomials
        up to fifth order, five up to ninth (Golub & Welsch 1969, Math. Comp. 23, 221).
        """
        near = np.isfinite(shift).all(axis=1) & (np.abs(np.nan_to_num(shift)) < MOST_BLUR).all(axis=1)
        if not near.any():
            return cls(np.zeros((1, 2)), np.ones(1), np.zeros(3))
        middle = shift[near].mean(axis=0)
        shift = shift[near] - middle
        value, axes = np.linalg.eigh(shift.T @ shift / len(shift))
        rules = [_gauss(shift @ axis, 1 if spread <= STEADY ** 2 else 3 if spread <= RESTLESS ** 2 else 5)
                 for spread, axis in zip(value, axes.T, strict=True)]
        offset = rules[0][0][:, None, None] * axes[:, 0] + rules[1][0][:, None] * axes[:, 1] + middle
        weight = rules[0][1][:, None] * rules[1][1]
        steady = (axes * np.where(value > STEADY ** 2, 0.0, value)) @ axes.T
        return cls(np.clip(offset.reshape(-1, 2), -MOST_BLUR, MOST_BLUR), weight.ravel(),
                   steady[[0, 0, 1], [0, 1, 1]])


def _gauss(values, number):
    """Nodes and weights with the moments of some values up to twice their number, less one."""
    before, now = np.zeros_like(values), np.ones_like(values)
    diagonal, beside = [], []
    for _ in range(number):
        weight = now ** 2 / (now @ now)
        diagonal.append(weight @ values)
        later = (values - diagonal[-1]) * now - (beside[-1] ** 2 if beside else 0.0) * before
        beside.append(np.sqrt((later @ later) / (now @ now)))
        before, now = now, later
    matrix = np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1)
    nodes, vectors = np.linalg.eigh(matrix)
    return nodes, vectors[0] ** 2


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


def sky_spread(shape, spread):
    """Standard deviations of the prior of the terms of the sky, (6,): ``spread``, or 0 for those left out.

    On few pixels a star's own light would pass for a curvature of the sky.
    """
    curved = spread if min(shape) >= CURVED else 0.0
    return np.array([spread] * 3 + [curved] * 3)


def render_bands(prf, row, column, layout, stamp, derivatives=0, *, about=None, blur=None):
    """Templates of all stars on a region, with derivatives by their positions.

    They are the 13 x 13 px of the cores; see `wings` and `far_light` for the rest.

    Parameters
    ----------
    prf : photometry.algorithms.prf.PRF
    row, column : ndarray (stars,)
    layout : Layout
    stamp : Stamp
    derivatives : {0, 1, 2}
    about : pair of ndarray (stars,), optional
        As in `PRF.render`.
    blur : Blur, optional
        Motion over which the templates are averaged.

    Returns
    -------
    list of Band
    """
    planes = prf_model.PLANES[derivatives]
    values, row0, column0 = (_averaged(prf, row, column, derivatives, blur) if blur is not None
                             else prf.render_at(row, column, prf_model.HALF, derivatives, about))
    values = np.reshape(values, (planes, row.size, prf_model.CORE ** 2))
    row0, column0 = row0 - stamp.row_min, column0 - stamp.col_min
    bands, where, size = _extents(layout, stamp, row0)
    index = _index(where, layout, row0, column0, stamp.shape).reshape(row.size, prf_model.CORE ** 2)
    # What falls off the region is put behind the end.
    index[index < 0] = size
    flat = np.zeros((planes, size + 1), dtype='float32')
    alone = layout.share == 1
    alone, shared = (slice(None) if alone.all() else alone), np.flatnonzero(~alone)
    own = index[alone].ravel()
    for plane, value in zip(flat, values[:planes], strict=True):
        plane[own] = value[alone].ravel()
        for star in shared:
            plane[index[star]] += layout.share[star] * value[star]
    made = []
    for (start, end, low, high), offset in zip(bands, where[:, 0], strict=True):
        shape = layout.wide + high - low, (end - start) * stamp.width
        part = flat[:, offset:offset + shape[0] * shape[1]].reshape(planes, *shape)
        made.append(Band(slice(start, end), layout.wide, low, high, part))
    return made


def _averaged(prf, row, column, derivatives, blur):
    """Cores (planes, stars, 13, 13) averaged over a motion, with their first rows and columns."""
    total, covariance = None, blur.covariance if blur.covariance.any() else None
    for (down, right), weight in zip(blur.offset, blur.weight, strict=True):
        values, row0, column0 = prf.render_at(row + down, column + right, prf_model.HALF, derivatives,
                                              (row, column), covariance)
        part = np.multiply(values, weight)
        total = part if total is None else total + part
    return total, row0, column0


def _extents(layout, stamp, first):
    """Rows and templates of the bands, where they lie in an array of all, and its size.

    Parameters
    ----------
    first : ndarray (stars,) of int
        Rows of the region at which cores begin.

    Returns
    -------
    bands : list of (first row, end, first compact template, end)
    where : ndarray (bands, 2) of int
        Place of the band in the array; what to subtract from the numbers of compact templates.
    size : int
    """
    compact = layout.template >= layout.wide
    template, first = layout.template[compact], first[compact]
    bands, where, size = [], [], 0
    for start in range(0, stamp.height, layout.band):
        end = min(start + layout.band, stamp.height)
        here = template[(first < end) & (first + prf_model.CORE > start)]
        low, high = (int(here.min()), int(here.max()) + 1) if here.size else (layout.wide, layout.wide)
        bands.append((start, end, low, high))
        where.append((size, low - layout.wide))
        size += (layout.wide + high - low) * (end - start) * stamp.width
    return bands, np.array(where).reshape(-1, 2), size


def _index(where, layout, row0, column0, shape):
    """Places (stars, 13, 13) of the cores' pixels in the array of all bands, -1 off the region."""
    height, width = shape
    step = np.arange(prf_model.CORE)
    rows, columns = row0[:, None] + step, column0[:, None] + step
    inside = (((rows >= 0) & (rows < height))[:, :, None]
              & ((columns >= 0) & (columns < width))[:, None, :])
    band = np.clip(rows, 0, height - 1) // layout.band
    tall = np.minimum(layout.band, height - band * layout.band)
    number = layout.template[:, None] - np.where((layout.template < layout.wide)[:, None], 0, where[band, 1])
    begin = where[band, 0] + number * tall * width + (rows - band * layout.band) * width
    return np.where(inside, begin[:, :, None] + columns[:, None, :], -1)


def core_pixels(row0, column0, stamp):
    """Pixels of cores on a region, counted along its rows, and which of the cores' are there.

    Parameters
    ----------
    row0, column0 : ndarray (stars,) of int
        First rows and columns of the cores, on the CCD.
    stamp : Stamp

    Returns
    -------
    place : ndarray (n,) of int
    inside : ndarray (stars, 13, 13) of bool
    """
    step = np.arange(prf_model.CORE)
    rows, columns = row0[:, None] - stamp.row_min + step, column0[:, None] - stamp.col_min + step
    inside = (((rows >= 0) & (rows < stamp.height))[:, :, None]
              & ((columns >= 0) & (columns < stamp.width))[:, None, :])
    return (rows[:, :, None] * stamp.width + columns[:, None, :])[inside], inside


def wings(prf, row, column, layout, stamp):
    """What wide templates shine beyond their cores: (wide, rows, columns)."""
    made = np.zeros((layout.wide, *stamp.shape))
    if prf.wing is not None:
        rows, columns = np.arange(stamp.row_min, stamp.row_max), np.arange(stamp.col_min, stamp.col_max)
        for star in np.flatnonzero(layout.template < layout.wide):
            here = slice(star, star + 1)
            made[layout.template[star]] += layout.share[star] * prf.wing.render(
                row[here], column[here], rows[None], columns[None])[0, 0]
    return made


def add_wings(bands, wing):
    """Add wings (wide, rows, columns) to the values of the bands, which hold cores."""
    for band in bands if len(wing) else ():
        band.values[0, :len(wing)] += wing[:, band.rows].reshape(len(wing), -1)


def combined(bands, coefficients, shape, plane=0):
    """Image (rows, columns) of templates times coefficients (templates,)."""
    image = np.empty(shape)
    for band in bands:
        wide, compact = coefficients[:band.wide], coefficients[band.low:band.high]
        image[band.rows] = (np.concatenate([wide, compact]) @ band.values[plane]).reshape(-1, shape[1])
    return image
