"""The bulk download of the TIC: strips of declination as CSV, read in blocks of bounded size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core.errors import InputMissingError
from photometry.files import fits_checks
from photometry.files.table_formats import NULLS, RawTable, from_arrow, is_gzipped

COLUMNS = 125
"""Columns of a strip, which has no line with their names."""

WANTED = {'ID': 1, 'GAIA': 9, 'objType': 12, 'ra': 14, 'dec': 15, 'pmRA': 17, 'pmDEC': 19, 'Tmag': 61,
          'Teff': 65, 'disposition': 86}
"""Those that are read, counted from 1 (description of the columns of TIC 8 at MAST)."""

BLOCK = 8 << 20
"""Bytes of text that are taken apart at a time."""

_TEXTS = ('objType', 'disposition')
_NUMBERS = ('ID', 'GAIA')
_NAME = re.compile(r'tic_dec(\d\d)_(\d\d)([NS])__(\d\d)_(\d\d)([NS])\.csv(\.gz)?', re.IGNORECASE)


@dataclass(frozen=True, order=True)
class Strip:
    """A file with the stars between two declinations, deg."""

    low: float
    high: float
    path: Path


def find_strips(path) -> list[Strip]:
    """The strips of a directory, sorted; or one file, which is of the whole sky if its name says nothing.

    Raises
    ------
    InputMissingError
        When there is none.
    """
    path = Path(path)
    if path.is_file():
        return [_named(path) or Strip(-90.0, 90.0, path)]
    found = sorted(filter(None, map(_named, path.iterdir()))) if path.is_dir() else []
    if not found:
        raise InputMissingError(f'{path} holds no strip of the TIC (such as tic_dec28_00S__26_00S.csv.gz); '
                                'name the directory of the bulk download with --catalog.')
    # The same strip zipped and not: one of them is enough.
    return list({(strip.low, strip.high): strip for strip in found}.values())


def is_strip(path) -> bool:
    """Whether a file is called like a strip."""
    return _named(Path(path)) is not None


def _named(path):
    match = _NAME.fullmatch(path.name)
    if match is None or not path.is_file():
        return None
    limits = [(-1 if half in 'sS' else 1) * (int(degrees) + int(minutes) / 60)
              for degrees, minutes, half in (match.groups()[:3], match.groups()[3:6])]
    return Strip(min(limits), max(limits), path)


def read_strip(path, chosen) -> tuple[RawTable, int]:
    """Some rows of a strip.

    Parameters
    ----------
    path : path-like
        CSV, gzipped or not; a line with names may stand first.
    chosen : callable
        ``chosen(ra, dec, tmag)`` tells which rows are wanted, arrays in deg and mag with NaN where unknown.

    Returns
    -------
    table : RawTable
        Columns of `WANTED`.
    rows : int
        How many there are in the file.

    Raises
    ------
    InputMissingError, InputBadError
        When the file does not exist, is cut off, or not made of these columns.
    """
    import pyarrow
    from pyarrow import csv
    kept, rows = [], 0
    with fits_checks.explained_input(path):
        names, skipped = _names(path)
        with opened(path) as stream, csv.open_csv(
                stream, csv.ReadOptions(column_names=names, skip_rows=skipped, block_size=BLOCK),
                convert_options=csv.ConvertOptions(
                    include_columns=list(WANTED), column_types=_types(pyarrow), null_values=NULLS,
                    strings_can_be_null=True)) as reader:
            for block in reader:
                rows += block.num_rows
                ra, dec, tmag = (block[name].to_numpy(zero_copy_only=False) for name in ('ra', 'dec', 'Tmag'))
                some = chosen(ra, dec, tmag)
                if some.any():
                    kept.append(block.filter(pyarrow.array(some)))
        table = pyarrow.Table.from_batches(kept, pyarrow.schema(list(_types(pyarrow).items())))
        return RawTable({name: from_arrow(table[name]) for name in WANTED}), rows


def _types(pyarrow):
    kinds = dict.fromkeys(_TEXTS, pyarrow.string()) | dict.fromkeys(_NUMBERS, pyarrow.int64())
    return {name: kinds.get(name, pyarrow.float64()) for name in WANTED}


def opened(path):
    """A stream of the text of a file, gzipped or not."""
    import pyarrow
    return pyarrow.input_stream(str(path), compression='gzip' if is_gzipped(path) else None)


def _names(path):
    """Names of all columns, and whether the first line is to be skipped because it holds them."""
    with opened(path) as stream:
        line = stream.read(1 << 16).decode('utf-8', 'replace').partition('\n')[0]
    fields = [field.strip().strip('"').lower() for field in line.split(',')]
    if fields[0] == 'id':
        lower = {name.lower(): name for name in WANTED}
        lacking = [lower[name] for name in lower if name not in fields]
        if lacking:
            raise ValueError(f'it lacks the column {lacking[0]}')
        if len(set(fields)) != len(fields):
            raise ValueError('the names of its columns are not distinct')
        return [lower.get(name, name) for name in fields], 1
    if len(fields) != COLUMNS:
        raise ValueError(f'its first line has {len(fields)} columns, not the {COLUMNS} of the TIC')
    names = [f'column {number}' for number in range(1, COLUMNS + 1)]
    for name, number in WANTED.items():
        names[number - 1] = name
    return names, 0


def outside(low, high, strips) -> list[tuple[float, float]]:
    """Parts of a range of declinations that no strip covers."""
    gaps, reached = [], low
    for strip in sorted(strips):
        if strip.low > reached:
            gaps.append((reached, min(strip.low, high)))
        reached = max(reached, strip.high)
        if reached >= high:
            break
    if reached < high:
        gaps.append((reached, high))
    return [(first, last) for first, last in gaps if not np.isclose(first, last)]
