"""The catalogue of the stars on one CCD: an SQLite file, its schema, writer and readers."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import zlib
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError, OutputError
from photometry.files import atomic, catalog_columns, paths, schema
from photometry.files.schema import Column

SCHEMA = '1.1'

COLUMNS = (
    Column('starid', 'i8', '', 'TIC number, or a negative local number'),
    Column('ra', 'f8', 'deg', 'right ascension at the epoch of observation'),
    Column('decl', 'f8', 'deg', 'declination at the epoch of observation'),
    Column('ra_J2000', 'f8', 'deg', 'right ascension at epoch 2000'),
    Column('decl_J2000', 'f8', 'deg', 'declination at epoch 2000'),
    Column('pm_ra', 'f8', 'mas/yr', 'proper motion in right ascension, with cos(dec)'),
    Column('pm_decl', 'f8', 'mas/yr', 'proper motion in declination'),
    Column('tmag', 'f8', 'mag', 'TESS magnitude'),
    Column('teff', 'f8', 'K', 'effective temperature'),
)
"""Columns that every catalogue has; others may follow."""

STAR_DTYPE = np.dtype([(column.name, column.dtype) for column in COLUMNS])

_SQL_TYPES = {'i': 'INTEGER', 'u': 'INTEGER', 'f': 'REAL', 'U': 'TEXT'}
_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]{0,62}')
_MAX_BYTES = 16 << 30
_MAX_TEXT = 256
_BEFORE_POSITIONS = 'before_positions'
"""Note of a catalogue about its file before positions were entered."""


@dataclass(frozen=True)
class CatalogInfo:
    """What holds for the whole catalogue: the one row of its table ``settings``."""

    sector: int
    camera: int
    ccd: int
    ticver: str = ''
    """Version of the TIC behind the stars, where the source tells it."""
    reference_time: float = float('nan')
    """Middle of the observation, JD."""
    epoch: float = float('nan')
    """The same as a Julian year; ra and decl hold for it."""
    coord_buffer: float = 0.0
    """Width of the rim around the footprint that is included, deg."""
    camera_centre_ra: float = float('nan')
    """Optical axis of the camera, deg."""
    camera_centre_dec: float = float('nan')
    """The same."""
    footprint: str = ''
    """Outlines ``((ra,dec),...)`` in deg; several are joined by a semicolon."""

    @property
    def ccd_key(self) -> tuple[int, int, int]:
        """(sector, camera, ccd)."""
        return self.sector, self.camera, self.ccd


@dataclass(frozen=True)
class Catalog:
    """A catalogue in memory.

    ``stars`` is a structured array with the fields of `COLUMNS` and any extra
    ones, sorted by ``starid``; numbers that are not known are NaN, integers 0.
    """

    info: CatalogInfo
    stars: np.ndarray
    provenance: dict = field(default_factory=dict)
    """Schema, software, settings and manifest; empty in catalogues made elsewhere."""

    @cached_property
    def _starid(self):
        return np.ascontiguousarray(self.stars['starid'])

    def index(self, starid) -> np.ndarray:
        """Rows of star numbers, -1 for those that are not there."""
        starid = np.asarray(starid)
        if not self._starid.size:
            return np.full(starid.shape, -1)
        row = np.searchsorted(self._starid, starid).clip(0, self._starid.size - 1)
        return np.where(self._starid[row] == starid, row, -1)


def footprint_text(polygons) -> str:
    """Outlines, arrays (points, 2) of (ra, dec) in deg, as the catalogue keeps them."""
    return ';'.join('(' + ','.join(f'({ra:.6f},{dec:.6f})' for ra, dec in polygon) + ')'
                    for polygon in polygons)


def write_catalog(path, info, stars, overwrite=False, provenance=None):
    """Write a catalogue, whole or not at all.

    Parameters
    ----------
    path : path-like
    info : CatalogInfo
    stars : structured array
        Fields of `COLUMNS`, then extra ones (integers, floats, strings).
    overwrite : bool
    provenance : dict of str, optional
        Further entries of the table ``tessphot``, such as
        `photometry.files.identity.Identity.attributes`.

    Raises
    ------
    OutputError
        When the file exists and is not to be replaced, or cannot be written.
    ValueError
        When ``stars`` lacks columns or holds a star twice.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputError(f'{path} exists already; replace it with --overwrite.')
    missing = [column.name for column in COLUMNS if column.name not in (stars.dtype.names or ())]
    if missing:
        raise ValueError(f'A catalogue needs the column {missing[0]}.')
    stars = stars[np.argsort(stars['starid'], kind='stable')]
    if (np.diff(stars['starid']) == 0).any():
        raise ValueError('A star stands twice in the catalogue.')
    notes = {'schema': SCHEMA, **(provenance or {})}
    with atomic.replaced(path) as temporary, _written(path, temporary) as database:
        _insert(database, 'settings', _info_columns(), [tuple(asdict(info).values())])
        columns = [(name, _SQL_TYPES[stars.dtype[name].kind]) for name in stars.dtype.names]
        _insert(database, 'catalog', columns, zip(*map(_values, (stars[n] for n, _ in columns)), strict=True))
        catalog_columns.write(database, _read_stars(database))
        _insert(database, 'tessphot', [('key', 'TEXT PRIMARY KEY'), ('value', 'TEXT')], sorted(notes.items()))


def add_positions(path, stars) -> int:
    """Enter places without a magnitude into a catalogue, whole or not at all.

    Parameters
    ----------
    path : path-like
    stars : structured array
        Fields of `COLUMNS`; extra columns of the catalogue stay empty. What it has already, by number,
        is left as it is.

    Returns
    -------
    int
        How many are new.
    """
    held = read_catalog(path)
    new = stars[held.index(stars['starid']) < 0]
    if not new.size:
        return 0
    more = np.zeros(new.size, held.stars.dtype)
    for name in STAR_DTYPE.names:
        more[name] = new[name]
    before = json.dumps(asdict(manifest_entry(path)))
    write_catalog(path, held.info, np.concatenate([held.stars, more]), True,
                  {**held.provenance, _BEFORE_POSITIONS: before})
    return new.size


def manifest_entry(path, name='') -> schema.InputFile:
    """A catalogue as an input of a cube: as it was before positions were entered.

    Those have no magnitude and so no part in a cube, which need not be made again for them.
    """
    before = read_provenance(path).get(_BEFORE_POSITIONS)
    if before is not None:
        found = json.loads(before)
        return schema.InputFile(name, int(found['size']), str(found['datasum']))
    content = Path(path).read_bytes()
    return schema.InputFile(name, len(content), f'crc32:{zlib.crc32(content):08x}')


def _info_columns():
    kinds = {'int': 'INTEGER', 'float': 'REAL', 'str': 'TEXT'}
    return [(item.name, kinds[item.type]) for item in fields(CatalogInfo)]


def _values(column):
    """A column as Python values, NaN as None."""
    values = column.tolist()
    if column.dtype.kind == 'f':
        return [None if value != value else value for value in values]
    return values


def _insert(database, table, columns, rows):
    for name, _ in columns:
        if not _NAME.fullmatch(name):
            raise ValueError(f'{name!r} cannot be a column of a catalogue.')
    kinds = ', '.join(f'"{name}" {kind}' + (' PRIMARY KEY NOT NULL' if name == 'starid' else '')
                      for name, kind in columns)
    database.execute(f'CREATE TABLE {table} ({kinds})')
    database.executemany(f'INSERT INTO {table} VALUES ({", ".join("?" * len(columns))})', rows)


@contextlib.contextmanager
def _written(path, temporary):
    """A new database whose errors name the final file."""
    try:
        with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as database:
            database.execute('PRAGMA journal_mode = OFF')
            database.execute('PRAGMA synchronous = OFF')
            database.execute('BEGIN')
            yield database
            database.execute('COMMIT')
    except sqlite3.OperationalError as error:
        cure = ('the disk is full; free some space' if 'full' in str(error) else
                f'{error}; check the disk and the permissions of its directory')
        raise OutputError(f'Cannot write {path}: {cure}.') from error


def read_catalog(path) -> Catalog:
    """A catalogue, ours or one of the established schema made elsewhere.

    Raises
    ------
    InputMissingError
        When the file does not exist.
    InputBadError
        When it is empty, truncated, no SQLite file, lacks tables or columns,
        holds no numbers where numbers belong, or is of another CCD than its
        name says.
    IncompatibleError
        When its schema is newer than ours.
    """
    with _opened(path) as database:
        if database.execute('PRAGMA quick_check(1)').fetchone()[0] != 'ok':
            raise ValueError('pages are damaged')
        info, provenance = _read_info(path, database), _read_provenance(path, database)
        return Catalog(info, _read_stars(database), provenance)


def read_info(path) -> CatalogInfo:
    """Only what holds for the whole catalogue; raises as `read_catalog` does."""
    with _opened(path) as database:
        _read_provenance(path, database)
        return _read_info(path, database)


def read_provenance(path) -> dict:
    """Only schema, software, settings and manifest; empty for a catalogue made elsewhere."""
    with _opened(path) as database:
        return _read_provenance(path, database)


def count_stars(path) -> int:
    """How many stars a catalogue has; raises as `read_catalog` does, without reading them."""
    with _opened(path) as database:
        _table_columns(database, 'catalog')
        return database.execute('SELECT count(*) FROM catalog').fetchone()[0]


def read_star(path, starid):
    """One star of a catalogue as a structured scalar, or None when it has no row.

    Raises as `read_catalog` does, without reading the other stars.
    """
    with _opened(path) as database:
        stars = _read_stars(database, int(starid))
        return stars[0] if stars.size else None


@contextlib.contextmanager
def _opened(path):
    """The database read-only, every way to be unusable turned into one sentence."""
    path = Path(path)
    if not path.is_file():
        raise InputMissingError(f'The catalogue {path} does not exist; run_make_catalog.py makes it.')
    if path.stat().st_size > _MAX_BYTES:
        raise InputBadError(f'{path} is larger than a catalogue can be; make it again.')
    try:
        with contextlib.closing(sqlite3.connect(path.resolve().as_uri() + '?mode=ro', uri=True)) as database:
            database.execute('PRAGMA trusted_schema = OFF')
            yield database
    except (sqlite3.Error, UnicodeDecodeError, OverflowError, ValueError, TypeError, KeyError) as error:
        raise InputBadError(f'{path} is no usable catalogue ({error}); '
                            'make it again with run_make_catalog.py --overwrite.') from error


def _table_columns(database, table):
    """Names and declared types of a table's columns; views are not tables."""
    found = database.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,))
    if found.fetchone() is None:
        raise ValueError(f'it has no table {table}')
    return {row[1]: row[2].upper() for row in database.execute(f'PRAGMA table_info({table})')}


def _read_info(path, database):
    present = _table_columns(database, 'settings')
    wanted = [item for item in fields(CatalogInfo) if item.name in present]
    rows = database.execute(f'SELECT {", ".join(item.name for item in wanted)} FROM settings').fetchmany(2)
    if len(rows) != 1:
        raise ValueError('its table settings does not have one row')
    cast = {'int': int, 'float': float, 'str': str}
    values = {item.name: cast[item.type](value) for item, value in zip(wanted, rows[0], strict=True)
              if value is not None}
    for name in ('sector', 'camera', 'ccd'):
        if name not in values:
            raise ValueError(f'its table settings has no {name}')
    info = CatalogInfo(**values)
    named = paths.ccd_of(path)
    if named and named != info.ccd_key:
        raise ValueError('it holds sector {}, camera {}, CCD {}, another one than its name says'.format(
            *info.ccd_key))
    return info


def _read_provenance(path, database):
    try:
        _table_columns(database, 'tessphot')
    except ValueError:
        return {}
    notes = dict(database.execute('SELECT key, value FROM tessphot').fetchall())
    schema.check_version(path, notes.get('schema', SCHEMA), SCHEMA)
    return notes


def _read_stars(database, starid=None):
    present = _table_columns(database, 'catalog')
    for column in COLUMNS:
        if column.name not in present:
            raise ValueError(f'its table catalog has no column {column.name}')
    extra = [name for name in present if _NAME.fullmatch(name) and name not in STAR_DTYPE.names]
    names = [*STAR_DTYPE.names, *extra]
    columns = catalog_columns.read(database, names) if starid is None else None
    if columns is None:
        columns = _read_rows(database, {name: present[name] for name in names}, starid)
    stars = np.empty(columns[0].size, [(name, column.dtype)
                                       for name, column in zip(names, columns, strict=True)])
    for name, column in zip(names, columns, strict=True):
        stars[name] = column
    if (np.diff(stars['starid']) <= 0).any():
        raise ValueError('a star stands in it twice')
    return stars


def _read_rows(database, declared, starid=None):
    """Columns of all stars or of one, by their names and declared types, from the table itself."""
    query = 'SELECT ' + ', '.join(f'"{name}"' for name in declared) + ' FROM catalog'
    if starid is None:
        rows = database.execute(query + ' ORDER BY starid').fetchall()
    else:
        rows = database.execute(query + ' WHERE starid = ?', (starid,)).fetchall()
    values = list(zip(*rows, strict=True)) if rows else [()] * len(declared)
    return [_as_column(name, column, declared[name]) for name, column in zip(declared, values, strict=True)]


def _as_column(name, values, declared):
    """SQL values as an array of the schema's type or, for an extra column, the declared one."""
    if name == 'starid':
        return np.array(values, dtype='i8')
    if name in STAR_DTYPE.names:
        return np.array(values, dtype='f8')
    if 'INT' in declared:
        return np.array([value or 0 for value in values], dtype='i8')
    if declared.startswith(('REAL', 'FLOAT', 'DOUBLE')):
        return np.array(values, dtype='f8')
    return np.array(['' if value is None else str(value)[:_MAX_TEXT] for value in values], dtype='U')
