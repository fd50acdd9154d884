"""Where TESS was by SPICE kernels, sampled into the table that all times are made from."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files.ephemeris import AU_KM, Ephemeris

TESS = -95
"""Number of the spacecraft in SPICE."""

STEP = 600.0
"""Seconds between the rows of a table; cubic interpolation then errs by metres."""

MARGIN = 0.1
"""Days before and after the times that are asked for."""

_J2000 = 2451545.0
_DAY = 86400.0


def sampled(path, start, stop) -> Ephemeris:
    """The path of TESS over some time.

    Parameters
    ----------
    path : path-like
        An SPK kernel (``.bsp``), or a directory of such: those of the spacecraft, and
        one of the planets where they need it. Later names take precedence.
    start, stop : float
        First and last time that is wanted, JD (TDB).

    Returns
    -------
    Ephemeris

    Raises
    ------
    InputMissingError
        When there is no kernel, none of TESS, none of that time, none of the planets,
        or no package that reads them.
    InputBadError
        When a file is no SPK kernel or is damaged.
    """
    path = Path(path)
    kernels = _find(path)
    with _loaded(kernels, path) as spice:
        spans = _coverage(spice, kernels, path)
        first, last = ((jd - _J2000) * _DAY for jd in (start - MARGIN, stop + MARGIN))
        seconds = [_grid(max(first, low), min(last, high))
                   for low, high in spans if low < last and high > first]
        if not seconds:
            known = ', '.join(f'JD {low / _DAY + _J2000:.1f} to {high / _DAY + _J2000:.1f}'
                              for low, high in spans)
            raise InputMissingError(f'The SPICE kernels in {path} do not tell where TESS was from JD '
                                    f'{start:.1f} to {stop:.1f}, only from {known}; add one of that time.')
        seconds = np.concatenate(seconds)
        place = np.array(spice.spkpos(str(TESS), seconds, 'J2000', 'NONE', '0')[0])
        return Ephemeris(seconds / _DAY + _J2000, place / AU_KM)


def _find(path):
    """The kernels that a path names, by name; never text kernels, which may name any other file."""
    kernels = sorted(path.glob('*.bsp')) if path.is_dir() else [path] if path.is_file() else []
    if not kernels:
        raise InputMissingError(f'There is no SPICE kernel (*.bsp) at {path}; set times.kernels to a kernel '
                                'of TESS or a directory of them.')
    for kernel in kernels:
        with open(kernel, 'rb') as file:
            if file.read(7) != b'DAF/SPK':
                raise InputBadError(f'{kernel} is no SPK kernel; take it away or download it again.')
    return kernels


@contextlib.contextmanager
def _loaded(kernels, path):
    """SPICE with these kernels alone, forgotten afterwards: its memory is the whole process's."""
    try:
        import spiceypy
    except ImportError as error:
        raise InputMissingError('SPICE kernels (times.kernels) need the package spiceypy; install it: '
                                'pip install "tessphot[spice]".') from error
    try:
        for kernel in kernels:
            spiceypy.furnsh(str(kernel))
        yield spiceypy
    except spiceypy.exceptions.SpiceSPKINSUFFDATA as error:
        raise InputMissingError(f'The SPICE kernels in {path} do not lead from TESS to the barycentre of the '
                                'solar system; add the one of the planets, such as de440s.bsp.') from error
    except spiceypy.exceptions.SpiceyError as error:
        text = ' '.join((getattr(error, 'long', '') or str(error)).split()).rstrip('.')
        raise InputBadError(f'The SPICE kernels in {path} cannot be used: {text[:200]}; '
                            'download them again.') from error
    finally:
        spiceypy.kclear()


def _coverage(spice, kernels, path):
    """Spans of time (s since J2000, TDB) in which the place of TESS is known, in order."""
    window = spice.cell_double(2000)
    for kernel in kernels:
        spice.spkcov(str(kernel), TESS, window)
    if not spice.wncard(window):
        raise InputMissingError(f'The SPICE kernels in {path} tell nothing of TESS (number {TESS}); add the '
                                'one of the spacecraft.')
    return [spice.wnfetd(window, index) for index in range(spice.wncard(window))]


def _grid(low, high):
    """Times at equal steps over a span, both ends included, at least four."""
    return np.linspace(low, high, max(4, int(np.ceil((high - low) / STEP)) + 1))
