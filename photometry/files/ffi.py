"""Read calibrated full-frame images of TESS (SPOC, ``*_ffic.fits``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from photometry.core.coordinates import FFI_SHAPE, SCIENCE
from photometry.core.stamp import Stamp
from photometry.files import fits_checks, paths
from photometry.files.fits_checks import logical, number, whole

ANCHOR_TIME = 1325.32351727
"""Uncorrected mid-time (TJD) of `ANCHOR_CADENCE`: the FFI tess2018206192942, sector 1."""

ANCHOR_CADENCE = 4697
"""FFIINDEX of that image, counted in cadences of `ANCHOR_STEP` seconds."""

ANCHOR_STEP = 1800

ROUNDING = 0.05
"""Seconds by which TIMEDEL may miss a whole number for want of digits. Other fractions are meant, and
counting in rounded steps would give two frames one number."""

_WCS_CARD = re.compile(r'WCSAXES|(CTYPE|CRVAL|CRPIX|CUNIT|CDELT)[12]|LONPOLE|LATPOLE|RADESYS|EQUINOX|'
                       r'(CD|PC)[12]_[12]|[AB]P?_(\d_\d|ORDER)')

_IDENTITY = (('SECTOR',), ('CAMERA', 'CAMNUM'), ('CCD', 'CCDNUM'))
"""Keywords of sector, camera and CCD, as SPOC and TICA write them."""

_NO_NUMBER = re.compile(r"= *'? *[-+]?(nan|inf)", re.IGNORECASE)

TIME_LIMITS = (-5000., 50000.)
"""BTJD between which every frame lies."""

MAX_IMAGE = FFI_SHAPE[0] * FFI_SHAPE[1] * 8
"""Bytes of the largest image that is read."""


@dataclass(frozen=True)
class FrameHeader:
    """What the header of one frame says, whatever file it comes from."""

    name: str
    """File name, with the row behind a ``#`` for frames of a TESSCut file."""
    sector: int
    camera: int
    ccd: int
    time_start: float
    """Start, middle and end in BTJD (TDB) as in the header, for the CCD's centre."""
    time: float
    time_stop: float
    timecorr: float
    """Barycentric correction that these times contain, days."""
    cadenceno: int
    quality: int
    cadence: int
    """Seconds from one frame to the next."""
    wcs_text: str
    """WCS cards for one-based pixels of the whole FFI; empty without a usable WCS."""
    limits: Stamp
    """Science pixels that exist."""
    data_rel: int = 0
    exposure: float = 0.
    """Live time of one frame, s."""
    int_time: float = 1.98
    frame_time: float = 2.
    num_frm: int = 0
    n_readout: int = 0
    deadc: float = 0.
    readnoise: tuple = (10.,) * 4
    """Of outputs A..D, electrons a read."""
    gain: tuple = (5.2,) * 4
    crmiten: bool = False
    crblksz: int = 10
    crspoc: bool = False
    procver: str = ''
    size: int = 0
    """Bytes of the file."""
    datasum: str = ''
    product: str = 'spoc'
    """One of `photometry.files.paths.PRODUCTS`."""


def read_ffi_header(path) -> FrameHeader:
    """The facts in the headers of one FFI.

    Raises
    ------
    InputMissingError, InputBadError
        When there is no such file, or it is no FFI, damaged, or its header
        contradicts its name.
    """
    path = Path(path)
    units = fits_checks.read_hdus(path, 3, data=False, max_bytes=MAX_IMAGE, shapes=_check_shape)
    with fits_checks.explained_input(path):
        return _frame_header(path, units)


def read_ffi(path):
    """Header, image and uncertainty of one FFI, its sums verified.

    Returns
    -------
    header : FrameHeader
    image, uncertainty : array, (rows, columns) of ``header.limits``
        Native float32, e-/s; the uncertainty is NaN where the file has none.

    Raises
    ------
    InputMissingError, InputBadError
    """
    path = Path(path)
    units = fits_checks.read_hdus(path, 3, max_bytes=MAX_IMAGE, shapes=_check_shape)
    with fits_checks.explained_input(path):
        header = _frame_header(path, units)
        return header, *_pixels(units, header.limits)


def read_ffi_pixels(path, header):
    """Image and uncertainty of an FFI whose header was read before; as `read_ffi`, but faster.

    Raises
    ------
    InputBadError
        Also when the file is another one by now.
    """
    units = fits_checks.read_hdus(path, 3, max_bytes=MAX_IMAGE, shapes=_check_shape)
    with fits_checks.explained_input(path):
        # the time in the header given may have been restored by some seconds
        if (len(units) < 2 or science_limits(units[1].header) != header.limits
                or not abs(number(units[1].header, 'TSTART') - header.time_start) < header.cadence / 172800):
            raise ValueError('it changed while it was in use')
        return _pixels(units, header.limits)


def _pixels(units, limits):
    if len(units) < 3:
        raise ValueError('it has no HDU of uncertainties')
    return science_pixels(units[1], limits), science_pixels(units[2], limits)


def science_limits(image) -> Stamp:
    """Science pixels that the image of a header has."""
    return Stamp(0, min(image['NAXIS2'], SCIENCE.row_max),
                 SCIENCE.col_min, min(image['NAXIS1'], SCIENCE.col_max))


def cadence_number(mid_time, cadence) -> np.ndarray | int:
    """Number of a cadence from its mid-time without barycentric correction (TJD).

    Cadences of every length are counted from one zero: the 1800-s cadence 4697
    covers the 200-s cadences 42273 to 42281. Gaps stay gaps.
    """
    start = np.asarray(mid_time) - ANCHOR_TIME + (ANCHOR_STEP - cadence) / 172800
    numbers = np.rint(start * 86400 / cadence + ANCHOR_CADENCE * ANCHOR_STEP / cadence)
    return int(numbers) if np.ndim(numbers) == 0 else numbers.astype(int)


def _check_shape(index, header):
    """Refuse a shape that no FFI has, before its data are read."""
    if index == 0 or 'ZIMAGE' in header:
        if 'ZIMAGE' in header:
            raise ValueError('it is a tile-compressed FFI; decompress it with funpack')
        return
    check_image(index, header)


def check_image(index, header):
    """Refuse the header of an image that is no whole FFI and no corner of one.

    Raises
    ------
    ValueError
    """
    if header['NAXIS'] != 2 or header['BITPIX'] not in (-32, -64):
        raise ValueError(f'HDU {index} is not a float image of two axes')
    width, height = header['NAXIS1'], header['NAXIS2']
    if not (0 < height <= FFI_SHAPE[0] and SCIENCE.col_min < width <= FFI_SHAPE[1]):
        raise ValueError(f'HDU {index} has {height} x {width} pixels; a whole FFI has {FFI_SHAPE[0]} x '
                         f'{FFI_SHAPE[1]} and a part of one more than its {SCIENCE.col_min} leading columns')


def _frame_header(path, units):
    if len(units) < 2:
        raise ValueError('it has no image')
    primary, image = units[0].header, units[1].header
    sector, camera, ccd = identify(path, primary, image)
    start, stop = (number(image, name, None, *TIME_LIMITS) for name in ('TSTART', 'TSTOP'))
    if not start < stop:
        raise ValueError(f'TSTART {start} is not before TSTOP {stop}')
    timecorr = number(image, 'BARYCORR', None, -0.02, 0.02)
    seconds = cadence_seconds(image, stop - start)
    middle = (start + stop) / 2
    if primary.get('FFIINDEX', image.get('FFIINDEX')) is None:
        cadenceno = cadence_number(middle - timecorr, seconds)
    else:
        cadenceno = whole(primary if 'FFIINDEX' in primary else image, 'FFIINDEX')
    return FrameHeader(
        name=path.name, sector=sector, camera=camera, ccd=ccd, time_start=start, time=middle,
        time_stop=stop, timecorr=timecorr, cadenceno=cadenceno, quality=whole(image, 'DQUALITY', 0),
        cadence=round(seconds), wcs_text=wcs_cards(image), limits=science_limits(image),
        exposure=number(image, 'EXPOSURE', 0, 0, 1) * 86400, size=path.stat().st_size,
        datasum=fits_checks.datasums(units), **instrument_facts(primary, image))


def identify(path, *headers):
    """(sector, camera, ccd) from the file's name and its headers, which must agree.

    Early releases have no SECTOR keyword; a file whose name follows no
    convention must have all three.

    Raises
    ------
    ValueError
        When name and header disagree, or neither speaks.
    """
    said = [next((whole(header, name, None, 1, 10000) for header in headers for name in names
                  if name in header), None) for names in _IDENTITY]
    named = paths.ccd_of(path)
    for index, (name, *_) in enumerate(_IDENTITY):
        if said[index] is not None and named and said[index] != named[index]:
            raise ValueError(f'its header says {name} {said[index]}, its name says {named[index]}')
        if said[index] is None:
            if not named:
                raise ValueError(f'the header has no {name} and the name does not tell it')
            said[index] = named[index]
    if said[1] > 4 or said[2] > 4:
        raise ValueError(f'there is no camera {said[1]} with a CCD {said[2]}')
    return tuple(said)


def cadence_seconds(header, duration) -> float:
    """Seconds from one frame to the next, from TIMEDEL, else from the length of a frame in days.

    A whole number where it is one within `ROUNDING`. EXPOSURE is never used:
    it is days a frame in FFIs, a total in pixel files.
    """
    seconds = number(header, 'TIMEDEL', duration, 0, 1) * 86400
    if not 1 <= round(seconds) <= 7200:
        raise ValueError(f'it states a cadence of {seconds:g} s')
    return round(seconds) if abs(seconds - round(seconds)) < ROUNDING else seconds


def cadence_of_times(middle, stated) -> float:
    """The cadence that is stated, or the step of the times where they contradict it.

    Steps of whole cadences contradict nothing: frames may be missing.

    Parameters
    ----------
    middle : array (times,)
        Mid-times without barycentric correction, TJD, ascending.
    stated : float
        Seconds.
    """
    if len(middle) < 3:
        return stated
    step = float(np.median(np.diff(middle))) * 86400
    cadences = max(1, round(step / stated))
    if abs(step - cadences * stated) < 1 + 0.01 * stated or not 1 <= round(step) <= 7200:
        return stated
    return round(step) if abs(step - round(step)) < ROUNDING else step


def instrument_facts(primary, image) -> dict:
    """Fields of `FrameHeader` about the detector and the processing."""
    outputs = 'ABCD'
    return {
        'data_rel': whole(primary, 'DATA_REL', 0, 0, 9999),
        'int_time': number(image, 'INT_TIME', 1.98, 0, 100),
        'frame_time': number(image, 'FRAMETIM', 2., 0, 100),
        'num_frm': whole(image, 'NUM_FRM', 0, 0, 10 ** 6),
        'n_readout': whole(image, 'NREADOUT', 0, 0, 10 ** 6),
        'deadc': number(image, 'DEADC', 0., 0, 1),
        'readnoise': tuple(map(partial(_positive, image, 'READNOI', 10.), outputs)),
        'gain': tuple(map(partial(_positive, image, 'GAIN', 5.2), outputs)),
        'crmiten': logical(primary, 'CRMITEN'),
        'crblksz': whole(primary, 'CRBLKSZ', 10, 0, 10000),
        'crspoc': logical(primary, 'CRSPOC'),
        'procver': str(primary.get('PROCVER', '')).strip(),
    }


def _positive(header, name, default, output):
    return number(header, name + output, default, 0, 1000) or default


def wcs_cards(header) -> str:
    """The celestial WCS of a header as text, or '' where it has none that can be used.

    Cards of 80 characters in their original wording, so that no digit is lost;
    ``astropy.io.fits.Header.fromstring`` reads them.
    """
    from astropy.io.fits import Header
    text = header.tostring(endcard=False, padding=False)
    cards = [text[start:start + 80] for start in range(0, len(text), 80)]
    chosen = ''.join(card for card in cards if _WCS_CARD.fullmatch(card[:8].rstrip()))
    if _NO_NUMBER.search(chosen):
        return ''
    return chosen + 'END'.ljust(80) if usable_wcs(Header.fromstring(chosen)) else ''


def usable_wcs(header) -> bool:
    """Whether the cards of a WCS are all there and its matrix can be inverted."""
    types = str(header.get('CTYPE1', '')), str(header.get('CTYPE2', ''))
    if not (types[0].startswith('RA---') and types[1].startswith('DEC--')):
        return False
    cards = [header.get(name) for name in ('CRVAL1', 'CRVAL2', 'CRPIX1', 'CRPIX2')]
    if not all(isinstance(value, (int, float)) and abs(value) < 1e5 for value in cards):
        return False
    kind = 'CD' if 'CD1_1' in header else 'PC'
    matrix = [header.get(f'{kind}{axes}', default) for axes, default in
              (('1_1', 1), ('1_2', 0), ('2_1', 0), ('2_2', 1))]
    if not all(isinstance(value, (int, float)) for value in matrix):
        return False
    return abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]) > 1e-12


def science_pixels(unit, limits) -> np.ndarray:
    """The science pixels of an HDU in native float32, NaN where it does not reach."""
    values = unit.image()[limits.row_min:limits.row_max, limits.col_min:limits.col_max]
    made = np.empty(limits.shape, 'f4')
    if values.shape != limits.shape:
        made[:] = np.nan
    with np.errstate(over='ignore', invalid='ignore'):
        made[:values.shape[0], :values.shape[1]] = values
    return made
