"""What the report of a run is made of, as its stage gathers it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photometry.report.stars import Stars


@dataclass(frozen=True)
class CubeSeries:
    """What a cube tells through time.

    Attributes
    ----------
    name : str
        Of its file.
    key : tuple of int
        (sector, camera, ccd, cadence).
    time : ndarray (times,)
        BTJD at the centre of the CCD.
    good : ndarray (times,) of bool
    rows, columns : ndarray (times,)
        Mean motion of the stars against the reference frame, px; NaN where it was not measured.
    background : dict of str to ndarray (times,)
        Place in words -> background there, e-/s.
    """

    name: str
    key: tuple
    time: np.ndarray
    good: np.ndarray
    rows: np.ndarray
    columns: np.ndarray
    background: dict


@dataclass(frozen=True)
class Run:
    """A list of stars with what became of them and what lies beside it."""

    input: str
    output: str
    todo: str
    filters: str
    """As options of the command line; empty without."""
    made: str
    """Date and time, UTC."""
    version: str
    stars: Stars
    row: np.ndarray
    """(stars,) one-based; of stars without a light curve by catalogue and cube, NaN where neither tells."""
    column: np.ndarray
    cubes: dict = field(default_factory=dict)
    """(sector, camera, ccd, cadence) -> list of `CubeSeries`."""
    floors: dict[int, float] = field(default_factory=dict)
    """Priority -> noise of the star's own aperture, ppm, where its light curve was read."""
    curves: dict[int, Path] = field(default_factory=dict)
    """Priority -> light-curve file that comes along."""
    problems: tuple[str, ...] = ()
    """Sentences about what is missing."""
    progress: str | None = None
    """What the last run said about itself."""
