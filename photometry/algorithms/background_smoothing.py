"""Smoothing of background numbers in time, over as many frames as they stay on a straight line."""

from __future__ import annotations

import numpy as np

WINDOWS = (1, 2, 4, 8, 16, 32, 64)
"""Half widths of the windows that are tried, in frames."""

LIMIT = 2.0
"""How far a wider window's value may leave a narrower one's, in standard errors of the latter."""


def reach(cadence, duration=7200.0):
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


def smooth(parameters, errors, time, good, reach=4, limit=LIMIT):
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
    float32 array (times, n)
        NaN where a frame has no numbers of its own.
    """
    values = np.asarray(parameters, dtype='f8')
    finite = np.isfinite(values)
    lends = finite & np.asarray(good)[:, None]
    variance = np.maximum(np.where(finite, errors, 1.0), 1e-4).astype('f8') ** 2
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
    return np.where(finite, best, np.nan).astype('f4')


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
