"""Write cutouts of full-frame images through time like those that TESSCut delivers.

Structure and keywords follow a real file, tess-s0002-1-2_0.000000_-20.000000_10x15_astrocut.fits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from photometry.core.coordinates import to_one_based
from photometry.files import atomic, simulated_ffi
from photometry.files.fits_text import BLOCK, card, hdu, header, sum32

_IMAGES = ('RAW_CNTS', 'FLUX', 'FLUX_ERR', 'FLUX_BKG', 'FLUX_BKG_ERR')
_NAME_LENGTH = 38
"""TESSCut cuts the names of images after ``_ffi``."""

_PIECE = 1 << 24


def tesscut_name(sector, camera, ccd, ra, decl, stamp) -> str:
    """Name of the file of a cutout around a direction."""
    return (f'tess-s{sector:04d}-{camera}-{ccd}_{ra:.6f}_{decl:.6f}_'
            f'{stamp.width}x{stamp.height}_astrocut.fits')


def write_tesscut(folder, stamp, radec, facts, frames, wcs_cards) -> Path:
    """Write a cutout; frames are taken one by one, so that any size fits in memory.

    Parameters
    ----------
    folder : path-like
    stamp : Stamp
        Zero-based pixels of the whole FFI.
    radec : tuple
        Direction of the middle, deg.
    facts : list of simulated_ffi.FrameFacts
        One a frame.
    frames : iterable
        Yields image and uncertainty, each (rows, columns), e-/s, for each frame.
    wcs_cards : dict
        WCS for one-based pixels of the cutout: keyword to number or word.

    Returns
    -------
    pathlib.Path
    """
    first = facts[0]
    path = Path(folder) / tesscut_name(first.sector, first.camera, first.ccd, *radec, stamp)
    rows = row_type(stamp)
    primary = _primary_cards(facts, radec)
    table = _table_cards(facts, stamp, rows, wcs_cards, primary)
    with atomic.replaced(path) as temporary, open(temporary, 'w+b') as stream:
        stream.write(hdu(primary))
        start = stream.tell()
        stream.write(header(table, 0))
        _write_rows(stream, rows, facts, frames)
        _sign(stream, start, table)
        stream.write(_aperture(stamp, wcs_cards, facts))
    return path


def row_type(stamp):
    """numpy type of a row of the table."""
    kinds = ('>i4', '>f4', '>f4', '>f4', '>f4')
    return np.dtype([('TIME', '>f8'), ('TIMECORR', '>f4'), ('CADENCENO', '>i4'),
                     *((name, kind, stamp.shape) for name, kind in zip(_IMAGES, kinds, strict=True)),
                     ('QUALITY', '>i4'), ('POS_CORR1', '>f4'), ('POS_CORR2', '>f4'),
                     ('FFI_FILE', f'S{_NAME_LENGTH}')])


def _write_rows(stream, rows, facts, frames):
    row = np.zeros(1, dtype=rows)
    row['RAW_CNTS'] = -1
    size = 0
    for fact, (image, uncertainty) in zip(facts, frames, strict=True):
        row['TIME'] = (fact.start + fact.stop) / 2 + fact.barycorr
        row['TIMECORR'], row['CADENCENO'] = fact.barycorr, fact.cadenceno
        row['QUALITY'] = fact.quality
        row['FLUX'], row['FLUX_ERR'] = image, uncertainty
        row['FFI_FILE'] = simulated_ffi.ffi_name(fact)[:_NAME_LENGTH].encode()
        stream.write(row.tobytes())
        size += rows.itemsize
    stream.write(b'\0' * (-size % BLOCK))


def _sign(stream, start, cards):
    """Sum the data behind a header and write the header again with the sums."""
    length = len(header(cards, 0))
    stream.seek(start + length)
    total = 0
    while piece := stream.read(_PIECE):
        total = sum32(piece, total)
    stream.seek(start)
    stream.write(header(cards, total))
    stream.seek(0, 2)


def _primary_cards(facts, radec):
    first, last = facts[0], facts[-1]
    entries = [
        ('SIMPLE', True, 'conforms to FITS standard'), ('BITPIX', 8, 'array data type'),
        ('NAXIS', 0, 'number of array dimensions'), ('EXTEND', True),
        ('NEXTEND', 2, 'number of standard extensions')]
    common = {entry[0]: entry for entry in simulated_ffi.common_entries(first)}
    common['TSTOP'] = ('TSTOP', last.stop, 'observation stop time in TJD')
    common['DATE'] = ('DATE', simulated_ffi.utc(last.stop).strftime('%Y-%m-%d'), 'end of the observation')
    common['DATE-END'] = ('DATE-END', simulated_ffi.date(last.stop), 'TSTOP as UTC calendar date')
    # By the word TargetPixel lightkurve knows what it has before it.
    common['CREATOR'] = ('CREATOR', 'tessphot TargetPixelCutout simulation', 'program that made this file')
    entries += common.values()
    entries += [('SECTOR', first.sector, 'Observing sector'), ('CAMERA', first.camera, 'Camera number'),
                ('CCD', first.ccd, 'CCD chip number'), ('RA_OBJ', radec[0], '[deg] right ascension'),
                ('DEC_OBJ', radec[1], '[deg] declination'), *simulated_ffi.time_entries(),
                ('TELAPSE', last.stop - first.start, '[d] TSTOP - TSTART'),
                ('OBJECT', '', 'string version of target id'),
                ('TCID', 0, 'unique tess target identifier'), ('PXTABLE', 0, 'pixel table id'),
                ('TESSMAG', 0.0, '[mag] TESS magnitude'), ('TICVER', 0, 'TICVER'),
                ('TICID', '', 'unique tess target identifier')]
    return ''.join(card(*entry) for entry in entries)


def _table_cards(facts, stamp, rows, wcs_cards, primary):
    first = facts[0]
    entries = [
        ('XTENSION', 'BINTABLE', 'binary table extension'), ('BITPIX', 8, 'array data type'),
        ('NAXIS', 2, 'number of array dimensions'), ('NAXIS1', rows.itemsize, 'length of dimension 1'),
        ('NAXIS2', len(facts), 'length of dimension 2'), ('PCOUNT', 0, 'number of group parameters'),
        ('GCOUNT', 1, 'number of groups'), ('TFIELDS', len(rows.names), 'number of table fields')]
    for number, name in enumerate(rows.names, start=1):
        entries += _column_entries(number, name, stamp, wcs_cards)
    detector = [entry for entry in simulated_ffi.detector_entries(first) if entry[0] != 'BACKAPP']
    entries += [('EXTNAME', 'PIXELS'), ('INHERIT', True), ('BACKAPP', 0.0, 'background is subtracted'),
                *detector, ('DEADC', first.deadc, 'deadtime correction'),
                ('EXPOSURE', first.exposure, '[d] time on source'),
                ('LIVETIME', first.exposure, '[d] TELAPSE multiplied by DEADC'),
                ('TIMEPIXR', 0.5, 'bin time beginning=0 middle=0.5 end=1'),
                ('TIERRELA', 1.16e-5, '[d] relative time error'),
                ('WCS_FFI', simulated_ffi.ffi_name(first), 'FFI used for cutout WCS')]
    return ''.join(card(*entry) for entry in entries) + _inherited(primary)


def _inherited(primary):
    """Cards that TESSCut repeats from the primary header in its extensions."""
    lines = [primary[start:start + 80] for start in range(0, len(primary), 80)]
    skipped = ('SIMPLE', 'BITPIX', 'NAXIS', 'EXTEND', 'NEXTEND', 'EXTNAME')
    return ''.join(line for line in lines if line[:8].strip() not in skipped)


_FORMATS = {'TIME': ('D', 'BJD - 2457000, days'), 'TIMECORR': ('E', 'd'), 'CADENCENO': ('J', ''),
            'QUALITY': ('J', ''), 'POS_CORR1': ('E', 'pixel'), 'POS_CORR2': ('E', 'pixel'),
            'FFI_FILE': (f'{_NAME_LENGTH}A', 'pixel')}


def _column_entries(number, name, stamp, wcs_cards):
    if name not in _IMAGES:
        form, unit = _FORMATS[name]
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


def _aperture(stamp, wcs_cards, facts):
    """The APERTURE image: every pixel collected."""
    first = facts[0]
    entries = [
        ('XTENSION', 'IMAGE', 'Image extension'), ('BITPIX', 32, 'array data type'),
        ('NAXIS', 2, 'number of array dimensions'), ('NAXIS1', stamp.width), ('NAXIS2', stamp.height),
        ('PCOUNT', 0, 'number of parameters'), ('GCOUNT', 1, 'number of groups'), ('EXTNAME', 'APERTURE'),
        ('WCSAXES', 2, 'Number of coordinate axes'), *wcs_cards.items(),
        ('INHERIT', True), ('SECTOR', first.sector, 'Observing sector'),
        ('CAMERA', first.camera, 'Camera number'), ('CCD', first.ccd, 'CCD chip number')]
    image = np.ones(stamp.shape, dtype='>i4')
    return hdu(''.join(card(*entry) for entry in entries), image.tobytes())
