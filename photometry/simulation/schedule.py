"""When frames are taken, which are flagged, empty or lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.core.quality import CadenceFlag

CADENCES = (20, 120, 158, 200, 475, 600, 1800)

ANCHOR_START = 1325.32351727 - 900 / 86400
"""Start (TJD) of the 1800-s cadence 4697, the FFI tess2018206192942 of sector 1."""

ANCHOR_CADENCE = 4697
_SECTOR_DAYS = 27.4
"""Mean length of a sector."""


@dataclass(frozen=True)
class Schedule:
    """Frames in order of time; arrays of shape (frames,)."""

    cadence: int
    cadenceno: np.ndarray
    start: np.ndarray
    """Spacecraft time (TDB) in TJD, without barycentric correction."""
    quality: np.ndarray
    zero: np.ndarray
    """Frames whose every pixel is 0, without a flag."""
    missing: np.ndarray
    """Frames of which no file exists."""

    @property
    def middle(self):
        """Spacecraft time of mid-exposure, TJD."""
        return self.start + self.cadence / 172800

    @property
    def stop(self):
        """Spacecraft time of the end, TJD."""
        return self.start + self.cadence / 86400

    @property
    def clean(self):
        """Frames that exist, hold light and carry no flag."""
        return (self.quality == 0) & ~self.zero & ~self.missing


def make_schedule(rng, sector, cadence, frames, *, gap=True, faults=True, start=None):
    """Frames of a sector.

    Parameters
    ----------
    rng : numpy.random.Generator
    sector, cadence, frames : int
    gap : bool
        A pause after half of the frames, from 20 on: one day in 27, as between orbits.
    faults : bool
        Flag, empty and lose some; only where there are at least 20 frames.
    start : float, optional
        TJD before the first frame; sectors begin every 27.4 days otherwise.

    Returns
    -------
    Schedule
    """
    day = ANCHOR_START + (sector - 1) * _SECTOR_DAYS if start is None else start
    offset = ANCHOR_CADENCE * 1800
    first = int(np.ceil(((day - ANCHOR_START) * 86400 + offset) / cadence))
    cadenceno = first + np.arange(frames)
    if gap and frames >= 20:
        cadenceno[frames // 2:] += max(1, round(frames / 26))
    start = ANCHOR_START + (cadenceno * cadence - offset) / 86400
    quality = np.zeros(frames, dtype='int32')
    zero, missing = np.zeros(frames, dtype=bool), np.zeros(frames, dtype=bool)
    if faults and frames >= 20:
        _spoil(rng, cadence, start, quality, zero, missing)
    return Schedule(cadence, cadenceno, start, quality, zero, missing)


def _spoil(rng, cadence, start, quality, zero, missing):
    frames = len(start)
    # Momentum dumps every three days or so, at least one.
    spacing = min(frames // 2, round(3 * 86400 / cadence))
    quality[spacing // 2::spacing] |= CadenceFlag.DESATURATION
    few = max(1, frames // 200)
    chosen = rng.permutation(np.flatnonzero(quality == 0))
    quality[chosen[:few]] |= CadenceFlag.COARSE_POINT
    quality[chosen[few:2 * few]] |= CadenceFlag.SCATTERED_LIGHT
    zero[chosen[2 * few:3 * few]] = True
    missing[chosen[3 * few:4 * few]] = True
    quality[chosen[4 * few:5 * few]] |= CadenceFlag.STRAYLIGHT
