"""Which file below the input directory holds the pixels of a star."""

from __future__ import annotations

import logging
from pathlib import Path

from photometry.core import starids
from photometry.core.errors import InputBadError, InputMissingError, UsageError
from photometry.files import paths, tpf

logger = logging.getLogger(__name__)


class MissingFileError(InputMissingError, FileNotFoundError):
    """No pixels or no catalogue lie below the input directory for a star."""


class AmbiguousSourceError(UsageError, ValueError):
    """Files of several sectors or cadences hold a star, and nothing says which is meant."""


class DatasourceError(UsageError, ValueError):
    """No such source of pixels."""


def cube_paths(folder, task) -> list[str]:
    """Cubes of the CCD of a task, relative to the input directory.

    Raises
    ------
    MissingFileError
        When there is none.
    """
    folder = Path(folder)
    if task.cube is not None:
        if not (folder / task.cube).is_file():
            raise MissingFileError(f'The cube {folder / task.cube} does not exist; '
                                   'run run_prepare_photometry.py.')
        return [task.cube]
    found = paths.find_cubes(folder, task.sector, task.camera, task.ccd)
    if not found:
        raise MissingFileError(f'No cube of sector {task.sector}, camera {task.camera}, CCD {task.ccd} '
                               f'lies below {folder}; run run_prepare_photometry.py.')
    return [str(item.path.relative_to(folder)) for item in found]


def target_of(task) -> int | None:
    """Star in whose target pixel file a task looks for its pixels; None for tasks of other sources.

    Raises
    ------
    DatasourceError
        When a colon of the datasource is not that between ``tpf`` and the number of a star.
    """
    kind, colon, number = task.datasource.partition(':')
    if colon and not (kind == 'tpf' and number.isascii() and number.isdigit()):
        raise DatasourceError(f'{task.datasource!r} is no source of pixels; write tpf:<TIC number>.')
    if kind != 'tpf':
        return None
    return int(number) if colon else task.starid


def target_path(folder, task) -> str:
    """Target pixel file of a task, relative to the input directory.

    Raises
    ------
    MissingFileError
        When there is none.
    AmbiguousSourceError
        When several sectors, CCDs or cadences pass what the task says.
    InputBadError
        When the only one cannot be used.
    """
    folder = Path(folder)
    if task.cube is not None:
        if not (folder / task.cube).is_file():
            raise MissingFileError(f'The target pixel file {folder / task.cube} does not exist; put it back '
                                   'or make the todo list anew.')
        return task.cube
    headers = target_headers(folder, target_of(task), task.sector)
    wanted = task.sector, task.camera, task.ccd, task.cadence
    headers = [header for header in headers if all(
        choice in (None, value) for choice, value in zip(wanted, (*header.ccd_key, header.cadence),
                                                         strict=True))]
    if not headers:
        words = ''.join(f', {name} {value}' for name, value in
                        zip(('sector', 'camera', 'CCD', 'cadence'), wanted, strict=True) if value is not None)
        raise MissingFileError(f'No target pixel file (*_tp.fits) of {starids.name(target_of(task))}'
                               f'{words} lies below '
                               f'{folder}; get it from the archive.')
    found = sorted({(*header.ccd_key, header.cadence) for header in headers})
    if len(found) > 1:
        words = ', '.join(f'sector {sector} at {cadence} s' for sector, _, _, cadence in found)
        raise AmbiguousSourceError(f'{starids.name(target_of(task))} was observed more than once ({words}); '
                                   'give sector and cadence.')
    if len(headers) > 1:
        logger.warning('%s is used, %s has the same star, sector and cadence.', headers[0].path,
                       headers[1].path)
    return headers[0].path.relative_to(folder).as_posix()


def target_headers(folder, starid, sector=None):
    """`photometry.files.tpf.TargetHeader` of the target pixel files of a star, in order of their names.

    Raises
    ------
    InputBadError
        When a file whose name says that it is one of them cannot be used, and no other can.
    """
    made, trouble = [], None
    for item in paths.find_targets(folder, sector, starid):
        try:
            header = tpf.read_tpf_header(item.path)
        except InputBadError as error:
            trouble = trouble or (error if item.starid == starid else None)
            logger.log(logging.WARNING if item.starid == starid else logging.DEBUG, '%s', error)
            continue
        if header.starid == starid:
            made.append(header)
    if not made and trouble:
        raise trouble
    return made


def of_cadence(sources, task):
    """Those of some open sources that have the cadence of a task.

    Raises
    ------
    MissingFileError
    """
    found = [source for source in sources if source.pixels.info.cadence == task.cadence]
    if not found:
        raise MissingFileError(f'No cube of camera {task.camera}, CCD {task.ccd} holding '
                               f'{starids.name(task.starid)} has a cadence of {task.cadence} s; '
                               'name another one.')
    return found


def refuse_ambiguous(sources, task):
    """Refuse open sources of several sectors or cadences.

    Raises
    ------
    AmbiguousSourceError
    """
    found = sorted({(source.pixels.info.sector, source.pixels.info.cadence) for source in sources})
    if len(found) > 1:
        words = ', '.join(f'sector {sector} at {cadence:g} s' for sector, cadence in found)
        raise AmbiguousSourceError(f'{starids.name(task.starid)} was observed more than once ({words}); '
                                   'give sector and cadence.')


def preference(source, starid):
    """Full CCDs first, then the cutout in which the star lies farthest from an edge."""
    limits = source.pixels.limits
    index = source.index_of(starid)
    row, column = (axis[index] for axis in source.positions)
    depth = min(row - limits.row_min, limits.row_max - 1 - row,
                column - limits.col_min, limits.col_max - 1 - column)
    return (not source.pixels.info.is_cutout and depth >= 0, depth)
