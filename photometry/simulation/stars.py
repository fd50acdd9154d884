"""Stars on and around a stamp: how many, how bright, where, who."""

from __future__ import annotations

import numpy as np

from photometry.core.errors import UsageError
from photometry.core.units import magnitude_to_flux

PRESETS = {'sparse': 50, 'typical': 250, 'crowded': 1100}
"""Stars down to Tmag 15 in 256 x 256 px."""

ISOLATED = 'isolated'
"""Preset of stars that stand alone: a grid with jitter, uniform in magnitude."""

SPACING = 20
"""Px between the places of isolated stars, which may be off by JITTER each way."""

JITTER = 3.0
SLOPE = 0.30
"""Growth of the logarithm of star counts with a magnitude, typical at middle latitudes."""

BRIGHT = 2.0
BORDER = 16
"""Px around the stamp in which there are stars too."""

STAR = np.dtype([('starid', 'i8'), ('row', 'f8'), ('column', 'f8'), ('tmag', 'f8'), ('flux', 'f8'),
                 ('teff', 'f8'), ('pm_ra', 'f8'), ('pm_decl', 'f8'), ('ra', 'f8'), ('decl', 'f8')])
"""Positions in pixels and degrees (at the time of observation), e-/s, K, mas/yr."""


def draw_stars(rng, stamp, *, preset='typical', number=None, faint=15.0, bright=None):
    """A table of stars, brightest first.

    Parameters
    ----------
    rng : numpy.random.Generator
    stamp : Stamp
    preset : str
        One of PRESETS, or ``isolated``.
    number : int, optional
        How many on the stamp itself, instead of what the preset says.
    faint, bright : float
        Limits in Tmag; isolated stars start at 6 by default, others at 2.

    Returns
    -------
    structured array of dtype STAR, without ra and decl
    """
    if preset == ISOLATED:
        row, column = _grid(rng, stamp, number)
        tmag = rng.uniform(6.0 if bright is None else bright, faint, len(row))
    elif preset in PRESETS:
        row, column, tmag = _field(rng, stamp, preset, number, faint, BRIGHT if bright is None else bright)
    else:
        raise UsageError(f"{preset!r} is no density; choose {', '.join(PRESETS)} or {ISOLATED}.")
    order = np.argsort(tmag, kind='stable')
    stars = np.zeros(len(tmag), dtype=STAR)
    stars['row'], stars['column'], stars['tmag'] = row[order], column[order], tmag[order]
    stars['flux'] = magnitude_to_flux(stars['tmag'])
    _describe(rng, stars)
    return stars


def _field(rng, stamp, preset, number, faint, bright):
    area = stamp.grown(BORDER, BORDER, BORDER, BORDER)
    pixels = stamp.height * stamp.width
    if number is None:
        number = PRESETS[preset] * pixels / 65536 * 10 ** (SLOPE * (faint - 15))
    total = round(number * area.height * area.width / pixels)
    # Cumulative counts grow as 10^(SLOPE m) between the limits.
    low = 10 ** (SLOPE * (bright - faint))
    tmag = faint + np.log10(low + (1 - low) * rng.random(total)) / SLOPE
    row = rng.uniform(area.row_min - 0.5, area.row_max - 0.5, total)
    column = rng.uniform(area.col_min - 0.5, area.col_max - 0.5, total)
    return row, column, tmag


def _grid(rng, stamp, number):
    rows, columns = (np.arange(low + SPACING / 2, high, SPACING)
                     for low, high in ((stamp.row_min, stamp.row_max), (stamp.col_min, stamp.col_max)))
    row, column = (places.ravel() for places in np.meshgrid(rows, columns, indexing='ij'))
    if number is not None:
        chosen = rng.permutation(len(row))[:number]
        row, column = row[chosen], column[chosen]
    return (row + rng.uniform(-JITTER, JITTER, len(row)),
            column + rng.uniform(-JITTER, JITTER, len(row)))


def _describe(rng, stars):
    """Numbers like those of the TESS Input Catalog, temperatures, proper motions."""
    count = len(stars)
    numbers = 100_000_000 + np.cumsum(rng.integers(1, 2000, count))
    stars['starid'] = rng.permutation(numbers)
    stars['teff'] = np.round(rng.triangular(3000, 5500, 9500, count))
    speed = rng.exponential(8.0, count) * (1 + 30 * (rng.random(count) < 0.02))
    angle = rng.uniform(0, 2 * np.pi, count)
    stars['pm_ra'], stars['pm_decl'] = speed * np.cos(angle), speed * np.sin(angle)
