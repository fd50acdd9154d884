"""Light curves as archives take them: names and keywords of MAST's High-Level Science Products.

Sources: the pages *File Naming Convention*, *Common Metadata* and *Light-curve Metadata* of
MAST's guide for contributors (outerspace.stsci.edu/display/MASTDOCS).
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from photometry.files import paths

LICENCE = 'CC BY 4.0', 'https://creativecommons.org/licenses/by/4.0/'
"""The one that MAST asks for, and where it stands."""

PRIMARY = {
    'DATE-BEG': 'start of the first cadence (TIMESYS)', 'DATE-END': 'end of the last cadence (TIMESYS)',
    'MJD-BEG': '[d] start of the first cadence', 'MJD-END': '[d] end of the last cadence',
    'TIMESYS': 'time system', 'TIMEUNIT': 'of TELAPSE and XPOSURE', 'TELAPSE': 'MJD-END - MJD-BEG',
    'XPOSURE': 'live time in all', 'OBSERVAT': 'observatory', 'PROPOSID': 'proposal',
    'HLSPID': 'identifier of the collection', 'HLSPNAME': 'title of the collection',
    'HLSPLEAD': 'who leads it', 'HLSPTARG': 'target', 'HLSPVER': 'version of the product',
    'DOI': 'of the collection', 'REFERENC': 'what describes it', 'LICENSE': 'of these data',
    'LICENURL': 'text of the licence',
}
"""Keywords of the primary header beside our own, with their comments."""

TABLE = {
    'RA_TARG': '[deg] right ascension (J2000)', 'DEC_TARG': '[deg] declination (J2000)',
    'RADESYS': 'frame of the coordinates', 'FILTER': 'band', 'DETECTOR': 'camera and CCD',
    'BUNIT': 'of fluxes',
}
"""The same of the table of the light curve."""

FORBIDDEN = ('EQUINOX',)
"""Keywords of ours that may not stand beside RADESYS = 'ICRS'."""

_BTJD_MJD = 56999.5
"""Modified Julian date of BTJD 0."""

_MJD = datetime.datetime(1858, 11, 17)


@dataclass(frozen=True)
class Collection:
    """What a delivery says of itself; texts that are not known yet are empty.

    Attributes
    ----------
    id : str
        Identifier that was agreed upon with the archive; part of the names of files.
    name, lead, doi, reference : str
        Title, full name of who leads it, DOI, and bibliographic code or DOI of its paper.
    """

    id: str = 'tessphot'
    name: str = ''
    lead: str = ''
    doi: str = ''
    reference: str = ''

    def missing(self):
        """Names of those that an archive asks for and that are empty."""
        return [name for name in ('name', 'lead', 'doi') if not getattr(self, name)]


def file_name(collection, starid, sector, camera, ccd, cadence, version, source='ffi'):
    """Name of a light curve: nine fields with lines below between them, small letters only.

    Parameters
    ----------
    collection : str
        Identifier of the collection.
    starid, sector, camera, ccd, cadence, version : int
    source : str
        ``ffi`` or ``tpf``, in place of an instrument: TESS has but one.
    """
    target = f's{sector:04d}-{camera}-{ccd}-{paths.target_name(starid)}-c{cadence:04d}'
    return f'hlsp_{collection}_tess_{source}_{target}_tess_v{version:02d}_lc.fits'


def primary(collection, lightcurve):
    """Values of the keywords `PRIMARY`.

    Parameters
    ----------
    collection : Collection
    lightcurve : photometry.files.lightcurve.Lightcurve
    """
    head, table = lightcurve.primary, lightcurve.table
    start, stop = (table.get(name) for name in ('TSTART', 'TSTOP'))
    return {
        'DATE-BEG': _date(start), 'DATE-END': _date(stop), 'MJD-BEG': _mjd(start), 'MJD-END': _mjd(stop),
        'TIMESYS': 'TDB', 'TIMEUNIT': 'd', 'TELAPSE': table.get('TELAPSE'), 'XPOSURE': table.get('EXPOSURE'),
        'OBSERVAT': 'TESS', 'PROPOSID': 'N/A', 'HLSPID': collection.id.upper(),
        'HLSPNAME': collection.name or None, 'HLSPLEAD': collection.lead or None,
        'HLSPTARG': head.get('OBJECT'), 'HLSPVER': f"v{int(head.get('FILEVER') or 1):02d}",
        'DOI': collection.doi or None, 'REFERENC': collection.reference or None,
        'LICENSE': LICENCE[0], 'LICENURL': LICENCE[1],
    }


def table(lightcurve):
    """Values of the keywords `TABLE`."""
    head = lightcurve.primary
    return {'RA_TARG': head.get('RA_OBJ'), 'DEC_TARG': head.get('DEC_OBJ'), 'RADESYS': 'ICRS',
            'FILTER': 'TESS', 'DETECTOR': f"{head.get('CAMERA')}-{head.get('CCD')}", 'BUNIT': 'e-/s'}


def _mjd(time):
    return None if time is None else time + _BTJD_MJD


def _date(time):
    if time is None:
        return None
    return (_MJD + datetime.timedelta(days=_mjd(time))).isoformat(timespec='milliseconds')
