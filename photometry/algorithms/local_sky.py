"""How far the background was wrong in each cadence, from dark pixels around a star."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BLOCK = 8
"""Rows and columns of a block of dark pixels, px."""

SPREADS, NARROW = (9.0, 16.0, 28.0), 4.0
"""Standard deviations of the weights around a star by distance, px: the first of `SPREADS` that
finds enough dark pixels (bright stars shine far), then `NARROW`. Mostly the error of the
background hardly changes over tens of pixels, but scattered light may be structured."""

REACH = 2.5
"""Standard deviations up to which blocks are used."""

LEAST, ENOUGH = 25, 60
"""Pixels, weighed by distance, below which the sky around a star is not known, and with
which no wider neighbourhood is looked at."""

CORRELATED = 20.0
"""Distance at which errors of the background have little in common any more, px."""

WINDOW = 31
"""Cadences over which the size of the errors is taken: scattered light comes and goes within days."""

PROFILE_BLOCKS = 32
"""Blocks that tell how the noise of the sky changes from cadence to cadence."""


@dataclass(frozen=True)
class SkyBlocks:
    """Light of dark pixels against their own means over time, in blocks.

    Attributes
    ----------
    row, column : ndarray (blocks,)
        Centres of the pixels that were used, on the CCD.
    number : ndarray (blocks,)
        How many those are.
    change : ndarray (blocks, times) float32
        Mean of their light less its mean in good cadences, e-/s a pixel; 0 where nothing is known.
    variance : ndarray (blocks,)
        Noise of that in a typical cadence, (e-/s)^2.
    profile : ndarray (times,)
        Noise of a cadence over the typical one, squared: it follows the sky; infinite in
        cadences without any pixel.
    counted : ndarray (times,) of bool
        Good cadences with pixels.
    share : ndarray (times,)
        Part of the cadences in a window around each that are counted.
    unknown : ndarray (blocks, times) of bool, or None
        Where nothing is known in other cadences; None where everything is.
    """

    row: np.ndarray
    column: np.ndarray
    number: np.ndarray
    change: np.ndarray
    variance: np.ndarray
    profile: np.ndarray
    counted: np.ndarray
    share: np.ndarray
    unknown: np.ndarray | None


@dataclass(frozen=True)
class LocalSky:
    """What the sky around a star tells about the background that was subtracted.

    Attributes
    ----------
    change : ndarray (times,)
        Expected error of the background against its own mean, e-/s a pixel.
    error : ndarray (times,)
        Standard error that is left after its correction, e-/s a pixel.
    trust : ndarray (layers, times)
        Part of the measured variance that is more than noise, 0 to 1.
    weights : ndarray (layers, blocks)
        Of the blocks: in a wide neighbourhood, then of the narrow one less the wide one.
    """

    change: np.ndarray
    error: np.ndarray
    trust: np.ndarray
    weights: np.ndarray

    def of(self, light):
        """What such a correction takes away of a constant light in the blocks, (times,)."""
        return (self.weights @ light) @ self.trust


def measure(read, dark, region, good, gain=1.0, step=1):
    """Blocks of dark pixels of a region.

    Parameters
    ----------
    read : callable
        ``read(layer, stamp)`` as of `photometry.pixels.base.PixelSource`.
    dark : ndarray (rows, columns) of bool
        Pixels of the region with hardly any starlight.
    region : Stamp
    good : ndarray (times,) of bool
    gain : float
        True noise over the stated one.
    step : int
        One of so many dark pixels is read.

    Returns
    -------
    SkyBlocks or None
        None without any dark pixel.
    """
    rows, columns = np.nonzero(dark)
    rows, columns = rows[step // 2::step], columns[step // 2::step]
    made = []
    for first in range(0, region.height, BLOCK):
        inside = np.flatnonzero(rows // BLOCK == first // BLOCK)
        if inside.size:
            last = min(first + BLOCK, region.height)
            slab = region._replace(row_min=region.row_min + first, row_max=region.row_min + last)
            made.append(_slab(read, slab, rows[inside] - first, columns[inside], good, gain))
    if not made:
        return None
    row, column, number, change, variance = (np.concatenate(parts) for parts in zip(*made, strict=True))
    return _blocks(row, column + region.col_min, number, change, variance, good)


def _slab(read, slab, rows, columns, good, gain):
    """Places, numbers, deviations and variances of the blocks in a row of them."""
    order = np.argsort(columns // BLOCK, kind='stable')
    rows, columns = rows[order], columns[order]
    starts = np.flatnonzero(np.diff(columns // BLOCK, prepend=-1))
    number = np.diff(starts, append=columns.size)
    images, errors = read('images', slab), read('images_err', slab)
    # Single precision is enough: of some tens of numbers around zero it loses 1e-6.
    change = _sums(images, rows, columns, starts, number)
    change /= number[:, None].astype(change.dtype)
    middle = starts + number // 2  # its noise hardly differs from that of the others in the block
    variance = np.square(errors[rows[middle], columns[middle]]) * (gain ** 2 / number[:, None]).astype('f4')
    known = np.isfinite(change) & np.isfinite(variance)
    counted = good & known.any(axis=0)
    if counted.any():
        # `compress` takes columns out in half the time of an index.
        change -= change.compress(counted, axis=1).mean(axis=1, dtype='f8', keepdims=True).astype('f4')
    for block in np.flatnonzero((counted & ~known).any(axis=1)):
        part = slice(starts[block], starts[block] + number[block])
        change[block], variance[block] = _gappy(images[rows[part], columns[part]].astype('f8'),
                                                errors[rows[part], columns[part]].astype('f8'), good, gain)
    place = [np.add.reduceat(axis.astype('f8'), starts) / number for axis in (rows + slab.row_min, columns)]
    return *place, number, change, variance


def _sums(images, rows, columns, starts, number):
    """Sums over so many pixels from each start on; block by block, so that they stay in fast memory."""
    made = np.empty((starts.size, images.shape[2]), dtype=images.dtype)
    for total, start, count in zip(made, starts, number, strict=True):
        block = slice(start, start + count)
        np.add.reduce(images[rows[block], columns[block]], axis=0, out=total)
    return made


def _blocks(row, column, number, change, variance, good):
    unknown = ~(np.isfinite(change) & (variance > 0) & np.isfinite(variance))
    dark = unknown.all(axis=0)
    change[unknown], variance[unknown] = 0.0, np.nan
    seen = ((good & ~dark) & ~unknown).any(axis=1)
    if not seen.all():
        row, column, number, change, variance, unknown = (
            values[seen] for values in (row, column, number, change, variance, unknown))
    counted = good & ~dark
    gappy = bool((unknown & ~dark).any())
    mean = np.nanmean if gappy else np.mean
    level = mean(variance.compress(counted, axis=1), axis=1, dtype='f8')
    profile = np.full(good.size, np.inf)
    few = slice(None, None, 1 if gappy else max(len(row) // PROFILE_BLOCKS, 1))
    profile[~dark] = mean(variance[few].compress(~dark, axis=1) / level[few, None], axis=0)
    return SkyBlocks(row, column, number, change, level, profile, counted, _share(counted),
                     unknown if gappy else None)


def _share(counted):
    """Part of the cadences of a window that count, never zero."""
    from scipy.ndimage import uniform_filter1d
    return np.maximum(uniform_filter1d(counted.astype('float64'), WINDOW, mode='reflect'), 1e-6)


def _gappy(values, sigma, good, gain):
    """The same where some pixels hold no number.

    Every pixel is compared with its own mean, so that one that comes and goes makes no step.
    """
    valid = np.isfinite(values) & np.isfinite(sigma)
    number = valid.sum(axis=0)
    times = np.maximum((valid & good).sum(axis=1), 1)
    mean = np.where(valid & good, values, 0.0).sum(axis=1) / times
    with np.errstate(invalid='ignore', divide='ignore'):
        change = np.where(valid, values - mean[:, None], 0.0).sum(axis=0) / number
        variance = (np.where(valid, sigma, 0.0) ** 2).sum(axis=0) * (gain / number) ** 2
    return change, variance


def around(blocks, row, column):
    """Error of the background at some stars.

    Blocks are weighed by their pixels and their distance so that level and slopes of
    the error around the star do no harm. What is measured has a noise of its own, so
    that only the part of its variance that exceeds that noise is believed (a Wiener
    filter whose signal is taken from `WINDOW` cadences): first of the error in a wide
    neighbourhood, then of what a narrow one differs by. Means over time do not enter:
    what stars leave in these pixels is constant.

    Parameters
    ----------
    blocks : SkyBlocks
    row, column : ndarray (stars,)
        Of the stars on the CCD.

    Returns
    -------
    list of LocalSky or None
        None where there is hardly a dark pixel around.
    """
    down, right = blocks.row - row[:, None], blocks.column - column[:, None]
    design = np.stack([np.ones_like(down), down, right], axis=1)
    square = down ** 2 + right ** 2
    spread = np.stack([_wide(blocks, square), np.full(len(row), NARROW)])
    layers = _nearness(square, blocks.number, spread[..., None])
    there = layers.sum(axis=2) > LEAST
    layers[~there] = 0.0
    weights = np.stack([_fitted(*both, design) for both in zip(layers, spread, strict=True)])
    weights[1, there[1]] -= weights[0, there[1]]
    change = weights.astype('float32') @ blocks.change
    noise = _noise(blocks, weights)
    signal, trust = _filtered(change, noise, blocks)
    error = (trust * np.where(trust > 0, noise, 0.0)).sum(axis=0)
    error += signal[0] * _estranged(layers, square, trust)
    change, error = (trust * change).sum(axis=0), np.sqrt(error)
    return [LocalSky(change[star], error[star], trust[:, star], weights[:, star]) if there[0, star] else None
            for star in range(len(row))]


def _wide(blocks, square):
    """Spread of the wide neighbourhood of each star, the first with enough pixels, (stars,)."""
    chosen = np.full(len(square), SPREADS[-1])
    for spread in SPREADS[-2::-1]:
        chosen[_nearness(square, blocks.number, spread).sum(axis=1) > ENOUGH] = spread
    return chosen


def _estranged(layers, square, trust):
    """Part of the variance of the error at stars of which distant blocks know nothing, (stars, times)."""
    distance = (layers * square).sum(axis=2) / np.maximum(layers.sum(axis=2), LEAST)
    far = np.square(1 - np.exp(-distance / CORRELATED ** 2))[..., None]
    return far[0] + trust[1] * (far[1] - far[0])


def _noise(blocks, weights):
    """Noise of weighted sums of blocks, (layers, stars, times), infinite where nothing is known."""
    with np.errstate(invalid='ignore'):
        noise = (np.square(weights) @ blocks.variance)[..., None] * blocks.profile
    if blocks.unknown is not None:
        noise[(weights != 0) @ blocks.unknown] = np.inf
    return noise


def _nearness(square, number, spread):
    """Pixels of blocks (..., blocks) at squared distances, weighed by these."""
    square = square / spread ** 2
    return np.where(square < REACH ** 2, number * np.exp(-0.5 * square), 0.0)


def _fitted(weight, spread, design):
    """Weights (stars, blocks) of local linear fits at the stars."""
    normal = (weight[:, None] * design) @ design.swapaxes(1, 2)
    # Slopes are held back: few pixels on one side must not extrapolate.
    normal[:, [1, 2], [1, 2]] += spread[:, None] ** 2 * LEAST
    normal[:, 0, 0] = np.maximum(normal[:, 0, 0], LEAST)
    return weight * (np.linalg.inv(normal)[:, :1] @ design)[:, 0]


def _filtered(change, noise, blocks):
    """Variance of ``change`` beyond noise, and its part in all variance, (layers, stars, times).

    Both are 0 where nothing is known.
    """
    from scipy.ndimage import uniform_filter1d
    known, counted, share = np.isfinite(noise) & (noise > 0), blocks.counted, blocks.share
    if blocks.unknown is not None:
        counted = counted & np.isfinite(noise).all(axis=0)
        share = _share(counted)
    noise = np.where(known, noise, 1.0)
    excess = np.where(counted, np.square(change) - noise, 0.0)
    signal = uniform_filter1d(excess, WINDOW, mode='reflect') / share
    signal = np.where(known & (signal > 0), signal, 0.0)
    return signal, signal / (signal + noise)
