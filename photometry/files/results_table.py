"""The table of all stars with what came of them, as Parquet or FITS."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from photometry.core.errors import OutputError, UsageError
from photometry.files import atomic
from photometry.files.schema import Column

SCHEMA = '1.1'

COLUMNS = (
    Column('starid', 'i8', '', 'TIC number, or a negative local number'),
    Column('sector', 'i4', '', 'sector'),
    Column('camera', 'i4', '', 'camera'),
    Column('ccd', 'i4', '', 'CCD'),
    Column('cadence', 'i4', 's', 'time between two frames'),
    Column('datasource', 'U', '', 'where the pixels come from'),
    Column('priority', 'i8', '', 'row of the todo list, from bright to faint'),
    Column('ra', 'f8', 'deg', 'right ascension at the epoch of observation'),
    Column('decl', 'f8', 'deg', 'declination at the epoch of observation'),
    Column('pm_ra', 'f8', 'mas/yr', 'proper motion in right ascension, with cos(dec)'),
    Column('pm_decl', 'f8', 'mas/yr', 'proper motion in declination'),
    Column('tmag', 'f8', 'mag', 'TESS magnitude'),
    Column('teff', 'f8', 'K', 'effective temperature'),
    Column('cbv_area', 'i4', '', 'area for which cotrending vectors are made'),
    Column('status', 'U', '', 'what became of the star'),
    Column('lightcurve', 'U', '', 'file, below the output directory'),
    Column('method', 'U', '', 'method that was asked for; empty: automatic'),
    Column('method_used', 'U', '', 'method of the light curve'),
    Column('mean_flux', 'f8', 'e-/s', 'mean flux'),
    Column('variance', 'f8', '(e-/s)2', 'variance of the flux'),
    Column('variability', 'f8', '', 'variability'),
    Column('rms_hour', 'f8', 'ppm', 'scatter on time scales of an hour'),
    Column('ptp', 'f8', 'ppm', 'scatter from point to point'),
    Column('pos_row', 'f8', 'pixels', 'row, one-based'),
    Column('pos_column', 'f8', 'pixels', 'column, one-based'),
    Column('contamination', 'f8', '', 'light of other stars over all in the aperture'),
    Column('psf_cont', 'f8', '', 'the same under the image of the star'),
    Column('chi2', 'f8', '', 'reduced chi square of the fit'),
    Column('mask_size', 'i4', 'pixels', 'size of the aperture'),
    Column('edge_flux', 'f8', 'e-/s', 'light of the aperture on the edge of the pixels'),
    Column('stamp_width', 'i4', 'pixels', 'columns of the stamp'),
    Column('stamp_height', 'i4', 'pixels', 'rows of the stamp'),
    Column('stamp_resizes', 'i4', '', 'how often the stamp was enlarged'),
    Column('skipped_by', 'i8', '', 'brighter star whose light curve holds this one'),
    Column('merged_with', 'U', '', 'stars that the light curve holds as well'),
    Column('star_flags', 'i4', '', '1 strap, 2 bled charge, 4 asteroid'),
    Column('methods_tried', 'U', '', 'methods that were tried'),
    Column('choice_reason', 'U', '', 'why method_used was kept'),
    Column('reason', 'U', '', 'why there is no light curve, in a word'),
    Column('errors', 'U', '', 'the same and warnings in sentences'),
    Column('attempts', 'i4', '', 'how often the star was tried'),
    Column('elaptime', 'f8', 's', 'time that the star took'),
    Column('worker_wait_time', 'f8', 's', 'time that its worker waited before'),
    Column('extra', 'U', '', 'JSON of what has no column'),
)
"""Unknown numbers are null in Parquet; in FITS they are NaN, or -9223372036854775808 and -2147483648."""

SUFFIXES = '.parquet', '.fits'


def check_name(path) -> Path:
    """A path whose suffix tells a known format.

    Raises
    ------
    UsageError
    """
    path = Path(path)
    if path.suffix not in SUFFIXES:
        raise UsageError(f'The table {path} has no suffix that tells its format; use '
                         f'{" or ".join(SUFFIXES)}.')
    return path


@contextlib.contextmanager
def written(path, version, *, overwrite=False):
    """Write a table in parts; the file appears whole or not at all.

    Parameters
    ----------
    path : path-like
        Ends in .parquet or .fits.
    version : str
        Of the software.
    overwrite : bool

    Yields
    ------
    callable
        Takes a dict of `COLUMNS`' names -> equally many values, None where unknown.

    Raises
    ------
    OutputError
        When the file exists and is not to be replaced, or cannot be written.
    UsageError
        For another suffix.
    """
    path = check_name(path)
    if path.exists() and not overwrite:
        raise OutputError(f'{path} exists already; replace it with --overwrite.')
    kind = _Parquet if path.suffix == '.parquet' else _Fits
    with atomic.replaced(path) as temporary, atomic.explained_output(path):
        with contextlib.closing(kind(temporary, version)) as table:
            yield table.add


class _Parquet:
    """One row group a part, so that memory does not grow with the table."""

    def __init__(self, path, version):
        import pyarrow as pa
        from pyarrow import parquet
        kinds = {'i8': pa.int64(), 'i4': pa.int32(), 'f8': pa.float64(), 'U': pa.string()}
        self._schema = pa.schema(
            [pa.field(column.name, kinds[column.dtype],
                      metadata={'unit': column.unit, 'description': column.description})
             for column in COLUMNS],
            metadata={'tessphot': version, 'schema': SCHEMA})
        self._writer = parquet.ParquetWriter(path, self._schema, compression='zstd')

    def add(self, values):
        import pyarrow as pa
        arrays = [pa.array(values[column.name], type=field.type, from_pandas=True)
                  for column, field in zip(COLUMNS, self._schema, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self):
        self._writer.close()


class _Fits:
    """All parts are kept and written at the end: the width of a text is known no earlier."""

    def __init__(self, path, version):
        self._path, self._version = path, version
        self._parts = [[] for _ in COLUMNS]

    def add(self, values):
        for column, parts in zip(COLUMNS, self._parts, strict=True):
            parts.append(_plain(values[column.name], column.dtype))

    def close(self):
        from astropy.io import fits
        columns = [_fits_column(column, np.concatenate(parts) if parts else _plain([], column.dtype))
                   for column, parts in zip(COLUMNS, self._parts, strict=True)]
        table = fits.BinTableHDU.from_columns(columns, name='STARS')
        for number, column in enumerate(COLUMNS, 1):
            table.header.comments[f'TTYPE{number}'] = column.description
        table.header['CREATOR'] = (f'tessphot {self._version}', 'software')
        table.header['SCHEMA'] = (SCHEMA, 'layout of this table')
        table.writeto(self._path, overwrite=True, checksum=True)


def _plain(values, dtype):
    """Values without None: NaN, the least integer, empty text."""
    if dtype == 'U':
        return np.array([(value or '').encode('ascii', 'replace') for value in values], dtype='S')
    empty = np.nan if dtype == 'f8' else np.iinfo(dtype).min
    return np.array([empty if value is None else value for value in values], dtype=dtype)


def _fits_column(column, array):
    from astropy.io import fits
    formats = {'i8': 'K', 'i4': 'J', 'f8': 'D', 'U': f'{max(array.dtype.itemsize, 1)}A'}
    null = int(np.iinfo(column.dtype).min) if column.dtype[0] == 'i' else None
    return fits.Column(column.name, formats[column.dtype], unit=column.unit or None, null=null, array=array)
