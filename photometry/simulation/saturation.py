"""Full wells: what a pixel cannot hold runs along its column."""

import numpy as np


def bleed(image, full):
    """Spread the charge above the full well over the column, half up and half down.

    Charge is conserved but for what leaves at the first and the last row.

    Parameters
    ----------
    image : array, shape (rows, columns)
        Charge or rate; changed in place.
    full : float
        What a pixel holds, in the unit of the image.

    Returns
    -------
    array of int
        Columns in which charge ran.
    """
    columns = np.flatnonzero((image > full).any(axis=0))
    if len(columns):
        charge = image[:, columns].astype('float64')
        excess = np.maximum(charge - full, 0)
        charge -= excess
        _run(charge, excess / 2, full)
        _run(charge[::-1], excess[::-1] / 2, full)
        image[:, columns] = charge
    return columns


def _run(charge, excess, full):
    """Carry excess towards the last row, filling pixels on the way."""
    carry = np.zeros(charge.shape[1])
    sources = np.flatnonzero(excess.any(axis=1))
    for row in range(sources[0], len(charge)):
        if row > sources[-1] and not carry.any():
            break
        carry += excess[row]
        taken = np.minimum(carry, full - charge[row])
        charge[row] += taken
        carry -= taken
