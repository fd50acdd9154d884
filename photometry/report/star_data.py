"""The data of single stars as small scripts: the only files that a page from disk may read."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import numpy as np

from photometry.files import atomic, results_table

CHUNK = 1000
"""Stars of one script."""

ROWS, CURVES = 'rows', 'curves'
"""Folders of the report."""


def write_rows(folder, stars) -> list:
    """Write all that the list and the catalogue tell about each star, in scripts of `CHUNK` stars.

    Returns
    -------
    list of int
        Priority of the first star of each script.
    """
    where = atomic.make_directory(Path(folder) / ROWS)
    starts = range(0, len(stars), CHUNK)
    for number, start in enumerate(starts):
        part = stars.where(slice(start, start + CHUNK))
        _write_call(where / f'{number}.js', 'rows', number, rows_of(part))
    return stars['priority'][::CHUNK].tolist()


def rows_of(stars) -> dict:
    """Columns as JSON knows them: None where unknown; numbers of stars as text, some are beyond 2^53."""
    made = {'has_file': stars['has_file'].tolist()}
    for column in results_table.COLUMNS:
        values = stars[column.name]
        if column.name == 'starid':
            made[column.name] = list(map(str, values.tolist()))
        elif column.dtype == 'f8':
            made[column.name] = [float(f'{value:.9g}') if value == value else None
                                 for value in values.tolist()]
        elif column.dtype == 'U':
            made[column.name] = values.tolist()
        else:
            made[column.name] = [int(value) if value == value else None for value in values.tolist()]
    return made


def write_curve(folder, priority, path):
    """Wrap a light-curve file, zipped if it is not, so that the page of its star can read it."""
    content = Path(path).read_bytes()
    if content[:2] != b'\x1f\x8b':
        content = gzip.compress(content, 4, mtime=0)
    where = atomic.make_directory(Path(folder) / CURVES)
    _write_call(where / f'{priority}.js', 'curve', priority, Path(path).name,
                base64.b64encode(content).decode('ascii'))


def write_index(folder):
    """Write which stars have their light curve in the report, so that no page asks in vain."""
    where = atomic.make_directory(Path(folder) / CURVES)
    there = sorted(int(path.stem) for path in where.glob('*.js') if path.stem.lstrip('-').isdigit())
    _write_call(where / 'index.js', 'have', there)


def _write_call(path, function, *arguments):
    """A script that calls a function of the page; JSON in ASCII is JavaScript whatever stands in it."""
    text = ', '.join(json.dumps(argument, allow_nan=False) for argument in arguments)
    atomic.write_bytes(path, f'tessphot.{function}({text});\n'.encode('ascii'))


def choose(stars, most) -> np.ndarray:
    """Stars whose light curves come along: half of them evenly over the magnitudes, half remarkable ones.

    Remarkable are stars with a warning and those with the largest scatter over the floor.

    Returns
    -------
    ndarray of int
        Sorted indices, at most ``most``.
    """
    there = np.flatnonzero(stars['has_file'])
    by_light = there[np.argsort(stars['tmag'][there], kind='stable')]
    even = by_light[_evenly(stars['tmag'][by_light], most - most // 2)]
    left = np.setdiff1d(there, even)
    plain = stars['status'][left] != 'warning'
    odd = left[np.lexsort((-np.nan_to_num(stars.over_floor[left], nan=0.0), plain))]
    return np.sort(np.concatenate([even, odd[:most - even.size]]))


def _evenly(tmag, number):
    """Indices of sorted magnitudes, NaN last, that lie nearest above equal steps."""
    known = tmag[np.isfinite(tmag)]
    if not known.size:
        return np.zeros(0, int)
    return np.unique(np.searchsorted(known, np.linspace(known[0], known[-1], number)))
