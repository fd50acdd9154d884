"""How the stars move over the pixels: from the WCS of the frames, from the stars, or the better of both."""

from __future__ import annotations

from functools import partial

from photometry.algorithms import motion
from photometry.core import quality


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


def _on_stars(writer, known, good, centre):
    limits, stars = writer.info.limits, known.stars
    chosen = motion.select(stars.row, stars.column, stars.tmag, limits)
    images, rows, columns = motion.collect(partial(writer.read, 'images'), limits, stars.row[chosen],
                                           stars.column[chosen])
    errors, _, _ = motion.collect(partial(writer.read, 'images_err'), limits, stars.row[chosen],
                                  stars.column[chosen])
    return motion.measure(images, errors, rows, columns, chosen, stars.row, stars.column, stars.tmag,
                          known.prf, good, centre)
