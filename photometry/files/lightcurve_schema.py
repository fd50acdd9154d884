"""What a light-curve file holds: its columns, its keywords, the version of the layout."""

from __future__ import annotations

import re

from photometry.files.schema import Column

VERSION = '1.3'

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

LAYOUTS = {'tessphot': COLUMNS, 'tasoc': TASOC_COLUMNS, 'hlsp': COLUMNS}
"""Columns by the name of the layout; ``hlsp`` has other names of files and more keywords (`hlsp`)."""

OPTIONAL = (
    Column('MOM_CENTR1_ERR', 'f4', 'pixels', 'standard error of MOM_CENTR1'),
    Column('MOM_CENTR2_ERR', 'f4', 'pixels', 'standard error of MOM_CENTR2'),
    Column('PSF_CHI2', 'f4', '', 'reduced chi square of the fit around the star'),
)
"""Columns that some methods offer, after those of layout ``tessphot``; behind them come FLUX_<METHOD> and
FLUX_<METHOD>_ERR of every method that was tried, where all fluxes are kept."""

_OF_A_METHOD = re.compile(r'FLUX_([A-Z][A-Z0-9_]*?)(_ERR)?')

NEIGHBOURS = (
    Column('STARID', 'i8', '', 'TIC number; 0 for a star that is in no catalogue'),
    Column('TMAG', 'f4', 'mag', 'TESS magnitude'),
    Column('FLUX', 'f4', 'e-/s', 'flux in the mean image'),
    Column('ROW', 'f8', 'pixels', 'row in the mean image, one-based'),
    Column('COLUMN', 'f8', 'pixels', 'column in the mean image, one-based'),
    Column('DISTANCE', 'f4', 'pixels', 'from the star'),
    Column('LIGHT', 'f4', '', 'part of all starlight in the photometry mask'),
    Column('PSF_LIGHT', 'f4', '', "part of all starlight under the star's PRF"),
    Column('CORREL', 'f4', '', "correlation of its fitted flux with the star's"),
    Column('FLAGS', 'i4', '', '1 merged with the star, 2 in no catalogue, 4 saturated'),
)
"""Table of the neighbours that matter."""

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
    'FFI_TYPE': 'who calibrated the images: SPOC or TICA',
    'PROCVER': 'version of tessphot', 'FILEVER': 'data version of the light curve',
    'SCHEMA': 'version of the layout', 'PHOTMET': 'photometric method',
    'AP_CONT': "neighbours' part of the light in the aperture", 'CROWDSAP': "the star's part of that light",
    'FLFRCSAP': "part of the star's light in the aperture", 'NEIGHSRC': 'where neighbour fluxes come from',
    'PSF_CONT': "neighbours' part of the light under the star's PRF",
    'PRFMODEL': 'model of a star: prf (official) or epsf (learned)',
    'AUTOMETH': 'PHOTMET was chosen among methods by its light curve',
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

CONSTANTS = {
    'TELESCOP': 'TESS', 'INSTRUME': 'TESS Photometer', 'FILTER': 'TESS', 'ORIGIN': 'tessphot',
    'RADESYS': 'ICRS', 'EQUINOX': 2000.0,
}
TIME_CONSTANTS = {
    'TIMEREF': 'SOLARSYSTEM', 'TASSIGN': 'SPACECRAFT', 'TIMESYS': 'TDB', 'BJDREFI': 2457000,
    'BJDREFF': 0.0, 'TIMEUNIT': 'd', 'TIMEPIXR': 0.5,
}


def declared(names, layout='tessphot') -> tuple:
    """The `Column` of every column of a light curve, in the order of the file.

    Parameters
    ----------
    names : iterable of str
        Columns there are; those of the layout itself always are.
    layout : {'tessphot', 'tasoc', 'hlsp'}

    Raises
    ------
    ValueError
        For a column that the layout does not know.
    """
    fixed = LAYOUTS[layout]
    more = [name for name in names if name not in {column.name for column in fixed}]
    if layout == 'tasoc' or not more:
        return fixed
    found = tuple(column for column in OPTIONAL if column.name in more)
    rest = [name for name in more if name not in {column.name for column in found}]
    return fixed + found + tuple(_flux_of(name) for name in rest)


def _flux_of(name):
    matched = _OF_A_METHOD.fullmatch(name)
    if not matched:
        raise ValueError(f'A light curve has no column {name}.')
    meaning = 'standard error of that' if matched[2] else f'FLUX of the method {matched[1].lower()}'
    return Column(name, 'f4', 'e-/s', meaning)
