"""Flags of cadences, of pixels and of apertures.

Cadence bits are those of the TESS Archive Manual (TESS Science Data Products
Description Document, EXP-TESS-ARC-ICD-0014, table 28).
"""

import enum

import numpy as np


class CadenceFlag(enum.IntFlag):
    """Bits of QUALITY of a light curve and DQUALITY of an FFI."""

    ATTITUDE_TWEAK = 1
    SAFE_MODE = 2
    COARSE_POINT = 4
    EARTH_POINT = 8
    ARGABRIGHTENING = 16
    DESATURATION = 32
    APERTURE_COSMIC = 64
    MANUAL_EXCLUDE = 128
    DISCONTINUITY = 256
    IMPULSIVE_OUTLIER = 512
    COLLATERAL_COSMIC = 1024
    STRAYLIGHT = 2048
    SCATTERED_LIGHT = 4096
    PLANET_SEARCH_EXCLUDE = 8192
    BAD_CALIBRATION = 16384
    INSUFFICIENT_TARGETS = 32768


BAD_BITS = 1 | 2 | 4 | 8 | 32 | 128 | 512 | 4096 | 16384
"""Cadences with any of these bits are left out of every mean and every metric."""


def good(quality) -> np.ndarray:
    """True for the cadences without a bad bit."""
    return (np.asarray(quality) & BAD_BITS) == 0


def words(bits, kind=CadenceFlag) -> list[str]:
    """The flags among some bits in words, lowest first; bits that have no name by their value."""
    left, found = int(bits), []
    while left:
        bit = left & -left
        found.append(kind(bit).name.lower().replace('_', ' ') if bit in kind.__members__.values()
                     else f'bit {bit}')
        left ^= bit
    return found


class PixelFlag(enum.IntFlag):
    """Bits of ``pixel_flags`` in the cube and of PIXEL_QUALITY in a light curve."""

    NOT_USED_FOR_BACKGROUND = 1
    """The pixel did not enter the background of its frame (starlight or worse)."""
    EXCLUDED = 2
    """Left out by rule: known bad region or time, or no uncertainty given."""
    ARTEFACT = 4
    """Time-variable structure that the background model does not follow."""
    NOT_FINITE = 8
    """No number came from the detector."""
    SATURATED = 16
    """At full well in a 2-s read, or in the bleed column of such a pixel."""
    MOVING_OBJECT = 32
    """A known asteroid or comet shines on the mask; in light curves only."""


class StarFlag(enum.IntFlag):
    """Bits of STARFLAG in light curves, of ``star_flags`` in lists: what lies in the mask of a star."""

    STRAP = 1
    """Columns with metal straps behind them, which answer more strongly to the sky."""
    BLEED = 2
    """Charge that ran from another, saturated star."""
    MOVING_OBJECT = 4
    """A known asteroid or comet in some cadence."""


class ApertureFlag(enum.IntFlag):
    """Bits of the APERTURE image of a light-curve file."""

    COLLECTED = 1
    """Collected."""
    PHOTOMETRY = 2
    """In the photometry mask."""
    BACKGROUND = 4
    """Used for the background in some frame."""
    CENTROID = 8
    """In the mask of the centroid."""
    OUTPUT_A = 32
    """Read by output A."""
    OUTPUT_B = 64
    """Read by output B."""
    OUTPUT_C = 128
    """Read by output C."""
    OUTPUT_D = 256
    """Read by output D."""
