"""Quality flags of short cadences carried over to the long exposures that contain them."""

from __future__ import annotations

import numpy as np

from photometry.core.quality import CadenceFlag

POINTING = int(CadenceFlag.ATTITUDE_TWEAK | CadenceFlag.SAFE_MODE | CadenceFlag.COARSE_POINT
               | CadenceFlag.EARTH_POINT | CadenceFlag.DESATURATION)
"""Bits about the spacecraft: one short cadence spoils the exposure."""

LIGHT = int(CadenceFlag.STRAYLIGHT | CadenceFlag.SCATTERED_LIGHT)
"""Bits about light that rises and falls: they count where at least half of the short cadences have them."""

FIRST_OF_TARGETS = 30
"""Data release from which on SCATTERED_LIGHT is judged for every target by itself."""


def carried_bits(data_rel) -> int:
    """Bits that hold for the whole CCD and are carried over, by data release."""
    bits = POINTING | LIGHT
    return bits if data_rel < FIRST_OF_TARGETS else bits & ~int(CadenceFlag.SCATTERED_LIGHT)


def carry(start, stop, time, quality, bits):
    """Bits that exposures inherit from the cadences of one target.

    A cadence belongs to the exposure in which at least half of it lies, that is which holds
    its middle.

    Parameters
    ----------
    start, stop : ndarray (exposures,)
        Spacecraft times, ascending and without overlaps.
    time : ndarray (cadences,)
        Middle of the cadences, spacecraft time, ascending.
    quality : ndarray (cadences,) of int
    bits : int
        Bits that may be carried.

    Returns
    -------
    ndarray (exposures,) of int32
    """
    owner = np.searchsorted(start, time, side='right') - 1
    inside = (owner >= 0) & (time < stop[owner])
    owner, flags = owner[inside], np.asarray(quality)[inside] & bits
    made = np.zeros(len(start), dtype='int32')
    number = np.bincount(owner, minlength=len(start))
    for bit in (1 << place for place in range(16)):
        if not bits & bit:
            continue
        flagged = np.bincount(owner[(flags & bit) > 0], minlength=len(start))
        least = 1 if bit & POINTING else np.maximum(number / 2, 1)
        made[flagged >= least] |= bit
    return made
