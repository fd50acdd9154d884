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
BRIGHT_STARS = 'bright'
"""Preset of a few saturated stars, one a CELL x CELL px, among those of a sparse field from FAINTER on."""

CELL = 128
SATURATED = (1.7, 5.6)
FAINTER = 7.0

WORDS = (*PRESETS, ISOLATED, BRIGHT_STARS)
"""All presets."""

SLOPE = 0.30
"""Growth of the logarithm of star counts with a magnitude, typical at middle latitudes."""

BRIGHT = 2.0
BORDER = 16
"""Px around the stamp in which there are stars too."""

STAR = np.dtype([('starid', 'i8'), ('row', 'f8'), ('column', 'f8'), ('tmag', 'f8'), ('flux', 'f8'),
                 ('teff', 'f8'), ('pm_ra', 'f8'), ('pm_decl', 'f8'), ('ra', 'f8'), ('decl', 'f8'),
                 ('catalog_row', 'f8'), ('catalog_column', 'f8'), ('listed', '?')])
"""Positions in pixels and degrees (at the time of observation), e-/s, K, mas/yr; where the
catalogue puts the star, and whether it has it at all."""


def draw_stars(rng, stamp, *, preset='typical', number=None, faint=15.0, bright=None):
    """A table of stars, brightest first.

    Parameters
    ----------
    rng : numpy.random.Generator
    stamp : Stamp
    preset : str
        One of WORDS.
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
    elif preset == BRIGHT_STARS:
        row, column, tmag = _bright(rng, stamp, number, faint)
    elif preset in PRESETS:
        row, column, tmag = _field(rng, stamp, preset, number, faint, BRIGHT if bright is None else bright)
    else:
        raise UsageError(f"{preset!r} is no density; choose one of {', '.join(WORDS)}.")
    order = np.argsort(tmag, kind='stable')
    stars = _table(row[order], column[order], tmag[order])
    _describe(rng, stars)
    return stars


def _table(row, column, tmag):
    """Stars that stand where the catalogue says, without number or description."""
    stars = np.zeros(len(tmag), dtype=STAR)
    stars['row'] = stars['catalog_row'] = row
    stars['column'] = stars['catalog_column'] = column
    stars['tmag'], stars['flux'], stars['listed'] = tmag, magnitude_to_flux(tmag), True
    return stars


def with_added(stars, rng, stamp, number, bright, faint):
    """The table with more stars on the stamp at its end, uniform in magnitude."""
    added = _table(rng.uniform(stamp.row_min - 0.5, stamp.row_max - 0.5, number),
                   rng.uniform(stamp.col_min - 0.5, stamp.col_max - 0.5, number),
                   rng.uniform(bright, faint, number))
    return _appended(stars, rng, added)


def _appended(stars, rng, added):
    _describe(rng, added)
    added['starid'] = stars['starid'].max(initial=0) + 1 + np.arange(len(added))
    return np.concatenate([stars, added])


def with_companions(stars, rng, companions):
    """The table with stars put beside some of its own at the end.

    Parameters
    ----------
    stars : structured array of dtype STAR
    rng : numpy.random.Generator
    companions : tuple of tuples
        Star (row of the table), distance in px, magnitudes by which the new star is
        fainter, and the angle of its direction, deg from rows towards columns; drawn if missing.

    Raises
    ------
    UsageError
        Where there is no such star.
    """
    if not companions:
        return stars
    host = np.array([entry[0] for entry in companions], dtype='i8')
    if host.max() >= len(stars):
        raise UsageError(f'There is no star {host.max()} that could have a companion; '
                         f'the field has {len(stars)} stars.')
    drawn = rng.uniform(0, 360, len(companions))
    angle = np.deg2rad([entry[3] if len(entry) > 3 else other
                        for entry, other in zip(companions, drawn, strict=True)])
    distance, fainter = np.array([entry[1:3] for entry in companions], dtype='f8').T
    added = _table(stars['row'][host] + distance * np.cos(angle),
                   stars['column'][host] + distance * np.sin(angle), stars['tmag'][host] + fainter)
    return _appended(stars, rng, added)


def catalogued(stars, rng, error=0.0, limit=None):
    """The table with what a catalogue knows of it.

    Parameters
    ----------
    stars : structured array of dtype STAR
    rng : numpy.random.Generator
    error : float
        Px rms along each axis by which catalogue and truth differ.
    limit : float, optional
        Tmag beyond which it lacks stars.
    """
    stars = stars.copy()
    for name in ('row', 'column'):
        stars[f'catalog_{name}'] = stars[name] + error * rng.standard_normal(len(stars))
    stars['listed'] = True if limit is None else stars['tmag'] <= limit
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


def _bright(rng, stamp, number, faint):
    """One saturated star a cell, off its middle by a quarter of it at most, and a sparse field."""
    row, column, tmag = _field(rng, stamp, 'sparse', None, faint, FAINTER)
    places = [(low + CELL / 2, left + CELL / 2)
              for low in range(stamp.row_min, max(stamp.row_max - CELL, stamp.row_min) + 1, CELL)
              for left in range(stamp.col_min, max(stamp.col_max - CELL, stamp.col_min) + 1, CELL)]
    middle = rng.permutation(np.array(places))[:number]
    middle = middle + rng.uniform(-CELL / 8, CELL / 8, middle.shape)
    return (np.r_[middle[:, 0], row], np.r_[middle[:, 1], column],
            np.r_[rng.uniform(*SATURATED, len(middle)), tmag])


def _describe(rng, stars):
    """Numbers like those of the TESS Input Catalog, temperatures, proper motions."""
    count = len(stars)
    numbers = 100_000_000 + np.cumsum(rng.integers(1, 2000, count))
    stars['starid'] = rng.permutation(numbers)
    stars['teff'] = np.round(rng.triangular(3000, 5500, 9500, count))
    speed = rng.exponential(8.0, count) * (1 + 30 * (rng.random(count) < 0.02))
    angle = rng.uniform(0, 2 * np.pi, count)
    stars['pm_ra'], stars['pm_decl'] = speed * np.cos(angle), speed * np.sin(angle)
