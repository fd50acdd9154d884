"""The truth file: all that a simulation knows and a measurement should find."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError
from photometry.core.stamp import Stamp
from photometry.files import atomic, schema

SCHEMA = '1.1'
NAME = 'truth.hdf5'
STARS_NAME = 'stars.ecsv'


@dataclass(frozen=True)
class BackgroundTruth:
    """Light that comes from no star, as numbers from which every pixel follows exactly.

    Arrays of shape (frames, ...) unless said otherwise; rates in e-/s/px.
    """

    level: np.ndarray
    gradient: np.ndarray
    """(frames, 2): change over 1000 rows and over 1000 columns."""
    bowl: np.ndarray
    """Change at 1000 px from the centre, growing with the square of the distance."""
    corner: np.ndarray
    """Corner glow one scale beyond its start."""
    glow: np.ndarray
    """Height of the patch of scattered light."""
    glow_place: np.ndarray
    """(frames, 2): row and column of its middle."""
    centre: np.ndarray
    """(2,): row and column of the origin of gradient and bowl."""
    axis: np.ndarray
    """(2,): row and column of the camera's axis, from which the corner glow grows."""
    corner_start: float
    """Distance in px from the axis where the corner glow starts."""
    corner_scale: float
    glow_sigma: float
    """Px."""
    strap_column: np.ndarray
    """(straps,): zero-based columns with straps below."""
    strap_response: np.ndarray
    """(straps,): their extra response to the background."""

    def on(self, stamp) -> StampBackground:
        """The background on a stamp, ready for many frames."""
        return StampBackground(self, stamp)

    def evaluate(self, frame, stamp):
        """Background of one frame, array (rows, columns) of float64."""
        return self.on(stamp).frame(frame)


@dataclass(frozen=True)
class StampBackground:
    """Background of a stamp, frame by frame."""

    truth: BackgroundTruth
    stamp: Stamp

    @cached_property
    def _row(self):
        return np.arange(self.stamp.row_min, self.stamp.row_max, dtype='float64')

    @cached_property
    def _column(self):
        return np.arange(self.stamp.col_min, self.stamp.col_max, dtype='float64')

    @cached_property
    def _corner(self):
        distance = np.hypot((self._row - self.truth.axis[0])[:, None], self._column - self.truth.axis[1])
        return np.maximum((distance - self.truth.corner_start) / self.truth.corner_scale, 0) ** 2

    @cached_property
    def response(self):
        """(columns,): 1, more on straps."""
        found = np.ones(self.stamp.width)
        inside = ((self.truth.strap_column >= self.stamp.col_min)
                  & (self.truth.strap_column < self.stamp.col_max))
        found[self.truth.strap_column[inside] - self.stamp.col_min] += self.truth.strap_response[inside]
        return found

    def frame(self, frame):
        """Background of one frame, array (rows, columns) of float64."""
        truth = self.truth
        row = (self._row - truth.centre[0]) / 1000
        column = (self._column - truth.centre[1]) / 1000
        gradient, bowl = truth.gradient[frame], truth.bowl[frame]
        image = np.add.outer(truth.level[frame] + gradient[0] * row + bowl * row ** 2,
                             gradient[1] * column + bowl * column ** 2)
        if truth.corner[frame]:
            image += truth.corner[frame] * self._corner
        if truth.glow[frame]:
            place, width = truth.glow_place[frame], np.sqrt(2) * truth.glow_sigma
            image += truth.glow[frame] * np.outer(np.exp(-((self._row - place[0]) / width) ** 2),
                                                  np.exp(-((self._column - place[1]) / width) ** 2))
        image *= self.response
        return image


@dataclass(frozen=True)
class Truth:
    """A simulated sector as it was drawn."""

    facts: dict
    """Numbers and words: seed, sector, camera, ccd, cadence, stamp, wing, noise ..."""
    stars: np.ndarray
    """Structured array: starid, row, column at rest, tmag, flux (e-/s), ra, decl, ...; since schema 1.1
    catalog_row, catalog_column and listed say what the catalogue knows."""
    frames: np.ndarray
    """Structured array, one row a frame, missing ones included."""
    shift: np.ndarray
    """(frames, 2) common motion in rows and columns, px."""
    matrix: np.ndarray
    """(frames, 2, 2) motion that grows with the distance from ``motion_centre``."""
    motion_centre: np.ndarray
    background: BackgroundTruth
    variable: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype='i8'))
    """(variables,) rows of ``stars`` that vary."""
    relative: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    """(variables, frames) their light over that at rest."""
    variability: tuple = ()
    """What makes them vary: one dictionary a variable star."""

    @cached_property
    def stamp(self) -> Stamp:
        """Pixels that were simulated."""
        return Stamp(*self.facts['stamp'])

    @cached_property
    def written(self) -> np.ndarray:
        """(frames,) whether the frame exists in a file."""
        return ~self.frames['missing']

    def flux(self, star):
        """Light of one star (row of ``stars``) in all frames, e-/s."""
        found = np.flatnonzero(self.variable == star)
        light = np.full(len(self.frames), self.stars['flux'][star])
        return light * self.relative[found[0]] if len(found) else light

    def positions(self, star):
        """Row and column of stars (rows of ``stars``) in all frames: two arrays (n, frames)."""
        place = np.stack([self.stars['row'][star], self.stars['column'][star]], axis=-1)
        place = np.atleast_2d(place) - self.motion_centre
        moved = place[:, None] + self.shift + np.einsum('tij,nj->nti', self.matrix, place)
        return moved[..., 0] + self.motion_centre[0], moved[..., 1] + self.motion_centre[1]


FRAME = np.dtype([('cadenceno', 'i8'), ('start', 'f8'), ('time', 'f8'), ('stop', 'f8'), ('timecorr', 'f8'),
                  ('quality', 'i4'), ('zero', '?'), ('missing', '?')])
"""Row of ``frames``: spacecraft times in TJD are ``time - timecorr`` and so on."""

_ARRAYS = ('stars', 'frames', 'shift', 'matrix', 'motion_centre', 'variable', 'relative')


def write_truth(path, truth):
    """Write a truth file.

    Parameters
    ----------
    path : path-like
    truth : Truth
    """
    import h5py
    with atomic.replaced(path) as temporary, h5py.File(temporary, 'w', track_order=True) as file:
        file.attrs['schema'] = SCHEMA
        file.attrs['facts'] = json.dumps(truth.facts, sort_keys=True)
        file.attrs['variability'] = json.dumps(truth.variability, sort_keys=True)
        for name in _ARRAYS:
            _store(file, name, getattr(truth, name))
        group = file.create_group('background')
        for name, value in vars(truth.background).items():
            _store(group, name, value)


def _store(group, name, value):
    value = np.asarray(value)
    options = {'compression': 'gzip', 'shuffle': True} if value.size > 4096 else {}
    group.create_dataset(name, data=value, track_times=False, **options)


def read_truth(path) -> Truth:
    """Read a truth file.

    Raises
    ------
    InputMissingError, InputBadError, IncompatibleError
    """
    import h5py
    try:
        with h5py.File(path, 'r') as file:
            schema.check_version(path, file.attrs['schema'], SCHEMA)
            arrays = {name: file[name][()] for name in _ARRAYS}
            background = {name: value[()] for name, value in file['background'].items()}
            return Truth(json.loads(file.attrs['facts']), background=BackgroundTruth(**background),
                         variability=tuple(json.loads(file.attrs['variability'])), **arrays)
    except FileNotFoundError as error:
        raise InputMissingError(f'{path} does not exist; run_simulate.py writes it.') from error
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputBadError(f'{path} is no truth file of a simulation, or it is damaged; '
                            'run run_simulate.py again.') from error


def write_stars(path, stars):
    """The catalogue of a simulation as ECSV, with the names and units of the TESS Input Catalog.

    Parameters
    ----------
    path : path-like
    stars : structured array
        With starid, ra_J2000, decl_J2000 (deg), pm_ra, pm_decl (mas/yr), tmag, teff.
    """
    from astropy.table import Table
    names = {'ID': ('starid', ''), 'ra': ('ra_J2000', 'deg'), 'dec': ('decl_J2000', 'deg'),
             'pmRA': ('pm_ra', 'mas/yr'), 'pmDEC': ('pm_decl', 'mas/yr'), 'Tmag': ('tmag', 'mag'),
             'Teff': ('teff', 'K')}
    table = Table({name: stars[source] for name, (source, _) in names.items()})
    for name, (_, unit) in names.items():
        if unit:
            table[name].unit = unit
    with atomic.replaced(path) as temporary:
        table.write(temporary, format='ascii.ecsv', overwrite=True)
