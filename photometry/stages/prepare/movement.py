"""What the finished pixels tell: how the stars move over them, how far a star's light reaches."""

from __future__ import annotations

import dataclasses
import logging
from functools import partial

import numpy as np

from photometry.algorithms import missing_stars, motion, wing
from photometry.core import quality, units
from photometry.stages.prepare import psf

logger = logging.getLogger(__name__)

SMALL = 32
"""Rows and columns up to which stars are looked for in the pixels: a catalogue may lack most of so few."""

SKY = 100.0
"""Photons of the sky assumed for the noise of the mean image, e-/s a pixel."""


def measure(writer, tables, known, wanted) -> motion.Motion:
    """Movement of the stars against their places in the reference frame.

    Parameters
    ----------
    writer : photometry.files.cube_writer.CubeWriter
        With all blocks written.
    tables : photometry.files.cube_writer.CubeTables
    known : photometry.stages.prepare.field.Field
    wanted : str
        auto, wcs or stars.
    """
    good = quality.good(tables.quality)
    centre = writer.info.centre
    by_wcs = by_stars = None
    if wanted in ('auto', 'wcs') and known.tracks is not None:
        by_wcs = motion.from_positions(*known.tracks, good, centre, known.ref_frame)
    if wanted in ('auto', 'stars') or by_wcs is None:
        by_stars = _on_stars(writer, known, good, centre)
    if by_wcs is None or by_stars is None:
        return motion.against_reference(by_stars or by_wcs)
    return motion.against_reference(motion.choose(by_wcs, by_stars))


def star_wing(sumimage, moved, info, known, good) -> tuple:
    """The wing that the sum image shows around its bright stars, as the cube keeps it.

    Parameters
    ----------
    sumimage : array (rows, columns)
    moved : photometry.algorithms.motion.Motion
    info : photometry.files.cube_schema.CubeInfo
    known : photometry.stages.prepare.field.Field
    good : bool array (times,)
    """
    row, column = psf.mean_places(moved, good, known.stars)
    found = wing.fit_wing(sumimage, row, column, known.stars.tmag, known.prf, info.limits[::2])
    return () if found is None else (found.fraction, found.exponent, found.radius)


def _on_stars(writer, known, good, centre):
    stars = known.stars
    made = _measured(writer, known.prf, good, centre, stars.row, stars.column, stars.tmag)
    if max(writer.info.limits.shape) > SMALL:
        return made
    by_seen = _measured(writer, known.prf, good, centre, *_seen(writer, known.prf, good))
    if not by_seen.scatter < made.scatter:
        return made
    # where the stars of the catalogue stand only they can tell
    logger.info('The movement is that of stars seen in the mean image, in the catalogue or not.')
    return dataclasses.replace(by_seen, offset=made.offset)


def _seen(writer, prf, good):
    """Rows, columns and magnitudes of the stars that the mean image of a small cutout shows."""
    image, limits = writer.sumimage(), writer.info.limits
    seconds = max(writer.info.exposure, 1.0) * max(good.sum(), 1)
    none = np.zeros(0)
    found = missing_stars.find(image, (np.maximum(image, 0) + SKY) / seconds, prf, limits, none, none, none,
                               np.zeros(image.shape))
    return found.row, found.column, units.flux_to_magnitude(found.flux)


def _measured(writer, prf, good, centre, row, column, tmag):
    limits = writer.info.limits
    chosen = motion.select(row, column, tmag, limits)
    stamps = [motion.collect(partial(writer.read, layer), limits, row[chosen], column[chosen])
              for layer in ('images', 'images_err')]
    (images, rows, columns), (errors, _, _) = stamps
    return motion.measure(images, errors, rows, columns, chosen, row, column, tmag, prf, good, centre)
