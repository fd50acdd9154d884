"""What the finished pixels tell: how the stars move over them, how far a star's light reaches."""

from __future__ import annotations

from functools import partial

from photometry.algorithms import motion, wing
from photometry.core import quality
from photometry.stages.prepare import psf


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
    limits, stars = writer.info.limits, known.stars
    chosen = motion.select(stars.row, stars.column, stars.tmag, limits)
    images, rows, columns = motion.collect(partial(writer.read, 'images'), limits, stars.row[chosen],
                                           stars.column[chosen])
    errors, _, _ = motion.collect(partial(writer.read, 'images_err'), limits, stars.row[chosen],
                                  stars.column[chosen])
    return motion.measure(images, errors, rows, columns, chosen, stars.row, stars.column, stars.tmag,
                          known.prf, good, centre)
