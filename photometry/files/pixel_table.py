"""Tables of pixels through time, as TESSCut files and target pixel files hold them, and where they lie."""

from __future__ import annotations

import re

import numpy as np

from photometry.core.coordinates import FFI_SHAPE, to_zero_based
from photometry.core.stamp import Stamp
from photometry.files import ffi
from photometry.files.fits_checks import number, whole

MAX_BYTES = 4 << 30
"""Largest table that is read; 99 x 99 pixels of a 200-s sector have 2.4 GB."""

MAX_ROWS = 200_000
"""Most rows of a table; a sector has 120,000 cadences of 20 s."""

_FORMATS = {'L': 'i1', 'B': 'u1', 'I': '>i2', 'J': '>i4', 'K': '>i8', 'E': '>f4', 'D': '>f8', 'A': 'S'}
MAX_SIDE = FFI_SHAPE[1]
"""Most rows or columns of an image."""


def check_shape(index, header):
    """Refuse a table that cannot hold pixels, before it is read; for `fits_checks.read_hdus`."""
    if index != 1:
        return
    if header.get('XTENSION', '').strip() != 'BINTABLE' or header['NAXIS'] != 2 or header.get('PCOUNT'):
        raise ValueError('its first extension is not a table of pixels')
    if not 0 < header['NAXIS2'] <= MAX_ROWS:
        raise ValueError(f'the table has {header["NAXIS2"]} rows')
    whole(header, 'TFIELDS', None, 1, 999)


def row_type(header) -> np.dtype:
    """The numpy type of a table row.

    Raises
    ------
    ValueError
        When the formats cannot be, or do not fill the rows.
    """
    fields = []
    for index in range(1, header['TFIELDS'] + 1):
        match = re.fullmatch(r'(\d*)([LBIJKEDA])', str(header[f'TFORM{index}']).strip())
        if not match:
            raise ValueError(f'TFORM{index} is {header[f"TFORM{index}"]!r}')
        count, kind = int(match[1] or 1), _FORMATS[match[2]]
        name = str(header.get(f'TTYPE{index}', f'column{index}')).strip()
        if kind == 'S':
            fields.append((name, f'S{count}'))
        else:
            fields.append((name, kind, _dimensions(header.get(f'TDIM{index}'), count)))
    made = np.dtype(fields)
    if made.itemsize != header['NAXIS1']:
        raise ValueError('the columns do not fill the rows of the table')
    return made


def _dimensions(text, count):
    if text is None:
        return () if count == 1 else (count,)
    shape = tuple(int(part) for part in str(text).strip(' ()').split(','))[::-1]
    if int(np.prod(shape)) != count or any(not 0 < side <= MAX_SIDE for side in shape):
        raise ValueError(f'TDIM is {text}')
    return shape


def require_columns(rows, names, images=('FLUX',)):
    """Refuse a row type that lacks columns, or whose images are none or of different shapes.

    Raises
    ------
    ValueError
    """
    for name in (*names, *images):
        if name not in rows.names:
            raise ValueError(f'the table has no column {name}')
        if rows[name].base.kind not in 'iuf' or len(rows[name].shape) != 2 * (name in images):
            raise ValueError(f'the column {name} holds no {"images" if name in images else "numbers"}')
    if len({rows[name].shape for name in images}) > 1:
        raise ValueError(f'{", ".join(images)} are not images of one shape')


def pixels_of(header, shape) -> Stamp:
    """Pixels of the images: the physical WCS of the table counts them from one on the whole FFI."""
    column = _flux_column(header)
    column = column if f'1CRV{column}P' in header else 4
    origin = [to_zero_based(whole(header, f'{axis}CRV{column}P', None, -MAX_SIDE, MAX_SIDE)
                            + 1 - whole(header, f'{axis}CRP{column}P', 1, 1, MAX_SIDE))
              for axis in (2, 1)]
    return Stamp(origin[0], origin[0] + shape[0], origin[1], origin[1] + shape[1])


def exposure(header, cadence) -> float:
    """Live time of a frame in s: from the reads, since EXPOSURE may be a total."""
    reads = whole(header, 'NREADOUT', 0, 0, 10 ** 6)
    if reads:
        return reads * number(header, 'INT_TIME', 1.98, 0, 100)
    return cadence * number(header, 'DEADC', 0.792, 0, 1)


def wcs_on_ffi(units, stamp) -> str:
    """The WCS of the images, its reference pixel moved to the whole FFI; empty without one.

    Parameters
    ----------
    units : list of fits_checks.RawHDU
        Primary, table and, where there is one, the image ``APERTURE``, whose WCS comes first.
    stamp : Stamp
        Pixels of the images.
    """
    text = ffi.wcs_cards(units[2].header) if len(units) > 2 else ''
    text = text or _table_wcs(units[1].header)
    return _moved(text, stamp) if text else ''


def _moved(text, offset):
    """The cards of a WCS with their reference pixel counted on the whole FFI."""
    from astropy.io.fits import Header
    made = Header.fromstring(text)
    made['CRPIX1'] += offset.col_min
    made['CRPIX2'] += offset.row_min
    return made.tostring(padding=False)


def _table_wcs(header):
    """WCS text from the keywords of the FLUX column."""
    from astropy.io.fits import Header
    number_of = _flux_column(header)
    made = Header()
    names = {'{}CTYP{}': 'CTYPE{}', '{}CRPX{}': 'CRPIX{}', '{}CRVL{}': 'CRVAL{}', '{}CUNI{}': 'CUNIT{}',
             '{}CDLT{}': 'CDELT{}', '{}1PC{}': 'PC{}_1', '{}2PC{}': 'PC{}_2'}
    for pattern, name in names.items():
        for axis in (1, 2):
            key = pattern.format(axis, number_of)
            if key in header:
                made[name.format(axis)] = header[key]
    return made.tostring(padding=False) if ffi.usable_wcs(made) else ''


def _flux_column(header):
    """Number of the column FLUX."""
    return next(index for index in range(1, header['TFIELDS'] + 1)
                if str(header.get(f'TTYPE{index}')).strip() == 'FLUX')
