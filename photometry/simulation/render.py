"""Stars as pixels: the official pixel responses, sampled at each star's own phase.

Nothing is shared with the photometry's model of a star's image, so that a
flipped axis or a wrong phase in either cannot cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import ndimage

from photometry.simulation.shape import Shape

OVERSAMPLE = 9
NEAR = 9
"""Half width in px of the stamp that holds a star's core and near wing."""
FAR = 60
"""Radius in px where the wing ends."""
_GRID = 91
"""Half width in samples of the table behind the stamps: NEAR px, a phase, the spline's reach."""
_BASES = 13
"""Ten sample offsets that a phase can fall on, three more for the spline's other taps."""


@dataclass(frozen=True)
class WingShape:
    """Power-law light around the official response: ``fraction`` of a star beyond 13 x 13 px."""

    fraction: float = 0.03
    exponent: float = 3.0


def smoothstep(value, start, end):
    """1 up to ``start``, 0 from ``end``, with two continuous derivatives between them."""
    part = np.clip((value - start) / (end - start), 0, 1)
    return 1 - part ** 3 * (10 - 15 * part + 6 * part ** 2)


def _core_window(distance):
    """The official samples end at 6.44 px; their last pixel fades into the wing.

    The fading is a whole pixel wide and twelve from that on the other side, so that all pixels
    together hold the same part of the core at every phase.
    """
    return smoothstep(np.abs(distance), 5.5, 6.5)


def _near_window(distance):
    """What is rendered with its exact phase; beyond lies the far wing."""
    return smoothstep(np.abs(distance), 6.5, 9.0)


def wing_profile(row, column, exponent):
    """Wing without normalisation at offsets in px, zero in the core and beyond FAR."""
    distance = np.hypot(row, column)
    law = np.maximum(distance, 1.0) ** -exponent * smoothstep(distance, FAR - 5, FAR)
    return law * (1 - _core_window(row) * _core_window(column))


def far_profile(row, column, exponent):
    """The part of the wing that changes slowly enough for an expansion in the motion."""
    return wing_profile(row, column, exponent) * (1 - _near_window(row) * _near_window(column))


class Renderer:
    """Images of stars anywhere on one CCD.

    Parameters
    ----------
    samples : array, shape (25, 117, 117)
        Official pixel responses at 9 samples a pixel; axis 1 is row, axis 2 column,
        the star at index 58; each sums to 81.
    row, column : arrays, shape (25,)
        Where on the CCD they hold, zero-based.
    wing : WingShape
    shape : photometry.simulation.shape.Shape
        How the true response differs from the samples.
    """

    def __init__(self, samples, row, column, wing=None, shape=None):
        self.wing = wing or WingShape()
        self.shape = shape or Shape()
        order = np.lexsort((column, row))
        self.rows = np.unique(np.asarray(row, dtype='float64'))
        self.columns = np.unique(np.asarray(column, dtype='float64'))
        if len(order) != len(self.rows) * len(self.columns):
            raise ValueError('the places of the pixel responses do not form a grid')
        self._samples = np.asarray(samples, dtype='float64')[order]
        self._tabulate()

    def _tabulate(self):
        offset = np.arange(-_GRID, _GRID + 1) / OVERSAMPLE
        window = _core_window(offset)
        edge = _near_window(offset)
        wing = (wing_profile(offset[:, None], offset, self.wing.exponent)
                * edge[:, None] * edge)
        far = self.kernels[0].sum()
        wing_sums = _phase_sums(wing)
        table, amplitude = [], []
        for sample in self._samples:
            core = (1 - self.wing.fraction) * self._on_table(sample) * np.outer(window, window)
            # What the window takes from the core goes to the wing: a star's light stays 1,
            # at every phase, as in the official samples.
            missing = 1 - _phase_sums(core)
            amplitude.append(missing.mean() / (wing_sums.mean() + far))
            near = (missing - amplitude[-1] * far) / wing_sums
            table.append(_phases(core + _repeated(near, wing.shape) * wing))
        self._table = np.array(table, dtype='float32')
        self._amplitude = np.array(amplitude)

    def _on_table(self, sample):
        """A response on the grid of the table; what lies beyond the official samples the window hides."""
        if self.shape.official:
            return np.pad(sample, _GRID - len(sample) // 2)
        return self.shape.applied(sample, _GRID, OVERSAMPLE)

    def places(self, row, column):
        """The four nearest places and their bilinear weights: (n, 4) integers, (n, 4) floats."""
        low_row, part_row = _bracket(self.rows, row)
        low_column, part_column = _bracket(self.columns, column)
        width = len(self.columns)
        place = low_row * width + low_column
        weights = np.stack([(1 - part_row) * (1 - part_column), (1 - part_row) * part_column,
                            part_row * (1 - part_column), part_row * part_column], axis=-1)
        return place[:, None] + np.array([0, 1, width, width + 1]), weights

    def wing_amplitude(self, row, column):
        """Factor of `far_profile` for stars at given places, shape (n,)."""
        place, weight = self.places(row, column)
        return (self._amplitude[place] * weight).sum(axis=1)

    def taps(self, place, weight, base):
        """Spline coefficients under every pixel: (n, 16, pixels) for sample offsets (n, 2)."""
        step = np.arange(4)
        found = np.zeros((len(base), 4, 4, self._table.shape[-1]), dtype='float32')
        rows = base[:, 0, None, None] + step[:, None]
        columns = base[:, 1, None, None] + step
        for corner in range(4):
            found += (weight[:, corner, None, None, None].astype('float32')
                      * self._table[place[:, corner, None, None], rows, columns])
        return found.reshape(len(base), 16, -1)

    def stamps(self, row, column):
        """Light of stars in the pixels around them.

        Parameters
        ----------
        row, column : arrays, shape (n,)
            Zero-based positions on the CCD.

        Returns
        -------
        values : array (n, 19, 19) of float32
            Fraction of the light in each pixel, without the far wing.
        row0, column0 : arrays (n,) of int
            First row and column of each stamp.
        """
        position = np.stack(np.broadcast_arrays(np.atleast_1d(row), np.atleast_1d(column)), axis=-1)
        pixel, base, weights = phase(position)
        place, blend = self.places(position[:, 0], position[:, 1])
        values = np.matmul(weights[:, None], self.taps(place, blend, base))
        side = 2 * NEAR + 1
        return values.reshape(-1, side, side), pixel[:, 0] - NEAR, pixel[:, 1] - NEAR

    @cached_property
    def kernels(self):
        """Far wing and its derivatives up to second order by the star's row and column: (6, 121, 121)."""
        offset = np.arange(-FAR, FAR + 1.)
        step = 0.05

        def shifted(down, right):
            return far_profile(offset[:, None] - down * step, offset - right * step, self.wing.exponent)

        centre, up, down, right, left = (shifted(*way) for way in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)))
        mixed = shifted(1, 1) - shifted(1, -1) - shifted(-1, 1) + shifted(-1, -1)
        return np.stack([centre, (up - down) / (2 * step), (right - left) / (2 * step),
                         (up - 2 * centre + down) / (2 * step ** 2), mixed / (4 * step ** 2),
                         (right - 2 * centre + left) / (2 * step ** 2)])


def _phases(image):
    """Spline coefficients of an oversampled image, sorted by phase: (13, 13, 361)."""
    coefficients = ndimage.spline_filter(image, order=3, mode='constant')
    pixel = OVERSAMPLE * np.arange(-NEAR, NEAR + 1) + _GRID
    index = (np.arange(_BASES) - 6)[:, None] + pixel
    found = coefficients[index[:, :, None, None], index[None, None]]
    return found.transpose(0, 2, 1, 3).reshape(_BASES, _BASES, -1)


def _phase_sums(image):
    """Sum of an oversampled image over the pixels, for each of the 9 x 9 phases."""
    size = -(-len(image) // OVERSAMPLE)
    padded = np.zeros((size * OVERSAMPLE,) * 2)
    padded[:len(image), :len(image)] = image
    return padded.reshape(size, OVERSAMPLE, size, OVERSAMPLE).sum(axis=(0, 2))


def _repeated(phases, shape):
    """One number a phase as an oversampled image."""
    repeats = -(-shape[0] // OVERSAMPLE)
    return np.tile(phases, (repeats, repeats))[:shape[0], :shape[1]]


def _bracket(grid, value):
    """Index of the lower grid line and the part of the way to the next, clipped to the grid."""
    low = np.clip(np.searchsorted(grid, value, side='right') - 1, 0, len(grid) - 2)
    return low, np.clip((value - grid[low]) / (grid[low + 1] - grid[low]), 0, 1)


def phase(position):
    """Nearest pixel, sample offset and spline weights of positions.

    Parameters
    ----------
    position : array, shape (n, 2)
        Row and column.

    Returns
    -------
    pixel : (n, 2) int
    base : (n, 2) int, 0..9
        First of the four samples under the star's own pixel.
    weights : (n, 16) float32
        Of the 4 x 4 cubic B-spline coefficients.
    """
    pixel = np.rint(position).astype('int64')
    sample = OVERSAMPLE * (pixel - position)
    low = np.floor(sample)
    part = sample - low
    rest = 1 - part
    basis = np.stack([rest ** 3, 3 * part ** 3 - 6 * part ** 2 + 4,
                      3 * rest ** 3 - 6 * rest ** 2 + 4, part ** 3], axis=-1) / 6
    weights = basis[:, 0, :, None] * basis[:, 1, None, :]
    return pixel, low.astype('int64') + 5, weights.reshape(len(position), 16).astype('float32')
