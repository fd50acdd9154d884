"""Read the full-frame images of the TESS Image CAlibrator (TICA, ``hlsp_tica_*_img.fits``).

Facts of the format: Fausnaugh et al. (2020, RNAAS 4, 251), the page of the
product at MAST, and the code that writes it (github.com/mmfausnaugh/tica).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from photometry.core.coordinates import ccd_output
from photometry.files import ffi, fits_checks
from photometry.files.ffi import FrameHeader
from photometry.files.fits_checks import logical, number, whole

READ_NOISE = (10.2, 7.4, 7.3, 9.4)
"""Electrons a read, outputs A..D, which TICA does not state: means of the headers of three SPOC
files (sector 1 camera 1 CCD 4, sector 1 camera 4 CCD 2, sector 2 camera 1 CCD 2), which agree
within 3 %."""

INT_TIME, FRAME_TIME = 1.98, 2.0
"""Seconds in which a read collects light, and from one read to the next."""

_SAME = 0.05
"""Part by which EXPTIME may differ from the live time that the reads give before it is disbelieved."""

_ZERO = 2457000.0
_SCIENCE = '[45:2092,1:2048]'
"""What SCIPIXS says: one-based, inclusive, columns first."""

_QUALITY = {'COARSE': 4, 'RW_DESAT': 32}
"""TESS bits of the logical keywords that newer images have."""

_STRAYLIGHT = 2048


def read_tica_header(path) -> FrameHeader:
    """The facts in the header of one TICA image.

    Its times are those at the spacecraft, so that ``timecorr`` is 0.

    Raises
    ------
    InputMissingError, InputBadError
        When there is no such file, or it is no TICA image, damaged, or its header
        contradicts its name.
    """
    path = Path(path)
    units = fits_checks.read_hdus(path, 1, data=False, max_bytes=ffi.MAX_IMAGE, shapes=_check_shape)
    with fits_checks.explained_input(path):
        return _frame_header(path, units)


def read_tica_pixels(path, header):
    """Image and uncertainty of a TICA image whose header was read before, its sums verified.

    Returns
    -------
    image, uncertainty : array, (rows, columns) of ``header.limits``
        Native float32, e-/s of live time as in images of SPOC.

    Raises
    ------
    InputBadError
        Also when the file is another one by now.
    """
    units = fits_checks.read_hdus(path, 1, max_bytes=ffi.MAX_IMAGE, shapes=_check_shape)
    with fits_checks.explained_input(path):
        now = _frame_header(Path(path), units)
        if (now.limits, now.cadenceno, now.exposure) != (header.limits, header.cadenceno, header.exposure):
            raise ValueError('it changed while it was in use')
        return rates(ffi.science_pixels(units[0], header.limits), header)


def rates(electrons, header):
    """Rates and their uncertainties from the electrons of an exposure.

    The uncertainty is that which SPOC states for such a pixel: photons, read-out
    and rounding of the reads that are kept.

    Parameters
    ----------
    electrons : array (..., rows, columns)
        Of ``header.limits``.
    header : FrameHeader

    Returns
    -------
    image, uncertainty : float32 arrays of the same shape, e-/s
    """
    output = ccd_output(np.arange(header.limits.col_min, header.limits.col_max))
    read = np.array(header.readnoise)[output] ** 2 + np.array(header.gain)[output] ** 2 / 12
    with np.errstate(invalid='ignore', over='ignore'):
        variance = np.maximum(electrons, 0) + (header.n_readout * read).astype('f4')
        return ((electrons / np.float32(header.exposure)).astype('f4'),
                (np.sqrt(variance) / np.float32(header.exposure)).astype('f4'))


def _check_shape(index, header):
    """Refuse what is no image of electrons, before its data are read."""
    if 'ZIMAGE' in header or not header['NAXIS']:
        raise ValueError('its first HDU holds no image')
    ffi.check_image(index, header)
    if str(header.get('SCIPIXS', _SCIENCE)).replace(' ', '') != _SCIENCE:
        raise ValueError(f'its science pixels are {header["SCIPIXS"]}, not {_SCIENCE} of a whole CCD')
    if str(header.get('UNITS', 'electrons')).strip().lower() not in ('electrons', 'electron', 'e-'):
        raise ValueError(f'its pixels are in {header["UNITS"]}, not in electrons; it is not calibrated')


def _frame_header(path, units):
    header = units[0].header
    sector, camera, ccd = ffi.identify(path, header)
    start, middle, stop = _times(header)
    seconds = ffi.cadence_seconds(header, stop - start)
    facts = exposure_facts(header, seconds)
    # its stars are those of the TIC; without this card EQUINOX would mean FK5
    header.setdefault('RADESYS', 'ICRS')
    return FrameHeader(
        name=path.name, sector=sector, camera=camera, ccd=ccd, time_start=start, time=middle, time_stop=stop,
        timecorr=0., cadenceno=_cadence_number(header, middle, seconds), quality=_quality(header, camera),
        cadence=round(seconds), wcs_text=ffi.wcs_cards(header), limits=ffi.science_limits(header),
        size=path.stat().st_size, datasum=fits_checks.datasums(units), **facts)


def _times(header):
    """Start, middle and end, TJD in TDB at the spacecraft."""
    shift = number(header, 'TJD_ZERO', _ZERO, 2.4e6, 2.6e6) - _ZERO
    start, stop = (number(header, name, None, *ffi.TIME_LIMITS) + shift for name in ('STARTTJD', 'ENDTJD'))
    middle = number(header, 'MIDTJD', (start + stop) / 2 - shift, *ffi.TIME_LIMITS) + shift
    if not start < middle < stop:
        raise ValueError(f'STARTTJD {start}, MIDTJD {middle}, ENDTJD {stop} are not in order')
    return start, middle, stop


def _cadence_number(header, middle, seconds):
    """CADENCE, which is SPOC's FFIINDEX; without it the number that the time tells."""
    if 'CADENCE' in header:
        return whole(header, 'CADENCE')
    return ffi.cadence_number(middle, seconds)


def _quality(header, camera):
    """TESS bits of the keywords that tell them; QUAL_BIT is a placeholder and means nothing."""
    bits = {**_QUALITY, f'STRAYLT{camera}': _STRAYLIGHT}
    return sum(bit for name, bit in bits.items() if logical(header, name))


def exposure_facts(header, seconds) -> dict:
    """Fields of `FrameHeader` about read-out and processing.

    EXPTIME is set by hand in some versions of the product (to that of 600-s
    images), so it is believed only where it fits the reads of such a frame.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Of an image, or of a cutout of images, which has lost most of its keywords.
    seconds : float
        Length of the frame.
    """
    clipped = logical(header, 'CRM', logical(header, 'CRMITEN', True))
    block = whole(header, 'CRM_N', 10, 0, 10000)
    kept = (block - 2) / block if clipped and block > 2 else 1.
    reads = number(header, 'NREADOUT', 0, 0, 10 ** 6) or seconds / FRAME_TIME * kept
    exposure = number(header, 'EXPTIME', 0, 0, 1e5)
    if not abs(exposure - reads * INT_TIME) <= _SAME * reads * INT_TIME:
        exposure = reads * INT_TIME
    return {
        'exposure': exposure, 'int_time': INT_TIME, 'frame_time': FRAME_TIME,
        'num_frm': round(seconds / FRAME_TIME), 'n_readout': round(exposure / INT_TIME),
        'deadc': exposure / seconds,
        'readnoise': tuple(number(header, f'READNOI{output}', noise, 0.1, 1000)
                           for output, noise in zip('ABCD', READ_NOISE, strict=True)),
        'gain': tuple(number(header, f'GAIN_{output}', 5.2, 0.1, 1000) for output in 'ABCD'),
        'crmiten': clipped, 'crblksz': block, 'crspoc': False,
        'procver': f'tica-{header.get("TICAVER", "")}'.strip(' -'), 'product': 'tica'}
