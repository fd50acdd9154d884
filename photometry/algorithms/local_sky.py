"""How far the background was wrong in each cadence, from dark pixels around a star."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass

import numpy as np

BLOCK = 6
"""Rows and columns of a block of dark pixels, px."""

SPREADS = (9.0, 4.0)
"""Standard deviations of the weights around a star by distance, px: mostly the error of the
background hardly changes over tens of pixels, but scattered light may be structured."""

REACH = 2.5
"""Standard deviations up to which blocks are used."""

LEAST = 25
"""Pixels, weighed by distance, below which the sky around a star is not known."""

WINDOW = 31
"""Cadences over which the size of the errors is taken: scattered light comes and goes within days."""

NOISE_PIXELS = 3
"""Pixels of a block that tell its noise, which hardly differs from one to the next."""


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
        Noise of a cadence over the typical one, squared: it follows the sky.
    unknown : ndarray (blocks, times) of bool, or None
        Where nothing is known; None where everything is.
    """

    row: np.ndarray
    column: np.ndarray
    number: np.ndarray
    change: np.ndarray
    variance: np.ndarray
    profile: np.ndarray
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
        if not inside.size:
            continue
        last = min(first + BLOCK, region.height)
        slab = region._replace(row_min=region.row_min + first, row_max=region.row_min + last)
        images, errors = read('images', slab), read('images_err', slab)
        for number in np.unique(columns[inside] // BLOCK):
            some = inside[columns[inside] // BLOCK == number]
            made.append((region.row_min + rows[some].mean(), region.col_min + columns[some].mean(), some.size,
                         *_deviation(images, errors, (rows[some] - first, columns[some]), good, gain)))
    return _blocks(*zip(*made, strict=True), good) if made else None


def _blocks(row, column, number, change, variance, good):
    change, variance = np.array(change, dtype='float32'), np.array(variance)
    unknown = ~np.isfinite(variance)
    filled = np.where(unknown, np.nan, variance) if unknown.any() else variance
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # of frames or blocks without any pixel
        level = np.nanmean(filled[:, good], axis=1) if good.any() else np.full(len(row), np.nan)
        profile = np.nanmean(filled / level[:, None], axis=0)
    seen = np.isfinite(level)
    return SkyBlocks(np.array(row)[seen], np.array(column)[seen], np.array(number)[seen], change[seen],
                     level[seen], profile, unknown[seen] if unknown.any() else None)


def _deviation(images, errors, place, good, gain):
    """Mean deviation of pixels from their own means, and its variance, (times,) each."""
    values = images[place]
    # Single precision is enough: of some tens of numbers around zero it loses 1e-6.
    change = (np.ones(len(values), dtype=values.dtype) @ values) / values.dtype.type(len(values))
    some = slice(None, None, -(-len(values) // NOISE_PIXELS))
    sigma = errors[place[0][some], place[1][some]]
    variance = np.einsum('pt,pt->t', sigma, sigma) * (gain ** 2 / len(values) / len(sigma))
    if np.isfinite(change.sum()) and np.isfinite(variance.sum()):
        change -= change[good].mean(dtype='float64') if good.any() else 0.0
    else:
        change, variance = _gappy(values.astype('float64'), errors[place].astype('float64'), good, gain)
    known = np.isfinite(change) & np.isfinite(variance) & (variance > 0)
    return np.where(known, change, 0.0), np.where(known, variance, np.inf)


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


def around(blocks, row, column, good):
    """Error of the background at a star.

    Blocks are weighed by their pixels and their distance so that level and slopes of
    the error around the star do no harm. What is measured has a noise of its own, so
    that only the part of its variance that exceeds that noise is believed (a Wiener
    filter whose signal is taken from `WINDOW` cadences): first of the error in a wide
    neighbourhood, then of what a narrow one differs by. Means over time do not enter:
    what stars leave in these pixels is constant.

    Parameters
    ----------
    blocks : SkyBlocks
    row, column : float
        Of the star on the CCD.
    good : ndarray (times,) of bool

    Returns
    -------
    LocalSky or None
        None where there is hardly a dark pixel around.
    """
    weights = [found for found in (_weights(blocks, row, column, spread) for spread in SPREADS)
               if found is not None]
    if not weights:
        return None
    weights = np.array([weights[0], *(after - before for before, after in itertools.pairwise(weights))])
    used = weights.any(axis=0)
    change = weights[:, used].astype('float32') @ blocks.change[used]
    noise = np.square(weights[:, used]) @ _variance(blocks, used)
    known = np.isfinite(noise)
    noise = np.where(known, noise, 1.0)
    trust = np.array([_trust(*layer, good) for layer in zip(change, noise, known, strict=True)])
    return LocalSky((trust * change).sum(axis=0), np.sqrt((trust * noise).sum(axis=0)), trust, weights)


def _variance(blocks, used):
    """Noise of some blocks, (blocks, times), infinite where nothing is known."""
    variance = np.outer(blocks.variance[used], blocks.profile)
    return variance if blocks.unknown is None else np.where(blocks.unknown[used], np.inf, variance)


def _weights(blocks, row, column, spread):
    """Weights (blocks,) of a local linear fit at a place; None where it would rest on too few pixels."""
    down, right = blocks.row - row, blocks.column - column
    square = (down ** 2 + right ** 2) / spread ** 2
    weight = np.where(square < REACH ** 2, blocks.number * np.exp(-0.5 * square), 0.0)
    if weight.sum() < LEAST:
        return None
    design = np.stack([np.ones_like(down), down, right])
    normal = (weight * design) @ design.T
    # Slopes are held back: few pixels on one side must not extrapolate.
    normal[1, 1] += spread ** 2 * LEAST
    normal[2, 2] += spread ** 2 * LEAST
    return weight * (np.linalg.inv(normal)[0] @ design)


def _trust(change, noise, known, good):
    """Part of the variance of ``change`` that is more than noise, (times,); 0 where nothing is known."""
    from scipy.ndimage import uniform_filter1d
    counted = known & good
    excess = uniform_filter1d(np.where(counted, change ** 2 - noise, 0.0), WINDOW, mode='reflect')
    if not counted.all():
        excess /= np.maximum(uniform_filter1d(counted.astype('float64'), WINDOW, mode='reflect'), 1e-6)
    signal = np.maximum(excess, 0.0)
    return np.where(known, signal / (signal + noise), 0.0)
