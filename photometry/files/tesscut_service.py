"""Ask TESSCut which sectors show a place, and for cutouts."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from photometry.core.errors import InputBadError
from photometry.files import atomic, downloads, fits_checks
from photometry.files.pixel_table import MAX_BYTES

_NAME = re.compile(r'tess-s(?P<sector>\d{4})-(?P<camera>[1-4])-(?P<ccd>[1-4])_(?P<ra>-?\d+\.?\d*)_'
                   r'(?P<dec>-?\d+\.?\d*)_(?P<width>\d+)x(?P<height>\d+)_astrocut\.fits(\.gz)?')
_SAME = 2e-5
"""deg; places in names that differ by less are one: names have been written with two to six decimals."""


@dataclass(frozen=True)
class Cut:
    """A cutout that can be fetched."""

    sector: int
    camera: int
    ccd: int
    ra: float
    dec: float
    rows: int
    columns: int

    @property
    def name(self) -> str:
        """As TESSCut calls it."""
        return (f'tess-s{self.sector:04d}-{self.camera}-{self.ccd}_{self.ra:.6f}_{self.dec:.6f}_'
                f'{self.columns}x{self.rows}_astrocut.fits')

    @property
    def path(self) -> PurePosixPath:
        """Where it goes, below INPUT."""
        return PurePosixPath('tesscut', f's{self.sector:04d}', self.name)


class CutNames:
    """The cutouts among the names of files, found by what they show.

    Parameters
    ----------
    names : iterable of str
    """

    def __init__(self, names):
        found = {}
        for match in filter(None, map(_NAME.fullmatch, names)):
            numbers = [int(match[part]) for part in ('sector', 'camera', 'ccd')]
            size = sorted(int(match[part]) for part in ('width', 'height'))
            found.setdefault((*numbers, *size), []).append((match['ra'], match['dec'], match[0]))
        self._groups = {key: (np.array([entry[:2] for entry in entries], dtype='f8'), entries)
                        for key, entries in found.items()}

    def find(self, cut) -> str | None:
        """The name of a file that holds a cutout, whichever way round its sides are named."""
        key = (cut.sector, cut.camera, cut.ccd, *sorted((cut.rows, cut.columns)))
        if key not in self._groups:
            return None
        places, entries = self._groups[key]
        same = np.flatnonzero((abs(places - (cut.ra, cut.dec)) < _SAME).all(axis=1))
        return entries[same[0]][2] if same.size else None


def cuts_of(archives, ra, dec, rows, columns) -> list[Cut]:
    """The cutouts of a place that there are, one a sector and CCD.

    Raises
    ------
    ArchiveError, DrainedError
    """
    query = {'ra': f'{ra:.6f}', 'dec': f'{dec:.6f}'}
    body = archives.cache.get('tesscut', query)
    found = None
    if body is not None:
        with contextlib.suppress(ValueError):
            found = _sectors(body)
    if found is None:
        body, found = archives.web.ask(f'{archives.mast}/tesscut/api/v0.1/sector', _sectors, what='JSON',
                                       params=query, max_bytes=1 << 20)
        archives.cache.put('tesscut', query, body)
    return [Cut(*key, ra, dec, rows, columns) for key in found]


def _sectors(body):
    """(sector, camera, ccd) of each line of an answer, those of the mission's pipeline only."""
    try:
        rows = json.loads(body)['results']
        return sorted({tuple(int(row[name]) for name in ('sector', 'camera', 'ccd')) for row in rows
                       if str(row.get('sectorName', 'tess')).startswith('tess')})
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError('it has no results') from error


def fetch_cut(archives, cut, path) -> int:
    """Fetch a cutout, verified; returns the bytes that came over the network.

    Raises
    ------
    ArchiveError, OutputError, DrainedError
    """
    url = (f'{archives.mast}/tesscut/api/v0.1/astrocut?ra={cut.ra:.6f}&dec={cut.dec:.6f}&y={cut.rows}'
           f'&x={cut.columns}&units=px&sector={cut.sector}')
    zipped = path.with_name(f'.{path.name}.zip')
    try:
        return downloads.download(archives.web, [url], zipped, lambda part: _unpack(part, cut, path),
                                  MAX_BYTES)
    finally:
        with contextlib.suppress(OSError):
            zipped.unlink(missing_ok=True)


def _unpack(zipped, cut, path):
    """Take the cutout out of the zip file that TESSCut sends."""
    try:
        with zipfile.ZipFile(zipped) as file:
            members = [item for item in file.infolist() if _holds(cut, item.filename)]
            if len(members) != 1:
                raise InputBadError(f'{zipped}: it holds no cutout of sector {cut.sector}, camera '
                                    f'{cut.camera}, CCD {cut.ccd}.')
            if members[0].file_size > MAX_BYTES:
                raise InputBadError(f'{zipped}: the cutout is larger than one can be.')
            with file.open(members[0]) as member, atomic.replaced(path) as temporary:
                with open(temporary, 'wb') as written:
                    shutil.copyfileobj(member, written, 1 << 20)
                fits_checks.check_whole(temporary)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise InputBadError(f'{zipped}: it is no sound zip file ({error}).') from error


def _holds(cut, name):
    match = _NAME.fullmatch(PurePosixPath(name).name)
    return match is not None and (int(match['sector']), int(match['camera']), int(match['ccd'])) == (
        cut.sector, cut.camera, cut.ccd)
