"""Write calibrated full-frame images like those of the mission.

Keywords, their order and the layout of the pixels follow a real file,
tess2018206192942-s0001-1-4-0120-s_ffic.fits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from photometry.core.coordinates import FFI_SHAPE, SCIENCE
from photometry.files import atomic
from photometry.files.fits_text import card, hdu

INT_TIME, READTIME, FRAMETIM = 1.98, 0.02, 2.0
_TDB_LESS_UTC = 69.184
"""Seconds between TDB and UTC since 2017."""

_DEAD_COLUMNS = slice(33, 41)
"""Leading columns that a real image fills with several thousand e-/s."""

FIRST_SECTOR_KEYWORD = 27
"""Images of earlier sectors have no SECTOR keyword; their name tells it."""


@dataclass(frozen=True)
class FrameFacts:
    """What the headers of a frame say besides its WCS."""

    sector: int
    camera: int
    ccd: int
    cadence: int
    cadenceno: int
    start: float
    """Spacecraft time, TJD (TDB)."""
    stop: float
    barycorr: float
    """Days, for the middle of the CCD."""
    quality: int
    readnoise: tuple
    gain: tuple
    crmiten: bool
    crblksz: int
    num_frm: int
    n_readout: int
    data_rel: int

    @property
    def deadc(self) -> float:
        """Part of the time in which light counts."""
        return self.n_readout * INT_TIME / (self.num_frm * FRAMETIM)

    @property
    def exposure(self) -> float:
        """Days of light."""
        return self.n_readout * INT_TIME / 86400


def utc(tjd) -> datetime:
    """UTC of a TJD in TDB."""
    return datetime(2000, 1, 1, 12) + timedelta(days=tjd + 2457000 - 2451545, seconds=-_TDB_LESS_UTC)


def stamp_of(tjd) -> str:
    """Date as in names of files: year, day of the year, hour, minute, second."""
    return utc(tjd).strftime('%Y%j%H%M%S')


def ffi_name(facts) -> str:
    """Name of the file of a frame."""
    return (f'tess{stamp_of(facts.start)}-s{facts.sector:04d}-{facts.camera}-{facts.ccd}'
            '-0000-s_ffic.fits')


def write_ffi(folder, facts, image, uncertainty, wcs_text) -> Path:
    """Write one full-frame image.

    Parameters
    ----------
    folder : path-like
    facts : FrameFacts
    image, uncertainty : array (2048, 2048)
        Science pixels, e-/s.
    wcs_text : str
        WCS cards of 80 characters, for one-based pixels of the whole FFI; may be empty.

    Returns
    -------
    pathlib.Path
    """
    path = Path(folder) / ffi_name(facts)
    collateral = np.random.Generator(np.random.PCG64([facts.sector, facts.cadenceno, facts.ccd]))
    with atomic.replaced(path) as temporary, open(temporary, 'wb') as stream:
        stream.write(hdu(primary_cards(facts)))
        for kind, science in (('cal', image), ('uncert', uncertainty)):
            pixels = whole_frame(science, kind, collateral)
            stream.write(hdu(image_cards(facts, kind, wcs_text), pixels.tobytes()))
    return path


def whole_frame(science, kind, rng):
    """Science pixels with the collateral ones around them, big-endian (2078, 2136)."""
    frame = np.empty(FFI_SHAPE, dtype='>f4')
    rows, columns = SCIENCE.slices()
    frame[rows, columns] = science
    edges = [(slice(0, None), slice(0, SCIENCE.col_min)), (slice(0, None), slice(SCIENCE.col_max, None)),
             (slice(SCIENCE.row_max, None), slice(SCIENCE.col_min, SCIENCE.col_max))]
    for edge in edges:
        shape = frame[edge].shape
        frame[edge] = 0.03 if kind == 'uncert' else 0.3 + 0.1 * rng.standard_normal(shape, dtype='float32')
    if science.any():
        frame[:SCIENCE.row_max, _DEAD_COLUMNS] = 0.15 if kind == 'uncert' else 3000.0
    else:
        frame[:] = 0
    return frame


def primary_cards(facts) -> str:
    """Cards of the primary header."""
    entries = [
        ('SIMPLE', True, 'conforms to FITS standards'), ('BITPIX', 8, 'array data type'),
        ('NAXIS', 0, 'number of array dimensions'), ('EXTEND', True, 'file contains extensions'),
        ('NEXTEND', 2, 'number of standard extensions'), *common_entries(facts),
        ('FFIINDEX', facts.cadenceno, 'number of FFI cadence interval of file')]
    if facts.sector >= FIRST_SECTOR_KEYWORD:
        entries.append(('SECTOR', facts.sector, 'observing sector'))
    return ''.join(card(*entry) for entry in entries)


def common_entries(facts):
    """Keywords that images and cutouts have in their primary header."""
    return [
        ('EXTNAME', 'PRIMARY', 'name of extension'), ('EXTVER', 1, 'extension version number'),
        ('SIMDATA', True, 'file is based on simulated data'),
        ('ORIGIN', 'tessphot', 'software that made this file'),
        ('DATE', utc(facts.stop).strftime('%Y-%m-%d'), 'end of the observation'),
        ('TSTART', facts.start, 'observation start time in TJD'),
        ('TSTOP', facts.stop, 'observation stop time in TJD'),
        ('DATE-OBS', date(facts.start), 'TSTART as UTC calendar date'),
        ('DATE-END', date(facts.stop), 'TSTOP as UTC calendar date'),
        ('CREATOR', 'tessphot simulation', 'program that made this file'),
        ('PROCVER', 'tessphot-simulation', 'SW version'), ('FILEVER', '1.0', 'file format version'),
        ('TIMVERSN', 'OGIP/93-003', 'OGIP memo number for file format'),
        ('TELESCOP', 'TESS', 'telescope'), ('INSTRUME', 'TESS Photometer', 'detector type'),
        ('DATA_REL', facts.data_rel, 'data release version number'),
        ('ASTATE', True, 'archive state'), ('SCCONFIG', 0, 'spacecraft configuration ID'),
        ('RADESYS', 'ICRS', 'reference frame of celestial coordinates'),
        ('EQUINOX', 2000.0, 'equinox of celestial coordinate system'),
        ('CRMITEN', facts.crmiten, 'spacecraft cosmic ray mitigation enabled'),
        ('CRBLKSZ', facts.crblksz, '[exposures] s/c cosmic ray mitigation block siz'),
        ('CRSPOC', False, 'SPOC cosmic ray cleaning enabled')]


def date(tjd) -> str:
    """UTC of a TJD as headers write it."""
    return utc(tjd).isoformat(timespec='milliseconds') + 'Z'


def image_cards(facts, kind, wcs_text) -> str:
    """Cards of the image (``cal``) or of its uncertainty (``uncert``)."""
    height, width = FFI_SHAPE
    start, stop = facts.start + facts.barycorr, facts.stop + facts.barycorr
    entries = [
        ('XTENSION', 'IMAGE', 'Image extension'), ('BITPIX', -32, 'array data type'),
        ('NAXIS', 2, 'number of array dimensions'), ('NAXIS1', width), ('NAXIS2', height),
        ('PCOUNT', 0, 'number of parameters'), ('GCOUNT', 1, 'number of groups'),
        ('INHERIT', True, 'inherit the primary header'),
        ('EXTNAME', f'CAMERA.CCD {facts.camera}.{facts.ccd} {kind}', 'name of extension'),
        ('EXTVER', 1, 'extension version number'), ('SIMDATA', True, 'file is based on simulated data'),
        ('TELESCOP', 'TESS', 'telescope'), ('INSTRUME', 'TESS Photometer', 'detector type'),
        ('CAMERA', facts.camera, 'Camera number'), ('CCD', facts.ccd, 'CCD chip number'),
        ('EXPOSURE', facts.exposure, '[d] time on source'), *time_entries(),
        ('TELAPSE', stop - start, '[d] TSTOP - TSTART'),
        ('LIVETIME', facts.exposure, '[d] TELAPSE multiplied by DEADC'),
        ('TSTART', start, 'observation start time in BTJD'),
        ('TSTOP', stop, 'observation stop time in BTJD'),
        ('DATE-OBS', date(start), 'TSTART as UTC calendar date'),
        ('DATE-END', date(stop), 'TSTOP as UTC calendar date'),
        ('DEADC', facts.deadc, 'deadtime correction'),
        ('TIMEPIXR', 0.5, 'bin time beginning=0 middle=0.5 end=1'),
        ('TIERRELA', 1.16e-5, '[d] relative time error'),
        ('BTC_PIX1', 1068.0, 'reference col for barycentric time correction'),
        ('BTC_PIX2', 1024.0, 'reference row for barycentric time correction'),
        ('BUNIT', 'electrons/s', 'physical units of image data'),
        ('BARYCORR', facts.barycorr, '[d] barycentric time correction'),
        *detector_entries(facts), *_layout(),
        ('RADESYS', 'ICRS', 'reference frame of celestial coordinates'),
        ('EQUINOX', 2000.0, 'equinox of celestial coordinate system')]
    last = _physical() + [('DQUALITY', facts.quality, 'data quality flags'),
                          ('IMAGTYPE', kind, 'FFI image type: raw, cal, uncert')]
    sky = wcs_text.removesuffix('END'.ljust(80)).removesuffix('END')
    return ''.join(card(*entry) for entry in entries) + sky + ''.join(card(*entry) for entry in last)


def time_entries():
    """Keywords of the time system."""
    return [('TIMEREF', 'SOLARSYSTEM', 'barycentric correction applied to times'),
            ('TASSIGN', 'SPACECRAFT', 'where time is assigned'),
            ('TIMESYS', 'TDB', 'time system is Barycentric Dynamical Time (TDB)'),
            ('BJDREFI', 2457000, 'integer part of BTJD reference date'),
            ('BJDREFF', 0.0, 'fraction of the day in BTJD reference date'),
            ('TIMEUNIT', 'd', 'time unit for TIME, TSTART and TSTOP')]


def detector_entries(facts):
    """Keywords of the read-out."""
    entries = [
        ('INT_TIME', INT_TIME, '[s] photon accumulation time per frame'),
        ('READTIME', READTIME, '[s] readout time per frame'),
        ('FRAMETIM', FRAMETIM, '[s] frame time (INT_TIME + READTIME)'),
        ('NUM_FRM', facts.num_frm, 'number of frames per time stamp'),
        ('TIMEDEL', facts.cadence / 86400, '[d] time resolution of data'),
        ('BACKAPP', False, 'background is subtracted'), ('DEADAPP', True, 'deadtime applied'),
        ('VIGNAPP', True, 'vignetting or collimator correction applied')]
    for output, gain in zip('ABCD', facts.gain, strict=True):
        entries.append((f'GAIN{output}', gain, f'[electrons/count] CCD output {output} gain'))
    for output, noise in zip('ABCD', facts.readnoise, strict=True):
        entries.append((f'READNOI{output}', noise, f'[electrons] read noise CCD output {output}'))
    return [*entries, ('NREADOUT', facts.n_readout, 'number of read per cadence'),
            ('FXDOFF', 3355400, 'compression fixed offset')]


def _layout():
    """Where science and collateral pixels lie, one-based and inclusive."""
    entries = []
    for number, output in enumerate('ABCD'):
        lead, trail, science = 1 + 11 * number, 2093 + 11 * number, 45 + 512 * number
        entries += [(f'LVCS{output}', lead, f'serial register col start, output {output}'),
                    (f'LVCE{output}', lead + 10, f'serial register col end (inclusive), output {output}'),
                    (f'TVCS{output}', trail, f'trailing virtual column start, output {output}'),
                    (f'TVCE{output}', trail + 10, 'trailing virtual column end (inclusive)'),
                    (f'SCCS{output}', science, f'science col start, output {output}'),
                    (f'SCCE{output}', science + 511, f'science col end (inclusive), output {output}'),
                    (f'SCICOLH{output}', output == 'A', 'T science cols are read increasing order else d')]
    return entries + [
        ('SCIROWS', 1, 'science rows start'), ('SCIROWE', 2048, 'science rows end (inclusive)'),
        ('VROWS', 2069, 'virtual row start'), ('VROWE', 2078, 'virtual row end (inclusive)'),
        ('SMROWS', 2059, 'smear rows start'), ('SMROWE', 2068, 'smear rows end (inclusive)'),
        ('BFROWS', 2049, 'buffer rows start'), ('BFROWE', 2058, 'buffer rows end (inclusive)')]


def _physical():
    """The physical WCS: one-based pixels of the CCD."""
    entries = [('WCSNAMEP', 'PHYSICAL', 'name of world coordinate system alternate P'),
               ('WCSAXESP', 2, 'number of WCS physical axes')]
    for axis, (kind, name) in enumerate((('RAWX', 'column'), ('RAWY', 'row')), start=1):
        entries += [(f'CTYPE{axis}P', kind, f'physical WCS axis {axis} type CCD {name}'),
                    (f'CUNIT{axis}P', 'PIXEL', f'physical WCS axis {axis} unit'),
                    (f'CRPIX{axis}P', 1, f'reference CCD {name}'),
                    (f'CRVAL{axis}P', 1, f'value at reference CCD {name}'),
                    (f'CDELT{axis}P', 1.0, f'physical WCS axis {axis} step')]
    return entries
