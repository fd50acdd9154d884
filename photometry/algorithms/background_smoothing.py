"""Smoothing of background numbers in time, over as many frames as they stay on a straight line."""

from __future__ import annotations

import numpy as np

WINDOWS = (1, 2, 4, 8, 16, 32, 64)
"""Half widths of the windows that are tried, in frames."""

LIMIT = 3.0
"""How far a wider window's value may leave a narrower one's, in standard errors of the latter."""

_TOGETHER = 256
"""Series smoothed at once, to bound the memory."""


def reach(cadence, duration=28800.0):
    """Half width in frames of the widest sensible window.

    Parameters
    ----------
    cadence : float
        Seconds from one frame to the next.
    duration : float
        Seconds over which scattered light may be taken as smooth.
    """
    frames = max(1, round(duration / cadence))
    return max(window for window in WINDOWS if window <= max(frames, 1))


def smooth(layout, parameters, errors, time, good, reach=4, limit=LIMIT):
    """Background numbers with less noise where the sky is quiet, and as they were where it is not.

    The means of the mesh's boxes are smoothed as waves over the field (a
    discrete cosine transform): a change of the sky shows in a few long waves,
    far above their noise, while the many short ones carry noise only. What
    smoothing takes from the corner glow goes to the mesh first, so that the two
    do not come apart.

    Parameters
    ----------
    layout : photometry.algorithms.backgrounds.BackgroundLayout
    parameters, errors : float32 arrays (times, layout.size)
        Numbers of the frames and their standard errors; NaN rows are frames without a fit.
    time : array (times,)
        Days.
    good : bool array (times,)
        Frames that may lend to others; the rest keep their own numbers.
    reach : int
        Frames on either side that may be used; no others have any influence, to the last bit.
    limit : float
        See `LIMIT`.

    Returns
    -------
    float32 array (times, layout.size)
        NaN where a frame has no numbers of its own.
    """
    made = np.array(parameters, dtype='f4')
    parameters, errors = np.asarray(parameters, dtype='f4'), np.asarray(errors, dtype='f4')
    alone = slice(layout.mesh_size, layout.size)
    made[:, alone] = series(parameters[:, alone], errors[:, alone], time, good, reach, limit)
    rows, columns = layout.rows, layout.columns
    mesh = parameters[:, layout.mesh_slice].astype('f8').reshape(-1, rows.count, columns.count)
    modes = (rows.waves @ rows.average) @ mesh @ (columns.waves @ columns.average).T
    if layout.glow_size:
        change = (parameters - made)[:, layout.glow_slice].astype('f8')
        modes += rows.waves @ np.einsum('tg,grc->trc', change, layout.glow_means) @ columns.waves.T
    noise = np.sqrt(np.mean(errors[:, layout.mesh_slice].astype('f8') ** 2, axis=1))
    noise /= rows.gain * columns.gain
    flat = modes.reshape(len(mesh), -1)
    for start in range(0, flat.shape[1], _TOGETHER):
        part = np.s_[:, start:start + _TOGETHER]
        some = np.broadcast_to(noise[:, None], flat[part].shape)
        flat[part] = series(flat[part], some, time, good, reach, limit)
    means = rows.waves.T @ flat.reshape(modes.shape) @ columns.waves
    made[:, layout.mesh_slice] = (rows.inverse @ means @ columns.inverse.T).reshape(len(mesh), -1)
    return made


def series(parameters, errors, time, good, reach=4, limit=LIMIT):
    """Local lines through each number's series, each over the widest window that the data allow.

    A window grows as long as its confidence interval meets those of all narrower ones
    (Goldenshluger & Nemirovski 1997, Math. Methods Stat. 6, 135), so quiet times are averaged
    and fast changes are kept. The result of a frame depends on the frames within ``reach``
    of it in the array and on nothing else.

    Parameters
    ----------
    parameters, errors : float32 arrays (times, n)
        Numbers of the frames and their standard errors; NaN rows are frames without a fit.
    time : array (times,)
        Days.
    good : bool array (times,)
        Frames that may lend to others; the rest keep their own numbers.
    reach : int
        Frames on either side that may be used.

    Returns
    -------
    float64 array (times, n)
        NaN where a frame has no numbers of its own.
    """
    values = np.asarray(parameters, dtype='f8')
    finite = np.isfinite(values)
    lends = finite & np.asarray(good)[:, None]
    variance = np.maximum(np.where(finite, errors, 1.0), 1e-5).astype('f8') ** 2
    weights = np.where(lends, 1 / variance, 0.0)
    values = np.where(finite, values, 0.0)
    best = values.copy()
    lower = values - limit * np.sqrt(variance)
    upper = values + limit * np.sqrt(variance)
    growing = lends.copy()
    sums = _Sums(weights, values, np.asarray(time, dtype='f8'))
    for window in [w for w in WINDOWS if w <= reach]:
        sums.grow(window)
        estimate, error = sums.line()
        lower = np.where(growing, np.maximum(lower, estimate - limit * error), lower)
        upper = np.where(growing, np.minimum(upper, estimate + limit * error), upper)
        growing &= lower <= upper
        best = np.where(growing, estimate, best)
    return np.where(finite, best, np.nan)


class _Sums:
    """Moments of weighted values about every frame, over windows that grow."""

    def __init__(self, weights, values, time):
        self.weights, self.values, self.time = weights, values, time
        self.width = 0
        self.w, self.wv = weights.copy(), weights * values
        self.wt, self.wtt, self.wtv = np.zeros((3, *weights.shape))

    def grow(self, window):
        """Take in frames up to ``window`` on either side, nearest first."""
        for offset in range(self.width + 1, window + 1):
            if offset < len(self.time):
                self._add(slice(offset, None), slice(None, -offset))
                self._add(slice(None, -offset), slice(offset, None))
        self.width = window

    def _add(self, source, target):
        step = (self.time[source] - self.time[target])[:, None]
        weight = self.weights[source]
        self.w[target] += weight
        self.wt[target] += weight * step
        self.wtt[target] += weight * step * step
        self.wv[target] += weight * self.values[source]
        self.wtv[target] += weight * step * self.values[source]

    def line(self):
        """Value at the frame itself of the line through the window, with its error."""
        total = np.where(self.w > 0, self.w, 1.0)
        centre, mean = self.wt / total, self.wv / total
        spread = self.wtt - self.wt * centre
        tilted = spread > 1e-9 * self.wtt
        slope = np.where(tilted, (self.wtv - self.wt * mean) / np.where(tilted, spread, 1.0), 0.0)
        lever = np.where(tilted, centre * centre / np.where(tilted, spread, 1.0), 0.0)
        return mean - slope * centre, np.sqrt(1 / total + lever)
