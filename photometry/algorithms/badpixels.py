"""Pixels that a rule, saturation or an artefact spoils."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from photometry.algorithms import boxes
from photometry.core import units
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

EXCLUSIONS = (
    Exclusion(1, 1, 4, EVERYWHERE, (1580, 10_000), (-np.inf, 1325.9), 'Mars floods output D'),
    Exclusion(None, 1, None, EVERYWHERE, EVERYWHERE, (1464.016, 1464.266), 'Earth-shine'),
)
"""Known bad parts; None stands for any, rows and columns are zero-based and half-open, times BTJD.

From TASOC's list of manual excludes (tasoc/photometry, pixel_flags.py): Mars up to cadence 4724 of
1800 s, in output D, whose science columns 1536 to 2047 are columns 1580 to 2091 of the whole row;
Earth-shine in cadences 11354 to 11366.
"""


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
    # the first rows tell, but for a frame that is empty
    return not any(np.any(np.isfinite(row) & (row != 0)) for row in np.atleast_1d(image))


def saturated(image, live=1.0, int_time=1.98, full_well=units.SATURATION, margin=0.9):
    """Pixels at full well, and the ends of the bleed columns that start from them.

    Parameters
    ----------
    image : array (height, width)
        e-/s, sky included; best the mean of many frames.
    live : float
        Part of the time that counts by which the file's rates were divided: 1
        for calibrated frames, whose rates are those during integration.
    int_time : float
        Seconds in which one read collects light (TESS Instrument Handbook, sec. 5.2).
    full_well : float
        Electrons per read at which a pixel is full.
    margin : float
        Part of the full well from which a pixel counts as full; wells differ.

    Returns
    -------
    bool array (height, width)
    """
    with np.errstate(invalid='ignore'):
        full = np.asarray(image) * (int_time / live) > margin * full_well
    # charge that ran along the column leaves its last pixel partly full
    grown = full.copy()
    grown[1:] |= full[:-1]
    grown[:-1] |= full[1:]
    return grown


def artefacts(difference, stars=None, limit=10.0, fraction=0.1, box=8):
    """Structure in a frame that its background does not follow: glints, ghosts, sharp edges.

    Medians of small boxes, from which single stars, asteroids and cosmic rays
    drop out, are held against a limit; boxes above half of it count too where
    they touch one above.

    Parameters
    ----------
    difference : array (height, width)
        Frame less its background less the stars of the mean frame, e-/s.
    stars : array (height, width), optional
        Those stars; their movement leaves a part of their light behind.
    limit : float
        Least median that counts, e-/s.
    fraction : float
        Part of the stars' light by which the limit is raised.
    box : int
        Size of a box, px.

    Returns
    -------
    bool array (height, width)
    """
    from scipy import ndimage
    height, width = np.shape(difference)
    difference = _full_boxes(np.asarray(difference), box)
    # a box whose median is above half the limit has half its pixels above it; the others need no median
    above = _above(difference, limit / 2, box)
    suspect = np.nonzero(above >= box * box / 2)
    level, threshold = np.zeros(above.shape), np.full(above.shape, limit)
    level[suspect] = np.nan_to_num(np.abs(_box_medians(difference, suspect, box)))
    if stars is not None:
        light = np.abs(_box_medians(_full_boxes(np.asarray(stars), box), suspect, box))
        threshold[suspect] += fraction * np.nan_to_num(light)
    strong = level > threshold
    found = np.zeros((height, width), dtype=bool)
    if strong.any():
        grown = ndimage.binary_propagation(strong, np.ones((3, 3)), mask=level > threshold / 2)
        rows, columns = (np.arange(length) // box for length in found.shape)
        found = grown[rows[:, None], columns]
    return found


def _full_boxes(image, box):
    """An image with NaN added until every box is full."""
    height, width = (-(-length // box) * box for length in image.shape)
    if image.shape == (height, width):
        return image
    full = np.full((height, width), np.nan, dtype='f4')
    full[:image.shape[0], :image.shape[1]] = image
    return full


def _above(image, limit, box):
    """Pixels of every box that are further from zero than a limit, or unknown."""
    counts = []
    for top in range(0, len(image), box):
        with np.errstate(invalid='ignore'):
            above = ~(np.abs(image[top:top + box]) <= limit)
        counts.append(above.sum(axis=0, dtype='u1').reshape(-1, box).sum(axis=1, dtype='i4'))
    return np.array(counts)


def _box_medians(image, which, box):
    """Medians of some boxes, given by rows and columns of boxes; NaN where no pixel is known."""
    parts = image.reshape(len(image) // box, box, -1, box)[which[0], :, which[1]]
    return boxes.medians(parts.reshape(-1, box * box))


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
    for mask, bit in ((~np.isfinite(image), PixelFlag.NOT_FINITE),
                      (not_used, PixelFlag.NOT_USED_FOR_BACKGROUND), (excluded, PixelFlag.EXCLUDED),
                      (saturated, PixelFlag.SATURATED), (artefact, PixelFlag.ARTEFACT)):
        if mask is not None:
            flags |= np.multiply(mask, np.uint8(bit), dtype='u1')
    return flags
