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
from photometry.files.targets import Targets
from photometry.stages import target_files, todo_counts, todo_targets
from photometry.stages import targets as targets_stage
from photometry.todo import building, filling

logger = logging.getLogger(__name__)

_CHUNK = 50_000
_COLUMNS = ('starid', 'sector', 'camera', 'ccd', 'cadence', 'tmag', 'tile', 'cbv_area', 'cube', 'method',
            'target')


@dataclass(frozen=True)
class Choice:
    """What a person asks of the list."""

    faint_limit: float = 15.0
    targets: Targets | None = None
    """Stars and positions that alone enter, whatever their magnitude."""
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
    met: set = field(default_factory=set)
    """Places in the list of targets of those that lie on pixels with data."""
    unknown: list = field(default_factory=list)
    """Targets that no catalogue and no cube holds, in words."""
    by_ccd: list = field(default_factory=list)
    """Of a dry run: what would be listed where (`todo_counts.by_ccd`)."""


def make_todo(input_folder, todo, choice, *, sections=None, sector=None, camera=None, ccd=None,
              dry_run=False, overwrite=False) -> Report:
    """List the stars of all cubes and target pixel files below a directory.

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
        Count only; nothing is written, and no lock is taken.

    Raises
    ------
    InputMissingError
        When there is neither a cube nor a target pixel file, or no star to list.
    """
    input_folder, report = Path(input_folder), Report()
    ccds, names = _find_ccds(input_folder, report, sector, camera, ccd)
    parts = []
    for one in ccds:
        try:
            parts += _one_ccd(input_folder, one, choice, report)
        except TessphotError as error:
            report.problems.append(str(error))
    # without anything to use, the first problem is what the program ends with
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
    if dry_run:
        report.by_ccd = todo_counts.by_ccd(found, _words(choice))
    else:
        found = found[found['wanted']]
        inputs = schema.manifest_json([schema.InputFile(name, (input_folder / name).stat().st_size)
                                       for name in names])
        with filling.opened(todo, overwrite=overwrite) as connection:
            report.counts.update(filling.enter(connection, rows_of(found, names, choice), skips_of(found),
                                               overwrite=overwrite))
            filling.record(connection, cli.version(), sections or {}, inputs)
    return report


@dataclass(frozen=True)
class _Ccd:
    """Files of one CCD, each with its number in the list of all."""

    key: tuple
    cubes: list
    """Pairs of a number and a `paths.Found`."""
    targets: list
    """Pairs of a number and the path of a target pixel file."""


def _find_ccds(folder, report, *filters):
    """The CCDs that pass the filters, and the names of all their files, cubes first."""
    cubes = paths.find_cubes(folder, *filters)
    targets = target_files.by_ccd(folder, *filters, blame=lambda error: report.problems.append(str(error)))
    if not cubes and not targets:
        raise InputMissingError(report.problems[0] if report.problems else (
            f'No cube (sector*.hdf5) and no target pixel file (*_tp.fits) that passes the filters lies below '
            f'{folder}; run run_prepare_photometry.py first.'))
    files = [item.path for item in cubes] + [path for some in targets.values() for path in some]
    number = {path: index for index, path in enumerate(files)}
    ccds = [_Ccd(key, [(number[item.path], item) for item in cubes if item.ccd_key == key],
                 [(number[path], path) for path in targets.get(key, ())])
            for key in sorted({item.ccd_key for item in cubes} | set(targets))]
    return ccds, [path.relative_to(folder).as_posix() for path in files]


def _one_ccd(input_folder, ccd, choice, report):
    """All catalogue stars on the usable files of one CCD, with who is wanted and who is skipped.

    A list of one array, or of none where no file can be used.
    """
    stars_from = _catalog(input_folder, ccd.key)
    saturated = [np.zeros(FFI_SHAPE, dtype=bool) for _ in range(2)]  # in cubes, in target pixel files
    parts = []
    for number, item in ccd.cubes:
        try:
            parts.append(_one_cube(item, number, stars_from, saturated[0], report))
        except TessphotError as error:
            report.problems.append(str(error))
    parts += todo_targets.stars_of(ccd.targets, stars_from, saturated[1], report)
    if not parts:
        return []
    found = building.choose_cubes(np.concatenate(parts))
    _apply_lists(found, ccd.key, choice, report, stars_from[1].stars)
    if choice.skip:
        able = np.isin(found['method'], [_word(choice, ''), _word(choice, 'aperture')])
        able &= ~_covered(found, choice.exclusions, ccd.key)
        for cadence, of_target in itertools.product(np.unique(found['cadence']), (0, 1)):
            same = (found['cadence'] == cadence) & ((found['target'] != 0) == of_target)
            part = found[same]
            building.mark_skipped(part, saturated[of_target], able[same], choice.separation)
            found[same] = part
    return [found]


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
        facts = building.PixelFacts(number, cube.limits, info.cadence, not info.is_cutout, cube.sumimage())
    row, column = wcs_file.sky_to_pixel(wcs, catalog.stars['ra'], catalog.stars['decl'])
    building.saturated_on(saturated, facts, masks.saturated(facts.sumimage))
    centre = catalog.info.camera_centre_ra, catalog.info.camera_centre_dec
    found, lost = building.stars_on(facts, catalog.stars, row, column, item.ccd_key, centre)
    report.counts['without data'] += lost
    logger.info('%s: stars on pixels with data: %d', item.path.name, len(found))
    return found


def _apply_lists(found, key, choice, report, stars):
    """Enter methods, and who is wanted by magnitude, target list and exclusions."""
    words = {word: number for number, word in enumerate(_words(choice))}
    found['method'] = words[choice.method]
    for rule in choice.methods:
        found['method'][_covered(found, (rule,), key)] = words[rule.word]
    if choice.targets is None:
        found['wanted'] = (found['tmag'] <= choice.faint_limit) | (found['target'] == found['starid'])
    else:
        numbers = targets_stage.numbers_among(choice.targets, stars)
        found['wanted'] = np.isin(found['starid'], numbers[numbers != 0])
        report.met.update(np.flatnonzero((numbers != 0) & np.isin(numbers, found['starid'])).tolist())
    found['excluded'] = found['wanted'] & _covered(found, choice.exclusions, key)
    report.counts['excluded'] += int(np.count_nonzero(found['excluded']))
    found['wanted'] &= ~found['excluded']


def _covered(found, rules, key):
    """Which rows some rules of people are about."""
    covered = np.zeros(len(found), dtype=bool)
    for kind, rows in (('ffi', found['target'] == 0), ('tpf', found['target'] != 0)):
        stars = [rule.starid for rule in rules if rule.covers(key[0], kind)]
        covered |= rows & np.isin(found['starid'], stars)
    return covered


def _words(choice):
    return sorted({'', 'aperture', choice.method, *(rule.word for rule in choice.methods)})


def _word(choice, method):
    return _words(choice).index(method)


def _count(report, found, choice):
    wanted = found[found['wanted']]
    report.counts['on silicon'] = len(found)
    report.counts['selected'] = len(wanted)
    secondary = (wanted['target'] != 0) & (wanted['target'] != wanted['starid'])
    if found['target'].any():
        report.counts['secondary targets'] = int(np.count_nonzero(secondary))
    report.counts['delivered by a brighter star'] = int(np.count_nonzero(
        np.isin(wanted['skipped_by'], wanted['starid']) & (wanted['skipped_by'] != 0)))
    if choice.targets is not None:
        report.unknown = [choice.targets.words(place) for place in range(len(choice.targets.starid))
                          if place not in report.met]


def _unknown_targets(unknown):
    listed = ', '.join(unknown[:10]) + (', ...' if len(unknown) > 10 else '')
    which = '1 target is' if len(unknown) == 1 else f'{len(unknown)} targets are'
    return f'{which} in no catalogue or on no pixel with data: {listed}'


def _why_none(input_folder, report, choice):
    """Why a list would be empty, with the cure."""
    if choice.targets is not None and len(report.unknown):
        return (f'{_unknown_targets(report.unknown)}; check the list, prepare the CCDs that show them, or '
                'enter positions without a star with run_make_catalog.py --targets.')
    if not len(report.unknown) and report.counts['on silicon']:
        return (f'None of the {report.counts["on silicon"]} stars on the cubes below {input_folder} is '
                f'brighter than Tmag {choice.faint_limit:g} and not excluded; raise --faint-limit.')
    return (f'No catalogue star lies on the cubes below {input_folder}; make catalogues with a fainter limit '
            'by run_make_catalog.py --faint-limit.')


def rows_of(found, names, choice):
    """Rows of the todo list as dictionaries, in the order of the stars.

    Parameters
    ----------
    found : ndarray of `photometry.todo.building.ROW`
    names : list of str
        Files, as ``cube`` counts them.
    choice : Choice

    Yields
    ------
    dict
        Columns of ``todolist``.
    """
    words = [word or None for word in _words(choice)]
    for start in range(0, len(found), _CHUNK):  # plain objects of all stars at once would fill the memory
        part = found[start:start + _CHUNK]
        for starid, sector, camera, ccd, cadence, tmag, tile, area, cube, method, target in zip(
                *(part[name].tolist() for name in _COLUMNS), strict=True):
            yield {'starid': starid, 'sector': sector, 'datasource': building.datasource(starid, target),
                   'camera': camera, 'ccd': ccd, 'cadence': cadence, 'method': words[method],
                   'tmag': None if tmag != tmag else tmag, 'cbv_area': area, 'tile': tile,
                   'cube': names[cube]}


def skips_of(found) -> dict:
    """Who delivers whom: key of a row -> key of the row of the brighter star (`filling.KEY`)."""
    skipped = found[found['skipped_by'] != 0]
    brighter = found[np.isin(found['starid'], skipped['skipped_by'])]
    source_of = {_plain_key(row): building.datasource(int(row['starid']), int(row['target']))
                 for row in brighter[brighter['target'] != 0]}
    skips = {}
    for row in skipped:
        starid, *place = _plain_key(row)
        by, target = int(row['skipped_by']), int(row['target'])
        source = source_of.get((by, *place), 'ffi') if target else 'ffi'
        skips[starid, building.datasource(starid, target), *place] = by, source, *place
    return skips


def _plain_key(row):
    return tuple(int(row[name]) for name in ('starid', 'sector', 'camera', 'ccd', 'cadence'))


def delivered_by(input_folder, key, starid, choice, target=None) -> int | None:
    """The brighter star that delivers a star of a CCD, as a list would decide; None for most.

    Parameters
    ----------
    input_folder : path-like
    key : tuple of int
        (sector, camera, ccd).
    starid : int
    choice : Choice
    target : path-like, optional
        The target pixel file in which it is measured, instead of the cubes of the CCD.
    """
    folder = Path(input_folder)
    files = ([], [(0, folder / target)]) if target else (list(enumerate(paths.find_cubes(folder, *key))), [])
    found = _one_ccd(folder, _Ccd(key, *files), choice, Report())
    own = [part['skipped_by'][part['starid'] == starid] for part in found]
    return int(own[0][0]) or None if own and len(own[0]) else None


def choice_from(settings, *, faint_limit=None, targets=None, exclusions=None, methods=None) -> Choice:
    """A `Choice` from settings and the files that a command line names.

    Parameters
    ----------
    settings : photometry.settings.TodoSettings
    faint_limit : float, optional
    targets : photometry.files.targets.Targets, optional
    exclusions, methods : path-like, optional
        Lists that are added to those of the package.
    """
    extra = todo_lists.read_exclusions(exclusions) if exclusions else []
    more = todo_lists.read_methods(methods) if methods else []
    return Choice(
        faint_limit=settings.faint_limit if faint_limit is None else faint_limit,
        targets=targets, method=settings.method, skip=settings.skip, separation=settings.skip_separation,
        exclusions=(*todo_lists.read_exclusions(), *extra), methods=(*todo_lists.read_methods(), *more))
