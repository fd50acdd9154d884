"""Times of arrival: from the clock of the spacecraft to the solar-system barycentre."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np

from photometry.core.errors import InputMissingError

BTJD = 2457000.0
"""Julian date of BTJD 0."""

LIGHT_DAYS_PER_AU = 149597870.7 / 299792.458 / 86400
"""Light travel time of one au (IAU 2012; BIPM)."""

LATE = -1.979 / 86400
"""What mends the mid-times of early releases, days."""

CAMERA_STAGGER = {1: 0.0, 2: 1.5, 3: 0.5, 4: 1.0}
"""How much later than camera 1 a camera is read, s."""

CCD_STAGGER = 0.020
"""How much later than the CCD before it a CCD is read, s."""

_LATE_VERSIONS = {
    (20, 27): ('spoc-4.0.14-20200108', 'spoc-4.0.15-20200114', 'spoc-4.0.17-20200130'),
    (21, 29): ('spoc-4.0.17-20200130', 'spoc-4.0.20-20200220', 'spoc-4.0.21-20200227'),
}
"""Versions whose times are late within releases that exist with both kinds, by (sector, release)."""

_GAP = 0.25
"""Rows of the ephemeris further apart than this (days) have a gap between them."""


def spacecraft_position(time, jd_tdb, position):
    """Where the spacecraft was, by cubic interpolation of the four nearest rows.

    Parameters
    ----------
    time : array (times,)
        Spacecraft BTJD (TDB). NaN stays NaN.
    jd_tdb : array (rows,)
        Julian dates of the ephemeris, ascending.
    position : array (rows, 3)
        Place at ``jd_tdb``, from the solar-system barycentre, au.

    Returns
    -------
    array (times, 3), au

    Raises
    ------
    InputMissingError
        When a time lies outside the ephemeris or in a gap of it.
    """
    time = np.asarray(time, dtype='float64')
    place = np.full((*time.shape, 3), np.nan)
    known = np.isfinite(time)
    if known.any():
        # Subtracting first keeps the microseconds that a Julian date rounds away.
        place[known] = _interpolate(time[known], jd_tdb - BTJD, position)
    return place


def _interpolate(time, node, position):
    after = np.searchsorted(node, time, side='left').clip(1, node.size - 1)
    step = node[after] - node[after - 1]
    lost = (time < node[0]) | (time > node[-1]) | (step > _GAP) & (time != node[after])
    if lost.any():
        raise InputMissingError(_explain(time[lost][0], node))
    start = _stencil_start(after, node)
    stencil = start[:, None] + np.arange(4)
    distance = time[:, None] - node[stencil]
    result = np.zeros((time.size, 3))
    for k in range(4):
        others = [m for m in range(4) if m != k]
        weight = np.prod([distance[:, m] / (node[stencil[:, k]] - node[stencil[:, m]]) for m in others],
                         axis=0)
        result += weight[:, None] * position[stencil[:, k]]
    return result


def _stencil_start(after, node):
    """First of four rows around each interval, all on the same side of any gap."""
    ends = np.flatnonzero(np.diff(node) > _GAP) + 1
    bounds = np.r_[0, ends, node.size]
    # A time that meets the first row after a gap belongs to what follows.
    segment = np.searchsorted(bounds, after, side='right') - 1
    if (np.diff(bounds) < 4).any():
        raise ValueError('Every stretch of the ephemeris needs four rows.')
    return np.clip(after - 2, bounds[segment], bounds[segment + 1] - 4)


def _explain(time, node):
    gap = np.flatnonzero(np.diff(node) > _GAP)
    gaps = ''.join(f', except from {_date(node[k])} to {_date(node[k + 1])}' for k in gap)
    return (f'The ephemeris of TESS does not tell where it was on {_date(time)} (BTJD {time:.3f}); '
            f'it covers {_date(node[0])} to {_date(node[-1])}{gaps}: a newer version of tessphot '
            'may know more, or SPICE kernels (times.kernels in the settings).')


def _date(time):
    try:
        return (datetime(2000, 1, 1, 12) + timedelta(days=float(time) + BTJD - 2451545)).date().isoformat()
    except OverflowError:
        return 'no date'


def light_travel(place, ra, dec):
    """How much later light from a star reaches the barycentre than a place.

    Parameters
    ----------
    place : array (times, 3)
        From the barycentre, au.
    ra, dec : float or array
        Direction of the star, deg. Arrays lead the shape of the result.

    Returns
    -------
    array (times,) or (stars, times), days
    """
    ra, dec = np.deg2rad(ra), np.deg2rad(dec)
    parts = np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)
    if np.ndim(ra) == np.ndim(dec) == 0:
        return place @ np.array(parts) * LIGHT_DAYS_PER_AU
    direction = np.stack(np.broadcast_arrays(*parts), axis=-1)
    return direction @ np.moveaxis(place, -1, 0) * LIGHT_DAYS_PER_AU


def barycentric_correction(time, ra, dec, jd_tdb, position):
    """What to add to spacecraft times for a star.

    The light travel time r.n/c alone; spacecraft times are TDB already, and the
    curvature of the wave front and the Sun's gravity stay below a millisecond.

    Parameters
    ----------
    time : array (times,)
        Spacecraft BTJD (TDB), that is TIME - TIMECORR of a light curve. NaN stays NaN.
    ra, dec : float or array (stars,)
        Direction of the star, deg.
    jd_tdb, position : arrays (rows,) and (rows, 3)
        Ephemeris as `photometry.files.ephemeris.load_ephemeris` gives it.

    Returns
    -------
    array (times,) or (stars, times), days

    Raises
    ------
    InputMissingError
        When a time lies outside the ephemeris or in a gap of it.
    """
    return light_travel(spacecraft_position(time, jd_tdb, position), ra, dec)


def release_offset(sector, data_rel, procver='') -> float:
    """What to add to the mid-times of early data releases, whose clock ran late.

    Start and end of a cadence were counted one 2-s frame too late, less 31 and
    11 ms of the focal plane's electronics: mid-times are 1.979 s late in all
    releases up to 26, and in some files of releases 27 and 29 that only the
    version of the processing tells apart (TESS data release notes 25, 27 and
    29). Full-frame images need `readout_stagger`, too.

    Parameters
    ----------
    sector, data_rel : int
        Sector and DATA_REL of a header.
    procver : str
        PROCVER of the header.

    Returns
    -------
    float
        Days; zero or -1.979 s.
    """
    return LATE if _is_early(sector, data_rel, procver) else 0.0


def edge_offset(sector, data_rel, procver='') -> float:
    """What to add to the start, and subtract from the end, of such an exposure beyond `release_offset`, days.

    An exposure begins 31 ms later and ends 11 ms later than a whole number of frames, 10 ms off the
    21 ms of its middle.
    """
    return 0.010 / 86400 if _is_early(sector, data_rel, procver) else 0.0


def readout_stagger(sector, data_rel, procver, camera, ccd) -> float:
    """What to add to all times of early full-frame images for the place of their CCD in the readout.

    Cameras are read half a second after each other in the order 1, 3, 4, 2, the CCDs of a camera
    20 ms after each other. Headers of full-frame images leave that out in all releases up
    to 26 and in what was first released as 27; target pixel files never do (TESS data release notes
    25, 26, 27 and 29).

    Parameters
    ----------
    sector, data_rel : int
    procver : str
    camera, ccd : int

    Returns
    -------
    float
        Days.
    """
    if not _is_early(sector, data_rel, procver) or data_rel == 29:
        return 0.0
    return (CAMERA_STAGGER[camera] + CCD_STAGGER * (ccd - 1)) / 86400


def _is_early(sector, data_rel, procver):
    """Whether the clock of a release ran late."""
    return sector <= 19 and data_rel <= 26 or procver.strip() in _LATE_VERSIONS.get((sector, data_rel), ())


def star_times(time, timecorr, ra, dec, jd_tdb, position):
    """Times of a star from those that hold for the middle of its CCD.

    Parameters
    ----------
    time, timecorr : array (times,)
        Barycentric BTJD and its correction, both for the middle of the CCD, as
        headers of FFIs and the cube give them.
    ra, dec, jd_tdb, position
        As for `barycentric_correction`.

    Returns
    -------
    time, timecorr : arrays (times,) or (stars, times)
        Barycentric BTJD of the star, with its own correction, days.
    """
    spacecraft = np.asarray(time, dtype='float64') - np.asarray(timecorr, dtype='float64')
    return times_at(spacecraft, ra, dec, spacecraft_position(spacecraft, jd_tdb, position))


def times_at(spacecraft, ra, dec, place):
    """The same from the times of the spacecraft and its `spacecraft_position`, shared by all stars.

    Parameters
    ----------
    spacecraft : array (times,)
        BTJD at the spacecraft.
    ra, dec : float or array (stars,)
        deg.
    place : array (times, 3)
        au.

    Returns
    -------
    time, timecorr : arrays (times,) or (stars, times)
    """
    correction = light_travel(place, ra, dec)
    return spacecraft + correction, correction
