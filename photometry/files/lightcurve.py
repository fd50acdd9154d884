"""The light curve of a star: a FITS file with a table and the pixels behind it."""

from __future__ import annotations

import gzip
import io
import logging
import warnings
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photometry.core.coordinates import to_zero_based
from photometry.core.errors import InputBadError, InputMissingError
from photometry.core.quality import ApertureFlag
from photometry.files import lightcurve_schema, schema

logger = logging.getLogger(__name__)

_MAX_BYTES = 64 << 20
"""More than any light curve; 27 days of 20 s in all columns make 20 MB."""


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
    corner : tuple of int
        Zero-based row and column of the first pixel of the images on the CCD.
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
    corner: tuple[int, int] = (0, 0)

    @property
    def quality(self):
        """Flags of the cadences, (times,): in the layout ``tasoc`` they stand under another name."""
        return self.columns['PIXEL_QUALITY' if self.layout == 'tasoc' else 'QUALITY']

    @property
    def mask(self):
        """Pixels of the photometry mask, (rows, columns) of bool."""
        return (self.aperture & ApertureFlag.PHOTOMETRY) != 0


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
                          weights, neighbours, _corner(hdus['SUMIMAGE'].header))


def _corner(header):
    """Zero-based (row, column) of the first pixel, by the second WCS of the images."""
    return tuple(to_zero_based(int(header.get(name, 1))) for name in ('CRVAL2P', 'CRVAL1P'))


def _native(data):
    """Columns of a table in native byte order."""
    return {name: data[name].astype(data[name].dtype.newbyteorder('=')) for name in data.names}
