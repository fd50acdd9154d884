"""Places on the CCD: the two systems of counting, the silicon and its areas."""

import numpy as np

from photometry.core.stamp import Stamp

SCIENCE = Stamp(0, 2048, 44, 2092)
"""Pixels of an FFI that see the sky; what surrounds them is collateral."""

FFI_SHAPE = (2078, 2136)
"""Rows and columns of a whole FFI."""

CAMERA_RADIUS = 16.97
"""Distance from the camera centre to its corner, deg (12 deg times sqrt 2)."""


CAMERA_CENTRE_ROW = 2100.3
CAMERA_CENTRE_COLUMN = {1: 2149.5, 2: -14.3, 3: 2149.5, 4: -14.2}
"""Zero-based pixel of each CCD where the optical axis of its camera would fall, in the gap
between the four CCDs: extrapolated from the WCS of sectors 1 to 90, the same within 2 px
for all cameras."""


def on_camera(ccd, row, column):
    """Place of pixels on the focal plane of their camera, px upwards and to the right of its axis.

    As in the TESS Instrument Handbook: CCD 1 upper right, 2 upper left, 3 lower left, 4 lower right, all
    with their last rows towards the middle, so that 1 and 2 stand on their heads. East is to the *right* of
    north: the camera is seen as its images are.

    Parameters
    ----------
    ccd : int
    row, column : array_like
        Zero-based on the CCD.

    Returns
    -------
    up, right : ndarray
    """
    sign = -1 if is_turned(ccd) else 1
    return (sign * (np.asarray(row) - CAMERA_CENTRE_ROW),
            sign * (np.asarray(column) - CAMERA_CENTRE_COLUMN[ccd]))


def is_turned(ccd):
    """Whether a CCD stands on its head in its camera."""
    return ccd in (1, 2)


def to_one_based(index):
    """Row or column as FITS files and the database count it."""
    return index + 1


def to_zero_based(index):
    """Row or column as memory counts it."""
    return index - 1


def ccd_output(column):
    """Amplifier output 0..3 (A..D) that reads a zero-based column.

    Each output reads 512 science columns.
    """
    return np.clip((np.asarray(column) - SCIENCE.col_min) // 512, 0, 3).astype(int)


def angular_distance(ra1, dec1, ra2, dec2):
    """Angle between two directions, all in degrees (haversine, exact when small)."""
    ra1, dec1, ra2, dec2 = map(np.deg2rad, (ra1, dec1, ra2, dec2))
    chord = (np.sin((dec2 - dec1) / 2) ** 2
             + np.cos(dec1) * np.cos(dec2) * np.sin((ra2 - ra1) / 2) ** 2)
    return np.rad2deg(2 * np.arcsin(np.sqrt(np.clip(chord, 0, 1))))


def unit_vectors(ra, dec):
    """Directions as unit vectors (..., 3), from right ascension and declination in deg."""
    ra, dec = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack(np.broadcast_arrays(np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)),
                    axis=-1)


def local_axes(ra, dec):
    """Unit vectors (..., 3) to the east and to the north of directions in deg, also at the poles."""
    ra, dec = np.deg2rad(ra), np.deg2rad(dec)
    zero = np.zeros_like(ra + dec)
    east = np.stack([-np.sin(ra) + zero, np.cos(ra) + zero, zero], axis=-1)
    north = np.stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec) + zero], axis=-1)
    return east, north


def from_vectors(vectors):
    """Right ascension (0 to 360) and declination in deg of vectors (..., 3) of any length."""
    x, y, z = np.moveaxis(np.asarray(vectors, dtype='float64'), -1, 0)
    return np.rad2deg(np.arctan2(y, x)) % 360, np.rad2deg(np.arctan2(z, np.hypot(x, y)))


def cbv_area(camera, ccd, distance):
    """Area for co-trending: 100 camera + 10 ccd + 1..4.

    The last digit counts quarters of the camera's radius, ``distance`` being
    that of the star from the camera centre in degrees.
    """
    ring = np.clip(np.asarray(distance) // (CAMERA_RADIUS / 4), 0, 3).astype(int) + 1
    return 100 * camera + 10 * ccd + ring
