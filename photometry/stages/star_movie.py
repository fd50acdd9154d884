"""What a movie of one star shows: its stamp, its mask and its place as the pointing moves."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from photometry.algorithms import masks
from photometry.core import starids
from photometry.core.coordinates import to_one_based
from photometry.core.errors import InputMissingError, UsageError
from photometry.core.stamp import Stamp
from photometry.core.task import Task
from photometry.files import paths
from photometry.files.lightcurve import read_lightcurve
from photometry.methods.context import JobOptions, WorkerContext
from photometry.report.movie_picture import Layout
from photometry.stages import movie_plan
from photometry.stages.movie_frames import Part

logger = logging.getLogger(__name__)


def plan_of(folder, starid, lightcurves, show, size, cadences, stride, filters, opened):
    """The plan of a movie of a star.

    Parameters
    ----------
    folder : path-like
        Where cubes and catalogues lie.
    starid : int
    lightcurves : path-like
        Where its light curve may lie; without one there is no mask.
    show, size, cadences, stride
        As in `photometry.stages.movie_plan.of_ccds`.
    filters : dict
        Of `photometry.stages.movie_plan.choose_cubes`.
    opened : contextlib.ExitStack
        Closes the files.

    Returns
    -------
    plan : photometry.stages.movie_frames.Plan
    depth : int
        Cadences of a chunk of the cube.
    name : str
        Of the movie.

    Raises
    ------
    InputMissingError, NotInCatalogError, OffSiliconError
        When there are no pixels of the star.
    UsageError
        When there are light curves or cubes of several sectors.
    """
    curve = find_lightcurve(lightcurves, starid, filters)
    context = opened.enter_context(WorkerContext(JobOptions(str(folder), str(folder))))
    source = context.source(_task(folder, starid, curve, filters))
    pixels = source.pixels
    index = source.index_of(starid)
    row, column = (float(axis[index]) for axis in source.positions)
    stamp = _stamp(curve, row, column, source.tmag[index], pixels.limits)
    if not stamp.contains(row, column):
        raise InputMissingError(f'{starids.name(starid)} does not lie on the pixels of {pixels.path}; name '
                                'another sector, camera or CCD.')
    zoom = max(1, size // max(stamp.shape))
    info = pixels.info
    layout = Layout(stamp.shape, zoom, movie_plan.one_based_extent(stamp), (), title=(
        f'{starids.name(starid)}, sector {info.sector}, camera {info.camera}, CCD {info.ccd}'),
        mask=_mask(curve, stamp), corner=(to_one_based(stamp.row_min), to_one_based(stamp.col_min)))
    plan = movie_plan.assemble([pixels], (Part(str(pixels.path), stamp),), 1, layout, show, cadences, stride)
    name = f'tess{starid:011d}-s{info.sector:03d}'
    return replace(plan, star=places(source, row, column, plan.index[0])), info.chunks[2], name


def places(source, row, column, cadences):
    """Where a star is in some cadences, one-based, and how far the pointing has moved it from its mean place.

    Parameters
    ----------
    source : photometry.methods.open_source.OpenSource
    row, column : float
        In the reference frame.
    cadences : ndarray (frames,) of int

    Returns
    -------
    ndarray (frames, 4)
        Row, column, and motion along rows and columns, px.
    """
    good = source.pixels.good
    shift = source.motion.shift(row, column)
    mean = shift[:, good].mean(axis=1, keepdims=True) if good.any() else np.zeros((2, 1))
    there = np.concatenate([to_one_based(np.array([[row], [column]]) + shift), shift - mean])
    return there[:, cadences].T


def find_lightcurve(folder, starid, filters):
    """The light curve of a star that passes some filters, or None.

    Raises
    ------
    UsageError
        When there are several, of different cubes.
    """
    found = [curve for curve in map(read_lightcurve, paths.find_lightcurves(folder, starid))
             if _passes(curve, filters)]
    if len({curve.primary.get('CUBE') for curve in found}) > 1:
        sectors = ', '.join(sorted({f"{curve.primary.get('SECTOR')}" for curve in found}))
        raise UsageError(f'{starids.name(starid)} has light curves of several cubes (sectors {sectors}); '
                         'choose with --sector, --camera, --ccd and --cadence.')
    if not found:
        logger.warning('%s has no light curve of a cube below %s; no mask is shown.', starids.name(starid),
                       folder)
    return found[-1] if found else None


def _passes(curve, filters):
    head = curve.primary
    cadence = round(86400 * curve.table.get('TIMEDEL', 0))
    return (head.get('DATASRC') == 'ffi' and filters['cadence'] in (None, cadence)
            and all(paths.selected(head.get(name.upper()), filters[name])
                    for name in ('sector', 'camera', 'ccd')))


def _task(folder, starid, curve, filters):
    """The task that finds the star's cube."""
    name = filters['cube'] or (curve and curve.primary.get('CUBE'))
    if not name:
        one = {key: filters[key][0] if len(filters[key] or ()) == 1 else None
               for key in ('sector', 'camera', 'ccd')}
        return Task(starid, **one, cadence=filters['cadence'])
    found = [item.path for item in paths.find_cubes(folder) if item.path.name == Path(name).name]
    if not found:
        raise InputMissingError(f'The cube {name} of {starids.name(starid)} does not lie below {folder}; '
                                'name the directory that it was measured in.')
    return Task(starid, None, None, None, None, cube=found[0].relative_to(folder).as_posix())


def _stamp(curve, row, column, tmag, limits):
    if curve is None:
        return Stamp.around(row, column, *masks.stamp_size(tmag)).clipped(limits)
    (first, left), (height, width) = curve.corner, curve.aperture.shape
    return Stamp(first, first + height, left, left + width).clipped(limits)


def _mask(curve, stamp):
    if curve is None or curve.aperture.shape != stamp.shape:
        return np.zeros(stamp.shape, dtype=bool)
    return curve.mask
