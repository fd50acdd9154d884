"""Write calibrated full-frame images like those of the TESS Image CAlibrator (TICA).

Keywords and layout follow the code that writes them (github.com/mmfausnaugh/tica) and the page of
the product at MAST.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from photometry.core.coordinates import FFI_SHAPE
from photometry.files import atomic
from photometry.files.fits_text import card, hdu
from photometry.files.simulated_ffi import FRAMETIM, INT_TIME, whole_frame

_MJD = 56999.5
"""Modified Julian date of TJD 0."""


def tica_name(facts, orbit=1) -> str:
    """Name of the file of a frame in the first or second orbit of its sector."""
    return (f'hlsp_tica_tess_ffi_s{facts.sector:04d}-o{orbit}-{facts.cadenceno:08d}-cam{facts.camera}-'
            f'ccd{facts.ccd}_tess_v01_img.fits')


def write_tica(folder, facts, image, wcs_text, orbit=1) -> Path:
    """Write one full-frame image.

    Parameters
    ----------
    folder : path-like
    facts : photometry.files.simulated_ffi.FrameFacts
    image : array (2048, 2048)
        Science pixels, e-/s.
    wcs_text : str
        WCS cards of 80 characters, for one-based pixels of the whole FFI; may be empty.
    orbit : int
        1 or 2.

    Returns
    -------
    pathlib.Path
    """
    path = Path(folder) / tica_name(facts, orbit)
    collateral = np.random.Generator(np.random.PCG64([facts.sector, facts.cadenceno, facts.ccd]))
    electrons = whole_frame(image, 'cal', collateral)
    electrons *= np.float32(exposure(facts))
    with atomic.replaced(path) as temporary, open(temporary, 'wb') as stream:
        stream.write(hdu(primary_cards(facts, wcs_text, orbit), electrons.tobytes()))
    return path


def exposure(facts) -> float:
    """Seconds in which the light of a frame was collected."""
    return facts.n_readout * INT_TIME


def primary_cards(facts, wcs_text, orbit=1) -> str:
    """Cards of the one header."""
    height, width = FFI_SHAPE
    start, stop = facts.start, facts.stop
    entries = [
        ('SIMPLE', True, 'conforms to FITS standard'), ('BITPIX', -32, 'array data type'),
        ('NAXIS', 2, 'number of array dimensions'), ('NAXIS1', width), ('NAXIS2', height), ('EXTEND', True),
        ('CRM_N', facts.crblksz, 'Window for CRM min/max rejection'),
        ('ORBIT_ID', 2 * facts.sector + 6 + orbit, 'Orbit ID'), ('ACS_MODE', 'FP', 'Attitude control mode'),
        ('TJD_ZERO', 2457000.0, 'JD of TJD zero'), ('STARTTJD', start, 'Start of the frame, TJD'),
        ('MIDTJD', (start + stop) / 2, 'Middle of the frame, TJD'),
        ('ENDTJD', stop, 'End of the frame, TJD'),
        ('EXPTIME', exposure(facts), 'Effective exposure time, s'),
        ('INT_TIME', round(facts.num_frm * FRAMETIM), 'Length of the frame, s'),
        ('CADENCE', facts.cadenceno, 'Number of the cadence'), ('SECTOR', facts.sector, 'Observing sector'),
        ('CAMNUM', facts.camera, 'Camera number'), ('CCDNUM', facts.ccd, 'CCD number'),
        ('QUAL_BIT', 0, 'Placeholder'), *_quality(facts), ('CRM', facts.crmiten, 'Cosmic-ray mitigation'),
        ('ORB_SEG', f'o{orbit}', 'Part of the sector'), ('SCIPIXS', '[45:2092,1:2048]', ''),
        *((f'GAIN_{output}', gain, f'e/ADU for CCD Sector {output}')
          for output, gain in zip('ABCD', facts.gain, strict=True)),
        ('UNITS', 'electrons', 'Units after calibration (ADU or electrons)'),
        ('TICAVER', 'tessphot-simulation', 'software version'), ('EQUINOX', 2000.0),
        ('INSTRUME', 'TESS Photometer'), ('TELESCOP', 'TESS'), ('FILTER', 'TESS'),
        ('MJD-BEG', start + _MJD, 'Start of the frame, MJD'),
        ('MJD-END', stop + _MJD, 'End of the frame, MJD')]
    sky = wcs_text.removesuffix('END'.ljust(80)).removesuffix('END')
    return ''.join(card(*entry) for entry in entries) + sky


def _quality(facts):
    """The logical keywords that newer images have, as numbers."""
    bits = (('COARSE', 4), ('RW_DESAT', 32), *((f'STRAYLT{camera}', 2048 * (camera == facts.camera))
                                               for camera in range(1, 5)))
    return [(name, int(bool(facts.quality & bit))) for name, bit in bits]
