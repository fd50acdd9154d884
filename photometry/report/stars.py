"""The stars of a run as columns, whatever their list holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.algorithms import noise
from photometry.core import units
from photometry.files import results_table

FAILED, WAITING = 'error', 'waiting'

_MOST_TEXT = 4000
"""Characters of a text that are kept: sentences, not files."""


@dataclass(frozen=True)
class Stars:
    """Columns of equal length, in order of priority.

    Attributes
    ----------
    columns : dict of ndarray
        By the names of `photometry.files.results_table.COLUMNS`: texts as objects, other numbers than
        ``priority`` and ``starid`` as float64, NaN where unknown; ``has_file``, whether the light curve that
        the list names is there.
    """

    columns: dict

    @classmethod
    def of_parts(cls, parts):
        """Stars from dicts of lists, each by the names of the columns; ``has_file`` among them."""
        parts = [{name: _plain(values, _DTYPES[name]) for name, values in part.items()} for part in parts]
        joined = {name: np.concatenate([part[name] for part in parts]) if parts else _plain([], dtype)
                  for name, dtype in _DTYPES.items()}
        order = np.argsort(joined['priority'], kind='stable')
        return cls({name: values[order] for name, values in joined.items()})

    def __len__(self):
        return len(self.columns['priority'])

    def __getitem__(self, name):
        return self.columns[name]

    def where(self, chosen) -> Stars:
        """Some of the stars."""
        return Stars({name: values[chosen] for name, values in self.columns.items()})

    @cached_property
    def zero_point(self) -> np.ndarray:
        """Magnitude of 1 e-/s that each star tells; NaN without light."""
        flux = self['mean_flux']
        with np.errstate(invalid='ignore', divide='ignore'):
            told = self['tmag'] + units.ZERO_POINT - units.flux_to_magnitude(flux)
        return np.where(flux > 0, told, np.nan)

    @cached_property
    def over_floor(self) -> np.ndarray:
        """Scatter of one hour over the expected noise of Stassun et al. (2018)."""
        return self['rms_hour'] / noise.stassun_floor(self['tmag'])

    @cached_property
    def groups(self) -> dict:
        """(sector, camera, ccd, cadence) -> indices of its stars, in order."""
        keys = np.stack([self[name].astype(int) for name in ('sector', 'camera', 'ccd', 'cadence')], axis=1)
        found, inverse = np.unique(keys, axis=0, return_inverse=True)
        order = np.argsort(inverse, kind='stable')
        ends = np.cumsum(np.bincount(inverse.ravel(), minlength=len(found)))
        parts = np.split(order, ends[:-1])
        return {tuple(key): part for key, part in zip(found.tolist(), parts, strict=True)}


def _plain(values, dtype):
    """Values of one kind; what is none becomes NaN, empty or 0."""
    if dtype == 'U':
        made = np.empty(len(values), object)
        made[:] = [value[:_MOST_TEXT] if isinstance(value, str) else '' for value in values]
        return made
    if dtype == 'f8':
        known = [value if isinstance(value, int | float) else np.nan for value in values]
        made = np.array(known, 'f8')
        made[~np.isfinite(made)] = np.nan
        return made
    return np.array(values, dtype)


_DTYPES = {column.name: 'U' if column.dtype == 'U' else 'f8' for column in results_table.COLUMNS}
_DTYPES |= {'priority': 'i8', 'starid': 'i8', 'has_file': '?'}
