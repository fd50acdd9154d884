"""Where the stars lie: each frame's WCS, held against the other frames and against the stars themselves."""

from __future__ import annotations

import logging

import numpy as np

from photometry.algorithms import motion
from photometry.core.errors import InputBadError
from photometry.files import sector_wcs, wcs
from photometry.stages.prepare.pool import FramePool
from photometry.stages.prepare.selection import MANY

logger = logging.getLogger(__name__)

TOLERANCE = 2.0
"""A frame whose WCS differs from the others by more, px, loses it."""

RESIDUAL = 0.5
"""Median distance, px, of stars from their catalogue places beyond which the WCS is wrong."""

_SEARCH = 7
"""Half width of the window in which a star is sought, px."""

_LEAST = 5
"""Stars from which on the WCS is judged by stars one by one."""

FEW_RESIDUAL = 1.0
"""The same as `RESIDUAL` for a cutout with fewer stars."""

_FEW_LIKE, _FEW_FACTOR, _FEW_LIGHT = 0.7, 1.6, 500.
"""Likeness of such a cutout with the expected light, factor between their light, and light in e-/s, that
make a shift between them believable."""


def consistent(source, workers=1):
    """WCS texts of the frames, emptied where wrong, with the tracks of some directions.

    Returns
    -------
    texts : tuple of str
    tracks : array (2, places, frames) or None
        Rows and columns; None for a cutout, whose frames share one WCS.
    """
    texts = [frame.wcs_text for frame in source.frames]
    if source.is_cutout or not any(texts):
        return tuple(texts), None
    for name in (name for name, text in zip(source.names, texts, strict=True) if not text):
        logger.warning('%s has no usable WCS; its stars are placed by other means.', name)
    directions = _first_directions(texts, source)
    if directions is None:
        return ('',) * len(texts), None
    tracks = np.full((2, len(directions[0]), len(texts)), np.nan)
    with FramePool(_track, directions, workers, MANY, len(texts)) as pool:
        for index, (_, places) in enumerate(pool.map(texts)):
            tracks[:, :, index] = places
    _drop_wrong(source, texts, tracks)
    return tuple(texts), tracks


def _first_directions(texts, source):
    for text in filter(None, texts):
        try:
            return _directions(wcs.wcs_from_text(text), source.limits)
        except InputBadError:
            continue
    return None


def _track(directions, text):
    """Rows and columns (2, places) that a WCS gives some directions; NaN where it cannot."""
    try:
        return np.array(wcs.sky_to_pixel(wcs.wcs_from_text(text), *directions)) if text else np.nan
    except InputBadError:
        return np.nan


def _directions(made, limits, number=5):
    """Directions of a grid of pixels."""
    rows = np.linspace(limits.row_min, limits.row_max - 1, number)
    columns = np.linspace(limits.col_min, limits.col_max - 1, number)
    rows, columns = (axis.ravel() for axis in np.meshgrid(rows, columns))
    return wcs.pixel_to_sky(made, rows, columns)


def _drop_wrong(source, texts, tracks):
    """Empty the WCS of frames that place the directions elsewhere than most frames do."""
    known = np.isfinite(tracks).all(axis=(0, 1))
    usual = np.median(tracks[:, :, known], axis=2) if known.any() else np.full(tracks.shape[:2], np.nan)
    distance = np.hypot(*(tracks - usual[:, :, None])).max(axis=0)
    for index in np.flatnonzero([bool(text) for text in texts]):
        if not distance[index] <= TOLERANCE:
            logger.warning('%s has a wrong WCS, %.1f px from that of the other frames; it is not used.',
                           source.names[index], distance[index])
            texts[index] = ''
            tracks[:, :, index] = np.nan


def reference(texts, good) -> int:
    """The good frame with a WCS that is nearest to the middle of the series."""
    have = np.array([bool(text) for text in texts])
    for wanted in (have & good, have, good, np.ones(len(texts), bool)):
        if wanted.any():
            candidates = np.flatnonzero(wanted)
            return int(candidates[np.argmin(np.abs(candidates - len(texts) / 2))])
    return 0


def reference_wcs(text, job):
    """WCS of the reference frame; that of the sector's pointing if no frame has one.

    Raises
    ------
    InputMissingError
        When neither exists.
    """
    if text:
        return wcs.wcs_from_text(text, job.label)
    logger.warning('No frame of %s has a usable WCS; the predicted pointing is used, put right on the stars.',
                   job.label)
    return sector_wcs.predicted_wcs(*job.key)


def put_right(made, image, light, limits, stars):
    """A predicted WCS moved to where the stars of an image are; as it is where they do not tell.

    Parameters
    ----------
    made : astropy.wcs.WCS
    image, light, limits, stars
        As for `check_against_stars`.
    """
    offsets = _offsets(image, light, limits, stars)
    if not len(offsets):
        logger.warning('The stars do not tell how far the predicted pointing is off.')
        return made
    rows, columns = np.median(offsets, axis=0)
    logger.info('The predicted pointing is moved by %+.2f rows and %+.2f columns.', rows, columns)
    return wcs.moved(made, rows, columns)


def check_against_stars(image, light, limits, stars, job, name):
    """Compare catalogue places with the stars in an image.

    Parameters
    ----------
    image : array (rows, columns)
        Without its background, e-/s.
    light : array (rows, columns)
        Expected light of the stars at their catalogue places, e-/s.
    name : str
        File that the WCS comes from.

    Raises
    ------
    InputBadError
        When the stars lie elsewhere.
    """
    offsets = _offsets(image, light, limits, stars)
    if not len(offsets):
        logger.debug('%s cannot be compared with its catalogue.', job.label)
        return
    residual = float(np.median(np.hypot(*offsets.T)))
    logger.info('Stars lie %.2f px (median) from their catalogue places.', residual)
    if residual > (RESIDUAL if len(stars.row) >= _LEAST else FEW_RESIDUAL):
        row, column = np.median(offsets, axis=0)
        raise InputBadError(
            f'The WCS of {name} is wrong for {job.label}: stars lie {residual:.1f} px from their catalogue '
            f'places (median shift {row:+.1f} rows, {column:+.1f} columns); check catalogue and FFIs.')


def _offsets(image, light, limits, stars):
    """(row, column) by which stars stand beside their catalogue places, (n, 2); none where they do not tell.

    Stars that stand alone are compared one by one; where there are too few of
    them, the image is compared with the expected light as a whole. A cutout
    around a star or two counts only where the image holds as much light as its
    catalogue promises, and much the same shape: the catalogue may lack the rest.
    """
    chosen = motion.select(stars.row, stars.column, stars.tmag, limits, count=400)
    if len(chosen) < _LEAST:
        return _common_offset(image, light, least=_FEW_LIKE) if _as_bright(image, light) else np.zeros((0, 2))
    offsets = np.array([_offset(image, limits, stars.row[star], stars.column[star])
                        for star in _alone(stars, limits, chosen)]).reshape(-1, 2)
    offsets = offsets[np.isfinite(offsets).all(axis=1)]
    return offsets if len(offsets) >= _LEAST else _common_offset(image, light)


def _as_bright(image, light):
    """Whether an image holds about the light that is expected in it, and enough to tell."""
    total, expected = (float(np.nansum(np.clip(values, 0, None))) for values in (image, light))
    return expected > _FEW_LIGHT and abs(np.log(max(total, 1e-9) / expected)) < np.log(_FEW_FACTOR)


def _common_offset(image, light, reach=10, least=0.3, most=512):
    """Shift (1, 2) that brings the expected light best onto the image; (0, 2) where none does."""
    image, light = (values[:most, :most] for values in (image, light))
    image = np.where(np.isfinite(image), image, 0)
    floor = 5 * 1.4826 * np.median(np.abs(image - np.median(image)))
    # square roots, lest the brightest star decide alone
    bright = [np.sqrt(np.clip(values - floor, 0, None)) for values in (image, light)]
    bright = [values - values.mean() for values in bright]
    norm = np.sqrt((bright[0] ** 2).sum() * (bright[1] ** 2).sum())
    shape = [length + 2 * reach for length in image.shape]
    spectra = [np.fft.rfft2(values, shape) for values in bright]
    match = np.fft.irfft2(spectra[0] * spectra[1].conj(), shape)
    match = np.roll(match, (reach, reach), (0, 1))[:2 * reach + 1, :2 * reach + 1]
    peak = np.unravel_index(np.argmax(match), match.shape)
    if not (norm > 0 and match[peak] > least * norm) or not all(0 < place < 2 * reach for place in peak):
        return np.zeros((0, 2))
    lines = match[peak[0] - 1:peak[0] + 2, peak[1]], match[peak[0], peak[1] - 1:peak[1] + 2]
    return np.array([[place - reach + (line[2] - line[0]) / (2 * (2 * line[1] - line[0] - line[2]))
                      for place, line in zip(peak, lines, strict=True)]])


def _alone(stars, limits, chosen):
    """Chosen stars without another within the search window that is less than 1 mag fainter."""
    kept = []
    for star in chosen:
        near = ((np.abs(stars.row - stars.row[star]) < _SEARCH + 2)
                & (np.abs(stars.column - stars.column[star]) < _SEARCH + 2)
                & (stars.tmag < stars.tmag[star] + 1))
        place = limits.grown(-_SEARCH, -_SEARCH, -_SEARCH, -_SEARCH)
        if near.sum() == 1 and place.contains(stars.row[star], stars.column[star]):
            kept.append(star)
    return kept


def _offset(image, limits, row, column):
    """(row, column) from the catalogue place to the centroid at the brightest pixel near it."""
    top, left = round(row) - limits.row_min - _SEARCH, round(column) - limits.col_min - _SEARCH
    window = image[top:top + 2 * _SEARCH + 1, left:left + 2 * _SEARCH + 1]
    if window.shape != (2 * _SEARCH + 1,) * 2 or not np.isfinite(window).all():
        return np.nan, np.nan
    peak = np.unravel_index(np.argmax(window[1:-1, 1:-1]), (2 * _SEARCH - 1,) * 2)
    core = np.clip(window[peak[0]:peak[0] + 3, peak[1]:peak[1] + 3], 0, None)
    steps = np.arange(-1, 2)
    if not core.sum() > 0:
        return np.nan, np.nan
    found = (peak[0] + 1 + (core.sum(axis=1) @ steps) / core.sum() + top + limits.row_min,
             peak[1] + 1 + (core.sum(axis=0) @ steps) / core.sum() + left + limits.col_min)
    return found[0] - row, found[1] - column
