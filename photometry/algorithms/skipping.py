"""Which stars a brighter star's aperture delivers, decided for a whole CCD at once."""

from __future__ import annotations

import numpy as np

SEPARATION = 0.5
"""Pixels below which two stars are one image: their sum is measured at the Cramer-Rao limit, their
difference is not (a pair at 0.5 px has three times the noise of a single star)."""

SATURATING = 8.0
"""Magnitude of the faintest star that is held for the cause of saturated pixels."""

FAINTER = 2.0
"""Magnitudes by which a star must be fainter than the one whose saturated pixels it lies on."""


def who_skips_whom(starid, tmag, row, column, saturated=None, origin=(0, 0), *, able=None,
                   separation=SEPARATION, first=None):
    """For every star, the brighter one that delivers it.

    Stars are taken in the order of (tmag, starid). One that is not delivered
    itself delivers the fainter ones

    - closer than ``separation``, and
    - at least two magnitudes fainter on the connected saturated pixels of
      which it is the brightest star: nothing of their own is left there.

    Parameters
    ----------
    starid, tmag : ndarray (n,)
        All stars of the CCD in the catalogue, whatever is queued.
    row, column : ndarray (n,)
        Zero-based CCD pixels; stars without a finite place deliver nobody.
    saturated : ndarray of bool (rows, columns), optional
        Pixels at full well in the sum image.
    origin : tuple of int
        Row and column of the first pixel of ``saturated``.
    able : ndarray of bool (n,), optional
        Stars measured by aperture; only among these is anybody delivered.
    separation : float
        Pixels.
    first : ndarray of bool (n,), optional
        Stars that nobody delivers: they deliver those nearer than ``separation``, brighter ones too.

    Returns
    -------
    ndarray of int (n,)
        Index of the star that delivers, -1 for those measured on their own.
    """
    first = np.zeros(len(starid), dtype=bool) if first is None else first
    bright, rank = _ranks(starid, tmag), _ranks(starid, tmag, ~first)
    usable = np.isfinite(row) & np.isfinite(column)
    if able is not None:
        usable &= able
    where = np.flatnonzero(usable)
    pairs = [_oriented(where[_close(row[where], column[where], separation)], rank)]
    if saturated is not None and np.any(saturated):
        pairs.append(where[_on_saturated(tmag[where], bright[where], row[where], column[where], saturated,
                                         origin)])
    pairs = np.concatenate(pairs)
    return _greedy(pairs[~first[pairs[:, 1]]], rank, len(starid))


def _ranks(*keys):
    """Places of stars in the order of some keys, the last of which comes first."""
    rank = np.empty(len(keys[0]), dtype=int)
    rank[np.lexsort(keys)] = np.arange(len(rank))
    return rank


def _oriented(pairs, rank):
    """The same pairs, the star of lower rank first."""
    return np.where((rank[pairs[:, 0]] > rank[pairs[:, 1]])[:, None], pairs[:, ::-1], pairs)


def _close(row, column, separation):
    """Pairs (m, 2) of stars nearer to each other than ``separation``."""
    from scipy.spatial import cKDTree
    if len(row) < 2 or separation <= 0:
        return np.empty((0, 2), dtype=int)
    return cKDTree(np.column_stack([row, column])).query_pairs(separation, output_type='ndarray')


def _on_saturated(tmag, rank, row, column, saturated, origin):
    """Pairs (brightest star, fainter star) on connected saturated pixels."""
    from scipy import ndimage
    labels, number = ndimage.label(saturated, structure=np.ones((3, 3)))
    index = np.floor(row + 0.5).astype(int) - origin[0], np.floor(column + 0.5).astype(int) - origin[1]
    inside = ((index[0] >= 0) & (index[0] < saturated.shape[0])
              & (index[1] >= 0) & (index[1] < saturated.shape[1]))
    label = np.zeros(len(row), dtype=int)
    label[inside] = labels[index[0][inside], index[1][inside]]
    stars = np.flatnonzero(label)
    stars = stars[np.argsort(rank[stars])]
    owner = np.full(number + 1, -1)
    owner[label[stars][::-1]] = stars[::-1]
    mine = owner[label[stars]]
    delivered = (tmag[mine] < SATURATING) & (tmag[stars] >= tmag[mine] + FAINTER)
    return np.column_stack([mine, stars])[delivered]


def _greedy(pairs, rank, number):
    """Let the first star of each pair deliver the second unless it is delivered itself."""
    skipped_by = np.full(number, -1)
    for brighter, fainter in pairs[np.lexsort((rank[pairs[:, 1]], rank[pairs[:, 0]]))]:
        if skipped_by[brighter] < 0 and skipped_by[fainter] < 0:
            skipped_by[fainter] = brighter
    return skipped_by
