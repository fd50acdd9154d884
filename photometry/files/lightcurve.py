"""The light curve of a star: a FITS file with a table and the pixels behind it."""

from __future__ import annotations

import datetime
import gzip
import io
import logging
import os
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import atomic, fits_text, lightcurve_schema, schema

logger = logging.getLogger(__name__)

_TFORM = {'f8': 'D', 'f4': 'E', 'i4': 'J', 'i8': 'K'}
_MAX_BYTES = 64 << 20
"""More than any light curve; 27 days of 20 s in all columns make 20 MB."""

_TDISP = {'TIME': 'D14.7', 'TIMECORR': 'E14.7', 'CADENCENO': 'I10', 'QUALITY': 'B16.16'}


@dataclass(frozen=True)
class Lightcurve:
    """A light curve as the file holds it.

    Attributes
    ----------
    columns : dict of ndarray (times,)
        By the names of `lightcurve_schema.COLUMNS`, of which missing ones are written as NaN or 0, and
        any of ``OPTIONAL`` and FLUX_<METHOD>, FLUX_<METHOD>_ERR; these are left out of layout ``tasoc``.
    primary, table : dict
        Values of the keywords in ``PRIMARY`` and ``TABLE``.
    sumimage : ndarray (rows, columns)
        Mean of the good images, e-/s.
    aperture : ndarray (rows, columns) of int
        `~photometry.core.quality.ApertureFlag` bits.
    wcs_text : str
        Header cards of the stamp's WCS, pixel (1, 1) being its first.
    weightmap : ndarray (rows, columns), optional
    neighbours : dict of sequence (neighbours,), optional
        By the names of `lightcurve_schema.NEIGHBOURS`.
    extra : dict
        Further primary keywords: a value, or a pair of value and comment.
    """

    columns: dict
    primary: dict
    table: dict
    sumimage: np.ndarray
    aperture: np.ndarray
    wcs_text: str = ''
    weightmap: np.ndarray | None = None
    neighbours: dict | None = None
    extra: dict = field(default_factory=dict)


def write_lightcurve(path, lightcurve, layout='tessphot', compress=False, source_date_epoch=None):
    """Write a light curve atomically.

    Parameters
    ----------
    path : path-like
        Its directory is made when it does not exist.
    lightcurve : Lightcurve
    layout : {'tessphot', 'tasoc'}
    compress : bool
        gzip at level 1 without a time stamp.
    source_date_epoch : int, optional
        Seconds since 1970 for DATE, in place of the clock.

    Raises
    ------
    OutputError
        When the file cannot be written.
    """
    content = encode(lightcurve, layout, source_date_epoch)
    if compress:
        content = gzip.compress(content, compresslevel=1, mtime=0)
    path = Path(path)
    if not path.parent.is_dir():
        atomic.make_directory(path.parent)
    atomic.write_bytes(path, content)


def encode(lightcurve, layout='tessphot', source_date_epoch=None) -> bytes:
    """The bytes of a light-curve file."""
    wcs_text = lightcurve.wcs_text
    parts = [_lightcurve_hdu(lightcurve, layout),
             _image_hdu('SUMIMAGE', lightcurve.sumimage, 'f4', wcs_text, 'e-/s'),
             _image_hdu('APERTURE', lightcurve.aperture, 'i4', wcs_text)]
    if lightcurve.weightmap is not None:
        parts.append(_image_hdu('WEIGHTMAP', lightcurve.weightmap, 'f4', wcs_text))
    if lightcurve.neighbours is not None and layout != 'tasoc':
        parts.append(_table_hdu('NEIGHBOURS', lightcurve_schema.NEIGHBOURS, lightcurve.neighbours))
    return b''.join([_primary_hdu(lightcurve, layout, len(parts), source_date_epoch), *parts])


def _tasoc(columns):
    """Columns of the layout ``tasoc`` from our own."""
    from photometry.core import quality
    flux = np.asarray(columns['FLUX'], dtype='float64')
    usable = quality.good(columns['QUALITY']) & np.isfinite(flux)
    level = np.median(flux[usable]) if usable.any() else np.nan
    return dict(columns, FLUX_RAW=columns.get('SAP_FLUX', flux),
                FLUX_RAW_ERR=columns.get('SAP_FLUX_ERR', columns['FLUX_ERR']),
                FLUX_CORR=(flux / level - 1) * 1e6, FLUX_CORR_ERR=columns['FLUX_ERR'] / level * 1e6,
                QUALITY=np.zeros(flux.size, dtype='int32'), PIXEL_QUALITY=columns['QUALITY'])


def _date(source_date_epoch):
    epoch = os.environ.get('SOURCE_DATE_EPOCH') if source_date_epoch is None else source_date_epoch
    moment = (datetime.datetime.now(datetime.UTC) if epoch is None
              else datetime.datetime.fromtimestamp(int(epoch), datetime.UTC))
    return moment.strftime('%Y-%m-%dT%H:%M:%S')


def _cards(comments, values):
    return ''.join(fits_text.card(name, values.get(name), comment) for name, comment in comments.items())


def _primary_hdu(lightcurve, layout, extensions, source_date_epoch):
    values = (lightcurve_schema.CONSTANTS | lightcurve.primary
              | {'DATE': _date(source_date_epoch), 'SCHEMA': lightcurve_schema.VERSION})
    cards = [fits_text.card('SIMPLE', True, 'FITS standard'), fits_text.card('BITPIX', 8, 'no data'),
             fits_text.card('NAXIS', 0, 'no data'), fits_text.card('EXTEND', True, 'extensions follow'),
             fits_text.card('NEXTEND', extensions, 'number of extensions'),
             fits_text.card('EXTNAME', 'PRIMARY', 'name of this HDU'),
             fits_text.card('LAYOUT', layout, 'columns of the table'),
             _cards(lightcurve_schema.PRIMARY, values)]
    for name, value in lightcurve.extra.items():
        if len(name) > 8:
            raise ValueError(f'The header keyword {name} has more than 8 letters.')
        value, comment = value if isinstance(value, tuple) else (value, '')
        cards.append(fits_text.card(name, value, comment))
    return fits_text.hdu(''.join(cards))


def _lightcurve_hdu(lightcurve, layout):
    columns = _tasoc(lightcurve.columns) if layout == 'tasoc' else lightcurve.columns
    values = lightcurve_schema.TIME_CONSTANTS | lightcurve.table
    return _table_hdu('LIGHTCURVE', lightcurve_schema.declared(columns, layout), columns,
                      _cards(lightcurve_schema.TABLE, values))


def _table_hdu(name, layout, columns, cards=''):
    rows = len(columns[layout[0].name])
    table = np.zeros(rows, dtype=[(column.name, '>' + column.dtype) for column in layout])
    for column in layout:
        table[column.name] = columns.get(column.name, np.nan if column.dtype[0] == 'f' else 0)
    return fits_text.hdu(_table_cards(name, layout, table.itemsize, rows) + cards, table.tobytes())


def _table_cards(name, layout, width, rows):
    """The cards of a table up to its name."""
    cards = [fits_text.card('XTENSION', 'BINTABLE', 'binary table'), fits_text.card('BITPIX', 8),
             fits_text.card('NAXIS', 2), fits_text.card('NAXIS1', width, 'bytes in a row'),
             fits_text.card('NAXIS2', rows, 'rows'), fits_text.card('PCOUNT', 0),
             fits_text.card('GCOUNT', 1), fits_text.card('TFIELDS', len(layout), 'columns')]
    for number, column in enumerate(layout, start=1):
        cards.append(fits_text.card(f'TTYPE{number}', column.name, column.description))
        cards.append(fits_text.card(f'TFORM{number}', _TFORM[column.dtype]))
        if column.unit:
            cards.append(fits_text.card(f'TUNIT{number}', column.unit))
        if column.name in _TDISP:
            cards.append(fits_text.card(f'TDISP{number}', _TDISP[column.name]))
    return ''.join([*cards, fits_text.card('EXTNAME', name, 'name of this HDU')])


def _image_hdu(name, image, dtype, wcs_text, unit=''):
    image = np.asarray(image)
    cards = [fits_text.card('XTENSION', 'IMAGE', 'image'),
             fits_text.card('BITPIX', {'f4': -32, 'i4': 32}[dtype]), fits_text.card('NAXIS', 2),
             fits_text.card('NAXIS1', image.shape[1], 'columns'),
             fits_text.card('NAXIS2', image.shape[0], 'rows'),
             fits_text.card('PCOUNT', 0), fits_text.card('GCOUNT', 1),
             fits_text.card('EXTNAME', name, 'name of this HDU')]
    if unit:
        cards.append(fits_text.card('BUNIT', unit))
    return fits_text.hdu(''.join(cards) + wcs_text, image.astype('>' + dtype).tobytes())


@dataclass(frozen=True)
class LightcurveFile:
    """What `read_lightcurve` returns.

    Attributes
    ----------
    path : pathlib.Path
    primary, table : astropy.io.fits.Header
    columns : dict of ndarray (times,)
        In native byte order, by the names in the file.
    sumimage, aperture : ndarray (rows, columns)
    layout : str
    weightmap : ndarray (rows, columns) or None
    neighbours : dict of ndarray (neighbours,) or None
        By the names of `lightcurve_schema.NEIGHBOURS`; None in files of schema 1.0.
    """

    path: Path
    primary: object
    table: object
    columns: dict
    sumimage: np.ndarray
    aperture: np.ndarray
    layout: str
    weightmap: np.ndarray | None = None
    neighbours: dict | None = None


def read_lightcurve(path) -> LightcurveFile:
    """Read and verify a light-curve file.

    Raises
    ------
    InputMissingError
        When the file does not exist.
    InputBadError
        When it is truncated, is no light curve of ours or fails its DATASUM.
    IncompatibleError
        When a newer version wrote it.
    """
    from astropy.io import fits
    path = Path(path)
    if not path.is_file():
        raise InputMissingError(f'The light curve {path} does not exist.')
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with fits.open(_unzipped(path), memmap=False, checksum=False) as hdus:
                return _checked(path, hdus)
    except (OSError, KeyError, ValueError, TypeError, IndexError, AttributeError, EOFError, zlib.error,
            fits.VerifyError, MemoryError) as error:
        raise InputBadError(f'{path} is not a readable light curve ({error}); make it again.') from error


def _unzipped(path):
    """The path, or the content of a gzipped file if that can be a light curve."""
    with open(path, 'rb') as plain:
        if plain.read(2) != b'\x1f\x8b':
            return path
        plain.seek(0)
        with gzip.GzipFile(fileobj=plain) as stream:
            content = stream.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(f'it unpacks to more than {_MAX_BYTES >> 20} MB')
    return io.BytesIO(content)


def _checked(path, hdus):
    for hdu in hdus:
        if hdu.verify_datasum() == 0:
            raise InputBadError(f'The data of {path} fail their DATASUM; make the file again.')
        if hdu.verify_checksum() == 0:
            logger.warning('The header of %s fails its CHECKSUM; its data are sound.', path)
    primary = hdus[0].header
    schema.check_version(path, primary['SCHEMA'], lightcurve_schema.VERSION)
    weights = np.array(hdus['WEIGHTMAP'].data) if 'WEIGHTMAP' in hdus else None
    neighbours = _native(hdus['NEIGHBOURS'].data) if 'NEIGHBOURS' in hdus else None
    return LightcurveFile(path, primary, hdus['LIGHTCURVE'].header, _native(hdus['LIGHTCURVE'].data),
                          np.array(hdus['SUMIMAGE'].data), np.array(hdus['APERTURE'].data), primary['LAYOUT'],
                          weights, neighbours)


def _native(data):
    """Columns of a table in native byte order."""
    return {name: data[name].astype(data[name].dtype.newbyteorder('=')) for name in data.names}


def stamp_wcs_text(wcs_text, stamp) -> str:
    """WCS cards of a stamp, from those of the whole FFI.

    Only the reference pixel moves: distortion polynomials count from it. A second
    WCS 'P' gives the one-based CCD pixel.
    """
    shifts = {'CRPIX1  ': stamp.col_min, 'CRPIX2  ': stamp.row_min}
    cards = []
    for start in range(0, len(wcs_text), 80):
        text = wcs_text[start:start + 80].ljust(80)
        if text[:8] in shifts:
            value = float(text[10:].partition('/')[0]) - shifts[text[:8]]
            text = fits_text.card(text[:8].rstrip(), value, 'reference pixel in the stamp')
        if text[:8].rstrip() not in _STRUCTURE:
            cards.append(text)
    for axis, name, first in ((1, 'RAWX', stamp.col_min), (2, 'RAWY', stamp.row_min)):
        cards += [fits_text.card(f'CTYPE{axis}P', name, 'CCD pixel'), fits_text.card(f'CRPIX{axis}P', 1.0),
                  fits_text.card(f'CRVAL{axis}P', float(first + 1)), fits_text.card(f'CDELT{axis}P', 1.0)]
    return ''.join(cards)


_STRUCTURE = frozenset(('', 'END', 'SIMPLE', 'BITPIX', 'NAXIS', 'NAXIS1', 'NAXIS2', 'EXTEND', 'XTENSION',
                        'PCOUNT', 'GCOUNT', 'EXTNAME', 'CHECKSUM', 'DATASUM', 'COMMENT', 'HISTORY'))
"""Cards that a stamp's header has on its own account."""
