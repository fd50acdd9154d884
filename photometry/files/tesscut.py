"""Read TESSCut files: small cubes cut from calibrated FFIs (``*_astrocut.fits``)."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from photometry.core.coordinates import SCIENCE
from photometry.core.stamp import Stamp
from photometry.files import ffi, fits_checks, paths, pixel_table, tica
from photometry.files.ffi import FrameHeader
from photometry.files.fits_checks import number


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
    units = fits_checks.read_hdus(path, 3, max_bytes=pixel_table.MAX_BYTES, shapes=pixel_table.check_shape)
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
    units = fits_checks.read_hdus(path, 2, data=False, max_bytes=pixel_table.MAX_BYTES,
                                 shapes=pixel_table.check_shape)
    with fits_checks.explained_input(path):
        if len(units) < 2:
            raise ValueError('it has no table of pixels')
        primary, header = units[0].header, units[1].header
        rows = pixel_table.row_type(header)
        pixel_table.require_columns(rows, ())
        whole_stamp = pixel_table.pixels_of(header, rows['FLUX'].shape)
        stamp = whole_stamp.clipped(SCIENCE)
        if not stamp.height * stamp.width:
            raise ValueError('none of its pixels is a science pixel')
        start, stop = (number(primary if name in primary else header, name, None, *ffi.TIME_LIMITS)
                       for name in ('TSTART', 'TSTOP'))
        return CutHeader(path, ffi.identify(path, primary, header), stamp,
                         pixel_table.wcs_on_ffi(units, whole_stamp), start, stop, path.stat().st_size,
                         fits_checks.datasums(units))


def _parse(path, units):
    header = units[1].header
    table = np.frombuffer(units[1].data, pixel_table.row_type(header))
    pixel_table.require_columns(table.dtype, ('TIME',), ('FLUX', 'FLUX_ERR'))
    whole_stamp = pixel_table.pixels_of(header, table['FLUX'].shape[1:])
    stamp = whole_stamp.clipped(SCIENCE)
    if not stamp.height * stamp.width:
        raise ValueError('none of its pixels is a science pixel')
    rows, columns = stamp.slices((whole_stamp.row_min, whole_stamp.col_min))
    times = _times(table, header)
    frames = _frames(path, units, table, times, stamp, pixel_table.wcs_on_ffi(units, whole_stamp))
    flux, flux_err = (table[name][times.rows][:, rows, columns] for name in ('FLUX', 'FLUX_ERR'))
    if frames[0].product == 'tica':
        flux, flux_err = tica.rates(flux, frames[0])
    return TessCut(path, frames, stamp, frames[0].wcs_text, flux, flux_err, times.quantised, times.dropped)


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


def _frames(path, units, table, times, stamp, wcs_text):
    primary, header = units[0].header, units[1].header
    sector, camera, ccd = ffi.identify(path, primary, header)
    is_tica = paths.product_of(path) == 'tica' or str(primary.get('FFI_TYPE')).strip().upper() == 'TICA'
    # images of TICA have no flags: what stands there is a placeholder
    has_quality = 'QUALITY' in table.dtype.names and not is_tica
    quality = table['QUALITY'] if has_quality else np.zeros(len(table), int)
    facts = (tica.exposure_facts(primary, times.cadence) if is_tica else
             {'exposure': pixel_table.exposure(header, times.cadence),
              **ffi.instrument_facts(primary, header)})
    half = times.cadence / 86400 / 2
    common = FrameHeader(
        name='', sector=sector, camera=camera, ccd=ccd, time_start=0, time=0, time_stop=0, timecorr=0,
        cadenceno=0, quality=0, cadence=times.cadence, wcs_text=wcs_text, limits=stamp,
        size=path.stat().st_size, datasum=fits_checks.datasums(units), **facts)
    return [dataclasses.replace(
        common, name=f'{path.name}#{row}', time_start=float(time - half), time=float(time),
        time_stop=float(time + half), timecorr=float(timecorr), cadenceno=int(cadenceno),
        quality=int(quality[row]) & 0x7FFFFFFF)
        for row, time, timecorr, cadenceno in
        zip(times.rows, times.time, times.timecorr, times.cadenceno, strict=True)]
