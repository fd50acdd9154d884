"""Read tables of others as plain columns: CSV, ECSV, FITS and Parquet."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photometry.files import fits_checks

MAX_BYTES = 4 << 30
"""Largest table that is read, unzipped."""

MAX_ROWS = 50_000_000
_MAX_COLUMNS = 2000
_MAX_ECSV = 512 << 20
NULLS = ['', 'null', 'NULL', 'nan', 'NaN', 'NAN', 'none', 'None', '--', 'N/A', 'NA']


@dataclass(frozen=True)
class RawTable:
    """Columns as they stand in a file, one-dimensional masked arrays of numbers or strings."""

    columns: dict
    units: dict = field(default_factory=dict)
    """Declared units by column, where there are any."""
    meta: dict = field(default_factory=dict)


def joined(parts) -> RawTable:
    """Several tables of the same columns, one below the other; units and keywords are the first one's."""
    parts = list(parts)
    columns = {name: np.ma.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    return RawTable(columns, parts[0].units, parts[0].meta)


def read_columns(path, wanted) -> RawTable:
    """The columns of a table whose names a caller wants.

    The format is recognised by the content, not by the name; CSV and FITS may
    be gzipped. Nothing in the file is executed or unpickled.

    Parameters
    ----------
    path : path-like
    wanted : callable
        Takes a column name, tells whether to read it.

    Raises
    ------
    InputMissingError
        When the file does not exist.
    InputBadError
        When it is none of the formats, damaged or too large.
    """
    path = Path(path)
    with fits_checks.explained_input(path):
        if path.is_dir():
            raise ValueError('it is a directory')
        start = _start(path)
        if start.startswith(b'SIMPLE'):
            return _read_fits(path, wanted)
        if start.startswith(b'PAR1'):
            return _read_parquet(path, wanted)
        if not start.strip():
            raise ValueError('it is empty')
        if b'\0' in start:
            raise ValueError('it is neither CSV, ECSV, FITS nor Parquet')
        content = _content(path)
        return _read_ecsv(content, wanted) if b'%ECSV' in start[:100] else _read_csv(content, wanted)


def _start(path):
    with open(path, 'rb') as file:
        start = file.read(4096)
    if start.startswith(b'\x1f\x8b'):
        with gzip.open(path) as file:
            return file.read(4096)
    return start


def declares_itself(path) -> bool:
    """Whether a file is FITS, Parquet or ECSV, which say what their columns are."""
    with fits_checks.explained_input(path):
        start = _start(path)
        return start.startswith((b'SIMPLE', b'PAR1')) or b'%ECSV' in start[:100]


def is_gzipped(path) -> bool:
    """Whether a file begins like a gzip file."""
    with open(path, 'rb') as file:
        return file.read(2) == b'\x1f\x8b'


def _content(path):
    """The whole text, unzipped, as far as the limit allows."""
    with gzip.open(path) if is_gzipped(path) else open(path, 'rb') as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f'it is larger than {MAX_BYTES >> 30} GB')
    return content


def _read_csv(content, wanted):
    import pyarrow
    from pyarrow import csv as arrow_csv
    names, delimiter, skipped = _csv_header(content)
    chosen = [name for name in names if wanted(name)]
    table = arrow_csv.read_csv(
        pyarrow.BufferReader(content),
        read_options=arrow_csv.ReadOptions(column_names=names, skip_rows=skipped, use_threads=False),
        parse_options=arrow_csv.ParseOptions(delimiter=delimiter),
        convert_options=arrow_csv.ConvertOptions(include_columns=chosen, null_values=NULLS,
                                                 strings_can_be_null=True)) if chosen else None
    return RawTable({name: from_arrow(table[name]) for name in chosen})


def _csv_header(content):
    """Column names, delimiter and lines before the data.

    Lines with ``#`` come first; the names stand in the first line after them
    or, when that is data already, in the last of them.
    """
    text = content[:1 << 20].decode('utf-8-sig', 'replace')
    lines = text.split('\n')
    first = next((k for k, line in enumerate(lines) if line.strip() and not line.startswith('#')), None)
    if first is None:
        raise ValueError('it has no line with the names of columns')
    delimiter = max(',\t;|', key=lines[first].count)
    if delimiter not in lines[first]:
        raise ValueError('its columns are not separated by commas')
    names = _split(lines[first], delimiter)
    skipped = first + 1
    if _is_number(names[0]) and first and delimiter in lines[first - 1]:
        names, skipped = _split(lines[first - 1].lstrip('# '), delimiter), first
    if len(names) > _MAX_COLUMNS or len(set(names)) != len(names):
        raise ValueError('the names of its columns are not distinct')
    return names, delimiter, skipped


def _split(line, delimiter):
    try:
        return [name.strip() for name in next(csv.reader([line.strip()], delimiter=delimiter))]
    except csv.Error as error:
        raise ValueError(f'the line with the names of its columns is no CSV ({error})') from error


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_ecsv(content, wanted):
    from astropy.table import Table
    if len(content) > _MAX_ECSV:
        raise ValueError(f'an ECSV table larger than {_MAX_ECSV >> 20} MB takes too long; '
                         'write it as Parquet')
    return _from_astropy(Table.read(io.BytesIO(content), format='ascii.ecsv'), wanted)


def _read_fits(path, wanted):
    from astropy.io import fits
    from astropy.table import Table
    # Sizes and sums first: after this the file is as long as its headers say.
    units = fits_checks.read_hdus(path, 4, max_bytes=MAX_BYTES)
    tables = [k for k, unit in enumerate(units)
              if str(unit.header.get('XTENSION', '')).strip() in ('BINTABLE', 'TABLE')]
    if not tables:
        raise ValueError('it has no table')
    del units
    with fits.open(path, memmap=False) as file:
        return _from_astropy(Table.read(file[tables[0]]), wanted)


def _from_astropy(table, wanted):
    columns = {name: _flat(table[name]) for name in table.colnames if wanted(name)}
    units = {name: str(table[name].unit) for name in columns
             if getattr(table[name], 'unit', None) is not None}
    return RawTable(columns, units, _keywords(table.meta))


def _keywords(meta):
    return {str(key).lower(): value for key, value in meta.items() if isinstance(value, (int, float, str))}


def _flat(column):
    if getattr(column, 'ndim', 0) != 1 or not hasattr(column, 'dtype') or column.dtype.kind not in 'iufSU':
        raise ValueError(f'its column {getattr(column, "name", "")} does not hold one number or text a row')
    values = np.ma.asarray(column)
    if values.dtype.kind == 'S':
        return np.ma.array(np.char.decode(np.asarray(values), 'ascii', 'replace'), mask=values.mask)
    return values


def _read_parquet(path, wanted):
    from pyarrow import parquet
    with parquet.ParquetFile(path) as file:
        if file.metadata.num_rows > MAX_ROWS:
            raise ValueError(f'it has {file.metadata.num_rows} rows')
        names = [name for name in file.schema_arrow.names if wanted(name)]
        table = file.read(columns=names, use_threads=False)
    units = {name: (table.schema.field(name).metadata or {}).get(b'unit', b'').decode() for name in names}
    described, meta = _parquet_description(table.schema.metadata or {})
    units = {name: unit or described.get(name, '') for name, unit in units.items()}
    return RawTable({name: from_arrow(table[name]) for name in names},
                    {name: unit for name, unit in units.items() if unit}, meta)


def _parquet_description(metadata):
    """Units and keywords that astropy keeps beside a Parquet table."""
    if b'table_meta_yaml' not in metadata:
        return {}, {}
    from astropy.table.meta import get_header_from_yaml
    header = get_header_from_yaml(metadata[b'table_meta_yaml'].decode().split('\n'))
    units = {entry['name']: str(entry['unit']) for entry in header.get('datatype', ()) if entry.get('unit')}
    return units, _keywords(header.get('meta') or {})


def from_arrow(column):
    """A column of Arrow's as a masked array of integers, floats or strings."""
    import pyarrow
    kind = column.type
    if pyarrow.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pyarrow.types.is_null(kind):
        return np.ma.masked_all(len(column), 'f8')
    if pyarrow.types.is_decimal(kind) or pyarrow.types.is_float16(kind):
        column = column.cast(pyarrow.float64())
        kind = column.type
    mask = column.is_null().to_numpy()
    if pyarrow.types.is_integer(kind) or pyarrow.types.is_floating(kind):
        return np.ma.array(column.fill_null(0).to_numpy(), mask=mask)
    texts = column.cast(pyarrow.string()).fill_null('').to_pylist()
    return np.ma.array(np.array(texts, dtype='U'), mask=mask)
