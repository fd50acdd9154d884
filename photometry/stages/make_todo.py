"""The stage that lists which stars are measured where, in which order."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photometry import cli
from photometry.algorithms import masks, skipping
from photometry.catalogs import same_sky
from photometry.core.coordinates import FFI_SHAPE
from photometry.core.errors import InputBadError, InputMissingError, TessphotError
from photometry.files import catalog as catalog_file
from photometry.files import cube as cube_file
from photometry.files import paths, schema, todo_lists
from photometry.files import wcs as wcs_file
from photometry.todo import building, filling

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """What a person asks of the list."""

    faint_limit: float = 15.0
    targets: np.ndarray | None = None
    """TIC numbers that alone enter, whatever their magnitude."""
    method: str = ''
    """Method of stars without one of their own; empty: automatic."""
    skip: bool = True
    separation: float = skipping.SEPARATION
    exclusions: tuple = ()
    methods: tuple = ()


@dataclass
class Report:
    """What came of it."""

    counts: Counter = field(default_factory=Counter)
    problems: list = field(default_factory=list)
    """Sentences about cubes and catalogues that could not be used."""
    unknown: np.ndarray = field(default_factory=lambda: np.empty(0, dtype='int64'))
    """Targets that no catalogue and no cube holds."""


def make_todo(input_folder, todo, choice, *, sections=None, sector=None, camera=None, ccd=None,
              dry_run=False, overwrite=False) -> Report:
    """List the stars of all cubes below a directory.

    Parameters
    ----------
    input_folder : path-like
    todo : path-like or str
        File or URL to fill; what stands there stays, unless ``overwrite``.
    choice : Choice
    sections : dict, optional
        Settings to write down.
    sector, camera, ccd : sequence of int, optional
        Filters.
    dry_run : bool
        Count only.

    Raises
    ------
    InputMissingError
        When there is no cube, or no star to list.
    """
    input_folder = Path(input_folder)
    cubes = paths.find_cubes(input_folder, sector, camera, ccd)
    if not cubes:
        raise InputMissingError(f'No cube (sector*.hdf5) that passes the filters lies below {input_folder}; '
                                'run run_prepare_photometry.py first.')
    report = Report()
    names = [path.path.relative_to(input_folder).as_posix() for path in cubes]
    parts = []
    for _, group in itertools.groupby(enumerate(cubes), key=lambda item: item[1].ccd_key):
        try:
            made = _one_ccd(input_folder, list(group), choice, report)
        except TessphotError as error:
            report.problems.append(str(error))
        else:
            parts += [] if made is None else [made]
    # without any cube to use, the first problem is what the program ends with
    for sentence in report.problems[0 if parts else 1:]:
        logger.error('%s', sentence)
    if not parts:
        raise InputMissingError(report.problems[0])
    found = building.in_order(np.concatenate(parts))
    _count(report, found, choice)
    if not found['wanted'].any():
        raise InputMissingError(_why_none(input_folder, report, choice))
    if len(report.unknown):
        logger.warning('%s.', _unknown_targets(report.unknown))
    if not dry_run:
        new, skips = _as_rows(found[found['wanted']], names, choice)
        inputs = schema.manifest_json([schema.InputFile(name, (input_folder / name).stat().st_size)
                                       for name in names])
        with filling.opened(todo, overwrite=overwrite) as connection:
            report.counts.update(filling.merge(connection, new, skips, overwrite=overwrite))
            filling.record(connection, cli.version(), sections or {}, inputs)
    return report


def _one_ccd(input_folder, cubes, choice, report):
    """All catalogue stars on the usable cubes of one CCD, with who is wanted and who is skipped, or None."""
    key = cubes[0][1].ccd_key
    stars_from = _catalog(input_folder, key)
    saturated, parts = np.zeros(FFI_SHAPE, dtype=bool), []
    for number, item in cubes:
        try:
            parts.append(_one_cube(item, number, stars_from, saturated, report))
        except TessphotError as error:
            report.problems.append(str(error))
    if not parts:
        return None
    found = building.choose_cubes(np.concatenate(parts))
    _apply_lists(found, key, choice, report)
    if choice.skip:
        able = np.isin(found['method'], [_word(choice, ''), _word(choice, 'aperture')])
        able &= ~_excluded(found, key, choice)
        for cadence in np.unique(found['cadence']):
            same = found['cadence'] == cadence
            part = found[same]
            building.mark_skipped(part, saturated, able[same], choice.separation)
            found[same] = part
    return found


def _catalog(input_folder, key):
    found = paths.find_catalogs(input_folder, *key)
    if not found:
        raise InputMissingError(f'No catalogue {paths.catalog_name(*key)} lies below {input_folder}; '
                                f'run run_make_catalog.py {key[0]} --camera {key[1]} --ccd {key[2]}.')
    return found[0].path, catalog_file.read_catalog(found[0].path)


def _one_cube(item, number, stars_from, saturated, report):
    catalog_path, catalog = stars_from
    with cube_file.CubeFile(item.path) as cube:
        info = cube.info
        if (info.sector, info.camera, info.ccd) != item.ccd_key:
            raise InputBadError(f'{item.path} says inside that it is of sector {info.sector}, camera '
                                f'{info.camera}, CCD {info.ccd}; give it its right name.')
        if not cube.wcs_text:
            raise InputBadError(f'{item.path} has no WCS, so its stars cannot be placed; prepare it again '
                                'from frames with one.')
        wcs = wcs_file.wcs_from_text(cube.wcs_text, item.path)
        same_sky.require_same_sky(catalog_path, catalog, wcs, cube.limits, item.path)
        facts = building.CubeFacts(number, cube.limits, info.cadence, not info.is_cutout, cube.sumimage())
    row, column = wcs_file.sky_to_pixel(wcs, catalog.stars['ra'], catalog.stars['decl'])
    building.saturated_on(saturated, facts, masks.saturated(facts.sumimage))
    centre = catalog.info.camera_centre_ra, catalog.info.camera_centre_dec
    found, lost = building.stars_on(facts, catalog.stars, row, column, item.ccd_key, centre)
    report.counts['without data'] += lost
    logger.info('%s: stars on pixels with data: %d', item.path.name, len(found))
    return found


def _apply_lists(found, key, choice, report):
    """Enter methods, and who is wanted by magnitude, target list and exclusions."""
    words = {word: number for number, word in enumerate(_words(choice))}
    found['method'] = words[choice.method]
    special = {rule.starid: words[rule.word] for rule in choice.methods if rule.covers(key[0])}
    for index in np.flatnonzero(np.isin(found['starid'], list(special))):
        found['method'][index] = special[found['starid'][index]]
    if choice.targets is None:
        found['wanted'] = found['tmag'] <= choice.faint_limit
    else:
        found['wanted'] = np.isin(found['starid'], choice.targets)
    excluded = _excluded(found, key, choice)
    report.counts['excluded'] += int(np.count_nonzero(excluded & found['wanted']))
    found['wanted'] &= ~excluded


def _excluded(found, key, choice):
    return np.isin(found['starid'], [rule.starid for rule in choice.exclusions if rule.covers(key[0])])


def _words(choice):
    return sorted({'', 'aperture', choice.method, *(rule.word for rule in choice.methods)})


def _word(choice, method):
    return _words(choice).index(method)


def _count(report, found, choice):
    wanted = found[found['wanted']]
    report.counts['on silicon'] = len(found)
    report.counts['selected'] = len(wanted)
    report.counts['delivered by a brighter star'] = int(np.count_nonzero(
        np.isin(wanted['skipped_by'], wanted['starid']) & (wanted['skipped_by'] != 0)))
    if choice.targets is not None:
        report.unknown = np.setdiff1d(choice.targets, found['starid'])


def _unknown_targets(unknown):
    listed = ', '.join(map(str, unknown[:10])) + (', ...' if len(unknown) > 10 else '')
    which = '1 target is' if len(unknown) == 1 else f'{len(unknown)} targets are'
    return f'{which} in no catalogue or on no pixel with data: TIC {listed}'


def _why_none(input_folder, report, choice):
    """Why a list would be empty, with the cure."""
    if choice.targets is not None and len(report.unknown):
        return f'{_unknown_targets(report.unknown)}; check the numbers or prepare the CCDs that show them.'
    if not len(report.unknown) and report.counts['on silicon']:
        return (f'None of the {report.counts["on silicon"]} stars on the cubes below {input_folder} is '
                f'brighter than Tmag {choice.faint_limit:g} and not excluded; raise --faint-limit.')
    return (f'No catalogue star lies on the cubes below {input_folder}; make catalogues with a fainter limit '
            'by run_make_catalog.py --faint-limit.')


def _as_rows(found, names, choice):
    """Rows as dictionaries, and who delivers whom among them by key."""
    words = _words(choice)
    columns = [found[name].tolist() for name in ('starid', 'sector', 'camera', 'ccd', 'cadence', 'tmag',
                                                 'tile', 'cbv_area', 'cube', 'method', 'skipped_by')]
    rows, skips = [], {}
    for starid, sector, camera, ccd, cadence, tmag, tile, area, cube, method, by in zip(*columns,
                                                                                      strict=True):
        rows.append({'starid': starid, 'sector': sector, 'datasource': 'ffi', 'camera': camera, 'ccd': ccd,
                     'cadence': cadence, 'method': words[method] or None,
                     'tmag': None if tmag != tmag else tmag, 'cbv_area': area, 'tile': tile,
                     'cube': names[cube]})
        if by:
            skips[starid, 'ffi', sector, camera, ccd, cadence] = by, 'ffi', sector, camera, ccd, cadence
    return rows, skips


def delivered_by(input_folder, key, starid, choice) -> int | None:
    """The brighter star that delivers a star of a CCD, as a list would decide; None for most.

    Parameters
    ----------
    input_folder : path-like
    key : tuple of int
        (sector, camera, ccd).
    starid : int
    choice : Choice
    """
    cubes = list(enumerate(paths.find_cubes(input_folder, *key)))
    found = _one_ccd(Path(input_folder), cubes, choice, Report())
    if found is None:
        return None
    own = found[found['starid'] == starid]
    return int(own['skipped_by'][0]) or None if len(own) else None


def choice_from(settings, *, faint_limit=None, targets=None, exclusions=None, methods=None) -> Choice:
    """A `Choice` from settings and the files that a command line names.

    Parameters
    ----------
    settings : photometry.settings.TodoSettings
    faint_limit : float, optional
    targets, exclusions, methods : path-like, optional
        Lists; the last two are added to those of the package.
    """
    extra = todo_lists.read_exclusions(exclusions) if exclusions else []
    more = todo_lists.read_methods(methods) if methods else []
    return Choice(
        faint_limit=settings.faint_limit if faint_limit is None else faint_limit,
        targets=None if targets is None else todo_lists.read_targets(targets),
        method=settings.method, skip=settings.skip, separation=settings.skip_separation,
        exclusions=(*todo_lists.read_exclusions(), *extra), methods=(*todo_lists.read_methods(), *more))
