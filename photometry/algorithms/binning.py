"""Fewer pixels: bins of some rows and columns, those at the end smaller."""

import numpy as np


def mean(pixels, step):
    """Mean of the finite values of each bin, NaN where there is none.

    Parameters
    ----------
    pixels : ndarray (rows, columns, times)
    step : int
        Rows and columns of a bin.

    Returns
    -------
    ndarray (ceil(rows / step), ceil(columns / step), times) float32
    """
    if step == 1:
        return np.asarray(pixels, dtype='f4')
    sums = _folded(np.add, pixels, step)
    number = np.multiply.outer(*(np.diff([*range(0, length, step), length]) for length in pixels.shape[:2]))
    if np.isfinite(sums).all():
        return (sums / number[..., None]).astype('f4')
    known = np.isfinite(pixels)
    sums = _folded(np.add, np.where(known, pixels, 0), step)
    number = _folded(np.add, known.astype('i4'), step)
    return np.where(number > 0, sums / np.maximum(number, 1), np.nan).astype('f4')


def any_flag(flags, step):
    """The bits that any pixel of a bin has; shapes as in `mean`."""
    return flags if step == 1 else _folded(np.bitwise_or, flags, step)


def _folded(operation, pixels, step):
    """Bins along rows, then along columns; in slices, which takes a third of the time of ``reduceat``."""
    for _ in range(2):
        made = pixels[::step].copy()
        for offset in range(1, step):
            part = pixels[offset::step]
            operation(made[:len(part)], part, out=made[:len(part)])
        pixels = made.swapaxes(0, 1)
    return pixels
