"""Masks by clustering bright pixels of the sum image, one for each star (Lund et al. 2015, ApJ 806, 30)."""

from __future__ import annotations

import heapq

import numpy as np

THRESHOLD = 0.8
"""MADs above the mode of the sum image from which a pixel counts as starlight."""

LEAST = 4
"""Pixels, itself included, that a pixel of a cluster must have around it, and the least size of a mask."""

BLUR = 0.5
"""Standard deviation of the blur under which peaks are looked for, px."""

_GRID = 512
_AROUND = np.ones((3, 3), dtype=bool)


def mode(values):
    """Most frequent value, the peak of a Gaussian kernel density estimate.

    Bandwidth by Silverman's rule from the quartiles of the lower half, which stars hardly touch;
    the peak is looked for below the upper quartile.

    Parameters
    ----------
    values : ndarray
        What is not finite is left out.

    Returns
    -------
    float
        NaN when nothing is finite.
    """
    values = np.asarray(values, dtype='float64').ravel()
    values = np.sort(values[np.isfinite(values)])
    if not values.size:
        return np.nan
    low, middle, high = np.percentile(values, (12.5, 50, 75))
    if middle - low <= 1e-9 * max(abs(low), abs(high)):
        return float(middle)
    # From the 12.5 % to the 50 % quantile a normal distribution has 1.15 standard deviations.
    width = 0.9 * (middle - low) / 1.15 * values.size ** -0.2
    grid = np.linspace(values[0] if values[0] > low - 4 * (middle - low) else low, high, _GRID)
    near = values[values < high + 5 * width]
    density = np.exp(-0.5 * ((grid[:, None] - near) / width) ** 2).sum(axis=1)
    return float(grid[np.argmax(density)])


def threshold(image, number=THRESHOLD):
    """Mode plus so many scaled median absolute deviations from it, in the unit of the image."""
    values = image[np.isfinite(image)]
    centre = mode(values)
    return centre + number * 1.4826 * np.median(np.abs(values - centre)) if values.size else np.nan


def clusters(bright, least=LEAST):
    """Groups of pixels that hang together, by density (DBSCAN with a radius of sqrt(2) px).

    Parameters
    ----------
    bright : ndarray (rows, columns) of bool
    least : int
        Pixels that the 3 x 3 px around a core pixel must hold. Others belong to a
        cluster when they touch a core pixel of it, and to none otherwise.

    Returns
    -------
    ndarray (rows, columns) of int
        Number of the cluster from 1, or 0.
    """
    from scipy import ndimage
    number = ndimage.convolve(bright.astype('int16'), _AROUND.astype('int16'), mode='constant')
    labels, _ = ndimage.label(bright & (number >= least), structure=_AROUND)
    touched = ndimage.maximum_filter(labels, footprint=_AROUND, mode='constant')
    return np.where(bright & (labels == 0), touched, labels)


def peaks(image, row, column, flux, blur=BLUR):
    """Pixels of the local maxima that belong to stars.

    Parameters
    ----------
    image : ndarray (rows, columns)
        Where it is not finite no peak is found.
    row, column : ndarray (stars,)
        Positions on the image, zero-based.
    flux : ndarray (stars,)
        Of two stars at one peak it belongs to the brighter one.

    Returns
    -------
    smooth : ndarray (rows, columns)
        Blurred image.
    owner : ndarray (rows, columns) of int
        Star whose peak a pixel is, or the number of stars where light rises to the border:
        its star stands outside. -1 elsewhere.
    """
    from scipy import ndimage
    smooth = ndimage.gaussian_filter(np.nan_to_num(image), blur, mode='nearest')
    top = (smooth == ndimage.maximum_filter(smooth, footprint=_AROUND)) & np.isfinite(image)
    owner = np.where(top & _border(image.shape), len(row), -1)
    for star in np.argsort(flux, kind='stable'):
        place = brightest_near(smooth, row[star], column[star])
        if place is not None and top[place]:
            owner[place] = star
    return smooth, owner


def _border(shape):
    border = np.ones(shape, dtype=bool)
    border[1:-1, 1:-1] = False
    return border


def brightest_near(image, row, column):
    """(row, column) of the brightest of the 3 x 3 px around a position; None off the image."""
    centre = int(np.floor(row + 0.5)), int(np.floor(column + 0.5))
    if not (0 <= centre[0] < image.shape[0] and 0 <= centre[1] < image.shape[1]):
        return None
    first = max(centre[0] - 1, 0), max(centre[1] - 1, 0)
    part = image[first[0]:centre[0] + 2, first[1]:centre[1] + 2]
    down, right = np.unravel_index(np.argmax(part), part.shape)
    return int(first[0] + down), int(first[1] + right)


def flood(image, seeds, inside):
    """Share out pixels among seeds, from the brightest pixel down (a watershed of the negative).

    Parameters
    ----------
    image : ndarray (rows, columns)
    seeds : ndarray (rows, columns) of int
        Number of the seed on a pixel, -1 elsewhere.
    inside : ndarray (rows, columns) of bool
        Pixels to be shared out; what no seed reaches stays at -1.

    Returns
    -------
    ndarray (rows, columns) of int
    """
    owner = np.where(inside, seeds, -1)
    queue = [(-image[place], place) for place in zip(*np.nonzero(owner >= 0), strict=True)]
    heapq.heapify(queue)
    while queue:
        _, (row, column) = heapq.heappop(queue)
        for near in _neighbours(row, column, image.shape):
            if inside[near] and owner[near] < 0:
                owner[near] = owner[row, column]
                heapq.heappush(queue, (-image[near], near))
    return owner


def _neighbours(row, column, shape):
    for down in range(max(row - 1, 0), min(row + 2, shape[0])):
        for right in range(max(column - 1, 0), min(column + 2, shape[1])):
            if (down, right) != (row, column):
                yield down, right


def star_mask(image, row, column, flux, star, number=THRESHOLD, least=LEAST, usable=None):
    """The pixels of one star: those of its cluster that the watershed gives to it.

    Parameters
    ----------
    image : ndarray (rows, columns)
        Sum image, e-/s.
    row, column, flux : ndarray (stars,)
        All known stars on the image; positions on it, zero-based.
    star : int
        The one that is asked for.
    number : float
        MADs above the mode.
    least : int
        Least size of a cluster's core and of the mask.
    usable : ndarray (rows, columns) of bool, optional

    Returns
    -------
    mask : ndarray (rows, columns) of bool
    found : bool
        False where no cluster of that size was there: the mask is then the
        smallest one, 2 x 2 px around the star.
    """
    from scipy import ndimage
    usable = np.isfinite(image) if usable is None else usable & np.isfinite(image)
    labels = clusters(usable & (image > threshold(image[usable], number)), least)
    smooth, seeds = peaks(image, row, column, flux)
    place = brightest_near(smooth, row[star], column[star])
    if place is None:
        return smallest_mask(image.shape, row[star], column[star], usable), False
    if seeds[place] < 0:
        seeds[place] = star  # no peak of its own: it keeps what lies on its side of the slope
    owner = flood(smooth, seeds, labels > 0)
    mask = (owner == seeds[place]) & (labels == labels[place]) & (labels[place] > 0)
    if mask.any():
        mask = ndimage.binary_fill_holes(mask) & usable & ((owner < 0) | mask)
    if mask.sum() < least:
        return smallest_mask(image.shape, row[star], column[star], usable), False
    return mask, True


def smallest_mask(shape, row, column, usable):
    """The 2 x 2 px nearest to a position, as far as they can be used."""
    mask = np.zeros(shape, dtype=bool)
    down, right = max(int(np.floor(row)), 0), max(int(np.floor(column)), 0)
    mask[down:down + 2, right:right + 2] = True
    return mask & usable
