"""A table of stars from anywhere, as numbers in known units."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from photometry.core import starids
from photometry.core.errors import InputBadError
from photometry.files import table_formats

logger = logging.getLogger(__name__)

NAMES = {
    'starid': ('starid', 'tic', 'ticid', 'tic_id', 'id'),
    'gaia': ('source_id', 'gaia_dr3', 'gaiadr3', 'gaia_id', 'gaia'),
    'pm_ra': ('pmra', 'pm_ra'),
    'pm_decl': ('pmdec', 'pm_dec', 'pm_decl', 'pmde'),
    'tmag': ('tmag', 'tessmag', 'tess_mag'),
    'teff': ('teff', 'teff_gspphot', 'teff_val'),
    'disposition': ('disposition',),
    'kind': ('objtype',),
    'epoch': ('ref_epoch', 'epoch'),
    'g_mag': ('phot_g_mean_mag', 'gaiamag'),
    'bp_mag': ('phot_bp_mean_mag', 'gaiabp'),
    'rp_mag': ('phot_rp_mean_mag', 'gaiarp'),
    'version': ('ticver',),
}
"""Names, in lower case, under which a column may stand; the first one present counts."""

POSITIONS = (
    (('ra_j2000', 'raj2000'), ('decl_j2000', 'dec_j2000', 'dej2000', 'decj2000'), 2000.0),
    (('ra', 'ra_deg', 'radeg'), ('dec', 'decl', 'dec_deg', 'decdeg', 'dedeg'), None),
    (('ra_icrs',), ('de_icrs', 'dec_icrs'), None),
    (('ra_orig',), ('dec_orig',), 2015.5),
)
"""Pairs of names for positions, with their epoch; None: as ``ref_epoch``, a keyword or the kind tells."""

TIC_EPOCH = 2000.0
"""Positions ra, dec of the TIC hold for epoch 2000 (Stassun et al. 2019, AJ 158, 138)."""

GAIA_EPOCH = 2016.0
"""Positions of Gaia DR3 hold for 2016.0 (Gaia Collaboration 2023, A&A 674, A1)."""

MAX_PROPER_MOTION = 11_000.0
"""mas/yr, a little more than Barnard's star; beyond it the unit or the row is wrong."""

GAIA_TO_TMAG = (-0.00522555, 0.0891337, -0.633923, 0.0324473)
"""Tmag - G as a polynomial in BP - RP, the highest power first (Stassun et al. 2019, AJ 158, 138, eq. 1)."""

GAIA_COLOURS = (-0.2, 3.5)
"""BP - RP between which it holds."""

GREATEST_SHIFT = 1.33
"""mag, a little more than G - Tmag of the reddest stars of that range."""

_MEAN_SHIFT = -0.430
POSITION_NAMES = frozenset(name for first, second, _ in POSITIONS for name in (*first, *second))
"""Names under which a part of a position may stand."""

_EVERY = frozenset(name for names in NAMES.values() for name in names) | POSITION_NAMES
_KEPT = frozenset(('', '0', '0.0', 'null', 'none', 'nan', '--'))
_STARID = re.compile(r'(?:TIC\s*)?(\d{1,11})(?:\.0*)?', re.IGNORECASE)


@dataclass(frozen=True)
class StarTable:
    """Stars with a position; arrays of one length, unknown numbers NaN.

    ``starid`` int64, TIC numbers or negative local ones; ``gaia`` int64, 0 when
    unknown; ``ra``, ``dec`` deg at ``epoch`` (Julian years); ``pm_ra`` (with
    cos dec), ``pm_decl`` mas/yr; ``tmag`` mag; ``teff`` K.
    """

    path: Path
    starid: np.ndarray
    gaia: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    epoch: np.ndarray
    pm_ra: np.ndarray
    pm_decl: np.ndarray
    tmag: np.ndarray
    teff: np.ndarray
    ticver: str = ''
    dropped: dict = field(default_factory=dict)
    """Rows left out: reason -> number."""


def read_star_table(path) -> StarTable:
    """Read a table of stars.

    Columns are found by the names in `NAMES` and `POSITIONS`, whatever their
    case. Needed are a position and a TESS magnitude (or Gaia's G, from which
    it follows). Declared units are converted; without one, degrees and
    mas/yr hold. Rows without a position or a magnitude, extended objects, rows with a
    disposition (duplicates, splits, artefacts and what is unknown) and repeated stars are
    left out and counted.

    Raises
    ------
    InputMissingError, InputBadError
        Naming the file and what it lacks.
    """
    path = Path(path)
    return from_columns(path, table_formats.read_columns(path, lambda name: name.lower() in _EVERY))


def from_columns(path, raw) -> StarTable:
    """The same of columns that have been read: `photometry.files.table_formats.RawTable`."""
    columns = _Columns(path, raw)
    right, declination, epoch = _positions(columns)
    table = {'ra': right, 'dec': declination, 'epoch': epoch,
             'pm_ra': columns.numbers('pm_ra', 'mas/yr'), 'pm_decl': columns.numbers('pm_decl', 'mas/yr'),
             'tmag': _magnitudes(columns), 'teff': columns.numbers('teff', 'K'),
             'gaia': columns.gaia_numbers(), 'starid': columns.star_numbers()}
    dropped = {}
    wild = np.hypot(table['pm_ra'], table['pm_decl']) > MAX_PROPER_MOTION
    if wild.any():
        if wild.sum() > max(1, 0.01 * wild.size):
            raise InputBadError(f'{path}: {int(wild.sum())} proper motions exceed {MAX_PROPER_MOTION:g} '
                                'mas/yr; declare the unit of the columns.')
        table['pm_ra'][wild] = table['pm_decl'][wild] = np.nan
    keep = np.ones(right.size, dtype=bool)
    _drop(dropped, keep, 'without a position', ~(np.isfinite(right) & np.isfinite(declination)))
    _drop(dropped, keep, 'without a magnitude', ~((table['tmag'] > -5) & (table['tmag'] < 40)))
    _drop(dropped, keep, 'of extended objects', columns.extended())
    for label, rows in columns.dispositions():
        _drop(dropped, keep, f'with disposition {label}', rows)
    _drop(dropped, keep, 'repeated', _repeated(table['starid'], keep))
    if not keep.any():
        reasons = ', '.join(f'{count} {reason}' for reason, count in dropped.items()) or 'it has no row'
        raise InputBadError(f'{path} has no usable star: {reasons}.')
    for reason, count in dropped.items():
        logger.warning('%s: %d of %d rows left out, %s.', path.name, count, keep.size, reason)
    return StarTable(path, **{name: values[keep] for name, values in table.items()},
                     ticver=columns.version(), dropped=dropped)


def tic_numbers(path, raw):
    """TIC numbers of a table that has been read, (rows,) int64; 0 where it has none."""
    return _Columns(path, raw).given_numbers()


def positions(path, raw) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination, deg, of columns that have been read; raises InputBadError."""
    return _positions(_Columns(path, raw))[:2]


def _drop(dropped, keep, reason, rows):
    count = int((rows & keep).sum())
    if count:
        dropped[reason] = count
        keep &= ~rows


def _repeated(starid, keep):
    """Rows, among those kept, whose star stands further up already."""
    rows = np.flatnonzero(keep)
    first = np.unique(starid[rows], return_index=True)[1]
    repeated = np.zeros(starid.size, dtype=bool)
    repeated[np.delete(rows, first)] = True
    return repeated


def _positions(columns):
    """Right ascension, declination and epoch from the first pair of columns present."""
    pairs = [(columns.find(right), columns.find(declination), epoch)
             for right, declination, epoch in POSITIONS]
    pairs = [pair for pair in pairs if None not in pair[:2]]
    if not pairs:
        raise InputBadError(f'{columns.path} has no columns with positions; call them ra and dec (deg).')
    *names, epoch = pairs[0]
    ra, dec = (columns.convert(name, 'deg') for name in names)
    with np.errstate(invalid='ignore'):
        wrong = ~((ra >= -180) & (ra <= 360) & (abs(dec) <= 90)) & np.isfinite(ra) & np.isfinite(dec)
    if wrong.any():
        row = np.flatnonzero(wrong)[0]
        raise InputBadError(f'{columns.path}: {names[0]} = {ra[row]:g}, {names[1]} = {dec[row]:g} is no '
                            'place on the sky in degrees; declare the unit of the columns.')
    return ra % 360, dec, np.full(ra.size, epoch) if epoch else columns.epochs()


def _magnitudes(columns):
    """TESS magnitudes; where there are none, from Gaia's."""
    tmag, gaia = columns.numbers('tmag', 'mag'), columns.numbers('g_mag', 'mag')
    if not columns.has('tmag') and not columns.has('g_mag'):
        raise InputBadError(f'{columns.path} has no column with TESS magnitudes; call it Tmag.')
    colour = columns.numbers('bp_mag', 'mag') - columns.numbers('rp_mag', 'mag')
    with np.errstate(invalid='ignore'):
        # The polynomial holds between these colours; outside them the mean does.
        valid = (colour > GAIA_COLOURS[0]) & (colour < GAIA_COLOURS[1])
    shift = np.polyval(GAIA_TO_TMAG, np.where(valid, colour, 0.0))
    return np.where(np.isfinite(tmag), tmag, gaia + np.where(valid, shift, _MEAN_SHIFT))


class _Columns:
    """Columns of one file by the meaning of their names."""

    def __init__(self, path, raw):
        self.path, self.raw = path, raw
        self._lower = {}
        for name in raw.columns:
            if self._lower.setdefault(name.lower(), name) != name:
                raise InputBadError(f'{path} has the columns {self._lower[name.lower()]} and {name}; '
                                    'rename one of them.')
        self.rows = len(next(iter(raw.columns.values()), ()))

    def find(self, aliases):
        """The name in the file of the first alias present, or None."""
        return next((self._lower[alias] for alias in aliases if alias in self._lower), None)

    def has(self, meaning):
        """Whether there is a column of this meaning."""
        return self.find(NAMES[meaning]) is not None

    def numbers(self, meaning, unit):
        """A column as floats in a unit, all NaN when there is none."""
        name = self.find(NAMES[meaning])
        return np.full(self.rows, np.nan) if name is None else self.convert(name, unit)

    def convert(self, name, unit):
        """One column as floats, converted from the unit that the file declares."""
        values = _floats(self.path, name, self.raw.columns[name])
        declared = self.raw.units.get(name, '').strip()
        if not declared:
            return values
        from astropy import units
        try:
            return values * units.Unit(_UNIT_WORDS.get(declared.lower(), declared)).to(unit)
        except (ValueError, TypeError) as error:
            raise InputBadError(f'{self.path}: column {name} has the unit {declared!r}, '
                                f'which is not one of {unit}.') from error

    def epochs(self):
        """Julian year of each position, from a column, a keyword or the kind of table."""
        column = self.find(NAMES['epoch'])
        if column is not None:
            years = _floats(self.path, column, self.raw.columns[column])
        else:
            stated = self.raw.meta.get('ref_epoch', self.raw.meta.get('epoch'))
            kind = TIC_EPOCH if self.has('starid') or not self.has('gaia') else GAIA_EPOCH
            try:
                years = np.full(self.rows, kind if stated is None else float(str(stated).lstrip('Jj')))
            except ValueError as error:
                raise InputBadError(f'{self.path}: the epoch {stated!r} is no Julian year.') from error
        with np.errstate(invalid='ignore'):
            if not ((years > 1900) & (years < 2100)).all():
                raise InputBadError(f'{self.path}: epochs of positions must be Julian years such as 2015.5.')
        return years

    def gaia_numbers(self):
        """Gaia source numbers, 0 when unknown or no exact integers."""
        name = self.find(NAMES['gaia'])
        if name is None:
            return np.zeros(self.rows, dtype='i8')
        column = self.raw.columns[name]
        if column.dtype.kind in 'iu':
            return np.ma.filled(column, 0).astype('i8')
        if column.dtype.kind == 'U':
            return np.array([int(text) if text.isdecimal() and len(text) <= 19 and int(text) < 2 ** 63 else 0
                             for text in np.ma.filled(column, '').tolist()], dtype='i8')
        # A float has lost the last digits of a 19-digit number.
        return np.zeros(self.rows, dtype='i8')

    def star_numbers(self):
        """TIC numbers; a star without one has minus its Gaia number, or the next number below the lowest.

        Gaia numbers are greater than 2^32, so that the two kinds of negative numbers do not meet.
        """
        numbers, gaia = self.given_numbers(), self.gaia_numbers()
        named = (numbers == 0) & (gaia > starids.SMALLEST_GAIA)
        lowest = min(int(numbers[numbers > -starids.SMALLEST_GAIA].min(initial=0)), 0)
        numbers[named] = -gaia[named]
        lacking = numbers == 0
        numbers[lacking] = lowest - 1 - np.arange(int(lacking.sum()))
        return numbers

    def given_numbers(self):
        """Numbers of the TIC, or local ones, that the table tells; 0 where it tells none."""
        name = self.find(NAMES['starid'])
        return np.zeros(self.rows, dtype='i8') if name is None else self._tic_numbers(name)

    def _tic_numbers(self, name):
        column = self.raw.columns[name]
        if column.dtype.kind == 'U':
            texts = np.ma.filled(column, '').tolist()
            matches = [_STARID.fullmatch(text.strip()) for text in texts]
            bad = [text for text, match in zip(texts, matches, strict=True) if match is None and text.strip()]
            if bad:
                raise InputBadError(f'{self.path}: {bad[0]!r} in column {name} is no TIC number.')
            return np.array([int(match[1]) if match else 0 for match in matches], dtype='i8')
        values = np.ma.filled(column.astype('f8') if column.dtype.kind == 'f' else column, 0)
        values = np.where(np.isfinite(values), values, 0)
        wrong = (values > starids.MOST_TIC) | (values < starids.LEAST) | (values != np.floor(values))
        if wrong.any():
            raise InputBadError(f'{self.path}: {values[wrong][0]:g} in column {name} is no TIC number.')
        return values.astype('i8')

    def extended(self):
        """Rows of galaxies and nebulae, as the TIC calls them."""
        name = self.find(NAMES['kind'])
        if name is None or self.raw.columns[name].dtype.kind != 'U':
            return np.zeros(self.rows, dtype=bool)
        words = np.char.strip(np.ma.filled(self.raw.columns[name], ''))
        return np.char.upper(words) == 'EXTENDED'

    def dispositions(self):
        """(label, rows) of each disposition that excludes its stars."""
        name = self.find(NAMES['disposition'])
        if name is None:
            return
        column = self.raw.columns[name]
        blank = '' if column.dtype.kind == 'U' else 0
        labels = np.array([str(value).strip().upper() for value in np.ma.filled(column, blank).tolist()])
        for label in sorted(set(labels.tolist())):
            if label.lower() not in _KEPT:
                yield label, labels == label

    def version(self):
        """Version of the TIC, where a keyword or a column tells."""
        name = self.find(NAMES['version'])
        if name is not None and self.rows:
            return str(self.raw.columns[name][0])
        return str(self.raw.meta.get('ticver', ''))


_UNIT_WORDS = {'h': 'hourangle', 'hr': 'hourangle', 'hours': 'hourangle', 'hour': 'hourangle',
               'degrees': 'deg', 'degree': 'deg', 'radians': 'rad', 'radian': 'rad',
               'mas/year': 'mas/yr', 'arcsec/year': 'arcsec/yr', '"/yr': 'arcsec/yr', 'mas.yr**-1': 'mas/yr',
               'mas yr-1': 'mas/yr', 'magnitude': 'mag', 'kelvin': 'K', 'dex': '', 'none': ''}


def _floats(path, name, column):
    """A column as float64 with NaN where it is blank."""
    if column.dtype.kind == 'U':
        texts = np.ma.filled(column, 'nan').tolist()
        try:
            return np.array([float(text) if text.strip() else np.nan for text in texts])
        except ValueError as error:
            raise InputBadError(f'{path}: column {name} holds text ({str(error)[-20:]}); '
                                'write decimal numbers, positions in degrees.') from error
    values = np.ma.filled(column.astype('f8'), np.nan)
    return np.where(np.isfinite(values), values, np.nan)
