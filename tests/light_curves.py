"""What stands in a light-curve file, made by hand."""

import numpy as np
import simulated

from photometry.core.stamp import Stamp
from photometry.files import lightcurve
from photometry.files.lightcurve_writer import StampHeaders

TIMES = 90


def content_of(primary=None, table=None):
    """A `~photometry.files.lightcurve.Lightcurve` of a star without a story; more keywords may be given."""
    rng = np.random.default_rng(7)
    time = 1440 + np.arange(TIMES) / 48
    columns = {'TIME': time, 'TIMECORR': np.full(TIMES, 0.003), 'CADENCENO': np.arange(TIMES) + 4697,
               'FLUX': rng.normal(1000, 3, TIMES), 'FLUX_ERR': np.full(TIMES, 3.0),
               'SAP_FLUX': rng.normal(900, 3, TIMES), 'SAP_FLUX_ERR': np.full(TIMES, 2.7),
               'QUALITY': np.where(np.arange(TIMES) % 9 == 4, 128, 0)}
    head = {'CREATOR': 'tessphot 0 LightCurve', 'OBJECT': 'TIC 25155310', 'TICID': 25155310, 'SECTOR': 5,
            'CAMERA': 2, 'CCD': 3, 'RA_OBJ': 80.0, 'DEC_OBJ': -45.0, 'TEFF': np.nan}
    stamp = Stamp(300, 307, 500, 509)
    return lightcurve.Lightcurve(
        columns, head | (primary or {}), {'TSTART': 1440.0, 'EXPOSURE': 1.5} | (table or {}),
        rng.normal(10, 1, stamp.shape), np.ones(stamp.shape, dtype=int),
        StampHeaders(simulated.flat_wcs(Stamp(290, 330, 490, 530))).of(stamp),
        extra={'AP_NPIX': (9, 'pixels'), 'NOTE': "it's " * 40})
