"""Write cutouts of full-frame images through time like those that TESSCut delivers.

Structure and keywords follow a real file, ``tess-s0002-1-2_0.000000_-20.000000_10x15_astrocut.fits``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from photometry.files import atomic, simulated_ffi, simulated_table
from photometry.files.fits_text import BLOCK, card, hdu, header

_NAME_LENGTH = 38
"""TESSCut cuts the names of images after ``_ffi``."""


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
        simulated_table.sign(stream, start, table)
        stream.write(_aperture(stamp, wcs_cards, facts))
    return path


def row_type(stamp):
    """The numpy type of a row of the table."""
    return np.dtype([*simulated_table.columns(stamp), ('FFI_FILE', f'S{_NAME_LENGTH}')])


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


def _primary_cards(facts, radec):
    first, last = facts[0], facts[-1]
    entries = [
        ('SIMPLE', True, 'conforms to FITS standard'), ('BITPIX', 8, 'array data type'),
        ('NAXIS', 0, 'number of array dimensions'), ('EXTEND', True),
        ('NEXTEND', 2, 'number of standard extensions')]
    # By the word TargetPixel lightkurve knows what it has before it.
    entries += simulated_table.common_entries(first, last, 'tessphot TargetPixelCutout simulation').values()
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
    entries = simulated_table.table_entries(rows, len(facts), stamp, wcs_cards,
                                            {'FFI_FILE': (f'{_NAME_LENGTH}A', 'pixel')})
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


def _aperture(stamp, wcs_cards, facts):
    """The APERTURE image: every pixel collected."""
    entries = simulated_table.aperture_entries(stamp, wcs_cards, facts[0])
    image = np.ones(stamp.shape, dtype='>i4')
    return hdu(''.join(card(*entry) for entry in entries), image.tobytes())
