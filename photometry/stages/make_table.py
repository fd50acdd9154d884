"""The stage that gathers what became of all stars in one table."""

from __future__ import annotations

import logging
from collections import Counter

from photometry import cli
from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import catalog, paths, results_table
from photometry.todo import places, results, summary

logger = logging.getLogger(__name__)

_OF_CATALOG = 'ra', 'decl', 'pm_ra', 'pm_decl', 'teff'
_NAMES = tuple(column.name for column in results_table.COLUMNS)


def make_table(input_folder, todo, path, selection=None, *, overwrite=False) -> Counter:
    """Write catalogue, diagnostics and path of the light curve of every star.

    Parameters
    ----------
    input_folder : path-like
        Directory of the catalogues.
    todo : path-like or str
        File or URL of the todo list.
    path : path-like
        Ends in .parquet or .fits.
    selection : photometry.todo.selection.Selection, optional
    overwrite : bool

    Returns
    -------
    collections.Counter
        Number of stars by status, as words.

    Raises
    ------
    InputMissingError
        When no row passes the selection.
    """
    catalogs = {found.ccd_key: found.path for found in paths.find_catalogs(input_folder)}
    todo, counts = places.place(todo), Counter()  # as text it holds no password
    with results.opened(todo) as connection:
        ccds = results.ccds(connection, selection)
        if not ccds:
            raise InputMissingError(f'No row of {todo} passes the filters; nothing was written.')
        with results_table.written(path, cli.version(), overwrite=overwrite) as add:
            for ccd in ccds:
                stars = _stars(catalogs, ccd, input_folder)
                for part in results.of_ccd(connection, ccd, selection):
                    values = values_of(part, stars)
                    counts.update(values['status'])
                    _add(add, values, todo)
    return counts


def _add(add, values, todo):
    try:
        add(values)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputBadError(f'{todo} holds values that a table of stars cannot take ({error}); '
                            'make it again with run_make_todo.py --overwrite.') from error


def _stars(catalogs, ccd, folder):
    """The catalogue of a CCD, None where there is none."""
    if ccd in catalogs:
        return catalog.read_catalog(catalogs[ccd])
    logger.warning('No catalogue of sector %d, camera %d, CCD %d lies below %s; its stars have no positions '
                   'in the table.', *ccd, folder)
    return None


def values_of(rows, stars) -> dict:
    """Columns of the table as lists, from rows of the list and the catalogue of their CCD or None."""
    there = set(rows[0]._fields)
    made = {name: [getattr(row, name) for row in rows] if name in there else [None] * len(rows)
            for name in _NAMES}
    made['status'] = [summary.status_name(status) for status in made['status']]
    if stars is not None:
        index = stars.index(made['starid'])
        for name in _OF_CATALOG:
            found = stars.stars[name][index]
            made[name] = [None if at < 0 else value for at, value in zip(index, found.tolist(), strict=True)]
    return made
