"""The list of stars or places for which files are fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError
from photometry.files import star_table, table_formats, todo_lists


@dataclass(frozen=True)
class Targets:
    """Stars by number, or places; one of the two is empty."""

    starid: np.ndarray
    """TIC numbers, sorted."""
    places: np.ndarray
    """(n, 2), right ascension and declination in deg."""


def read_targets(path) -> Targets:
    """TIC numbers, or places where a table has columns with positions.

    Parameters
    ----------
    path : path-like
        Numbers as `todo_lists.read_targets` reads them, or CSV, ECSV, FITS, Parquet with columns such as
        ``ra`` and ``dec`` (`star_table.POSITIONS`).

    Raises
    ------
    InputMissingError, InputBadError
    """
    path = Path(path)
    wanted = {name for pair in star_table.POSITIONS for names in pair[:2] for name in names}
    try:
        raw = table_formats.read_columns(path, lambda name: name.lower() in wanted)
    except InputBadError:
        raw = None
    if raw is None or not raw.columns:
        return Targets(todo_lists.read_targets(path), np.zeros((0, 2)))
    ra, dec = star_table.positions(path, raw)
    places = np.stack([ra, dec], axis=1)
    if not len(places) or not np.isfinite(places).all():
        raise InputBadError(f'{path}: every row needs a position; correct the rows without one.')
    return Targets(np.zeros(0, dtype='i8'), np.unique(places, axis=0))
