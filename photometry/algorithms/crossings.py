"""Moving objects on the pixels of a CCD: where they are in every frame, and whose mask they cross."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.core.coordinates import unit_vectors
from photometry.core.track import MOST_STEP

REACH = 1.5
"""Distance, px, between an object and the middle of a pixel that it shines on."""


@dataclass(frozen=True)
class Crossings:
    """All that moves over some pixels.

    Attributes
    ----------
    row, column : ndarray (n,)
        Zero-based place on the CCD.
    frame, number : ndarray (n,) of int
        Frame in which an object stands there, and which of the objects it is.
    frames : int
        Of the source.
    """

    row: np.ndarray
    column: np.ndarray
    frame: np.ndarray
    number: np.ndarray
    frames: int

    @classmethod
    def of(cls, tracks, time, place, limits):
        """Those of some tracks.

        Parameters
        ----------
        tracks : sequence of photometry.core.track.Track
        time : ndarray (frames,)
            At the spacecraft, BTJD.
        place : callable
            Takes right ascension and declination (deg) and gives rows and columns.
        limits : Stamp
        """
        found = [_on_pixels(number, track, time, place, limits) for number, track in enumerate(tracks)]
        row, column, frame, number = np.concatenate([np.zeros((4, 0)), *found], axis=1)
        return cls(row, column, frame.astype(int), number.astype(int), time.size)

    def near(self, stamp):
        """Those on a stamp and around it."""
        inside = _around(self.row, self.column, stamp)
        return Crossings(self.row[inside], self.column[inside], self.frame[inside], self.number[inside],
                         self.frames)

    def of_mask(self, mask, stamp):
        """Frames in which something shines on a mask.

        Parameters
        ----------
        mask : ndarray (rows, columns) of bool
        stamp : Stamp

        Returns
        -------
        hit : ndarray (frames,) of bool
        numbers : ndarray of int
            Which of the objects.
        """
        near = self.near(stamp)
        rows, columns = np.nonzero(mask)
        away = np.hypot(near.row[:, None] - (stamp.row_min + rows),
                        near.column[:, None] - (stamp.col_min + columns))
        touched = away.min(axis=1, initial=np.inf) <= REACH
        hit = np.zeros(self.frames, dtype=bool)
        hit[near.frame[touched]] = True
        return hit, np.unique(near.number[touched])


def interpolated(track, time):
    """Right ascension and declination of a track at other times, deg; NaN outside of it and in its gaps.

    Parameters
    ----------
    track : photometry.core.track.Track
    time : ndarray (n,)
        BTJD.

    Returns
    -------
    ndarray (2, n)
    """
    from scipy.interpolate import CubicSpline
    made = np.full((2, time.size), np.nan)
    gaps = np.flatnonzero(np.diff(track.time) > MOST_STEP) + 1
    for part in np.split(np.arange(track.time.size), gaps):
        inside = (time >= track.time[part[0]]) & (time <= track.time[part[-1]])
        if part.size > 1 and inside.any():
            known = unit_vectors(track.ra[part], track.dec[part])
            x, y, z = CubicSpline(track.time[part], known)(time[inside]).T
            made[:, inside] = np.degrees(np.arctan2(y, x)) % 360, np.degrees(np.arctan2(z, np.hypot(x, y)))
    return made


def _on_pixels(number, track, time, place, limits):
    """Row, column, frame and number of one track where it lies on the pixels, (4, n)."""
    ra, dec = interpolated(track, time)
    frame = np.flatnonzero(np.isfinite(ra))
    row, column = place(ra[frame], dec[frame]) if frame.size else np.zeros((2, 0))
    inside = _around(row, column, limits)
    return np.stack([row[inside], column[inside], frame[inside], np.full(inside.sum(), number)])


def _around(row, column, stamp):
    with np.errstate(invalid='ignore'):
        return ((row > stamp.row_min - 1 - REACH) & (row < stamp.row_max + REACH)
                & (column > stamp.col_min - 1 - REACH) & (column < stamp.col_max + REACH))
