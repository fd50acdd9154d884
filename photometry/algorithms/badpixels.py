"""Pixels that a rule, saturation or an artefact spoils."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photometry.core.quality import PixelFlag
from photometry.core.stamp import Stamp


class Exclusion(NamedTuple):
    """A part of one CCD, for a range of time, that is known to be bad."""

    sector: int | None
    camera: int
    ccd: int | None
    rows: tuple[int, int]
    columns: tuple[int, int]
    time: tuple[float, float]
    why: str


EVERYWHERE = (0, 10_000)
ALWAYS = (-np.inf, np.inf)

EXCLUSIONS = (
    Exclusion(1, 1, 4, EVERYWHERE, (1536, 10_000), ALWAYS, 'Mars just outside the field'),
    Exclusion(4, 1, None, EVERYWHERE, EVERYWHERE, (1464.016, 1464.266), 'Earth-shine'),
)
"""Known bad parts; None stands for any, rows and columns are zero-based and half-open, times BTJD."""


def excluded(limits, sector, camera, ccd, time):
    """Pixels left out of a frame by a rule of ``EXCLUSIONS``.

    Returns
    -------
    bool array (height, width)
    """
    mask = np.zeros(limits.shape, dtype=bool)
    for rule in EXCLUSIONS:
        applies = (rule.sector in (None, sector) and rule.camera == camera and rule.ccd in (None, ccd)
                   and rule.time[0] <= time <= rule.time[1])
        if applies:
            part = Stamp(*rule.rows, *rule.columns).clipped(limits)
            mask[part.slices((limits.row_min, limits.col_min))] = True
    return mask


def empty(image) -> bool:
    """Whether a frame holds nothing: every finite pixel is exactly zero, or none is finite."""
    return not np.any(np.isfinite(image) & (np.asarray(image) != 0))


def saturated(image, read=2.0, live=0.99, clipping=0.8, full_well=2e5, margin=0.9):
    """Pixels at full well, and the bleed columns that start from them.

    Parameters
    ----------
    image : array (height, width)
        e-/s of calibrated time, as in the file; best the mean of many frames.
    read : float
        Seconds of one read.
    live, clipping : float
        Parts of the time during which the detector counts (frame transfer;
        cosmic-ray mitigation).
    full_well : float
        Electrons per read at which a pixel is full.
    margin : float
        Part of the full well from which a pixel counts as saturated.

    Returns
    -------
    bool array (height, width)
    """
    return np.asarray(image) * read > margin * full_well


def artefacts(residual, limit=40.0):
    """Structure in a frame that its background does not follow."""
    return np.zeros(np.shape(residual), dtype=bool)


def frame_flags(image, not_used, excluded=None, saturated=None, artefact=None):
    """Bits of every pixel of a frame.

    Parameters
    ----------
    image : array (height, width)
    not_used, excluded, saturated, artefact : bool arrays of the same shape, optional

    Returns
    -------
    uint8 array (height, width) of PixelFlag bits
    """
    flags = np.zeros(np.shape(image), dtype='u1')
    flags[~np.isfinite(image)] |= np.uint8(PixelFlag.NOT_FINITE)
    for mask, bit in ((not_used, PixelFlag.NOT_USED_FOR_BACKGROUND), (excluded, PixelFlag.EXCLUDED),
                      (saturated, PixelFlag.SATURATED), (artefact, PixelFlag.ARTEFACT)):
        if mask is not None:
            flags[mask] |= np.uint8(bit)
    return flags
