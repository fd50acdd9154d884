"""The image of a star at any place of a CCD, interpolated from PRF samples."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.algorithms import prf_samples

CORE = 13
"""Rows and columns of the support of the samples, px."""

HALF = CORE // 2
_TAPS = 4
_PAD = 7

_MOST_TAPS = 400
"""Cells and phases whose coefficients are kept, 87 kB each."""

PLANES = (1, 3, 6)
"""Images of a star with derivatives up to no, first, second order."""


@dataclass(frozen=True)
class Wing:
    """Starlight beyond the support of the samples, a power law of the distance.

    Parameters
    ----------
    fraction : float
        Part of a star's light that falls outside the 13 x 13 px of the core.
    exponent : float
        Flux a pixel falls as distance to the power of minus this.
    radius : float
        Distance in px where the wing ends.
    """

    fraction: float
    exponent: float
    radius: float = 60.0

    @cached_property
    def amplitude(self) -> float:
        """Fraction of the light in a pixel at a distance of 1 px, were the law to hold there."""
        angle = (np.arange(4096) + 0.5) * (2 * np.pi / 4096)
        edge = CORE / 2 / np.maximum(abs(np.cos(angle)), abs(np.sin(angle)))
        power = 2 - self.exponent
        if abs(power) < 1e-9:
            ring = np.log(self.radius / edge)
        else:
            ring = (self.radius ** power - edge ** power) / power
        return self.fraction / (2 * np.pi * ring.mean())

    def render(self, row, column, pixel_row, pixel_column, derivatives=0, about=None):
        """Fraction of the light in pixels around stars, the pixels of the core left zero.

        Parameters
        ----------
        row, column : array (n,)
            Positions of the stars.
        pixel_row, pixel_column : array (n, rows) and (n, columns)
            Pixels of a stamp for each star.
        derivatives : {0, 1, 2}
            Greatest order of the derivatives by the star's row and column.
        about : pair of arrays (n,), optional
            Positions whose nearest pixels are the middles of the cores; the stars' own by default.

        Returns
        -------
        array (1, 3 or 6, n, rows, columns)
            The value, then d/dr, d/dc, then d2/dr2, d2/drdc, d2/dc2.
        """
        down, right = pixel_row - row[:, None], pixel_column - column[:, None]
        square = down[:, :, None] ** 2 + right[:, None, :] ** 2
        middle = (row, column) if about is None else about
        inside = _in_core(middle[0], pixel_row)[:, :, None] & _in_core(middle[1], pixel_column)[:, None, :]
        outside = ~inside & (square <= self.radius ** 2)
        square = np.where(outside, square, 1.0)
        value = np.where(outside, self.amplitude * square ** (-self.exponent / 2), 0.0)
        if not derivatives:
            return value[None]
        slope = self.exponent * value / square
        down, right = down[:, :, None], right[:, None, :]
        planes = [value, slope * down, slope * right]
        if derivatives > 1:
            bend = (self.exponent + 2) * slope / square
            planes += [bend * down ** 2 - slope, bend * down * right, bend * right ** 2 - slope]
        return np.stack(planes)


class PRF:
    """Images of stars on one CCD.

    The samples are the response of a pixel, so that the image is the samples at
    the star's sub-pixel phase, one in nine; nothing is integrated again (TESS
    archive, PRF models). Between samples a cubic spline interpolates, between
    places on the CCD the nearest four are blended bilinearly; beyond the
    outermost places the position is clamped to them.

    Without a wing the 13 x 13 px of the core sum to 1 within 1e-3 at any phase;
    with one, core and wing together sum to 1, the core to 1 - fraction. A
    star's flux is therefore its total flux.

    Parameters
    ----------
    samples : object
        With ``samples`` (places, 117, 117), ``row`` and ``column`` (places,) that
        form a rectangular grid, ``oversample`` (as `photometry.files.prf.PRFSamples`).
    wing : Wing, optional
    """

    def __init__(self, samples, wing=None):
        values = prf_samples.filled(np.array(samples.samples, dtype='float64'))
        self.oversample = int(samples.oversample)
        row, column = (np.asarray(axis, dtype='float64') for axis in (samples.row, samples.column))
        self.grid_row, self.grid_column = np.unique(row), np.unique(column)
        shape = self.grid_row.size, self.grid_column.size
        order = np.lexsort((column, row))
        expected = np.repeat(self.grid_row, shape[1]), np.tile(self.grid_column, shape[0])
        if (row.size != shape[0] * shape[1] or min(shape) < 2
                or values.shape != (row.size,) + (CORE * self.oversample,) * 2
                or not (np.array_equal(row[order], expected[0])
                        and np.array_equal(column[order], expected[1]))):
            raise ValueError('PRF samples must stand on a rectangular grid of places, 13 px wide.')
        total = values.sum(axis=(1, 2), keepdims=True) / self.oversample ** 2
        self._values = (values / total)[order].reshape(*shape, *values.shape[1:])
        self.wing = wing

    def with_wing(self, wing):
        """The same PRF with another `Wing`, or with none."""
        made = copy.copy(self)
        made.wing = wing
        return made

    def averaged(self, shift, weight):
        """What a weighted sum of frames shows in which the stars stand elsewhere.

        Parameters
        ----------
        shift : array (T, 2)
            Rows and columns by which the stars are away from where they are said to be, px.
        weight : array (T,)

        Returns
        -------
        PRF
            Without a wing; with the light that the weights leave it.
        """
        rows, columns = np.asarray(shift).T

        def transfer(row, column):
            return (np.exp(-1j * row * rows) * weight) @ np.exp(-1j * np.outer(column, columns)).T
        made = copy.copy(self)
        for kept in ('_coefficients', '_known_taps'):
            made.__dict__.pop(kept, None)
        made._values, made.wing = prf_samples.filtered(self._values, self.oversample, transfer), None
        return made

    @cached_property
    def _coefficients(self):
        """Coefficients of the cubic B-spline through the samples, padded for the taps."""
        from scipy.ndimage import spline_filter1d
        filtered = self._values
        for axis in (2, 3):
            filtered = spline_filter1d(filtered, order=3, axis=axis, mode='mirror')
        pad = (_PAD, _PAD + self.oversample)
        return np.pad(filtered, ((0, 0), (0, 0), pad, pad), mode='reflect')

    def render(self, row, column, stamp, derivatives=0, about=None):
        """Fraction of each star's light in each pixel of one stamp.

        Parameters
        ----------
        row, column : array (n,)
            Zero-based positions on the CCD.
        stamp : photometry.core.stamp.Stamp
        derivatives : {0, 1, 2}
            Greatest order of the derivatives by the star's row and column. They leave
            out the slow change of the PRF over the CCD (some 1e-4 a pixel).
        about : pair of arrays (n,), optional
            Positions, less than 0.5 px away on each axis, whose nearest pixels are the
            middles of the cores: stars that move keep their pixels. Their own by default.

        Returns
        -------
        array (n, height, width), or a tuple of them
            With derivatives value, d/dr, d/dc and, for 2, d2/dr2, d2/drdc, d2/dc2.
        """
        row, column = _positions(row, column)
        about = (row, column) if about is None else _positions(*about)
        core, row0, column0 = self._core(row, column, derivatives, about)
        image = np.zeros((core.shape[0], row.size, *stamp.shape))
        rows = row0[:, None] - stamp.row_min + np.arange(CORE)
        columns = column0[:, None] - stamp.col_min + np.arange(CORE)
        on_stamp = (((rows >= 0) & (rows < stamp.height))[:, :, None]
                    & ((columns >= 0) & (columns < stamp.width))[:, None, :])
        star, k, m = np.nonzero(on_stamp)
        image[:, star, rows[star, k], columns[star, m]] = core[:, star, k, m]
        if self.wing is not None:
            image += self._wing(row, column, np.full(row.size, stamp.row_min),
                                np.full(row.size, stamp.col_min), stamp.shape, derivatives, about)
        return tuple(image) if derivatives else image[0]

    def render_at(self, row, column, half, derivatives=0, about=None, blur=None, dtype='float64'):
        """Fraction of each star's light in a small stamp of its own.

        Parameters
        ----------
        row, column : array (n,)
            Zero-based positions on the CCD.
        half : int
            The stamps measure ``2 * half + 1`` px around the pixel nearest to the star.
        derivatives, about
            As in `render`.
        blur : tuple of float, optional
            Covariance (rr, rc, cc) of a motion over which the core is averaged, px^2; the
            derivatives are left as they are.
        dtype : {'float64', 'float32'}
            In which cores are rendered; single precision takes half the time.

        Returns
        -------
        values : array (n, 2 half + 1, 2 half + 1), or a tuple of three or six with derivatives
        row0, column0 : integer arrays (n,)
            First row and column of the stamps.
        """
        row, column = _positions(row, column)
        about = (row, column) if about is None else _positions(*about)
        core, row0, column0 = self._core(row, column, derivatives, about, blur, dtype)
        side, shift = 2 * half + 1, HALF - half
        row0, column0 = row0 + shift, column0 + shift
        if shift >= 0:
            image = core[:, :, shift:shift + side, shift:shift + side]
        else:
            image = np.pad(core, ((0, 0), (0, 0), (-shift, -shift), (-shift, -shift)))
            if self.wing is not None:
                image += self._wing(row, column, row0, column0, (side, side), derivatives, about)
        return (tuple(image) if derivatives else image[0]), row0, column0

    def _wing(self, row, column, row0, column0, shape, derivatives, about):
        return self.wing.render(row, column, row0[:, None] + np.arange(shape[0]),
                                column0[:, None] + np.arange(shape[1]), derivatives, about)

    def _core(self, row, column, derivatives, about, blur=None, dtype='float64'):
        """Images (1, 3 or 6, n, 13, 13) with their first rows and columns."""
        planes = PLANES[derivatives]
        image = np.empty((planes, row.size, CORE * CORE), dtype=dtype)
        first = [_nearest(axis) - HALF for axis in about]
        # Sample that meets the first pixel of the stamp; the centre is sample 58.
        centre = (CORE * self.oversample - 1) / 2
        meets = [centre + self.oversample * (start - axis)
                 for start, axis in zip(first, (row, column), strict=True)]
        tap = [np.floor(sample).astype(int) for sample in meets]
        phase = [sample - number for sample, number in zip(meets, tap, strict=True)]
        cells = self._cell(row, self.grid_row)[0], self._cell(column, self.grid_column)[0]
        if any(place.size and (place.min() < 1 - _PAD or place.max() > _PAD + 15) for place in tap):
            raise ValueError('Stars may be half a pixel away at most from the positions `about`.')
        order, groups = _groups(*cells, *tap)
        weights = self._weights(row, column, phase, derivatives, blur)[order].astype(dtype)
        sorted_image = np.empty((row.size, planes, CORE * CORE), dtype=dtype)
        for start, end, key in groups:
            np.matmul(weights[start:end].reshape(-1, weights.shape[-1]), self._taps(dtype, *key),
                      out=sorted_image[start:end].reshape(-1, CORE * CORE))
        image[:, order] = sorted_image.transpose(1, 0, 2)
        return image.reshape(planes, row.size, CORE, CORE), *first

    @cached_property
    def _known_taps(self):
        return {}

    def _taps(self, dtype, *key):
        """Spline coefficients (4 places x 4 x 4 taps, 13 x 13 px) for a cell of places and a phase."""
        known = self._known_taps.setdefault(dtype, {})
        if key not in known:
            if len(known) >= _MOST_TAPS:
                known.clear()
            known[key] = self._cut_taps(*key).astype(dtype)
        return known[key]

    def _cut_taps(self, cell_row, cell_column, i, j):
        step = self.oversample
        block = self._coefficients[cell_row:cell_row + 2, cell_column:cell_column + 2,
                                   i - 1 + _PAD:, j - 1 + _PAD:]
        place_row, place_column, down, right = block.strides
        view = np.lib.stride_tricks.as_strided(
            block, (2, 2, _TAPS, _TAPS, CORE, CORE),
            (place_row, place_column, down, right, step * down, step * right), writeable=False)
        return view.reshape(-1, CORE * CORE)

    def _weights(self, row, column, phase, derivatives, blur):
        """Weights (n, planes, 64) of the taps: blend of places times spline."""
        part_row = self._cell(row, self.grid_row)[1]
        part_column = self._cell(column, self.grid_column)[1]
        blend = (np.stack([1 - part_row, part_row], axis=1)[:, :, None]
                 * np.stack([1 - part_column, part_column], axis=1)[:, None, :])
        if self.wing is not None:
            blend *= 1 - self.wing.fraction
        down, right = (_spline(part) for part in phase)
        pairs = [(down, right)]
        if derivatives or blur is not None:
            # The sample index falls by `oversample` when the star moves up by a pixel.
            slope_down, slope_right = (-self.oversample * _spline_slope(part) for part in phase)
            pairs += [(slope_down, right), (down, slope_right)]
        if derivatives > 1 or blur is not None:
            bend_down, bend_right = (self.oversample ** 2 * _spline_bend(part) for part in phase)
            pairs += [(bend_down, right), (slope_down, slope_right), (down, bend_right)]
        spline = np.stack([a[:, :, None] * b[:, None, :] for a, b in pairs], axis=1)
        if blur is not None:
            spline[:, 0] += np.einsum('k,nkab->nab', np.asarray(blur) * (0.5, 1.0, 0.5), spline[:, 3:])
            spline = spline[:, :PLANES[derivatives]]
        made = blend[:, None, :, :, None, None] * spline[:, :, None, None]
        return made.reshape(*spline.shape[:2], 4 * _TAPS ** 2)

    @staticmethod
    def _cell(position, grid):
        """Index of the place before each position and the way to the next one, 0 to 1."""
        clamped = np.clip(position, grid[0], grid[-1])
        index = np.clip(np.searchsorted(grid, clamped, side='right') - 1, 0, grid.size - 2)
        return index, (clamped - grid[index]) / (grid[index + 1] - grid[index])


def _positions(row, column):
    row, column = np.broadcast_arrays(np.atleast_1d(np.asarray(row, dtype='float64')),
                                      np.atleast_1d(np.asarray(column, dtype='float64')))
    if not (np.isfinite(row).all() and np.isfinite(column).all()):
        raise ValueError('Positions of stars must be finite.')
    return row, column


def _nearest(position):
    """Pixel nearest to a position; a star between two pixels belongs to the upper one."""
    return np.floor(position + 0.5).astype(int)


def _in_core(position, pixel):
    """Whether pixels (n, m) lie in the core of stars (n,) along one axis."""
    return abs(pixel - _nearest(position)[:, None]) <= HALF


def _groups(*keys):
    """An order in which members that share all keys lie together, and (start, end, keys) of each group."""
    keys = np.stack(keys)
    if not keys.size:
        return np.zeros(0, dtype=int), []
    first = keys.min(axis=1)
    # Few cells and few phases: numbers of two bytes, which are sorted in no time.
    number = np.ravel_multi_index(keys - first[:, None], keys.max(axis=1) - first + 1).astype('uint16')
    order = np.argsort(number, kind='stable')
    starts = np.flatnonzero(np.diff(number[order], prepend=-1))
    ends = np.append(starts[1:], order.size)
    return order, list(zip(starts, ends, keys[:, order[starts]].T.tolist(), strict=True))


def _spline(part):
    """Cubic B-spline at the four nearest knots, (n, 4)."""
    rest = 1 - part
    return np.stack([rest ** 3, 4 - 3 * part ** 2 * (1 + rest),
                     4 - 3 * rest ** 2 * (1 + part), part ** 3], axis=1) / 6


def _spline_slope(part):
    """Its derivative by ``part``, (n, 4)."""
    rest = 1 - part
    return np.stack([-rest ** 2, part * (3 * part - 4), -rest * (3 * rest - 4), part ** 2], axis=1) / 2


def _spline_bend(part):
    """Its second derivative by ``part``, (n, 4)."""
    rest = 1 - part
    return np.stack([rest, 3 * part - 2, 3 * rest - 2, part], axis=1)
