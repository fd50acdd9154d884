"""Ask MAST for rows of the TESS Input Catalog, and make its answers into columns."""

from __future__ import annotations

import contextlib
import json
import logging
import math
from dataclasses import dataclass
from itertools import count

import numpy as np

from photometry.core.errors import ArchiveError
from photometry.files.table_formats import RawTable
from photometry.files.tic_strips import WANTED
from photometry.files.web import PassingError

logger = logging.getLogger(__name__)

ARCHIVE = 'mast'
"""Under which word its answers are kept."""

SERVICE = 'Mast.Catalogs.Filtered.Tic.Position.Rows'
BY_NUMBER = 'Mast.Catalogs.Filtered.Tic.Rows'
"""Services of MAST's Mashup interface that give rows of the TIC, by place and otherwise."""

PAGE = 50_000
"""Rows of a page."""

COLUMNS = (*WANTED, 'version')
"""Those that are asked for: the columns that are read from the strips, and the date of each row."""

_TEXTS = ('objType', 'disposition', 'version')
_LARGEST_TIC = 10 ** 11
_LONGEST_QUERY = 900.0
"""Seconds after which a query that still runs at MAST is given up."""


@dataclass(frozen=True)
class Page:
    """One page of rows."""

    table: RawTable
    """Columns of `COLUMNS`; numbers that are unknown are masked."""
    pages: int
    """How many there are."""
    total: int
    """Rows of all of them."""
    rows: int
    """Rows of this one, those without a TIC number included."""


def request(service, filters, page=1, **where) -> dict:
    """What is sent to the Mashup interface for a page of rows.

    Parameters
    ----------
    service : str
    filters : dict
        Column -> list of values, or (least, greatest).
    page : int
        From 1 on.
    **where
        ``ra``, ``dec``, ``radius`` (deg) for services by place.
    """
    chosen = [{'paramName': name,
               'values': [{'min': values[0], 'max': values[1]}] if isinstance(values, tuple) else values}
              for name, values in filters.items()]
    return {'service': service, 'format': 'json', 'pagesize': PAGE, 'page': page,
            'params': {'columns': ','.join(COLUMNS), 'filters': chosen, **where}}


def ask(web, mast, query) -> tuple[bytes, Page]:
    """The answer to a `request`, waited for while MAST says that the query still runs.

    Parameters
    ----------
    web : photometry.files.web.Web
    mast : str
        Address of MAST.
    query : dict

    Raises
    ------
    ArchiveError, DrainedError
    """
    waited = 0.0
    for number in count():
        body, page = web.ask(f'{mast}/api/v0/invoke', read_page, what='JSON',
                             data={'request': json.dumps(query)})
        if page is not None:
            return body, page
        if waited > _LONGEST_QUERY:
            raise ArchiveError(f'MAST has not answered a query in {_LONGEST_QUERY:g} s; try again later.')
        pause = min(web.pause * (number + 1), 10.0)
        waited += max(pause, 0.1)
        web.stop.wait(pause)


def kept(archives, query) -> Page:
    """The answer to a `request` that was kept, where it can be read; else MAST is asked, and its answer kept.

    Parameters
    ----------
    archives : photometry.files.archives.Archives
    query : dict

    Raises
    ------
    ArchiveError, DrainedError, OutputError
    """
    answer = archives.cache.get(ARCHIVE, query)
    if answer is not None:
        with contextlib.suppress(ValueError, PassingError):
            page = read_page(answer)
            if page is not None:
                return page
    answer, page = ask(archives.web, archives.mast, query)
    archives.cache.put(ARCHIVE, query, answer)
    return page


def read_page(body) -> Page | None:
    """The rows of an answer; None when it says that the query still runs and is to be sent again.

    Rows whose ID is no TIC number are left out and counted in the log; numbers
    of Gaia sources that cannot be are 0.

    Raises
    ------
    ValueError
        When it is no such answer, as when it was cut off.
    PassingError
        When MAST says that it cannot answer, which it does when it is busy, too.
    """
    found = _parsed(body)
    if found.get('status') == 'EXECUTING':
        return None
    if found.get('status') == 'ERROR':
        raise PassingError('it says ' + ' '.join(str(found.get('msg') or 'ERROR').split())[:200].rstrip('.'))
    rows, paging = found.get('data'), found.get('paging') or {}
    if found.get('status') != 'COMPLETE' or not _is_table(rows) or not isinstance(paging, dict):
        raise ValueError('it holds no rows')
    if rows and not {name.lower() for name in WANTED} <= {name.lower() for name in rows[0]}:
        raise ValueError('its rows lack a column')
    pages, total = (_whole(paging.get(name), 10 ** 9) for name in ('pagesFiltered', 'rowsFiltered'))
    if paging and _whole(paging.get('rows'), 10 ** 9) not in (0, len(rows)):
        raise ValueError(f'it says that it has {paging["rows"]} rows and has {len(rows)}')
    return Page(_table(rows), max(pages, 1), max(total, len(rows)), len(rows))


def _parsed(body):
    try:
        found = json.loads(body)
    except RecursionError as error:
        raise ValueError('it is nested too deeply') from error
    if not isinstance(found, dict):
        raise ValueError('it is no object')
    return found


def _is_table(rows):
    return isinstance(rows, list) and all(isinstance(row, dict) for row in rows)


def _table(rows):
    names = {name.lower(): name for row in rows[:1] for name in row}
    values = {name: [row.get(names.get(name.lower())) for row in rows] for name in COLUMNS}
    numbers = np.array([_whole(value, _LARGEST_TIC) for value in values['ID']], dtype='i8')
    keep = numbers > 0
    if not keep.all():
        logger.warning('MAST: %d of %d rows left out, without a TIC number.', (~keep).sum(), keep.size)
    columns = {'ID': np.ma.array(numbers[keep])}
    columns['GAIA'] = np.ma.array([_whole(value, 2 ** 63 - 1) for value in values['GAIA']], dtype='i8')[keep]
    for name in _TEXTS:
        columns[name] = np.ma.array([_text(value) for value in values[name]], dtype='U32')[keep]
    for name in set(COLUMNS) - set(columns):
        columns[name] = np.ma.array([_number(value) for value in values[name]], dtype='f8')[keep]
    return RawTable(columns)


def _whole(value, largest):
    """A whole number from 1 to ``largest`` out of JSON, else 0."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, float) and value.is_integer() and value < 2 ** 53:
        value = int(value)
    return value if type(value) is int and 1 <= value <= largest else 0


def _text(value):
    return '' if value is None else str(value)[:32]


def _number(value):
    """A finite number out of JSON, else NaN."""
    try:
        number = float(value) if type(value) in (int, float, str) else math.nan
    except (ValueError, OverflowError):
        return math.nan
    return number if math.isfinite(number) else math.nan
