"""What the cubes of a directory tell through time, for the report of a run."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import dataclass, field

from photometry.core.errors import TessphotError
from photometry.core.stamp import Stamp
from photometry.files import paths
from photometry.pixels.ffi import CubeSource
from photometry.report.run import CubeSeries

MOST = 12
"""Cubes of a CCD that are read; cutouts may be many."""


@dataclass
class Cubes:
    """What was found."""

    series: dict = field(default_factory=dict)
    """(sector, camera, ccd, cadence) -> list of `CubeSeries`, that of the whole CCD first."""
    wcs_texts: dict = field(default_factory=dict)
    """The same -> WCS cards of one of them."""


def read(folder, selection, keys):
    """Motion and background of the cubes below a directory.

    Parameters
    ----------
    folder : path-like
    selection : photometry.todo.selection.Selection
    keys : set of tuple
        (sector, camera, ccd, cadence) of the stars.

    Returns
    -------
    Cubes
    list of str
        Sentences about what is missing.
    """
    made, problems, by_ccd = Cubes(), [], defaultdict(list)
    for found in paths.find_cubes(folder, selection.sector, selection.camera, selection.ccd):
        if found.ccd_key in {key[:3] for key in keys}:
            by_ccd[found.ccd_key].append(found)
    for ccd, cubes in by_ccd.items():
        cubes.sort(key=lambda one: one.is_cutout)
        for one in cubes[:MOST]:
            try:
                _enter(made, one.path, keys)
            except TessphotError as error:
                problems.append(str(error))
        if cubes[MOST:]:
            problems.append('{} further cubes of sector {}, camera {}, CCD {} are not drawn.'.format(
                len(cubes) - MOST, *ccd))
    problems += ['No cube of sector {}, camera {}, CCD {} of {} s lies below {}: motion and background are '
                 'missing.'.format(*key, folder) for key in sorted(keys - set(made.series))]
    return made, problems


def _enter(made, path, keys):
    with contextlib.closing(CubeSource(path)) as source:
        info = source.info
        key = info.sector, info.camera, info.ccd, info.cadence
        if key not in keys:
            return
        background = {words: source.read('backgrounds', stamp)[0, 0]
                      for words, stamp in _places(source.limits).items()}
        rows, columns = source.movement_kernel[:, :2].T
        made.series.setdefault(key, []).append(CubeSeries(
            path.name, key, source.time, source.good, rows, columns, background))
        if source.wcs_text:
            made.wcs_texts.setdefault(key, source.wcs_text)


def _places(limits):
    """Single pixels at which the background is drawn: the middle and the corners."""
    low, high, left, right = limits.row_min, limits.row_max - 1, limits.col_min, limits.col_max - 1
    found = {'middle': ((low + high) // 2, (left + right) // 2), 'low rows, low columns': (low, left),
             'low rows, high columns': (low, right), 'high rows, low columns': (high, left),
             'high rows, high columns': (high, right)}
    return {words: Stamp(row, row + 1, column, column + 1) for words, (row, column) in found.items()}
