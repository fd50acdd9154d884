"""The light curve of a star: a FITS file with a table and the pixels behind it."""

from __future__ import annotations

import datetime
import gzip
import logging
import os
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import atomic, fits_text, schema
from photometry.files.schema import Column

logger = logging.getLogger(__name__)

SCHEMA = '1.0'

COLUMNS = (
    Column('TIME', 'f8', 'BJD - 2457000, days', "mid-exposure, this star's barycentric time"),
    Column('TIMECORR', 'f4', 'd', 'barycentric correction contained in TIME'),
    Column('CADENCENO', 'i4', '', 'unique cadence number'),
    Column('FLUX', 'f4', 'e-/s', "the star's own total flux"),
    Column('FLUX_ERR', 'f4', 'e-/s', 'its standard error'),
    Column('SAP_FLUX', 'f4', 'e-/s', 'plain sum over the aperture'),
    Column('SAP_FLUX_ERR', 'f4', 'e-/s', 'its standard error'),
    Column('FLUX_BKG', 'f4', 'e-/s', 'background summed over the aperture'),
    Column('FLUX_BKG_ERR', 'f4', 'e-/s', 'its standard error'),
    Column('QUALITY', 'i4', '', 'cadence flags of TESS'),
    Column('PIXEL_QUALITY', 'i4', '', 'what happened in the aperture'),
    Column('MOM_CENTR1', 'f8', 'pixels', 'column of the centroid, one-based'),
    Column('MOM_CENTR2', 'f8', 'pixels', 'row of the centroid, one-based'),
    Column('POS_CORR1', 'f4', 'pixels', 'motion along columns'),
    Column('POS_CORR2', 'f4', 'pixels', 'motion along rows'),
)
"""Layout ``tessphot``."""

TASOC_COLUMNS = (
    COLUMNS[0], COLUMNS[1], COLUMNS[2],
    Column('FLUX_RAW', 'f8', 'e-/s', 'plain sum over the aperture'),
    Column('FLUX_RAW_ERR', 'f8', 'e-/s', 'its standard error'),
    Column('FLUX_BKG', 'f8', 'e-/s', 'background summed over the aperture'),
    Column('FLUX_CORR', 'f8', 'ppm', 'total flux relative to its median'),
    Column('FLUX_CORR_ERR', 'f8', 'ppm', 'its standard error'),
    Column('QUALITY', 'i4', '', 'flags of the corrector, none set here'),
    Column('PIXEL_QUALITY', 'i4', '', 'cadence flags of TESS'),
    COLUMNS[11], COLUMNS[12], COLUMNS[13], COLUMNS[14],
)
"""Layout ``tasoc``: that of the established light curves, in which QUALITY means another thing."""

LAYOUTS = {'tessphot': COLUMNS, 'tasoc': TASOC_COLUMNS}

PRIMARY = {
    'TELESCOP': 'telescope', 'INSTRUME': 'detector type', 'FILTER': 'band',
    'ORIGIN': 'software that made the file', 'CREATOR': 'program and kind of product',
    'DATE': 'when the file was made', 'OBJECT': 'name of the star', 'TICID': 'TESS Input Catalog number',
    'SECTOR': 'observing sector', 'CAMERA': 'camera', 'CCD': 'CCD',
    'RADESYS': 'frame of the coordinates', 'EQUINOX': 'of the coordinates',
    'RA_OBJ': '[deg] right ascension (J2000)', 'DEC_OBJ': '[deg] declination (J2000)',
    'PMRA': '[mas/yr] proper motion in RA', 'PMDEC': '[mas/yr] proper motion in declination',
    'TESSMAG': '[mag] TESS magnitude', 'TEFF': '[K] effective temperature',
    'TICVER': 'version of the star catalogue', 'DATA_REL': 'data release of the images',
    'PROCVER': 'version of tessphot', 'FILEVER': 'data version of the light curve',
    'SCHEMA': 'version of the layout', 'PHOTMET': 'photometric method',
    'AP_CONT': "neighbours' part of the light in the aperture", 'CROWDSAP': "the star's part of that light",
    'FLFRCSAP': "part of the star's light in the aperture", 'NEIGHSRC': 'where neighbour fluxes come from',
    'CRMITEN': 'on-board cosmic-ray mitigation', 'CRBLKSZ': 'exposures in a mitigation block',
    'CRSPOC': 'cosmic rays cleaned on the ground',
}
"""Keywords of the primary header that every file has, with their comments."""

TABLE = {
    'RA_OBJ': '[deg] right ascension (J2000)', 'DEC_OBJ': '[deg] declination (J2000)',
    'TIMEREF': 'barycentric times', 'TASSIGN': 'where times were assigned', 'TIMESYS': 'time system',
    'BJDREFI': 'integer part of the time reference', 'BJDREFF': 'fraction of the time reference',
    'TIMEUNIT': 'unit of TIME', 'TSTART': 'start of the first cadence', 'TSTOP': 'end of the last cadence',
    'TELAPSE': '[d] TSTOP - TSTART', 'EXPOSURE': '[d] live time in all',
    'LIVETIME': '[d] TELAPSE times DEADC',
    'DEADC': 'live part of a cadence', 'TIMEPIXR': 'place in a cadence that TIME stands for',
    'TIMEDEL': '[d] length of a cadence', 'INT_TIME': '[d] photon collection of a readout',
    'READTIME': '[d] readout of a frame', 'FRAMETIM': '[d] frame time', 'NUM_FRM': 'frames in a cadence',
    'NREADOUT': 'readouts summed in a cadence',
}
"""Keywords of the table header."""

_CONSTANTS = {
    'TELESCOP': 'TESS', 'INSTRUME': 'TESS Photometer', 'FILTER': 'TESS', 'ORIGIN': 'tessphot',
    'RADESYS': 'ICRS', 'EQUINOX': 2000.0,
}
_TIME_CONSTANTS = {
    'TIMEREF': 'SOLARSYSTEM', 'TASSIGN': 'SPACECRAFT', 'TIMESYS': 'TDB', 'BJDREFI': 2457000,
    'BJDREFF': 0.0, 'TIMEUNIT': 'd', 'TIMEPIXR': 0.5,
}
_TFORM = {'f8': 'D', 'f4': 'E', 'i4': 'J', 'i8': 'K'}
_TDISP = {'TIME': 'D14.7', 'TIMECORR': 'E14.7', 'CADENCENO': 'I10', 'QUALITY': 'B16.16'}


@dataclass(frozen=True)
class Lightcurve:
    """A light curve as the file holds it.

    Attributes
    ----------
    columns : dict of ndarray (times,)
        By the names of `COLUMNS`; what is missing is written as NaN or 0.
    primary, table : dict
        Values of the keywords in `PRIMARY` and `TABLE`.
    sumimage : ndarray (rows, columns)
        Mean of the good images, e-/s.
    aperture : ndarray (rows, columns) of int
        `~photometry.core.quality.ApertureFlag` bits.
    wcs_text : str
        Header cards of the stamp's WCS, pixel (1, 1) being its first.
    weightmap : ndarray (rows, columns), optional
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
    columns = _tasoc(lightcurve.columns) if layout == 'tasoc' else lightcurve.columns
    parts = [_primary_hdu(lightcurve, layout, source_date_epoch),
             _table_hdu(columns, LAYOUTS[layout], lightcurve),
             _image_hdu('SUMIMAGE', lightcurve.sumimage, 'f4', lightcurve.wcs_text, 'e-/s'),
             _image_hdu('APERTURE', lightcurve.aperture, 'i4', lightcurve.wcs_text)]
    if lightcurve.weightmap is not None:
        parts.append(_image_hdu('WEIGHTMAP', lightcurve.weightmap, 'f4', lightcurve.wcs_text))
    return b''.join(parts)


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


def _primary_hdu(lightcurve, layout, source_date_epoch):
    values = _CONSTANTS | lightcurve.primary | {'DATE': _date(source_date_epoch), 'SCHEMA': SCHEMA}
    cards = [fits_text.card('SIMPLE', True, 'FITS standard'), fits_text.card('BITPIX', 8, 'no data'),
             fits_text.card('NAXIS', 0, 'no data'), fits_text.card('EXTEND', True, 'extensions follow'),
             fits_text.card('NEXTEND', 3 + (lightcurve.weightmap is not None), 'number of extensions'),
             fits_text.card('EXTNAME', 'PRIMARY', 'name of this HDU'),
             fits_text.card('LAYOUT', layout, 'columns of the table'), _cards(PRIMARY, values)]
    for name, value in lightcurve.extra.items():
        if len(name) > 8:
            raise ValueError(f'The header keyword {name} has more than 8 letters.')
        value, comment = value if isinstance(value, tuple) else (value, '')
        cards.append(fits_text.card(name, value, comment))
    return fits_text.hdu(''.join(cards))


def _table_hdu(columns, layout, lightcurve):
    rows = len(columns['TIME'])
    table = np.zeros(rows, dtype=[(column.name, '>' + column.dtype) for column in layout])
    for column in layout:
        table[column.name] = columns.get(column.name, np.nan if column.dtype[0] == 'f' else 0)
    cards = [fits_text.card('XTENSION', 'BINTABLE', 'binary table'), fits_text.card('BITPIX', 8),
             fits_text.card('NAXIS', 2), fits_text.card('NAXIS1', table.itemsize, 'bytes in a row'),
             fits_text.card('NAXIS2', rows, 'cadences'), fits_text.card('PCOUNT', 0),
             fits_text.card('GCOUNT', 1), fits_text.card('TFIELDS', len(layout), 'columns')]
    for number, column in enumerate(layout, start=1):
        cards.append(fits_text.card(f'TTYPE{number}', column.name, column.description))
        cards.append(fits_text.card(f'TFORM{number}', _TFORM[column.dtype]))
        if column.unit:
            cards.append(fits_text.card(f'TUNIT{number}', column.unit))
        if column.name in _TDISP:
            cards.append(fits_text.card(f'TDISP{number}', _TDISP[column.name]))
    cards.append(fits_text.card('EXTNAME', 'LIGHTCURVE', 'name of this HDU'))
    cards.append(_cards(TABLE, _TIME_CONSTANTS | lightcurve.table))
    return fits_text.hdu(''.join(cards), table.tobytes())


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
    """

    path: Path
    primary: object
    table: object
    columns: dict
    sumimage: np.ndarray
    aperture: np.ndarray
    layout: str


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
            with fits.open(path, memmap=False, checksum=False) as hdus:
                return _checked(path, hdus)
    except (OSError, KeyError, ValueError, TypeError, IndexError, EOFError, zlib.error, fits.VerifyError,
            MemoryError) as error:
        raise InputBadError(f'{path} is not a readable light curve ({error}); make it again.') from error


def _checked(path, hdus):
    for hdu in hdus:
        if hdu.verify_datasum() == 0:
            raise InputBadError(f'The data of {path} fail their DATASUM; make the file again.')
        if hdu.verify_checksum() == 0:
            logger.warning('The header of %s fails its CHECKSUM; its data are sound.', path)
    primary = hdus[0].header
    schema.check_version(path, primary['SCHEMA'], SCHEMA)
    data = hdus['LIGHTCURVE'].data
    columns = {name: data[name].astype(data[name].dtype.newbyteorder('=')) for name in data.names}
    return LightcurveFile(path, primary, hdus['LIGHTCURVE'].header, columns,
                          np.array(hdus['SUMIMAGE'].data), np.array(hdus['APERTURE'].data), primary['LAYOUT'])


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
