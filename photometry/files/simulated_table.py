"""Header cards and checksums of tables of pixels through time, for simulated files that hold one."""

from __future__ import annotations

from photometry.core.coordinates import to_one_based
from photometry.files import simulated_ffi
from photometry.files.fits_text import header, sum32

IMAGES = ('RAW_CNTS', 'FLUX', 'FLUX_ERR', 'FLUX_BKG', 'FLUX_BKG_ERR')
"""Columns of images, the first of integers."""

SERIES = {'TIME': ('D', 'BJD - 2457000, days'), 'TIMECORR': ('E', 'd'), 'CADENCENO': ('J', ''),
          'QUALITY': ('J', ''), 'POS_CORR1': ('E', 'pixel'), 'POS_CORR2': ('E', 'pixel')}
"""Format and unit of the columns of numbers."""

_PIECE = 1 << 24


def columns(stamp) -> list:
    """Fields of a row, for `numpy.dtype`."""
    kinds = ('>i4', '>f4', '>f4', '>f4', '>f4')
    return [('TIME', '>f8'), ('TIMECORR', '>f4'), ('CADENCENO', '>i4'),
            *((name, kind, stamp.shape) for name, kind in zip(IMAGES, kinds, strict=True)),
            ('QUALITY', '>i4'), ('POS_CORR1', '>f4'), ('POS_CORR2', '>f4')]


def common_entries(first, last, creator) -> dict:
    """Entries of the primary header by keyword, for a file of several frames.

    Parameters
    ----------
    first, last : photometry.files.simulated_ffi.FrameFacts
    creator : str
        Programs know files by a word in it.
    """
    common = {entry[0]: entry for entry in simulated_ffi.common_entries(first)}
    common['TSTOP'] = ('TSTOP', last.stop, 'observation stop time in TJD')
    common['DATE'] = ('DATE', simulated_ffi.utc(last.stop).strftime('%Y-%m-%d'), 'end of the observation')
    common['DATE-END'] = ('DATE-END', simulated_ffi.date(last.stop), 'TSTOP as UTC calendar date')
    common['CREATOR'] = ('CREATOR', creator, 'program that made this file')
    return common


def table_entries(rows, count, stamp, wcs_cards, more=None):
    """Entries of a table header from XTENSION to the last column.

    Parameters
    ----------
    rows : numpy.dtype
        Of a row.
    count : int
        Rows.
    stamp : Stamp
    wcs_cards : dict
        WCS for one-based pixels of the stamp.
    more : dict, optional
        Formats and units of further columns.
    """
    entries = [
        ('XTENSION', 'BINTABLE', 'binary table extension'), ('BITPIX', 8, 'array data type'),
        ('NAXIS', 2, 'number of array dimensions'), ('NAXIS1', rows.itemsize, 'length of dimension 1'),
        ('NAXIS2', count, 'length of dimension 2'), ('PCOUNT', 0, 'number of group parameters'),
        ('GCOUNT', 1, 'number of groups'), ('TFIELDS', len(rows.names), 'number of table fields')]
    for number, name in enumerate(rows.names, start=1):
        entries += _column_entries(number, name, stamp, wcs_cards, SERIES | (more or {}))
    return entries


def _column_entries(number, name, stamp, wcs_cards, formats):
    if name not in IMAGES:
        form, unit = formats[name]
        entries = [(f'TTYPE{number}', name, 'column name'), (f'TFORM{number}', form, 'column format')]
        return entries + ([(f'TUNIT{number}', unit, 'unit')] if unit else [])
    raw = name == 'RAW_CNTS'
    entries = [(f'TTYPE{number}', name, 'column name'),
               (f'TFORM{number}', f'{stamp.height * stamp.width}{"J" if raw else "E"}', 'column format'),
               (f'TUNIT{number}', 'count' if raw else 'e-/s', 'unit'),
               (f'TDIM{number}', f'({stamp.width}, {stamp.height})', 'multi-dimensional array spec')]
    if raw:
        entries.append((f'TNULL{number}', -1, 'null value'))
    return entries + _column_wcs(number, stamp, wcs_cards)


def _column_wcs(number, stamp, wcs_cards):
    """The linear part of the WCS of the sky, then the physical one, for one column."""
    entries = [(f'WCAX{number}', 2, 'number of WCS axes')]
    for axis in (1, 2):
        entries += [(f'{axis}CTYP{number}', str(wcs_cards[f'CTYPE{axis}'])[:8], 'coordinate type'),
                    (f'{axis}CRPX{number}', wcs_cards[f'CRPIX{axis}'], '[pixel] reference pixel'),
                    (f'{axis}CRVL{number}', wcs_cards[f'CRVAL{axis}'], '[deg] at reference pixel'),
                    (f'{axis}CUNI{number}', 'deg', 'physical unit'),
                    (f'{axis}CDLT{number}', 1.0, '[deg] pixel scale')]
    entries += [(f'{i}{j}PC{number}', wcs_cards[f'PC{i}_{j}'], 'Coordinate transformation matrix element')
                for i in (1, 2) for j in (1, 2)]
    entries += [(f'WCSN{number}P', 'PHYSICAL', 'table column WCS name'),
                (f'WCAX{number}P', 2, 'table column physical WCS dimensions')]
    for axis, kind, origin in ((1, 'RAWX', stamp.col_min), (2, 'RAWY', stamp.row_min)):
        entries += [(f'{axis}CTY{number}P', kind, 'table column physical WCS axis type'),
                    (f'{axis}CUN{number}P', 'PIXEL', 'table column physical WCS axis unit'),
                    (f'{axis}CRV{number}P', to_one_based(origin), 'table column physical WCS ref value'),
                    (f'{axis}CDL{number}P', 1.0, 'table column physical WCS step'),
                    (f'{axis}CRP{number}P', 1, 'table column physical WCS reference')]
    return entries


def aperture_entries(stamp, wcs_cards, first):
    """Entries of the header of the image APERTURE; ``first`` are the facts of a frame."""
    return [
        ('XTENSION', 'IMAGE', 'Image extension'), ('BITPIX', 32, 'array data type'),
        ('NAXIS', 2, 'number of array dimensions'), ('NAXIS1', stamp.width), ('NAXIS2', stamp.height),
        ('PCOUNT', 0, 'number of parameters'), ('GCOUNT', 1, 'number of groups'), ('EXTNAME', 'APERTURE'),
        ('WCSAXES', 2, 'Number of coordinate axes'), *wcs_cards.items(),
        ('INHERIT', True), ('SECTOR', first.sector, 'Observing sector'),
        ('CAMERA', first.camera, 'Camera number'), ('CCD', first.ccd, 'CCD chip number')]


def sign(stream, start, cards):
    """Sum the data behind a header and write the header again with the sums."""
    length = len(header(cards, 0))
    stream.seek(start + length)
    total = 0
    while piece := stream.read(_PIECE):
        total = sum32(piece, total)
    stream.seek(start)
    stream.write(header(cards, total))
    stream.seek(0, 2)
