"""Places of something that moves over the sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_STEP = 2.0
"""Days over which places may be interpolated: a main-belt asteroid errs by less than a second of arc."""


@dataclass(frozen=True)
class Track:
    """Where one object is, time by time.

    Attributes
    ----------
    name : str
    time : ndarray (times,)
        BTJD, ascending.
    ra, dec : ndarray (times,)
        deg.
    """

    name: str
    time: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
