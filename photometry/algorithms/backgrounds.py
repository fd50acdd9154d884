"""The sky of a frame: a mesh, a glow towards the camera's corner and straps, as one vector of numbers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.algorithms import boxes, splines
from photometry.algorithms.box_pixels import BoxPixels
from photometry.core.stamp import Stamp

THIN = (4, 2, 1)
"""Every how many-th pixel of a box of 64 px is looked at, along both axes: few, more, all."""

GLOW_RADIUS = 2400.0
"""Distance from the camera centre beyond which the corner glow begins, px."""

GLOW_STEP = 75.0
"""Distance between the nodes of the corner glow, px."""


@dataclass(frozen=True)
class BackgroundLayout:
    """What the numbers of a frame's background stand for.

    It is given by five plain values, so that a file can keep it.

    Parameters
    ----------
    limits : Stamp
        The pixels that the background covers.
    mesh : int
        Wanted size of a box, px; small fields get smaller ones.
    camera_centre : (row, column) or None
        Zero-based place of the camera's axis on this CCD, generally outside
        the pixels; from the WCS. Without it there is no corner glow.
    strap_columns : tuple of int
        Zero-based CCD columns with a response of their own to the background.
    """

    limits: Stamp
    mesh: int = 64
    camera_centre: tuple[float, float] | None = None
    strap_columns: tuple[int, ...] = ()

    @property
    def box(self) -> int:
        """Size of a box: the mesh, or an eighth of a smaller field, but not below 32 px."""
        return min(self.mesh, max(32, min(self.limits.shape) // 8))

    @cached_property
    def rows(self) -> splines.SplineAxis:
        """Mesh along the rows."""
        return splines.SplineAxis(self.limits.row_min, self.limits.height, self.box)

    @cached_property
    def columns(self) -> splines.SplineAxis:
        """Mesh along the columns."""
        return splines.SplineAxis(self.limits.col_min, self.limits.width, self.box)

    @property
    def mesh_size(self) -> int:
        """Number of mesh coefficients."""
        return self.rows.count * self.columns.count

    @cached_property
    def glow_size(self) -> int:
        """Number of coefficients of the corner glow."""
        if self.camera_centre is None:
            return 0
        row, column = self.camera_centre
        stamp = self.limits
        farthest = np.hypot(max(abs(stamp.row_min - row), abs(stamp.row_max - 1 - row)),
                            max(abs(stamp.col_min - column), abs(stamp.col_max - 1 - column)))
        steps = (farthest - GLOW_RADIUS) / GLOW_STEP
        return int(steps) + 1 if steps > 1 else 0

    @property
    def mesh_slice(self) -> slice:
        """Place of the mesh in the vector, rows first."""
        return slice(0, self.mesh_size)

    @property
    def glow_slice(self) -> slice:
        """Place of the corner glow in the vector."""
        return slice(self.mesh_size, self.mesh_size + self.glow_size)

    @property
    def strap_slice(self) -> slice:
        """Place of the straps in the vector."""
        return slice(self.mesh_size + self.glow_size, self.size)

    @property
    def size(self) -> int:
        """Length of the vector of a frame."""
        return self.mesh_size + self.glow_size + len(self.strap_columns)

    @cached_property
    def whole_glow(self):
        """Pixels of the limits that the corner glow reaches, with their taps; dear to find."""
        return _glow_taps(self, self.limits)

    @cached_property
    def glow_means(self):
        """Mean over every box of each function of the glow (glow_size, rows, columns)."""
        counts = np.add.outer(np.zeros(self.rows.length), np.ones(self.columns.length))
        edges = [np.arange(axis.count) * axis.size for axis in (self.rows, self.columns)]

        def sums(image):
            return np.add.reduceat(np.add.reduceat(image, edges[0], axis=0), edges[1], axis=1)
        made, number = [], sums(counts)
        for unit in np.eye(self.glow_size, dtype='f4'):
            image = np.zeros(self.limits.shape, dtype='f4')
            add_glow(self, unit, self.limits, image)
            made.append(sums(image.astype('f8')) / number)
        return np.array(made)

    def pixels(self, usable):
        """Pixels that may serve for the sky, (height, width), as `fit_frame` takes them: few, more, all."""
        steps = [step if self.box >= 64 else min(step, 2) for step in THIN]
        return [BoxPixels(usable, self.rows, self.columns, step) for step in steps]

    @cached_property
    def gaps(self) -> boxes.Gaps:
        """What fills boxes without a value."""
        return boxes.Gaps((self.rows.count, self.columns.count))

    @cached_property
    def strap_index(self) -> np.ndarray:
        """Strap columns counted from the first column of the limits."""
        return np.asarray(self.strap_columns, dtype=int) - self.limits.col_min


def evaluate(layout, parameters, stamp=None):
    """Background on the pixels of a stamp.

    A pixel gets the same float32 bits whatever stamp and whichever frames are
    asked for together: the weights are local and the order of the operations
    is fixed.

    Parameters
    ----------
    layout : BackgroundLayout
    parameters : array (layout.size,) or (times, layout.size)
    stamp : Stamp, optional
        Part of the layout's limits; all of them by default.

    Returns
    -------
    float32 array (height, width) or (height, width, times), e-/s
    """
    stamp = layout.limits if stamp is None else stamp
    values = np.moveaxis(np.asarray(parameters, dtype='f4'), -1, 0)
    sky = _mesh(layout, values[layout.mesh_slice], stamp)
    if layout.glow_size:
        add_glow(layout, values[layout.glow_slice], stamp, sky)
    inside = np.flatnonzero((layout.strap_index >= stamp.col_min - layout.limits.col_min)
                            & (layout.strap_index < stamp.col_max - layout.limits.col_min))
    if len(inside):
        response = np.float32(1) + values[layout.strap_slice][inside]
        sky[:, layout.strap_index[inside] + layout.limits.col_min - stamp.col_min] *= response
    return sky


def evaluate_sum(layout, parameters, weights, stamp):
    """Weighted sum of the background over the pixels of a stamp, without making them.

    The background is linear in the numbers of mesh and glow, of which a few reach the stamp;
    in the columns of straps it is that times a response.

    Parameters
    ----------
    layout : BackgroundLayout
    parameters : array (times, layout.size)
    weights : array (height, width)
    stamp : Stamp
        Part of the layout's limits.

    Returns
    -------
    float64 array (times,), e-/s
    """
    total = _smooth_sum(layout, parameters, weights, stamp)
    first = stamp.col_min - layout.limits.col_min
    for place in np.flatnonzero((layout.strap_index >= first) & (layout.strap_index < first + stamp.width)):
        alone, column = np.zeros_like(weights, dtype='f8'), layout.strap_index[place] - first
        alone[:, column] = weights[:, column]
        if alone.any():
            response = parameters[:, layout.strap_slice][:, place].astype('f8')
            total += response * _smooth_sum(layout, parameters, alone, stamp)
    return total


def _smooth_sum(layout, parameters, weights, stamp):
    """The same without the straps."""
    rows = layout.rows.basis[stamp.row_min - layout.limits.row_min:][:stamp.height]
    columns = layout.columns.basis[stamp.col_min - layout.limits.col_min:][:stamp.width]
    shares = np.zeros(layout.strap_slice.start)
    shares[layout.mesh_slice] = (rows.T @ weights @ columns).ravel()
    if layout.glow_size:
        pixels, low, taps = _glow_taps(layout, stamp)
        glow = np.zeros(layout.glow_size + 3)
        np.add.at(glow, low + np.arange(4)[:, None], taps * np.ravel(weights)[pixels])
        shares[layout.glow_slice] = glow[3:]
    some = np.flatnonzero(shares)
    return parameters[:, some].astype('f8') @ shares[some]


def _mesh(layout, coefficients, stamp):
    """Tensor product of the two spline axes, rows in runs with common taps."""
    times = coefficients.shape[1:]
    grid = coefficients.reshape(layout.rows.count, layout.columns.count, *times)
    down, weights = layout.rows.taps(stamp.row_min, stamp.row_max)
    right, across = layout.columns.taps(stamp.col_min, stamp.col_max)
    grid = splines.extend(grid, down[0], down[-1] + 4).swapaxes(0, 1)
    grid = splines.extend(grid, right[0], right[-1] + 4)
    lines = np.ascontiguousarray(_four_taps(grid, right - right[0], across.T).swapaxes(0, 1))
    low = down - down[0]
    sky = np.empty((stamp.height, stamp.width, *times), dtype='f4')
    spare = np.empty((min(layout.rows.size, stamp.height), *sky.shape[1:]), dtype='f4')
    for start, stop in _runs(low):
        weight = weights[start:stop].T.reshape(4, stop - start, 1, *[1] * len(times))
        part, term, node = sky[start:stop], spare[:stop - start], low[start]
        np.multiply(lines[node], weight[0], out=part)
        for tap in range(1, 4):
            part += np.multiply(lines[node + tap], weight[tap], out=term)
    return sky


def _four_taps(values, low, weights):
    """Sum of four neighbouring entries of the first axis with weights (4, n), in fixed order."""
    weights = weights.reshape(4, -1, *[1] * (values.ndim - 1))
    total = values[low] * weights[0]
    for tap in range(1, 4):
        total += values[low + tap] * weights[tap]
    return total


def _runs(low):
    """Half-open ranges of equal entries."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(low)) + 1, [len(low)]])
    return zip(edges[:-1], edges[1:], strict=True)


def _glow_taps(layout, stamp):
    """Pixels beyond the glow's radius with the taps of their four splines."""
    row, column = layout.camera_centre
    rows = np.arange(stamp.row_min, stamp.row_max)[:, None] - row
    columns = np.arange(stamp.col_min, stamp.col_max)[None, :] - column
    # the square root is exact to the last bit on every machine; hypot and exp are not
    steps = (np.sqrt(rows * rows + columns * columns) - GLOW_RADIUS) / GLOW_STEP
    pixels = np.flatnonzero(steps > 0)
    steps = steps.ravel()[pixels]
    node = np.floor(steps)
    weights = splines.cubic_weights(steps - node).astype('f4')
    return pixels, node.astype(int), np.ascontiguousarray(weights.T)


def extended_glow(coefficients):
    """Zeros before the first spline, so that the glow starts smoothly."""
    none = np.zeros_like(coefficients[:1])
    return np.concatenate([none, none, none, coefficients])


def add_glow(layout, coefficients, stamp, sky):
    pixels, low, weights = layout.whole_glow if stamp == layout.limits else _glow_taps(layout, stamp)
    if len(low):
        sky.reshape(-1, *sky.shape[2:])[pixels] += _four_taps(extended_glow(coefficients), low, weights)
