"""Which files are to be fetched for what was asked for."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np

from photometry.core.errors import InputMissingError, UsageError
from photometry.files import downloads, fits_checks, mission_files, tesscut_service, tic_service

logger = logging.getLogger(__name__)

KINDS = ('ffi', 'tica', 'tesscut', 'tpf', 'fast-tpf', 'tic')
EVERY = (1, 2, 3, 4)
_BATCH = 500
"""TIC numbers in a question to MAST."""

_MAX_BYTES = {mission_files.FFI: 200 << 20, mission_files.TICA: 200 << 20}
_FRAMES = ((26, 1300), (55, 3900), (10 ** 6, 12_000))
"""Last sector with, and about how many, frames of a sector: by these the size of a cutout is guessed."""

_PIXEL_BYTES = 20
"""Of a pixel and frame of a TESSCut file: five columns of four bytes."""


@dataclass(frozen=True)
class Choice:
    """What was asked for on the command line."""

    kind: str
    sectors: tuple = ()
    """Empty: for places every sector that shows them."""
    cameras: tuple = EVERY
    ccds: tuple = EVERY
    starids: tuple = ()
    """TIC numbers."""
    places: tuple = ()
    """(right ascension, declination) in deg."""
    rows: int = 13
    columns: int = 13

    @property
    def is_listed(self) -> bool:
        """Whether stars or places were named."""
        return bool(self.starids or self.places)


class Standing:
    """The FITS files that lie anywhere below a directory."""

    def __init__(self, folder):
        self._paths = {path.name: path for path in sorted(folder.rglob('*.fits*'))
                       if path.is_file() and not path.name.startswith('.')}
        self._cuts = tesscut_service.CutNames(self._paths)

    def named(self, name):
        """The file of a name, also zipped, or None."""
        return self._paths.get(name) or self._paths.get(name + '.gz')

    def cut(self, cut):
        """The file with a cutout, or None."""
        return self._paths.get(self._cuts.find(cut))


@dataclass(frozen=True)
class Item:
    """A file to be fetched."""

    label: str
    """Of its group, for counts."""
    path: PurePosixPath
    """Where it goes, below INPUT."""
    find: Callable
    """Finds it in `Standing`; returns a path or None."""
    fetch: Callable
    """Fetches and verifies it to a path; returns the bytes that came over the network."""
    urls: tuple = ()
    """Where its size can be asked for."""
    guess: int | None = None
    """Bytes, about, where that is known without asking."""


def find_items(archives, choice) -> list[Item]:
    """The files that were asked for.

    Raises
    ------
    UsageError, InputMissingError, ArchiveError, DrainedError
    """
    if choice.kind == 'tesscut':
        return _cuts(archives, choice)
    if not choice.sectors:
        raise UsageError(f'Say of which sector: run_fetch.py {choice.kind} --sector N.')
    stars = _stars(archives, choice) if choice.kind in (mission_files.TPF, mission_files.FAST) else None
    names = [name for sector in choice.sectors for name in mission_files.listed(
        archives, choice.kind, sector, choice.cameras, choice.ccds)]
    if stars is not None:
        names = [name for name in names if mission_files.star_of(name) in stars]
        lacking = len(stars) - len({mission_files.star_of(name) for name in names})
        if lacking:
            logger.warning('%d of %d stars have no %s file in that.', lacking, len(stars), choice.kind)
    return [_item(archives, choice.kind, mission_files.located(archives, choice.kind, name))
            for name in names]


def _stars(archives, choice):
    """The stars whose target pixel files are wanted; None for all of a sector."""
    if choice.places:
        raise UsageError('Target pixel files are found by TIC number; give --targets with numbers.')
    if not choice.starids and (choice.cameras, choice.ccds) != (EVERY, EVERY):
        raise UsageError('Names of target pixel files do not tell the CCD; give --targets with TIC numbers, '
                         'or leave out --camera and --ccd.')
    return set(choice.starids) or None


def _item(archives, kind, file):
    def fetch(path):
        return downloads.download(archives.web, file.urls, path, fits_checks.check_whole,
                                  _MAX_BYTES.get(kind, downloads.MAX_BYTES))
    return Item('/'.join(file.path.parts[:-1]), file.path,
                lambda standing: standing.named(file.name), fetch, file.urls)


def _cuts(archives, choice):
    """The cutouts of every place; places that no image shows are counted."""
    if not choice.is_listed:
        raise UsageError('Say of which stars or places: run_fetch.py tesscut --targets FILE, or --position '
                         'RA DEC.')
    places = np.array([*choice.places, *find_places(archives, choice.starids)]).reshape(-1, 2)
    size = choice.rows, choice.columns
    found = archives.all_of(lambda place: tesscut_service.cuts_of(archives, *place, *size), places.tolist())
    chosen = [[cut for cut in cuts if _is_wanted(cut, choice)] for cuts in found]
    unseen = sum(not cuts for cuts in chosen)
    if unseen:
        logger.warning('%d of %d places have no image in that.', unseen, len(places))
    return [Item(str(cut.path.parent), cut.path, functools.partial(_standing_cut, cut),
                 functools.partial(tesscut_service.fetch_cut, archives, cut), guess=_guess(cut))
            for cut in dict.fromkeys(cut for cuts in chosen for cut in cuts)]


def _standing_cut(cut, standing):
    return standing.cut(cut)


def _is_wanted(cut, choice):
    return ((not choice.sectors or cut.sector in choice.sectors) and cut.camera in choice.cameras
            and cut.ccd in choice.ccds)


def _guess(cut):
    frames = next(number for last, number in _FRAMES if cut.sector <= last)
    return cut.rows * cut.columns * frames * _PIXEL_BYTES


def find_places(archives, starids) -> list[tuple[float, float]]:
    """Places of stars, from the TIC.

    Raises
    ------
    InputMissingError
        When the TIC has none of them.
    ArchiveError, DrainedError
    """
    found = {}
    batches = [sorted(starids)[k:k + _BATCH] for k in range(0, len(starids), _BATCH)]
    for rows in archives.all_of(lambda batch: _rows(archives, batch), batches):
        found |= {int(number): (float(ra), float(dec)) for number, ra, dec in
                  zip(*(rows.columns[name].tolist() for name in ('ID', 'ra', 'dec')), strict=True)}
    unknown = sorted(set(starids) - set(found))
    if unknown and not found:
        raise InputMissingError(f'The TIC has none of the {len(unknown)} stars, such as TIC {unknown[0]}; '
                                'check the numbers.')
    if unknown:
        logger.warning('The TIC has no row of %d of %d stars, such as TIC %d.', len(unknown), len(starids),
                       unknown[0])
    return [found[number] for number in sorted(found)]


def _rows(archives, numbers):
    """Rows of the TIC by number, from the cache or from MAST."""
    query = tic_service.request(tic_service.BY_NUMBER, {'ID': [str(number) for number in numbers]})
    return tic_service.kept(archives, query).table
