"""The group ``/psf`` of a cube: the PRF that prepare learned from its stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.files.prf import OVERSAMPLE, SHAPE
from photometry.files.schema import Column

GROUP = 'psf'
COLUMNS = (
    Column('samples', '<f4', '', 'response of a pixel to a star, 9 samples a pixel; each place sums to 81'),
    Column('row', '<f8', 'px', 'zero-based rows of the places'),
    Column('column', '<f8', 'px', 'zero-based columns of the places'),
)
FACTS = {'learned': '|u1', 'stars': '<i8', 'degree': '<i8', 'rms_before': '<f8', 'rms_after': '<f8'}
"""Attributes beside ``wing``: whether the samples hold a PRF; stars it was learned from; degree of its
change over the CCD; median residual of held-out stars over their peak, without and with it."""

MOST_PLACES = SHAPE[0]
TOLERANCE = 1e-3
"""Part by which the sum of a place's samples may be off."""


@dataclass(frozen=True)
class LearnedPRF:
    """A PRF learned from the stars of a cube, in the form of `photometry.files.prf.PRFSamples`.

    Attributes
    ----------
    samples : ndarray (places, 117, 117) float32
    row, column : ndarray (places,)
        Zero-based; a rectangular grid.
    wing : tuple
        Fraction, exponent and radius in px; empty without one.
    stars, degree, rms_before, rms_after
        As `FACTS`.
    """

    samples: np.ndarray
    row: np.ndarray
    column: np.ndarray
    wing: tuple = ()
    stars: int = 0
    degree: int = 0
    rms_before: float = np.nan
    rms_after: float = np.nan
    oversample: int = OVERSAMPLE


def lay_out(file, row, column):
    """Allot the space of a PRF at some places in a file that is being made."""
    group = file.create_group(GROUP)
    empty = np.full((len(row), *SHAPE[1:]), np.nan, 'f4')
    for entry, values in zip(COLUMNS, (empty, row, column), strict=True):
        dataset = group.create_dataset(entry.name, data=values, dtype=entry.dtype)
        dataset.attrs['unit'], dataset.attrs['description'] = entry.unit, entry.description
    for name, kind in FACTS.items():
        group.attrs[name] = np.zeros((), kind)[()]
    group.attrs['wing'] = np.full(3, np.nan)


def write(file, learned):
    """Fill the group with a `LearnedPRF` of the places it was laid out for.

    Raises
    ------
    ValueError
        When the places are others.
    """
    group = file[GROUP]
    if not all(np.array_equal(group[name][...], getattr(learned, name)) for name in ('row', 'column')):
        raise ValueError('the PRF was learned for other places')
    group['samples'][...] = learned.samples
    for name, kind in FACTS.items():
        group.attrs.modify(name, np.array(getattr(learned, name, 1), kind)[()])
    group.attrs.modify('wing', np.array(learned.wing or (np.nan,) * 3))


def check_structure(file):
    """Refuse a group that is not made of plain datasets of the right type and shape."""
    import h5py
    link = file.get(GROUP, getlink=True)
    if link is None:
        return
    if not isinstance(link, h5py.HardLink) or not isinstance(file[GROUP], h5py.Group):
        raise ValueError(f'{GROUP} is no group of its own')
    group = file[GROUP]
    for entry in COLUMNS:
        own = isinstance(group.get(entry.name, getlink=True), h5py.HardLink)
        dataset = group[entry.name] if own else None
        if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
            raise ValueError(f'{GROUP}/{entry.name} is not stored in the file')
        if dataset.dtype != np.dtype(entry.dtype):
            raise ValueError(f'{GROUP}/{entry.name} has type {dataset.dtype}')
    places = group['row'].shape
    expected = (*places, *SHAPE[1:]), places, places
    if (len(places) != 1 or not 4 <= places[0] <= MOST_PLACES
            or any(group[entry.name].shape != shape for entry, shape in zip(COLUMNS, expected, strict=True))):
        raise ValueError(f'{GROUP} has datasets of wrong shapes')


def read(file) -> LearnedPRF | None:
    """The learned PRF of an open file; None where there is none.

    Raises
    ------
    ValueError, KeyError
        When the group holds no PRF though it says so.
    """
    if GROUP not in file:
        return None
    group = file[GROUP]
    facts = {name: np.asarray(group.attrs[name]) for name in FACTS}
    if any(value.shape != () for value in facts.values()) or facts['learned'] not in (0, 1):
        raise ValueError(f'{GROUP} has attributes of wrong shapes')
    if not facts.pop('learned'):
        return None
    arrays = {entry.name: group[entry.name][...] for entry in COLUMNS}
    _check(**arrays)
    return LearnedPRF(**arrays, wing=_wing(group.attrs['wing']),
                      **{name: value.item() for name, value in facts.items()})


def _check(samples, row, column):
    rows, columns = np.unique(row), np.unique(column)
    if not (np.isfinite(row).all() and np.isfinite(column).all() and min(rows.size, columns.size) >= 2
            and rows.size * columns.size == row.size
            and np.unique(np.stack([row, column]), axis=1).shape[1] == row.size):
        raise ValueError(f'the places of {GROUP} form no rectangular grid')
    if not np.isfinite(samples).all() or samples.min() < 0:
        raise ValueError(f'{GROUP}/samples holds numbers that are no part of the light')
    total = samples.sum(axis=(1, 2), dtype='f8') / OVERSAMPLE ** 2
    if not (np.abs(total - 1) < TOLERANCE).all():
        raise ValueError(f'{GROUP}/samples does not sum to the light of a star')


def _wing(found):
    if np.shape(found) != (3,):
        raise ValueError(f'the wing of {GROUP} is none')
    if np.isnan(found).all():
        return ()
    fraction, _, radius = found
    if not (np.isfinite(found).all() and 0 < fraction < 1 and radius > 0):
        raise ValueError(f'the wing of {GROUP} is none')
    return tuple(map(float, found))
