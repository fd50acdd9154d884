"""Read a VOTable as a TAP service answers with: columns, checked, and whether rows were cut off."""

from __future__ import annotations

import io
import re
import warnings
from dataclasses import dataclass

import numpy as np

from photometry.files.table_formats import RawTable
from photometry.files.web import PassingError

_DECLARED = re.compile(rb'<!(DOCTYPE|ENTITY)', re.IGNORECASE)


@dataclass(frozen=True)
class VOTable:
    """The table of results."""

    table: RawTable
    overflow: bool
    """Whether the service had more rows than it gave."""


def read_votable(body, wanted) -> VOTable:
    """The rows of an answer.

    Parameters
    ----------
    body : bytes
    wanted : sequence of str
        Columns, which must all be there, whatever their case.

    Raises
    ------
    ValueError
        When it is no VOTable with these columns, as when it was cut off.
    PassingError
        When the service says that it cannot answer.
    """
    if _DECLARED.search(body):
        raise ValueError('it declares entities')
    resource = _parsed(body)
    status = {str(info.value).upper(): str(info.content or '') for info in resource.infos
              if info.name == 'QUERY_STATUS'}
    if 'ERROR' in status:
        raise PassingError('it says ' + (' '.join(status['ERROR'].split())[:200].rstrip('.') or 'ERROR'))
    if not resource.tables:
        raise ValueError('it holds no table')
    found = resource.tables[0].to_table()
    names = {name.lower(): name for name in found.colnames}
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f'it has no column {missing[0]}')
    columns = {name: _plain(found[names[name]]) for name in wanted}
    units = {name: str(found[names[name]].unit) for name in wanted if found[names[name]].unit is not None}
    return VOTable(RawTable(columns, units), 'OVERFLOW' in status)


def _parsed(body):
    """The resource with the results."""
    from astropy.io.votable import parse
    from astropy.io.votable.exceptions import VOTableSpecError
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            resources = parse(io.BytesIO(body), verify='ignore').resources
    except (VOTableSpecError, ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError,
            MemoryError, OSError, EOFError, AssertionError, RecursionError) as error:
        raise ValueError(' '.join(str(error).split())[:150] or type(error).__name__) from error
    if not resources:
        raise ValueError('it holds no resource')
    return next((resource for resource in resources if resource.type == 'results'), resources[0])


def _plain(column):
    """A column of numbers or texts, one a row, masked where empty."""
    values = np.ma.asarray(column)
    if values.ndim != 1:
        raise ValueError(f'its column {column.name} does not hold one value a row')
    if values.dtype.kind in 'iuf':
        return values
    texts = ['' if text is np.ma.masked else str(text) for text in values]
    return np.ma.array(np.array(texts, dtype='U32'), mask=[not text for text in texts])
