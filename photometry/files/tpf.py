"""Read target pixel files of SPOC: the pixels around one star through a sector (``*_tp.fits``)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from photometry.core import starids
from photometry.core.coordinates import SCIENCE
from photometry.core.quality import ApertureFlag
from photometry.core.stamp import Stamp
from photometry.files import ffi, fits_checks, paths, pixel_table
from photometry.files.fits_checks import number, whole
from photometry.files.schema import InputFile

logger = logging.getLogger(__name__)

LONGEST = 120
"""Cadence of target pixel files in s, at most: those of longer ones are cut from full-frame images."""

LAYERS = {'images': 'FLUX', 'images_err': 'FLUX_ERR', 'backgrounds': 'FLUX_BKG',
          'backgrounds_err': 'FLUX_BKG_ERR'}
"""Columns of images by the names of layers."""

_SERIES = ('TIME', 'TIMECORR', 'CADENCENO', 'QUALITY', 'POS_CORR1', 'POS_CORR2')
_MOST_TIMECORR = 0.02


@dataclass(frozen=True, eq=False)
class TargetHeader:
    """What a target pixel file says besides its pixels."""

    path: Path
    starid: int
    """TIC number of its target."""
    ccd_key: tuple[int, int, int]
    """(sector, camera, ccd)."""
    cadence: int
    """Seconds from row to row."""
    stamp: Stamp
    """Science pixels of the file on the whole FFI."""
    origin: tuple[int, int]
    """Row and column there of the first pixel of the images."""
    aperture: np.ndarray
    """`~photometry.core.quality.ApertureFlag` bits of the mission, (rows, columns) int32."""
    wcs_text: str
    """WCS cards for one-based pixels of the whole FFI; may be empty."""
    time_start: float
    """First and last time of the file, BTJD of the star."""
    time_stop: float
    facts: dict
    """Fields of `photometry.files.ffi.FrameHeader` about detector and processing."""
    size: int
    datasum: str

    @property
    def collected(self) -> np.ndarray:
        """Pixels that were sent to the ground, (rows, columns) of bool."""
        return (self.aperture & ApertureFlag.COLLECTED) > 0

    def as_input(self, name) -> InputFile:
        """The file as a manifest knows it by a name."""
        return InputFile(name, self.size, self.datasum)


@dataclass(frozen=True, eq=False)
class TargetPixels:
    """A target pixel file in memory, its rows sorted in time; those without a time are left out."""

    header: TargetHeader
    table: np.ndarray
    """Its rows as the file has them."""
    rows: np.ndarray
    """Which of them are used, in order of time."""

    def _series(self, name, kind):
        return self.table[name][self.rows].astype(kind)

    @cached_property
    def time(self) -> np.ndarray:
        """(times,) mid-exposure, BTJD of the target as in the file."""
        return self._series('TIME', 'f8')

    @cached_property
    def timecorr(self) -> np.ndarray:
        """(times,) barycentric correction that these times contain, days."""
        return self._series('TIMECORR', 'f8')

    @cached_property
    def cadenceno(self) -> np.ndarray:
        """(times,) number of the cadence, gaps kept."""
        return self._series('CADENCENO', 'i8')

    @cached_property
    def quality(self) -> np.ndarray:
        """(times,) bits of QUALITY."""
        return self._series('QUALITY', 'i4') & 0x7FFFFFFF

    @cached_property
    def pos_corr(self) -> np.ndarray:
        """(times, 2) motion of the target along rows and columns, px; NaN where not known."""
        return np.stack([self._series('POS_CORR2', 'f8'), self._series('POS_CORR1', 'f8')], axis=1)

    def layer(self, name, stamp) -> np.ndarray:
        """Images of a layer on a stamp, (rows, columns, times) float32; NaN where nothing was collected.

        Parameters
        ----------
        name : str
            A key of `LAYERS`.
        stamp : Stamp
            Inside that of the file.
        """
        index = stamp.slices(self.header.origin)
        images = self.table[LAYERS[name]][self.rows, *index].astype('f4')
        made = np.ascontiguousarray(images.reshape(len(images), -1).T).reshape(*stamp.shape, -1)
        made[~self.header.collected[stamp.slices(self.header.stamp[::2])]] = np.nan
        return made


def read_tpf(path) -> TargetPixels:
    """A target pixel file, its sums verified.

    Rows without a time or its correction are left out, as are rows whose cadence number
    stands in an earlier one.

    Raises
    ------
    InputMissingError, InputBadError
    """
    path = Path(path)
    units = _units(path, True)
    with fits_checks.explained_input(path):
        table = np.frombuffer(units[1].data, pixel_table.row_type(units[1].header))
        rows = _rows_in_time(table, path.name)
        step = float(np.median(np.diff(table['TIME'][rows]))) if len(rows) > 1 else 0
        return TargetPixels(_header(path, units, step), table, rows)


def read_tpf_header(path) -> TargetHeader:
    """What a target pixel file says besides its pixels, whose sums are not verified.

    Raises
    ------
    InputMissingError, InputBadError
    """
    path = Path(path)
    units = _units(path, (2,))
    if 'TIMEDEL' not in units[1].header:
        return read_tpf(path).header
    with fits_checks.explained_input(path):
        return _header(path, units, 0)


def read_tpf_key(path) -> tuple[int, int, int]:
    """(sector, camera, ccd) of a target pixel file, from its first header alone.

    Raises
    ------
    InputMissingError, InputBadError
    """
    path = Path(path)
    units = fits_checks.read_hdus(path, 1, data=False)
    with fits_checks.explained_input(path):
        return _identify(path, units[0].header)[1]


def _units(path, data):
    """Primary header, table and aperture, their kinds checked."""
    units = fits_checks.read_hdus(path, 3, data=data, max_bytes=pixel_table.MAX_BYTES, shapes=_check_shape)
    with fits_checks.explained_input(path):
        if len(units) < 2:
            raise ValueError('it has no table of pixels')
        if len(units) < 3:
            raise ValueError('it has no extension APERTURE')
    return units


def _check_shape(index, header):
    """Refuse units that cannot be those of a target pixel file, before they are read."""
    pixel_table.check_shape(index, header)
    if index == 1:
        rows = pixel_table.row_type(header)
        pixel_table.require_columns(rows, _SERIES, tuple(LAYERS.values()))
    if index == 2:
        if header.get('XTENSION', '').strip() != 'IMAGE' or header['NAXIS'] != 2 or header['BITPIX'] < 0:
            raise ValueError('its second extension is not the image APERTURE')
        if max(header['NAXIS1'], header['NAXIS2']) > pixel_table.MAX_SIDE:
            raise ValueError('its APERTURE is larger than a CCD')


def _identify(path, primary):
    """Star and CCD, by the first header and the name of the file, which must agree."""
    starid = whole(primary, 'TICID', None, 1, starids.MOST_TIC)
    key = ffi.identify(path, primary)
    named = paths.target_of(path) or paths.FoundTarget(path)
    for name, said, wanted in (('TICID', starid, named.starid), ('SECTOR', key[0], named.sector)):
        if wanted not in (None, said):
            raise ValueError(f'its header says {name} {said}, its name says {wanted}')
    return starid, key


def _header(path, units, step):
    """The facts; ``step`` is that of the times, in days, where the header gives none."""
    primary, header, image = (unit.header for unit in units)
    starid, key = _identify(path, primary)
    shape = pixel_table.row_type(header)['FLUX'].shape
    aperture = units[2].image()
    if aperture.shape != shape:
        raise ValueError(f'its APERTURE has {aperture.shape[0]} x {aperture.shape[1]} pixels, its images '
                         f'{shape[0]} x {shape[1]}')
    whole_stamp = pixel_table.pixels_of(header, shape)
    stamp = whole_stamp.clipped(SCIENCE)
    aperture = aperture[stamp.slices(whole_stamp[::2])].astype('i4')
    if not (aperture & ApertureFlag.COLLECTED).any():
        raise ValueError('none of its science pixels was collected')
    cadence = ffi.cadence_seconds(header, step)
    if cadence > LONGEST:
        raise ValueError(f'its cadence of {cadence} s is that of full-frame images, of which cubes are made')
    start, stop = (number(header if name in header else primary, name, None, *ffi.TIME_LIMITS)
                   for name in ('TSTART', 'TSTOP'))
    facts = ffi.instrument_facts(primary, header) | {'exposure': pixel_table.exposure(header, cadence)}
    return TargetHeader(path, starid, key, cadence, stamp, whole_stamp[::2], aperture,
                        pixel_table.wcs_on_ffi(units, whole_stamp), start, stop, facts, path.stat().st_size,
                        fits_checks.datasums(units))


def _rows_in_time(table, name):
    """Rows with a time, in order, every cadence once."""
    time, timecorr = table['TIME'].astype('f8'), table['TIMECORR'].astype('f8')
    with np.errstate(invalid='ignore'):
        usable = (time > 1) & (time < ffi.TIME_LIMITS[1]) & (np.abs(timecorr) < _MOST_TIMECORR)
    rows = np.flatnonzero(usable)
    if not len(rows):
        raise ValueError('no row has a time')
    rows = rows[np.argsort(time[rows], kind='stable')]
    first = np.unique(table['CADENCENO'][rows], return_index=True)[1]
    kept = rows[np.sort(first)]
    kept = kept[np.diff(time[kept], prepend=-np.inf) > 0]
    if len(kept) < len(rows):
        logger.warning('%s: %d rows have the time or the cadence number of an earlier one and are left out.',
                       name, len(rows) - len(kept))
    logger.debug('%s: %d of %d rows have a time.', name, len(rows), len(table))
    return kept
