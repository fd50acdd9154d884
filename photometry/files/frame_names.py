"""What the names of full-frame images tell about time, so that no file need be opened for it."""

from __future__ import annotations

import datetime
import os
import re

_SPOC = re.compile(r'tess(\d{13})-s', re.ASCII)
_TICA = re.compile(r'hlsp_tica_tess_ffi_s\d{4}-(?:o\d+[a-z]?-)?(\d{8})-cam', re.ASCII)

_ZERO = datetime.datetime(2014, 12, 8, 12)
"""TJD 0, which is JD 2457000."""

_FIELDS = ((0, 4), (4, 7), (7, 9), (9, 11), (11, 13))
"""Places of year, day of the year, hour, minute and second."""

_TDB_LESS_UTC = 69.184 / 86400
"""Days; since 2017, and no leap second is announced."""


def start_time(path) -> float | None:
    """Start of the exposure of an image of SPOC: spacecraft time, TJD (TDB), to a second.

    None for other names, and for one whose digits are no date (year, day of the year, time).
    """
    match = _SPOC.match(os.path.basename(path))
    if not match:
        return None
    digits = match[1]
    year, day, hour, minute, second = (int(digits[start:stop]) for start, stop in _FIELDS)
    if not (2000 <= year < 3000 and 0 < day < 367 and hour < 24 and minute < 60 and second < 62):
        return None
    midnight = datetime.date(year, 1, 1).toordinal() + day - 1 - _ZERO.toordinal()
    return midnight - 0.5 + (hour * 3600 + minute * 60 + second) / 86400 + _TDB_LESS_UTC


def cadence_number(path) -> int | None:
    """Number of the cadence of an image of TICA; None for other names."""
    match = _TICA.match(os.path.basename(path))
    return match and int(match[1])


def utc_text(tjd) -> str:
    """A spacecraft time (TJD, TDB) as date and time of UTC, to a second."""
    moment = _ZERO + datetime.timedelta(days=tjd - _TDB_LESS_UTC)
    return (moment + datetime.timedelta(seconds=0.5)).isoformat(sep=' ', timespec='seconds')
