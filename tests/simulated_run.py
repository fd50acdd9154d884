"""A finished run with known truth: a list of stars with what became of them, and light curves."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from photometry.algorithms import noise
from photometry.core import units
from photometry.core.stamp import Stamp
from photometry.core.status import STATUS
from photometry.files import fits_text, lightcurve, paths
from photometry.files.lightcurve_writer import LightcurveWriter
from photometry.files.todo_tables import diagnostics, todolist
from photometry.todo import filling

CADENCE = 1800
PERIOD, DEPTH = 1.7, 0.02
"""Of the box-shaped dips that every light curve has; they begin at time 0 and last a tenth of the period."""

SENTENCES = {'no_flux': 'There is no light at its place.', 'flux_on_edge': 'Its light reaches the edge.',
             'timeout': 'It took more than 60 s.'}
HOSTILE = '<script>document.title = "caught"</script><img src=x onerror=alert(1)>'
"""A text that is caught when a page takes it for more than text."""

SHARES = {STATUS.OK: 0.94, STATUS.WARNING: 0.02, STATUS.ERROR: 0.02, STATUS.SKIPPED: 0.01, None: 0.01}


@dataclass(frozen=True)
class Truth:
    """What the list was made of: arrays by priority, from the first on."""

    starid: np.ndarray
    tmag: np.ndarray
    status: np.ndarray
    """Objects: `STATUS` or None."""
    reason: np.ndarray
    """Of the failed ones; '' elsewhere."""
    ccd: np.ndarray
    """(stars, 3): sector, camera, CCD."""
    rms_hour: np.ndarray
    row: np.ndarray
    column: np.ndarray
    method: np.ndarray
    elaptime: np.ndarray

    @cached_property
    def measured(self) -> np.ndarray:
        """Whether a star has a light curve."""
        return np.isin(self.status.astype(object), (STATUS.OK, STATUS.WARNING))


def truth(number, ccds=((5, 2, 3), (5, 2, 4)), seed=1) -> Truth:
    """Stars to Tmag 15, a third more with each half magnitude; some failed."""
    rng = np.random.default_rng(seed)
    tmag = np.sort(np.maximum(15 + np.log10(rng.uniform(1e-4, 1, number)) / 0.35, 4.5))
    status = rng.choice(np.array(list(SHARES), object), number, p=list(SHARES.values()))
    reason = np.where(status == STATUS.ERROR, rng.choice(list(SENTENCES), number), '')
    return Truth(
        starid=100_000_000 + rng.permutation(number), tmag=tmag, status=status, reason=reason,
        ccd=np.array(ccds)[rng.integers(0, len(ccds), number)],
        rms_hour=noise.stassun_floor(tmag) * rng.lognormal(0.1, 0.2, number),
        row=rng.uniform(1, 2048, number), column=rng.uniform(45, 2092, number),
        method=np.where(rng.uniform(size=number) < 0.9, 'linpsf', 'aperture'),
        elaptime=rng.lognormal(-4, 0.5, number))


def name_of(stars, index) -> str:
    """The light curve of a star, below the output directory."""
    key = map(int, stars.ccd[index])
    return paths.lightcurve_name(int(stars.starid[index]), *key, CADENCE, 60, 6).as_posix()


def write_list(path, stars):
    """The todo list of a run that has ended."""
    with filling.opened(path) as connection:
        filling.fill(connection, (_row(stars, index) for index in range(len(stars.tmag))), {})
        ended = sa.update(todolist).where(todolist.c.priority == sa.bindparam('at'))
        connection.execute(
            ended.values(status=sa.bindparam('to')),
            [{'at': index + 1, 'to': None if status is None else int(status)}
             for index, status in enumerate(stars.status)])
        tried = [index for index, status in enumerate(stars.status) if status not in (None, STATUS.SKIPPED)]
        connection.execute(sa.insert(diagnostics), [_diagnosis(stars, index) for index in tried])
    return path


def _row(stars, index):
    sector, camera, ccd = map(int, stars.ccd[index])
    return {'starid': int(stars.starid[index]), 'datasource': 'ffi', 'sector': sector, 'camera': camera,
            'ccd': ccd, 'cadence': CADENCE, 'method': None, 'tmag': float(stars.tmag[index]),
            'cbv_area': 111, 'tile': 1, 'cube': paths.cube_name(sector, camera, ccd)}


def _diagnosis(stars, index):
    made = dict.fromkeys(column.name for column in diagnostics.columns)
    made |= {'priority': index + 1, 'elaptime': float(stars.elaptime[index]), 'worker_wait_time': 0.001}
    if not stars.measured[index]:
        reason = str(stars.reason[index])
        return made | {'method_used': '', 'reason': reason, 'errors': SENTENCES[reason]}
    return made | {
        'method_used': str(stars.method[index]), 'lightcurve': name_of(stars, index),
        'mean_flux': float(units.magnitude_to_flux(stars.tmag[index])), 'variability': 1.0,
        'rms_hour': float(stars.rms_hour[index]), 'ptp': float(stars.rms_hour[index]),
        'pos_row': float(stars.row[index]), 'pos_column': float(stars.column[index]),
        'contamination': 0.01, 'mask_size': 12,
        'errors': 'Look at it.' if stars.status[index] == STATUS.WARNING else None}


def light_curve(starid, tmag, ccd=(5, 2, 3), times=200, seed=1) -> lightcurve.Lightcurve:
    """A light curve with dips, flagged cadences, a stamp and a neighbour."""
    rng = np.random.default_rng(seed)
    time = 1440 + np.arange(times) * CADENCE / 86400
    shape = 1 - DEPTH * (time / PERIOD % 1 < 0.1) + rng.normal(0, 1e-4, times)
    flux = float(units.magnitude_to_flux(tmag)) * shape
    flags = np.where(np.arange(times) % 10 == 7, 128, 0)
    columns = {'TIME': time, 'TIMECORR': np.full(times, 0.003), 'CADENCENO': np.arange(times) + 4697,
               'FLUX': np.where(flags, 3 * flux, flux), 'FLUX_ERR': np.full(times, 1.0),
               'SAP_FLUX': 0.9 * flux, 'SAP_FLUX_ERR': np.full(times, 1.0),
               'FLUX_BKG': 1200 + 100 * np.sin(time), 'QUALITY': flags,
               'POS_CORR1': 0.01 * (time - time[0]), 'POS_CORR2': rng.normal(0, 0.001, times)}
    stamp = Stamp(300, 307, 500, 509)
    aperture = np.ones(stamp.shape, int)
    aperture[2:5, 3:6] |= 2
    image = 2 + 1e4 * np.exp(-0.5 * ((np.arange(7) - 3)[:, None] ** 2 + (np.arange(9) - 4) ** 2))
    sector, camera, number = map(int, ccd)
    cards = ''.join(fits_text.card(*one) for axis, first, name in ((1, 501.0, 'RAWX'), (2, 301.0, 'RAWY'))
                    for one in ((f'CTYPE{axis}P', name), (f'CRPIX{axis}P', 1.0), (f'CRVAL{axis}P', first),
                                (f'CDELT{axis}P', 1.0)))
    return lightcurve.Lightcurve(
        columns, {'CREATOR': 'tessphot 0 LightCurve', 'OBJECT': f'TIC {starid}', 'TICID': int(starid),
                  'SECTOR': sector, 'CAMERA': camera, 'CCD': number, 'TESSMAG': float(tmag), 'FLFRCSAP': 0.9,
                  'AP_CONT': 0.01},
        {'TSTART': float(time[0])}, image, aperture, cards,
        neighbours={'STARID': [7], 'TMAG': [12.0], 'FLUX': [100.0], 'ROW': [303.0], 'COLUMN': [507.5],
                    'DISTANCE': [3.0], 'LIGHT': [0.01], 'PSF_LIGHT': [0.01], 'CORREL': [0.0], 'FLAGS': [0]},
        extra={'READNOIS': (10.0, 'read noise')})


def change(path, sql, *values):
    """Change rows of the list behind everybody's back."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql, values)


def write_curves(folder, stars, times=200):
    """A light curve of its own for every measured star."""
    writer = LightcurveWriter(source_date_epoch=1_700_000_000)
    for index in np.flatnonzero(stars.measured):
        made = light_curve(stars.starid[index], stars.tmag[index], stars.ccd[index], times, int(index))
        writer.write(Path(folder) / name_of(stars, index), made)


def link_curves(folder, stars, times=1300):
    """One and the same light curve under the name of every measured star, so that many take no room."""
    folder = Path(folder)
    first = folder / 'curve.fits'
    LightcurveWriter(source_date_epoch=1_700_000_000).write(first, light_curve(1, 10.0, times=times))
    for index in np.flatnonzero(stars.measured):
        path = folder / name_of(stars, index)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(first, path)
        except OSError:  # more links than the file system gives to one file
            first = folder / f'curve{index}.fits'
            first.write_bytes((folder / 'curve.fits').read_bytes())
            os.link(first, path)
