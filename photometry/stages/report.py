"""The stage that makes the report of a run: pages in one folder, from the list and what lies beside it."""

from __future__ import annotations

import datetime
import logging
import os
from collections import Counter
from pathlib import Path, PurePosixPath

import numpy as np

from photometry import cli
from photometry.core import coordinates
from photometry.core.errors import InputMissingError, OutputError, TessphotError
from photometry.files import atomic, catalog, lightcurve, paths, wcs
from photometry.report import pages, star_data
from photometry.report.run import Run
from photometry.report.stars import Stars
from photometry.stages import make_table, own_floor, report_cubes
from photometry.todo import places, results, rows, summary
from photometry.todo.selection import Selection

logger = logging.getLogger(__name__)

CURVES = 500
"""Light curves that come along where nothing else is said."""

_MOST_SAID = 20
"""Files that are named one by one among what is missing."""

_MOST_BYTES = 1 << 28
"""A light-curve file that is larger is none."""


def make_report(input_folder, todo, output, folder, selection=None, *, curves=CURVES,
                overwrite=False) -> Counter:
    """Write the report of a list of stars; the folder appears whole or not at all.

    Parameters
    ----------
    input_folder : path-like
        Directory of catalogues and cubes.
    todo : photometry.todo.places.Place, path-like or str
        File or URL of the todo list.
    output : path-like
        Directory of light curves.
    folder : path-like
        The report.
    selection : photometry.todo.selection.Selection, optional
    curves : int
        Light curves that come along; those of other stars are drawn when they are asked for.
    overwrite : bool
        Whether an older report may go.

    Returns
    -------
    collections.Counter
        Number of stars by status, as words.

    Raises
    ------
    OutputError
        When the folder holds something already.
    InputMissingError
        When no row passes the selection.
    """
    folder = Path(folder)
    _refuse(folder, overwrite)
    selection = selection or Selection()
    run = _gather(Path(input_folder), places.place(todo), Path(output), selection, curves)
    for sentence in run.problems:
        logger.warning('%s', sentence)
    with atomic.replaced_directory(folder) as temporary:
        pages.write(temporary, run)
    return Counter(run.stars['status'].tolist())


def add_stars(input_folder, todo, output, folder, selection) -> int:
    """Bring light curves of single stars to a report that stands; how many.

    Raises
    ------
    InputMissingError
        When there is no report, the list has no such star, or there is no light curve of it.
    """
    folder = Path(folder)
    if not (folder / pages.MARKER).is_file():
        raise InputMissingError(f'{folder} is no report; make it first, without --starid.')
    place = places.place(todo)
    files = _Files(output, input_folder)
    stars, _ = _stars(Path(input_folder), place, selection, files)
    there = np.flatnonzero(stars['has_file'])
    if not there.size:
        raise InputMissingError(f'None of these stars has a light curve below {output}; measure them with '
                                'run_tessphot.py --starid.')
    for index in there:
        path = files.path(stars['lightcurve'][index])
        lightcurve.read_lightcurve(path)  # says what is wrong with a damaged one
        with atomic.explained_output(folder):
            star_data.write_curve(folder, int(stars['priority'][index]), path)
    with atomic.explained_output(folder):
        star_data.write_index(folder)
    return there.size


def _refuse(folder, overwrite):
    """Refuse to write over anything but an older report that may go."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / pages.MARKER).is_file():
        raise OutputError(f'{folder} holds something else than a report; name another folder with --report.')
    if not overwrite:
        raise OutputError(f'{folder} holds a report already; replace it with --overwrite.')


def _gather(input_folder, place, output, selection, curves):
    files = _Files(output, input_folder)
    stars, problems = _stars(input_folder, place, selection, files)
    chosen = stars.where(star_data.choose(stars, curves))
    read, damaged = _read(chosen, files)
    cubes, troubles = report_cubes.read(input_folder, selection, set(stars.groups))
    row, column = _positions(stars, cubes.wcs_texts, problems)
    lost = int(((stars['lightcurve'] != '') & ~stars['has_file']).sum())
    if lost:
        problems.append(f'{lost} light curves that the list names do not lie below {output}.')
    return Run(
        input=str(input_folder), output=str(output), todo=str(place), made=_now(), version=cli.version(),
        filters='' if selection == Selection() else selection.describe(), stars=stars, row=row, column=column,
        cubes=cubes.series, floors={priority: floor for priority, (_, floor) in read.items()},
        curves={priority: path for priority, (path, _) in read.items()},
        problems=tuple(problems + damaged + troubles), progress=_progress(place))


def _stars(input_folder, place, selection, files):
    """The selected stars, and sentences about rows that are none."""
    catalogs = {found.ccd_key: found.path for found in paths.find_catalogs(input_folder)}
    parts, problems, wrong = [], [], 0
    with results.opened(place) as connection:
        for ccd in results.ccds(connection, selection):
            listed = _catalog(catalogs.get(ccd), ccd, input_folder, problems)
            for part in results.of_ccd(connection, ccd, selection):
                good = [row for row in part if rows.wrong_number(row) is None]
                wrong += len(part) - len(good)
                if good:
                    parts.append(_columns(good, listed, files))
    if not parts:
        raise InputMissingError(f'No row of {place} passes the filters; nothing was written.')
    if wrong:
        problems.append(f'{wrong} rows of the list hold numbers that no star can have; they are left out.')
    return Stars.of_parts(parts), problems


def _catalog(path, ccd, folder, problems):
    """The catalogue of a CCD, None where there is none or it cannot be read."""
    try:
        if path is not None:
            return catalog.read_catalog(path)
        problems.append('No catalogue of sector {}, camera {}, CCD {} lies below {}: where its stars are on '
                        'the sky is missing.'.format(*ccd, folder))
    except TessphotError as error:
        problems.append(str(error))
    return None


def _columns(found, listed, files):
    values = make_table.values_of(found, listed)
    return values | {'has_file': [files.path(name) is not None for name in values['lightcurve']]}


class _Files:
    """Where the light curves lie that a list names, below one of two directories and nowhere else."""

    def __init__(self, *folders):
        self._folders = [Path(folder) for folder in folders]
        self._names = {}

    def path(self, name) -> Path | None:
        """The file that a list calls so; None where there is none."""
        if not isinstance(name, str) or not name or '\0' in name:
            return None
        relative = PurePosixPath(name)
        if relative.is_absolute() or '..' in relative.parts:
            return None
        for folder in self._folders:
            path = folder / relative
            if path.name in self._listed(path.parent):
                return path
        return None

    def _listed(self, folder):
        """Names in a directory: asking once for all is what makes 100,000 stars quick."""
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(os.listdir(folder))
            except OSError:
                self._names[folder] = frozenset()
        return self._names[folder]


def _read(stars, files):
    """Priority -> path and noise floor of the light curves that can be read; sentences about the others."""
    found, damaged = {}, []
    for priority, name in cli.progress(zip(stars['priority'].tolist(), stars['lightcurve'], strict=True),
                                       len(stars), 'light curves'):
        path = files.path(name)
        try:
            if path.stat().st_size > _MOST_BYTES:
                raise OSError('it is too large')
            found[priority] = path, own_floor.own_floor(lightcurve.read_lightcurve(path))
        except TessphotError as error:
            damaged.append(str(error))
        except OSError as error:
            damaged.append(f'The light curve {path} cannot be read: {error.strerror or error}.')
        except (KeyError, TypeError, ValueError) as error:  # of what should be numbers in its header
            damaged.append(f'{path} is no light curve of ours ({error}); make it again.')
    if damaged[_MOST_SAID:]:
        damaged[_MOST_SAID:] = [f'{len(damaged) - _MOST_SAID} further light curves cannot be read.']
    return found, damaged


def _positions(stars, texts, problems):
    """One-based rows and columns; by catalogue and WCS of stars that were not measured."""
    row, column, ra, decl = (stars[name].copy() for name in ('pos_row', 'pos_column', 'ra', 'decl'))
    for key, index in stars.groups.items():
        index = index[np.isnan(row[index]) & np.isfinite(ra[index] + decl[index])]
        if index.size and key in texts:
            try:
                found = wcs.sky_to_pixel(wcs.wcs_from_text(texts[key]), ra[index], decl[index])
            except TessphotError as error:
                problems.append(str(error))
                continue
            row[index], column[index] = map(coordinates.to_one_based, found)
    return row, column


def _progress(place):
    """What the last run of a file says about itself, in words."""
    facts = (summary.read(place.path) if place.is_file else None) or {}
    finished, rate, updated = (facts.get(name) for name in ('finished', 'rate', 'updated'))
    if type(finished) is not int or type(rate) is not float or not isinstance(updated, str):
        return None
    return f'{finished} stars at {rate:.3g} a second in all, ended {updated[:40]}.'


def _now():
    epoch = os.environ.get('SOURCE_DATE_EPOCH', '')
    moment = (datetime.datetime.fromtimestamp(int(epoch), datetime.UTC) if epoch.isascii() and epoch.isdigit()
              else datetime.datetime.now(datetime.UTC))
    return f'{moment:%Y-%m-%d %H:%M} UTC'
