"""Write target pixel files like those of SPOC.

Structure and keywords follow a real file, that of TIC 25155310 in sector 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core.stamp import Stamp
from photometry.files import atomic, simulated_ffi, simulated_table
from photometry.files.fits_text import card, hdu


@dataclass(frozen=True, eq=False)
class TargetPixels:
    """What a target pixel file holds, rows for missing cadences included."""

    star: np.void
    """Row of the catalogue: starid, ra_J2000, decl_J2000 (deg), pm_ra, pm_decl (mas/yr), tmag, teff."""
    stamp: Stamp
    aperture: np.ndarray
    """(rows, columns) bits of `~photometry.core.quality.ApertureFlag`."""
    wcs_cards: dict
    """WCS for one-based pixels of the stamp: keyword to number or word."""
    cadenceno: np.ndarray
    """(times,)"""
    time: np.ndarray
    """(times,) BTJD of the star; NaN where the cadence is missing."""
    timecorr: np.ndarray
    quality: np.ndarray
    pos_corr: np.ndarray
    """(times, 2) rows and columns, px."""
    flux: np.ndarray
    """(times, rows, columns) e-/s, background subtracted."""
    flux_err: np.ndarray
    background: np.ndarray
    background_err: float


def target_name(facts, starid) -> str:
    """Name of the file of a star; ``facts`` are those of its first cadence."""
    kind = 'a_fast-tp' if facts.cadence < 120 else 's_tp'
    return f'tess{simulated_ffi.stamp_of(facts.start)}-s{facts.sector:04d}-{starid:016d}-0000-{kind}.fits'


def write_target(folder, facts, content) -> Path:
    """Write a target pixel file.

    Parameters
    ----------
    folder : path-like
    facts : pair of simulated_ffi.FrameFacts
        Of the first and the last cadence.
    content : TargetPixels

    Returns
    -------
    pathlib.Path
    """
    path = Path(folder) / target_name(facts[0], int(content.star['starid']))
    with atomic.replaced(path) as temporary, open(temporary, 'wb') as stream:
        stream.write(hdu(_cards(_primary(facts, content))))
        stream.write(hdu(_cards(_table(facts, content)), _rows(content).tobytes()))
        stream.write(hdu(_cards(_aperture(facts, content)), content.aperture.astype('>i4').tobytes()))
    return path


def _cards(entries):
    return ''.join(card(*entry) for entry in entries)


def _rows(content):
    rows = np.zeros(len(content.time), np.dtype(simulated_table.columns(content.stamp)))
    rows['RAW_CNTS'] = -1
    missing = ~np.isfinite(content.time)
    for name, values in (('TIME', content.time), ('CADENCENO', content.cadenceno),
                         ('QUALITY', content.quality), ('FLUX', content.flux),
                         ('FLUX_ERR', content.flux_err), ('FLUX_BKG', content.background),
                         ('FLUX_BKG_ERR', content.background_err), ('POS_CORR1', content.pos_corr[:, 1]),
                         ('POS_CORR2', content.pos_corr[:, 0]),
                         ('TIMECORR', np.where(missing, 0, content.timecorr))):
        rows[name] = values
    for name in ('FLUX', 'FLUX_ERR', 'FLUX_BKG', 'FLUX_BKG_ERR', 'POS_CORR1', 'POS_CORR2'):
        rows[name][missing] = np.nan
        if rows[name].ndim == 3:
            rows[name][:, (content.aperture & 1) == 0] = np.nan
    return rows


def _star(content):
    """Keywords of the star that every extension has."""
    star = content.star
    return [('OBJECT', f"TIC {star['starid']}", 'string version of target id'),
            ('TICID', int(star['starid']), 'unique tess target identifier'),
            ('RADESYS', 'ICRS', 'reference frame of celestial coordinates'),
            ('RA_OBJ', float(star['ra_J2000']), '[deg] right ascension'),
            ('DEC_OBJ', float(star['decl_J2000']), '[deg] declination'),
            ('EQUINOX', 2000.0, 'equinox of celestial coordinate system')]


def _primary(facts, content):
    first, last = facts
    star = content.star
    entries = [('SIMPLE', True, 'conforms to FITS standards'), ('BITPIX', 8, 'array data type'),
               ('NAXIS', 0, 'number of array dimensions'), ('EXTEND', True, 'file contains extensions'),
               ('NEXTEND', 2, 'number of standard extensions')]
    common = simulated_table.common_entries(
        first, last, 'tessphot TargetPixelExporterPipelineModule simulation')
    common['CRSPOC'] = ('CRSPOC', not first.crmiten, 'SPOC cosmic ray cleaning enabled')
    common |= {entry[0]: entry for entry in _star(content)}
    return [*entries, *common.values(), ('SECTOR', first.sector, 'Observing sector'),
            ('CAMERA', first.camera, 'Camera number'), ('CCD', first.ccd, 'CCD chip number'),
            ('PXTABLE', 0, 'pixel table id'), ('PMRA', float(star['pm_ra']), '[mas/yr] RA proper motion'),
            ('PMDEC', float(star['pm_decl']), '[mas/yr] Dec proper motion'),
            ('TESSMAG', float(star['tmag']), '[mag] TESS magnitude'),
            ('TEFF', float(star['teff']), '[K] Effective temperature'), ('TICVER', 8, 'TICVER')]


def _table(facts, content):
    first = facts[0]
    half = first.cadence / 172800
    start, stop = np.nanmin(content.time) - half, np.nanmax(content.time) + half
    live = first.exposure * int(np.isfinite(content.time).sum())
    detector = [entry for entry in simulated_ffi.detector_entries(first) if entry[0] != 'BACKAPP']
    rows = np.dtype(simulated_table.columns(content.stamp))
    return [*simulated_table.table_entries(rows, len(content.time), content.stamp, content.wcs_cards),
            ('INHERIT', True, 'inherit the primary header'), ('EXTNAME', 'PIXELS', 'name of extension'),
            ('EXTVER', 1, 'extension version number'), ('SIMDATA', True, 'file is based on simulated data'),
            ('TELESCOP', 'TESS', 'telescope'), ('INSTRUME', 'TESS Photometer', 'detector type'),
            *_star(content), ('EXPOSURE', live, '[d] time on source'), *simulated_ffi.time_entries(),
            ('TELAPSE', float(stop - start), '[d] TSTOP - TSTART'),
            ('LIVETIME', float(stop - start) * first.deadc, '[d] TELAPSE multiplied by DEADC'),
            ('TSTART', float(start), 'observation start time in BTJD'),
            ('TSTOP', float(stop), 'observation stop time in BTJD'),
            ('DEADC', first.deadc, 'deadtime correction'),
            ('TIMEPIXR', 0.5, 'bin time beginning=0 middle=0.5 end=1'),
            ('TIERRELA', 1.16e-5, '[d] relative time error'),
            ('BACKAPP', True, 'background is subtracted'), *detector]


def _aperture(facts, content):
    entries = simulated_table.aperture_entries(content.stamp, content.wcs_cards, facts[0])
    optimal = int(((content.aperture & 2) > 0).sum())
    return [*entries, *_star(content), ('NPIXSAP', optimal, 'Number of pixels in optimal aperture')]
