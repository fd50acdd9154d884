"""Numbers of stars: those of the TIC, and negative ones of what it does not hold.

A star without a TIC number has minus its Gaia number, one without either -1, -2, ... in the order
of its table; a position without a star has a number that tells it (`of_position`).
"""

from __future__ import annotations

MOST_TIC = 10 ** 11
"""Numbers of the TIC are smaller."""

LEAST = -(2 ** 63 - 1)

SMALLEST_GAIA = 2 ** 32
"""Gaia numbers are greater, local numbers of the stars of a table smaller."""

_POSITIONS = 9 * 10 ** 18
"""Local numbers beyond this are positions; no Gaia number is as large."""

_STEPS = 100_000
"""Steps in a degree: 0.036 arcsec."""


def is_possible(starid) -> bool:
    """Whether a number can be that of a star."""
    return bool(starid) and LEAST <= starid <= MOST_TIC


def of_position(ra, dec):
    """Numbers of positions on the sky at which light is to be measured, whether a star is there or not.

    The digits after -900 are right ascension and declination + 90 in units of 0.00001 deg.

    Parameters
    ----------
    ra, dec : float or array, deg (J2000)

    Returns
    -------
    int64 or array of it
    """
    import numpy as np
    right = np.rint(np.asarray(ra) % 360 * _STEPS).astype('int64') % (360 * _STEPS)
    up = np.rint((np.asarray(dec) + 90) * _STEPS).astype('int64')
    return -(_POSITIONS + right * 10 ** 8 + up)


def position(starid) -> tuple[float, float] | None:
    """Right ascension and declination (deg, J2000) behind such a number; None for other numbers."""
    if starid > -_POSITIONS:
        return None
    right, up = divmod(-int(starid) - _POSITIONS, 10 ** 8)
    return right / _STEPS, up / _STEPS - 90


def name(starid, gaia=0) -> str:
    """What a star is called: by its TIC number, else its Gaia number, its position or its local number."""
    if starid > 0:
        return f'TIC {starid}'
    place = position(starid)
    if place:
        return f'Position {place[0]:.5f} {place[1]:+.5f}'
    gaia = gaia or (-starid if -starid > SMALLEST_GAIA else 0)
    return f'Gaia DR3 {gaia}' if gaia else f'Local {-starid}'
