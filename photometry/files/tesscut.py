"""Read TESSCut files: small cubes cut from calibrated FFIs (``*_astrocut.fits``)."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from photometry.core.coordinates import SCIENCE, to_zero_based
from photometry.core.stamp import Stamp
from photometry.files import ffi, fits_checks, paths, tica
from photometry.files.ffi import FrameHeader
from photometry.files.fits_checks import number, whole

MAX_BYTES = 4 << 30
"""Largest table that is read; 99 x 99 pixels of a 200-s sector have 2.4 GB."""

_FORMATS = {'L': 'i1', 'B': 'u1', 'I': '>i2', 'J': '>i4', 'K': '>i8', 'E': '>f4', 'D': '>f8', 'A': 'S'}
_MAX_SIDE = 2136
_TIME_LIMITS = (-5000., 50000.)


@dataclass(frozen=True)
class TessCut:
    """A TESSCut file in memory, its frames sorted in time."""

    path: Path
    frames: list[FrameHeader]
    stamp: Stamp
    """Science pixels of the file."""
    wcs_text: str
    """One WCS for all frames, for one-based pixels of the whole FFI; may be empty."""
    flux: np.ndarray
    """(frames, rows, columns), e-/s, sky included."""
    flux_err: np.ndarray
    quantised: bool
    """Whether the times had lost their digits and were restored."""
    dropped: tuple[str, ...]
    """Rows that were left out, each with its reason."""

    @cached_property
    def size(self) -> int:
        """Bytes of the file."""
        return self.frames[0].size


def read_tesscut(path) -> TessCut:
    """All frames of one TESSCut file, its sums verified.

    Rows without a time are left out; of rows with the same cadence number the
    first stays. CADENCENO of the file is not used: it is 0 or counts rows. Times that were stored
    through float32 (steps of 10 s and more) are restored from the spacecraft's
    clock, which is linear: a line through the uncorrected times over cadence
    numbers gives them back to a fraction of a second.

    Raises
    ------
    InputMissingError, InputBadError
    """
    path = Path(path)
    units = fits_checks.read_hdus(path, 3, max_bytes=MAX_BYTES, shapes=_check_shape)
    with fits_checks.explained_input(path):
        if len(units) < 2:
            raise ValueError('it has no table of pixels')
        return _parse(path, units)


@dataclass(frozen=True)
class CutHeader:
    """What the headers of a TESSCut file say, read without its pixels."""

    path: Path
    ccd_key: tuple[int, int, int]
    """(sector, camera, ccd)."""
    stamp: Stamp
    wcs_text: str
    time_start: float
    """First and last time of the sector or the file, BTJD."""
    time_stop: float
    size: int
    datasum: str


def read_tesscut_header(path) -> CutHeader:
    """Place, pixels and span in time of a TESSCut file from its headers alone.

    The sums of the data are not verified.

    Raises
    ------
    InputMissingError, InputBadError
    """
    path = Path(path)
    units = fits_checks.read_hdus(path, 2, data=False, max_bytes=MAX_BYTES, shapes=_check_shape)
    with fits_checks.explained_input(path):
        if len(units) < 2:
            raise ValueError('it has no table of pixels')
        primary, header = units[0].header, units[1].header
        row_type = _row_type(header)
        if 'FLUX' not in row_type.names or len(row_type['FLUX'].shape) != 2:
            raise ValueError('the table has no images FLUX')
        whole_stamp = _stamp(header, row_type['FLUX'].shape)
        stamp = whole_stamp.clipped(SCIENCE)
        if not stamp.height * stamp.width:
            raise ValueError('none of its pixels is a science pixel')
        start, stop = (number(primary if name in primary else header, name, None, *_TIME_LIMITS)
                       for name in ('TSTART', 'TSTOP'))
        return CutHeader(path, ffi.identify(path, primary, header), stamp,
                         _moved(_table_wcs(header), whole_stamp), start, stop, path.stat().st_size,
                         fits_checks.datasums(units))


def _check_shape(index, header):
    """Refuse a table that cannot hold pixels, before it is read."""
    if index != 1:
        return
    if header.get('XTENSION', '').strip() != 'BINTABLE' or header['NAXIS'] != 2 or header.get('PCOUNT'):
        raise ValueError('its first extension is not a table of pixels')
    if not 0 < header['NAXIS2'] <= 200_000:
        raise ValueError(f'the table has {header["NAXIS2"]} rows')
    whole(header, 'TFIELDS', None, 1, 999)


def _parse(path, units):
    header = units[1].header
    table = np.frombuffer(units[1].data, _row_type(header))
    missing = {'TIME', 'FLUX', 'FLUX_ERR'} - set(table.dtype.names)
    if missing:
        raise ValueError(f'the table has no column {sorted(missing)[0]}')
    if table['FLUX'].ndim != 3 or table['FLUX_ERR'].shape != table['FLUX'].shape:
        raise ValueError('FLUX and FLUX_ERR are not images')
    whole_stamp = _stamp(header, table['FLUX'].shape[1:])
    stamp = whole_stamp.clipped(SCIENCE)
    if not stamp.height * stamp.width:
        raise ValueError('none of its pixels is a science pixel')
    rows, columns = stamp.slices((whole_stamp.row_min, whole_stamp.col_min))
    times = _times(table, header)
    frames = _frames(path, units, table, times, stamp)
    flux, flux_err = (table[name][times.rows][:, rows, columns] for name in ('FLUX', 'FLUX_ERR'))
    if frames[0].product == 'tica':
        flux, flux_err = tica.rates(flux, frames[0])
    return TessCut(path, frames, stamp, frames[0].wcs_text, flux, flux_err, times.quantised, times.dropped)


def _row_type(header):
    """The numpy type of a table row."""
    fields = []
    for index in range(1, header['TFIELDS'] + 1):
        match = re.fullmatch(r'(\d*)([LBIJKEDA])', str(header[f'TFORM{index}']).strip())
        if not match:
            raise ValueError(f'TFORM{index} is {header[f"TFORM{index}"]!r}')
        count, kind = int(match[1] or 1), _FORMATS[match[2]]
        name = str(header.get(f'TTYPE{index}', f'column{index}')).strip()
        if kind == 'S':
            fields.append((name, f'S{count}'))
        else:
            fields.append((name, kind, _dimensions(header.get(f'TDIM{index}'), count)))
    made = np.dtype(fields)
    if made.itemsize != header['NAXIS1']:
        raise ValueError('the columns do not fill the rows of the table')
    return made


def _dimensions(text, count):
    if text is None:
        return () if count == 1 else (count,)
    shape = tuple(int(part) for part in str(text).strip(' ()').split(','))[::-1]
    if int(np.prod(shape)) != count or any(not 0 < side <= _MAX_SIDE for side in shape):
        raise ValueError(f'TDIM is {text}')
    return shape


def _stamp(header, shape):
    """Pixels of the cutout: TESSCut's physical WCS counts them from one on the whole FFI."""
    column = next(index for index in range(1, header['TFIELDS'] + 1)
                  if str(header.get(f'TTYPE{index}')).strip() == 'FLUX')
    column = column if f'1CRV{column}P' in header else 4
    origin = [to_zero_based(whole(header, f'{axis}CRV{column}P', None, -_MAX_SIDE, _MAX_SIDE)
                            + 1 - whole(header, f'{axis}CRP{column}P', 1, 1, _MAX_SIDE))
              for axis in (2, 1)]
    return Stamp(origin[0], origin[0] + shape[0], origin[1], origin[1] + shape[1])


@dataclass(frozen=True)
class _Times:
    rows: np.ndarray
    time: np.ndarray
    timecorr: np.ndarray
    cadenceno: np.ndarray
    cadence: int
    quantised: bool
    dropped: tuple


def _times(table, header):
    """Which rows are used in which order, with restored times and cadence numbers."""
    time = table['TIME'].astype('f8')
    timecorr = table['TIMECORR'].astype('f8') if 'TIMECORR' in table.dtype.names else np.zeros(len(time))
    timecorr = np.where(np.abs(timecorr) < 0.02, timecorr, 0)
    usable = np.isfinite(time) & (time > 1) & (time < 50000)
    dropped = [f'row {row}: no time' for row in np.flatnonzero(~usable)]
    rows = np.flatnonzero(usable)
    if not len(rows):
        raise ValueError('no row has a time')
    rows = rows[np.argsort(time[rows], kind='stable')]
    cadence = ffi.cadence_seconds(header, float(np.median(np.diff(time[rows]))) if len(rows) > 1 else 0)
    quantised = len(rows) > 2 and is_quantised(time[rows])
    if not quantised:
        cadence = ffi.cadence_of_times(time[rows] - timecorr[rows], cadence)
    numbers = np.asarray(ffi.cadence_number(time[rows] - timecorr[rows], cadence))
    first = np.unique(numbers, return_index=True)[1]
    dropped += [f'row {row}: the same cadence as an earlier row' for row in np.delete(rows, first)]
    rows, numbers = rows[first], numbers[first]
    mid = time[rows]
    quantised &= len(rows) > 2
    if quantised:
        mid = restored(mid - timecorr[rows], numbers) + timecorr[rows]
    return _Times(rows, mid, timecorr[rows], numbers, round(cadence), quantised, tuple(dropped))


def is_quantised(time) -> bool:
    """Whether all times are float32 numbers or means of two neighbouring ones."""
    steps = time / (np.spacing(time.astype('f4')).astype('f8') / 2)
    return bool(np.all(steps == np.rint(steps)))


def restored(time, numbers):
    """Times on the straight line that the spacecraft's clock keeps."""
    centre = numbers.mean()
    steps = numbers - centre
    slope = (steps * (time - time.mean())).sum() / (steps ** 2).sum()
    return time.mean() + slope * steps


def _frames(path, units, table, times, stamp):
    primary, header = units[0].header, units[1].header
    sector, camera, ccd = ffi.identify(path, primary, header)
    is_tica = paths.product_of(path) == 'tica' or str(primary.get('FFI_TYPE')).strip().upper() == 'TICA'
    # images of TICA have no flags: what stands there is a placeholder
    has_quality = 'QUALITY' in table.dtype.names and not is_tica
    quality = table['QUALITY'] if has_quality else np.zeros(len(table), int)
    facts = (tica.exposure_facts(primary, times.cadence) if is_tica else
             {'exposure': _exposure(header, times.cadence), **ffi.instrument_facts(primary, header)})
    half = times.cadence / 86400 / 2
    common = FrameHeader(
        name='', sector=sector, camera=camera, ccd=ccd, time_start=0, time=0, time_stop=0, timecorr=0,
        cadenceno=0, quality=0, cadence=times.cadence, wcs_text=_wcs(units, table, stamp), limits=stamp,
        size=path.stat().st_size, datasum=fits_checks.datasums(units), **facts)
    return [dataclasses.replace(
        common, name=f'{path.name}#{row}', time_start=float(time - half), time=float(time),
        time_stop=float(time + half), timecorr=float(timecorr), cadenceno=int(cadenceno),
        quality=int(quality[row]) & 0x7FFFFFFF)
        for row, time, timecorr, cadenceno in
        zip(times.rows, times.time, times.timecorr, times.cadenceno, strict=True)]


def _exposure(header, cadence):
    """Live time of a frame in s: from the reads, since EXPOSURE may be a total."""
    reads = whole(header, 'NREADOUT', 0, 0, 10 ** 6)
    if reads:
        return reads * number(header, 'INT_TIME', 1.98, 0, 100)
    return cadence * number(header, 'DEADC', 0.792, 0, 1)


def _wcs(units, table, stamp):
    """The WCS of the cutout, its reference pixel moved to the whole FFI."""
    offset = _stamp(units[1].header, table['FLUX'].shape[1:])
    for text in (ffi.wcs_cards(units[2].header) if len(units) > 2 else '', _table_wcs(units[1].header)):
        if text:
            return _moved(text, offset)
    return ''


def _moved(text, offset):
    """The cards of a WCS with their reference pixel counted on the whole FFI."""
    from astropy.io.fits import Header
    if not text:
        return ''
    made = Header.fromstring(text)
    made['CRPIX1'] += offset.col_min
    made['CRPIX2'] += offset.row_min
    return made.tostring(padding=False)


def _table_wcs(header):
    """WCS text from the keywords of the FLUX column."""
    from astropy.io.fits import Header
    number_of = next(index for index in range(1, header['TFIELDS'] + 1)
                     if str(header.get(f'TTYPE{index}')).strip() == 'FLUX')
    made = Header()
    names = {'{}CTYP{}': 'CTYPE{}', '{}CRPX{}': 'CRPIX{}', '{}CRVL{}': 'CRVAL{}', '{}CUNI{}': 'CUNIT{}',
             '{}CDLT{}': 'CDELT{}', '{}1PC{}': 'PC{}_1', '{}2PC{}': 'PC{}_2'}
    for pattern, name in names.items():
        for axis in (1, 2):
            key = pattern.format(axis, number_of)
            if key in header:
                made[name.format(axis)] = header[key]
    return made.tostring(padding=False) if ffi.usable_wcs(made) else ''
